"""What a run's own tags say about its limits. A malformed value never makes a stop come sooner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from costwatch.core import durations, times
from costwatch.core.heartbeats import SHORTEST_INTERVAL
from costwatch.core.model import Run
from costwatch.core.policy import TagKeys

EXEMPT_FOR_A_REASON = timedelta(days=7)
LONGEST_EXEMPTION = timedelta(days=365)
"""By tag or by command: every exemption ends."""


@dataclass(frozen=True, slots=True)
class MalformedTag:
    """A tag whose value cannot be read. `problem` is a sentence for the owner."""

    key: str
    value: str
    problem: str

    @property
    def told_key(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True, slots=True)
class ExemptTag:
    """`until` None: a reason, which lasts 7 days from when it was first seen. A time holds for 365 days from then."""

    value: str
    until: datetime | None

    def ends_at(self, first_seen: datetime) -> datetime:
        """Exclusive; UTC."""
        if self.until is None:
            return first_seen + EXEMPT_FOR_A_REASON
        return min(self.until, first_seen + LONGEST_EXEMPTION)


@dataclass(frozen=True, slots=True)
class Overrides:
    """Over all members the most lenient value counts: the longest runtime, the latest deadline, any exemption."""

    max_runtime: timedelta | None
    deadline: datetime | None
    heartbeat: timedelta | None
    """In which time a beat is expected; where the tag asks for it, silence counts."""
    exempt: tuple[ExemptTag, ...]
    malformed: tuple[MalformedTag, ...]

    @property
    def only_hard_cap(self) -> bool:
        """Any tag that cannot be read leaves the hard cap as the only time limit: it may have meant more time."""
        return bool(self.malformed)


def read(run: Run, keys: TagKeys) -> Overrides:
    """Read the override tags of all members whose tags are readable."""
    runtimes: list[timedelta] = []
    deadlines: list[datetime] = []
    intervals: list[timedelta] = []
    malformed: dict[str, MalformedTag] = {}
    exempt: dict[str, ExemptTag] = {}

    def note(key: str, value: str, problem: str) -> None:
        tag = MalformedTag(key, value, problem)
        malformed[tag.told_key] = tag

    for key, lengths in ((keys.max_runtime, runtimes), (keys.heartbeat, intervals)):
        for value in _values(run, key):
            try:
                length = durations.parse(value)
            except ValueError as error:
                note(key, value, str(error))
                continue
            if lengths is intervals and length < SHORTEST_INTERVAL:
                shortest = durations.short(SHORTEST_INTERVAL)
                note(key, value, f"{value!r} is shorter than {shortest}: the training client beats no more often")
                continue
            lengths.append(length)
    for value in _values(run, keys.deadline):
        try:
            deadlines.append(times.parse_rfc3339(value))
        except ValueError as error:
            note(keys.deadline, value, str(error))
    for value in _values(run, keys.exempt):
        words = value.split(maxsplit=1)
        until: datetime | None = None
        if words and words[0].lower() == "until":
            try:
                until = times.parse_rfc3339(words[1] if len(words) > 1 else "")
            except ValueError as error:
                note(keys.exempt, value, f"{error}; taken as a reason, it exempts for 7 days")
        exempt[value] = ExemptTag(value, until)
    return Overrides(
        max_runtime=max(runtimes, default=None),
        deadline=max(deadlines, default=None),
        heartbeat=max(intervals, default=None),
        exempt=tuple(exempt.values()),
        malformed=tuple(malformed.values()),
    )


def _values(run: Run, key: str) -> Iterator[str]:
    for member in run.members:
        if member.tags and key in member.tags:
            yield member.tags[key]
