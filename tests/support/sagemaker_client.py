"""As much of boto3's SageMaker client as the adapter reads with, over plain values: quick, for property tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from botocore.exceptions import ClientError

_WORDS: dict[str, tuple[str, str]] = {
    "training": ("TrainingJob", "training_job"),
    "processing": ("ProcessingJob", "processing_job"),
    "tuning": ("HyperParameterTuningJob", "hyper_parameter_tuning_job"),
    "automl": ("AutoMLJob", "auto_ml_job"),
}
_STARTS: dict[str, str] = {"training": "TrainingStartTime", "processing": "ProcessingStartTime"}


@dataclass
class StoredJob:
    """One job as SageMaker keeps it. `parents`: the ARNs that Describe names."""

    kind: str
    name: str
    created: datetime
    started: datetime | None
    instance_type: str
    tags: dict[str, str]
    status: str = "InProgress"
    phase: str = "Training"
    parents: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:sagemaker:us-east-1:111122223333:{self.kind}/{self.name}"


@dataclass
class StoredSageMaker:
    """`jobs` by kind and name; `calls` counts operations."""

    jobs: dict[tuple[str, str], StoredJob] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    _LISTS: ClassVar = {f"list_{method}s": kind for kind, (_, method) in _WORDS.items()}

    def get_paginator(self, name: str) -> _Pages:
        return _Pages(lambda **arguments: self._pages(name, arguments))

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        for kind, (word, each) in _WORDS.items():
            if method in (f"describe_{each}", f"describe_{each}_v2"):
                return lambda kind=kind, word=word, method=method, **named: self._describe(kind, word, method, named)
        raise AttributeError(method)

    def _pages(self, name: str, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        self.calls[name] += 1
        if name == "list_tags":
            found = next(job for job in self.jobs.values() if job.arn == arguments["ResourceArn"])
            yield {"Tags": [{"Key": key, "Value": value} for key, value in found.tags.items()]}
            return
        kind = self._LISTS[name]
        word = _WORDS[kind][0]
        yield {
            f"{word}Summaries": [
                {f"{word}Name": job.name, f"{word}Arn": job.arn, f"{word}Status": job.status,
                 "CreationTime": job.created, **({"SecondaryStatus": job.phase} if kind == "training" else {})}
                for job in self.jobs.values()
                if job.kind == kind and job.status == arguments["StatusEquals"]
            ]
        }  # fmt: skip

    def _describe(self, kind: str, word: str, method: str, named: dict[str, str]) -> dict[str, Any]:
        self.calls[method] += 1
        (name,) = named.values()
        job = self.jobs.get((kind, name))
        if job is None:
            raise ClientError({"Error": {"Code": "ResourceNotFound", "Message": "not found"}}, method)
        answer: dict[str, Any] = {
            f"{word}Name": name, f"{word}Arn": job.arn, f"{word}Status": job.status, "CreationTime": job.created,
            **job.parents,
        }  # fmt: skip
        machines = {"InstanceType": job.instance_type, "InstanceCount": 1}
        if kind == "training":
            answer |= {"SecondaryStatus": job.phase, "ResourceConfig": machines,
                       "StoppingCondition": {"MaxRuntimeInSeconds": 86_400}}  # fmt: skip
        if kind == "processing":
            answer["ProcessingResources"] = {"ClusterConfig": machines}
        if kind == "tuning":
            answer["TrainingJobDefinition"] = {"ResourceConfig": machines}
        if kind in _STARTS and job.started is not None:
            answer[_STARTS[kind]] = job.started
        return answer


@dataclass
class _Pages:
    pages: Callable[..., Iterator[dict[str, Any]]]

    def paginate(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        return self.pages(**arguments)
