"""The package's table in memory, with what tests need beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from costwatch.adapters import memory_table
from costwatch.adapters.table import Delete, Put, Write


class MemoryTable(memory_table.MemoryTable):
    """`before_transact` may raise, to make a call fail; `transactions` counts what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions = 0
        self.before_transact: Callable[[Sequence[Write]], None] | None = None

    def transact(self, writes: Sequence[Write]) -> None:
        self.transactions += 1
        if self.before_transact is not None:
            self.before_transact(writes)
        super().transact(writes)

    def batch(self, writes: Sequence[Put | Delete]) -> None:
        self.transactions += 1
        if self.before_transact is not None:
            self.before_transact(writes)
        super().batch(writes)
