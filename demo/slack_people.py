"""The people and user groups of the local Slack, and the Web API methods that read them, in Slack's shapes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from demo.slack_limits import SlackRefusal

_CREATED = 1_700_000_000  # when every group was made, Unix seconds: nobody asks


def stable_id(prefix: str, name: str) -> str:
    """The same id for the same name, of Slack's form."""
    return prefix + hashlib.sha256(name.encode()).hexdigest()[:9].upper()


@dataclass(frozen=True)
class Person:
    """`name` is what mentions and payloads say, `title` what the page says beside it: owner, approver."""

    id: str
    email: str
    name: str
    real_name: str
    title: str
    deleted: bool


@dataclass
class UserGroup:
    """`handle` without the @; `users` are user ids. Disabled groups are listed only to who asks for them."""

    id: str
    handle: str
    users: list[str] = field(default_factory=list)
    disabled: bool = False


class People:
    """Everything may be changed at any time.

    `users`: email -> user id; `titles`: email -> text; `deleted`: user ids; `groups`: group id -> group.
    """

    def __init__(self, team_id: str, users: Mapping[str, str] | Iterable[str] = ()) -> None:
        self.team_id = team_id
        self.users: dict[str, str] = (
            dict(users) if isinstance(users, Mapping) else {email: stable_id("U", email) for email in users}
        )
        self.titles: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.groups: dict[str, UserGroup] = {}

    def all(self) -> list[Person]:
        """In the order in which they came."""
        return [self._person(email, user_id) for email, user_id in self.users.items()]

    def find(self, email_or_id: str) -> Person | None:
        """By either; deactivated people too."""
        return next((each for each in self.all() if email_or_id in (each.id, each.email)), None)

    def email_of(self, user_id: str) -> str | None:
        """Whose id that is."""
        return next((email for email, each in self.users.items() if each == user_id), None)

    def add_group(self, handle: str, members: Iterable[str] = (), *, group_id: str = "") -> UserGroup:
        """A group of people, named by email or user id, that mentions call @handle."""
        name = handle.removeprefix("@")
        users = [self.users.get(each, each) for each in members]
        group = UserGroup(group_id or stable_id("S", name), name, users)
        self.groups[group.id] = group
        return group

    def _person(self, email: str, user_id: str) -> Person:
        name = email.partition("@")[0]
        real_name = " ".join(part.capitalize() for part in re.split(r"[._-]+", name))
        return Person(user_id, email, name, real_name, self.titles.get(email, ""), user_id in self.deleted)

    # --- Web API ---------------------------------------------------------------------------------------

    def lookup_by_email(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """users.lookupByEmail: who was deactivated is not found."""
        person = self.find(str(arguments.get("email", "")))
        if person is None or person.deleted or "@" not in str(arguments.get("email")):
            raise SlackRefusal("users_not_found")
        return {"user": self._user(person)}

    def info(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """users.info: who was deactivated is found, and said to be so."""
        person = self.find(str(arguments.get("user", "")))
        if person is None or person.id != arguments.get("user"):
            raise SlackRefusal("user_not_found")
        return {"user": self._user(person)}

    def list_groups(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """usergroups.list"""
        with_users, with_disabled = _yes(arguments, "include_users"), _yes(arguments, "include_disabled")
        shown = [group for group in self.groups.values() if with_disabled or not group.disabled]
        return {"usergroups": [self._group(group, with_users=with_users) for group in shown]}

    def list_group_members(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """usergroups.users.list"""
        group = self.groups.get(str(arguments.get("usergroup", "")))
        if group is None or (group.disabled and not _yes(arguments, "include_disabled")):
            raise SlackRefusal("no_such_subteam")
        return {"users": list(group.users)}

    def _user(self, person: Person) -> dict[str, Any]:
        profile = {"email": person.email, "real_name": person.real_name, "display_name": person.name}
        user: dict[str, Any] = {
            "id": person.id,
            "team_id": self.team_id,
            "name": person.name,
            "deleted": person.deleted,
            "profile": {**profile, "title": person.title, "team": self.team_id},
            "is_bot": False,
            "is_app_user": False,
            "updated": _CREATED,
        }
        if person.deleted:  # Slack says less of them
            return user
        return {**user, "real_name": person.real_name, "tz": "Etc/UTC", "tz_label": "UTC", "tz_offset": 0}

    def _group(self, group: UserGroup, *, with_users: bool) -> dict[str, Any]:
        return {
            "id": group.id,
            "team_id": self.team_id,
            "is_usergroup": True,
            "is_subteam": True,
            "name": group.handle,
            "description": "",
            "handle": group.handle,
            "is_external": False,
            "date_create": _CREATED,
            "date_update": _CREATED,
            "date_delete": _CREATED if group.disabled else 0,
            "auto_type": None,
            "created_by": "U0ADMIN",
            "updated_by": "U0ADMIN",
            "deleted_by": None,
            "prefs": {"channels": [], "groups": []},
            "user_count": len(group.users),
            **({"users": list(group.users)} if with_users else {}),
        }


def _yes(arguments: Mapping[str, Any], name: str) -> bool:
    """A flag as JSON or a form carries it."""
    return str(arguments.get(name, "")).lower() in ("true", "1")
