"""Reads regions side by side. One that is denied, off or silent is a gap and holds up nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from threading import Event
from typing import Any, Final

from costwatch.adapters.aws_errors import translated
from costwatch.adapters.ec2 import Ec2
from costwatch.config import regions as config_regions
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
_ANY: Final = "all services"


@dataclass(frozen=True, slots=True)
class Regions:
    """Which regions to read, and which not. All sorted."""

    wanted: tuple[str, ...]
    not_enabled: tuple[str, ...]
    """The account has not switched them on."""
    not_known: tuple[str, ...] = ()
    """AWS has them; the installed boto3 and costwatch.yaml do not."""
    elsewhere: tuple[str, ...] = ()
    """Of another partition than `home`: these credentials mean nothing there."""


def choose_regions(client: Any, asked_for: Sequence[str], home: str) -> Regions:
    """All regions that are on in the account, or of those asked for the ones that are.

    `home`: the region whose partition the credentials are of.
    Raises InputError for a region that AWS does not have; AwsError when nobody named regions and they cannot be listed.
    """
    try:
        with translated("ec2:DescribeRegions"):
            answer = client.describe_regions(AllRegions=True)
    except PermanentAwsError as error:
        if asked_for:
            return _sorted_out(set(asked_for), set(), home)
        told = f"{error}; or name the regions yourself: --regions us-east-1,eu-west-1"
        raise PermanentAwsError(told, code=error.code, operation=error.operation) from error
    off = {each["RegionName"] for each in answer["Regions"] if each.get("OptInStatus") == "not-opted-in"}
    known = {each["RegionName"] for each in answer["Regions"]}
    for region in asked_for:
        if region not in known:
            raise InputError(f"AWS has no region {region!r} for this account; it has {', '.join(sorted(known - off))}")
    return _sorted_out(set(asked_for) or known, off, home)


def _sorted_out(wanted: set[str], off: set[str], home: str) -> Regions:
    ours = config_regions.partition(home)
    elsewhere = {each for each in wanted if ours and config_regions.partition(each) not in ("", ours)}
    on = wanted - elsewhere - off
    not_known = {each for each in on if config_regions.problem(each)}
    named = (on - not_known, (wanted - elsewhere) & off, not_known, elsewhere)
    return Regions(*(tuple(sorted(each)) for each in named))


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
    found: dict[tuple[str, str], Findings] = {
        (region, _ANY): Findings(region, _ANY, False, gaps=(_not_known(region),)) for region in regions.not_known
    }
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
    asked = tuple(sorted({*regions.wanted, *regions.not_known}))
    findings = tuple(found[key] for key in sorted(found))
    return Inventory(account, at, asked, regions.not_enabled, findings, elsewhere=regions.elsewhere)


def _not_known(region: str) -> Gap:
    reason = f"boto3 {version('boto3')} does not know it: raise its pins in constraints.txt"
    return Gap(region, _ANY, GapKind.NOT_KNOWN, reason)


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
