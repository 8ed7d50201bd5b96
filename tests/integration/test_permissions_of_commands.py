"""docs/commands.md says what each command may have to be allowed: here they run, and each call is held against that."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from costwatch import __version__, names
from costwatch.adapters.ledger_approvals import Approvals
from costwatch.cli.command_permissions import ACTS, NEEDS, Need, On
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.config.loader import load
from costwatch.core import approvals
from costwatch.core.approvals import State, Way
from demo.iam_questions import questions
from demo.recorder import OPERATOR, acting_as, collecting
from tests.integration.test_crashes_of_commands import question
from tests.support.command_line import CONFIG
from tests.support.embedded import OWNER, REGION, Account, embedded_account
from tests.support.fakes import START

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/commands.md").read_text("utf-8")
_TAGS = {"Purpose": "training", "owner": OWNER}
_JOB = {
    "TrainingJobName": "churn-42",
    "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}
_PARTS: dict[str, Any] = {
    "Role1A1A1A1A": {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
    },
    "HintsDeadLetters1A1A1A1A": {"Type": "AWS::SQS::Queue"},
    "RefusedEvents2B2B2B2B": {"Type": "AWS::SQS::Queue"},
    "HintsFunction3C3C3C3C": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": "costwatch-hints",
            "Code": {"ZipFile": "1"},
            "Handler": "a.b",
            "Runtime": "python3.13",
            "Role": {"Fn::GetAtt": ["Role1A1A1A1A", "Arn"]},
        },
    },
}
_STATE = {"source": names.SOURCE_EC2, "detail-type": names.DETAIL_EC2_STATE, "detail": {"instance-id": "i-1"}}
_FUNCTIONS = ("deadman", "gate", "prices", "res", "retrain", "hints")


@dataclass
class Invoked:
    """Lambda, which answers each time that the function failed. `functions`: whose turn it was, by its name."""

    functions: set[str] = field(default_factory=set)

    def invoke(self, *, FunctionName: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        self.functions.add(FunctionName)
        return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "no"}')}


class Desk:
    """A terminal in an account where everything is deployed."""

    def __init__(self, account: Account, config: Path) -> None:
        self.account, self.config = account, config
        self.used: set[tuple[str, str]] = set()
        """Commands of the table, each with the actions that it needed."""

    def typed(self, command: str) -> list[str]:
        rows = self.account.ledger_items()
        held = next(row["hold"]["id"] for row in rows if row.get("hold"))
        asked = [
            row["sk"] for row in rows if row["pk"].startswith("approval#") and row.get("state") == State.PENDING.value
        ]
        words = _BY_NAME.get(command, command).split()
        return [{"HELD": held, "ASKED": asked[0] if asked else ""}.get(word, word) for word in words]

    def fill(self) -> None:
        """Something lies in each of the stack's dead-letter queues."""
        sqs = self.account.aws.client("sqs")
        for url in sqs.list_queues(QueueNamePrefix=f"{names.STACK}-")["QueueUrls"]:
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps(_STATE))

    def needed(self, *arguments: str) -> set[tuple[str, str]]:
        """Each permission that a command needed: the action, and what it is about."""
        invoked = Invoked()
        environ = {"AWS_REGION": REGION, "XDG_CACHE_HOME": str(self.config.parent)}
        tools = Tools(environ=environ, clock=self.account.clock, clients={"lambda": invoked})
        with acting_as(OPERATOR), collecting(roles=(OPERATOR,)) as calls:
            result = CliRunner().invoke(main, [*arguments, "--config", str(self.config)], obj=tools)
        assert not result.exception or isinstance(result.exception, SystemExit), result.output
        assert calls or invoked.functions, result.output
        asked = [
            each
            for call in calls
            for each in questions(
                call.service,
                call.operation,
                call.params,
                account=self.account.aws.account_id,
                region=call.region,
                describe=lambda *_: {},
            )
        ]
        assert not [each for each in asked if each.unmapped]
        return {(each.action, each.resource) for each in asked} | {
            ("lambda:InvokeFunction", f) for f in invoked.functions
        }


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("desk")
    config = directory / "costwatch.yaml"
    config.write_text(CONFIG.replace("runs: 2", "runs: 1"), "utf-8")
    with embedded_account(directory) as account:
        account.document = load(config).policy_document
        account.reset(START)
        wired = account.wiring()
        for hours in (14, 13):
            account.fleet.instance(tags=_TAGS, launched_at=START - timedelta(hours=hours))
        account.fleet.instance(tags={**_TAGS, "Name": "young"}, launched_at=START - timedelta(hours=1))
        account.refresh_prices()
        account.sweep(wired)
        account.clock.forward(minutes=35)
        account.sweep(wired)
        for number, way in enumerate((Way.COMMAND, Way.RUN)):
            asked = replace(question(account), id=f"apr-{number:016x}", way=way)
            assert Approvals(wired.ledger).save(approvals.ask(asked))
        body = {
            "table": wired.settings.ledger_table,
            **{f"{name}_function": f"costwatch-{name}" for name in _FUNCTIONS},
            "function": "costwatch-deadman",
            "policy_digest": account.document["digest"],
            "config_commit": "c0ffee",
            "version": __version__,
            "regions": [REGION],
        }
        client = account.aws.client
        client("ssm").put_parameter(Name=names.DEPLOYMENT_PARAMETER, Type="String", Value=json.dumps(body))
        (directory / "job.json").write_text(json.dumps(_JOB), "utf-8")
        client("cloudformation").create_stack(StackName=names.STACK, TemplateBody=json.dumps({"Resources": _PARTS}))
        desk = Desk(account, config)
        desk.fill()
        yield desk


_BY_NAME = {
    "extend": "extend young 1h",
    "exempt": "exempt young --for 7d --reason paper",
    "release": "release HELD",
    "pause": "pause --for 2h",
    "resume": "resume",
    "deny": "deny ASKED --reason dear",
    "approve": "approve ASKED --reason fine",
    "explain": "explain young",
    "export": "export costs",
    "report": "report --html report.html",
    "sweep": "sweep --once",
    "sweep --mode enforce": "sweep --once --mode enforce",
    "stop": "stop young --yes --reason dear",
    "should-retrain": "should-retrain --model churn",
    "redrive --delete": "redrive refused --delete --yes",
    "redrive --resend": "redrive hints --resend --yes",
    "gate": "gate --job job.json",
}
"""How a command is typed, where its name alone does not do."""
_NOT_TYPED = {"restore", "promote", "reject"}
"""Before they ask their function they must find what there is none of here: a lowered group, a judged version."""
_ASKS_ELSEWHERE = {
    "restore": "restoring",
    "promote": "verdicts",
    "reject": "verdicts",
}
_KINDS = {
    On.PARAMETER: "parameter/costwatch/",
    On.LEDGER: ":table/",
    On.TABLE: ":table/",
    On.STACK: ":stack/",
    On.QUEUES: ":sqs:",
    On.DEADMAN: "costwatch-deadman",
    On.GATE: "costwatch-gate",
    On.PRICES: "costwatch-prices",
    On.RES: "costwatch-res",
    On.RETRAIN: "costwatch-retrain",
    On.ANY_FUNCTION: "costwatch-hints",
}
_ALL = sorted({command for need in NEEDS for command in need.commands} - _NOT_TYPED)
_LOOKS_AT_AWS = ("ec2:", "sagemaker:", "autoscaling:")
"""What `scan --policy` and `preview --policy` print."""


def allowed(command: str, action: str, resource: str) -> bool:
    """Whether the table has it: of the command by itself, or with the option that makes it need more."""
    own = command.partition(" --")[0]
    for need in NEEDS:
        if action in need.actions and _KINDS[need.on] in resource:
            finds = need.on in (On.PARAMETER, On.LEDGER)
            if finds or command in need.commands or own in need.commands:
                return True
    return False


@pytest.mark.parametrize("command", _ALL)
def test_a_command_calls_nothing_that_the_table_does_not_have(
    desk: Desk, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.config.parent)
    needed = desk.needed(*desk.typed(command))
    rest = {(action, on) for action, on in needed if not allowed(command, action, on)}
    assert not {each for each in rest if not (command == "sweep" and each[0].startswith(_LOOKS_AT_AWS))}
    desk.used |= {(command, action) for action, _ in needed}


def test_the_table_has_nothing_that_no_command_calls(desk: Desk) -> None:
    if len({command for command, _ in desk.used}) < len(_ALL):
        pytest.skip("only some of the commands were typed")
    for need in ACTS:
        if need.commands[0] == "sweep":
            continue  # what its rows take depends on what it finds: claims, ends, jobs that are watched
        typed = set(need.commands) - _NOT_TYPED
        called = {action for command, action in desk.used if command in typed}
        assert not typed or set(need.actions) <= called, need


def test_what_is_not_typed_here_asks_the_function_that_the_table_has() -> None:
    assert set(_ASKS_ELSEWHERE) == _NOT_TYPED
    for command, module in _ASKS_ELSEWHERE.items():
        source = (ROOT / f"lambdas/costwatch/cli/{module}.py").read_text("utf-8")
        on = next(need.on for need in ACTS if command in need.commands)
        asks = "deployed_function.ask(" if on is On.DEADMAN else "DeployedFunction(session.invoke_client(), function)"
        assert asks in source


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_has_the_table_and_no_other_row() -> None:
    table = PAGE.partition("| to call | needs | on |\n|---|---|---|\n")[2].partition("\n\n")[0].splitlines()
    assert table[: len(NEEDS)] == [_row(need) for need in NEEDS]
    assert len(table) == len(NEEDS)


def _row(need: Need) -> str:
    everybody = need.on in (On.PARAMETER, On.LEDGER)
    commands = "all of these" if everybody else ", ".join(f"`{command}`" for command in need.commands)
    return f"| {commands} | {', '.join(f'`{action}`' for action in need.actions)} | {need.on.value} |"


def test_every_command_is_in_the_table_or_named_below_it() -> None:
    below = PAGE.partition("| to call | needs | on |")[2].partition("\n\n")[2]
    typed = {command.partition(" ")[0] for need in NEEDS for command in need.commands}
    named = set(re.findall(r"`([a-z-]+)[` ]", below))
    assert set(main.commands) <= typed | named


def test_redrive_prints_a_policy_that_has_what_its_rows_have_and_asks_nothing_of_aws() -> None:
    result = CliRunner().invoke(main, ["redrive", "--policy"], obj=Tools(environ={}, clients=dict.fromkeys(("sts",))))
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    allowed = {action for statement in document["Statement"] for action in statement["Action"]}
    wanted = {a for need in ACTS if need.commands[0].startswith("redrive") for a in need.actions}
    assert allowed == wanted | {"ssm:GetParameter"}
    assert all(statement["Resource"] != "*" for statement in document["Statement"])
