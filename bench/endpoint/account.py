"""One account: a request in, an answer out, every call counted by its operation."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from bench.endpoint import ec2, small_services
from bench.endpoint.dynamodb import DynamoDb
from bench.endpoint.errors import Refused
from bench.endpoint.fleet import Fleet
from bench.endpoint.sagemaker import SageMaker

_TARGETS: Final = {
    "DynamoDB_20120810": "dynamodb",
    "SageMaker": "sagemaker",
    "AmazonSSM": "ssm",
    "AWSEvents": "events",
}
_ACTION: Final = re.compile(rb"(?:^|&)Action=(\w+)")
_SCOPE: Final = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes


class Account:
    """Threads share it: the counter and the table have locks, the fleet changes by single assignments only."""

    def __init__(self, fleet: Fleet) -> None:
        self._ec2 = ec2.Ec2(fleet)
        self._sagemaker = SageMaker(fleet)
        self._table = DynamoDb()
        self._calls: Counter[str] = Counter()
        self._lock = Lock()

    def calls(self) -> dict[str, int]:
        """By operation, such as `ec2:DescribeInstances`, since the last reset; what was refused too."""
        with self._lock:
            return dict(sorted(self._calls.items()))

    def forget_calls(self) -> None:
        with self._lock:
            self._calls.clear()

    def reset(self) -> None:
        """As it was at the start: no call, an empty table, every instance running."""
        self.forget_calls()
        self._table.reset()
        self._ec2.reset()

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """`headers` with lower-case names."""
        target = headers.get("x-amz-target", "")
        if target:
            prefix, _, operation = target.partition(".")
            service = _TARGETS.get(prefix, prefix)
            self._count(service, operation)
            return self._json(service, operation, body)
        scope, action = _SCOPE.search(headers.get("authorization", "")), _ACTION.search(body)
        service = scope[1] if scope else "unsigned"
        operation = action[1].decode() if action else "unknown"
        self._count(service, operation)
        return self._query(service, operation, body)

    def _count(self, service: str, operation: str) -> None:
        with self._lock:
            self._calls[f"{service}:{operation}"] += 1

    def _json(self, service: str, operation: str, body: bytes) -> Answer:
        content_type = "application/x-amz-json-1.0" if service == "dynamodb" else "application/x-amz-json-1.1"
        try:
            document = self._document(service, operation, json.loads(body or b"{}"))
        except Refused as error:
            refusal = {"__type": error.code, "message": str(error), "Message": str(error), **error.details}
            return Answer(400, content_type, json.dumps(refusal).encode())
        return Answer(200, content_type, json.dumps(document).encode())

    def _document(self, service: str, operation: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        match service:
            case "dynamodb":
                return self._table.answer(operation, body)
            case "sagemaker":
                return self._sagemaker.answer(operation, body)
        return small_services.json_answer(service, operation, body)

    def _query(self, service: str, operation: str, body: bytes) -> Answer:
        is_ec2 = service == "ec2"
        try:
            answered = self._ec2.answer(operation, body) if is_ec2 else small_services.query_answer(service, operation)
        except Refused as error:
            document = ec2.error_document(error) if is_ec2 else small_services.query_error_document(error)
            return Answer(400, "text/xml;charset=UTF-8", document)
        return Answer(200, "text/xml;charset=UTF-8", answered)
