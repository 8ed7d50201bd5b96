"""A job's specification to plain values and back, for rows of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from costwatch.core.estimator import InstanceGroup, JobSpec, Volume
from costwatch.core.policy import PurchaseOption, Service


def spec_to_item(spec: JobSpec) -> dict[str, Any]:
    """Absent values are left out."""
    item: dict[str, Any] = {
        "service": spec.service.value,
        "region": spec.region,
        "groups": [[group.instance_type, group.count] for group in spec.groups],
        "max_seconds": _seconds(spec.max_runtime),
        "purchase": spec.purchase.value,
        "expected_seconds": _seconds(spec.expected_runtime),
        "volume": [spec.volume.gb, spec.volume.kind] if spec.volume is not None else None,
        "warm_pool_seconds": _seconds(spec.warm_pool) or None,
        "zone": spec.zone or None,
        "jobs": spec.jobs if spec.jobs != 1 else None,
        "parallel": spec.parallel if spec.parallel != 1 else None,
        "total_seconds": _seconds(spec.total_runtime),
    }
    return {name: value for name, value in item.items() if value is not None}


def spec_from_item(item: Mapping[str, Any]) -> JobSpec:
    """The inverse. Raises LookupError, TypeError or ValueError for what is not one."""
    volume = item.get("volume")
    most = _duration(item["max_seconds"])
    if most is None:
        raise ValueError("a specification without a maximum runtime")
    return JobSpec(
        service=Service(item["service"]),
        region=item["region"],
        groups=tuple(InstanceGroup(kind, int(count)) for kind, count in item["groups"]),
        max_runtime=most,
        purchase=PurchaseOption(item["purchase"]),
        expected_runtime=_duration(item.get("expected_seconds")),
        volume=Volume(int(volume[0]), volume[1]) if volume is not None else None,
        warm_pool=_duration(item.get("warm_pool_seconds")) or timedelta(0),
        zone=item.get("zone", ""),
        jobs=int(item.get("jobs", 1)),
        parallel=int(item.get("parallel", 1)),
        total_runtime=_duration(item.get("total_seconds")),
    )


def _seconds(duration: timedelta | None) -> int | None:
    return int(duration.total_seconds()) if duration is not None else None


def _duration(seconds: Any) -> timedelta | None:
    return timedelta(seconds=int(seconds)) if seconds is not None else None
