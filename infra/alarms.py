"""Alarms: the watchdog's own silence, and everything that needs a person."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from costwatch import names

MISSED_SWEEPS: Final = 3
STALE_AFTER_HOURS: Final = 72
_TROUBLE: Final = {
    names.METRIC_SWEEP_FAILURES: "A sweep could not handle a region, a service or a run. The others went on.",
    names.METRIC_NOTICES_UNDELIVERED: "A notice found no taker, neither Slack nor a subscriber: its run is held.",
    names.METRIC_RUNS_CAME_BACK: "A stopped run came back: `costwatch explain RUN` quotes what relaunched it.",
    names.METRIC_CLICKS_NOT_TAKEN: "A click in Slack was not taken, and whoever clicked was told to try again: the log "
    "of the function `door` says whether the signing secret could not be read or the bus did not answer.",
    names.METRIC_REGISTRY_NOT_WRITTEN: "A verdict could not be written into the model registry. It is tried again by "
    "each sweep of the function `res`; its log says why.",
    names.METRIC_HANDS_NOT_RESTORED: "Costwatch wrote over a decision that a person had just made in the model "
    "registry, and may not put it back itself: the card in Slack and `costwatch verdicts` name the command.",
}
# The sweep and the hints look whether a stopped run came back; only the sweep sweeps and sends.
_REPORTED_BY: Final = {
    names.METRIC_SWEEP_FAILURES: (names.SERVICE_DEADMAN, names.SERVICE_RES),
    names.METRIC_NOTICES_UNDELIVERED: (names.SERVICE_DEADMAN, names.SERVICE_RES),
    names.METRIC_RUNS_CAME_BACK: (names.SERVICE_DEADMAN, names.SERVICE_HINTS),
    names.METRIC_CLICKS_NOT_TAKEN: (names.SERVICE_DOOR,),
    names.METRIC_REGISTRY_NOT_WRITTEN: (names.SERVICE_RES,),
    names.METRIC_HANDS_NOT_RESTORED: (names.SERVICE_RES,),
}


class Alarms(Construct):
    """Every alarm tells the alerts topic; those about missed sweeps and old prices also when they recover.

    `services`: those of the functions that are deployed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic: sns.ITopic,
        sweep_every: timedelta,
        services: Collection[str],
        queues: Mapping[str, sqs.IQueue],
    ) -> None:
        super().__init__(scope, construct_id)
        self._action = actions.SnsAction(topic)
        self._missed_sweeps(
            "MissedSweep",
            names.SERVICE_DEADMAN,
            sweep_every,
            f"No sweep completed for {MISSED_SWEEPS} intervals: nobody is watching the runs.",
        )
        if names.SERVICE_RES in services:
            self._missed_sweeps(
                "MissedResSweep",
                names.SERVICE_RES,
                sweep_every,
                f"No sweep of the RES breaker completed for {MISSED_SWEEPS} intervals: candidates whose events were "
                "lost are judged by nobody.",
            )
        for metric, reporting in _REPORTED_BY.items():
            for service in (each for each in reporting if each in services):
                part = service.removeprefix(f"{names.PROJECT}-").title()
                self._above_zero(f"{metric}{part}", _metric(metric, service, 300), _TROUBLE[metric])
        self._stale_prices()
        for name, queue in queues.items():
            self._above_zero(
                f"{name.title()}DeadLetters",
                queue.metric_approximate_number_of_messages_visible(
                    period=Duration.minutes(5), statistic=cloudwatch.Stats.MAXIMUM
                ),
                f"Something waits in the dead-letter queue of {name}: read it, then purge it.",
            )

    def _missed_sweeps(self, construct_id: str, service: str, sweep_every: timedelta, description: str) -> None:
        missed = cloudwatch.Alarm(
            self,
            construct_id,
            alarm_description=description,
            metric=_metric(names.METRIC_SWEEP_COMPLETED, service, int(sweep_every.total_seconds())),
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            evaluation_periods=MISSED_SWEEPS,
            datapoints_to_alarm=MISSED_SWEEPS,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
        missed.add_alarm_action(self._action)
        missed.add_ok_action(self._action)

    def _stale_prices(self) -> None:
        """By the sweep's metric: it is printed whether the refresh runs, fails, or is not even invoked."""
        stale = cloudwatch.Alarm(
            self,
            "StalePrices",
            alarm_description=f"A part of the price book is older than {STALE_AFTER_HOURS} hours: costs are told by "
            "old prices. `costwatch prices refresh` reads it now and says what cannot be read; the log of the function "
            "`prices` and its dead-letter queue say why the daily refresh does not.",
            metric=_metric(
                names.METRIC_PRICE_BOOK_AGE, names.SERVICE_DEADMAN, 3600, statistic=cloudwatch.Stats.MAXIMUM
            ),
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            threshold=STALE_AFTER_HOURS,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,  # no sweep at all has an alarm of its own
        )
        stale.add_alarm_action(self._action)
        stale.add_ok_action(self._action)

    def _above_zero(self, construct_id: str, metric: cloudwatch.IMetric, description: str) -> None:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            alarm_description=description,
            metric=metric,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            threshold=0,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._action)


def _metric(
    name: str, service: str, period_seconds: int, *, statistic: str = cloudwatch.Stats.SUM
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=names.METRIC_NAMESPACE,
        metric_name=name,
        dimensions_map={names.METRIC_DIMENSION_SERVICE: service},
        period=Duration.seconds(period_seconds),
        statistic=statistic,
    )
