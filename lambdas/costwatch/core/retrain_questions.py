"""Whether to train was asked, and what was answered: how many skips in a row, and what the model showed. Pure.

A schedule may ask more often than a model is trained: skips count once for each period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from costwatch.core.modes import Mode
from costwatch.core.retraining import Advice, ServedError, Verdict


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks. `id`: the same one gets the same answer; empty: it is a question of its own.

    `cost_usd`: what the training would cost; None: as those before it did. `served_error`: what the serving model
    showed since the last question, lower is better; `reference_error`: a naive baseline's in the same time. `region`:
    where the model serves; each has a history of its own. Empty: the home region.
    """

    model: str
    by: str = ""
    id: str = ""
    cost_usd: Decimal | None = None
    served_error: Decimal | None = None
    reference_error: Decimal | None = None
    region: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question with its answer. USD, unrounded; None: not known. `at`: aware UTC.

    `asked`: with the region that it is about. `trains`: what was answered, which outside of mode enforce is always yes,
    whatever `advice` says. `counted`: whether it is a skip of its own.
    """

    account: str
    asked: Asked
    at: datetime
    mode: Mode
    advice: Verdict
    trains: bool
    rule: str
    reason: str
    most_skips: int
    skipped_in_a_row: int
    """Since something was last trained, with this one: an answer to train is no training."""
    counted: bool = False
    expected_gain: Decimal | None = None
    expected_worth_usd: Decimal | None = None
    expected_cost_usd: Decimal | None = None
    score: Decimal | None = None
    drift_ratio: Decimal | None = None


def answered(
    account: str,
    asked: Asked,
    advice: Advice,
    before: Sequence[Question],
    *,
    mode: Mode,
    every: timedelta,
    now: datetime,
) -> Question:
    """The question as it is kept. `before`: those since the last training, in any order."""
    trains = advice.verdict is Verdict.TRAIN or mode is not Mode.ENFORCE
    newest = max((each.at for each in before if each.counted), default=None)
    counted = not trains and (newest is None or now - newest >= every / 2)
    reason = advice.reason
    if trains and advice.verdict is Verdict.SKIP:
        reason = f"The guard is in {mode.value}, so it trains. In enforce it would be skipped: {reason}"
    return Question(
        account=account,
        asked=asked,
        at=now,
        mode=mode,
        advice=advice.verdict,
        trains=trains,
        rule=advice.rule.value,
        reason=reason,
        most_skips=advice.most_skips,
        skipped_in_a_row=advice.skipped_in_a_row + counted,
        counted=counted,
        expected_gain=advice.expected_gain,
        expected_worth_usd=advice.expected_worth_usd,
        expected_cost_usd=advice.expected_cost_usd,
        score=advice.score,
        drift_ratio=advice.drift.ratio if advice.drift is not None else None,
    )


def document(question: Question) -> dict[str, Any]:
    """The answer for whoever asked: flat, of texts, numbers and booleans alone, as a pipeline's Lambda step takes it.

    Empty: not known.
    """
    return {
        "answer": (Verdict.TRAIN if question.trains else Verdict.SKIP).value,
        "train": question.trains,
        "advice": question.advice.value,
        "reason": question.reason,
        "rule": question.rule,
        "model": question.asked.model,
        "region": question.asked.region,
        "mode": question.mode.value,
        "expected_gain": _text(question.expected_gain, ".6g"),
        "expected_worth_usd": _text(question.expected_worth_usd, ".2f"),
        "expected_cost_usd": _text(question.expected_cost_usd, ".2f"),
        "score": _text(question.score, ".4f"),
        "skipped_in_a_row": question.skipped_in_a_row,
        "most_skips": question.most_skips,
    }


def since_training(questions: Sequence[Question], trained_at: datetime | None) -> list[Question]:
    """Those after the last training (exclusive).

    An answer to train begins nothing anew: whoever heard it may have asked out of interest, and trained nothing.
    """
    return [each for each in questions if trained_at is None or each.at > trained_at]


def skips_in_a_row(questions: Sequence[Question]) -> int:
    """Of those since the last training."""
    return sum(each.counted for each in questions)


def served_errors(questions: Sequence[Question]) -> list[ServedError]:
    """What the model showed, as whoever asked told it."""
    return [
        ServedError(each.at, each.asked.served_error, each.asked.reference_error)
        for each in questions
        if each.asked.served_error is not None
    ]


def told_now(asked: Asked, now: datetime) -> list[ServedError]:
    """What this very question tells."""
    return [ServedError(now, asked.served_error, asked.reference_error)] if asked.served_error is not None else []


def _text(value: Decimal | None, form: str) -> str:
    return format(value, form) if value is not None else ""
