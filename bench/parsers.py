"""`python -m bench.parsers VARIANT`: what it costs to read one answer of 1000 instances, by parser.

Every variant reads from the same bytes what a sweep needs of an instance; the parts are compared before any is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree import ElementTree
from xml.parsers import expat
from xml.sax.saxutils import unescape

from bench.endpoint.ec2 import Ec2
from bench.endpoint.fleet import Fleet

INSTANCES: Final = 1000
AS_OF: Final = datetime(2026, 11, 27, 12, tzinfo=UTC)

Parts = tuple[str, str, str, str, str, str, dict[str, str]]
"""Id, type, state, launch time as text, zone, lifecycle, tags."""

_SPACE: Final = "{http://ec2.amazonaws.com/doc/2016-11-15/}"
_OWN: Final = 5
"""How deep an instance's own fields stand."""
_FIELDS: Final = frozenset({"instanceId", "instanceType", "launchTime", "instanceLifecycle"})
_NOTHING: Final[frozenset[str]] = frozenset()
_INSIDE: Final = {
    "instanceState": frozenset({"name"}),
    "placement": frozenset({"availabilityZone"}),
    "tagSet": frozenset({"key", "value"}),
}


def by_botocore(page: bytes) -> list[Parts]:
    """As every client of boto3 does: all of the answer becomes dictionaries, every time a datetime."""
    import botocore.session  # noqa: PLC0415 - not for the other variants, whose memory is measured too
    from botocore import parsers  # noqa: PLC0415

    if not _botocore:
        model = botocore.session.get_session().get_service_model("ec2")
        _botocore.extend((parsers.EC2QueryParser(), model.operation_model("DescribeInstances").output_shape))
    parser, shape = _botocore
    answer = parser.parse({"body": page, "headers": {}, "status_code": 200}, shape)
    return [
        (
            raw["InstanceId"],
            raw["InstanceType"],
            raw["State"]["Name"],
            f"{raw['LaunchTime']:%Y-%m-%dT%H:%M:%S}.000Z",
            raw["Placement"]["AvailabilityZone"],
            raw.get("InstanceLifecycle", ""),
            {tag["Key"]: tag["Value"] for tag in raw["Tags"]},
        )
        for reservation in answer["Reservations"]
        for raw in reservation["Instances"]
    ]


_botocore: list[Any] = []


def by_element_tree(page: bytes) -> list[Parts]:
    """The standard library's tree of the whole answer."""
    return [
        (
            _text(item, "instanceId"),
            _text(item, "instanceType"),
            _text(item, f"instanceState/{_SPACE}name"),
            _text(item, "launchTime"),
            _text(item, f"placement/{_SPACE}availabilityZone"),
            _text(item, "instanceLifecycle"),
            {_text(tag, "key"): _text(tag, "value") for tag in item.iterfind(f"{_SPACE}tagSet/{_SPACE}item")},
        )
        for item in ElementTree.fromstring(page).iter(f"{_SPACE}item")
        if item.find(f"{_SPACE}instanceId") is not None
    ]


def _text(item: ElementTree.Element, path: str) -> str:
    return item.findtext(f"{_SPACE}{path}") or ""


def by_expat(page: bytes) -> list[Parts]:
    """Events of the parser below ElementTree: what is not needed is never built."""
    reader = _Expat()
    reader.read(page)
    return reader.found


class _Expat:
    """Listens to text only inside of what is wanted: the spaces between elements would be most of the events."""

    def __init__(self) -> None:
        self.found: list[Parts] = []
        self._depth = 0
        self._inside = _NOTHING
        self._reading = False
        self._text: list[str] = []
        self._fields: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._key = ""
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._open
        parser.EndElementHandler = self._close

    def read(self, page: bytes) -> None:
        self._parser.Parse(page, True)

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        del attributes
        depth = self._depth
        self._depth = depth + 1
        if depth == _OWN:
            self._inside = _INSIDE.get(name, _NOTHING)
            wanted = name in _FIELDS
        else:
            wanted = name in self._inside
        if wanted:
            self._reading = True
            self._text.clear()
            self._parser.CharacterDataHandler = self._text.append

    def _close(self, name: str) -> None:
        self._depth = depth = self._depth - 1
        if self._reading:
            self._reading = False
            self._parser.CharacterDataHandler = None
            text = "".join(self._text)
            if name == "key":
                self._key = text
            elif name == "value":
                self._tags[self._key] = text
            else:
                self._fields[name] = text
        elif depth == _OWN - 1 and self._fields:
            of = self._fields.get
            self.found.append(
                (
                    of("instanceId", ""),
                    of("instanceType", ""),
                    of("name", ""),
                    of("launchTime", ""),
                    of("availabilityZone", ""),
                    of("instanceLifecycle", ""),
                    self._tags,
                )
            )
            self._fields, self._tags = {}, {}


def by_byte_search(page: bytes) -> list[Parts]:
    """No parser at all, the floor: right only as long as the answer is written exactly like this one."""
    return [_searched(item) for item in page.split(b"</instancesSet>")[:-1]]


def _searched(item: bytes) -> Parts:
    tags = _between(item, b"<tagSet>", b"</tagSet>").split(b"</value>")[:-1]
    return (
        _between(item, b"<instanceId>", b"<").decode(),
        _between(item, b"<instanceType>", b"<").decode(),
        _between(_between(item, b"<instanceState>", b"</instanceState>"), b"<name>", b"<").decode(),
        _between(item, b"<launchTime>", b"<").decode(),
        _between(item, b"<availabilityZone>", b"<").decode(),
        _between(item, b"<instanceLifecycle>", b"<").decode(),
        {unescape(_between(t, b"<key>", b"<").decode()): unescape(t.partition(b"<value>")[2].decode()) for t in tags},
    )


def _between(text: bytes, before: bytes, after: bytes) -> bytes:
    return text.partition(before)[2].partition(after)[0]


VARIANTS: Final[dict[str, Callable[[bytes], list[Parts]]]] = {
    "botocore": by_botocore,
    "ElementTree": by_element_tree,
    "expat": by_expat,
    "byte search": by_byte_search,
}


def page_of(instances: int = INSTANCES) -> bytes:
    """The answer to DescribeInstances, as the endpoint gives it."""
    body = f"Action=DescribeInstances&MaxResults={instances}".encode()
    return Ec2(Fleet(AS_OF, instances)).answer("DescribeInstances", body)


def timed(variant: Callable[[bytes], list[Parts]], page: bytes, times: int) -> Iterator[float]:
    """CPU milliseconds of each reading, after one that is not counted."""
    variant(page)
    for _ in range(times):
        begun = time.process_time()
        variant(page)
        yield (time.process_time() - begun) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.parsers", description=__doc__)
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("--times", type=int, default=7)
    arguments = parser.parse_args()
    page = page_of()
    read = list(timed(VARIANTS[arguments.variant], page, arguments.times))
    print(json.dumps({"min": min(read), "median": statistics.median(read), "max": max(read), "bytes": len(page)}))


if __name__ == "__main__":
    main()
