"""A verdict's figures as people read them: on cards, in logs, in the registry's own metadata. Pure.

What is shown never contradicts the verdict: whatever missed a bound is shown on its side of it, with as many digits as
that takes.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from costwatch.core import durations
from costwatch.core.gains import Gain
from costwatch.core.money import show_usd
from costwatch.core.res import Score, Value, Verdict
from costwatch.core.res_policy import Direction, GainKind

_FEWEST_DIGITS, _MOST_DIGITS = 3, 30
_MANY_DIGITS: Final = 6
"""So many decimals of a metric are enough to read it, unless two readings differ in later ones only."""
_SURE: Final = Context(prec=20)
"""A solved bound is sure to fewer digits than it has: 0.9200000000000000000000000001 is 0.92."""
_WIDE: Final = Context(prec=400)
_MOST_ERRORS: Final = Decimal(1_000_000)
_CENT, _TENTH = Decimal("0.01"), Decimal("0.1")


def figures(verdict: Verdict) -> str:
    """In one line: `auc 0.912 -> 0.914 (+0.002); worth $800.00; cost $3,200.00; score 0.20, needed 0.50`."""
    parts: list[str] = []
    found, measured, cost = verdict.gain, verdict.score, verdict.cost
    if found is not None:
        noise = show_errors(found)
        before, after = show_readings(found)
        gained = f"{show_gain(found.amount, found.kind)}{f', {noise}' if noise else ''}"
        parts.append(f"{verdict.metric} {before} -> {after} ({gained})")
    if measured is not None and measured.worth_usd is not None:
        parts.append(f"worth {show_usd(measured.worth_usd)}")
    if cost is not None and cost.usd is not None:
        parts.append(f"cost {show_usd(cost.usd)}")
    if measured is not None:
        reached, needed = show_scores(measured)
        unit = "" if measured.bounded else " per $1,000"
        parts.append(f"score {reached}{unit}, needed {needed}")
    if verdict.in_service is not None and measured is not None and measured.bounded:
        parts.append(f"in service {show_period(verdict.in_service)}")
    return "; ".join(parts)


def show_gain(amount: Decimal, kind: GainKind) -> str:
    """`+0.002`, `-1.50%`; never 0 for what is not 0."""
    if kind is GainKind.RELATIVE:
        percent = amount * 100
        return f"{percent:+.2f}%" if not percent or abs(percent) >= _CENT else f"{_plain(percent, 2):+f}%"
    if not amount:
        return "0"
    return f"{_plain(amount, 2) if abs(amount) < Decimal('1e-6') else _rounded(amount, _MANY_DIGITS).normalize():+f}"


def show_errors(found: Gain) -> str:
    """`3.3 standard errors`, cut and not rounded: 1.96 is below 2. Empty: nobody knows."""
    errors = found.standard_errors
    if errors is None:
        return ""
    if abs(errors) > _MOST_ERRORS:
        return f"{'more' if errors > 0 else 'less'} than {_MOST_ERRORS.copy_sign(errors):,} standard errors"
    return f"{errors.quantize(_TENTH, rounding=ROUND_FLOOR, context=_WIDE):f} standard errors"


def show_score(value: Decimal) -> str:
    """Two decimals, cut and not rounded: 0.499 is shown as 0.49, since 0.50 would have passed."""
    cut = value.quantize(_CENT, rounding=ROUND_FLOOR, context=_WIDE)
    return f"{cut:f}" if cut or not value else f"{_plain(value, 2, ROUND_FLOOR):f}"


def show_scores(measured: Score) -> tuple[str, str]:
    """What was reached, cut and not rounded, and what was needed, as it is configured."""
    needed, value = measured.needed, measured.value
    digits = max(2, _decimals(needed))
    if value and abs(value) < Decimal(1).scaleb(-digits):
        digits = 1 - value.adjusted()
    return f"{_rounded(value, digits, ROUND_FLOOR):f}", f"{_rounded(needed, max(2, _decimals(needed))):f}"


def show_readings(found: Gain) -> tuple[str, str]:
    """The metric of what serves and of the candidate, with as many digits as tell them apart."""
    digits = _reading_digits(found)
    return f"{_rounded(found.baseline, digits):f}", f"{_rounded(found.candidate, digits):f}"


def show_passing_metric(found: Gain, bound: Decimal) -> str:
    """The metric from which on it would have passed, rounded to what really passes: never what it has."""
    better = ROUND_CEILING if found.direction is Direction.MAXIMIZE else ROUND_FLOOR
    sure = _SURE.plus(bound)
    for digits in range(max(_FEWEST_DIGITS, _reading_digits(found)), _MOST_DIGITS):
        shown = _rounded(sure, digits, better)
        if shown != _rounded(found.candidate, digits):
            return f"{shown:f}"
    return f"{sure:f}"


def show_passing_usd(bound: Decimal) -> str:
    """The cost up to which it would have passed, rounded down; empty: less than a cent."""
    cents = _rounded(_SURE.plus(bound), 2, ROUND_FLOOR)
    return show_usd(cents) if cents > 0 else ""


def would_pass(verdict: Verdict, metric: str) -> str:
    """`It would have passed at auc 0.920 or better, or at $800.00 or less.` `metric`: its name for people.

    Empty: nothing is known that would have, such as beside a guardrail that is broken.
    """
    found, bound = verdict.gain, verdict.passes_at_metric
    if found is None or verdict.value not in (Value.REJECT, Value.TOO_DEAR):
        return ""
    usd = show_passing_usd(verdict.passes_at_usd) if verdict.passes_at_usd is not None else ""
    if bound is not None and not beyond_reach(found, bound):
        at = f"It would have passed at {metric} {show_passing_metric(found, bound)} or better"
        return f"{at}, or at {usd} or less." if usd else f"{at}."
    if verdict.value is Value.REJECT:
        return f"No {metric} would have been enough." if bound is not None else ""
    no_metric = f"No {metric} would have been enough at this cost"
    return f"{no_metric}; at {usd} or less it would have passed." if usd else f"{no_metric}."


def beyond_reach(found: Gain, bound: Decimal) -> bool:
    """A share above 1, or an error below 0, is not to be had."""
    readings = found.baseline, found.candidate
    if found.direction is Direction.MAXIMIZE:
        return bound > 1 and all(0 <= each <= 1 for each in readings)
    return bound < 0 and all(each >= 0 for each in readings)


def show_cost(verdict: Verdict) -> str:
    """What it cost: half a cent more than what would have passed is not shown as the same."""
    usd = verdict.cost.usd if verdict.cost is not None else None
    bound = verdict.passes_at_usd
    if usd is None or bound is None or verdict.score is None or verdict.score.passes:
        return show_usd(usd)
    shown = show_usd(usd)
    return shown if shown != show_passing_usd(bound) else show_usd(_rounded(usd, 2, ROUND_CEILING))


def show_worth(verdict: Verdict) -> str:
    """What the gain is worth, rounded down where that tells it from what it cost; empty: no worth is configured."""
    measured, cost = verdict.score, verdict.cost
    if measured is None or measured.worth_usd is None:
        return ""
    shown = show_usd(measured.worth_usd)
    if cost is None or cost.usd is None or measured.worth_usd >= cost.usd or shown != show_usd(cost.usd):
        return shown
    return show_usd(_rounded(measured.worth_usd, 2, ROUND_FLOOR))


def show_period(duration: timedelta) -> str:
    """`30 days`, `1 day`, `36 h`: whole days as such."""
    days, rest = divmod(duration, timedelta(days=1))
    if rest or not days:
        return durations.show(duration)
    return f"{days} day{'s' if days > 1 else ''}"


def _reading_digits(found: Gain) -> int:
    """As many as were measured, but no more than are needed to read them and to tell them apart."""
    measured = max(_decimals(found.candidate), _decimals(found.baseline))
    between = abs(found.candidate - found.baseline)
    apart = 1 - between.adjusted() if between else 0
    return min(measured, max(_MANY_DIGITS, apart))


def _decimals(value: Decimal) -> int:
    exponent = value.normalize(_WIDE).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _rounded(value: Decimal, digits: int, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), rounding=rounding, context=_WIDE)


def _plain(amount: Decimal, significant: int, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    return _rounded(amount, significant - 1 - amount.adjusted(), rounding).normalize()
