"""The blast cap: how many stops a sweep, a selector and a day may take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR

from costwatch.core import times
from costwatch.core.policy import Policy


@dataclass(frozen=True, slots=True)
class CapLimit:
    """One counter of the cap: `label` is for people, `counter` names its row, `limit` the most it may count."""

    label: str
    counter: str
    limit: int


def limits(policy: Policy, *, selector: str, runs_of_selector: int, now: datetime) -> tuple[CapLimit, ...]:
    """The counters that a stop of a run of `selector` counts against at `now`.

    A sweep is a window of `sweep_every` (UTC), so two sweeps at once share their counters. The share is of the
    runs the selector picks now, rounded down, at least one. A day is a UTC day.
    """
    cap = policy.blast_cap
    sweep = times.to_key(window_start(policy, now))
    share = max(1, int((cap.share * runs_of_selector).to_integral_value(ROUND_FLOOR)))
    return (
        CapLimit(f"blast_cap.runs ({cap.runs} a sweep)", f"sweep#{sweep}", cap.runs),
        CapLimit(
            f"blast_cap.share ({share} of {runs_of_selector} runs of {selector} a sweep)",
            f"share#{sweep}#{selector}",
            share,
        ),
        CapLimit(f"blast_cap.per_day ({cap.per_day} a day)", f"day#{now.astimezone(UTC).date()}", cap.per_day),
    )


def window_start(policy: Policy, now: datetime) -> datetime:
    """The start (UTC, inclusive) of the sweep window that `now` lies in."""
    seconds = int(policy.sweep_every.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)
