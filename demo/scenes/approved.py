"""The expensive job that waits for a yes, and gets one with a cap."""

from __future__ import annotations

from costwatch.core.record import Transition
from demo import pipelines
from demo.cast import MARIA, PLATFORM, RAVI, SAM
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "The expensive job waits for a yes"
CONTRACT = "Contract, line 9: no answer, an error, a stranger: none of them is a yes."
PIPELINE = "llm-pretrain-de"
CAP_SECONDS = 14 * 3600


def play(play: Play) -> None:
    play.tell.say(
        f"Maria starts the pipeline {PIPELINE}: 8 x ml.p4d.24xlarge for at most 24 h. In front of its training step "
        "stands a callback step that asks Costwatch. It is forecast above $4,500, so nothing starts before a yes of "
        "@risk-leads, of whom Ravi is one. Sam is not."
    )
    pipelines.start(play.stage.aws, play.stage.gate_queue_url, PIPELINE, owner=MARIA)
    play.on("1 min", about=[PIPELINE], cards=[(PIPELINE, "approval needed")])
    play.tell.say(f"The pipeline: {_status(play)}. No instance runs yet.")
    play.click(SAM, PIPELINE, "approval needed", "approve")
    play.click(
        RAVI,
        PIPELINE,
        "approval needed",
        "approve",
        {"cap": str(CAP_SECONDS), "reason": "14 h is what it took last time"},
    )
    play.on("1 min", about=[PIPELINE])
    play.tell.say(f"The pipeline: {_status(play)}. What it starts now may run for 14 h, and SageMaker ends it then.")


def _status(play: Play) -> str:
    return str(pipelines.executions(play.stage.aws)[PIPELINE]["status"])


def expect(end: EndState, check: Checker) -> None:
    execution = {"status": "Executing", "failure": "", "max_runtime_seconds": CAP_SECONDS}
    check.see("SageMaker: it trains, for as long as was granted", execution, end.executions.get(PIPELINE))
    check.see("ledger: asked, then approved", ["asked", "approved", "answered"], end.answers(PIPELINE))
    approved = end.row(PIPELINE, Transition.APPROVED)
    check.see(
        "ledger: by whom, and why", True, bool(approved and "Ravi" in approved.reason and "14 h" in approved.reason)
    )
    check.see(
        "Slack: the card says what became of it",
        [f"{PLATFORM}: approved", f"{PLATFORM}: answered"],
        end.heard(PIPELINE),
    )
    check.see("Slack: Sam was told, and nobody else saw it", [SAM], [each.to for each in end.ephemeral])
