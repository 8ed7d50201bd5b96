"""The seed price table: `data/prices.json` inside the package, whose head describes the format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import Any

from costwatch.core.policy import Service
from costwatch.core.prices import Discount, Rate, SpotRate, VolumeRate, VolumeUse
from costwatch.errors import ConfigError

FORMAT_VERSION = 1
SEED_FILE = Path(__file__).parent.parent / "data" / "prices.json"

EC2, TRAINING, PROCESSING, NOTEBOOK = "ec2", "training", "processing", "notebook"
_SERVICES = frozenset({EC2, TRAINING, PROCESSING, NOTEBOOK})

_USES = frozenset(use.value for use in VolumeUse)

_Key = tuple[str, str, str]


class SeedPrices:
    """List prices read from a file at the first look-up. USD per instance and hour, on-demand, Linux.

    Implements `costwatch.core.prices.PriceTable`. A look-up raises ConfigError when the file is not what its format
    says: a price table that cannot be trusted is not read in part.
    """

    def __init__(self, path: Path = SEED_FILE) -> None:
        self._path = path

    def ec2_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        """The rate of an EC2 instance type in a region, or None where no price is known."""
        return self._rates.get((EC2, region, instance_type))

    def training_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        """The rate of a SageMaker training instance type (`ml.` included), or None where no price is known."""
        return self._rates.get((TRAINING, region, instance_type))

    def processing_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        """The rate of a SageMaker processing instance type (`ml.` included), or None where no price is known."""
        return self._rates.get((PROCESSING, region, instance_type))

    def notebook_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        """The rate of a SageMaker notebook instance type (`ml.` included), or None where no price is known."""
        return self._rates.get((NOTEBOOK, region, instance_type))

    def spot_hourly_rate(self, instance_type: str, region: str, zone: str = "") -> SpotRate | None:
        """None: a spot price of the day the code was written says nothing."""
        del instance_type, region, zone
        return None

    def volume_rate(self, use: VolumeUse, kind: str, region: str) -> VolumeRate | None:
        """The price of attached storage, USD per GB and month, or None where none is known."""
        return self._table.volumes.get((use.value, region, kind))

    def discount(self, service: Service, instance_type: str) -> Discount | None:
        """None: what was negotiated stands in the configuration."""
        del service, instance_type
        return None

    def types(self, *services: str) -> frozenset[str]:
        """Every instance type with a price of one of `services`, or of any, in any region; SageMaker's with `ml.`."""
        return frozenset(name for service, _region, name in self._rates if not services or service in services)

    @property
    def _rates(self) -> Mapping[_Key, Rate]:
        return self._table.rates

    @cached_property
    def _table(self) -> _Table:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return _read(document)
        except (OSError, AttributeError, KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise ConfigError(f"price table {self._path.name} cannot be used: {error!r}") from error


@dataclass(frozen=True, slots=True)
class _Table:
    """By (service or use, region, instance type or kind of volume)."""

    rates: Mapping[_Key, Rate]
    volumes: Mapping[_Key, VolumeRate]


def _read(document: Mapping[str, Any]) -> _Table:
    head = (document["format"], document["currency"], document["unit"])
    if head != (FORMAT_VERSION, "USD", "instance-hour"):
        raise ValueError(
            f"format, currency and unit are {head}, this version reads {FORMAT_VERSION}, USD, instance-hour"
        )
    if document.get("volume_unit", "GB-month") != "GB-month":
        raise ValueError(f"volume_unit is {document['volume_unit']!r}, this version reads GB-month")
    rates = {key: Rate(*found) for key, found in _listed(document, document["blocks"], "service", _SERVICES)}
    volumes = {key: VolumeRate(*found) for key, found in _listed(document, document.get("volumes", []), "use", _USES)}
    return _Table(rates, volumes)


def _listed(
    document: Mapping[str, Any], blocks: Any, who: str, allowed: frozenset[str]
) -> Iterator[tuple[_Key, tuple[Decimal, date, str]]]:
    """Price, day and source of every line of the blocks."""
    seen: set[_Key] = set()
    for block in blocks:
        if block[who] not in allowed:
            raise ValueError(f"{block[who]!r} is not one of {', '.join(sorted(allowed))}")
        source, as_of = document["sources"][block["source"]], date.fromisoformat(block["as_of"])
        for name, text in block["rates"].items():
            key = (block[who], block["region"], name)
            if key in seen:
                # Two prices for one thing mean one is wrong, and nothing here could tell which.
                raise ValueError(f"{name} in {block['region']} has two prices")
            seen.add(key)
            yield key, (_positive(text, name), as_of, source)


def _positive(text: object, instance_type: str) -> Decimal:
    """A price as text. A JSON number has lost digits before it gets here, and a price of 0 is a missing one."""
    if not isinstance(text, str):
        raise TypeError(f"the price of {instance_type} is not text: {text!r}")
    rate = Decimal(text)
    if not (rate.is_finite() and rate > 0):
        raise ValueError(f"the price of {instance_type} is {text!r}, which is no price")
    return rate
