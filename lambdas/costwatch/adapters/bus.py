"""Events that pipelines can treat as final: `Run Stopped By Costwatch` on the default bus."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from costwatch import names
from costwatch.adapters.aws_errors import translated
from costwatch.errors import TransientAwsError

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient


class Bus:
    """EventBridge in the home region."""

    def __init__(self, client: EventBridgeClient) -> None:
        self._client = client

    def run_stopped(self, detail: Mapping[str, object], *, at: datetime) -> None:
        """Publish once per stop; consumers deduplicate by `detail.stop_key`. Raises AwsError."""
        with translated("events:PutEvents"):
            answer = self._client.put_events(
                Entries=[
                    {
                        "Source": names.SOURCE_COSTWATCH,
                        "DetailType": names.DETAIL_RUN_STOPPED,
                        "Detail": json.dumps(detail, sort_keys=True),
                        "Time": at,
                    }
                ]
            )
        if answer.get("FailedEntryCount"):
            # PutEvents answers 200 for entries it dropped.
            raise TransientAwsError(f"events:PutEvents: {answer['Entries'][0].get('ErrorMessage', 'entry refused')}")
