"""An IAM principal as the configuration and tags may name it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_SESSION: Final = re.compile(r"(arn:[^:]+):sts::([0-9]{12}):assumed-role/([^/]+)/(.+)")


def listed_as(arn: str, names: Iterable[str]) -> frozenset[str]:
    """Those of `names` that the caller with `arn` is: its own ARN, or the role that its session is of.

    A session's ARN has lost the path of its role; within one account a role's name is unique without it.
    """
    session = _SESSION.fullmatch(arn)
    if session is None:
        return frozenset({arn} & set(names))
    partition, account, role, _ = session.groups()
    of_role = re.compile(rf"{re.escape(partition)}:iam::{account}:role/(?:[^/]+/)*{re.escape(role)}")
    return frozenset(name for name in names if name == arn or of_role.fullmatch(name))


def name_of(arn: str) -> str:
    """Who it is, without what it is: the session's name, or the user's."""
    session = _SESSION.fullmatch(arn)
    return session[4] if session is not None else arn.rpartition("/")[2] or arn


def shown(arn: str) -> str:
    """For people: `maria (DataScientist)`, `maria`."""
    session = _SESSION.fullmatch(arn)
    return f"{session[4]} ({session[3]})" if session is not None else name_of(arn)


def is_owner(arn: str, owner: str) -> bool:
    """Whether an owner tag means this caller: by its ARN, by its name, or by the name before the @ of an address.

    It errs towards yes: whoever might be the owner needs another approver.
    """
    if not owner:
        return False
    own, said = name_of(arn).casefold(), owner.casefold()
    return owner == arn or own == said or own.partition("@")[0] == said.partition("@")[0]
