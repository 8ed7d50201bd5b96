"""The spot trainer whose persistent request would relaunch it."""

from __future__ import annotations

from costwatch.core.record import Transition
from demo.cast import JONAS, PLATFORM
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "The spot trainer that would come back"
CONTRACT = "Contract, line 4: the spot request is cancelled first; the next sweeps check that nothing came back."
ACTOR = "fraud-gnn"


def play(play: Play) -> None:
    play.tell.say(
        "fraud-gnn (g5.48xlarge) was launched by a persistent spot request. Terminate the instance alone, and AWS "
        "starts another one at once; the embedded AWS does, too. Its selector warns 30 min ahead."
    )
    play.recall(ACTOR, "warning")
    play.until("20:00", about=[ACTOR])
    play.tell.say("First the request, then the instance. Ten minutes later:")
    play.until("20:10", about=[ACTOR])


def expect(end: EndState, check: Checker) -> None:
    check.see("EC2: fraud-gnn, with whatever was relaunched under its name", ["terminated"], end.states(ACTOR))
    check.see(
        "EC2: its spot request", ["persistent cancelled"], [f"{r['type']} {r['state']}" for r in end.spot_requests]
    )
    requested = end.row(ACTOR, Transition.STOP_REQUESTED)
    check.see(
        "ledger: the request was cancelled first", True, bool(requested and "cancelled first" in requested.reason)
    )
    check.stopped(end, ACTOR, JONAS, notice="40 min", platform=PLATFORM)
