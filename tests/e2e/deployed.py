"""A deployed stack, asked and driven through the services it was deployed to, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from moto.events.models import EventPattern

from costwatch import names
from demo.embedded import EmbeddedAws
from infra.asset import find_compiler
from tests.support.template_roles import Resolver

_RUNNER: Final = Path(__file__).with_name("run_function.py")
_INVOKE_TIMEOUT_SECONDS: Final = 60


class Clock:
    """Real time plus an offset that tests move; the embedded AWS and the functions share it. Aware UTC.

    It starts two hours ago, so that what tests move it through is the past for a command line on real time.
    """

    def __init__(self) -> None:
        self.offset = timedelta(hours=-2)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def forward(self, **duration: float) -> None:
        self.offset += timedelta(**duration)


@dataclass(frozen=True)
class Invocation:
    """What came of one: `answer` is what the handler returned, `printed` what CloudWatch would get, line by line."""

    function_arn: str
    answer: Any
    printed: tuple[str, ...]
    calls: tuple[Mapping[str, Any], ...]
    """AWS calls in order, each with service, operation, region and params."""

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The embedded-metric lines."""
        lines = [json.loads(line) for line in self.printed if line.startswith("{")]
        return [line for line in lines if "_aws" in line]


@dataclass(frozen=True)
class Failed:
    """What a function raised: the type's name, its message, and everything that it printed."""

    kind: str
    message: str
    printed: str


@dataclass
class Deployed:
    """`template` is what was deployed, made from `config`; `code` is the unpacked zip that the CLI uploaded."""

    aws: EmbeddedAws
    clock: Clock
    template: dict[str, Any]
    physical: dict[str, str]
    """By logical id, as CloudFormation lists them."""
    config: Path
    code: Path
    invocations: list[Invocation] = field(default_factory=list)

    def resources(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Properties of the resources of a type, intrinsics filled in, by physical id."""
        return {
            self.physical[logical_id]: self.resolve(resource["Properties"])
            for logical_id, resource in self.template["Resources"].items()
            if resource["Type"] == resource_type
        }

    def only(self, resource_type: str) -> str:
        """Physical id of the one resource of a type."""
        (physical_id,) = self.resources(resource_type)
        return physical_id

    def function(self, name: str) -> str:
        """ARN of the function whose handler is `costwatch.handlers.<name>.handler`."""
        handler = f"costwatch.handlers.{name}.handler"
        (found,) = [i for i, p in self.resources("AWS::Lambda::Function").items() if p["Handler"] == handler]
        return f"arn:aws:lambda:{self.aws.region}:{self.aws.account_id}:function:{found}"

    def resolve(self, value: Any) -> Any:
        """Intrinsics of the template replaced by what CloudFormation put there."""
        attributes = dict(self.physical)
        for logical_id, resource in self.template["Resources"].items():
            attributes |= self._attributes(logical_id, resource["Type"])
        return Resolver(attributes, self.aws.account_id, self.aws.region).resolve(value)

    def _attributes(self, logical_id: str, resource_type: str) -> dict[str, str]:
        physical_id, region, account = self.physical[logical_id], self.aws.region, self.aws.account_id
        name = physical_id.rpartition("/")[2]
        match resource_type:
            case "AWS::SQS::Queue":
                return {
                    f"{logical_id}.Arn": f"arn:aws:sqs:{region}:{account}:{name}",
                    f"{logical_id}.QueueName": name,
                }
            case "AWS::CloudWatch::Alarm":
                return {f"{logical_id}.Arn": f"arn:aws:cloudwatch:{region}:{account}:alarm:{physical_id}"}
            case "AWS::DynamoDB::Table":
                return {f"{logical_id}.Arn": f"arn:aws:dynamodb:{region}:{account}:table/{name}"}
            case "AWS::Lambda::Function":
                return {f"{logical_id}.Arn": f"arn:aws:lambda:{region}:{account}:function:{name}"}
            case "AWS::ApiGatewayV2::Api":
                return {f"{logical_id}.ApiEndpoint": f"https://{physical_id}.execute-api.{region}.amazonaws.com"}
            case "AWS::IAM::Role":
                return {f"{logical_id}.Arn": f"arn:aws:iam::{account}:role/{name}"}
            case "AWS::Events::Rule":
                bus = self.template["Resources"][logical_id]["Properties"].get("EventBusName", {}).get("Ref")
                path = f"{self.physical[bus]}/{name}" if bus else name
                return {f"{logical_id}.Arn": f"arn:aws:events:{region}:{account}:rule/{path}"}
            case "AWS::Logs::LogGroup":
                # AWS answers with `:*` at the end, which is what the permission to write needs; moto leaves it out.
                return {f"{logical_id}.Arn": f"arn:aws:logs:{region}:{account}:log-group:{physical_id}"}
        return {}

    @property
    def parameter(self) -> dict[str, Any]:
        """What the command line reads to find the deployment."""
        value = self.aws.client("ssm").get_parameter(Name=names.DEPLOYMENT_PARAMETER)["Parameter"]["Value"]
        document: dict[str, Any] = json.loads(value)
        return document

    # --- what EventBridge and Lambda do ----------------------------------------------------------------

    def tick(self, function: str = "deadman") -> Invocation:
        """What the function's schedule does when it is due."""
        (rule,) = [r for r in self._rules() if r.get("ScheduleExpression") and self._reaches(r, function)]
        event = self.event(names.SOURCE_SCHEDULE, names.DETAIL_SCHEDULED, {}, rule["Arn"])
        (invocation,) = self._to_targets(rule, event)
        return invocation

    def _reaches(self, rule: Mapping[str, Any], function: str) -> bool:
        targets = self.aws.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]
        return self.function(function) in [target["Arn"] for target in targets]

    def emit(self, event: dict[str, Any]) -> list[Invocation]:
        """Hand an event to the functions of every rule that it matches."""
        return [invocation for rule in self.rules_of(event) for invocation in self._to_targets(rule, event)]

    def event(self, source: str, detail_type: str, detail: Mapping[str, Any], resource: str) -> dict[str, Any]:
        """An event as EventBridge wraps it."""
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": self.aws.account_id,
            "time": self.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self.aws.region,
            "resources": [resource],
            "detail": dict(detail),
        }

    def deliver_heartbeats(self) -> list[Invocation]:
        """What Lambda's poller does with the deployed queue of heartbeats."""
        return self.deliver("heartbeats")

    def deliver(self, function: str) -> list[Invocation]:
        """What Lambda's poller does with the queues of a function: a batch to it, and what it kept is deleted."""
        mappings = self.aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        own = [mapping for mapping in mappings if mapping["FunctionArn"] == self.function(function)]
        assert own, f"{function} reads no queue"
        return [done for mapping in own for done in self._deliver(mapping)]

    def _deliver(self, mapping: Mapping[str, Any]) -> list[Invocation]:
        sqs, queue = self.aws.client("sqs"), mapping["EventSourceArn"].rpartition(":")[2]
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        done: list[Invocation] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            arrived = str(int(self.clock().timestamp() * 1000))
            records = [
                {
                    "messageId": m["MessageId"],
                    "body": m["Body"],
                    "attributes": {"SentTimestamp": arrived},
                    "eventSourceARN": mapping["EventSourceArn"],
                }
                for m in messages
            ]
            done.append(self.invoke(mapping["FunctionArn"], {"Records": records}))
            again = {each["itemIdentifier"] for each in done[-1].answer["batchItemFailures"]}
            for message in messages:
                if message["MessageId"] not in again:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return done

    def rules_of(self, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Those whose pattern it matches."""
        return [rule for rule in self._rules() if rule.get("EventPattern") and _matches(rule["EventPattern"], event)]

    def _rules(self) -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = self.aws.client("events").list_rules()["Rules"]
        return [rule for rule in rules if rule["State"] == "ENABLED"]

    def _to_targets(self, rule: Mapping[str, Any], event: Mapping[str, Any]) -> list[Invocation]:
        targets = self.aws.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]
        assert targets, f"rule {rule['Name']} reaches nobody"
        functions = [target["Arn"] for target in targets if ":lambda:" in target["Arn"]]
        for function in functions:
            assert self.may_invoke(rule["Arn"], function), f"{rule['Name']} may not invoke {function}"
        return [self.invoke(function, event) for function in functions]

    def may_invoke(self, rule_arn: str, function_arn: str) -> bool:
        client = self.aws.client("lambda")
        try:
            policy = json.loads(client.get_policy(FunctionName=function_arn)["Policy"])
        except client.exceptions.ResourceNotFoundException:  # nobody may
            return False
        return any(
            statement["Effect"] == "Allow"
            and statement["Principal"] == {"Service": "events.amazonaws.com"}
            and statement["Condition"]["ArnLike"]["AWS:SourceArn"] == rule_arn
            for statement in policy["Statement"]
        )

    def invoke(self, function_arn: str, event: object) -> Invocation:
        """Run the function's own code in its own environment. Raises AssertionError with its output when it fails."""
        done = self.attempt(function_arn, event)
        assert isinstance(done, Invocation), f"{function_arn} failed:\n{done.printed}"
        return done

    def attempt(self, function_arn: str, event: object) -> Invocation | Failed:
        """The same, where it may fail. A process that dies without a word raises AssertionError."""
        configuration = self.aws.client("lambda").get_function_configuration(FunctionName=function_arn)
        answer_file = self.code.with_name(f"{uuid.uuid4().hex}.json")
        request = {
            "asset": str(self.code),
            "handler": configuration["Handler"],
            "function_arn": configuration["FunctionArn"].removesuffix(":$LATEST"),
            "request_id": str(uuid.uuid4()),
            "timeout_seconds": configuration["Timeout"],
            "clock_offset_seconds": self.clock.offset.total_seconds(),
            "event": event,
            "answer_file": str(answer_file),
        }
        done = subprocess.run(
            # No site directory and no bytecode: what the asset does not hold is not there, and the asset stays as is.
            [runtime_python(), "-I", "-S", "-B", str(_RUNNER)],
            env=configuration["Environment"]["Variables"] | dict(self.aws.environment()),
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=_INVOKE_TIMEOUT_SECONDS,
            check=False,
        )
        assert answer_file.exists(), f"{function_arn} died:\n{done.stdout}\n{done.stderr}"
        outcome = json.loads(answer_file.read_text("utf-8"))
        if "errorMessage" in outcome:
            return Failed(outcome["errorType"], outcome["errorMessage"], f"{done.stdout}\n{done.stderr}")
        assert done.returncode == 0, f"{function_arn} failed after its answer:\n{done.stdout}\n{done.stderr}"
        invocation = Invocation(
            function_arn=request["function_arn"],
            answer=outcome["answer"],
            printed=tuple(done.stdout.splitlines()),
            calls=tuple(outcome["calls"]),
        )
        self.invocations.append(invocation)
        return invocation


def _matches(pattern: str, event: Any) -> bool:
    matcher: Any = EventPattern.load(pattern)
    return bool(matcher.matches_event(event))


@cache
def runtime_python() -> str:
    """Python of the functions' version where there is one, else this one: the code runs on both."""
    return find_compiler() or sys.executable
