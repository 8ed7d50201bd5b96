"""A yes as a purse: so many jobs, so many dollars, until a day, for exactly what was asked about. Pure.

A job that starts draws from the purse it names, in one conditional write: the tag it carries, or the pipeline that
started it, only says where to look. What moves money and who pays must be what was approved: a run that may go on for
longer, on more or other machines, or on another team's account is another question.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from costwatch.core.estimator import JobSpec


@dataclass(frozen=True, slots=True)
class SpecSeen:
    """One job as it was approved. `digest`: of all but the maximum runtime, so that a shorter job is the same job."""

    digest: str
    max_runtime: timedelta


@dataclass(frozen=True, slots=True)
class Purse:
    """What a yes is good for. `granted_usd` None: its price is not known. `expires_at`: exclusive, UTC."""

    approval_id: str
    account: str
    specs: tuple[SpecSeen, ...]
    granted_usd: Decimal | None
    granted_runtime: timedelta | None
    jobs_left: int
    expires_at: datetime
    source: str = ""
    """The execution that it was given to: what that starts may draw without carrying a tag."""
    drawn_by: tuple[str, ...] = ()
    """The runs that drew, each with its start."""
    version: int = 1


class Draw(StrEnum):
    """What became of a job that looked for its purse."""

    DRAWN = "drawn"
    BEFORE = "it drew before"
    EMPTY = "the yes was for fewer jobs, and they have started"
    EXPIRED = "the yes has expired"
    OTHER = "what was approved is not what runs"


@dataclass(frozen=True, slots=True)
class Drawn:
    """`after`: the purse to save where `result` is DRAWN, else as it was."""

    result: Draw
    after: Purse

    @property
    def covered(self) -> bool:
        """Whether the job goes on without another question."""
        return self.result in (Draw.DRAWN, Draw.BEFORE)


def spec_seen(spec: JobSpec, *, team: str, family: str) -> SpecSeen:
    """The digest of what moves money and who pays: service, region, types and counts, purchase option, volume, warm
    pool, a tuning job's jobs, team and family; and beside it the maximum runtime.

    Not the name, the image, the hyperparameters or the inputs. `family`: empty where an execution binds the job.
    """
    volume = [spec.volume.gb, spec.volume.kind] if spec.volume is not None else []
    body = {
        "service": spec.service.value,
        "region": spec.region,
        "groups": sorted([group.instance_type, group.count] for group in spec.groups),
        "purchase": spec.purchase.value,
        "volume": volume,
        "warm_pool": _seconds(spec.warm_pool),
        "jobs": [spec.jobs, spec.parallel, _seconds(spec.total_runtime)],
        "team": team,
        "family": family,
    }
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return SpecSeen(hashlib.sha256(canonical.encode()).hexdigest(), spec.max_runtime)


def draw(purse: Purse, run: str, started: SpecSeen | None, now: datetime) -> Drawn:
    """A run (its id with its start) looks for its purse. `started` None: nobody knows what it is made of.

    A run that drew before goes on, whatever became of the purse since. A job may declare a shorter maximum runtime than
    was approved, inclusive of the granted one, and no longer one.
    """
    if run in purse.drawn_by:
        return Drawn(Draw.BEFORE, purse)
    if now >= purse.expires_at:
        return Drawn(Draw.EXPIRED, purse)
    if started is None or not any(_covers(purse, approved, started) for approved in purse.specs):
        return Drawn(Draw.OTHER, purse)
    if purse.jobs_left <= 0:
        return Drawn(Draw.EMPTY, purse)
    after = replace(purse, jobs_left=purse.jobs_left - 1, drawn_by=(*purse.drawn_by, run), version=purse.version + 1)
    return Drawn(Draw.DRAWN, after)


def _covers(purse: Purse, approved: SpecSeen, started: SpecSeen) -> bool:
    most = min(approved.max_runtime, purse.granted_runtime or approved.max_runtime)
    return started.digest == approved.digest and started.max_runtime <= most


def _seconds(duration: timedelta | None) -> int | None:
    return int(duration.total_seconds()) if duration is not None else None
