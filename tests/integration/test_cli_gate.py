"""`costwatch gate`: what a shell or a CI job is told, and how long it waits."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from costwatch import __version__
from costwatch.cli import gating
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from tests.support.command_line import MARIA, FakeSsm, FakeSts

JOB = {
    "TrainingJobName": "churn-bert-large",
    "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 2, "VolumeSizeInGB": 100},
    "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
}
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def answer(decision: str, *, waits: bool = False, goes_on: bool = False) -> dict[str, Any]:
    outputs = {"decision": decision, "approval_id": "apr-0123456789abcdef", "worst_case_usd": "1212.06"}
    return {
        "id": "apr-0123456789abcdef",
        "decision": decision,
        "reason": f"it is {decision}",
        "goes_on": goes_on,
        "waits": waits,
        "outputs": outputs,
    }


PENDING = answer("pending", waits=True)
YES = answer("approved", goes_on=True)


@dataclass
class GateFunction:
    """Answers what it is told, the last one for ever."""

    answers: list[dict[str, Any]]
    asked: list[dict[str, Any]] = field(default_factory=list)

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert (FunctionName, InvocationType) == ("the-gate", "RequestResponse")
        self.asked.append(json.loads(Payload))
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(said).encode())}


@dataclass
class Shell:
    """A person or a CI job, whose waiting makes time pass."""

    function: GateFunction
    home: Path
    now: datetime = NOW
    gate: str = "the-gate"

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += timedelta(seconds=seconds)

    def run(self, *arguments: str, job: Any = JOB) -> Result:
        file = self.home / "job.json"
        file.write_text(job if isinstance(job, str) else json.dumps(job), encoding="utf-8")
        deployed = {
            "table": "ledger",
            "function": "deadman",
            "gate_function": self.gate,
            "policy_digest": "d",
            "config_commit": "c",
            "version": __version__,
            "regions": ["us-east-1"],
        }
        tools = Tools(
            environ={"AWS_REGION": "us-east-1", "XDG_CACHE_HOME": str(self.home)},
            clock=lambda: self.now,
            sleep=self.sleep,
            clients={"sts": FakeSts(MARIA), "ssm": FakeSsm(deployed), "lambda": self.function},
        )
        return CliRunner().invoke(
            main, ["gate", "--job", str(file), *arguments], obj=tools, env={"COLUMNS": "120", "NO_COLOR": "1"}
        )


def shell(tmp_path: Path, *answers: dict[str, Any]) -> Shell:
    return Shell(GateFunction(list(answers)), tmp_path)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (answer("pass", goes_on=True), 0),
        (answer("would hold", goes_on=True), 0),
        (answer("not judged", goes_on=True), 0),
        (YES, 0),
        (answer("denied"), 4),
        (answer("withdrawn"), 4),
        (answer("refused"), 4),
        (answer("expired"), 5),
        (PENDING, 8),
    ],
    ids=lambda value: value["decision"] if isinstance(value, dict) else "",
)
def test_the_exit_code_says_what_came_of_it(tmp_path: Path, said: dict[str, Any], code: int) -> None:
    result = shell(tmp_path, said).run()
    assert result.exit_code == code, result.output
    assert f"It is {said['decision']}." in result.stdout


def test_it_waits_until_somebody_answers_and_asks_the_same_question_each_time(tmp_path: Path) -> None:
    asking = shell(tmp_path, PENDING, PENDING, YES)
    result = asking.run("--wait")
    assert result.exit_code == 0
    assert len(asking.function.asked) == 3
    assert len({json.dumps(each, sort_keys=True) for each in asking.function.asked}) == 1
    assert asking.now - NOW == timedelta(seconds=30)


def test_it_waits_no_longer_than_its_timeout(tmp_path: Path) -> None:
    asking = shell(tmp_path, PENDING)
    assert asking.run("--wait", "--timeout", "100s").exit_code == 8
    assert asking.now - NOW == timedelta(seconds=100)


def test_without_wait_it_asks_once(tmp_path: Path) -> None:
    asking = shell(tmp_path, PENDING)
    asking.run()
    assert len(asking.function.asked) == 1


def test_the_question_carries_the_job_who_asks_and_what_its_body_does_not_say(tmp_path: Path) -> None:
    asking = shell(tmp_path, YES)
    asking.run("--team", "risk", "--owner", "maria@example.com", "--expected-runtime", "14h", "--key", "run-7")
    (asked,) = asking.function.asked
    assert (asked["source"], asked["detail-type"]) == ("costwatch.cli", "Gate Requested")
    assert asked["detail"] == {
        "request": {"job": JOB, "team": "risk", "owner": "maria@example.com", "expected_runtime": "14h"},
        "requested_by": MARIA,
        "key": "run-7",
    }


def test_the_same_job_is_one_question_a_day(tmp_path: Path) -> None:
    asking = shell(tmp_path, YES)
    asking.run()
    asking.run()
    asking.now += timedelta(days=1)
    asking.run()
    asking.run(job={**JOB, "TrainingJobName": "another"})
    keys = [each["detail"]["key"] for each in asking.function.asked]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_for_machines_it_is_the_functions_own_document(tmp_path: Path) -> None:
    result = shell(tmp_path, YES).run("--json")
    assert json.loads(result.stdout) == YES


@pytest.mark.parametrize("job", ["{", "[]", "7"])
def test_a_file_that_is_no_body_is_bad_input_and_nobody_is_asked(tmp_path: Path, job: str) -> None:
    asking = shell(tmp_path, YES)
    assert asking.run(job=job).exit_code == 2
    assert asking.function.asked == []


@pytest.mark.parametrize(
    ("arguments", "job", "sentence"),
    [
        ((), {**JOB, "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": -1}}, "InstanceCount"),
        ((), {"TrainingJobName": "churn"}, "ResourceConfig"),
        ((), {"Hello": "world"}, "job"),
        (("--expected-runtime", "banana"), JOB, "expected_runtime"),
        (("--expected-runtime", "25h"), JOB, "expected_runtime"),
    ],
    ids=["a count", "no machines", "no job", "no time", "longer than its limit"],
)
def test_what_the_gate_could_not_read_is_bad_input_in_every_mode_and_nobody_is_asked(
    tmp_path: Path, arguments: tuple[str, ...], job: Any, sentence: str
) -> None:
    asking = shell(tmp_path, answer("not judged", goes_on=True))
    result = asking.run(*arguments, job=job)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert asking.function.asked == []


def test_the_page_of_commands_says_its_exit_codes_and_what_it_needs() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8").split())
    listed = page.partition("Exit codes: ")[2].partition(" Your AWS identity")[0]
    for code in (gating.DENIED, gating.EXPIRED, gating.PENDING):
        assert re.search(rf"\b{code}\b", listed), code
    assert "| `gate` | `lambda:InvokeFunction` | the function `gate` |" in page


def test_a_deployment_without_a_gate_is_told_to_be_deployed_again(tmp_path: Path) -> None:
    asking = shell(tmp_path, YES)
    asking.gate = ""
    result = asking.run()
    assert result.exit_code == 2
    assert "has no gate to ask: deploy again" in result.output
