"""The eight spot nodes at the minimum size of their group: held, lowered by a reviewed deploy, put back by a person."""

from __future__ import annotations

from costwatch.core.money import show_usd
from costwatch.core.record import Transition
from demo.cast import PLATFORM, SAM
from demo.checks import STOPPED, Checker, notice_given
from demo.end_state import EndState
from demo.play import Play
from demo.scenes import switched
from demo.scenes.extended import CONFIGURATION

TITLE = "Eight spot nodes at their minimum size"
CONTRACT = "Contract, lines 2, 4 and 5: whole or not at all; the capacity goes with it; what AWS ignores is read first."
ACTOR = "llm-nodes"
BEFORE, AFTER = "      at_min_size: hold", "      at_min_size: lower"


def play(play: Play) -> None:
    play.tell.say(
        f"llm-nodes is an Auto Scaling group of eight g5.48xlarge spot nodes ({show_usd(play.cast[ACTOR].rate_usd)} an "
        "hour at what spot cost nine tenths of the last two weeks), minimum 8, desired 8, "
        "past its 12 h since 22:40. Terminate a node and the group launches another; lower its desired capacity and "
        "AWS refuses, below the minimum. Its selector says `at_min_size: hold`, so it is held, with what would help:"
    )
    play.recall(ACTOR, "held")
    play.tell.say("23:40  A reviewed deploy lets this selector lower the minimum:")
    play.tell.lines([f"- {BEFORE}", f"+ {AFTER}"])
    text = CONFIGURATION.read_text(encoding="utf-8")
    play.stage.deploy(text.replace(switched.BEFORE, switched.AFTER).replace(BEFORE, AFTER))
    play.until("23:50", about=[ACTOR])
    play.tell.say("It was held, so nobody expects a stop: it is warned first. Fifteen minutes, by its selector.")
    play.until("24:10", about=[ACTOR])
    play.tell.say("The numbers of before went into the ledger, then one call set both, then the group ended its nodes.")
    play.until("24:21", about=[ACTOR])
    play.tell.say("The next run is ready. The group gets back what it had, and is a new run with a clock of its own:")
    play.command("sam", "restore", ACTOR, "--yes", "--reason", "next run")
    play.until("24:30", about=[ACTOR])


def expect(end: EndState, check: Checker) -> None:
    check.see("EC2: the old nodes, and those of the next run", ["terminated"] * 8 + ["running"] * 8, end.states(ACTOR))
    numbers = {"minimum": 8, "desired": 8, "maximum": 8, "instances": 8}
    check.see("Auto Scaling: its numbers as they were", numbers, end.groups.get(ACTOR))
    ladder = ["held", *STOPPED[:4], "capacity lowered", *STOPPED[4:], "restore asked for", "capacity restored"]
    check.see(f"ledger: {ACTOR}", ladder, end.transitions(ACTOR))
    held = end.row(ACTOR, Transition.HELD)
    check.see("ledger: why it was held", True, bool(held and "has a minimum size of 8" in held.reason))
    lowered = end.row(ACTOR, Transition.LOWERED)
    before = dict(lowered.evidence) if lowered else {}
    check.see("ledger: its numbers before", ["8", "8"], [before.get("min_size_before"), before.get("desired_before")])
    restored = end.row(ACTOR, Transition.RESTORED)
    check.see("ledger: who put them back", True, bool(restored and restored.actor.endswith("user/sam")))
    check.see(f"ledger: {ACTOR} was stopped so long after its notice", "20 min", notice_given(end, ACTOR))
    heard = [f"{PLATFORM}: held", f"{SAM}: warning", f"{SAM}: stopped", f"{PLATFORM}: verified gone"]
    check.see(f"Slack: {ACTOR}", heard, end.heard(ACTOR))
    check.see("ledger: the next run is watched", "running", (end.open_records.get(ACTOR) or {}).get("status"))
