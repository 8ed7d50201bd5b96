"""While nothing is in enforce, no role may do more than the written list: judged against whole action lists."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest

from costwatch import topology
from tests.infra.allowed_in_observe import ALLOWED_IN_OBSERVE, DESTRUCTIVE
from tests.support.synth import Synthesized, as_list, statements


@cache
def actions_of_all_services() -> frozenset[str]:
    """Every IAM action there is, in lower case, from the list cfn-lint ships."""
    path = Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "Policies.json"
    services = json.loads(path.read_text("utf-8"))
    return frozenset(f"{service}:{action}".lower() for service, body in services.items() for action in body["Actions"])


def expanded(statement: dict[str, Any]) -> frozenset[str]:
    """The actions a statement covers, its wildcards against the whole list. NotAction and NotResource are refused."""
    assert "NotAction" not in statement
    assert "NotResource" not in statement
    covered: set[str] = set()
    for pattern in as_list(statement["Action"]):
        matching = fnmatch.filter(actions_of_all_services(), pattern.lower())
        assert matching, f"{pattern} is no action of any service"
        covered.update(matching)
    return frozenset(covered)


def allowed(assembly: Synthesized) -> Iterator[tuple[str, str]]:
    """(policy, action) of everything that any role is allowed, conditions left aside."""
    for policy, statement in statements(assembly):
        if statement["Effect"] == "Allow":
            for action in expanded(statement):
                yield policy, action


def lower(actions: frozenset[str]) -> frozenset[str]:
    return frozenset(action.lower() for action in actions)


def test_the_action_lists_are_whole() -> None:
    assert len(actions_of_all_services()) > 15_000
    assert lower(ALLOWED_IN_OBSERVE | DESTRUCTIVE) <= actions_of_all_services()


def test_no_role_is_allowed_anything_outside_the_written_list(observe: Synthesized) -> None:
    outside = {(policy, action) for policy, action in allowed(observe) if action not in lower(ALLOWED_IN_OBSERVE)}
    assert outside == set()


def test_no_managed_policy_exists_and_nothing_destructive_is_even_mentioned(observe: Synthesized) -> None:
    assert not observe.of_type("AWS::IAM::ManagedPolicy")
    text = json.dumps(observe.template).lower()
    assert [action for action in sorted(lower(DESTRUCTIVE)) if action in text] == []


def test_the_written_list_holds_nothing_that_no_role_needs(assemblies: dict[str, Synthesized]) -> None:
    granted = {action for name in ("observe", "enforce", "models") for _, action in allowed(assemblies[name])}
    assert lower(ALLOWED_IN_OBSERVE) <= granted


def test_in_enforce_only_the_destructive_actions_come_on_top_and_only_for_functions_that_stop(
    enforce: Synthesized,
) -> None:
    on_top = {(policy, action) for policy, action in allowed(enforce) if action not in lower(ALLOWED_IN_OBSERVE)}
    assert {action for _, action in on_top} == lower(DESTRUCTIVE)
    stop_policies = enforce.of_type("AWS::IAM::ManagedPolicy")
    assert {policy for policy, _ in on_top} <= set(stop_policies)
    stopping = {f.handler for f in topology.FUNCTIONS if f.stops_runs}
    roles = {
        function["Properties"]["Role"]["Fn::GetAtt"][0]
        for function in enforce.of_type("AWS::Lambda::Function").values()
        if function["Properties"]["Handler"] in stopping
    }
    for policy in stop_policies.values():
        assert {role["Ref"] for role in policy["Properties"]["Roles"]} == roles


@pytest.mark.parametrize("pattern", ["ec2:*", "ec2:Terminate*", "*"])
def test_a_wildcard_that_covers_a_destructive_action_would_be_seen(pattern: str) -> None:
    assert expanded({"Action": pattern}) & lower(DESTRUCTIVE)
