"""What a training run says of itself: beats, and the pulses that they make. What follows is in `liveness`. Pure.

A beat may delay a stop within narrow bounds and never causes one by itself: silence counts only where a selector or
the run's tag asks for it. Times are when a beat arrived (UTC), as its queue says: a sender's clock proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from costwatch.core.policy import Service

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

    def done_since(self, moment: datetime) -> datetime | None:
        """When the last of those that began since said that it is done, and began no other training; None: none did."""
        said = [session.done_at for session in _newest(self.since(moment)) if session.done_at is not None]
        if self.done_at is not None and self.done_at >= moment:
            said.append(self.done_at)
        return max(said, default=None)


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
    return any(session.done_at is not None for session in _newest(sessions))


def _newest(sessions: Sequence[Session]) -> Iterable[Session]:
    """The last training of each process."""
    return {session.process: session for session in sorted(sessions, key=lambda session: session.training)}.values()


def _pauses_between(sessions: Sequence[Session]) -> Iterator[timedelta]:
    """From the last beat of a process to the first one of the next on the same member: it may pause so again.

    What few beats said, or one who was done, ended no pause and began none.
    """
    for i, session in enumerate(sessions):
        before = [other for other in sessions[:i] if other.proven] or sessions[:i]
        last = max(before, key=lambda other: other.expected_at, default=None)
        if last is not None and last.done_at is None:
            yield max(session.first_at - last.expected_at, timedelta(0))


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
