"""SageMaker training jobs in one region: read and stop. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from costwatch.adapters import job_capacity
from costwatch.adapters.aws_errors import translated
from costwatch.core.model import Clock, Member, Parent, Run, RunKind
from costwatch.core.policy import PurchaseOption, Service
from costwatch.errors import AwsError, PermanentAwsError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient

_UNANSWERED_IN_A_ROW = 3


class SageMaker:
    """One account and region. Raises TransientAwsError or PermanentAwsError."""

    def __init__(self, client: SageMakerClient, *, region: str) -> None:
        self._client = client
        self.region = region

    def jobs(self) -> tuple[list[Member], list[AwsError]]:
        """All training jobs in progress, and what could not be read about single ones.

        The list call names no type, start or tags, so each job is described. A job whose tags cannot be read
        comes with `tags` None; one that cannot be described is left out and reported.
        """
        names_: list[str] = []
        with translated("sagemaker:ListTrainingJobs"):
            pages = self._client.get_paginator("list_training_jobs").paginate(
                StatusEquals="InProgress", PaginationConfig={"PageSize": 100}
            )
            for page in pages:
                names_.extend(summary["TrainingJobName"] for summary in page["TrainingJobSummaries"])
        found: list[Member] = []
        errors: list[AwsError] = []
        unanswered = 0
        for name in names_:
            try:
                member = self.job(name)
            except AwsError as error:
                errors.append(error)
                unanswered = unanswered + 1 if error.retry else 0
                if unanswered == _UNANSWERED_IN_A_ROW:
                    raise  # the region hangs: describing on would cost the others their time
                continue
            unanswered = 0
            if member is not None and member.alive:
                found.append(member)
                if member.tags is None:
                    errors.append(PermanentAwsError(f"tags of training job {name} could not be read"))
        return found, errors

    def job(self, name: str) -> Member | None:
        """One job with its tags; None when SageMaker does not know it."""
        try:
            with translated("sagemaker:DescribeTrainingJob"):
                raw = self._client.describe_training_job(TrainingJobName=name)
        except PermanentAwsError as error:
            if error.code in ("ValidationException", "ResourceNotFound", "ResourceNotFoundException"):
                return None
            raise
        try:
            tags = self._tags(raw["TrainingJobArn"])
        except AwsError:
            return _member(raw, None)  # unreadable tags hold the run, they do not hide it
        return _member(raw, tags)

    def afresh(self, run: Run) -> Run:
        """The run as it is now; a job that has ended is no longer a member."""
        members = (self.job(member.id) for member in run.members)
        alive = tuple(member for member in members if member is not None and member.alive)
        return replace(run, members=alive, parent=next((m.parent for m in alive if m.parent), None), fresh=True)

    def stop(self, name: str) -> None:
        """SIGTERM and 120 seconds. A job that has already ended answers with a ValidationException."""
        with translated("sagemaker:StopTrainingJob"):
            self._client.stop_training_job(TrainingJobName=name)

    def _tags(self, arn: str) -> dict[str, str]:
        with translated("sagemaker:ListTags"):
            pages = self._client.get_paginator("list_tags").paginate(ResourceArn=arn)
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def _member(raw: Mapping[str, Any], tags: Mapping[str, str] | None) -> Member:
    started = raw.get("TrainingStartTime")
    created = raw.get("CreationTime")
    ended = raw.get("TrainingEndTime")
    return Member(
        id=raw["TrainingJobName"],
        service=Service.TRAINING,
        state=raw["TrainingJobStatus"],
        phase=raw.get("SecondaryStatus", ""),
        capacity=job_capacity.capacity(raw.get("ResourceConfig", {})),
        zone="",
        tags=tags,
        clock=Clock(
            running_since=_utc(started),
            running_evidence="TrainingStartTime",
            exists_since=_utc(created),
            exists_evidence="CreationTime",
        ),
        purchase=_purchase(raw),
        parent=_parent(raw),
        ended_at=_utc(ended),
        end_reason=raw.get("FailureReason", "") or raw["TrainingJobStatus"],
    )


def _purchase(raw: Mapping[str, Any]) -> PurchaseOption:
    """A training plan is prepaid: no selector picks such a job unless it says so."""
    if job_capacity.is_prepaid(raw.get("ResourceConfig", {})):
        return PurchaseOption.CAPACITY_BLOCK
    return PurchaseOption.SPOT if raw.get("EnableManagedSpotTraining") else PurchaseOption.ON_DEMAND


def _parent(raw: Mapping[str, Any]) -> Parent | None:
    if arn := raw.get("TuningJobArn"):
        name = arn.rpartition("/")[2]
        return Parent(RunKind.TUNING, name, f"tuning job {name}")
    if arn := raw.get("AutoMLJobArn"):
        name = arn.rpartition("/")[2]
        return Parent(RunKind.AUTOML, name, f"AutoML job {name}")
    if arn := raw.get("LabelingJobArn"):
        name = arn.rpartition("/")[2]
        return Parent(RunKind.LABELING, name, f"labeling job {name}")
    return None


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment is not None else None
