"""The calls that a doctor makes beside the command line's others, and the IAM policy that allows exactly its own."""

from __future__ import annotations

from typing import Any, Final

CALLS: Final = {
    "ce": frozenset({"ListCostAllocationTags"}),
    "cloudformation": frozenset({"ListStackResources"}),
    "dynamodb": frozenset({"GetItem", "Query"}),
    "ec2": frozenset({"DescribeInstances", "DescribeRegions"}),
    "events": frozenset({"DescribeRule"}),
    "iam": frozenset({"GetRole", "SimulatePrincipalPolicy"}),
    "lambda": frozenset({"GetEventSourceMapping", "GetFunctionConcurrency", "GetFunctionConfiguration"}),
    "sagemaker": frozenset({"ListTrainingJobs"}),
    "sns": frozenset({"ListSubscriptionsByTopic"}),
    "sqs": frozenset({"GetQueueAttributes"}),
    "ssm": frozenset({"GetParameter"}),
}
"""Operations by service, as botocore names them; sts:GetCallerIdentity needs no permission."""


def policy_document() -> dict[str, Any]:
    """The identity policy for whoever calls the doctor. All of it reads; the parameters hold Slack's secrets."""
    actions = sorted(f"{service}:{operation}" for service, operations in CALLS.items() for operation in operations)
    reads = [each for each in actions if each != "ssm:GetParameter"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "CostwatchDoctor", "Effect": "Allow", "Action": reads, "Resource": "*"},
            {
                "Sid": "CostwatchParameters",
                "Effect": "Allow",
                "Action": ["ssm:GetParameter"],
                "Resource": ["arn:*:ssm:*:*:parameter/costwatch/*", "arn:*:ssm:*:*:parameter/cdk-bootstrap/*"],
            },
        ],
    }
