"""A deployment's dead-letter queues in moto, and somebody in front of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from click.testing import CliRunner, Result

from costwatch import __version__, names
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from tests.support.command_line import MARIA, FakeSsm, FakeSts, client_error
from tests.support.fakes import Town

REGION = "us-east-1"
QUEUES = "hints", "beats", "refused"


class Lambda:
    """Takes what it is handed, as Lambda does before any function has run."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []
        self.error: BaseException | None = None
        self.meanwhile: Callable[[], object] | None = None

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert InvocationType == "Event"
        if self.error is not None:
            raise self.error
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        self.taken.append((FunctionName, json.loads(Payload)))
        return {"StatusCode": 202}


class Stack:
    """Lists the stack's resources, a page each, as CloudFormation does."""

    def __init__(self, resources: dict[str, str]) -> None:
        self.name = names.STACK
        self.resources = resources
        self.error: Exception | None = None

    def get_paginator(self, operation: str) -> Stack:
        assert operation == "list_stack_resources"
        return self

    def paginate(self, *, StackName: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - boto3's own name
        if StackName != self.name:
            raise client_error("ValidationError", "ListStackResources")
        if self.error is not None:
            raise self.error
        for logical_id, physical_id in self.resources.items():
            kind = "AWS::SQS::Queue" if physical_id.startswith("http") else "AWS::Lambda::Function"
            found = {"ResourceType": kind, "LogicalResourceId": logical_id, "PhysicalResourceId": physical_id}
            yield {"StackResourceSummaries": [found]}


class Office:
    """A deployment's queues, and somebody in front of them."""

    def __init__(self, config: Path, town: Town) -> None:
        self.config, self.town, self.function = config, town, Lambda()
        self.sqs: Any = boto3.client("sqs", REGION)
        self.urls = {name: self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}
        self.stack = Stack(
            {
                "HintsDeadLetters1A2B3C4D": self.urls["hints"],
                "HintsFunction1A2B3C4D": "costwatch-hints",
                "BeatsDeadLetters1A2B3C4D": self.urls["beats"],
                "RefusedEvents1A2B3C4D": self.urls["refused"],
            }
        )
        self.ssm = FakeSsm(
            {
                "table": "costwatch-ledger",
                "function": "costwatch-deadman",
                "policy_digest": town.policy.digest,
                "config_commit": "c0ffee",
                "version": __version__,
                "regions": [REGION],
            }
        )

    def put(self, queue: str, body: Any, error: str = "") -> str:
        told = {"ErrorMessage": {"DataType": "String", "StringValue": error}} if error else {}
        sent = self.sqs.send_message(QueueUrl=self.urls[queue], MessageBody=json.dumps(body), MessageAttributes=told)
        return str(sent["MessageId"])

    def refuse(self, event: Any, function: str = "hints") -> str:
        return self.put("refused", {"reason": "detail is missing", "function": function, "event": event})

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        tools = Tools(
            environ={"AWS_REGION": REGION},
            clock=self.town.clock,
            clients={
                "sts": FakeSts(MARIA),
                "ssm": self.ssm,
                "lambda": self.function,
                "sqs": self.sqs,
                "cloudformation": self.stack,
            },
            table=self.town.table,
        )
        wanted = ["redrive", *arguments, "--config", str(self.config)]
        env = {"COLUMNS": "200", "NO_COLOR": "1"}
        return CliRunner().invoke(main, wanted, obj=tools, env=env, input=answer)

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def lying(self, queue: str) -> set[str]:
        """What everybody can see in it, now."""
        (found,) = self.json(queue)["queues"]
        assert found["depth"] == len(found["messages"])
        return {each["id"] for each in found["messages"]}

    @property
    def told(self) -> list[tuple[str, str, str]]:
        rows = self.town.ledger.since(self.town.clock(), self.town.clock())
        return [(row.run_id, row.entry.transition.value, row.entry.reason) for row in rows]
