"""A scan's result as values: one line for each run, job, notebook and endpoint, and totals over them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from costwatch.core.model import Member

HOURS_A_MONTH: Final = Decimal(730)
"""As AWS's own calculator has it: 365 days of 24 hours over 12 months."""


_LABELS: Final = {"tuning": "tuning job", "automl": "AutoML job"}


class Finding(StrEnum):
    """What the defaults would do. Ordered as a person wants to read it."""

    STOP = "stop"
    """Past its time and nothing stands in the way: warned now, stopped when its notice is over."""
    WARN = "warn"
    UNPROVEN = "unproven"
    """Tags, age or the thing itself could not be read: reported, never acted on."""
    HOLD = "hold"
    """Past its time, and something forbids to stop it."""
    KEEP = "keep"
    LISTED = "listed"
    """Of a kind that has no limit in this version; listed for its burn."""


class Doubt(StrEnum):
    """What could not be proven about a line."""

    TAGS = "tags"
    AGE = "age"
    DESCRIPTION = "description"


@dataclass(frozen=True, slots=True)
class Line:
    """One run, or one SageMaker resource. Money is USD per hour; None is unknown and never 0."""

    region: str
    kind: str
    name: str
    id: str
    finding: Finding
    reason: str
    """The whole sentence."""
    remark: str
    """What sets it apart from the others of its finding; often nothing."""
    hourly_rate_usd: Decimal | None
    """What stopping it would end; prepaid capacity counts as 0 here."""
    list_rate_usd: Decimal | None
    """With prepaid capacity at its list price."""
    price_note: str
    capacity: tuple[tuple[str, int], ...] | None
    """(type, count) pairs, sorted; None: unknown."""
    purchase: tuple[str, ...] = ()
    owner: str = ""
    team: str = ""
    group: str = ""
    """For people: `Auto Scaling group trainers`, `tuning job churn`."""
    since: datetime | None = None
    evidence: str = ""
    exists_since: datetime | None = None
    """When it was first launched, where that is earlier than its last start; with its evidence."""
    exists_evidence: str = ""
    deadline: datetime | None = None
    members: tuple[Member, ...] = ()
    children: tuple[str, ...] = ()
    """Names of jobs that are rolled up into this line and stand nowhere else."""
    doubt: Doubt | None = None
    """What could not be proven about it; None: nothing."""

    @property
    def kind_label(self) -> str:
        """For people: `instance`, `Auto Scaling group`, `run in Auto Scaling group trainers`."""
        if not self.group:
            return _LABELS.get(self.kind, self.kind)
        if self.group.endswith(f" {self.id}"):
            return self.group.removesuffix(f" {self.id}")
        return f"{self.kind} in {self.group}"

    @property
    def owner_label(self) -> str:
        """`-`: no such tag. What could not be read may well have one."""
        return self.owner or ("unknown" if self.doubt in (Doubt.TAGS, Doubt.DESCRIPTION) else "-")

    @property
    def not_started(self) -> bool:
        """A job that waits for its machines: it has no age and costs nothing yet."""
        return self.since is None and self.doubt is None and self.hourly_rate_usd == 0

    @property
    def monthly_rate_usd(self) -> Decimal | None:
        return monthly(self.hourly_rate_usd)

    @property
    def instances(self) -> int:
        return sum(count for _kind, count in self.capacity or ())


@dataclass(frozen=True, slots=True)
class Total:
    """Of what has a price; `without_price` lines have none and are in no sum."""

    lines: int
    instances: int
    hourly_rate_usd: Decimal
    without_price: int

    @property
    def monthly_rate_usd(self) -> Decimal:
        return self.hourly_rate_usd * HOURS_A_MONTH


def monthly(hourly_rate_usd: Decimal | None) -> Decimal | None:
    """USD for 730 hours."""
    return None if hourly_rate_usd is None else hourly_rate_usd * HOURS_A_MONTH


def total(lines: Iterable[Line]) -> Total:
    """Sum up `lines`."""
    counted = list(lines)
    known = [line.hourly_rate_usd for line in counted if line.hourly_rate_usd is not None]
    return Total(
        lines=len(counted),
        instances=sum(line.instances for line in counted),
        hourly_rate_usd=sum(known, Decimal(0)),
        without_price=len(counted) - len(known),
    )


def dearest_first(lines: Iterable[Line]) -> list[Line]:
    """What is unknown comes first: it may be the dearest. Then by burn, region and id."""
    return sorted(
        lines,
        key=lambda line: (
            line.hourly_rate_usd is not None,
            -(line.hourly_rate_usd or Decimal(0)),
            line.region,
            line.kind,
            line.id,
        ),
    )


def of(lines: Sequence[Line], finding: Finding) -> list[Line]:
    """The lines of one finding, in their order."""
    return [line for line in lines if line.finding is finding]
