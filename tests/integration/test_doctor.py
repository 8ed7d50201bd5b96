"""costwatch doctor, before a deploy and after, against an embedded account and Slack: a line each, and what to do."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ProfileNotFound
from click.testing import CliRunner, Result

from costwatch import __version__, names
from costwatch.adapters.ec2 import Ec2
from costwatch.adapters.ledger import Ledger
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.cli import storing
from costwatch.cli.doctor_permissions import CALLS
from costwatch.cli.main import main
from costwatch.cli.read_only import ALLOWED
from costwatch.cli.session import Tools
from costwatch.config.loader import load
from costwatch.core.beat_path import path_allows
from costwatch.core.judgement_steps import JudgementStep
from costwatch.core.judgements import State
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.core.packages import ApprovalStatus
from costwatch.core.record import Status, StopAttempt
from costwatch.core.step import Step
from costwatch.errors import TransientAwsError
from demo.recorder import DOCTOR, Call, acting_as, collecting
from demo.slack_endpoint import DEFAULT_TOKEN
from tests.support import builders
from tests.support.embedded import REGION, Account, embedded_account
from tests.support.judged import judgement

NOW: Final = datetime(2026, 11, 22, 9, tzinfo=UTC)
GOLDEN: Final = Path(__file__).parents[1] / "golden"
CONFIG: Final = """\
version: 1
regions: [us-east-1]
slack:
  platform_channel: "#ml-platform"
  team_channels: {risk: "#risk-ml"}
dead_man:
  selectors:
    - name: trainers
      ec2: {tag: {Purpose: training}}
"""
_TRUST: Final = {"Version": "2012-10-17", "Statement": []}


def _function(name: str) -> dict[str, Any]:
    role = {"Fn::GetAtt": ["DeadmanRole0A1B2C3D", "Arn"]}
    code = {"ZipFile": "1"}
    properties = {"FunctionName": name, "Code": code, "Handler": "a.b", "Runtime": "python3.13", "Role": role}
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


def _rule(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::Events::Rule", "Properties": {"State": "ENABLED", **properties}}


def zipped(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.py"), text)
    return file.getvalue()


_READ_BY: Final = {"BeatsQueue3C3C3C3C": "HeartbeatsFunction2F2F2F2F"}
_STACK: Final = {
    "Resources": {
        "DeadmanRole0A1B2C3D": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _TRUST}},
        **{
            name: {"Type": "AWS::SQS::Queue"}
            for name in (
                "DeadmanDeadLetters1A1A1A1A", "RefusedEvents2B2B2B2B", "BeatsQueue3C3C3C3C", "BeatsDeadLetters4D4D4D4D",
                "GateRequestsQueue6A6A6A6A",
                "GateRequestsDeadLetters5E5E5E5E",
            )
        },
        "DeadmanFunction1F1F1F1F": _function("costwatch-deadman"),
        "HeartbeatsFunction2F2F2F2F": _function("costwatch-heartbeats"),
        "PricesFunction3F3F3F3F": _function("costwatch-prices"),
        "Rulessweep1E1E1E1E": _rule(Name="at-sweep", ScheduleExpression="rate(5 minutes)"),
        "Rulesec2state2E2E2E2E": _rule(Name="at-ec2", EventPattern={"source": ["aws.ec2"]}),
        "Rulesheartbeats3E3E3E3E": _rule(
            Name="at-beats", EventPattern={"source": ["costwatch.client"]}, EventBusName=names.HEARTBEAT_BUS
        ),
        **{
            f"{function}Reads{queue}": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "EventSourceArn": {"Fn::GetAtt": [queue, "Arn"]}, "FunctionName": {"Ref": function}
                },
            }
            for queue, function in _READ_BY.items()
        },
    }
}  # fmt: skip
"""As the CDK names things: three functions and rules, a queue that is read, and all kinds of dead-letter queues."""


def refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "not for you"}}, operation)


@dataclass
class FakeIam:
    """Simulates as IAM does: `denied` actions are implicit denies. `error`: what it answers instead."""

    denied: set[str] = field(default_factory=set)
    error: Exception | None = None
    asked: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)

    def get_role(self, *, RoleName: str) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        return {"Role": {"Arn": f"arn:aws:iam::123456789012:role/with/a/path/{RoleName}"}}

    def get_paginator(self, operation: str) -> FakeIam:
        assert operation == "simulate_principal_policy"
        return self

    def paginate(self, *, PolicySourceArn: str, ActionNames: list[str], ResourceArns: list[str]) -> Any:  # noqa: N803
        if self.error is not None:
            raise self.error
        self.asked.append((PolicySourceArn, tuple(ActionNames), tuple(ResourceArns)))
        decided = {action: "implicitDeny" if action in self.denied else "allowed" for action in ActionNames}
        results = [{"EvalActionName": name, "EvalDecision": said} for name, said in decided.items()]
        return [{"EvaluationResults": results}]


@dataclass
class FakeBilling:
    """Cost Explorer, which moto does not know."""

    active: tuple[str, ...] = ("owner", "team", "project", "model")
    error: Exception | None = None

    def list_cost_allocation_tags(self, *, Status: str, TagKeys: list[str]) -> dict[str, Any]:  # noqa: N803
        if self.error is not None:
            raise self.error
        tags = [{"TagKey": key, "Status": Status} for key in TagKeys if key in self.active]
        return {"CostAllocationTags": tags}


@dataclass
class FakeSts:
    """Who asks; `error`: what it answers instead."""

    account: str
    arn: str = "arn:aws:sts::123456789012:assumed-role/Platform/maria"
    error: Exception | None = None

    def get_caller_identity(self) -> dict[str, str]:
        if self.error is not None:
            raise self.error
        return {"Account": self.account, "Arn": self.arn}


class Clinic:
    """An account, and a terminal in it."""

    def __init__(self, account: Account, config: Path) -> None:
        self.account = account
        self.config = config
        self.sts = FakeSts(account.aws.account_id)
        self.iam = FakeIam()
        self.billing = FakeBilling()
        self.clients: dict[str, Any] = {"sts": self.sts, "iam": self.iam, "ce": self.billing}
        self.environ = {"AWS_REGION": REGION, names.ENV_SLACK_API_URL: account.slack.base_url}
        self.calls: list[Call] = []
        self.named = True
        """By --config; else the file of the folder is taken."""

    def doctor(self, *arguments: str, columns: int = 100, terminal: bool = False) -> Result:
        tools = Tools(environ=self.environ, clock=self.account.clock, clients=self.clients)
        env = {"COLUMNS": str(columns), "NO_COLOR": "1", "FORCE_COLOR": "1" if terminal else ""}
        named = ["--config", str(self.config)] if self.named else []
        wanted = ["doctor", *named, *arguments]
        with acting_as(DOCTOR), collecting(roles=(DOCTOR,)) as calls:
            result = CliRunner().invoke(main, wanted, obj=tools, env=env, prog_name="costwatch")
        self.calls += calls
        assert DEFAULT_TOKEN not in result.output
        assert self.account.slack.signing_secret not in result.output
        return result

    def found(self) -> dict[str, tuple[str, str, str]]:
        """By check: its standing, what was seen, what to do."""
        body = json.loads(self.doctor("--json").stdout)
        return {each["check"]: (each["standing"], each["said"], each["do"]) for each in body["checks"]}

    def client(self, service: Any) -> Any:
        return self.account.aws.client(service)

    def deploy(self, **more: Any) -> None:
        """What a stack leaves behind, with a sweep and prices of today."""
        account = self.account
        stack = more.get("stack", names.STACK)
        self.client("cloudformation").create_stack(StackName=stack, TemplateBody=json.dumps(_STACK))
        for name in ("costwatch-deadman", "costwatch-heartbeats", "costwatch-prices"):
            # moto's own zips carry the time of day
            self.client("lambda").update_function_code(FunctionName=name, ZipFile=zipped("1"))
        self.deploy_again(**more)
        secret = {"Name": names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER, "Value": account.slack.signing_secret}
        self.client("ssm").put_parameter(**secret, Type="SecureString", Overwrite=True)
        account.slack.channels.add("ml-platform")
        account.slack.channels.add("risk-ml", private=True, member=True)
        account.subscribe("ml-platform@example.com")
        account.refresh_prices()
        account.sweep(account.wiring())
        account.take_beats(account.cold_heartbeats_wiring(), account.waiting_beats())

    def physical(self, logical_id: str) -> str:
        """What the service of one of the stack's resources knows it by."""
        parts = self.client("cloudformation").list_stack_resources(StackName=names.STACK)["StackResourceSummaries"]
        return str(next(each["PhysicalResourceId"] for each in parts if each["LogicalResourceId"] == logical_id))

    def deploy_again(self, **more: Any) -> None:
        """The stack's parameter, with `more` in it."""
        account = self.account
        account.document = document = load(self.config).policy_document
        wired = account.wiring()
        body = {
            "table": wired.settings.ledger_table,
            "function": "costwatch-deadman",
            "policy_digest": document["digest"],
            "config_commit": "c0ffee",
            "version": __version__,
            "regions": [REGION],
            "alerts_topic_arn": wired.settings.alerts_topic_arn,
            **more,
        }
        self.client("ssm").put_parameter(
            Name=names.DEPLOYMENT_PARAMETER, Type="String", Value=json.dumps(body), Overwrite=True
        )


@dataclass
class Functions:
    """Lambda as it answers about functions that moto's never become."""

    states: dict[str, dict[str, str]] = field(default_factory=dict)

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, str]:  # noqa: N803
        usual = {"State": "Active", "LastUpdateStatus": "Successful", "CodeSha256": "new"}
        return {**usual, **self.states.get(FunctionName, {})}

    def get_function_concurrency(self, *, FunctionName: str) -> dict[str, int]:  # noqa: N803
        assert FunctionName
        return {}

    def get_event_source_mapping(self, *, UUID: str) -> dict[str, str]:  # noqa: N803
        assert UUID
        return {"State": "Enabled"}


@dataclass
class Rules:
    """EventBridge, where only rules with a state here may be looked at."""

    states: dict[str, str]
    asked: list[str] = field(default_factory=list)

    def describe_rule(self, *, Name: str, EventBusName: str = "default") -> dict[str, str]:  # noqa: N803
        assert EventBusName
        self.asked.append(Name)
        if Name not in self.states:
            raise refused("AccessDeniedException", "DescribeRule")
        return {"State": self.states[Name]}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with embedded_account(tmp_path_factory.mktemp("account")) as account:
        yield account


@pytest.fixture
def clinic(shared: Account, tmp_path: Path) -> Clinic:
    shared.reset(NOW)
    shared.slack.channels = type(shared.slack.channels)()
    config = tmp_path / "costwatch.yaml"
    config.write_text(CONFIG, "utf-8")
    return Clinic(shared, config)


def killed(*_: Any, **__: Any) -> Any:
    """As a function that Lambda ends for its memory: no error of ours."""
    raise MemoryError


def take_canary(clinic: Clinic) -> None:
    account = clinic.account
    waiting = account.waiting_beats()
    account.take_beats(account.cold_heartbeats_wiring(), waiting)
    account.delete_beats({message["messageId"] for message in waiting})


def golden(name: str, result: Result, config: Path) -> None:
    """Compare with the golden file, but for where the configuration lies."""
    text = result.stdout.replace(str(config), "costwatch.yaml")
    assert text == (GOLDEN / name).read_text("utf-8")


# --- the whole of it ------------------------------------------------------------------------------------------------


def test_all_is_well_after_a_deploy_and_a_sweep_and_only_reads_were_made(clinic: Clinic) -> None:
    clinic.deploy()
    result = clinic.doctor()
    assert result.exit_code == 0, result.output
    golden("doctor_deployed.txt", result, clinic.config)
    for service, operations in CALLS.items():
        assert operations <= ALLOWED[service]
    made = {call.operation for call in clinic.calls} | {"GetRole", "SimulatePrincipalPolicy", "ListCostAllocationTags"}
    # The other two are made where no permission may be simulated.
    assert made | {"DescribeInstances", "ListTrainingJobs"} == {name for names in CALLS.values() for name in names}


def test_before_a_deploy_it_says_what_is_not_there_yet_and_that_is_no_failure(clinic: Clinic) -> None:
    clinic.client("ssm").delete_parameter(Name=names.DEFAULT_SLACK_TOKEN_PARAMETER)
    result = clinic.doctor()
    assert result.exit_code == 0, result.output
    golden("doctor_before_a_deploy.txt", result, clinic.config)


def test_json_has_every_check_and_the_same_exit_code(clinic: Clinic) -> None:
    clinic.deploy(version="0.0.1")
    result = clinic.doctor("--json")
    body = json.loads(result.stdout)
    assert result.exit_code == 1
    assert body["counts"] == {"ok": 22, "to do": 2, "waits": 2, "unknown": 0}
    [bad, running] = [each for each in body["checks"] if each["standing"] == "to do"]
    assert running["check"] == "configuration running"
    assert bad == {
        "check": "deployed",
        "standing": "to do",
        "said": f"Costwatch 0.0.1 in us-east-1, and this is {__version__}",
        "do": "make deploy, or install the deployed version",
    }


def test_the_policy_it_prints_allows_its_calls_and_no_writes(clinic: Clinic) -> None:
    document = json.loads(clinic.doctor("--policy").stdout)
    allowed = {action for statement in document["Statement"] for action in statement["Action"]}
    assert allowed == {f"{service}:{operation}" for service, operations in CALLS.items() for operation in operations}
    assert not [action for action in allowed if not action.partition(":")[2].startswith(("Get", "List", "Describe",
                "Query", "Simulate"))]  # fmt: skip


# --- configuration, credentials, network ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said", "standing", "do", "code"),
    [
        (NoCredentialsError(), "no AWS credentials were found", "to do", "sign in to AWS", 1),
        (
            refused("ExpiredToken", "GetCallerIdentity"),
            "the AWS credentials have expired",
            "to do",
            "sign in to AWS",
            1,
        ),
        (
            EndpointConnectionError(endpoint_url="https://sts"),
            "is there a network?",
            "unknown",
            "see that AWS can be reached from here",
            3,
        ),
        (
            refused("Throttling", "GetCallerIdentity"),
            "try again",
            "unknown",
            "see that AWS can be reached from here",
            3,
        ),
    ],
)
def test_without_credentials_or_network_it_says_so_and_what_needs_no_aws_is_looked_at(
    clinic: Clinic, error: Exception, said: str, standing: str, do: str, code: int
) -> None:
    clinic.sts.error = error
    result = clinic.doctor("--json")
    found = {each["check"]: each for each in json.loads(result.stdout)["checks"]}
    assert result.exit_code == code
    credentials = found.pop("credentials")
    assert said in credentials["said"]
    assert (credentials["standing"], credentials["do"]) == (standing, do)
    assert found.pop("configuration")["standing"] == "ok"
    assert {each["standing"] for each in found.values()} == {"unknown"}
    assert "last sweep" in found


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("mars", "'mars' is not an AWS region such as us-east-1"),
        ("us-east-9", "'us-east-9' is no AWS region that boto3"),
        ("us-east-1a", "did you mean 'us-east-1'?"),
        ("", "'' is not an AWS region"),
    ],
)
def test_a_region_that_is_none_is_a_wrong_option_and_nothing_is_looked_at(
    clinic: Clinic, region: str, said: str
) -> None:
    result = clinic.doctor("--region", region)
    assert (result.exit_code, result.stdout) == (2, "")
    told = " ".join(result.stderr.split())
    assert "--region" in told
    assert said in told
    assert clinic.calls == []


@pytest.mark.parametrize("region", ["mars", "us-east-9"])
def test_a_region_of_awss_settings_that_is_none_is_to_be_mended_there(clinic: Clinic, region: str) -> None:
    clinic.environ["AWS_REGION"] = region
    del clinic.clients["sts"]
    standing, said, do = clinic.found()["credentials"]
    assert standing == "to do"
    assert "AWS has no such region" in said
    assert do == "mend AWS's settings: AWS_REGION, the profile, AWS_ENDPOINT_URL"
    [line] = [each for each in clinic.doctor(columns=1000).stdout.splitlines() if "credentials:" in each]
    assert ".. To do" not in line
    assert ". To do: mend" in line


def test_a_region_that_contradicts_the_configuration_is_no_stack_that_is_not_there_yet(clinic: Clinic) -> None:
    clinic.deploy()
    result = clinic.doctor("--region", "eu-west-1")
    assert result.exit_code == 1
    told = " ".join(result.stdout.split())
    assert (
        "!! regions: --region is eu-west-1, and the home region of the configuration is us-east-1. "
        "To do: leave --region out, or give us-east-1"
    ) in told
    assert "-- deployed: not yet in eu-west-1 " in told
    assert "make deploy" not in told.partition("deployed:")[2].partition("bootstrap:")[0]
    assert clinic.doctor("--region", "us-east-1").exit_code == 0


def test_a_profile_that_is_not_there_is_said_once_and_is_what_is_to_be_mended(clinic: Clinic) -> None:
    clinic.sts.error = ProfileNotFound(profile="nope")
    standing, said, do = clinic.found()["credentials"]
    assert (standing, do) == ("to do", "name a profile that ~/.aws/config has (AWS_PROFILE), or unset it")
    assert "The config profile (nope) could not be found" in said
    assert not said.startswith("credentials")


def test_what_waits_is_not_to_be_done(clinic: Clinic) -> None:
    clinic.client("ssm").delete_parameter(Name=names.DEFAULT_SLACK_TOKEN_PARAMETER)
    out = clinic.doctor().stdout
    assert "--  deployed: not yet in us-east-1. Next: make deploy" in out
    assert "To do" not in out


def test_a_broken_configuration_is_said_with_its_line_and_the_rest_is_looked_at(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.config.write_text(CONFIG.replace("version: 1", "version: 7"), "utf-8")
    found = clinic.found()
    assert found["configuration"][0] == "to do"
    assert f"{clinic.config}:1: version:" in found["configuration"][1]
    assert found["slack token"] == ("unknown", "needs a valid configuration", "")
    assert found["last sweep"][0] == "ok"


def test_no_configuration_at_all_is_answered_with_init(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.config.unlink()
    monkeypatch.chdir(clinic.config.parent)
    clinic.named = False
    standing, said, do = clinic.found()["configuration"]
    assert (standing, said) == ("to do", "costwatch.yaml is not there")
    assert do.startswith("costwatch init")


def test_a_configuration_that_is_named_and_not_there_is_a_wrong_option(clinic: Clinic) -> None:
    clinic.config.unlink()
    result = clinic.doctor()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Invalid value for --config" in result.stderr
    assert "costwatch.yaml: no such file" in " ".join(result.stderr.split())


def test_credentials_of_another_account_are_not_taken_for_the_right_ones(clinic: Clinic) -> None:
    clinic.config.write_text(f'account: "999988887777"\n{CONFIG}', "utf-8")
    standing, said, _do = clinic.found()["credentials"]
    assert standing == "to do"
    assert said.endswith("is of account 123456789012, and the configuration is for 999988887777")


class Regions:
    """EC2 as it answers about regions; moto has all of them enabled."""

    def describe_regions(self, *, AllRegions: bool) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        assert AllRegions
        status = {"us-east-1": "opt-in-not-required", "eu-west-1": "opted-in", "af-south-1": "not-opted-in"}
        return {"Regions": [{"RegionName": name, "OptInStatus": each} for name, each in status.items()]}


def test_a_region_that_is_not_enabled_is_named(clinic: Clinic) -> None:
    clinic.clients["ec2"] = Regions()
    clinic.config.write_text(CONFIG.replace("[us-east-1]", "[us-east-1, af-south-1, eu-west-1]"), "utf-8")
    standing, said, _do = clinic.found()["regions"]
    assert (standing, said) == ("to do", "not enabled in this account: af-south-1")


# --- permissions ------------------------------------------------------------------------------------------------------


def test_a_session_is_simulated_as_its_role_with_its_path_on_the_deployed_table_and_function(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.doctor()
    assert {principal for principal, _, _ in clinic.iam.asked} == {
        "arn:aws:iam::123456789012:role/with/a/path/Platform"
    }
    table = "arn:aws:dynamodb:us-east-1:123456789012:table/costwatch-ledger"
    asked = {(action, on) for _, actions, resources in clinic.iam.asked for action in actions for on in resources}
    assert {"dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"} <= {
        action for action, on in asked if on == table
    }
    function = "arn:aws:lambda:us-east-1:123456789012:function:costwatch-deadman"
    assert {action for action, on in asked if on == function} == {"lambda:InvokeFunction"}
    assert (
        "cloudformation:ListStackResources",
        "arn:aws:cloudformation:us-east-1:123456789012:stack/Costwatch/any",
    ) in (asked)
    queues = {on for action, on in asked if action == "sqs:ReceiveMessage"}
    assert queues == {
        f"arn:aws:sqs:us-east-1:123456789012:{clinic.physical(queue).rpartition('/')[2]}"
        for queue in ("DeadmanDeadLetters1A1A1A1A", "RefusedEvents2B2B2B2B", "BeatsDeadLetters4D4D4D4D")
    }


def test_what_may_not_be_read_is_named_and_to_be_done(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.iam.denied = {"ec2:DescribeInstances", "dynamodb:Query"}
    found = clinic.found()
    assert found["permissions to look"][:2] == ("to do", "not allowed: ec2:DescribeInstances")
    assert found["permissions to read the ledger"][:2] == ("to do", "not allowed: dynamodb:Query")


def test_who_may_look_and_not_act_is_told_so_and_that_is_no_failure(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.iam.denied = {"lambda:InvokeFunction", "dynamodb:PutItem"}
    result = clinic.doctor()
    assert result.exit_code == 0, result.output
    assert (
        "--  permissions to act: not allowed: extend, exempt, release, pause, resume, approve, deny, sweep, "
        "redrive --delete without dynamodb:PutItem; stop, restore, settle --now, sweep --mode enforce without "
        "lambda:InvokeFunction; redrive --resend without dynamodb:PutItem, lambda:InvokeFunction. "
    ) in result.stdout


@pytest.mark.parametrize("action", ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility"])
def test_who_may_not_redrive_is_told_so(clinic: Clinic, action: str) -> None:
    clinic.deploy()
    clinic.iam.denied = {action}
    assert clinic.found()["permissions to act"][:2] == ("waits", f"not allowed: redrive without {action}")


def test_where_the_stack_may_not_be_listed_nobody_knows_about_redrive_and_the_rest_is_asked(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.clients["cloudformation"] = Unallowed("AccessDenied")
    clinic.clients["cloudformation"].get_paginator = lambda _: clinic.clients["cloudformation"]
    standing, said, _do = clinic.found()["permissions to act"]
    assert standing == "unknown"
    assert said.startswith("not known for redrive, redrive --delete, redrive --resend: ")


class Unallowed:
    """A client whose every call is denied."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __getattr__(self, operation: str) -> Any:
        def deny(**_: Any) -> Any:
            raise refused(self.code, operation)

        return deny


def test_where_nothing_may_be_simulated_the_reads_themselves_are_tried(clinic: Clinic) -> None:
    clinic.iam.error = refused("AccessDenied", "SimulatePrincipalPolicy")
    assert clinic.found()["permissions to look"][:2] == (
        "ok",
        "ec2:DescribeInstances and sagemaker:ListTrainingJobs (tried, since AWS does not simulate what these "
        "credentials may)",
    )
    assert "DescribeInstances" in {call.operation for call in clinic.calls}
    clinic.clients["ec2"], clinic.clients["sagemaker"] = Unallowed("UnauthorizedOperation"), Unallowed("AccessDenied")
    found = clinic.found()
    assert found["permissions to look"][0] == "to do"
    assert "not allowed: ec2:DescribeInstances, sagemaker:ListTrainingJobs" in found["permissions to look"][1]
    assert "permissions to act" not in found, "nothing is deployed"
    assert found["regions"][0] == "unknown"
    assert "your credentials do not allow it" in found["regions"][1]


def test_where_nothing_may_be_simulated_the_ledger_is_tried_and_what_writes_is_not_known(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.iam.error = refused("AccessDenied", "SimulatePrincipalPolicy")
    found = clinic.found()
    tried = "tried, since AWS does not simulate what these credentials may"
    assert found["permissions to read the ledger"] == ("ok", f"dynamodb:GetItem on costwatch-ledger ({tried})", "")
    assert found["permissions to act"][0] == "unknown"
    clinic.account.aws.faults.fail(None, "GetItem", "AccessDeniedException", times=None)
    found = clinic.found()
    clinic.account.aws.faults.clear()
    assert found["permissions to read the ledger"][:2] == ("to do", f"not allowed: dynamodb:GetItem ({tried})")


def test_the_embedded_aws_answers_as_aws_does_where_moto_does_not(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.clients.clear()
    result = clinic.doctor()
    assert result.exit_code == 3, result.output
    assert "ok  permissions to look: ec2:DescribeInstances and sagemaker:ListTrainingJobs (tried, " in result.stdout
    assert "??  permissions to act: AWS does not simulate these credentials" in result.stdout
    assert result.stdout.count("??  ") == 1
    assert "--  cost allocation tags: could not be asked: only the account that pays" in result.stdout
    assert clinic.account.aws.errors == []


def test_a_ledger_that_only_the_environment_names_is_of_an_unknown_version(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.client("ssm").delete_parameter(Name=names.DEPLOYMENT_PARAMETER)
    clinic.environ[names.ENV_LEDGER_TABLE] = "costwatch-ledger"
    found = clinic.found()
    assert found["deployed"][0] == found["configuration deployed"][0] == "unknown"
    assert found["last sweep"][0] == "ok"


def test_only_what_could_not_be_looked_at_is_exit_code_3(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.clients["cloudformation"] = Unallowed("AccessDenied")
    clinic.clients["cloudformation"].get_paginator = lambda _: clinic.clients["cloudformation"]
    result = clinic.doctor()
    assert "??  dead-letter queues: could not be looked at: your credentials do not allow it" in result.stdout
    assert result.exit_code == 3


# --- Slack ------------------------------------------------------------------------------------------------------------


def store(clinic: Clinic, name: str, value: str, kind: Any = "SecureString") -> None:
    clinic.client("ssm").delete_parameter(Name=name)
    clinic.client("ssm").put_parameter(Name=name, Value=value, Type=kind)


def test_after_a_deploy_a_missing_token_and_secret_are_to_be_stored(clinic: Clinic) -> None:
    clinic.deploy()
    for name in (names.DEFAULT_SLACK_TOKEN_PARAMETER, names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER):
        clinic.client("ssm").delete_parameter(Name=name)
    found = clinic.found()
    for check, name in (("slack token", "slack-token"), ("slack signing secret", "slack-signing-secret")):
        assert found[check][:2] == ("to do", f"parameter /costwatch/{name} is not there")
        assert found[check][2] == (
            f"read -rs SECRET && aws ssm put-parameter --name /costwatch/{name} --region us-east-1 "
            '--type SecureString --overwrite --value "$SECRET"'
        )


def test_a_command_to_copy_is_one_line_of_the_terminal_however_narrow_it_is(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.client("ssm").delete_parameter(Name=names.DEFAULT_SLACK_TOKEN_PARAMETER)
    whole = storing.command("/costwatch/slack-token", REGION)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", clinic.doctor(columns=60, terminal=True).stdout).splitlines()
    assert [line for line in lines if "slack token" in line and line.endswith(whole)]
    assert max(len(line) for line in lines if whole not in line) <= 60


def test_a_value_that_is_no_bot_token_is_not_sent_to_slack_and_not_said(clinic: Clinic) -> None:
    store(clinic, names.DEFAULT_SLACK_TOKEN_PARAMETER, "xoxp-the-token-of-a-person")
    clinic.account.slack.calls.clear()
    result = clinic.doctor()
    assert "holds is no bot token, which begins with xoxb-" in result.stdout
    assert "xoxp-the-token" not in result.output
    assert clinic.account.slack.calls == []


def test_a_token_that_slack_does_not_take_is_to_be_copied_anew(clinic: Clinic) -> None:
    store(clinic, names.DEFAULT_SLACK_TOKEN_PARAMETER, "xoxb-of-yesterday")
    standing, said, _do = clinic.found()["slack token"]
    assert (standing, said) == ("to do", "Slack does not take the token in /costwatch/slack-token: invalid_auth")


def test_a_slack_that_is_down_is_not_the_tokens_fault(clinic: Clinic) -> None:
    clinic.account.slack.go_down(503)
    try:
        assert clinic.found()["slack token"][0] == "unknown"
    finally:
        clinic.account.slack.come_up()


def test_a_token_in_clear_text_is_to_be_replaced_as_a_secret_is_and_is_not_sent_to_slack(clinic: Clinic) -> None:
    store(clinic, names.DEFAULT_SLACK_TOKEN_PARAMETER, DEFAULT_TOKEN, "String")
    clinic.account.slack.calls.clear()
    standing, said, do = clinic.found()["slack token"]
    assert (standing, said) == ("to do", "parameter /costwatch/slack-token lies there in clear text")
    assert do.startswith("aws ssm delete-parameter --name /costwatch/slack-token ")
    assert clinic.account.slack.calls == []


def with_slack(clinic: Clinic, lines: str) -> None:
    clinic.config.write_text(CONFIG.replace("slack:\n", f"slack:\n{lines}"), "utf-8")


@pytest.mark.parametrize(
    ("lines", "standing", "said"),
    [
        ("  workspace: T0EMBEDDED\n  app_id: A0COSTWATCH\n", "ok", "A0COSTWATCH in the workspace T0EMBEDDED"),
        (
            "  workspace: T0OTHER000\n  app_id: A0COSTWATCH\n",
            "to do",
            "slack.workspace is T0OTHER000, and the token is of T0EMBEDDED (Embedded): every click is refused",
        ),
        (
            "  app_id: A0OTHER000\n",
            "to do",
            "slack.app_id is A0OTHER000, and the token is of A0COSTWATCH: every click is refused",
        ),
    ],
)
def test_a_token_of_another_workspace_or_app_than_the_configurations_is_told(
    clinic: Clinic, lines: str, standing: str, said: str
) -> None:
    with_slack(clinic, lines)
    assert clinic.found()["slack app"][:2] == (standing, said)


def test_whose_token_it_is_is_not_known_where_slack_does_not_say(clinic: Clinic) -> None:
    with_slack(clinic, "  app_id: A0COSTWATCH\n")
    clinic.account.slack.channels.scopes.remove("users:read")
    standing, said, _do = clinic.found()["slack app"]
    assert standing == "unknown"
    assert "missing_scope" in said


def with_approvers(clinic: Clinic, *named: str) -> tuple[str, str, str]:
    tiers = f"approval:\n  tiers: [{{above_usd: 100, approvers: {json.dumps(named)}}}]\n"
    with_slack(clinic, "  app_id: A0COSTWATCH\n")
    clinic.config.write_text(clinic.config.read_text("utf-8") + tiers, "utf-8")
    return clinic.found()["approvers"]


def test_approvers_who_are_not_there_are_named_and_those_who_are_not(clinic: Clinic) -> None:
    people = clinic.account.slack.people
    people.add_group("@risk-leads", ["maria@example.com"])
    people.add_group("@nobody-in-it")
    maria = people.users["maria@example.com"]
    arn = "arn:aws:iam::123456789012:role/Lead"
    assert with_approvers(clinic, "@risk-leads", maria, arn) == (
        "ok",
        "2 found in Slack, 1 ARN of AWS not looked at",
        "",
    )
    standing, said, _do = with_approvers(clinic, "@risk-leads", "@nobody-there", "@nobody-in-it", "U0NOBODY00")
    assert standing == "to do"
    assert said == ("@nobody-there is no user group there; @nobody-in-it has no members; U0NOBODY00 is nobody there")
    people.deleted.add(maria)
    assert with_approvers(clinic, maria)[:2] == ("to do", f"{maria} was deactivated")


def test_approvers_who_could_not_be_looked_at_are_not_well(clinic: Clinic) -> None:
    clinic.account.slack.refusals["usergroups.list"] = "missing_scope"
    try:
        assert with_approvers(clinic, "@risk-leads")[:2] == (
            "unknown",
            "could not be looked at: @risk-leads (missing_scope)",
        )
    finally:
        clinic.account.slack.refusals.clear()


def test_a_scope_that_is_missing_is_named_and_one_for_this_command_alone_is_no_failure(clinic: Clinic) -> None:
    clinic.account.slack.channels.scopes.remove("im:write")
    assert clinic.found()["slack scopes"][:2] == ("to do", "missing: im:write")
    clinic.account.slack.channels.scopes[:] = [
        "chat:write", "chat:write.public", "im:write", "users:read", "users:read.email", "usergroups:read",
    ]  # fmt: skip
    found = clinic.found()
    assert found["slack scopes"][0] == "waits"
    assert found["slack channels"][:2] == ("unknown", "not looked for: the app has no scope channels:read")


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        ([], "#ml-platform (slack.platform_channel) is not there, or is private without costwatch"),
        ([{"name": "ml-platform", "archived": True}], "#ml-platform (slack.platform_channel) is archived"),
        ([{"name": "ml-platform", "private": True}], "is private without costwatch"),
    ],
)
def test_a_channel_that_takes_no_post_is_named_with_its_key(
    clinic: Clinic, channels: list[dict[str, Any]], said: str
) -> None:
    clinic.account.slack.channels.add("risk-ml")
    for each in channels:
        clinic.account.slack.channels.add(**each)
    standing, told, _do = clinic.found()["slack channels"]
    assert standing == "to do"
    assert said in told
    assert "risk-ml" not in told


def test_a_public_channel_without_the_bot_needs_the_scope_to_post_there(clinic: Clinic) -> None:
    for name in ("ml-platform", "risk-ml"):
        clinic.account.slack.channels.add(name, member=name == "risk-ml")
    assert clinic.found()["slack channels"][0] == "ok"
    clinic.account.slack.channels.scopes.remove("chat:write.public")
    assert clinic.found()["slack channels"][1] == "costwatch is not in #ml-platform (slack.platform_channel)"


def test_a_channel_is_found_on_a_later_page_and_by_its_id(clinic: Clinic) -> None:
    for number in range(1200):
        clinic.account.slack.channels.add(f"talk-{number}")
    risk = clinic.account.slack.channels.add("risk-ml", private=True, member=True)
    clinic.account.slack.channels.add("ml-platform")
    clinic.config.write_text(CONFIG.replace('"#risk-ml"', risk.id), "utf-8")
    assert clinic.found()["slack channels"][:2] == ("ok", f"#ml-platform, {risk.id}")


def test_a_signing_secret_in_clear_text_is_to_be_replaced(clinic: Clinic) -> None:
    clinic.deploy()
    store(clinic, names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER, "8f74", "String")
    standing, said, _do = clinic.found()["slack signing secret"]
    assert (standing, said) == ("to do", "parameter /costwatch/slack-signing-secret lies there in clear text")


@pytest.mark.parametrize(("mode", "standing"), [("observe", "waits"), ("warn", "to do"), ("enforce", "to do")])
def test_where_neither_slack_nor_mail_is_named_somebody_must_act_once_people_are_to_hear(
    clinic: Clinic, mode: str, standing: str
) -> None:
    text = CONFIG.partition("slack:")[0] + "dead_man:" + CONFIG.partition("dead_man:")[2] + f"      mode: {mode}\n"
    clinic.config.write_text(text, "utf-8")
    assert clinic.found()["slack token"][0] == standing
    clinic.config.write_text(text + "email: {to: [ml@example.com]}\n", "utf-8")
    assert clinic.found()["slack token"] == ("waits", "Slack is not used; notices go by e-mail", "")


# --- what is deployed -------------------------------------------------------------------------------------------------


def test_a_configuration_that_was_edited_since_the_deploy_is_told_apart(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.config.write_text(CONFIG.replace("dead_man:", "dead_man:\n  max_runtime: 11h"), "utf-8")
    standing, said, do = clinic.found()["configuration deployed"]
    assert standing == "to do"
    assert said.startswith(f"it differs: {clinic.account.document['digest'][:12]} is deployed (commit c0ffee), ")
    assert do == "make deploy, or use the file that is deployed"


def test_a_stack_elsewhere_than_the_configuration_has_it_is_told_and_no_deploy_is_advised(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.config.write_text(CONFIG.replace("[us-east-1]", "[eu-west-1, us-east-1]"), "utf-8")
    found = clinic.found()
    assert found["deployed"] == (
        "to do",
        f"Costwatch {__version__} in us-east-1, and the home region of the configuration is eu-west-1: a deploy makes "
        "a second stack and ledger",
        "put us-east-1 first in `regions`",
    )
    assert found["configuration deployed"][0] == "to do"
    assert not [do for _, _, do in found.values() if do.startswith("make deploy")]


def test_a_parameter_of_another_version_is_to_be_deployed_anew_and_its_parts_are_not_guessed(clinic: Clinic) -> None:
    clinic.client("ssm").put_parameter(Name=names.DEPLOYMENT_PARAMETER, Type="String", Value='{"tables": []}')
    found = clinic.found()
    assert found["deployed"][0] == "to do"
    assert "is of another version of Costwatch" in found["deployed"][1]
    assert found["last sweep"][:2] == ("unknown", "not looked at (see deployed)")


def test_a_sweep_is_late_one_second_after_what_the_path_allows_and_not_before(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.account.clock.now = NOW + path_allows(timedelta(minutes=5))
    assert clinic.found()["last sweep"][0] == "ok"
    clinic.account.clock.forward(seconds=1)
    standing, said, do = clinic.found()["last sweep"]
    assert standing == "to do"
    assert said == "completed at 2026-11-22 09:00:00 UTC, 20m ago; expected every 5m"
    assert do == "read the log of the function costwatch-deadman"


def test_a_sweep_that_sends_its_canary_and_dies_is_no_last_sweep(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.deploy()
    account = clinic.account
    for _ in range(5):
        account.clock.forward(minutes=5)
        with monkeypatch.context() as dies:
            dies.setattr(Ledger, "open_records", killed)
            with pytest.raises(MemoryError):
                account.sweep(account.wiring())
        take_canary(clinic)
    found = clinic.found()
    assert found["way of heartbeats"] == ("ok", "the canary of 2026-11-22 09:25:00 UTC arrived", "")
    standing, said, _do = found["last sweep"]
    assert standing == "to do"
    assert said == (
        "completed at 2026-11-22 09:00:00 UTC, 25m ago; expected every 5m; one began at 2026-11-22 09:25:00 UTC and "
        "did not come to its end"
    )


def test_before_any_sweep_came_to_its_end_that_is_said_and_which_began(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as dies:
        dies.setattr(Ledger, "keep_sweep", lambda *_: None)  # as a version before this one, which wrote no such row
        clinic.deploy()
    found = clinic.found()
    assert found["last sweep"] == (
        "to do",
        "none has come to its end yet; the last one began at 2026-11-22 09:00:00 UTC",
        "if the deploy is more than 20m ago, read the log of the function costwatch-deadman",
    )
    assert found["configuration running"][0] == "waits"


def test_a_sweep_with_a_region_that_failed_is_no_good_one(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.deploy()

    def throttled(*_: Any) -> Any:
        raise TransientAwsError("ec2:DescribeInstances: RequestLimitExceeded")

    monkeypatch.setattr(Ec2, "matching", throttled)
    assert len(clinic.account.sweep(clinic.account.wiring())["failures"]) == 1
    standing, said, do = clinic.found()["last sweep"]
    assert standing == "to do"
    assert said == "completed at 2026-11-22 09:00:00 UTC, 1 part of it failed (us-east-1 ec2)"
    assert do == "read the log of the function costwatch-deadman: it says why"


def test_a_canary_that_does_not_arrive_is_no_missed_sweep(clinic: Clinic) -> None:
    clinic.deploy()
    for _ in range(5):
        clinic.account.clock.forward(minutes=5)
        clinic.account.sweep(clinic.account.wiring())
    found = clinic.found()
    assert found["last sweep"][0] == "ok"
    standing, said, _do = found["way of heartbeats"]
    assert standing == "to do"
    assert said.startswith("the newest canary that arrived is of 2026-11-22 09:00:00 UTC, 25m ago")


def test_a_sweep_and_a_canary_from_further_ahead_than_the_path_allows_are_not_good_ones(clinic: Clinic) -> None:
    """A clock that is wrong, here or there: else they would be good for ever."""
    clinic.deploy()
    clinic.account.clock.now = NOW - path_allows(timedelta(minutes=5))
    found = clinic.found()
    assert (found["last sweep"][0], found["way of heartbeats"][0]) == ("ok", "ok")
    clinic.account.clock.now -= timedelta(seconds=1)
    found = clinic.found()
    assert (found["last sweep"][0], found["way of heartbeats"][0]) == ("to do", "to do")
    assert found["last sweep"][1].startswith("completed at 2026-11-22 09:00:00 UTC, 20m from now")
    assert "2026-11-22 09:00:00 UTC, 20m from now; until one does" in found["way of heartbeats"][1]


def test_functions_that_kept_the_old_policy_are_found_by_what_the_last_sweep_ran_by(clinic: Clinic) -> None:
    clinic.deploy()
    old = str(clinic.account.document["digest"])
    assert clinic.found()["configuration running"] == (
        "ok",
        f"the last sweep ran by what is deployed, with code {__version__}",
        "",
    )
    clinic.config.write_text(CONFIG + "      max_runtime: 6h\n", "utf-8")
    clinic.deploy_again()
    found = clinic.found()
    assert found["configuration deployed"][0] == "ok"
    standing, said, do = found["configuration running"]
    assert standing == "to do"
    assert said.startswith(f"the last sweep ran by {old[:12]} (not committed) with code {__version__}, and ")
    assert do.startswith("look again after the next sweep, within 5m; if it is the same then")
    clinic.account.sweep(clinic.account.wiring())
    assert clinic.found()["configuration running"][0] == "ok"


def test_functions_that_kept_the_old_code_are_found_by_its_version(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.deploy_again(version="9.9.9")
    standing, said, _do = clinic.found()["configuration running"]
    assert standing == "to do"
    assert said.endswith("(commit c0ffee) with code 9.9.9 is deployed")


def test_prices_are_stale_one_second_after_three_days_and_not_before(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.account.clock.now = NOW + timedelta(hours=72)
    assert clinic.found()["price book"][0] == "ok"
    clinic.account.clock.forward(seconds=1)
    assert clinic.found()["price book"] == (
        "to do",
        "its oldest part is 3d0h old, more than 3d0h",
        "costwatch prices refresh",
    )


def test_the_parts_of_a_stack_of_another_name_are_looked_at_by_what_it_says_of_itself(clinic: Clinic) -> None:
    clinic.deploy(stack="ml-platform-watchdog")
    found = clinic.found()
    assert found["dead-letter queues"][:2] == ("ok", "4 queues, all empty")
    assert found["rules"][0] == found["functions"][0] == "ok"


def test_what_waits_in_a_dead_letter_queue_is_counted_and_other_queues_are_not(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.client("sqs").send_message(QueueUrl=clinic.physical("GateRequestsQueue6A6A6A6A"), MessageBody="a request")
    assert clinic.found()["dead-letter queues"][:2] == ("ok", "4 queues, all empty")
    for queue in ("RefusedEvents2B2B2B2B", "BeatsDeadLetters4D4D4D4D"):
        clinic.client("sqs").send_message(QueueUrl=clinic.physical(queue), MessageBody="odd")
    assert clinic.found()["dead-letter queues"] == (
        "to do",
        "1 in beats, 1 in refused",
        "costwatch redrive shows it, handles it again or deletes it",
    )


def test_a_dead_letter_that_somebody_looks_at_just_now_is_there_all_the_same(clinic: Clinic) -> None:
    clinic.deploy()
    queue = clinic.physical("RefusedEvents2B2B2B2B")
    clinic.client("sqs").send_message(QueueUrl=queue, MessageBody="odd")
    assert clinic.client("sqs").receive_message(QueueUrl=queue, VisibilityTimeout=120)["Messages"]
    assert clinic.found()["dead-letter queues"][:2] == ("to do", "1 in refused")


def test_what_the_gate_reads_itself_is_counted_and_redrive_is_not_named_which_does_not_show_it(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.client("sqs").send_message(QueueUrl=clinic.physical("GateRequestsDeadLetters5E5E5E5E"), MessageBody="odd")
    standing, said, do = clinic.found()["dead-letter queues"]
    assert (standing, said) == ("to do", "1 in gate-requests")
    assert do.startswith("gate-requests: the function gate reads it itself")


# --- rules, functions, what reads queues ------------------------------------------------------------------------------


def test_disabled_rules_are_named_with_the_commands_that_enable_them_also_on_the_bus_of_heartbeats(
    clinic: Clinic,
) -> None:
    clinic.deploy()
    assert clinic.found()["rules"] == ("ok", "3 rules, all enabled", "")
    clinic.client("events").disable_rule(Name="at-ec2")
    clinic.client("events").disable_rule(Name="at-beats", EventBusName=names.HEARTBEAT_BUS)
    assert clinic.found()["rules"] == (
        "to do",
        "ec2-state is disabled; heartbeats is disabled",
        "aws events enable-rule --name at-ec2 --region us-east-1 && aws events enable-rule --name at-beats "
        "--event-bus-name costwatch --region us-east-1",
    )


def test_a_rule_that_is_gone_is_to_be_put_back_by_hand(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.client("events").delete_rule(Name="at-sweep")
    standing, said, do = clinic.found()["rules"]
    assert (standing, said) == ("to do", "Rulessweep is gone")
    assert do.startswith("put it back by hand")


def test_a_function_with_a_reserved_concurrency_of_none_is_throttled_whole_and_one_of_one_is_not(
    clinic: Clinic,
) -> None:
    clinic.deploy()
    limit = clinic.client("lambda").put_function_concurrency
    limit(FunctionName="costwatch-deadman", ReservedConcurrentExecutions=1)
    assert clinic.found()["functions"] == ("ok", "3 functions, all active, none throttled", "")
    limit(FunctionName="costwatch-deadman", ReservedConcurrentExecutions=0)
    assert clinic.found()["functions"] == (
        "to do",
        "deadman is throttled whole (reserved concurrency 0)",
        "aws lambda delete-function-concurrency --function-name costwatch-deadman --region us-east-1",
    )


def test_a_function_with_other_code_than_the_rest_is_named(clinic: Clinic) -> None:
    clinic.deploy()
    clinic.client("lambda").update_function_code(FunctionName="costwatch-deadman", ZipFile=zipped("2"))
    standing, said, _do = clinic.found()["functions"]
    assert (standing, said) == ("to do", "other code than the rest: deadman")


@pytest.mark.parametrize(
    ("state", "standing", "said"),
    [
        ({"State": "Inactive"}, "ok", "3 functions, all active, none throttled"),  # it wakes up when it is called
        ({"State": "Pending"}, "to do", "heartbeats: it is being made"),
        ({"State": "Failed", "StateReason": "no role"}, "to do", "heartbeats: it failed (no role)"),
        ({"LastUpdateStatus": "InProgress"}, "to do", "heartbeats: its last update is under way"),
        ({"LastUpdateStatus": "Failed"}, "to do", "heartbeats: its last update failed (Lambda does not say why)"),
    ],
)
def test_a_function_that_lambda_cannot_run_is_named_with_lambdas_reason(
    clinic: Clinic, state: dict[str, str], standing: str, said: str
) -> None:
    clinic.deploy()
    clinic.clients["lambda"] = Functions(states={"costwatch-heartbeats": state})
    assert clinic.found()["functions"][:2] == (standing, said)


def test_a_queue_that_nobody_reads_any_more_is_named_with_the_command_that_has_it_read(clinic: Clinic) -> None:
    clinic.deploy()
    assert clinic.found()["event sources"] == ("ok", "1 queue, all read", "")
    uuid = clinic.physical("HeartbeatsFunction2F2F2F2FReadsBeatsQueue3C3C3C3C")
    clinic.client("lambda").update_event_source_mapping(UUID=uuid, Enabled=False)
    standing, said, do = clinic.found()["event sources"]
    assert standing == "to do"
    assert re.fullmatch(r"nobody reads the queue Costwatch-BeatsQueue3C3C3C3C-\w+ \(Disabled\)", said)
    assert do == f"aws lambda update-event-source-mapping --uuid {uuid} --enabled --region us-east-1"


@pytest.mark.parametrize("check", ["rules", "functions", "event sources"])
def test_what_may_not_be_looked_at_is_never_well(clinic: Clinic, check: str) -> None:
    clinic.deploy()
    clinic.clients["lambda"] = clinic.clients["events"] = Unallowed("AccessDeniedException")
    standing, said, _do = clinic.found()[check]
    assert standing == "unknown"
    assert said.startswith("could not be looked at: ")
    assert "your credentials do not allow it" in said


def test_one_rule_that_may_not_be_looked_at_hides_no_other_that_is_disabled(clinic: Clinic) -> None:
    clinic.deploy()
    events = clinic.clients["events"] = Rules({"at-sweep": "DISABLED", "at-ec2": "ENABLED"})
    out = clinic.doctor().stdout
    assert "!!  rules: sweep is disabled. To do: aws events enable-rule --name at-sweep" in out
    assert "??  rules: could not be looked at: Rulesheartbeats: " in out
    assert events.asked == ["at-ec2", "at-beats", "at-sweep"]


def test_a_topic_that_nobody_listens_to_is_to_be_subscribed(clinic: Clinic) -> None:
    clinic.deploy()
    topic = clinic.client("sns").create_topic(Name="deaf")["TopicArn"]
    clinic.deploy_again(alerts_topic_arn=topic)
    assert clinic.found()["alerts"][:2] == ("to do", f"nobody has confirmed a subscription to {topic}")


def test_a_claim_is_unsettled_from_the_end_of_its_lease_as_settle_has_it(clinic: Clinic) -> None:
    clinic.deploy()
    ledger = clinic.account.wiring().ledger
    run = builders.run(builders.member(now=NOW))
    run_id = replace(run.id, account=clinic.account.aws.account_id)
    stop = StopAttempt("stop#enforce#x", "somebody", 1, lease_until=NOW, members=("i-0a",))
    record = replace(builders.record(run), run_id=run_id, status=Status.STOPPING, stop=stop)
    assert ledger.save(Step(None, record, ()))
    clinic.account.clock.now = NOW - timedelta(seconds=1)
    assert clinic.found()["unsettled claims"][:2] == ("ok", "none, 1 under way")
    clinic.account.clock.now = NOW
    assert clinic.found()["unsettled claims"][:2] == ("to do", "1 of 1: stop i-0a")


def test_verdicts_that_were_claimed_and_not_written_count_too(clinic: Clinic) -> None:
    clinic.deploy()
    kept = Judgements(clinic.account.wiring().ledger)
    for version in (41, 42):
        found = judgement(account=clinic.account.aws.account_id, package_version=version)
        found = replace(found, state=State.WRITING, target=ApprovalStatus.REJECTED, lease_until=NOW)
        assert kept.save(JudgementStep(None, found, NOW))
    assert clinic.found()["unsettled claims"][:2] == ("to do", "2 of 2: verdict churn v41, verdict churn v42")


def test_a_message_that_nobody_took_is_counted(clinic: Clinic) -> None:
    clinic.deploy()
    message = Message("summary#1", MessageKind.SUMMARY, Audience.PLATFORM, {})
    assert clinic.account.wiring().ledger.say_once([], message, NOW)
    assert clinic.found()["messages"][:2] == ("to do", "1 message not delivered yet")


def test_a_pause_is_said_and_is_no_failure(clinic: Clinic) -> None:
    clinic.deploy()
    ledger = clinic.account.wiring().ledger
    pause = builders.pause(NOW + timedelta(hours=2))
    assert ledger.set_pause(pause, None)
    standing, said, _do = clinic.found()["pause"]
    assert standing == "waits"
    assert said.startswith("nothing is warned or stopped until 2026-11-22 11:00:00 UTC, by ")


# --- billing ----------------------------------------------------------------------------------------------------------


def test_tags_that_billing_does_not_split_by_are_named_and_are_no_failure(clinic: Clinic) -> None:
    clinic.billing.active = ("owner", "team")
    standing, said, do = clinic.found()["cost allocation tags"]
    assert (standing, said) == ("waits", "not active: project, model")
    assert do.startswith("activate")


def test_a_member_of_an_organisation_is_told_who_may_ask(clinic: Clinic) -> None:
    clinic.billing.error = refused("AccessDeniedException", "ListCostAllocationTags")
    standing, said, _do = clinic.found()["cost allocation tags"]
    assert standing == "waits"
    assert "only the account that pays for the organisation may ask" in said
