"""How much runs in a region, counted now and then: what a sweep that looks only at candidates cannot know. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

TAKEN_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Census:
    """Instances that ran at `at` (UTC), and EC2 runs by the selector that picked them."""

    at: datetime
    instances: int
    runs_of: Mapping[str, int]


def is_due(census: Census | None, now: datetime) -> bool:
    """An hour after the last one, inclusive."""
    return census is None or now - census.at >= TAKEN_EVERY
