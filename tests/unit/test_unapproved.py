"""Money that nobody said yes to as one more moment at which a run's time is up. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from costwatch.core import approvals, named_yes, unapproved
from costwatch.core.approvals import Way, approval_id
from costwatch.core.consent import Consent, Word
from costwatch.core.deadman import Verdict, judge
from costwatch.core.estimator import Confidence
from costwatch.core.forecast import Forecast
from costwatch.core.model import Run
from costwatch.core.money import show_usd
from costwatch.core.policy import ApprovalPolicy, Mode, Tier
from costwatch.core.record import Notice, RunRecord
from tests.support import policies
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, member, record, run
from tests.unit.test_approval_cards import asked as asked_about
from tests.unit.test_approval_cards import question

ENFORCE = ApprovalPolicy(Mode.ENFORCE, tiers=(Tier(Decimal(100), ("U0MARIA00",)),))
POLICY = policies.policy(approval=policies.approval(mode="enforce"))


def asked(of: Run, word: Word = Word.ASKED, **changes: Any) -> RunRecord:
    """A record of `of` at $20 an hour, about which somebody was asked when it began."""
    start = of.start or NOW
    known = {key: changes.pop(key) for key in ("cap", "by", "at") if key in changes}
    consent = Consent(word, known.pop("at", start), "apr-0123456789abcdef", **{"by": "Maria Lopez", **known})
    given = {"hourly_rate_usd": Decimal(20), "rate_since": start, "spent_before_usd": Decimal(0)}
    return replace(record(of), consent=consent, **{**given, **changes})


def used_up(found: RunRecord) -> datetime:
    limit = unapproved.limit_of(found, ENFORCE)
    assert limit is not None
    return limit.at


def test_the_money_is_used_up_when_the_threshold_is_spent() -> None:
    of = run(member(age=HOUR))
    assert used_up(asked(of)) == NOW + 4 * HOUR


def test_what_was_spent_before_the_rate_changed_counts() -> None:
    of = run(member(age=HOUR))
    assert used_up(asked(of, rate_since=NOW, spent_before_usd=Decimal(60))) == NOW + 2 * HOUR


def test_it_is_the_next_whole_minute_and_never_before_the_threshold_is_spent() -> None:
    of = run(member(age=HOUR))
    found = asked(of, hourly_rate_usd=Decimal("21.957642"))
    at = used_up(found)
    assert at == NOW + 3 * HOUR + 34 * MINUTE
    assert (found.spent_usd(at) or 0) >= 100


@given(
    rate=st.decimals("0.5", "500", places=6),
    seconds=st.integers(0, 4 * 3600),
)
def test_the_sum_is_made_anew_with_the_same_rate_and_the_moment_stays(rate: Decimal, seconds: int) -> None:
    of = run(member(age=HOUR))
    before = asked(of, hourly_rate_usd=rate)
    later = (before.rate_since or NOW) + timedelta(seconds=seconds)
    after = replace(before, rate_since=later, spent_before_usd=before.spent_usd(later))
    first, second = unapproved.used_up_at(before, ENFORCE), unapproved.used_up_at(after, ENFORCE)
    assume(first is not None)
    assert first == second


@pytest.mark.parametrize(
    "changes",
    [
        {"hourly_rate_usd": None},
        {"spent_before_usd": None},
        {"hourly_rate_usd": Decimal(0)},
        {"hourly_rate_usd": Decimal("0.000001")},
        {"start": None},
    ],
    ids=["no price", "spent is unknown", "prepaid", "lasts for years", "not started"],
)
@pytest.mark.parametrize("word", [Word.ASKED, Word.EXPIRED, Word.DENIED])
def test_what_nobody_can_count_is_never_used_up(changes: dict[str, Any], word: Word) -> None:
    assert unapproved.limit_of(asked(run(member(age=HOUR)), word, **changes), ENFORCE) is None


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE, Mode.WARN])
@pytest.mark.parametrize("word", list(Word))
def test_only_in_enforce_money_is_a_limit(mode: Mode, word: Word) -> None:
    found = asked(run(member(age=HOUR)), word, cap=HOUR)
    assert unapproved.limit_of(found, replace(ENFORCE, mode=mode)) is None


@pytest.mark.parametrize(
    ("word", "at"),
    [
        (Word.LOOKED, None),
        (Word.WOULD_ASK, None),
        (Word.ASKED, NOW + 4 * HOUR),
        (Word.EXPIRED, NOW + 4 * HOUR),
        (Word.WITHDRAWN, None),
        (Word.DENIED, NOW - HOUR),
        (Word.APPROVED, None),
        (Word.DREW, None),
    ],
)
def test_each_answer_has_a_limit_of_its_own(word: Word, at: datetime | None) -> None:
    limit = unapproved.limit_of(asked(run(member(age=HOUR)), word), ENFORCE)
    assert (limit.at if limit is not None else None) == at


@pytest.mark.parametrize("asked_in", [Mode.WARN, Mode.ENFORCE])
def test_no_answer_is_a_no_only_where_the_gate_enforced_when_it_was_asked(asked_in: Mode) -> None:
    found = asked(run(member(age=5 * HOUR)), Word.EXPIRED)
    assert found.consent is not None
    found = replace(found, consent=replace(found.consent, mode=asked_in), spent_before_usd=Decimal(0))
    held = asked_in is Mode.ENFORCE
    assert (unapproved.limit_of(found, ENFORCE) is not None) is held
    assert unapproved.is_nearly_used_up(found, ENFORCE, NOW) is held
    assert (unapproved.cause(found, ENFORCE, NOW) is None) is held
    assert unapproved.cause(found, replace(ENFORCE, mode=Mode.WARN), NOW) is None


@pytest.mark.parametrize(("granted", "asks"), [("50.01", False), ("50", True)])
def test_what_was_granted_before_a_question_that_does_not_count_is_not_asked_about(granted: str, asks: bool) -> None:
    found = asked(run(member(age=5 * HOUR)), Word.EXPIRED)  # $100 are spent
    assert found.consent is not None
    consent = replace(found.consent, mode=Mode.WARN, granted_usd=Decimal(granted))
    found = replace(found, consent=consent)
    assert (unapproved.cause(found, ENFORCE, NOW) is not None) is asks
    assert unapproved.limit_of(found, ENFORCE) is None
    capped = unapproved.limit_of(replace(found, consent=replace(consent, cap=6 * HOUR)), ENFORCE)
    assert capped is not None
    assert capped.at == NOW + HOUR


@pytest.mark.parametrize(
    ("known", "word", "about"),
    [
        (0, None, (True, True, True)),
        (1, Word.ASKED, (True, False, False)),
        (2, Word.ASKED, (False, True, False)),
        (2, Word.EXPIRED, (False, True, True)),
        (2, Word.WITHDRAWN, (False, True, True)),
        (2, Word.DENIED, (False, True, False)),
        (2, Word.APPROVED, (False, True, True)),
    ],
)
def test_a_run_is_held_to_the_question_that_its_record_knows_or_to_a_later_one_where_there_may_be_one(
    known: int, word: Word | None, about: tuple[bool, ...]
) -> None:
    of = run(member(age=HOUR))
    start = of.start or NOW
    ids: list[str] = []
    for before in ("", 0, 1):
        key = unapproved.key_of(of.id, start, ids[before] if isinstance(before, int) else before)
        ids.append(approval_id(Way.RUN, of.id.account, of.id.region, *key))
    found = asked(of, word) if word is not None else record(of)
    if found.consent is not None:
        found = replace(found, consent=replace(found.consent, approval_id=ids[known - 1]))
    assert tuple(unapproved.is_about(found, question(id=each)) for each in ids) == about
    assert not unapproved.is_about(found, question(id="apr-0000000000000000"))


@pytest.mark.parametrize(
    ("spent", "why"),
    [
        ("49.99", None),
        ("50", "half or more of $100.00"),
        ("100", "half or more of $100.00"),
        ("100.01", "above $100.00"),
        ("400", "above $100.00"),
        ("400.01", "above $400.00"),
    ],
)
def test_without_a_forecast_it_is_asked_about_for_what_is_spent_and_that_is_what_is_said(
    spent: str, why: str | None
) -> None:
    tiers = (Tier(Decimal(100), ("U0TEAM000",)), Tier(Decimal(400), ("U0CFO0000",)))
    policy = replace(ENFORCE, tiers=tiers)
    found = replace(record(run(member(age=HOUR))), rate_since=NOW, spent_before_usd=Decimal(spent))
    cause = unapproved.cause(found, policy, NOW)
    if why is None:
        assert cause is None
        return
    assert cause is not None
    assert cause.reason == f"{show_usd(Decimal(spent))} is spent already, {why}"
    assert why.endswith(show_usd(cause.tier.above_usd))
    made = asked_about(judged_usd=cause.usd, spent_usd=cause.spent_usd, above_usd=cause.tier.above_usd)
    opened = approvals.ask(question(asked=made))
    assert opened.entries[0].reason.startswith(f"asked: {cause.reason}; answer by ")


def test_a_no_that_comes_late_moves_nothing_back() -> None:
    assert used_up(asked(run(member(age=HOUR)), Word.DENIED, at=NOW + 9 * HOUR)) == NOW + 4 * HOUR


def test_a_cap_counts_from_the_start_though_the_price_is_unknown() -> None:
    found = asked(run(member(age=HOUR)), Word.APPROVED, cap=6 * HOUR, hourly_rate_usd=None)
    assert used_up(found) == NOW + 5 * HOUR


def test_a_time_limit_that_comes_first_is_the_one_it_goes_by() -> None:
    of = run(member(age=9 * HOUR))
    cheap = asked(of, hourly_rate_usd=Decimal(5))
    decision = judge(of, cheap, POLICY, None, NOW)
    assert decision.deadline is not None
    assert not decision.deadline.money
    assert decision.deadline_at == NOW + 3 * HOUR


def test_a_notice_of_its_time_is_none_of_its_money() -> None:
    of = run(member(age=11 * HOUR + 30 * MINUTE))
    dear = asked(of)
    time_limit = NOW + 30 * MINUTE
    notice = Notice("n", Mode.ENFORCE, time_limit, NOW - HOUR, dear.owner, dear.members, NOW - HOUR, "Slack",
                    time_limit, judge(of, None, POLICY, None, NOW).action)  # fmt: skip
    warned = replace(dear, notice=notice, deadline=time_limit)
    # Its money was used up long ago, and a notice for that would end it no sooner than the one it has.
    at_limit = judge(of, warned, POLICY, None, time_limit)
    past_it = judge(of, warned, POLICY, None, time_limit + SECOND)
    assert (at_limit.verdict, past_it.verdict) == (Verdict.WAIT, Verdict.STOP)


@pytest.mark.parametrize("tag", ["apr-0123456789abcdef", "apr-0123456789ABCDEF", "apr-1", "x", ""])
def test_a_tag_names_a_yes_only_where_it_is_an_id_of_ours(tag: str) -> None:
    of = run(member(tags={"costwatch:approval": tag, "sagemaker:pipeline-execution-arn": "arn:x"}))
    named = named_yes.named_by(of, POLICY.tags)
    assert named.approval_id == (tag if tag == "apr-0123456789abcdef" else "")
    assert named.execution == "arn:x"


@pytest.mark.parametrize(("rate", "asks"), [(Decimal(0), False), (None, True)])
def test_of_prepaid_capacity_nobody_is_asked_though_its_forecast_is_unknown(rate: Decimal | None, asks: bool) -> None:
    unknown = Forecast(NOW, "f", None, None, None, Confidence.UNKNOWN, None, None, "no known price for i-0a (Windows)")
    found = replace(record(run(member(age=HOUR))), hourly_rate_usd=rate, forecast=unknown, first_seen_at=NOW - HOUR)
    assert (unapproved.cause(found, ENFORCE, NOW) is not None) is asks


# --- a notice is kept while another one would serve nobody ------------------------------------------------------------


NAMED = NOW + 2 * HOUR


def moment_of(used_up_at: datetime, now: datetime = NOW) -> datetime | None:
    """When a run's time is up that was warned of NAMED, and whose money is used up at another moment by now."""
    of = run(member(age=HOUR))
    spent = Decimal(100) - Decimal(20) * Decimal(int((used_up_at - NOW).total_seconds())) / 3600
    found = asked(of, rate_since=NOW, spent_before_usd=spent)
    action = judge(of, None, POLICY, None, NOW).action
    notice = Notice("n", Mode.ENFORCE, NAMED, NOW, found.owner, found.members, NOW, "Slack", NAMED, action, money=True)
    return judge(of, replace(found, notice=notice), POLICY, None, now).deadline_at


@pytest.mark.parametrize(
    ("used_up_at", "now", "kept"),
    [
        (NAMED + 29 * MINUTE, NOW, True),
        (NAMED + 30 * MINUTE, NOW, False),
        (NAMED - 29 * MINUTE, NOW, True),
        (NAMED - 30 * MINUTE, NOW, False),
        (NAMED - 30 * MINUTE, NOW + HOUR + MINUTE, True),
        (NAMED + 2 * MINUTE, NAMED + MINUTE, False),
        (NAMED + MINUTE, NAMED + MINUTE, True),
    ],
    ids=[
        "a little later", "half an hour later", "a little sooner", "half an hour sooner",
        "sooner, and a notice would take as long", "there is money left", "it is used up",
    ],
)  # fmt: skip
def test_a_notice_is_kept_where_another_one_would_serve_nobody(used_up_at: datetime, now: datetime, kept: bool) -> None:
    assert moment_of(used_up_at, now) == (NAMED if kept else used_up_at)


def test_a_notice_of_time_warns_of_no_money_at_the_same_moment_and_the_other_way_round() -> None:
    of = run(member(age=HOUR))
    for money in (True, False):
        deadline = judge(of, asked(of) if money else None, POLICY, None, NOW).deadline
        assert deadline is not None
        notice = Notice("n", Mode.ENFORCE, deadline.at, NOW, "", (), money=money)
        assert deadline.is_named_by(notice)
        assert not deadline.is_named_by(replace(notice, money=not money))
