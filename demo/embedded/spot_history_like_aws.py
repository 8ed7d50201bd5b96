"""Spot price history as EC2 answers it: the newest first, and the change before the beginning with it.

moto's is one constant price of the year 2006. Here a price is a part of the on-demand price that goes up and down every
eight hours; a fifth of the time it is near it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zlib import crc32

from moto.core.responses import ActionResult
from moto.ec2.responses.spot_instances import SpotInstances

from demo.embedded.patching import Patch
from demo.embedded.price_list_like_aws import EC2_USD, REGIONS
from demo.embedded.world import current

_EVERY: Final = timedelta(hours=8)
_LINUX, _WINDOWS = "Linux/UNIX", "Windows"
_MOST: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def spot_usd(region: str, instance_type: str, zone: str, at: datetime) -> Decimal:
    """The price from the last change before `at` on."""
    seed = crc32(f"{zone}/{instance_type}/{(at - _EPOCH) // _EVERY}".encode())
    share = Decimal(90 if seed % 5 == 0 else 35 + seed % 11) / 100
    usd = Decimal(EC2_USD[instance_type][0]) * Decimal(REGIONS.get(region, "1")) * share
    return usd.quantize(Decimal("0.0001"))


def _history(region: str, types: list[str], begins: datetime, ends: datetime) -> Iterator[dict[str, Any]]:
    changed = _EPOCH + ((ends - _EPOCH) // _EVERY) * _EVERY
    while True:
        for instance_type in types:
            for zone in (f"{region}{letter}" for letter in "abc"):
                usd = spot_usd(region, instance_type, zone, changed)
                for product, more in ((_LINUX, Decimal(1)), (_WINDOWS, Decimal("1.4"))):
                    yield {
                        "InstanceType": instance_type,
                        "ProductDescription": product,
                        "SpotPrice": f"{usd * more:.6f}",
                        "AvailabilityZone": zone,
                        "Timestamp": changed.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                    }
        if changed <= begins:
            return
        changed -= _EVERY


def _moment(value: Any, default: datetime) -> datetime:
    if value is None:
        return default
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)  # moto takes the zone away


def _describe(response: Any) -> ActionResult:
    filters = response._filters_from_querystring()
    wanted = [*response._get_param("InstanceTypes", []), *filters.get("instance-type", [])]
    patterns = [re.compile(re.escape(each).replace(r"\*", ".*")) for each in wanted]
    types = [each for each in EC2_USD if not patterns or any(pattern.fullmatch(each) for pattern in patterns)]
    products = [*response._get_param("ProductDescriptions", []), *filters.get("product-description", [])]
    now = current().clock()
    ends = min(_moment(response._get_param("EndTime"), now), now)
    begins = _moment(response._get_param("StartTime"), ends)
    rows = [
        row
        for row in _history(response.region, types, begins, ends)
        if not products or row["ProductDescription"] in products
    ]
    start = int(response._get_param("NextToken") or 0)
    end = start + int(response._get_param("MaxResults") or _MOST)
    # As EC2 does: the last page has a token, and it is empty.
    token = str(end) if end < len(rows) else ""
    return ActionResult({"SpotPriceHistory": rows[start:end], "NextToken": token})


def patches() -> list[Patch]:
    """What `install` applies."""
    return [Patch(SpotInstances, "describe_spot_price_history", _describe)]
