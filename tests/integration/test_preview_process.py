"""costwatch preview as README has it: a process of its own against the embedded AWS, with no configuration file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo.embedded import EmbeddedAws
from tests.support.past_zoo import P4D, job

ROOT = Path(__file__).parents[2]


def test_a_preview_is_one_command_and_says_what_would_have_been(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with EmbeddedAws(clock=lambda: datetime.now(UTC)) as aws:
        job(aws, "hung", P4D, now - timedelta(days=3), hours=40, status="Failed")
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        path = os.pathsep.join(str(ROOT / each) for each in ("lambdas", "client", "."))
        command = [sys.executable, "-m", "costwatch.cli", "preview", "--since", "30d"]

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*command, *arguments],
                env={**environ, **aws.environment(), "PYTHONPATH": path, "COLUMNS": "80"},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )

        shown, machine = run(), run("--json")
        assert aws.errors == []
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "1 failed or were stopped later: stopping them would have saved $707.04." in shown.stdout
    assert (machine.returncode, machine.stderr) == (0, "")
    assert json.loads(machine.stdout)["past_limits"]["saved_usd"] == "707.04"
    assert list(tmp_path.iterdir()) == [], "nothing is written here either"
