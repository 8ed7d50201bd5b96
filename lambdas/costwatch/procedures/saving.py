"""Steps of many runs, written with as few calls as the contract allows: a step is written whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from costwatch.core.step import Step
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport


def save_all(w: Watchdog, steps: Sequence[Step], report: SweepReport) -> None:
    """Save and log steps of different runs. What cannot be written with others is written, and fails, by itself."""
    saved, left = w.ledger.save_together(steps)
    for step in saved:
        w.log_step(step)
    for step in left:
        record = step.after or step.before
        with report.isolating(str(record.run_id) if record is not None else "ledger"):
            w.save(step)
