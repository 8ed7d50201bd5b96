"""What the approval gate would have done in enforce, threshold by threshold, and whether anybody is advised to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from costwatch.core.approvals import Answer, Approval, State
from costwatch.core.changes import Change
from costwatch.core.gate_graduating import Doubt, GateGraduation, evidence, graduation, has_working_hour
from costwatch.core.modes import Mode
from costwatch.core.policy import Tier
from costwatch.core.record import Entry, Transition
from tests.support.judged import NOW
from tests.unit.test_approval_cards import asked as asked_about
from tests.unit.test_approval_cards import question as any_question

HOUR = timedelta(hours=1)
MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RUN = "111122223333/us-east-1/training/churn-7"
LOW, HIGH = Tier(Decimal(100)), Tier(Decimal(1000))
LINE = Change(4, "approval: {mode: warn}", "approval: {mode: enforce}", file="costwatch.yaml")


def held(
    about: str = "111122223333/approval/apr-1", tier: Tier = LOW, usd: str | None = "250.00", at: datetime = MONDAY_NOON
) -> tuple[str, Entry]:
    facts = {"name": "churn", **evidence(tier, Decimal(usd) if usd is not None else None)}
    sentence = "churn would have waited for a yes"
    return about, Entry(at, Transition.WOULD_HOLD, sentence, evidence=tuple(facts.items()))


def question(
    state: State = State.APPROVED, after: timedelta = HOUR, usd: str | None = "250.00", **more: Any
) -> Approval:
    """Asked in warn, on a Monday at noon."""
    at = more.pop("asked_at", MONDAY_NOON)
    answer = Answer("U0MARIA00", "Maria", at + after) if state is not State.PENDING else None
    judged = Decimal(usd) if usd is not None else None
    return any_question(state, answer, **{
        "mode": Mode.WARN, "asked_at": at, "answer_by": at + 24 * HOUR, **more,
        "asked": asked_about(above_usd=Decimal(100), judged_usd=judged),
    })  # fmt: skip


def graduated(*lines: tuple[str, Entry], asked: list[Approval] | None = None, **more: Any) -> GateGraduation:
    given = {"tiers_usd": [LOW.above_usd, HIGH.above_usd], "answer_within": 24 * HOUR, "zone": ZoneInfo("UTC"), **more}
    return graduation(lines, asked or [], **given)


def test_each_threshold_says_how_many_would_have_waited_and_with_what() -> None:
    low, high = graduated(held(), held("111122223333/approval/apr-2"), held("x", HIGH, "2500")).tiers
    assert low.sentence == "above $100.00: 2 would have waited, and $500.00 with them"
    assert high.sentence == "above $1,000.00: 1 would have waited, and $2,500.00 with them"


def test_a_threshold_that_nothing_was_above_says_so_and_one_of_before_is_told_apart() -> None:
    found = graduated(held(tier=Tier(Decimal(400))), ("x", Entry(NOW, Transition.WOULD_HOLD, "of an older version")))
    assert [(tier.name, len(tier.cases)) for tier in found.tiers] == [
        ("above $100.00", 0),
        ("above $400.00", 1),
        ("above $1,000.00", 0),
        ("above a threshold of before", 1),
    ]
    assert found.tiers[0].sentence == "above $100.00: nothing would have waited"


def test_where_people_were_asked_it_says_what_they_said_and_how_long_they_took() -> None:
    took = [HOUR / 2, HOUR, 5 * HOUR]
    said = [State.APPROVED, State.DENIED, State.APPROVED]
    low, _ = graduated(
        asked=[question(state, after, id=f"apr-{n}") for n, (state, after) in enumerate(zip(said, took, strict=True))]
    ).tiers
    assert low.sentence == (
        "above $100.00: 3 would have waited, and $750.00 with them; people were asked about 3: 2 approved, 1 denied; "
        "an answer took 1 h, at most 5 h"
    )


def test_what_was_asked_in_enforce_was_no_would_have() -> None:
    assert not graduated(asked=[question(mode=Mode.ENFORCE)]).cases


@pytest.mark.parametrize(
    ("found", "doubts"),
    [
        (graduated(held()), ()),
        (graduated(held(usd=None)), (Doubt.UNPRICED,)),
        (graduated(asked=[question()]), ()),
        (graduated(asked=[question(State.DENIED)]), ()),
        (graduated(asked=[question(State.EXPIRED)]), (Doubt.NO_ANSWER,)),
        (graduated(asked=[question(State.PENDING)]), (Doubt.WAITS,)),
        (graduated(asked=[question(State.WITHDRAWN)]), ()),
        (graduated(asked=[question(usd=None)]), (Doubt.UNPRICED,)),
    ],
)  # fmt: skip
def test_one_doubt_is_enough_that_nobody_is_advised_to_enforce(
    found: GateGraduation, doubts: tuple[Doubt, ...]
) -> None:
    assert [doubt for case in found.cases for doubt in case.doubts] == list(doubts)
    advice = found.advice(Mode.WARN, LINE)
    assert advice.advised is not bool(doubts)
    assert advice.lines == ("- approval: {mode: warn}", "+ approval: {mode: enforce}")
    if doubts:
        assert advice.sentence.startswith(f"Not yet: look at each first: 1 {doubts[0].value}. Only then line 4")


def test_a_threshold_in_doubt_speaks_against_all_since_they_have_one_mode() -> None:
    assert graduated(held(), held("x", HIGH, "2500")).advice(Mode.OBSERVE, LINE).advised
    assert not graduated(held(), held("x", HIGH, None)).advice(Mode.OBSERVE, LINE).advised


def test_nobody_is_advised_where_nothing_would_have_waited() -> None:
    assert not graduated().advice(Mode.OBSERVE, LINE).advised


def test_a_run_that_would_have_been_stopped_before_anybody_said_yes_is_doubtful() -> None:
    used_up = (RUN, Entry(MONDAY_NOON + HOUR, Transition.WOULD_USE_UP, "would have been stopped for it"))
    found = graduated(held(RUN), used_up)
    assert found.doubts == ("1 would have been stopped without a yes",)
    assert graduated(used_up).cases == ()


def test_a_run_that_is_started_again_would_have_waited_again() -> None:
    assert len(graduated(held(RUN), held(RUN, at=MONDAY_NOON + HOUR)).cases) == 2


@pytest.mark.parametrize(
    ("begin", "end", "zone", "works"),
    [
        ("2026-11-23T08:00", "2026-11-23T09:00", "UTC", False),
        ("2026-11-23T08:00", "2026-11-23T09:01", "UTC", True),
        ("2026-11-23T17:59", "2026-11-24T08:00", "UTC", True),
        ("2026-11-23T18:00", "2026-11-24T08:00", "UTC", False),
        ("2026-11-27T18:00", "2026-11-30T09:00", "UTC", False),  # from Friday to Monday
        ("2026-11-27T18:00", "2026-11-30T09:01", "UTC", True),
        ("2026-11-23T07:00", "2026-11-23T08:30", "Europe/Berlin", True),
        ("2026-11-23T07:00", "2026-11-23T08:30", "America/New_York", False),
        ("2026-11-21T00:00", "2027-11-21T00:00", "UTC", True),
    ],
)
def test_a_working_hour_is_from_nine_to_six_on_a_weekday_where_the_people_are(
    begin: str, end: str, zone: str, *, works: bool
) -> None:
    begins, ends = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (begin, end))
    assert has_working_hour(begins, ends, ZoneInfo(zone)) is works


@pytest.mark.parametrize(("hours", "doubtful"), [(14, True), (16, False)])
def test_what_comes_in_the_night_is_doubtful_where_it_could_not_be_answered_before_it_expired(
    hours: int, *, doubtful: bool
) -> None:
    evening = MONDAY_NOON.replace(hour=18)
    found = graduated(held(at=evening), answer_within=hours * HOUR)
    assert (found.doubts == ("1 without a working hour to answer in",)) is doubtful
    asked = [question(State.EXPIRED, hours * HOUR, asked_at=evening, answer_by=evening + hours * HOUR)]
    assert (Doubt.AT_NIGHT in graduated(asked=asked).cases[0].doubts) is doubtful


def test_what_a_person_answered_in_the_night_was_answered() -> None:
    evening = MONDAY_NOON.replace(hour=18)
    assert graduated(asked=[question(asked_at=evening, answer_by=evening + 2 * HOUR)]).doubts == ()
