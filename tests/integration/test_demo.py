"""`python -m demo`: the story ends as it should, and each of its sabotages is noticed."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from costwatch import names
from costwatch.adapters.prices import SeedPrices
from demo.cast import PEOPLE, START, at, seed
from demo.sabotage import SABOTAGES
from demo.scenes import SCENES
from demo.scenes.extended import CONFIGURATION
from demo.stage import Stage
from demo.stage_functions import environment
from demo.story import last_words
from demo.telling import Teller
from tests.support import docs

ROOT = Path(__file__).parent.parent.parent
TIMEOUT_SECONDS = 300


class Demo:
    """One run of the demo in a process of its own."""

    def __init__(self, stack: ExitStack, directory: Path, *arguments: str) -> None:
        self.page = directory / "slack.html"
        self._output = directory / ("-".join(arguments).replace("/", "-").strip("-") or "plain")
        file = stack.enter_context(self._output.open("wb"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo", *arguments], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT
        )
        stack.callback(self._end)

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=30)

    @property
    def exit_code(self) -> int:
        return self.process.wait(timeout=TIMEOUT_SECONDS)

    @property
    def output(self) -> str:
        self.process.wait(timeout=TIMEOUT_SECONDS)
        return self._output.read_text(encoding="utf-8")

    @property
    def document(self) -> dict[str, Any]:
        """Standard output and standard error together are one JSON document."""
        found: dict[str, Any] = json.loads(self.output)
        return found

    @property
    def differing(self) -> set[str]:
        return {f"{check['scene']} {check['what']}" for check in self.document["checks"] if not check["ok"]}


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Demo]]:
    """All of them at once: each is one process on one core most of the time."""
    directory = tmp_path_factory.mktemp("demo")
    with ExitStack() as stack:
        found = {"": Demo(stack, directory, "--auto", "--page", str(directory / "slack.html"))}
        for name in SABOTAGES:
            found[name] = Demo(stack, directory, "--auto", "--json", "--sabotage", name)
        yield found


def run(code: str) -> subprocess.CompletedProcess[str]:
    """`python -m demo` after `code` has changed something about this Python."""
    program = f"import runpy, sys\n{code}\nsys.argv = ['demo', '--auto']\nrunpy.run_module('demo', run_name='__main__')"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_story_ends_as_it_should(demos: dict[str, Demo]) -> None:
    assert demos[""].exit_code == 0, demos[""].output[-6000:]
    lines = demos[""].output.splitlines()
    assert not [line for line in lines if line.startswith("DIFFERS")]
    for number, scene in enumerate(SCENES, start=1):
        assert any(line.startswith(f"{number}  {scene.TITLE}") for line in lines)
        assert any(line.startswith(f"ok       scene {number}:") for line in lines)
    assert lines[-1] == "Now yours: .venv/bin/costwatch scan"
    assert any(re.search(r"http://127\.0\.0\.1:\d+/$", line) for line in lines[:40])


def test_the_page_of_what_slack_received_is_kept_where_it_was_asked_for(demos: dict[str, Demo]) -> None:
    assert demos[""].exit_code == 0
    page = demos[""].page.read_text(encoding="utf-8")
    assert "churn-ablation was stopped" in page
    assert "data-live" not in page.partition("<script>")[0]


def test_the_page_about_spending_shows_what_the_demo_prints(demos: dict[str, Demo]) -> None:
    (shown,) = [each.text for each in docs.blocks("docs/spending.md") if each.text.startswith("$ costwatch spend")]
    assert docs.not_printed(shown, demos[""].output) == ""


@pytest.mark.parametrize("all_well", [True, False])
def test_only_a_demo_that_kept_its_promises_ends_with_now_yours(all_well: bool) -> None:
    written = io.StringIO()
    last_words(Teller(Console(file=written), paced=False), all_well=all_well)
    assert ("Now yours: .venv/bin/costwatch scan" in written.getvalue()) is all_well


def test_a_page_that_cannot_be_kept_is_said_before_the_story_begins() -> None:
    command = [sys.executable, "-m", "demo", "--auto", "--page", "/no/such/directory/slack.html"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--page: no such directory: /no/such/directory" in ended.stderr


def test_what_waits_for_ctrl_c_ends_well_on_it() -> None:
    code = (
        "import demo.story, threading, time\n"
        "class Waiting:\n"
        "    def wait(self): print('waits', flush=True); time.sleep(60)\n"
        "threading.Event = Waiting\n"
        "demo.story.until_interrupted()\n"
        "print('ended')"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "waits\n"
        waiting.send_signal(signal.SIGINT)
        assert waiting.communicate(timeout=30)[0] == "ended\n"
        assert waiting.returncode == 0


def test_without_the_warning_every_stop_is_noticed(demos: dict[str, Demo]) -> None:
    assert demos["skip-warning"].exit_code == 1
    expected = {
        "1 Slack: churn-ablation",
        "1 ledger: churn-ablation was stopped so long after its notice",
        "2 Slack: fraud-gnn",
        "5 ledger: wb-li was stopped so long after its notice",
        "6 Slack: hpo-1",
        "8 Slack: llm-finetune",
        "13 Slack: llm-nodes",
    }
    assert expected <= demos["skip-warning"].differing


def test_without_the_spot_cancel_the_relaunch_is_noticed_and_nothing_else_differs(demos: dict[str, Demo]) -> None:
    assert demos["skip-spot-cancel"].exit_code == 1
    differing = demos["skip-spot-cancel"].differing
    assert {"2 EC2: fraud-gnn, with whatever was relaunched under its name", "2 EC2: its spot request"} <= differing
    assert {each.split()[0] for each in differing} == {"0", "2"}


def test_without_protection_the_lost_bastion_is_noticed_and_nothing_else_differs(demos: dict[str, Demo]) -> None:
    assert demos["ignore-protection"].exit_code == 1
    differing = demos["ignore-protection"].differing
    assert {"4 EC2: bastion", "4 ledger: lab-notebook"} <= differing
    assert {each.split()[0] for each in differing} == {"0", "4"}


def test_the_end_state_for_machines_names_what_was_done(demos: dict[str, Demo]) -> None:
    document = demos["skip-spot-cancel"].document
    assert document["ok"] is False
    assert document["sabotage"] == "skip-spot-cancel"
    states = {(each["name"], each["state"]) for each in document["ec2"]}
    assert {("fraud-gnn", "terminated"), ("fraud-gnn", "running"), ("bastion", "running")} <= states
    assert "came back" in {row["transition"] for row in document["ledger"]["timeline"]}


def test_the_sabotages_on_offer_are_those_there_are() -> None:
    asked = run("import demo.__main__ as m; print(*m.SABOTAGES); sys.exit()")
    assert asked.stdout.split() == list(SABOTAGES)


@pytest.mark.parametrize("missing", ["moto", "rich", "boto3", "costwatch"])
def test_a_missing_dependency_is_one_line_that_says_what_to_run(missing: str) -> None:
    ended = run(f"sys.modules[{missing!r}] = None")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"python -m demo needs {missing}, which is not installed here: run: make demo\n"


def test_an_older_python_is_one_line_that_says_what_is_needed() -> None:
    ended = run("sys.version_info = (3, 10, 4, 'final', 0)")
    assert ended.returncode == 1
    assert ended.stderr == "Costwatch needs Python 3.11 or newer, this is 3.10: run: make demo\n"


# --- the stage --------------------------------------------------------------------------------------------


def test_an_event_that_fails_at_every_attempt_is_a_dead_letter_with_its_reason() -> None:
    with Stage(start=START, people=PEOPLE) as stage:
        stage.deploy(CONFIGURATION.read_text(encoding="utf-8"))
        fault = stage.aws.faults.fail("dynamodb", "Query", "AccessDeniedException", times=None)
        failed = list(stage.run_until(START))
        fault.clear()
        assert [(each.function, each.error.split(":")[0]) for each in failed] == [("deadman", "PermanentAwsError")]
        assert fault.hits == 2  # retry_attempts of the function is 1
        queue = stage.dead_letter_urls["deadman"]
        letters = stage.aws.client("sqs").receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
        assert len(letters) == 1
        assert json.loads(letters[0]["Body"])["detail-type"] == "Scheduled Event"
        assert "AccessDenied" in letters[0]["MessageAttributes"]["ErrorMessage"]["StringValue"]
        assert stage.metric_count("deadman", "SweepCompleted") == 0


def test_a_change_of_state_reaches_the_function_whose_rule_matches_it() -> None:
    with Stage(start=START, people=PEOPLE) as stage:
        stage.deploy(CONFIGURATION.read_text(encoding="utf-8"))
        cast = seed(stage.aws, SeedPrices())
        stage.state_events.take()
        sweep = list(stage.run_until(START))
        stage.aws.fleet.end_instance(cast["hpo-1"].id, at("18:01"))
        done = list(stage.run_until(at("18:03")))
        assert [each.rule for each in sweep] == ["sweep", "beats"], "its canary comes back"
        assert [(each.rule, each.function) for each in done] == [("ec2-state", "hints")]


def test_a_beat_that_nobody_can_read_is_refused_with_its_reason() -> None:
    with Stage(start=START, people=PEOPLE) as stage:
        stage.deploy(CONFIGURATION.read_text(encoding="utf-8"))
        beat = {"Source": names.SOURCE_CLIENT, "DetailType": names.DETAIL_HEARTBEAT, "Detail": '{"v": 1}'}
        stage.aws.client("events").put_events(Entries=[{**beat, "EventBusName": names.HEARTBEAT_BUS}])
        done = list(stage.run_until(at("18:03")))
        assert [each.error for each in done if each.function == "heartbeats"] == [""]
        (message,) = stage.aws.client("sqs").receive_message(QueueUrl=stage.refused_queue_url)["Messages"]
        refused = json.loads(message["Body"])
        assert (refused["function"], refused["reason"]) == ("heartbeats", "detail.member is missing or no object")


def test_the_environment_is_the_function_s_own_and_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    before = dict(os.environ)
    with environment({"AWS_REGION": "us-east-1", "COSTWATCH_LEDGER_TABLE": "ledger"}):
        assert os.environ["AWS_REGION"] == "us-east-1"
        assert "AWS_PROFILE" not in os.environ
        assert "HTTPS_PROXY" not in os.environ
    assert dict(os.environ) == before
