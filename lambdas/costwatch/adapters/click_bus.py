"""Slack's clicks on the default bus, as they came: who takes them from there verifies them again."""

from __future__ import annotations

import json
from typing import Final

from costwatch import names
from costwatch.adapters.signed_calls import SignedCalls
from costwatch.errors import TransientAwsError

LARGEST_DETAIL_BYTES: Final = 250_000
"""EventBridge counts source and detail-type too, to 262,144."""


class ClickBus:
    """EventBridge in the function's region."""

    def __init__(self, calls: SignedCalls) -> None:
        self._calls = calls

    def put(self, *, body: str, timestamp: str, signature: str, retry: str, seconds: float) -> None:
        """One event of a request's raw body and the headers that it is verified by. Raises AwsError."""
        detail = json.dumps({"body": body, "timestamp": timestamp, "signature": signature, "retry": retry})
        entry = {"Source": names.SOURCE_SLACK, "DetailType": names.DETAIL_SLACK_INTERACTION, "Detail": detail}
        answer = self._calls.call("events", "AWSEvents.PutEvents", {"Entries": [entry]}, seconds=seconds)
        if answer.get("FailedEntryCount"):
            # PutEvents answers 200 for entries it dropped.
            (failed,) = answer["Entries"]
            raise TransientAwsError(f"events:PutEvents: {failed.get('ErrorCode')}", code=str(failed.get("ErrorCode")))
