"""The stack's functions, rules and schedules as plain data: infra builds from it, the demo drives from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from costwatch import names
from costwatch.settings import (
    AnySettings,
    ClicksSettings,
    DeadmanSettings,
    DoorSettings,
    GateSettings,
    HeartbeatsSettings,
    HintsSettings,
    PricesSettings,
    ResSettings,
    RetrainSettings,
)


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function of the stack. `handler` is a dotted path inside the asset."""

    name: str
    handler: str
    service: str
    settings: type[AnySettings]
    timeout: timedelta
    memory_mb: int
    retry_attempts: int
    stops_runs: bool
    """Whether the function's role may ever hold a destructive permission."""
    asynchronous: bool = True
    """Whether events invoke it, so that what it fails on goes into its dead-letter queue; else it reads a queue, or
    somebody waits for its answer."""
    needs_slack: bool = False
    """Whether it is deployed only where Slack is configured."""
    needs_models: bool = False
    """Whether it is deployed only where `res.models` names any."""


@dataclass(frozen=True, slots=True)
class Queue:
    """An SQS queue that a function reads in batches: at most `batch_size` messages, gathered for `batch_window`.

    A message that fails `tries` times goes into the queue's own dead-letter queue. `answers_dead_letters`: the function
    reads that too, since somebody waits for an answer.
    """

    name: str
    function: str
    batch_size: int
    batch_window: timedelta
    most_at_once: int
    tries: int
    answers_dead_letters: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """An EventBridge rule: exactly one of `pattern` and `every`, and one of `function` and `queue`, is set.

    `bus` empty: the default bus.
    """

    name: str
    description: str
    function: str = ""
    queue: str = ""
    bus: str = ""
    pattern: Mapping[str, Any] | None = None
    every: timedelta | None = None


DEADMAN = Function(
    name="deadman",
    handler="costwatch.handlers.deadman.handler",
    service=names.SERVICE_DEADMAN,
    settings=DeadmanSettings,
    timeout=timedelta(minutes=5),
    memory_mb=1024,
    retry_attempts=1,
    stops_runs=True,
)
HINTS = Function(
    name="hints",
    handler="costwatch.handlers.hints.handler",
    service=names.SERVICE_HINTS,
    settings=HintsSettings,
    timeout=timedelta(minutes=1),
    memory_mb=512,
    retry_attempts=2,
    stops_runs=False,
)
HEARTBEATS = Function(
    name="heartbeats",
    handler="costwatch.handlers.heartbeats.handler",
    service=names.SERVICE_HEARTBEATS,
    settings=HeartbeatsSettings,
    timeout=timedelta(minutes=1),
    memory_mb=512,
    retry_attempts=0,
    stops_runs=False,
    asynchronous=False,
)
PRICES = Function(
    name="prices",
    handler="costwatch.handlers.prices.handler",
    service=names.SERVICE_PRICES,
    settings=PricesSettings,
    timeout=timedelta(minutes=5),
    memory_mb=512,
    retry_attempts=2,
    stops_runs=False,
)
GATE = Function(
    name="gate",
    handler="costwatch.handlers.gate.handler",
    service=names.SERVICE_GATE,
    settings=GateSettings,
    timeout=timedelta(minutes=1),
    memory_mb=1024,
    retry_attempts=0,
    stops_runs=False,
    asynchronous=False,
)
RES = Function(
    name="res",
    handler="costwatch.handlers.res.handler",
    service=names.SERVICE_RES,
    settings=ResSettings,
    timeout=timedelta(minutes=5),
    memory_mb=1024,
    retry_attempts=2,
    stops_runs=False,
    needs_models=True,
)
DOOR = Function(
    name="door",
    handler="costwatch.handlers.door.handler",
    service=names.SERVICE_DOOR,
    settings=DoorSettings,
    timeout=timedelta(seconds=5),  # Slack has gone after three
    memory_mb=512,
    retry_attempts=0,
    stops_runs=False,
    asynchronous=False,
    needs_slack=True,
)
CLICKS = Function(
    name="clicks",
    handler="costwatch.handlers.clicks.handler",
    service=names.SERVICE_CLICKS,
    settings=ClicksSettings,
    timeout=timedelta(minutes=3),  # a stop that was asked for is waited for
    memory_mb=512,
    retry_attempts=2,
    stops_runs=False,
    needs_slack=True,
)
RETRAIN = Function(
    name="retrain",
    handler="costwatch.handlers.retrain.handler",
    service=names.SERVICE_RETRAIN,
    settings=RetrainSettings,
    timeout=timedelta(seconds=30),
    memory_mb=512,
    retry_attempts=0,
    stops_runs=False,
    asynchronous=False,
    needs_models=True,
)
FUNCTIONS: tuple[Function, ...] = (DEADMAN, HINTS, HEARTBEATS, PRICES, GATE, RES, RETRAIN, DOOR, CLICKS)
"""All there are; `functions` says which of them a stack has."""

BEATS = Queue(
    name="beats",
    function=HEARTBEATS.name,
    batch_size=500,
    batch_window=timedelta(minutes=1),
    most_at_once=2,
    tries=5,
)
REQUESTS = Queue(
    name="gate-requests",
    function=GATE.name,
    batch_size=10,
    batch_window=timedelta(0),
    most_at_once=5,
    tries=5,
    answers_dead_letters=True,
)
"""Callback steps of SageMaker pipelines put their messages here."""
QUEUES: tuple[Queue, ...] = (BEATS, REQUESTS)
PRICES_EVERY = timedelta(days=1)
BUSES: tuple[str, ...] = (names.HEARTBEAT_BUS,)


def functions(*, slack: bool, models: bool) -> tuple[Function, ...]:
    """Those that are deployed where Slack is configured, or is not, and models are judged, or are not."""
    return tuple(
        function
        for function in FUNCTIONS
        if (slack or not function.needs_slack) and (models or not function.needs_models)
    )


def rules(sweep_every: timedelta, *, slack: bool = True, models: bool = True) -> tuple[Rule, ...]:
    """All rules of the stack, for a sweep every `sweep_every` (whole minutes, at least one).

    `slack`: whether it is configured; else nobody clicks. `models`: whether any are judged.
    """
    found = (
        Rule(
            name="sweep",
            function=DEADMAN.name,
            description="The dead-man's switch looks at every watched run.",
            every=sweep_every,
        ),
        Rule(
            name="prices",
            function=PRICES.name,
            description="The price book is read anew from the AWS Price List and the spot price history.",
            every=PRICES_EVERY,
        ),
        Rule(
            name="ec2-state",
            function=HINTS.name,
            description="An instance ended or came up: verify or close its run without waiting for the sweep.",
            pattern={
                "source": [names.SOURCE_EC2],
                "detail-type": [names.DETAIL_EC2_STATE],
                "detail": {"state": ["running", "stopped", "terminated"]},
            },
        ),
        Rule(
            name="training-state",
            function=HINTS.name,
            description="A training job began or ended: record or close its run without waiting for the sweep.",
            pattern=_changed(names.DETAIL_TRAINING_STATE, "TrainingJobStatus"),
        ),
        Rule(
            name="processing-state",
            function=HINTS.name,
            description="A processing job began or ended: record or close its run without waiting for the sweep.",
            pattern=_changed(names.DETAIL_PROCESSING_STATE, "ProcessingJobStatus"),
        ),
        Rule(
            name="tuning-state",
            function=HINTS.name,
            description="A tuning job began or ended: record or close its run without waiting for the sweep.",
            pattern=_changed(names.DETAIL_TUNING_STATE, "HyperParameterTuningJobStatus"),
        ),
        Rule(
            name="heartbeats",
            queue=BEATS.name,
            bus=names.HEARTBEAT_BUS,
            description="What trainers say of themselves, and the sweep's canary, gathered for one write a run.",
            pattern={"source": [names.SOURCE_CLIENT]},
        ),
        Rule(
            name="slack-interactions",
            function=CLICKS.name,
            description="Somebody clicked in Slack: decide, act, and say so on the card.",
            pattern={"source": [names.SOURCE_SLACK], "detail-type": [names.DETAIL_SLACK_INTERACTION]},
        ),
        Rule(
            name="res-sweep",
            function=RES.name,
            description="The RES breaker looks at every candidate that is pending in the model registry.",
            every=sweep_every,
        ),
        Rule(
            name="package-state",
            function=RES.name,
            description="A version of a model was registered or decided about: judge it, or see who decided.",
            pattern={"source": [names.SOURCE_SAGEMAKER], "detail-type": [names.DETAIL_PACKAGE_STATE]},
        ),
        Rule(
            name="trained",
            function=RES.name,
            description="A training job is over: book what it cost and judge the candidate that waited for it.",
            pattern={
                "source": [names.SOURCE_SAGEMAKER],
                "detail-type": [names.DETAIL_TRAINING_STATE],
                "detail": {"TrainingJobStatus": ["Completed", "Failed", "Stopped"]},
            },
        ),
    )
    here = {function.name for function in functions(slack=slack, models=models)}
    left_out = {function.name for function in FUNCTIONS} - here
    return tuple(rule for rule in found if rule.function not in left_out)


def _changed(detail_type: str, status: str) -> Mapping[str, Any]:
    return {
        "source": [names.SOURCE_SAGEMAKER],
        "detail-type": [detail_type],
        "detail": {status: ["InProgress", "Completed", "Failed", "Stopped"]},
    }


def schedule_expression(every: timedelta) -> str:
    """EventBridge's rate expression: `rate(1 minute)`, `rate(5 minutes)`, `rate(1 day)`."""
    days, rest = divmod(every, timedelta(days=1))
    number, unit = (days, "day") if days and not rest else (int(every.total_seconds() // 60), "minute")
    return f"rate({number} {unit}{'' if number == 1 else 's'})"
