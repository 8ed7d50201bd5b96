"""What is known of SageMaker's jobs, to ledger rows and back.

These rows decide nothing by themselves: one that is lost, or cannot be read, costs one more description of its job.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from costwatch.adapters.spec_codec import spec_from_item, spec_to_item
from costwatch.core import times
from costwatch.core.known_jobs import JobKey, KnownJob
from costwatch.core.model import Clock, Member, Parent, RunKind
from costwatch.core.policy import PurchaseOption, Service

KEEP_JOBS: Final = timedelta(days=30)
"""Longer than any job may run. Rows of jobs that are over are taken out at the next sweep."""
_EVIDENCE: Final = {Service.TRAINING: "TrainingStartTime", Service.PROCESSING: "ProcessingStartTime"}
_IN_PROGRESS: Final = "InProgress"


def sort_key(job: JobKey) -> str:
    service, name = job
    return f"{service.value}/{name}"


def to_item(job: KnownJob) -> dict[str, Any]:
    """Without keys and stamp. Absent values are left out."""
    m = job.member
    item: dict[str, Any] = {
        "service": m.service.value,
        "name": m.id,
        "capacity": [[kind, count] for kind, count in m.capacity],
        "types": list(m.types),
        "tags": dict(m.tags or {}),
        "tags_read_at": times.to_text(job.tags_read_at),
        "purchase": m.purchase.value,
        "running_since": _text(m.clock.running_since),
        "exists_since": _text(m.clock.exists_since),
        "declared_seconds": int(m.declared_limit.total_seconds()) if m.declared_limit is not None else None,
        "image": m.image or None,
        "spec": spec_to_item(m.spec) if m.spec is not None else None,
        "parent": [m.parent.kind.value, m.parent.id, m.parent.label, m.parent.via] if m.parent is not None else None,
    }
    return {name: value for name, value in item.items() if value is not None}


def from_item(item: Mapping[str, Any]) -> KnownJob:
    """The inverse of `to_item`. Raises LookupError, TypeError or ValueError for what is not one."""
    service = Service(item["service"])
    declared = item.get("declared_seconds")
    parent = item.get("parent")
    return KnownJob(
        Member(
            id=item["name"],
            service=service,
            state=_IN_PROGRESS,
            capacity=tuple((kind, int(count)) for kind, count in item["capacity"]),
            zone="",
            tags=dict(item["tags"]),
            clock=Clock(
                running_since=_time(item, "running_since"),
                running_evidence=_EVIDENCE.get(service, "CreationTime"),
                exists_since=_time(item, "exists_since"),
                exists_evidence="CreationTime",
            ),
            purchase=PurchaseOption(item["purchase"]),
            types=tuple(item["types"]),
            declared_limit=timedelta(seconds=int(declared)) if declared is not None else None,
            image=item.get("image", ""),
            spec=spec_from_item(item["spec"]) if "spec" in item else None,
            parent=Parent(RunKind(parent[0]), parent[1], parent[2], via=parent[3]) if parent is not None else None,
        ),
        tags_read_at=times.from_text(item["tags_read_at"]),
    )


def _text(moment: datetime | None) -> str | None:
    return times.to_text(moment) if moment is not None else None


def _time(item: Mapping[str, Any], name: str) -> datetime | None:
    return times.from_text(item[name]) if item.get(name) else None
