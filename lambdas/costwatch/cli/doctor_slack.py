"""A doctor's checks of Slack: the token and what it may, the channels, the signing secret. No secret is ever said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from costwatch import names
from costwatch.adapters.aws_errors import translated
from costwatch.adapters.slack_app import PRIVATE_SCOPE, PUBLIC_SCOPE, App, Channel, SlackApp
from costwatch.cli import doctor_people, manifest, storing
from costwatch.cli.doctor_case import Case
from costwatch.cli.findings import Finding, ok, todo, unknown, waits
from costwatch.config.model import Config
from costwatch.core.policy import Mode
from costwatch.errors import AwsError, PermanentAwsError

_TOKEN: Final = re.compile(r"xoxb-[A-Za-z0-9-]+")
_ENCRYPTED: Final = "SecureString"
_NEEDS: Final = "needs a valid configuration"
_BAD_TOKEN: Final = frozenset({"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"})


def token(case: Case) -> Iterator[Finding]:
    """The bot token: stored, taken by Slack, with its scopes; and whether the channels are there."""
    check = "slack token"
    if case.loaded is None:
        yield unknown(check, _NEEDS)
        return
    config = case.loaded.config
    if not config.slack.platform_channel:
        yield _without_slack(config)
        return
    name = config.slack.token_parameter
    store = storing.command(name, case.home_region)
    try:
        kind, value = _stored(case, name)
    except PermanentAwsError as error:
        if error.code != "ParameterNotFound":
            raise
        yield _absent(case, check, name, store)
        return
    if kind != _ENCRYPTED:
        yield _in_clear_text(case, check, name, store)
        return
    if not _TOKEN.fullmatch(value):
        yield todo(check, f"what parameter {name} holds is no bot token, which begins with xoxb-", store)
        return
    slack = SlackApp(
        lambda: value,
        api_url=case.session.tools.environ.get(names.ENV_SLACK_API_URL, ""),
        sleep=case.session.tools.sleep,
    )
    try:
        app = slack.app()
    except AwsError as error:
        if error.code not in _BAD_TOKEN:
            raise
        do = f"copy the app's Bot User OAuth Token anew: {store}"
        yield todo(check, f"Slack does not take the token in {name}: {error.code}", do)
        return
    yield ok(check, f"{app.bot} in the workspace {app.team}")
    yield from doctor_people.whose(slack, app, config)
    yield _scopes(app)
    yield from _channels(slack, app, _wanted(config))
    yield from doctor_people.approvers(slack, config)


def _stored(case: Case, name: str) -> tuple[str, str]:
    """The type of a parameter, and what it holds."""
    with translated("ssm:GetParameter"):
        answer: Any = case.session.client("ssm", case.home_region).get_parameter(Name=name, WithDecryption=True)
    return str(answer["Parameter"].get("Type")), str(answer["Parameter"]["Value"]).strip()


def _in_clear_text(case: Case, check: str, name: str, store: str) -> Finding:
    """SSM does not change the type of a parameter that is there."""
    do = f"aws ssm delete-parameter --name {name} --region {case.home_region} && {store}"
    return todo(check, f"parameter {name} lies there in clear text", do)


def _without_slack(config: Config) -> Finding:
    people_hear = {config.dead_man.mode, *(each.mode for each in config.dead_man.selectors), config.approval.mode}
    if config.email.to:
        return waits("slack token", "Slack is not used; notices go by e-mail")
    do = "name slack.platform_channel or email.to"
    if people_hear & {Mode.WARN, Mode.ENFORCE}:
        return todo("slack token", "neither Slack nor e-mail takes a notice, so nothing will be stopped", do)
    return waits("slack token", "neither Slack nor e-mail is named, so nobody hears anything", do)


def _absent(case: Case, check: str, name: str, store: str) -> Finding:
    said = f"parameter {name} is not there"
    if case.deployed is None:
        return waits(check, said, f"after the deploy: costwatch slack-manifest, install the app, then {store}")
    return todo(check, said, store)


def _scopes(app: App) -> Finding:
    check = "slack scopes"
    wanted = frozenset(yaml.safe_load(manifest.TEMPLATE.read_text("utf-8"))["oauth_config"]["scopes"]["bot"])
    if app.scopes is None:
        return unknown(check, "Slack did not say which the token has")
    missing = sorted(wanted - app.scopes)
    needed = [scope for scope in missing if scope not in (PUBLIC_SCOPE, PRIVATE_SCOPE)]
    if needed:
        do = "paste what costwatch slack-manifest prints into the app's manifest, and install it again"
        return todo(check, f"missing: {', '.join(needed)}", do)
    if missing:
        return waits(check, f"without {', '.join(missing)}, by which this doctor would look for channels")
    return ok(check, ", ".join(sorted(wanted)))


def _wanted(config: Config) -> dict[str, str]:
    """Channels and the keys that name them."""
    found = {config.slack.platform_channel: "slack.platform_channel"}
    for team, channel in config.slack.team_channels.items():
        found.setdefault(channel, f"slack.team_channels.{team}")
    return found


def _channels(slack: SlackApp, app: App, wanted: Mapping[str, str]) -> Iterator[Finding]:
    check = "slack channels"
    scopes = app.scopes or frozenset()
    if not scopes & {PUBLIC_SCOPE, PRIVATE_SCOPE}:
        yield unknown(check, f"not looked for: the app has no scope {PUBLIC_SCOPE}", "costwatch slack-manifest has it")
        return
    found = slack.channels(wanted, scopes)
    bad = [said for name, key in wanted.items() if (said := _trouble(name, key, found.get(name), app))]
    if bad:
        yield todo(
            check, "; ".join(bad), f"create them or mend the names, and /invite @{app.bot} where they are private"
        )
    else:
        yield ok(check, ", ".join(wanted))


def _trouble(name: str, key: str, channel: Channel | None, app: App) -> str:
    if channel is None:
        return f"{name} ({key}) is not there, or is private without {app.bot}"
    if channel.archived:
        return f"{name} ({key}) is archived"
    may_post = channel.member or (not channel.private and "chat:write.public" in (app.scopes or ()))
    return "" if may_post else f"{app.bot} is not in {name} ({key})"


def signing_secret(case: Case) -> Iterator[Finding]:
    """That it is there, and encrypted; its value is not decrypted."""
    check = "slack signing secret"
    if case.loaded is None:
        yield unknown(check, _NEEDS)
        return
    slack = case.loaded.config.slack
    if not slack.platform_channel:
        yield waits(check, "Slack is not used")
        return
    name = slack.signing_secret_parameter
    store = storing.command(name, case.home_region)
    try:
        with translated("ssm:GetParameter"):
            answer: Any = case.session.client("ssm", case.home_region).get_parameter(Name=name)
    except PermanentAwsError as error:
        if error.code != "ParameterNotFound":
            raise
        yield _absent(case, check, name, store)
        return
    if answer["Parameter"].get("Type") != _ENCRYPTED:
        yield _in_clear_text(case, check, name, store)
        return
    yield ok(check, f"parameter {name} is there")
