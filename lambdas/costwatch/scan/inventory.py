"""What a scan found, as values: members, other SageMaker resources, and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from costwatch.core.model import Member


class ResourceKind(StrEnum):
    """What runs in SageMaker besides jobs."""

    NOTEBOOK = "notebook"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True)
class Resource:
    """Something in SageMaker that is no job. `tags` None: they could not be read.

    `capacity` None: its types or counts are not known. Empty: it holds no instances (a serverless endpoint).
    """

    kind: ResourceKind
    name: str
    state: str
    capacity: tuple[tuple[str, int], ...] | None
    tags: Mapping[str, str] | None
    since: datetime | None
    evidence: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that the list names and that could not be described."""

    kind: str
    name: str
    since: datetime | None
    evidence: str
    reason: str


class GapKind(StrEnum):
    """Why a part of the account could not be read."""

    DENIED = "denied"
    NOT_ENABLED = "not enabled"
    NOT_KNOWN = "not known"
    SILENT = "no answer"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Gap:
    """One operation that failed in one region. What it would have listed is unknown, not absent."""

    region: str
    operation: str
    kind: GapKind
    reason: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What one service showed in one region."""

    region: str
    service: str
    answered: bool
    """Whether the service listed anything at all, be it nothing."""
    members: tuple[Member, ...] = ()
    resources: tuple[Resource, ...] = ()
    unread: tuple[Unread, ...] = ()
    gaps: tuple[Gap, ...] = ()
    running_children: Mapping[str, int] = field(default_factory=dict)
    """Tuning job -> how many training jobs it says are in progress."""

    @property
    def found(self) -> bool:
        return bool(self.members or self.resources or self.unread)


@dataclass(frozen=True, slots=True)
class Inventory:
    """One look at the account, in `regions` (sorted), at `at` (UTC)."""

    account: str
    at: datetime
    regions: tuple[str, ...]
    not_enabled: tuple[str, ...]
    """Regions that the account has not switched on: nothing can run there."""
    findings: tuple[Findings, ...]
    elsewhere: tuple[str, ...] = ()
    """Regions of another partition, which these credentials cannot read."""

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(gap for each in self.findings for gap in each.gaps)

    @property
    def regions_found(self) -> tuple[str, ...]:
        """Regions where something runs."""
        return tuple(sorted({each.region for each in self.findings if each.found}))

    @property
    def nothing_read(self) -> bool:
        """Whether no service answered in any region."""
        return not any(each.answered for each in self.findings)
