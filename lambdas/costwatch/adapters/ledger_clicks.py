"""Which clicks were taken: each counts once, however often Slack, the bus or a retry brings it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from costwatch import names
from costwatch.adapters.ledger import Ledger
from costwatch.adapters.ledger_keys import key
from costwatch.adapters.table import Absent, ConditionFailed, Key, Put, Write
from costwatch.core.messages import Message

KEEP_CLICKS: Final = timedelta(days=7)
"""Far longer than a click may be under way: one that comes again after this is too old to be taken at all."""


class Clicks:
    """Rows beside the ledger's own. All times are aware UTC."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def writes(self, click_id: str, now: datetime, message: Message | None = None) -> list[Write]:
        """What takes a click, with what is said of it: for the transaction that does what it asks for."""
        row = self._row(click_id)
        taken = {
            names.TABLE_PARTITION_KEY: row.pk,
            names.TABLE_SORT_KEY: row.sk,
            names.TABLE_TTL_ATTRIBUTE: int((now + KEEP_CLICKS).timestamp()),
            **self._ledger.stamped(),
        }
        return [Put(taken, Absent()), *([self._ledger.saying(message, now)] if message is not None else [])]

    def take(self, click_id: str, now: datetime, message: Message | None = None) -> bool:
        """Take a click that changes nothing in the ledger; False: it was taken before."""
        try:
            self._ledger.table.transact(self.writes(click_id, now, message))
        except ConditionFailed:
            return False
        return True

    def taken(self, click_id: str) -> bool:
        return self._ledger.table.get(self._row(click_id)) is not None

    def _row(self, click_id: str) -> Key:
        return key(f"click#{self._ledger.origin}", click_id)
