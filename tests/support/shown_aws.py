"""What the `aws` commands of the documentation are about, in the embedded account, and how they are run there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from demo.embedded import EmbeddedAws
from tests.support.aws_command import call_of
from tests.support.snapshots import moto_backend

_OURS: Final = "arn:aws:iam::{}:policy/costwatch-guardrail"
AS_IN_THE_REASON: Final = frozenset(
    {
        "autoscaling create-or-update-tags",
        "autoscaling exit-standby",
        "autoscaling delete-warm-pool",
        "autoscaling resume-processes",
    }
)
"""Named only: the reason of the hold has them whole, and tests/integration/test_groups_held.py reads them there."""
CHECKED_ONLY: Final[Mapping[str, str]] = {
    "sagemaker create-training-job": "is shown to be refused, and moto judges no conditions: tests/unit/"
    "test_guardrail_policy.py holds that the policy denies it",
}
"""Which are read by AWS's model and not called, and why."""


def prepare(aws: EmbeddedAws, desk: Path) -> dict[str, str]:
    """Make what they name; the answer says what stands for which word."""
    unbounded = json.loads((desk / "train.json").read_text("utf-8"))
    del unbounded["StoppingCondition"]
    (desk / "without-stopping-condition.json").write_text(json.dumps(unbounded), "utf-8")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    aws.client("iam").create_role(RoleName="ml-pipelines", AssumeRolePolicyDocument=trust)
    organizations = aws.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    unit = organizations.create_organizational_unit(ParentId=root, Name="training")["OrganizationalUnit"]["Id"]
    request = aws.fleet.spot_request_id(aws.fleet.instance(type="m5.large", spot="persistent"))
    return {
        "/costwatch/slack-token": "/new/slack-token",
        "/costwatch/slack-signing-secret": "/new/slack-signing-secret",
        "i-0abc": _member_of(aws, "by-hand"),
        "GROUP": "by-hand",
        "sir-0abc": str(request),
        "Key=...,Value=...": "Key=Purpose,Value=transient-ml-training",
        "ou-exampleroot-exampleou": unit,
        _OURS.format("111122223333"): _OURS.format(aws.account_id),
    }


def _member_of(aws: EmbeddedAws, group: str) -> str:
    """The one instance of a group that is made for it, in moto's own service: the fleet's groups are not in there."""
    client, zone = aws.client("autoscaling"), f"{aws.region}a"
    client.create_launch_configuration(LaunchConfigurationName=group, ImageId="ami-1", InstanceType="m5.large")
    client.create_auto_scaling_group(
        AutoScalingGroupName=group, LaunchConfigurationName=group, MinSize=1, MaxSize=1, AvailabilityZones=[zone]
    )
    made = moto_backend(aws, "autoscaling").autoscaling_groups[group]
    return str(made.instance_states[0].instance.id)


def run(aws: EmbeddedAws, text: str, names: Mapping[str, str], desk: Path) -> Any:
    """Read one, and call it where the embedded account can. Raises WrongCommandError, or what AWS answers."""
    words = [names.get(word, word) for word in shlex.split(text)[1:]]
    called = " ".join(words[:2])
    call = call_of(words, files=desk, whole=not (called in AS_IN_THE_REASON and len(words) == 2))
    if called in CHECKED_ONLY or not call.parameters:
        return None
    if called == "organizations attach-policy":
        (made,) = aws.client("organizations").list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"][-1:]
        call.parameters["PolicyId"] = made["Id"]
    return call.on(aws.client(call.service))
