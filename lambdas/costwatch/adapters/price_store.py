"""The price book as one item of the ledger's table: one read to have it.

    pk        sk      what
    prices    book    the book as gzipped JSON, its `version` guards writes

It belongs to no origin: list prices are the same for the deployed sweep and for one from a laptop.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from costwatch import names
from costwatch.adapters.ledger import Stamp
from costwatch.adapters.ledger_keys import key
from costwatch.adapters.ledger_rows import read
from costwatch.adapters.table import Absent, Condition, ConditionFailed, Equals, Item, Put, Table
from costwatch.core import times
from costwatch.core.price_book import FORMAT_VERSION, PriceBook, book_of, empty_book
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError, UnreadableRow

MOST_BYTES: Final = 380 * 1024
"""DynamoDB takes items of 400 KB, names and stamp included."""
_BOOK: Final = key("prices", "book")
_TRIES: Final = 5

KEPT_FOR: Final = timedelta(hours=6)
"""A process reads the book again when its copy is older (exactly so old it is still used)."""
LOOKED_FOR_AGAIN: Final = timedelta(minutes=10)
"""The same where there is no book, or it was not refreshed for more than a day: then a refresh is overdue."""
_OVERDUE: Final = timedelta(hours=25)


def packed(book: PriceBook) -> bytes:
    """As it is kept: gzipped JSON, the same bytes for the same book."""
    return gzip.compress(json.dumps(book.document, separators=(",", ":"), sort_keys=True).encode(), mtime=0)


def unpacked(body: bytes) -> PriceBook:
    """The inverse of `packed`. Raises ValueError for what this version does not read."""
    try:
        document = json.loads(gzip.decompress(body))
    except (OSError, EOFError, zlib.error, RecursionError) as error:
        raise ValueError(f"it cannot be unpacked: {error}") from error
    return book_of(document)


@dataclass(frozen=True, slots=True)
class PriceStore:
    """Reads are strongly consistent. Raises AwsError; UnreadableRow for a book that this version does not read."""

    table: Table
    stamp: Stamp

    def load(self) -> PriceBook | None:
        """The book; None: none was ever written."""
        item = self.table.get(_BOOK)
        return read(item, _book) if item is not None else None

    def update(self, change: Callable[[PriceBook], PriceBook], now: datetime) -> tuple[PriceBook, int]:
        """Read, change and write back, unless somebody else wrote meanwhile: then again. The book and its bytes.

        A book that cannot be read is written anew. Raises PermanentAwsError for one that is too large.
        """
        for _ in range(_TRIES):
            item = self.table.get(_BOOK)
            book = change(_or_empty(item, now))
            body = packed(book)
            if len(body) > MOST_BYTES:
                raise PermanentAwsError(
                    f"the price book has {len(body):,} bytes, more than the {MOST_BYTES:,} one row takes: the old one "
                    "stays; configure fewer regions",
                    code="BookTooLarge",
                )
            version = _version(item)
            condition: Condition | None = Absent() if item is None else None
            if version is not None:
                condition = Equals("version", version)
            written = {
                names.TABLE_PARTITION_KEY: _BOOK.pk,
                names.TABLE_SORT_KEY: _BOOK.sk,
                "version": (version or 0) + 1,
                "format": FORMAT_VERSION,
                "written_at": times.to_text(now),
                "body": body,
                **self.stamp.attributes,
            }
            try:
                self.table.put(Put(written, condition))
            except ConditionFailed:
                continue
            return book, len(body)
        raise TransientAwsError("the price book was changed by others each time", code="Conflict")


@dataclass
class KeptBook:
    """The book as a process keeps it: read once, and again when the copy gets old.

    A read that fails stops nobody: `log` is told and the copy before it, or none, is what there is.
    """

    store: PriceStore
    log: Callable[[str, Mapping[str, object]], None]
    _book: PriceBook | None = field(default=None, init=False)
    _read_at: datetime | None = field(default=None, init=False)

    def at(self, now: datetime) -> PriceBook | None:
        """The book to decide by at `now`; None: there is none that can be read."""
        if self._read_at is None or now - self._read_at > self._good_for():
            try:
                self._book = self.store.load()
            except UnreadableRow as row:
                self._book = None
                self.log("price book cannot be read, the seed prices are used", {"reason": str(row)})
            except AwsError as error:
                self.log("price book was not read, the last copy or the seed is used", {"reason": str(error)})
                return self._book
            self._read_at = now
        return self._book

    def _good_for(self) -> timedelta:
        if self._book is None or self._read_at is None or self._read_at - self._book.written_at > _OVERDUE:
            return LOOKED_FOR_AGAIN
        return KEPT_FOR


def _book(item: Item) -> PriceBook:
    return unpacked(bytes(item["body"]))


def _or_empty(item: Item | None, now: datetime) -> PriceBook:
    try:
        return read(item, _book) if item is not None else empty_book(now)
    except UnreadableRow:
        return empty_book(now)


def _version(item: Item | None) -> int | None:
    """None: there is no row, or one that somebody wrote by hand and that may be overwritten."""
    try:
        return int(item["version"]) if item is not None else None
    except (LookupError, TypeError, ValueError):
        return None
