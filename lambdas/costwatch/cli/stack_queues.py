"""The stack's dead-letter queues, each with the function that may be handed what lies there; from CloudFormation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from costwatch import names, topology
from costwatch.cli import stack_resources
from costwatch.cli.session import Session

READ_BY_ITSELF: Final = "the function gate reads it itself, and its log says why anything stays there"
_HASH: Final = "[0-9A-F]{8}"  # what the CDK puts behind each name


def find(session: Session) -> dict[str, tuple[str, str]]:
    """By the name of who gives up into it: the queue's URL, and the function; empty: none takes what lies there.

    Raises NotDeployedError where the deployment's stack is not in its home region.
    """
    return parts(stack_resources.physical(stack_resources.listed(session)))


def parts(physical: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The same of a stack's resources: `physical` ids by logical ones.

    Without what a function reads itself: nobody has to look into that.
    """
    functions = {each.name for each in topology.FUNCTIONS if each.asynchronous}
    batched = {each.name for each in topology.QUEUES if not each.answers_dead_letters}
    queues = {name: _dead_letters(name) for name in functions | batched} | {names.REFUSED: "RefusedEvents"}
    found: dict[str, tuple[str, str]] = {}
    for name, called in queues.items():
        url = _one(physical, called)
        if url:
            found[name] = url, _one(physical, f"{_title(name)}Function") if name in functions else ""
    return found


def read_by_functions(physical: Mapping[str, str]) -> dict[str, str]:
    """URLs of those that a function reads itself, since somebody waits for an answer; by the queue's name."""
    found = {
        each.name: _one(physical, _dead_letters(each.name)) for each in topology.QUEUES if each.answers_dead_letters
    }
    return {name: url for name, url in found.items() if url}


def _one(physical: Mapping[str, str], called: str) -> str:
    found: Iterable[Any] = (each for name, each in physical.items() if re.fullmatch(called + _HASH, name))
    return str(next(iter(found), ""))


def _dead_letters(name: str) -> str:
    return f"{_title(name)}DeadLetters"


def _title(name: str) -> str:
    """`gate-requests` as the stack calls it: `GateRequests`."""
    return "".join(part.title() for part in name.split("-"))
