"""What contributors are told to break is broken, in a copy: it goes red where they are told so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import docs

CONTRIBUTING = docs.read("CONTRIBUTING.md")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=docs.ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_contributors_break_goes_red(tmp_path: Path) -> None:
    found = re.search(r"In `(\S+)`, `(\w+)`: write `(\w+)` where `(\w+)` stands.", CONTRIBUTING)
    shown = next(each for each in docs.commands("CONTRIBUTING.md") if "pytest" in each.text)
    assert found is not None
    file, function, broken, right = found.groups()
    shutil.copytree(docs.ROOT / "lambdas", tmp_path / "lambdas", ignore=shutil.ignore_patterns("__pycache__"))
    copy = tmp_path / file
    before, name, after = copy.read_text("utf-8").partition(f"def {function}(")
    assert f"{right}(" in after
    words = [
        *shown.text.split()[1:],
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        f"pythonpath={tmp_path / 'lambdas'} client .",
    ]
    assert python(*words).returncode == 0
    copy.write_text(before + name + after.replace(f"{right}(", f"{broken}(", 1), "utf-8")
    went = python(*words)
    assert (went.returncode, "FAILED tests/unit/test_selection.py::test_" in went.stdout) == (1, True), went.stdout
