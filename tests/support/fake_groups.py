"""Auto Scaling groups as AWS behaves, in memory: their own calls look at no protection and replace what is missing.

What AWS documents: the group's call ends instances whatever protects them; a desired capacity outside minimum and
maximum is refused; a group keeps its desired capacity by launching and, some time after a lowered number, by ending
what is not protected from scale-in. That one unknown id spares all of a call is unverified; it is the worse of two for
a caller that trusts the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from costwatch.core.group import Activity, Capacity, Group, GroupMember
from costwatch.errors import PermanentAwsError

if TYPE_CHECKING:
    from tests.support.fakes import FakeInstance, FakeWorld


@dataclass
class FakeGroup:
    """Plain data, so that an oracle can read it without any of our code. Its instances name it as their `asg`."""

    name: str
    region: str
    min_size: int
    desired: int
    max_size: int
    tags: dict[str, str]
    zones: tuple[str, ...] = ("us-east-1a",)
    suspended: set[str] = field(default_factory=set)
    warm_pool: bool = False
    controller: str = ""
    deleting: bool = False
    new_ones_protected: bool = False
    template: FakeInstance | None = None
    """What it launches copies of."""
    activities: list[Activity] = field(default_factory=list)
    scales_in_after: datetime | None = None
    """A number was set at this time: from a moment later on what is above it goes, whenever it came."""


@dataclass
class FakeAutoScaling:
    world: FakeWorld
    region: str

    def group(self, name: str) -> Group | None:
        self.world.called("DescribeAutoScalingGroups", self.region, [name])
        found = self.world.groups.get((self.region, name))
        if found is None:
            return None
        return Group(
            name=found.name,
            capacity=Capacity(found.min_size, found.desired),
            max_size=found.max_size,
            zones=found.zones,
            suspended=frozenset(found.suspended),
            tags=dict(found.tags),
            members=tuple(
                GroupMember(i.id, i.group_state, i.scale_in_protected)
                for i in sorted(members_of(self.world, found), key=lambda i: i.id)
            ),
            warm_pool=found.warm_pool,
            deleting=found.deleting,
            controller=found.controller,
        )

    def set_capacity(self, name: str, capacity: Capacity, *, min_size: bool) -> None:
        self.world.called("UpdateAutoScalingGroup", self.region, [name])
        group = self._known(name)
        minimum = capacity.min_size if min_size else group.min_size
        if not minimum <= capacity.desired <= group.max_size:
            text = f"ValidationError: Desired capacity:{capacity.desired} must be between the specified min size:"
            raise PermanentAwsError(f"{text}{minimum} and max size:{group.max_size}", code="ValidationError")
        group.min_size, group.desired = minimum, capacity.desired
        group.scales_in_after = self.world.clock()
        launch_missing(self.world, group, f"a user request update of capacity to {capacity.desired}")

    def terminate(self, name: str, ids: Sequence[str]) -> None:
        self.world.called("TerminateInstanceInAutoScalingGroup", self.region, ids)
        group = self._known(name)
        assert len(ids) <= 100
        members = {i.id: i for i in members_of(self.world, group)}
        for instance_id in ids:
            if instance_id not in members:
                text = (
                    f"ValidationError: Instance Id not found - No managed instance found for instance ID: {instance_id}"
                )
                raise PermanentAwsError(text, code="ValidationError")
        for instance_id in ids:
            group_ends(self.world, group, members[instance_id], "instance was taken out of service on a user request")
        launch_missing(self.world, group, "an instance was started in response to a difference")

    def newest_activity(self, name: str) -> Activity | None:
        self.world.called("DescribeScalingActivities", self.region, [name])
        group = self.world.groups.get((self.region, name))
        return group.activities[-1] if group is not None and group.activities else None

    def _known(self, name: str) -> FakeGroup:
        found = self.world.groups.get((self.region, name))
        if found is None:
            raise PermanentAwsError("ValidationError: AutoScalingGroup name not found", code="ValidationError")
        return found


def members_of(world: FakeWorld, group: FakeGroup) -> list[FakeInstance]:
    """What the group lists: its instances that are not over."""
    own = (i for i in world.instances.values() if (i.region, i.asg) == (group.region, group.name))
    return [i for i in own if i.state != "terminated"]


def _counted(world: FakeWorld, group: FakeGroup) -> list[FakeInstance]:
    """What the desired capacity counts: neither what stands by nor what is on its way out."""
    return [i for i in members_of(world, group) if not i.group_state.startswith(("Standby", "Terminating"))]


def group_ends(world: FakeWorld, group: FakeGroup, instance: FakeInstance, cause: str) -> None:
    """The group ends an instance; neither kind of protection is looked at here."""
    instance.state, instance.ended_at, instance.ended_by = "terminated", world.clock(), "costwatch"
    group.activities.append(Activity(f"Terminating EC2 instance: {instance.id}", cause))
    world.relaunch_for(instance)


def launch_missing(world: FakeWorld, group: FakeGroup, cause: str) -> None:
    """Launch copies until there are as many as are wanted."""
    counted = _counted(world, group)
    for _ in range(group.desired - len(counted) if "Launch" not in group.suspended else 0):
        assert group.template is not None
        now = world.clock()
        launched = replace(
            group.template,
            id=world.next_id("i"),
            launch_time=now,
            attach_time=now,
            state="running",
            ended_at=None,
            ended_by="",
            spot_request_id=None,
            protected=False,
            scale_in_protected=group.new_ones_protected,
            group_state="InService",
            tags=dict(group.template.tags),
        )
        world.instances[launched.id] = launched
        group.activities.append(Activity(f"Launching a new EC2 instance: {launched.id}", cause))


def groups_scale_in(world: FakeWorld) -> None:
    """Some time after a number was lowered: what is not protected from scale-in goes."""
    for group in world.groups.values():
        if group.scales_in_after is None or world.clock() <= group.scales_in_after or "Terminate" in group.suspended:
            continue
        counted = _counted(world, group)
        goes = [i for i in counted if not i.scale_in_protected][: max(0, len(counted) - group.desired)]
        for instance in goes:
            group_ends(world, group, instance, f"a user request set the capacity to {group.desired}")
