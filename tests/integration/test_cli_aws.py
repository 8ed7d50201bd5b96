"""The command line against moto: the deployed ledger, looking from a laptop, and nothing destructive ever called."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from costwatch import names
from costwatch.adapters.autoscaling import AutoScaling
from costwatch.adapters.ec2 import Ec2
from costwatch.adapters.ledger import Stamp
from costwatch.adapters.prices import SeedPrices
from costwatch.adapters.pulses import Pulses
from costwatch.adapters.sagemaker import SageMaker
from costwatch.cli.main import main
from costwatch.cli.read_only import ALLOWED
from costwatch.cli.session import Session, Tools
from costwatch.config.loader import load
from costwatch.errors import RefusedError
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.sweep import sweep
from demo.ledger_table import create_ledger_table
from demo.recorder import OPERATOR, Call, acting_as, collecting, install
from tests.support.command_line import CONFIG

REGION = "us-east-1"
TABLE = "costwatch-ledger"


@dataclass
class Account:
    """An AWS account in moto with an instance that carries the trainer tag, and a terminal in it."""

    config: Path
    boto: boto3.session.Session
    instance_id: str
    ahead: timedelta = timedelta(0)
    calls: list[Call] = field(default_factory=list)

    def owner(self, service: Any) -> Any:
        """A client of the account's owner, whom the command line's list does not bind."""
        return boto3.client(service, REGION)

    @property
    def tools(self) -> Tools:
        return Tools(clock=self.clock, boto=self.boto)

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def costwatch(self, *arguments: str) -> Result:
        with acting_as(OPERATOR), collecting(roles=(OPERATOR,)) as calls:
            result = CliRunner().invoke(main, [*arguments, "--config", str(self.config)], obj=self.tools)
        self.calls += calls
        return result

    def json(self, *arguments: str) -> Any:
        result = self.costwatch(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def state(self) -> str:
        answer = self.owner("ec2").describe_instances(InstanceIds=[self.instance_id])
        return str(answer["Reservations"][0]["Instances"][0]["State"]["Name"])


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[boto3.session.Session, str]]:
    """One moto for the module, because loading EC2's model is what takes time: a session and a trainer's id."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "testing"), ("AWS_SECRET_ACCESS_KEY", "testing"), ("AWS_REGION", REGION),
            ("AWS_EC2_METADATA_DISABLED", "true"), ("NO_COLOR", "1"), ("MOTO_EC2_LOAD_DEFAULT_AMIS", "false"),
            ("AWS_CONFIG_FILE", str(tmp_path_factory.mktemp("aws") / "none")),
        ):  # fmt: skip
            patch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "COSTWATCH_LEDGER_TABLE"):
            patch.delenv(name, raising=False)
        install()
        with mock_aws(), warnings.catch_warnings():
            session = boto3.session.Session(region_name=REGION)
            warnings.simplefilter("ignore", PendingDeprecationWarning)  # moto's word about unknown images
            [instance] = session.client("ec2").run_instances(
                ImageId="ami-12345678",
                InstanceType="p4d.24xlarge",
                MinCount=1,
                MaxCount=1,
                TagSpecifications=[
                    {
                        "ResourceType": "instance",
                        "Tags": [{"Key": "Purpose", "Value": "training"}, {"Key": "Name", "Value": "churn"}],
                    }
                ],
            )["Instances"]
            yield session, instance["InstanceId"]


@pytest.fixture
def account(aws: tuple[boto3.session.Session, str], tmp_path: Path) -> Iterator[Account]:
    config = tmp_path / "costwatch.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    account = Account(config, *aws)
    yield account
    dynamodb, ssm = account.owner("dynamodb"), account.owner("ssm")
    if TABLE in dynamodb.list_tables()["TableNames"]:
        dynamodb.delete_table(TableName=TABLE)
    ssm.delete_parameters(Names=[names.DEPLOYMENT_PARAMETER])


def deploy(account: Account) -> None:
    """What the stack leaves behind: the ledger and where to find it."""
    create_ledger_table(account.owner("dynamodb"), TABLE)
    document = load(account.config).policy_document
    account.owner("ssm").put_parameter(
        Name=names.DEPLOYMENT_PARAMETER,
        Type="String",
        Value=json.dumps(
            {
                "table": TABLE,
                "function": "costwatch-deadman",
                "refused_queue_url": "",
                "alerts_topic_arn": "",
                "policy_digest": document["digest"],
                "config_commit": document["config_commit"],
                "version": "1",
                "regions": [REGION],
            }
        ),
    )


def rows(prefix: str) -> list[dict[str, Any]]:
    """Everything the table holds under a partition key that begins with `prefix`."""
    items = boto3.resource("dynamodb", REGION).Table(TABLE).scan()["Items"]
    return [item for item in items if str(item["pk"]).startswith(prefix)]


def test_without_a_deployment_one_may_look_and_nothing_is_remembered(account: Account) -> None:
    account.ahead = timedelta(hours=13)
    denied = account.costwatch("sweep", "--once")
    assert denied.exit_code == 2
    assert "--no-ledger looks without a deployment" in denied.stderr
    result = account.costwatch("sweep", "--once", "--no-ledger")
    assert result.exit_code == 0, result.output
    assert "nothing was changed" in result.stdout
    assert account.instance_id in result.stdout
    assert "1 watched (1 warn): $21.96 an hour." in result.stdout
    document = account.json("sweep", "--once", "--no-ledger")
    assert [run["verdict"] for run in document["runs"]] == ["warn"]
    assert document["runs"][0]["mode"] == "observe"


def test_observe_sweeps_from_a_laptop_stop_nothing_warn_nobody_and_keep_apart_from_the_deployed_ledger(
    account: Account,
) -> None:
    deploy(account)
    verdicts = []
    for hours in (13, 14, 15, 40):
        account.ahead = timedelta(hours=hours)
        verdicts += [run["verdict"] for run in account.json("sweep", "--once")["runs"]]
    assert verdicts == ["warn", "stop", "wait", "wait"]
    assert account.state() == "running"
    assert account.json("status")["runs"] == []
    assert rows("open#deployed") == []
    assert rows("outbox#") == []
    told = account.json("explain", "churn")
    assert told["origin"].startswith("laptop:arn:aws:sts::123456789012:")
    assert "would stop" in [entry["transition"] for entry in told["timeline"]]
    assert "your own observe sweeps" in account.costwatch("explain", "churn").stdout
    assert {call.operation for call in account.calls} <= set().union(*ALLOWED.values()) | {"GetCallerIdentity"}


def test_grants_and_pause_are_written_into_the_deployed_ledger(account: Account) -> None:
    deploy(account)
    policy = Session(config=account.config, tools=account.tools).policy
    run = seen_by_the_deployed_sweep(account)
    extended = account.json("extend", "churn", "4h")
    assert extended["run"] == run
    assert extended["by"].startswith("arn:aws:sts::123456789012:")
    assert account.json("exempt", run, "--for", "2d", "--reason", "paper")["transition"] == "exempted"
    assert account.json("pause", "--reason", "migration")["paused"] is True
    assert account.json("resume")["paused"] is False
    told = account.json("explain", account.instance_id)
    assert [entry["transition"] for entry in told["timeline"]] == [
        "first seen", "would have held", "extended", "exempted",
    ]  # fmt: skip
    assert told["timeline"][2]["policy_digest"] == policy.digest
    assert [e["transition"] for e in account.json("ledger")["entries"]] == [
        "first seen", "would have held", "extended", "exempted", "paused", "resumed",
    ]  # fmt: skip
    assert account.state() == "running"


def seen_by_the_deployed_sweep(account: Account) -> str:
    """Let the deployed sweep see the instance once, through the same procedures."""
    session = Session(config=account.config, tools=account.tools)
    sweep(
        Watchdog(
            policy=session.policy,
            account=session.caller.account,
            ledger=session.ledger(policy=session.policy),
            prices=SeedPrices(),
            ec2=lambda region: Ec2(session.client("ec2", region), region=region),
            autoscaling=lambda region: AutoScaling(session.client("autoscaling", region), region=region),
            sagemaker=lambda region: SageMaker(session.client("sagemaker", region), region=region),
            slack=None,
            topic=None,
            bus=None,
            pulses=Pulses(session.table(), stamp=Stamp("", "")),
            clock=account.clock,
            log=lambda _message, _fields: None,
            worker="deployed",
            seconds_left=lambda: 300.0,
        )
    )
    return f"123456789012/{REGION}/instance/{account.instance_id}"


def test_a_client_of_the_command_line_cannot_terminate_or_cancel(account: Account) -> None:
    session = Session(config=account.config, tools=account.tools)
    ec2, sagemaker = session.client("ec2", REGION), session.client("sagemaker", REGION)
    with pytest.raises(RefusedError, match="never calls ec2:TerminateInstances"):
        ec2.terminate_instances(InstanceIds=[account.instance_id])
    with pytest.raises(RefusedError, match="never calls ec2:CancelSpotInstanceRequests"):
        ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=["sir-1"])
    with pytest.raises(RefusedError, match="never calls sagemaker:StopTrainingJob"):
        sagemaker.stop_training_job(TrainingJobName="x")
    assert account.state() == "running"


def test_a_ledger_that_is_gone_is_bad_set_up_and_not_a_traceback(account: Account) -> None:
    deploy(account)
    account.owner("dynamodb").delete_table(TableName=TABLE)
    result = account.costwatch("status")
    assert result.exit_code == 2
    assert "deploy again" in result.stderr


def test_a_configuration_for_another_account_is_denied(account: Account) -> None:
    account.config.write_text('account: "999999999999"\n' + CONFIG, encoding="utf-8")
    result = account.costwatch("sweep", "--no-ledger")
    assert result.exit_code == 4
    assert "is for account 999999999999" in result.stderr


def test_a_region_aws_does_not_have_is_bad_input(account: Account) -> None:
    result = account.costwatch("status", "--region", "atlantis-1")
    assert result.exit_code == 2
    assert "AWS has no such region" in result.stderr


def test_a_region_that_is_spelt_like_one_and_is_none_is_bad_input_before_anybody_waits_for_it(account: Account) -> None:
    result = account.costwatch("status", "--region", "us-esat-1")
    assert result.exit_code == 2
    assert "AWS has no such region: 'us-esat-1'" in result.stderr
    assert "did you mean 'us-east-1'?" in result.stderr
    assert account.calls == []


def test_an_endpoint_that_is_none_is_bad_input(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not an endpoint")
    result = account.costwatch("status")
    assert result.exit_code == 2
    assert "not an endpoint" in result.stderr
