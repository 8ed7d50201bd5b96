"""Judgements to make cards of: the numbers of four p4d machines for a day and a half, by default."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from costwatch.core.gains import Evaluation, EvaluationData, Reading
from costwatch.core.judgements import Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.res import Cost, Extra, Verdict, judge
from costwatch.core.res_policy import Direction, ModelRules, WhenTooDear, Worth
from tests.support.builders import ACCOUNT

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
WORTH = Worth(Decimal(4000), Decimal("0.01"), timedelta(days=30))
DATA = EvaluationData("s3://eval/churn.csv", "e1")
ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model-package/churn/41"


def rules(**changes: Any) -> ModelRules:
    return ModelRules(
        **{
            "name": "churn",
            "group": "churn",
            "metric": "auc",
            "direction": Direction.MAXIMIZE,
            "worth": WORTH,
            **changes,
        }
    )


def verdict(
    candidate: str = "0.914",
    baseline: str | None = "0.912",
    usd: str | None = "3200",
    *,
    by: ModelRules | None = None,
    standard_error: str | None = "0.0006",
    when_too_dear: WhenTooDear = WhenTooDear.ASK,
    data: EvaluationData | None = DATA,
) -> Verdict:
    """As the rules judge it."""
    held = by or rules()
    return judge(
        Evaluation({held.metric: Reading(Decimal(candidate))}, DATA),
        Evaluation({held.metric: Reading(Decimal(baseline))}, data) if baseline is not None else None,
        Cost(Decimal(usd) if usd is not None else None, Decimal(1014), Decimal(9600), "training job churn-41"),
        held,
        extra=Extra(standard_error=Decimal(standard_error)) if standard_error is not None else None,
        when_too_dear=when_too_dear,
    )


def judgement(**changes: Any) -> Judgement:
    """Better but too dear, and asked about, unless `changes` say otherwise."""
    return Judgement(
        **{
            "package_arn": ARN,
            "account": ACCOUNT,
            "region": "us-east-1",
            "model": "churn",
            "group": "churn",
            "package_version": 41,
            "created_at": NOW,
            "judged_at": NOW,
            "mode": Mode.ENFORCE,
            "state": State.ASKED,
            "verdict": changes.get("verdict") or verdict(),
            "run": f"{ACCOUNT}/us-east-1/training/churn-41",
            "approvers": ("@risk-leads",),
            "serving_version": 38,
            "capacity": "4 x ml.p4d.24xlarge",
            "runtime": timedelta(hours=31, minutes=41),
            "worth": WORTH,
            **changes,
        }
    )
