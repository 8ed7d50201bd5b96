"""How a training job is stopped: ask, then settle from what SageMaker shows."""

from __future__ import annotations

from costwatch.errors import AwsError
from costwatch.procedures.outcome import Outcome
from costwatch.procedures.ports import SageMakerPort


def stop_job(sagemaker: SageMakerPort, name: str) -> Outcome:
    """Stop one job. A job that had already stopped counts as done. AwsError when the job cannot be read."""
    problem = ""
    try:
        sagemaker.stop(name)
    except AwsError as error:
        problem = str(error)
    job = sagemaker.job(name)
    if job is None:
        return Outcome(seen=f"{name} is gone")
    seen = f"{name} {job.state}"
    if problem and job.alive:
        return Outcome(seen=seen, problem=f"{name} is still {job.state}: {problem}")
    return Outcome(seen=seen, ended=job if job.finished else None)
