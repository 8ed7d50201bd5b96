"""An AWS in this process for the adapters' contracts, and clients that make one attempt, so that a fault shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from demo.embedded import Fleet, World, install
from tests.support.builders import NOW

Clients = Callable[..., Any]


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    """Clients by service and region, made once: botocore reads its models slowly."""
    made: dict[tuple[str, str], Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "embedded")
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        session = boto3.session.Session()

        def client(service: Any, region: str = "us-east-1") -> Any:
            if (service, region) not in made:
                config = Config(retries={"total_max_attempts": 1})
                made[service, region] = session.client(service, region_name=region, config=config)
            return made[service, region]

        yield client


@pytest.fixture
def world(clients: Clients) -> Iterator[World]:
    """An empty account whose clock stands at NOW."""
    del clients
    with mock_aws(), install(World(clock=lambda: NOW)) as installed:
        yield installed


@pytest.fixture
def fleet(world: World) -> Fleet:
    return Fleet(world)
