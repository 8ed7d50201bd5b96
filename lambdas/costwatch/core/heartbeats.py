"""What a training run says of itself, and what follows from it: alive, silent, stalled, nearly done. Pure.

A beat may delay a stop within narrow bounds and never causes one by itself: silence counts only where a selector or
the run's tag asks for it. Times are when a beat arrived (UTC), as its queue says: a sender's clock proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from costwatch.core.policy import Service

if TYPE_CHECKING:
    from costwatch.core.model import Member

BEATS_THAT_PROVE: Final = 3
"""So many must have come in the current run before their absence says anything, and as many steps before a stall."""
GRACE_FACTOR: Final = 3
ALIVE_FOR: Final = timedelta(minutes=15)
"""Three times what the training client leaves between two beats."""
STALLED_AFTER: Final = timedelta(hours=1)
LONGEST_STEP: Final = 2**53
LONGEST_ANNOUNCED: Final = timedelta(days=7)
MOST_SESSIONS: Final = 16
"""Of one member: its processes, one after the other or beside each other. A row must not grow without end."""
SHORTEST_INTERVAL: Final = timedelta(minutes=5)
"""The training client beats no more often, but for news such as an end or an announced phase."""
_MOST_DIGITS: Final = 9


def pulse_key(service: Service, member_id: str) -> tuple[Service, str]:
    """Under which a member's beats are found: SageMaker's ARNs have the names of jobs in lower case."""
    return service, member_id.lower()


class BeatKind(StrEnum):
    STARTED = "started"
    BEAT = "beat"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat as it arrived. `session` is one training of one process; `seq` counts up within it, from 1."""

    service: Service
    member_id: str
    account: str
    region: str
    received_at: datetime
    kind: BeatKind
    session: str
    seq: int
    step: int | None = None
    total: int | None = None
    checkpoint: str = ""
    next_within: timedelta | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    """Numbers as text: nothing is computed with them here."""
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    """What of it could not be used; the beat counts all the same."""


@dataclass(frozen=True, slots=True)
class Session:
    """The beats of one training of one process so far, and what it said last."""

    id: str
    seq: int
    beats: int
    first_at: datetime
    last_at: datetime
    longest_gap: timedelta = timedelta(0)
    """Between two of its beats; what `next_within` announced is left out."""
    quiet_until: datetime | None = None
    """An announced long phase: no beat is expected before."""
    done_at: datetime | None = None
    step: int | None = None
    """The furthest step; a trainer that falls back to a checkpoint has not advanced."""
    step_at: datetime | None = None
    first_step: int | None = None
    first_step_at: datetime | None = None
    advances: int = 0
    longest_step_gap: timedelta = timedelta(0)
    total: int | None = None
    checkpoint: str = ""
    checkpoint_at: datetime | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def process(self) -> str:
        """A process that trains again begins a session `ID.2`, then `ID.3`."""
        return self.id.partition(".")[0]

    @property
    def training(self) -> int:
        number = self.id.partition(".")[2]
        return int(number) if number.isdecimal() and len(number) <= _MOST_DIGITS else 1

    @property
    def expected_at(self) -> datetime:
        """From when on its pause counts: its last beat, or the end of what it announced."""
        return max(self.last_at, self.quiet_until or self.last_at)

    @property
    def proven(self) -> bool:
        return self.beats >= BEATS_THAT_PROVE

    @property
    def finished(self) -> bool:
        """Whether it has taken all its steps: what it does now, such as saving, has none."""
        return self.total is not None and self.step is not None and self.step >= self.total

    def alive(self, now: datetime) -> bool:
        """Whether this very process can be trusted to go on: it beat a moment ago, or announced that it would not."""
        if self.quiet_until is not None and now <= self.quiet_until:
            return True
        return now - self.last_at <= max(ALIVE_FOR, GRACE_FACTOR * self.longest_gap)

    def stuck(self, now: datetime) -> bool:
        """Whether its last step is strangely old by its own pace: strictly more than an hour, and three times it."""
        if self.step_at is None or self.advances < BEATS_THAT_PROVE or self.finished:
            return False
        return now - self.step_at > max(STALLED_AFTER, GRACE_FACTOR * self.longest_step_gap)


@dataclass(frozen=True, slots=True)
class Pulse:
    """All beats of one member so far, each process apart: what one says takes nothing away from another.

    `longest_gap`, `quiet_until` and `done_at` are of the processes that are not kept any more.
    """

    sessions: tuple[Session, ...] = ()
    """In the order in which they began, at most `MOST_SESSIONS`."""
    longest_gap: timedelta = timedelta(0)
    quiet_until: datetime | None = None
    done_at: datetime | None = None

    @property
    def last_at(self) -> datetime:
        return max(session.last_at for session in self.sessions)

    @property
    def done(self) -> bool:
        """Whether who began last is done."""
        return bool(self.sessions) and self.sessions[-1].done_at is not None

    def since(self, moment: datetime) -> list[Session]:
        """Those that began then or later."""
        return [session for session in self.sessions if session.first_at >= moment]

    def heard_since(self, moment: datetime) -> Heard | None:
        """What they say together; None: none of them began since."""
        sessions = self.since(moment)
        if not sessions:
            return None
        announced = [self.quiet_until, *(session.quiet_until for session in sessions)]
        return Heard(
            max(session.last_at for session in sessions),
            max([self.longest_gap, *(session.longest_gap for session in sessions), *_pauses_between(sessions)]),
            max((moment for moment in announced if moment is not None), default=None),
            _done(sessions) or (self.done_at is not None and self.done_at >= moment),
        )


def after(pulse: Pulse | None, beat: Beat) -> Pulse:
    """The pulse once `beat` arrived.

    What comes again or out of order is a sign of life and nothing else: somebody else's beat with a sequence number
    of its own choice must not make a trainer look silent.
    """
    known = pulse or Pulse()
    for i, session in enumerate(known.sessions):
        if session.id == beat.session:
            sessions = (*known.sessions[:i], _beaten(session, beat), *known.sessions[i + 1 :])
            return replace(known, sessions=sessions)
    at = beat.received_at
    fresh = _told(Session(beat.session, beat.seq, 1, at, at), beat)
    return _with(known, fresh)


def _with(pulse: Pulse, fresh: Session) -> Pulse:
    """One process more. Where too many are known, one is forgotten, but not what excuses its silence.

    Who shows how far it is goes last, and before it who beat least.
    """
    if len(pulse.sessions) < MOST_SESSIONS:
        return replace(pulse, sessions=(*pulse.sessions, fresh))
    least = min(pulse.sessions, key=lambda session: (session.total is not None, session.beats, session.last_at))
    kept = tuple(session for session in pulse.sessions if session is not least)
    ended = least.done_at if _done([least, *(s for s in kept if s.process == least.process)]) else None
    return Pulse(
        sessions=(*kept, fresh),
        longest_gap=max([pulse.longest_gap, least.longest_gap, *_pauses_between((*pulse.sessions, fresh))]),
        quiet_until=max((m for m in (pulse.quiet_until, least.quiet_until) if m is not None), default=None),
        done_at=max((m for m in (pulse.done_at, ended) if m is not None), default=None),
    )


def _beaten(session: Session, beat: Beat) -> Session:
    if beat.seq <= session.seq:
        # What only puts silence off is believed all the same: the higher number may have been somebody else's.
        known = replace(session, last_at=max(session.last_at, beat.received_at))
        if beat.kind is BeatKind.DONE:
            return replace(known, done_at=beat.received_at)
        if beat.next_within is None:
            return known
        until = beat.received_at + beat.next_within
        return replace(known, quiet_until=max(until, known.quiet_until or until))
    gap = max(beat.received_at - session.expected_at, timedelta(0))
    known = replace(
        session,
        seq=beat.seq,
        beats=session.beats + 1,
        last_at=max(session.last_at, beat.received_at),
        longest_gap=max(session.longest_gap, gap),
    )
    return _told(known, beat)


def _told(session: Session, beat: Beat) -> Session:
    """What the beat itself says."""
    at = beat.received_at
    session = replace(
        session,
        total=beat.total if beat.total is not None else session.total,
        metrics=beat.metrics or session.metrics,
        fingerprint=beat.fingerprint or session.fingerprint,
        problem=beat.problem,
        quiet_until=at + beat.next_within if beat.next_within is not None else None,
        done_at=at if beat.kind is BeatKind.DONE else None,
    )
    if beat.checkpoint and beat.checkpoint != session.checkpoint:
        session = replace(session, checkpoint=beat.checkpoint, checkpoint_at=at)
    if beat.step is None:
        return session
    if session.step is None or session.step_at is None:
        return replace(session, step=beat.step, step_at=at, first_step=beat.step, first_step_at=at, advances=1)
    if beat.step <= session.step:
        return session
    return replace(
        session,
        step=beat.step,
        step_at=at,
        advances=session.advances + 1,
        longest_step_gap=max(session.longest_step_gap, at - session.step_at),
    )


def _done(sessions: Sequence[Session]) -> bool:
    """Whether one said that it is done, and the same process has not begun another training since.

    What others say takes it back no more than it takes back anything else: a run that is done is never silent.
    """
    newest = {session.process: session for session in sorted(sessions, key=lambda session: session.training)}
    return any(session.done_at is not None for session in newest.values())


@dataclass(frozen=True, slots=True)
class Heard:
    """What members had said of a run that have left it since. It puts its silence off and brings nothing about."""

    last_at: datetime
    longest_gap: timedelta
    quiet_until: datetime | None = None
    done: bool = False

    def together(self, other: Heard | None) -> Heard:
        if other is None:
            return self
        return Heard(
            max(self.last_at, other.last_at),
            max(self.longest_gap, other.longest_gap),
            max((m for m in (self.quiet_until, other.quiet_until) if m is not None), default=None),
            self.done or other.done,
        )


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
    for member in members:
        since = member.clock.running_since
        pulse = pulses.get(pulse_key(member.service, member.id))
        said = pulse.heard_since(since) if pulse is not None and since is not None else None
        if pulse is not None and since is not None and said is not None:
            found += pulse.since(since)
            heard = said.together(heard)
    if not found or heard is None:
        return None
    of_processes = list(_beats_of_processes(found))
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


def _beats_of_processes(sessions: Sequence[Session]) -> Iterator[tuple[datetime, int]]:
    """When each process began, and how often it has beaten in all of its trainings."""
    for process in {session.process for session in sessions}:
        own = [session for session in sessions if session.process == process]
        yield min(session.first_at for session in own), sum(session.beats for session in own)


def _pauses_between(sessions: Sequence[Session]) -> Iterator[timedelta]:
    """From the last beat of a process to the first one of the next on the same member: it may pause so again.

    What few beats said, or one who was done, ended no pause and began none.
    """
    for i, session in enumerate(sessions):
        before = [other for other in sessions[:i] if other.proven] or sessions[:i]
        last = max(before, key=lambda other: other.expected_at, default=None)
        if last is not None and last.done_at is None:
            yield max(session.first_at - last.expected_at, timedelta(0))


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
