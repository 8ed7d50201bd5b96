"""Durations as people write them in tags and in costwatch.yaml."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwatch.core import durations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12h", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1h30m", timedelta(minutes=90)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("PT12H", timedelta(hours=12)),
        ("P2D", timedelta(days=2)),
        ("P1DT2H30M", timedelta(days=1, hours=2, minutes=30)),
        ("pt45m", timedelta(minutes=45)),
        (" 12H ", timedelta(hours=12)),
        ("1M", timedelta(minutes=1)),
    ],
)
def test_a_duration_is_read_as_people_and_iso_8601_write_it(text: str, expected: timedelta) -> None:
    assert durations.parse(text) == expected


@pytest.mark.parametrize("text", ["12", "0", "3.5", " 12 "])
def test_a_bare_number_is_refused_since_it_has_no_unit(text: str) -> None:
    with pytest.raises(ValueError, match="a bare number has no unit"):
        durations.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "h", "P", "PT", "P1DT", "twelve hours", "12 h", "-1h", "+1h", "1.5h", "30m1h", "1h 30m", "12h!", "1w",
     "P1Y", "PT1.5H", "1e3s", "∞"],
)  # fmt: skip
def test_what_is_no_duration_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="a duration such as 12h, 90m, 2d, 1h30m or PT12H"):
        durations.parse(text)


@pytest.mark.parametrize("text", ["0h", "PT0S", "0d0h"])
def test_a_duration_of_zero_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than zero"):
        durations.parse(text)


def test_a_year_is_accepted() -> None:
    assert durations.parse("365d") == durations.LONGEST


@pytest.mark.parametrize("text", ["365d1s", "999999d", "999999h99999999s", "8761h"])
def test_one_second_more_than_a_year_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most 365d"):
        durations.parse(text)


def test_where_more_makes_sense_the_limit_is_another_and_is_named() -> None:
    longest = timedelta(days=400)
    assert durations.parse("400d", longest=longest) == longest
    with pytest.raises(durations.OutOfRange, match="'400d1s' must be longer than zero and at most 400d"):
        durations.parse("400d1s", longest=longest)


def test_a_refused_value_is_quoted_in_part() -> None:
    with pytest.raises(ValueError, match="xxx") as refused:
        durations.parse("x" * 5000)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (timedelta(seconds=0), "0 s"),
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=59, microseconds=999_999), "59 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=1, minutes=30), "1 h 30 min"),
        (timedelta(days=3), "72 h"),
    ],
)
def test_a_duration_is_shown_in_hours_and_minutes_and_never_negative(duration: timedelta, shown: str) -> None:
    assert durations.show(duration) == shown


@given(st.integers(min_value=1, max_value=int(durations.LONGEST.total_seconds())))
def test_the_short_form_parses_back_to_the_same_duration(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert durations.parse(durations.short(duration)) == duration


@given(st.text(max_size=40))
def test_any_text_is_a_duration_within_bounds_or_is_refused(text: str) -> None:
    duration: timedelta | None = None
    with suppress(ValueError):
        duration = durations.parse(text)
    assert duration is None or timedelta(0) < duration <= durations.LONGEST
