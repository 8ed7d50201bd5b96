"""The pinned CDK command line, run as a person runs it, against the embedded AWS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from demo.embedded import EmbeddedAws
from infra.runtime import use_node

ROOT: Final = Path(__file__).resolve().parents[2]
QUALIFIER: Final = "localhost"  # moto reads a template's address only where this is part of it
_CLI: Final = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
_HOME: Final = ROOT / "build" / "cdk-home"  # the command line's own cache, kept out of the user's home directory
_TIMEOUT_SECONDS: Final = 240


def environment(aws: EmbeddedAws) -> dict[str, str]:
    """This process's environment with `aws` as the only AWS, and with the project's Python first on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_", "PYTEST_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return kept | dict(aws.environment()) | {"PATH": path, "CDK_DISABLE_CLI_TELEMETRY": "true", "CDK_HOME": str(_HOME)}


class Command:
    """One `cdk` command, running. Its whole process group ends with the block, or when its time is up."""

    def __init__(self, aws: EmbeddedAws, arguments: list[str], *, cwd: Path = ROOT) -> None:
        environ = environment(aws)
        assert _CLI.exists(), "the CDK command line is not installed: run `make setup`"
        self._aws = aws
        self._arguments = arguments
        self._process = subprocess.Popen(
            [use_node(environ), str(_CLI), "--no-notices", *arguments],
            cwd=cwd,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def finish(self) -> str:
        """What it printed. Raises AssertionError with it when the command failed or took too long."""
        try:
            printed, _ = self._process.communicate(timeout=_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            raise AssertionError(f"cdk {' '.join(self._arguments)}: no end within {_TIMEOUT_SECONDS} s") from None
        told = "\n".join([printed, *self._aws.errors])
        assert self._process.returncode == 0, f"cdk {' '.join(self._arguments)}:\n{told}"
        return printed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._kill()

    def _kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


def bootstrap(aws: EmbeddedAws, *, empty: Path) -> Command:
    """In an `empty` directory: beside cdk.json the command synthesizes the app, only to find what is named already."""
    environ = f"aws://{aws.account_id}/{aws.region}"
    return Command(aws, ["bootstrap", environ, "--qualifier", QUALIFIER], cwd=empty)


def synth(aws: EmbeddedAws, *, config: Path, out: Path) -> Command:
    """The project's own cdk.json and app.py; only the target and the configuration are the test's."""
    context = ["-c", f"target={QUALIFIER}", "-c", f"config={config}"]
    return Command(aws, ["synth", "--quiet", *context, "--output", str(out)])


def deploy(aws: EmbeddedAws, *, assembly: Path) -> Command:
    options = ["--method=direct", "--require-approval", "never", "--app", str(assembly)]
    return Command(aws, ["deploy", *options])
