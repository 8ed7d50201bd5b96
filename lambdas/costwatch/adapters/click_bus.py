"""Slack's clicks on the default bus, as they came: who takes them from there verifies them again."""

from __future__ import annotations

import json

from costwatch import names
from costwatch.adapters.signed_calls import SignedCalls
from costwatch.errors import TransientAwsError


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
            code = str(answer["Entries"][0].get("ErrorCode"))
            raise TransientAwsError(f"events:PutEvents: {code}", code=code, operation="events:PutEvents")
