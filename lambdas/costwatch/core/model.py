"""What the world holds, as values: members (instances, jobs) and the runs they form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from costwatch.core.exemptions import Exemption
from costwatch.core.heartbeats import Vitals
from costwatch.core.policy import PurchaseOption, Service


class RunKind(StrEnum):
    """What a run is made of. Only the first three can be stopped in this version."""

    INSTANCE = "instance"
    TAGGED = "run"
    TRAINING = "training"
    PROCESSING = "processing"
    ASG = "asg"
    FLEET = "fleet"
    CLUSTER = "cluster"
    TUNING = "tuning"
    AUTOML = "automl"

    @property
    def stoppable(self) -> bool:
        return self in (RunKind.INSTANCE, RunKind.TAGGED, RunKind.TRAINING)

    @property
    def service(self) -> Service:
        jobs = (RunKind.TRAINING, RunKind.PROCESSING, RunKind.TUNING, RunKind.AUTOML)
        return Service(self.value) if self in jobs else Service.EC2


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
        return cls(account, region, RunKind(kind), name)


@dataclass(frozen=True, slots=True)
class Parent:
    """A controller that would replace what is stopped: an Auto Scaling group, a fleet, a tuning job, EKS, ..."""

    kind: RunKind
    id: str
    label: str
    """For people: `Auto Scaling group trainers`, `EKS cluster ml`."""


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
    """One instance or one training job. `tags` None: they could not be read."""

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
    spot_request_id: str | None = None
    parent: Parent | None = None
    termination_protection: bool | None = None
    """None: not read. Only what is about to be warned or stopped is read afresh with it."""
    stop_protection: bool | None = None
    """None: not read. It is, beside termination protection, where the run's selector stops and does not terminate."""
    spot_request: SpotRequest | None = None
    ended_at: datetime | None = None
    end_reason: str = ""

    @property
    def alive(self) -> bool:
        """Whether it burns money now or is about to: pending, running, or a job in progress."""
        return self.state in ("pending", "running", "InProgress")

    @property
    def gone(self) -> bool:
        """Whether it burns nothing any more. A job in a state that is neither alive nor on its way there has ended."""
        if self.service.is_sagemaker:
            return not self.alive and self.state != "Stopping"
        return self.state in ("terminated", "stopped")

    @property
    def halted(self) -> bool:
        """An instance that is stopped, or about to be, with its disks: no terminate that was accepted leaves that."""
        return self.service is Service.EC2 and self.state in ("stopping", "stopped")

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
    vitals: Vitals | None = None
    """What its heartbeats say; None: there were none in the current run."""
    exemption: Exemption | None = None
    """By command, given to it or to one of its members; it may have ended."""

    @cached_property
    def start(self) -> datetime | None:
        """Start of the current run: the earliest start of a member; None while none has started."""
        starts = [m.clock.running_since for m in self.members if m.clock.running_since is not None]
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
