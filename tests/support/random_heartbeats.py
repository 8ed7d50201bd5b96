"""Trainers that beat, in the random fleets: what they say is drawn from a tape of their own.

They beat on, fall silent, stall, announce long phases, are nearly done or done, and are started anew; others beat in
their name. Between two sweeps of a story time goes by in jumps: the beats and canaries of meanwhile arrive in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from costwatch import intake, names
from costwatch.core.heartbeats import Beat, BeatKind
from tests.support.fakes import ACCOUNT, FakeInstance, FakeJob, beat_of
from tests.support.random_fleets import RUN_TAG, RUNTIME, WATCHED_REGIONS, Shape, Story, Tape, shape_from

HEARTBEAT = "costwatch:heartbeat"
PATH_PROVEN = timedelta(hours=30)
"""So long before its first sweep canaries have come in a story."""
CANARIES = timedelta(minutes=15)
MOST_BEATS = 24
"""In one jump: a long one has longer pauses."""


@dataclass
class Trainer:
    """One training process on an instance or in a job; a restart makes another of it."""

    thing: FakeInstance | FakeJob
    every: timedelta
    begins: timedelta
    """After its start."""
    ends: timedelta | None = None
    """Its last beat comes no later than this after its start; None: it beats on."""
    last: str = ""
    """What its last beat says: `done`, or that a long phase begins."""
    per_beat: int = 0
    total: int | None = None
    stuck_after: int = 1_000_000
    """Steps; it beats on."""
    stranger_at: timedelta | None = None
    """Then somebody else beats three times in its name, and says nothing but that."""
    restarts: bool = True
    clock_ahead: timedelta | None = None
    """Its beats come in by the door, with times so far in the future."""
    session: str = ""
    seq: int = 0
    step: int = 0
    since: datetime | None = None
    next_at: datetime | None = None
    strange: bool = False

    def beats(self, until: datetime) -> Iterator[Beat]:
        """What arrives from it up to `until`, in order."""
        start = self.thing.started_at if isinstance(self.thing, FakeJob) else self.thing.launch_time
        if not self.thing.alive or start is None:
            return
        if start != self.since:
            if self.since is not None and not self.restarts:
                return
            self.session, self.seq, self.step, self.strange = f"{start:%d%H%M%S%f}", 0, 0, self.since is not None
            self.since, self.next_at = start, start + self.begins
        assert self.next_at is not None
        over = start + self.ends if self.ends is not None else None
        pace = max(self.every, (until - self.next_at) / MOST_BEATS)
        while self.next_at <= until and (over is None or self.next_at <= over):
            if self.stranger_at is not None and not self.strange and self.next_at >= start + self.stranger_at:
                self.strange = True
                for n in range(1, 4):
                    yield beat_of(self.thing, self.next_at, "stranger", n)
            yield self._beat(self.next_at, last=over is not None and self.next_at + pace > over)
            self.next_at += pace

    def _beat(self, at: datetime, *, last: bool) -> Beat:
        self.seq += 1
        said: dict[str, Any] = {}
        if self.per_beat:
            self.step = min(self.step + self.per_beat, self.stuck_after, self.total or self.stuck_after)
            said = {"step": self.step, "total": self.total}
        if last and self.last == "done":
            said["kind"] = BeatKind.DONE
        elif last and self.last:
            said["next_within"] = timedelta(hours=int(self.last))
        return beat_of(self.thing, at, self.session, self.seq, **said)


@dataclass
class BeatingStory(Story):
    """A story in which some of what is launched is young and beats."""

    tape: Tape = field(default_factory=lambda: Tape(b""))
    trainers: list[Trainer] = field(default_factory=list)
    silent_of: int = 5
    """One of so many trainers falls silent."""
    heard_until: datetime | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.silent_of = self.tape.pick((2, 3, 4, 1))
        self.town.listed_whole = 249
        self._canaries(self.town.clock.now - PATH_PROVEN, self.town.clock.now)
        self.heard_until = self.town.clock.now

    def _canaries(self, since: datetime, until: datetime) -> None:
        """Those of sweeps that came no further. Only the first and the last are written: between is no gap."""
        if not self.town.world.heartbeats_arrive:
            return
        sent = [since + n * CANARIES for n in range(1, 1 + int((until - since) / CANARIES))]
        self.town.world.canaries.extend(sent)
        for at in sent[:1]:
            self.town.pulses.canary(at, CANARIES + timedelta(minutes=5))
        for at in sent[-1:]:
            self.town.pulses.canary(at, max(until - since, CANARIES))

    def launch(self, blueprint: bytes) -> None:
        if self.tape.number(5) >= 2:
            super().launch(blueprint)
            return
        before = {id(each) for each in self.alive()}
        self._young()
        members = [each for each in self.alive() if id(each) not in before]
        # Mostly one process of a run speaks for all.
        speak = members[: 1 if not self.tape.one_in(3) else len(members)]
        self.trainers.extend(self._trainer(thing) for thing in speak)
        self._hear()

    def _young(self) -> None:
        """A run whose time is not up, mostly; of the kinds that are a member each, or share a tag."""
        tape, world = self.tape, self.town.world
        self.names += 1
        tags = {"Purpose": "training", "owner": "maria@example.com"}
        match tape.number(16):
            case 1:
                tags[HEARTBEAT] = tape.pick(("20m", "45m", "1h", "45", "soon"))
            case 2:
                tags[HEARTBEAT] = "30m"
            case 3:
                tags[RUNTIME] = tape.pick(("20h", "2d", "12"))
            case 4:
                tags["Environment"] = "prod"
        age = timedelta(hours=tape.pick((5, 3, 8, 11.4, 4, 6, 10, 11.7, 2)))
        common: dict[str, Any] = {"age": age, "region": tape.pick(WATCHED_REGIONS), "tags": tags}
        match tape.number(12):
            case 0 | 1 | 2 | 3:
                world.launch(**common)
            case 4:
                world.launch(spot="persistent", **common)
            case 5 | 6:
                world.train(f"job-{self.names}", **common)
            case 7:
                world.process(f"job-{self.names}", **common)
            case 8 | 9:
                world.launch_group(f"nodes-{self.names}", size=2, min_size=0, **common)
            case _:
                for n in range(2 + tape.number(2)):
                    own = {**tags, RUN_TAG: f"run-{self.names}"}
                    world.launch(**{**common, "tags": own, "age": max(age - timedelta(minutes=20 * n), timedelta(0))})

    def _trainer(self, thing: FakeInstance | FakeJob) -> Trainer:
        tape = self.tape
        made = Trainer(
            thing,
            every=timedelta(minutes=tape.pick((10, 15, 20, 30, 40))),
            begins=timedelta(minutes=tape.pick((3, 10, 25))),
            restarts=not tape.one_in(4),
            clock_ahead=timedelta(hours=tape.pick((0, 3, 24))) if tape.one_in(8) else None,
        )
        if tape.one_in(self.silent_of):
            made.ends = timedelta(minutes=tape.pick((45, 60, 90, 150, 12, 60, 240)))
            made.last = tape.pick(("", "", "", "", "", "2", "5", "done"))
        if tape.one_in(5):
            made.stranger_at = timedelta(minutes=tape.pick((20, 30, 60)))
            made.last = tape.pick(("5", made.last))
        if not tape.one_in(3):
            made.per_beat = tape.pick((10, 7))
            more = tape.pick((0.5, 1.2, 1.9, 2.1, 0.1, 1, -0.5, 9))
            beats = (timedelta(hours=self.shape.runtime_hours + more) - made.begins) / made.every
            made.total = max(1, round(beats * made.per_beat)) if not tape.one_in(5) else None
            if tape.one_in(5):
                made.stuck_after = made.per_beat * tape.pick((5, 12, 30, 2))
        return made

    def _hear(self) -> None:
        """What the trainers have sent up to now arrives, or is lost on its way."""
        now, town = self.town.clock.now, self.town
        for trainer in self.trainers:
            sent = list(trainer.beats(now))
            if sent and town.world.heartbeats_arrive:
                if trainer.clock_ahead is not None:
                    sent = self._by_the_door(sent, trainer.clock_ahead)
                town.take(trainer.thing, sent)

    def _by_the_door(self, sent: Sequence[Beat], ahead: timedelta) -> list[Beat]:
        """As the function reads them. Another account says that the run is done, and is refused."""
        records = [_record(beat, ahead) for beat in sent]
        records.append(
            _record(replace(sent[-1], kind=BeatKind.DONE, seq=sent[-1].seq + 1), ahead, account="222233334444")
        )
        batch = intake.heartbeats({"Records": records}, account=ACCOUNT)
        assert len(batch.refused) == 1, batch.refused
        return [message.what for message in batch.arrived if isinstance(message.what, Beat)]

    def _time_goes_by(self, tape: Tape) -> None:
        if self.tape.one_in(12):
            self.town.world.heartbeats_arrive = not self.town.world.heartbeats_arrive
        elif not self.town.world.heartbeats_arrive and self.tape.one_in(2):
            self.town.world.heartbeats_arrive = True
        before = self.town.clock.now
        super()._time_goes_by(tape)
        if self.tape.one_in(4):
            self.town.clock.now = before
            self._to_a_moment_of_silence()
        self._canaries(before, self.town.clock.now)
        self._hear()

    def _to_a_moment_of_silence(self) -> None:
        """Exactly when somebody's grace ends, or a second past it."""
        now = self.town.clock.now
        marks = sorted(at for at in self.oracle.silences() if at >= now)
        if marks:
            self.town.clock.now = self.tape.pick(marks[:4])
        self.town.clock.forward(seconds=self.tape.pick((0, 1)) if marks else 1860)

    def _hide_start(self, thing: FakeInstance | FakeJob) -> None:
        """Not of a trainer's: whose start an answer leaves out, of that no beat is known to be of the current run."""
        if not any(trainer.thing is thing for trainer in self.trainers):
            super()._hide_start(thing)

    def _job(self, tape: Tape, kind: int, tags: dict[str, str], common: dict[str, Any]) -> None:
        """A schedule begins its jobs one after the other; here an older one could join later."""
        super()._job(tape, kind, tags, common)
        job = self.town.world.jobs.get(f"job-{self.names}")
        if job is not None and job.schedule is not None:
            job.schedule = f"{job.schedule}-{self.names}"

    def _halt_or_start(self, tape: Tape, thing: FakeInstance | FakeJob | None) -> None:
        """A group replaces at once what somebody stops in it."""
        if not (isinstance(thing, FakeInstance) and thing.asg):
            super()._halt_or_start(tape, thing)


def _record(beat: Beat, ahead: timedelta, account: str = ACCOUNT) -> dict[str, Any]:
    """One message of the queue."""
    detail = {
        "v": 1,
        "member": {"service": beat.service.value, "id": beat.member_id, "account": ACCOUNT, "region": beat.region},
        "session": beat.session,
        "at": (beat.received_at + ahead).isoformat(),
        "seq": beat.seq,
        "step": beat.step,
        "total": beat.total,
        "next_within_seconds": beat.next_within.total_seconds() if beat.next_within is not None else None,
    }
    kind = names.DETAIL_DONE if beat.kind is BeatKind.DONE else names.DETAIL_HEARTBEAT
    body = {"source": names.SOURCE_CLIENT, "detail-type": kind, "account": account, "detail": detail}
    sent = str(int(beat.received_at.timestamp() * 1000))
    return {"messageId": f"{beat.seq}", "body": json.dumps(body), "attributes": {"SentTimestamp": sent}}


def beating_shape(setup: Tape, tape: Tape) -> Shape:
    """Most selectors ask for a heartbeat."""
    spot, trainers, jobs = (tape.pick((30, 15, 45, 0)) for _ in range(3))
    return shape_from(setup).changed(
        spot_heartbeat_minutes=spot, heartbeat_minutes=trainers, job_heartbeat_minutes=jobs
    )


def tell_with_beats(setup: bytes, fleet: Sequence[bytes], steps: Sequence[bytes], beats: bytes) -> BeatingStory:
    """A whole story; Violation as soon as the oracle disagrees."""
    tape = Tape(beats)
    story = BeatingStory(beating_shape(Tape(setup), tape), tape=tape)
    for blueprint in fleet:
        story.launch(blueprint)
    story.sweep()
    for blueprint in steps:
        story.step(blueprint)
    return story
