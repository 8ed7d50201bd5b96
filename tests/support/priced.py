"""A price table for estimates: what a test lists has a price, and nothing else has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from costwatch.core.estimator import InstanceGroup, JobSpec
from costwatch.core.policy import Service
from costwatch.core.prices import Discount, Rate, SpotRate, Trust, VolumeRate, VolumeUse
from tests.support.prices import NoPrices

DAY = date(2026, 11, 14)
HOUR = timedelta(hours=1)
P4D = "ml.p4d.24xlarge"
LIST = {
    "p4d.24xlarge": "21.957642",
    "g5.xlarge": "1.006",
    "g5.12xlarge": "5.672",
    P4D: "25.251286",
    "ml.g5.xlarge": "1.408",
    "ml.g5.12xlarge": "7.09",
    "ml.m5.xlarge": "0.23",
    "ml.c5.9xlarge": "1.836",
}


@dataclass
class Priced(NoPrices):
    """USD as text. `spot`: (median, 90% quantile) of a type. `volumes`: by use and kind. `trust`: of all."""

    rates: Mapping[str, str] = field(default_factory=lambda: LIST)
    spot: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    volumes: Mapping[tuple[VolumeUse, str], str] = field(default_factory=dict)
    multipliers: Mapping[str, str] = field(default_factory=dict)
    trust: Trust = Trust.FRESH
    as_of: date = DAY

    def ec2_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        text = self.rates.get(instance_type)
        return Rate(Decimal(text), self.as_of, "test", self.trust) if text is not None else None

    def training_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return self.ec2_hourly_rate(instance_type, region)

    def processing_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return self.ec2_hourly_rate(instance_type, region)

    def spot_hourly_rate(self, instance_type: str, region: str, zone: str = "") -> SpotRate | None:
        if instance_type not in self.spot:
            return None
        p50, p90 = self.spot[instance_type]
        return SpotRate(Decimal(p50), Decimal(p90), zone or "us-east-1a", 14, DAY, "spot test")

    def volume_rate(self, use: VolumeUse, kind: str, region: str) -> VolumeRate | None:
        text = self.volumes.get((use, kind))
        return VolumeRate(Decimal(text), self.as_of, "test", self.trust) if text is not None else None

    def discount(self, service: Service, instance_type: str) -> Discount | None:
        text = self.multipliers.get(instance_type)
        return Discount(instance_type, Decimal(text)) if text is not None else None


def job(*groups: tuple[str, int], hours: float = 24, service: Service = Service.TRAINING, **more: object) -> JobSpec:
    """A job of at most so many hours in us-east-1; one ml.p4d.24xlarge where no group is named."""
    named = tuple(InstanceGroup(*group) for group in groups or ((P4D, 1),))
    limit = timedelta(seconds=round(hours * 3600))
    return JobSpec(service, "us-east-1", named, limit, **more)  # type: ignore[arg-type]  # a test's own words
