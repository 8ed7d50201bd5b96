"""An event that is not what its source documents."""

from __future__ import annotations

from costwatch import names
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play
from demo.state_events import event

TITLE = "An event that makes no sense"
CONTRACT = "Contract, line 1: what cannot be proven is not acted on. It is kept with its reason; other work goes on."
REASON = "detail.instance-id is missing or no text"


def play(play: Play) -> None:
    play.tell.say("An instance ended, says this event, and does not say which one. No retry would mend that.")
    play.until("22:55", about=[])
    broken = event(
        play.stage.aws, names.SOURCE_EC2, names.DETAIL_EC2_STATE, {"state": "terminated"},
        at=play.stage.clock(), resources=[],
    )  # fmt: skip
    play.deliver(broken, about=[])
    play.until("23:00", about=[])


def expect(end: EndState, check: Checker) -> None:
    check.see("queue of refused events", [{"function": "hints", "reason": REASON}], list(end.refused))
    check.see(
        "dead letters of the functions",
        {"deadman": 0, "hints": 0, "prices": 0, "res": 0, "clicks": 0},
        dict(end.dead_letters),
    )
