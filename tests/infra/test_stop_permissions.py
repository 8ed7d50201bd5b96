"""The stop permissions as statements, without CDK. The proofs over evaluated policies are elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch import names
from costwatch.errors import ConfigError
from infra.policy_size import MANAGED_POLICY_CHARACTERS, Statement, policy_characters
from infra.stop_permissions import (
    CANCEL_SPOT,
    DESTRUCTIVE_ACTIONS,
    END_IN_GROUP,
    END_WARM_POOL,
    STOP_AUTOML,
    STOP_PROCESSING,
    STOP_TRAINING,
    STOP_TUNING,
    TERMINATE,
    UPDATE_GROUP,
    stop_statements,
)
from infra.stop_policies import stop_policies
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


@pytest.mark.parametrize(
    ("kind", "actions", "resource"),
    [
        ("training", [STOP_TRAINING, END_WARM_POOL], "training-job"),
        ("processing", [STOP_PROCESSING], "processing-job"),
        ("tuning", [STOP_TUNING], "hyper-parameter-tuning-job"),
        ("automl", [STOP_AUTOML], "automl-job"),
    ],
)
def test_each_kind_of_job_is_stopped_by_its_own_permission_and_no_other(
    kind: str, actions: list[str], resource: str
) -> None:
    statements = statements_of(selector("jobs", service=kind, tags={"Purpose": ["ml"]}, action="stop"))
    (allowed,) = [s for s in statements if s["Effect"] == "Allow"]
    assert (allowed["Action"], allowed["Resource"]) == (actions, [f"arn:aws:sagemaker:*:{ACCOUNT}:{resource}/*"])
    assert allowed["Condition"]["StringEquals"]["aws:ResourceTag/Purpose"] == ["ml"]


def test_a_group_is_emptied_by_its_own_tags_and_its_minimum_lowered_only_where_a_selector_says_so() -> None:
    (hold,) = allowing(UPDATE_GROUP, statements_of(WORKBENCHES))
    assert hold["Action"] == [END_IN_GROUP, UPDATE_GROUP]
    assert hold["Resource"] == [f"arn:aws:autoscaling:*:{ACCOUNT}:autoScalingGroup:*"]
    assert hold["Condition"] == {
        "StringEquals": {
            "aws:ResourceTag/Purpose": ["workbench"],
            "aws:ResourceTag/Team": ["risk", "search"],
            "aws:RequestedRegion": REGIONS,
        },
        "Null": {"autoscaling:MinSize": "true"},
    }
    (lower,) = allowing(UPDATE_GROUP, statements_of(SPOT))
    assert lower["Sid"].startswith("LowerGroup1")
    assert "Null" not in lower["Condition"]


def test_an_update_of_a_group_names_its_two_numbers_and_nothing_else() -> None:
    untouched = [s for s in denying(statements_of(SPOT)) if s["Sid"].startswith("OnlyTheNumbers")]
    assert {action for s in untouched for action in s["Action"]} == {UPDATE_GROUP}
    assert [s["Condition"] for s in untouched] == [
        {"Null": {key: "false"}}
        for key in ("autoscaling:LaunchConfigurationName", "autoscaling:MaxSize", "autoscaling:VPCZoneIdentifiers")
    ]
    assert not [s for s in statements_of(TRAINING) if s["Sid"].startswith("OnlyTheNumbers")]


def test_a_selector_that_stops_instances_may_not_touch_a_group() -> None:
    assert not allowing(UPDATE_GROUP, statements_of(selector("paused", action="stop")))


def test_groups_that_protect_names_are_denied_by_their_arn() -> None:
    protect: list[dict[str, Any]] = [
        {"tags": {}, "asg": name} for name in ("infer-*", "[a-c]-api", "${x}", "b", "c", "d")
    ]
    groups = [s for s in statements_of(SPOT, protect=protect) if s["Sid"].startswith("NamedGroups")]
    prefix = f"arn:aws:autoscaling:*:{ACCOUNT}:autoScalingGroup:*:autoScalingGroupName/"
    assert [s["Resource"] for s in groups] == [
        [prefix + "infer-*", prefix + "${$}{x}", prefix + "b", prefix + "c"],
        [prefix + "d"],
    ]
    assert {(s["Effect"], *s["Action"]) for s in groups} == {("Deny", END_IN_GROUP, UPDATE_GROUP)}


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


# --- selectors that share a statement -------------------------------------------------------------------------


def test_selectors_that_differ_in_the_values_of_one_tag_share_a_statement() -> None:
    one, two = selector("risk", tags={"Team": ["risk"]}), selector("search", tags={"Team": ["search", "ads"]})
    statements = statements_of(one, two)
    (terminate,) = allowing(TERMINATE, statements)
    assert terminate["Sid"] == "Terminate1RiskAnd1More"
    assert terminate["Condition"]["StringEquals"]["aws:ResourceTag/Team"] == ["risk", "search", "ads"]
    assert len(allowing(CANCEL_SPOT, statements)) == 1


def test_selectors_that_differ_in_tag_and_type_do_not() -> None:
    one, two = selector("risk", tags={"Team": ["risk"]}, types=["p4d.*"]), selector("a", tags={"Team": ["a"]})
    types = [s["Condition"].get("StringLike") for s in allowing(TERMINATE, statements_of(one, two))]
    assert types == [{"ec2:InstanceType": ["p4d.*"]}, None]


def test_a_selector_inside_another_one_adds_no_permission() -> None:
    wide, narrow = selector("wide"), selector("narrow", types=["p4d.*"], purchase="spot")
    assert [s.get("Condition") for s in statements_of(narrow, wide)] == [
        s.get("Condition") for s in statements_of(wide)
    ]


def test_protect_entries_that_differ_in_one_tags_values_share_a_denial() -> None:
    protect = [{"tags": {"Environment": [name]}, "asg": None} for name in ("prod", "live")]
    (protected,) = [s for s in denying(statements_of(SPOT, protect=protect)) if s["Sid"].startswith("Protected")]
    assert protected["Condition"] == {"StringEquals": {"aws:ResourceTag/Environment": ["prod", "live"]}}


def test_a_long_list_of_tag_values_is_spread_over_statements_with_names_of_their_own() -> None:
    owners = [f"somebody-{n:05}" for n in range(600)]
    everyone = selector("everyone", tags={"Owner": owners}, purchase="on_demand")
    parts = allowing(TERMINATE, statements_of(everyone))
    assert len(parts) > 1
    assert len({part["Sid"] for part in parts}) == len(parts)
    told = [value for part in parts for value in part["Condition"]["StringEquals"]["aws:ResourceTag/Owner"]]
    assert told == owners
    assert len(stop_policies(policy(everyone), account=ACCOUNT, partition="aws")) > 1


# --- packed into policies -------------------------------------------------------------------------------------


def many(count: int, **changes: Any) -> dict[str, Any]:
    """Selectors that cannot share a statement: each has tag and types of its own."""
    return policy(
        *(
            selector(f"team-{n}", **{"tags": {f"team-{n}": ["yes"]}, "types": ["p5.*", f"g{n}.*"], **changes})
            for n in range(count)
        )
    )


def packed(document: dict[str, Any], account: str = ACCOUNT, partition: str = "aws") -> list[list[Statement]]:
    return stop_policies(document, account=account, partition=partition)


def test_selectors_are_spread_over_policies_that_iam_accepts_and_none_is_lost() -> None:
    document = many(50)
    policies = packed(document)
    assert 1 < len(policies) <= 10
    assert all(policy_characters(statements) <= MANAGED_POLICY_CHARACTERS for statements in policies)
    spread = {s["Sid"]: s for statements in policies for s in statements}
    generated = {s["Sid"]: s for s in stop_statements(document, account=ACCOUNT, partition="aws")}
    assert spread == generated
    assert sum(len(statements) - 1 for statements in policies) == len(generated) - 1  # but for the deny, each once


def test_every_policy_begins_with_the_deny_on_the_never_tag() -> None:
    for document in (policy(TRAINING), many(50)):
        never = {f"aws:ResourceTag/{names.TAG_NEVER}": "false"}
        assert [(p[0]["Effect"], p[0]["Condition"]) for p in packed(document)] == [("Deny", {"Null": never})] * len(
            packed(document)
        )


def test_all_other_denials_stand_in_the_first_policy() -> None:
    first, *others = packed(many(50))
    assert len(denying(first)) > 1
    assert all(len(denying(each)) == 1 for each in others)


def test_policies_are_measured_with_the_longest_partition_and_account() -> None:
    as_packed, as_deployed = packed(many(50), "a", "p"), packed(many(50), ACCOUNT, "aws-us-gov")
    assert [len(p) for p in as_packed] == [len(p) for p in as_deployed]
    fullest = max(policy_characters(p) for p in as_deployed)
    assert MANAGED_POLICY_CHARACTERS * 0.9 < fullest <= MANAGED_POLICY_CHARACTERS  # not one policy a selector


def test_more_selectors_than_a_role_can_hold_are_refused_with_how_many_fit() -> None:
    with pytest.raises(
        ConfigError,
        match=r"150 selectors in enforce need \d+ managed policies, and an IAM role holds 10: the first \d+",
    ) as refused:
        packed(many(150))
    fit = int(str(refused.value).split("the first ")[1].split(" ")[0])
    assert len(packed(many(fit))) == 10
    with pytest.raises(ConfigError, match="an IAM role holds 10"):
        packed(many(fit + 1))


def test_selectors_that_only_observe_do_not_count_among_those_that_fit() -> None:
    document = many(150)
    document["selectors"] = [
        {**s, "mode": "enforce" if n < 20 else "observe"} for n, s in enumerate(document["selectors"])
    ]
    assert len(packed(document)) < 10


def test_one_statement_too_long_for_a_policy_is_refused_by_name() -> None:
    long = selector("everyone", tags={f"{n:03}-{'k' * 120}": ["v" * 100] for n in range(25)})
    with pytest.raises(ConfigError, match=r"Terminate1Everyone takes .* an IAM policy has room for 5,\d{3}"):
        packed(policy(long))


def test_nothing_in_enforce_needs_no_policy_at_all() -> None:
    assert packed(policy(SPOT | {"mode": "warn"})) == []
