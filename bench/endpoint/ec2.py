"""EC2, query protocol: DescribeInstances with filters and pages, and the few calls around it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape
from zlib import crc32

from bench.endpoint import filters
from bench.endpoint.errors import Refused
from bench.endpoint.fleet import REGION, Fleet, Instance
from bench.endpoint.instance_xml import render

MOST_RESULTS: Final = 1000
FEWEST_RESULTS: Final = 5

_NAMESPACE: Final = "http://ec2.amazonaws.com/doc/2016-11-15/"
_FILTER: Final = re.compile(r"Filter\.(\d+)\.(Name|Value\.\d+)")
_TOKEN: Final = re.compile(r"bench-([0-9a-f]+)-(\d+)")
_CODES: Final = {"running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}

Parameters = Mapping[str, str]


class Ec2:
    """One region. What is terminated or stopped stays so until `reset`."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._in_order = list(fleet.instances.values())
        self._found: dict[filters.Filters, list[Instance]] = {}
        self._operations: dict[str, Callable[[Parameters], bytes]] = {
            "DescribeInstances": self._describe_instances,
            "DescribeInstanceAttribute": self._describe_attribute,
            "DescribeSpotInstanceRequests": self._describe_spot_requests,
            "DescribeRegions": self._describe_regions,
            "CancelSpotInstanceRequests": self._cancel_spot_requests,
            "TerminateInstances": lambda p: self._change(p, "shutting-down"),
            "StopInstances": lambda p: self._change(p, "stopping"),
        }

    def answer(self, operation: str, body: bytes) -> bytes:
        """Raises Refused."""
        if operation not in self._operations:
            raise Refused("InvalidAction", f"The action {operation} is not valid for this web service.")
        parameters = dict(parse_qsl(body.decode(), keep_blank_values=True))
        content = self._operations[operation](parameters)
        head = f'<?xml version="1.0" encoding="UTF-8"?>\n<{operation}Response xmlns="{_NAMESPACE}">\n'
        request = "    <requestId>8f7724cf-496f-496e-8fe3-example</requestId>\n"
        return b"".join((head.encode(), request.encode(), content, f"</{operation}Response>".encode()))

    def reset(self) -> None:
        """Every instance runs again."""
        self._fleet.restored()
        self._found.clear()

    def _describe_instances(self, parameters: Parameters) -> bytes:
        wanted = _filters(parameters)
        ids = _listed(parameters, "InstanceId")
        most = parameters.get("MaxResults")
        if ids and most:
            raise Refused("InvalidParameterCombination", "The parameter instancesSet cannot be used with maxResults")
        if most and not FEWEST_RESULTS <= int(most) <= MOST_RESULTS:
            raise Refused("InvalidParameterValue", f"Value ( {most} ) for parameter maxResults is invalid")
        found = filters.matching(self._known(ids), wanted) if ids else self._matching(wanted)
        mark = f"{crc32(repr(wanted).encode()):x}"
        start = _start(parameters.get("NextToken"), mark)
        end = start + int(most or MOST_RESULTS)
        pages = [b"    <reservationSet>\n", *map(render, found[start:end]), b"    </reservationSet>\n"]
        if end < len(found):
            pages.append(f"    <nextToken>bench-{mark}-{end}</nextToken>\n".encode())
        return b"".join(pages)

    def _matching(self, wanted: filters.Filters) -> list[Instance]:
        """Looked for once for all pages of a listing."""
        if wanted not in self._found:
            if len(self._found) > 64:
                self._found.clear()
            self._found[wanted] = filters.matching(self._in_order, wanted)
        return self._found[wanted]

    def _known(self, ids: Iterable[str]) -> list[Instance]:
        ids = list(ids)
        missing = [i for i in ids if i not in self._fleet.instances]
        if missing:
            which = f"ID '{missing[0]}' does" if len(missing) == 1 else f"IDs '{', '.join(missing)}' do"
            raise Refused("InvalidInstanceID.NotFound", f"The instance {which} not exist")
        return [self._fleet.instances[i] for i in ids]

    def _describe_attribute(self, parameters: Parameters) -> bytes:
        (instance,) = self._known([parameters["InstanceId"]])
        name = parameters["Attribute"]
        if name not in ("disableApiTermination", "disableApiStop"):
            raise Refused("InvalidParameterValue", f"The attribute {name} is not known here")
        value = f"    <{name}>\n        <value>false</value>\n    </{name}>\n"
        return f"    <instanceId>{instance.id}</instanceId>\n{value}".encode()

    def _describe_spot_requests(self, parameters: Parameters) -> bytes:
        found = [i for i in self._in_order if i.spot_request_id]
        ids = _listed(parameters, "SpotInstanceRequestId")
        if ids:
            found = [i for i in found if i.spot_request_id in ids]
        for name, values in _filters(parameters):
            if name != "spot-instance-request-id":
                raise Refused("InvalidParameterValue", f"The filter '{name}' is invalid")
            if len(values) > filters.MOST_VALUES:
                raise Refused("FilterLimitExceeded", f"The maximum number of filter values is {filters.MOST_VALUES}")
            matches = filters.any_of(values)
            found = [i for i in found if matches(i.spot_request_id)]
        items = "".join(map(_spot_request, found[:MOST_RESULTS]))
        return f"    <spotInstanceRequestSet>\n{items}    </spotInstanceRequestSet>\n".encode()

    def _cancel_spot_requests(self, parameters: Parameters) -> bytes:
        items = "".join(
            f"        <item>\n            <spotInstanceRequestId>{i}</spotInstanceRequestId>\n"
            "            <state>cancelled</state>\n        </item>\n"
            for i in _listed(parameters, "SpotInstanceRequestId")
        )
        return f"    <spotInstanceRequestSet>\n{items}    </spotInstanceRequestSet>\n".encode()

    def _describe_regions(self, parameters: Parameters) -> bytes:
        del parameters
        item = (
            f"        <item>\n            <regionName>{REGION}</regionName>\n"
            f"            <regionEndpoint>ec2.{REGION}.amazonaws.com</regionEndpoint>\n"
            "            <optInStatus>opt-in-not-required</optInStatus>\n        </item>\n"
        )
        return f"    <regionInfo>\n{item}    </regionInfo>\n".encode()

    def _change(self, parameters: Parameters, state: str) -> bytes:
        """All or none: one id that is not known fails the call."""
        changed = self._known(_listed(parameters, "InstanceId"))
        items = "".join(_changed(instance, state) for instance in changed)
        for instance in changed:
            instance.state = state
        self._found.clear()
        return f"    <instancesSet>\n{items}    </instancesSet>\n".encode()


def error_document(error: Refused) -> bytes:
    """In EC2's own shape, which is not that of the other query services."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Response><Errors><Error><Code>{error.code}</Code><Message>{escape(str(error))}</Message></Error></Errors>"
        "<RequestID>8f7724cf-496f-496e-8fe3-example</RequestID></Response>"
    ).encode()


def _filters(parameters: Parameters) -> filters.Filters:
    names: dict[int, str] = {}
    values: dict[int, list[str]] = {}
    for key, value in parameters.items():
        matched = _FILTER.fullmatch(key)
        if matched and matched[2] == "Name":
            names[int(matched[1])] = value
        elif matched:
            values.setdefault(int(matched[1]), []).append(value)
    return tuple((names[n], tuple(values.get(n, ()))) for n in sorted(names))


def _listed(parameters: Parameters, name: str) -> list[str]:
    return [value for key, value in parameters.items() if key.startswith(f"{name}.")]


def _start(token: str | None, mark: str) -> int:
    """Raises Refused for a token of another listing: EC2 takes one only with the filters that it came from."""
    if token is None:
        return 0
    matched = _TOKEN.fullmatch(token)
    if matched is None or matched[1] != mark:
        raise Refused("InvalidParameterValue", f"Invalid value '{token}' for nextToken")
    return int(matched[2])


def _changed(instance: Instance, state: str) -> str:
    def shown(name: str, of: str) -> str:
        return f"<{name}><code>{_CODES[of]}</code><name>{of}</name></{name}>"

    states = shown("currentState", state) + shown("previousState", instance.state)
    return f"        <item><instanceId>{instance.id}</instanceId>{states}</item>\n"


def _spot_request(instance: Instance) -> str:
    return "".join(_spot_request_lines(instance))


def _spot_request_lines(instance: Instance) -> Iterator[str]:
    yield "        <item>\n"
    for name, value in (
        ("spotInstanceRequestId", instance.spot_request_id),
        ("type", "one-time"),
        ("state", "active"),
        ("instanceId", instance.id),
        ("createTime", instance.launched),
        ("launchedAvailabilityZone", instance.zone),
        ("instanceInterruptionBehavior", "terminate"),
    ):
        yield f"            <{name}>{value}</{name}>\n"
    yield (
        "            <status>\n                <code>fulfilled</code>\n"
        f"                <updateTime>{instance.launched}</updateTime>\n"
        "                <message>Your Spot request is fulfilled.</message>\n            </status>\n"
    )
    yield "            <tagSet>\n"
    for key, value in instance.tags.items():
        yield f"                <item>\n                    <key>{escape(key)}</key>\n"
        yield f"                    <value>{escape(value)}</value>\n                </item>\n"
    yield "            </tagSet>\n        </item>\n"
