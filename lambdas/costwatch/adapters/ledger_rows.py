"""Reading the ledger's rows one by one, so that a row that cannot be read costs its own run and nobody else's.

A row may have been changed by hand, by a restore, or by a version that knows more than this one. Each says by `v` which
version of the rows' shape it has; the first one did not say. The version rises only where an older reader would take a
row for something else than it is: an attribute that is merely new needs none. Whoever raises it keeps rows of before in
tests/golden, and reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

from costwatch.adapters.table import Item
from costwatch.errors import UnreadableRow

SCHEMA_VERSION: Final = 2
"""Of the rows that this version writes; 2: they say it."""
_VERSION: Final = "v"
SAID_VERSION: Final[dict[str, Any]] = {_VERSION: SCHEMA_VERSION}
"""What stands on every row."""
_FIRST: Final = 1

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
    """Decode one item. Raises UnreadableRow with the row's key for whatever is missing, unknown or misspelt in it, and
    for a row of a later version than this one knows.
    """
    try:
        _refuse_later(item.get(_VERSION, _FIRST))
        return decode(item)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise UnreadableRow(item["pk"], item["sk"], f"{type(error).__name__}: {error}") from error


def _refuse_later(version: Any) -> None:
    """Raises ValueError: it may mean something else than it seems to."""
    if not _FIRST <= version <= SCHEMA_VERSION:
        raise ValueError(f"it has version {version} of the rows, and this Costwatch reads up to {SCHEMA_VERSION}")
