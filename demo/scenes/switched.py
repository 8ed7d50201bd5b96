"""An old fleet whose selector was only observed, and is now switched to enforce."""

from __future__ import annotations

from costwatch.core.record import Transition
from demo.cast import LI, PLATFORM, SAM
from demo.checks import STOPPED, Checker, notice_given
from demo.end_state import EndState
from demo.play import Play
from demo.scenes.extended import CONFIGURATION

TITLE = "An old fleet, and a switch to enforce"
CONTRACT = "Contract, line 10: observe only writes what it would do. Line 2: in a new mode everybody is warned anew."
ACTORS = ("wb-li", "wb-sam")
BEFORE, AFTER = "      mode: observe", "      mode: enforce"


def play(play: Play) -> None:
    play.tell.say(
        "Two workbenches are long past their 24 h. Their selector is in observe, so nobody was warned and nothing "
        "happened. The ledger says what would have:"
    )
    for name in ACTORS:
        for row in play.history(name):
            if row.transition == Transition.WOULD_STOP.value:
                play.tell.lines([f"{row.at:%H:%M}  {name}: {row.reason}"])
    play.until("20:35", about=ACTORS)
    play.tell.say("20:35  A reviewed deploy, as a change of one line. Here: a new policy.json and new processes.")
    play.tell.lines([f"- {BEFORE}", f"+ {AFTER}"])
    play.stage.deploy(CONFIGURATION.read_text(encoding="utf-8").replace(BEFORE, AFTER))
    play.until("20:40", about=ACTORS)
    play.tell.say("Hours overdue, and yet not stopped: what observe settled counts for nothing. Notice first.")
    play.until("21:30", about=ACTORS)


def expect(end: EndState, check: Checker) -> None:
    observed = ["warned", "due", "would stop"]
    for name, owner in zip(ACTORS, (LI, SAM), strict=True):
        check.see(f"EC2: {name}", ["terminated"], end.states(name))
        check.see(f"ledger: {name}", [*observed, "mode changed", *STOPPED], end.transitions(name))
        check.see(f"ledger: {name} was stopped so long after its notice", "40 min", notice_given(end, name))
        heard = [f"{owner}: warning", f"{owner}: stopped", f"{PLATFORM}: verified gone"]
        check.see(f"Slack: {name}, nothing from the time it was observed", heard, end.heard(name))
    summaries = [each.to for each in end.slack if each.text.startswith("Costwatch observes: ")]
    check.see("Slack: one summary a day of what is observed", [PLATFORM], summaries)
