"""Crashes: a function runs in a forked child, and at its calls to the outside copies of it end by os._exit.

The world (embedded AWS and Slack) lives in the parent, so whatever the child did before a copy died stays done, and
nobody cleans up. One child is enough for all its crashes: what it did up to a call is done once and not once for each
crash behind it. The child talks HTTP through the real adapters. What it does with the outside goes through two doors,
botocore's and slack_sdk's; an HTTP request through any other door is an error here, so no call can go uncounted.
"""

from __future__ import annotations

import gc
import http.client
import json
import os
import select
import signal
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

import botocore.client
import slack_sdk.web.base_client

CRASHED: Final = 137
"""The exit code of a killed process."""
_TIMEOUT_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Ran:
    """What became of a child. `calls` are `service:Operation` in order, the one it died at included."""

    calls: tuple[str, ...]
    exit_code: int
    answer: Any = None
    error: str = ""
    moment: Literal["before", "after", ""] = ""
    """Whether it died before its last call was sent, or after it was answered; empty when it did not die at a call."""


def run_forked(function: Callable[[], Any]) -> Ran:
    """Run `function` in a forked child; its answer must be JSON. A child that hangs is killed and TimeoutError raised.

    Clients that `function` uses may be made before, but must not have been used: a child cannot share a connection.
    """
    with closing(_run(function, dies=False)) as told:
        return next(told)


def run_dying_everywhere(function: Callable[[], Any]) -> Iterator[Ran]:
    """As `run_forked`, and before its first call and after each of its calls a copy of the child dies by os._exit.

    Yields how each copy ended, and last the child itself, which lives. While a copy's end is looked at the child waits
    in the middle of its run: what is done to the world meanwhile has to be undone before the next is asked for.
    """
    return _run(function, dies=True)


def _run(function: Callable[[], Any], *, dies: bool) -> Generator[Ran, None, None]:
    reading, writing = os.pipe()
    waiting, going = os.pipe()
    with warnings.catch_warnings():
        # From 3.12 on Python warns of forking beside threads. The server's threads hold no lock the child needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.close(going)
        _child(function, writing, waiting if dies else None)
    os.close(writing)
    os.close(waiting)
    lines = _Lines(reading)
    calls: tuple[str, ...] = ()
    end: dict[str, Any] = {}
    try:
        while (line := lines.next(pid, calls)) is not None:
            if "call" in line:
                calls = (*calls, line["call"])
            elif "died" in line:
                yield Ran(calls, line["died"], moment=line["moment"])
                os.write(going, b"\n")
            else:
                end = line
        exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        pid = 0
        yield Ran(calls, exit_code, end.get("answer"), end.get("error", ""))
    finally:
        os.close(reading)
        os.close(going)
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


class _Lines:
    """What a child says, line by line; it may take its time between two of them, but not for ever."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._said = b""

    def next(self, pid: int, calls: tuple[str, ...]) -> dict[str, Any] | None:
        """None when the child closed its end, which it does by dying."""
        while b"\n" not in self._said:
            if not select.select([self._descriptor], [], [], _TIMEOUT_SECONDS)[0]:
                raise TimeoutError(f"child {pid} said nothing for {_TIMEOUT_SECONDS:g} s; its calls: {calls}")
            chunk = os.read(self._descriptor, 65536)
            if not chunk:
                return None
            self._said += chunk
        line, _, self._said = self._said.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found


def _child(function: Callable[[], Any], descriptor: int, waits: int | None) -> NoReturn:
    exit_code = 1
    gc.disable()  # a collection would touch, and so copy, every page that is shared with the parent
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        doors = _Doors(descriptor, waits)
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
    """Tells what goes out, and is where the crashes happen. Only ever installed in a child, so never taken off.

    `waits`: the descriptor on which the parent says to go on after a copy's death; None where nothing is to die.
    """

    def __init__(self, descriptor: int, waits: int | None) -> None:
        self._descriptor = descriptor
        self._waits = waits
        self._first = True
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
        _say(self._descriptor, call=name)
        if self._first:  # nothing outside changes between an answer and the next call, so before is after the last
            self._first = False
            self._copy_dies("before")
        self._inside = True
        try:
            return call()
        finally:
            self._inside = False
            self._copy_dies("after")

    def _copy_dies(self, moment: str) -> None:
        if self._waits is None:
            return
        pid = os.fork()
        if pid == 0:
            os._exit(CRASHED)
        exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        _say(self._descriptor, died=exit_code, moment=moment)
        if not os.read(self._waits, 1):  # nobody is left to say it
            os._exit(1)
