"""One invocation of a deployed function, in the stead of Lambda's runtime. Run with `-I -S`: standard library only.

Reads a request from stdin, puts the unpacked asset on the path and calls the handler with a context. What the handler
returned and which AWS calls it made go into the request's answer file; stdout and stderr are the function's own.
"""

import copy
import dataclasses
import importlib
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any


class Context:
    """The part of Lambda's context object that the functions read."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.invoked_function_arn: str = request["function_arn"]
        self.aws_request_id: str = request["request_id"]
        self._ends = time.monotonic() + request["timeout_seconds"]

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends - time.monotonic()) * 1000)


def main() -> None:
    """A failing handler leaves its traceback on stderr and a non-zero exit code, as it would in the function's log."""
    request = json.load(sys.stdin)
    sys.path.insert(0, request["asset"])
    calls: list[dict[str, Any]] = []
    _remember_calls(calls)
    module_name, _, function_name = request["handler"].rpartition(".")
    module = importlib.import_module(module_name)
    if request["clock_offset_seconds"]:
        _shift_clock(module, timedelta(seconds=request["clock_offset_seconds"]))
    answer_file = Path(request["answer_file"])
    try:
        answer = getattr(module, function_name)(request["event"], Context(request))
    except Exception as error:
        failed = {"errorType": type(error).__name__, "errorMessage": str(error)}  # as Lambda's runtime answers
        answer_file.write_text(json.dumps(failed), "utf-8")
        raise
    answer_file.write_text(json.dumps({"answer": answer, "calls": calls}, default=str), "utf-8")


def _remember_calls(calls: list[dict[str, Any]]) -> None:
    handlers = importlib.import_module("botocore.handlers")  # the asset's own

    def remember(params: Any, model: Any, context: Any, **_: Any) -> None:
        call = {"service": model.service_model.service_name, "operation": model.name}
        calls.append({**call, "region": context["client_region"], "params": copy.deepcopy(params)})

    handlers.BUILTIN_HANDLERS.append(("before-parameter-build", remember))
    # The door makes no client, so botocore's handlers see nothing of it.
    signed = importlib.import_module("costwatch.adapters.signed_calls").SignedCalls
    call = signed.call

    def remember_signed(self: Any, service: str, target: str, parameters: Any, **rest: Any) -> Any:
        operation, region = target.partition(".")[2], os.environ["AWS_REGION"]
        calls.append({"service": service, "operation": operation, "region": region, "params": parameters})
        return call(self, service, target, parameters, **rest)

    signed.call = remember_signed


def _shift_clock(module: Any, offset: timedelta) -> None:
    shifted = dataclasses.replace(module.deployed(), clock=lambda: datetime.now(UTC) + offset)
    module.deployed = lambda: shifted


if __name__ == "__main__":
    main()
