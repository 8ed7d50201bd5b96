"""Step Functions as AWS behaves: state machines run, whoever made them, and their tasks reach this very AWS.

moto runs none unless a setting for the whole process says so, keeps those of CloudFormation apart, asks a Java machine
for JSONata, and forgets the cause of a task that failed. Of JSONata only paths are evaluated here, `$states.input.job`,
and one of them times a number, rounded up.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

import moto.stepfunctions.models as moto_models
import moto.stepfunctions.responses as moto_responses
from moto.core.responses import EmptyResult
from moto.stepfunctions.responses import StepFunctionResponse

from demo.embedded.patching import Patch
from demo.embedded.world import current

_DECLARED: Final = "($states:="
_PATH: Final = re.compile(r"\$states((?:\.\w+)+)")
_TIMES: Final = re.compile(r"\$ceil\((\$states(?:\.\w+)+) \* (\d+(?:\.\d+)?)\)")
_FUNCTION: Final = re.compile(r"\$(exists|type)\((.*)\)", re.DOTALL)
_TYPES: Final = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
_NOTHING: Final = object()


class _Running:
    """In the place of moto's state machines that never run: those that do. moto's parser is imported on first use."""

    def __getitem__(self, account: str) -> Any:
        return _backends()[account]


def _backends() -> Any:
    import moto.stepfunctions.parser.asl.jsonata.jsonata as moto_jsonata  # noqa: PLC0415 - a second, for few
    import moto.stepfunctions.parser.asl.utils.boto_client as moto_client  # noqa: PLC0415
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends  # noqa: PLC0415

    moto_jsonata._eval_jsonata = evaluate
    setattr(moto_client, "moto_server_port", _port)  # noqa: B010 - moto imports it there, and does not say so
    return stepfunctions_parser_backends


def _port() -> str:
    port = current().port
    if port is None:
        raise LookupError("no server is running")
    return str(port)


def _backend(account: str, region: str) -> Any:
    return _backends()[account][region]


def evaluate(expression: str) -> Any:
    """A path into `$states`, as moto composes it: `($states:={...};$states.input.job)`, or `$ceil(<path> * <number>)`
    in its place. Nothing there is None.

    Raises NotImplementedError for any other JSONata.
    """
    asked = _FUNCTION.fullmatch(expression)
    if asked:
        found = _found(asked[2])
        return found is not _NOTHING if asked[1] == "exists" else _TYPES.get(type(found), "null")
    found = _found(expression)
    return None if found is _NOTHING else found


def _found(expression: str) -> Any:
    if not expression.startswith(_DECLARED):
        raise NotImplementedError(f"the embedded AWS evaluates paths into $states only, not {expression[:200]}")
    states, end = json.JSONDecoder().raw_decode(expression, len(_DECLARED))
    asked = expression[end:].strip(" ;")[:-1].strip()
    multiplied = _TIMES.fullmatch(asked)
    path = _PATH.fullmatch(multiplied[1] if multiplied else asked)
    if path is None:
        raise NotImplementedError(f"the embedded AWS evaluates paths into $states only, not {expression[end:]}")
    found: Any = states
    for part in path[1].strip(".").split("."):
        if not isinstance(found, dict) or part not in found:
            return _NOTHING
        found = found[part]
    return math.ceil(found * float(multiplied[2])) if multiplied else found


def _fail_response(response: Any) -> EmptyResult:
    error, cause = response._get_param("error"), response._get_param("cause")
    response.stepfunction_backend.send_task_failure(response._get_param("taskToken"), error=error, cause=cause)
    return EmptyResult()


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(moto_models, "stepfunctions_backends", _Running()),
        Patch(moto_responses, "get_backend", _backend),
        Patch(StepFunctionResponse, "send_task_failure", _fail_response),
    ]
