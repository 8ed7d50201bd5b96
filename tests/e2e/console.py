"""The command line as a person calls it, against a deployed stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e import cdk, recorded_console
from tests.e2e.cdk import ROOT
from tests.e2e.deployed import Deployed


def costwatch(deployed: Deployed, *arguments: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The console script, as a person calls it, in a process that records what it asks of AWS."""
    script = str(Path(sys.executable).with_name("costwatch"))
    given = [script, *arguments, "--config", str(config or deployed.config)]
    return subprocess.run(
        [sys.executable, "-m", recorded_console.__name__, *given],
        env=cdk.environment(deployed.aws)
        | {
            # This tree's code, wherever the console script was installed from.
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "lambdas")]),
            "XDG_CACHE_HOME": str(deployed.config.with_name("cache")),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def as_json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
