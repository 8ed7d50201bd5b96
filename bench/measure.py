"""Run one process and say what it took: wall, CPU and peak memory from the operating system, calls from the endpoint."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent
BUILD: Final = ROOT / "build" / "bench"
REGION: Final = "us-east-1"

_CONTROL_SECONDS: Final = 30.0
_START_SECONDS: Final = 60.0


class BenchmarkError(Exception):
    """Something could not be measured, or decided something else than it should."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One finished process. `cpu_seconds`: user and system, of it and the children it waited for. Memory in MB (2**20).

    Of a process that ran out of time `timed_out` is true, and its other figures are what it had taken by then.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    exit_code: int
    timed_out: bool
    calls: Mapping[str, int]
    stdout: str

    @property
    def call_count(self) -> int:
        return sum(self.calls.values())


class Endpoint:
    """`with Endpoint(instances=1000) as endpoint:` serves a fleet from a process of its own."""

    def __init__(self, *, instances: int, jobs: int = 0, delay_ms: float = 0) -> None:
        self._arguments = [f"--instances={instances}", f"--jobs={jobs}", f"--delay-ms={delay_ms}"]
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "bench.endpoint", *self._arguments]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_clean_environment()
        )
        timer = threading.Timer(_START_SECONDS, self._process.kill)
        timer.start()
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        timer.cancel()
        if not self.url:
            self._end()
            raise BenchmarkError("the endpoint did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def environment(self) -> dict[str, str]:
        """What a process needs to see this endpoint as AWS, and no other AWS beside it."""
        return {
            **_clean_environment(),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def calls(self) -> dict[str, int]:
        """By operation, since the last `forget_calls` or `reset`."""
        found: dict[str, int] = self._control("GET", "/__calls")
        return found

    def forget_calls(self) -> None:
        self._control("DELETE", "/__calls")

    def reset(self) -> None:
        """No call, an empty ledger, every instance running."""
        self._control("POST", "/__reset")

    def _control(self, method: str, path: str) -> Any:
        request = urllib.request.Request(self.url + path, method=method)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=_CONTROL_SECONDS) as answer:
            return json.load(answer)

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(command: Sequence[str], endpoint: Endpoint, *, timeout_seconds: float, directory: Path = ROOT) -> Sample:
    """Run it to its end, or kill it with its children when its time is over.

    The kernel counts a child's peak memory from its fork on: it is never less than this process's own, about 40 MB.
    """
    endpoint.forget_calls()
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=directory, env=endpoint.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    timed_out = threading.Event()

    def kill() -> None:
        timed_out.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(timeout_seconds, kill)
    timer.start()
    try:
        stdout, stderr = _output(process)
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        timer.cancel()
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and not timed_out.is_set():
        raise BenchmarkError(f"{' '.join(command)} ended with {process.returncode}:\n{stderr[-2000:]}\n{stdout[-500:]}")
    return Sample(
        wall_seconds=wall,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / 1024,  # Linux counts in KiB
        exit_code=process.returncode,
        timed_out=timed_out.is_set(),
        calls=endpoint.calls(),
        stdout=stdout,
    )


def _output(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Both streams to their end, without reaping the process: wait4 must do that."""
    errors: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    stderr = process.stderr
    reader = threading.Thread(target=lambda: errors.append(stderr.read()), daemon=True)
    reader.start()
    stdout = process.stdout.read()
    reader.join()
    process.stdout.close()
    stderr.close()
    return stdout, errors[0]


def _clean_environment() -> dict[str, str]:
    """This process's own, without anything of AWS, and with the package in reach."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COSTWATCH_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "lambdas"))), "NO_COLOR": "1"}
