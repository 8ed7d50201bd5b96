"""An account with one of everything a scan may meet, in the embedded AWS; ids and times are the same every time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from moto.moto_api._internal import mock_random
from moto.sagemaker.models import sagemaker_backends

from demo.embedded import EmbeddedAws
from demo.embedded.faults import Call
from demo.embedded.world import naive_utc

NOW: Final = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOME, GROUPS, POOR = "us-east-1", "eu-west-1", "ap-northeast-1"
DENIED, DISABLED, SILENT = "us-west-2", "me-central-1", "sa-east-1"
ASKED: Final = (HOME, GROUPS, POOR, DENIED, DISABLED, SILENT)
_ROLE = "arn:aws:iam::123456789012:role/ml"


def hours_ago(hours: float) -> datetime:
    """Aware UTC."""
    return NOW - timedelta(hours=hours)


def fill(aws: EmbeddedAws) -> None:
    """Seed the whole zoo."""
    mock_random.seed(20261122)
    _instances(aws)
    _groups(aws)
    _training(aws)
    _other_sagemaker(aws)
    _regions(aws)


def _instances(aws: EmbeddedAws) -> None:
    fleet = aws.fleet
    mine = {"Purpose": "ml-training", "owner": "maria@example.com", "team": "risk"}
    fleet.instance(name="churn-bert", tags=mine, spot="persistent", launched_at=hours_ago(20))
    fleet.instance(name="almost-over", type="g5.xlarge", tags=mine, launched_at=hours_ago(11.5))
    fleet.instance(name="fresh", type="p5.48xlarge", tags=mine, launched_at=hours_ago(1))
    fleet.instance(name="protected", type="p5.48xlarge", tags=mine, launched_at=hours_ago(30), protected=True)
    fleet.instance(name="never", type="g5.xlarge", tags={**mine, "costwatch:never": ""}, launched_at=hours_ago(40))
    # Stopped and started again: its age is that of its last start.
    fleet.instance(type="g5.xlarge", launched_at=hours_ago(72), first_launched_at=hours_ago(720))
    fleet.instance(
        name="long-run", type="g5.12xlarge", tags={**mine, "costwatch:max-runtime": "48h"}, launched_at=hours_ago(20)
    )
    fleet.instance(name="odd-tag", type="g5.xlarge", tags={**mine, "costwatch:max-runtime": "24"},
                   launched_at=hours_ago(20))  # fmt: skip
    fleet.instance(
        name="paper", type="g6.xlarge", tags={**mine, "costwatch:exempt": "paper deadline"}, launched_at=hours_ago(90)
    )
    fleet.instance(
        name="api", type="inf2.xlarge", tags={"Environment": "prod", "Owner": "web"}, launched_at=hours_ago(400)
    )
    for _ in range(4):
        fleet.instance(
            tags={"Purpose": "ml-training", "owner": "li@example.com", "costwatch:run": "llm-7b"},
            launched_at=hours_ago(16),
        )
    fleet.instance(name="reserved", type="p5.48xlarge", tags=mine, launched_at=hours_ago(200), capacity_block=True)
    fleet.instance(name="unpriced", type="trn2.48xlarge", tags={"Purpose": "research"}, launched_at=hours_ago(5))
    # Neither is an accelerator that runs.
    fleet.instance(name="web", type="m5.large", tags=mine, launched_at=hours_ago(900))
    gone = fleet.instance(name="gone", tags=mine, launched_at=hours_ago(9))
    fleet.end_instance(gone, hours_ago(1))
    asleep = fleet.instance(name="asleep", tags=mine, launched_at=hours_ago(9))
    aws.client("ec2").stop_instances(InstanceIds=[asleep])


def _groups(aws: EmbeddedAws) -> None:
    def several(count: int, tags: Mapping[str, str], instance_type: str, hours: float, **more: Any) -> None:
        for _ in range(count):
            aws.fleet.instance(type=instance_type, tags=tags, launched_at=hours_ago(hours), **more)

    in_group = {"region": GROUPS}
    several(12, {"aws:autoscaling:groupName": "trainers", "Purpose": "ml-training"}, "g5.xlarge", 30, **in_group)
    several(6, {"aws:autoscaling:groupName": "inference-chat"}, "g5.2xlarge", 700, **in_group)
    several(3, {"aws:ec2:fleet-id": "fleet-0a1b2c3d"}, "g4dn.xlarge", 3, spot="one-time", **in_group)
    several(3, {"eks:cluster-name": "ml", "Purpose": "ml-training"}, "g5.2xlarge", 50)
    several(1, {"aws:batch:compute-environment": "nightly"}, "g4dn.xlarge", 2)
    several(1, {"aws:elasticmapreduce:job-flow-id": "j-3ABC"}, "g4dn.xlarge", 4, **in_group)
    several(2, {"Purpose": "neuron"}, "trn1.32xlarge", 13, region=POOR)


def _training(aws: EmbeddedAws) -> None:
    fleet, account = aws.fleet, aws.account_id
    maria = {"owner": "maria@example.com", "team": "risk"}
    fleet.training_job("churn-bert-large", count=2, started_at=hours_ago(30), tags=maria, managed_spot=True)
    fleet.training_job("waiting-for-capacity", created_at=hours_ago(5), tags=maria)
    fleet.training_job("uploading", type="ml.g5.xlarge", started_at=hours_ago(14), secondary_status="Uploading")
    fleet.training_job(
        "mixed", instance_groups=[("ml.g5.xlarge", 2), ("ml.m5.xlarge", 4)], started_at=hours_ago(2), tags=maria
    )
    fleet.training_job("secret-describe", started_at=hours_ago(8), tags=maria)
    fleet.training_job("secret-tags", type="ml.g4dn.xlarge", started_at=hours_ago(8), tags=maria)
    fleet.training_job("ended", started_at=hours_ago(8), status="Completed")
    tuning = f"arn:aws:sagemaker:{HOME}:{account}:hyper-parameter-tuning-job/tune-churn"
    for number in range(3):
        fleet.training_job(
            f"tune-churn-{number}", type="ml.g5.xlarge", started_at=hours_ago(15 - number), tuning_job_arn=tuning
        )
    automl = f"arn:aws:sagemaker:{HOME}:{account}:automl-job/auto-demand"
    fleet.training_job("auto-demand-t1", type="ml.g5.xlarge", started_at=hours_ago(1), automl_job_arn=automl)
    refused = {"secret-describe"}
    aws.faults.fail("sagemaker", "DescribeTrainingJob", "AccessDeniedException", times=None,
                    when=lambda call: _value(call, "TrainingJobName") in refused)  # fmt: skip
    aws.faults.fail("sagemaker", "ListTags", "AccessDeniedException", times=None,
                    when=lambda call: _value(call, "ResourceArn").endswith("training-job/secret-tags"))  # fmt: skip


def _value(call: Call, key: str) -> str:
    return str(call.parameters.get(key, ""))


def _other_sagemaker(aws: EmbeddedAws) -> None:
    """moto's own objects: these jobs are born ended, and no API starts one in the past."""
    backend: Any = sagemaker_backends[aws.account_id][HOME]
    tags = [{"Key": "owner", "Value": "li@example.com"}]

    def processing(name: str, kind: str, count: int, hours: float | None, **more: Any) -> None:
        job = backend.create_processing_job(
            app_specification={"ImageUri": "image"}, experiment_config={}, network_config={}, processing_inputs=[],
            processing_job_name=name, processing_output_config={}, role_arn=_ROLE, tags=tags, stopping_condition={},
        )  # fmt: skip
        job.processing_job_status = "InProgress"
        job.processing_end_time = None
        job.creation_time = naive_utc(hours_ago(hours or 1))
        job.processing_start_time = naive_utc(hours_ago(hours)) if hours is not None else None
        job.processing_resources = {"ClusterConfig": {"InstanceType": kind, "InstanceCount": count}}
        for attribute, value in more.items():
            setattr(job, attribute, value)

    processing("features", "ml.g5.xlarge", 3, 15)
    processing("unpriced-features", "ml.p4d.24xlarge", 1, 2)
    processing("pending-features", "ml.g5.xlarge", 1, None)
    # moto spells the field by the attribute's words: AutoMLJobArn.
    arn = f"arn:aws:sagemaker:{HOME}:{aws.account_id}:automl-job/auto-demand"
    processing("auto-demand-p1", "ml.g5.xlarge", 1, 2, auto_m_l_job_arn=arn)

    def tuning(name: str, running: int) -> None:
        backend.create_hyper_parameter_tuning_job(
            name, {"Strategy": "Bayesian", "ResourceLimits": {}}, None, None, None, tags, None
        )
        job = backend.hyper_parameter_tuning_jobs[name]
        job.hyper_parameter_tuning_job_status = "InProgress"
        job.creation_time = naive_utc(hours_ago(16))
        job.training_job_status_counters["InProgress"] = running

    tuning("tune-churn", 3)
    tuning("tune-idle", 0)
    backend.create_auto_ml_job_v2(
        "auto-demand", [], {"S3OutputPath": "s3://out"},
        {"TabularJobConfig": {"ProblemType": "Regression", "TargetAttributeName": "y", "CompletionCriteria": {}}},
        _ROLE, tags, None, None, None, None,
    )  # fmt: skip
    automl = backend.auto_ml_jobs["auto-demand"]
    automl.auto_ml_job_status, automl.creation_time = "InProgress", naive_utc(hours_ago(3))
    automl.auto_ml_job_secondary_status = "ModelTuning"

    for name, status, hours in (("li-notebook", "InService", 300.0), ("old-notebook", "Stopped", 2000.0)):
        notebook = backend.create_notebook_instance(name, "ml.p3.2xlarge", _ROLE, tags=tags)
        notebook.instance_type, notebook.status = "ml.g5.xlarge", status
        notebook.creation_time = naive_utc(hours_ago(hours))

    backend.create_model("churn", _ROLE, {"Image": "image"}, [], {}, [])

    def endpoint(name: str, variant: dict[str, Any], kind: str = "") -> None:
        backend.create_endpoint_config(f"{name}-config", [variant], {}, {}, [], "")
        backend.create_endpoint(name, f"{name}-config", tags)
        backend.endpoints[name].creation_time = naive_utc(hours_ago(1000))
        if kind:  # moto's list of types is older than the types
            backend.endpoint_configs[f"{name}-config"].production_variants[0]["InstanceType"] = kind

    common = {"VariantName": "all", "ModelName": "churn", "InitialVariantWeight": 1.0}
    endpoint("churn-api", {**common, "InitialInstanceCount": 2, "InstanceType": "ml.g4dn.xlarge"}, "ml.g5.xlarge")
    endpoint("rarely", {**common, "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}})


def _regions(aws: EmbeddedAws) -> None:
    aws.faults.fail("sagemaker", None, "AccessDeniedException", times=None, region=POOR)
    aws.faults.fail("ec2", None, "UnauthorizedOperation", times=None, region=DENIED)
    aws.faults.fail("sagemaker", None, "AccessDeniedException", times=None, region=DENIED)
    aws.faults.region_down(SILENT)
