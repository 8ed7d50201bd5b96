"""Time as text: RFC 3339 in, fixed-width UTC out."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 9998


def parse_rfc3339(text: str) -> datetime:
    """An instant with an explicit offset, of the years 1970 to 9998, as aware UTC.

    Raises ValueError with a sentence otherwise.
    """
    stripped = text.strip()
    try:
        moment = datetime.fromisoformat(stripped)
        if "T" not in stripped.upper().replace(" ", "T") or moment.tzinfo is None:
            raise ValueError
        utc = moment.astimezone(UTC)
        if not _FIRST_YEAR <= utc.year <= _LAST_YEAR:
            raise ValueError  # arithmetic with it would overflow
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text[:60]!r} is not an RFC 3339 time with an offset, such as 2026-12-01T00:00:00Z"
        ) from None
    return utc


# A sweep writes and reads the same few moments in every row, and each run's own several times in a row.
@lru_cache(maxsize=256)
def to_text(moment: datetime) -> str:
    """`2026-11-22T09:10:00.000000Z`: fixed width, so text order is time order."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@lru_cache(maxsize=256)
def to_key(moment: datetime) -> str:
    """`2026-11-22T09:10:00Z`: whole seconds, for ids and keys."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


@lru_cache(maxsize=256)
def from_text(text: str) -> datetime:
    """The inverse of `to_text`."""
    return datetime.fromisoformat(text).astimezone(UTC)
