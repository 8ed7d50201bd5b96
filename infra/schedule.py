"""EventBridge rules of the topology: the sweep's schedule and the events that only hint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from costwatch import topology
from infra.functions import WatchdogFunction


class Rules(Construct):
    """Rules on the default bus. What EventBridge cannot deliver lands in the function's dead-letter queue."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        rules: Sequence[topology.Rule],
        functions: Mapping[str, WatchdogFunction],
    ) -> None:
        super().__init__(scope, construct_id)
        for rule in rules:
            watchdog = functions[rule.function]
            created = events.Rule(
                self,
                rule.name,
                description=rule.description,
                schedule=(events.Schedule.expression(topology.schedule_expression(rule.every)) if rule.every else None),
                event_pattern=_pattern(rule.pattern) if rule.pattern else None,
            )
            created.add_target(
                targets.LambdaFunction(
                    watchdog.function,
                    dead_letter_queue=watchdog.dead_letters,
                    # Old news is no news: the next sweep sees the world as it is by then.
                    max_event_age=Duration.hours(1),
                )
            )


def _pattern(pattern: Mapping[str, Any]) -> events.EventPattern:
    """CDK's spelling of a pattern; a field it does not know raises TypeError."""
    return events.EventPattern(**{key.replace("-", "_"): value for key, value in pattern.items()})
