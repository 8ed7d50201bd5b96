"""The expensive job that nobody answers."""

from __future__ import annotations

from demo import pipelines
from demo.cast import MARIA, PLATFORM
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "The expensive job that nobody answers"
CONTRACT = "Contract, line 9: no answer is a no."
PIPELINE = "llm-pretrain-it"


def play(play: Play) -> None:
    play.tell.say(
        f"{PIPELINE} asks too, and everybody is at dinner. After 90 minutes of two hours there is a reminder."
    )
    pipelines.start(play.stage.aws, play.stage.gate_queue_url, PIPELINE, owner=MARIA)
    play.on("2 h 5 min", about=[PIPELINE])
    failure = pipelines.executions(play.stage.aws)[PIPELINE]["failure"]
    play.tell.say(f"What the pipeline's log says: {failure}")


def expect(end: EndState, check: Checker) -> None:
    execution = end.executions.get(PIPELINE) or {}
    check.see(
        "SageMaker: the pipeline failed, and no job began",
        ("Failed", None),
        (execution.get("status"), execution.get("max_runtime_seconds")),
    )
    check.see("ledger: asked, reminded, expired", ["asked", "reminded", "expired", "answered"], end.answers(PIPELINE))
    heard = [f"{PLATFORM}: {kind}" for kind in ("expired", "reminder", "answered")]
    check.see("Slack: reminded once, and the card has no buttons any more", heard, end.heard(PIPELINE))
