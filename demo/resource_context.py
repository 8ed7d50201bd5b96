"""The condition keys of a resource at this moment: its tags, type and market.

Read from moto's own objects where moto runs in this process, so that looking does not add a call, meet an injected
fault or shift the count of the calls under test; from the API of the endpoint otherwise.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from demo.iam_questions import (
    AUTOML_JOB,
    GROUP,
    INSTANCE,
    JOBS,
    PROCESSING_JOB,
    SPOT_REQUEST,
    TRAINING_JOB,
    TUNING_JOB,
    Context,
)

_MARKETS = {"spot": "spot", "capacity-block": "capacity-block"}

_KEPT = {
    TRAINING_JOB: "training_jobs",
    PROCESSING_JOB: "processing_jobs",
    TUNING_JOB: "hyper_parameter_tuning_jobs",
    AUTOML_JOB: "auto_ml_jobs",
}
_DESCRIBED = {
    TRAINING_JOB: ("describe_training_job", "TrainingJobName", "TrainingJobArn"),
    PROCESSING_JOB: ("describe_processing_job", "ProcessingJobName", "ProcessingJobArn"),
    TUNING_JOB: ("describe_hyper_parameter_tuning_job", "HyperParameterTuningJobName", "HyperParameterTuningJobArn"),
    AUTOML_JOB: ("describe_auto_ml_job_v2", "AutoMLJobName", "AutoMLJobArn"),
}
_NOT_THERE = frozenset(
    {"InvalidInstanceID.NotFound", "InvalidSpotInstanceRequestID.NotFound", "ResourceNotFound", "ValidationException"}
)


def describe(kind: str, account: str, region: str, name: str) -> Context | None:
    """Condition keys of one resource; None when it does not exist. Raises ValueError for another kind."""
    if kind not in (GROUP, INSTANCE, SPOT_REQUEST, *JOBS):
        raise ValueError(f"no condition keys are known for {kind}")
    if "moto.backends" in sys.modules:
        found = _from_moto(kind, account, region, name)
        if found is not None:
            return found
    return _from_endpoint(kind, region, name) if os.environ.get("AWS_ENDPOINT_URL") else None


def _from_moto(kind: str, account: str, region: str, name: str) -> Context | None:
    from moto.backends import get_backend  # noqa: PLC0415 -- moto must not be loaded just because the recorder is

    if kind in JOBS:
        job = getattr(get_backend("sagemaker")[account][region], _KEPT[kind]).get(name)
        return None if job is None else _sagemaker(job.tags)
    if kind == GROUP:
        groups = get_backend("autoscaling")[account][region].__dict__.get("costwatch_groups", {})
        return _group(groups[name].tags) if name in groups else None
    backend = get_backend("ec2")[account][region]
    if kind == INSTANCE:
        instance = backend.get_instance_by_id(name)
        if instance is None:
            return None
        return _instance(_moto_tags(instance), instance.instance_type, instance.lifecycle, region, name)
    request = backend.spot_instance_requests.get(name)
    return None if request is None else _ec2(_moto_tags(request), region)


def _from_endpoint(kind: str, region: str, name: str) -> Context | None:
    import boto3  # noqa: PLC0415 -- only subprocesses that talk to a server come here
    from botocore.exceptions import ClientError  # noqa: PLC0415 -- the same

    session = boto3.Session(region_name=region)
    try:
        if kind in JOBS:
            sagemaker = session.client("sagemaker")
            method, parameter, arn = _DESCRIBED[kind]
            found = getattr(sagemaker, method)(**{parameter: name})[arn]
            return _sagemaker(sagemaker.list_tags(ResourceArn=found)["Tags"])
        if kind == GROUP:
            named = session.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
            return next((_group(_pairs(each["Tags"])) for each in named["AutoScalingGroups"]), None)
        ec2 = session.client("ec2")
        if kind == SPOT_REQUEST:
            answer = ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[name])
            return _ec2(_pairs(answer["SpotInstanceRequests"][0].get("Tags", ())), region)
        instance = ec2.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] in _NOT_THERE:
            return None
        raise
    lifecycle = instance.get("InstanceLifecycle")
    return _instance(_pairs(instance.get("Tags", ())), instance["InstanceType"], lifecycle, region, name)


def _instance(tags: Mapping[str, str], instance_type: str, lifecycle: str | None, region: str, name: str) -> Context:
    return {
        **_ec2(tags, region),
        "ec2:InstanceID": name,
        "ec2:InstanceType": instance_type,
        "ec2:InstanceMarketType": _MARKETS.get(lifecycle or "", "on-demand"),
    }


def _ec2(tags: Mapping[str, str], region: str) -> Context:
    own = {f"ec2:ResourceTag/{key}": value for key, value in tags.items()}
    return {"ec2:Region": region, **{f"aws:ResourceTag/{key}": value for key, value in tags.items()}, **own}


def _group(tags: Mapping[str, str]) -> Context:
    own = {f"autoscaling:ResourceTag/{key}": value for key, value in tags.items()}
    return {**{f"aws:ResourceTag/{key}": value for key, value in tags.items()}, **own}


def _sagemaker(tags: Any) -> Context:
    pairs = _pairs(tags)
    own = {f"sagemaker:ResourceTag/{key}": value for key, value in pairs.items()}
    return {**{f"aws:ResourceTag/{key}": value for key, value in pairs.items()}, **own}


def _moto_tags(resource: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in resource.get_tags()}


def _pairs(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
