"""What the ledger remembers from before the story begins: the last runs of a job that is trained again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from costwatch.adapters.ledger import Ledger
from costwatch.core import families
from costwatch.core.actuals import EndedJob, actual_usd
from costwatch.core.estimator import InstanceGroup
from costwatch.core.model import RunId, RunKind
from costwatch.core.policy import Service
from costwatch.core.prices import PriceTable
from costwatch.core.run_cost import Outcome, Owners, RunCost
from demo.cast import MARIA, REGION, START
from demo.embedded import EmbeddedAws

CHURN: Final = "churn-bert-large"
"""It has run eleven times before, once a day."""
_HOURS: Final = ("12.6", "13.1", "12.9", "13.4", "12.8", "13.0", "14.2", "12.7", "13.0", "13.3", "12.9")


def remember(aws: EmbeddedAws, ledger: Ledger, prices: PriceTable, start: datetime = START) -> None:
    """Book the past runs as the switch would have when they ended, one on each day before `start`."""
    described = aws.client("sagemaker").describe_training_job(TrainingJobName=CHURN)
    image, kind = described["AlgorithmSpecification"]["TrainingImage"], described["ResourceConfig"]["InstanceType"]
    for name, runtime, ended_at in _past(start):
        groups = (InstanceGroup(kind, 1),)
        actual = actual_usd(EndedJob(Service.TRAINING, REGION, groups, billable=runtime, running=runtime), prices)
        cost = RunCost(
            run_id=RunId(aws.account_id, REGION, RunKind.TRAINING, name),
            name=name,
            started_at=ended_at - runtime,
            ended_at=ended_at,
            outcome=Outcome.FINISHED,
            owners=Owners(owner=MARIA),
            family=families.family(CHURN, image, [kind]),
            capacity=((kind, 1),),
            actual_usd=actual.usd,
            basis=actual.basis,
            price_note="",
            gpu_hours=actual.gpu_hours,
            selector="sagemaker",
        )
        ledger.book_cost(cost)


def show_in_sagemaker(aws: EmbeddedAws, start: datetime, tags: Mapping[str, str]) -> None:
    """The same runs in SageMaker's own list of jobs, where `costwatch preview` looks."""
    for name, runtime, ended_at in _past(start):
        aws.fleet.training_job(name, type="ml.p4d.24xlarge", started_at=ended_at - runtime, tags=tags)
        aws.fleet.finish_job(name, ended_at)


def _past(start: datetime) -> Iterator[tuple[str, timedelta, datetime]]:
    """Name, runtime and end of each."""
    for days, hours in enumerate(_HOURS, start=1):
        ended_at = start - timedelta(days=days)
        yield f"{CHURN}-{ended_at:%Y-%m-%d}", timedelta(seconds=int(Decimal(hours) * 3600)), ended_at
