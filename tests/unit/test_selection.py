"""Which selector picks a run, and what stands in the way of ever stopping it."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch.core.model import Member, Parent, Run, RunKind
from costwatch.core.policy import Policy, PurchaseOption, Service
from costwatch.core.selection import HoldCode, Selection, select
from tests.support import policies
from tests.support.builders import TAGGED, family, job, member, run, spot_request

ASG = Parent(RunKind.ASG, "trainers-a", "Auto Scaling group trainers-a")


def policy(*selectors: dict[str, Any], **changes: Any) -> Policy:
    return policies.policy(selectors=list(selectors) or [policies.selector()], **changes)


def picked(of: Run, by: Policy) -> str | None:
    found = select(of, by).selector
    return found.name if found else None


def codes(found: Selection) -> list[HoldCode]:
    return [blocker.code for blocker in found.blockers]


def tagged_run(*members: Member) -> Run:
    return run(*members, kind=RunKind.TAGGED, name="churn")


def test_a_run_that_no_selector_picks_has_no_selector_and_no_blockers() -> None:
    assert select(run(member(tags={"Purpose": "web"})), policy()) == Selection(None, ())


def test_the_first_selector_that_matches_wins() -> None:
    by = policy(policies.selector("first"), policies.selector("second"))
    assert picked(run(), by) == "first"


def test_all_tag_keys_must_match_and_each_takes_any_of_its_values() -> None:
    by = policy(policies.selector(tags={"Purpose": ["training", "tuning"], "Stage": ["dev"]}))
    assert picked(run(member(tags={"Purpose": "tuning", "Stage": "dev"})), by) == "trainers"
    assert picked(run(member(tags={"Purpose": "tuning"})), by) is None
    assert picked(run(member(tags={"Purpose": "tuning", "Stage": "prod"})), by) is None
    assert picked(run(member(tags={"purpose": "tuning", "Stage": "dev"})), by) is None, "tag keys are case-sensitive"


@pytest.mark.parametrize(
    ("instance_type", "expected"),
    [("p4d.24xlarge", "trainers"), ("p4de.24xlarge", None), ("p5.48xlarge", "trainers"), ("xp4d.24xlarge", None)],
)
def test_a_type_wildcard_matches_the_whole_type(instance_type: str, expected: str | None) -> None:
    by = policy(policies.selector(types=["p4d.*", "p5.*"]))
    assert picked(run(member(instance_type=instance_type)), by) == expected


def test_an_unknown_type_is_not_picked_by_a_selector_that_names_types() -> None:
    assert picked(run(member(capacity=())), policy(policies.selector(types=["p4d.*"]))) is None


def test_a_cluster_is_picked_only_when_all_its_types_match() -> None:
    by = policy(policies.selector(service="training", types=["ml.p4d.*"]))
    mixed = job(capacity=(("ml.p4d.24xlarge", 2), ("ml.m5.large", 1)))
    assert picked(run(mixed), by) is None
    assert picked(run(job()), by) == "trainers"


def test_an_ec2_selector_picks_no_training_job_and_the_other_way_round() -> None:
    assert picked(run(job()), policy()) is None
    assert picked(run(), policy(policies.selector(service="training"))) is None


@pytest.mark.parametrize(
    ("purchase", "wanted", "expected"),
    [
        ("spot", "spot", "trainers"),
        ("on_demand", "spot", None),
        ("on_demand", None, "trainers"),
        ("spot", None, "trainers"),
        ("capacity_block", None, None),
        ("capacity_block", "on_demand", None),
        ("capacity_block", "capacity_block", "trainers"),
    ],
)
def test_prepaid_capacity_is_picked_only_by_a_selector_that_names_it(
    purchase: str, wanted: str | None, expected: str | None
) -> None:
    by = policy(policies.selector(purchase=wanted))
    assert picked(run(member(purchase=PurchaseOption(purchase))), by) == expected


def test_a_protect_rule_beats_the_selector() -> None:
    by = policy(protect=[{"tags": {"Environment": ["prod"]}, "asg": None}])
    found = select(run(member(tags={**TAGGED, "Environment": "prod"})), by)
    assert codes(found) == [HoldCode.PROTECT_RULE]
    assert found.blockers[0].reason == "i-0a is protected (protect: tag Environment=prod)"
    assert codes(select(run(member(tags={**TAGGED, "Environment": "dev"})), by)) == []


def test_a_protect_rule_over_group_names_covers_the_members_of_such_a_group() -> None:
    by = policy(protect=[{"tags": {}, "asg": "trainers-*"}])
    assert codes(select(run(member(parent=ASG)), by))[0] is HoldCode.PROTECT_RULE
    other = Parent(RunKind.ASG, "batch", "Auto Scaling group batch")
    assert codes(select(run(member(parent=other)), by)) == [HoldCode.PARENT]


def test_an_empty_group_wildcard_rule_does_not_cover_what_has_no_group() -> None:
    assert codes(select(run(), policy(protect=[{"tags": {}, "asg": "*"}]))) == []


def test_one_protected_member_holds_the_whole_run() -> None:
    by = policy(protect=[{"tags": {"Environment": ["prod"]}, "asg": None}])
    found = select(tagged_run(member("i-1"), member("i-2", tags={**TAGGED, "Environment": "prod"})), by)
    assert codes(found) == [HoldCode.PROTECT_RULE]
    assert "i-2" in found.blockers[0].reason


@pytest.mark.parametrize("value", ["", "true", "false", "no"])
def test_the_never_tag_holds_whatever_its_value(value: str) -> None:
    assert codes(select(run(member(tags={**TAGGED, "costwatch:never": value})), policy())) == [HoldCode.NEVER]


@pytest.mark.parametrize("kind", [RunKind.ASG, RunKind.FLEET, RunKind.CLUSTER])
def test_what_belongs_to_a_group_is_held_and_the_group_is_named(kind: RunKind) -> None:
    found = select(run(member(parent=Parent(kind, "x", "group x"))), policy())
    assert codes(found) == [HoldCode.PARENT]
    assert "group x" in found.blockers[0].reason


def test_one_member_of_a_group_holds_a_tagged_run() -> None:
    assert codes(select(tagged_run(member("i-1"), member("i-2", parent=ASG)), policy())) == [HoldCode.PARENT]


@pytest.mark.parametrize("kind", [RunKind.TUNING, RunKind.AUTOML])
def test_of_a_job_with_children_only_the_job_is_matched(kind: RunKind) -> None:
    by = policy(policies.selector("training", service="training"), policies.selector("heads", service=kind.value))
    found = select(family(kind), by)
    assert found.selector is not None
    assert (found.selector.name, codes(found)) == ("heads", [])


@pytest.mark.parametrize("kind", [RunKind.TUNING, RunKind.AUTOML])
def test_a_selector_of_training_jobs_picks_no_child(kind: RunKind) -> None:
    assert select(family(kind), policy(policies.selector(service="training"))) == Selection(None, ())


def test_the_types_of_a_tuning_job_are_those_its_definition_names() -> None:
    def picked(*types: str) -> bool:
        by = policy(policies.selector(service="tuning", types=["ml.p4d.*"]))
        return select(family(RunKind.TUNING, types=types), by).selector is not None

    assert picked("ml.p4d.24xlarge")
    assert not picked("ml.p4d.24xlarge", "ml.g5.xlarge")
    assert not picked()


def test_the_never_tag_on_the_tuning_job_holds_and_one_on_a_child_is_not_looked_at() -> None:
    by = policy(policies.selector(service="tuning"))
    assert codes(select(family(RunKind.TUNING, tags={**TAGGED, "costwatch:never": ""}), by)) == [HoldCode.NEVER]
    assert codes(select(family(RunKind.TUNING, child_tags={"costwatch:never": ""}), by)) == []


def test_a_tuning_job_that_could_not_be_read_holds_its_children() -> None:
    found = select(family(RunKind.TUNING, tags=None), policy(policies.selector(service="tuning")))
    assert codes(found) == [HoldCode.UNPROVABLE]
    assert found.blockers[0].reason == "the tags of search could not be read"


def test_a_monitoring_schedules_job_is_held_and_the_schedule_is_named() -> None:
    schedule = Parent(RunKind.SCHEDULE, "quality", "monitoring schedule quality")
    found = select(
        run(job(service=Service.PROCESSING, parent=schedule), kind=RunKind.SCHEDULE, name="quality"),
        policy(policies.selector(service="processing")),
    )
    assert codes(found) == [HoldCode.PARENT]
    assert "monitoring schedule quality" in found.blockers[0].reason


def test_one_member_outside_the_selector_holds_the_run() -> None:
    found = select(tagged_run(member("i-1"), member("i-2", tags={})), policy())
    assert codes(found) == [HoldCode.OUTSIDE]
    assert found.blockers[0].reason == "its member i-2 is not picked by selector trainers"


def test_members_of_two_selectors_hold_the_run_under_the_first() -> None:
    by = policy(policies.selector("p4d", types=["p4d.*"]), policies.selector("p5", types=["p5.*"]))
    found = select(tagged_run(member("i-1", instance_type="p5.48xlarge"), member("i-2")), by)
    assert found.selector is not None
    assert found.selector.name == "p4d"
    assert codes(found) == [HoldCode.OUTSIDE]


def test_unreadable_tags_hold_the_run_and_never_hide_it() -> None:
    found = select(run(member(tags=None)), policy())
    assert found.selector is not None
    assert codes(found) == [HoldCode.UNPROVABLE]


def test_termination_protection_holds() -> None:
    assert codes(select(run(member(termination_protection=True)), policy())) == [HoldCode.TERMINATION_PROTECTION]
    assert codes(select(run(member(termination_protection=False)), policy())) == []


# --- spot requests --------------------------------------------------------------------------------------------


def spot(**changes: Any) -> Run:
    return run(member(purchase=PurchaseOption.SPOT, spot_request_id="sir-1", spot_request=spot_request(**changes)))


def test_a_spot_request_with_the_selectors_tag_is_in_nobodys_way() -> None:
    assert codes(select(spot(), policy())) == []


def test_an_untagged_persistent_request_holds_with_the_command_that_tags_it() -> None:
    found = select(spot(tags={}), policy())
    assert codes(found) == [HoldCode.SPOT_REQUEST_UNTAGGED]
    command = "aws ec2 create-tags --resources sir-1 --tags Key=Purpose,Value=training"
    assert found.blockers[0].reason.endswith(command)


@pytest.mark.parametrize(
    "harmless", [{"type": "one-time"}, {"state": "cancelled"}, {"state": "closed"}, {"state": "failed"}]
)
def test_a_request_that_relaunches_nothing_needs_no_tag(harmless: dict[str, str]) -> None:
    assert codes(select(spot(tags={}, **harmless), policy())) == []


def test_a_never_tag_on_the_request_holds() -> None:
    assert codes(select(spot(tags={**TAGGED, "costwatch:never": ""}), policy())) == [HoldCode.NEVER]


def test_a_request_that_could_not_be_read_holds_what_was_read_afresh() -> None:
    unread = member(purchase=PurchaseOption.SPOT, spot_request_id="sir-1")
    assert codes(select(run(unread), policy())) == [HoldCode.UNPROVABLE]
    assert codes(select(run(unread, fresh=False), policy())) == [], "a listing does not read requests"


def test_what_held_for_good_voids_a_notice_and_what_held_for_a_moment_does_not() -> None:
    passing = {
        HoldCode.CAP,
        HoldCode.MASS_SILENCE,
        HoldCode.UNDELIVERED,
        HoldCode.UNPROVABLE,
        HoldCode.SPOT_REQUEST_UNTAGGED,
        HoldCode.GROUP_UNTAGGED,
    }
    assert {code for code in HoldCode if not code.voids_notice} == passing
