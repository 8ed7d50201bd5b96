"""The blast cap: which counters a stop counts against."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from costwatch.core import caps
from costwatch.core.caps import CapLimit
from tests.support import policies
from tests.support.builders import NOW, SECOND


def limits(
    *, now: datetime = NOW, runs: int = 10, share: str = "0.2", most: int = 5, every_seconds: int = 300
) -> tuple[CapLimit, ...]:
    cap = {"runs": most, "share": share, "per_day": 20}
    policy = policies.policy(blast_cap=cap, sweep_every_seconds=every_seconds)
    return caps.limits(policy, selector="trainers", runs_of_selector=runs, now=now)


def test_a_stop_counts_against_the_sweep_the_selectors_share_and_the_day() -> None:
    assert [(c.counter, c.limit) for c in limits()] == [
        ("sweep#2026-11-22T09:00:00Z", 5),
        ("share#2026-11-22T09:00:00Z#trainers", 2),
        ("day#2026-11-22", 20),
    ]


@pytest.mark.parametrize(
    ("share", "runs", "expected"),
    [("0.2", 10, 2), ("0.2", 9, 1), ("0.2", 14, 2), ("0.2", 15, 3), ("0.2", 4, 1), ("0.2", 1, 1), ("0.2", 0, 1),
     ("1", 7, 7), ("0.01", 99, 1), ("0.01", 200, 2), ("0.29", 100, 29)],
)  # fmt: skip
def test_the_share_is_rounded_down_and_at_least_one(share: str, runs: int, expected: int) -> None:
    assert limits(share=share, runs=runs)[1].limit == expected


def test_two_sweeps_of_one_interval_share_their_counters() -> None:
    assert limits(now=NOW) == limits(now=NOW + timedelta(seconds=299))


def test_the_next_interval_has_counters_of_its_own() -> None:
    first, second = limits(now=NOW + timedelta(seconds=299)), limits(now=NOW + timedelta(seconds=300))
    assert first[0].counter != second[0].counter
    assert first[1].counter != second[1].counter
    assert first[2].counter == second[2].counter


def test_a_day_is_a_utc_day() -> None:
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    assert limits(now=midnight - SECOND)[2].counter == "day#2026-11-22"
    assert limits(now=midnight)[2].counter == "day#2026-11-23"
    berlin = (midnight - SECOND).astimezone(timezone(timedelta(hours=1)))
    assert limits(now=berlin)[2].counter == "day#2026-11-22"


def test_the_label_says_which_cap_in_the_words_of_the_configuration() -> None:
    assert [c.label for c in limits()] == [
        "blast_cap.runs (5 a sweep)",
        "blast_cap.share (2 of 10 runs of trainers a sweep)",
        "blast_cap.per_day (20 a day)",
    ]
