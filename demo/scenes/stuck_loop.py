"""The job in a loop: it beats and does not advance, and then it does not even beat."""

from __future__ import annotations

from demo.cast import LI, PLATFORM, at
from demo.checks import STOPPED, Checker, notice_given
from demo.end_state import EndState
from demo.play import Play
from demo.trainers import Trainer

TITLE = "The stuck loop"
CONTRACT = "Contract, line 2: nobody is stopped unwarned, for silence neither; a stall alone stops nothing."
ACTOR = "ranker-loop"


def begin(play: Play) -> None:
    """A step every 30 seconds until 19:00, and then the same one for ever; at 21:00 its process hangs."""
    start, stuck = at("16:00"), at("19:00")
    trainer = Trainer(
        play.stage,
        play.cast[ACTOR],
        total=2000,
        at_step=lambda now: int((min(now, stuck) - start).total_seconds()) // 30,
    )
    trainer.beats(at("18:00"), at("21:00"))


def play(play: Play) -> None:
    play.tell.say(
        "ranker-loop (g5.12xlarge, $5.67 an hour) has hours left of its 12. Its training client beats every 5 minutes "
        "and says how far it is. At 19:00 it got stuck on a broken file: it beat on, at the same step, saving nothing."
    )
    play.recall(ACTOR, "stalled", whole=True)
    play.tell.say(
        "Li was at dinner. At 21:00 the process hung and the beats stopped. Its tag costwatch:heartbeat=10m asks for "
        "silence to count: three of these and no beat, and it was warned; half an hour later it was stopped."
    )
    play.recall(ACTOR, "warning")
    play.recall(ACTOR, "stopped")


def expect(end: EndState, check: Checker) -> None:
    check.see(f"EC2: {ACTOR}", ["terminated"], end.states(ACTOR))
    check.see(f"ledger: {ACTOR}", ["stalled", *STOPPED], end.transitions(ACTOR))
    check.see(f"ledger: {ACTOR} was stopped so long after its notice", "40 min", notice_given(end, ACTOR))
    heard = [f"{LI}: stalled", f"{LI}: warning", f"{LI}: stopped", f"{PLATFORM}: verified gone"]
    check.see(f"Slack: {ACTOR}", heard, end.heard(ACTOR))
    stopping = next((row for row in end.timeline if row.name == ACTOR and row.transition == "stopping"), None)
    last_beat = dict(stopping.evidence).get("last_heartbeat") if stopping else None
    check.see("ledger: its last beat is evidence", "2026-11-23T21:00:00Z", last_beat)
