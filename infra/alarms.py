"""Alarms: the watchdog's own silence, and everything that needs a person. Each says what to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from costwatch import names

MISSED_SWEEPS: Final = 3
STALE_AFTER_HOURS: Final = 72
MOST_METRICS_IN_ONE_ALARM: Final = 10  # CloudWatch's own limit for metric math
RUNBOOK: Final = "docs/runbook.md"
WHERE: Final = "in the repository that this Costwatch was deployed from."
"""A mail is read by people who never saw it."""
_FEWER = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
_MORE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_SHORTEST: Final = timedelta(minutes=5)


class Alarms(Construct):
    """At most twelve. Every one tells the alerts topic; those about a state, and not an event, also when it ends.

    `services`: those of the functions that are deployed. `functions` and `queues`: by name; of the dead letters.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic: sns.ITopic,
        sweep_every: timedelta,
        burn_limit_usd_per_hour: Decimal,
        services: Collection[str],
        functions: Sequence[lambda_.IFunction],
        queues: Mapping[str, sqs.IQueue],
    ) -> None:
        super().__init__(scope, construct_id)
        self._action = actions.SnsAction(topic)
        self.all: list[cloudwatch.Alarm] = []
        # Between two sweeps nothing is printed: a shorter period would end an alarm that the next sweep raises again.
        between = max(sweep_every, _SHORTEST)
        self._sweeps(sweep_every, res=names.SERVICE_RES in services)
        self._functions(functions)
        self._alarm(
            "DeadLetters",
            _sum("dead letters", [_depth(queue) for queue in queues.values()]),
            "Something could not be handled and waits in a dead-letter queue or among the refused events. Look with "
            "`costwatch redrive`, which says in which of them, why, and who asked; mend the cause, then send again "
            "what it allows, ask those who clicked, and delete the rest.",
            recovers=True,
        )
        self._alarm(
            "Attention",
            own_metric(names.METRIC_ATTENTION, between),
            "A person is needed: a run is newly held, came back or has no price, a notice found no taker, a verdict "
            "was not written, a click was not taken, or a part of a sweep failed. `costwatch status` names the runs; "
            "the log line that counted it says which of these it was.",
        )
        self._alarm(
            "OldestClaim",
            own_metric(names.METRIC_OLDEST_CLAIM, between, cloudwatch.Stats.MAXIMUM),
            f"A stop, an answer or a verdict has been under way for more than {names.UNSETTLED_AFTER_MINUTES} "
            "minutes without an end. `costwatch settle` lists each with what is in the way; with `--now` the functions "
            "take over what was left. Look at the run in AWS: it may still cost money.",
            threshold=names.UNSETTLED_AFTER_MINUTES,
            recovers=True,
        )
        self._alarm(
            "Burn",
            own_metric(names.METRIC_BURN, between, cloudwatch.Stats.MAXIMUM),
            f"All watched runs together burn more than ${burn_limit_usd_per_hour:,f} an hour. `costwatch status` lists "
            "them, the dearest are worth a question to their owners; if this is what you want to spend, raise "
            "`alarms: {burn_usd_per_hour: ...}` in costwatch.yaml and deploy.",
            threshold=float(burn_limit_usd_per_hour),
            recovers=True,
        )
        self._alarm(
            "StalePrices",
            own_metric(names.METRIC_PRICE_BOOK_AGE, timedelta(hours=1), cloudwatch.Stats.MAXIMUM),
            f"A part of the price book is older than {STALE_AFTER_HOURS} hours: costs are told by old prices. "
            "`costwatch prices refresh` reads it now and says what cannot be read; the log of the function `prices` "
            "and its dead-letter queue say why the daily refresh does not.",
            threshold=STALE_AFTER_HOURS,
            recovers=True,
        )

    def _sweeps(self, sweep_every: timedelta, *, res: bool) -> None:
        """Every sweep prints its burn once, and every sweep of both kinds its oldest claim: their number is counted."""
        self._alarm(
            "NoSweep",
            _filled("sweeps", own_metric(names.METRIC_BURN, sweep_every, cloudwatch.Stats.SAMPLE_COUNT)),
            f"No sweep completed for {MISSED_SWEEPS} intervals: nobody is watching the runs, and nothing is stopped. "
            "(Also once after a first deploy, until the first sweep.) "
            "The log of the function `deadman` says why; `costwatch doctor` looks at what it needs. Until it sweeps "
            "again look at what runs yourself: `costwatch sweep --mode observe` does so from here.",
            below=1,
            recovers=True,
        )
        if res:
            self._alarm(
                "NoResSweep",
                _filled("sweeps", own_metric(names.METRIC_OLDEST_CLAIM, sweep_every, cloudwatch.Stats.SAMPLE_COUNT)),
                f"For {MISSED_SWEEPS} intervals one of the two sweeps did not complete. If NoSweep is in alarm too, "
                "begin there. Else it is that of the RES breaker: candidates whose events were lost are judged by "
                "nobody; the log of the function `res` says why.",
                below=2,
                recovers=True,
            )

    def _functions(self, functions: Sequence[lambda_.IFunction]) -> None:
        five = Duration.minutes(5)
        self._alarm(
            "Errors",
            _sum("errors", [each.metric_errors(period=five) for each in functions]),
            "A function failed: it raised, ran out of time or of memory. What it was to do is tried again, and the "
            "next sweep does it anyway; its log says what happened. If it goes on: `costwatch doctor`.",
        )
        self._alarm(
            "Throttles",
            _sum("throttles", [each.metric_throttles(period=five) for each in functions]),
            "Lambda did not start a function, because the account's concurrency in this region is used up, mostly by "
            "others. Look at ConcurrentExecutions in Lambda's own metrics; ask AWS for a higher quota, or give what "
            "uses it up a reserved concurrency.",
        )

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        what_to_do: str,
        *,
        threshold: float = 0,
        below: float | None = None,
        recovers: bool = False,
    ) -> None:
        """Above `threshold` once; or, with `below`, under it for all intervals, where silence is as bad."""
        intervals = MISSED_SWEEPS if below is not None else 1
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_description=f"{what_to_do} More: {RUNBOOK}#{name.lower()}, {WHERE}",
            metric=metric,
            comparison_operator=_MORE if below is None else _FEWER,
            threshold=threshold if below is None else below,
            evaluation_periods=intervals,
            datapoints_to_alarm=intervals,
            # Without any sweep nothing is known of the rest, and that has an alarm of its own.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING
            if below is None
            else cloudwatch.TreatMissingData.BREACHING,
        )
        self.all.append(alarm)
        alarm.add_alarm_action(self._action)
        if recovers:
            alarm.add_ok_action(self._action)


def own_metric(name: str, period: timedelta, statistic: str = cloudwatch.Stats.SUM) -> cloudwatch.Metric:
    """One of the four."""
    return cloudwatch.Metric(
        namespace=names.METRIC_NAMESPACE,
        metric_name=name,
        dimensions_map={names.METRIC_DIMENSION_SERVICE: names.METRIC_SERVICE},
        period=Duration.seconds(int(period.total_seconds())),
        statistic=statistic,
    )


def _depth(queue: sqs.IQueue) -> cloudwatch.Metric:
    return queue.metric_approximate_number_of_messages_visible(
        period=Duration.minutes(5), statistic=cloudwatch.Stats.MAXIMUM
    )


def _filled(label: str, metric: cloudwatch.Metric) -> cloudwatch.MathExpression:
    """0 where there is no data. Merely treated as breaching it would breach two periods late: CloudWatch looks back for
    as many real datapoints as it needs, and finds those from before.
    """
    period = Duration.seconds(metric.period.to_seconds())
    return cloudwatch.MathExpression(expression="FILL(m0, 0)", using_metrics={"m0": metric}, label=label, period=period)


def _sum(label: str, metrics: Sequence[cloudwatch.Metric]) -> cloudwatch.MathExpression:
    """Of those that have data: one alarm, but AWS bills each metric in it. Raises ValueError for too many."""
    if len(metrics) > MOST_METRICS_IN_ONE_ALARM:
        raise ValueError(f"{label}: {len(metrics)} metrics in one alarm; CloudWatch takes {MOST_METRICS_IN_ONE_ALARM}")
    using = {f"m{number}": metric for number, metric in enumerate(metrics)}
    return cloudwatch.MathExpression(
        expression=f"SUM([{', '.join(using)}])", using_metrics=dict(using), label=label, period=Duration.minutes(5)
    )
