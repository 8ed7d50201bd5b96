"""The oracle's ear: what the recorded beats say of a run, by the documents' rules about silence and who is nearly done.

Like the oracle it imports nothing of Costwatch. It keeps no state of its own beside a cache: everything follows from
the whole list of beats as they arrived, so nothing that was once concluded can be carried along wrongly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

AT_LEAST = 3
"""So many beats in the current run before silence counts, steps forward before a stall, and silent runs before it is
taken for our own fault. Also by how much a grace is longer than what is usual."""
ALIVE = timedelta(minutes=15)
"""Three times the training client's own pace."""
STALLED = timedelta(hours=1)
LONGEST_PHASE = timedelta(days=7)
CLIENTS_PACE = timedelta(minutes=5)


@dataclass
class _Process:
    """One session: what it said last, and its steps. Only what it numbers higher than before is news."""

    first_at: datetime
    seq: int = 0
    beats: int = 0
    quiet_until: datetime | None = None
    done: bool = False
    total: int | None = None
    steps: list[tuple[datetime, int]] = field(default_factory=list)
    """Each step that was further than all before, with when it arrived."""

    def says(self, beat: Any) -> None:
        if beat.seq <= self.seq:
            return
        self.seq, self.beats = beat.seq, self.beats + 1
        self.quiet_until = beat.at + beat.next_within if beat.next_within is not None else None
        self.done = beat.done
        self.total = beat.total if beat.total is not None else self.total
        if beat.step is not None and (not self.steps or beat.step > self.steps[-1][1]):
            self.steps.append((beat.at, beat.step))

    @property
    def longest_step(self) -> timedelta:
        times = [at for at, _ in self.steps]
        return max((b - a for a, b in itertools.pairwise(times)), default=timedelta(0))


@dataclass
class _Member:
    """All that was heard of one instance or job. What counts is said by its newest process."""

    processes: dict[str, _Process] = field(default_factory=dict)
    newest: str = ""
    last_at: datetime | None = None
    longest_pause: timedelta = timedelta(0)
    heard: int = 0

    def hear(self, beat: Any) -> None:
        process = self.processes.get(beat.session)
        if process is None:
            # A process of its own: the pause before it is nobody's habit.
            process = self.processes[beat.session] = _Process(beat.at)
            self.newest = beat.session
        elif self.last_at is not None:
            announced = [p.quiet_until for p in self.processes.values() if p.quiet_until is not None]
            self.longest_pause = max(self.longest_pause, beat.at - max([self.last_at, *announced]))
        process.says(beat)
        self.last_at = max(self.last_at or beat.at, beat.at)

    @property
    def now(self) -> _Process:
        return self.processes[self.newest]

    @property
    def announced(self) -> datetime | None:
        """The latest end of a phase that some process of it has announced and not taken back."""
        return max((p.quiet_until for p in self.processes.values() if p.quiet_until is not None), default=None)


@dataclass(frozen=True)
class Heard:
    """What all members of a run say together in its current run."""

    members: tuple[_Member, ...]
    path_since: datetime | None

    @property
    def last_at(self) -> datetime:
        return max(m.last_at for m in self.members if m.last_at is not None)

    @property
    def longest_pause(self) -> timedelta:
        return max(m.longest_pause for m in self.members)

    @property
    def done(self) -> bool:
        return all(m.now.done for m in self.members)

    def silent_after(self, interval: timedelta) -> datetime | None:
        """None: its silence counts for nothing."""
        if self.path_since is None or self.done or sum(m.now.beats for m in self.members) < AT_LEAST:
            return None
        announced = [m.announced for m in self.members if m.announced is not None]
        grace = max(AT_LEAST * interval, AT_LEAST * self.longest_pause)
        return max([self.last_at, self.path_since, *announced]) + grace

    def _quiet(self, now: datetime) -> bool:
        return any(m.now.quiet_until is not None and now <= m.now.quiet_until for m in self.members)

    def _alive(self, now: datetime) -> bool:
        return self._quiet(now) or now - self.last_at <= max(ALIVE, AT_LEAST * self.longest_pause)

    def _advancing(self) -> _Process | None:
        """The process that took a step last, of those that are not done."""
        going_on = [m for m in self.members if not m.now.done] or list(self.members)
        with_steps = [m for m in going_on if m.now.steps]
        found = max(with_steps, key=lambda m: (m.now.steps[-1][0], m.newest), default=None)
        return found.now if found is not None else None

    def stalled_since(self, now: datetime) -> datetime | None:
        """It beats, and took its last step longer ago than an hour and than three times its longest."""
        process = self._advancing()
        if process is None or self.done or self._quiet(now) or not self._alive(now):
            return None
        (at, step), few = process.steps[-1], len(process.steps) < AT_LEAST
        if few or (process.total is not None and step >= process.total):
            return None
        return at if now - at > max(STALLED, AT_LEAST * process.longest_step) else None

    def finished_at(self, now: datetime) -> datetime | None:
        """When it will be done at the pace of its steps so far; None: nothing shows an end."""
        process = self._advancing()
        if process is None or process.total is None or not self._alive(now) or self.stalled_since(now) is not None:
            return None
        (began, first), (at, step) = process.steps[0], process.steps[-1]
        if step <= first or at <= began or step > process.total:
            return None
        more = (at - began) / (step - first) * (process.total - step)
        return max(at + more, now) if more <= LONGEST_PHASE else None


class Ear:
    """Listens to one world: to `world.beats` and `world.canaries`, in the order in which they arrived."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._members: dict[tuple[str, str], _Member] = {}
        self._read = 0

    def listen(self) -> None:
        """Take in what has arrived since."""
        beats = self._world.beats
        for beat in beats[self._read :]:
            self._members.setdefault((beat.region, beat.member.lower()), _Member()).hear(beat)
        self._read = len(beats)

    def path_since(self, sweep_every: timedelta, now: datetime, *, now_too: bool) -> datetime | None:
        """Since when canaries came without a gap; None: the newest is late. `now_too`: this sweep's own arrives."""
        late = AT_LEAST * sweep_every + CLIENTS_PACE
        canaries: Sequence[datetime] = [*self._world.canaries, *([now] if now_too else [])]
        since, before = None, now
        for at in reversed(canaries):
            if before - at > late:
                break
            since = before = at
        return since

    def of(self, members: Iterable[tuple[str, str, datetime | None]], path_since: datetime | None) -> Heard | None:
        """What was heard of a run with these members (region, name, start) since each one's start; None: nothing."""
        found = []
        for region, name, start in members:
            member = self._members.get((region, name.lower()))
            if member is not None and start is not None and member.now.first_at >= start:
                found.append(member)
        return Heard(tuple(found), path_since) if found else None
