"""Names for roles and managed policies that begin with a prefix, for accounts that demand one."""

from __future__ import annotations

import re
from typing import Final

import jsii
from aws_cdk import AspectPriority, Aspects, IAspect, Names
from aws_cdk import aws_iam as iam
from constructs import IConstruct

from costwatch.errors import ConfigError

LONGEST_NAME: Final = 64  # IAM's limit for a role; a managed policy may have more
_LONGEST_PREFIX: Final = 30
_PREFIX: Final = re.compile(rf"[A-Za-z0-9+=,.@_-]{{1,{_LONGEST_PREFIX}}}")


def read_prefix(value: object) -> str:
    """The prefix, empty where none is given. Raises ConfigError for one that no role's name could begin with."""
    if value is None:
        return ""
    if not isinstance(value, str) or not _PREFIX.fullmatch(value):
        raise ConfigError(
            f"context role_prefix is {value!r}; expected 1 to {_LONGEST_PREFIX} characters out of letters, digits and "
            "+=,.@_- such as ml-platform-"
        )
    return value


def apply_prefix(scope: IConstruct, prefix: str, *, region: str) -> None:
    """Name every role and managed policy in `scope`, those that later constructs add included.

    Names end with `region`: IAM's are one set for all regions of an account, and a stack may stand in several.
    """
    Aspects.of(scope).add(_Prefix(prefix, region), priority=AspectPriority.MUTATING)


@jsii.implements(IAspect)
class _Prefix:
    def __init__(self, prefix: str, region: str) -> None:
        self._prefix = prefix
        self._region = region

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, iam.CfnRole):
            node.role_name = self._name(node)
        elif isinstance(node, iam.CfnManagedPolicy):
            node.managed_policy_name = self._name(node)

    def _name(self, node: IConstruct) -> str:
        room = LONGEST_NAME - len(self._prefix) - len(self._region) - 1
        own = Names.unique_resource_name(node, max_length=room, separator="-")
        return f"{self._prefix}{own}-{self._region}"
