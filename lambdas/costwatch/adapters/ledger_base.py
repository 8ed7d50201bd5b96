"""What all rows of the ledger have in common: the table, the stamp on each, timelines and what is to be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from costwatch import names
from costwatch.adapters.ledger_codec import entry_to_item, message_to_item
from costwatch.adapters.ledger_keys import key, keyed
from costwatch.adapters.ledger_rows import SAID_VERSION
from costwatch.adapters.table import ConditionFailed, Key, Put, Table, Write
from costwatch.core import times
from costwatch.core.messages import Message
from costwatch.core.model import RunId
from costwatch.core.record import Entry

DEPLOYED: Final = "deployed"
KEEP_TIMELINE: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Stamp:
    """Stands on every row: which policy decided, and from which commit of the configuration."""

    policy_digest: str
    config_commit: str

    @property
    def attributes(self) -> dict[str, Any]:
        """As a row keeps it, with the version of the row's shape."""
        return {"policy_digest": self.policy_digest, "config_commit": self.config_commit, **SAID_VERSION}


class LedgerBase:
    """One origin's rows in one table. Reads are strongly consistent. All times are aware UTC."""

    def __init__(self, table: Table, *, stamp: Stamp, origin: str = DEPLOYED) -> None:
        self._table = table
        self._stamp = stamp
        self.origin = origin

    @property
    def table(self) -> Table:
        """For rows that are written with lines and messages of this ledger in one transaction."""
        return self._table

    def line(self, row: Key, about: str, entry: Entry) -> Put:
        """An entry of a timeline that is no run's: listed by day with all others, under the name `about`."""
        return Put(self._entry_item(row, about, entry, times.to_text(entry.at)))

    def saying(self, message: Message, now: datetime) -> Put:
        """Put `message` into the outbox."""
        at = times.to_text(now)
        return Put(
            {
                **keyed(self._outbox_key(message.id)),
                "message_id": message.id,
                **message_to_item(message),
                "created_at": at,
                "lease_until": at,
                "attempts": 0,
                **self.stamped(),
            }
        )

    def stamped(self) -> dict[str, Any]:
        """What stands on every row."""
        return self._stamp.attributes

    def _written(self, writes: Sequence[Write]) -> bool:
        try:
            self._table.transact(writes)
        except ConditionFailed:
            return False
        return True

    def _entry_put(self, run_id: RunId, entry: Entry, version: int, n: int) -> Put:
        at = times.to_text(entry.at)
        row = self._timeline_key(run_id, f"{at}#{version:06d}#{n:03d}")
        where = {"account": run_id.account, "region": run_id.region}
        return Put({**self._entry_item(row, str(run_id), entry, at), **where})

    def _entry_item(self, row: Key, run_id: str, entry: Entry, at: str) -> dict[str, Any]:
        """`at` is the entry's own time, as the index sorts it."""
        return {
            **keyed(row),
            "run_id": run_id,
            "origin": self.origin,
            **entry_to_item(entry),
            names.INDEX_BY_DAY_PARTITION_KEY: at[:10],
            names.INDEX_BY_DAY_SORT_KEY: at,
            names.TABLE_TTL_ATTRIBUTE: expiry(entry.at, KEEP_TIMELINE),
            **self.stamped(),
        }

    def _outbox_key(self, message_id: str) -> Key:
        return key(f"outbox#{self.origin}", message_id)

    def _record_key(self, run_id: RunId) -> Key:
        return key(f"open#{self.origin}#{run_id.account}#{run_id.region}", str(run_id))

    def _timeline_key(self, run_id: RunId, line: str = "") -> Key:
        return key(f"run#{self.origin}#{run_id}", line)


def expiry(now: datetime, keep: timedelta) -> int:
    """DynamoDB's TTL: epoch seconds."""
    return int((now + keep).timestamp())
