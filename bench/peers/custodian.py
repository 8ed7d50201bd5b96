"""Cloud Custodian in an environment of its own, pinned, with a policy that finds what costwatch would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.measure import BUILD, REGION, BenchmarkError

VERSION: Final = "0.9.53"

_ENVIRONMENT: Final = BUILD / f"c7n-{VERSION}"
_OUTPUT: Final = BUILD / "c7n-output"
_NAME: Final = "overdue-trainers"
_INSTALL_SECONDS: Final = 900
# By tag and state in the query, so that EC2 does what it can of it; the age is Custodian's own filter.
_POLICY: Final = {
    "policies": [
        {
            "name": _NAME,
            "resource": "aws.ec2",
            "query": [{"instance-state-name": "running"}, {"tag:Purpose": "transient-ml-training"}],
            "filters": [{"type": "instance-age", "op": "ge", "hours": 12}],
            "actions": [{"type": "terminate"}],
        }
    ]
}


def installed() -> Path:
    """The `custodian` command; made once. Raises BenchmarkError when pip cannot fetch it."""
    command = _ENVIRONMENT / "bin" / "custodian"
    ready = _ENVIRONMENT / ".ready"
    if not ready.exists():
        print(f"Installing Cloud Custodian {VERSION} into an environment of its own (once) ...", file=sys.stderr)
        _run([sys.executable, "-m", "venv", "--clear", str(_ENVIRONMENT)])
        _run([str(_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", f"c7n=={VERSION}"])
        ready.touch()
    return command


def command(custodian: Path) -> list[str]:
    """A dry run: list and decide. Nothing is read from or kept in its cache."""
    policy = BUILD / "custodian.json"
    policy.write_text(json.dumps(_POLICY, indent=2), encoding="utf-8")
    return [
        str(custodian), "run", "--dryrun", "--cache-period", "0", "--region", REGION,
        "--output-dir", str(_OUTPUT), str(policy),
    ]  # fmt: skip


def found() -> int:
    """How many instances the last run picked."""
    return len(json.loads((_OUTPUT / _NAME / "resources.json").read_text(encoding="utf-8")))


def botocore_version() -> str:
    """Which botocore it brought."""
    (found,) = _ENVIRONMENT.glob("lib/python*/site-packages/botocore-*.dist-info")
    return found.name.removeprefix("botocore-").removesuffix(".dist-info")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
