"""What happened, by run and by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from costwatch.adapters.ledger_base import LedgerBase, Stamp
from costwatch.adapters.ledger_codec import entry_from_item
from costwatch.adapters.ledger_rows import Skip, decoded
from costwatch.core import times
from costwatch.core.model import RunId
from costwatch.core.record import Entry


@dataclass(frozen=True, slots=True)
class TimelineRow:
    run_id: str
    origin: str
    entry: Entry
    stamp: Stamp


class TimelineRows(LedgerBase):
    """Rows `run#`, and the index by day."""

    def timeline(self, run_id: RunId, skip: Skip | None = None) -> list[TimelineRow]:
        """All entries of a run over all its episodes, oldest first."""
        return list(decoded(self._table.query(self._timeline_key(run_id).pk), _row, skip))

    def lines(self, partition: str, skip: Skip | None = None) -> list[TimelineRow]:
        """The timeline of what is no run (see `line`), oldest first."""
        return list(decoded(self._table.query(partition), _row, skip))

    def since(self, moment: datetime, now: datetime, skip: Skip | None = None) -> list[TimelineRow]:
        """All entries of all runs and origins at or after `moment`, oldest first (eventually consistent)."""
        found: list[TimelineRow] = []
        day = moment.astimezone(UTC).date()
        while day <= now.astimezone(UTC).date():
            items = self._table.query_day(day.isoformat(), since=times.to_text(moment))
            found.extend(decoded(items, _row, skip))
            day += timedelta(days=1)
        return found

    def note(self, run_id: RunId, entry: Entry) -> None:
        """An entry about something that has no record, such as an unwatched accelerator or a pause."""
        self._table.transact([self._entry_put(run_id, entry, 0, 0)])


def _row(item: Any) -> TimelineRow:
    return TimelineRow(
        run_id=item["run_id"],
        origin=item["origin"],
        entry=entry_from_item(item),
        stamp=Stamp(item["policy_digest"], item["config_commit"]),
    )
