"""What earlier sweeps learned about jobs in progress."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from costwatch import names
from costwatch.adapters import job_codec
from costwatch.adapters.ledger_base import LedgerBase, expiry
from costwatch.adapters.ledger_keys import key, keyed
from costwatch.adapters.ledger_rows import decoded
from costwatch.adapters.table import Delete, Put
from costwatch.core.known_jobs import JobKey, KnownJob


class JobRows(LedgerBase):
    """Rows `jobs#`."""

    def known_jobs(self, account: str, region: str) -> dict[JobKey, KnownJob]:
        """What earlier sweeps learned about jobs in progress. A row that cannot be read is as good as none."""
        items = self._table.query(key(f"jobs#{self.origin}#{account}#{region}", "").pk)
        return {job.key: job for job in decoded(items, job_codec.from_item, lambda _row: None)}

    def learn_jobs(
        self, account: str, region: str, learned: Sequence[KnownJob], over: Sequence[JobKey], now: datetime
    ) -> None:
        """Remember jobs and forget others. Facts need no condition: two sweeps learn the same."""
        pk = f"jobs#{self.origin}#{account}#{region}"
        kept = {names.TABLE_TTL_ATTRIBUTE: expiry(now, job_codec.KEEP_JOBS), **self.stamped()}
        writes: list[Put | Delete] = [
            Put({**keyed(key(pk, job_codec.sort_key(job.key))), **job_codec.to_item(job), **kept}) for job in learned
        ]
        writes.extend(Delete(key(pk, job_codec.sort_key(job))) for job in over)
        if writes:
            self._table.batch(writes)
