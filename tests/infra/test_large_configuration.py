"""50 selectors in enforce and 40 teams: the stack synthesizes, and no document in it outgrows its service.

The tests over every assembly (cdk-nag, cfn-lint, environments, IAM's limits) judge this one too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from costwatch import names
from costwatch.config.loader import Loaded
from costwatch.core.policy import Mode, Policy
from infra.asset import build_asset
from tests.infra.test_iam_proofs import DESTRUCTIVE, generated, prove, role
from tests.support.iam import Verdict
from tests.support.large import REGIONS, SELECTORS, TEAMS, load_large
from tests.support.synth import Synthesized, as_list, filled_in, statements, synthesize
from tests.support.template_roles import policy_characters

LARGEST_PARAMETER_CHARACTERS = 4_096  # SSM, standard tier
LARGEST_EVENT_PATTERN_CHARACTERS = 2_048  # EventBridge
LARGEST_TEMPLATE_BYTES = 1_000_000  # CloudFormation, from S3
LARGEST_MANAGED_POLICY_CHARACTERS = 6_144
MOST_MANAGED_POLICIES = 10


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load_large(tmp_path_factory.mktemp("large"))


def test_the_file_is_valid_and_nothing_in_it_is_warned_about(loaded: Loaded) -> None:
    policy = Policy.from_document(loaded.policy_document)
    assert loaded.warnings == ()
    assert (len(policy.selectors), len(policy.slack.team_channels)) == (SELECTORS, TEAMS)
    assert {selector.mode for selector in policy.selectors} == {Mode.ENFORCE}
    assert len({tuple(sorted(selector.tags.items())) for selector in policy.selectors}) == SELECTORS
    assert {s.purchase for s in policy.selectors if s.service.value == "ec2"} >= {"spot", "on_demand", "capacity_block"}


def test_the_stop_permissions_take_few_policies_each_within_iams_limit_as_it_is_deployed(large: Synthesized) -> None:
    managed = [filled_in(p["Properties"]["PolicyDocument"]) for p in large.of_type("AWS::IAM::ManagedPolicy").values()]
    assert 1 < len(managed) <= MOST_MANAGED_POLICIES
    assert max(map(policy_characters, managed)) <= LARGEST_MANAGED_POLICY_CHARACTERS


def test_every_stop_policy_carries_the_deny_on_the_never_tag_for_every_action_that_stops(large: Synthesized) -> None:
    for policy in large.of_type("AWS::IAM::ManagedPolicy").values():
        never = policy["Properties"]["PolicyDocument"]["Statement"][0]
        assert (never["Effect"], never["Resource"]) == ("Deny", "*")
        assert set(never["Action"]) == set(DESTRUCTIVE)
        assert never["Condition"] == {"Null": {f"aws:ResourceTag/{names.TAG_NEVER}": "false"}}


def test_later_stop_policies_wait_for_the_first_which_holds_the_denials(large: Synthesized) -> None:
    first, *others = large.of_type("AWS::IAM::ManagedPolicy").items()
    assert len([s for s in first[1]["Properties"]["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]) > 1
    assert all(first[0] in other[1]["DependsOn"] for other in others)


def test_each_selector_may_stop_what_it_picks_and_nothing_that_differs_in_one_respect(
    large: Synthesized, loaded: Loaded
) -> None:
    held = role(large.template, "deadman").statements
    counts = prove(held, loaded.policy_document["policy"]["selectors"])
    assert counts[Verdict.ALLOWED] > 2 * SELECTORS


def test_the_template_holds_what_is_generated_from_the_policy(large: Synthesized, loaded: Loaded) -> None:
    held = {s.sid for s in role(large.template, "deadman").statements if set(s.actions) <= set(DESTRUCTIVE)}
    assert held == {s.sid for s in generated(loaded.policy_document["policy"])}


def test_in_observe_the_same_file_makes_no_permission_to_stop(loaded: Loaded, tmp_path: Path) -> None:
    body: dict[str, Any] = loaded.policy_document["policy"]
    observing = {**body, "selectors": [{**selector, "mode": "observe"} for selector in body["selectors"]]}
    (tmp_path / "asset").mkdir()
    made = synthesize(tmp_path / "out", {**loaded.policy_document, "policy": observing}, asset=tmp_path / "asset")
    assert not made.of_type("AWS::IAM::ManagedPolicy")
    assert not {action for _, s in statements(made) for action in as_list(s["Action"])} & set(DESTRUCTIVE)


def test_the_configuration_travels_as_a_file_in_the_asset_and_not_in_any_environment(
    large: Synthesized, loaded: Loaded
) -> None:
    staged = build_asset(loaded.policy_document, say=lambda _: None)
    assert json.loads((staged / names.POLICY_FILE).read_text("utf-8")) == loaded.policy_document
    for function in large.of_type("AWS::Lambda::Function").values():
        told = json.dumps(function["Properties"]["Environment"])
        assert "team-" not in told
        assert len(told) < 2_048  # half of what Lambda takes, and no longer than with a single selector


def test_what_else_has_a_limit_stays_far_from_it(large: Synthesized) -> None:
    parameter = large.only("AWS::SSM::Parameter")
    assert len(filled_in(parameter["Value"])) <= LARGEST_PARAMETER_CHARACTERS // 2
    patterns = [r["Properties"].get("EventPattern", {}) for r in large.of_type("AWS::Events::Rule").values()]
    assert max(len(json.dumps(pattern)) for pattern in patterns) <= LARGEST_EVENT_PATTERN_CHARACTERS // 2
    template = large.directory / "Costwatch.template.json"
    assert template.stat().st_size < LARGEST_TEMPLATE_BYTES // 2


def test_it_is_deployed_for_all_of_its_regions(large: Synthesized) -> None:
    for _, statement in statements(large):
        if "aws:RequestedRegion" in statement.get("Condition", {}).get("StringEquals", {}):
            assert statement["Condition"]["StringEquals"]["aws:RequestedRegion"] == list(REGIONS)
