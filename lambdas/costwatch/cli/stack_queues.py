"""The stack's dead-letter queues, each with the function that may be handed what lies there; from CloudFormation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from costwatch import names, topology
from costwatch.adapters.aws_errors import translated
from costwatch.cli.session import Session
from costwatch.errors import NotDeployedError, PermanentAwsError

_NO_STACK: Final = "ValidationError"
_HASH: Final = "[0-9A-F]{8}"  # what the CDK puts behind each name


def find(session: Session) -> dict[str, tuple[str, str]]:
    """By the name of who gives up into it: the queue's URL, and the function; empty: none takes what lies there.

    Raises NotDeployedError where the deployment's stack is not in its home region.
    """
    region, stack = session.deployment.home_region, session.deployment.stack
    client = session.client("cloudformation", region)
    try:
        with translated("cloudformation:ListStackResources"):
            pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
            resources = [each for page in pages for each in page["StackResourceSummaries"]]
    except PermanentAwsError as error:
        if error.code != _NO_STACK:
            raise
        raise NotDeployedError(f"no stack is called {stack} in {region}: its queues are not known") from error
    return parts({str(each["LogicalResourceId"]): str(each.get("PhysicalResourceId", "")) for each in resources})


def parts(physical: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The same of a stack's resources: `physical` ids by logical ones.

    Without what a function reads itself: nobody has to look into that.
    """
    functions = {each.name for each in topology.FUNCTIONS if each.asynchronous}
    batched = {each.name for each in topology.QUEUES if not each.answers_dead_letters}
    queues = {name: f"{_title(name)}DeadLetters" for name in functions | batched} | {names.REFUSED: "RefusedEvents"}
    found: dict[str, tuple[str, str]] = {}
    for name, called in queues.items():
        url = _one(physical, called)
        if url:
            found[name] = url, _one(physical, f"{_title(name)}Function") if name in functions else ""
    return found


def _one(physical: Mapping[str, str], called: str) -> str:
    found: Iterable[Any] = (each for name, each in physical.items() if re.fullmatch(called + _HASH, name))
    return str(next(iter(found), ""))


def _title(name: str) -> str:
    """`gate-requests` as the stack calls it: `GateRequests`."""
    return "".join(part.title() for part in name.split("-"))
