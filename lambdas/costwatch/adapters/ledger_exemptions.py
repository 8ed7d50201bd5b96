"""Exemptions by command, under the run and under each member that it had."""

from __future__ import annotations

from datetime import timedelta

from costwatch import names
from costwatch.adapters.ledger_base import LedgerBase, expiry
from costwatch.adapters.ledger_codec import exemption_from_item, exemption_to_item
from costwatch.adapters.ledger_keys import key, keyed
from costwatch.adapters.ledger_rows import Skip, decoded
from costwatch.adapters.table import Key, Put, Write
from costwatch.core import exemptions
from costwatch.core.exemptions import Exemption
from costwatch.core.model import Run, RunId
from costwatch.core.step import Step
from costwatch.errors import UnreadableRow


class ExemptionRows(LedgerBase):
    """Rows `exempt#`."""

    def exemptions(self, account: str, region: str, skip: Skip | None = None) -> dict[str, Exemption]:
        """What people exempted in one account and region, by subject (see core.exemptions); some may have ended.

        `skip` is given every row that cannot be read; without it the first one raises UnreadableRow.
        """
        items = self._table.query(self._exemption_key(account, region, "").pk)
        return dict(decoded(items, lambda item: (str(item["subject"]), exemption_from_item(item)), skip))

    def is_exemption_of(self, row: UnreadableRow, run: Run) -> bool:
        """Whether `row` exempts the run or one of its members, whatever stands in it."""
        account, region = run.id.account, run.id.region
        return any(
            Key(row.pk, row.sk) == self._exemption_key(account, region, each) for each in exemptions.subjects(run)
        )

    def _exempted(self, step: Step) -> list[Write]:
        record, exemption = step.after, step.exempted
        if record is None or exemption is None:
            return []
        subjects = exemptions.given_to(record.run_id, record.member_ids)
        return [self._exemption_put(record.run_id, subject, exemption) for subject in dict.fromkeys(subjects)]

    def _exemption_put(self, run_id: RunId, subject: str, exemption: Exemption) -> Put:
        return Put(
            {
                **keyed(self._exemption_key(run_id.account, run_id.region, subject)),
                "subject": subject,
                **exemption_to_item(exemption),
                names.TABLE_TTL_ATTRIBUTE: expiry(exemption.until, timedelta(0)),
                **self.stamped(),
            }
        )

    def _exemption_key(self, account: str, region: str, subject: str) -> Key:
        return key(f"exempt#{self.origin}#{account}#{region}", subject)
