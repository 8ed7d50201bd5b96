"""Random fleets and what happens to them, drawn from a tape of bytes: zeros are the plainest story.

A tape shrinks well and is cheap to draw. Whatever it holds makes a valid story; time goes by in jumps that
land on interesting instants: exactly on a deadline, a second past it, exactly when a notice is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from costwatch.adapters.table import Item, Key, Put, Write
from costwatch.core import grants
from costwatch.core.policy import Policy
from costwatch.core.record import RunRecord, Status
from costwatch.errors import AwsError, CostwatchError, PermanentAwsError, TransientAwsError
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.fakes import ACCOUNT, FakeInstance, FakeJob, Town
from tests.support.memory_table import MemoryTable
from tests.support.oracle import Judged, Oracle

HOUR = 3600
REGIONS = ("us-east-1", "eu-central-1", "us-west-2")
WATCHED_REGIONS = REGIONS[:2]
RUN_TAG, RUNTIME, DEADLINE, EXEMPT = "costwatch:run", "costwatch:max-runtime", "costwatch:deadline", "costwatch:exempt"
NEVER = "costwatch:never"

AGES_HOURS = (13, 11.5, 40, 12, 25, 11, 14, 71.5, 73, 240, 11.9, 23.9, 0, 30, 26, 13)
MALFORMED_RUNTIMES = ("12", "soon", "1.5h", "-3h", "h12", "12 parsecs", "")
MALFORMED_DEADLINES = ("tomorrow", "2026-12-01", "2026-12-01T00:00:00", "17:00")
JUMPS = (31 * 60, 31 * 60, 46 * 60, 46 * 60, 1800, 3600, 300, 1799, 0, 2 * HOUR, 2 * HOUR, 2 * HOUR, 13 * HOUR,
         46 * 60, 8 * 86400)  # fmt: skip


@dataclass
class Tape:
    """Choices, one byte each; past its end every choice is the first."""

    data: bytes
    at: int = 0

    def pick(self, options: Sequence[Any]) -> Any:
        value = self.data[self.at] if self.at < len(self.data) else 0
        self.at += 1
        return options[value % len(options)]

    def one_in(self, n: int) -> bool:
        return bool(self.pick(range(n)) == n - 1)

    def number(self, below: int) -> int:
        return int(self.pick(range(below)))


@dataclass(frozen=True)
class Shape:
    """What of the configuration varies; `document` makes the policy of it."""

    modes: tuple[str, ...] = ("enforce", "enforce", "enforce", "enforce")
    runtime_hours: int = 12
    hard_cap_hours: int = 72
    min_notice_minutes: int = 30
    runs: int = 100
    share: str = "1"
    per_day: int = 1000
    protect: bool = True
    dead_man: str = "enforce"
    slack: bool = True
    spot_action: str = "terminate"
    trainer_action: str = "terminate"
    at_min_size: str = "lower"
    az_rebalance: str = "accept"
    heartbeat_minutes: int = 0
    spot_heartbeat_minutes: int = 0
    job_heartbeat_minutes: int = 0
    approval: str = "off"

    def changed(self, **changes: Any) -> Shape:
        return Shape(**{**self.__dict__, **changes})


@lru_cache(maxsize=4096)
def _document(shape: Shape) -> dict[str, Any]:
    def limits(hours: int) -> dict[str, int]:
        return policies.limits(
            max_runtime_seconds=hours * HOUR,
            hard_cap_seconds=shape.hard_cap_hours * HOUR,
            min_notice_seconds=shape.min_notice_minutes * 60,
        )

    first, second, third, fourth = shape.modes
    groups = {"at_min_size": shape.at_min_size, "az_rebalance": shape.az_rebalance}
    chosen = [
        policies.selector("spot", first, tags={"Purpose": ["training"]}, types=["p4d.*", "g5.*"], purchase="spot",
                          limits=limits(shape.runtime_hours), action=shape.spot_action,
                          heartbeat_seconds=shape.spot_heartbeat_minutes * 60 or None, **groups),
        policies.selector("blocks", fourth, tags={"Purpose": ["training"], "Plan": ["prepaid"]},
                          purchase="capacity_block", limits=limits(24)),
        policies.selector("trainers", second, tags={"Purpose": ["training", "research"]},
                          limits=limits(shape.runtime_hours), action=shape.trainer_action,
                          heartbeat_seconds=shape.heartbeat_minutes * 60 or None, **groups),
        *(
            policies.selector(f"jobs/{kind}", third, service=kind, tags={"Purpose": ["training"]},
                              limits=limits(shape.runtime_hours),
                              heartbeat_seconds=shape.job_heartbeat_minutes * 60 or None)
            for kind in ("training", "processing", "tuning", "automl")
        ),
    ]  # fmt: skip
    protect = [{"tags": {"Environment": ["prod"]}, "asg": None}, {"tags": {}, "asg": "inference-*"}]
    slack = policies.body()["slack"] if shape.slack else {**policies.body()["slack"], "platform_channel": ""}
    return policies.document(
        regions=list(WATCHED_REGIONS),
        mode=shape.dead_man,
        blast_cap={"runs": shape.runs, "share": shape.share, "per_day": shape.per_day},
        protect=protect if shape.protect else [],
        selectors=chosen,
        slack=slack,
        approval=policies.approval(mode=shape.approval),
    )


@lru_cache(maxsize=4096)
def _policy(shape: Shape) -> Policy:
    return Policy.from_document(_document(shape))


class _QuickTable(MemoryTable):
    """Keeps and hands out items without copying: nobody writes into one, and it saves a fifth of the time."""

    def __init__(self) -> None:
        super().__init__()
        self.items = {}

    def get(self, key: Key) -> Item | None:
        return self.items.get((key.pk, key.sk))

    def query(self, pk: str, *, prefix: str = "") -> list[Item]:
        keys = sorted(key for key in self.items if key[0] == pk and key[1].startswith(prefix))
        return [self.items[key] for key in keys]

    def _apply(self, write: Write) -> None:
        if isinstance(write, Put):
            self.items[write.item["pk"], write.item["sk"]] = dict(write.item)
        else:
            super()._apply(write)

    def query_day(self, day: str, *, since: str = "") -> list[Item]:
        found = [item for item in self.items.values() if item.get("day") == day and item["at"] >= since]
        return sorted(found, key=lambda item: (item["at"], item["sk"]))


@dataclass
class Story:
    """One world, followed by an oracle. Each step does something and sweeps once."""

    shape: Shape
    town: Town = field(init=False)
    oracle: Oracle = field(init=False)
    judged: list[Judged] = field(default_factory=list)
    faults: list[tuple[str, str, bool]] = field(default_factory=list)
    hidden: list[tuple[FakeInstance | FakeJob, datetime]] = field(default_factory=list)
    """Starts that the next answers leave out."""
    failed: bool = False
    names: int = 0

    def __post_init__(self) -> None:
        self.town = Town(_policy(self.shape), table=_QuickTable())
        # That tags of known jobs may be an hour old is proven where they are read; here every rule is to the second.
        self.town.world.tags_at_once = True
        self.town.world.fault = self._fault
        self.oracle = Oracle(self.town.world, ACCOUNT)

    def _fault(self, operation: str, region: str, ids: tuple[str, ...]) -> AwsError | None:
        del ids
        for wanted, where, retry in self.faults:
            if wanted in ("*", operation) and where == region:
                kind = TransientAwsError if retry else PermanentAwsError
                return kind(f"{operation} failed in {region}", code="Throttling" if retry else "AccessDenied")
        return None

    def deploy(self, **changes: Any) -> None:
        self.shape = self.shape.changed(**changes)
        self.town.policy = _policy(self.shape)

    def sweep(self) -> list[Judged]:
        now = self.town.clock.now
        self.oracle.before(_document(self.shape), now, self.rows(), {region or "*" for _, region, _ in self.faults})
        report = sweep(self.town.watchdog()).document()
        judged = self.oracle.after(report, self.rows())
        self.judged.extend(judged)
        self.failed |= bool(self.faults)
        self.faults.clear()
        while self.hidden:
            self._set_start(*self.hidden.pop())
        return judged

    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        """The ledger's open rows by run id, as they lie in the table."""
        return {sk: row for (pk, sk), row in self.town.table.items.items() if pk.startswith("open#")}

    def timeline(self) -> dict[str, list[tuple[str, str, str]]]:
        """(at, transition, reason) by run, oldest first."""
        found: dict[str, list[tuple[str, str, str]]] = {}
        for (pk, _), row in sorted(self.town.table.items.items(), key=lambda item: item[0]):
            if pk.startswith("run#"):
                found.setdefault(row["run_id"], []).append((row["at"], row["transition"], row["reason"]))
        return found

    # --- what people and the world do ----------------------------------------------------------------

    def records(self) -> list[RunRecord]:
        found: list[RunRecord] = []
        for region in WATCHED_REGIONS:
            found.extend(self.town.ledger.open_records(ACCOUNT, region).values())
        return sorted(found, key=lambda r: str(r.run_id))

    def record(self, tape: Tape) -> RunRecord | None:
        records = [r for r in self.records() if str(r.run_id) in self.oracle.episodes]
        return tape.pick(records) if records else None

    def extend(self, record: RunRecord, hours: float) -> None:
        try:
            step = grants.extend(
                record,
                by="maria",
                duration=timedelta(hours=hours),
                owner_total=timedelta(hours=1000),
                hard_cap=timedelta(hours=self.shape.hard_cap_hours),
                now=self.town.clock.now,
            )
        except CostwatchError:
            return
        assert self.town.ledger.save(step)
        assert step.after is not None
        self.oracle.extended(str(record.run_id), step.after.extensions[-1].until)

    def exempt(self, record: RunRecord, hours: float) -> None:
        until = self.town.clock.now + timedelta(hours=hours)
        if record.status is Status.STOPPING:
            return
        step = grants.exempt(record, by="maria", until=until, reason="paper", now=self.town.clock.now)
        assert self.town.ledger.save(step)
        self.oracle.exempted(str(record.run_id), until, record.member_ids)

    def release_all(self) -> None:
        for record in self.records():
            try:
                step = grants.release(record, by="ops", now=self.town.clock.now)
            except CostwatchError:
                continue
            if step is not None and self.town.ledger.save(step):
                self.oracle.released(str(record.run_id))

    def pause(self, hours: float) -> None:
        before = self.town.ledger.pause()
        step = grants.pause(before, by="ops", duration=timedelta(hours=hours), reason="", now=self.town.clock.now)
        assert self.town.ledger.set_pause(step.after, step.before)
        if before is not None and before.active(self.town.clock.now):
            self.oracle.resumed(self.town.clock.now)
        self.oracle.paused(self.town.clock.now, step.after.until)

    def resume(self) -> None:
        step = grants.resume(self.town.ledger.pause(), by="ops", now=self.town.clock.now)
        if step is not None:
            assert self.town.ledger.set_pause(step.after, step.before)
            self.oracle.resumed(self.town.clock.now)

    def alive(self) -> list[FakeInstance | FakeJob]:
        things: list[FakeInstance | FakeJob] = [i for i in self.town.world.instances.values() if i.alive]
        things.extend(j for j in self.town.world.jobs.values() if j.status == "InProgress")
        return things

    def tags(self, tape: Tape) -> dict[str, str]:
        """A selector's tags, sometimes others, sometimes with an override of the limits."""
        now = self.town.clock.now
        tags: dict[str, str] = {}
        purpose = tape.pick(("training",) * 40 + ("research", "web", ""))
        if purpose:
            tags["Purpose"] = purpose
        match tape.number(36):
            case 19:
                tags[RUNTIME] = tape.pick(("2h", "90m", "2d", "1h30m", "PT20H", "400h"))
            case 18:
                tags[RUNTIME] = tape.pick(MALFORMED_RUNTIMES)
            case 17:
                at = now + timedelta(minutes=tape.pick((-60, 20, 60, 61, 600)))
                tags[DEADLINE] = at.isoformat() if tape.one_in(2) else at.strftime("%Y-%m-%dT%H:%M:%SZ")
            case 16:
                tags[DEADLINE] = tape.pick(MALFORMED_DEADLINES)
            case 15:
                until = now + timedelta(minutes=tape.pick((31, 31, -5, 600, 6000)))
                tags[EXEMPT] = f"until {until:%Y-%m-%dT%H:%M:%SZ}"
            case 14:
                tags[EXEMPT] = tape.pick(("the paper is due", "until the paper is done"))
            case 13:
                tags[NEVER] = tape.pick(("", "true", "false"))
            case 12:
                tags["Environment"] = tape.pick(("prod", "dev"))
        match tape.number(4):
            case 0:
                tags["owner"] = tape.pick(("maria@example.com", "maria@example.com", "joe@example.com"))
            case 1:
                tags["team"] = "risk"
        return tags

    def launch(self, blueprint: bytes) -> None:
        """One run, of any kind."""
        tape, world = Tape(blueprint), self.town.world
        self.names += 1
        kind = tape.number(32)
        age = timedelta(hours=tape.pick(AGES_HOURS), seconds=tape.pick((0, 0, 0, 1, -1)))
        region = tape.pick((REGIONS[0], REGIONS[1]) * 16 + (REGIONS[2],))
        tags = self.tags(tape)
        common = {
            "age": max(age, timedelta(0)),
            "region": region,
            "instance_type": tape.pick(("p4d.24xlarge", "g5.xlarge", "p5.48xlarge")),
        }
        protected = tape.one_in(24)
        if kind in (0, 1) or kind >= 25:
            world.launch(tags=tags, protected=protected, **common)
        elif kind in (2, 3, 4):
            request = tape.pick((None,) * 8 + ({}, {**tags, NEVER: "yes"}))
            world.launch(tags=tags, protected=protected, spot="persistent", request_tags=request, **common)
        elif kind == 5:
            world.launch(tags=tags, protected=protected, spot="one-time", **common)
        elif kind == 6:
            plan = {} if tape.one_in(3) else {"Plan": "prepaid"}
            world.launch(tags={**tags, **plan}, lifecycle="capacity_block", **common)
        elif kind in (7, 23, 24):
            self._group(tape, tags, common)
        elif kind == 8:
            world.launch(tags=tags, **common).state = "pending"
        elif kind in (9, 10, 11):
            self._tagged(tape, tags, common)
        elif kind == 12:
            self._join(tape, common)
        else:
            self._job(tape, kind, tags, common)

    def _group(self, tape: Tape, tags: dict[str, str], common: dict[str, Any]) -> None:
        """An Auto Scaling group, mostly one that can be stopped. What is odd comes first: a tape is short."""
        world, odd = self.town.world, tape.number(32)
        if odd == 31:
            world.launch(tags=tags, asg=tape.pick(("nobodys", "inference-red")), **common)
            return
        size = 1 + tape.number(4)
        name = f"{'inference' if odd == 30 else 'nodes'}-{self.names}"
        group = world.launch_group(
            name,
            size=size,
            min_size=size if odd in (27, 28, 29) else tape.pick((0, 0, 1)),
            zones="ab" if odd in (24, 25, 26) else "a",
            tags=tags,
            spot="one-time" if odd == 23 else None,
            **common,
        )
        member = [i for i in world.instances.values() if i.asg == name][-1]
        match odd:
            case 22:
                member.protected = True
            case 20 | 21:
                member.scale_in_protected = True
            case 19:
                member.tags[RUN_TAG] = "llm"
            case 18:
                member.tags["Purpose"] = "inference"
            case 16 | 17:
                group.tags = {}
            case 15:
                group.tags = {**tags, NEVER: ""}
            case 14:
                group.suspended.add("Terminate")
            case 13:
                group.suspended.add("Launch")
            case 12:
                group.warm_pool = True
            case 11:
                group.controller = "EKS cluster ml"

    def _tagged(self, tape: Tape, tags: dict[str, str], common: dict[str, Any]) -> None:
        name = f"run-{tape.pick((self.names, self.names, self.names, 1))}"
        odd = tape.number(14)
        for n in range(1 + tape.number(4)):
            own = {**tags, RUN_TAG: name}
            younger = timedelta(minutes=tape.pick((0, 1, 100)) * n)
            member = {**common, "age": max(common["age"] - younger, timedelta(0)), "zone": tape.pick("ab")}
            if n == 1 and odd == 9:
                own.pop("Purpose", None)
            if odd == 10:
                own[RUNTIME] = ("2h", "30h")[n % 2]
            if n == 1 and odd == 8:
                own[RUNTIME] = tape.pick(("30h", "12"))
            if odd == 4:
                own["owner"] = ("maria@example.com", "joe@example.com")[n % 2]
            if n == 1 and odd == 7:
                own["Environment"] = "prod"
            self.town.world.launch(
                tags=own,
                protected=n == 1 and odd == 6,
                asg="trainers" if n == 1 and odd == 5 else None,
                spot="persistent" if odd == 3 else None,
                **member,
            )

    def _join(self, tape: Tape, common: dict[str, Any]) -> None:
        """A younger instance under the tags of a run that is there."""
        others = [i for i in self.town.world.instances.values() if i.alive and RUN_TAG in i.tags]
        if others:
            other = tape.pick(others)
            own = dict(other.tags)
            if tape.one_in(3):
                own["owner"] = "joe@example.com"
            age = timedelta(minutes=tape.pick((0, 1, 40)))
            self.town.world.launch(tags=own, **{**common, "region": other.region, "age": age})

    def _job(self, tape: Tape, kind: int, tags: dict[str, str], common: dict[str, Any]) -> None:
        world, name = self.town.world, f"job-{self.names}"
        plain = {"age": common["age"], "region": common["region"], "tags": tags}
        if kind == 13:
            world.train(name, **{**plain, "age": None})
        elif kind == 14:
            world.train(name, secondary_status="Uploading", **plain)
        elif kind == 15:
            self._family(tape, name, plain)
        elif kind == 16 and tape.one_in(4):
            world.process(name, schedule=tape.pick(("quality", "bias")), **plain)
        elif kind == 16 and tape.one_in(2):
            world.train(name, **plain).tags = None
        elif tape.one_in(4):
            world.process(name, **{**plain, "age": None} if tape.one_in(4) else plain)
        else:
            world.train(name, **plain)

    def _family(self, tape: Tape, name: str, plain: dict[str, Any]) -> None:
        """A tuning or AutoML job with some children, or one more child of one that is there."""
        world = self.town.world
        heads = [job for job in world.jobs.values() if job.alive and job.kind in ("tuning", "automl")]
        if heads and tape.one_in(3):
            head = tape.pick(heads)
        else:
            head = world.tune(name, kind=tape.pick(("tuning", "automl")), **plain)
        for _ in range(tape.number(3)):
            world.child_of(head, age=timedelta(minutes=tape.pick((0, 40, 600))),
                           secondary_status=tape.pick(("Training", "Training", "Uploading")))  # fmt: skip
        if head.kind == "automl" and tape.one_in(3):
            world.process(f"{name}-data", region=head.region, tags={}, automl_job=head.name)

    # --- one step -------------------------------------------------------------------------------------

    def step(self, blueprint: bytes) -> None:
        """Somebody starts something, something happens (or nothing), time goes by, the sweep runs."""
        tape = Tape(blueprint)
        for _ in range(1 + tape.number(5)):
            self.launch(bytes(tape.number(256) for _ in range(12)))
        for _ in range(tape.number(3)):
            self._happens(tape)
        self._some_begin(tape)
        self._time_goes_by(tape)
        if tape.one_in(10):
            operation = tape.pick(("*", "DescribeInstances", "TerminateInstances", "StopTrainingJob",
                                   "DescribeTrainingJob", "ListTrainingJobs", "StopInstances",
                                   "StopHyperParameterTuningJob", "ListChildren", "ListHyperParameterTuningJobs",
                                   "DescribeSpotInstanceRequests",
                                   "CancelSpotInstanceRequests", "DescribeInstanceAttribute", "PutEvents",
                                   "DescribeAutoScalingGroups", "UpdateAutoScalingGroup",
                                   "TerminateInstanceInAutoScalingGroup"))  # fmt: skip
            region = "" if operation == "PutEvents" else tape.pick(WATCHED_REGIONS)
            self.faults.append((operation, region, tape.one_in(2)))
        self.sweep()

    def _some_begin(self, tape: Tape) -> None:
        """What was pending runs, or waits another time."""
        for thing in self.alive():
            if isinstance(thing, FakeInstance) and thing.state == "pending" and not tape.one_in(3):
                thing.state = "running"
            elif isinstance(thing, FakeJob) and thing.started_at is None and not tape.one_in(3):
                thing.started_at = max(thing.created_at, self.town.clock.now - timedelta(hours=11, minutes=30))

    def _time_goes_by(self, tape: Tape) -> None:
        clock = self.town.clock
        if not tape.one_in(4):
            clock.forward(seconds=tape.pick(JUMPS))
            return
        marks = sorted(self._interesting_instants())
        if marks:
            clock.now = tape.pick(marks[:12])
        clock.forward(seconds=tape.pick((0, 1, 0.000001)))

    def _interesting_instants(self) -> set[datetime]:
        """Deadlines, ends of notices and starts of warnings that lie ahead."""
        marks: set[datetime] = set()
        for record in self.records():
            if record.deadline is not None:
                marks |= {record.deadline, record.deadline - timedelta(hours=1)}
            if record.notice is not None and record.notice.stops_at is not None:
                marks |= {record.notice.stops_at, record.notice.stops_at - timedelta(seconds=1)}
            if record.exemption is not None:
                marks.add(record.exemption.until)
        return {m for m in marks if m >= self.town.clock.now}

    def _happens(self, tape: Tape) -> None:
        world = self.town.world
        what = tape.number(29)
        record = self.record(tape)
        alive = self.alive()
        thing = tape.pick(alive) if alive else None
        match what:
            case 0 | 1 | 2 | 3 | 4 | 5:
                for _ in range(1 + tape.number(3)):
                    self.launch(bytes(tape.number(256) for _ in range(12)))
            case 6 | 7:
                modes = list(self.shape.modes)
                modes[tape.number(4)] = tape.pick(("enforce",) * 4 + ("observe", "observe", "warn", "warn", "off"))
                self.deploy(modes=tuple(modes))
            case 8 | 24 | 25:
                self.deploy(modes=("enforce",) * 4, dead_man="enforce")
            case 9:
                self.deploy(runtime_hours=tape.pick((12, 2, 6, 24)))
            case 10:
                self.deploy(min_notice_minutes=tape.pick((30, 15, 45)))
            case 11:
                self.pause(tape.pick((1, 0.5, 24)))
            case 12 | 13:
                self.resume()
            case 14 if record is not None:
                self.extend(record, tape.pick((4, 12, 0.5, 100)))
            case 15 if record is not None:
                self.exempt(record, tape.pick((0.5, 4, 100)))
            case 16:
                self.release_all()
            case 17 if thing is not None:
                self._ends(thing)
            case 18 if isinstance(thing, FakeInstance) and thing.state == "running":
                world.restart(thing)
            case 18 if isinstance(thing, FakeJob) and thing.started_at is None:
                thing.started_at = self.town.clock.now
            case 19 if thing is not None and thing.tags is not None:
                self._tags_change(tape, thing.tags)
            case 20:
                world.slack_is_up = not world.slack_is_up
            case 21:
                world.topic_has_listener = not world.topic_has_listener
            case 22:
                self.deploy(dead_man=tape.pick(("enforce",) * 8 + ("off",)))
            case 23 if isinstance(thing, FakeInstance) and tape.one_in(2):
                thing.stop_protected = not thing.stop_protected
            case 23 if isinstance(thing, FakeInstance):
                thing.protected = not thing.protected
            case 23 if isinstance(thing, FakeJob) and thing.kind == "training":
                thing.secondary_status = tape.pick(("Uploading", "Training"))
            case 28 if thing is not None:
                self._hide_start(thing)
            case 27:
                actions = tape.pick(("stop", "terminate")), tape.pick(("terminate", "stop"))
                self.deploy(trainer_action=actions[0], spot_action=actions[1])
            case 26:
                self._halt_or_start(tape, thing)
            case _:
                pass

    def _ends(self, thing: FakeInstance | FakeJob) -> None:
        """By itself; a job with children after the last of them."""
        world = self.town.world
        if isinstance(thing, FakeJob):
            for child in [job for job in world.jobs.values() if job.alive and job.is_child_of(thing)]:
                world.end(child)
        world.end(thing)

    def _hide_start(self, thing: FakeInstance | FakeJob) -> None:
        start = thing.started_at if isinstance(thing, FakeJob) else thing.launch_time
        if start is not None:
            self.hidden.append((thing, start))
            self._set_start(thing, None)

    @staticmethod
    def _set_start(thing: FakeInstance | FakeJob, start: datetime | None) -> None:
        if isinstance(thing, FakeJob):
            thing.started_at = start
        elif thing.launch_time is None or start is None:  # it may have been started anew meanwhile
            thing.unsaid_launch_time = thing.launch_time if start is None else None
            thing.launch_time = start

    def _halt_or_start(self, tape: Tape, thing: FakeInstance | FakeJob | None) -> None:
        """Somebody stops an instance, or starts one that is stopped: sweeps may come in between."""
        stopped = [i for i in self.town.world.instances.values() if i.state == "stopped"]
        if stopped and not tape.one_in(3):
            self.town.world.restart(tape.pick(stopped))
        elif isinstance(thing, FakeInstance) and thing.state == "running":
            self.town.world.halt(thing)

    def _tags_change(self, tape: Tape, tags: dict[str, str]) -> None:
        new = self.tags(tape)
        run = tags.get(RUN_TAG)
        tags.clear()
        tags.update(new)
        if run is not None and not tape.one_in(4):
            tags[RUN_TAG] = run


def shape_from(tape: Tape) -> Shape:
    """Mostly enforce with generous caps, so that stops are as frequent as holds."""
    modes = tuple(tape.pick(("enforce",) * 24 + ("observe", "observe", "warn", "warn", "off")) for _ in range(4))
    runs, share, per_day = tape.pick(((100, "1", 1000),) * 6 + ((3, "1", 1000), (100, "0.2", 1000), (100, "1", 6)))
    return Shape(
        modes=modes,
        runtime_hours=tape.pick((12, 12, 6, 24)),
        hard_cap_hours=tape.pick((72, 72, 30, 400)),
        runs=runs,
        share=share,
        per_day=per_day,
        protect=not tape.one_in(4),
        slack=not tape.one_in(8),
        spot_action=tape.pick(("terminate", "terminate", "stop")),
        trainer_action=tape.pick(("terminate", "terminate", "stop")),
        at_min_size=tape.pick(("lower", "lower", "hold")),
        az_rebalance=tape.pick(("accept", "accept", "hold")),
    )


def tell(setup: bytes, fleet: Sequence[bytes], steps: Sequence[bytes], *, approval: str = "off") -> Story:
    """A whole story; Violation as soon as the oracle disagrees. `approval`: the mode of the gate."""
    story = Story(shape_from(Tape(setup)).changed(approval=approval))
    for blueprint in fleet:
        story.launch(blueprint)
    story.sweep()
    for blueprint in steps:
        story.step(blueprint)
    return story


def counts(stories: Sequence[Sequence[Judged]]) -> Counter[str]:
    return Counter(j.seen for story in stories for j in story)
