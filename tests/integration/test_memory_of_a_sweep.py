"""What a sweep keeps of each overdue run is a line, so its memory is that of a page and a part, however many."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.adapters.memory_table import MemoryTable
from costwatch.adapters.pulses import Pulses
from costwatch.cli.sweeping import observing
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR
from tests.support.fakes import Town

FEW, MANY = 500, 1000
STAMP = Stamp("d" * 64, "c0ffee")


@dataclass(frozen=True)
class Bytes:
    """At its highest while it swept, and in what it returned."""

    peak: int
    kept: int

    def for_each_more(self, fewer: Bytes) -> Bytes:
        return Bytes((self.peak - fewer.peak) // (MANY - FEW), (self.kept - fewer.kept) // (MANY - FEW))


@contextmanager
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def taken(count: int, *, again: bool) -> Bytes:
    """Of one sweep over so many overdue runs, with the table that a look without a ledger has."""
    of = Town(observing(policies.policy()), listed_whole=0)
    for n in range(count):
        of.world.launch(age=20 * HOUR + timedelta(seconds=n))
    table = MemoryTable()
    ledger, pulses = Ledger(table, stamp=STAMP), Pulses(table, stamp=STAMP)
    watchdog = replace(
        of.watchdog(),
        ledger=ledger,
        pulses=pulses,
        slack=None,
        topic=None,
        bus=None,
        log=lambda _message, _fields: None,
    )
    if again:
        sweep(watchdog)
        of.clock.forward(minutes=5)
    of.world.calls.clear()
    with traced():
        report = sweep(watchdog)
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()
        with_report, _ = tracemalloc.get_traced_memory()
        assert (report.watched, report.failures) == (count, [])
        del report
        gc.collect()
        without, _ = tracemalloc.get_traced_memory()
    return Bytes(peak, with_report - without)


@pytest.mark.parametrize("again", [False, True])
def test_what_a_sweep_has_in_memory_grows_little_with_each_overdue_run(again: bool) -> None:
    """`again`: with a row of each in the table. A run with its members, decision and rows takes five times as much."""
    each = taken(MANY, again=again).for_each_more(taken(FEW, again=again))
    assert each.peak <= 3500, f"{each.peak} bytes more while it sweeps, for each run more"
    assert each.kept <= 800, f"{each.kept} bytes more in its report, for each run more"
