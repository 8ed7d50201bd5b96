"""How a SageMaker job is stopped: ask, then settle from what SageMaker shows."""

from __future__ import annotations

from collections.abc import Mapping

from costwatch.core.known_jobs import JobKey, KnownJob
from costwatch.core.model import Member
from costwatch.core.policy import Service
from costwatch.errors import AwsError
from costwatch.procedures.outcome import Outcome
from costwatch.procedures.ports import SageMakerPort


def stop_job(sagemaker: SageMakerPort, name: str, service: Service) -> Outcome:
    """Stop one job. A job that had already stopped counts as done. AwsError when the job cannot be read."""
    problem = _ask(sagemaker, name, service)
    return _outcome(name, sagemaker.job(name, service), problem)


def stop_with_children(
    sagemaker: SageMakerPort, name: str, service: Service, known: Mapping[JobKey, KnownJob]
) -> Outcome:
    """Stop a tuning or AutoML job, which ends its children itself; they are looked for when it is verified.

    One that is stopping already is left to it. One that is over and whose children run on is a problem: nothing that
    could be asked of SageMaker on its behalf ends them.
    """
    problem = _ask(sagemaker, name, service)
    job, children = sagemaker.family(name, service, known)
    left = sorted(child.id for child in children if child.alive)
    if problem and left and (job is None or job.gone):
        state = job.state if job is not None else "gone"
        return Outcome(seen=f"{name} {state}", problem=f"{name} is {state}, and {', '.join(left)} of it runs on")
    return _outcome(name, job, problem)


def _ask(sagemaker: SageMakerPort, name: str, service: Service) -> str:
    """The problem, if there was one."""
    try:
        sagemaker.stop(name, service)
    except AwsError as error:
        return str(error)
    return ""


def _outcome(name: str, job: Member | None, problem: str) -> Outcome:
    if job is None:
        return Outcome(seen=f"{name} is gone")
    seen = f"{name} {job.state}"
    if problem and job.alive:
        return Outcome(seen=seen, problem=f"{name} is still {job.state}: {problem}")
    return Outcome(seen=seen, ended=job if job.finished else None)
