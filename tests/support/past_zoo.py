"""A small account with four weeks behind it, for `costwatch preview`: what finished, what hung, what was forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from demo.embedded import EmbeddedAws

NOW: Final = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
EAST, WEST = "us-east-1", "us-west-2"
P4D, G5, M5 = "ml.p4d.24xlarge", "ml.g5.xlarge", "ml.m5.4xlarge"


def ago(*, days: float = 0, hours: float = 0) -> datetime:
    """Aware UTC."""
    return NOW - timedelta(days=days, hours=hours)


def fill(aws: EmbeddedAws) -> None:
    """Twelve nights of one family, and one of each that a preview has something to say about."""
    for night in range(12):
        started = ago(days=2 + 2 * night)
        job(aws, f"churn-bert-{started:%Y-%m-%d-%H-%M-%S}", P4D, started, hours=6 + (night % 4) * 0.75)
    job(aws, f"churn-bert-{ago(days=21):%Y-%m-%d-%H-%M-%S}", P4D, ago(days=21), hours=14, checkpoints=True)
    job(aws, "llm-7b-try-3", P4D, ago(days=9), hours=31, count=2, status="Failed", max_runtime_seconds=432_000)
    job(aws, "embeddings-debug", G5, ago(days=6), hours=40, status="Stopped", max_runtime_seconds=432_000)
    job(aws, "at-the-limit", G5, ago(days=5), hours=12)
    job(aws, "paper-results", G5, ago(days=4), hours=30, tags={"costwatch:exempt": "camera-ready"},
        max_runtime_seconds=432_000)  # fmt: skip
    for week in range(3):
        job(aws, f"ranker-v{week + 4}", G5, ago(days=3 + 7 * week), hours=5, billable_hours=1.5, managed_spot=True)
    tuner = aws.fleet.tuning_job("ranker-sweep", type=G5, created_at=ago(days=12), max_runtime_seconds=345_600)
    for number in range(4):
        started = ago(days=12, hours=-20 * number)
        job(aws, f"ranker-sweep-00{number}-{number}aaaaaa{number}", G5, started, hours=20, parent=tuner)
    aws.fleet.end_family_job(tuner, ago(days=12, hours=-80))
    for day in range(1, 5):
        arn = aws.fleet.processing_job(f"features-{ago(days=day):%Y-%m-%d}", type=G5, started_at=ago(days=day))
        aws.fleet.end_family_job(arn, ago(days=day, hours=-1))
    unknown = aws.fleet.processing_job(f"export-{ago(days=2):%Y-%m-%d}", type=M5, started_at=ago(days=2))
    aws.fleet.end_family_job(unknown, ago(days=2, hours=-13))
    schedule = f"arn:aws:sagemaker:{EAST}:{aws.account_id}:monitoring-schedule/drift"
    for day in range(1, 4):
        arn = aws.fleet.processing_job(
            f"drift-{day}", type=G5, started_at=ago(days=day), monitoring_schedule_arn=schedule
        )
        aws.fleet.end_family_job(arn, ago(days=day, hours=-0.5))
    tonight = ago(hours=11.5)
    aws.fleet.training_job(f"churn-bert-{tonight:%Y-%m-%d-%H-%M-%S}", type=P4D, count=1, started_at=tonight)
    aws.fleet.instance(type="p4d.24xlarge", launched_at=ago(hours=26), tags={"Name": "trainer", "owner": "li"})
    aws.fleet.instance(type="m5.xlarge", launched_at=ago(days=90), tags={"Name": "web"})


def job(
    aws: EmbeddedAws,
    name: str,
    type: str,  # noqa: A002 - AWS's word for it
    started: datetime,
    *,
    hours: float,
    count: int = 1,
    status: str = "Completed",
    parent: str = "",
    billable_hours: float | None = None,
    tags: dict[str, str] | None = None,
    max_runtime_seconds: int = 86_400,
    checkpoints: bool = False,
    managed_spot: bool = False,
    region: str = EAST,
) -> None:
    """A training job that is over."""
    aws.fleet.training_job(
        name, type=type, count=count, started_at=started, tags=tags, max_runtime_seconds=max_runtime_seconds,
        checkpoints=checkpoints, managed_spot=managed_spot, tuning_job_arn=parent or None, region=region,
    )  # fmt: skip
    billable = int(billable_hours * 3600) if billable_hours is not None else None
    aws.fleet.finish_job(name, started + timedelta(hours=hours), status, region=region, billable_seconds=billable)
