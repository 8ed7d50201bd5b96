"""What a price is, whom it was read from, and how far it can be trusted. USD as Decimal, before tax.

Order of trust: fresh from the price book, stale there, the seed that ships with the code, unknown. Unknown is None and
never 0: whoever adds up prices must let it through.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from costwatch.core.policy import Service


class Trust(StrEnum):
    """Most trusted first."""

    FRESH = "fresh"
    STALE = "stale"
    """From a book that could not be refreshed for more than three days."""
    SEED = "seed"
    """From the table that ships with the code: a first day without access, or a type the book does not have."""


class VolumeUse(StrEnum):
    """Who pays for attached storage: each has prices of its own."""

    EC2 = "ec2"
    TRAINING = "training"
    PROCESSING = "processing"


@dataclass(frozen=True, slots=True)
class Rate:
    """List price of one instance of a type in a region, USD per hour, on-demand, before discounts and tax.

    `as_of`: a day (UTC) on which `source` showed this price.
    """

    hourly_rate_usd: Decimal
    as_of: date
    source: str
    trust: Trust = Trust.SEED


@dataclass(frozen=True, slots=True)
class SpotRate:
    """What a spot instance of a type cost in one zone over the recent days, USD per hour: quantiles over time.

    The current price is no forecast; `p90_usd` was not exceeded for nine tenths of `days`.
    """

    p50_usd: Decimal
    p90_usd: Decimal
    zone: str
    days: int
    as_of: date
    source: str
    trust: Trust = Trust.FRESH


@dataclass(frozen=True, slots=True)
class VolumeRate:
    """Attached storage, USD per GB and month."""

    gb_month_usd: Decimal
    as_of: date
    source: str
    trust: Trust = Trust.SEED


@dataclass(frozen=True, slots=True)
class Discount:
    """A negotiated discount: what list prices are multiplied with. `key`: the line of `prices.multipliers`."""

    key: str
    multiplier: Decimal


class PriceTable(Protocol):
    """Where prices come from. None means: no known price; callers must not read it as free."""

    def ec2_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        """On-demand Linux list price of an EC2 instance type such as `p4d.24xlarge`."""

    def spot_hourly_rate(self, instance_type: str, region: str, zone: str = "") -> SpotRate | None:
        """Spot price of an EC2 instance type in a zone; without one: of the dearest zone of the region."""

    def training_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        """List price of a SageMaker training instance type such as `ml.p4d.24xlarge`; tuning jobs pay it too."""

    def processing_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        """List price of a SageMaker processing instance type; it is not the training price of the same type."""

    def volume_rate(self, use: VolumeUse, kind: str, region: str) -> VolumeRate | None:
        """Price of storage of a kind such as `gp3`; SageMaker's is always `gp2`."""

    def discount(self, service: Service, instance_type: str) -> Discount | None:
        """What the organisation negotiated for a type; None: nothing, the list price holds."""


def hourly_rate(prices: PriceTable, service: Service, instance_type: str, region: str) -> Rate | None:
    """The list price of a type where `service` runs it. What a tuning or AutoML job starts are training jobs."""
    if service is Service.EC2:
        return prices.ec2_hourly_rate(instance_type, region)
    if service is Service.PROCESSING:
        return prices.processing_hourly_rate(instance_type, region)
    return prices.training_hourly_rate(instance_type, region)
