"""Auto Scaling as the adapter shows it: its groups end what is protected and replace what is missing, as AWS's do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from costwatch.adapters.autoscaling import AutoScaling
from costwatch.adapters.ec2 import Ec2
from costwatch.core.group import Capacity, GroupMember
from costwatch.core.model import Parent, RunKind
from costwatch.errors import PermanentAwsError, TransientAwsError
from demo.embedded import Fleet, World
from demo.embedded.autoscaling_like_aws import Group
from tests.contract.conftest import Clients
from tests.support.builders import HOUR, NOW, REGION

TAGS = {"Purpose": "training"}


@pytest.fixture
def autoscaling(clients: Clients, world: World) -> AutoScaling:
    del world
    return AutoScaling(clients("autoscaling"), region=REGION)


@pytest.fixture
def ec2(clients: Clients, world: World) -> Ec2:
    del world
    return Ec2(clients("ec2"), region=REGION)


@pytest.fixture
def nodes(fleet: Fleet) -> Group:
    return fleet.group("nodes", size=4, zones="ab", tags=TAGS, launched_at=NOW - HOUR)


def living(ec2: Ec2) -> list[str]:
    return sorted(member.id for member in ec2.instances())


def a_moment_later(world: World) -> None:
    later = world.clock() + timedelta(seconds=30)
    world.clock = lambda: later


# --- what is read -----------------------------------------------------------------------------------------------


def test_a_group_that_is_not_there_is_none(autoscaling: AutoScaling, nodes: Group) -> None:
    assert autoscaling.group("node") is None
    assert autoscaling.newest_activity("node") is None
    assert nodes.name == "nodes"


def test_a_group_shows_its_numbers_zones_tags_and_every_instance(autoscaling: AutoScaling, nodes: Group) -> None:
    found = autoscaling.group("nodes")
    assert found is not None
    assert (found.capacity, found.max_size) == (Capacity(4, 4), 4)
    assert (found.zones, found.tags) == (("us-east-1a", "us-east-1b"), TAGS)
    assert found.members == tuple(GroupMember(i, "InService", False) for i in sorted(nodes.members))
    assert (found.suspended, found.warm_pool, found.deleting, found.controller) == (frozenset(), False, False, "")


def test_it_shows_what_would_hinder_or_undo_a_stop(autoscaling: AutoScaling, nodes: Group) -> None:
    first, second, *_ = sorted(nodes.members)
    nodes.members[first].protected = True
    nodes.members[second].lifecycle = "Standby"
    nodes.suspended |= {"Terminate", "AZRebalance"}
    nodes.warm_pool = True
    found = autoscaling.group("nodes")
    assert found is not None
    assert [m.id for m in found.members if m.protected] == [first]
    assert [m.id for m in found.members if not m.serving] == [second]
    assert found.suspended == {"Terminate", "AZRebalance"}
    assert found.warm_pool


@pytest.mark.parametrize(
    ("tags", "operator", "owner"),
    [
        ({"eks:cluster-name": "ml"}, "", "EKS cluster ml"),
        ({"kubernetes.io/cluster/ml": "owned"}, "", "Kubernetes cluster ml"),
        ({"AWSBatchServiceTag": "batch"}, "", "Batch compute environment batch"),
        ({"parallelcluster:cluster-name": "hpc"}, "", "ParallelCluster hpc"),
        ({"aws:elasticmapreduce:job-flow-id": "j-1"}, "", "EMR cluster j-1"),
        ({"sagemaker:cluster-name": "pod"}, "", "HyperPod cluster pod"),
        ({}, "eks.amazonaws.com", "managed operator eks.amazonaws.com"),
    ],
)
def test_a_group_names_who_directs_it(
    autoscaling: AutoScaling, nodes: Group, tags: dict[str, str], operator: str, owner: str
) -> None:
    nodes.tags.update(tags)
    nodes.operator = operator
    found = autoscaling.group("nodes")
    assert found is not None
    assert found.controller == owner


def test_its_instances_belong_to_the_group_and_those_of_a_cluster_to_the_cluster(ec2: Ec2, fleet: Fleet) -> None:
    fleet.group("nodes", size=1, tags=TAGS)
    fleet.group("eks-nodes", size=1, tags={**TAGS, "eks:cluster-name": "ml"})
    fleet.instance(tags={"aws:autoscaling:groupName": "mixed", "aws:ec2:fleet-id": "fleet-1"})
    assert {member.parent for member in ec2.instances()} == {
        Parent(RunKind.ASG, "nodes", "Auto Scaling group nodes"),
        Parent(RunKind.ASG, "mixed", "Auto Scaling group mixed"),
        Parent(RunKind.CLUSTER, "ml", "EKS cluster ml"),
    }


# --- what is done -----------------------------------------------------------------------------------------------


def test_numbers_are_set_in_one_call_and_the_maximum_stays(autoscaling: AutoScaling, nodes: Group) -> None:
    autoscaling.set_capacity("nodes", Capacity(0, 0), min_size=True)
    assert (nodes.min_size, nodes.desired, nodes.max_size) == (0, 0, 4)
    autoscaling.set_capacity("nodes", Capacity(4, 4), min_size=True)
    assert (nodes.min_size, nodes.desired, nodes.max_size) == (4, 4, 4)


def test_without_the_minimum_the_request_does_not_name_it(autoscaling: AutoScaling, nodes: Group) -> None:
    nodes.min_size = 1
    autoscaling.set_capacity("nodes", Capacity(0, 2), min_size=False)
    assert (nodes.min_size, nodes.desired) == (1, 2)


def test_a_capacity_below_the_minimum_is_refused_for_good(autoscaling: AutoScaling, nodes: Group) -> None:
    with pytest.raises(PermanentAwsError, match="autoscaling:UpdateAutoScalingGroup: ValidationError"):
        autoscaling.set_capacity("nodes", Capacity(0, 0), min_size=False)
    assert nodes.desired == 4


def test_ending_instances_leaves_the_desired_capacity_at_its_number(
    autoscaling: AutoScaling, ec2: Ec2, nodes: Group
) -> None:
    ids = sorted(nodes.members)
    autoscaling.set_capacity("nodes", Capacity(0, 0), min_size=True)
    autoscaling.terminate("nodes", ids)
    assert living(ec2) == []
    assert nodes.desired == 0
    newest = autoscaling.newest_activity("nodes")
    assert newest is not None
    assert newest.description == f"Terminating EC2 instance: {ids[-1]}"
    assert "user request" in newest.cause


def test_an_id_that_the_group_does_not_have_is_refused(autoscaling: AutoScaling, ec2: Ec2, nodes: Group) -> None:
    with pytest.raises(PermanentAwsError, match="ValidationError"):
        autoscaling.terminate("nodes", [*sorted(nodes.members), "i-0123456789abcdef0"])
    assert len(living(ec2)) == 4


@pytest.mark.parametrize("code", ["ScalingActivityInProgress", "ResourceContention", "Throttling"])
def test_what_passes_may_be_tried_again(autoscaling: AutoScaling, world: World, nodes: Group, code: str) -> None:
    world.faults.fail("autoscaling", "UpdateAutoScalingGroup", code)
    with pytest.raises(TransientAwsError, match=code):
        autoscaling.set_capacity("nodes", Capacity(0, 0), min_size=True)
    assert nodes.desired == 4


# --- the embedded group behaves as AWS does where moto does the opposite ------------------------------------------


def test_the_groups_own_call_ends_protected_instances_without_a_word(
    autoscaling: AutoScaling, ec2: Ec2, fleet: Fleet, nodes: Group
) -> None:
    first, second, *_ = sorted(nodes.members)
    fleet.protect(first)
    nodes.members[second].protected = True
    autoscaling.set_capacity("nodes", Capacity(0, 0), min_size=True)
    autoscaling.terminate("nodes", sorted(nodes.members))
    assert living(ec2) == []


def test_a_lowered_number_ends_what_is_not_protected_from_scale_in_a_moment_later(
    autoscaling: AutoScaling, ec2: Ec2, fleet: Fleet, world: World, nodes: Group
) -> None:
    first, second, *_ = sorted(nodes.members)
    fleet.protect(first)
    nodes.members[second].protected = True
    autoscaling.set_capacity("nodes", Capacity(0, 0), min_size=True)
    assert len(living(ec2)) == 4
    a_moment_later(world)
    assert living(ec2) == [second], "termination protection is nothing to a scale-in"


def test_what_is_missing_is_replaced(autoscaling: AutoScaling, ec2: Ec2, nodes: Group) -> None:
    ids = sorted(nodes.members)
    autoscaling.terminate("nodes", ids[:1])
    assert len(living(ec2)) == 4
    assert ids[0] not in living(ec2)
    newest = autoscaling.newest_activity("nodes")
    assert newest is not None
    assert newest.description.startswith("Launching a new EC2 instance: i-")


def test_what_ec2_ends_is_replaced_too(ec2: Ec2, nodes: Group) -> None:
    gone = sorted(nodes.members)[0]
    ec2.terminate([gone])
    assert len(living(ec2)) == 4
    assert gone not in living(ec2)


def _decrement(clients: Clients, instance_id: str) -> Any:
    return clients("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=instance_id, ShouldDecrementDesiredCapacity=True
    )


def test_a_decrement_below_the_minimum_is_refused_and_ends_nothing(clients: Clients, ec2: Ec2, nodes: Group) -> None:
    with pytest.raises(ClientError, match="min size of 4"):
        _decrement(clients, sorted(nodes.members)[0])
    assert (len(living(ec2)), nodes.desired) == (4, 4)


def test_a_decrement_may_end_instances_in_another_zone(clients: Clients, ec2: Ec2, nodes: Group) -> None:
    nodes.min_size = 0
    zones = {member.id: member.zone for member in ec2.instances()}
    in_a = sorted(i for i, zone in zones.items() if zone == "us-east-1a")
    in_b = sorted(i for i, zone in zones.items() if zone == "us-east-1b")
    for instance_id in in_a:
        _decrement(clients, instance_id)
    assert not set(in_b) <= set(living(ec2)), "AZRebalance ended one of the other zone's"
