"""Instants in tags and in the ledger."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwatch.core import times

MOMENT = datetime(2026, 12, 1, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["2026-12-01T00:00:00Z", "2026-12-01t00:00:00+00:00", "2026-12-01 00:00:00Z", "2026-12-01T01:00:00+01:00",
     "2026-11-30T19:00:00-05:00", "2026-12-01T00:00:00.000Z", " 2026-12-01T00:00:00Z "],
)  # fmt: skip
def test_an_instant_with_an_offset_is_read_as_utc(text: str) -> None:
    assert times.parse_rfc3339(text) == MOMENT
    assert times.parse_rfc3339(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["2026-12-01T00:00:00", "2026-12-01", "2026-12-01Z", "tomorrow", "", "1764547200", "2026-13-01T00:00:00Z"]
)
def test_an_instant_without_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an RFC 3339 time with an offset"):
        times.parse_rfc3339(text)


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z",
     "9999-12-31T23:59:59-23:59"],
)  # fmt: skip
def test_a_year_that_arithmetic_would_overflow_on_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        times.parse_rfc3339(text)


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00Z", "9998-12-31T23:59:59Z"])
def test_the_first_and_the_last_year_are_read(text: str) -> None:
    assert times.to_key(times.parse_rfc3339(text)) == text


moments = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9998, 12, 30), timezones=st.just(UTC))


@given(moments)
def test_ledger_text_reads_back_to_the_same_instant(moment: datetime) -> None:
    assert times.from_text(times.to_text(moment)) == moment


@given(moments, moments)
def test_the_order_of_ledger_text_is_the_order_of_time(one: datetime, other: datetime) -> None:
    assert (times.to_text(one) < times.to_text(other)) is (one < other)


def test_text_is_utc_whatever_the_zone_of_the_value() -> None:
    berlin = MOMENT.astimezone(timezone(timedelta(hours=1)))
    assert times.to_text(berlin) == "2026-12-01T00:00:00.000000Z"
    assert times.to_key(berlin) == "2026-12-01T00:00:00Z"


@given(st.text(max_size=40))
def test_any_text_is_an_aware_instant_or_is_refused(text: str) -> None:
    moment: datetime | None = None
    with suppress(ValueError):
        moment = times.parse_rfc3339(text)
    assert moment is None or moment.tzinfo is UTC
