"""What is still to be said."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from costwatch.adapters.ledger_base import LedgerBase
from costwatch.adapters.ledger_codec import message_from_item
from costwatch.adapters.ledger_rows import Skip, decoded
from costwatch.adapters.table import ConditionFailed, Equals, Exists, Item, Key, Put
from costwatch.core import times
from costwatch.core.messages import Message

OUTBOX_LEASE: Final = timedelta(minutes=6)
"""Longer than the function's timeout: what a crashed sweep was sending is sent again after it."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An outbox row."""

    message: Message
    lease_until: datetime
    order: tuple[str, ...]


class OutboxRows(LedgerBase):
    """Rows `outbox#`."""

    def outbox(self, now: datetime, skip: Skip | None = None) -> list[Message]:
        """What is still to be said and nobody is saying right now: what was never tried, then the least recently
        tried, each oldest first.

        `skip` is given every row that can never be said as it stands, again at each call.
        """
        waiting = [
            w for w in decoded(self._table.query(self._outbox_key("").pk), self._waiting, skip) if w.lease_until <= now
        ]
        return [w.message for w in sorted(waiting, key=lambda w: w.order)]

    def lease_message(self, message: Message, now: datetime) -> bool:
        """Whether it is ours to send now; False: another sweep sends it or has sent it."""
        item = self._table.get(self._outbox_key(message.id))
        if item is None or times.from_text(item["lease_until"]) > now:
            return False
        leased = {**item, "lease_until": times.to_text(now + OUTBOX_LEASE), "attempts": item.get("attempts", 0) + 1}
        return self._written([Put(leased, Equals("lease_until", item["lease_until"]))])

    def keep_message(self, message: Message, error: str, now: datetime, *, tried: bool = True) -> None:
        """Nothing took it: keep it for the next sweep, with the reason.

        `tried`: it was at fault or may be, so that the others go before it then.
        """
        item = self._table.get(self._outbox_key(message.id))
        if item is not None:
            kept = {**item, "lease_until": times.to_text(now), "last_error": error[:500]}
            if tried:
                kept["tried_at"] = times.to_text(now)
            with suppress(ConditionFailed):  # another sweep delivered it meanwhile
                self._table.transact([Put(kept, Exists())])

    def _waiting(self, item: Item) -> _Waiting:
        # A long id stands in the key shortened. Rows of before ids had an attribute of their own have short ones.
        message = message_from_item(item.get("message_id", item["sk"]), item)
        if Key(item["pk"], item["sk"]) != self._outbox_key(message.id):
            raise ValueError("it stands under another message's key")
        order = (str(item.get("tried_at", "")), str(item["created_at"]), item["sk"])
        return _Waiting(message, times.from_text(item["lease_until"]), order)
