"""What the deployment's stack is made of, as CloudFormation lists it in the home region."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from costwatch.adapters.aws_errors import translated
from costwatch.cli.session import Session
from costwatch.errors import NotDeployedError, PermanentAwsError

RULE: Final = "AWS::Events::Rule"
FUNCTION: Final = "AWS::Lambda::Function"
MAPPING: Final = "AWS::Lambda::EventSourceMapping"
_NO_STACK: Final = "ValidationError"


@dataclass(frozen=True, slots=True)
class Resource:
    """`logical_id`: its name in the template. `physical_id`: what its own service knows it by; empty: not made."""

    kind: str
    logical_id: str
    physical_id: str


def listed(session: Session) -> tuple[Resource, ...]:
    """All of them. Raises NotDeployedError where the deployment's stack is not in its home region."""
    region, stack = session.deployment.home_region, session.deployment.stack
    client = session.client("cloudformation", region)
    try:
        with translated("cloudformation:ListStackResources"):
            pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
            found = [each for page in pages for each in page["StackResourceSummaries"]]
    except PermanentAwsError as error:
        if error.code != _NO_STACK:
            raise
        raise NotDeployedError(f"no stack is called {stack} in {region}: its parts are not known") from error
    return tuple(
        Resource(str(each["ResourceType"]), str(each["LogicalResourceId"]), str(each.get("PhysicalResourceId", "")))
        for each in found
    )


def physical(resources: Iterable[Resource]) -> dict[str, str]:
    """Physical ids by logical ones."""
    return {each.logical_id: each.physical_id for each in resources}
