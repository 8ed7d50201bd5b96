"""A yes as a purse: so many jobs, so many dollars, until a day, for exactly what was asked about. Pure.

A job that starts draws from the purse it names, in one conditional write: the tag it carries, or the pipeline that
started it, only says where to look. What moves money and who pays must be what was approved: a run that may go on for
longer, on more or other machines, or on another team's account is another question.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from costwatch.core.estimator import JobSpec
from costwatch.core.policy import Service


@dataclass(frozen=True, slots=True)
class SpecSeen:
    """One job as it was approved. `digest`: of all but the maximum runtime, so that a shorter job is the same job."""

    digest: str
    max_runtime: timedelta
    job: int = 0
    """Which of the jobs that were asked about: of those with one number exactly one runs."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run (its id with its start) drew: that job has started, and is no other's any more."""

    run: str
    spec: SpecSeen


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
    taken: tuple[Taken, ...] = ()
    """What each of them drew. Of those that drew before this was kept it is not known."""
    version: int = 1

    def drawn_spec(self, run: str) -> SpecSeen | None:
        """What `run` drew; None: nothing, or it is not known."""
        return next((each.spec for each in self.taken if each.run == run), None)


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

    Not the name, the image, the hyperparameters or the inputs, nor an instance's volumes: of those that run nobody
    looks them up. `family`: empty where an execution binds the job.
    """
    seen = spec.volume if spec.service is not Service.EC2 else None
    volume = [seen.gb, seen.kind] if seen is not None else []
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
    covering = [each for each in purse.specs if _covers(purse, each, started)] if started is not None else []
    if not covering:
        return Drawn(Draw.OTHER, purse)
    started_before = {each.spec.job for each in purse.taken}
    left = [each for each in covering if each.job not in started_before]
    if purse.jobs_left <= 0 or not left:
        return Drawn(Draw.EMPTY, purse)
    # The least that covers it, so that what may be more things, or take longer, is left to who needs that.
    choices = Counter(each.job for each in purse.specs)
    taken = min(left, key=lambda each: (choices[each.job], each.max_runtime))
    after = replace(
        purse,
        jobs_left=purse.jobs_left - 1,
        drawn_by=(*purse.drawn_by, run),
        taken=(*purse.taken, Taken(run, taken)),
        version=purse.version + 1,
    )
    return Drawn(Draw.DRAWN, after)


def _covers(purse: Purse, approved: SpecSeen, started: SpecSeen) -> bool:
    most = min(approved.max_runtime, purse.granted_runtime or approved.max_runtime)
    return started.digest == approved.digest and started.max_runtime <= most


def _seconds(duration: timedelta | None) -> int | None:
    return int(duration.total_seconds()) if duration is not None else None
