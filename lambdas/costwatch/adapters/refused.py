"""Where events go that no function can use: a queue, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from costwatch.adapters.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

_LIMIT_BYTES = 240_000


class RefusedEvents:
    """SQS in the home region. Raises AwsError, then Lambda's own dead-letter queue takes the event."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def refuse(self, event: object, *, reason: str, function: str) -> None:
        """Keep the event with its reason; an oversized event is cut, its beginning kept."""
        raw = json.dumps(event, default=str)
        body: Mapping[str, object] = {"reason": reason, "function": function, "event": event}
        if len(raw.encode()) > _LIMIT_BYTES:
            body = {"reason": reason, "function": function, "event_cut": raw[: _LIMIT_BYTES // 4]}
        with translated("sqs:SendMessage"):
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(body, default=str))
