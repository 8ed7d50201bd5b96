"""What is said only once, and when something was first seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from costwatch import names
from costwatch.adapters.ledger_base import KEEP_TIMELINE, LedgerBase, expiry
from costwatch.adapters.ledger_keys import key, keyed
from costwatch.adapters.table import Absent, Condition, ConditionFailed, Equals, Item, Key, Put, Write
from costwatch.core import times
from costwatch.core.messages import Message

FORGOTTEN_AFTER: Final = timedelta(days=7)
"""What was away for longer is new when it is seen again (inclusive: exactly so long is remembered)."""
_SEEN_EVERY: Final = timedelta(days=1)


class ToldRows(LedgerBase):
    """Rows `told#` and `seen#`."""

    def say_once(self, keys: Sequence[str], message: Message | None, now: datetime) -> bool:
        """Put `message` into the outbox and remember `keys` as long as the timeline, both or neither; at most 99 keys.

        False: one of the keys was told before, and nothing was written.
        """
        kept = {names.TABLE_TTL_ATTRIBUTE: expiry(now, KEEP_TIMELINE), **self.stamped()}
        writes: list[Write] = [Put({**keyed(self._told_key(each)), **kept}, Absent()) for each in keys]
        writes.extend([self.saying(message, now)] if message is not None else [])
        return self._written(writes)

    def first_time(self, what: str, now: datetime) -> bool:
        """Whether `what` is new; it is remembered as long as the timeline."""
        return self.say_once([what], None, now)

    def first_seen(self, what: str, now: datetime, known: datetime | None = None) -> datetime:
        """When `what` was first seen: `now` at the first call, and the same time as long as it is seen again.

        What was not seen for more than 7 days begins anew, unless `known` says since when it has been there. When it
        was last seen is written once a day at most.
        """
        row = key(f"seen#{self.origin}", what)
        found = self._table.get(row)
        first, last = _seen(found) if found is not None else (None, None)
        if first is None or last is None or now - last > FORGOTTEN_AFTER:
            first = known or now
        elif now - last < _SEEN_EVERY:
            return first
        item = {
            **keyed(row),
            "at": times.to_text(first),
            "last_at": times.to_text(now),
            names.TABLE_TTL_ATTRIBUTE: expiry(now, KEEP_TIMELINE),
            **self.stamped(),
        }
        try:
            self._table.put(Put(item, Absent() if found is None else _unchanged(found)))
        except ConditionFailed:
            again = self._table.get(row)
            return _seen(again)[0] if again is not None else first
        return first

    def was_told(self, what: str) -> bool:
        """Whether `what` is remembered."""
        return self._table.get(self._told_key(what)) is not None

    def _told_key(self, what: str) -> Key:
        return key(f"told#{self.origin}", what)


def _seen(item: Item) -> tuple[datetime, datetime]:
    """When it was first seen, and when last; rows of before kept the first time only."""
    return times.from_text(item["at"]), times.from_text(item.get("last_at", item["at"]))


def _unchanged(item: Item) -> Condition:
    name = "last_at" if "last_at" in item else "at"
    return Equals(name, item[name])
