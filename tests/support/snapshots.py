"""Remembers an embedded account as it is, and has it back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from moto.backends import get_backend
from moto.moto_api._internal import mock_random

from demo.embedded import EmbeddedAws, autoscaling_like_aws
from demo.slack_endpoint import SlackEndpoint


class MovableClock(Protocol):
    """A clock that stands still until somebody sets it."""

    now: datetime


def moto_backend(aws: EmbeddedAws, service: str) -> Any:
    """moto's own state of a service in the home region."""
    backends: Any = get_backend
    return backends(service)[aws.account_id][aws.region]


def snapshot(aws: EmbeddedAws, slack: SlackEndpoint, clock: MovableClock) -> Callable[[], None]:
    """Remember the home region as it is now; call the answer, as often as you like, to have it back."""
    # Between our calls no request is being answered, so moto's objects stand still.
    backends = [moto_backend(aws, service) for service in ("ec2", "sagemaker", "dynamodb")]
    here = autoscaling_like_aws.groups(aws.account_id, aws.region)
    groups = copy.deepcopy(here)
    kept = [copy.deepcopy(backend.__dict__, {id(backend): backend}) for backend in backends]
    lists: list[list[Any]] = [slack.messages, aws.sns_messages]
    lists += [queue._messages for queue in moto_backend(aws, "sqs").queues.values()]
    kept_lists = [list(each) for each in lists]
    now = clock.now
    ids = mock_random.getstate()  # so that what is launched again has the id it had

    def restore() -> None:
        mock_random.setstate(ids)
        for backend, attributes in zip(backends, kept, strict=True):
            backend.__dict__ = copy.deepcopy(attributes, {id(backend): backend})
        here.clear()
        here.update(copy.deepcopy(groups))
        for each, items in zip(lists, kept_lists, strict=True):
            each[:] = items
        clock.now = now

    return restore
