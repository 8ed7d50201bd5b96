"""What is known of a SageMaker job from an earlier look: its specification never changes, so it is described once.

Status and phase come with every list. Tags may change: they are read again once an hour, each job at a time of its own
so that they spread over the sweeps, and always for whoever is to be warned or stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final
from zlib import crc32

from costwatch.core.model import Member
from costwatch.core.policy import Service
from costwatch.errors import AwsError

TAGS_EVERY: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

JobKey = tuple[Service, str]


@dataclass(frozen=True, slots=True)
class KnownJob:
    """A job as it was described, and when its tags were read (UTC)."""

    member: Member
    tags_read_at: datetime

    @property
    def is_whole(self) -> bool:
        """Whether a later look could learn nothing more but tags."""
        return self.member.tags is not None and self.member.clock.running_since is not None

    def to_keep(self) -> KnownJob:
        """Without what each list tells anew."""
        return replace(self, member=replace(self.member, phase="", pool="", pool_billed=None))

    @property
    def key(self) -> JobKey:
        return self.member.service, self.member.id

    def is_of(self, created: datetime | None) -> bool:
        """Whether it is the job that was created then. A name is free again once its job is deleted.

        Before a job starts, neither its start nor the instance type it gets is known: then it is described again.
        """
        return self.is_whole and created is not None and created == self.member.clock.exists_since

    def tags_are_due(self, now: datetime) -> bool:
        """Whether a turn of this job has come since its tags were read."""
        phase = timedelta(seconds=crc32(self.member.id.encode()) % int(TAGS_EVERY.total_seconds()))
        return (now - _EPOCH - phase) // TAGS_EVERY > (self.tags_read_at - _EPOCH - phase) // TAGS_EVERY


@dataclass(frozen=True, slots=True)
class JobOver:
    """A job that its list shows as over."""

    service: Service
    name: str
    created_at: datetime

    @property
    def key(self) -> JobKey:
        return self.service, self.name


@dataclass(frozen=True, slots=True)
class ListedChild:
    """A training job of a tuning job as its list shows it: enough to price it where spot saved nothing."""

    name: str
    started_at: datetime | None
    ended_at: datetime | None


NOTHING_KNOWN: Final[Mapping[JobKey, KnownJob]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class JobsSeen:
    """Jobs of one region, what could not be read about single ones, and what was learned about them."""

    members: list[Member]
    errors: list[AwsError]
    learned: list[KnownJob]
    over: list[JobKey]
    """Known ones that are not in progress any more."""
