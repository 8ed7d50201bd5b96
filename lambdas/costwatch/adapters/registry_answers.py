"""SageMaker's answers about versions of models, steps of pipelines and what jobs left behind. Pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from costwatch.adapters.sagemaker_members import utc
from costwatch.core.known_jobs import JobKey
from costwatch.core.packages import ApprovalStatus, ModelPackage, TrainedJob
from costwatch.core.policy import Service
from costwatch.errors import PermanentAwsError

Raw = Mapping[str, Any]

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_JOBS: Final = (
    ("TrainingJob", "Arn", Service.TRAINING),
    ("ProcessingJob", "Arn", Service.PROCESSING),
    ("TuningJob", "Arn", Service.TUNING),
    ("AutoMLJob", "Arn", Service.AUTOML),
    ("QualityCheck", "CheckJobArn", Service.PROCESSING),
    ("ClarifyCheck", "CheckJobArn", Service.PROCESSING),
)


def version(raw: Raw) -> int:
    """Of a package's summary or description; 0 where it is not a version in a group."""
    return int(raw.get("ModelPackageVersion") or 0)


def package(raw: Raw) -> ModelPackage | None:
    """None: it is not a version in a group, so nothing serves that it could be better than.

    Raises PermanentAwsError for an approval status that is none of the three.
    """
    if not raw.get("ModelPackageGroupName") or not version(raw):
        return None
    arn = str(raw["ModelPackageArn"])
    _, _, _, region, account, _ = arn.split(":", 5)
    return ModelPackage(
        arn=arn,
        account=account,
        region=region,
        group=str(raw["ModelPackageGroupName"]),
        version=version(raw),
        status=str(raw.get("ModelPackageStatus", "")),
        approval=_approval(raw, arn),
        created_at=utc(raw["CreationTime"]) or _LONG_AGO,
        modified_at=utc(raw.get("LastModifiedTime")),
        modified_by=_who(raw.get("LastModifiedBy") or {}),
        artifacts=tuple(dict.fromkeys(_artifacts(raw.get("InferenceSpecification") or {}))),
        metadata=dict(raw.get("CustomerMetadataProperties") or {}),
        generated_by=_execution(raw.get("MetadataProperties") or {}),
        statistics_uri=_statistics(raw),
        approval_description=str(raw.get("ApprovalDescription", "")),
    )


def trained(raw: Raw) -> TrainedJob:
    """Of each metric the newest value, and of each channel the S3 URI."""
    newest: dict[str, tuple[datetime, str]] = {}
    for each in raw.get("FinalMetricDataList") or []:
        name, at = str(each["MetricName"]), utc(each.get("Timestamp")) or _LONG_AGO
        if name not in newest or at >= newest[name][0]:
            newest[name] = at, metric_text(each["Value"])
    sources = {
        str(channel["ChannelName"]): str(source["S3Uri"])
        for channel in raw.get("InputDataConfig") or []
        if (source := (channel.get("DataSource") or {}).get("S3DataSource")) and source.get("S3Uri")
    }
    return TrainedJob(
        name=str(raw["TrainingJobName"]),
        artifact=str((raw.get("ModelArtifacts") or {}).get("S3ModelArtifacts", "")),
        final_metrics={name: text for name, (_, text) in newest.items()},
        channels=sources,
        began_at=utc(raw.get("TrainingStartTime") or raw.get("CreationTime")),
    )


def job_of(step: Raw) -> JobKey | None:
    """The job that a step of a pipeline execution ran; None: none that is priced, or none yet."""
    told: Raw = step.get("Metadata") or {}
    for kind, key, service in _JOBS:
        if arn := (told.get(kind) or {}).get(key):
            return service, str(arn).rpartition("/")[2]
    return None


def metric_text(value: float) -> str:
    """SageMaker keeps metrics in 32 bits and answers with more digits: 0.914 comes as 0.9139999747276306.

    The shortest text that means the same 32 bits; any other number as it is.
    """
    number = float(value)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else f"{'-' if number < 0 else ''}Infinity"
    try:
        single = struct.pack("f", number)
        if struct.unpack("f", single)[0] == number:
            texts = (f"{number:.{digits}g}" for digits in range(6, 10))
            return next(text for text in texts if struct.pack("f", float(text)) == single)
    except OverflowError:  # more than 32 bits can hold
        pass
    return repr(number)


def _approval(raw: Raw, arn: str) -> ApprovalStatus:
    said = raw.get("ModelApprovalStatus", "")
    try:
        return ApprovalStatus(said)
    except ValueError:
        known = ", ".join(ApprovalStatus)
        raise PermanentAwsError(f"ModelApprovalStatus of {arn} is {said!r}, expected one of {known}") from None


def _who(context: Raw) -> str:
    return str(context.get("UserProfileArn") or (context.get("IamIdentity") or {}).get("Arn") or "")


def _artifacts(specification: Raw) -> Iterator[str]:
    for container in specification.get("Containers") or []:
        source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
        yield from (str(each) for each in (container.get("ModelDataUrl"), source.get("S3Uri")) if each)


def _execution(properties: Raw) -> str:
    """Anybody may write anything into GeneratedBy; SageMaker Pipelines writes its execution's ARN."""
    said = str(properties.get("GeneratedBy") or "")
    return said if ":pipeline/" in said and "/execution/" in said else ""


def _statistics(raw: Raw) -> str:
    quality: Raw = (raw.get("ModelMetrics") or {}).get("ModelQuality") or {}
    return str((quality.get("Statistics") or {}).get("S3Uri") or "")
