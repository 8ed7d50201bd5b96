"""A run's timeline, cut where the run started anew: each part is one story from first look to end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from costwatch.adapters.ledger import TimelineRow
from costwatch.core.record import Entry, RunRecord, Transition

_ENDS: Final = (
    Transition.VERIFIED_GONE,
    Transition.VERIFIED_STOPPED,
    Transition.ENDED_BY_ITSELF,
    Transition.SUPERSEDED,
)


@dataclass(frozen=True, slots=True)
class Episode:
    """Entries of one start of a run, oldest first. `record` None: it is over, and only the entries are kept."""

    rows: tuple[TimelineRow, ...]
    record: RunRecord | None

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(row.entry for row in self.rows)

    @property
    def end(self) -> Entry | None:
        """How it ended; None while it goes on."""
        ends = self.of(*_ENDS) if self.record is None else []
        came_back = self.of(Transition.CAME_BACK)
        return came_back[-1] if ends and came_back else ends[-1] if ends else None

    def of(self, *transitions: Transition) -> list[Entry]:
        return [entry for entry in self.entries if entry.transition in transitions]

    def last(self, *names: str) -> str:
        """The last evidence under the first of `names` that any entry has; empty where none has."""
        for name in names:
            found = [dict(entry.evidence)[name] for entry in self.entries if name in dict(entry.evidence)]
            if found:
                return found[-1]
        return ""

    @property
    def rule(self) -> str:
        """By which the last deadline was set."""
        return next((entry.rule for entry in reversed(self.entries) if entry.rule), "")


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning and what became of it: an acceptance, or the entry that says it was not sent."""

    asked: Entry
    accepted: Entry | None
    dropped: Entry | None


def episodes(rows: Sequence[TimelineRow], record: RunRecord | None) -> list[Episode]:
    """Oldest first. A record that is open belongs to the last one."""
    starts = [n for n, row in enumerate(rows) if n and row.entry.transition is Transition.FIRST_SEEN]
    bounds = [0, *starts, len(rows)]
    parts = [tuple(rows[a:b]) for a, b in pairwise(bounds)]
    return [Episode(part, record if n == len(parts) - 1 else None) for n, part in enumerate(parts)]


def warnings(entries: Iterable[Entry]) -> list[Warned]:
    """Each with the first answer that came before the next warning."""
    found: list[Warned] = []
    for entry in entries:
        if entry.transition is Transition.WARNED:
            found.append(Warned(entry, None, None))
        elif found and found[-1].accepted is None and entry.transition is Transition.NOTICE_ACCEPTED:
            found[-1] = Warned(found[-1].asked, entry, None)
        elif found and found[-1] == Warned(found[-1].asked, None, None) and _not_sent(entry):
            found[-1] = Warned(found[-1].asked, None, entry)
    return found


def _not_sent(entry: Entry) -> bool:
    return entry.transition is Transition.DELIVERED and entry.reason.startswith("warning not sent")
