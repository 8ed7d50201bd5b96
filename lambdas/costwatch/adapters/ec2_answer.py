"""DescribeInstances' answer without what nobody reads of it: botocore asks, signs, retries and turns pages.

An instance is 9 KB of XML, of which a sweep needs one part in thirty. What is not in `WANTED` is never built; names
and types of what is come from botocore's own model, and an answer that is an error stays botocore's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape
    from mypy_boto3_ec2.client import EC2Client

_OPERATION: Final = "DescribeInstances"
_EVENT: Final = f"before-parse.ec2.{_OPERATION}"
_READ_ELSEWHERE: Final = b"<answer/>"
_LEAST_STATUS_OF_AN_ERROR: Final = 300

_Wanted = Mapping[str, Any]
_LEAF: Final[_Wanted] = {}
WANTED: Final[_Wanted] = {
    "Instances": {
        "InstanceId": _LEAF,
        "InstanceType": _LEAF,
        "State": {"Name": _LEAF},
        "StateTransitionReason": _LEAF,
        "LaunchTime": _LEAF,
        "Placement": {"AvailabilityZone": _LEAF, "Tenancy": _LEAF},
        "Platform": _LEAF,
        "PlatformDetails": _LEAF,
        "InstanceLifecycle": _LEAF,
        "CapacityReservationId": _LEAF,
        "SpotInstanceRequestId": _LEAF,
        "NetworkInterfaces": {"Attachment": {"DeviceIndex": _LEAF, "AttachTime": _LEAF}},
        "Operator": {"Managed": _LEAF, "Principal": _LEAF},
        "Tags": {"Key": _LEAF, "Value": _LEAF},
    }
}
"""What `adapters.ec2` reads, in botocore's words. A list is named like its items."""


def read_only_what_is_needed(client: EC2Client) -> None:
    """From now on `client` answers DescribeInstances with what `WANTED` names and nothing else."""
    client.meta.events.register(_EVENT, take, unique_id="costwatch-answer")


@dataclass(slots=True)
class _Element:
    """What becomes of an XML element. `children`, by XML name: of a structure its fields, of a list its items."""

    key: str
    children: dict[str, _Element]
    is_list: bool
    value: Callable[[str], Any] | None
    """Of a leaf: from its text."""


def take(
    operation_model: OperationModel, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """A handler of botocore's `before-parse`: takes the body away, and adds what it read to the parsed answer.

    Raises ResponseParserError, as botocore itself would.
    """
    if response_dict["status_code"] >= _LEAST_STATUS_OF_AN_ERROR:
        return
    try:
        customized_response_dict.update(_read(response_dict["body"], _root(operation_model)))
    except (expat.ExpatError, ValueError) as error:
        raise ResponseParserError(f"the answer to {_OPERATION} cannot be read: {error}") from error
    response_dict["body"] = _READ_ELSEWHERE


@lru_cache(maxsize=1)
def _root(operation: OperationModel) -> _Element:
    """Once for a client: its model is one object."""
    shape: Any = operation.output_shape
    wanted = {"Reservations": WANTED, "NextToken": _LEAF}
    return _element("", shape, wanted)


def _read(body: bytes, root: _Element) -> dict[str, Any]:
    """The wanted parts of an XML document. Listens to text only inside of what is wanted."""
    found: dict[str, Any] = {}
    element = root
    into: Any = found  # the structure or list that the element's children go into
    above: list[tuple[_Element, Any]] = []
    depth = 0
    unwanted = 0
    text: list[str] = []
    known: dict[str, str] = {}  # one string for all instances of one type, zone or tag, and not one for each

    def opened(name: str, _attributes: dict[str, str]) -> None:
        nonlocal element, into, depth, unwanted
        if unwanted:
            unwanted += 1
            return
        if not depth:
            depth = 1  # the document itself
            return
        child = element.children.get(name)
        if child is None:
            unwanted = 1
            return
        above.append((element, into))
        depth += 1
        if child.value is not None:
            text.clear()
            parser.CharacterDataHandler = text.append
        else:
            part: Any = [] if child.is_list else {}
            if element.is_list:
                into.append(part)
            else:
                into[child.key] = part
            into = part
        element = child

    def closed(_name: str) -> None:
        nonlocal element, into, depth, unwanted
        if unwanted:
            unwanted -= 1
            return
        depth -= 1
        if not depth:
            return
        child = element
        element, into = above.pop()
        if child.value is not None:
            parser.CharacterDataHandler = None
            whole = "".join(text)
            into[child.key] = child.value(known.setdefault(whole, whole))

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.Parse(body, True)
    # The functions hold the parser and it holds them: let go now, and not when somebody looks for garbage.
    parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
    return found


def _element(key: str, shape: Any, wanted: _Wanted) -> _Element:
    """As botocore's model says what is where, and under which name, in the answer."""
    if shape.type_name == "list":
        item_name = shape.member.serialization.get("name", "member")
        return _Element(key, {item_name: _element("", shape.member, wanted)}, is_list=True, value=None)
    if shape.type_name == "structure":
        children: dict[str, _Element] = {}
        for name, inside in wanted.items():
            member = shape.members[name]
            children[member.serialization.get("name", name)] = _element(name, member, inside)
        return _Element(key, children, is_list=False, value=None)
    return _Element(key, {}, is_list=False, value=_value_of(shape))


def _value_of(shape: Shape) -> Callable[[str], Any]:
    match shape.type_name:
        case "string":
            return str
        case "integer":
            return int
        case "boolean":
            return "true".__eq__
        case "timestamp":
            return _moment
        case other:
            raise TypeError(f"{shape.name} is a {other}, which nothing here reads")


def _moment(text: str) -> datetime:
    """Aware; what names no zone is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
