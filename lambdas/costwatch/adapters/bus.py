"""What Costwatch puts on buses: what was stopped and judged, for pipelines, and the canary of the heartbeats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from costwatch import names
from costwatch.adapters.aws_errors import translated
from costwatch.core import times
from costwatch.errors import TransientAwsError

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient


class Bus:
    """EventBridge in the home region."""

    def __init__(self, client: EventBridgeClient, *, heartbeat_bus: str) -> None:
        self._client = client
        self._heartbeat_bus = heartbeat_bus

    def run_stopped(self, detail: Mapping[str, object], *, at: datetime) -> None:
        """Publish once per stop; consumers deduplicate by `detail.stop_key`. Raises AwsError."""
        self._put(
            {
                "Source": names.SOURCE_COSTWATCH,
                "DetailType": names.DETAIL_RUN_STOPPED,
                "Detail": json.dumps(detail, sort_keys=True),
                "Time": at,
            }
        )

    def res_verdict(self, detail: Mapping[str, object], *, at: datetime) -> None:
        """Publish what was decided about a candidate; consumers deduplicate by `detail.id`. Raises AwsError."""
        self._put(
            {
                "Source": names.SOURCE_COSTWATCH,
                "DetailType": names.DETAIL_RES_VERDICT,
                "Detail": json.dumps(detail, sort_keys=True),
                "Time": at,
            }
        )

    def canary(self, at: datetime) -> None:
        """Send a beat of no trainer the way that trainers' beats take. Raises AwsError."""
        self._put(
            {
                "EventBusName": self._heartbeat_bus,
                "Source": names.SOURCE_CLIENT,
                "DetailType": names.DETAIL_CANARY,
                "Detail": json.dumps({"v": 1, "sent_at": times.to_text(at)}),
                "Time": at,
            }
        )

    def _put(self, entry: dict[str, Any]) -> None:
        entries: Any = [entry]
        with translated("events:PutEvents"):
            answer = self._client.put_events(Entries=entries)
        if answer.get("FailedEntryCount"):
            # PutEvents answers 200 for entries it dropped.
            raise TransientAwsError(f"events:PutEvents: {answer['Entries'][0].get('ErrorMessage', 'entry refused')}")
