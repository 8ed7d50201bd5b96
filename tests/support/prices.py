"""Price tables for tests: nothing has a price until a test says so."""

from __future__ import annotations

from costwatch.core.policy import Service
from costwatch.core.prices import Discount, Rate, SpotRate, VolumeRate, VolumeUse


class NoPrices:
    """Implements PriceTable; a test overrides what it is about."""

    def ec2_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return None

    def spot_hourly_rate(self, instance_type: str, region: str, zone: str = "") -> SpotRate | None:
        return None

    def training_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return None

    def processing_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return None

    def volume_rate(self, use: VolumeUse, kind: str, region: str) -> VolumeRate | None:
        return None

    def discount(self, service: Service, instance_type: str) -> Discount | None:
        return None
