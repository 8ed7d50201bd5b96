"""Auto Scaling groups of one region: read a group, set its numbers, end its instances by its own call. Decides nothing.

The group's own call looks at neither termination protection nor scale-in protection: whoever calls it has read both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from costwatch.adapters import controllers
from costwatch.adapters.aws_errors import translated
from costwatch.core.group import Activity, Capacity, Group, GroupMember

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.client import AutoScalingClient

_WARM = "Warmed:"


class AutoScaling:
    """One account and region. Raises TransientAwsError or PermanentAwsError."""

    def __init__(self, client: AutoScalingClient, *, region: str) -> None:
        self._client = client
        self.region = region

    def group(self, name: str) -> Group | None:
        """The group as it is now, with all its instances; None when there is none of this name."""
        with translated("autoscaling:DescribeAutoScalingGroups"):
            pages = self._client.get_paginator("describe_auto_scaling_groups").paginate(AutoScalingGroupNames=[name])
            found = [raw for page in pages for raw in page["AutoScalingGroups"]]
        return next((_group(raw) for raw in found if raw["AutoScalingGroupName"] == name), None)

    def set_capacity(self, name: str, capacity: Capacity, *, min_size: bool) -> None:
        """Set the desired capacity, and with it the minimum where `min_size`, in one call; nothing else changes."""
        minimum: Any = {"MinSize": capacity.min_size} if min_size else {}
        with translated("autoscaling:UpdateAutoScalingGroup"):
            self._client.update_auto_scaling_group(
                AutoScalingGroupName=name, DesiredCapacity=capacity.desired, **minimum
            )

    def terminate(self, name: str, ids: Sequence[str]) -> None:
        """Ask the group to end up to 100 of its instances. Its desired capacity stays the number it is."""
        with translated("autoscaling:TerminateInstanceInAutoScalingGroup"):
            self._client.terminate_instance_in_auto_scaling_group(
                AutoScalingGroupName=name, InstanceIds=list(ids), ShouldDecrementDesiredCapacity=False
            )

    def newest_activity(self, name: str) -> Activity | None:
        """What the group did last: AWS lists the newest first."""
        with translated("autoscaling:DescribeScalingActivities"):
            answer = self._client.describe_scaling_activities(AutoScalingGroupName=name, MaxRecords=1)
        return next((Activity(a.get("Description", ""), a.get("Cause", "")) for a in answer["Activities"]), None)


def _group(raw: Mapping[str, Any]) -> Group:
    tags = {tag["Key"]: tag.get("Value", "") for tag in raw.get("Tags", [])}
    operator = raw.get("Operator", {})  # unlike EC2's it says who, and not whether
    controller = controllers.cluster(tags, {"Managed": "Principal" in operator, **operator})
    return Group(
        name=raw["AutoScalingGroupName"],
        capacity=Capacity(raw["MinSize"], raw["DesiredCapacity"]),
        max_size=raw["MaxSize"],
        zones=tuple(sorted(raw.get("AvailabilityZones", []))),
        suspended=frozenset(process["ProcessName"] for process in raw.get("SuspendedProcesses", [])),
        tags=tags,
        members=tuple(
            GroupMember(i["InstanceId"], i["LifecycleState"], i["ProtectedFromScaleIn"])
            for i in sorted(raw.get("Instances", []), key=lambda i: str(i["InstanceId"]))
            if not i["LifecycleState"].startswith(_WARM)
        ),
        warm_pool="WarmPoolConfiguration" in raw,
        deleting=bool(raw.get("Status")),
        controller=controller.label if controller is not None else "",
    )
