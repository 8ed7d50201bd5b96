"""A doctor's checks of whose app the token is, and of who is named as an approver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from costwatch.adapters.slack_app import App, SlackApp
from costwatch.cli import show
from costwatch.cli.findings import Finding, ok, todo, unknown, waits
from costwatch.config.model import Config
from costwatch.errors import AwsError

_NO_GROUP: Final = "no_such_subteam"
_NOBODY: Final = frozenset({"user_not_found", "user_not_visible", "users_not_found"})


def whose(slack: SlackApp, app: App, config: Config) -> Iterator[Finding]:
    """Whether the token is of the workspace and the app whose clicks are taken: others are refused."""
    check = "slack app"
    wanted = config.slack
    if wanted.workspace and wanted.workspace not in (app.team_id, app.organisation_id):
        said = f"slack.workspace is {wanted.workspace}, and the token is of {app.team_id} ({app.team})"
        yield todo(check, f"{said}: every click is refused", "mend slack.workspace, or store its token")
        return
    if not wanted.app_id:
        yield waits(check, "slack.app_id is not named, so cards have no buttons")
        return
    try:
        app_id = slack.app_id(app.bot_id)
    except AwsError as error:
        yield unknown(check, f"whose token it is could not be looked at: {error}")
        return
    if app_id != wanted.app_id:
        said = f"slack.app_id is {wanted.app_id}, and the token is of {app_id or 'an app that Slack does not name'}"
        yield todo(check, f"{said}: every click is refused", "mend slack.app_id, or store the token of that app")
        return
    yield ok(check, f"{app_id} in the workspace {app.team_id}")


def approvers(slack: SlackApp, config: Config) -> Iterator[Finding]:
    """Whether those who may say yes are there: without an answer the answer is no."""
    check = "approvers"
    tiers = (each for tier in config.approval.tiers for each in tier.approvers)
    named = list(dict.fromkeys((*tiers, *config.res.approvers)))
    if not named:
        yield waits(check, "none are named: nobody may say yes")
        return
    absent: list[str] = []
    blind: list[str] = []
    for each in named:
        try:
            trouble = _trouble(slack, each)
        except AwsError as error:
            blind.append(f"{each} ({error.code or error})")
        else:
            absent += [f"{each} {trouble}"] if trouble else []
    if absent:
        yield todo(check, "; ".join(absent), "mend approval.tiers and res.approvers, or the group in Slack")
    if blind:
        yield unknown(check, f"could not be looked at: {', '.join(blind)}")
    elif not absent:
        principals = sum(each.startswith("arn:") for each in named)
        beside = f", {show.count(principals, 'ARN')} of AWS not looked at" if principals else ""
        yield ok(check, f"{len(named) - principals} found in Slack{beside}")


def _trouble(slack: SlackApp, approver: str) -> str:
    """What keeps an approver from saying yes; empty: nothing that Slack knows of. Raises AwsError."""
    if approver.startswith("arn:"):
        return ""
    try:
        if approver.startswith(("@", "S")):
            return "" if slack.group_members(approver) else "has no members"
        return "" if slack.person(approver).active else "was deactivated"
    except AwsError as error:
        if error.code == _NO_GROUP:
            return "is no user group there"
        if error.code in _NOBODY:
            return "is nobody there"
        raise
