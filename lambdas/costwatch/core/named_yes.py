"""The yes that a starting run names: where to look for it, and what the run is held to when it draws on it. Pure.

What a run carries proves nothing: it says where to look, and what was approved there must be what runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from costwatch import names
from costwatch.core import families
from costwatch.core.consent import Consent, Word, undecided
from costwatch.core.estimator import InstanceGroup, JobSpec
from costwatch.core.forecast import specs_of
from costwatch.core.model import Run
from costwatch.core.policy import TagKeys
from costwatch.core.purses import Purse, SpecSeen, spec_seen
from costwatch.core.record import RunRecord
from costwatch.errors import InputError

_AN_ID: Final = re.compile(r"apr-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Named:
    """Where a run says that its yes is to be found. It proves nothing: it says where to look."""

    approval_id: str = ""
    execution: str = ""
    """ARN of the pipeline execution that started it."""

    def __bool__(self) -> bool:
        return bool(self.approval_id or self.execution)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.approval_id, self.execution)))


def named_by(run: Run, tags: TagKeys) -> Named:
    """What `run` carries; an approval's tag that is no id of ours names nothing."""
    tag = run.tag(tags.approval) or ""
    return Named(tag if _AN_ID.fullmatch(tag) else "", run.tag(names.TAG_PIPELINE_EXECUTION) or "")


def looks_for(record: RunRecord, named: Named) -> bool:
    """Whether its purse is to be looked for: once it has started, once for each yes that it names, and again while a
    question about it is open: what it names may be answered, or all of its members be there, only then.
    """
    consent = record.consent
    if not named or record.start is None:
        return False
    if undecided(consent):
        return consent is None or consent.looked_for != str(named)
    return consent is not None and consent.word in (Word.ASKED, Word.EXPIRED)


def drew(record: RunRecord, purse: Purse, run: str, now: datetime) -> RunRecord:
    """`record` with the yes that it drew on as `run`, and the cap that goes with what it drew there."""
    granted, taken = purse.granted_runtime, purse.drawn_spec(run)
    approved = (taken,) if taken is not None else purse.specs
    capped = granted is not None and any(granted < each.max_runtime for each in approved)
    looked_for = record.consent.looked_for if record.consent is not None else ""
    consent = Consent(
        Word.DREW,
        now,
        purse.approval_id,
        by=f"the yes of {purse.approval_id}",
        cap=granted if capped else None,
        granted_usd=purse.granted_usd,
        looked_for=looked_for,
    )
    return replace(record, consent=consent)


def draws_as(run: Run, limit: timedelta | None, purse: Purse, named: Named, team: str) -> SpecSeen | None:
    """What the run is held to at `purse`. None: nobody knows what it is made of, or it is of several kinds.

    Where an execution was granted the purse, only what that started draws on it, and that it did binds the job by
    itself; everything else is bound by its name.
    """
    spec = as_one(run, limit)
    if spec is None:
        return None
    of_pipeline = bool(named.execution) and purse.source == named.execution
    return spec_seen(spec, team=team, family="" if of_pipeline else families.name_stem(run.name))


def as_one(run: Run, limit: timedelta | None) -> JobSpec | None:
    """The run as the one job that it was asked about as, whichever zones its members are in.

    None: nobody knows what it is made of, or it is of several kinds.
    """
    try:
        specs = specs_of(run, limit)
    except InputError:
        return None
    if len({(spec.service, spec.purchase, spec.max_runtime) for spec in specs}) != 1:
        return None
    if len(specs) == 1:
        return specs[0]
    counts: dict[str, int] = {}
    for group in (group for spec in specs for group in spec.groups):
        counts[group.instance_type] = counts.get(group.instance_type, 0) + group.count
    groups = tuple(InstanceGroup(kind, count) for kind, count in sorted(counts.items()))
    return replace(specs[0], groups=groups)
