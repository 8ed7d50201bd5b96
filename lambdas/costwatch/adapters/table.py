"""What the ledger needs of a table: keyed reads, queries and all-or-nothing conditional writes.

Conditions are data, so DynamoDB and the in-memory table of the tests judge the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

LONGEST_PARTITION_KEY_BYTES: Final = 2048
LONGEST_SORT_KEY_BYTES: Final = 1024
"""DynamoDB's own limits, in bytes of UTF-8; a longer key is refused with the whole transaction."""

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Absent:
    """No item under this key."""


@dataclass(frozen=True, slots=True)
class Exists:
    """Some item under this key."""


@dataclass(frozen=True, slots=True)
class Equals:
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class AbsentOrBelow:
    """The attribute is absent or less than `value`."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class AbsentOrAtMost:
    """The attribute is absent or at most `value`."""

    name: str
    value: Any


Condition = Absent | Exists | Equals | AbsentOrBelow | AbsentOrAtMost


@dataclass(frozen=True, slots=True)
class Put:
    item: Item
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    key: Key
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Check:
    key: Key
    condition: Condition


@dataclass(frozen=True, slots=True)
class Count:
    """Add one to the number `name`; `also` is set beside it."""

    key: Key
    name: str
    condition: Condition | None = None
    also: Item = field(default_factory=dict)


Write = Put | Delete | Check | Count


class ConditionFailed(Exception):
    """Nothing was written. `indexes`: which writes' conditions did not hold; empty: another writer was in the way."""

    def __init__(self, indexes: Sequence[int]) -> None:
        super().__init__(f"conditions {list(indexes)} did not hold")
        self.indexes = tuple(indexes)


class Table(Protocol):
    """Reads are strongly consistent, but for the index."""

    def get(self, key: Key) -> Item | None: ...

    def query(self, pk: str, *, prefix: str = "") -> list[Item]:
        """All items of a partition whose sort key begins with `prefix`, in sort key order."""
        ...

    def each(self, pk: str) -> Iterator[Item]:
        """What `query` finds, a few at a time as they are asked for: of a partition that may be large."""
        ...

    def query_day(self, day: str, *, since: str = "") -> list[Item]:
        """All timeline items of a UTC day (`2026-11-22`) at or after `since`, in time order."""
        ...

    def put(self, write: Put) -> None:
        """One write, at half of a transaction's price. Raises ConditionFailed."""
        ...

    def transact(self, writes: Sequence[Write]) -> None:
        """All writes or none. Raises ConditionFailed; at most 100 writes."""
        ...

    def batch(self, writes: Sequence[Put | Delete]) -> None:
        """As many writes as it takes, 25 a call, each by itself; conditions are not judged, so there may be none."""
        ...
