"""The stop permissions as statements, without CDK. The proofs over evaluated policies are elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch import names
from costwatch.errors import ConfigError
from infra.stop_permissions import (
    CANCEL_SPOT,
    DESTRUCTIVE_ACTIONS,
    MANAGED_POLICY_CHARACTERS,
    STOP_TRAINING,
    TERMINATE,
    Statement,
    policy_characters,
    stop_policies,
    stop_statements,
)
from tests.infra.documents import REGIONS, SPOT, TRAINING, WORKBENCHES, policy, selector

ACCOUNT = "111122223333"


def statements_of(*selectors: dict[str, Any], **changes: Any) -> list[Statement]:
    return stop_statements(policy(*selectors, **changes), account=ACCOUNT, partition="aws")


def allowing(action: str, statements: list[Statement]) -> list[Statement]:
    return [s for s in statements if s["Effect"] == "Allow" and action in s["Action"]]


def denying(statements: list[Statement]) -> list[Statement]:
    return [s for s in statements if s["Effect"] == "Deny"]


@pytest.mark.parametrize("mode", ["off", "observe", "warn"])
def test_nothing_is_allowed_while_no_selector_is_in_enforce(mode: str) -> None:
    assert statements_of(SPOT | {"mode": mode}, TRAINING | {"mode": mode}) == []


def test_nothing_is_allowed_when_the_switch_is_off_though_a_selector_says_enforce() -> None:
    assert statements_of(SPOT, mode="off") == []


def test_a_selector_that_only_observes_adds_nothing_beside_one_that_enforces() -> None:
    assert statements_of(SPOT, WORKBENCHES | {"mode": "observe"}) == statements_of(SPOT)


def test_terminating_is_bound_to_tag_type_market_region_and_account() -> None:
    (terminate,) = allowing(TERMINATE, statements_of(SPOT))
    assert terminate["Resource"] == [f"arn:aws:ec2:*:{ACCOUNT}:instance/*"]
    assert terminate["Condition"] == {
        "StringEquals": {
            "aws:ResourceTag/Purpose": ["transient-ml-training"],
            "aws:RequestedRegion": REGIONS,
            "ec2:InstanceMarketType": ["spot"],
        },
        "StringLike": {"ec2:InstanceType": ["p4d.*", "p5.*"]},
    }


def test_cancelling_a_spot_request_is_bound_to_the_tags_of_the_request() -> None:
    (cancel,) = allowing(CANCEL_SPOT, statements_of(SPOT))
    assert cancel["Resource"] == [f"arn:aws:ec2:*:{ACCOUNT}:spot-instances-request/*"]
    # The market and the type belong to instances: on a request they would never match.
    assert cancel["Condition"] == {
        "StringEquals": {"aws:ResourceTag/Purpose": ["transient-ml-training"], "aws:RequestedRegion": REGIONS}
    }


def test_stopping_a_training_job_is_bound_to_its_tags() -> None:
    statements = statements_of(TRAINING)
    (stop,) = allowing(STOP_TRAINING, statements)
    assert stop["Resource"] == [f"arn:aws:sagemaker:*:{ACCOUNT}:training-job/*"]
    assert stop["Condition"] == {
        "StringEquals": {"aws:ResourceTag/costwatch": ["watched"], "aws:RequestedRegion": REGIONS}
    }
    assert not allowing(TERMINATE, statements)
    assert not allowing(CANCEL_SPOT, statements)


def test_all_tags_of_a_selector_must_match_each_with_one_of_its_values() -> None:
    (terminate,) = allowing(TERMINATE, statements_of(WORKBENCHES))
    equals = terminate["Condition"]["StringEquals"]
    assert equals["aws:ResourceTag/Purpose"] == ["workbench"]
    assert equals["aws:ResourceTag/Team"] == ["risk", "search"]


@pytest.mark.parametrize(
    ("purchase", "markets", "cancels"),
    [
        (None, ["on-demand", "spot"], True),
        ("on_demand", ["on-demand"], False),
        ("spot", ["spot"], True),
        ("capacity_block", ["capacity-block"], False),
    ],
)
def test_the_market_is_the_selectors_and_prepaid_capacity_only_where_it_is_named(
    purchase: str | None, markets: list[str], cancels: bool
) -> None:
    statements = statements_of(selector("trainers", purchase=purchase))
    (terminate,) = allowing(TERMINATE, statements)
    assert terminate["Condition"]["StringEquals"]["ec2:InstanceMarketType"] == markets
    assert bool(allowing(CANCEL_SPOT, statements)) is cancels


def test_without_types_the_instance_type_is_no_condition() -> None:
    (terminate,) = allowing(TERMINATE, statements_of(WORKBENCHES))
    assert "StringLike" not in terminate["Condition"]


def test_every_destructive_action_is_denied_on_whatever_carries_the_never_tag() -> None:
    never = denying(statements_of(TRAINING))[0]
    assert set(never["Action"]) == set(DESTRUCTIVE_ACTIONS)
    assert never["Resource"] == ["*"]
    assert never["Condition"] == {"Null": {f"aws:ResourceTag/{names.TAG_NEVER}": "false"}}


def test_every_destructive_action_is_denied_on_what_protect_names_by_tag() -> None:
    protect = [{"tags": {"Environment": ["prod", "live"], "Tier": ["1"]}, "asg": None}, {"tags": {}, "asg": "infer-*"}]
    protected = [s for s in denying(statements_of(SPOT, protect=protect)) if s["Sid"].startswith("Protected")]
    assert [s["Condition"] for s in protected] == [
        {"StringEquals": {"aws:ResourceTag/Environment": ["prod", "live"], "aws:ResourceTag/Tier": ["1"]}}
    ]
    assert set(protected[0]["Action"]) == set(DESTRUCTIVE_ACTIONS)


@pytest.mark.parametrize("tag", [names.TAG_ASG, names.TAG_EC2_FLEET, names.TAG_SPOT_FLEET])
def test_terminating_what_a_group_or_fleet_owns_is_denied(tag: str) -> None:
    conditions = [s["Condition"] for s in denying(statements_of(SPOT)) if TERMINATE in s["Action"]]
    assert {"Null": {f"aws:ResourceTag/{tag}": "false"}} in conditions


def test_a_dollar_in_a_tag_value_is_no_policy_variable() -> None:
    (terminate,) = allowing(TERMINATE, statements_of(selector("odd", tags={"Owner": ["${aws:username}"]})))
    assert terminate["Condition"]["StringEquals"]["aws:ResourceTag/Owner"] == ["${$}{aws:username}"]


def test_an_enforcing_selector_without_a_tag_is_refused() -> None:
    with pytest.raises(ConfigError, match="'bare' is in enforce and names no tag"):
        statements_of(selector("bare", tags={}))


def test_statement_ids_are_letters_and_digits_and_unlike_each_other() -> None:
    sids = [s["Sid"] for s in statements_of(selector("team a/b"), selector("team a-b"), selector("日本"), TRAINING)]
    assert len(set(sids)) == len(sids)
    assert all(sid.isascii() and sid.isalnum() for sid in sids)


def many(count: int, **changes: Any) -> dict[str, Any]:
    return policy(*(selector(f"team-{n}", tags={"Team": [f"team-{n}"]}, **changes) for n in range(count)))


def test_fifty_selectors_are_spread_over_policies_that_iam_accepts() -> None:
    document = many(50, types=["p4d.*", "p5.*", "g5.*"])
    packed = stop_policies(document, account=ACCOUNT, partition="aws")
    assert 1 < len(packed) <= 10
    assert all(policy_characters(statements) <= MANAGED_POLICY_CHARACTERS for statements in packed)
    unpacked = [statement for statements in packed for statement in statements]
    assert unpacked == stop_statements(document, account=ACCOUNT, partition="aws")


def test_policies_are_measured_with_the_longest_partition_and_account() -> None:
    document = many(50)
    packed = stop_policies(document, account="a", partition="p")
    as_deployed = stop_policies(document, account=ACCOUNT, partition="aws-us-gov")
    assert [len(p) for p in packed] == [len(p) for p in as_deployed]
    assert max(policy_characters(p) for p in as_deployed) <= MANAGED_POLICY_CHARACTERS
    fullest = max(policy_characters(p) for p in as_deployed)
    assert fullest > MANAGED_POLICY_CHARACTERS * 0.9  # greedy, not one policy a selector


def test_more_selectors_than_a_role_can_hold_are_refused_at_synth() -> None:
    with pytest.raises(
        ConfigError, match=r"300 selectors in enforce need \d+ managed policies, and an IAM role holds 10"
    ):
        stop_policies(many(300), account=ACCOUNT, partition="aws")


def test_one_selector_too_long_for_a_policy_is_refused_by_name() -> None:
    long = selector("everyone", tags={"Owner": [f"somebody-{n:05}" for n in range(600)]})
    with pytest.raises(ConfigError, match=r"Terminate1Everyone takes .* an IAM policy holds 6,144"):
        stop_policies(policy(long), account=ACCOUNT, partition="aws")


def test_nothing_in_enforce_needs_no_policy_at_all() -> None:
    assert stop_policies(policy(SPOT | {"mode": "warn"}), account=ACCOUNT, partition="aws") == []
