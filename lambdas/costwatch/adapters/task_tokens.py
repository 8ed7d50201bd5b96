"""Tasks of Step Functions that wait by a task token (`.waitForTaskToken`): answer one, or say that we still live."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from costwatch.adapters.aws_errors import translated
from costwatch.core.token_answer import TokenAnswer
from costwatch.errors import PermanentAwsError

LONGEST_TOKEN: Final = 2048
LONGEST_OUTPUT: Final = 262_144
LONGEST_ERROR: Final = 256
LONGEST_CAUSE: Final = 32_768
_SETTLED: Final = ("TaskTimedOut", "TaskDoesNotExist")
_NO_TOKEN: Final = "InvalidToken"


class TaskTokens:
    """One account and region. Raises TransientAwsError or PermanentAwsError."""

    def __init__(self, client: Any) -> None:
        """`client`: boto3's of `stepfunctions`."""
        self._client = client

    def succeed(self, token: str, output: Mapping[str, Any]) -> TokenAnswer:
        """Let the state machine go on with `output`, at most 262,144 characters of JSON."""
        text = json.dumps(output, sort_keys=True)
        if len(text) > LONGEST_OUTPUT:
            raise PermanentAwsError(f"an output of {len(text):,} characters; Step Functions takes {LONGEST_OUTPUT:,}")
        return self._answer(
            token, "SendTaskSuccess", lambda: self._client.send_task_success(taskToken=token, output=text)
        )

    def fail(self, token: str, error: str, cause: str) -> TokenAnswer:
        """Let the state fail by the name `error`, which a Catch compares, and with `cause` for people."""
        return self._answer(
            token,
            "SendTaskFailure",
            lambda: self._client.send_task_failure(
                taskToken=token, error=error[:LONGEST_ERROR], cause=cause[:LONGEST_CAUSE]
            ),
        )

    def heartbeat(self, token: str) -> TokenAnswer:
        """For a state with HeartbeatSeconds; SETTLED: nobody waits for an answer any more."""
        return self._answer(token, "SendTaskHeartbeat", lambda: self._client.send_task_heartbeat(taskToken=token))

    def _answer(self, token: str, operation: str, send: Callable[[], object]) -> TokenAnswer:
        if not 0 < len(token) <= LONGEST_TOKEN:
            return TokenAnswer.NO_TOKEN
        try:
            with translated(f"states:{operation}"):
                send()
        except PermanentAwsError as error:
            if error.code in _SETTLED:
                return TokenAnswer.SETTLED
            if error.code == _NO_TOKEN:
                return TokenAnswer.NO_TOKEN
            raise
        return TokenAnswer.ACCEPTED
