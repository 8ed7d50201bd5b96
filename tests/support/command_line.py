"""The command line over the fakes: one terminal per person, one town they all share."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from costwatch import __version__, intake
from costwatch.adapters.table import Table
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.config.loader import load
from costwatch.core.policy import Policy
from costwatch.errors import CostwatchError, RefusedError
from costwatch.procedures.restore_asked import restore_asked
from costwatch.procedures.stop_asked import stop_asked
from costwatch.procedures.sweep import sweep
from tests.support.fakes import ACCOUNT, Town

MARIA = f"arn:aws:sts::{ACCOUNT}:assumed-role/DataScientist/maria"
JOHN = f"arn:aws:sts::{ACCOUNT}:assumed-role/Platform/john"

CONFIG = """\
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml-platform", weekly_digest: false}
dead_man:
  mode: enforce
  blast_cap: {runs: 2, share: 100%, per_day: 20}
  selectors:
    - name: trainers
      ec2: {tag: {Purpose: training}}
"""


def client_error(code: str, operation: str) -> ClientError:
    """What botocore raises for a service's refusal."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


@dataclass
class FakeSts:
    arn: str
    error: Exception | None = None

    def get_caller_identity(self) -> dict[str, str]:
        if self.error is not None:
            raise self.error
        return {"Account": ACCOUNT, "Arn": self.arn}


@dataclass
class FakeSsm:
    """`body` None: the stack is not there."""

    body: Mapping[str, Any] | None
    error: Exception | None = None

    def get_parameter(self, *, Name: str) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        if self.error is not None:
            raise self.error
        if self.body is None:
            raise client_error("ParameterNotFound", "GetParameter")
        return {"Parameter": {"Name": Name, "Value": json.dumps(self.body)}}


@dataclass
class FakeLambda:
    """Runs `function`, or another by its name, as Lambda would: what it raises comes back as FunctionError."""

    function: Callable[[Mapping[str, Any]], Any]
    events: list[Any] = field(default_factory=list)
    others: dict[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert InvocationType == "RequestResponse"
        function = {"costwatch-deadman": self.function, **self.others}[FunctionName]
        event = json.loads(Payload)
        self.events.append(event)
        try:
            answer, failed = function(event), {}
        except CostwatchError as error:
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
            failed = {"FunctionError": "Unhandled"}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode()), **failed}


class Terminal:
    """A person at a terminal: `costwatch(...)` runs one command over the shared town."""

    def __init__(self, config: Path, town: Town, *, arn: str = MARIA, table: Table | None = None) -> None:
        self.config = config
        self.town = town
        self.environ = {"AWS_REGION": "us-east-1", "XDG_CACHE_HOME": str(config.parent / "cache")}
        self.sts = FakeSts(arn)
        self.ssm = FakeSsm(
            {
                "table": "costwatch-ledger",
                "function": "costwatch-deadman",
                "prices_function": "costwatch-prices",
                "refused_queue_url": "https://sqs.us-east-1.amazonaws.com/111122223333/refused",
                "alerts_topic_arn": "arn:aws:sns:us-east-1:111122223333:alerts",
                "policy_digest": town.policy.digest,
                "config_commit": "c0ffee",
                "version": __version__,
                "regions": list(town.policy.regions),
            }
        )
        self.function = FakeLambda(self._deadman)
        self.sleep: Callable[[float], object] = lambda seconds: self.town.clock.forward(seconds=seconds)
        self.table = table or town.table

    def costwatch(self, *arguments: str, env: Mapping[str, str] | None = None, config: bool = True) -> Result:
        """`config`: whether to say which configuration; else the one that lies in the working directory."""
        tools = Tools(
            environ=self.environ,
            clock=self.town.clock,
            sleep=self.sleep,
            clients={"sts": self.sts, "ssm": self.ssm, "lambda": self.function},
            table=self.table,
        )
        wanted = list(arguments)
        if config and wanted[0] != "check-config":
            wanted += ["--config", str(self.config)]
        settings = {"COLUMNS": "80", "NO_COLOR": "1", **(env or {})}
        return CliRunner().invoke(main, wanted, obj=tools, env=settings, prog_name="costwatch")

    def json(self, *arguments: str) -> Any:
        """As `costwatch ... --json`, which must succeed."""
        result = self.costwatch(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def _deadman(self, event: Mapping[str, Any]) -> Any:
        message = intake.deadman(event)
        if isinstance(message, intake.StopRequested):
            return stop_asked(self.town.watchdog(), message)
        if isinstance(message, intake.RestoreRequested):
            watchdog = self.town.watchdog()
            return restore_asked(watchdog, message.run_id, by=message.requested_by, reason=message.reason)
        if event["detail"]["policy_digest"] != self.town.policy.digest:
            raise RefusedError("the deployed policy is another: deploy first")
        return sweep(self.town.watchdog()).document()


def town_of(config: Path, text: str = CONFIG) -> Town:
    """A town that runs under the configuration at `config`, which is written first."""
    config.write_text(text, encoding="utf-8")
    return Town(Policy.from_document(load(config).policy_document))
