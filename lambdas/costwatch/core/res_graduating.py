"""What the RES breaker would have done in enforce, model by model, and what people did with its candidates. Pure.

In observe and warn the model registry is as people leave it: whoever promoted what would have been rejected, or
rejected what would have been approved, did not agree. Those are the wrong would-haves. A case is doubtful while nobody
has decided about it, and where nothing tells how much of its gain is chance. While one of either is left nobody is
advised to enforce: see `changes.advice`. What could not be judged, and first models, are left alone in enforce as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from costwatch.core.changes import Advice, Change, advice
from costwatch.core.judgement_steps import planned
from costwatch.core.judgements import Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.money import show_usd
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res import Cause, Value
from costwatch.core.res_standing import is_gone


class Would(StrEnum):
    """What enforce would have done with a candidate; for people."""

    REJECT = "would have been rejected"
    APPROVE = "would have been approved"
    ASK = "would have been asked about"
    LEAVE = "would have been left alone"


class Hand(StrEnum):
    """What people did with it."""

    AGREED = "people did the same"
    DISAGREED = "people did the opposite"
    OPEN = "nobody has decided"


@dataclass(frozen=True, slots=True)
class Case:
    """One candidate that was judged. `usd`: what its training cost; None: unknown.

    `hand` None: there is nothing to agree with.
    """

    at: datetime
    id: str
    name: str
    model: str
    would: Would
    reason: str
    usd: Decimal | None = None
    hand: Hand | None = None
    by_chance: bool = False
    """Nothing tells how much of its gain is chance, and it would have been rejected for its gain."""


@dataclass(frozen=True, slots=True)
class ModelGraduation:
    """All candidates of one model, oldest first."""

    model: str
    cases: tuple[Case, ...] = ()

    def of(self, would: Would) -> list[Case]:
        return [case for case in self.cases if case.would is would]

    @property
    def sentence(self) -> str:
        """`model churn: 4 judged; 2 would have been rejected ($6,400.00 of training): people did the same with 1`."""
        told = [f"model {self.model}: {len(self.cases)} judged"]
        for would in Would:
            found = self.of(would)
            if not found:
                continue
            cost = sum((case.usd for case in found if case.usd is not None), Decimal(0))
            hands = ", ".join(
                f"{hand.value}{' with' if hand is not Hand.OPEN else ' about'} {count}"
                for hand in Hand
                if (count := sum(case.hand is hand for case in found))
            )
            spent = f" ({show_usd(cost)} of training)" if would is Would.REJECT else ""
            told.append(f"{len(found)} {would.value}{spent}{f': {hands}' if hands else ''}")
        return "; ".join(told)


@dataclass(frozen=True, slots=True)
class ResGraduation:
    """All models: they have one mode, and one line makes the breaker enforce for all of them."""

    models: tuple[ModelGraduation, ...] = ()

    @property
    def cases(self) -> tuple[Case, ...]:
        return tuple(case for model in self.models for case in model.cases)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What somebody has to look at before it enforces, a clause each."""
        found = self.cases
        counted = (
            (sum(case.hand is Hand.DISAGREED for case in found), "that people decided otherwise"),
            (sum(case.hand is Hand.OPEN for case in found), "that nobody has decided about"),
            (sum(case.by_chance for case in found), "rejected without knowing what is chance"),
        )
        return tuple(f"{count} {what}" for count, what in counted if count)

    def advice(self, mode: Mode | None, change: Change | None) -> Advice:
        """Whether to enforce, and the line that does it. Only what it would have changed, or asked, counts as seen."""
        seen = any(case.would is not Would.LEAVE for case in self.cases)
        return advice(mode, change, seen=seen, doubts=self.doubts, setting="mode: enforce under res")


def graduation(judged: Iterable[Judgement], *, models: Sequence[str], auto_approve: bool) -> ResGraduation:
    """Of what was judged in observe or warn. `models`: those of the configuration, shown also without a candidate.

    `auto_approve`: whether Costwatch would approve what earned its compute.
    """
    cases = sorted(
        (_case(each, auto_approve=auto_approve) for each in judged if _is_would_have(each)),
        key=lambda case: (case.at, case.id),
    )
    names = [*models, *sorted({case.model for case in cases} - set(models))]
    return ResGraduation(
        tuple(ModelGraduation(name, tuple(case for case in cases if case.model == name)) for name in names)
    )


def _is_would_have(each: Judgement) -> bool:
    """What waits is not judged yet; what was decided before it was first seen never was."""
    is_judged = each.state is not State.WAITING and each.verdict.value is not Value.OVERRIDDEN
    return each.mode in (Mode.OBSERVE, Mode.WARN) and is_judged


def _case(each: Judgement, *, auto_approve: bool) -> Case:
    verdict = each.verdict
    state, target = planned(verdict, Mode.ENFORCE, auto_approve=auto_approve)
    would = Would.LEAVE
    if target is not None:
        would = Would.REJECT if target is ApprovalStatus.REJECTED else Would.APPROVE
    elif state is State.ASKED:
        would = Would.ASK
    measured = verdict.gain is not None and verdict.gain.noise is not None
    return Case(
        at=each.judged_at,
        id=each.id,
        name=each.name,
        model=each.model,
        would=would,
        reason=f"{verdict.value.value}: {verdict.reason}",
        usd=verdict.cost.usd if verdict.cost is not None else None,
        hand=_hand(each, target),
        by_chance=would is Would.REJECT and verdict.cause is not Cause.GUARDRAIL and not measured,
    )


def _hand(each: Judgement, target: ApprovalStatus | None) -> Hand | None:
    if target is None or is_gone(each):
        return None
    if each.decided is None or each.decided.target is ApprovalStatus.PENDING:
        return Hand.OPEN
    return Hand.AGREED if each.decided.target is target else Hand.DISAGREED
