"""A verdict's figures as people read them: on cards, in logs, in the registry's own metadata. Pure."""

from __future__ import annotations

from decimal import Decimal

from costwatch.core import durations
from costwatch.core.money import show_usd
from costwatch.core.res import Verdict
from costwatch.core.res_policy import GainKind


def figures(verdict: Verdict) -> str:
    """In one line: `auc 0.912 -> 0.914 (+0.002); worth $800.00; cost $3,200.00; score 0.20, needed 0.50`."""
    parts: list[str] = []
    found, measured, cost = verdict.gain, verdict.score, verdict.cost
    if found is not None:
        errors = found.standard_errors
        noise = f", {errors:.1f} standard errors" if errors is not None else ""
        parts.append(
            f"{verdict.metric} {found.baseline} -> {found.candidate} ({show_gain(found.amount, found.kind)}{noise})"
        )
    if measured is not None and measured.worth_usd is not None:
        parts.append(f"worth {show_usd(measured.worth_usd)}")
    if cost is not None and cost.usd is not None:
        parts.append(f"cost {show_usd(cost.usd)}")
    if measured is not None:
        unit = "" if measured.bounded else " per $1,000"
        parts.append(f"score {show_score(measured.value)}{unit}, needed {show_score(measured.needed)}")
    if verdict.in_service is not None and measured is not None and measured.bounded:
        parts.append(f"in service {durations.show(verdict.in_service)}")
    return "; ".join(parts)


def show_gain(amount: Decimal, kind: GainKind) -> str:
    """`+0.002`, `-1.5%`."""
    if kind is GainKind.RELATIVE:
        return f"{amount * 100:+.2f}%"
    return f"{_plain(amount):+f}" if amount else "0"


def show_score(value: Decimal) -> str:
    """Two decimals, cut and not rounded: 0.499 is shown as 0.49, since 0.50 would have passed."""
    cut = value.quantize(Decimal("0.01"), rounding="ROUND_FLOOR")
    return f"{cut:.2f}" if cut or not value else f"{value:.2g}"


def _plain(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("1e-6")).normalize() if abs(amount) >= Decimal("1e-6") else amount
