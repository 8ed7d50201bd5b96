"""Recorded fakes of EC2, SageMaker, Slack, SNS and the bus that behave as AWS does, in memory and fast.

Where moto is kinder than AWS these are not: a terminated instance whose persistent spot request was not
cancelled is relaunched, and one bad id in a batch fails its zone while other zones go.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from costwatch.adapters.ledger import DEPLOYED, Ledger, Stamp
from costwatch.adapters.prices import SeedPrices
from costwatch.adapters.pulses import Pulses
from costwatch.adapters.sagemaker_members import unreadable
from costwatch.adapters.slack import Person
from costwatch.core.approvals import Post
from costwatch.core.beat_path import path_allows
from costwatch.core.candidates import Filters
from costwatch.core.cards import Card
from costwatch.core.estimator import JobSpec
from costwatch.core.grouping import controller
from costwatch.core.heartbeats import Beat, BeatKind
from costwatch.core.known_jobs import NOTHING_KNOWN, JobKey, JobOver, JobsSeen, KnownJob, ListedChild
from costwatch.core.model import Clock, Member, Parent, Run, RunId, RunKind, SpotRequest
from costwatch.core.policy import Action, Policy, PurchaseOption, Service
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError
from costwatch.procedures.ports import Watchdog
from tests.support import ec2_filters
from tests.support.fake_groups import FakeAutoScaling, FakeGroup, groups_scale_in
from tests.support.memory_table import MemoryTable

ACCOUNT = "111122223333"
_PRICES = SeedPrices()
"""Read once: every sweep of every story asks for the same list prices."""
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class TestClock:
    """Moves only when told."""

    __test__ = False
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> datetime:
        self.now += timedelta(**duration)
        return self.now


@dataclass
class FakeInstance:
    """An EC2 instance as EC2 knows it. Plain data, so that an oracle can read it without any of our code."""

    id: str
    region: str
    zone: str
    type: str
    tags: dict[str, str]
    launch_time: datetime | None
    attach_time: datetime | None
    state: str = "running"
    lifecycle: str = "on_demand"
    """`on_demand`, `spot` or `capacity_block`."""
    spot_request_id: str | None = None
    protected: bool = False
    stop_protected: bool = False
    asg: str | None = None
    scale_in_protected: bool = False
    group_state: str = "InService"
    ended_at: datetime | None = None
    ended_by: str = ""
    unsaid_launch_time: datetime | None = None
    """What EC2's own filters still go by while its answers leave the launch time out."""

    @property
    def alive(self) -> bool:
        return self.state in ("pending", "running")


@dataclass
class FakeSpotRequest:
    id: str
    region: str
    type: str
    state: str
    instance_id: str | None
    tags: dict[str, str]


@dataclass(frozen=True)
class FakeBeat:
    """A beat as it arrived, in plain data."""

    at: datetime
    region: str
    member: str
    session: str
    seq: int
    step: int | None = None
    total: int | None = None
    next_within: timedelta | None = None
    done: bool = False


@dataclass
class FakeJob:
    """A SageMaker job as SageMaker knows it. `kind`: `training`, `processing`, `tuning` or `automl`."""

    name: str
    region: str
    instance_type: str
    instance_count: int
    tags: dict[str, str] | None
    created_at: datetime
    started_at: datetime | None
    status: str = "InProgress"
    secondary_status: str = "Training"
    ended_at: datetime | None = None
    tuning_job: str | None = None
    ended_by: str = ""
    kind: str = "training"
    automl_job: str | None = None
    schedule: str | None = None
    declared: timedelta | None = None
    keep_alive: timedelta | None = None
    pool: str = ""
    """`InUse`, `Available`, `Reused`, `Terminated`; empty: none."""
    pool_until: datetime | None = None
    pool_ended_by: str = ""
    billable: timedelta | None = None
    """BillableTimeInSeconds, which managed spot makes shorter than its run; None: not told."""
    spot: bool = False
    spec: JobSpec | None = None

    @property
    def alive(self) -> bool:
        return self.status == "InProgress"

    def is_child_of(self, other: FakeJob) -> bool:
        mine = self.tuning_job if other.kind == "tuning" else self.automl_job
        return self.kind in ("training", "processing") and self.region == other.region and mine == other.name


Fault = Callable[[str, str, tuple[str, ...]], AwsError | None]


@dataclass
class FakeWorld:
    """The account. `calls` records every call (operation, region, ids); `fault` may answer with an error."""

    clock: Callable[[], datetime]
    tags_at_once: bool = False
    """Whether tags of known jobs are read in every sweep and not once an hour."""
    after_stop: Callable[[FakeJob], None] | None = None
    """What a tuning job still does after it was told to stop."""
    instances: dict[str, FakeInstance] = field(default_factory=dict)
    spot_requests: dict[str, FakeSpotRequest] = field(default_factory=dict)
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    groups: dict[tuple[str, str], FakeGroup] = field(default_factory=dict)
    calls: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    fault: Fault | None = None
    posts: list[tuple[datetime, str, Card]] = field(default_factory=list)
    slack_messages: dict[Post, Card] = field(default_factory=dict)
    """As they stand now; what is taken out was deleted."""
    slack_threads: list[tuple[Post, Card]] = field(default_factory=list)
    ephemerals: list[tuple[str, str, str]] = field(default_factory=list)
    slack_groups: dict[str, set[str]] = field(default_factory=dict)
    slack_names: dict[str, str] = field(default_factory=dict)
    slack_departed: set[str] = field(default_factory=set)
    mails: list[tuple[datetime, str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    """What others' rules were told of candidates."""
    slack_is_up: bool = True
    topic_has_listener: bool = False
    heartbeats_arrive: bool = True
    """Bus, queue and function of the heartbeats work."""
    beats: list[FakeBeat] = field(default_factory=list)
    """All that arrived, in order."""
    canaries: list[datetime] = field(default_factory=list)
    """When each that arrived was sent."""
    slack_users: dict[str, str] = field(default_factory=lambda: {"maria@example.com": "U0MARIA01"})
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    # --- seeding -------------------------------------------------------------------------------------

    def launch(
        self,
        *,
        age: timedelta = timedelta(0),
        first_age: timedelta | None = None,
        region: str = "us-east-1",
        zone: str = "a",
        instance_type: str = "p4d.24xlarge",
        tags: Mapping[str, str] | None = None,
        spot: str | None = None,
        request_tags: Mapping[str, str] | None = None,
        protected: bool = False,
        asg: str | None = None,
        lifecycle: str | None = None,
    ) -> FakeInstance:
        """Launch an instance `age` ago. `spot`: `persistent` or `one-time`; its request gets `request_tags`."""
        wanted = dict({"Purpose": "training"} if tags is None else tags)
        now = self.clock()
        instance = FakeInstance(
            id=f"i-{next(self._numbers):017x}",
            region=region,
            zone=f"{region}{zone}",
            type=instance_type,
            tags=wanted,
            launch_time=now - age,
            attach_time=now - (first_age if first_age is not None else age),
            lifecycle=lifecycle or ("spot" if spot else "on_demand"),
            protected=protected,
            asg=asg,
        )
        if spot:
            request_id = f"sir-{next(self._numbers):08x}"
            own = dict(wanted if request_tags is None else request_tags)
            self.spot_requests[request_id] = FakeSpotRequest(request_id, region, spot, "active", instance.id, own)
            instance.spot_request_id = request_id
        self.instances[instance.id] = instance
        return instance

    def launch_group(
        self,
        name: str = "nodes",
        *,
        size: int = 8,
        min_size: int | None = None,
        tags: Mapping[str, str] | None = None,
        region: str = "us-east-1",
        zones: str = "a",
        **instance: Any,
    ) -> FakeGroup:
        """A group of `size` instances as `launch` makes them, over `zones` in turn; its minimum is its size."""
        own = dict({"Purpose": "training"} if tags is None else tags)
        members = [
            self.launch(**{"tags": own, "region": region, "zone": zones[n % len(zones)], "asg": name, **instance})
            for n in range(size)
        ]
        group = FakeGroup(
            name,
            region,
            size if min_size is None else min_size,
            size,
            size,
            own,
            zones=tuple(f"{region}{zone}" for zone in zones),
            template=members[0] if members else None,
        )
        self.groups[region, name] = group
        return group

    def next_id(self, prefix: str) -> str:
        return f"{prefix}-{next(self._numbers):017x}"

    def train(
        self,
        name: str,
        *,
        age: timedelta | None = timedelta(0),
        region: str = "us-east-1",
        instance_type: str = "ml.p4d.24xlarge",
        instance_count: int = 1,
        tags: Mapping[str, str] | None = None,
        secondary_status: str = "Training",
        tuning_job: str | None = None,
        automl_job: str | None = None,
        declared: timedelta | None = timedelta(days=1),
        keep_alive: timedelta | None = None,
    ) -> FakeJob:
        """Start a training job `age` ago; None: created, not started. `keep_alive`: it keeps its instances after."""
        now = self.clock()
        wanted = dict({"Purpose": "training"} if tags is None else tags)
        started = now - age if age is not None else None
        job = FakeJob(name, region, instance_type, instance_count, wanted, started or now, started,
                      secondary_status=secondary_status, tuning_job=tuning_job, automl_job=automl_job,
                      declared=declared, keep_alive=keep_alive, pool="InUse" if keep_alive else "")  # fmt: skip
        self.jobs[name] = job
        return job

    def process(
        self,
        name: str,
        *,
        age: timedelta | None = timedelta(0),
        region: str = "us-east-1",
        instance_type: str = "ml.m5.4xlarge",
        tags: Mapping[str, str] | None = None,
        automl_job: str | None = None,
        schedule: str | None = None,
        declared: timedelta | None = None,
    ) -> FakeJob:
        """Start a processing job `age` ago; None: created, not started."""
        now = self.clock()
        wanted = dict({"Purpose": "training"} if tags is None else tags)
        started = now - age if age is not None else None
        job = FakeJob(name, region, instance_type, 1, wanted, started or now, started, secondary_status="",
                      kind="processing", automl_job=automl_job, schedule=schedule, declared=declared)  # fmt: skip
        self.jobs[name] = job
        return job

    def tune(
        self,
        name: str,
        *,
        age: timedelta = timedelta(0),
        children: int = 0,
        kind: str = "tuning",
        region: str = "us-east-1",
        instance_type: str = "ml.p4d.24xlarge",
        tags: Mapping[str, str] | None = None,
        declared: timedelta | None = None,
    ) -> FakeJob:
        """Create a tuning job (or an AutoML job) `age` ago, with `children` training jobs that run now."""
        created = self.clock() - age
        wanted = dict({"Purpose": "training"} if tags is None else tags)
        tuner = FakeJob(name, region, instance_type, 0, wanted, created, created, secondary_status="", kind=kind,
                        declared=declared)  # fmt: skip
        self.jobs[name] = tuner
        for _ in range(children):
            self.child_of(tuner)
        return tuner

    def child_of(self, tuner: FakeJob, *, age: timedelta = timedelta(0), secondary_status: str = "Training") -> FakeJob:
        """One more training job of a tuning or AutoML job. It carries no tag of its own."""
        name = f"{tuner.name}-{next(self._numbers):03}"
        return self.train(name, age=age, region=tuner.region, instance_type=tuner.instance_type, tags={},
                          secondary_status=secondary_status,
                          tuning_job=tuner.name if tuner.kind == "tuning" else None,
                          automl_job=tuner.name if tuner.kind == "automl" else None)  # fmt: skip

    def end(self, thing: FakeInstance | FakeJob, *, status: str = "Completed") -> None:
        """It ends by itself, or by somebody else's hand."""
        if isinstance(thing, FakeInstance):
            thing.state, thing.ended_at, thing.ended_by = "terminated", self.clock(), "world"
        else:
            self.ended(thing, status, by="world")

    def ended(self, job: FakeJob, status: str, *, by: str) -> None:
        """The job is over; what it keeps alive is a warm pool from now on."""
        job.status = status
        job.secondary_status = status if job.kind == "training" else ""
        job.ended_at, job.ended_by = self.clock(), by
        if job.pool == "InUse" and job.keep_alive is not None:
            job.pool, job.pool_until = "Available", self.clock() + job.keep_alive

    def halt(self, instance: FakeInstance) -> None:
        """Somebody stops it, and not Costwatch: its disks and its id stay."""
        instance.state, instance.ended_at, instance.ended_by = "stopped", self.clock(), "world"

    def restart(self, instance: FakeInstance) -> None:
        """Stop and start, or start only: LaunchTime is new, the primary interface's attach time stays."""
        instance.launch_time, instance.state = self.clock(), "running"
        instance.ended_at, instance.ended_by = None, ""

    def cool(self, job: FakeJob) -> None:
        """A warm pool ends by itself when its time is over."""
        if job.pool == "Available" and job.pool_until is not None and self.clock() >= job.pool_until:
            job.pool = "Terminated"

    # --- calls ---------------------------------------------------------------------------------------

    def called(self, operation: str, region: str, ids: Iterable[str] = ()) -> None:
        wanted = tuple(ids)
        groups_scale_in(self)
        self.calls.append((operation, region, wanted))
        error = self.fault(operation, region, wanted) if self.fault is not None else None
        if error is not None:
            raise error

    def relaunch_for(self, instance: FakeInstance) -> None:
        """What EC2 does when an instance of a persistent request goes: the request launches another."""
        request = self.spot_requests.get(instance.spot_request_id or "")
        if request is None or request.type != "persistent" or request.state != "active":
            if request is not None and request.state == "active":
                request.state = "closed"
            return
        now = self.clock()
        again = replace(instance, id=f"i-{next(self._numbers):017x}", launch_time=now, attach_time=now,
                        state="running", ended_at=None, ended_by="", tags=dict(instance.tags))  # fmt: skip
        self.instances[again.id] = again
        request.instance_id = again.id


@dataclass
class FakeEc2:
    world: FakeWorld
    region: str

    def matching(self, filters: Filters, page: int = 1000) -> Iterator[Member]:
        del page
        self.world.called("DescribeInstances", self.region, [name for name, _values in filters])
        yield from [_member(i) for i in self._mine() if ec2_filters.passes(i, filters)]

    def instances_by_id(self, ids: Iterable[str]) -> dict[str, Member]:
        wanted = set(ids)
        if not wanted:
            return {}
        self.world.called("DescribeInstances", self.region, sorted(wanted))
        return {i.id: _member(i) for i in self._mine() if i.id in wanted}

    def instances_by_tag(self, key: str, value: str) -> list[Member]:
        self.world.called("DescribeInstances", self.region, [f"{key}={value}"])
        return [_member(i) for i in self._mine() if i.alive and i.tags.get(key) == value]

    def afresh(self, run: Run, run_tag: str, action: Action = Action.TERMINATE) -> Run:
        return self.with_protection(self.afresh_together([run], run_tag)[run.id], action)

    def afresh_together(self, runs: Sequence[Run], run_tag: str) -> dict[RunId, Run]:
        ids = {m.id for run in runs if run.id.kind is not RunKind.TAGGED for m in run.members}
        names = {f"{run_tag}={run.id.name}" for run in runs if run.id.kind is RunKind.TAGGED}
        for asked in (ids, names):
            if asked:
                self.world.called("DescribeInstances", self.region, sorted(asked))
        found: dict[RunId, list[Member]] = {}
        for run in runs:
            if run.id.kind is RunKind.TAGGED:
                found[run.id] = [_member(i) for i in self._mine() if i.alive and i.tags.get(run_tag) == run.id.name]
            else:
                known = (self.world.instances.get(m.id) for m in run.members)
                found[run.id] = [_member(i) for i in known if i is not None and i.alive]
        requests = self.spot_requests([m.spot_request_id for ms in found.values() for m in ms if m.spot_request_id])
        return {run_id: _afresh(run_id, members, requests) for run_id, members in found.items()}

    def with_protection(self, run: Run, action: Action) -> Run:
        members = []
        for member in run.members:
            self.world.called("DescribeInstanceAttribute", self.region, [member.id])
            members.append(
                replace(
                    member,
                    termination_protection=self.world.instances[member.id].protected,
                    stop_protection=self._stop_protection(member.id) if action is Action.STOP else None,
                )
            )
        return replace(run, members=tuple(members))

    def spot_requests(self, ids: Iterable[str]) -> dict[str, SpotRequest]:
        wanted = [i for i in ids if i]
        if not wanted:
            return {}
        self.world.called("DescribeSpotInstanceRequests", self.region, sorted(wanted))
        found = (self.world.spot_requests[i] for i in wanted if i in self.world.spot_requests)
        return {r.id: SpotRequest(r.id, r.type, r.state, "fulfilled", r.instance_id, dict(r.tags)) for r in found}

    def cancel_spot_requests(self, ids: Sequence[str]) -> None:
        self.world.called("CancelSpotInstanceRequests", self.region, ids)
        for request_id in ids:
            self.world.spot_requests[request_id].state = "cancelled"

    def terminate(self, ids: Sequence[str]) -> None:
        self.world.called("TerminateInstances", self.region, ids)
        bad_zones = set()
        bad = ""
        for instance_id in ids:
            instance = self.world.instances.get(instance_id)
            if instance is None or instance.protected:
                bad, zone = instance_id, instance.zone if instance else None
                bad_zones.add(zone)
        if None in bad_zones:
            raise PermanentAwsError(f"InvalidInstanceID.NotFound: {bad}", code="InvalidInstanceID.NotFound")
        for instance_id in ids:
            instance = self.world.instances[instance_id]
            if instance.alive and instance.zone not in bad_zones:
                instance.state, instance.ended_at, instance.ended_by = "terminated", self.world.clock(), "costwatch"
                self.world.relaunch_for(instance)
        if bad:
            raise PermanentAwsError(f"OperationNotPermitted: {bad} is protected", code="OperationNotPermitted")

    def stop(self, ids: Sequence[str]) -> None:
        self.world.called("StopInstances", self.region, ids)
        for instance_id in ids:
            instance = self.world.instances[instance_id]
            request = self.world.spot_requests.get(instance.spot_request_id or "")
            if instance.lifecycle == "spot" and (request is None or request.type != "persistent"):
                raise PermanentAwsError(f"UnsupportedOperation: {instance_id} is one-time", code="UnsupportedOperation")
            if instance.stop_protected:
                raise PermanentAwsError(f"OperationNotPermitted: {instance_id}", code="OperationNotPermitted")
        for instance_id in ids:
            instance = self.world.instances[instance_id]
            if instance.alive:
                instance.state, instance.ended_at, instance.ended_by = "stopped", self.world.clock(), "costwatch"
                if instance.spot_request_id:
                    self.world.spot_requests[instance.spot_request_id].state = "disabled"

    def _stop_protection(self, instance_id: str) -> bool:
        self.world.called("DescribeInstanceAttribute", self.region, [instance_id])
        return self.world.instances[instance_id].stop_protected

    def _mine(self) -> list[FakeInstance]:
        return [i for i in self.world.instances.values() if i.region == self.region]


_JOB_WORDS = {
    "training": "TrainingJob",
    "processing": "ProcessingJob",
    "tuning": "HyperParameterTuningJob",
    "automl": "AutoMLJob",
}


@dataclass
class FakeSageMaker:
    world: FakeWorld
    region: str

    def jobs(self, known: Mapping[JobKey, KnownJob] = NOTHING_KNOWN, now: datetime | None = None) -> JobsSeen:
        """Describes each job that is not known as it is, as the adapter does; tags come at the known job's turn."""
        seen = JobsSeen([], [], [], [key for key in known if key[1] not in self._mine or not self._mine[key[1]].alive])
        listed = set()
        for kind, word in _JOB_WORDS.items():
            try:
                self.world.called(f"List{word}s", self.region)
            except AwsError as error:
                if kind == "training":
                    raise
                seen.errors.append(error)
                continue
            listed.add(kind)
        for job in self._mine.values():
            if not job.alive or job.kind not in listed:
                continue
            before = known.get((Service(job.kind), job.name))
            if before is None or not before.is_of(job.created_at):
                try:
                    self.world.called(f"Describe{_JOB_WORDS[job.kind]}", self.region, [job.name])
                except AwsError as error:
                    seen.errors.append(error)
                    continue
                found = KnownJob(_job_member(job), now or self.world.clock())
                if found.is_whole:
                    seen.learned.append(found.to_keep())
                seen.members.append(found.member)
            elif _is_child(job) or not (self.world.tags_at_once or before.tags_are_due(now or self.world.clock())):
                seen.members.append(replace(before.member, phase=job.secondary_status))
            else:
                fresh = KnownJob(_job_member(job), now or self.world.clock())
                if fresh.is_whole:  # tags that cannot be read are asked for again by the next sweep
                    seen.learned.append(fresh.to_keep())
                seen.members.append(fresh.member)
        seen.members.extend(self._parents(seen))
        return seen

    def job(self, name: str, service: Service = Service.TRAINING) -> Member | None:
        self.world.called(f"Describe{_JOB_WORDS[service.value]}", self.region, [name])
        job = self._mine.get(name)
        return _job_member(job) if job is not None and job.kind == service.value else None

    def family(
        self, name: str, service: Service, known: Mapping[JobKey, KnownJob] = NOTHING_KNOWN
    ) -> tuple[Member | None, list[Member]]:
        del known
        self.world.called("ListChildren", self.region, [name])
        head = self.world.jobs.get(name)
        children = [j for j in self._mine.values() if head is not None and j.is_child_of(head)]
        return self.job(name, service), [_job_member(j) for j in children if j.status in ("InProgress", "Stopping")]

    def children_listed(self, tuner: str) -> list[ListedChild]:
        self.world.called("ListChildren", self.region, [tuner])
        head = self.world.jobs[tuner]
        found = [j for j in self._mine.values() if j.is_child_of(head) and j.kind == "training"]
        return [ListedChild(j.name, j.started_at, j.ended_at) for j in found]

    def over_since(self, moment: datetime) -> tuple[list[JobOver], list[AwsError]]:
        over: list[JobOver] = []
        errors: list[AwsError] = []
        for kind, word in _JOB_WORDS.items():
            try:
                self.world.called(f"List{word}s", self.region)
            except AwsError as error:
                errors.append(error)
                continue
            jobs = [j for j in self._mine.values() if j.kind == kind and j.created_at >= moment]
            over += [
                JobOver(Service(kind), j.name, j.created_at)
                for j in jobs
                if j.status in ("Completed", "Failed", "Stopped")
            ]
        return over, errors

    def afresh(self, run: Run, known: Mapping[JobKey, KnownJob] = NOTHING_KNOWN) -> Run:
        if not run.id.kind.has_children:
            found = [self.job(member.id, member.service) for member in run.members]
            alive = [m for m in found if m is not None and m.alive]
        else:
            head, children = self.family(run.id.name, run.id.kind.service, known)
            living = [child for child in children if child.alive]
            alive = [head, *living] if head is not None and (head.alive or living) else []
        ordered = tuple(sorted(alive, key=lambda m: m.id))
        return replace(run, members=ordered, parent=controller(run.id, ordered), fresh=True)

    def stop(self, name: str, service: Service = Service.TRAINING) -> None:
        """A job that is not in progress any more is a ValidationException. A tuning job ends its children too."""
        self.world.called(f"Stop{_JOB_WORDS[service.value]}", self.region, [name])
        job = self.world.jobs[name]
        if job.status != "InProgress":
            raise PermanentAwsError(f"ValidationException: {name} is {job.status}", code="ValidationException")
        for each in [*(j for j in self._mine.values() if j.alive and j.is_child_of(job)), job]:
            self.world.ended(each, "Stopped", by="costwatch")
        if self.world.after_stop is not None:
            self.world.after_stop(job)

    def end_warm_pool(self, name: str) -> None:
        self.world.called("UpdateTrainingJob", self.region, [name])
        job = self.world.jobs[name]
        self.world.cool(job)
        if job.pool != "Available":
            raise PermanentAwsError(
                f"ValidationException: the pool of {name} is {job.pool}", code="ValidationException"
            )
        job.pool, job.pool_until, job.pool_ended_by = "Terminated", self.world.clock(), "costwatch"

    @property
    def _mine(self) -> dict[str, FakeJob]:
        found = {job.name: job for job in self.world.jobs.values() if job.region == self.region}
        for job in found.values():
            self.world.cool(job)
        return found

    def _parents(self, seen: JobsSeen) -> list[Member]:
        there = {m.id for m in seen.members}
        wanted = {m.parent.id: m.parent for m in seen.members if m.parent is not None and m.parent.kind.has_children}
        found = []
        for name, parent in wanted.items():
            if name in there:
                continue
            try:
                member = self.job(name, parent.kind.service)
            except AwsError as error:
                seen.errors.append(error)
                member = None
            found.append(member or unreadable(parent))
        return found


@dataclass
class FakeSlack:
    world: FakeWorld

    def post(self, channel: str, card: Card) -> str:
        return self.post_at(channel, card).ts

    def post_at(self, channel: str, card: Card, thread_ts: str = "") -> Post:
        self._call("chat.postMessage", channel)
        self.world.posts.append((self.world.clock(), channel, card))
        post = Post(channel, f"{self.world.clock().timestamp():.0f}.{len(self.world.posts):06d}")
        self.world.slack_messages[post] = card
        if thread_ts:
            self.world.slack_threads.append((Post(channel, thread_ts), card))
        return post

    def update(self, post: Post, card: Card) -> None:
        self._call("chat.update", post.channel)
        if post not in self.world.slack_messages:
            raise PermanentAwsError("slack:chat_update: message_not_found", code="message_not_found")
        self.world.slack_messages[post] = card

    def ephemeral(self, channel: str, user: str, text: str) -> None:
        self._call("chat.postEphemeral", channel)
        self.world.ephemerals.append((channel, user, text))

    def group_id(self, group: str) -> str:
        return f"S{abs(hash(group)) % 10**8:08d}" if group.startswith("@") else group

    def group_members(self, group: str) -> frozenset[str]:
        self._call("usergroups.users.list", group)
        if group not in self.world.slack_groups:
            raise PermanentAwsError("slack:usergroups_users_list: no_such_subteam", code="no_such_subteam")
        return frozenset(self.world.slack_groups[group])

    def person(self, user: str) -> Person:
        self._call("users.info", user)
        email = next((email for email, found in self.world.slack_users.items() if found == user), "")
        return Person(self.world.slack_names.get(user, user), active=user not in self.world.slack_departed, email=email)

    def _call(self, method: str, about: str) -> None:
        self.world.called(f"slack:{method}", "", [about])
        if not self.world.slack_is_up:
            raise TransientAwsError("slack: connection refused")

    def user_id(self, owner: str) -> str | None:
        if not self.world.slack_is_up:
            raise TransientAwsError("slack: connection refused")
        return self.world.slack_users.get(owner)


@dataclass
class FakeTopic:
    world: FakeWorld

    def has_listener(self) -> bool:
        self.world.called("ListSubscriptionsByTopic", "")
        return self.world.topic_has_listener

    def publish(self, subject: str, text: str) -> None:
        self.world.called("Publish", "", [subject])
        self.world.mails.append((self.world.clock(), subject, text))


@dataclass
class FakeBus:
    world: FakeWorld
    pulses: Pulses
    sweep_every: timedelta

    def run_stopped(self, detail: Mapping[str, object], *, at: datetime) -> None:
        del at
        self.world.called("PutEvents", "", [str(detail["run"])])
        self.world.events.append(dict(detail))

    def res_verdict(self, detail: Mapping[str, object], *, at: datetime) -> None:
        del at
        self.world.called("PutEvents", "", [str(detail["package_arn"])])
        self.world.verdicts.append(dict(detail))

    def canary(self, at: datetime) -> None:
        self.world.called("PutEvents", "", ["canary"])
        if self.world.heartbeats_arrive:
            self.world.canaries.append(at)
            self.pulses.canary(at, path_allows(self.sweep_every))


@dataclass
class Town:
    """A policy, a world, a ledger and a clock: everything a story needs."""

    policy: Policy
    clock: TestClock = field(default_factory=TestClock)
    table: MemoryTable = field(default_factory=MemoryTable)
    origin: str = DEPLOYED
    listed_whole: int = 249
    log: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    world: FakeWorld = field(init=False)

    def __post_init__(self) -> None:
        self.world = FakeWorld(self.clock)
        self._workers = itertools.count(1)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.table, stamp=Stamp(self.policy.digest, self.policy.config_commit), origin=self.origin)

    @property
    def pulses(self) -> Pulses:
        return Pulses(self.table, stamp=Stamp(self.policy.digest, self.policy.config_commit))

    def beat(self, member: FakeInstance | FakeJob, *, seq: int, session: str = "a", **said: Any) -> None:
        """One beat of a trainer, as it arrives now; lost where the way of the heartbeats is broken."""
        if self.world.heartbeats_arrive:
            self.take(member, [beat_of(member, self.clock(), session, seq, **said)])

    def take(self, member: FakeInstance | FakeJob, beats: Sequence[Beat]) -> None:
        """Beats of one member that arrive in one batch."""
        name = member.id if isinstance(member, FakeInstance) else member.name
        self.world.beats.extend(
            FakeBeat(b.received_at, member.region, name, b.session, b.seq, b.step, b.total, b.next_within,
                     b.kind is BeatKind.DONE)
            for b in beats
        )  # fmt: skip
        self.pulses.take(beats)

    def watchdog(self) -> Watchdog:
        """As each invocation of a function would make it."""
        return Watchdog(
            policy=self.policy,
            account=ACCOUNT,
            ledger=self.ledger,
            prices=_PRICES,
            ec2=lambda region: FakeEc2(self.world, region),
            autoscaling=lambda region: FakeAutoScaling(self.world, region),
            sagemaker=lambda region: FakeSageMaker(self.world, region),
            slack=FakeSlack(self.world) if self.policy.slack.platform_channel else None,
            topic=FakeTopic(self.world),
            bus=FakeBus(self.world, self.pulses, self.policy.sweep_every),
            pulses=self.pulses,
            clock=self.clock,
            log=lambda message, fields: self.log.append((message, fields)),
            worker=f"worker-{next(self._workers)}",
            seconds_left=lambda: 300.0,
            listed_whole=self.listed_whole,
        )


def beat_of(member: FakeInstance | FakeJob, at: datetime, session: str, seq: int, **said: Any) -> Beat:
    """A beat of `member` that arrives at `at`."""
    return Beat(
        service=Service.EC2 if isinstance(member, FakeInstance) else Service(member.kind),
        member_id=member.id if isinstance(member, FakeInstance) else member.name,
        account=ACCOUNT,
        region=member.region,
        received_at=at,
        session=session,
        seq=seq,
        **{"kind": BeatKind.BEAT, **said},
    )


def _afresh(run_id: RunId, members: Iterable[Member], requests: Mapping[str, SpotRequest]) -> Run:
    found = [
        replace(m, spot_request=requests.get(m.spot_request_id or "")) for m in sorted(members, key=lambda m: m.id)
    ]
    return Run(run_id, tuple(found), next((m.parent for m in found if m.parent), None), fresh=True)


def _member(i: FakeInstance) -> Member:
    return Member(
        id=i.id,
        service=Service.EC2,
        state=i.state,
        capacity=((i.type, 1),),
        zone=i.zone,
        tags=dict(i.tags),
        clock=Clock(
            i.launch_time if i.alive else None,
            "LaunchTime",
            i.attach_time,
            "attach time of the primary network interface",
        ),
        purchase=PurchaseOption(i.lifecycle),
        spot_request_id=i.spot_request_id,
        parent=Parent(RunKind.ASG, i.asg, f"Auto Scaling group {i.asg}") if i.asg else None,
        ended_at=i.ended_at,
        end_reason="User initiated" if i.ended_at else "",
    )


def _is_child(j: FakeJob) -> bool:
    return bool(j.tuning_job or j.automl_job)


def _job_parent(j: FakeJob) -> Parent | None:
    if j.automl_job:
        return Parent(RunKind.AUTOML, j.automl_job, f"AutoML job {j.automl_job}")
    if j.tuning_job:
        return Parent(RunKind.TUNING, j.tuning_job, f"tuning job {j.tuning_job}")
    return Parent(RunKind.SCHEDULE, j.schedule, f"monitoring schedule {j.schedule}") if j.schedule else None


def _job_member(j: FakeJob) -> Member:
    heads = j.kind in ("tuning", "automl")
    tags = None if j.tags is None else {} if _is_child(j) else dict(j.tags)
    evidence = {"training": "TrainingStartTime", "processing": "ProcessingStartTime"}.get(j.kind, "CreationTime")
    return Member(
        id=j.name,
        service=Service(j.kind),
        state=j.status,
        phase=j.secondary_status,
        capacity=() if heads else ((j.instance_type, j.instance_count),),
        zone="",
        tags=tags,
        clock=Clock(j.started_at, evidence, j.created_at, "CreationTime"),
        purchase=PurchaseOption.SPOT if j.spot else PurchaseOption.ON_DEMAND,
        spec=j.spec,
        billable=j.billable,
        types=(j.instance_type,) if j.kind == "tuning" else (),
        declared_limit=j.declared,
        parent=_job_parent(j),
        ended_at=j.ended_at,
        end_reason=j.status,
        pool=j.pool,
        pool_billed=j.pool_until - j.ended_at if j.pool == "Terminated" and j.pool_until and j.ended_at else None,
    )
