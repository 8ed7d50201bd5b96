"""What the command line may call at all. Stopping is the deployed function's alone, under its own role and caps."""

from __future__ import annotations

from typing import Any, Final

from costwatch.cli import doctor_permissions
from costwatch.errors import RefusedError
from costwatch.preview import permissions as preview_permissions
from costwatch.scan import permissions as scan_permissions

_DEPLOYED: Final = {
    "autoscaling": frozenset({"DescribeAutoScalingGroups", "DescribeScalingActivities"}),
    "dynamodb": frozenset({"BatchWriteItem", "GetItem", "PutItem", "Query", "TransactWriteItems"}),
    "ec2": frozenset(
        {
            "DescribeInstanceAttribute",
            "DescribeInstances",
            "DescribeSpotInstanceRequests",
            "DescribeSpotPriceHistory",
        }
    ),
    "lambda": frozenset({"Invoke"}),
    "pricing": frozenset({"GetProducts"}),
    "s3": frozenset({"GetObject", "HeadBucket", "HeadObject", "ListObjectsV2", "PutObject"}),
    "sagemaker": frozenset(
        {
            "DescribeAutoMLJobV2",
            "DescribeHyperParameterTuningJob",
            "DescribeModelPackage",
            "DescribeProcessingJob",
            "DescribeTrainingJob",
            "ListAutoMLJobs",
            "ListHyperParameterTuningJobs",
            "ListModelPackages",
            "ListPipelineExecutionSteps",
            "ListProcessingJobs",
            "ListTags",
            "ListTrainingJobs",
            "ListTrainingJobsForHyperParameterTuningJob",
        }
    ),
    "ssm": frozenset({"GetParameter"}),
}
"""For everything but a doctor, a scan and a preview, which name their own calls."""
_EVERY: Final = (_DEPLOYED, doctor_permissions.CALLS, preview_permissions.CALLS, scan_permissions.CALLS)
ALLOWED: Final = {
    service: frozenset().union(*(calls.get(service, frozenset()) for calls in _EVERY))
    for service in dict.fromkeys(service for calls in _EVERY for service in calls)
}
SIGNING_IN: Final = frozenset({"sts", "sso", "sso-oidc", "signin"})
"""How boto3 finds credentials: assumed roles and single sign-on make calls of their own."""


def refuse_unlisted(model: Any, **_: Any) -> None:
    """A hook before every call of the command line's clients. Raises RefusedError for what is not listed."""
    service = model.service_model.service_name
    if service not in SIGNING_IN and model.name not in ALLOWED.get(service, frozenset()):
        raise RefusedError(f"the command line never calls {service}:{model.name}")
