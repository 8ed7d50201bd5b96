"""Who clicked, and what they may: asked of Slack at every click, since people leave and groups change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Final

from costwatch.core.approvals import Clicker
from costwatch.core.blocks import cleaned, cut
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.errors import AwsError, RefusedError
from costwatch.intake import Click
from costwatch.procedures.ports import SlackPort, Watchdog

FRESH: Final = timedelta(minutes=5)
_NAME: Final = 80
_NOBODY: Final = frozenset({"user_not_found", "user_not_visible"})


@dataclass(frozen=True)
class Person:
    """Whoever clicked. What is asked of Slack about them is asked when it is needed, and once."""

    w: Watchdog
    slack: SlackPort
    user_id: str
    name: str
    email: str = ""

    @property
    def actor(self) -> str:
        """As the ledger and other people read it."""
        return f"{self.name} (Slack {self.user_id})"

    @cached_property
    def among_run_approvers(self) -> Standing:
        """What they are where no amount is in question: among the approvers of the highest of `approval.tiers`."""
        return self.standing(run_approvers(self.w))

    def standing(self, approvers: Sequence[str]) -> Standing:
        """What they are among `approvers`. A group that cannot be read, or that is empty, is nobody."""
        if self.user_id in approvers:
            return Standing(Clicker(self.user_id, self.name, email=self.email), may=True)
        groups: set[str] = set()
        problems: dict[str, str] = {}
        for group in filter(is_group, approvers):
            try:
                members = self.slack.group_members(group)
            except AwsError as error:
                self.w.log("group of approvers not read", {"group": group, "reason": str(error)})
                problems[group] = f"Slack does not say who is in {group}"
                continue
            if not members:
                problems[group] = f"nobody is in {group}"
            if self.user_id in members:
                groups.add(group)
        clicker = Clicker(self.user_id, self.name, frozenset(groups), self.email)
        return Standing(clicker, bool(groups), problems)

    def owns(self, owner: str) -> bool:
        """Whether an owner tag names them. Nobody is an owner whom Slack does not say."""
        try:
            return bool(owner) and self.slack.user_id(owner) == self.user_id
        except AwsError as error:
            self.w.log("owner not looked up", {"owner": owner, "reason": str(error)})
            return False


@dataclass(frozen=True, slots=True)
class Standing:
    """`problems`: by group, why nobody in it counts."""

    clicker: Clicker
    may: bool
    problems: dict[str, str] | None = None

    def explained(self, refusal: str) -> str:
        """The refusal, and which groups it may be the fault of."""
        found = "; ".join((self.problems or {}).values())
        return f"{refusal} {found[:1].upper()}{found[1:]}." if found and not self.may else refusal


def person(w: Watchdog, slack: SlackPort, click: Click) -> Person:
    """Raises RefusedError for somebody who has left.

    Where Slack does not answer, it said just now that they are there: by signing their click.
    """
    name, email = click.user_name or click.user_id, ""
    try:
        found = slack.person(click.user_id)
    except AwsError as error:
        w.log("clicker not looked up", {"user": click.user_id, "reason": str(error)})
        if error.code in _NOBODY:
            raise RefusedError("Slack does not know you here, so your click does not count.") from error
        if w.now() - click.at > FRESH:
            raise RefusedError("Slack does not say whether you are still here; nothing was changed.") from error
    else:
        if not found.active:
            raise RefusedError("Your Slack account is switched off, so your click does not count.")
        name, email = found.name or name, found.email
    return Person(w, slack, click.user_id, cut(cleaned(name), _NAME) or click.user_id, email)


def run_approvers(w: Watchdog) -> tuple[str, ...]:
    """Who exempts, releases, pauses, and extends past the owner's total: whoever may decide about any amount."""
    return w.policy.approval.tiers[-1].approvers


def is_group(approver: str) -> bool:
    """A user group of Slack's, by its handle or its id."""
    return approver.startswith(("@", "S"))


def say_aloud(w: Watchdog, standing: Standing) -> None:
    """Tell the platform channel, once a day and group: whoever set the group up must hear that it is nobody."""
    for group, problem in (standing.problems or {}).items():
        day = w.now().date().isoformat()
        facts = {"group": group, "problem": problem}
        message = Message(f"approver group#{group}#{day}", MessageKind.APPROVER_GROUP, Audience.PLATFORM, facts)
        w.ledger.say_once([message.id], message, w.now())
