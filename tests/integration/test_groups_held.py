"""What holds a group holds all of it and is read first: AWS itself does not look at it before a group's own call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from costwatch.core.model import RunId, RunKind
from costwatch.core.selection import HoldCode
from costwatch.procedures.sweep import sweep
from tests.support import aws_command, policies
from tests.support.builders import ACCOUNT, REGION
from tests.support.fake_groups import FakeGroup, members_of
from tests.support.fakes import Town
from tests.support.groups import acts, alive, held, overdue, town
from tests.support.town import TAGS, later, warn_and_let_the_notice_pass


def _protected(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].protected = True


def _scale_in_protected(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].scale_in_protected = True


def _standby(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].group_state = "Standby"
    group.desired = group.min_size = 7


def _detaching(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].group_state = "Detaching"


def _other_purpose(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].tags["Purpose"] = "inference"


def _run_tag(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].tags["costwatch:run"] = "llm"


def _never_on_one(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].tags["costwatch:never"] = ""


def _group(**changes: Any) -> Callable[[Town, FakeGroup], None]:
    def change(of: Town, group: FakeGroup) -> None:
        del of
        for name, value in changes.items():
            setattr(group, name, value)

    return change


HELD: dict[str, tuple[Callable[[Town, FakeGroup], None], HoldCode, str]] = {
    "termination protection": (_protected, HoldCode.TERMINATION_PROTECTION, "has termination protection"),
    "scale-in protection": (_scale_in_protected, HoldCode.SCALE_IN_PROTECTION, "is protected from scale-in"),
    "standby": (_standby, HoldCode.STANDBY, "exit-standby --auto-scaling-group-name nodes --instance-ids i-"),
    "detaching": (_detaching, HoldCode.UNPROVABLE, "is Detaching in Auto Scaling group nodes"),
    "outside the selector": (_other_purpose, HoldCode.OUTSIDE, "is not picked by selector trainers"),
    "never on an instance": (_never_on_one, HoldCode.NEVER, "carries costwatch:never"),
    "never on the group": (
        _group(tags={**TAGS, "costwatch:never": ""}),
        HoldCode.NEVER,
        "Auto Scaling group nodes carries costwatch:never",
    ),
    "the group untagged": (
        _group(tags={"Name": "nodes"}),
        HoldCode.GROUP_UNTAGGED,
        "aws autoscaling create-or-update-tags --tags ResourceId=nodes,ResourceType=auto-scaling-group,Key=Purpose,"
        "Value=training,PropagateAtLaunch=true",
    ),
    "a cluster's group": (_group(controller="EKS cluster ml"), HoldCode.PARENT, "belongs to EKS cluster ml"),
    "a warm pool": (_group(warm_pool=True), HoldCode.WARM_POOL, "delete-warm-pool --auto-scaling-group-name nodes"),
    "Terminate suspended": (
        _group(suspended={"Terminate"}),
        HoldCode.PROCESS_SUSPENDED,
        "resume-processes --auto-scaling-group-name nodes --scaling-processes Terminate",
    ),
    "several zones": (
        _group(zones=("us-east-1a", "us-east-1b")),
        HoldCode.ZONE_REBALANCE,
        "spans 2 zones and balances them while it shrinks; let selector trainers say `az_rebalance: accept`",
    ),
    "being deleted": (_group(deleting=True), HoldCode.UNPROVABLE, "Auto Scaling group nodes is gone or going"),
}  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_what_holds_any_of_it_holds_the_whole_and_nothing_is_touched(name: str) -> None:
    change, code, reason = HELD[name]
    of = town()
    group = overdue(of)
    change(of, group)
    for _ in range(4):
        warn_and_let_the_notice_pass(of)
    assert held(of)[0] is code
    assert reason in held(of)[1]
    assert ("aws " in held(of)[1]) is bool(aws_command.shown_in(held(of)[1])), "what it says to type can be typed"
    assert (acts(of), len([i for i in members_of(of.world, group) if i.alive])) == ([], 8)


@pytest.mark.parametrize("name", HELD)
def test_what_begins_to_hold_it_after_the_notice_holds_it_all_the_same(name: str) -> None:
    change, _, _ = HELD[name]
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    change(of, group)
    later(of, minutes=32)
    assert (acts(of), len([i for i in members_of(of.world, group) if i.alive])) == ([], 8)


def test_a_run_tag_over_instances_of_a_group_is_held_and_says_that_the_group_is_the_run() -> None:
    of = town()
    group = overdue(of, size=2)
    for instance in alive(of, group):
        instance.tags["costwatch:run"] = "llm"
    warn_and_let_the_notice_pass(of)
    found = of.ledger.record(RunId(ACCOUNT, REGION, RunKind.TAGGED, "llm"))
    assert found is not None
    assert found.hold is not None
    assert "which is the run: leave the tag costwatch:run off its instances" in found.hold.reason
    assert acts(of) == []


def test_one_run_tag_inside_a_group_holds_the_group() -> None:
    of = town()
    group = overdue(of)
    _run_tag(of, group)
    warn_and_let_the_notice_pass(of)
    later(of, minutes=32)
    assert held(of)[0] is HoldCode.OUTSIDE
    assert "the group is the run: leave the tag off" in held(of)[1]
    assert acts(of) == []


def test_a_protect_rule_by_tag_covers_the_group_itself() -> None:
    protect = [{"tags": {"Environment": ["prod"]}, "asg": None}]
    of = Town(policies.policy(selectors=[policies.selector(at_min_size="lower")], protect=protect))
    group = overdue(of)
    group.tags["Environment"] = "prod"
    warn_and_let_the_notice_pass(of)
    assert held(of) == (HoldCode.PROTECT_RULE, held(of)[1])
    assert acts(of) == []


def test_at_its_minimum_size_it_is_held_unless_the_selector_lowers_it() -> None:
    of = town(at_min_size="hold")
    group = overdue(of)
    warn_and_let_the_notice_pass(of)
    assert held(of)[0] is HoldCode.MIN_SIZE
    assert "minimum size of 8" in held(of)[1]
    assert "aws autoscaling update-auto-scaling-group --auto-scaling-group-name nodes --min-size 0" in held(of)[1]
    assert (acts(of), len(alive(of, group))) == ([], 8)


def test_a_minimum_of_nothing_is_no_minimum() -> None:
    of = town(at_min_size="hold")
    overdue(of, min_size=1)
    warn_and_let_the_notice_pass(of)
    assert held(of)[0] is HoldCode.MIN_SIZE


def test_several_zones_are_stopped_where_the_selector_accepts_it_or_aws_does_not_balance() -> None:
    accepting = town(az_rebalance="accept")
    group = overdue(accepting, zones="ab")
    warn_and_let_the_notice_pass(accepting)
    assert alive(accepting, group) == []

    unbalanced = town()
    group = overdue(unbalanced, zones="ab")
    group.suspended.add("AZRebalance")
    warn_and_let_the_notice_pass(unbalanced)
    assert alive(unbalanced, group) == []


def test_a_selector_that_stops_instances_holds_a_group_which_would_replace_them() -> None:
    of = town(action="stop")
    group = overdue(of, spot=None)
    warn_and_let_the_notice_pass(of)
    assert held(of)[0] is HoldCode.GROUP_ACTION
    assert (acts(of), len(alive(of, group))) == ([], 8)
