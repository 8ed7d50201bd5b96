"""State machines in the embedded AWS, with Python in the place of the Lambda functions that they invoke."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pytest
from moto.awslambda.models import LambdaFunction

from demo.embedded import EmbeddedAws

Answer = Callable[[Any], object]
FUNCTION: Final = "gate"
_TRUST: Final = '{"Version": "2012-10-17", "Statement": []}'
_END_WAITS_SECONDS: Final = 30.0


@contextmanager
def answering(answer: Answer) -> Iterator[None]:
    """Every invocation of a function is answered by `answer`; what it raises fails the function by its class's name."""

    def invoke(function: Any, event: Any) -> tuple[str, bool, str]:
        del function
        try:
            return json.dumps(answer(json.loads(event) if isinstance(event, str | bytes) else event)), False, ""
        except Exception as error:  # noqa: BLE001 - as Lambda's runtime does
            return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)}), True, ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LambdaFunction, "_invoke_lambda", invoke)
        yield


def make_function(aws: EmbeddedAws, name: str = FUNCTION) -> str:
    """Its ARN. Its code is never run: see `answering`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("gate.py", "")
    answer = aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=make_role(aws, f"{name}-role"),
        Handler="gate.handler",
        Code={"ZipFile": packed.getvalue()},
    )
    return str(answer["FunctionArn"])


def make_role(aws: EmbeddedAws, name: str) -> str:
    answer = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=_TRUST)
    return str(answer["Role"]["Arn"])


def make_machine(aws: EmbeddedAws, definition: Mapping[str, Any], name: str = "GatedTraining") -> str:
    answer = aws.client("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=make_role(aws, f"{name}-role")
    )
    return str(answer["stateMachineArn"])


def start(aws: EmbeddedAws, machine: str, given: Mapping[str, Any]) -> str:
    """ARN of the execution. moto wants a name."""
    answer = aws.client("stepfunctions").start_execution(
        stateMachineArn=machine, name=uuid.uuid4().hex, input=json.dumps(given)
    )
    return str(answer["executionArn"])


def ended(aws: EmbeddedAws, execution: str, *, while_waiting: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """The execution as it ended. Raises AssertionError where it does not."""
    give_up_at = time.monotonic() + _END_WAITS_SECONDS
    while time.monotonic() < give_up_at:
        found: dict[str, Any] = aws.client("stepfunctions").describe_execution(executionArn=execution)
        if found["status"] != "RUNNING":
            return found
        while_waiting()
        time.sleep(0.05)
    raise AssertionError(f"{execution} did not end within {_END_WAITS_SECONDS} s")


def until(condition: Callable[[], Any]) -> Any:
    """What `condition` answers as soon as that is true. Raises AssertionError where it never is."""
    give_up_at = time.monotonic() + _END_WAITS_SECONDS
    while time.monotonic() < give_up_at:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {_END_WAITS_SECONDS} s")
