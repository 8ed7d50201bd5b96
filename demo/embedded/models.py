"""Puts models into the embedded AWS: versions in the registry, what was measured of them, and what trained them.

As `Fleet`, it writes moto's objects directly: nothing here passes the API, so no fault strikes and no role is asked.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.sagemaker.models import sagemaker_backends

from demo.embedded import registry_like_aws, sagemaker_like_aws
from demo.embedded.dispatch import turn
from demo.embedded.world import World, current, naive_now, naive_utc

DATA_SCIENTIST: Final = "arn:aws:sts::{account}:assumed-role/data-scientists/maria"
_IMAGE: Final = "763104351884.dkr.ecr.{region}.amazonaws.com/pytorch-inference:2.5-cpu-py311"


class Models:
    """Seeds one account. Needs an installed world (`EmbeddedAws`, or `install` under mock_aws)."""

    def __init__(self, world: World | None = None, *, account_id: str = DEFAULT_ACCOUNT_ID, region: str = "us-east-1"):
        self._world = world or current()
        self._account = account_id
        self._region = region

    # --- S3 ---------------------------------------------------------------------------------------------------

    def put(self, uri: str, body: object, *, at: datetime | None = None) -> str:
        """Write an object (bytes, or anything as JSON) into a bucket that is made on first use; returns its ETag.

        It was written at that time, now unless given.
        """
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        backend: Any = s3_backends[self._account]["aws"]
        if bucket not in backend.buckets:
            backend.create_bucket(bucket, self._region)
        value = body if isinstance(body, bytes) else json.dumps(body).encode()
        written = backend.put_object(bucket, key, value)
        written.last_modified = naive_utc(at) if at is not None else naive_now()
        return str(written.etag).strip('"')

    # --- training jobs -----------------------------------------------------------------------------------------

    def measured(self, job: str, metrics: Mapping[str, float], *, at: datetime | None = None, **where: str) -> None:
        """Values that a training job's log told at that time (now unless given), besides those it told before.

        SageMaker keeps 32 bits of each.
        """
        moment = naive_utc(at) if at is not None else naive_now()
        with turn("sagemaker"):
            found = self._job(job, **where)
            told = [
                {"MetricName": name, "Value": _single(value), "Timestamp": moment} for name, value in metrics.items()
            ]
            found.final_metric_data_list = [*(found.final_metric_data_list or []), *told]

    def read_from(self, job: str, channels: Mapping[str, str], **where: str) -> None:
        """A training job's input channels, by name their S3 prefix."""
        with turn("sagemaker"):
            self._job(job, **where).input_data_config = [
                {
                    "ChannelName": name,
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
                }
                for name, uri in channels.items()
            ]

    def artifact(self, job: str, **where: str) -> str:
        """The S3 path of what a training job leaves behind, known before it is over."""
        return str(self._job(job, **where).model_artifacts["S3ModelArtifacts"])

    def _job(self, name: str, region: str | None = None) -> Any:
        return sagemaker_like_aws.find(sagemaker_backends[self._account][region or self._region], name)

    # --- the registry ------------------------------------------------------------------------------------------

    def group(self, name: str, *, region: str | None = None) -> None:
        """A model package group; nothing where it is there."""
        backend: Any = sagemaker_backends[self._account][region or self._region]
        with turn("sagemaker"):
            if name not in backend.model_package_groups:
                backend.create_model_package_group(name, "")

    def register(
        self,
        group: str,
        *,
        job: str = "",
        artifact: str = "",
        approval: str = "PendingManualApproval",
        statistics_uri: str = "",
        metadata: Mapping[str, str] | None = None,
        generated_by: str = "",
        created_at: datetime | None = None,
        region: str | None = None,
        status: str = "Completed",
    ) -> str:
        """A new version in a group that is made on first use; returns its ARN.

        Of a training job's artifact, or of any S3 path. `statistics_uri`: the JSON of its ModelQuality.
        """
        region = region or self._region
        self.group(group, region=region)
        made_of = artifact or (self.artifact(job, region=region) if job else f"s3://models-{self._account}/{group}")
        container = {"Image": _IMAGE.format(region=region), "ModelDataUrl": made_of}
        statistics = {"ContentType": "application/json", "S3Uri": statistics_uri}
        backend: Any = sagemaker_backends[self._account][region]
        with turn("sagemaker"), self._world.at(created_at or self._world.clock()):
            arn = backend.create_model_package(
                model_package_name=None,
                model_package_group_name=group,
                model_package_description=None,
                inference_specification={"Containers": [container], "SupportedContentTypes": ["text/csv"]},
                validation_specification=None,
                source_algorithm_specification=None,
                certify_for_marketplace=False,
                tags=None,
                model_approval_status=approval,
                metadata_properties={"GeneratedBy": generated_by} if generated_by else None,
                model_metrics={"ModelQuality": {"Statistics": statistics}} if statistics_uri else None,
                client_token=None,
                customer_metadata_properties=dict(metadata) if metadata else None,
                drift_check_baselines=None,
                domain=None,
                task=None,
                sample_payload_url=None,
                additional_inference_specifications=None,
            )
            backend.model_packages[arn].model_package_status = status
        return str(arn)

    def decide(
        self,
        arn: str,
        status: str,
        *,
        by: str = DATA_SCIENTIST,
        description: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """A person, by ARN, approves or rejects a version, at that time (now unless given)."""
        with turn("sagemaker"), self._world.at(at or self._world.clock()):
            registry_like_aws.update(
                self._package(arn), status=status, description=description, by=by.format(account=self._account)
            )

    def delete(self, arn: str) -> None:
        """Somebody deleted a version."""
        with turn("sagemaker"):
            backend: Any = sagemaker_backends[self._account][arn.split(":")[3]]
            del backend.model_packages[arn], backend.model_package_name_mapping[arn]

    def _package(self, arn: str) -> Any:
        backend: Any = sagemaker_backends[self._account][arn.split(":")[3]]
        return backend.describe_model_package(arn)


def _single(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])
