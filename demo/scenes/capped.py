"""More due than the cap allows: held, and released by a person."""

from __future__ import annotations

from costwatch.core.record import Transition
from demo.cast import HPO, JONAS, PLATFORM
from demo.checks import STOPPED, Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "More due than the cap"
CONTRACT = "Contract, line 3: a sweep and a day have caps; what is over the line is held, and a person releases it."
RELEASED, LEFT = HPO[3], HPO[4]


def play(play: Play) -> None:
    play.tell.say(
        "Five workers of one search were left over (g5.12xlarge, $5.67 an hour each). Jonas was warned of all five at "
        "20:40. All come due at once, and this configuration allows 3 stops a sweep."
    )
    play.recall(HPO[0], "warning")
    play.until("21:40", about=HPO, cards=[(RELEASED, "held")])
    play.tell.say("The two that were over last are held. The next sweep would not take them either: a person must.")
    record = play.reader.open_record(RELEASED) or {}
    play.command("jonas", "release", str(record.get("hold_id") or RELEASED))
    play.until("22:00", about=HPO)


def expect(end: EndState, check: Checker) -> None:
    for name in HPO[:3]:
        check.see(f"EC2: {name}", ["terminated"], end.states(name))
        check.stopped(end, name, JONAS, notice="1 h", platform=PLATFORM)
    check.see(f"EC2: {RELEASED}, after its release", ["terminated"], end.states(RELEASED))
    ladder = [*STOPPED[:2], "held", "released", *STOPPED[2:]]
    check.see(f"ledger: {RELEASED}", ladder, end.transitions(RELEASED))
    released = end.row(RELEASED, Transition.RELEASED)
    check.see(f"ledger: who released {RELEASED}", True, bool(released and released.actor.endswith("user/jonas")))
    check.left_alone(end, LEFT)
    check.see(f"ledger: {LEFT}", [*STOPPED[:2], "held"], end.transitions(LEFT))
    record = end.open_records.get(LEFT) or {}
    check.see(f"ledger: {LEFT} still waits for a release", ["held", "cap"], [record.get("status"), record.get("hold")])
    held = [f"{name} {heard}" for name in HPO for heard in end.heard(name) if heard.endswith("held")]
    check.see("Slack: each hold told once", [f"{name} {PLATFORM}: held" for name in (RELEASED, LEFT)], held)
