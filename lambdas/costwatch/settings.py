"""What each function is told by its environment: one frozen dataclass per function.

infra writes `to_env()` into the template, the function reads `from_env()` at its first use. A missing
or empty required value raises ConfigError naming the variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from costwatch import names
from costwatch.errors import ConfigError


@dataclass(frozen=True, slots=True)
class _Environment:
    """Maps fields to environment variables through `_VARIABLES`; empty optional values stay empty."""

    def to_env(self) -> dict[str, str]:
        """Environment variables for the template. Empty values are left out."""
        pairs = ((_VARIABLES[f.name], getattr(self, f.name)) for f in fields(self))
        return {variable: value for variable, value in pairs if value}

    @classmethod
    def of(cls, **values: str) -> Self:
        """Of the values that a stack has, those that this function is told."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Parse `env`. Raises ConfigError for a required variable that is absent or empty."""
        values: dict[str, str] = {}
        for f in fields(cls):
            variable = _VARIABLES[f.name]
            value = env.get(variable, "").strip()
            if not value and f.name not in _OPTIONAL:
                raise ConfigError(f"environment variable {variable} is missing or empty; the stack sets it at deploy")
            values[f.name] = value
        return cls(**values)


_VARIABLES = {
    "ledger_table": names.ENV_LEDGER_TABLE,
    "alerts_topic_arn": names.ENV_ALERTS_TOPIC_ARN,
    "refused_queue_url": names.ENV_REFUSED_QUEUE_URL,
    "heartbeat_bus": names.ENV_HEARTBEAT_BUS,
    "deadman_function": names.ENV_DEADMAN_FUNCTION,
    "res_function": names.ENV_RES_FUNCTION,
    "gate_queue_url": names.ENV_GATE_QUEUE_URL,
    "gate_dead_letters_arn": names.ENV_GATE_DEAD_LETTERS_ARN,
    "slack_token_parameter": names.ENV_SLACK_TOKEN_PARAMETER,
    "slack_api_url": names.ENV_SLACK_API_URL,
    "slack_signing_secret_parameter": names.ENV_SLACK_SIGNING_SECRET_PARAMETER,
    "slack_app_id": names.ENV_SLACK_APP_ID,
    "slack_workspace": names.ENV_SLACK_WORKSPACE,
}
_OPTIONAL = frozenset(
    {"slack_token_parameter", "slack_api_url", "slack_app_id", "slack_workspace", "gate_queue_url", "res_function"}
)


@dataclass(frozen=True, slots=True)
class DeadmanSettings(_Environment):
    """The sweep: ledger table name, topic for alerts and fallback notices, queue for refused events.

    `gate_queue_url`: by which it finds the callback steps that wait; empty: it looks for none.
    """

    ledger_table: str
    alerts_topic_arn: str
    refused_queue_url: str
    heartbeat_bus: str
    slack_token_parameter: str = ""
    slack_api_url: str = ""
    gate_queue_url: str = ""


@dataclass(frozen=True, slots=True)
class HintsSettings(_Environment):
    """The event hints: they close what ended by itself and verify stops; they warn and stop nobody."""

    ledger_table: str
    alerts_topic_arn: str
    refused_queue_url: str
    heartbeat_bus: str
    slack_token_parameter: str = ""
    slack_api_url: str = ""


@dataclass(frozen=True, slots=True)
class HeartbeatsSettings(_Environment):
    """The heartbeats of trainers: they go into the ledger's table, what cannot be read into the queue."""

    ledger_table: str
    refused_queue_url: str


@dataclass(frozen=True, slots=True)
class PricesSettings(_Environment):
    """The daily refresh of the price book: it lies in the ledger's table; refused events go into the queue."""

    ledger_table: str
    refused_queue_url: str


@dataclass(frozen=True, slots=True)
class RetrainSettings(_Environment):
    """Questions whether to train: they are kept in the ledger's table, what cannot be read goes into the queue."""

    ledger_table: str
    refused_queue_url: str


@dataclass(frozen=True, slots=True)
class GateSettings(_Environment):
    """The approval gate: as the sweep, and the queue of requests that failed time after time."""

    ledger_table: str
    alerts_topic_arn: str
    refused_queue_url: str
    heartbeat_bus: str
    gate_dead_letters_arn: str
    slack_token_parameter: str = ""
    slack_api_url: str = ""


@dataclass(frozen=True, slots=True)
class ResSettings(_Environment):
    """The RES breaker: as the hints. It alone writes the model registry."""

    ledger_table: str
    alerts_topic_arn: str
    refused_queue_url: str
    heartbeat_bus: str
    slack_token_parameter: str = ""
    slack_api_url: str = ""


@dataclass(frozen=True, slots=True)
class DoorSettings(_Environment):
    """What takes Slack's clicks: the parameter with the signing secret, and whose clicks it takes.

    Empty app or workspace: of any that has the secret.
    """

    slack_signing_secret_parameter: str
    slack_app_id: str = ""
    slack_workspace: str = ""


@dataclass(frozen=True, slots=True)
class ClicksSettings(_Environment):
    """What decides about clicks in Slack: as the hints, the secret that Slack signs with, the name of the function that
    may stop something, and of the one that writes the model registry; empty: none does.
    """

    ledger_table: str
    alerts_topic_arn: str
    refused_queue_url: str
    heartbeat_bus: str
    deadman_function: str
    slack_signing_secret_parameter: str
    slack_token_parameter: str = ""
    slack_api_url: str = ""
    res_function: str = ""


LedgerSettings = (
    DeadmanSettings
    | HintsSettings
    | HeartbeatsSettings
    | PricesSettings
    | GateSettings
    | RetrainSettings
    | ClicksSettings
    | ResSettings
)
"""Of the functions that write into the ledger: all but the door."""
AnySettings = LedgerSettings | DoorSettings
