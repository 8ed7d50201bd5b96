"""What reading, stopping and verifying means for each kind of run; everything else is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from costwatch.core import times
from costwatch.core.group import Group
from costwatch.core.known_jobs import NOTHING_KNOWN, JobKey, KnownJob
from costwatch.core.model import Member, Run, RunId, RunKind
from costwatch.core.policy import Action, Service
from costwatch.core.record import RunRecord, StopAttempt
from costwatch.procedures.outcome import Outcome
from costwatch.procedures.ports import Ec2Port, SageMakerPort, Watchdog
from costwatch.procedures.stop_group import group_afresh, members_of, stop_group
from costwatch.procedures.stop_instances import stop_instances
from costwatch.procedures.stop_job import stop_job, stop_with_children


class Kind(Protocol):
    """One kind of run in one region. Every method may raise AwsError."""

    def read(self, run_id: RunId, ids: Iterable[str]) -> dict[str, Member]:
        """The members of `run_id` with these ids, in any state; one that AWS no longer knows is absent."""
        ...

    def afresh(self, run: Run, action: Action) -> Run:
        """The run as it is now: its living members, with what protects them from `action`."""
        ...

    def stop(self, run: Run, action: Action) -> Outcome:
        """Stop all of a run that was read afresh, and settle from what is seen."""
        ...

    def relaunched(self, record: RunRecord, stop: StopAttempt, members: dict[str, Member]) -> str:
        """What brought the run back after `stop`, as a sentence; empty when nothing did. `members`: as they are now."""
        ...

    def end_pool(self, member: Member) -> None:
        """Give back the instances that `member`, which is over, keeps for a next job."""
        ...


def kind_of(w: Watchdog, run_id: RunId) -> Kind:
    """The kind that `run_id` is of."""
    if run_id.kind.has_children:
        return _JobWithChildren(w.sagemaker(run_id.region), lambda: w.ledger.known_jobs(run_id.account, run_id.region))
    if run_id.kind.service.is_sagemaker:
        return _Job(w.sagemaker(run_id.region), run_id.kind.service)
    if run_id.kind is RunKind.ASG:
        return _Group(w, run_id)
    return _Instances(w.ec2(run_id.region), w.policy.tags.run)


@dataclass(frozen=True, slots=True)
class _Instances:
    """A standalone instance, or all that share a run tag."""

    ec2: Ec2Port
    run_tag: str

    def read(self, run_id: RunId, ids: Iterable[str]) -> dict[str, Member]:
        del run_id
        return self.ec2.instances_by_id(ids)

    def afresh(self, run: Run, action: Action) -> Run:
        return self.ec2.afresh(run, self.run_tag, action)

    def stop(self, run: Run, action: Action) -> Outcome:
        return stop_instances(self.ec2, run, action)

    def relaunched(self, record: RunRecord, stop: StopAttempt, members: dict[str, Member]) -> str:
        return _started_again(stop, members) or self._by_request(stop) or self._with_tag(record, stop)

    def _by_request(self, stop: StopAttempt) -> str:
        for request in self.ec2.spot_requests(stop.spot_requests).values():
            other = request.instance_id is not None and request.instance_id not in stop.members
            opens = request.would_relaunch and stop.action is Action.TERMINATE
            if other or opens:
                what = f"launched {request.instance_id}" if other else "is open and will launch another instance"
                return f"spot request {request.id} ({request.type}, {request.state}; {request.status}) {what}"
        return ""

    def _with_tag(self, record: RunRecord, stop: StopAttempt) -> str:
        if record.run_id.kind is not RunKind.TAGGED:
            return ""
        for member in self.ec2.instances_by_tag(self.run_tag, record.run_id.name):
            if member.id not in stop.members:
                launched = member.clock.running_since
                when = f" at {times.to_key(launched)}" if launched else ""
                by = f" by {member.parent.label}" if member.parent else ""
                by = by or (f" by spot request {member.spot_request_id}" if member.spot_request_id else "")
                return f"{member.id} was launched{when}{by or ' by somebody (CloudTrail knows who)'} with the run's tag"
        return ""

    def end_pool(self, member: Member) -> None:
        del member  # instances keep none


def _started_again(stop: StopAttempt, members: dict[str, Member]) -> str:
    """Who started a stopped instance, as a sentence; empty when nobody did."""
    if stop.action is not Action.STOP:
        return ""
    for member in members.values():
        since = member.clock.running_since
        if member.alive and since is not None and stop.requested_at is not None and since > stop.requested_at:
            return f"{member.id} was started again at {times.to_key(since)} (CloudTrail knows by whom)"
    return ""


@dataclass(frozen=True, slots=True)
class _Group:
    """An Auto Scaling group, with every instance it has."""

    w: Watchdog
    run_id: RunId

    def read(self, run_id: RunId, ids: Iterable[str]) -> dict[str, Member]:
        """Also those that the group has besides: what it launched since is not gone."""
        ec2 = self.w.ec2(run_id.region)
        return members_of(ec2, self._group(), ec2.instances_by_id(ids))

    def afresh(self, run: Run, action: Action) -> Run:
        del action
        return group_afresh(self.w, run)

    def stop(self, run: Run, action: Action) -> Outcome:
        del action
        return stop_group(self.w, run)

    def relaunched(self, record: RunRecord, stop: StopAttempt, members: dict[str, Member]) -> str:
        del record
        group = self._group()
        if group is None or stop.requested_at is None:
            return ""
        raised = group.capacity.desired > group.emptied.desired
        began = {m.id: m.clock.running_since for m in members.values() if m.alive and m.id not in stop.members}
        launched = sorted(i for i, since in began.items() if since is not None and since > stop.requested_at)
        if not raised and not launched:
            return ""
        what = f"{group.label} has {group.capacity} again" if raised else f"{group.label} has {group.capacity}"
        what += f" and launched {', '.join(launched)}" if launched else ""
        activity = self.w.autoscaling(self.run_id.region).newest_activity(group.name)
        return f"{what}; its newest activity: {activity}" if activity is not None else what

    def end_pool(self, member: Member) -> None:
        del member  # instances keep none

    def _group(self) -> Group | None:
        return self.w.autoscaling(self.run_id.region).group(self.run_id.name)


@dataclass(frozen=True, slots=True)
class _Job:
    """A SageMaker job by itself: what was stopped stays so under its name."""

    sagemaker: SageMakerPort
    service: Service

    def read(self, run_id: RunId, ids: Iterable[str]) -> dict[str, Member]:
        del run_id
        found = (self.sagemaker.job(name, self.service) for name in ids)
        return {member.id: member for member in found if member is not None}

    def afresh(self, run: Run, action: Action) -> Run:
        del action
        return self.sagemaker.afresh(run)

    def stop(self, run: Run, action: Action) -> Outcome:
        del action
        return stop_job(self.sagemaker, run.id.name, self.service)

    def relaunched(self, record: RunRecord, stop: StopAttempt, members: dict[str, Member]) -> str:
        del record, stop, members
        return ""

    def end_pool(self, member: Member) -> None:
        self.sagemaker.end_warm_pool(member.id)


@dataclass(frozen=True, slots=True)
class _JobWithChildren:
    """A tuning or AutoML job with all that it started: it ends them itself, and is over when the last one is."""

    sagemaker: SageMakerPort
    known_jobs: Callable[[], Mapping[JobKey, KnownJob]]

    def read(self, run_id: RunId, ids: Iterable[str]) -> dict[str, Member]:
        """The job, whatever the ids, and its children that are not over: those too that it started since."""
        del ids
        job, children = self.sagemaker.family(run_id.name, run_id.kind.service, self._known(run_id))
        return {member.id: member for member in (*children, *([job] if job is not None else []))}

    def afresh(self, run: Run, action: Action) -> Run:
        del action
        return self.sagemaker.afresh(run, self._known(run.id))

    def stop(self, run: Run, action: Action) -> Outcome:
        del action
        return stop_with_children(self.sagemaker, run.id.name, run.id.kind.service, self._known(run.id))

    def relaunched(self, record: RunRecord, stop: StopAttempt, members: dict[str, Member]) -> str:
        del record, stop, members
        return ""

    def end_pool(self, member: Member) -> None:
        del member  # a tuning job's training jobs keep none

    def _known(self, run_id: RunId) -> Mapping[JobKey, KnownJob]:
        """An AutoML job's children are on no list of their own: what is known to be another's is not asked about."""
        return self.known_jobs() if run_id.kind is RunKind.AUTOML else NOTHING_KNOWN
