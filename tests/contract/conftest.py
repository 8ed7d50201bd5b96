"""An AWS in this process for the adapters' contracts, with clients that make one attempt, so that a fault shows.

The ledger's contract is the same on both of its tables: each test runs on either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from costwatch import names
from costwatch.adapters.dynamodb import DynamoTable
from costwatch.adapters.ledger import Ledger
from costwatch.adapters.memory_table import MemoryTable
from costwatch.adapters.table import Table
from demo.embedded import EmbeddedAws, Fleet, World, install
from demo.ledger_table import create_ledger_table
from tests.support.builders import NOW, REGION
from tests.support.ledger_steps import STAMP
from tests.support.looking_at_aws import CLOCK

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


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    """A client of DynamoDB, by moto, that refuses long keys as DynamoDB does."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "embedded")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.delenv("AWS_PROFILE", raising=False)
        with mock_aws():
            made = boto3.client("dynamodb", region_name=REGION)
            made.meta.events.register("provide-client-params.dynamodb.*", _refuse_long_keys)
            yield made


def _refuse_long_keys(params: Any, **_: Any) -> None:
    """As DynamoDB does in every call; moto does so for a Put alone."""
    if isinstance(params, dict):
        for name, most in ((names.TABLE_PARTITION_KEY, 2048), (names.TABLE_SORT_KEY, 1024)):
            value = params.get(name)
            if isinstance(value, dict) and len(str(value.get("S", "")).encode()) > most:
                raise ValueError(f"a key longer than DynamoDB takes: {name}")
        parts = list(params.values())
    else:
        parts = params if isinstance(params, list) else []
    for part in parts:
        _refuse_long_keys(part)


@pytest.fixture(params=["memory", "dynamodb"])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """The ledger's table, empty: in memory and on DynamoDB."""
    if request.param == "memory":
        yield MemoryTable()
        return
    made = request.getfixturevalue("dynamodb")
    create_ledger_table(made, "costwatch-ledger")
    yield DynamoTable(made, "costwatch-ledger")
    made.delete_table(TableName="costwatch-ledger")


@pytest.fixture
def ledger(table: Table) -> Ledger:
    return Ledger(table, stamp=STAMP)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedAws]:
    """AWS as another process would meet it: behind HTTP, and by CLOCK."""
    with EmbeddedAws(clock=CLOCK) as running:
        yield running


@pytest.fixture
def aws(server: EmbeddedAws) -> Iterator[EmbeddedAws]:
    """The server's account, empty, at NOW; whatever fails inside it fails the test."""
    CLOCK.now = NOW
    server.reset()
    yield server
    assert server.errors == []
