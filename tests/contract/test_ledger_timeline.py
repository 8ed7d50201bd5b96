"""The ledger's contract on timelines: their order, their evidence and the days. The same on DynamoDB and in memory."""

from __future__ import annotations

from datetime import UTC, datetime

from costwatch.adapters.ledger import Ledger
from costwatch.adapters.table import Table
from costwatch.core import endings, ladder, stopping
from costwatch.core.deadman import judge
from costwatch.core.model import RunId, RunKind
from costwatch.core.record import Entry, Transition
from tests.contract.test_ledger_costs import COST
from tests.support.builders import ACCOUNT, HOUR, MINUTE, NOW, REGION, SECOND, burn, member, run
from tests.support.ledger_steps import LATE, NO_CAPS, POLICY, STAMP, claim_step, due, held


def test_a_timeline_is_in_order_of_time_and_within_a_step_in_order_of_the_step(ledger: Ledger) -> None:
    waiting = due(ledger)
    ledger.claim(claim_step(waiting), pause=None, caps=NO_CAPS, released=False, now=NOW)
    ledger.save(stopping.stop_requested(held(ledger), NOW, seen="i-0a shutting-down"))
    assert [row.entry.transition.value for row in ledger.timeline(LATE.id)] == [
        "first seen", "warned", "due", "stopping", "stop requested",
    ]  # fmt: skip


def test_a_timeline_goes_on_over_all_episodes_of_a_run(ledger: Ledger) -> None:
    ledger.save(endings.superseded(due(ledger), "started anew", NOW + SECOND, COST))
    again = run(member(age=HOUR))
    found = ladder.observe(
        again, None, judge(again, None, POLICY, None, NOW + MINUTE), policy=POLICY, origin="deployed", burn=burn(),
        now=NOW + MINUTE,
    )  # fmt: skip
    assert found is not None
    ledger.save(found)
    assert [row.entry.transition.value for row in ledger.timeline(LATE.id)] == [
        "first seen", "warned", "superseded", "first seen",
    ]  # fmt: skip


def test_an_entry_reads_back_with_its_evidence(ledger: Ledger) -> None:
    entry = Entry(NOW, Transition.HELD, "held", "rule", "ada", "enforce", (("a", "1"), ("b", "2")))
    ledger.note(LATE.id, entry)
    assert [row.entry for row in ledger.timeline(LATE.id)] == [entry]


def test_since_crosses_midnight_in_utc_and_begins_exactly_at_its_moment(ledger: Ledger) -> None:
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    moments = [midnight - HOUR - SECOND, midnight - HOUR, midnight - SECOND, midnight, midnight + HOUR]
    for n, at in enumerate(moments):
        ledger.note(RunId(ACCOUNT, REGION, RunKind.INSTANCE, f"i-{n}"), Entry(at, Transition.HELD, str(n)))
    found = ledger.since(midnight - HOUR, midnight + 2 * HOUR)
    assert [row.entry.reason for row in found] == ["1", "2", "3", "4"]
    assert [row.entry.reason for row in ledger.since(midnight, midnight)] == ["3", "4"]


def test_since_shows_all_origins(table: Table) -> None:
    for origin in ("deployed", "laptop:ada"):
        Ledger(table, stamp=STAMP, origin=origin).note(LATE.id, Entry(NOW, Transition.HELD, origin))
    found = Ledger(table, stamp=STAMP).since(NOW, NOW)
    assert sorted(row.origin for row in found) == ["deployed", "laptop:ada"]
