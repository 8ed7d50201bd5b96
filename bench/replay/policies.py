"""The policies: when each trains, and how what it trained comes to serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bench.replay import ours
from bench.replay.account import Account
from bench.replay.promotion import AtOnce, IfBetter, Judged, Promotion, PublishedRes

ALWAYS_AT_ONCE: Final = "always_at_once"
ALWAYS_VALIDATED: Final = "always_validated"
COSTWATCH: Final = "costwatch"
PERIODS: Final = (2, 3, 4, 6, 8)

Trains = Callable[[Account], bool]
"""Whether the candidate of the week that is about to begin is trained. The first one always is, by everybody."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`variants`: what it is the average of (the offsets of a period). Each makes a new memory for a new replay."""

    name: str
    promotion: Callable[[int], Promotion]
    variants: tuple[Callable[[], Trains], ...] = field(default_factory=tuple)


def policies() -> Iterator[Policy]:
    """In the order of the table."""
    yield Policy(ALWAYS_AT_ONCE, AtOnce, (lambda: _always,))
    yield Policy(ALWAYS_VALIDATED, IfBetter, (lambda: _always,))
    yield Policy("never", AtOnce, (lambda: _never,))
    for period in PERIODS:
        offsets = tuple(_every(period, offset) for offset in range(period))
        yield Policy(f"every_{period}_promote_all", AtOnce, offsets)
        yield Policy(f"every_{period}_promote_if_better", IfBetter, offsets)
    yield Policy("drift_trigger", AtOnce, (PageHinkley,))
    yield Policy("published_res", PublishedRes, (lambda: _always,))
    yield Policy("costwatch-promotion-only", _judged, (lambda: _always,))
    yield Policy(COSTWATCH, ours.promotion, (ours.ShouldRetrain,))


def _always(_: Account) -> bool:
    return True


def _never(_: Account) -> bool:
    return False


def _every(period: int, offset: int) -> Callable[[], Trains]:
    return lambda: lambda account: account.week % period == offset


def _judged(schedules: int) -> Judged:
    return Judged(schedules, least_gain=ours.LEAST_GAIN, worth=ours.WORTH_PER_WEEK * ours.RULES.in_service / ours.WEEK)


class PageHinkley:
    """Trains when served error, as a multiple of its mean so far, has drifted up; then begins anew."""

    tolerance: Final = 0.05
    threshold: Final = 3.0
    least_weeks: Final = 3

    def __init__(self) -> None:
        self._count, self._total, self._sum, self._least = 0, 0.0, 0.0, 0.0

    def __call__(self, account: Account) -> bool:
        """Takes in the week that has just ended."""
        error = account.served_error(account.week - 1)
        self._count += 1
        self._total += error
        mean = self._total / self._count
        self._sum += (error / mean if mean else 1.0) - 1.0 - self.tolerance
        self._least = min(self._least, self._sum)
        if self._count < self.least_weeks or self._sum - self._least <= self.threshold:
            return False
        self._count, self._total, self._sum, self._least = 0, 0.0, 0.0, 0.0
        return True
