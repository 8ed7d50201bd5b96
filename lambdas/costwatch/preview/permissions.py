"""The calls that a preview makes, and the IAM policy that allows exactly these."""

from __future__ import annotations

from typing import Any, Final

CALLS: Final = {
    "autoscaling": frozenset({"DescribeAutoScalingGroups"}),
    "ec2": frozenset({"DescribeInstanceAttribute", "DescribeInstances", "DescribeSpotInstanceRequests"}),
    "sagemaker": frozenset(
        {
            "DescribeAutoMLJobV2",
            "DescribeHyperParameterTuningJob",
            "DescribeProcessingJob",
            "DescribeTrainingJob",
            "ListAutoMLJobs",
            "ListHyperParameterTuningJobs",
            "ListProcessingJobs",
            "ListTags",
            "ListTrainingJobs",
            "ListTrainingJobsForHyperParameterTuningJob",
            "Search",
        }
    ),
}
"""Operations by service, as botocore names them; sts:GetCallerIdentity needs no permission.

`Search` gives whole jobs, 100 at a time; without it each job is described.
"""


def policy_document() -> dict[str, Any]:
    """The identity policy for whoever previews."""
    actions = sorted(f"{service}:{operation}" for service, operations in CALLS.items() for operation in operations)
    statement = {"Sid": "CostwatchPreview", "Effect": "Allow", "Action": actions, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}
