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

    id: str
    first_at: datetime
    last_at: datetime
    seq: int = 0
    beats: int = 0
    longest_pause: timedelta = timedelta(0)
    quiet_until: datetime | None = None
    done: bool = False
    total: int | None = None
    steps: list[tuple[datetime, int]] = field(default_factory=list)
    """Each step that was further than all before, with when it arrived."""

    def hear(self, beat: Any) -> None:
        expected, self.last_at = self.expected_at, max(self.last_at, beat.at)
        if beat.seq <= self.seq:
            return
        self.longest_pause = max(self.longest_pause, beat.at - expected)
        self.seq, self.beats = beat.seq, self.beats + 1
        self.quiet_until = beat.at + beat.next_within if beat.next_within is not None else None
        self.done = beat.done
        self.total = beat.total if beat.total is not None else self.total
        if beat.step is not None and (not self.steps or beat.step > self.steps[-1][1]):
            self.steps.append((beat.at, beat.step))

    @property
    def expected_at(self) -> datetime:
        return max(self.last_at, self.quiet_until or self.last_at)

    @property
    def longest_step(self) -> timedelta:
        times = [at for at, _ in self.steps]
        return max((b - a for a, b in itertools.pairwise(times)), default=timedelta(0))

    @property
    def finished(self) -> bool:
        return self.total is not None and bool(self.steps) and self.steps[-1][1] >= self.total

    def alive(self, now: datetime) -> bool:
        quiet = self.quiet_until is not None and now <= self.quiet_until
        return quiet or now - self.last_at <= max(ALIVE, AT_LEAST * self.longest_pause)

    def stuck(self, now: datetime) -> bool:
        if len(self.steps) < AT_LEAST or self.finished:
            return False
        return now - self.steps[-1][0] > max(STALLED, AT_LEAST * self.longest_step)

    def end(self) -> datetime | None:
        """When it will be done at the pace of its steps so far; None: nothing shows an end."""
        if self.total is None or not self.steps:
            return None
        (began, first), (at, step) = self.steps[0], self.steps[-1]
        if step <= first or at <= began or step > self.total:
            return None
        more = (at - began) / (step - first) * (self.total - step)
        return at + more if more <= LONGEST_PHASE else None


@dataclass(frozen=True)
class Left:
    """What members had said by the time they left the run: it puts its silence off, and no more."""

    last_at: datetime
    longest_pause: timedelta
    quiet_until: datetime | None
    done: bool

    def and_(self, other: Left | None) -> Left:
        if other is None:
            return self
        known = [until for until in (self.quiet_until, other.quiet_until) if until is not None]
        return Left(
            max(self.last_at, other.last_at),
            max(self.longest_pause, other.longest_pause),
            max(known, default=None),
            self.done or other.done,
        )


@dataclass(frozen=True)
class Heard:
    """What the processes of all members of a run say together in its current run, by member and in order."""

    members: tuple[tuple[_Process, ...], ...]
    path_since: datetime | None
    left: Left | None = None

    @property
    def processes(self) -> list[_Process]:
        return [process for member in self.members for process in member]

    @property
    def last_at(self) -> datetime:
        return max([p.last_at for p in self.processes] + ([self.left.last_at] if self.left else []))

    @property
    def longest_pause(self) -> timedelta:
        """Between two beats of one process, or from one that goes on to the next on the same member."""
        pauses = [p.longest_pause for p in self.processes]
        for member in self.members:
            for n, process in enumerate(member):
                earlier = [p for p in member[:n] if p.beats >= AT_LEAST] or list(member[:n])
                before = max(earlier, key=lambda p: p.expected_at, default=None)
                if before is not None and not before.done:
                    pauses.append(process.first_at - before.expected_at)
        return max(pauses + ([self.left.longest_pause] if self.left else []))

    @property
    def done(self) -> bool:
        """Any process said so, and has not begun another training since."""
        return (self.left is not None and self.left.done) or any(
            {p.id.partition(".")[0]: p for p in member}[process.id.partition(".")[0]].done
            for member in self.members
            for process in member
        )

    def silent_after(self, interval: timedelta) -> datetime | None:
        """None: its silence counts for nothing."""
        last = max(p.first_at for p in self.processes)
        few = any(p.beats < AT_LEAST for p in self.processes if p.first_at == last)
        if self.path_since is None or self.done or few:
            return None
        announced = self._announced
        grace = max(AT_LEAST * interval, AT_LEAST * self.longest_pause)
        return max([self.last_at, self.path_since, *announced]) + grace

    @property
    def _announced(self) -> list[datetime]:
        known = [p.quiet_until for p in self.processes] + ([self.left.quiet_until] if self.left else [])
        return [until for until in known if until is not None]

    def _quiet(self, now: datetime) -> bool:
        return any(now <= until for until in self._announced)

    def _alive(self, now: datetime) -> bool:
        return self._quiet(now) or now - self.last_at <= max(ALIVE, AT_LEAST * self.longest_pause)

    @property
    def _going_on(self) -> list[_Process]:
        return [p for p in self.processes if not p.done] or self.processes

    def stalled_since(self, now: datetime) -> datetime | None:
        """No step has advanced for longer than an hour and than three times what the slowest of them ever took."""
        stepping = [p for p in self._going_on if p.steps]
        if self.done or self._quiet(now) or not self._alive(now):
            return None
        if not any(p.alive(now) and p.stuck(now) for p in stepping):
            return None
        last = max(stepping, key=lambda p: (p.steps[-1][0], p.id))
        allowed = max(STALLED, AT_LEAST * max(p.longest_step for p in stepping))
        at = last.steps[-1][0]
        return at if now - at > allowed and not last.finished else None

    def finished_at(self, now: datetime) -> datetime | None:
        """The nearest end that any process which is alive and not stuck comes to."""
        ends = [p.end() for p in self._going_on if self._alive(now) and p.alive(now) and not p.stuck(now)]
        return min((max(end, now) for end in ends if end is not None), default=None)


class Ear:
    """Listens to one world: to `world.beats` and `world.canaries`, in the order in which they arrived."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._members: dict[tuple[str, str], dict[str, _Process]] = {}
        self._read = 0

    def listen(self) -> None:
        """Take in what has arrived since."""
        beats = self._world.beats
        for beat in beats[self._read :]:
            processes = self._members.setdefault((beat.region, beat.member.lower()), {})
            process = processes.setdefault(beat.session, _Process(beat.session, beat.at, beat.at))
            process.hear(beat)
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

    def left(self, region: str, name: str, start: datetime | None, before: Left | None) -> Left | None:
        """`before`, and what was heard of one that has just left since its start."""
        heard = self.of([(region, name, start)], None)
        if heard is None:
            return before
        return Left(heard.last_at, heard.longest_pause, max(heard._announced, default=None), heard.done).and_(before)

    def of(
        self,
        members: Iterable[tuple[str, str, datetime | None]],
        path_since: datetime | None,
        left: Left | None = None,
    ) -> Heard | None:
        """What was heard of a run with these members (region, name, start) since each one's start; None: nothing."""
        found = []
        for region, name, start in members:
            known = self._members.get((region, name.lower()), {}).values()
            since = tuple(p for p in known if start is not None and p.first_at >= start)
            found += [since] if since else []
        return Heard(tuple(found), path_since, left) if found else None
