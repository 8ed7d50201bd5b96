"""SageMaker's descriptions as jobs of the past. Pure: what botocore answered goes in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from costwatch.adapters import job_capacity
from costwatch.adapters import sagemaker_members as members
from costwatch.core.actuals import EndedJob
from costwatch.core.estimator import DEFAULT_MAX_RUNTIME, InstanceGroup, JobSpec, Volume
from costwatch.core.model import Member
from costwatch.core.policy import PurchaseOption, Service
from costwatch.preview.history import PastJob

Raw = Mapping[str, Any]

WORDS: Final = {
    Service.TRAINING: "TrainingJob",
    Service.PROCESSING: "ProcessingJob",
    Service.TUNING: "HyperParameterTuningJob",
    Service.AUTOML: "AutoMLJob",
}
_MEMBER: Final = {
    Service.TRAINING: members.training,
    Service.PROCESSING: members.processing,
    Service.TUNING: members.tuning,
    Service.AUTOML: members.automl,
}


def tags_of(raw: Raw) -> dict[str, str]:
    """The tags of a whole job as Search has them; Describe has none."""
    return {str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in raw.get("Tags") or ()}


def past_job(service: Service, raw: Raw, tags: Mapping[str, str] | None, region: str) -> PastJob:
    """`tags` None: they could not be read. Raises KeyError, TypeError or ValueError for what is no description."""
    member = _MEMBER[service](raw, tags)
    created = members.utc(raw["CreationTime"])
    if created is None:
        raise ValueError("its CreationTime is missing")
    billed = _billed(service, raw, member, region) if member.gone and not service.has_children else None
    return PastJob(member, region, created, billed, tuple(_specs(service, raw, member, region)), _image(raw),
                   checkpoints=bool((raw.get("CheckpointConfig") or {}).get("S3Uri")),
                   started=_started(raw) if service is Service.TUNING else None)  # fmt: skip


def _billed(service: Service, raw: Raw, member: Member, region: str) -> EndedJob:
    config = _machines(service, raw)
    billable = _seconds(raw.get("BillableTimeInSeconds"))
    return EndedJob(
        service=service,
        region=region,
        groups=_groups(member.capacity),
        billable=billable,
        running=_seconds(raw.get("TrainingTimeInSeconds")) or _running(member.clock.running_since, member.ended_at),
        purchase=member.purchase,
        volume_gb=int(config.get("VolumeSizeInGB") or 0),
        pool_kept=member.pool_billed or timedelta(0),
    )


def _running(started: datetime | None, ended: datetime | None) -> timedelta | None:
    """A job that is over and never started ran for no time."""
    if started is None:
        return timedelta(0)
    return ended - started if ended is not None else None


def _started(raw: Raw) -> int | None:
    """Of a tuning job: of every state it counts its training jobs in."""
    counters = raw.get("TrainingJobStatusCounters")
    return sum(int(each) for each in counters.values()) if counters else None


def _machines(service: Service, raw: Raw) -> Raw:
    if service is Service.PROCESSING:
        found: Raw = (raw.get("ProcessingResources") or {}).get("ClusterConfig") or {}
        return found
    config: Raw = raw.get("ResourceConfig") or {}
    return config


def _specs(service: Service, raw: Raw, member: Member, region: str) -> Iterator[JobSpec]:
    if service is Service.AUTOML:
        return  # it names neither a type nor how many jobs it will start
    if service is Service.TUNING:
        yield from _tuning_specs(raw, region)
        return
    config = _machines(service, raw)
    groups = _groups(member.capacity)
    if groups:  # else nothing is selected yet, and several types are possible
        yield JobSpec(
            service=service,
            region=region,
            groups=groups,
            max_runtime=member.declared_limit or DEFAULT_MAX_RUNTIME,
            purchase=member.purchase,
            volume=_volume(config),
            warm_pool=_seconds(config.get("KeepAlivePeriodInSeconds")) or timedelta(0),
        )


def _tuning_specs(raw: Raw, region: str) -> Iterator[JobSpec]:
    """One for each type that a definition may take: the dearest of them is the most that it can cost."""
    one = raw.get("TrainingJobDefinition")
    limits: Raw = (raw.get("HyperParameterTuningJobConfig") or {}).get("ResourceLimits") or {}
    for definition in raw.get("TrainingJobDefinitions") or ([one] if one else []):
        spot = bool(definition.get("EnableManagedSpotTraining"))
        stopping = definition.get("StoppingCondition") or {}
        for groups, volume in _machines_of_definition(definition):
            yield JobSpec(
                service=Service.TUNING,
                region=region,
                groups=groups,
                max_runtime=_seconds(stopping.get("MaxRuntimeInSeconds")) or DEFAULT_MAX_RUNTIME,
                purchase=PurchaseOption.SPOT if spot else PurchaseOption.ON_DEMAND,
                volume=volume,
                jobs=int(limits.get("MaxNumberOfTrainingJobs") or 1),
                parallel=int(limits.get("MaxParallelTrainingJobs") or 1),
                total_runtime=_seconds(limits.get("MaxRuntimeInSeconds")),
            )


def _machines_of_definition(definition: Raw) -> Iterator[tuple[tuple[InstanceGroup, ...], Volume | None]]:
    asked: Raw = definition.get("HyperParameterTuningResourceConfig") or {}
    for each in (*(asked.get("InstanceConfigs") or ()), asked):
        if each.get("InstanceType"):
            group = InstanceGroup(each["InstanceType"], int(each.get("InstanceCount") or 1))
            yield (group,), _volume({**asked, **each})
    config: Raw = definition.get("ResourceConfig") or {}
    if groups := _groups(job_capacity.capacity(config)):
        yield groups, _volume(config)


def _volume(config: Raw) -> Volume | None:
    gb = int(config.get("VolumeSizeInGB") or 0)
    return Volume(gb) if gb > 0 else None


def _groups(capacity: Iterable[tuple[str, int]]) -> tuple[InstanceGroup, ...]:
    return tuple(InstanceGroup(kind, count) for kind, count in capacity)


def _image(raw: Raw) -> str:
    definition: Raw = raw.get("TrainingJobDefinition") or next(iter(raw.get("TrainingJobDefinitions") or ()), {})
    algorithm: Raw = raw.get("AlgorithmSpecification") or definition.get("AlgorithmSpecification") or {}
    named = algorithm.get("TrainingImage") or algorithm.get("AlgorithmName")
    return str(named or (raw.get("AppSpecification") or {}).get("ImageUri") or "")


def _seconds(value: Any) -> timedelta | None:
    return timedelta(seconds=int(value)) if value else None
