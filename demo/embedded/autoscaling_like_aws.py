"""Auto Scaling groups as AWS behaves: a group keeps its desired capacity, and its own call looks at no protection.

moto refuses to end a protected instance and yet lowers the capacity, and goes below the minimum: AWS does neither. The
groups here are plain data by name, made by `Fleet.group`; moto's own groups are not shown. What AWS documents is told
beside the code that does it; what nobody documented says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import autoscaling_backends
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models import ec2_backends
from moto.ec2.responses.instances import InstanceResponse

from demo.embedded.patching import Patch
from demo.embedded.world import naive_now

GROUP_TAG: Final = "aws:autoscaling:groupName"
MOST_IDS: Final = 100
_OVER: Final = (32, 48)  # shutting-down, terminated
_moto_describe_instances = InstanceResponse.describe_instances


@dataclass
class Member:
    lifecycle: str = "InService"
    protected: bool = False
    """From scale-in."""


@dataclass
class Group:
    """One group. `launch` makes one more instance in a zone and returns its id."""

    name: str
    account: str
    region: str
    min_size: int
    desired: int
    max_size: int
    zones: tuple[str, ...]
    tags: dict[str, str]
    instance_type: str
    spot: bool
    members: dict[str, Member] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)
    warm_pool: bool = False
    operator: str = ""
    activities: list[dict[str, Any]] = field(default_factory=list)
    lowered_at: datetime | None = None
    """A lower number was set then (naive UTC): the group ends what is too many a moment later."""

    @property
    def arn(self) -> str:
        place = f"{self.region}:{self.account}"
        return f"arn:aws:autoscaling:{place}:autoScalingGroup:5c3b9a1e-0000:autoScalingGroupName/{self.name}"

    def note(self, description: str, cause: str) -> None:
        """An activity as DescribeScalingActivities tells it."""
        now = naive_now()
        self.activities.append(
            {
                "ActivityId": f"activity-{len(self.activities) + 1}",
                "AutoScalingGroupName": self.name,
                "Description": description,
                "Cause": f"At {now:%Y-%m-%dT%H:%M:%SZ} {cause}.",
                "StartTime": now,
                "StatusCode": "Successful",
            }
        )


def groups(account: str, region: str) -> dict[str, Group]:
    """The groups of a region by name; moto's reset takes them away."""
    backend: Any = autoscaling_backends[account][region]
    found: dict[str, Group] = backend.__dict__.setdefault("costwatch_groups", {})
    return found


def _instance(group: Group, instance_id: str) -> Any:
    return ec2_backends[group.account][group.region].get_instance_by_id(instance_id)


def launch(group: Group, zone: str, cause: str = "") -> str:
    """One more instance, with the group's tags, as of now."""
    backend = ec2_backends[group.account][group.region]
    reservation = backend.run_instances(
        "ami-0c05f7e0d2a5b9e11",
        1,
        None,
        [],
        instance_type=group.instance_type,
        is_instance_type_default=True,  # skips moto's table of types per region, which is older than the types
        placement=zone,
        region_name=group.region,
        tags={"instance": {**group.tags, GROUP_TAG: group.name}},
    )
    instance: Any = reservation.instances[0]
    instance.nics[0].attach_time = instance.launch_time
    if group.spot:
        instance.lifecycle = "spot"
    group.members[instance.id] = Member()
    if cause:
        group.note(f"Launching a new EC2 instance: {instance.id}", cause)
    return str(instance.id)


def _end(group: Group, instance_id: str, cause: str) -> None:
    _instance(group, instance_id).terminate()
    group.note(f"Terminating EC2 instance: {instance_id}", cause)


def _counted(group: Group) -> list[str]:
    """What the desired capacity counts, in order of launch."""
    return [i for i, m in group.members.items() if not m.lifecycle.startswith(("Standby", "Terminating"))]


def _zone(group: Group, instance_id: str) -> str:
    return str(_instance(group, instance_id).placement.zone)


def settle(group: Group) -> None:
    """What the group does by itself since it was last looked at: forget what is over, end what is too much, launch."""
    for instance_id in list(group.members):
        instance = _instance(group, instance_id)
        if instance is None or instance.state_code in _OVER:
            del group.members[instance_id]
    if group.lowered_at is not None and naive_now() > group.lowered_at and "Terminate" not in group.suspended:
        group.lowered_at = None
        # Scale-in spares what is protected from it, and does not look at termination protection.
        counted = _counted(group)
        spare = [i for i in counted if not group.members[i].protected]
        for instance_id in spare[: max(0, len(counted) - group.desired)]:
            _end(group, instance_id, f"a user request set the desired capacity to {group.desired}")
            del group.members[instance_id]
    missing = group.desired - len(_counted(group)) if "Launch" not in group.suspended else 0
    for _ in range(missing):
        used = Counter(dict.fromkeys(group.zones, 0))
        used.update(_zone(group, i) for i in _counted(group))
        emptiest = min(group.zones, key=lambda zone: used[zone])
        launch(group, emptiest, "an instance was started in response to a difference in capacity")


def _settle_all(account: str, region: str) -> None:
    for group in groups(account, region).values():
        settle(group)


# --- calls ---------------------------------------------------------------------------------------------


def _refused(message: str) -> AutoscalingClientError:
    return AutoscalingClientError("ValidationError", message)


def _named(response: Any, name: str) -> Group:
    found = groups(response.current_account, response.region).get(name)
    if found is None:
        raise _refused("AutoScalingGroup name not found - AutoScalingGroup not found")
    return found


def _described(group: Group) -> dict[str, Any]:
    return {
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "MinSize": group.min_size,
        "MaxSize": group.max_size,
        "DesiredCapacity": group.desired,
        "DefaultCooldown": 300,
        "AvailabilityZones": list(group.zones),
        "HealthCheckType": "EC2",
        "CreatedTime": naive_now(),
        "Instances": [
            {
                "InstanceId": instance_id,
                "InstanceType": group.instance_type,
                "AvailabilityZone": _zone(group, instance_id),
                "LifecycleState": member.lifecycle,
                "HealthStatus": "Healthy",
                "ProtectedFromScaleIn": member.protected,
            }
            for instance_id, member in group.members.items()
        ],
        "SuspendedProcesses": [{"ProcessName": name, "SuspensionReason": ""} for name in sorted(group.suspended)],
        "Tags": [
            {
                "ResourceId": group.name,
                "ResourceType": "auto-scaling-group",
                "Key": key,
                "Value": value,
                "PropagateAtLaunch": True,
            }
            for key, value in group.tags.items()
        ],
        **({"WarmPoolConfiguration": {"PoolState": "Stopped"}} if group.warm_pool else {}),
        **({"Operator": {"Principal": group.operator}} if group.operator else {}),
    }


def _describe(response: Any) -> ActionResult:
    _settle_all(response.current_account, response.region)
    known = groups(response.current_account, response.region)
    wanted = response._get_param("AutoScalingGroupNames", []) or sorted(known)
    return ActionResult({"AutoScalingGroups": [_described(known[name]) for name in wanted if name in known]})


def _update(response: Any) -> EmptyResult:
    group = _named(response, response._get_param("AutoScalingGroupName"))
    settle(group)
    desired, minimum = response._get_int_param("DesiredCapacity"), response._get_int_param("MinSize")
    desired, minimum = group.desired if desired is None else desired, group.min_size if minimum is None else minimum
    if not minimum <= desired <= group.max_size:
        raise _refused(f"Desired capacity:{desired} must be between the specified min size:{minimum} and max size")
    if desired < group.desired:
        group.lowered_at = naive_now()
    group.min_size, group.desired = minimum, desired
    settle(group)
    return EmptyResult()


def _terminate(response: Any) -> ActionResult:
    """Ends what it is given, whatever protects it. A decrement below the minimum is refused.

    That one id which the group does not have spares all the others is unverified: the worse of two for a caller.
    """
    several = response._get_param("InstanceIds", [])
    ids: list[str] = several or [response._get_param("InstanceId")]
    decrement = response._get_bool_param("ShouldDecrementDesiredCapacity", False)
    known = groups(response.current_account, response.region)
    owner = {i: group for group in known.values() for i in group.members}
    for instance_id in ids:
        named = response._get_param("AutoScalingGroupName") if several else None
        if instance_id not in owner or named not in (None, owner[instance_id].name):
            raise _refused(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")
    if len(ids) > MOST_IDS:
        raise _refused(f"at most {MOST_IDS} instances in a call")
    group = owner[ids[0]]
    if decrement and group.desired - len(ids) < group.min_size:
        raise _refused(f"Terminating without replacement would violate the group's min size of {group.min_size}")
    for instance_id in ids:
        _end(group, instance_id, "instance was taken out of service in response to a user request")
    group.desired -= len(ids) if decrement else 0
    settle(group)
    if decrement and "AZRebalance" not in group.suspended:
        _rebalance(group)
    activities = group.activities[-len(ids) :]
    return ActionResult({"Activities": activities} if several else {"Activity": activities[0]})


def _rebalance(group: Group) -> None:
    """A zone that has two more than another gives one up."""
    used = Counter(dict.fromkeys(group.zones, 0))
    used.update(_zone(group, i) for i in _counted(group))
    if not used or max(used.values()) - min(used.values()) < 2:
        return
    fullest = max(used, key=lambda zone: used[zone])
    victim = next(i for i in _counted(group) if _zone(group, i) == fullest)
    _end(group, victim, "instances were launched to balance instances in zones, so others were taken out of service")
    settle(group)


def _activities(response: Any) -> ActionResult:
    group = groups(response.current_account, response.region).get(response._get_param("AutoScalingGroupName"))
    newest_first: Iterable[dict[str, Any]] = reversed(group.activities) if group is not None else ()
    return ActionResult({"Activities": list(newest_first)[: response._get_int_param("MaxRecords", 100)]})


def _describe_instances(response: Any) -> Any:
    _settle_all(response.current_account, response.region)
    return _moto_describe_instances(response)


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(AutoScalingResponse, "describe_auto_scaling_groups", _describe),
        Patch(AutoScalingResponse, "update_auto_scaling_group", _update),
        Patch(AutoScalingResponse, "terminate_instance_in_auto_scaling_group", _terminate),
        Patch(AutoScalingResponse, "describe_scaling_activities", _activities),
        Patch(InstanceResponse, "describe_instances", _describe_instances),
    ]
