"""What the heartbeats of a run's members say together, and what follows: alive, silent, stalled, nearly done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from costwatch.core.heartbeats import (
    ALIVE_FOR,
    BEATS_THAT_PROVE,
    GRACE_FACTOR,
    LONGEST_ANNOUNCED,
    STALLED_AFTER,
    Heard,
    Pulse,
    Session,
    pulse_key,
)
from costwatch.core.policy import Service

if TYPE_CHECKING:
    from costwatch.core.model import Member


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the beats of all members of a run say together, in its current run. Any member's beat counts.

    `path_since`: since when the way of the beats has been proven without a break; None: it is not proven now, so
    silence counts for nobody.
    """

    sessions: tuple[Session, ...]
    longest_gap: timedelta
    """Between two beats of one training, or of one and the next on the same member."""
    quiet_until: datetime | None
    proven: bool
    """Whether enough beats came for their absence to say something: of the process that began last, too."""
    done: bool
    path_since: datetime | None
    last_at: datetime

    @property
    def beats(self) -> int:
        return sum(session.beats for session in self.sessions)

    @property
    def going_on(self) -> list[Session]:
        """Who is done no longer advances, and says nothing about those that go on."""
        return [session for session in self.sessions if session.done_at is None] or list(self.sessions)

    @property
    def progress(self) -> Session:
        """Who advanced last: its steps are shown. A beat or two of somebody else are not."""
        shown = [session for session in self.going_on if session.step_at is not None] or self.going_on
        return max(shown, key=lambda session: (session.proven, session.step_at or session.last_at, session.id))

    @property
    def checkpoint_at(self) -> datetime | None:
        return max((s.checkpoint_at for s in self.sessions if s.checkpoint_at is not None), default=None)

    def alive(self, now: datetime) -> bool:
        """Whether it can be trusted to go on: it beat a moment ago, or announced that it would not."""
        if self.quiet_until is not None and now <= self.quiet_until:
            return True
        return now - self.last_at <= max(ALIVE_FOR, GRACE_FACTOR * self.longest_gap)


def vitals_of(
    members: Iterable[Member],
    pulses: Mapping[tuple[Service, str], Pulse],
    path_since: datetime | None,
    heard: Heard | None = None,
) -> Vitals | None:
    """What is known of a run with these members; None: none of them has beaten in its current run.

    Beats from before a member's present start are those of another run. `heard`: of members that have left it.
    """
    found: list[Session] = []
    of_processes: list[tuple[datetime, int]] = []
    for member in members:
        since = member.clock.running_since
        pulse = pulses.get(pulse_key(member.service, member.id))
        said = pulse.heard_since(since) if pulse is not None and since is not None else None
        if pulse is not None and since is not None and said is not None:
            own = pulse.since(since)
            found += own
            of_processes += _beats_of_processes(own)  # of each member apart: two may call their processes the same
            heard = said.together(heard)
    if not found or heard is None:
        return None
    last = max(began for began, _ in of_processes)
    return Vitals(
        sessions=tuple(found),
        longest_gap=heard.longest_gap,
        quiet_until=heard.quiet_until,
        proven=all(beats >= BEATS_THAT_PROVE for began, beats in of_processes if began == last),
        done=heard.done,
        path_since=path_since,
        last_at=heard.last_at,
    )


def heard_of(
    left: Iterable[tuple[Service, str, datetime]], pulses: Mapping[tuple[Service, str], Pulse], heard: Heard | None
) -> Heard | None:
    """What members have said that are in their run no more, each with its start then, and, before that, `heard`."""
    for service, member_id, since in left:
        pulse = pulses.get(pulse_key(service, member_id))
        said = pulse.heard_since(since) if pulse is not None else None
        heard = said.together(heard) if said is not None else heard
    return heard


def done_at(
    members: Iterable[tuple[Service, str, datetime]], pulses: Mapping[tuple[Service, str], Pulse]
) -> datetime | None:
    """When members, each with its start, said last that their work is done; None: nobody said so."""
    found = ((pulses.get(pulse_key(service, name)), since) for service, name, since in members)
    said = (pulse.done_since(since) for pulse, since in found if pulse is not None)
    return max((moment for moment in said if moment is not None), default=None)


def _beats_of_processes(sessions: Sequence[Session]) -> Iterator[tuple[datetime, int]]:
    """When each process of a member began, and how often it has beaten in all of its trainings."""
    for process in {session.process for session in sessions}:
        own = [session for session in sessions if session.process == process]
        yield min(session.first_at for session in own), sum(session.beats for session in own)


def silent_at(vitals: Vitals | None, interval: timedelta | None) -> datetime | None:
    """Silent strictly after this (UTC). None: silence says nothing about this run, now or at all.

    `interval`: the time in which its selector or tag expects a beat; None: neither asks. The grace is three of these
    and at least three times the longest pause the run has made; an announced phase and a broken way come on top.
    """
    if vitals is None or interval is None or vitals.done:
        return None
    if not vitals.proven or vitals.path_since is None:
        return None
    grace = GRACE_FACTOR * max(interval, vitals.longest_gap)
    return max(vitals.last_at, vitals.path_since, vitals.quiet_until or vitals.last_at) + grace


def may_matter(pulse: Pulse, interval: timedelta | None, now: datetime) -> bool:
    """Whether a run that this member is of may be silent or stalled at `now`; false: it is neither.

    Of all that its processes said the least is believed, and what other members' beats say can only put either off.
    `interval`: the least in which any selector expects a beat.
    """
    if pulse.done or not pulse.sessions:
        return False
    newest = pulse.sessions[-1]
    if interval is not None and now > newest.last_at + GRACE_FACTOR * max(interval, newest.longest_gap):
        return True
    return any(session.stuck(now) for session in pulse.sessions if session.done_at is None)


def stalled_since(vitals: Vitals | None, now: datetime) -> datetime | None:
    """When a run that beats on took its last step forward, where that is strange by its own pace; else None.

    Strictly longer ago than an hour and than three times the longest it ever took. Beats alone prove no progress.
    """
    if vitals is None or vitals.done or not vitals.alive(now):
        return None
    if vitals.quiet_until is not None and now <= vitals.quiet_until:
        return None
    steps = [(session.step_at, session) for session in vitals.going_on if session.step_at is not None]
    if not any(session.alive(now) and session.stuck(now) for _, session in steps):
        return None
    last, furthest = max(steps, key=lambda each: (each[0], each[1].id))
    allowed = max(STALLED_AFTER, GRACE_FACTOR * max(session.longest_step_gap for _, session in steps))
    return last if now - last > allowed and not furthest.finished else None


def finishes_at(vitals: Vitals | None, now: datetime) -> datetime | None:
    """When a run that reports `step` of `total` will be done at its pace so far, not before `now`; None: unknown.

    Linear: the time its steps have taken since the first one reported, for those that are left. Of several processes
    it is the one that will be done first: what somebody else says must not take away what the trainer has shown.
    """
    if vitals is None or not vitals.alive(now):
        return None
    ends = (_end_of(session, now) for session in vitals.going_on if session.alive(now) and not session.stuck(now))
    return min((end for end in ends if end is not None), default=None)


def _end_of(p: Session, now: datetime) -> datetime | None:
    if p.step is None or p.total is None or p.first_step is None or p.step_at is None or p.first_step_at is None:
        return None
    taken, done, left = p.step_at - p.first_step_at, p.step - p.first_step, p.total - p.step
    if done <= 0 or left < 0 or taken <= timedelta(0):
        return None
    seconds = taken.total_seconds() * left / done
    if seconds > LONGEST_ANNOUNCED.total_seconds():
        return None
    return max(p.step_at + timedelta(seconds=round(seconds)), now)


def steps_text(vitals: Vitals | None) -> str:
    """`step 812 of 900`, `step 812`; empty where no step was reported."""
    progress = vitals.progress if vitals is not None else None
    if progress is None or progress.step is None:
        return ""
    return f"step {progress.step:,}" + (f" of {progress.total:,}" if progress.total is not None else "")
