"""EventBridge buses and rules of the topology: the sweep's schedule, the events that only hint, the heartbeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from costwatch import topology
from infra.functions import WatchdogFunction
from infra.queues import BatchedQueue

_OLDEST_NEWS = Duration.hours(1)
"""Old news is no news: the next sweep sees the world as it is by then."""


class Rules(Construct):
    """Buses and their rules. What EventBridge cannot deliver lands in the target's dead-letter queue."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        rules: Sequence[topology.Rule],
        functions: Mapping[str, WatchdogFunction],
        queues: Mapping[str, BatchedQueue],
    ) -> None:
        super().__init__(scope, construct_id)
        self.buses = {name: events.EventBus(self, name.title(), event_bus_name=name) for name in topology.BUSES}
        for rule in rules:
            created = events.Rule(
                self,
                rule.name,
                description=rule.description,
                event_bus=self.buses.get(rule.bus),
                schedule=(events.Schedule.expression(topology.schedule_expression(rule.every)) if rule.every else None),
                event_pattern=_pattern(rule.pattern) if rule.pattern else None,
            )
            created.add_target(_target(rule, functions, queues))


def _target(
    rule: topology.Rule, functions: Mapping[str, WatchdogFunction], queues: Mapping[str, BatchedQueue]
) -> events.IRuleTarget:
    if rule.queue:
        batched = queues[rule.queue]
        return targets.SqsQueue(batched.queue, dead_letter_queue=batched.dead_letters, max_event_age=_OLDEST_NEWS)
    watchdog = functions[rule.function]
    return targets.LambdaFunction(
        watchdog.function, dead_letter_queue=watchdog.dead_letters, max_event_age=_OLDEST_NEWS
    )


def _pattern(pattern: Mapping[str, Any]) -> events.EventPattern:
    """CDK's spelling of a pattern; a field it does not know raises TypeError."""
    return events.EventPattern(**{key.replace("-", "_"): value for key, value in pattern.items()})
