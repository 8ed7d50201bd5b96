"""What a command works with: the local configuration, the deployment, the caller, the ledger, clients.

Each part is read on its first use, so `check-config` needs no AWS and `pause` no costwatch.yaml.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import boto3
import botocore.session
from botocore.config import Config

from costwatch import names
from costwatch.adapters.aws_errors import translated
from costwatch.adapters.dynamodb import DynamoTable
from costwatch.adapters.ledger import DEPLOYED, Ledger, Stamp
from costwatch.adapters.table import Table
from costwatch.cli import show
from costwatch.cli.model_cache import prefer_small_models
from costwatch.cli.policy_cache import policy_document
from costwatch.cli.read_only import refuse_unlisted
from costwatch.config import regions
from costwatch.core.policy import Policy
from costwatch.errors import (
    ConfigError,
    InputError,
    NotDeployedError,
    OtherDeployment,
    PermanentAwsError,
    UnreadableRow,
)

if TYPE_CHECKING:
    from costwatch.config.loader import Loaded

DEFAULT_CONFIG: Final = Path("costwatch.yaml")
ENV_FUNCTION: Final = "COSTWATCH_FUNCTION"
_CLIENT_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=20, user_agent_extra=names.PROJECT
)
# A sweep may take the function's five minutes, and asking twice would be two sweeps.
_INVOKE_CONFIG = _CLIENT_CONFIG.merge(Config(read_timeout=330, retries={"total_max_attempts": 1}))


def utc_now() -> datetime:
    """The one clock of the command line."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Tools:
    """What a command takes from its surroundings; a test or a demo brings its own.

    `clients`: by service, used instead of boto3's. `table`: used instead of DynamoDB. `boto`: a session to use again.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], object] = time.sleep
    clients: Mapping[str, Any] = field(default_factory=dict)
    table: Table | None = None
    boto: boto3.session.Session | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who runs the command, as STS says: account and the ARN that goes into the ledger."""

    account: str
    arn: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """The deployed Costwatch, as its stack wrote it down. Empty where only the environment names the ledger."""

    table: str
    function: str
    policy_digest: str
    config_commit: str
    version: str
    regions: tuple[str, ...]
    home_region: str
    prices_function: str = ""
    """Empty: the deployed version has no price book."""
    gate_function: str = ""
    """Empty: the deployed version has no gate."""
    retrain_function: str = ""
    """Empty: the deployed version judges no models."""
    res_function: str = ""
    """Empty: the deployed version judges no model."""
    slack_url: str = ""
    """Where Slack sends clicks; empty: nowhere."""
    alerts_topic_arn: str = ""
    """Who hears alarms, and notices that Slack does not take; empty: not known."""
    stack: str = names.STACK
    """What CloudFormation calls it; who wraps the template may call it otherwise."""

    def require_version(self, minimum: str, for_what: str) -> None:
        """Refuse what the deployed functions do not know yet; a version that cannot be read counts as too old.

        `minimum`: such as `0.2.0`, inclusive. Raises NotDeployedError.
        """
        deployed = _version(self.version)
        if deployed is None or deployed < (_version(minimum) or ()):
            told = self.version if deployed is not None else "of an unknown version"
            raise NotDeployedError(
                f"the deployed Costwatch {told} is older than {minimum}, which {for_what} needs: deploy again"
            )


class Session:
    """One command's view. Raises ConfigError, InputError, NotDeployedError or AwsError where a part is used."""

    def __init__(
        self,
        *,
        config: Path | None = None,
        region: str | None = None,
        else_region: str | None = None,
        tools: Tools | None = None,
        client_config: Config = _CLIENT_CONFIG,
    ) -> None:
        """`region`: the home region, whatever else is configured. `else_region`: the same where nothing names one."""
        self._else_region = else_region
        self._client_config = client_config
        self.config_path = config or DEFAULT_CONFIG
        self._config_given = config is not None
        self._region = region
        self.tools = tools or Tools()
        self.unreadable: list[UnreadableRow] = []

    def again(self) -> Session:
        """The same, with nothing read yet: credentials, deployment and configuration may have changed."""
        return Session(
            config=self.config_path if self._config_given else None,
            region=self._region,
            else_region=self._else_region,
            tools=self.tools,
            client_config=self._client_config,
        )

    def now(self) -> datetime:
        """Aware UTC."""
        return self.tools.clock()

    def skip(self, row: UnreadableRow) -> None:
        """Say, once a command, that a row of the ledger cannot be read; the command goes on with the others."""
        if (row.pk, row.sk) not in {(known.pk, known.sk) for known in self.unreadable}:
            self.unreadable.append(row)
            show.note(str(row))

    # --- the local configuration ---------------------------------------------------------------------

    @cached_property
    def loaded(self) -> Loaded:
        """Raises ConfigError with one line for each problem."""
        from costwatch.config.loader import load  # noqa: PLC0415 - most commands need the policy alone

        return load(self.config_path)

    @cached_property
    def policy(self) -> Policy:
        """The policy of the local configuration. Raises ConfigError with one line for each problem."""
        return Policy.from_document(policy_document(self.config_path, self.tools.environ))

    @cached_property
    def _policy_if_there(self) -> Policy | None:
        """None where nobody asked for a configuration and none lies here."""
        return self.policy if self._config_given or self.config_path.exists() else None

    @property
    def zone(self) -> ZoneInfo:
        """Of the people who read: `timezone` of the configuration that lies here, else UTC."""
        policy = self._home_policy()
        return ZoneInfo(policy.timezone if policy is not None else "UTC")

    @property
    def multipliers(self) -> Mapping[str, Decimal]:
        """Negotiated discounts of the configuration that lies here; none without one.

        None of a broken one either, which a note says with its first problem.
        """
        try:
            policy = self._policy_if_there
        except ConfigError as error:
            if self._config_given:
                raise
            show.note(f"the discounts of {self.config_path} are not used: {str(error).partition(chr(10))[0]}")
            return {}
        return policy.multipliers if policy is not None else {}

    # --- AWS -----------------------------------------------------------------------------------------

    @cached_property
    def _boto(self) -> boto3.session.Session:
        with translated("credentials"):
            session = self.tools.boto or self._own_session()
        session.events.register("before-call", refuse_unlisted, unique_id="costwatch-read-only")
        return session

    def _own_session(self) -> boto3.session.Session:
        core = botocore.session.get_session()
        prefer_small_models(core.get_component("data_loader"), self.tools.environ)
        return boto3.session.Session(botocore_session=core)

    def client(self, service: Any, region: str | None = None, *, config: Config | None = None) -> Any:
        """A client that can only do what `read_only` lists; in the home region unless named.

        Any: boto3's stubs type clients by literal service names, and a test's client is its own.
        """
        if service in self.tools.clients:
            return self.tools.clients[service]
        where = region or self.home_regions[0]
        self.check_region(where)
        try:
            with translated(service):
                return self._boto.client(service, region_name=where, config=config or self._client_config)
        except ValueError as error:  # botocore's word for an AWS_ENDPOINT_URL that is none
            raise InputError(f"no client for {service}: {error}") from error

    def invoke_client(self) -> Any:
        """The client for a call that waits for a whole sweep."""
        return self.client("lambda", self.deployment.home_region, config=_INVOKE_CONFIG)

    @property
    def named_region(self) -> str | None:
        """What --region names, if anything."""
        return self._region

    @property
    def profile_region(self) -> str | None:
        """What the AWS profile names, if anything."""
        return self._boto.region_name

    @property
    def named_by_aws(self) -> str | None:
        """The region of AWS's own settings: environment, else profile."""
        environ = self.tools.environ
        return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or self._boto.region_name

    def check_region(self, region: str) -> None:
        """Raises PermanentAwsError for a name that no partition of AWS could have."""
        with translated(f"region {region}"):
            self._boto.get_partition_for_region(region)
        unknown = regions.problem(region)
        if unknown:
            raise InputError(f"AWS has no such region: {region!r} {unknown}")

    @cached_property
    def home_regions(self) -> tuple[str, ...]:
        """Where the stack may be: --region alone; else AWS's own settings, then the configuration's first region."""
        if self._region:
            return (self._region,)
        policy = self._home_policy()
        found = (
            self.tools.environ.get("AWS_REGION"),
            self.tools.environ.get("AWS_DEFAULT_REGION") or self._boto.region_name,
            policy.regions[0] if policy else None,
        )
        homes = tuple(dict.fromkeys(region for region in found if region)) or tuple(filter(None, [self._else_region]))
        if not homes:
            raise InputError("no region: give --region, set AWS_REGION, or name regions in costwatch.yaml")
        return homes

    def _home_policy(self) -> Policy | None:
        """A broken configuration must not keep anybody from pausing: it only adds a place to look."""
        try:
            return self._policy_if_there
        except ConfigError:
            if self._config_given:
                raise
            return None

    @cached_property
    def caller(self) -> Caller:
        with translated("sts:GetCallerIdentity"):
            answer = self.client("sts").get_caller_identity()
        return Caller(account=answer["Account"], arn=answer["Arn"])

    # --- the deployment ------------------------------------------------------------------------------

    @cached_property
    def deployment(self) -> Deployment:
        """From the stack's parameter; COSTWATCH_LEDGER_TABLE and COSTWATCH_FUNCTION go before it."""
        table = self.tools.environ.get(names.ENV_LEDGER_TABLE, "")
        function = self.tools.environ.get(ENV_FUNCTION, "")
        for region in self.home_regions:
            try:
                body = self._parameter(region)
            except PermanentAwsError:
                if table:
                    break
                raise
            if body is not None:
                return _deployment(body, region, table=table, function=function)
        if table:
            policy = self._home_policy()
            watched = policy.regions if policy else self.home_regions
            return Deployment(table, function, "", "", "", watched, self.home_regions[0])
        raise NotDeployedError(
            f"no Costwatch is deployed in account {self.caller.account}, {' or '.join(self.home_regions)}: deploy it "
            "with `make deploy`, or name its home region with --region; `costwatch scan` looks without one"
        )

    def blame_environment(self, error: PermanentAwsError) -> None:
        """Raises InputError where what AWS does not know was named by a variable, and not by the deployment."""
        if error.code != "ResourceNotFoundException":
            return
        for service, variable, thing in (
            ("dynamodb", names.ENV_LEDGER_TABLE, "table"), ("lambda", ENV_FUNCTION, "function"),
        ):  # fmt: skip
            named = self.tools.environ.get(variable)
            if named and error.operation.startswith(f"{service}:"):
                where = self.deployment.home_region
                raise InputError(f"{variable} names {named!r}, and {where} has no such {thing}") from error

    def _parameter(self, region: str) -> Any:
        """What the stack wrote down in `region`; None: there is no stack."""
        try:
            with translated("ssm:GetParameter"):
                answer = self.client("ssm", region).get_parameter(Name=names.DEPLOYMENT_PARAMETER)
        except PermanentAwsError as error:
            if error.code == "ParameterNotFound":
                return None
            raise
        try:
            return json.loads(answer["Parameter"]["Value"])
        except ValueError as error:
            raise OtherDeployment(f"parameter {names.DEPLOYMENT_PARAMETER} is no JSON: deploy again") from error

    def ledger(self, *, policy: Policy | None = None, origin: str = DEPLOYED) -> Ledger:
        """The deployed ledger. `policy`: by which something is decided here; else rows carry the deployed one."""
        deployed = self.deployment
        stamp = Stamp(deployed.policy_digest, deployed.config_commit)
        if policy is not None:
            stamp = Stamp(policy.digest, policy.config_commit)
        return Ledger(self.table(), stamp=stamp, origin=origin)

    def table(self) -> Table:
        """The deployed ledger's table."""
        deployed = self.deployment
        return self.tools.table or DynamoTable(self.client("dynamodb", deployed.home_region), deployed.table)


def _version(text: str) -> tuple[int, ...] | None:
    """`0.2.0` as numbers to compare, without zeros at its end; None for anything else."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})*", text):
        return None
    return tuple(int(part) for part in re.sub(r"(\.0+)+\Z", "", text).split("."))


def _deployment(body: Any, region: str, *, table: str, function: str) -> Deployment:
    try:
        return Deployment(
            table=table or body["table"],
            function=function or body["function"],
            policy_digest=body["policy_digest"],
            config_commit=body["config_commit"],
            version=str(body["version"]),
            regions=tuple(body["regions"]),
            home_region=region,
            prices_function=str(body.get("prices_function", "")),
            gate_function=str(body.get("gate_function", "")),
            retrain_function=str(body.get("retrain_function", "")),
            res_function=str(body.get("res_function", "")),
            slack_url=str(body.get("slack_request_url", "")),
            alerts_topic_arn=str(body.get("alerts_topic_arn", "")),
            stack=str(body.get("stack") or names.STACK),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise OtherDeployment(
            f"parameter {names.DEPLOYMENT_PARAMETER} is of another version of Costwatch ({error!r}): deploy again"
        ) from error
