"""Crashes: a function runs in a forked child and ends by os._exit before or after one of its calls to the outside.

The world (embedded AWS and Slack) lives in the parent, so whatever the child did before it died stays done, and nobody
cleans up. The child talks HTTP through the real adapters. What a child does with the outside goes through two doors,
botocore's and slack_sdk's; an HTTP request through any other door is an error here, so no call can go uncounted.
"""

from __future__ import annotations

import gc
import http.client
import json
import os
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

import botocore.client
import slack_sdk.web.base_client

CRASHED: Final = 137
"""The exit code of a killed process."""
_TIMEOUT_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Crash:
    """Die at the call with this number, counted from 1: `before` it is sent, or `after` it was answered."""

    call: int
    moment: Literal["before", "after"]


@dataclass(frozen=True)
class Ran:
    """What became of a child. `calls` are `service:Operation` in order, the one it died at included."""

    calls: tuple[str, ...]
    exit_code: int
    answer: Any
    error: str


def run_forked(function: Callable[[], Any], crash: Crash | None = None) -> Ran:
    """Run `function` in a forked child; its answer must be JSON. A child that hangs is killed and TimeoutError raised.

    Clients that `function` uses may be made before, but must not have been used: a child cannot share a connection.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # From 3.12 on Python warns of forking beside threads. The server's threads hold no lock the child needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(function, crash, writing)
    os.close(writing)
    try:
        said, in_time = _read(reading)
    finally:
        os.close(reading)
    if not in_time:
        os.kill(pid, signal.SIGKILL)
    exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    lines = [json.loads(line) for line in said.decode().splitlines()]
    calls = tuple(line["call"] for line in lines if "call" in line)
    if not in_time:
        raise TimeoutError(f"child {pid} still ran after {_TIMEOUT_SECONDS:g} s and was killed; its calls: {calls}")
    end: dict[str, Any] = next((line for line in lines if "call" not in line), {})
    return Ran(calls, exit_code, end.get("answer"), end.get("error", ""))


def _read(descriptor: int) -> tuple[bytes, bool]:
    """Everything until the child closes its end, which it does by dying; False when it takes too long."""
    said = b""
    over = time.monotonic() + _TIMEOUT_SECONDS
    while (left := over - time.monotonic()) > 0:
        if select.select([descriptor], [], [], left)[0]:
            chunk = os.read(descriptor, 65536)
            if not chunk:
                return said, True
            said += chunk
    return said, False


def _child(function: Callable[[], Any], crash: Crash | None, descriptor: int) -> NoReturn:
    exit_code = 1
    gc.disable()  # a collection would touch, and so copy, every page that is shared with the parent
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        doors = _Doors(descriptor, crash)
        doors.install()
        answer = function()
        _say(descriptor, answer=answer)
        exit_code = 0
    except BaseException:  # noqa: BLE001 - the end of this process: whatever it was, the parent is told
        _say(descriptor, error=traceback.format_exc())
    finally:
        os._exit(exit_code)


def _say(descriptor: int, **line: Any) -> None:
    os.write(descriptor, json.dumps(line).encode() + b"\n")


class _Doors:
    """Counts what goes out, and is where the crash happens. Only ever installed in a child, so never taken off."""

    def __init__(self, descriptor: int, crash: Crash | None) -> None:
        self._descriptor = descriptor
        self._crash = crash
        self._count = 0
        self._inside = False

    def install(self) -> None:
        make_api_call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]
        slack_call = slack_sdk.web.base_client.BaseClient.api_call
        put_request = http.client.HTTPConnection.putrequest

        def aws(client: Any, operation: str, parameters: Any) -> Any:
            name = f"{client.meta.service_model.service_name}:{operation}"
            return self._through(name, lambda: make_api_call(client, operation, parameters))

        def slack(client: Any, api_method: str, **arguments: Any) -> Any:
            return self._through(f"slack:{api_method}", lambda: slack_call(client, api_method, **arguments))

        def request(connection: Any, method: str, url: str, *rest: Any, **options: Any) -> Any:
            if not self._inside:
                raise AssertionError(f"{method} {url} goes out by a door that nobody watches")
            return put_request(connection, method, url, *rest, **options)

        botocore.client.BaseClient._make_api_call = aws  # type: ignore[attr-defined]
        slack_sdk.web.base_client.BaseClient.api_call = slack  # type: ignore[method-assign,assignment]
        http.client.HTTPConnection.putrequest = request  # type: ignore[method-assign,assignment]

    def _through(self, name: str, call: Callable[[], Any]) -> Any:
        if self._inside:  # what somebody asks while a call is being made is part of it
            return call()
        self._count += 1
        _say(self._descriptor, call=name)
        self._maybe_die("before")
        self._inside = True
        try:
            return call()
        finally:
            self._inside = False
            self._maybe_die("after")

    def _maybe_die(self, moment: str) -> None:
        if self._crash is not None and (self._crash.call, self._crash.moment) == (self._count, moment):
            os._exit(CRASHED)
