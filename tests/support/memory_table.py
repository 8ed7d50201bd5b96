"""The package's table in memory, with what tests need beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Any

from costwatch.adapters import memory_table
from costwatch.adapters.table import Delete, Item, Put, Write


class _Rows(dict[tuple[str, str], dict[str, Any]]):
    """As they are, for a test to look at and to change; whoever wrote one has another."""

    def __setitem__(self, place: tuple[str, str], row: dict[str, Any]) -> None:
        super().__setitem__(place, memory_table.copied(row))


class MemoryTable(memory_table.MemoryTable):
    """`before_transact` may raise, to make a call fail; `transactions` counts what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.items: MutableMapping[tuple[str, str], dict[str, Any]] = _Rows()
        self.transactions = 0
        self.before_transact: Callable[[Sequence[Write]], None] | None = None

    def transact(self, writes: Sequence[Write]) -> None:
        self.transactions += 1
        if self.before_transact is not None:
            self.before_transact(writes)
        super().transact(writes)

    def each(self, pk: str) -> Iterator[Item]:
        """What changes one of the two for a test changes the other."""
        return iter(self.query(pk))

    def batch(self, writes: Sequence[Put | Delete]) -> None:
        self.transactions += 1
        if self.before_transact is not None:
            self.before_transact(writes)
        super().batch(writes)
