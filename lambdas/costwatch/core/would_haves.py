"""Would-haves, closed with the truth: what enforce would have stopped, and what really became of it. Pure.

An entry that closes one says which of two it was, and its dollars. Stopping what finished its work would have destroyed
what it had cost by then; stopping what ran on without finishing would have saved what it cost from then on. Whether
an instance finished its work only its heartbeats tell: where they do not, it counts among those that ran on, and is
said to be doubtful.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from costwatch.core.money import show_usd
from costwatch.core.record import Entry

DESTROYED: Final = "destroyed"
RAN_ON: Final = "ran on"
STOOD_DOWN: Final = "stood down"
"""It was not due any more, and is told apart: nothing is known of its dollars."""
WHICH, DOUBTFUL, _USD, _LOST = "would_have", "would_have_doubtful", "would_have_usd", "would_have_lost_usd"


@dataclass(frozen=True, slots=True)
class WouldHaves:
    """Closed ones together, USD. `unknown`: of so many the dollars are not known; they are in no sum."""

    destroyed: int
    destroyed_usd: Decimal
    ran_on: int
    ran_on_usd: Decimal
    unknown: int
    doubtful: int = 0
    """Of those that ran on: instances, whose work may have been done."""

    @property
    def closed(self) -> int:
        return self.destroyed + self.ran_on

    @property
    def net_usd(self) -> Decimal:
        """What stopping would have saved, less the work it would have destroyed; below 0: it would have cost."""
        return self.ran_on_usd - self.destroyed_usd

    @property
    def sentence(self) -> str:
        """For people: what enforce would have come to."""
        unknown = f"; {self.unknown} without a known price" if self.unknown else ""
        if self.doubtful:
            unknown += f"; of {self.doubtful} that ran on, instances, nobody sees whether their work was done"
        return (
            f"Would-haves that are over: {self.destroyed} finished by themselves ({show_usd(self.destroyed_usd)} of "
            f"work would have been destroyed), {self.ran_on} ran on for {show_usd(self.ran_on_usd)}; net "
            f"{show_usd(self.net_usd)}{unknown}"
        )


def closed_evidence(which: str, usd: Decimal | None) -> tuple[tuple[str, str], ...]:
    """For the entry that closes one."""
    return (WHICH, which), (_USD, _text(usd))


def doubtful_evidence(usd: Decimal | None, lost_usd: Decimal | None) -> tuple[tuple[str, str], ...]:
    """For the entry that closes one that ran on for `usd`, of which nobody sees whether its work was done.

    `lost_usd`: what a stop would have destroyed if it was.
    """
    return *closed_evidence(RAN_ON, usd), (DOUBTFUL, "yes"), (_LOST, _text(lost_usd))


def closed(entries: Iterable[Entry]) -> WouldHaves:
    """All that `entries` close."""
    found = [facts for entry in entries if (facts := dict(entry.evidence)).get(WHICH) in (DESTROYED, RAN_ON)]
    dollars = {which: [closed_usd(facts) for facts in found if facts[WHICH] == which] for which in (DESTROYED, RAN_ON)}
    return WouldHaves(
        destroyed=len(dollars[DESTROYED]),
        destroyed_usd=_known(dollars[DESTROYED]),
        ran_on=len(dollars[RAN_ON]),
        ran_on_usd=_known(dollars[RAN_ON]),
        unknown=sum(each is None for amounts in dollars.values() for each in amounts),
        doubtful=sum(DOUBTFUL in facts for facts in found),
    )


def _known(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def closed_usd(facts: Mapping[str, str]) -> Decimal | None:
    """Of the evidence of an entry that closes one; None: unknown."""
    return _amount(facts.get(_USD, ""))


def lost_usd(facts: Mapping[str, str]) -> Decimal | None:
    """What a stop would have destroyed if a doubtful one had finished; None: unknown, or it is not doubtful."""
    return _amount(facts.get(_LOST, ""))


def _amount(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


def _text(usd: Decimal | None) -> str:
    return f"{usd:.2f}" if usd is not None else "unknown"
