"""The figures on the card of a judgement: what it gained, what that is worth, what it cost, what would have passed."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from costwatch.core import durations, res_words
from costwatch.core.blocks import cleaned, cut, safe
from costwatch.core.gains import Gain
from costwatch.core.judgements import Judgement
from costwatch.core.money import show_usd
from costwatch.core.res import Value

_NAME, _PART = 80, 200
_SHORT_METRICS: Final = frozenset({"auc", "f1", "mae", "mape", "mse", "r2", "rmse"})


def rows(judgement: Judgement) -> list[tuple[str, str]]:
    verdict, found = judgement.verdict, judgement.verdict.gain
    pairs: list[tuple[str, str]] = []
    if found is not None:
        pairs.append(("Gain", _gain(judgement, found)))
    worth = res_words.show_worth(verdict)
    if worth:
        pairs.append(("Worth", f"{worth}{_worth_basis(judgement)}"))
    if verdict.cost is not None:
        pairs.append(("Cost", _cost(judgement)))
        if verdict.cost.all_candidates_usd is not None:
            since = "since the last promotion, failed and stopped runs included"
            pairs.append(("All candidates", f"{show_usd(verdict.cost.all_candidates_usd)} {since}"))
    if verdict.score is not None:
        reached, needed = res_words.show_scores(verdict.score)
        unit = "" if verdict.score.bounded else " for each $1,000"
        pairs.append(("Score", f"{reached}{unit}, needed {needed}"))
    return pairs


def _gain(judgement: Judgement, found: Gain) -> str:
    before, after = res_words.show_readings(found)
    noise = res_words.show_errors(found) or "how noisy it is nobody says"
    if found.noise is not None and not found.noise.standard_error:
        noise = "without noise"
    gained = res_words.show_gain(found.amount, found.kind)
    return safe(f"{_metric(judgement)} {before} -> {after}: {gained}, {noise}")


def _worth_basis(judgement: Judgement) -> str:
    """` ($4,000.00 per 0.01 over 30 days)`."""
    worth = judgement.worth
    if worth is None:
        return ""
    serves = judgement.verdict.in_service
    longer = "" if serves in (None, worth.over) else f", {res_words.show_period(serves)} in service"
    found = judgement.verdict.gain
    per = f"{worth.per.normalize():f}" if found is None else res_words.show_gain(worth.per, found.kind).lstrip("+")
    return f" ({show_usd(worth.usd)} per {per} over {res_words.show_period(worth.over)}{longer})"


def _cost(judgement: Judgement) -> str:
    cost = judgement.verdict.cost
    if cost is None or cost.usd is None:
        return "unknown, and unknown is never $0"
    hours = f"{_hours(cost.gpu_hours)} GPU-hours" if cost.gpu_hours is not None else ""
    runtime = durations.show(judgement.runtime) if judgement.runtime is not None else ""
    facts = [judgement.capacity, runtime, hours] if judgement.capacity or runtime else [cost.what, hours]
    told = safe(cut(cleaned(", ".join(filter(None, facts))), _PART))
    return f"{res_words.show_cost(judgement.verdict)}{f' ({told})' if told else ''}"


def would_pass(judgement: Judgement) -> str:
    """`It would have passed at AUC 0.920 or better, or at $800.00 or less.`"""
    return safe(res_words.would_pass(judgement.verdict, _metric(judgement)))


def spent(judgement: Judgement) -> str:
    """The money is spent whatever is decided; only the next training is not."""
    verdict = judgement.verdict
    if verdict.cost is None or verdict.cost.usd is None or verdict.value not in (Value.REJECT, Value.TOO_DEAR):
        return ""
    spent = f"The {res_words.show_cost(verdict)} is spent either way."
    if judgement.advice:
        advice = safe(cut(cleaned(judgement.advice), _PART)).rstrip(".")
        return f"{spent} The saving is ahead: should-retrain advises to {advice}."
    return spent


def _metric(judgement: Judgement) -> str:
    """As people write it: `AUC` for `validation:auc`."""
    name = cut(cleaned(judgement.verdict.metric), _NAME)
    plain = name.rpartition(":")[2]
    return plain.upper() if plain.lower() in _SHORT_METRICS else name


def _hours(hours: Decimal) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}"
