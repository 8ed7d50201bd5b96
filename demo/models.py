"""A model that is retrained again and again: its jobs, what was measured of them, and its versions in the registry."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from demo.cast import PRIYA
from demo.embedded import EmbeddedAws

MODEL: Final = "ctr-ranker"
"""Also its model package group."""
_BUCKET: Final = "s3://ctr-ranker"
_TEST_SET: Final = f"{_BUCKET}/test/2026-11-01.csv"
"""All of them are measured on the same one."""
_STANDARD_ERROR: Final = "0.0004"
"""Of each model's AUC on it."""


def name(version: int) -> str:
    """As cards and the ledger have it."""
    return f"{MODEL} v{version}"


def train(aws: EmbeddedAws, version: int, *, kind: str, count: int, started_at: datetime) -> str:
    """A training job of the model; it is called like the version that it makes."""
    job = f"{MODEL}-{version}"
    tags = {"model": MODEL, "owner": PRIYA, "team": "risk"}
    aws.fleet.training_job(job, type=kind, count=count, started_at=started_at, tags=tags)
    return job


def register(aws: EmbeddedAws, version: int, job: str, auc: str, *, approval: str = "PendingManualApproval") -> str:
    """What the pipeline does at its end: measure the model on the test set, and register it. Returns its ARN."""
    report = {"binary_classification_metrics": {"auc": {"value": float(auc), "standard_error": float(_STANDARD_ERROR)}}}
    uri = f"{_BUCKET}/evaluation/{version}.json"
    aws.models.put(uri, report)
    etag = aws.models.put(_TEST_SET, b"the same rows each time")
    return aws.models.register(
        MODEL,
        job=job,
        statistics_uri=uri,
        approval=approval,
        metadata={"costwatch:evaluation-data": _TEST_SET, "costwatch:evaluation-etag": etag},
    )


def first(aws: EmbeddedAws, now: datetime) -> None:
    """The version that serves when the story begins: of three weeks ago, approved by a person."""
    began = now - timedelta(days=21)
    job = train(aws, 1, kind="ml.g5.12xlarge", count=2, started_at=began)
    aws.fleet.finish_job(job, began + timedelta(hours=5))
    register(aws, 1, job, "0.912", approval="Approved")


def statuses(aws: EmbeddedAws) -> dict[str, str]:
    """How each version stands in the registry now."""
    client = aws.client("sagemaker")
    pages = client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=MODEL)
    listed = [each for page in pages for each in page["ModelPackageSummaryList"]]
    return {name(each["ModelPackageVersion"]): each["ModelApprovalStatus"] for each in listed}
