"""What EC2 and SageMaker would tell EventBridge: every change of state in the embedded AWS, as the service's event."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.ec2.models import ec2_backends
from moto.sagemaker.models import sagemaker_backends

from costwatch import names
from costwatch.core import times
from demo.embedded import EmbeddedAws, sagemaker_families, sagemaker_like_aws
from demo.embedded.dispatch import turn

Event = dict[str, Any]


_JOBS = {
    "training-job": ("TrainingJob", names.DETAIL_TRAINING_STATE),
    "processing-job": ("ProcessingJob", names.DETAIL_PROCESSING_STATE),
    "hyper-parameter-tuning-job": ("HyperParameterTuningJob", names.DETAIL_TUNING_STATE),
}

_TOLD_OF_PACKAGES = (
    "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "InferenceSpecification", "ModelPackageStatus",
    "ModelPackageStatusDetails", "CertifyForMarketplace", "ModelApprovalStatus", "MetadataProperties", "ModelMetrics",
)  # fmt: skip


class StateEvents:
    """Looks at the world each time it is asked. What the world does between two looks is one change, not several."""

    def __init__(self, aws: EmbeddedAws, clock: Callable[[], datetime]) -> None:
        self._aws = aws
        self._clock = clock
        self._before: dict[str, str] = {}

    def take(self) -> list[Event]:
        """The events of all changes since the last call; new instances and jobs are changes, too."""
        now = {**self._instances(), **self._jobs(), **self._packages()}
        events = [self._event(arn, state) for arn, state in now.items() if self._before.get(arn) != state]
        self._before = now
        return events

    def _instances(self) -> dict[str, str]:
        prefix = f"arn:aws:ec2:{self._aws.region}:{self._aws.account_id}:instance/"
        with turn("ec2"):
            backend: Any = ec2_backends[self._aws.account_id][self._aws.region]
            return {prefix + each.id: each.state for group in backend.all_reservations() for each in group.instances}

    def _jobs(self) -> dict[str, str]:
        with turn("sagemaker"):
            backend: Any = sagemaker_backends[self._aws.account_id][self._aws.region]
            jobs = [sagemaker_like_aws.find(backend, name) for name in list(backend.training_jobs)]
            families = (sagemaker_families.TUNING, sagemaker_families.PROCESSING)
            others = [
                (family, sagemaker_families.find(backend, family, str(getattr(job, family.name))))
                for family in families
                for job in family.all(backend)
            ]
            return {
                **{str(job.arn): job.training_job_status for job in jobs},
                **{str(job.arn): family.get(job) for family, job in others},
            }

    def _packages(self) -> dict[str, str]:
        with turn("sagemaker"):
            backend: Any = sagemaker_backends[self._aws.account_id][self._aws.region]
            return {
                str(arn): f"{each.model_package_status} {each.model_approval_status}"
                for arn, each in backend.model_packages.items()
            }

    def _event(self, arn: str, state: str) -> Event:
        if ":model-package/" in arn:
            return package_event(self._aws, arn, at=self._clock())
        name = arn.rpartition("/")[2]
        if ":instance/" in arn:
            source, detail_type = names.SOURCE_EC2, names.DETAIL_EC2_STATE
            detail: dict[str, Any] = {"instance-id": name, "state": state}
        else:
            word, detail_type = next(each for kind, each in _JOBS.items() if f":{kind}/" in arn)
            source = names.SOURCE_SAGEMAKER
            detail = {f"{word}Name": name, f"{word}Arn": arn, f"{word}Status": state}
            if word == "TrainingJob" and state == "Completed":
                detail["ModelArtifacts"] = {"S3ModelArtifacts": self._aws.models.artifact(name)}
        return event(self._aws, source, detail_type, detail, at=self._clock(), resources=[arn])


def package_event(aws: EmbeddedAws, arn: str, *, at: datetime) -> Event:
    """What SageMaker tells of a version as it is now. AWS's sample of it names neither CustomerMetadataProperties nor
    who changed the version: whoever asks what came of it has to describe it."""
    region = arn.split(":")[3]
    with turn("sagemaker"):
        backend: Any = sagemaker_backends[aws.account_id][region]
        raw = backend.describe_model_package(arn).gen_response_object()
    told = {key: raw[key] for key in _TOLD_OF_PACKAGES if key in raw}
    # moto keeps UTC without a zone
    told |= {
        key: times.to_key(raw[key].replace(tzinfo=UTC)) for key in ("CreationTime", "LastModifiedTime") if key in raw
    }
    found = event(aws, names.SOURCE_SAGEMAKER, names.DETAIL_PACKAGE_STATE, told, at=at, resources=[arn])
    return {**found, "region": region}


def event(
    aws: EmbeddedAws, source: str, detail_type: str, detail: dict[str, Any], *, at: datetime, resources: list[str]
) -> Event:
    """EventBridge's envelope around `detail`. `at` is aware; the envelope is in UTC."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": aws.account_id,
        "time": times.to_key(at),
        "region": aws.region,
        "resources": resources,
        "detail": detail,
    }
