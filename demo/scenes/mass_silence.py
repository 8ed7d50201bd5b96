"""Three that fall silent at once: taken for our own fault until a person says otherwise."""

from __future__ import annotations

from costwatch.core.record import Transition
from demo.cast import EVALS, JONAS, PLATFORM, at
from demo.checks import STOPPED, Checker
from demo.end_state import EndState
from demo.play import Play
from demo.trainers import Trainer

TITLE = "Three that fall silent at once"
CONTRACT = (
    "Contract, line 3: mass silence is our fault until proven otherwise; it is held, paged, and released by a person."
)
HUNG, *WELL = EVALS


def begin(play: Play) -> None:
    """All beat until 22:20. Then their network is cut; from 23:05 on two of them are heard again."""
    for name in EVALS:
        trainer = Trainer(
            play.stage, play.cast[name], total=10_000, at_step=lambda now: int(now.timestamp()) // 60 % 9999
        )
        trainer.beats(at("18:00"), at("22:20"))
        if name in WELL:
            trainer.beats(at("23:05"), at("24:30"))


def play(play: Play) -> None:
    play.tell.say(
        "Three evaluations (g5.2xlarge) went silent together at 22:20. Three is no accident: more likely the way of "
        "their heartbeats is broken than three runs. Nobody was warned, nothing is stopped, and the platform was paged:"
    )
    paged = [each for each in play.stage.slack.messages if "fell silent at once" in each.text]
    for message in paged:
        play.tell.card(message.to or message.channel, play.stage.slack.render(message))
    play.tell.say(f"A security group had been closed. {HUNG} did not survive that, the others did. Jonas knows:")
    record = play.reader.open_record(HUNG) or {}
    play.command("jonas", "release", str(record.get("hold_id") or HUNG))
    play.tell.say(f"{HUNG} is now warned like any other and has its half hour; the others only have to beat again.")


def expect(end: EndState, check: Checker) -> None:
    check.see(f"EC2: {HUNG}, after its release", ["terminated"], end.states(HUNG))
    check.see(f"ledger: {HUNG}", ["held", "released", *STOPPED], end.transitions(HUNG))
    held = end.row(HUNG, Transition.HELD)
    check.see("ledger: why it was held", True, bool(held and "or more runs fell silent" in held.reason))
    for name in WELL:
        check.left_alone(end, name)
        check.see(f"ledger: {name}", ["held", "stands down"], end.transitions(name))
        check.see(f"Slack: nobody was warned of {name}", [], end.heard(name))
    pages = [each.to for each in end.slack if "fell silent at once" in each.text]
    check.see("Slack: one page for all three", [PLATFORM], pages)
    check.see(
        f"Slack: {HUNG}", [f"{JONAS}: warning", f"{JONAS}: stopped", f"{PLATFORM}: verified gone"], end.heard(HUNG)
    )
