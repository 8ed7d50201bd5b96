"""What the world holds, as values: members (instances, jobs) and the runs they form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from sys import intern
from typing import Final

from costwatch.core.estimator import JobSpec
from costwatch.core.exemptions import Exemption
from costwatch.core.group import Group
from costwatch.core.heartbeats import Heard
from costwatch.core.liveness import Vitals
from costwatch.core.policy import PurchaseOption, Service

UNREADABLE: Final = "unknown"
"""The state of a job that could not be read."""


class RunKind(StrEnum):
    """What a run is made of. Fleets and clusters are reported and not stopped in this version."""

    INSTANCE = "instance"
    TAGGED = "run"
    TRAINING = "training"
    PROCESSING = "processing"
    ASG = "asg"
    FLEET = "fleet"
    CLUSTER = "cluster"
    TUNING = "tuning"
    AUTOML = "automl"
    LABELING = "labeling"
    """A Ground Truth labeling job's training jobs: it starts the next one, so they are reported and not stopped."""
    SCHEDULE = "schedule"
    """A monitoring schedule's processing jobs: it starts the next one, so they are reported and not stopped."""

    @property
    def stoppable(self) -> bool:
        return self in (RunKind.INSTANCE, RunKind.TAGGED, RunKind.ASG) or self.is_job

    @property
    def is_job(self) -> bool:
        """One SageMaker job, with its children where it has any."""
        return self in (RunKind.TRAINING, RunKind.PROCESSING) or self.has_children

    @property
    def has_children(self) -> bool:
        """A job that starts other jobs and ends them itself: it alone is judged and stopped, its children never."""
        return self in (RunKind.TUNING, RunKind.AUTOML)

    @property
    def service(self) -> Service:
        if self is RunKind.SCHEDULE:
            return Service.PROCESSING
        if self is RunKind.LABELING:
            return Service.TRAINING
        return Service(self.value) if self.is_job else Service.EC2


@dataclass(frozen=True, slots=True, order=True)
class RunId:
    """Account and region stand in every id: `111122223333/us-east-1/instance/i-0abc`."""

    account: str
    region: str
    kind: RunKind
    name: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}/{self.kind.value}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> RunId:
        """The inverse of `str()`. Raises ValueError."""
        account, region, kind, name = text.split("/", 3)
        return cls(intern(account), intern(region), RunKind(kind), name)  # the same few in every id


@dataclass(frozen=True, slots=True)
class Parent:
    """A controller that would replace what is stopped: an Auto Scaling group, a fleet, a tuning job, EKS, ..."""

    kind: RunKind
    id: str
    label: str
    """For people: `Auto Scaling group trainers`, `EKS cluster ml`."""
    via: str = ""
    """The tuning job in between, where an AutoML job started the member by way of one."""


@dataclass(frozen=True, slots=True)
class Clock:
    """When the current run began and since when the resource exists, each with its evidence (UTC).

    A stop and start resets `running_since`, not `exists_since`. None: not started, or not provable.
    """

    running_since: datetime | None
    running_evidence: str
    exists_since: datetime | None
    exists_evidence: str


@dataclass(frozen=True, slots=True)
class SpotRequest:
    """A spot request as EC2 describes it. `tags` are the request's own."""

    id: str
    type: str
    """`persistent` or `one-time`."""
    state: str
    """`open`, `active`, `closed`, `cancelled`, `failed`, `disabled`."""
    status: str
    instance_id: str | None
    tags: Mapping[str, str]

    @property
    def persistent(self) -> bool:
        return self.type == "persistent"

    @property
    def would_relaunch(self) -> bool:
        """When its instance is terminated."""
        return self.persistent and self.state in ("open", "active", "disabled")


@dataclass(frozen=True, slots=True)
class Member:
    """One instance or one SageMaker job. `tags` None: they could not be read. Children's are not read: empty."""

    id: str
    service: Service
    state: str
    """EC2: `pending`, `running`, ...; SageMaker: `InProgress`, `Stopping`, `Stopped`, `Completed`, `Failed`,
    `Deleting`."""
    capacity: tuple[tuple[str, int], ...]
    """(instance type, count) pairs; heterogeneous clusters have several. Empty: unknown."""
    zone: str
    tags: Mapping[str, str] | None
    clock: Clock
    purchase: PurchaseOption
    phase: str = ""
    """SageMaker's SecondaryStatus, for example `Training` or `Uploading`."""
    types: tuple[str, ...] = ()
    """Of a job with children: the instance types that its definition names; it has no instances of its own."""
    declared_limit: timedelta | None = None
    """The job's own MaxRuntimeInSeconds; None: it declares none."""
    spot_request_id: str | None = None
    parent: Parent | None = None
    termination_protection: bool | None = None
    """None: not read. Only what is about to be warned or stopped is read afresh with it."""
    stop_protection: bool | None = None
    """None: not read. It is, beside termination protection, where the run's selector stops and does not terminate."""
    spot_request: SpotRequest | None = None
    priced_apart: str = ""
    """What gives an instance a price of its own, such as `Windows` or `dedicated tenancy`; empty: shared Linux."""
    ended_at: datetime | None = None
    end_reason: str = ""
    pool: str = ""
    """State of the training job's warm pool: `InUse`, `Available`, `Reused`, `Terminated`; empty: it has none."""
    pool_billed: timedelta | None = None
    """How long the pool was kept, and billed, after the job."""
    image: str = ""
    """Of a job: its training or processing image, or the name of its algorithm."""
    spec: JobSpec | None = None
    """Of a job: what moves money in it, as its description names it. None: not read, or it names nothing yet."""
    billable: timedelta | None = None
    """Of a training job: BillableTimeInSeconds of each instance; None: SageMaker does not tell it yet."""

    @property
    def alive(self) -> bool:
        """Whether it burns money now or is about to: pending, running, or a job in progress."""
        return self.state in ("pending", "running", "InProgress")

    @property
    def gone(self) -> bool:
        """Whether it burns nothing any more. A job in a state that is neither alive nor on its way there has ended.

        One whose state could not be read proves nothing.
        """
        if self.service.is_sagemaker:
            return self.state not in (UNREADABLE, "Stopping") and not self.alive
        return self.state in ("terminated", "stopped")

    @property
    def halted(self) -> bool:
        """An instance that is stopped, or about to be, with its disks: no terminate that was accepted leaves that."""
        return self.service is Service.EC2 and self.state in ("stopping", "stopped")

    @property
    def keeps_pool(self) -> bool:
        """A job that is over and whose instances are kept, and billed, for the next one or until they are given back.

        A pool that another job has taken over is that job's.
        """
        return self.gone and self.pool in ("Available", "InUse")

    @property
    def has_children(self) -> bool:
        """A tuning or AutoML job: what it costs is what its children cost."""
        return self.service.has_children

    @property
    def finished(self) -> bool:
        """A job that came to its own end. Whether an instance did cannot be seen."""
        return self.state in ("Completed", "Failed")

    @property
    def name(self) -> str:
        return (self.tags or {}).get("Name") or self.id


@dataclass(frozen=True)
class Run:
    """The unit that is watched, warned and stopped: whole or not at all. Members are sorted by id."""

    id: RunId
    members: tuple[Member, ...]
    parent: Parent | None = None
    fresh: bool = False
    """Read for this run alone just now, with protection and spot requests."""
    left: tuple[str, ...] = ()
    """Members that were warned with it and run on outside of it. Read only for what is about to be stopped."""
    group: Group | None = None
    """The Auto Scaling group itself. None: the run is none, it was not read afresh, or AWS knows it no more."""
    vitals: Vitals | None = None
    heard: Heard | None = None
    """What members have said that have left it: `vitals` has it too, where there are any."""
    """What its heartbeats say; None: there were none in the current run."""
    exemption: Exemption | None = None
    """By command, given to it or to one of its members; it may have ended."""

    @property
    def judged(self) -> tuple[Member, ...]:
        """Members whose tags, type and start decide about the run: of a job with children the job alone."""
        if not self.id.kind.has_children:
            return self.members
        return tuple(m for m in self.members if m.id == self.id.name and m.service is self.id.kind.service)

    @property
    def children(self) -> tuple[Member, ...]:
        """Jobs that a tuning or AutoML job started."""
        return tuple(m for m in self.members if m not in self.judged) if self.id.kind.has_children else ()

    @property
    def declared_limit(self) -> timedelta | None:
        """The longest that a member declares itself."""
        return max((m.declared_limit for m in self.judged if m.declared_limit is not None), default=None)

    @cached_property
    def start(self) -> datetime | None:
        """Start of the current run: the earliest start of a member; None while none has started.

        A job with children started when it did; where that cannot be read, its children show that it had by then.
        """
        own = [m.clock.running_since for m in self.judged if m.clock.running_since is not None]
        starts = own or [m.clock.running_since for m in self.members if m.clock.running_since is not None]
        return min(starts, default=None)

    @property
    def name(self) -> str:
        if self.id.kind is RunKind.INSTANCE:
            return self.members[0].name if self.members else self.id.name
        return self.id.name

    def tag(self, key: str) -> str | None:
        """The first value any member carries under `key`."""
        return next((m.tags[key] for m in self.members if m.tags and key in m.tags), None)

    @property
    def capacity(self) -> dict[str, int]:
        """Instances by type, over all members."""
        totals: dict[str, int] = {}
        for member in self.members:
            for instance_type, count in member.capacity:
                totals[instance_type] = totals.get(instance_type, 0) + count
        return totals
