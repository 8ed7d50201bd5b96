"""EC2 as the adapter shows it: clocks with their evidence, parents, spot requests, and errors by the question retry?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from costwatch.adapters.ec2 import Ec2
from costwatch.core import candidates, grouping
from costwatch.core.model import Run, RunId, RunKind
from costwatch.core.policy import PurchaseOption, Service
from costwatch.errors import PermanentAwsError, TransientAwsError
from demo.embedded import Fleet, World
from tests.contract.conftest import Clients
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, NOW, REGION

RUN_TAG = "costwatch:run"


@pytest.fixture
def ec2(clients: Clients, world: World) -> Ec2:
    del world
    return Ec2(clients("ec2"), region=REGION)


def runs(ec2: Ec2) -> dict[str, Run]:
    found = grouping.runs(ec2.instances(), account=ACCOUNT, region=REGION, run_tag=RUN_TAG)
    return {run.id.name: run for run in found}


# --- what is listed -------------------------------------------------------------------------------------------


def test_an_empty_region_lists_nothing(ec2: Ec2) -> None:
    assert ec2.instances() == []
    assert ec2.instances_by_id([]) == {}
    assert ec2.spot_requests([]) == {}


def test_a_running_instance_is_a_member_with_its_type_zone_tags_and_clock(ec2: Ec2, fleet: Fleet) -> None:
    instance_id = fleet.instance(az="b", tags={"Purpose": "training"}, name="churn", launched_at=NOW - HOUR)
    (found,) = ec2.instances()
    assert (found.id, found.service, found.state, found.alive) == (instance_id, Service.EC2, "running", True)
    assert found.capacity == (("p4d.24xlarge", 1),)
    assert (found.zone, found.purchase, found.name) == ("us-east-1b", PurchaseOption.ON_DEMAND, "churn")
    assert found.tags == {"Purpose": "training", "Name": "churn"}
    assert found.clock.running_since == NOW - HOUR


def test_an_untagged_instance_has_no_tags_and_not_unreadable_ones(ec2: Ec2, fleet: Fleet) -> None:
    fleet.instance()
    assert ec2.instances()[0].tags == {}


def test_only_what_is_alive_is_listed_and_every_state_is_found_by_id(ec2: Ec2, fleet: Fleet) -> None:
    ended, running = fleet.instance(), fleet.instance()
    fleet.end_instance(ended, NOW)
    assert [member.id for member in ec2.instances()] == [running]
    found = ec2.instances_by_id([ended, running, "i-0123456789abcdef0"])
    assert {i: member.alive for i, member in found.items()} == {ended: False, running: True}
    assert found[ended].gone


def test_an_ended_instance_says_when_and_why_and_has_no_running_clock(ec2: Ec2, fleet: Fleet) -> None:
    instance_id = fleet.instance(launched_at=NOW - HOUR)
    fleet.end_instance(instance_id, NOW - timedelta(minutes=5))
    found = ec2.instances_by_id([instance_id])[instance_id]
    assert found.ended_at == NOW - timedelta(minutes=5)
    assert found.end_reason.startswith("User initiated")
    assert found.clock.running_since is None


def test_more_ids_than_one_filter_takes_are_asked_for_in_parts(ec2: Ec2, fleet: Fleet) -> None:
    first, last = sorted(fleet.instance() for _ in range(2))
    unknown = [f"i-{n:017x}" for n in range(205)]
    assert set(ec2.instances_by_id([first, *unknown, last])) == {first, last}


# --- clocks ---------------------------------------------------------------------------------------------------


def test_after_a_stop_and_start_the_run_is_young_and_the_instance_is_old(ec2: Ec2, fleet: Fleet) -> None:
    instance_id = fleet.instance(launched_at=NOW - 50 * HOUR)
    fleet.restart_instance(instance_id, NOW - HOUR)
    clock = ec2.instances()[0].clock
    assert (clock.running_since, clock.running_evidence) == (NOW - HOUR, "LaunchTime")
    assert clock.exists_since == NOW - 50 * HOUR
    assert clock.exists_evidence == "attach time of the primary network interface"


def test_times_are_aware_utc(ec2: Ec2, fleet: Fleet) -> None:
    fleet.instance(launched_at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC))
    clock = ec2.instances()[0].clock
    assert clock.running_since is not None
    assert clock.running_since.utcoffset() == timedelta(0)


# --- purchase, parents ----------------------------------------------------------------------------------------


def test_a_capacity_block_is_prepaid(ec2: Ec2, fleet: Fleet) -> None:
    fleet.instance(type="p5.48xlarge", capacity_block=True)
    assert ec2.instances()[0].purchase is PurchaseOption.CAPACITY_BLOCK


@pytest.mark.parametrize(
    ("platform", "details", "tenancy", "apart"),
    [
        (None, None, None, ""),
        (None, "Linux/UNIX", "default", ""),
        (None, "Linux/UNIX (Amazon VPC)", "default", ""),
        ("windows", None, "default", "Windows"),
        ("Windows", "Windows", "default", "Windows"),
        ("windows", "Windows with SQL Server Enterprise", "default", "Windows with SQL Server Enterprise"),
        (None, "Linux with SQL Server Standard", "default", "Linux with SQL Server Standard"),
        (None, "Red Hat Enterprise Linux", "default", "Red Hat Enterprise Linux"),
        (None, "Linux/UNIX", "dedicated", "dedicated tenancy"),
        (None, "Windows", "host", "Windows, host tenancy"),
    ],
)
def test_what_is_no_shared_linux_says_what_gives_it_a_price_of_its_own(
    ec2: Ec2, fleet: Fleet, platform: str | None, details: str | None, tenancy: str | None, apart: str
) -> None:
    instance = fleet.backend_instance(fleet.instance())
    instance.platform, instance.platform_details = platform, details
    instance.placement.tenancy = tenancy
    assert ec2.instances()[0].priced_apart == apart


@pytest.mark.parametrize(
    ("tags", "kind", "label"),
    [
        ({"aws:autoscaling:groupName": "trainers"}, RunKind.ASG, "Auto Scaling group trainers"),
        ({"aws:ec2:fleet-id": "fleet-1"}, RunKind.FLEET, "fleet fleet-1"),
        ({"aws:ec2spot:fleet-request-id": "sfr-1"}, RunKind.FLEET, "fleet sfr-1"),
        ({"eks:cluster-name": "ml"}, RunKind.CLUSTER, "EKS cluster ml"),
        ({"aws:eks:cluster-name": "ml"}, RunKind.CLUSTER, "EKS cluster ml"),
        ({"kubernetes.io/cluster/ml": "owned"}, RunKind.CLUSTER, "Kubernetes cluster ml"),
        ({"aws:batch:compute-environment": "ce"}, RunKind.CLUSTER, "Batch compute environment ce"),
        ({"aws:elasticmapreduce:job-flow-id": "j-1"}, RunKind.CLUSTER, "EMR cluster j-1"),
        ({"parallelcluster:cluster-name": "pc"}, RunKind.CLUSTER, "ParallelCluster pc"),
        ({"sagemaker:cluster-name": "hp"}, RunKind.CLUSTER, "HyperPod cluster hp"),
    ],
)
def test_whoever_would_relaunch_it_is_its_parent(
    ec2: Ec2, fleet: Fleet, tags: dict[str, str], kind: RunKind, label: str
) -> None:
    fleet.instance(tags=tags)
    parent = ec2.instances()[0].parent
    assert parent is not None
    assert (parent.kind, parent.label) == (kind, label)


def test_an_instance_that_an_aws_service_manages_has_a_parent(ec2: Ec2, fleet: Fleet) -> None:
    fleet.instance(operator="eks.amazonaws.com")
    parent = ec2.instances()[0].parent
    assert parent is not None
    assert parent.label == "managed operator eks.amazonaws.com"


def test_an_ordinary_instance_has_no_parent(ec2: Ec2, fleet: Fleet) -> None:
    fleet.instance(tags={"Purpose": "training"})
    assert ec2.instances()[0].parent is None


# --- tags as filters ------------------------------------------------------------------------------------------


def test_a_run_is_found_by_exactly_its_tag(ec2: Ec2, fleet: Fleet) -> None:
    mine = {fleet.instance(tags={RUN_TAG: "churn"}) for _ in range(2)}
    fleet.instance(tags={RUN_TAG: "churn-2"})
    fleet.instance(tags={"other": "churn"})
    assert {member.id for member in ec2.instances_by_tag(RUN_TAG, "churn")} == mine


@pytest.mark.parametrize("value", ["*", "exp-*", "ch?rn", "[ab]", "c.urn", "ümläut ☃"])
def test_a_run_tag_that_looks_like_a_wildcard_means_only_itself(ec2: Ec2, fleet: Fleet, value: str) -> None:
    mine = fleet.instance(tags={RUN_TAG: value})
    for other in ("churn", "exp-1", "ab", "anything"):
        fleet.instance(tags={RUN_TAG: other})
    assert [member.id for member in ec2.instances_by_tag(RUN_TAG, value)] == [mine]
    assert [member.id for member in ec2.afresh(runs(ec2)[value], RUN_TAG).members] == [mine]


# --- read afresh ----------------------------------------------------------------------------------------------


def test_what_is_read_afresh_knows_its_protection(ec2: Ec2, fleet: Fleet) -> None:
    protected, open_ = fleet.instance(protected=True), fleet.instance()
    found = runs(ec2)
    assert found[protected].members[0].termination_protection is None, "a listing does not read it"
    assert ec2.afresh(found[protected], RUN_TAG).members[0].termination_protection is True
    afresh = ec2.afresh(found[open_], RUN_TAG)
    assert afresh.members[0].termination_protection is False
    assert afresh.fresh


def test_what_is_read_afresh_sees_who_joined_and_who_left(ec2: Ec2, fleet: Fleet) -> None:
    one, two = (fleet.instance(tags={RUN_TAG: "churn"}) for _ in range(2))
    before = runs(ec2)["churn"]
    fleet.end_instance(one, NOW)
    three = fleet.instance(tags={RUN_TAG: "churn"})
    assert {member.id for member in ec2.afresh(before, RUN_TAG).members} == {two, three}


def test_a_run_that_has_ended_is_empty_when_read_afresh(ec2: Ec2, fleet: Fleet) -> None:
    instance_id = fleet.instance()
    before = runs(ec2)[instance_id]
    fleet.end_instance(instance_id, NOW)
    assert ec2.afresh(before, RUN_TAG).members == ()


def test_runs_are_read_afresh_together_each_with_its_own_members_and_requests(ec2: Ec2, fleet: Fleet) -> None:
    alone, spot = fleet.instance(), fleet.instance(spot="persistent")
    churn = {fleet.instance(tags={RUN_TAG: "churn"}) for _ in range(2)}
    any_run, ended = fleet.instance(tags={RUN_TAG: "*"}), fleet.instance()
    before = runs(ec2)
    fleet.end_instance(ended, NOW)
    together = ec2.afresh_together(list(before.values()), RUN_TAG)
    found = {run_id.name: {member.id for member in run.members} for run_id, run in together.items()}
    assert found == {alone: {alone}, spot: {spot}, "churn": churn, "*": {any_run}, ended: set()}
    assert all(run.fresh for run in together.values())
    (member,) = together[before[spot].id].members
    assert member.spot_request is not None
    assert member.termination_protection is None


def test_an_instance_that_joined_a_run_is_seen_there_and_under_its_own_id(ec2: Ec2, fleet: Fleet) -> None:
    one, other = fleet.instance(), fleet.instance(tags={RUN_TAG: "churn"})
    before = runs(ec2)
    fleet.tag(one, {RUN_TAG: "churn"})
    together = ec2.afresh_together(list(before.values()), RUN_TAG)
    assert {m.id for m in together[before["churn"].id].members} == {one, other}
    assert [m.tags for m in together[before[one].id].members] == [{RUN_TAG: "churn"}]


# --- spot -----------------------------------------------------------------------------------------------------


def test_a_spot_instance_names_its_request_and_the_request_its_own_tags(ec2: Ec2, fleet: Fleet) -> None:
    instance_id = fleet.instance(spot="persistent", tags={"Purpose": "training"}, request_tags={"Purpose": "other"})
    (found,) = ec2.afresh(runs(ec2)[instance_id], RUN_TAG).members
    assert found.purchase is PurchaseOption.SPOT
    assert found.spot_request is not None
    assert found.spot_request.id == found.spot_request_id == fleet.spot_request_id(instance_id)
    assert (found.spot_request.type, found.spot_request.state) == ("persistent", "active")
    assert found.spot_request.tags == {"Purpose": "other"}
    assert found.spot_request.instance_id == instance_id
    assert found.spot_request.would_relaunch


def test_a_cancelled_request_relaunches_nothing_and_ends_nothing(ec2: Ec2, fleet: Fleet) -> None:
    instance_id = fleet.instance(spot="persistent")
    request_id = str(fleet.spot_request_id(instance_id))
    ec2.cancel_spot_requests([request_id])
    ec2.cancel_spot_requests([request_id])
    assert not ec2.spot_requests([request_id])[request_id].would_relaunch
    assert ec2.instances_by_id([instance_id])[instance_id].alive
    ec2.terminate([instance_id])
    assert ec2.instances() == []


def test_a_request_that_was_not_cancelled_relaunches(ec2: Ec2, fleet: Fleet) -> None:
    instance_id = fleet.instance(spot="persistent")
    request_id = str(fleet.spot_request_id(instance_id))
    ec2.terminate([instance_id])
    (again,) = ec2.instances()
    assert again.id != instance_id
    assert ec2.spot_requests([request_id])[request_id].instance_id == again.id


def test_a_one_time_request_relaunches_nothing(ec2: Ec2, fleet: Fleet) -> None:
    instance_id = fleet.instance(spot="one-time")
    (found,) = ec2.afresh(runs(ec2)[instance_id], RUN_TAG).members
    assert found.spot_request is not None
    assert not found.spot_request.would_relaunch


def test_an_unknown_request_is_absent_and_fails_no_other(ec2: Ec2, fleet: Fleet) -> None:
    request_id = str(fleet.spot_request_id(fleet.instance(spot="persistent")))
    assert set(ec2.spot_requests([request_id, "sir-unknown1"])) == {request_id}


# --- errors ---------------------------------------------------------------------------------------------------


def calls(ec2: Ec2, run: Run) -> dict[str, Any]:
    ids = [member.id for member in run.members]
    return {
        "DescribeInstances": ec2.instances,
        "DescribeInstanceAttribute": lambda: ec2.afresh(run, RUN_TAG),
        "DescribeSpotInstanceRequests": lambda: ec2.spot_requests(["sir-1"]),
        "CancelSpotInstanceRequests": lambda: ec2.cancel_spot_requests(["sir-1"]),
        "TerminateInstances": lambda: ec2.terminate(ids),
    }


OPERATIONS = [
    "DescribeInstances",
    "DescribeInstanceAttribute",
    "DescribeSpotInstanceRequests",
    "CancelSpotInstanceRequests",
    "TerminateInstances",
]


@pytest.mark.parametrize(
    ("operation", "code", "kind"),
    [
        ("DescribeInstances", "RequestLimitExceeded", TransientAwsError),
        ("DescribeInstances", "UnauthorizedOperation", PermanentAwsError),
        ("DescribeInstanceAttribute", "Throttling", TransientAwsError),
        ("DescribeInstanceAttribute", "InvalidInstanceID.NotFound", PermanentAwsError),
        ("DescribeSpotInstanceRequests", "Unavailable", TransientAwsError),
        ("DescribeSpotInstanceRequests", "AuthFailure", PermanentAwsError),
        ("CancelSpotInstanceRequests", "InternalError", TransientAwsError),
        ("CancelSpotInstanceRequests", "UnauthorizedOperation", PermanentAwsError),
        ("TerminateInstances", "RequestLimitExceeded", TransientAwsError),
        ("TerminateInstances", "UnauthorizedOperation", PermanentAwsError),
    ],
)
def test_an_error_of_ec2_says_whether_to_try_again(
    ec2: Ec2, fleet: Fleet, world: World, operation: str, code: str, kind: type[Exception]
) -> None:
    instance_id = fleet.instance()
    run = runs(ec2)[instance_id]
    world.faults.fail("ec2", operation, code)
    with pytest.raises(kind, match=f"ec2:{operation}: {code}") as error:
        calls(ec2, run)[operation]()
    assert (error.value.code, error.value.operation) == (code, f"ec2:{operation}")  # type: ignore[attr-defined]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_lost_connection_may_be_tried_again(ec2: Ec2, fleet: Fleet, world: World, operation: str) -> None:
    instance_id = fleet.instance()
    run = runs(ec2)[instance_id]
    world.faults.lose_connection("ec2", operation)
    with pytest.raises(TransientAwsError, match=f"ec2:{operation}"):
        calls(ec2, run)[operation]()


def test_one_protected_instance_fails_its_zone_and_not_the_others(ec2: Ec2, fleet: Fleet) -> None:
    protected, beside, elsewhere = fleet.instance(protected=True), fleet.instance(), fleet.instance(az="b")
    with pytest.raises(PermanentAwsError) as error:
        ec2.terminate([protected, beside, elsewhere])
    assert error.value.code == "OperationNotPermitted"
    alive = {i: member.alive for i, member in ec2.instances_by_id([protected, beside, elsewhere]).items()}
    assert alive == {protected: True, beside: True, elsewhere: False}


def test_a_tagged_run_is_grouped_from_what_is_read(ec2: Ec2, fleet: Fleet) -> None:
    ids = {fleet.instance(tags={RUN_TAG: "churn"}, launched_at=NOW - n * HOUR) for n in (1, 5)}
    run = runs(ec2)["churn"]
    assert run.id.kind is RunKind.TAGGED
    assert {member.id for member in run.members} == ids
    assert run.start == NOW - 5 * HOUR
    assert replace(run, fresh=True).capacity == {"p4d.24xlarge": 2}


# --- what a sweep of many asks for ----------------------------------------------------------------------------


def test_candidates_are_found_by_age_by_their_own_tags_and_by_their_group(ec2: Ec2, fleet: Fleet) -> None:
    policy = policies.policy()
    old = fleet.instance(tags={"Purpose": "training"}, launched_at=NOW - 11 * HOUR)
    young = fleet.instance(tags={"Purpose": "training"}, launched_at=NOW - HOUR)
    other = fleet.instance(tags={"Purpose": "web"}, launched_at=NOW - 99 * HOUR)
    own = fleet.instance(tags={"costwatch:max-runtime": "2h"}, launched_at=NOW)
    node = fleet.instance(tags={"kubernetes.io/cluster/ml": "owned"}, launched_at=NOW - 20 * HOUR)
    managed = fleet.instance(operator="eks.amazonaws.com", launched_at=NOW - 20 * HOUR)

    def found(*filters: candidates.Filters) -> set[str]:
        return {member.id for each in filters for member in ec2.matching(each)}

    assert found(candidates.everything()) == {old, young, other, own, node, managed}
    assert found(candidates.selected(policy.selectors[0])) == {old, young}
    assert found(candidates.of_age(policy.selectors[0], NOW)) == {old}
    assert found(candidates.overriding(policy.tags)) == {own}
    assert found(*candidates.grouped(policy, NOW)) == {node, managed}
    assert found(*candidates.with_ids([young, other, "i-0123456789abcdef0"])) == {young, other}
    cluster = RunId(ACCOUNT, REGION, RunKind.CLUSTER, "eks.amazonaws.com")
    assert found(*candidates.of_runs([cluster], RUN_TAG)) == {managed}
