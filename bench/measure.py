"""Run one process and say what it took: wall, CPU, peak memory and the calls that the endpoint counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent
BUILD: Final = ROOT / "build" / "bench"
REGION: Final = "us-east-1"

_TIMED: Final = ROOT / "bench" / "timed.py"
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
        assert process.stdout is not None
        process.stdout.close()


def run(
    command: Sequence[str], endpoint: Endpoint, *, timeout_seconds: float, more: Mapping[str, str] | None = None
) -> Sample:
    """Run it to its end, or kill it with its children when its time is over. `more` goes into its environment.

    Raises BenchmarkError when it ends with anything but 0.
    """
    endpoint.forget_calls()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        stdout, stderr = Path(directory) / "stdout", Path(directory) / "stderr"
        timed = [sys.executable, "-I", "-S", str(_TIMED), str(timeout_seconds), str(stdout), str(stderr), *command]
        # Popen and not run: its end closes the pipe, and an interrupt here leaves no process behind.
        with subprocess.Popen(
            timed, cwd=ROOT, env={**endpoint.environment(), **(more or {})}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            answer = process.stdout.read()
            process.wait()
        if process.returncode:
            raise BenchmarkError(f"{' '.join(command)} could not be run:\n{answer[-2000:]}")
        took = json.loads(answer)
        if took["exit_code"] and not took["timed_out"]:
            ended = f"{' '.join(command)} ended with {took['exit_code']}"
            raise BenchmarkError(f"{ended}:\n{_tail(stderr)}\n{_tail(stdout)}")
        return Sample(**took, calls=endpoint.calls(), stdout=stdout.read_text(encoding="utf-8"))


def _tail(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")[-2000:]


def _clean_environment() -> dict[str, str]:
    """This process's own, without anything of AWS, and with the package in reach; bytecode is kept, as everywhere."""
    left_out = ("AWS_", "COSTWATCH_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "lambdas"))), "NO_COLOR": "1"}
