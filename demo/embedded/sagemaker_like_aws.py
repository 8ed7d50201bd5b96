"""SageMaker training jobs as AWS behaves: they run, can be stopped, say Stopping for a while, and list page by page."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

import moto.sagemaker.models as moto_models
from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeTrainingJob, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from demo.embedded.patching import Patch
from demo.embedded.world import current, naive_now

_newest_first: ContextVar[bool] = ContextVar("embedded_newest_first", default=False)
_DEFAULT_PAGE: Final = 10  # what AWS answers without MaxResults; a caller that forgets to page shows here

_moto_init = FakeTrainingJob.__init__
_moto_describe = SageMakerModelBackend.describe_training_job
_moto_resource = SageMakerModelBackend._get_resource_from_arn
_moto_list_response = SageMakerResponse.list_training_jobs


def extras(job: Any) -> dict[str, Any]:
    """Describe's members that moto has no place for: TuningJobArn, AutoMLJobArn, WarmPoolStatus, billable seconds."""
    found: dict[str, Any] = job.costwatch_extras
    return found


def _born_running(job: Any, *args: Any, **kwargs: Any) -> None:
    _moto_init(job, *args, **kwargs)
    job.training_job_status = "InProgress"
    job.secondary_status = "Training"
    job.training_end_time = None
    job.final_metric_data_list = None
    job.costwatch_extras = {}
    job.costwatch_stop_requested_at = None
    set_transitions(job)


def set_transitions(job: Any) -> None:
    """One transition that tells the present secondary status, since its start."""
    job.secondary_status_transitions = [
        {
            "Status": job.secondary_status,
            "StartTime": job.training_start_time or job.creation_time,
            "StatusMessage": f"{job.secondary_status} the training job",
            **({"EndTime": job.training_end_time} if job.training_end_time else {}),
        }
    ]


def end(job: Any, *, at: datetime, status: str) -> None:
    """The job is over, naive UTC; status is Completed, Failed or Stopped."""
    job.training_job_status = job.secondary_status = status
    job.training_end_time = job.last_modified_time = at
    started = job.training_start_time
    ran_seconds = max(0, int((at - started).total_seconds())) if started else 0
    extras(job).setdefault("TrainingTimeInSeconds", ran_seconds)
    extras(job).setdefault("BillableTimeInSeconds", ran_seconds)
    if extras(job).get("WarmPoolStatus", {}).get("Status") == "InUse":
        extras(job)["WarmPoolStatus"] = {"Status": "Available"}
    set_transitions(job)


def _settle(job: Any) -> None:
    """A job that was asked to stop is stopped once its grace is over."""
    asked_at = job.costwatch_stop_requested_at
    if job.training_job_status == "Stopping" and asked_at is not None:
        stopped_at = asked_at + current().stop_grace
        if naive_now() >= stopped_at:
            end(job, at=stopped_at, status="Stopped")
    _cool(job)


def _not_found() -> ValidationError:
    # The API reference names ResourceNotFound; the service has been seen to answer ValidationException with this
    # text.
    return ValidationError(message="Requested resource not found.")


def find(backend: Any, name: str) -> Any:
    """The job, its status up to date. Raises the ValidationException AWS answers for an unknown name."""
    job = backend.training_jobs.get(name)
    if job is None:
        raise _not_found()
    _settle(job)
    return job


def _describe(backend: Any, training_job_name: str) -> dict[str, Any]:
    job = find(backend, training_job_name)
    answer: dict[str, Any] = _moto_describe(backend, training_job_name)
    if job.training_job_status in ("InProgress", "Stopping"):
        answer.pop("ModelArtifacts", None)  # where it will be is known; there is nothing yet
    return {**answer, **extras(job)}


def naive_moment(value: Any) -> datetime | None:
    """A time of a request, which comes as seconds since 1970, as moto keeps times."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromtimestamp(float(value), tz=UTC).replace(tzinfo=None)


def _list(
    backend: Any,
    next_token: str | None,
    max_results: int | None,
    creation_time_after: datetime | None,
    creation_time_before: datetime | None,
    last_modified_time_after: datetime | None,
    last_modified_time_before: datetime | None,
    name_contains: str | None,
    status_equals: str | None,
) -> dict[str, Any]:
    """Filter first, then page; moto pages first, so that a page may come back empty with a token that leads on."""
    creation_time_after, creation_time_before = naive_moment(creation_time_after), naive_moment(creation_time_before)
    last_modified_time_after = naive_moment(last_modified_time_after)
    last_modified_time_before = naive_moment(last_modified_time_before)
    jobs = []
    for job in list(backend.training_jobs.values()):
        _settle(job)
        if (
            (status_equals is None or job.training_job_status == status_equals)
            and (name_contains is None or name_contains in job.training_job_name)
            and (creation_time_after is None or job.creation_time > creation_time_after)
            and (creation_time_before is None or job.creation_time < creation_time_before)
            and (last_modified_time_after is None or job.last_modified_time > last_modified_time_after)
            and (last_modified_time_before is None or job.last_modified_time < last_modified_time_before)
        ):
            jobs.append(job)
    jobs.sort(key=lambda job: job.creation_time, reverse=_newest_first.get())
    start = int(next_token or 0)
    stop = start + (max_results or _DEFAULT_PAGE)
    summaries = [
        {
            "TrainingJobName": job.training_job_name,
            "TrainingJobArn": job.arn,
            "CreationTime": job.creation_time,
            "TrainingEndTime": job.training_end_time,
            "LastModifiedTime": job.last_modified_time,
            "TrainingJobStatus": job.training_job_status,
            "SecondaryStatus": job.secondary_status,
            "WarmPoolStatus": extras(job).get("WarmPoolStatus"),
        }
        for job in jobs[start:stop]
    ]
    return {"TrainingJobSummaries": summaries, "NextToken": str(stop) if stop < len(jobs) else None}


def _list_response(response: Any) -> Any:
    """moto checks SortOrder and forgets it."""
    token = _newest_first.set(response._get_param("SortOrder") == "Descending")
    try:
        return _moto_list_response(response)
    finally:
        _newest_first.reset(token)


def _stop_response(response: Any) -> EmptyResult:
    job = find(response.sagemaker_backend, response._get_param("TrainingJobName"))
    status = job.training_job_status
    if status not in ("InProgress", "Stopping"):
        raise ValidationError(message=f"The request was rejected because the training job is in status {status}.")
    ask_to_stop(job)
    return EmptyResult()


def ask_to_stop(job: Any) -> None:
    """SIGTERM, and `World.stop_grace` to save; nothing where it is not in progress."""
    if job.training_job_status == "InProgress":
        job.training_job_status = job.secondary_status = "Stopping"
        job.costwatch_stop_requested_at = job.last_modified_time = naive_now()
        _settle(job)


def _update_response(response: Any) -> ActionResult:
    """Only the warm pool can be changed here, and only one that waits for its next job."""
    job = find(response.sagemaker_backend, response._get_param("TrainingJobName"))
    keep_seconds = (response._get_param("ResourceConfig") or {}).get("KeepAlivePeriodInSeconds")
    pool = extras(job).get("WarmPoolStatus", {}).get("Status", "")
    if keep_seconds is None or pool != "Available":
        raise ValidationError(message=f"The warm pool of {job.training_job_name} is {pool or 'not there'}.")
    job.resource_config["KeepAlivePeriodInSeconds"] = keep_seconds
    _cool(job)
    return ActionResult({"TrainingJobArn": job.arn})


def _cool(job: Any) -> None:
    """A warm pool ends when it was kept for as long as the job asked for."""
    pool = extras(job).get("WarmPoolStatus", {})
    kept_seconds = (job.resource_config or {}).get("KeepAlivePeriodInSeconds")
    if pool.get("Status") != "Available" or job.training_end_time is None or kept_seconds is None:
        return
    waited_seconds = max(0, int((naive_now() - job.training_end_time).total_seconds()))
    if waited_seconds >= kept_seconds:
        # Ended early it was kept until now; else for as long as was asked.
        billed = waited_seconds if kept_seconds == 0 else kept_seconds
        extras(job)["WarmPoolStatus"] = {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": billed}


def _resource(backend: Any, arn: str) -> Any:
    resource = _moto_resource(backend, arn)
    if resource is None:  # moto goes on and fails with a traceback
        raise _not_found()
    return resource


def _add_tags(backend: Any, arn: str, tags: list[dict[str, str]]) -> list[dict[str, str]]:
    """A key that is already there gets the new value; moto would keep both."""
    resource = backend._get_resource_from_arn(arn)
    merged = {tag["Key"]: tag["Value"] for tag in [*(resource.tags or []), *tags]}
    resource.tags = [{"Key": key, "Value": value} for key, value in merged.items()]
    return list(resource.tags)


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(moto_models, "utcnow", naive_now),
        Patch(FakeTrainingJob, "__init__", _born_running),
        Patch(SageMakerModelBackend, "describe_training_job", _describe),
        Patch(SageMakerModelBackend, "list_training_jobs", _list),
        Patch(SageMakerModelBackend, "_get_resource_from_arn", _resource),
        Patch(SageMakerModelBackend, "add_tags", _add_tags),
        Patch(SageMakerResponse, "list_training_jobs", _list_response),
        Patch(SageMakerResponse, "stop_training_job", _stop_response),
        Patch(SageMakerResponse, "update_training_job", _update_response),
    ]
