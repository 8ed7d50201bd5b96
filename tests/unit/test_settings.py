"""What the stack writes into a function's environment, the function reads back; what is missing is named."""

from __future__ import annotations

import pytest

from costwatch.errors import ConfigError
from costwatch.settings import (
    DeadmanSettings,
    DoorSettings,
    GateSettings,
    HeartbeatsSettings,
    HintsSettings,
    PricesSettings,
)

KINDS = [DeadmanSettings, HintsSettings, GateSettings]
FULL = {
    "COSTWATCH_LEDGER_TABLE": "costwatch-ledger",
    "COSTWATCH_ALERTS_TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:costwatch-alerts",
    "COSTWATCH_REFUSED_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/costwatch-refused",
    "COSTWATCH_HEARTBEAT_BUS": "costwatch",
    "COSTWATCH_SLACK_TOKEN_PARAMETER": "/costwatch/slack-token",
    "COSTWATCH_SLACK_API_URL": "http://127.0.0.1:1/api/",
}
Settings = type[DeadmanSettings] | type[HintsSettings] | type[GateSettings]
OWN = {
    DeadmanSettings: {"COSTWATCH_GATE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/costwatch-gate"},
    HintsSettings: {},
    GateSettings: {"COSTWATCH_GATE_DEAD_LETTERS_ARN": "arn:aws:sqs:us-east-1:111122223333:costwatch-gate-dead"},
}


def full(kind: Settings) -> dict[str, str]:
    return {**FULL, **OWN[kind]}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_back(kind: Settings) -> None:
    settings = kind.from_env(full(kind))
    assert kind.from_env(settings.to_env()) == settings
    assert settings.to_env() == full(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_slack_is_optional_and_left_out_of_the_environment(kind: Settings) -> None:
    required = {name: value for name, value in full(kind).items() if "SLACK" not in name}
    settings = kind.from_env(required)
    assert (settings.slack_token_parameter, settings.slack_api_url) == ("", "")
    assert settings.to_env() == required


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variable", [name for name in FULL if "SLACK" not in name])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_required_variable_that_is_missing_or_empty_is_named(
    kind: Settings, variable: str, value: str | None
) -> None:
    env = {name: each for name, each in full(kind).items() if name != variable}
    with pytest.raises(ConfigError, match=variable):
        kind.from_env(env if value is None else {**env, variable: value})


@pytest.mark.parametrize("kind", KINDS)
def test_other_variables_of_the_runtime_do_not_matter(kind: Settings) -> None:
    assert kind.from_env({**full(kind), "AWS_REGION": "us-east-1", "TZ": ":UTC"}) == kind.from_env(full(kind))


def test_a_function_is_told_what_it_needs_and_no_more() -> None:
    told = HeartbeatsSettings.of(
        ledger_table="costwatch-ledger",
        refused_queue_url="https://sqs/refused",
        alerts_topic_arn="arn:aws:sns:us-east-1:111122223333:costwatch-alerts",
        slack_token_parameter="/costwatch/slack-token",
    )
    assert told.to_env() == {
        "COSTWATCH_LEDGER_TABLE": "costwatch-ledger",
        "COSTWATCH_REFUSED_QUEUE_URL": "https://sqs/refused",
    }
    assert HeartbeatsSettings.from_env(told.to_env()) == told
    prices = PricesSettings.of(
        ledger_table="costwatch-ledger", refused_queue_url="https://sqs/refused", heartbeat_bus="costwatch"
    )
    assert prices.to_env() == told.to_env()
    assert PricesSettings.from_env(prices.to_env()) == prices


def test_the_door_is_told_of_slack_alone_and_must_know_where_the_secret_is() -> None:
    told = DoorSettings.of(
        ledger_table="costwatch-ledger",
        slack_token_parameter="/costwatch/slack-token",
        slack_signing_secret_parameter="/costwatch/slack-signing-secret",
        slack_app_id="",
        slack_workspace="T0123456789",
    )
    assert told.to_env() == {
        "COSTWATCH_SLACK_SIGNING_SECRET_PARAMETER": "/costwatch/slack-signing-secret",
        "COSTWATCH_SLACK_WORKSPACE": "T0123456789",
    }
    assert DoorSettings.from_env(told.to_env()) == told
    with pytest.raises(ConfigError, match="COSTWATCH_SLACK_SIGNING_SECRET_PARAMETER"):
        DoorSettings.from_env({})
