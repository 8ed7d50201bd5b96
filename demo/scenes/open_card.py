"""The last question is yours: its card stays open in the local Slack."""

from __future__ import annotations

from collections.abc import Sequence

from demo import pipelines
from demo.cast import MARIA, PLATFORM, RAVI
from demo.checks import Check, Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "The card that you answer"
CONTRACT = "Contract, line 9: the job waits until somebody who may says so."
PIPELINE = "llm-pretrain-en"


def play(play: Play) -> None:
    play.tell.say(f"{PIPELINE} asks, and this time the answer is left to whoever reads this.")
    pipelines.start(play.stage.aws, play.stage.gate_queue_url, PIPELINE, owner=MARIA)
    play.on("1 min", about=[PIPELINE])


def expect(end: EndState, check: Checker) -> None:
    execution = {"status": "Executing", "failure": "", "max_runtime_seconds": None}
    check.see("SageMaker: it waits, and no job began", execution, end.executions.get(PIPELINE))
    check.see("ledger: asked", ["asked"], end.answers(PIPELINE))
    check.see("Slack: an open card", [f"{PLATFORM}: approval needed"], end.heard(PIPELINE))


def answer(play: Play) -> Sequence[Check]:
    """Where nobody is there to do so: Ravi says yes to all of it, and it trains."""
    play.click(RAVI, PIPELINE, "approval needed", "approve")
    end = play.reader.read()
    check = Checker(0)
    execution = {"status": "Executing", "failure": "", "max_runtime_seconds": pipelines.MAX_RUNTIME_SECONDS}
    check.see("the open card: a yes without a cap grants what was asked for", execution, end.executions.get(PIPELINE))
    return check.checks
