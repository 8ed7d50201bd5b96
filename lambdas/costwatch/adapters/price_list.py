"""The AWS Price List: `pricing:GetProducts`. Which rows are asked for, and which price a row names.

Filters are the server's: it answers rows for other tenancies, systems and markets otherwise, one of them at $0.00. What
is left twice after them is nobody's price: it is reported with both rows and stays unknown, and the others go on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from costwatch.adapters.aws_errors import translated
from costwatch.core.price_book import PriceKind
from costwatch.errors import AwsError, PermanentAwsError

REGION: Final = "us-east-1"
"""Where the service answers for the regions of the `aws` partition; it does so in two others too."""
PAGE: Final = 100
MOST_PAGES: Final = 25
"""Of one question: more than any is answered with. An answer that goes on and on is no answer."""
LONGEST_VALUE: Final = 1024
"""Of a filter, in characters; several values stand in it with commas between them."""

_EC2, _SAGEMAKER = "AmazonEC2", "AmazonSageMaker"
EC2_FILTERS: Final[Mapping[str, str]] = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
    "licenseModel": "No License required",
}
"""With region and type these leave one row: without `marketoption` a Capacity Block's of $0.00 comes along."""
ACCELERATED: Final = ("GPU instance", "Machine Learning ASIC Instances")
"""The price list's own families of accelerated instances. Bare metal is in them, under a product family of its own."""
VOLUMES: Final = ("gp2", "gp3", "io1", "io2", "st1", "sc1", "standard")
_COMPONENTS: Final = {"Training": PriceKind.TRAINING, "Processing": PriceKind.PROCESSING}
_SAGEMAKER_VOLUMES: Final = {
    "Train:VolumeUsage.gp2": PriceKind.TRAINING_VOLUME,
    "Processing:VolumeUsage.gp2": PriceKind.PROCESSING_VOLUME,
}
"""Ends of the usage types of the storage that SageMaker attaches; it is always gp2. Unverified against the service."""
_HOURS: Final = frozenset({"hrs", "hour", "hours"})
_GB_MONTHS: Final = frozenset({"gb-mo", "gb-month"})
_SUFFIX: Final = re.compile(r"-[A-Z][A-Za-z ]*\Z")
"""`ml.m5.large-Hosting`: SageMaker's name for who uses the type. A type's own name has no capital letter."""
_TOKEN_CODES: Final = frozenset({"ExpiredNextTokenException", "InvalidNextTokenException"})


@dataclass(frozen=True, slots=True)
class Listed:
    """Prices by name as text, USD, and a sentence about each that the list names and that yet is unknown."""

    rates: Mapping[str, str]
    problems: tuple[str, ...] = ()


@dataclass
class PriceList:
    """Reads through a client of `REGION`. Raises AwsError where the list does not answer; `calls` counts requests."""

    client: Any
    calls: int = field(default=0, init=False)

    def ec2(self, region: str, types: Iterable[str] = ()) -> Listed:
        """On-demand Linux prices of every accelerated type in `region`, and of `types`. USD per hour."""
        named = sorted(set(types))
        asked = [*_any_of("instanceFamily", ACCELERATED), *_any_of("instanceType", named)]
        found: dict[tuple[str, str | None], _Row] = {}
        for each in asked:
            always = [_term("regionCode", region), *(_term(name, value) for name, value in EC2_FILTERS.items())]
            for row in self._rows(_EC2, [*always, each], _HOURS):
                found[row.identity] = row
        listed = _listed(found.values(), "instanceType", region)
        known = {row.attributes.get("instanceType") for row in found.values()}
        missing = [f"{each} has no on-demand Linux price in {region}" for each in named if each not in known]
        return Listed(listed.rates, (*listed.problems, *missing))

    def volumes(self, region: str) -> Listed:
        """What a GB of EBS costs in a month, by kind of volume. What else is billed of a volume is not in it."""
        filters = [_term("regionCode", region), _term("productFamily", "Storage"), *_any_of("volumeApiName", VOLUMES)]
        return _listed(self._rows(_EC2, filters, _GB_MONTHS), "volumeApiName", region)

    def sagemaker(self, region: str) -> dict[PriceKind, Listed]:
        """Training and processing prices of every type in `region`, `ml.` included. USD per hour."""
        filters = [
            _term("regionCode", region),
            _term("productFamily", "ML Instance"),
            *_any_of("component", _COMPONENTS),
        ]
        rows = list(self._rows(_SAGEMAKER, filters, _HOURS))
        return {
            kind: _listed((row for row in rows if row.attributes.get("component") == name), "instanceName", region)
            for name, kind in _COMPONENTS.items()
        }

    def sagemaker_volumes(self, region: str) -> dict[PriceKind, Listed]:
        """What a GB of the gp2 storage costs in a month that a training or processing job gets."""
        filters = [_term("regionCode", region), _filter("CONTAINS", "usagetype", "VolumeUsage.gp2")]
        rows = list(self._rows(_SAGEMAKER, filters, _GB_MONTHS))
        found = {}
        for end, kind in _SAGEMAKER_VOLUMES.items():
            own = [row for row in rows if row.usage_type.endswith(end)]
            listed = _listed(own, "", region, name="gp2")
            missing = () if own else (f"no price of {kind.value.replace('-', ' ')} storage (gp2) in {region}",)
            found[kind] = Listed(listed.rates, (*listed.problems, *missing))
        return found

    def _rows(self, service: str, filters: list[dict[str, str]], units: frozenset[str]) -> Iterator[_Row]:
        try:
            rows = self._pages(service, filters)
        except AwsError as error:
            if error.code not in _TOKEN_CODES:
                raise
            rows = self._pages(service, filters)  # the next page waited too long: from the beginning, once
        return (_row(text, units) for text in rows)

    def _pages(self, service: str, filters: list[dict[str, str]]) -> list[object]:
        found: list[object] = []
        token: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            self.calls += 1
            with translated("pricing:GetProducts"):
                answer = self.client.get_products(
                    ServiceCode=service, Filters=filters, FormatVersion="aws_v1", MaxResults=PAGE, **token
                )
            found.extend(answer.get("PriceList", []))
            if not answer.get("NextToken"):
                return found
            token = {"NextToken": answer["NextToken"]}
        raise PermanentAwsError(f"pricing:GetProducts: more than {MOST_PAGES} pages of {service}", code="TooManyPages")


@dataclass(frozen=True, slots=True)
class _Row:
    """`price` None: `problem` says why."""

    sku: str
    usage_type: str
    attributes: Mapping[str, Any]
    price: str | None
    problem: str = ""

    @property
    def identity(self) -> tuple[str, str | None]:
        """What two answers that hold the same row agree on. One SKU with two prices is two rows."""
        return self.sku, self.price

    def __str__(self) -> str:
        return f"{self.sku} ({self.usage_type or 'no usage type'})"


def _row(text: object, units: frozenset[str]) -> _Row:
    """One element of a price list, which is JSON in text."""
    try:
        body: Any = json.loads(text) if isinstance(text, str) else text
        product = body["product"]
        attributes = dict(product["attributes"])
        sku, usage_type = str(product["sku"]), str(attributes.get("usagetype", ""))
        terms = body.get("terms", {}).get("OnDemand", {})
        dimensions = [each for term in terms.values() for each in term["priceDimensions"].values()]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return _Row("a row", "", {}, None, f"it cannot be read ({type(error).__name__}: {error})")
    try:
        return _Row(sku, usage_type, attributes, _price(dimensions, units))
    except _NoPrice as problem:
        return _Row(sku, usage_type, attributes, None, str(problem))


class _NoPrice(Exception):
    """Why a row names no price."""


def _price(dimensions: list[Any], units: frozenset[str]) -> str:
    """The one price, exactly as listed but for zeros at its end."""
    if len(dimensions) != 1:
        raise _NoPrice("it has no on-demand price" if not dimensions else f"it has {len(dimensions)} tiers of price")
    (dimension,) = dimensions
    try:
        unit, amounts = str(dimension["unit"]), dict(dimension["pricePerUnit"])
        if unit.lower() not in units:
            raise _NoPrice(f"it is priced by {unit!r}")
        if "USD" not in amounts:
            raise _NoPrice(f"it is priced in {', '.join(sorted(amounts)) or 'no currency'} and not in USD")
        usd = Decimal(amounts["USD"])
    except (LookupError, TypeError, ValueError, InvalidOperation) as error:
        raise _NoPrice(f"its price cannot be read ({type(error).__name__}: {error})") from error
    if not usd.is_finite() or usd <= 0:
        raise _NoPrice(f"its price is {amounts['USD']}, which is no price")
    return format(usd.normalize(), "f")


def _listed(rows: Iterable[_Row], attribute: str, region: str, *, name: str = "") -> Listed:
    """Rows by the name that `attribute` holds. One that is there twice, or names no price, is unknown and said."""
    by_name: dict[str, dict[tuple[str, str | None], _Row]] = {}
    problems: list[str] = []
    for row in rows:
        told = name or _name(row, attribute)
        if told:
            by_name.setdefault(told, {})[row.identity] = row
        else:
            problems.append(f"{row} in {region} is left out: {row.problem or f'it names no {attribute}'}")
    rates: dict[str, str] = {}
    for told, found in sorted(by_name.items()):
        first, *others = found.values()
        if others:
            every = ", ".join(f"{row} at {row.price or 'no price'}" for row in (first, *others))
            problems.append(f"{told} in {region} has {len(found)} prices and none is taken: {every}")
        elif first.price is None:
            problems.append(f"{told} in {region} is unknown: {first}: {first.problem}")
        else:
            rates[told] = first.price
    return Listed(rates, tuple(problems))


def _name(row: _Row, attribute: str) -> str:
    """SageMaker's own name of a type, where it is missing, is the type without who uses it."""
    told = row.attributes.get(attribute) or (row.attributes.get("instanceType") if attribute == "instanceName" else "")
    return _SUFFIX.sub("", str(told)) if told else ""


def _term(name: str, value: str) -> dict[str, str]:
    return _filter("TERM_MATCH", name, value)


def _filter(kind: str, name: str, value: str) -> dict[str, str]:
    return {"Type": kind, "Field": name, "Value": value}


def _any_of(name: str, values: Iterable[str]) -> list[dict[str, str]]:
    """As many filters as it takes, each for a question of its own: a filter's value has a longest length."""
    filters: list[dict[str, str]] = []
    value = ""
    for each in values:
        longer = f"{value},{each}" if value else each
        if len(longer) > LONGEST_VALUE:
            filters.append(_filter("ANY_OF", name, value))
            longer = each
        value = longer
    return [*filters, _filter("ANY_OF", name, value)] if value else filters
