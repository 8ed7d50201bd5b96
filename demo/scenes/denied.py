"""The expensive job that gets a no, with the reason."""

from __future__ import annotations

from costwatch.core.record import Transition
from demo import pipelines
from demo.cast import MARIA, PLATFORM, RAVI
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "The expensive job that gets a no"
CONTRACT = "Contract, line 11: every decision can be explained, those of people too."
PIPELINE = "llm-pretrain-fr"
REASON = "Same data as last week: wait for the new corpus"


def play(play: Play) -> None:
    play.tell.say(f"The same for {PIPELINE}. Ravi writes why not and presses Deny; a second press finds it decided.")
    pipelines.start(play.stage.aws, play.stage.gate_queue_url, PIPELINE, owner=MARIA)
    play.on("1 min", about=[PIPELINE])
    play.click(RAVI, PIPELINE, "approval needed", "deny", {"reason": REASON}, presses=2)
    play.on("1 min", about=[PIPELINE])
    failure = pipelines.executions(play.stage.aws)[PIPELINE]["failure"]
    play.tell.say(f"What the pipeline's log says: {failure}")


def expect(end: EndState, check: Checker) -> None:
    execution = end.executions.get(PIPELINE) or {}
    check.see(
        "SageMaker: the pipeline failed, and no job began",
        ("Failed", None),
        (execution.get("status"), execution.get("max_runtime_seconds")),
    )
    check.see("SageMaker: its log has the reason", True, REASON in execution.get("failure", ""))
    check.see("ledger: asked, then denied, once", ["asked", "denied", "answered"], end.answers(PIPELINE))
    denied = end.row(PIPELINE, Transition.DENIED)
    check.see("ledger: by whom, and why", True, bool(denied and "Ravi" in denied.reason and REASON in denied.reason))
    check.see(
        "Slack: the card says what became of it", [f"{PLATFORM}: denied", f"{PLATFORM}: answered"], end.heard(PIPELINE)
    )
