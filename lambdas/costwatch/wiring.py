"""Adapters from settings, each built on its first use and kept for the life of the process."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from costwatch import names
from costwatch.adapters.autoscaling import AutoScaling
from costwatch.adapters.bus import Bus
from costwatch.adapters.callback_steps import CallbackSteps
from costwatch.adapters.deployed_function import DeployedFunction
from costwatch.adapters.dynamodb import DynamoTable
from costwatch.adapters.ec2 import Ec2
from costwatch.adapters.evaluations import Evaluations
from costwatch.adapters.ledger import DEPLOYED, Ledger, Stamp
from costwatch.adapters.ledger_approvals import Approvals
from costwatch.adapters.ledger_clicks import Clicks
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.adapters.ledger_retraining import RetrainQuestions
from costwatch.adapters.price_list import REGION as PRICE_LIST_REGION
from costwatch.adapters.price_list import PriceList
from costwatch.adapters.price_store import KeptBook, PriceStore
from costwatch.adapters.prices import SeedPrices
from costwatch.adapters.pulses import Pulses
from costwatch.adapters.refused import RefusedEvents
from costwatch.adapters.registry import Registry
from costwatch.adapters.sagemaker import SageMaker
from costwatch.adapters.signing_secret import SigningSecret
from costwatch.adapters.slack import Slack, token_from_parameter
from costwatch.adapters.spot_prices import SpotPrices
from costwatch.adapters.task_tokens import TaskTokens
from costwatch.adapters.topic import Topic
from costwatch.core.policy import Policy
from costwatch.core.price_book import TrustedPrices
from costwatch.errors import AwsError, ConfigError
from costwatch.intake import Click
from costwatch.intake.gate import Here
from costwatch.procedures.approvals import Gate
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.clicked_runs import Desk
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.refresh_prices import PriceSources
from costwatch.procedures.retraining import Adviser
from costwatch.settings import (
    ClicksSettings,
    DeadmanSettings,
    GateSettings,
    HeartbeatsSettings,
    HintsSettings,
    LedgerSettings,
    PricesSettings,
    ResSettings,
    RetrainSettings,
)

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Standard mode retries throttling and timeouts with exponential backoff and jitter.
_CLIENT_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 3}, connect_timeout=3, read_timeout=10, user_agent_extra=names.PROJECT
)
# The price list answers so many a second and no more: what it refuses is asked again, and waits longer each time.
_PRICES_CONFIG = _CLIENT_CONFIG.merge(Config(retries={"mode": "standard", "max_attempts": 4}))
# A stop is asked for once: a second asking would be another order.
_INVOKE_CONFIG = _CLIENT_CONFIG.merge(Config(read_timeout=120, retries={"total_max_attempts": 1}))
_LAST_MOMENT_SECONDS = 3600.0


def utc_now() -> datetime:
    """The one clock of the deployed functions."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class TableWiring:
    """What every function has: the policy, the ledger's table, the queue for what is refused.

    `clock` and `policy_file` are arguments so that a demo can bring its own.
    """

    settings: LedgerSettings
    policy_file: Path
    service: str
    clock: Callable[[], datetime] = utc_now

    @cached_property
    def policy(self) -> Policy:
        """Raises ConfigError when the asset carries none, or a changed one."""
        try:
            document = json.loads(self.policy_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{names.POLICY_FILE} cannot be read from the asset: {error}") from error
        return Policy.from_document(document)

    @cached_property
    def session(self) -> boto3.session.Session:
        return boto3.session.Session()

    @cached_property
    def logger(self) -> Logger:
        return Logger(service=self.service)

    @cached_property
    def table(self) -> DynamoTable:
        return DynamoTable(self.client("dynamodb"), self.settings.ledger_table)

    @cached_property
    def stamp(self) -> Stamp:
        return Stamp(self.policy.digest, self.policy.config_commit)

    @cached_property
    def pulses(self) -> Pulses:
        return Pulses(self.table, stamp=self.stamp)

    @cached_property
    def refused(self) -> RefusedEvents:
        return RefusedEvents(self.client("sqs"), self.settings.refused_queue_url)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.table, stamp=self.stamp, origin=DEPLOYED)

    @cached_property
    def price_store(self) -> PriceStore:
        return PriceStore(self.table, self.stamp)

    def client(self, service: Any, region: str | None = None, *, config: Config = _CLIENT_CONFIG) -> Any:
        """A boto3 client with timeouts and retries; in the home region unless named."""
        return self.session.client(service, region_name=region, config=config)


@dataclass(frozen=True)
class PricesWiring(TableWiring):
    """What the refresh of the price book works with."""

    settings: PricesSettings

    def sources(self, context: LambdaContext | None) -> PriceSources:
        """For one invocation: calls are counted anew."""
        return PriceSources(PriceList(self._pricing), self._spot, _seconds_left(context))

    @cached_property
    def _pricing(self) -> Any:
        return self.client("pricing", PRICE_LIST_REGION, config=_PRICES_CONFIG)

    def _spot(self, region: str) -> SpotPrices:
        return SpotPrices(self._ec2_client(region))

    @cached_property
    def _ec2_client(self) -> Callable[[str], Any]:
        return lru_cache(maxsize=None)(lambda region: self.client("ec2", region, config=_PRICES_CONFIG))


@dataclass(frozen=True)
class RetrainWiring(TableWiring):
    """What a question whether to train works with."""

    settings: RetrainSettings

    def adviser(self, context: LambdaContext | None) -> Adviser:
        """For one invocation."""
        return Adviser(
            policy=self.policy,
            account=account_of(context),
            judgements=Judgements(self.ledger),
            questions=RetrainQuestions(self.ledger),
            clock=self.clock,
            log=lambda message, fields: self.logger.info(message, extra=dict(fields)),
        )


@dataclass(frozen=True)
class Wiring(TableWiring):
    """Builds what a sweep, or a hint, works with."""

    settings: DeadmanSettings | HintsSettings | GateSettings | ClicksSettings | ResSettings

    @cached_property
    def slack(self) -> Slack | None:
        """None when no platform channel is configured: then SNS takes the notices."""
        if not self.policy.slack.platform_channel or not self.settings.slack_token_parameter:
            return None
        token = token_from_parameter(self.client("ssm"), self.settings.slack_token_parameter)
        return Slack(token, api_url=self.settings.slack_api_url)

    def watchdog(self, context: LambdaContext | None) -> Watchdog:
        """Everything a sweep works with, for one invocation."""
        return Watchdog(
            policy=self.policy,
            account=account_of(context),
            ledger=self.ledger,
            prices=self.prices(self.clock()),
            ec2=self._ec2,
            autoscaling=self._autoscaling,
            sagemaker=self._sagemaker,
            slack=self.slack,
            topic=self._topic,
            bus=self._bus,
            pulses=self.pulses,
            clock=self.clock,
            log=self._log,
            worker=f"{context.aws_request_id if context else 'local'}#{uuid.uuid4().hex[:8]}",
            seconds_left=_seconds_left(context),
        )

    def gate(self, context: LambdaContext | None) -> Gate:
        """What asks, answers and follows, for one invocation."""
        w = self.watchdog(context)
        return Gate(w, Approvals(w.ledger), self._callback_steps, self._task_tokens)

    def breaker(self, context: LambdaContext | None) -> Breaker:
        """What judges candidates, for one invocation."""
        w = self.watchdog(context)
        return Breaker(w, Judgements(w.ledger), self._registry, self._evaluations)

    @property
    def gate_queue_url(self) -> str:
        """Empty where the function is told of none."""
        return self.settings.gate_queue_url if isinstance(self.settings, DeadmanSettings) else ""

    def here(self, context: LambdaContext | None) -> Here:
        """Where the gate's function stands."""
        dead_letters = self.settings.gate_dead_letters_arn if isinstance(self.settings, GateSettings) else ""
        return Here(account_of(context), region_of(context), self.policy.tags, dead_letters)

    def prices(self, now: datetime) -> TrustedPrices:
        """For one invocation: the book where it has a price, else the seed."""
        return TrustedPrices(self.kept_book.at(now), self._seed, now, self.policy.multipliers)

    def price_book_age(self, now: datetime) -> timedelta | None:
        """Of the oldest part of the book. Where there is none: since a sweep first missed it. None: not known."""
        book = self.kept_book.at(now)
        age = book.age(now, self.policy.regions) if book is not None else None
        try:
            return age if age is not None else now - self.ledger.first_seen("price book missing", now)
        except AwsError as error:
            # The sweep is done and must be counted: it is never missed for a price.
            self._warn("age of the price book is not known", {"reason": str(error)})
            return None

    @cached_property
    def kept_book(self) -> KeptBook:
        return KeptBook(self.price_store, self._warn)

    @cached_property
    def _callback_steps(self) -> Callable[[str], CallbackSteps]:
        return lru_cache(maxsize=None)(lambda region: CallbackSteps(self.client("sagemaker", region)))

    @cached_property
    def _task_tokens(self) -> TaskTokens:
        return TaskTokens(self.client("stepfunctions"))

    @cached_property
    def _seed(self) -> SeedPrices:
        return SeedPrices()

    @cached_property
    def _bus(self) -> Bus:
        return Bus(self.client("events"), heartbeat_bus=self.settings.heartbeat_bus)

    @cached_property
    def _topic(self) -> Topic:
        return Topic(self.client("sns"), self.settings.alerts_topic_arn)

    @cached_property
    def _ec2(self) -> Callable[[str], Ec2]:
        return lru_cache(maxsize=None)(lambda region: Ec2(self.client("ec2", region), region=region))

    @cached_property
    def _autoscaling(self) -> Callable[[str], AutoScaling]:
        return lru_cache(maxsize=None)(lambda region: AutoScaling(self.client("autoscaling", region), region=region))

    @cached_property
    def _sagemaker(self) -> Callable[[str], SageMaker]:
        return lru_cache(maxsize=None)(lambda region: SageMaker(self.client("sagemaker", region), region=region))

    @cached_property
    def _registry(self) -> Callable[[str], Registry]:
        return lru_cache(maxsize=None)(lambda region: Registry(self.client("sagemaker", region), region=region))

    @cached_property
    def _evaluations(self) -> Callable[[str], Evaluations]:
        return lru_cache(maxsize=None)(lambda region: Evaluations(self.client("s3", region)))

    def _warn(self, message: str, fields: Mapping[str, object]) -> None:
        self.logger.warning(message, extra=dict(fields))

    def _log(self, message: str, fields: Mapping[str, object]) -> None:
        self.logger.info(message, extra=dict(fields))


@dataclass(frozen=True)
class ClicksWiring(Wiring):
    """Builds what a click works with."""

    settings: ClicksSettings

    @cached_property
    def secret(self) -> SigningSecret:
        read = token_from_parameter(
            self.client("ssm"), self.settings.slack_signing_secret_parameter, what="Slack signing secret"
        )
        return SigningSecret(lambda _seconds: read())

    def desk(self, context: LambdaContext | None, click: Click) -> Desk:
        """Where one click is dealt with. Raises ConfigError where Slack is not configured."""
        if self.slack is None:
            raise ConfigError("a click came, and neither slack.platform_channel nor a token is configured")
        return Desk(self.gate(context), Clicks(self.ledger), self.slack, self._deadman, click, self._res)

    @cached_property
    def _deadman(self) -> DeployedFunction:
        client = self.client("lambda", config=_INVOKE_CONFIG)
        return DeployedFunction(client, self.settings.deadman_function)

    @cached_property
    def _res(self) -> DeployedFunction | None:
        """None where no model is judged."""
        if not self.settings.res_function:
            return None
        return DeployedFunction(self.client("lambda", config=_INVOKE_CONFIG), self.settings.res_function)


def from_environment(
    settings: type[DeadmanSettings] | type[HintsSettings] | type[GateSettings] | type[ResSettings], service: str
) -> Wiring:
    """The wiring of a deployed function: settings from its environment, the policy from its asset."""
    return Wiring(settings=settings.from_env(os.environ), policy_file=_policy_file(), service=service)


def heartbeats_from_environment(service: str) -> TableWiring:
    """The same for the function that takes heartbeats."""
    settings = HeartbeatsSettings.from_env(os.environ)
    return TableWiring(settings=settings, policy_file=_policy_file(), service=service)


def prices_from_environment(service: str) -> PricesWiring:
    """The same for the function that refreshes the price book."""
    settings = PricesSettings.from_env(os.environ)
    return PricesWiring(settings=settings, policy_file=_policy_file(), service=service)


def retrain_from_environment(service: str) -> RetrainWiring:
    """The same for the function that advises whether to train."""
    settings = RetrainSettings.from_env(os.environ)
    return RetrainWiring(settings=settings, policy_file=_policy_file(), service=service)


def clicks_from_environment(service: str) -> ClicksWiring:
    """The same for the function behind the door."""
    return ClicksWiring(settings=ClicksSettings.from_env(os.environ), policy_file=_policy_file(), service=service)


def _policy_file() -> Path:
    return Path(__file__).parent.parent / names.POLICY_FILE


def account_of(context: LambdaContext | None) -> str:
    """The account of the function itself: the fifth part of its ARN."""
    parts = context.invoked_function_arn.split(":") if context else []
    if len(parts) < 5 or not parts[4]:
        raise ConfigError("the invocation names no function ARN, so the account is unknown")
    return parts[4]


def region_of(context: LambdaContext | None) -> str:
    """The region of the function itself: the fourth part of its ARN."""
    parts = context.invoked_function_arn.split(":") if context else []
    if len(parts) < 5 or not parts[3]:
        raise ConfigError("the invocation names no function ARN, so the region is unknown")
    return parts[3]


def _seconds_left(context: LambdaContext | None) -> Callable[[], float]:
    if context is None:
        return lambda: _LAST_MOMENT_SECONDS
    return lambda: context.get_remaining_time_in_millis() / 1000
