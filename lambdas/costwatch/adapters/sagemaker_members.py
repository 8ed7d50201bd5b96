"""Descriptions of SageMaker's jobs as members. Pure: what botocore answered goes in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from costwatch.adapters import job_capacity
from costwatch.core.estimator import JobSpec
from costwatch.core.model import UNREADABLE, Clock, Member, Parent, RunKind
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.quote import Part
from costwatch.errors import InputError
from costwatch.intake import job_bodies

Raw = Mapping[str, Any]
Tags = Mapping[str, str] | None

"""The state of a job that only its children name."""


def training(raw: Raw, tags: Tags) -> Member:
    resources = raw.get("ResourceConfig", {})
    plan = job_capacity.is_prepaid(resources)
    pool = raw.get("WarmPoolStatus") or {}
    return Member(
        id=raw["TrainingJobName"],
        service=Service.TRAINING,
        state=raw["TrainingJobStatus"],
        phase=raw.get("SecondaryStatus", ""),
        capacity=job_capacity.capacity(resources),
        zone="",
        tags=tags,
        clock=_clock(raw, "TrainingStartTime"),
        purchase=_purchase(raw, plan=plan),
        declared_limit=_seconds(raw.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")),
        parent=parent_of(raw),
        ended_at=utc(raw.get("TrainingEndTime")),
        end_reason=_end_reason(raw, raw["TrainingJobStatus"]),
        pool=pool.get("Status", ""),
        pool_billed=_seconds(pool.get("ResourceRetainedBillableTimeInSeconds")),
        image=_image(raw.get("AlgorithmSpecification") or {}),
        billable=_billable(raw),
        spec=_spec(raw, job_bodies.training, raw.get("TrainingJobArn", "")),
    )


def processing(raw: Raw, tags: Tags) -> Member:
    cluster = raw.get("ProcessingResources", {}).get("ClusterConfig", {})
    return Member(
        id=raw["ProcessingJobName"],
        service=Service.PROCESSING,
        state=raw["ProcessingJobStatus"],
        capacity=job_capacity.capacity(cluster),
        zone="",
        tags=tags,
        clock=_clock(raw, "ProcessingStartTime"),
        purchase=PurchaseOption.ON_DEMAND,
        declared_limit=_seconds(raw.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")),
        parent=parent_of(raw),
        image=str((raw.get("AppSpecification") or {}).get("ImageUri", "")),
        spec=_spec(raw, job_bodies.processing, raw.get("ProcessingJobArn", "")),
        ended_at=utc(raw.get("ProcessingEndTime")),
        end_reason=_end_reason(raw, raw["ProcessingJobStatus"]),
    )


def tuning(raw: Raw, tags: Tags) -> Member:
    """The tuning job alone. Its clock starts when it was created: from then on it starts training jobs."""
    one = raw.get("TrainingJobDefinition")
    definitions = raw.get("TrainingJobDefinitions") or ([one] if one else [])
    limits = raw.get("HyperParameterTuningJobConfig", {}).get("ResourceLimits", {})
    spot = any(definition.get("EnableManagedSpotTraining") for definition in definitions)
    return Member(
        id=raw["HyperParameterTuningJobName"],
        service=Service.TUNING,
        state=raw["HyperParameterTuningJobStatus"],
        capacity=(),
        zone="",
        tags=tags,
        clock=_created(raw),
        purchase=PurchaseOption.SPOT if spot else PurchaseOption.ON_DEMAND,
        types=tuple(sorted({kind for definition in definitions for kind in _types(definition)})),
        image=_image(definitions[0].get("AlgorithmSpecification") or {}) if definitions else "",
        spec=_spec(raw, job_bodies.tuning, raw.get("HyperParameterTuningJobArn", "")),
        declared_limit=_seconds(limits.get("MaxRuntimeInSeconds")),
        ended_at=utc(raw.get("HyperParameterTuningEndTime")),
        end_reason=_end_reason(raw, raw["HyperParameterTuningJobStatus"]),
    )


def automl(raw: Raw, tags: Tags) -> Member:
    """The AutoML job alone, as DescribeAutoMLJobV2 shows both versions. It names no instance type."""
    problems: Raw = raw.get("AutoMLProblemTypeConfig") or {}
    criteria: Raw = next((each.get("CompletionCriteria", {}) for each in problems.values()), {})
    return Member(
        id=raw["AutoMLJobName"],
        service=Service.AUTOML,
        state=raw["AutoMLJobStatus"],
        capacity=(),
        zone="",
        tags=tags,
        clock=_created(raw),
        purchase=PurchaseOption.ON_DEMAND,
        declared_limit=_seconds(criteria.get("MaxAutoMLJobRuntimeInSeconds")),
        ended_at=utc(raw.get("EndTime")),
        end_reason=_end_reason(raw, raw["AutoMLJobStatus"]),
    )


def unreadable(parent: Parent) -> Member:
    """Stands in for a job that only its children name: it holds them, since nothing about it is proven."""
    return Member(
        id=parent.id,
        service=parent.kind.service,
        state=UNREADABLE,
        capacity=(),
        zone="",
        tags=None,
        clock=Clock(None, "CreationTime", None, "CreationTime"),
        purchase=PurchaseOption.ON_DEMAND,
    )


def parent_of(raw: Raw) -> Parent | None:
    """Whose child it is: the AutoML job before the tuning job that this one started in between."""
    tuner = _last(raw.get("TuningJobArn", ""))
    if auto := _last(raw.get("AutoMLJobArn", "")):
        return Parent(RunKind.AUTOML, auto, f"AutoML job {auto}", via=tuner)
    if tuner:
        return Parent(RunKind.TUNING, tuner, f"tuning job {tuner}")
    if schedule := _last(raw.get("MonitoringScheduleArn", "")):
        return Parent(RunKind.SCHEDULE, schedule, f"monitoring schedule {schedule}")
    if labeling := _last(raw.get("LabelingJobArn", "")):
        return Parent(RunKind.LABELING, labeling, f"labeling job {labeling}")
    return None


def is_child(member: Member) -> bool:
    """Whether another job started it, will end it and answers for it: its tags are never asked for."""
    return member.parent is not None and member.parent.kind.has_children


def utc(moment: datetime | None) -> datetime | None:
    """Aware UTC of what botocore gives, which is in the machine's own zone."""
    return moment.astimezone(UTC) if moment is not None else None


def _types(definition: Raw) -> Iterable[str]:
    asked = definition.get("HyperParameterTuningResourceConfig") or {}
    configs = [*asked.get("InstanceConfigs", []), asked]
    found = [each["InstanceType"] for each in configs if each.get("InstanceType")]
    return [*found, *(kind for kind, _count in job_capacity.capacity(definition.get("ResourceConfig") or {}))]


def _purchase(raw: Raw, *, plan: bool) -> PurchaseOption:
    """A training plan is prepaid: no selector picks such a job unless it says so."""
    if plan:
        return PurchaseOption.CAPACITY_BLOCK
    return PurchaseOption.SPOT if raw.get("EnableManagedSpotTraining") else PurchaseOption.ON_DEMAND


def _clock(raw: Raw, start: str) -> Clock:
    return Clock(
        running_since=utc(raw.get(start)),
        running_evidence=start,
        exists_since=utc(raw.get("CreationTime")),
        exists_evidence="CreationTime",
    )


def _created(raw: Raw) -> Clock:
    return _clock(raw, "CreationTime")


def _end_reason(raw: Raw, state: str) -> str:
    """Nothing while it is in progress."""
    return str(raw.get("FailureReason", "")) or ("" if state == "InProgress" else state)


def _spec(raw: Raw, read: Callable[[job_bodies.Node, str, str], Part], arn: str) -> JobSpec | None:
    """A description has what the request had. None: it names several machines and has got none yet, or is odd."""
    region = arn.split(":")[3] if arn.count(":") >= 5 else ""
    try:
        choices = read(job_bodies.Node(raw), "", region).choices
    except InputError:
        return None
    selected = (raw.get("ResourceConfig") or {}).get("SelectedInstanceType")
    left = [spec for spec in choices if selected is None or selected in [group.instance_type for group in spec.groups]]
    return left[0] if len(left) == 1 else None


def _image(algorithm: Raw) -> str:
    return str(algorithm.get("TrainingImage") or algorithm.get("AlgorithmName") or "")


def _billable(raw: Raw) -> timedelta | None:
    """SageMaker tells it when the job is over; what never started was not billed."""
    seconds = raw.get("BillableTimeInSeconds")
    return timedelta(seconds=int(seconds)) if seconds is not None else None


def _seconds(value: int | None) -> timedelta | None:
    return timedelta(seconds=value) if value else None


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]
