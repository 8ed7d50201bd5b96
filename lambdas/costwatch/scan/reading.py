"""Reads regions side by side. One that is denied, off or silent is a gap and holds up nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Any, Final

from costwatch.adapters.aws_errors import translated
from costwatch.adapters.ec2 import Ec2
from costwatch.core.accelerators import WILDCARDS, is_accelerator
from costwatch.errors import AwsError, InputError, PermanentAwsError
from costwatch.scan import sagemaker
from costwatch.scan.inventory import Findings, Gap, GapKind, Inventory
from costwatch.scan.trouble import gap_of

GIVE_UP_AFTER: Final = timedelta(seconds=45)
"""Whoever has not answered by then is a line: the whole scan promises a minute."""
PROTECTION_WITHIN: Final = timedelta(seconds=10)
"""For all regions together."""
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Regions:
    """Which regions to read, and which the account has not switched on. Both sorted."""

    wanted: tuple[str, ...]
    not_enabled: tuple[str, ...]


def choose_regions(client: Any, asked_for: Sequence[str]) -> Regions:
    """All regions that are on in the account, or of those asked for the ones that are.

    Raises InputError for a region that AWS does not have; AwsError when nobody named regions and they cannot be listed.
    """
    try:
        with translated("ec2:DescribeRegions"):
            answer = client.describe_regions(AllRegions=True)
    except PermanentAwsError as error:
        if asked_for:
            return Regions(tuple(sorted(set(asked_for))), ())
        told = f"{error}; or name the regions yourself: --regions us-east-1,eu-west-1"
        raise PermanentAwsError(told, code=error.code, operation=error.operation) from error
    off = {each["RegionName"] for each in answer["Regions"] if each.get("OptInStatus") == "not-opted-in"}
    known = {each["RegionName"] for each in answer["Regions"]}
    for region in asked_for:
        if region not in known:
            raise InputError(f"AWS has no region {region!r} for this account; it has {', '.join(sorted(known - off))}")
    wanted = set(asked_for) or known
    return Regions(tuple(sorted(wanted - off)), tuple(sorted(wanted & off)))


def read(
    regions: Regions,
    clients: Callable[[str, str], Any],
    *,
    account: str,
    at: datetime,
    give_up_after: timedelta = GIVE_UP_AFTER,
) -> Inventory:
    """Read EC2 and SageMaker in every wanted region. `clients(service, region)` is called in this thread only.

    Clients are safe to share between threads; making them is not.
    """
    stop = Event()
    work = [
        (region, service, reader(clients(service, region), region, stop))
        for region in regions.wanted
        for service, reader in (("ec2", _ec2), ("sagemaker", _sagemaker))
    ]
    found: dict[tuple[str, str], Findings] = {}
    pool = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="scan")
    futures = {pool.submit(copy_context().run, task): (region, service) for region, service, task in work}
    done, late = wait(futures, timeout=give_up_after.total_seconds())
    stop.set()
    pool.shutdown(wait=False, cancel_futures=True)
    for future in done:
        found[futures[future]] = future.result()
    for future in late:
        region, service = futures[future]
        reason = f"{service} in {region} did not answer within {give_up_after.total_seconds():g} s"
        gap = Gap(region, service, GapKind.SILENT, reason)
        found[region, service] = Findings(region, service, False, gaps=(gap,))
    return Inventory(account, at, regions.wanted, regions.not_enabled, tuple(found[key] for key in sorted(found)))


def protected(
    client: Any, region: str, ids: Iterable[str], *, within: timedelta = PROTECTION_WITHIN
) -> Mapping[str, bool | None]:
    """Termination protection by instance id; None where it could not be read, or not in time."""
    ec2 = Ec2(client, region=region)

    def one(instance_id: str) -> bool | None:
        try:
            return ec2.termination_protection(instance_id)
        except AwsError:
            return None

    wanted = list(ids)
    pool = ThreadPoolExecutor(max_workers=sagemaker.AT_ONCE, thread_name_prefix=f"scan-{region}")
    futures = [pool.submit(copy_context().run, one, each) for each in wanted]
    done, _late = wait(futures, timeout=max(within, timedelta(0)).total_seconds())
    pool.shutdown(wait=False, cancel_futures=True)
    return {each: future.result() if future in done else None for each, future in zip(wanted, futures, strict=True)}


def _ec2(client: Any, region: str, _stop: Event) -> Callable[[], Findings]:
    def task() -> Findings:
        try:
            instances = Ec2(client, region=region).instances(WILDCARDS)
        except AwsError as error:
            return Findings(region, "ec2", False, gaps=(gap_of(error, region, "ec2:DescribeInstances"),))
        return Findings(
            region, "ec2", True, members=tuple(m for m in instances if any(is_accelerator(t) for t, _ in m.capacity))
        )

    return task


def _sagemaker(client: Any, region: str, stop: Event) -> Callable[[], Findings]:
    return sagemaker.Reader(client, region=region, stop=stop).read
