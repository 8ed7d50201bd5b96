"""costwatch doctor, before a deploy and after, against an embedded account and Slack: a line each, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from click.testing import CliRunner, Result

from costwatch import __version__, names
from costwatch.cli.doctor_permissions import CALLS
from costwatch.cli.main import main
from costwatch.cli.read_only import ALLOWED
from costwatch.cli.session import Tools
from costwatch.config.loader import load
from demo.recorder import OPERATOR, Call, acting_as, collecting
from demo.slack_endpoint import DEFAULT_TOKEN
from tests.support.embedded import REGION, Account, embedded_account

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
_QUEUES: Final = {
    "Resources": {name: {"Type": "AWS::SQS::Queue"} for name in ("DeadmanDeadLetters1A", "RefusedEvents2B", "Beats3C")}
}


def refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "not for you"}}, operation)


@dataclass
class Pages:
    """One page of an answer."""

    body: dict[str, Any]

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [self.body]


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
        self.calls: list[Call] = []

    def doctor(self, *arguments: str, columns: int = 100) -> Result:
        environ = {"AWS_REGION": REGION, names.ENV_SLACK_API_URL: self.account.slack.base_url}
        tools = Tools(environ=environ, clock=self.account.clock, clients=self.clients)
        env = {"COLUMNS": str(columns), "NO_COLOR": "1"}
        wanted = ["doctor", "--config", str(self.config), *arguments]
        with acting_as(OPERATOR), collecting(roles=(OPERATOR,)) as calls:
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
        document = load(self.config).policy_document
        account.document = document
        self.client("cloudformation").create_stack(StackName=names.STACK, TemplateBody=json.dumps(_QUEUES))
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
        secret = {"Name": names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER, "Value": account.slack.signing_secret}
        self.client("ssm").put_parameter(**secret, Type="SecureString", Overwrite=True)
        account.slack.channels.add("ml-platform")
        account.slack.channels.add("risk-ml", private=True, member=True)
        account.subscribe("ml-platform@example.com")
        account.refresh_prices()
        account.sweep(wired)
        beats = account.waiting_beats()
        account.take_beats(account.cold_heartbeats_wiring(), beats)


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


def test_all_is_well_after_a_deploy_and_a_sweep(clinic: Clinic) -> None:
    clinic.deploy()
    result = clinic.doctor()
    print(result.output)
    assert result.exit_code == 0
