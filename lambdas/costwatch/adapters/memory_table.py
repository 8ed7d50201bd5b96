"""The ledger's table in memory, for one look that leaves no trace: the same conditions as DynamoDB, all or nothing."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from costwatch.adapters.table import (
    LONGEST_PARTITION_KEY_BYTES,
    LONGEST_SORT_KEY_BYTES,
    Absent,
    AbsentOrAtMost,
    AbsentOrBelow,
    Check,
    Condition,
    ConditionFailed,
    Count,
    Delete,
    Equals,
    Exists,
    Item,
    Key,
    Put,
    Write,
)

_MOST_WRITES = 100
_FASTEST = 1
_Place = tuple[str, str]
_Row = dict[str, Any]


class MemoryTable:
    """Implements `adapters.table.Table`. Holds what one process writes, and forgets it with the process."""

    def __init__(self) -> None:
        self.items: MutableMapping[_Place, _Row] = _Packed()

    def get(self, key: Key) -> Item | None:
        _refuse_too_long(key.pk, key.sk)
        found = self.items.get((key.pk, key.sk))
        return copied(found) if found is not None else None

    def query(self, pk: str, *, prefix: str = "") -> list[Item]:
        return list(self._found(pk, prefix))

    def each(self, pk: str) -> Iterator[Item]:
        return self._found(pk)

    def query_day(self, day: str, *, since: str = "") -> list[Item]:
        found = [item for item in self.items.values() if item.get("day") == day and item["at"] >= since]
        return [copied(item) for item in sorted(found, key=lambda i: (i["at"], i["sk"]))]

    def put(self, write: Put) -> None:
        self.transact([write])

    def transact(self, writes: Sequence[Write]) -> None:
        """Raises ConditionFailed, and ValueError for what DynamoDB refuses as a whole."""
        keys = [_key(write) for write in writes]
        if len(set(keys)) != len(keys):
            raise ValueError(f"two writes to one item in one transaction: {keys}")
        if len(writes) > _MOST_WRITES:
            raise ValueError(f"{len(writes)} writes in one transaction, more than {_MOST_WRITES}")
        for key in keys:
            _refuse_too_long(*key)
        failed = [i for i, write in enumerate(writes) if not self._holds(write)]
        if failed:
            raise ConditionFailed(failed)
        for write in writes:
            self._apply(write)

    def batch(self, writes: Sequence[Put | Delete]) -> None:
        """Raises ValueError for a condition, and for two writes to one item, which DynamoDB refuses within a call."""
        keys = [_key(write) for write in writes]
        if len(set(keys)) != len(keys) or any(write.condition is not None for write in writes):
            raise ValueError(f"a batch of writes with conditions, or with two to one item: {keys}")
        for key in keys:
            _refuse_too_long(*key)
        for write in writes:
            self._apply(write)

    def _found(self, pk: str, prefix: str = "") -> Iterator[Item]:
        _refuse_too_long(pk, prefix)
        keys = sorted(key for key in self.items if key[0] == pk and key[1].startswith(prefix))
        return (copied(self.items[key]) for key in keys)

    def _holds(self, write: Write) -> bool:
        condition: Condition | None = write.condition
        item = self.items.get(_key(write))
        match condition:
            case None:
                return True
            case Absent():
                return item is None
            case Exists():
                return item is not None
            case Equals(name, value):
                return item is not None and item.get(name) == value
            case AbsentOrBelow(name, value):
                return item is None or name not in item or item[name] < value
            case AbsentOrAtMost(name, value):
                return item is None or name not in item or item[name] <= value

    def _apply(self, write: Write) -> None:
        key = _key(write)
        match write:
            case Put(item, _):
                self.items[key] = dict(item)
            case Delete():
                self.items.pop(key, None)
            case Check():
                pass
            case Count(_, name, _, also):
                counted = self.items.get(key, {"pk": key[0], "sk": key[1]})
                self.items[key] = {**counted, name: counted.get(name, 0) + 1, **also}


class _Packed(MutableMapping[_Place, _Row]):
    """Rows as bytes: of each what the first one with the same names does not say.

    A look at thousands of runs writes three rows for each, which differ in a few words: a tenth of what dicts take.
    """

    def __init__(self) -> None:
        self._rows: dict[_Place, tuple[bytes, bytes]] = {}
        self._first: dict[tuple[str, ...], bytes] = {}

    def __getitem__(self, place: _Place) -> _Row:
        first, packed = self._rows[place]
        row: _Row = pickle.loads(zlib.decompressobj(zdict=first).decompress(packed))  # noqa: S301 - written below
        return row

    def __setitem__(self, place: _Place, row: _Row) -> None:
        whole = pickle.dumps(row)
        first = self._first.setdefault(tuple(row), whole)
        packer = zlib.compressobj(_FASTEST, zdict=first)
        self._rows[place] = first, packer.compress(whole) + packer.flush()

    def __delitem__(self, place: _Place) -> None:
        del self._rows[place]

    def __iter__(self) -> Iterator[_Place]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def copied(value: Any) -> Any:
    """A deep copy of what an item may hold; many times faster than copy.deepcopy, and a sweep copies a lot."""
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, list):
        return [copied(part) for part in value]
    return value


def _refuse_too_long(pk: str, sk: str) -> None:
    if len(pk.encode()) > LONGEST_PARTITION_KEY_BYTES or len(sk.encode()) > LONGEST_SORT_KEY_BYTES:
        raise ValueError(f"a key longer than DynamoDB takes: {pk[:80]!r}, {sk[:80]!r}")


def _key(write: Write) -> tuple[str, str]:
    if isinstance(write, Put):
        return write.item["pk"], write.item["sk"]
    return write.key.pk, write.key.sk
