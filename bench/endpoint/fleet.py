"""The fleet: the same instances and jobs for the same numbers, of which 2% are past the limit of 12 hours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"
SELECTED_BY: Final = ("Purpose", "transient-ml-training")
LIMIT: Final = timedelta(hours=12)
OVERDUE_EVERY: Final = 50
"""One instance in so many is past the limit: 2%."""
OVERRIDE_EVERY: Final = 1000
"""One instance in so many carries a limit of its own, longer than the usual one; it is young."""

_OVERRIDE_AT: Final = 7  # no multiple of OVERDUE_EVERY
_YOUNGEST, _OLDEST_YOUNG = timedelta(minutes=2), timedelta(hours=9)
_FIRST_OVERDUE, _OLDEST = timedelta(hours=12, minutes=30), timedelta(hours=71)
_TYPES: Final = ("p4d.24xlarge", "g5.12xlarge", "p5.48xlarge", "g5.2xlarge")
_TEAMS: Final = ("vision", "language", "risk", "ranking", "speech")
_STRIDE: Final = 7919  # a prime: launches are spread and not in the order of the ids
_ZONES: Final = ("a", "b", "c")


@dataclass(slots=True)
class Instance:
    """What differs between instances. `launched` is UTC, as EC2 writes and filters it."""

    index: int
    id: str
    type: str
    zone: str
    spot_request_id: str
    launched: str
    state: str = "running"

    @property
    def tags(self) -> dict[str, str]:
        """Made when asked for: 100,000 of them would be most of the endpoint's memory."""
        return tags_of(self.index)

    @property
    def lifecycle(self) -> str:
        """`spot`, or empty: on-demand instances have none, and no filter value matches them."""
        return "spot" if self.spot_request_id else ""


@dataclass(frozen=True, slots=True)
class Job:
    """A SageMaker training job; times are UTC."""

    name: str
    created: datetime
    started: datetime
    type: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Fleet:
    """`instances` and `jobs` by id and name. Launch times count back from `as_of`, an aware UTC time."""

    as_of: datetime
    size: int
    job_count: int = 0
    instances: dict[str, Instance] = field(init=False)
    jobs: dict[str, Job] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "instances", {i.id: i for i in self._instances()})
        object.__setattr__(self, "jobs", {j.name: j for j in self._jobs()})

    def restored(self) -> None:
        """Every instance runs again."""
        for instance in self.instances.values():
            instance.state = "running"

    def _instances(self) -> Iterator[Instance]:
        for i in range(self.size):
            spot = i % 3 != 2  # of every type some
            yield Instance(
                index=i,
                id=f"i-0{i * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF:016x}",
                type=_TYPES[i % len(_TYPES)],
                zone=f"{REGION}{_ZONES[i // 12 % len(_ZONES)]}",
                spot_request_id=f"sir-{i:08x}" if spot else "",
                launched=filter_text(self.as_of - _age(i, self.size, overdue=i % OVERDUE_EVERY == 0)),
            )

    def _jobs(self) -> Iterator[Job]:
        for i in range(self.job_count):
            created = self.as_of - _age(i, self.job_count, overdue=i % OVERDUE_EVERY == 0)
            yield Job(
                name=f"train-{i:06d}",
                created=created,
                started=created + timedelta(minutes=2),
                type=f"ml.{_TYPES[i % len(_TYPES)]}",
                tags=tags_of(i),
            )


def filter_text(moment: datetime) -> str:
    """`2026-11-22T09:00:00.000Z`: EC2's own writing of a UTC time, in answers and in filters."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def tags_of(index: int) -> dict[str, str]:
    """What training platforms put on an instance; the first is what selects it."""
    team = _TEAMS[index % len(_TEAMS)]
    key, value = SELECTED_BY
    tags = {
        key: value,
        "Name": f"{team}-trainer-{index:06d}",
        "owner": f"owner{index % 97}@example.com",
        "team": team,
        "project": f"{team}-2026",
        "model": f"{team}-large",
        "cost-center": f"cc-{4000 + index % 23}",
        "experiment": f"exp-{index % 5000:05d}",
    }
    if index % OVERRIDE_EVERY == _OVERRIDE_AT:
        tags["costwatch:max-runtime"] = "20h"
    return tags


def _age(index: int, size: int, *, overdue: bool) -> timedelta:
    youngest, oldest = (_FIRST_OVERDUE, _OLDEST) if overdue else (_YOUNGEST, _OLDEST_YOUNG)
    place = index * _STRIDE % max(size, 1) / max(size, 1)
    return timedelta(seconds=int((youngest + (oldest - youngest) * place).total_seconds()))
