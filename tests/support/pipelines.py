"""A pipeline that asks the gate before it trains, started in the embedded AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from demo.embedded import EmbeddedAws

QUEUE: Final = "costwatch-gate"
ROLE: Final = "arn:aws:iam::123456789012:role/pipeline"
OUTPUTS: Final = {"approval_id": "String", "max_runtime_seconds": "Integer"}
TRAINING: Final[Mapping[str, Any]] = {
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 2, "VolumeSizeInGB": 100},
    "RoleArn": ROLE,
}
ARGUMENTS: Final[Mapping[str, Any]] = {
    "instance_type": "ml.p4d.24xlarge",
    "instance_count": 2,
    "max_runtime_seconds": 86400,
}


def make_queue(aws: EmbeddedAws, name: str = QUEUE) -> str:
    return str(aws.client("sqs").create_queue(QueueName=name)["QueueUrl"])


def definition(queue_url: str, arguments: Mapping[str, Any] = ARGUMENTS, *, train: bool = True) -> dict[str, Any]:
    """`Ask` puts `arguments` into the queue; `Train` runs for as long as the answer grants."""
    ask = {
        "Name": "Ask",
        "Type": "Callback",
        "SqsQueueUrl": queue_url,
        "Arguments": dict(arguments),
        "OutputParameters": [{"OutputName": name, "OutputType": kind} for name, kind in OUTPUTS.items()],
    }
    granted = {"Get": "Steps.Ask.OutputParameters['max_runtime_seconds']"}
    body = {**TRAINING, "StoppingCondition": {"MaxRuntimeInSeconds": granted}}
    steps = [ask, {"Name": "Train", "Type": "Training", "Arguments": body}] if train else [ask]
    return {"Version": "2020-12-01", "Parameters": [], "Steps": steps}


def start(aws: EmbeddedAws, body: Mapping[str, Any], name: str = "churn", **parameters: str) -> str:
    """ARN of the execution; the pipeline is made where there is none by that name."""
    sagemaker = aws.client("sagemaker")
    known = [each["PipelineName"] for each in sagemaker.list_pipelines()["PipelineSummaries"]]
    if name not in known:
        sagemaker.create_pipeline(
            PipelineName=name,
            PipelineDefinition=json.dumps(body),
            ClientRequestToken="r" * 32,
            RoleArn=ROLE,
        )
    given = [{"Name": key, "Value": value} for key, value in parameters.items()]
    answer = sagemaker.start_pipeline_execution(
        PipelineName=name, ClientRequestToken="s" * 32, PipelineParameters=given
    )
    return str(answer["PipelineExecutionArn"])


def messages(aws: EmbeddedAws, queue_url: str) -> list[dict[str, Any]]:
    """What waits in the queue, taken out of it."""
    sqs, found = aws.client("sqs"), []
    while raws := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        for raw in raws:
            found.append(json.loads(raw["Body"]))
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=raw["ReceiptHandle"])
    return found


def status(aws: EmbeddedAws, execution: str) -> str:
    answer = aws.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=execution)
    return str(answer["PipelineExecutionStatus"])


def steps(aws: EmbeddedAws, execution: str) -> dict[str, dict[str, Any]]:
    answer = aws.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=execution)
    return {step["StepName"]: step for step in answer["PipelineExecutionSteps"]}


def job_of(aws: EmbeddedAws, execution: str) -> dict[str, Any]:
    """The training job that the execution's step `Train` runs."""
    arn = steps(aws, execution)["Train"]["Metadata"]["TrainingJob"]["Arn"]
    found: dict[str, Any] = aws.client("sagemaker").describe_training_job(TrainingJobName=arn.rpartition("/")[2])
    return found
