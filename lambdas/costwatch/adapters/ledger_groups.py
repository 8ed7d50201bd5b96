"""What a stop set the numbers of a group to, until they are put back."""

from __future__ import annotations

from typing import Final

from costwatch import names
from costwatch.adapters.ledger_base import KEEP_TIMELINE, LedgerBase, expiry
from costwatch.adapters.ledger_codec import lowering_from_item, lowering_to_item
from costwatch.adapters.ledger_keys import key, keyed
from costwatch.adapters.ledger_rows import read
from costwatch.adapters.table import Absent, Check, Condition, Delete, Equals, Key, Put
from costwatch.core import times
from costwatch.core.lowering import Lowering
from costwatch.core.model import RunId
from costwatch.core.record import Entry, RunRecord

_LOWERED_LINE: Final = 900  # after the claim's own lines, before what came of it


class GroupRows(LedgerBase):
    """Rows `lowered#`."""

    def lowering(self, run_id: RunId) -> Lowering | None:
        """What a stop set the numbers of the group to, until they are put back. Raises UnreadableRow."""
        item = self._table.get(self._lowered_key(run_id))
        return read(item, lowering_from_item) if item else None

    def lower(self, lowered: Lowering, before: Lowering | None, record: RunRecord, entry: Entry) -> bool:
        """Record the numbers before they are set; False: `record` or what was recorded `before` has changed."""
        return self._written(
            [
                Check(self._record_key(record.run_id), Equals("version", record.version)),
                self._lowered_put(lowered, before),
                self._entry_put(lowered.run_id, entry, record.version, _LOWERED_LINE),
            ]
        )

    def putting_back(self, lowered: Lowering, record: RunRecord, entry: Entry) -> bool:
        """Record what a lowered group is set back to before it is; False: somebody else changed what was recorded."""
        # Whatever became of its record meanwhile: who is left must not be ended.
        line = self._entry_put(lowered.run_id, entry, record.version, _LOWERED_LINE + 1)
        return self._written([self._lowered_put(lowered, lowered), line])

    def settled(self, lowered: Lowering, record: RunRecord, entry: Entry | None = None) -> bool:
        """Record what was seen to become of numbers that were put back; False: somebody else changed what was."""
        put = self._lowered_put(lowered, lowered)
        lines = [self._entry_put(lowered.run_id, entry, record.version, _LOWERED_LINE + 3)] if entry else []
        return self._written([put, *lines])

    def restoring(self, lowered: Lowering, entry: Entry) -> bool:
        """Record that somebody asks for the numbers of before; False: they are put back, or others, already."""
        check = Check(self._lowered_key(lowered.run_id), self._unchanged(lowered))
        return self._written([check, self._entry_put(lowered.run_id, entry, 0, 0)])

    def restored(self, lowered: Lowering, entry: Entry, record: RunRecord | None = None) -> bool:
        """The numbers are back: end the lowering, with its entry; False: somebody else did.

        `record`: of a stop that put them back itself.
        """
        ended = Delete(self._lowered_key(lowered.run_id), self._unchanged(lowered))
        version, line = (record.version, _LOWERED_LINE + 2) if record is not None else (0, 1)
        return self._written([ended, self._entry_put(lowered.run_id, entry, version, line)])

    def _lowered_put(self, lowered: Lowering, before: Lowering | None) -> Put:
        row = self._lowered_key(lowered.run_id)
        kept = {names.TABLE_TTL_ATTRIBUTE: expiry(lowered.at, KEEP_TIMELINE), **self.stamped()}
        return Put({**keyed(row), **lowering_to_item(lowered), **kept}, self._unchanged(before))

    def _unchanged(self, lowered: Lowering | None) -> Condition:
        return Equals("at", times.to_text(lowered.at)) if lowered is not None else Absent()

    def _lowered_key(self, run_id: RunId) -> Key:
        return key(f"lowered#{self.origin}#{run_id.account}#{run_id.region}", str(run_id))
