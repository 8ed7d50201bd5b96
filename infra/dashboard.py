"""The dashboard: three graphs of our own metrics, the alarms, and queries over the lines that the functions log.

The queries need no metric of their own: AWS scans the logs only while somebody looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from costwatch import names
from infra.alarms import own_metric

_TABLE = cloudwatch.LogQueryVisualizationType.TABLE
_FIVE: Final = timedelta(minutes=5)
OVER: Final = '["verified gone", "verified stopped", "ended by itself", "superseded"]'
QUERIES: Final = {
    "Spent by team, USD (runs that are over)": (
        f'filter message = "transition" and transition in {OVER} and actual_usd > 0',
        "stats sum(actual_usd) as usd, count(*) as runs by team",
        "sort usd desc",
    ),
    "Burn stopped, and what observe and warn would have stopped, USD an hour": (
        'filter message = "transition" and transition in ["verified gone", "verified stopped", "would stop"]',
        "stats sum(hourly_rate_usd) as usd_an_hour, count(*) as runs by transition, mode",
        "sort usd_an_hour desc",
    ),
    "Stops": (
        'filter message = "transition" and transition in ["stopping", "held", "failed", "came back"]',
        "fields timestamp, run, transition, selector, reason",
        "sort timestamp desc",
        "limit 20",
    ),
    "Approvals, and minutes until they were decided": (
        'filter message = "approval" and transition in ["approved", "denied", "expired"]',
        "stats count(*) as questions, avg(minutes_since_asked) as minutes, max(minutes_since_asked) as longest "
        "by transition",
        "sort questions desc",
    ),
    "What needed attention": (
        'filter message in ["sweep", "res sweep", "res event", "came back", "click not taken"] and AttentionNeeded > 0',
        "stats max(held) as held, max(came_back) as came_back, max(unpriced) as unpriced, "
        "max(undelivered) as undelivered, max(failures) as failures, max(not_written) as not_written, "
        "max(hands_not_restored) as hands_not_restored, max(clicks_not_taken) as clicks_not_taken by function",
        "sort function asc",
    ),
    "Own cost, USD a month at list price (docs/own-cost.md)": (
        'filter message = "sweep"',
        "stats max(own_usd_a_month) as usd, count(*) as sweeps by function",
    ),
}
"""By title; one command a line. The tests run each over lines that were really printed."""
OF_THE_BREAKER: Final = {
    "RES verdicts, and what the candidates cost, USD": (
        'filter message = "judgement" and transition = "judged"',
        "stats count(*) as candidates, sum(cost_usd) as usd by verdict",
        "sort candidates desc",
    ),
}


class Dashboard(Construct):
    """`log_groups`: of all functions, by name. `models`: whether any are judged."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alarms: Sequence[cloudwatch.IAlarm],
        burn_limit_usd_per_hour: Decimal,
        log_groups: Sequence[str],
        models: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        limit = cloudwatch.HorizontalAnnotation(value=float(burn_limit_usd_per_hour), label="alarm above")
        health = [
            own_metric(names.METRIC_ATTENTION, _FIVE),
            own_metric(names.METRIC_OLDEST_CLAIM, _FIVE, cloudwatch.Stats.MAXIMUM),
            own_metric(names.METRIC_PRICE_BOOK_AGE, _FIVE, cloudwatch.Stats.MAXIMUM),
        ]
        burn = own_metric(names.METRIC_BURN, _FIVE, cloudwatch.Stats.MAXIMUM)
        queries = QUERIES | (OF_THE_BREAKER if models else {})
        cloudwatch.Dashboard(
            self,
            "Board",
            widgets=[
                [
                    cloudwatch.AlarmStatusWidget(
                        title="Alarms: docs/runbook.md", alarms=list(alarms), width=24, height=3
                    )
                ],
                [
                    cloudwatch.GraphWidget(
                        title="Burn, USD an hour", left=[burn], left_annotations=[limit], width=16, height=6
                    ),
                    cloudwatch.GraphWidget(title="Health", left=health, width=8, height=6),
                ],
                *(
                    [
                        cloudwatch.LogQueryWidget(
                            title=title, log_group_names=list(log_groups), query_lines=list(lines), view=_TABLE,
                            width=24, height=5,
                        )
                    ]
                    for title, lines in queries.items()
                ),
            ],
        )  # fmt: skip
