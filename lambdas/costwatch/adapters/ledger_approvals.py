"""The ledger's rows about approvals: questions, what still waits, purses. Each step is one conditional transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from costwatch import names
from costwatch.adapters.approval_codec import approval_from_item, approval_to_item, purse_from_item, purse_to_item
from costwatch.adapters.ledger import KEEP_TIMELINE, Ledger
from costwatch.adapters.ledger_keys import key, keyed
from costwatch.adapters.ledger_rows import Skip, decoded, read
from costwatch.adapters.table import (
    Absent,
    Condition,
    ConditionFailed,
    Delete,
    Equals,
    Exists,
    Item,
    Key,
    Put,
    Write,
)
from costwatch.core import times
from costwatch.core.approvals import Approval, ApprovalStep, State, Way
from costwatch.core.messages import Message
from costwatch.core.model import RunId
from costwatch.core.purses import Purse
from costwatch.core.record import Entry
from costwatch.errors import UnreadableRow

ABOUT: Final = "approval"


class Approvals:
    """Reads are strongly consistent. All times are aware UTC."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._table = ledger.table

    def get(self, account: str, approval_id: str) -> Approval | None:
        """One question. Raises UnreadableRow."""
        item = self._table.get(self._row(account, approval_id))
        return read(item, approval_from_item) if item is not None else None

    def started(self, approval: Approval) -> datetime | None:
        """Since when what a question is about runs; None: it does not, or nobody knows. Raises UnreadableRow."""
        record = self._ledger.record(RunId.parse(approval.source)) if approval.way is Way.RUN else None
        return record.start if record is not None else None

    def waiting(self, account: str, skip: Skip | None = None) -> list[Approval]:
        """Every question that is not answered, or whose answer is not settled, oldest first.

        `skip` is given every row that cannot be read; without it the first one raises UnreadableRow.
        """
        ids = [str(item["approval"]) for item in self._table.query(self._waiting_row(account, "").pk)]
        rows = (self._table.get(self._row(account, each)) for each in ids)
        found = decoded((item for item in rows if item is not None), approval_from_item, skip)
        return sorted(found, key=lambda each: (each.asked_at, each.id))

    def every(self, account: str, skip: Skip | None = None) -> list[Approval]:
        """Every question that was ever asked and is still kept, oldest first; `skip` as in `waiting`."""
        found = decoded(self._table.query(self._row(account, "").pk), approval_from_item, skip)
        return sorted(found, key=lambda each: (each.asked_at, each.id))

    def save(self, step: ApprovalStep) -> bool:
        """Write a step; False: somebody else was first, and nothing was written."""
        return self._written(self._writes(step))

    def pass_by(self, account: str, about: str, entry: Entry, message: Message | None = None) -> bool:
        """Record that nobody is asked about something, with what is said of it; False: it is recorded already."""
        row = key(f"approval#{self._ledger.origin}#{account}#{about}", "passed")
        line = self._ledger.line(row, f"{account}/{ABOUT}/{about}", entry)
        writes: list[Write] = [Put(line.item, Absent())]
        writes.extend([self._ledger.saying(message, entry.at)] if message is not None else [])
        return self._written(writes)

    def timeline(self, account: str, approval_id: str) -> list[Item]:
        """The rows of its lines, oldest first."""
        return self._table.query(self._line_row(account, approval_id, "").pk)

    def purse(self, account: str, approval_id: str) -> Purse | None:
        """What is left of a yes; None: there was none. Raises UnreadableRow."""
        item = self._table.get(self._purse_row(account, approval_id))
        return read(item, purse_from_item) if item is not None else None

    def granted_to(self, account: str, source: str) -> list[Purse]:
        """The purses of what an execution was granted, a row that cannot be read is none."""
        items = self._table.query(self._granted_row(account, source, "").pk) if source else []
        found: list[Purse] = []
        for item in items:
            try:
                purse = self.purse(account, str(item["approval"]))
            except UnreadableRow:
                continue
            found.extend([purse] if purse is not None else [])
        return found

    def draw(self, before: Purse, after: Purse, entry: Entry) -> bool:
        """Save a draw; False: another job drew first."""
        put = Put(self._purse_item(after), Equals("version", before.version))
        line = self._line(after.account, after.approval_id, entry, after.version, _DRAWS)
        first = [] if before.drawn_by else [Delete(self._unused_row(before.account, before.approval_id))]
        return self._written([put, line, *first])

    def unused(self, account: str, now: datetime) -> list[str]:
        """The approvals whose yes nobody drew on before it expired (inclusive), and that is not told."""
        rows = self._table.query(self._unused_row(account, "").pk)
        return [str(row["approval"]) for row in rows if times.from_text(row["until"]) <= now]

    def told_unused(self, account: str, approval_id: str, entry: Entry, message: Message) -> bool:
        """Say that nobody used a yes; False: somebody else said it."""
        gone = Delete(self._unused_row(account, approval_id), Exists())
        line = self._line(account, approval_id, entry, 0, _DRAWS)
        return self._written([gone, line, self._ledger.saying(message, entry.at)])

    # --- writes ------------------------------------------------------------------------------------

    def _writes(self, step: ApprovalStep) -> list[Write]:
        before, after = step.before, step.after
        account = after.asked.account
        unchanged: Condition = Equals("version", before.version) if before is not None else Absent()
        kept_until = after.answer_by + after.yes_lasts + KEEP_TIMELINE
        item = {
            **keyed(self._row(account, after.id)),
            **approval_to_item(after),
            names.TABLE_TTL_ATTRIBUTE: int(kept_until.timestamp()),
            **self._ledger.stamped(),
        }
        writes: list[Write] = [Put(item, unchanged)]
        pointer = self._waiting_row(account, after.id)
        if before is None:
            writes.append(Put({**keyed(pointer), "approval": after.id, **self._ledger.stamped()}))
        elif not after.open:
            writes.append(Delete(pointer))
        lines = enumerate(step.entries)
        writes.extend(self._line(account, after.id, entry, after.version, n) for n, entry in lines)
        said_at = step.entries[0].at if step.entries else after.asked_at
        writes.extend(self._ledger.saying(message, said_at) for message in step.messages)
        if step.purse is not None:
            writes.append(Put(self._purse_item(step.purse), Absent()))
            if not step.purse.drawn_by and after.state is State.APPROVED:
                until = times.to_text(step.purse.expires_at)
                unused = self._unused_row(account, after.id)
                writes.append(
                    Put({**keyed(unused), "approval": after.id, "until": until, **self._kept(step.purse.expires_at)})
                )
            if step.purse.source:
                granted = self._granted_row(account, step.purse.source, after.id)
                kept = self._kept(step.purse.expires_at)
                writes.append(Put({**keyed(granted), "approval": after.id, **kept}))
        return writes

    def _written(self, writes: Sequence[Write]) -> bool:
        try:
            self._table.transact(writes)
        except ConditionFailed:
            return False
        return True

    def _line(self, account: str, approval_id: str, entry: Entry, version: int, n: int) -> Put:
        row = self._line_row(account, approval_id, f"{times.to_text(entry.at)}#{version:06d}#{n:03d}")
        return self._ledger.line(row, f"{account}/{ABOUT}/{approval_id}", entry)

    def _purse_item(self, purse: Purse) -> dict[str, Any]:
        row = self._purse_row(purse.account, purse.approval_id)
        return {**keyed(row), **purse_to_item(purse), **self._kept(purse.expires_at)}

    def _kept(self, until: datetime) -> dict[str, Any]:
        return {names.TABLE_TTL_ATTRIBUTE: int((until + KEEP_PURSE).timestamp()), **self._ledger.stamped()}

    def _row(self, account: str, approval_id: str) -> Key:
        return key(f"approval#{self._ledger.origin}#{account}", approval_id)

    def _waiting_row(self, account: str, approval_id: str) -> Key:
        return key(f"waiting#{self._ledger.origin}#{account}", approval_id)

    def _line_row(self, account: str, approval_id: str, line: str) -> Key:
        return key(f"approval#{self._ledger.origin}#{account}#{approval_id}", line)

    def _purse_row(self, account: str, approval_id: str) -> Key:
        return key(f"purse#{self._ledger.origin}#{account}", approval_id)

    def _unused_row(self, account: str, approval_id: str) -> Key:
        return key(f"unused#{self._ledger.origin}#{account}", approval_id)

    def _granted_row(self, account: str, source: str, approval_id: str) -> Key:
        return key(f"granted#{self._ledger.origin}#{account}#{source}", approval_id)


KEEP_PURSE: Final = timedelta(days=60)
"""A job may run for 28 days after it drew, and is known by its purse as long as it runs."""
_DRAWS: Final = 500  # beside the lines of the question itself
