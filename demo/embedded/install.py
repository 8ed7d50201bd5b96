"""Puts the AWS-like behaviour onto moto's classes, and takes it off again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from demo.embedded import (
    account_like_aws,
    autoscaling_like_aws,
    dispatch,
    ec2_like_aws,
    events_like_aws,
    pipelines_like_aws,
    registry_like_aws,
    s3_like_aws,
    sagemaker_families,
    sagemaker_like_aws,
    sagemaker_search,
    shortcuts,
    sns_like_aws,
    spot_history_like_aws,
    step_functions_like_aws,
    world,
)
from demo.embedded.patching import Patch
from demo.embedded.world import World

_applied: list[tuple[Any, str, Any]] = []


def _patches() -> list[Patch]:
    return [
        *account_like_aws.patches(),
        *autoscaling_like_aws.patches(),
        *dispatch.patches(),
        *ec2_like_aws.patches(),
        *events_like_aws.patches(),
        *sagemaker_like_aws.patches(),
        *sagemaker_families.patches(),
        *sagemaker_search.patches(),
        *pipelines_like_aws.patches(),
        *registry_like_aws.patches(),
        *s3_like_aws.patches(),
        *sns_like_aws.patches(),
        *spot_history_like_aws.patches(),
        *step_functions_like_aws.patches(),
        *shortcuts.patches(),
    ]


def _apply() -> None:
    for patch in _patches():
        _applied.append((patch.owner, patch.name, patch.owner.__dict__.get(patch.name, _ABSENT)))
        setattr(patch.owner, patch.name, patch.value)


def _undo() -> None:
    while _applied:
        owner, name, before = _applied.pop()
        if before is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


_ABSENT = object()


@contextmanager
def install(new_world: World | None = None) -> Iterator[World]:
    """moto behaves as AWS does, in this process, until the block ends. Blocks nest: the innermost world rules."""
    installed = new_world or World()
    if world.push(installed):
        _apply()
    try:
        yield installed
    finally:
        if world.pop(installed):
            _undo()
