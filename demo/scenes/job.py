"""The SageMaker job past its limit."""

from __future__ import annotations

from datetime import datetime

from costwatch.core.record import Transition
from demo.cast import PLATFORM, SAM
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "The SageMaker job past its limit"
CONTRACT = "Contract, line 4: a stop is finished only when verified: Stopping is not Stopped."
ACTOR = "llm-finetune"


def play(play: Play) -> None:
    play.tell.say(
        "llm-finetune (2 x ml.p4d.24xlarge, $50.50 an hour) passes its 12 h at 22:35. Sam was warned at 21:40. "
        "StopTrainingJob sends SIGTERM; SageMaker gives the job 120 seconds to save."
    )
    play.recall(ACTOR, "warning")
    play.until("22:41", about=[ACTOR], cards=[(ACTOR, "stopped")])
    job = play.stage.aws.client("sagemaker").describe_training_job(TrainingJobName=ACTOR)
    play.tell.say(f"22:41  SageMaker says {job['TrainingJobStatus']}: the 120 seconds are not over.")
    play.until("22:50", about=[ACTOR])


def expect(end: EndState, check: Checker) -> None:
    job = end.jobs.get(ACTOR) or {}
    check.see("SageMaker: llm-finetune", "Stopped", job.get("status"))
    requested = end.row(ACTOR, Transition.STOP_REQUESTED)
    seconds = _seconds(requested.at, job.get("ended_at")) if requested else None
    check.see("SageMaker: it had its seconds to save", 120, seconds)
    check.stopped(end, ACTOR, SAM, notice="1 h", platform=PLATFORM)


def _seconds(since: datetime, ended_at: str | None) -> int | None:
    return int((datetime.fromisoformat(ended_at) - since).total_seconds()) if ended_at else None
