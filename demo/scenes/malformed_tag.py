"""A tag that cannot be read never makes a stop come sooner."""

from __future__ import annotations

from demo.cast import PRIYA
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "The malformed tag"
CONTRACT = "Contract, line 1: a malformed tag leaves the hard cap as the only time limit."
ACTOR = "tabular-xl"


def play(play: Play) -> None:
    play.tell.say(
        "tabular-xl (g5.48xlarge) would be stopped at 22:20; Priya was warned at 21:20. At 22:05 she gives it more "
        "time with a tag, and forgets the unit: costwatch:max-runtime = 20. Twenty what?"
    )
    play.until("22:05", about=[ACTOR])
    actor = play.cast[ACTOR]
    play.stage.aws.fleet.tag(actor.id, {"costwatch:max-runtime": "20"})
    play.until("22:30", about=[ACTOR], cards=[(ACTOR, "malformed tag")])
    play.tell.say("22:20 came and went. She was told once, and only the hard cap of 72 h is left.")


def expect(end: EndState, check: Checker) -> None:
    check.left_alone(end, ACTOR)
    expected = ["warned", "notice accepted", "malformed tag", "stands down"]
    check.see("ledger: told, and the stop called off", expected, end.transitions(ACTOR))
    record = end.open_records.get(ACTOR) or {}
    expected_row = ["running", "2026-11-26T10:20:00.000000Z"]
    check.see("ledger: only the hard cap is left", expected_row, [record.get("status"), record.get("deadline")])
    check.see("Slack: told once", [f"{PRIYA}: warning", f"{PRIYA}: malformed tag"], end.heard(ACTOR))
