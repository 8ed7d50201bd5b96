"""What holds for all runs: the pause, the blast caps' counters, the regions swept, the last census and sweep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from costwatch import names
from costwatch.adapters.ledger_base import LedgerBase, expiry
from costwatch.adapters.ledger_codec import census_from_item, census_to_item, pause_from_item, pause_to_item
from costwatch.adapters.ledger_keys import key, keyed
from costwatch.adapters.ledger_rows import read
from costwatch.adapters.table import Absent, Condition, Equals, Item, Key, Put, Write
from costwatch.core import times
from costwatch.core.census import Census
from costwatch.core.modes import Mode
from costwatch.core.record import Entry, Pause
from costwatch.core.sweeps import SweepDone
from costwatch.errors import UnreadableRow

EVERY_RUN: Final = "every run"
"""Stands for a run's id on entries about no single run: a pause and its end."""
KEEP_COUNTERS: Final = timedelta(days=3)
PAUSE: Final = key("control", "pause")
_SWEEP: Final = key("control", "sweep")


class ControlRows(LedgerBase):
    """Rows `control`, `swept#` and `census#`."""

    def swept_regions(self, account: str, now_swept: Sequence[str]) -> frozenset[str]:
        """Every region of the account that was ever swept, `now_swept` among them: records may be open in each."""
        partition = f"swept#{self.origin}#{account}"
        known = frozenset(str(item["region"]) for item in self._table.query(key(partition, "").pk))
        for region in now_swept:
            if region not in known:
                self._table.put(Put({**keyed(key(partition, region)), "region": region, **self.stamped()}))
        return known | frozenset(now_swept)

    def census(self, account: str, region: str) -> Census | None:
        """The last count of everything. One that cannot be read is none: it is counted anew."""
        item = self._table.get(self._census_key(account, region))
        try:
            return read(item, census_from_item) if item is not None else None
        except UnreadableRow:
            return None

    def keep_census(self, account: str, region: str, census: Census) -> None:
        kept = {names.TABLE_TTL_ATTRIBUTE: expiry(census.at, KEEP_COUNTERS), **self.stamped()}
        self._table.put(Put({**keyed(self._census_key(account, region)), **census_to_item(census), **kept}))

    def keep_sweep(self, done: SweepDone) -> None:
        """One row, over that of the sweep before."""
        item = {
            "began_at": times.to_text(done.began_at),
            "completed_at": times.to_text(done.completed_at),
            "mode": done.mode.value,
            "policy_digest": done.policy_digest,
            "config_commit": done.config_commit,
            "code_version": done.version,
            "failures": done.failures,
            "first_failure": done.first_failure,
        }
        self._table.put(Put({**keyed(_SWEEP), **self.stamped(), **item}))

    def last_sweep(self) -> SweepDone | None:
        """The last sweep of the deployed function that came to its end. None: none has. Raises UnreadableRow."""
        item = self._table.get(_SWEEP)
        return read(item, _sweep_done) if item else None

    def pause(self) -> Pause | None:
        """The last pause, ended or not. Raises UnreadableRow: nobody may be stopped who may be paused."""
        item = self._table.get(PAUSE)
        return read(item, pause_from_item) if item else None

    def set_pause(
        self, pause: Pause, before: Pause | None, entry: Entry | None = None, also: Sequence[Write] = ()
    ) -> bool:
        """Begin, change or end a pause, with its entry and `also`; False: somebody else changed it first."""
        condition: Condition = Equals("version", before.version) if before else Absent()
        writes: list[Write] = [Put({**keyed(PAUSE), **pause_to_item(pause), **self.stamped()}, condition), *also]
        if entry is not None:
            writes.append(self._control_put(entry, pause.version))
        return self._written(writes)

    def _control_put(self, entry: Entry, version: int) -> Put:
        """A pause is about no single run, so its entries stand beside it; the index lists them with all others."""
        at = times.to_text(entry.at)
        return Put(self._entry_item(key(PAUSE.pk, f"timeline#{at}#{version:06d}"), EVERY_RUN, entry, at))

    def _census_key(self, account: str, region: str) -> Key:
        return key(f"census#{self.origin}", f"{account}#{region}")


def _sweep_done(item: Item) -> SweepDone:
    return SweepDone(
        began_at=times.from_text(item["began_at"]),
        completed_at=times.from_text(item["completed_at"]),
        mode=Mode(item["mode"]),
        policy_digest=item["policy_digest"],
        config_commit=item["config_commit"],
        version=item["code_version"],
        failures=int(item["failures"]),
        first_failure=item["first_failure"],
    )
