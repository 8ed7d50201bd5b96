"""Two that wear the trainers' tag and must not be touched."""

from __future__ import annotations

from demo.cast import PLATFORM
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "The bastion in a trainer's clothes"
CONTRACT = "Contract, line 5: protection is respected, that of costwatch.yaml and EC2's own."
ACTORS = ("bastion", "lab-notebook")


def play(play: Play) -> None:
    play.tell.say(
        "Somebody's Terraform puts Purpose=transient-ml-training on everything, also on the bastion, 41 days old. The "
        "tag makes it a trainer far past its limit; `protect: {tag: {Environment: prod}}` beats every selector. "
        "lab-notebook is no prod, but has termination protection."
    )
    bastion = play.cast["bastion"]
    play.stage.aws.fleet.tag(bastion.id, {"Purpose": "transient-ml-training"})
    play.until("20:30", about=ACTORS, cards=[("bastion", "held")])
    play.tell.say("Each is told once, to the platform channel. They stay held, and stay up.")


def expect(end: EndState, check: Checker) -> None:
    for name, code in (("bastion", "protect-rule"), ("lab-notebook", "termination-protection")):
        check.left_alone(end, name)
        record = end.open_records.get(name) or {}
        check.see(f"ledger: {name}", ["held", code], [record.get("status"), record.get("hold")])
        check.see(f"ledger: {name} was held once and nothing else", ["held"], end.transitions(name))
        check.see(f"Slack: {name} was told once", [f"{PLATFORM}: held"], end.heard(name))
