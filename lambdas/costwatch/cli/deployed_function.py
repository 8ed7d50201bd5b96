"""Asking the deployed function to act: it alone may stop anything, under its own role, keys and caps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from costwatch import names
from costwatch.adapters.aws_errors import translated
from costwatch.cli.session import Session
from costwatch.errors import CostwatchError, NotDeployedError, RefusedError


class FunctionFailedError(CostwatchError):
    """The deployed function answered with an error of its own."""


def ask(
    session: Session, detail_type: str, detail: Mapping[str, Any], *, answer: str, function: str = ""
) -> dict[str, Any]:
    """Invoke the function and wait for its document, which must have the key `answer`. Empty: the sweep's function.

    Raises RefusedError when it refuses, FunctionFailedError when it fails, NotDeployedError when there is none.
    """
    function = function or session.deployment.function
    if not function:
        raise NotDeployedError("the deployment names no function to ask; set COSTWATCH_FUNCTION or deploy again")
    event = {"source": names.SOURCE_CLI, "detail-type": detail_type, "detail": dict(detail)}
    client = session.invoke_client()
    with translated("lambda:Invoke"):
        response = client.invoke(
            FunctionName=function,
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
            raise RefusedError(f"the deployed function refuses: {message}")
        raise FunctionFailedError(f"the deployed function failed with {kind or 'an error'}: {message}")
    if not isinstance(body, dict) or answer not in body:
        refused = body.get("refused") if isinstance(body, dict) else None
        raise FunctionFailedError(f"the deployed function did not answer as asked: {refused or body}; deploy again")
    return body
