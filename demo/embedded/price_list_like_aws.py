"""The AWS Price List as it answers `GetProducts`: moto has none. Its catalogue is made up, its shape is the real one's.

Filters are honoured and nothing else is left out, so whoever asks with one filter less gets what AWS answers then: a
Capacity Block's row of $0.00, Dedicated, Windows, SQL Server, reservations that nobody uses, `-Hosting` types.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from demo.embedded.faults import CONNECTION_LOST, Call, Fault
from demo.embedded.world import current

Row = dict[str, Any]

REGIONS: Final[Mapping[str, str]] = {
    "us-east-1": "1", "us-east-2": "1", "us-west-1": "1.19", "us-west-2": "1", "ca-central-1": "1.11",
    "eu-central-1": "1.25", "eu-central-2": "1.37", "eu-north-1": "1.06", "eu-west-1": "1.08", "eu-west-2": "1.17",
    "ap-northeast-1": "1.39", "ap-south-1": "1.05", "ap-southeast-1": "1.3", "ap-southeast-2": "1.3",
    "sa-east-1": "1.6",
}  # fmt: skip
"""How much dearer than us-east-1 each is, here."""
_GPU, _ASIC, _GENERAL = "GPU instance", "Machine Learning ASIC Instances", "General purpose"
EC2_USD: Final[Mapping[str, tuple[str, str]]] = {
    "p4d.24xlarge": ("21.957642", _GPU), "p5.48xlarge": ("55.04", _GPU), "p5en.48xlarge": ("63.296", _GPU),
    "g4dn.xlarge": ("0.526", _GPU), "g4dn.12xlarge": ("3.912", _GPU), "g5.xlarge": ("1.006", _GPU),
    "g5.2xlarge": ("1.212", _GPU), "g5.12xlarge": ("5.672", _GPU), "g5.48xlarge": ("16.288", _GPU),
    "g6.xlarge": ("0.8048", _GPU),
    "trn1.32xlarge": ("21.50", _ASIC), "inf2.xlarge": ("0.7582", _ASIC),
    "m5.large": ("0.096", _GENERAL), "m5.xlarge": ("0.192", _GENERAL), "c5.9xlarge": ("1.53", "Compute optimized"),
}  # fmt: skip
BARE_METAL_USD: Final[Mapping[str, str]] = {"g4dn.metal": "7.824"}
TRAINING_USD: Final[Mapping[str, str]] = {
    "ml.p4d.24xlarge": "25.251286", "ml.p5.48xlarge": "63.296", "ml.g5.xlarge": "1.408", "ml.g5.12xlarge": "7.09",
    "ml.g6.xlarge": "1.127", "ml.g4dn.xlarge": "0.736", "ml.m5.large": "0.115", "ml.m5.xlarge": "0.23",
    "ml.c5.9xlarge": "1.836",
}  # fmt: skip
PROCESSING_USD: Final[Mapping[str, str]] = {"ml.g5.xlarge": "1.408", "ml.g6.xlarge": "1.1267", "ml.m5.xlarge": "0.23"}
VOLUME_USD: Final[Mapping[str, str]] = {
    "gp2": "0.10", "gp3": "0.08", "io1": "0.125", "io2": "0.125", "st1": "0.045", "sc1": "0.015", "standard": "0.05"
}  # fmt: skip
_PUBLISHED: Final = "2026-11-10T19:55:14Z"
_MOST, _LONGEST_VALUE, _MOST_FILTERS = 100, 1024, 50


# --- the catalogue -----------------------------------------------------------------------------------


def row(service: str, family: str, usd: str, attributes: Mapping[str, str], *, unit: str = "Hrs") -> Row:
    """One product with its on-demand price. Its SKU is made of what it is."""
    sku = hashlib.sha256(json.dumps([service, family, sorted(attributes.items())]).encode()).hexdigest()[:16].upper()
    term, rate = f"{sku}.JRTCKXETXF", f"{sku}.JRTCKXETXF.6YS6EN2CT7"
    dimension = {
        "unit": unit,
        "endRange": "Inf",
        "beginRange": "0",
        "description": f"${usd} per {attributes.get('usagetype', 'unit')}",
        "appliesTo": [],
        "rateCode": rate,
        "pricePerUnit": {"USD": f"{Decimal(usd):.10f}"},
    }
    return {
        "product": {
            "productFamily": family,
            "attributes": {"servicecode": service, "locationType": "AWS Region", **attributes},
            "sku": sku,
        },
        "serviceCode": service,
        "terms": {
            "OnDemand": {
                term: {
                    "priceDimensions": {rate: dimension},
                    "sku": sku,
                    "effectiveDate": "2026-11-01T00:00:00Z",
                    "offerTermCode": "JRTCKXETXF",
                    "termAttributes": {},
                }
            }
        },
        "version": "20261110195514",
        "publicationDate": _PUBLISHED,
    }


def instance(region: str, instance_type: str, usd: str, family: str = _GPU, *, metal: bool = False, **but: str) -> Row:
    """The on-demand Linux row of an EC2 type; `but`: attributes in which it differs. An empty one is missing."""
    attributes = {
        "regionCode": region,
        "instanceType": instance_type,
        "instanceFamily": family,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
        "licenseModel": "No License required",
        "operation": "RunInstances",
        "usagetype": f"{_prefix(region)}BoxUsage:{instance_type}",
    } | but
    kind = "Compute Instance (bare metal)" if metal else "Compute Instance"
    return row("AmazonEC2", kind, usd, {name: value for name, value in attributes.items() if value})


def job(region: str, instance_type: str, usd: str, component: str = "Training", **but: str) -> Row:
    """The row of a SageMaker type; `but`: attributes in which it differs. An empty one is missing."""
    short = {"Training": "Train", "Hosting": "Host", "Studio Notebook": "Studio"}.get(component, component)
    attributes = {
        "regionCode": region,
        "instanceName": instance_type,
        "instanceType": f"{instance_type}-{component}",
        "component": component,
        "usagetype": f"{_always_prefixed(region)}{short}:{instance_type}",
    } | but
    return row("AmazonSageMaker", "ML Instance", usd, {name: value for name, value in attributes.items() if value})


def volume(region: str, kind: str, usd: str, family: str = "Storage", *, unit: str = "GB-Mo", usage: str = "") -> Row:
    """The row of an EBS volume of a kind."""
    usage = usage or f"EBS:VolumeUsage{'' if kind == 'standard' else '.' + kind}"
    attributes = {"regionCode": region, "volumeApiName": kind, "usagetype": _prefix(region) + usage}
    return row("AmazonEC2", family, usd, attributes, unit=unit)


def job_volume(region: str, short: str, usd: str) -> Row:
    """The row of the storage that SageMaker attaches."""
    attributes = {"regionCode": region, "usagetype": f"{_always_prefixed(region)}{short}:VolumeUsage.gp2"}
    return row("AmazonSageMaker", "ML Storage", usd, attributes, unit="GB-Mo")


def catalogue(regions: Iterable[str] = REGIONS) -> list[Row]:
    """Every row of some regions, traps included."""
    return [made for region in regions for made in _region(region)]


def _region(region: str) -> Iterable[Row]:
    def dear(usd: str) -> str:
        return format((Decimal(usd) * Decimal(REGIONS[region])).quantize(Decimal("0.000001")).normalize(), "f")

    for instance_type, (usd, family) in EC2_USD.items():
        yield instance(region, instance_type, dear(usd), family)
    for instance_type, usd in BARE_METAL_USD.items():
        yield instance(region, instance_type, dear(usd), metal=True)
    yield from _ec2_traps(region)
    for instance_type, usd in TRAINING_USD.items():
        yield job(region, instance_type, dear(usd))
    for instance_type, usd in PROCESSING_USD.items():
        yield job(region, instance_type, dear(usd), "Processing")
    yield from _sagemaker_traps(region)
    for kind, usd in VOLUME_USD.items():
        yield volume(region, kind, dear(usd))
    yield volume(region, "gp3", "0.005", "System Operation", unit="IOPS-Mo", usage="EBS:VolumeP-IOPS.gp3")
    for short, usd in (("Train", "0.14"), ("Processing", "0.10"), ("Notebk", "0.14"), ("Host", "0.14")):
        yield job_volume(region, short, dear(usd))


def _ec2_traps(region: str) -> Iterable[Row]:
    """Each is let in by one filter less, and then makes two prices of one."""
    yield instance(region, "p5.48xlarge", "0", marketoption="CapacityBlock", usagetype="CapacityBlock:p5.48xlarge")
    yield instance(region, "g5.xlarge", "1.106", tenancy="Dedicated", usagetype="DedicatedUsage:g5.xlarge")
    yield instance(region, "g4dn.xlarge", "0.71", operatingSystem="Windows", operation="RunInstances:0002")
    yield instance(region, "g5.2xlarge", "1.692", preInstalledSw="SQL Std", operation="RunInstances:0004")
    yield instance(
        region, "p4d.24xlarge", "0", capacitystatus="AllocatedCapacityReservation", usagetype="Reservation:p4"
    )
    yield instance(region, "p4d.24xlarge", "21.957642", capacitystatus="UnusedCapacityReservation")
    yield instance(region, "g6.xlarge", "0.8048", licenseModel="Bring your own license", operation="RunInstances:0800")
    yield instance(region, "", "9.99", usagetype="BoxUsage:", operation="RunInstances")


def _sagemaker_traps(region: str) -> Iterable[Row]:
    yield job(region, "ml.g5.xlarge", "1.515", "Hosting")
    yield job(region, "ml.g5.xlarge", "1.41", "Studio Notebook")
    # No name of its own: only who uses it tells it from the type.
    yield job(region, "ml.trn1.32xlarge", "24.725", instanceName="")
    plan = {"regionCode": region, "component": "Training", "instanceName": "ml.p5.48xlarge", "usagetype": "Plan:p5"}
    yield row("AmazonSageMaker", "ML Training Plan", "0", plan)


def _prefix(region: str) -> str:
    """EC2's usage types name every region but us-east-1."""
    return "" if region == "us-east-1" else _always_prefixed(region)


def _always_prefixed(region: str) -> str:
    first, where, number = region.split("-", 2)
    return f"{first.upper()}{where[0].upper()}{number}-"


# --- the endpoint ------------------------------------------------------------------------------------


class Refused(Exception):
    """What the service answers with a code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PriceListLikeAws:
    """`get_products` as boto3's client has it; raises Refused. `calls` keeps every request."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)
        self.calls: list[dict[str, Any]] = []

    def get_products(self, **request: Any) -> dict[str, Any]:
        """A page of the products that match every filter, each as JSON in text."""
        self.calls.append(request)
        service, filters = request.get("ServiceCode"), request.get("Filters", [])
        if not service:
            raise Refused("InvalidParameterException", "ServiceCode is missing")
        size = int(request.get("MaxResults", _MOST))
        if not 1 <= size <= _MOST or len(filters) > _MOST_FILTERS:
            raise Refused("InvalidParameterException", f"MaxResults or number of filters out of range: {size}")
        tests = [_test(each) for each in filters]
        matching = [
            each for each in self.rows if each["serviceCode"] == service and all(passes(each) for passes in tests)
        ]
        begin = _offset(request.get("NextToken"), service, filters)
        answer: dict[str, Any] = {
            "FormatVersion": "aws_v1",
            "PriceList": [json.dumps(each) for each in matching[begin : begin + size]],
        }
        if begin + size < len(matching):
            answer["NextToken"] = _token(begin + size, service, filters)
        return answer


def _test(wanted: Mapping[str, str]) -> Callable[[Row], bool]:
    kind, name, value = wanted["Type"], wanted["Field"], wanted["Value"]
    if not 1 <= len(value) <= _LONGEST_VALUE:
        raise Refused("InvalidParameterException", f"value of {name} is {len(value)} characters long")
    several = {part.strip() for part in value.split(",")}
    compare: dict[str, Callable[[str], bool]] = {
        "TERM_MATCH": lambda found: found == value,
        "EQUALS": lambda found: found == value,
        "CONTAINS": lambda found: value in found,
        "ANY_OF": lambda found: found in several,
        "NONE_OF": lambda found: found not in several,
    }
    if kind not in compare:
        raise Refused("InvalidParameterException", f"{kind} is no type of filter")
    passes = compare[kind]

    def test(row: Row) -> bool:
        product = row["product"]
        found = product["productFamily"] if name == "productFamily" else product["attributes"].get(name)
        return found is not None and passes(found)

    return test


def _token(offset: int, service: str, filters: object) -> str:
    return base64.b64encode(f"{offset}:{_digest(service, filters)}".encode()).decode()


def _offset(token: str | None, service: str, filters: object) -> int:
    """A token is good for the question that it was given for."""
    if token is None:
        return 0
    try:
        offset, _, digest = base64.b64decode(token).decode().partition(":")
        if digest != _digest(service, filters):
            raise ValueError
        return int(offset)
    except ValueError:
        raise Refused("InvalidNextTokenException", "The pagination token is invalid.") from None


def _digest(service: str, filters: object) -> str:
    return hashlib.sha256(json.dumps([service, filters], sort_keys=True).encode()).hexdigest()[:16]


class PriceListEndpoint:
    """Takes the requests for the price list, which moto does not know, and passes on all others."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if not target.startswith("AWSPriceListService."):
            return self._application(environ, start_response)
        request = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        operation = target.partition(".")[2]
        fault = current().faults.take(Call("pricing", operation, _region_of(environ), "", request))
        if fault is not None:
            return _fail(fault, environ, start_response)
        try:
            if operation != "GetProducts":
                raise Refused("UnknownOperationException", operation)
            status, body = "200 OK", current().price_list().get_products(**request)
        except Refused as refused:
            status, body = "400 Bad Request", {"__type": refused.code, "Message": str(refused)}
        start_response(status, [("Content-Type", "application/x-amz-json-1.1")])
        return [json.dumps(body).encode()]


def _region_of(environ: Mapping[str, Any]) -> str:
    """Of the signature: `Credential=KEY/20261114/us-east-1/pricing/aws4_request`."""
    scope = str(environ.get("HTTP_AUTHORIZATION", "")).partition("Credential=")[2].split("/")
    return scope[2] if len(scope) > 2 else ""


def _fail(fault: Fault, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if fault.code == CONNECTION_LOST:
        environ["werkzeug.socket"].close()
        raise ConnectionError(fault.text)
    start_response(f"{fault.http_status} Refused", [("Content-Type", "application/x-amz-json-1.1")])
    return [json.dumps({"__type": fault.code, "Message": fault.text}).encode()]
