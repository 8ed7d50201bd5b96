"""The stage: the stack's own functions, rules and schedule over an embedded AWS and Slack, on a clock that runs fast.

What to run comes from `costwatch.topology`, which infra builds the real stack from. Functions are invoked the way
EventBridge does: asynchronously, retried, and what still fails lands in their dead-letter queues. Slack's clicks come
through the HTTP API to the door, which puts them on the bus.
"""

from __future__ import annotations

import io
import json
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from moto.events.models import EventPattern

from costwatch import __version__, names, topology
from costwatch.config import loader
from costwatch.config.loader import Loaded
from demo import recorder
from demo.embedded import EmbeddedAws
from demo.embedded.http_front import HttpFront
from demo.ledger_table import create_ledger_table
from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint
from demo.stage_functions import Deployed, LambdaContext, deployed, environment
from demo.state_events import Event, StateEvents, event

TABLE: Final = "costwatch-ledger"
_EVENT_DELAY: Final = timedelta(seconds=20)


class FastClock:
    """Stands still while a function runs; the stage moves it. Aware UTC."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Invocation:
    """One event that a function was given, and what became of it. `error`: the last attempt's, then it is a dead
    letter."""

    at: datetime
    function: str
    rule: str
    result: Mapping[str, Any]
    error: str = ""


_CLICKS_EVERY_SECONDS: Final = 0.05
_BATCH: Final = 10
"""The most that one call of SQS gives out."""


class Stage:
    """`with Stage(start=..., people=[...]) as stage:` has an empty account with the stack's resources in it."""

    def __init__(self, *, start: datetime, people: list[str], recorded: bool = True) -> None:
        self.clock = FastClock(start)
        self.aws = EmbeddedAws(clock=self.clock)
        self.slack = SlackEndpoint(users=people, clock=self.clock)
        self.logs: dict[str, io.StringIO] = {spec.name: io.StringIO() for spec in topology.FUNCTIONS}
        self.invocations: list[Invocation] = []
        self._recorded = recorded
        self._start = start
        self._cleanup = ExitStack()
        self._functions: dict[str, Deployed] = {}
        self._rules: tuple[topology.Rule, ...] = ()
        self._next_at: dict[str, datetime] = {}
        self._later: list[tuple[datetime, Callable[[], object]]] = []
        self._due_events: list[tuple[datetime, Event]] = []
        # In Lambda each has a process of its own; here they share one, its environment and its output.
        self._turn = threading.RLock()
        self._bus = threading.Lock()

    def __enter__(self) -> Self:
        try:
            self._cleanup.enter_context(self.aws)
            self._cleanup.enter_context(self.slack)
            self._api = self._cleanup.enter_context(HttpFront(self._door))
            self._directory = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="costwatch-demo-")))
            self._build()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    # --- the stack's resources ------------------------------------------------------------------------

    def _build(self) -> None:
        client = self.aws.client
        create_ledger_table(client("dynamodb"), TABLE)
        self.topic_arn: str = client("sns").create_topic(Name="costwatch-alerts")["TopicArn"]
        self.refused_queue_url = self._queue("costwatch-refused-events")
        self.stop_events_url = self._queue("pipeline-that-listens")
        client("events").put_rule(
            Name="pipeline", EventPattern=json.dumps({"source": [names.SOURCE_COSTWATCH]}), State="ENABLED"
        )
        arn = client("sqs").get_queue_attributes(QueueUrl=self.stop_events_url, AttributeNames=["QueueArn"])
        client("events").put_targets(Rule="pipeline", Targets=[{"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}])
        for bus in topology.BUSES:
            client("events").create_event_bus(Name=bus)
        self._clicks_url = self._queue("bus-to-clicks")
        self._queue_urls = {queue.name: self._queue(f"costwatch-{queue.name}") for queue in topology.QUEUES}
        self.state_events = StateEvents(self.aws, self.clock)

    def _queue(self, name: str) -> str:
        return str(self.aws.client("sqs").create_queue(QueueName=name)["QueueUrl"])

    def deploy(self, config_text: str) -> Loaded:
        """Compile a costwatch.yaml into a new asset and put functions and rules on it. Raises ConfigError.

        Deploying again is a new policy for new processes: nothing is remembered outside of the ledger.
        """
        directory = Path(tempfile.mkdtemp(dir=self._directory))
        file = directory / "costwatch.yaml"
        file.write_text(config_text, encoding="utf-8")
        loaded = loader.load(file)
        policy_file = directory / names.POLICY_FILE
        policy_file.write_text(json.dumps(loaded.shipped()), encoding="utf-8")
        self._subscribe(loaded.config.email.to)
        token = loaded.config.slack.token_parameter
        ssm = self.aws.client("ssm")
        ssm.put_parameter(Name=token, Value=DEFAULT_TOKEN, Type="SecureString", Overwrite=True)
        secret = loaded.config.slack.signing_secret_parameter
        ssm.put_parameter(Name=secret, Value=self.slack.signing_secret, Type="SecureString", Overwrite=True)
        slack, models = bool(loaded.config.slack.platform_channel), bool(loaded.config.res.models)
        self.slack.interactivity_url = self._api.url if slack else ""
        self._functions = {
            spec.name: self._deployed(spec, loaded, policy_file)
            for spec in topology.functions(slack=slack, models=models)
        }
        self._rules = topology.rules(loaded.config.dead_man.sweep_every, slack=slack, models=models)
        for rule in self._rules:
            if rule.every is not None:
                # A schedule begins when it is made. The sweep's first one is not waited for here.
                begins = self.clock() if rule.function == topology.DEADMAN.name else self.clock() + rule.every
                self._next_at.setdefault(rule.name, begins)
            if rule.queue:
                self._connect(rule, self._queue_urls[rule.queue])
            elif rule.function == topology.CLICKS.name:
                self._connect(rule, self._clicks_url)
        ssm.put_parameter(
            Name=names.DEPLOYMENT_PARAMETER, Value=json.dumps(self._deployment(loaded)), Type="String", Overwrite=True
        )
        self.config_file = file
        return loaded

    def _connect(self, rule: topology.Rule, url: str) -> None:
        """EventBridge itself carries what matches into a queue: moto does that, and it does so for no function."""
        events, sqs = self.aws.client("events"), self.aws.client("sqs")
        bus = {"EventBusName": rule.bus} if rule.bus else {}
        events.put_rule(Name=rule.name, EventPattern=json.dumps(rule.pattern), **bus)
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_targets(Rule=rule.name, **bus, Targets=[{"Id": "queue", "Arn": arn}])

    def _deployed(self, spec: topology.Function, loaded: Loaded, policy_file: Path) -> Deployed:
        slack = loaded.config.slack
        values = {
            "ledger_table": TABLE,
            "alerts_topic_arn": self.topic_arn,
            "refused_queue_url": self.refused_queue_url,
            "heartbeat_bus": names.HEARTBEAT_BUS,
            "deadman_function": f"{names.PROJECT}-{topology.DEADMAN.name}",
            "res_function": _if_models(loaded, topology.RES),
            "gate_queue_url": self._queue_urls[topology.REQUESTS.name],
            "gate_dead_letters_arn": f"{topology.REQUESTS.name}-dead-letters",
            "slack_token_parameter": slack.token_parameter,
            "slack_api_url": self.slack.base_url,
            "slack_signing_secret_parameter": slack.signing_secret_parameter,
            "slack_app_id": slack.app_id,
            "slack_workspace": slack.workspace,
        }
        return deployed(
            spec,
            aws=self.aws.environment(),
            values=values,
            policy_document=loaded.policy_document,
            policy_file=policy_file,
            clock=self.clock,
            lambdas=self,
            dead_letters_url=self._queue(f"costwatch-{spec.name}-dead-letters"),
        )

    def _subscribe(self, addresses: tuple[str, ...]) -> None:
        for address in addresses:
            self.aws.client("sns").subscribe(TopicArn=self.topic_arn, Protocol="email", Endpoint=address)
        self.aws.fleet.confirm_subscriptions(self.topic_arn)

    def _deployment(self, loaded: Loaded) -> dict[str, Any]:
        return {
            "table": TABLE,
            "function": f"costwatch-{topology.DEADMAN.name}",
            "prices_function": f"costwatch-{topology.PRICES.name}",
            "gate_function": f"costwatch-{topology.GATE.name}",
            "res_function": _if_models(loaded, topology.RES),
            "retrain_function": _if_models(loaded, topology.RETRAIN),
            "gate_queue_url": self._queue_urls[topology.REQUESTS.name],
            "gated_training_arn": "",
            "refused_queue_url": self.refused_queue_url,
            "alerts_topic_arn": self.topic_arn,
            "policy_digest": loaded.policy_document["digest"],
            "config_commit": loaded.policy_document["config_commit"],
            "version": __version__,
            "regions": list(loaded.config.regions),
        }

    @property
    def gate_queue_url(self) -> str:
        """Where callback steps of pipelines ask."""
        return self._queue_urls[topology.REQUESTS.name]

    @property
    def dead_letter_urls(self) -> dict[str, str]:
        """Queue URL by function name; a function that reads a queue has none of its own."""
        return {name: each.dead_letters_url for name, each in self._functions.items() if each.spec.asynchronous}

    # --- time -------------------------------------------------------------------------------------------

    def later(self, moment: datetime, action: Callable[[], object]) -> None:
        """Let the world do something by itself at `moment`."""
        self._later.append((moment, action))

    def run_until(self, moment: datetime) -> Iterator[Invocation]:
        """Let time pass up to and including `moment`, minute by minute, and yield every invocation as it ends."""
        minute = timedelta(minutes=1)
        while True:
            yield from self._now()
            if self.clock() >= moment:
                return
            ahead = [self.clock().replace(second=0, microsecond=0) + minute, moment]
            ahead += [at for at, _event in self._due_events]
            ahead += [at for at, _action in self._later]
            self.clock.now = max(self.clock(), min(at for at in ahead if at > self.clock()))

    def _now(self) -> Iterator[Invocation]:
        now = self.clock()
        for item in [each for each in self._later if each[0] <= now]:
            self._later.remove(item)
            item[1]()
        # The world first: an event that is due at the same second as a sweep was there before it.
        self._look()
        for at, due in [each for each in self._due_events if each[0] <= now]:
            self._due_events.remove((at, due))
            yield from self.deliver(due)
        for rule in self._rules:
            if rule.every is not None and self._next_at[rule.name] <= now:
                self._next_at[rule.name] = now + rule.every
                yield self._invoke(rule, self._tick(rule))
                self._look()
        for queue in topology.QUEUES:
            yield from self._batches(queue)
        yield from self.take_clicks()

    def fire(self, name: str) -> Invocation:
        """Let a rule of the schedule be due now; it is due again when its time has passed since."""
        rule = next(each for each in self._rules if each.name == name and each.every is not None)
        self._next_at[name] = self.clock() + (rule.every or timedelta(0))
        return self._invoke(rule, self._tick(rule))

    def _look(self) -> None:
        self._due_events += [(self.clock() + _EVENT_DELAY, change) for change in self.state_events.take()]

    def _tick(self, rule: topology.Rule) -> Event:
        arn = f"arn:aws:events:{self.aws.region}:{self.aws.account_id}:rule/{rule.name}"
        at = self.clock()
        return event(self.aws, names.SOURCE_SCHEDULE, names.DETAIL_SCHEDULED, {}, at=at, resources=[arn])

    def deliver(self, what: Event) -> Iterator[Invocation]:
        """Give an event to every function whose rule matches it."""
        message: Any = what  # moto types events by the keys it knows
        for rule in self._rules:
            wanted = EventPattern.load(json.dumps(rule.pattern)) if rule.function and rule.pattern else None
            if wanted is not None and wanted.matches_event(message):
                yield self._invoke(rule, what)

    # --- clicks -----------------------------------------------------------------------------------------

    def _door(self, event: dict[str, Any], _context: Any) -> dict[str, Any]:
        """What the HTTP API hands to the door, in a thread of the request."""
        return self._attempt(self._functions[topology.DOOR.name], event)

    def take_clicks(self) -> Iterator[Invocation]:
        """Give what the door has put on the bus to the function whose rule matches it."""
        sqs, url = self.aws.client("sqs"), self._clicks_url
        while True:
            with recorder.paused():  # the bus is no role, and it looks while others act
                messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=_BATCH).get("Messages", [])
            if not messages:
                return
            for message in messages:
                with recorder.paused():
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                yield from self.deliver(json.loads(message["Body"]))

    @contextmanager
    def taking_clicks(self, told: Callable[[Invocation], object] = lambda _done: None) -> Iterator[None]:
        """While the block runs, clicks are taken as they come, in a thread of their own. `told` hears of each."""
        ends = threading.Event()

        def take() -> None:
            while not ends.wait(_CLICKS_EVERY_SECONDS):
                with self._bus:
                    for done in self.take_clicks():
                        told(done)

        thread = threading.Thread(target=take, name="embedded-bus", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join(timeout=30)

    @contextmanager
    def clicks_held(self) -> Iterator[None]:
        """What is clicked while the block runs stays on the bus until it ends."""
        with self._bus:
            yield

    # --- invocations ------------------------------------------------------------------------------------

    def _batches(self, queue: topology.Queue) -> Iterator[Invocation]:
        """What Lambda's poller does: give the function what waits, and delete what it does not ask for again."""
        sqs, url, function = self.aws.client("sqs"), self._queue_urls[queue.name], self._functions[queue.function]
        arrived = str(int(self.clock().timestamp() * 1000))
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=_BATCH).get("Messages"):
            records = [
                {"messageId": m["MessageId"], "body": m["Body"], "attributes": {"SentTimestamp": arrived}}
                for m in messages
            ]
            result = self._attempt(function, {"Records": records})
            again = {each["itemIdentifier"] for each in result["batchItemFailures"]}
            for message in messages:
                if message["MessageId"] not in again:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            done = Invocation(self.clock(), queue.function, queue.name, result)
            self.invocations.append(done)
            yield done

    def _invoke(self, rule: topology.Rule, what: Event) -> Invocation:
        """Lambda's asynchronous invocation; its pauses between attempts are left out."""
        function = self._functions[rule.function]
        error: Exception | None = None
        for _attempt in range(1 + function.spec.retry_attempts):
            try:
                result = self._attempt(function, what)
            except Exception as raised:  # noqa: BLE001 - Lambda takes whatever a function raises and tries again
                error = raised
                continue
            done = Invocation(self.clock(), rule.function, rule.name, result)
            break
        else:
            done = Invocation(self.clock(), rule.function, rule.name, {}, f"{type(error).__name__}: {error}")
            self._dead_letter(function, what, done.error)
        self.invocations.append(done)
        return done

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        """Lambda's Invoke for the command line: what the function raises comes back as FunctionError.

        An `Event` is taken and handled as EventBridge's are, before this returns.
        """
        function = self._functions[FunctionName.removeprefix(f"{names.PROJECT}-")]
        if InvocationType == "Event":
            self._invoke(topology.Rule("by hand", "", function=function.spec.name), json.loads(Payload))
            return {"StatusCode": 202}
        try:
            answer, failed = self._attempt(function, json.loads(Payload)), {}
        except Exception as raised:  # noqa: BLE001 - as Lambda does
            answer = {"errorType": type(raised).__name__, "errorMessage": str(raised)}
            failed = {"FunctionError": "Unhandled"}
        self._look()
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode()), **failed}

    def _attempt(self, function: Deployed, what: Event | Mapping[str, Any]) -> dict[str, Any]:
        spec = function.spec
        arn = f"arn:aws:lambda:{self.aws.region}:{self.aws.account_id}:function:costwatch-{spec.name}"
        context = LambdaContext(arn, str(uuid.uuid4()), spec.timeout)
        acting = recorder.acting_as(spec.name, policy=function.policy, settings=function.wiring.settings)
        with (
            self._turn,
            environment(function.environment),
            acting,
            nullcontext() if self._recorded else recorder.paused(),
            redirect_stdout(self.logs[spec.name]),
        ):
            return function.handle(what, context, function.wiring)

    def _dead_letter(self, function: Deployed, what: Event, reason: str) -> None:
        with recorder.paused():  # Lambda's own doing
            self.aws.client("sqs").send_message(
                QueueUrl=function.dead_letters_url,
                MessageBody=json.dumps(what),
                MessageAttributes={"ErrorMessage": {"DataType": "String", "StringValue": reason[:1024]}},
            )

    def metric_count(self, function: str, metric: str) -> int:
        """How often the function printed a metric for CloudWatch."""
        lines = (line for line in self.logs[function].getvalue().splitlines() if '"_aws"' in line)
        return sum(1 for line in lines if metric in json.loads(line))

    @property
    def sweeps(self) -> int:
        """How many sweeps the schedule asked for so far."""
        return sum(1 for each in self.invocations if each.rule == "sweep")


def _if_models(loaded: Loaded, function: topology.Function) -> str:
    """Empty where no model is judged."""
    return f"{names.PROJECT}-{function.name}" if loaded.config.res.models else ""
