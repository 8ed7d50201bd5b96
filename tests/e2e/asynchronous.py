"""What EventBridge and Lambda do with events, those included that cannot be handled: retries and dead letters.

As AWS documents them: an event that a function fails on is tried again as often as configured, then put into the
function's dead-letter queue as it was, with RequestID, ErrorCode and ErrorMessage beside it; what EventBridge may not
hand over goes into the target's at once, with the rule, the target and the reason. moto has none of it, and drops a
function's DeadLetterConfig, which is read from the template. The waits between tries are left out.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from moto.awslambda.models import LambdaFunction

from tests.e2e.deployed import Deployed, Failed, Invocation
from tests.e2e.roles import statements
from tests.support.iam import evaluate

_LONGEST_MESSAGE: Final = 1024
_FUNCTION_ERROR: Final = 200  # Lambda's own answer was in order: the function's was not


@dataclass
class Lambda:
    """`accepted`: events that it has answered 202 to and not run yet."""

    deployed: Deployed
    accepted: list[tuple[str, Any]] = field(default_factory=list)

    def publish(self, event: dict[str, Any]) -> None:
        """What EventBridge does with an event: to the functions of each rule it matches, or to their dead letters."""
        events = self.deployed.aws.client("events")
        for rule in self.deployed.rules_of(event):
            for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                if ":lambda:" not in target["Arn"]:
                    continue
                if self.deployed.may_invoke(rule["Arn"], target["Arn"]):
                    self.accepted.append((target["Arn"], event))
                else:
                    self._undeliverable(rule["Arn"], target, event)

    def run(self) -> list[Invocation | Failed]:
        """Run whatever was accepted, each as often as it takes or may take. What came of the last try, in order."""
        done = []
        while self.accepted:
            function_arn, event = self.accepted.pop(0)
            for _ in range(1 + self._retries(function_arn)):
                outcome = self.deployed.attempt(function_arn, event)
                if isinstance(outcome, Invocation):
                    break
            else:
                assert isinstance(outcome, Failed)
                self._given_up(function_arn, event, outcome)
            done.append(outcome)
        return done

    def _retries(self, function_arn: str) -> int:
        client = self.deployed.aws.client("lambda")
        return int(client.get_function_event_invoke_config(FunctionName=function_arn)["MaximumRetryAttempts"])

    def _given_up(self, function_arn: str, event: Any, failed: Failed) -> None:
        properties = self.deployed.resources("AWS::Lambda::Function")[function_arn.rpartition(":")[2]]
        queue_arn = properties["DeadLetterConfig"]["TargetArn"]
        allowed = evaluate(statements(self.deployed, function_arn), "sqs:SendMessage", queue_arn, {}).allowed
        assert allowed, f"the role of {function_arn} may not write to {queue_arn}: Lambda would drop the event"
        attributes = {
            "RequestID": _text(str(uuid.uuid4())),
            "ErrorCode": {"DataType": "Number", "StringValue": str(_FUNCTION_ERROR)},
            "ErrorMessage": _text(failed.message[:_LONGEST_MESSAGE]),
        }
        self._put(queue_arn, event, attributes)

    def _undeliverable(self, rule_arn: str, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        queue_arn = target["DeadLetterConfig"]["Arn"]
        assert self._may_write(rule_arn, queue_arn), f"{rule_arn} may not write to {queue_arn}: the event would be lost"
        told = {
            "RULE_ARN": rule_arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": "NO_PERMISSIONS",
            "ERROR_MESSAGE": "The function's policy does not let EventBridge invoke it",  # AWS documents no wording
        }
        self._put(queue_arn, event, {name: _text(value) for name, value in told.items()})

    def _may_write(self, rule_arn: str, queue_arn: str) -> bool:
        answer = self.deployed.aws.client("sqs").get_queue_attributes(
            QueueUrl=self.url(queue_arn), AttributeNames=["Policy"]
        )
        return any(
            statement["Effect"] == "Allow"
            and statement["Principal"] == {"Service": "events.amazonaws.com"}
            and statement["Condition"]["ArnEquals"]["aws:SourceArn"] == rule_arn
            for statement in json.loads(answer["Attributes"]["Policy"])["Statement"]
        )

    def _put(self, queue_arn: str, event: object, attributes: Mapping[str, Any]) -> None:
        self.deployed.aws.client("sqs").send_message(
            QueueUrl=self.url(queue_arn), MessageBody=json.dumps(event), MessageAttributes=dict(attributes)
        )

    def url(self, queue_arn: str) -> str:
        return str(self.deployed.aws.client("sqs").get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"])


@contextmanager
def lambda_of(deployed: Deployed) -> Iterator[Lambda]:
    """Until the end Lambda's API takes asynchronous invocations into `accepted`, and runs the others at once."""
    service = Lambda(deployed)

    def invoke(function: Any, body: Any, request_headers: Any, response_headers: Any) -> bytes:
        event = json.loads(body)
        if request_headers.get("X-Amz-Invocation-Type") == "Event":
            service.accepted.append((function.function_arn, event))
            return b""
        outcome = deployed.attempt(function.function_arn, event)
        if isinstance(outcome, Failed):
            response_headers["x-amz-function-error"] = "Unhandled"
            return json.dumps({"errorType": outcome.kind, "errorMessage": outcome.message}).encode()
        return json.dumps(outcome.answer).encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LambdaFunction, "invoke", invoke)
        yield service


def _text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}
