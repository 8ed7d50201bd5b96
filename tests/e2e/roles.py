"""What the roles that were deployed allow."""

from __future__ import annotations

from typing import Any

from tests.e2e.deployed import Deployed
from tests.support.iam import statements_of


def statements(deployed: Deployed, function_arn: str) -> list[Any]:
    """All that the function's role may and may not."""
    iam = deployed.aws.client("iam")
    role = deployed.aws.client("lambda").get_function_configuration(FunctionName=function_arn)["Role"]
    name = role.rpartition("/")[2]
    documents = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        documents.append(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
    return [statement for document in documents for statement in statements_of(document)]
