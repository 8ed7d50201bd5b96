"""What the previous version left in its table, as DynamoDB keeps it: frozen, and the world that it had seen."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer

from tests.support import policies
from tests.support.builders import HOUR, MINUTE
from tests.support.fakes import START, FakeInstance, Town
from tests.support.memory_table import MemoryTable

FILE: Final = Path(__file__).parents[1] / "golden" / "ledger_rows_v1.json"
"""Written before rows said their version. Never written again: the past does not change."""
STORIES: Final = ("runs", "money", "models", "others")
LEFT_AT: Final[datetime] = START + 70 * MINUTE
"""When the previous version looked at the runs for the last time."""


def rows(story: str) -> Iterator[dict[str, Any]]:
    """Of one of the stories. Bytes stand in the file as in DynamoDB's own JSON, in base 64."""
    decode = TypeDeserializer().deserialize
    for row in json.loads(FILE.read_text(encoding="utf-8"))[story]:
        yield {name: base64.b64decode(value["B"]) if "B" in value else decode(value) for name, value in row.items()}


def table_of(story: str) -> MemoryTable:
    table = MemoryTable()
    for row in rows(story):
        table.items[row["pk"], row["sk"]] = row
    return table


def town_of_runs(table: MemoryTable | None = None) -> tuple[Town, dict[str, FakeInstance]]:
    """The instances by their names, at the beginning of the story."""
    selectors = [policies.selector(), policies.selector("jobs", service="training", tags={})]
    policy = policies.policy(blast_cap={"runs": 1, "share": "1", "per_day": 20}, selectors=selectors)
    town = Town(policy, table=table if table is not None else MemoryTable())
    owned = {"Purpose": "training", "owner": "maria@example.com"}
    ages: dict[str, tuple[timedelta, dict[str, str]]] = {
        "held": (13 * HOUR, {**owned, "team": "risk"}),
        "stopping": (14 * HOUR, owned),
        "exempt": (2 * HOUR, owned),
        "warned": (10 * HOUR + 30 * MINUTE, owned),
        "extended": (10 * HOUR + 40 * MINUTE, owned),
        "tagged": (13 * HOUR, {**owned, "costwatch:exempt": "a demo for the board"}),
    }
    instances = {
        name: town.world.launch(age=age, tags={**tags, "Name": name}, spot="persistent" if name == "held" else None)
        for name, (age, tags) in ages.items()
    }
    town.world.train("churn", age=2 * HOUR, tags={**owned, "model": "churn"})
    return town, instances
