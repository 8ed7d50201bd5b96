"""The calls a scan makes, and the IAM policy that allows exactly these."""

from __future__ import annotations

from typing import Any, Final

CALLS: Final = {
    "ec2": frozenset({"DescribeInstanceAttribute", "DescribeInstances", "DescribeRegions"}),
    "sagemaker": frozenset(
        {
            "DescribeAutoMLJobV2",
            "DescribeEndpoint",
            "DescribeEndpointConfig",
            "DescribeHyperParameterTuningJob",
            "DescribeProcessingJob",
            "DescribeTrainingJob",
            "ListAutoMLJobs",
            "ListEndpoints",
            "ListHyperParameterTuningJobs",
            "ListNotebookInstances",
            "ListProcessingJobs",
            "ListTags",
            "ListTrainingJobs",
        }
    ),
}
"""Operations by service, as botocore names them; sts:GetCallerIdentity needs no permission."""


def policy_document() -> dict[str, Any]:
    """The identity policy for whoever scans. Lists and EC2's describes know no narrower resource than `*`."""
    actions = sorted(f"{service}:{operation}" for service, operations in CALLS.items() for operation in operations)
    statement = {"Sid": "CostwatchScan", "Effect": "Allow", "Action": actions, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}
