"""slack-manifest: the app that Slack is told of has the address, and exactly the scopes of what is called."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from costwatch import adapters
from costwatch.cli import manifest
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from tests.support.command_line import FakeSsm, FakeSts

ROOT = Path(__file__).parents[2]
URL = "https://abc123.execute-api.us-east-1.amazonaws.com"

# Bot token scopes by Web API method, as https://docs.slack.dev/reference/methods lists them. A message may go to a
# public channel that the bot was not invited to, and to a person.
SCOPES: dict[str, set[str]] = {
    "chat_postMessage": {"chat:write", "chat:write.public", "im:write"},
    "chat_postEphemeral": {"chat:write"},
    "chat_update": {"chat:write"},
    "users_info": {"users:read"},
    "users_lookupByEmail": {"users:read", "users:read.email"},
    "usergroups_list": {"usergroups:read"},
    "auth_test": set(),
    "bots_info": {"users:read"},
    "conversations_list": {"channels:read", "groups:read"},
    "usergroups_users_list": {"usergroups:read"},
}

# https://docs.slack.dev/reference/app-manifest, as far as it is used here.
KNOWN_KEYS = {
    "": {"_metadata", "display_information", "features", "oauth_config", "settings"},
    "_metadata": {"major_version", "minor_version"},
    "display_information": {"name", "description", "long_description", "background_color"},
    "features": {"app_home", "bot_user", "shortcuts", "slash_commands", "unfurl_domains", "workflow_steps"},
    "features.bot_user": {"display_name", "always_online"},
    "oauth_config": {"redirect_urls", "scopes"},
    "oauth_config.scopes": {"bot", "user"},
    "settings": {
        "allowed_ip_address_ranges", "event_subscriptions", "interactivity", "org_deploy_enabled",
        "socket_mode_enabled", "token_rotation_enabled",
    },
    "settings.interactivity": {"is_enabled", "request_url", "message_menu_options_url"},
}  # fmt: skip


def run(*arguments: str, deployed: dict[str, Any] | None = None) -> Result:
    clients = {"sts": FakeSts("arn:aws:iam::111122223333:user/maria"), "ssm": FakeSsm(deployed)}
    tools = Tools(environ={"AWS_REGION": "us-east-1"}, clients=clients)
    env = {"COLUMNS": "80", "NO_COLOR": "1"}
    return CliRunner().invoke(main, ["slack-manifest", *arguments], obj=tools, env=env, prog_name="costwatch")


def printed(*arguments: str, deployed: dict[str, Any] | None = None) -> dict[str, Any]:
    result = run(*arguments, deployed=deployed)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = yaml.safe_load(result.stdout)
    return document


def deployment(**more: str) -> dict[str, Any]:
    return {
        "table": "costwatch-ledger",
        "function": "costwatch-deadman",
        "policy_digest": "d",
        "config_commit": "c",
        "version": "0.3.0",
        "regions": ["us-east-1"],
        **more,
    }


# --- what is in it ------------------------------------------------------------------------------------


def methods_called() -> set[str]:
    """Every Web API method that an adapter calls through `_call`."""
    sources = Path(adapters.__file__).parent.glob("slack*.py")
    return {name for source in sources for name in re.findall(r'_call\(\s*"(\w+)"', source.read_text("utf-8"))}


def test_the_bot_may_call_what_is_called_and_nothing_else() -> None:
    called = methods_called()
    assert "chat_postMessage" in called
    assert called <= set(SCOPES), "name its scopes here, and put them into cli/slack-manifest.yaml"
    needed = set().union(*(SCOPES[method] for method in called))
    scopes = printed("--url", URL)["oauth_config"]["scopes"]
    assert set(scopes) == {"bot"}
    assert sorted(scopes["bot"]) == sorted(needed)


def test_buttons_call_the_address_and_nothing_else_does() -> None:
    document = printed("--url", URL)
    assert document["settings"]["interactivity"] == {"is_enabled": True, "request_url": f"{URL}/slack"}
    assert "event_subscriptions" not in document["settings"]
    assert not {"slash_commands", "shortcuts"} & set(document["features"])
    assert json.dumps(document).count("https://") == 1


def test_slack_knows_every_key() -> None:
    def look(value: Any, path: str) -> None:
        if isinstance(value, dict):
            assert set(value) <= KNOWN_KEYS[path], path
            for key, each in value.items():
                look(each, f"{path}.{key}".removeprefix("."))

    look(printed("--url", URL), "")


def test_names_are_as_long_as_slack_takes_them() -> None:
    document = printed("--url", URL)
    assert 1 <= len(document["display_information"]["name"]) <= 35
    assert 1 <= len(document["display_information"]["description"]) <= 140
    assert re.fullmatch(r"[a-z0-9._-]{1,80}", document["features"]["bot_user"]["display_name"])


def test_the_file_in_the_repository_is_the_one_that_is_printed() -> None:
    text = manifest.TEMPLATE.read_text(encoding="utf-8")
    assert text.count(manifest.PLACEHOLDER) == 1
    assert run("--url", URL).stdout == text.replace(manifest.PLACEHOLDER, f"{URL}/slack")
    assert str(manifest.TEMPLATE.relative_to(ROOT)) in (ROOT / "README.md").read_text(encoding="utf-8")


# --- the address --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (URL, f"{URL}/slack"),
        (f"{URL}/", f"{URL}/slack"),
        (f"{URL}/slack", f"{URL}/slack"),
        (f"{URL}/slack/", f"{URL}/slack"),
        (f"{URL}/prod", f"{URL}/prod/slack"),
        ("https://hooks.example.com:8443", "https://hooks.example.com:8443/slack"),
        (f"{URL}/notslack", f"{URL}/notslack/slack"),
    ],
)
def test_the_address_ends_in_slack(written: str, address: str) -> None:
    assert printed("--url", written)["settings"]["interactivity"]["request_url"] == address


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("http://abc.example.com", "does not begin with https://"),
        ("abc.example.com", "does not begin with https://"),
        ("", "does not begin with https://"),
        (f"{URL}/slack?x=1", "has a query or a fragment"),
        (f"{URL}?", "has a query or a fragment"),
        (f"{URL}/#top", "has a query or a fragment"),
        ("https://", "is not an address such as https://abc123.execute-api"),
        ("https://localhost", "is not an address"),
        ("https://user:secret@abc.example.com", "is not an address"),
        ("https://abc.example.com/a b", "is not an address"),
        ("https://abc.example.com/\n", "is not an address"),
        ("https://[::1", "is not an address"),
    ],
)
def test_an_address_that_slack_cannot_call_is_one_sentence(written: str, sentence: str) -> None:
    result = run("--url", written)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in " ".join(result.stderr.split())


def test_without_an_address_the_deployment_says_it() -> None:
    document = printed(deployed=deployment(slack_request_url=f"{URL}/slack"))
    assert document["settings"]["interactivity"]["request_url"] == f"{URL}/slack"


@pytest.mark.parametrize(
    ("deployed", "sentence"),
    [
        (None, "no Costwatch is deployed"),
        (deployment(), "the deployed Costwatch takes no clicks yet"),
    ],
)
def test_where_no_deployment_says_it_the_address_must_be_given(deployed: dict[str, Any] | None, sentence: str) -> None:
    result = run(deployed=deployed)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in " ".join(result.stderr.split())
    assert "--url" in result.stderr
