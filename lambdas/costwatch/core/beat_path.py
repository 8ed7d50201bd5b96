"""The way of the heartbeats: a canary that each sweep sends along it proves it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from costwatch.core.heartbeats import GRACE_FACTOR, SHORTEST_INTERVAL


@dataclass(frozen=True, slots=True)
class Path:
    """The way from a trainer to the ledger, proven by a beat that each sweep sends along it.

    `unbroken_since`: when the first canary of an unbroken row was sent; `last_sent_at`: the newest that arrived.
    """

    last_sent_at: datetime
    unbroken_since: datetime


def path_after(path: Path | None, sent_at: datetime, allowed: timedelta) -> Path:
    """The path once a canary sent at `sent_at` arrived. A gap longer than `allowed` begins the row anew."""
    if path is None or sent_at - path.last_sent_at > allowed:
        return Path(sent_at, sent_at)
    return replace(path, last_sent_at=max(path.last_sent_at, sent_at))


def path_allows(sweep_every: timedelta) -> timedelta:
    """How old the newest canary may be: one of three sweeps must have come through, batch windows included."""
    return GRACE_FACTOR * sweep_every + SHORTEST_INTERVAL


def path_since(path: Path | None, sweep_every: timedelta, now: datetime) -> datetime | None:
    """Since when the way is proven; None: the newest canary is late (strictly older than allowed), or none came.

    One from further ahead than the same span proves nothing either: it would count when nothing arrives any more.
    """
    allowed = path_allows(sweep_every)
    if path is None or not -allowed <= now - path.last_sent_at <= allowed:
        return None
    return path.unbroken_since
