"""Line 11 of the safety contract: every decision can be explained."""

from __future__ import annotations

from costwatch.core.record import Transition
from costwatch.procedures.sweep import sweep
from tests.support.builders import HOUR
from tests.support.town import TAGS, later, records, run_id, town, transitions, warn_and_let_the_notice_pass


def test_11_the_timeline_holds_clock_warning_delivery_rule_commit_price_and_who() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    for _ in range(2):
        later(of, minutes=5)
    rows = of.ledger.timeline(run_id(trainer))
    by_kind = {row.entry.transition: row for row in rows}
    first, due = by_kind[Transition.FIRST_SEEN], by_kind[Transition.DUE]
    assert "LaunchTime of" in dict(first.entry.evidence)["clock"]
    assert "Slack to maria@example.com" in by_kind[Transition.NOTICE_ACCEPTED].entry.reason
    assert due.entry.rule == "max_runtime 12h of selector trainers"
    assert "warned 32 min ago by Slack to maria@example.com" in due.entry.reason
    assert "list price" in dict(by_kind[Transition.STOP_REQUESTED].entry.evidence)["price"]
    assert dict(by_kind[Transition.STOP_REQUESTED].entry.evidence)["spent_usd"].startswith("89")
    assert {row.entry.actor for row in rows} == {"costwatch"}
    assert {(row.stamp.policy_digest, row.stamp.config_commit) for row in rows} == {(of.policy.digest, "c0ffee")}
    assert rows[0].entry.at <= rows[-1].entry.at


def test_11_a_restart_loop_shows_in_the_ledger_and_starts_the_clock_anew() -> None:
    of = town()
    trainer = of.world.launch(age=11 * HOUR, tags=TAGS)
    for _ in range(3):
        later(of, hours=1)
        of.world.restart(trainer)
    later(of, minutes=5)
    assert trainer.alive
    assert transitions(of, trainer.id).count("superseded") == 3
    assert records(of)[trainer.id].restarts == 3
    assert "exists since" in records(of)[trainer.id].clock_evidence


def test_11_a_hold_is_explained_with_its_id_and_reason() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:never": ""})
    sweep(of.watchdog())
    row = next(r for r in of.ledger.timeline(run_id(trainer)) if r.entry.transition is Transition.HELD)
    assert dict(row.entry.evidence)["hold"].startswith("hold-")
