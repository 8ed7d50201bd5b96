"""Pipelines that ask before they train, as the guide has them, and how their executions stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from demo.embedded import EmbeddedAws

INSTANCE_TYPE: Final = "ml.p4d.24xlarge"
INSTANCES: Final = 8
MAX_RUNTIME_SECONDS: Final = 86400
_ROLE: Final = "arn:aws:iam::{account}:role/pipeline"


def start(aws: EmbeddedAws, queue_url: str, pipeline: str, *, owner: str) -> None:
    """Make a pipeline whose job is called as it is, and start it: it wants 8 x ml.p4d.24xlarge for at most 24 h."""
    sagemaker = aws.client("sagemaker")
    role = _ROLE.format(account=aws.account_id)
    sagemaker.create_pipeline(
        PipelineName=pipeline,
        PipelineDefinition=json.dumps(_definition(queue_url, pipeline, owner, role)),
        ClientRequestToken=f"create-{pipeline}".ljust(32, "-"),
        RoleArn=role,
    )
    sagemaker.start_pipeline_execution(
        PipelineName=pipeline, ClientRequestToken=f"start-{pipeline}".ljust(32, "-"), PipelineParameters=[]
    )


def _definition(queue_url: str, pipeline: str, owner: str, role: str) -> dict[str, Any]:
    figures = {"instance_type": INSTANCE_TYPE, "instance_count": INSTANCES, "volume_gb": 100}
    ask = {
        "Name": "Ask",
        "Type": "Callback",
        "SqsQueueUrl": queue_url,
        "Arguments": {
            **figures,
            "name": pipeline,
            "team": "risk",
            "owner": owner,
            "max_runtime_seconds": MAX_RUNTIME_SECONDS,
            "expected_runtime": "14h",
        },
        "OutputParameters": [{"OutputName": "max_runtime_seconds", "OutputType": "Integer"}],
    }
    granted = {"Get": "Steps.Ask.OutputParameters['max_runtime_seconds']"}
    train = {
        "Name": "Train",
        "Type": "Training",
        "Arguments": {
            "AlgorithmSpecification": {"TrainingImage": "llm:1", "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": "s3://llm/out"},
            "ResourceConfig": {"InstanceType": INSTANCE_TYPE, "InstanceCount": INSTANCES, "VolumeSizeInGB": 100},
            "RoleArn": role,
            "StoppingCondition": {"MaxRuntimeInSeconds": granted},
            "Tags": [
                {"Key": "team", "Value": "risk"},
                {"Key": "Purpose", "Value": "pretraining"},
                {"Key": "owner", "Value": owner},
            ],
        },
    }
    return {"Version": "2020-12-01", "Parameters": [], "Steps": [ask, train]}


def executions(aws: EmbeddedAws) -> dict[str, dict[str, Any]]:
    """By pipeline, its newest execution: its status, why it failed, and for how long its job may run."""
    sagemaker = aws.client("sagemaker")
    found: dict[str, dict[str, Any]] = {}
    for page in sagemaker.get_paginator("list_pipelines").paginate():
        for pipeline in page["PipelineSummaries"]:
            name = pipeline["PipelineName"]
            listed = sagemaker.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"]
            for execution in listed[:1]:
                found[name] = _execution(aws, execution["PipelineExecutionArn"])
    return found


def _execution(aws: EmbeddedAws, arn: str) -> dict[str, Any]:
    sagemaker = aws.client("sagemaker")
    status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
    answer = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)
    steps: Mapping[str, Any] = {step["StepName"]: step for step in answer["PipelineExecutionSteps"]}
    job = steps.get("Train", {}).get("Metadata", {}).get("TrainingJob", {}).get("Arn", "")
    described = sagemaker.describe_training_job(TrainingJobName=job.rpartition("/")[2]) if job else {}
    return {
        "status": str(status),
        "failure": str(steps.get("Ask", {}).get("FailureReason", "")),
        "max_runtime_seconds": described.get("StoppingCondition", {}).get("MaxRuntimeInSeconds"),
    }
