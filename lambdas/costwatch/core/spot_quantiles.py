"""What a spot instance cost over a time, from the moments at which its price changed. Pure; USD per hour, aware UTC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PriceChange:
    """From `at` on (inclusive) the price was `usd`."""

    at: datetime
    usd: Decimal


def quantile(history: Iterable[PriceChange], share: Decimal, *, begins: datetime, ends: datetime) -> Decimal | None:
    """The lowest price that was not exceeded for `share` (0 to 1) of the time from `begins` to `ends`.

    A price from before the window holds from the window's beginning on; time before the first known price counts for
    nobody. What changed at or after `ends` is not looked at. None: no price was known at any time of the window.
    """
    held = _held(history, begins, ends)
    total = sum(held.values(), timedelta())
    if not total:
        return None
    needed = total * float(share)
    passed = timedelta()
    for usd in sorted(held):
        passed += held[usd]
        if passed >= needed:
            return usd
    return max(held)


def _held(history: Iterable[PriceChange], begins: datetime, ends: datetime) -> dict[Decimal, timedelta]:
    """How long each price held inside the window."""
    changes = sorted((change for change in history if change.at < ends), key=lambda change: change.at)
    held: dict[Decimal, timedelta] = {}
    for change, until in zip(changes, [*(after.at for after in changes[1:]), ends], strict=False):
        lasted = until - max(change.at, begins)
        if lasted > timedelta():
            held[change.usd] = held.get(change.usd, timedelta()) + lasted
    return held
