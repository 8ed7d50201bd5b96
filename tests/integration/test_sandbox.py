"""`python -m demo sandbox`: what it prints, pasted into another shell, makes README's commands work there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from demo import sandbox

ROOT = Path(__file__).parents[2]
OPENS_WITHIN_SECONDS = 120
"""On a machine that does much else; alone it takes some seconds."""

Done = subprocess.CompletedProcess[str]


class Sandbox:
    """One in a process of its own."""

    def __init__(self) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        # Somebody with a real account in their shell: nothing of it may be asked.
        real = {"AWS_PROFILE": "production", "AWS_DEFAULT_PROFILE": "production", "COSTWATCH_LEDGER_TABLE": "theirs"}
        self._environ = environ | real
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo", "sandbox"],
            cwd=ROOT, env=self._environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        late = threading.Timer(OPENS_WITHIN_SECONDS, self.process.kill)
        late.start()
        assert self.process.stdout is not None
        self.said: list[str] = []
        while not self.said or not self.said[-1].startswith("Ctrl-C"):
            line = self.process.stdout.readline()
            if not line:
                break
            self.said.append(line.rstrip("\n"))
        late.cancel()
        self.pasted = [line for line in self.said if line.startswith(("unset ", "export ", "cd "))]

    @property
    def exports(self) -> dict[str, str]:
        pairs = [line.removeprefix("export ").partition("=") for line in self.pasted if line.startswith("export ")]
        return {name: value for name, _, value in pairs}

    @property
    def directory(self) -> Path:
        return Path(self.pasted[-1].removeprefix("cd "))

    def run(self, command: str) -> Done:
        """Typed into a shell that has nothing but what was pasted."""
        script = "\n".join([*self.pasted, command])
        return subprocess.run(
            ["bash", "-c", script],
            cwd="/", env=self._environ | {"COLUMNS": "100", "NO_COLOR": "1"}, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C: exit code and what was said on standard error."""
        self.process.send_signal(signal.SIGINT)
        try:
            _out, err = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, err


@pytest.fixture(scope="module")
def opened() -> Iterator[Sandbox]:
    made = Sandbox()
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
            made.process.wait(timeout=30)


def test_every_address_is_of_this_machine_alone_and_the_keys_say_what_they_are(opened: Sandbox) -> None:
    assert opened.pasted, opened.said
    urls = {name: value for name, value in opened.exports.items() if "://" in value}
    assert set(urls) == {"AWS_ENDPOINT_URL", "COSTWATCH_SLACK_API_URL"}
    assert {urlsplit(url).hostname for url in urls.values()} == {"127.0.0.1"}
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    assert {opened.exports[name] for name in keys} == {"embedded"}


def test_a_first_day_in_it_works_as_the_readme_has_it(opened: Sandbox) -> None:
    scan = opened.run(".venv/bin/costwatch scan")
    assert (scan.returncode, scan.stderr) == (0, "")
    assert "churn-ablation" in scan.stdout.partition("Would be stopped")[2]

    preview = opened.run("costwatch preview --since 30d --json")
    assert (preview.returncode, preview.stderr) == (0, "")
    assert [each for each in json.loads(preview.stdout)["families"] if each["name"] == "churn-bert-large"]

    init = opened.run("costwatch init --yes --regions us-east-1")
    assert init.returncode == 0, init.stdout + init.stderr
    check = opened.run("costwatch check-config")
    assert (check.returncode, check.stderr) == (0, "")

    doctor = opened.run("costwatch doctor --json")
    told = {each["check"]: each for each in json.loads(doctor.stdout)["checks"]}
    assert told["credentials"]["standing"] == told["last sweep"]["standing"] == "ok"
    assert told["configuration deployed"]["standing"] == "to do", "what init wrote is not deployed"
    assert doctor.returncode == 1


def test_what_costwatch_has_seen_there_can_be_looked_at(opened: Sandbox) -> None:
    would_have = opened.run("costwatch status --would-have")
    assert would_have.returncode == 0, would_have.stderr
    assert "churn-ablation: it would have been stopped, and still runs" in would_have.stdout

    report = opened.run("costwatch report --html report.html --since 30d")
    assert report.returncode == 0, report.stderr
    page = (opened.directory / "report.html").read_text("utf-8")
    assert "churn-bert-large" in page


def test_by_the_file_that_is_deployed_there_all_is_well_and_people_decide(opened: Sandbox) -> None:
    doctor = opened.run("costwatch doctor --config deployed.yaml --json")
    told = json.loads(doctor.stdout)
    assert [each for each in told["checks"] if each["standing"] == "to do"] == []
    # No permission is simulated here, and rules and event sources are no part of the stack that is listed.
    unknown = {each["check"] for each in told["checks"] if each["standing"] == "unknown"}
    assert unknown == {"permissions to act", "rules", "event sources"}

    extended = opened.run("costwatch extend churn-ablation 4h --config deployed.yaml")
    assert (extended.returncode, extended.stderr) == (0, ""), extended.stdout
    explained = opened.run("costwatch explain churn-ablation")
    assert "extended" in explained.stdout, explained.stdout + explained.stderr

    nothing = opened.run("costwatch settle")
    assert (nothing.returncode, nothing.stderr) == (0, "")


def test_a_stop_is_asked_of_the_function_there_which_only_observes(opened: Sandbox) -> None:
    stop = opened.run("costwatch stop churn-ablation --yes")
    assert (stop.returncode, stop.stdout) == (4, "")
    assert "the deployed function refuses: selector trainers is in observe" in stop.stderr


def test_ctrl_c_ends_it_and_nothing_is_left(opened: Sandbox) -> None:
    kept = opened.directory
    assert kept.is_dir()
    code, said = opened.end()
    assert code == 0, said
    assert "Traceback" not in said
    assert not kept.exists()
    assert Path(sys.prefix).is_dir(), "the link to it went, and not what it led to"


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:5000", True),
        ("http://127.0.0.1:5000/api/", True),
        ("http://0.0.0.0:5000", False),
        ("http://127.0.0.2:5000", False),
        ("http://127.0.0.1.example.com:5000", False),
        ("https://ec2.us-east-1.amazonaws.com", False),
    ],
)
def test_only_the_loopback_address_is_here(url: str, here: bool) -> None:
    assert sandbox.is_here(url) is here


def test_a_sandbox_that_would_listen_elsewhere_does_not_open() -> None:
    code = "import demo.embedded.aws as aws, runpy, sys; aws._HOST = '127.0.0.2'; sys.argv = ['demo', 'sandbox']\n"
    ended = subprocess.run(
        [sys.executable, "-c", code + "runpy.run_module('demo', run_name='__main__')"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "a sandbox listens on 127.0.0.1 alone, and this one would on http://127.0.0.2:" in ended.stderr


def test_options_of_the_story_are_refused() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "demo", "sandbox", "--auto"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "a sandbox takes no options" in ended.stderr
