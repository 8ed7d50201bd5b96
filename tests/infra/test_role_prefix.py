"""A prefix for the names of roles and managed policies, as some organisations demand it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from costwatch.errors import ConfigError
from infra.runtime import use_node

use_node()
import aws_cdk as cdk  # noqa: E402, importing it starts Node
from aws_cdk import assertions  # noqa: E402, the same
from aws_cdk import aws_iam as iam  # noqa: E402, the same

from infra.compose import PREFIX_CONTEXT  # noqa: E402, imports the CDK library
from infra.role_prefix import apply_prefix, read_prefix  # noqa: E402, the same
from tests.support.synth import ROLE_PREFIX, Synthesized  # noqa: E402

NAMED = {"AWS::IAM::Role": "RoleName", "AWS::IAM::ManagedPolicy": "ManagedPolicyName"}
IAM_NAME = re.compile(r"[\w+=,.@-]{1,64}")
LONGEST = "x" * 30


def names_in(template: Mapping[str, Any]) -> list[str | None]:
    """The name of every role and managed policy; None where CloudFormation makes one up."""
    return [
        resource.get("Properties", {}).get(NAMED[resource["Type"]])
        for resource in template["Resources"].values()
        if resource["Type"] in NAMED
    ]


def two_roles(prefix: str, region: str = "us-east-1") -> list[str]:
    """Names in a stack where a role is added after the prefix was asked for."""
    stack = cdk.Stack(cdk.App(), "Costwatch")
    service = iam.ServicePrincipal("lambda.amazonaws.com")
    iam.Role(stack, "Deadman", assumed_by=service)
    apply_prefix(stack, prefix, region=region)
    iam.Role(stack, "Later", assumed_by=service)
    found = names_in(assertions.Template.from_stack(stack).to_json())
    assert all(isinstance(name, str) for name in found)
    return [str(name) for name in found]


def test_every_role_and_managed_policy_of_the_stack_begins_with_the_prefix(assemblies: dict[str, Synthesized]) -> None:
    found = names_in(assemblies["boundary"].template)
    assert len(found) > 2
    assert len(set(found)) == len(found)
    for name in found:
        assert name is not None
        assert name.startswith(ROLE_PREFIX)
        assert name.endswith("-us-east-1")
        assert IAM_NAME.fullmatch(name)


@pytest.mark.parametrize("configuration", ["observe", "enforce", "large"])
def test_without_a_prefix_nothing_is_named(configuration: str, assemblies: dict[str, Synthesized]) -> None:
    assert set(names_in(assemblies[configuration].template)) == {None}


def test_a_role_that_is_added_later_has_the_prefix_too() -> None:
    assert [name.startswith("ml-") for name in two_roles("ml-")] == [True, True]


def test_the_longest_prefix_leaves_names_that_iam_takes_and_can_tell_apart() -> None:
    found = two_roles(LONGEST, region="ap-southeast-2")
    assert len(set(found)) == 2
    assert all(IAM_NAME.fullmatch(name) and name.startswith(LONGEST) for name in found)


def test_names_are_the_same_at_every_synthesis_and_differ_between_regions() -> None:
    assert two_roles("ml-") == two_roles("ml-")
    assert not set(two_roles("ml-")) & set(two_roles("ml-", region="eu-west-1"))


def test_no_prefix_is_an_empty_one() -> None:
    assert read_prefix(None) == ""


@pytest.mark.parametrize("given", ["a", LONGEST, "Team_A+=,.@-"])
def test_a_prefix_that_names_may_begin_with_is_taken_as_it_is(given: str) -> None:
    assert read_prefix(given) == given


@pytest.mark.parametrize("given", ["", "x" * 31, "with space", "team/", "é", "a\n", 7, {"name": "x"}])
def test_any_other_prefix_is_refused_with_what_was_expected(given: object) -> None:
    with pytest.raises(ConfigError, match=f"context {PREFIX_CONTEXT} is .*expected 1 to 30 characters out of letters"):
        read_prefix(given)
