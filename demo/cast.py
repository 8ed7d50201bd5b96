"""Who is on stage: one mixed fleet, seeded before the first sweep. All times are UTC on the demo's own day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from costwatch.core.model import RunId, RunKind
from costwatch.core.prices import PriceTable, Rate
from demo.embedded import EmbeddedAws

REGION: Final = "us-east-1"
START: Final = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
PLATFORM: Final = "#ml-platform"
MARIA, JONAS, PRIYA, LI, SAM, RAVI = (
    f"{name}@example.com" for name in ("maria", "jonas", "priya", "li", "sam", "ravi")
)
PEOPLE: Final = [MARIA, JONAS, PRIYA, LI, SAM, RAVI]
APPROVERS: Final = "@risk-leads"
"""Ravi is one."""
TUNED: Final = tuple(f"lr-search-{number}" for number in range(1, 5))
"""What the tuning job has started before its time is up."""
HPO: Final = tuple(f"hpo-{number}" for number in range(1, 6))

EVALS: Final = ("eval-de", "eval-en", "eval-fr")

TRAINER: Final = {"Purpose": "transient-ml-training"}
_BEATS: Final = {"costwatch:heartbeat": "10m"}
_NODES: Final = {"Purpose": "distributed-training"}
_WORKBENCH: Final = {"Purpose": "workbench"}


def at(clock: str, *, days_before: int = 0) -> datetime:
    """`19:10` or `19:10:20` on the demo's day, or so many days before; `24:10` is ten past midnight."""
    hour, minute, second = (int(part) for part in (clock + ":00").split(":")[:3])
    midnight = START.replace(hour=0, minute=0, second=0)
    return midnight + timedelta(days=-days_before, hours=hour, minutes=minute, seconds=second)


def from_start(start: datetime) -> Callable[..., datetime]:
    """`at`, where the story begins at `start` (aware UTC)."""

    def then(clock: str, *, days_before: int = 0) -> datetime:
        return at(clock, days_before=days_before) + (start - START)

    return then


@dataclass(frozen=True)
class Actor:
    """An instance, a group or a SageMaker job. `rate_usd` is the list price of all its capacity, USD per hour."""

    name: str
    id: str
    service: str
    capacity: str
    how: str
    started_at: datetime
    owner: str
    rate_usd: Decimal
    run: str


class Cast:
    """The actors by name."""

    def __init__(self, actors: Mapping[str, Actor], arns: Mapping[str, str]) -> None:
        self._actors = dict(actors)
        self._arns = dict(arns)
        self._by_run = {actor.run: actor.name for actor in actors.values()}

    def __getitem__(self, name: str) -> Actor:
        return self._actors[name]

    def __iter__(self) -> Iterator[Actor]:
        return iter(self._actors.values())

    def arn_of(self, name: str) -> str:
        """Of a tuning job."""
        return self._arns[name]

    def name_of(self, run: str) -> str:
        """The actor's name for a run id; what was not seeded goes by its own id."""
        return self._by_run.get(run, run.rpartition("/")[2])

    def is_about(self, text: str) -> bool:
        """Whether a message names one of the actors."""
        return any(name in text for name in self._actors)


def seed(aws: EmbeddedAws, prices: PriceTable, start: datetime = START) -> Cast:
    """Fill the account as it stands at `start`: on another day than the demo's everybody began as long before it."""
    then = from_start(start)
    found: dict[str, Actor] = {}
    arns: dict[str, str] = {}

    def instance(
        name: str, kind: str, how: str, started: datetime, owner: str, tags: dict[str, str], **more: Any
    ) -> None:
        tags = {**tags, **({"owner": owner} if owner else {})}
        instance_id = aws.fleet.instance(type=kind, name=name, tags=tags, launched_at=started, **more)
        price = _ec2_price(kind, prices, spot="spot" in more)
        run = RunId(aws.account_id, REGION, RunKind.INSTANCE, instance_id)
        found[name] = _actor(name, instance_id, "ec2", kind, 1, how, started, owner, price, run)

    def job(name: str, count: int, started: datetime, owner: str) -> None:
        kind = "ml.p4d.24xlarge"
        tags = {**TRAINER, "owner": owner}
        aws.fleet.training_job(name, type=kind, count=count, started_at=started, tags=tags)
        price = _usd(prices.training_hourly_rate(kind, REGION))
        run = RunId(aws.account_id, REGION, RunKind.TRAINING, name)
        found[name] = _actor(name, name, "training", kind, count, "SageMaker job", started, owner, price, run)

    def tuner(name: str, started: datetime, owner: str) -> None:
        """Three jobs at a time; the first has ended and made room for the fourth."""
        kind, tags = "ml.g5.12xlarge", {**TRAINER, "owner": owner}
        arn = arns[name] = aws.fleet.tuning_job(name, type=kind, created_at=started, tags=tags)
        for child, since in zip(TUNED, ("11:06", "14:20", "15:40", "17:30"), strict=True):
            aws.fleet.child_of(arn, child, type=kind, started_at=then(since))
        aws.fleet.finish_job(TUNED[0], then("17:29"))
        price = _usd(prices.training_hourly_rate(kind, REGION))
        run = RunId(aws.account_id, REGION, RunKind.TUNING, name)
        found[name] = _actor(name, name, "tuning", kind, 3, "tuning job", started, owner, price, run)

    def group(name: str, count: int, started: datetime, owner: str) -> None:
        kind = "g5.48xlarge"
        tags = {**_NODES, "owner": owner, "Name": name}
        aws.fleet.group(name, size=count, type=kind, tags=tags, launched_at=started)
        price = _ec2_price(kind, prices, spot=True)
        run = RunId(aws.account_id, REGION, RunKind.ASG, name)
        found[name] = _actor(name, name, "group", kind, count, "spot group", started, owner, price, run)

    instance("churn-ablation", "p4d.24xlarge", "on demand", then("07:00"), MARIA, TRAINER)
    instance(
        "fraud-gnn", "g5.48xlarge", "persistent spot", then("07:50"), JONAS, TRAINER, spot="persistent",
        request_tags=TRAINER,
    )  # fmt: skip
    job("churn-bert-large", 1, then("09:10"), MARIA)
    instance("bastion", "m5.xlarge", "on demand", then("06:12", days_before=41), "", {"Environment": "prod"})
    instance("lab-notebook", "g5.2xlarge", "on demand", then("08:25"), PRIYA, TRAINER, protected=True)
    instance("wb-li", "g5.12xlarge", "on demand", then("10:00", days_before=1), LI, _WORKBENCH)
    instance("wb-sam", "g5.2xlarge", "on demand", then("16:00", days_before=1), SAM, _WORKBENCH)
    for number, name in enumerate(HPO, start=1):
        instance(name, "g5.12xlarge", "on demand", then(f"09:3{number}"), JONAS, TRAINER)
    instance("tabular-xl", "g5.48xlarge", "on demand", then("10:20"), PRIYA, TRAINER)
    job("llm-finetune", 2, then("10:35"), SAM)
    tuner("lr-search", then("11:05"), PRIYA)
    group("llm-nodes", 8, then("10:40"), SAM)
    instance("ranker-loop", "g5.12xlarge", "on demand", then("16:00"), LI, {**TRAINER, **_BEATS})
    for name in EVALS:
        instance(name, "g5.2xlarge", "on demand", then("17:00"), JONAS, {**TRAINER, **_BEATS})
    instance("postgres", "m5.xlarge", "on demand", then("06:10", days_before=41), "", {"Environment": "prod"})
    return Cast(found, arns)


def _ec2_price(kind: str, prices: PriceTable, *, spot: bool) -> Decimal | None:
    """USD an hour; of spot what nine tenths of the recent days did not exceed."""
    found = prices.spot_hourly_rate(kind, REGION, f"{REGION}a") if spot else None
    if found is not None:
        return found.p90_usd
    return _usd(prices.ec2_hourly_rate(kind, REGION))


def _usd(rate: Rate | None) -> Decimal | None:
    return rate.hourly_rate_usd if rate is not None else None


def _actor(
    name: str,
    resource_id: str,
    service: str,
    kind: str,
    count: int,
    how: str,
    started: datetime,
    owner: str,
    price: Decimal | None,
    run: RunId,
) -> Actor:
    if price is None:
        raise LookupError(f"no price is known for {kind} in {REGION}")
    capacity = kind if count == 1 else f"{count} x {kind}"
    return Actor(name, resource_id, service, capacity, how, started, owner, price * count, str(run))
