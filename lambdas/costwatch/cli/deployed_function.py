"""Asking the deployed function to act: it alone may stop anything, under its own role, keys and caps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from costwatch.adapters.deployed_function import DeployedFunction
from costwatch.cli.session import Session
from costwatch.errors import NotDeployedError


def ask(
    session: Session, detail_type: str, detail: Mapping[str, Any], *, answer: str, function: str = ""
) -> dict[str, Any]:
    """Invoke the function and wait for its document, which must have the key `answer`. Empty: the sweep's function.

    Raises RefusedError when it refuses, FunctionFailedError when it fails, NotDeployedError when there is none.
    """
    function = function or session.deployment.function
    if not function:
        raise NotDeployedError("the deployment names no function to ask; set COSTWATCH_FUNCTION or deploy again")
    return DeployedFunction(session.invoke_client(), function).ask(detail_type, detail, answer=answer)
