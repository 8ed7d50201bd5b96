"""What the RES breaker would have done in enforce, what people did, and whether anybody is advised to enforce."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch.core.changes import Change
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res import Cause, Value, Verdict
from costwatch.core.res_graduating import ResGraduation, Would, graduation
from costwatch.core.res_policy import WhenTooDear
from tests.support.judged import NOW, judgement, verdict

LINE = Change(6, "res: {mode: warn}", "res: {mode: enforce}", file="costwatch.yaml")
WORSE, BETTER, TOO_DEAR = verdict("0.911"), verdict("0.932", usd="100"), verdict()
APPROVED, REJECTED, PENDING = ApprovalStatus.APPROVED, ApprovalStatus.REJECTED, ApprovalStatus.PENDING


def candidate(said: Verdict = WORSE, people: ApprovalStatus | None = REJECTED, **more: Any) -> Judgement:
    """Judged in warn, and then decided about in the registry."""
    by = Decided("U0MARIA00", NOW, people, hand=Hand.FIRST) if people is not None else None
    state = State.OVERRIDDEN if by is not None else State.JUDGED
    return judgement(**{"verdict": said, "decided": by, "state": state, "mode": Mode.WARN, **more})


def graduated(*judged: Judgement, auto_approve: bool = True, models: tuple[str, ...] = ("churn",)) -> ResGraduation:
    return graduation(judged, models=models, auto_approve=auto_approve)


@pytest.mark.parametrize(
    ("said", "auto_approve", "would"),
    [
        (WORSE, True, Would.REJECT),
        (TOO_DEAR, True, Would.ASK),
        (verdict(when_too_dear=WhenTooDear.REJECT), True, Would.REJECT),
        (BETTER, True, Would.APPROVE),
        (BETTER, False, Would.LEAVE),
        (verdict(baseline=None), True, Would.LEAVE),
        (verdict(usd=None), True, Would.LEAVE),
    ],
)
def test_it_is_what_enforce_would_do_by_the_same_rules(said: Verdict, *, auto_approve: bool, would: Would) -> None:
    (case,) = graduated(candidate(said), auto_approve=auto_approve).cases
    assert case.would is would


@pytest.mark.parametrize(
    ("said", "people", "doubts"),
    [
        (WORSE, REJECTED, ()),
        (WORSE, APPROVED, ("1 that people decided otherwise",)),
        (WORSE, None, ("1 that nobody has decided about",)),
        (WORSE, PENDING, ("1 that nobody has decided about",)),
        (BETTER, APPROVED, ()),
        (BETTER, REJECTED, ("1 that people decided otherwise",)),
        (BETTER, None, ("1 that nobody has decided about",)),
        (TOO_DEAR, None, ()),  # enforce asks, and waits
        (verdict("0.911", standard_error=None), REJECTED, ("1 rejected without knowing what is chance",)),
    ],
)
def test_one_that_people_did_not_agree_with_or_that_is_in_doubt_is_enough_that_nobody_is_advised(
    said: Verdict, people: ApprovalStatus | None, doubts: tuple[str, ...]
) -> None:
    found = graduated(candidate(said, people))
    assert found.doubts == doubts
    advice = found.advice(Mode.WARN, LINE)
    assert advice.advised is not bool(doubts)
    assert advice.lines == ("- res: {mode: warn}", "+ res: {mode: enforce}")


def test_a_broken_guardrail_is_no_matter_of_chance() -> None:
    broken = Verdict(Value.REJECT, Cause.GUARDRAIL, "recall is below its floor")
    assert graduated(candidate(broken)).doubts == ()


def test_what_is_left_alone_anyway_says_nothing_for_enforcing() -> None:
    assert not graduated(candidate(verdict(baseline=None), APPROVED)).advice(Mode.WARN, LINE).advised
    assert not graduated().advice(Mode.OBSERVE, LINE).advised


def test_one_model_in_doubt_speaks_against_all_since_they_have_one_mode() -> None:
    other = candidate(people=None, model="fraud", package_version=7)
    assert graduated(candidate()).advice(Mode.WARN, LINE).advised
    assert not graduated(candidate(), other).advice(Mode.WARN, LINE).advised


def test_what_was_deleted_is_nobody_s_to_decide_any_more() -> None:
    assert graduated(candidate(people=None, state=State.OVERRIDDEN)).doubts == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": Mode.ENFORCE},
        {"state": State.WAITING},
        {"verdict": Verdict(Value.OVERRIDDEN, Cause.NOT_PENDING, "it was Approved when Costwatch first saw it")},
    ],
)
def test_what_was_enforced_is_not_judged_yet_or_never_was_is_no_would_have(changes: dict[str, Any]) -> None:
    assert graduated(candidate(**changes)).cases == ()


def test_a_model_is_told_in_one_sentence_with_what_its_rejected_trainings_cost() -> None:
    found = graduated(
        candidate(package_version=41),
        candidate(people=APPROVED, package_version=42),
        candidate(people=None, package_version=43),
        candidate(BETTER, APPROVED, package_version=44),
        candidate(TOO_DEAR, None, package_version=45),
        models=("churn", "fraud"),
    )
    assert [model.sentence for model in found.models] == [
        "model churn: 5 judged; 3 would have been rejected ($9,600.00 of training): people did the same with 1, people "
        "did the opposite with 1, nobody has decided about 1; 1 would have been approved: people did the same with 1; "
        "1 would have been asked about",
        "model fraud: 0 judged",
    ]
