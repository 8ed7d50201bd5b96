"""What the RES breaker would have done in observe: one line for each candidate, in the daily summary, once."""

from __future__ import annotations

from typing import Final

from costwatch.adapters.ledger_judgements import Judgements
from costwatch.adapters.ledger_rows import Skip
from costwatch.core import res_words
from costwatch.core.judgements import Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.res import Value
from costwatch.procedures.ports import Watchdog

_MOST: Final = 20
"""The next day's summary tells the others."""


def fresh(w: Watchdog, skip: Skip) -> dict[str, str]:
    """Lines about what was judged in observe and told in no summary yet, by the key that says that it is told."""
    found: dict[str, str] = {}
    for judgement in Judgements(w.ledger).open(w.account, skip):
        key = f"res summary#{judgement.id}#{judgement.verdict.value.value}"
        if _is_told(judgement) and len(found) < _MOST and not w.ledger.was_told(key):
            found[key] = line(judgement, auto_approve=w.policy.res.auto_approve)
    return found


def line(judgement: Judgement, *, auto_approve: bool) -> str:
    """`churn v41: would have been rejected (no gain); auc 0.912 -> 0.911 (-0.001); cost $3,200.00`."""
    verdict = judgement.verdict
    figures = res_words.figures(verdict)
    return f"{judgement.name}: {_would(judgement, auto_approve=auto_approve)}{f'; {figures}' if figures else ''}"


def _is_told(judgement: Judgement) -> bool:
    return judgement.mode is Mode.OBSERVE and judgement.state is State.JUDGED


def _would(judgement: Judgement, *, auto_approve: bool) -> str:
    verdict = judgement.verdict
    match verdict.value:
        case Value.PROMOTE:
            return "would have been approved" if auto_approve else "earned its compute, and would wait for a person"
        case Value.REJECT:
            return f"would have been rejected ({verdict.cause.value}: {verdict.reason})"
        case Value.TOO_DEAR if verdict.ask:
            return f"somebody would have been asked: {verdict.reason}"
        case Value.TOO_DEAR:
            return f"would have been rejected: {verdict.reason}"
        case Value.FIRST_MODEL:
            return "the first model, for a person to approve"
        case _:
            return f"could not be judged: {verdict.reason}"
