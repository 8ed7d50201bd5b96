"""Records as rows: whatever a record holds is read back as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from costwatch.adapters.ledger_codec import record_from_item, record_to_item
from costwatch.adapters.table import Key, Put, Table
from costwatch.core.consent import Consent, Word
from costwatch.core.exemptions import Exemption
from costwatch.core.heartbeats import Heard
from costwatch.core.model import RunId, RunKind
from costwatch.core.policy import Action, Mode
from costwatch.core.record import Extension, Hold, MemberSeen, Notice, RunRecord, Status, StopAttempt
from costwatch.core.selection import HoldCode
from tests.support.builders import ACCOUNT, HOUR, NOW, REGION, record
from tests.support.ledger_steps import LATE

KEY = Key("pk", "sk")

instants = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))
words = st.text(max_size=12)
whole_seconds = st.integers(0, 10**7).map(lambda seconds: timedelta(seconds=seconds))
run_ids = st.builds(RunId, st.just(ACCOUNT), st.just(REGION), st.sampled_from(RunKind), words)
members = st.lists(st.builds(MemberSeen, words, st.none() | instants), max_size=3).map(tuple)
notices = st.builds(
    Notice,
    words,
    st.sampled_from(Mode),
    instants,
    instants,
    words,
    members,
    st.none() | instants,
    words,
    st.none() | instants,
    money=st.booleans(),
)
stops = st.builds(
    StopAttempt,
    words,
    words,
    st.integers(1, 99),
    instants,
    st.lists(words, max_size=3).map(tuple),
    st.lists(words, max_size=2).map(tuple),
    st.none() | instants,
    st.sampled_from(Action),
    st.lists(words, max_size=2).map(tuple),
    st.none() | instants,
    money=words,
)
dollars = st.decimals(0, 10**5, places=6)
consents = st.builds(
    Consent,
    st.sampled_from(Word),
    instants,
    words,
    words,
    st.none() | whole_seconds,
    words,
    st.booleans(),
    st.booleans(),
    st.none() | dollars,
)
records = st.builds(
    RunRecord,
    run_id=run_ids,
    origin=words,
    version=st.integers(0, 10**6),
    status=st.sampled_from(Status),
    mode=st.sampled_from(Mode),
    selector=words,
    start=st.none() | instants,
    deadline=st.none() | instants,
    first_seen_at=instants,
    name=words,
    owner=words,
    team=words,
    members=members,
    capacity=st.lists(st.tuples(words, st.integers(1, 64)), max_size=3).map(tuple),
    clock_evidence=words,
    hourly_rate_usd=st.none() | dollars,
    price_note=words,
    notice=st.none() | notices,
    hold=st.none() | st.builds(Hold, words, st.sampled_from(HoldCode), words, instants, words),
    released_key=words,
    capped_key=words,
    capped_for_silence=st.booleans(),
    extensions=st.lists(st.builds(Extension, words, instants, whole_seconds, instants), max_size=2).map(tuple),
    exemption=st.none() | st.builds(Exemption, words, instants, instants, words, st.booleans()),
    exempt_tags=st.lists(st.tuples(words, instants), max_size=2).map(tuple),
    malformed_told=st.lists(words, max_size=3).map(tuple),
    stop=st.none() | stops,
    would_stop_at=st.none() | instants,
    would_stop_spent_usd=st.none() | dollars,
    restarts=st.integers(0, 9),
    lowered_since=st.none() | instants,
    rate_since=st.none() | instants,
    spent_before_usd=st.none() | dollars,
    time_limit=st.none() | instants,
    consent=st.none() | consents,
)


@given(records)
def test_any_record_reads_back_as_it_was_written(one: RunRecord) -> None:
    assert record_from_item(record_to_item(one)) == one


def test_a_record_with_everything_in_it_survives_the_table(table: Table) -> None:
    full = replace(
        record(LATE),
        notice=Notice("n", Mode.ENFORCE, NOW, NOW, "ada", (MemberSeen("i-0a", NOW),), NOW, "Slack", NOW),
        hold=Hold("hold-1", HoldCode.CAP, "r", NOW, "key"),
        extensions=(Extension("ada", NOW, 4 * HOUR, NOW),),
        exemption=Exemption("ada", NOW, NOW, "demo"),
        exempt_tags=(("", NOW),),
        malformed_told=("a=b",),
        stop=StopAttempt(
            "key", "w", 2, NOW, ("i-1",), ("sir-1",), NOW, Action.STOP, ("day#2026-11-22",), NOW, NOW, "r", NOW
        ),
        would_stop_at=NOW,
        would_stop_spent_usd=Decimal("263.49"),
        lowered_since=NOW,
        rate_since=NOW,
        spent_before_usd=Decimal(1) / 3,
        hourly_rate_usd=Decimal("0"),
        owner="",
        capped_key="key",
        capped_for_silence=True,
        heard=Heard(NOW, timedelta(minutes=50, microseconds=1), NOW, True),
        time_limit=NOW,
        consent=Consent(Word.APPROVED, NOW, "apr-1", "Maria Lopez", 17 * HOUR, "apr-1 arn", True, True, Decimal(9)),
    )
    table.transact([Put({"pk": "pk", "sk": "sk", **record_to_item(full)})])
    item = table.get(KEY)
    assert item is not None
    assert record_from_item(item) == full


def test_a_row_from_before_spending_was_kept_is_read_as_spent_since_its_start() -> None:
    item = record_to_item(replace(record(LATE), start=NOW - 2 * HOUR, hourly_rate_usd=Decimal("10")))
    for kept in ("rate_since", "spent_before_usd", "would_stop_spent_usd"):
        item.pop(kept, None)
    assert record_from_item(item).spent_usd(NOW) == Decimal("20")


def test_a_row_from_before_anybody_was_asked_about_money_is_read_as_nobody_asked() -> None:
    notice = Notice("n", Mode.ENFORCE, NOW, NOW, "ada", (), NOW, "Slack", NOW)
    stop = StopAttempt("key", "w", 1, NOW, ("i-1",), (), None, Action.STOP)
    item = record_to_item(replace(record(LATE), notice=notice, stop=stop))
    for kept in ("time_limit", "consent"):
        assert kept not in item
    assert "money" not in item["notice"]
    assert "money" not in item["stop"]
    found = record_from_item(item)
    assert (found.consent, found.time_limit) == (None, None)
    assert found.notice == notice
    assert found.stop == stop
