"""What a training run says of itself, and what follows from it: alive, silent, stalled, nearly done. Pure.

A beat may delay a stop within narrow bounds and never causes one by itself: silence counts only where a selector or
the run's tag asks for it. Times are when a beat arrived (UTC), as its queue says: a sender's clock proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
SHORTEST_INTERVAL: Final = timedelta(minutes=5)
"""The training client beats no more often."""


def pulse_key(service: Service, member_id: str) -> tuple[Service, str]:
    """Under which a member's beats are found: SageMaker's ARNs have the names of jobs in lower case."""
    return service, member_id.lower()


class BeatKind(StrEnum):
    STARTED = "started"
    BEAT = "beat"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat as it arrived. `session` is one process of the trainer; `seq` counts up within it, from 1."""

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
class Pulse:
    """All beats of one member so far. Counts and steps are of its present session."""

    session: str
    previous_session: str
    seq: int
    beats: int
    first_at: datetime
    last_at: datetime
    longest_gap: timedelta = timedelta(0)
    """Between two beats, but for the one before a new session; what `next_within` announced is left out."""
    quiet_until: datetime | None = None
    """A long phase that its present session announced: no beat is expected before."""
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
    previous_seq: int = 0
    previous_quiet_until: datetime | None = None
    """What processes before the present one have announced and not taken back. One may still run beside it."""

    @property
    def announced_until(self) -> datetime | None:
        """No beat is expected before, whoever of its processes said so."""
        known = [each for each in (self.quiet_until, self.previous_quiet_until) if each is not None]
        return max(known, default=None)


def after(pulse: Pulse | None, beat: Beat) -> Pulse:
    """The pulse once `beat` arrived.

    What came before, again or out of order is a sign of life and nothing else: somebody else's beat with a sequence
    number of its own choice must not make a trainer look silent.
    """
    if pulse is None:
        return _told(Pulse(beat.session, "", beat.seq, 1, beat.received_at, beat.received_at), beat)
    if beat.session == pulse.session:
        if beat.seq <= pulse.seq:
            return _heard(pulse, beat)
        known = replace(
            _heard(pulse, beat),
            seq=beat.seq,
            beats=pulse.beats + 1,
            quiet_until=None,
            done_at=None,
            problem="",
        )
        return _told(known, beat)
    if beat.session == pulse.previous_session:
        # Late, or of a process beside the one that is followed: a phase that it announces is one all the same.
        known = _heard(pulse, beat)
        if beat.seq <= pulse.previous_seq:
            return known
        return replace(known, previous_seq=beat.seq, previous_quiet_until=_quiet_until(beat))
    # A process of its own: its beats and steps are counted anew, its pauses are still this trainer's.
    fresh = Pulse(
        beat.session,
        pulse.session,
        beat.seq,
        1,
        beat.received_at,
        max(beat.received_at, pulse.last_at),
        pulse.longest_gap,
        checkpoint=pulse.checkpoint,
        checkpoint_at=pulse.checkpoint_at,
        previous_seq=pulse.seq,
        previous_quiet_until=pulse.announced_until,
    )
    return _told(fresh, beat)


def _heard(pulse: Pulse, beat: Beat) -> Pulse:
    """The pulse with one more sign of life of a process that is known. What was announced is no pause."""
    expected = max(pulse.last_at, pulse.announced_until or pulse.last_at)
    gap = max(beat.received_at - expected, timedelta(0))
    return replace(pulse, last_at=max(pulse.last_at, beat.received_at), longest_gap=max(pulse.longest_gap, gap))


def _quiet_until(beat: Beat) -> datetime | None:
    return beat.received_at + beat.next_within if beat.next_within is not None else None


def _told(pulse: Pulse, beat: Beat) -> Pulse:
    """What the beat itself says."""
    at = beat.received_at
    pulse = replace(
        pulse,
        total=beat.total if beat.total is not None else pulse.total,
        metrics=beat.metrics or pulse.metrics,
        fingerprint=beat.fingerprint or pulse.fingerprint,
        problem=beat.problem,
        quiet_until=_quiet_until(beat),
        done_at=at if beat.kind is BeatKind.DONE else None,
    )
    if beat.checkpoint and beat.checkpoint != pulse.checkpoint:
        pulse = replace(pulse, checkpoint=beat.checkpoint, checkpoint_at=at)
    if beat.step is None:
        return pulse
    if pulse.step is None or pulse.step_at is None:
        return replace(pulse, step=beat.step, step_at=at, first_step=beat.step, first_step_at=at, advances=1)
    if beat.step <= pulse.step:
        return pulse
    return replace(
        pulse,
        step=beat.step,
        step_at=at,
        advances=pulse.advances + 1,
        longest_step_gap=max(pulse.longest_step_gap, at - pulse.step_at),
    )


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the beats of all members of a run say together, in its current run. Any member's beat counts.

    `path_since`: since when the way of the beats has been proven without a break; None: it is not proven now, so
    silence counts for nobody.
    """

    beats: int
    last_at: datetime
    longest_gap: timedelta
    quiet_until: datetime | None
    announced_until: datetime | None
    """As `quiet_until`, and what processes before or beside those that are followed have announced."""
    done: bool
    progress: Pulse
    """The member that advanced last, of those that are not done: its step, total and checkpoint."""
    path_since: datetime | None

    def alive(self, now: datetime) -> bool:
        """Whether it can be trusted to go on: it beat a moment ago, or announced that it would not."""
        if self.quiet_until is not None and now <= self.quiet_until:
            return True
        return now - self.last_at <= max(ALIVE_FOR, GRACE_FACTOR * self.longest_gap)


def vitals_of(
    members: Iterable[Member], pulses: Mapping[tuple[Service, str], Pulse], path_since: datetime | None
) -> Vitals | None:
    """What is known of a run with these members; None: no beat in its current run.

    Beats from before a member's present start are those of another run.
    """
    found: list[Pulse] = []
    for member in members:
        pulse = pulses.get(pulse_key(member.service, member.id))
        since = member.clock.running_since
        if pulse is not None and since is not None and pulse.first_at >= since:
            found.append(pulse)
    if not found:
        return None
    # Who is done no longer advances, and says nothing about those that go on.
    going_on = [pulse for pulse in found if pulse.done_at is None] or found
    steps = [pulse for pulse in going_on if pulse.step_at is not None]
    return Vitals(
        beats=sum(pulse.beats for pulse in found),
        last_at=max(pulse.last_at for pulse in found),
        longest_gap=max(pulse.longest_gap for pulse in found),
        quiet_until=max((p.quiet_until for p in found if p.quiet_until is not None), default=None),
        announced_until=max((p.announced_until for p in found if p.announced_until is not None), default=None),
        done=all(pulse.done_at is not None for pulse in found),
        progress=max(steps or going_on, key=lambda pulse: (pulse.step_at or pulse.last_at, pulse.session)),
        path_since=path_since,
    )


def silent_at(vitals: Vitals | None, interval: timedelta | None) -> datetime | None:
    """Silent strictly after this (UTC). None: silence says nothing about this run, now or at all.

    `interval`: the time in which its selector or tag expects a beat; None: neither asks. The grace is three of these
    and at least three times the longest pause the run has made; an announced phase and a broken way come on top.
    """
    if vitals is None or interval is None or vitals.done:
        return None
    if vitals.beats < BEATS_THAT_PROVE or vitals.path_since is None:
        return None
    grace = GRACE_FACTOR * max(interval, vitals.longest_gap)
    return max(vitals.last_at, vitals.path_since, vitals.announced_until or vitals.last_at) + grace


def may_matter(pulse: Pulse, interval: timedelta | None, now: datetime) -> bool:
    """Whether a run that this member is of may be silent or stalled at `now`; false: it is neither.

    What other members' beats say can only put either off. `interval`: the least in which any selector expects a beat.
    """
    if pulse.done_at is not None:
        return False
    if interval is not None:
        grace = GRACE_FACTOR * max(interval, pulse.longest_gap)
        if now > max(pulse.last_at, pulse.announced_until or pulse.last_at) + grace:
            return True
    if pulse.step_at is None or pulse.advances < BEATS_THAT_PROVE:
        return False
    if pulse.total is not None and pulse.step is not None and pulse.step >= pulse.total:
        return False
    return now - pulse.step_at > max(STALLED_AFTER, GRACE_FACTOR * pulse.longest_step_gap)


def stalled_since(vitals: Vitals | None, now: datetime) -> datetime | None:
    """When a run that beats on took its last step forward, where that is strange by its own pace; else None.

    Strictly longer ago than an hour and than three times the longest it ever took. Beats alone prove no progress.
    """
    if vitals is None or vitals.done or not vitals.alive(now):
        return None
    progress = vitals.progress
    if progress.step_at is None or progress.advances < BEATS_THAT_PROVE:
        return None
    if progress.total is not None and progress.step is not None and progress.step >= progress.total:
        return None  # it has done its steps: what it does now, such as saving, has none
    if vitals.quiet_until is not None and now <= vitals.quiet_until:
        return None
    allowed = max(STALLED_AFTER, GRACE_FACTOR * progress.longest_step_gap)
    return progress.step_at if now - progress.step_at > allowed else None


def finishes_at(vitals: Vitals | None, now: datetime) -> datetime | None:
    """When a run that reports `step` of `total` will be done at its pace so far, not before `now`; None: unknown.

    Linear: the time its steps have taken since the first one reported, for those that are left.
    """
    if vitals is None or not vitals.alive(now) or stalled_since(vitals, now) is not None:
        return None
    p = vitals.progress
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
    """Since when the way is proven; None: the newest canary is late (strictly older than allowed), or none came."""
    if path is None or now - path.last_sent_at > path_allows(sweep_every):
        return None
    return path.unbroken_since
