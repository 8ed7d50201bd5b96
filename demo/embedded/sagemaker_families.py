"""Processing, tuning and AutoML jobs as AWS behaves: they run, list page by page, and end their children when stopped.

A tuning job that is stopped says Stopping until its last training job is over. `Fleet` seeds them; what SageMaker
starts by itself afterwards is seeded too (`Fleet.child_of`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ResourceNotFound, ValidationError
from moto.sagemaker.models import FakeProcessingJob, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from demo.embedded import sagemaker_like_aws as training
from demo.embedded.patching import Patch
from demo.embedded.world import current, naive_now

_DEFAULT_PAGE: Final = 10


@dataclass(frozen=True)
class Family:
    """One kind of job: where moto keeps it and what it calls its parts."""

    word: str
    jobs: str
    name: str
    status: str
    ended: str
    children_arn: str = ""
    """What its children carry its ARN under; empty: it has none."""

    def get(self, job: Any) -> str:
        return str(getattr(job, self.status))

    def all(self, backend: Any) -> list[Any]:
        return list(getattr(backend, self.jobs).values())


PROCESSING: Final = Family("ProcessingJob", "processing_jobs", "processing_job_name", "processing_job_status",
                           "processing_end_time")  # fmt: skip
TUNING: Final = Family("HyperParameterTuningJob", "hyper_parameter_tuning_jobs", "hyper_parameter_tuning_job_name",
                       "hyper_parameter_tuning_job_status", "hyper_parameter_tuning_end_time", "TuningJobArn",
                       )  # fmt: skip
AUTOML: Final = Family("AutoMLJob", "auto_ml_jobs", "auto_ml_job_name", "auto_ml_job_status", "end_time",
                       "AutoMLJobArn")  # fmt: skip
_FAMILIES: Final = (PROCESSING, TUNING, AUTOML)


def find(backend: Any, family: Family, name: str) -> Any:
    """The job, its status up to date. Raises what AWS answers for an unknown name."""
    job = getattr(backend, family.jobs).get(name)
    if job is None:
        raise ResourceNotFound(message=f"Amazon SageMaker can't find a {family.word} with name {name}.")
    _settle(backend, family, job)
    return job


def end(family: Family, job: Any, *, at: datetime, status: str) -> None:
    """The job is over, naive UTC; its children are not touched."""
    setattr(job, family.status, status)
    setattr(job, family.ended, at)
    job.last_modified_time = at


def children(backend: Any, family: Family, job: Any) -> Iterator[tuple[Family | None, Any]]:
    """Jobs that carry the job's ARN; family None: a training job."""
    if not family.children_arn:
        return
    for each in list(backend.training_jobs.values()):
        if training.extras(each).get(family.children_arn) == job.arn:
            yield None, each
    for each in PROCESSING.all(backend):
        if _extras(each).get(family.children_arn) == job.arn:
            yield PROCESSING, each


def _extras(job: Any) -> dict[str, Any]:
    """Describe's members that moto has no place for. A job that was made before this was installed has none."""
    if not hasattr(job, "costwatch_extras"):
        job.costwatch_extras = {}
    found: dict[str, Any] = job.costwatch_extras
    return found


def extras(job: Any) -> dict[str, Any]:
    """Such as ProcessingResources, AutoMLJobArn, MonitoringScheduleArn."""
    return _extras(job)


def _is_over(backend: Any, family: Family | None, job: Any) -> bool:
    if family is None:
        return training.find(backend, job.training_job_name).training_job_status not in ("InProgress", "Stopping")
    _settle(backend, family, job)
    return family.get(job) not in ("InProgress", "Stopping")


def _settle(backend: Any, family: Family, job: Any) -> None:
    """A job that was asked to stop is stopped once its grace is over and none of its children runs on."""
    asked_at = getattr(job, "costwatch_stop_requested_at", None)
    if family.get(job) != "Stopping" or asked_at is None:
        return
    own = list(children(backend, family, job))
    ends = [child.training_end_time for kind, child in own if kind is None and _is_over(backend, kind, child)]
    stopped_at = max([asked_at + current().stop_grace, *(at for at in ends if at is not None)])
    over = all(_is_over(backend, kind, child) for kind, child in own)
    if over and naive_now() >= stopped_at:
        end(family, job, at=stopped_at, status="Stopped")


def _stop(backend: Any, family: Family, name: str) -> None:
    job = find(backend, family, name)
    status = family.get(job)
    if status not in ("InProgress", "Stopping"):
        raise ValidationError(message=f"The request was rejected because the {family.word} is in status {status}.")
    if status == "Stopping":
        return
    setattr(job, family.status, "Stopping")
    job.costwatch_stop_requested_at = job.last_modified_time = naive_now()
    for kind, child in children(backend, family, job):
        if kind is None:
            training.ask_to_stop(child)
        elif kind.get(child) == "InProgress":
            _stop(backend, kind, str(getattr(child, kind.name)))
    _settle(backend, family, job)


def _stop_response(family: Family) -> Callable[[Any], EmptyResult]:
    def respond(response: Any) -> EmptyResult:
        _stop(response.sagemaker_backend, family, response._get_param(f"{family.word}Name"))
        return EmptyResult()

    return respond


def _list_response(family: Family) -> Callable[[Any], ActionResult]:
    """Filter first, then page; moto pages some of these first."""

    def respond(response: Any) -> ActionResult:
        backend, wanted = response.sagemaker_backend, response._get_param("StatusEquals")
        jobs = family.all(backend)
        for job in jobs:
            _settle(backend, family, job)
        after = training.naive_moment(response._get_param("CreationTimeAfter"))
        found = [
            _summary(family, job)
            for job in jobs
            if (wanted is None or family.get(job) == wanted) and (after is None or job.creation_time > after)
        ]
        newest_first = response._get_param("SortOrder") == "Descending"
        return _page(response, f"{family.word}Summaries", found, newest_first=newest_first)

    return respond


def _summary(family: Family, job: Any) -> dict[str, Any]:
    if family is not PROCESSING:
        found: dict[str, Any] = job.summary()
        return found
    return {
        "ProcessingJobName": job.processing_job_name,
        "ProcessingJobArn": job.arn,
        "CreationTime": job.creation_time,
        "ProcessingEndTime": job.processing_end_time,
        "LastModifiedTime": job.last_modified_time,
        "ProcessingJobStatus": job.processing_job_status,
    }


def _children_response(response: Any) -> ActionResult:
    backend, wanted = response.sagemaker_backend, response._get_param("StatusEquals")
    tuner = find(backend, TUNING, response._get_param("HyperParameterTuningJobName"))
    jobs = [training.find(backend, child.training_job_name) for kind, child in children(backend, TUNING, tuner)
            if kind is None]  # fmt: skip
    found = [
        {
            "TrainingJobName": job.training_job_name,
            "TrainingJobArn": job.arn,
            "TuningJobName": tuner.hyper_parameter_tuning_job_name,
            "CreationTime": job.creation_time,
            "TrainingStartTime": job.training_start_time,
            "TrainingEndTime": job.training_end_time,
            "TrainingJobStatus": job.training_job_status,
            "TunedHyperParameters": {},
        }
        for job in jobs
        if wanted is None or job.training_job_status == wanted
    ]
    return _page(response, "TrainingJobSummaries", found)


def _page(response: Any, key: str, found: list[dict[str, Any]], *, newest_first: bool = False) -> ActionResult:
    ordered = sorted(found, key=lambda each: each["CreationTime"], reverse=newest_first)
    start = int(response._get_param("NextToken") or 0)
    stop = start + int(response._get_param("MaxResults") or _DEFAULT_PAGE)
    return ActionResult({key: ordered[start:stop], "NextToken": str(stop) if stop < len(ordered) else None})


_moto_describe_processing = SageMakerModelBackend.describe_processing_job
_moto_describe_tuning = SageMakerModelBackend.describe_hyper_parameter_tuning_job
_moto_describe_automl = SageMakerModelBackend.describe_auto_ml_job_v2
_moto_processing_init = FakeProcessingJob.__init__


def _describe(family: Family, moto_describe: Callable[[Any, str], dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def describe(backend: Any, name: str | None = None, **named: str) -> dict[str, Any]:
        wanted = name if name is not None else next(iter(named.values()))
        job = find(backend, family, wanted)
        answer = {key: value for key, value in moto_describe(backend, wanted).items() if value is not None}
        over = family.get(job) not in ("InProgress", "Stopping")
        if not over:  # moto's jobs end as they begin
            answer = {key: value for key, value in answer.items() if key not in _ONLY_WHEN_OVER}
        return {**answer, **_extras(job)}

    return describe


_ONLY_WHEN_OVER: Final = frozenset(
    {"ProcessingEndTime", "HyperParameterTuningEndTime", "EndTime", "FailureReason", "PartialFailureReasons"}
)


def _processing_born_running(job: Any, *args: Any, **kwargs: Any) -> None:
    _moto_processing_init(job, *args, **kwargs)
    job.processing_job_status, job.processing_end_time = "InProgress", None


def patches() -> list[Patch]:
    """What `install` applies, after the training jobs'."""
    return [
        Patch(FakeProcessingJob, "__init__", _processing_born_running),
        Patch(SageMakerModelBackend, "describe_processing_job", _describe(PROCESSING, _moto_describe_processing)),
        Patch(SageMakerModelBackend, "describe_hyper_parameter_tuning_job", _describe(TUNING, _moto_describe_tuning)),
        Patch(SageMakerModelBackend, "describe_auto_ml_job_v2", _describe(AUTOML, _moto_describe_automl)),
        Patch(SageMakerResponse, "list_processing_jobs", _list_response(PROCESSING)),
        Patch(SageMakerResponse, "list_hyper_parameter_tuning_jobs", _list_response(TUNING)),
        Patch(SageMakerResponse, "list_auto_ml_jobs", _list_response(AUTOML)),
        Patch(SageMakerResponse, "list_training_jobs_for_hyper_parameter_tuning_job", _children_response),
        Patch(SageMakerResponse, "stop_processing_job", _stop_response(PROCESSING)),
        Patch(SageMakerResponse, "stop_hyper_parameter_tuning_job", _stop_response(TUNING)),
        Patch(SageMakerResponse, "stop_auto_ml_job", _stop_response(AUTOML)),
    ]
