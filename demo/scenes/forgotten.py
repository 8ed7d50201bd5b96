"""The forgotten p4d: warned, nobody answers, stopped, verified."""

from __future__ import annotations

from demo.cast import MARIA, PLATFORM
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "The forgotten p4d"
CONTRACT = "Contract, line 2: nobody is stopped unwarned. Line 4: a stop is finished only when verified."
ACTOR = "churn-ablation"


def play(play: Play) -> None:
    play.tell.say(
        "Maria started churn-ablation (p4d.24xlarge, on demand) at 07:00 and forgot it: $21.96 an hour. Its limit is "
        "12 h. One hour before that she gets a card; what buttons will do one day, the commands on it do now."
    )
    play.until("19:00", about=[ACTOR], cards=[(ACTOR, "warning")])
    play.tell.say(
        f"19:00:00 is exactly its deadline, and EC2 says {play.instance_state(ACTOR)}: overdue is strictly after."
    )
    play.until("19:10", about=[ACTOR], cards=[(ACTOR, "stopped")])
    play.tell.say("EC2 took the call. It is done only when later looks find it gone and nothing in its place.")
    play.until("19:20", about=[ACTOR])


def expect(end: EndState, check: Checker) -> None:
    check.see(f"EC2: {ACTOR}", ["terminated"], end.states(ACTOR))
    check.stopped(end, ACTOR, MARIA, notice="1 h 10 min", platform=PLATFORM)
    warning = next((each.text for each in end.slack if each.text.startswith(ACTOR)), "")
    check.see("Slack: its warning names time and dollars", True, "19:00 UTC" in warning and "$21.96" in warning)
