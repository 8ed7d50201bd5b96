"""What the procedures need of the outside world. Adapters implement these on AWS and Slack, tests on recorded fakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from costwatch.adapters.ledger import Ledger
from costwatch.adapters.ledger_rows import Skip
from costwatch.adapters.pulses import MemberKey
from costwatch.adapters.slack import Person
from costwatch.core.approvals import Post
from costwatch.core.beat_path import Path
from costwatch.core.candidates import Filters
from costwatch.core.cards import Card
from costwatch.core.gains import Content, Reading
from costwatch.core.group import Activity, Capacity, Group
from costwatch.core.heartbeats import Beat, Pulse
from costwatch.core.known_jobs import JobKey, JobOver, JobsSeen, KnownJob, ListedChild
from costwatch.core.model import Member, Run, RunId, SpotRequest
from costwatch.core.packages import ApprovalStatus, ModelPackage, TrainedJob
from costwatch.core.policy import Action, Policy, Service
from costwatch.core.prices import PriceTable
from costwatch.core.step import Step
from costwatch.errors import AwsError, UnreadableRow


class Ec2Port(Protocol):
    """See adapters.ec2.Ec2."""

    def matching(self, filters: Filters, page: int = ...) -> Iterator[Member]: ...
    def instances_by_id(self, ids: Iterable[str]) -> dict[str, Member]: ...
    def instances_by_tag(self, key: str, value: str) -> list[Member]: ...
    def afresh(self, run: Run, run_tag: str, action: Action = ...) -> Run: ...
    def afresh_together(self, runs: Sequence[Run], run_tag: str) -> dict[RunId, Run]: ...
    def with_protection(self, run: Run, action: Action) -> Run: ...
    def spot_requests(self, ids: Iterable[str]) -> dict[str, SpotRequest]: ...
    def cancel_spot_requests(self, ids: Sequence[str]) -> None: ...
    def terminate(self, ids: Sequence[str]) -> None: ...
    def stop(self, ids: Sequence[str]) -> None: ...


class AutoScalingPort(Protocol):
    """See adapters.autoscaling.AutoScaling."""

    def group(self, name: str) -> Group | None: ...
    def set_capacity(self, name: str, capacity: Capacity, *, min_size: bool) -> None: ...
    def terminate(self, name: str, ids: Sequence[str]) -> None: ...
    def newest_activity(self, name: str) -> Activity | None: ...


class SageMakerPort(Protocol):
    """See adapters.sagemaker.SageMaker."""

    def jobs(self, known: Mapping[JobKey, KnownJob] = ..., now: datetime | None = ...) -> JobsSeen: ...
    def job(self, name: str, service: Service = ...) -> Member | None: ...
    def family(
        self, name: str, service: Service, known: Mapping[JobKey, KnownJob] = ...
    ) -> tuple[Member | None, list[Member]]: ...
    def afresh(self, run: Run, known: Mapping[JobKey, KnownJob] = ...) -> Run: ...
    def children_listed(self, tuner: str) -> list[ListedChild]: ...
    def over_since(self, moment: datetime) -> tuple[list[JobOver], list[AwsError]]: ...
    def stop(self, name: str, service: Service = ...) -> None: ...
    def end_warm_pool(self, name: str) -> None: ...


class RegistryPort(Protocol):
    """See adapters.registry.Registry."""

    def package(self, arn: str) -> ModelPackage | None: ...
    def pending(self, group: str) -> list[ModelPackage]: ...
    def newest_approved(self, group: str) -> ModelPackage | None: ...
    def decide(self, arn: str, status: ApprovalStatus, description: str, metadata: Mapping[str, str]) -> None: ...
    def steps(self, execution_arn: str) -> list[JobKey]: ...
    def trained(self, job_name: str) -> TrainedJob | None: ...


class EvaluationsPort(Protocol):
    """See adapters.evaluations.Evaluations."""

    def statistics(self, uri: str) -> dict[str, Reading]: ...
    def differences(self, uri: str) -> tuple[Decimal, ...]: ...
    def content(self, uri: str) -> Content | None: ...


class SlackPort(Protocol):
    """See adapters.slack.Slack."""

    def post(self, channel: str, card: Card) -> str: ...
    def post_at(self, channel: str, card: Card, thread_ts: str = ...) -> Post: ...
    def update(self, post: Post, card: Card) -> None: ...
    def ephemeral(self, channel: str, user: str, text: str) -> None: ...
    def group_id(self, group: str) -> str: ...
    def group_members(self, group: str) -> frozenset[str]: ...
    def person(self, user: str) -> Person: ...
    def user_id(self, owner: str) -> str | None: ...


class TopicPort(Protocol):
    """See adapters.topic.Topic."""

    def has_listener(self) -> bool: ...
    def publish(self, subject: str, text: str) -> None: ...


class BusPort(Protocol):
    """See adapters.bus.Bus."""

    def run_stopped(self, detail: Mapping[str, object], *, at: datetime) -> None: ...
    def res_verdict(self, detail: Mapping[str, object], *, at: datetime) -> None: ...
    def canary(self, at: datetime) -> None: ...


class PulsesPort(Protocol):
    """See adapters.pulses.Pulses."""

    def of_region(self, account: str, region: str, skip: Skip) -> dict[MemberKey, Pulse]: ...
    def of_members(self, run: Run, left: Iterable[MemberKey] = ()) -> dict[MemberKey, Pulse]: ...
    def is_row_of(self, row: UnreadableRow, run: Run, left: Iterable[MemberKey] = ()) -> bool: ...
    def path(self) -> Path | None: ...
    def take(self, beats: Sequence[Beat]) -> None: ...
    def canary(self, sent_at: datetime, allowed: timedelta) -> None: ...


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Everything a sweep works with. `slack` None: not configured. `worker`: who holds leases taken here."""

    policy: Policy
    account: str
    ledger: Ledger
    prices: PriceTable
    ec2: Callable[[str], Ec2Port]
    autoscaling: Callable[[str], AutoScalingPort]
    sagemaker: Callable[[str], SageMakerPort]
    slack: SlackPort | None
    topic: TopicPort | None
    bus: BusPort | None
    pulses: PulsesPort
    clock: Callable[[], datetime]
    log: Callable[[str, Mapping[str, object]], None]
    worker: str
    seconds_left: Callable[[], float]
    """Until the function is cut off; nothing new is begun when it gets short."""
    counts: bool = True
    """Whether everything is counted once an hour, where a sweep does not list everything."""
    listed_whole: int = 249
    """So many instances are listed whether they can matter now or not: one small page of EC2's shows that it is all."""

    def now(self) -> datetime:
        """Aware UTC."""
        return self.clock()

    def save(self, step: Step | None) -> bool:
        """Save a step and log its transitions; False when somebody else was first or there was nothing to save."""
        if step is None or not self.ledger.save(step):
            return False
        self.log_step(step)
        return True

    def log_step(self, step: Step) -> None:
        """One structured line per transition, always the same fields."""
        record = step.after or step.before
        if record is None:
            return
        for entry in step.entries:
            self.log(
                "transition",
                {
                    "run": str(record.run_id),
                    "transition": entry.transition.value,
                    "reason": entry.reason,
                    "rule": entry.rule,
                    "mode": entry.mode,
                    "selector": record.selector,
                    "policy_digest": self.policy.digest,
                },
            )
