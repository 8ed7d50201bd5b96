"""Asking another function of the stack to act, and waiting for what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from costwatch import names
from costwatch.adapters.aws_errors import translated
from costwatch.errors import CostwatchError, RefusedError

REFUSES: Final = "the deployed function refuses: "


class FunctionFailedError(CostwatchError):
    """The deployed function answered with an error of its own."""


class DeployedFunction:
    """`client`: boto3's of `lambda`, which waits for as long as the function may take."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def ask(self, detail_type: str, detail: Mapping[str, Any], *, answer: str) -> dict[str, Any]:
        """Invoke it and wait for its document, which must have the key `answer`.

        Raises RefusedError when it refuses, FunctionFailedError when it fails, AwsError when Lambda does.
        """
        event = {"source": names.SOURCE_CLI, "detail-type": detail_type, "detail": dict(detail)}
        with translated("lambda:Invoke"):
            response = self._client.invoke(
                FunctionName=self._name,
                InvocationType="RequestResponse",
                Payload=json.dumps(event).encode(),
            )
        return _answered(response, response["Payload"].read(), answer)


def _answered(response: Mapping[str, Any], payload: bytes, answer: str) -> dict[str, Any]:
    try:
        body = json.loads(payload)
    except ValueError as error:
        raise FunctionFailedError(f"the deployed function answered {payload[:200]!r}") from error
    if response.get("FunctionError"):
        kind, message = str(body.get("errorType", "")), str(body.get("errorMessage", body))
        if kind == RefusedError.__name__:
            raise RefusedError(f"{REFUSES}{message}")
        raise FunctionFailedError(f"the deployed function failed with {kind or 'an error'}: {message}")
    if not isinstance(body, dict) or answer not in body:
        refused = body.get("refused") if isinstance(body, dict) else None
        raise FunctionFailedError(f"the deployed function did not answer as asked: {refused or body}; deploy again")
    return body
