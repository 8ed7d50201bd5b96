"""Where events go that no function can use: a queue, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from costwatch.adapters.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

_LIMIT_BYTES = 240_000
_MOST_LEVELS = 100


class RefusedEvents:
    """SQS in the home region. Raises AwsError, then Lambda's own dead-letter queue takes the event."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def refuse(self, event: object, *, reason: str, function: str) -> None:
        """Keep the event with its reason; what is too large or too deep is cut, its beginning kept."""
        event = _not_deeper(event, _MOST_LEVELS)
        raw = json.dumps(event, default=str)
        body: Mapping[str, object] = {"reason": reason, "function": function, "event": event}
        if len(raw.encode()) > _LIMIT_BYTES:
            body = {"reason": reason, "function": function, "event_cut": raw[: _LIMIT_BYTES // 4]}
        with translated("sqs:SendMessage"):
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(body, default=str))


def _not_deeper(value: object, levels: int) -> object:
    """What lies deeper than any service nests, and than JSON can be written, is left out."""
    if not isinstance(value, Mapping | list | tuple):
        return value
    if levels == 0:
        return "(nested too deeply)"
    if isinstance(value, Mapping):
        return {key: _not_deeper(part, levels - 1) for key, part in value.items()}
    return [_not_deeper(part, levels - 1) for part in value]
