"""What the ledger remembers from before the story begins: the last runs of a job that is trained again and again."""

from __future__ import annotations

from datetime import timedelta
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


def remember(aws: EmbeddedAws, ledger: Ledger, prices: PriceTable) -> None:
    """Book the past runs as the switch would have when they ended."""
    described = aws.client("sagemaker").describe_training_job(TrainingJobName=CHURN)
    image, kind = described["AlgorithmSpecification"]["TrainingImage"], described["ResourceConfig"]["InstanceType"]
    for days, hours in enumerate(_HOURS, start=1):
        runtime = timedelta(seconds=int(Decimal(hours) * 3600))
        ended_at = START - timedelta(days=days)
        groups = (InstanceGroup(kind, 1),)
        actual = actual_usd(EndedJob(Service.TRAINING, REGION, groups, billable=runtime, running=runtime), prices)
        cost = RunCost(
            run_id=RunId(aws.account_id, REGION, RunKind.TRAINING, f"{CHURN}-{ended_at:%Y-%m-%d}"),
            name=f"{CHURN}-{ended_at:%Y-%m-%d}",
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
