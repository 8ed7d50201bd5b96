"""Reading the ledger's rows one by one, so that a row that cannot be read costs its own run and nobody else's.

A row may have been changed by hand, by a restore, or by a version that knows more than this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from costwatch.adapters.table import Item
from costwatch.errors import UnreadableRow

Skip = Callable[[UnreadableRow], None]
"""What becomes of a row that cannot be read: told to whoever has to mend it, never passed over in silence."""
_T = TypeVar("_T")


def decoded(items: Iterable[Item], decode: Callable[[Item], _T], skip: Skip | None) -> Iterator[_T]:
    """Every item that can be read; the others go to `skip`. Without `skip` the first one raises UnreadableRow."""
    for item in items:
        try:
            value = read(item, decode)
        except UnreadableRow as row:
            if skip is None:
                raise
            skip(row)
        else:
            yield value


def read(item: Item, decode: Callable[[Item], _T]) -> _T:
    """Decode one item. Raises UnreadableRow with the row's key for whatever is missing, unknown or misspelt in it."""
    try:
        return decode(item)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise UnreadableRow(item["pk"], item["sk"], f"{type(error).__name__}: {error}") from error
