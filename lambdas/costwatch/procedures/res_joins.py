"""What trained a candidate: named by its metadata, by its pipeline execution, or by the artifact that it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from costwatch.core.known_jobs import JobKey
from costwatch.core.model import RunId, RunKind
from costwatch.core.packages import META_RUN, ModelPackage, TrainedJob
from costwatch.core.policy import Service
from costwatch.errors import PermanentAwsError
from costwatch.procedures.breaker import Breaker

_MOST_GUESSES: Final = 5
"""So many parts of an artifact's path are asked about as a job's name, each a call."""
_JOB_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_EXECUTION: Final = re.compile(r"arn:[^:]+:sagemaker:([^:]+):(\d{12}):pipeline/[^/]+/execution/[^/]+")


@dataclass(frozen=True, slots=True)
class Trained:
    """`run`: for people and keys, a run id or the execution's ARN. `runs`: whose cost is counted.

    `job`: the training job that left the artifact, with its final metrics; None: none is known.
    """

    run: str
    runs: tuple[RunId, ...]
    what: str
    job: TrainedJob | None = None


@dataclass(frozen=True, slots=True)
class _Left:
    """The job that left an artifact."""

    region: str
    job: TrainedJob


def trained(b: Breaker, package: ModelPackage) -> Trained | None:
    """The first of the three that fits; None: nothing tells. Raises AwsError."""
    left = [_left_by(b, package, uri) for uri in package.artifacts]
    known = [each for each in left if each is not None]
    job = known[0].job if known else None
    named = package.metadata.get(META_RUN, "").strip()
    if named:
        run_id = _named(b, package, named)
        return Trained(str(run_id), (run_id,), f"run {run_id.name}", job)
    if _is_own_execution(package) and (steps := _steps(b, package)):
        runs = tuple(_run_id(b, package.region, service, name) for service, name in dict.fromkeys(steps))
        many = f"all {len(runs)} jobs" if len(runs) > 1 else "the only job"
        return Trained(package.generated_by, runs, f"{many} of its pipeline execution", job)
    # Of a model of several containers the cost is known only where every part of it is.
    if not known or len(known) < len(left):
        return None
    runs = tuple(dict.fromkeys(_run_id(b, each.region, Service.TRAINING, each.job.name) for each in known))
    jobs = f"training job {runs[0].name}" if len(runs) == 1 else f"all {len(runs)} training jobs of its containers"
    return Trained(str(runs[0]), runs, jobs, job)


def _is_own_execution(package: ModelPackage) -> bool:
    """Of its own region and account: of any other nothing can be read, and no ledger here has its costs."""
    execution = _EXECUTION.fullmatch(package.generated_by)
    return execution is not None and execution.groups() == (package.region, package.account)


def _steps(b: Breaker, package: ModelPackage) -> list[JobKey]:
    """Those that may not be listed are as good as none: what its artifact tells counts then."""
    try:
        return b.registry(package.region).steps(package.generated_by)
    except PermanentAwsError as error:
        b.w.log("steps not read", {"execution": package.generated_by, "reason": str(error)})
        return []


def _left_by(b: Breaker, package: ModelPackage, uri: str) -> _Left | None:
    """As its event told, else as its path may say: each guess is held against what the job itself says it left."""
    told = b.judgements.artifact(b.w.account, uri)
    if told is not None:
        job = b.registry(told.region).trained(told.job)
        if job is not None:
            return _Left(told.region, job)
    registry = b.registry(package.region)
    for name in _guesses(uri):
        job = registry.trained(name)
        if job is not None and job.artifact == uri:
            return _Left(package.region, job)
    return None


def _guesses(uri: str) -> Iterator[str]:
    """`s3://bucket/prefix/churn-41/output/model.tar.gz`: what stands nearest to the artifact comes first."""
    parts = [part for part in uri.removeprefix("s3://").split("/")[1:-1] if part not in ("output", "")]
    fitting = [part for part in reversed(parts) if _JOB_NAME.fullmatch(part)]
    yield from dict.fromkeys(fitting[:_MOST_GUESSES])


def _named(b: Breaker, package: ModelPackage, text: str) -> RunId:
    """A whole run id, or the value of the run tag: in the package's region unless another one knows it."""
    try:
        found = RunId.parse(text)
        if found.account == b.w.account:
            return found
    except ValueError:
        pass
    regions = dict.fromkeys((package.region, *b.w.policy.regions))
    tagged = [RunId(b.w.account, region, RunKind.TAGGED, text) for region in regions]
    known = (each for each in tagged if b.w.ledger.record(each) is not None or b.judgements.cost_of(each))
    return next(known, tagged[0])


def _run_id(b: Breaker, region: str, service: Service, name: str) -> RunId:
    return RunId(b.w.account, region, RunKind(service.value), name)
