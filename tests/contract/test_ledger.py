"""The ledger's contract, the same on DynamoDB (moto) and on the tests' table in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from costwatch import names
from costwatch.adapters import ledger_keys
from costwatch.adapters.dynamodb import DynamoTable
from costwatch.adapters.ledger import OUTBOX_LEASE, ClaimOutcome, Ledger, Stamp
from costwatch.adapters.ledger_codec import record_from_item, record_to_item
from costwatch.adapters.table import (
    Absent,
    AbsentOrAtMost,
    AbsentOrBelow,
    Check,
    Condition,
    ConditionFailed,
    Count,
    Delete,
    Equals,
    Exists,
    Key,
    Put,
    Table,
)
from costwatch.core import endings, grants, ladder, stopping
from costwatch.core.caps import CapLimit
from costwatch.core.deadman import judge
from costwatch.core.exemptions import Exemption
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.core.model import Run, RunId, RunKind
from costwatch.core.policy import Action, Mode
from costwatch.core.record import (
    Entry,
    Extension,
    Hold,
    MemberSeen,
    Notice,
    RunRecord,
    Status,
    StopAttempt,
    Transition,
)
from costwatch.core.selection import HoldCode
from costwatch.core.step import Step
from costwatch.errors import PermanentAwsError, TransientAwsError
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, NOW, REGION, SECOND, burn, member, pause, record, run, warned
from tests.support.memory_table import MemoryTable

POLICY = policies.policy()
STAMP = Stamp("a" * 64, "c0ffee")
LATE = run(member(age=40 * HOUR))
NO_CAPS: tuple[CapLimit, ...] = ()


def create_table(client: Any) -> None:
    text = "S"
    client.create_table(
        TableName="costwatch-ledger",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": text}
            for name in (names.TABLE_PARTITION_KEY, names.TABLE_SORT_KEY, "day", "at")
        ],
        KeySchema=[
            {"AttributeName": names.TABLE_PARTITION_KEY, "KeyType": "HASH"},
            {"AttributeName": names.TABLE_SORT_KEY, "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": names.INDEX_BY_DAY,
                "KeySchema": [
                    {"AttributeName": names.INDEX_BY_DAY_PARTITION_KEY, "KeyType": "HASH"},
                    {"AttributeName": names.INDEX_BY_DAY_SORT_KEY, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "embedded")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.delenv("AWS_PROFILE", raising=False)
        with mock_aws():
            made = boto3.client("dynamodb", region_name=REGION)
            made.meta.events.register("provide-client-params.dynamodb.*", refuse_long_keys)
            yield made


def refuse_long_keys(params: Any, **_: Any) -> None:
    """As DynamoDB does in every call; moto does so for a Put alone."""
    if isinstance(params, dict):
        for name, most in ((names.TABLE_PARTITION_KEY, 2048), (names.TABLE_SORT_KEY, 1024)):
            value = params.get(name)
            if isinstance(value, dict) and len(str(value.get("S", "")).encode()) > most:
                raise ValueError(f"a key longer than DynamoDB takes: {name}")
        parts = list(params.values())
    else:
        parts = params if isinstance(params, list) else []
    for part in parts:
        refuse_long_keys(part)


@pytest.fixture(params=["memory", "dynamodb"])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    if request.param == "memory":
        yield MemoryTable()
        return
    made = request.getfixturevalue("client")
    create_table(made)
    yield DynamoTable(made, "costwatch-ledger")
    made.delete_table(TableName="costwatch-ledger")


@pytest.fixture
def ledger(table: Table) -> Ledger:
    return Ledger(table, stamp=STAMP)


def first(of: Run = LATE) -> Step:
    found = ladder.observe(
        of, None, judge(of, None, POLICY, None, NOW), policy=POLICY, origin="deployed", burn=burn(), now=NOW
    )
    assert found is not None
    return found


def held(ledger: Ledger, of: Run = LATE) -> RunRecord:
    found = ledger.record(of.id)
    assert found is not None
    return found


def due(ledger: Ledger, of: Run = LATE) -> RunRecord:
    """A saved record whose notice is over."""
    seen = replace(first(of), messages=())
    assert ledger.save(replace(seen, after=warned(of, POLICY, ago=5 * HOUR, version=0)))
    return held(ledger, of)


def claim_step(waiting: RunRecord, of: Run = LATE, *, owner: str = "a", now: datetime = NOW) -> Step:
    decision = judge(of, waiting, POLICY, None, now)
    return stopping.claim(of, waiting, decision, owner=owner, lease=6 * MINUTE, now=now)


# --- records --------------------------------------------------------------------------------------------------


def test_what_was_never_saved_is_none(ledger: Ledger) -> None:
    assert ledger.record(LATE.id) is None
    assert ledger.open_records(ACCOUNT, REGION) == {}
    assert ledger.timeline(LATE.id) == []
    assert ledger.outbox(NOW) == []
    assert ledger.pause() is None


def test_a_saved_record_reads_back_as_it_was_with_its_version(ledger: Ledger) -> None:
    step = first()
    assert ledger.save(step)
    assert step.after is not None
    assert ledger.record(LATE.id) == replace(step.after, version=1)
    assert ledger.open_records(ACCOUNT, REGION) == {LATE.id: replace(step.after, version=1)}


def test_records_of_another_region_or_account_are_apart(ledger: Ledger) -> None:
    ledger.save(first())
    assert ledger.open_records(ACCOUNT, "eu-central-1") == {}
    assert ledger.open_records("999988887777", REGION) == {}


def test_of_two_sweeps_that_save_the_same_first_sight_one_is_told_no(ledger: Ledger) -> None:
    assert ledger.save(first())
    assert not ledger.save(first())
    assert len(ledger.outbox(NOW)) == 1
    assert len(ledger.timeline(LATE.id)) == 2


def test_of_two_changes_to_one_version_the_second_loses_and_writes_nothing(ledger: Ledger) -> None:
    waiting = due(ledger)
    entry = Entry(NOW, Transition.EXTENDED, "by ada")
    assert ledger.save(Step(waiting, replace(waiting, owner="ada"), (entry,)))
    assert not ledger.save(Step(waiting, replace(waiting, owner="bob"), (replace(entry, reason="by bob"),)))
    assert held(ledger).owner == "ada"
    assert "by bob" not in [row.entry.reason for row in ledger.timeline(LATE.id)]


def test_a_final_step_ends_the_record_and_keeps_its_timeline(ledger: Ledger) -> None:
    waiting = due(ledger)
    assert ledger.save(endings.superseded(waiting, "started anew", NOW + MINUTE))
    assert ledger.record(LATE.id) is None
    assert [row.entry.transition for row in ledger.timeline(LATE.id)][-1] is Transition.SUPERSEDED


def test_a_record_that_was_ended_meanwhile_cannot_be_changed(ledger: Ledger) -> None:
    waiting = due(ledger)
    assert ledger.save(endings.superseded(waiting, "started anew", NOW))
    assert not ledger.save(Step(waiting, replace(waiting, owner="bob"), ()))
    assert ledger.record(LATE.id) is None


def test_every_row_carries_the_policy_that_decided(ledger: Ledger) -> None:
    ledger.save(first())
    assert {row.stamp for row in ledger.timeline(LATE.id)} == {STAMP}


def test_a_laptops_observe_sweep_has_rows_of_its_own_and_blocks_nobody(table: Table) -> None:
    deployed, laptop = Ledger(table, stamp=STAMP), Ledger(table, stamp=STAMP, origin="laptop:ada")
    assert laptop.save(first())
    assert deployed.record(LATE.id) is None
    waiting_there, waiting_here = due(Ledger(table, stamp=STAMP, origin="laptop:bob")), due(deployed)
    assert waiting_there.origin == "laptop:bob"
    for each, waiting in ((Ledger(table, stamp=STAMP, origin="laptop:bob"), waiting_there), (deployed, waiting_here)):
        found = each.claim(claim_step(waiting), pause=None, caps=NO_CAPS, released=False, now=NOW)
        assert found.outcome is ClaimOutcome.CLAIMED


# --- claims and leases ----------------------------------------------------------------------------------------


def test_of_two_claims_of_one_record_one_is_lost(ledger: Ledger) -> None:
    waiting = due(ledger)
    one = ledger.claim(claim_step(waiting, owner="a"), pause=None, caps=NO_CAPS, released=False, now=NOW)
    other = ledger.claim(claim_step(waiting, owner="b"), pause=None, caps=NO_CAPS, released=False, now=NOW)
    assert (one.outcome, other.outcome) == (ClaimOutcome.CLAIMED, ClaimOutcome.LOST)
    stop = held(ledger).stop
    assert stop is not None
    assert stop.owner == "a"


def claimed_again(ledger: Ledger, *, after: timedelta) -> ClaimOutcome:
    """Another worker reads the claimed record and tries to take the stop over."""
    step = claim_step(held(ledger), owner="b", now=NOW + after)
    return ledger.claim(step, pause=None, caps=NO_CAPS, released=False, now=NOW + after).outcome


def test_a_lease_is_not_taken_over_one_second_before_it_ends(ledger: Ledger) -> None:
    ledger.claim(claim_step(due(ledger)), pause=None, caps=NO_CAPS, released=False, now=NOW)
    assert claimed_again(ledger, after=6 * MINUTE - SECOND) is ClaimOutcome.LOST


def test_a_lease_is_taken_over_when_it_has_ended(ledger: Ledger) -> None:
    ledger.claim(claim_step(due(ledger)), pause=None, caps=NO_CAPS, released=False, now=NOW)
    assert claimed_again(ledger, after=6 * MINUTE) is ClaimOutcome.CLAIMED
    stop = held(ledger).stop
    assert stop is not None
    assert (stop.owner, stop.attempt) == ("b", 2)


def test_a_record_that_was_lost_and_seen_anew_does_not_break_a_lease_that_is_held(ledger: Ledger) -> None:
    ledger.claim(claim_step(due(ledger)), pause=None, caps=NO_CAPS, released=False, now=NOW)
    assert ledger.save(endings.superseded(held(ledger), "started anew", NOW))
    assert ledger.claim(
        claim_step(due(ledger), owner="b"), pause=None, caps=NO_CAPS, released=False, now=NOW
    ).outcome is ClaimOutcome.LOST  # fmt: skip


def test_who_gave_a_claim_back_is_followed_at_once(ledger: Ledger) -> None:
    ledger.claim(claim_step(due(ledger)), pause=None, caps=NO_CAPS, released=False, now=NOW)
    failed = stopping.failed(held(ledger), "denied", NOW + SECOND)
    assert failed is not None
    assert ledger.save(failed)
    assert claimed_again(ledger, after=SECOND) is ClaimOutcome.CLAIMED


# --- caps -----------------------------------------------------------------------------------------------------

CAPS = (CapLimit("runs (2)", "sweep#1", 2), CapLimit("share (3)", "share#1", 3), CapLimit("day (9)", "day#1", 9))


def runs(count: int) -> list[Run]:
    return [run(member(f"i-{n}", age=40 * HOUR)) for n in range(count)]


def test_a_cap_lets_as_many_through_as_it_says_and_not_one_more(ledger: Ledger) -> None:
    outcomes = []
    for each in runs(4):
        step = claim_step(due(ledger, each), each)
        outcomes.append(ledger.claim(step, pause=None, caps=CAPS, released=False, now=NOW))
    assert [o.outcome.value for o in outcomes] == ["claimed", "claimed", "capped", "capped"]
    assert [o.cap for o in outcomes] == ["", "", "runs (2)", "runs (2)"]


def test_what_a_cap_did_not_allow_is_not_claimed_and_counts_nowhere(ledger: Ledger, table: Table) -> None:
    for each in runs(3):
        ledger.claim(claim_step(due(ledger, each), each), pause=None, caps=CAPS, released=False, now=NOW)
    assert held(ledger, runs(3)[2]).stop is None
    counted = {item["sk"]: int(item["stops"]) for item in table.query("cap#deployed#enforce")}
    assert counted == {"sweep#1": 2, "share#1": 2, "day#1": 2}


def test_what_was_released_passes_a_full_cap_and_still_counts(ledger: Ledger, table: Table) -> None:
    for each in runs(2):
        ledger.claim(claim_step(due(ledger, each), each), pause=None, caps=CAPS, released=False, now=NOW)
    other = runs(3)[2]
    found = ledger.claim(claim_step(due(ledger, other), other), pause=None, caps=CAPS, released=True, now=NOW)
    assert found.outcome is ClaimOutcome.CLAIMED
    assert {int(item["stops"]) for item in table.query("cap#deployed#enforce")} == {3}


def test_a_lost_claim_counts_against_no_cap(ledger: Ledger, table: Table) -> None:
    waiting = due(ledger)
    ledger.save(Step(waiting, replace(waiting, owner="ada"), ()))
    found = ledger.claim(claim_step(waiting), pause=None, caps=CAPS, released=False, now=NOW)
    assert found.outcome is ClaimOutcome.LOST
    assert table.query("cap#deployed#enforce") == []


def test_counters_and_told_keys_expire_and_records_do_not(ledger: Ledger, table: Table) -> None:
    ledger.claim(claim_step(due(ledger)), pause=None, caps=CAPS, released=False, now=NOW)
    ledger.first_time("key", NOW)
    for pk in ("cap#deployed#enforce", "told#deployed"):
        assert all(int(item["expires_at"]) > NOW.timestamp() for item in table.query(pk))
    assert all("expires_at" not in item for item in table.query(f"open#deployed#{ACCOUNT}#{REGION}"))


# --- pause ----------------------------------------------------------------------------------------------------


def test_a_pause_that_came_between_reading_and_claiming_makes_the_claim_lose(ledger: Ledger) -> None:
    waiting = due(ledger)
    assert ledger.set_pause(pause(until=NOW + HOUR), None)
    assert ledger.claim(
        claim_step(waiting), pause=None, caps=CAPS, released=True, now=NOW
    ).outcome is ClaimOutcome.LOST  # fmt: skip
    assert held(ledger).stop is None


def test_a_claim_that_knows_the_last_pause_goes_through(ledger: Ledger) -> None:
    waiting, last = due(ledger), pause(until=NOW - 10 * HOUR)
    ledger.set_pause(last, None)
    assert ledger.claim(
        claim_step(waiting), pause=ledger.pause(), caps=CAPS, released=False, now=NOW
    ).outcome is ClaimOutcome.CLAIMED  # fmt: skip


def test_of_two_people_who_pause_at_once_the_second_is_told(ledger: Ledger) -> None:
    assert ledger.set_pause(pause(until=NOW + HOUR, by="ada"), None)
    assert not ledger.set_pause(pause(until=NOW + 2 * HOUR, by="bob"), None)
    now_held = ledger.pause()
    assert now_held == pause(until=NOW + HOUR, by="ada")
    assert ledger.set_pause(pause(until=NOW, version=2), now_held)
    assert not ledger.set_pause(pause(until=NOW, version=2), now_held)


# --- timeline -------------------------------------------------------------------------------------------------


def test_a_timeline_is_in_order_of_time_and_within_a_step_in_order_of_the_step(ledger: Ledger) -> None:
    waiting = due(ledger)
    ledger.claim(claim_step(waiting), pause=None, caps=NO_CAPS, released=False, now=NOW)
    ledger.save(stopping.stop_requested(held(ledger), NOW, seen="i-0a shutting-down"))
    assert [row.entry.transition.value for row in ledger.timeline(LATE.id)] == [
        "first seen", "warned", "due", "stopping", "stop requested",
    ]  # fmt: skip


def test_a_timeline_goes_on_over_all_episodes_of_a_run(ledger: Ledger) -> None:
    ledger.save(endings.superseded(due(ledger), "started anew", NOW + SECOND))
    again = run(member(age=HOUR))
    found = ladder.observe(
        again, None, judge(again, None, POLICY, None, NOW + MINUTE), policy=POLICY, origin="deployed", burn=burn(),
        now=NOW + MINUTE,
    )  # fmt: skip
    assert found is not None
    ledger.save(found)
    assert [row.entry.transition.value for row in ledger.timeline(LATE.id)] == [
        "first seen", "warned", "superseded", "first seen",
    ]  # fmt: skip


def test_an_entry_reads_back_with_its_evidence(ledger: Ledger) -> None:
    entry = Entry(NOW, Transition.HELD, "held", "rule", "ada", "enforce", (("a", "1"), ("b", "2")))
    ledger.note(LATE.id, entry)
    assert [row.entry for row in ledger.timeline(LATE.id)] == [entry]


def test_since_crosses_midnight_in_utc_and_begins_exactly_at_its_moment(ledger: Ledger) -> None:
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    moments = [midnight - HOUR - SECOND, midnight - HOUR, midnight - SECOND, midnight, midnight + HOUR]
    for n, at in enumerate(moments):
        ledger.note(RunId(ACCOUNT, REGION, RunKind.INSTANCE, f"i-{n}"), Entry(at, Transition.HELD, str(n)))
    found = ledger.since(midnight - HOUR, midnight + 2 * HOUR)
    assert [row.entry.reason for row in found] == ["1", "2", "3", "4"]
    assert [row.entry.reason for row in ledger.since(midnight, midnight)] == ["3", "4"]


def test_since_shows_all_origins(table: Table) -> None:
    for origin in ("deployed", "laptop:ada"):
        Ledger(table, stamp=STAMP, origin=origin).note(LATE.id, Entry(NOW, Transition.HELD, origin))
    found = Ledger(table, stamp=STAMP).since(NOW, NOW)
    assert sorted(row.origin for row in found) == ["deployed", "laptop:ada"]


# --- outbox ---------------------------------------------------------------------------------------------------


def saved_message(ledger: Ledger) -> Message:
    assert ledger.save(first())
    (message,) = ledger.outbox(NOW)
    return message


def delivery(at: datetime = NOW) -> Entry:
    return Entry(at, Transition.DELIVERED, "warning: accepted by Slack")


def test_a_message_is_saved_with_the_step_that_says_it(ledger: Ledger) -> None:
    assert [saved_message(ledger)] == list(first().messages)


def test_a_message_is_leased_to_one_sender(ledger: Ledger) -> None:
    message = saved_message(ledger)
    assert ledger.lease_message(message, NOW)
    assert not ledger.lease_message(message, NOW)
    assert ledger.outbox(NOW) == []


def test_what_a_crashed_sender_leased_is_offered_again_when_its_lease_ends(ledger: Ledger) -> None:
    message = saved_message(ledger)
    ledger.lease_message(message, NOW)
    assert ledger.outbox(NOW + OUTBOX_LEASE - SECOND) == []
    assert ledger.outbox(NOW + OUTBOX_LEASE) == [message]
    assert ledger.lease_message(message, NOW + OUTBOX_LEASE)


def test_what_nothing_took_is_kept_for_the_next_sweep_with_its_reason(ledger: Ledger, table: Table) -> None:
    message = saved_message(ledger)
    ledger.lease_message(message, NOW)
    ledger.keep_message(message, "Slack is down" + "!" * 900, NOW)
    assert ledger.outbox(NOW) == [message]
    (item,) = table.query("outbox#deployed")
    assert item["last_error"].startswith("Slack is down")
    assert int(item["attempts"]) == 1


def test_what_was_delivered_is_gone_and_in_the_timeline(ledger: Ledger) -> None:
    message = saved_message(ledger)
    ledger.lease_message(message, NOW)
    assert ledger.delivered(message, None, delivery(), NOW)
    assert ledger.outbox(NOW + HOUR) == []
    assert not ledger.lease_message(message, NOW + HOUR)
    assert [row.entry.transition for row in ledger.timeline(LATE.id)][-1] is Transition.DELIVERED


def test_what_was_delivered_meanwhile_is_not_kept(ledger: Ledger) -> None:
    message = saved_message(ledger)
    ledger.delivered(message, None, delivery(), NOW)
    ledger.keep_message(message, "late", NOW)
    assert ledger.outbox(NOW) == []


def test_what_is_delivered_between_reading_and_keeping_it_fails_nobody() -> None:
    table = MemoryTable()
    ledger = Ledger(table, stamp=STAMP)
    message = saved_message(ledger)

    def delivered_just_before(_: object) -> None:
        table.before_transact = None
        ledger.delivered(message, None, delivery(), NOW)

    table.before_transact = delivered_just_before
    ledger.keep_message(message, "late", NOW)
    assert ledger.outbox(NOW) == []


def test_a_delivery_and_the_notice_it_starts_are_recorded_together_or_not_at_all(ledger: Ledger) -> None:
    message = saved_message(ledger)
    known = held(ledger)
    step = ladder.notice_accepted(known, message, via="Slack", stops_at=NOW + HOUR, now=NOW)
    ledger.save(Step(known, replace(known, owner="ada"), ()))
    assert not ledger.delivered(message, step, delivery(), NOW), "the record changed meanwhile"
    assert ledger.outbox(NOW) == [message]
    afresh = ladder.notice_accepted(held(ledger), message, via="Slack", stops_at=NOW + HOUR, now=NOW)
    assert ledger.delivered(message, afresh, delivery(), NOW)
    given = held(ledger).notice
    assert given is not None
    assert given.accepted_at == NOW


def test_messages_come_oldest_first(ledger: Ledger) -> None:
    for n in (3, 1, 2):
        made = Message(f"z{9 - n}", MessageKind.SUMMARY, Audience.PLATFORM, {"head": str(n), "lines": ""})
        ledger.say_once([str(n)], made, NOW + n * SECOND)
    assert [message.facts["head"] for message in ledger.outbox(NOW + MINUTE)] == ["1", "2", "3"]


def test_two_messages_delivered_in_one_instant_are_two_entries(ledger: Ledger) -> None:
    message = saved_message(ledger)
    other = replace(message, id=f"{message.id}#other")
    for each in (message, other):
        ledger.delivered(each, None, delivery(), NOW)
    assert sum(row.entry.transition is Transition.DELIVERED for row in ledger.timeline(LATE.id)) == 2


def test_what_was_tried_last_comes_last(ledger: Ledger) -> None:
    made = [Message(f"m{n}", MessageKind.SUMMARY, Audience.PLATFORM, {"head": "", "lines": ""}) for n in range(3)]
    for n, message in enumerate(made):
        ledger.say_once([str(n)], message, NOW + n * SECOND)
    ledger.keep_message(made[0], "Slack broke off", NOW + MINUTE)
    ledger.keep_message(made[1], "Slack was not asked", NOW + MINUTE, tried=False)
    assert ledger.outbox(NOW + MINUTE) == [made[1], made[2], made[0]]
    ledger.keep_message(made[2], "Slack broke off", NOW + 2 * MINUTE)
    assert ledger.outbox(NOW + 2 * MINUTE) == [made[1], made[0], made[2]]


# --- keys that a long tag makes long ---------------------------------------------------------------------------

LONGEST_TAG = "\U0001f9ea" * 256
"""A tag value as AWS allows it: 256 characters, here of 4 bytes each."""
LONG = run(member(age=40 * HOUR, tags={"Purpose": "training"}), kind=RunKind.TAGGED, name=LONGEST_TAG)


@pytest.mark.parametrize(("pk", "sk"), [("p" * 2049, "s"), ("p", "s" * 1025)], ids=["partition", "sort"])
def test_a_table_refuses_a_key_that_dynamodb_would_refuse(table: Table, pk: str, sk: str) -> None:
    with pytest.raises((ValueError, PermanentAwsError)):
        table.get(Key(pk, sk))
    with pytest.raises((ValueError, PermanentAwsError)):
        table.transact([Put({"pk": pk, "sk": sk})])


@pytest.mark.parametrize(("pk", "sk"), [("p" * 2048, "s"), ("p", "s" * 1024)], ids=["partition", "sort"])
def test_a_table_takes_a_key_at_dynamodbs_limit(table: Table, pk: str, sk: str) -> None:
    table.transact([Put({"pk": pk, "sk": sk})])
    assert table.get(Key(pk, sk)) is not None


def test_short_keys_are_kept_as_they_are() -> None:
    assert ledger_keys.key("open#deployed#1#us-east-1", "1/us-east-1/run/churn") == Key(
        "open#deployed#1#us-east-1", "1/us-east-1/run/churn"
    )
    longest = Key("p" * (2048 - 72), "s" * (1024 - 72))
    assert ledger_keys.key(longest.pk, longest.sk) == longest


@given(st.text(max_size=1100), st.text(max_size=1100))
def test_every_key_fits_and_two_texts_never_make_one_key(one: str, other: str) -> None:
    keys = [ledger_keys.key(f"run#{text}", text) for text in (one, other)]
    for made in keys:
        assert len(made.pk.encode()) <= 2048
        assert len(made.sk.encode()) <= 1024
    assert (keys[0].sk == keys[1].sk) == (one == other)


@pytest.mark.parametrize("text", ["s" * 953, "s" * 951 + "é", "s" * 950 + LONGEST_TAG, LONGEST_TAG])
def test_a_shortened_key_begins_as_it_was_and_is_no_other_texts_key(text: str) -> None:
    made = ledger_keys.key("p", text).sk
    assert made.startswith(text[:200])
    assert len(made.encode()) <= 1024
    assert ledger_keys.key("p", made).sk != made, "a tag that spells the shortened key gets another one"
    assert ledger_keys.key("p", text + "!").sk != made


def test_a_run_with_the_longest_tag_is_kept_claimed_and_its_message_delivered(ledger: Ledger) -> None:
    assert ledger.save(first(LONG))
    assert ledger.open_records(ACCOUNT, REGION).keys() == {LONG.id}
    (message,) = ledger.outbox(NOW)
    assert message == first(LONG).messages[0]
    assert ledger.lease_message(message, NOW)
    assert ledger.delivered(message, None, delivery(), NOW)
    assert ledger.outbox(NOW) == []
    assert [row.run_id for row in ledger.timeline(LONG.id)] == [str(LONG.id)] * 3
    known = held(ledger, LONG)
    warned_one = warned(LONG, POLICY, ago=5 * HOUR, version=known.version)
    assert ledger.save(Step(known, warned_one, ()))
    step = claim_step(held(ledger, LONG), LONG)
    claim = ledger.claim(step, pause=None, caps=NO_CAPS, released=False, now=NOW)
    assert claim.outcome is ClaimOutcome.CLAIMED
    for origin in ("deployed", "laptop:arn:aws:sts::111122223333:assumed-role/" + "R" * 64 + "/" + "s" * 64):
        other = Ledger(ledger._table, stamp=STAMP, origin=origin)
        seen = f"exempt#{LONG.id}#{LONGEST_TAG}"
        assert other.first_seen(seen, NOW) == NOW
        assert other.first_seen(seen, NOW + HOUR) == NOW
        assert other.first_time(f"unwatched#{LONG.id}", NOW)
        assert other.was_told(f"unwatched#{LONG.id}")


# --- exemptions -----------------------------------------------------------------------------------------------


def test_an_exemption_is_kept_for_the_run_and_for_each_of_its_members_and_a_later_one_replaces_it(
    ledger: Ledger,
) -> None:
    churn = run(member("i-1"), member("i-2"), kind=RunKind.TAGGED, name="churn")
    assert ledger.save(first(churn))
    for hours in (9, 4):
        step = grants.exempt(held(ledger, churn), by="ada", until=NOW + hours * HOUR, reason="demo", now=NOW)
        assert ledger.save(step)
    granted = Exemption("ada", NOW, NOW + 4 * HOUR, "demo")
    assert ledger.exemptions(ACCOUNT, REGION) == dict.fromkeys((str(churn.id), "ec2#i-1", "ec2#i-2"), granted)
    assert ledger.exemptions(ACCOUNT, "eu-central-1") == {}
    rows = ledger._table.query(f"exempt#deployed#{ACCOUNT}#{REGION}")
    assert {int(item[names.TABLE_TTL_ATTRIBUTE]) for item in rows} == {int(granted.until.timestamp())}


def test_an_exemption_of_more_members_than_one_transaction_holds_is_kept_for_all_of_them(ledger: Ledger) -> None:
    many = run(*(member(f"i-{n:03}") for n in range(230)), kind=RunKind.TAGGED, name="many")
    assert ledger.save(first(many))
    assert ledger.save(grants.exempt(held(ledger, many), by="ada", until=NOW + HOUR, reason="demo", now=NOW))
    assert len(ledger.exemptions(ACCOUNT, REGION)) == 231


def test_an_exemption_that_loses_against_another_write_leaves_no_row(ledger: Ledger) -> None:
    assert ledger.save(first())
    step = grants.exempt(held(ledger), by="ada", until=NOW + HOUR, reason="demo", now=NOW)
    assert ledger.save(Step(held(ledger), held(ledger), ()))
    assert not ledger.save(step)
    assert ledger.exemptions(ACCOUNT, REGION) == {}


def test_an_exemption_of_a_run_with_the_longest_tag_is_found(ledger: Ledger) -> None:
    assert ledger.save(first(LONG))
    assert ledger.save(grants.exempt(held(ledger, LONG), by="ada", until=NOW + HOUR, reason="demo", now=NOW))
    assert str(LONG.id) in ledger.exemptions(ACCOUNT, REGION)


# --- first seen -----------------------------------------------------------------------------------------------


def test_what_is_seen_again_within_a_week_was_first_seen_then_and_after_more_than_a_week_now(ledger: Ledger) -> None:
    week = timedelta(days=7)
    assert ledger.first_seen("tag", NOW) == NOW
    assert ledger.first_seen("tag", NOW + week) == NOW
    assert ledger.first_seen("tag", NOW + 2 * week) == NOW, "a week after it was last seen"
    late = NOW + 3 * week + SECOND
    assert ledger.first_seen("tag", late) == late
    assert ledger.first_seen("tag", late + SECOND) == late


def test_what_is_known_to_have_been_there_all_the_time_does_not_begin_anew(ledger: Ledger) -> None:
    assert ledger.first_seen("tag", NOW) == NOW
    assert ledger.first_seen("tag", NOW + timedelta(days=8), known=NOW) == NOW
    assert ledger.first_seen("tag", NOW + timedelta(days=9)) == NOW


def test_a_row_of_before_that_does_not_say_when_it_was_last_seen_counts_from_its_first_time(ledger: Ledger) -> None:
    for what, days, begins in (("young", 7, 0), ("old", 8, 8)):
        ledger.first_seen(what, NOW)
        row = dict(ledger._table.query("seen#deployed", prefix=what)[0])
        del row["last_at"]
        ledger._table.put(Put(row))
        assert ledger.first_seen(what, NOW + timedelta(days=days)) == NOW + timedelta(days=begins)


# --- told once ------------------------------------------------------------------------------------------------


def test_a_key_is_new_once(ledger: Ledger) -> None:
    assert not ledger.was_told("key")
    assert ledger.first_time("key", NOW)
    assert ledger.was_told("key")
    assert not ledger.first_time("key", NOW)


def test_a_message_said_once_is_put_into_the_outbox_with_its_keys_or_not_at_all(ledger: Ledger) -> None:
    message = Message("summary", MessageKind.SUMMARY, Audience.PLATFORM, {"head": "h", "lines": ""})
    assert ledger.say_once(["one", "two"], message, NOW)
    assert ledger.outbox(NOW) == [message]
    assert not ledger.say_once(["three", "two"], replace(message, id="again"), NOW)
    assert not ledger.was_told("three")
    assert len(ledger.outbox(NOW)) == 1


# --- the table's own contract ---------------------------------------------------------------------------------

KEY = Key("pk", "sk")


@pytest.mark.parametrize(
    ("item", "condition", "holds"),
    [
        (None, Absent(), True),
        ({"n": 1}, Absent(), False),
        (None, Exists(), False),
        ({"n": 1}, Exists(), True),
        (None, Equals("n", 1), False),
        ({}, Equals("n", 1), False),
        ({"n": 1}, Equals("n", 1), True),
        ({"n": 2}, Equals("n", 1), False),
        (None, AbsentOrBelow("n", 2), True),
        ({}, AbsentOrBelow("n", 2), True),
        ({"n": 1}, AbsentOrBelow("n", 2), True),
        ({"n": 2}, AbsentOrBelow("n", 2), False),
        (None, AbsentOrAtMost("t", "b"), True),
        ({"t": "a"}, AbsentOrAtMost("t", "b"), True),
        ({"t": "b"}, AbsentOrAtMost("t", "b"), True),
        ({"t": "c"}, AbsentOrAtMost("t", "b"), False),
    ],
)
def test_a_condition_is_judged_alike_for_every_kind_of_write(
    table: Table, item: dict[str, Any] | None, condition: Condition, holds: bool
) -> None:
    for write in (
        Put({"pk": "pk", "sk": "sk", "new": True}, condition),
        Delete(KEY, condition),
        Check(KEY, condition),
        Count(KEY, "n2", condition, {"also": "x"}),
    ):
        table.transact([Delete(KEY)] if item is None else [Put({"pk": "pk", "sk": "sk", **item})])
        before = table.get(KEY)
        beside = Put({"pk": "pk", "sk": f"beside {type(write).__name__}"})
        if holds:
            table.transact([beside, write])
        else:
            with pytest.raises(ConditionFailed) as failed:
                table.transact([beside, write])
            assert failed.value.indexes == (1,)
            assert table.get(KEY) == before
        assert (table.get(Key("pk", beside.item["sk"])) is not None) is holds, "all or nothing"


def test_a_count_begins_at_one_and_sets_what_stands_beside_it(table: Table) -> None:
    for expected in (1, 2, 3):
        table.transact([Count(KEY, "stops", AbsentOrBelow("stops", 3), {"expires_at": expected})])
        assert table.get(KEY) == {"pk": "pk", "sk": "sk", "stops": expected, "expires_at": expected}
    with pytest.raises(ConditionFailed):
        table.transact([Count(KEY, "stops", AbsentOrBelow("stops", 3))])


def test_a_query_finds_a_prefix_of_one_partition_in_order_over_all_pages(table: Table) -> None:
    filler = "x" * 40_000
    for n in (3, 1, 2, 0):
        for wide in range(10):
            table.transact([Put({"pk": "p", "sk": f"a#{n}#{wide}", "filler": filler})])
    table.transact([Put({"pk": "p", "sk": "b#0"}), Put({"pk": "q", "sk": "a#0"})])
    assert [item["sk"] for item in table.query("p", prefix="a#")] == [f"a#{n}#{w}" for n in range(4) for w in range(10)]
    assert len(table.query("p")) == 41


# --- DynamoDB alone -------------------------------------------------------------------------------------------


def cancelled(stub: Stubber, *codes: str) -> None:
    stub.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[DynamoTable, Stubber, list[float]]]:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    made: Any = boto3.client(
        "dynamodb", region_name=REGION, aws_access_key_id="embedded", aws_secret_access_key="embedded"
    )
    with Stubber(made) as stub:
        yield DynamoTable(made, "costwatch-ledger"), stub, slept
        stub.assert_no_pending_responses()


def test_a_conflict_with_another_transaction_is_tried_again_after_a_pause(
    stubbed: tuple[DynamoTable, Stubber, list[float]],
) -> None:
    table, stub, slept = stubbed
    cancelled(stub, "None", "TransactionConflict")
    stub.add_response("transact_write_items", {})
    table.transact([Put({"pk": "a", "sk": "b"}), Check(KEY, Exists())])
    assert len(slept) == 1
    assert slept[0] > 0


def test_a_conflict_that_stays_is_another_writer_in_the_way(
    stubbed: tuple[DynamoTable, Stubber, list[float]],
) -> None:
    table, stub, _ = stubbed
    for _attempt in range(4):
        cancelled(stub, "TransactionConflict")
    with pytest.raises(ConditionFailed) as failed:
        table.transact([Put({"pk": "a", "sk": "b"})])
    assert failed.value.indexes == ()


def test_a_failed_condition_beside_a_conflict_is_not_tried_again(
    stubbed: tuple[DynamoTable, Stubber, list[float]],
) -> None:
    table, stub, slept = stubbed
    cancelled(stub, "TransactionConflict", "ConditionalCheckFailed")
    with pytest.raises(ConditionFailed) as failed:
        table.transact([Put({"pk": "a", "sk": "b"}), Check(KEY, Exists())])
    assert (failed.value.indexes, slept) == ((1,), [])


@pytest.mark.parametrize(
    ("code", "kind"),
    [("ThrottlingException", TransientAwsError), ("ProvisionedThroughputExceededException", TransientAwsError),
     ("AccessDeniedException", PermanentAwsError), ("ResourceNotFoundException", PermanentAwsError)],
)  # fmt: skip
def test_a_refused_call_is_translated(
    stubbed: tuple[DynamoTable, Stubber, list[float]], code: str, kind: type[Exception]
) -> None:
    table, stub, _ = stubbed
    stub.add_client_error("get_item", code)
    with pytest.raises(kind, match=f"dynamodb:GetItem: {code}"):
        table.get(KEY)


def test_a_transaction_cancelled_for_another_reason_is_an_error_and_no_lost_race(
    stubbed: tuple[DynamoTable, Stubber, list[float]],
) -> None:
    table, stub, _ = stubbed
    cancelled(stub, "ValidationError")
    with pytest.raises(PermanentAwsError) as error:
        table.transact([Put({"pk": "a", "sk": "b"})])
    assert isinstance(error.value.__cause__, ClientError)


# --- the codec ------------------------------------------------------------------------------------------------

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
)
dollars = st.decimals(0, 10**5, places=6)
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
    extensions=st.lists(st.builds(Extension, words, instants, whole_seconds, instants), max_size=2).map(tuple),
    exemption=st.none() | st.builds(Exemption, words, instants, instants, words, st.booleans()),
    exempt_tags=st.lists(st.tuples(words, instants), max_size=2).map(tuple),
    malformed_told=st.lists(words, max_size=3).map(tuple),
    stop=st.none() | stops,
    would_stop_at=st.none() | instants,
    would_stop_spent_usd=st.none() | dollars,
    restarts=st.integers(0, 9),
    rate_since=st.none() | instants,
    spent_before_usd=st.none() | dollars,
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
        stop=StopAttempt("key", "w", 2, NOW, ("i-1",), ("sir-1",), NOW, Action.STOP, ("day#2026-11-22",), NOW, NOW),
        would_stop_at=NOW,
        would_stop_spent_usd=Decimal("263.49"),
        rate_since=NOW,
        spent_before_usd=Decimal(1) / 3,
        hourly_rate_usd=Decimal("0"),
        owner="",
        capped_key="key",
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
