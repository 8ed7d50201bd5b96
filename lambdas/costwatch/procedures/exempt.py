"""What people exempted, read from the ledger for the runs of a region or for one run alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from costwatch.core import exemptions
from costwatch.core.exemptions import Exemption
from costwatch.core.model import Run
from costwatch.errors import UnreadableRow
from costwatch.procedures.ports import Watchdog


def with_exemptions(runs: Sequence[Run], granted: Mapping[str, Exemption], now: datetime) -> list[Run]:
    """The runs, each with the exemption that counts for it or for one of its members."""
    if not granted:
        return list(runs)
    return [replace(run, exemption=exemptions.of_run(run, granted, now)) for run in runs]


def exemption_of(w: Watchdog, run: Run) -> Exemption | None:
    """Read for this run alone, just now. Raises AwsError; UnreadableRow where one of its own cannot be read."""
    unreadable: list[UnreadableRow] = []
    granted = w.ledger.exemptions(run.id.account, run.id.region, unreadable.append)
    for row in unreadable:
        if w.ledger.is_exemption_of(row, run):
            raise row
    return exemptions.of_run(run, granted, w.now())
