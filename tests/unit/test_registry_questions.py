"""Which permissions the calls to the model registry and to S3 need."""

from __future__ import annotations

from typing import Any

import pytest

from demo.iam_questions import Question, questions

ACCOUNT, REGION = "123456789012", "us-east-1"
PACKAGE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/churn/41"


def asked(service: str, operation: str, **params: Any) -> Question:
    def nothing(*_: str) -> None:
        return None

    (found,) = questions(service, operation, params, account=ACCOUNT, region=REGION, describe=nothing)
    return found


def test_an_update_is_asked_about_with_the_status_it_sets() -> None:
    found = asked("sagemaker", "UpdateModelPackage", ModelPackageArn=PACKAGE, ModelApprovalStatus="Rejected")
    assert (found.action, found.resource, found.unmapped) == ("sagemaker:UpdateModelPackage", PACKAGE, False)
    assert dict(found.context)["sagemaker:ModelApprovalStatus"] == "Rejected"


def test_an_update_of_something_else_sets_no_status() -> None:
    found = asked("sagemaker", "UpdateModelPackage", ModelPackageArn=PACKAGE, ApprovalDescription="no gain")
    assert "sagemaker:ModelApprovalStatus" not in dict(found.context)


@pytest.mark.parametrize(
    ("service", "operation", "params", "action", "resource"),
    [
        ("sagemaker", "DescribeModelPackage", {"ModelPackageName": PACKAGE}, "sagemaker:DescribeModelPackage", PACKAGE),
        (
            "sagemaker",
            "ListModelPackages",
            {"ModelPackageGroupName": "churn", "ModelApprovalStatus": "Approved"},
            "sagemaker:ListModelPackages",
            f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package-group/churn",
        ),
        ("s3", "GetObject", {"Bucket": "b", "Key": "a/c"}, "s3:GetObject", "arn:aws:s3:::b/a/c"),
        ("s3", "HeadObject", {"Bucket": "b", "Key": "a/c"}, "s3:GetObject", "arn:aws:s3:::b/a/c"),
        ("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "a/"}, "s3:ListBucket", "arn:aws:s3:::b"),
    ],
)
def test_each_read_needs_one_permission(
    service: str, operation: str, params: dict[str, str], action: str, resource: str
) -> None:
    found = asked(service, operation, **params)
    assert (found.action, found.resource, found.unmapped) == (action, resource, False)
    assert "sagemaker:ModelApprovalStatus" not in dict(found.context)


def test_a_write_to_s3_is_no_call_that_is_known() -> None:
    assert asked("s3", "PutObject", Bucket="b", Key="a").unmapped
