"""SageMaker, JSON protocol: training jobs with their tags; no tuning, processing or AutoML job runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from bench.endpoint.errors import Refused
from bench.endpoint.fleet import ACCOUNT, REGION, Fleet, Job

MOST_RESULTS: Final = 100
USUAL_RESULTS: Final = 10
"""What SageMaker lists where nothing is said."""

_ARN: Final = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/"
_EMPTY: Final = {
    "ListHyperParameterTuningJobs": "HyperParameterTuningJobSummaries",
    "ListProcessingJobs": "ProcessingJobSummaries",
    "ListAutoMLJobs": "AutoMLJobSummaries",
    "ListNotebookInstances": "NotebookInstances",
    "ListEndpoints": "Endpoints",
}


class SageMaker:
    """One region. Every training job is in progress."""

    def __init__(self, fleet: Fleet) -> None:
        self._jobs = fleet.jobs
        self._in_order = list(fleet.jobs.values())
        self._operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "ListTrainingJobs": self._list,
            "DescribeTrainingJob": self._describe,
            "ListTags": self._tags,
            **{name: partial(_nothing, field) for name, field in _EMPTY.items()},
        }

    def answer(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Raises Refused."""
        if operation not in self._operations:
            raise Refused("UnknownOperationException", f"{operation} is not known here")
        return self._operations[operation](body)

    def _list(self, body: Mapping[str, Any]) -> dict[str, Any]:
        most = body.get("MaxResults", USUAL_RESULTS)
        if not 1 <= most <= MOST_RESULTS:
            raise Refused("ValidationException", f"MaxResults: {most} is not between 1 and {MOST_RESULTS}")
        if body.get("StatusEquals", "InProgress") != "InProgress":
            return {"TrainingJobSummaries": []}
        start = int(body.get("NextToken", "0"))
        # The latest first, as SageMaker does unless it is asked otherwise.
        found = self._in_order[::-1][start : start + most]
        answer: dict[str, Any] = {"TrainingJobSummaries": [_summary(job) for job in found]}
        if start + most < len(self._in_order):
            answer["NextToken"] = str(start + most)
        return answer

    def _describe(self, body: Mapping[str, Any]) -> dict[str, Any]:
        job = self._jobs.get(body["TrainingJobName"])
        if job is None:
            raise Refused("ValidationException", "Requested resource not found.")
        return {
            **_summary(job),
            "SecondaryStatus": "Training",
            "TrainingStartTime": _seconds(job.started),
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/sagemaker-trainer",
            "AlgorithmSpecification": {
                "TrainingImage": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/trainer:2026-11",
                "TrainingInputMode": "FastFile",
                "EnableSageMakerMetricsTimeSeries": False,
            },
            "ResourceConfig": {"InstanceType": job.type, "InstanceCount": 1, "VolumeSizeInGB": 500},
            "StoppingCondition": {"MaxRuntimeInSeconds": 432_000},
            "HyperParameters": {f"parameter-{n}": str(n) for n in range(20)},
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/{job.name}/"}},
                }
            ],
            "OutputDataConfig": {"S3OutputPath": "s3://models/"},
            "SecondaryStatusTransitions": [
                {
                    "Status": "Training",
                    "StartTime": _seconds(job.started),
                    "StatusMessage": "Training image download completed. Training in progress.",
                }
            ],
            "EnableNetworkIsolation": False,
            "EnableInterContainerTrafficEncryption": False,
            "EnableManagedSpotTraining": False,
        }

    def _tags(self, body: Mapping[str, Any]) -> dict[str, Any]:
        job = self._jobs.get(str(body["ResourceArn"]).removeprefix(_ARN))
        if job is None:
            raise Refused("ValidationException", "Requested resource not found.")
        return {"Tags": [{"Key": key, "Value": value} for key, value in job.tags.items()]}


def _nothing(field: str, body: Mapping[str, Any]) -> dict[str, Any]:
    del body
    return {field: []}


def _summary(job: Job) -> dict[str, Any]:
    return {
        "TrainingJobName": job.name,
        "TrainingJobArn": f"{_ARN}{job.name}",
        "CreationTime": _seconds(job.created),
        "LastModifiedTime": _seconds(job.started),
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Training",
    }


def _seconds(moment: datetime) -> float:
    """Epoch seconds, as JSON protocols write times."""
    return moment.timestamp()
