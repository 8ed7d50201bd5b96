"""EC2's filters: all of them must match, each by one of its values, with `*`, `?` and `\\` as EC2 reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from bench.endpoint.errors import Refused
from bench.endpoint.fleet import Instance

MOST_VALUES: Final = 200
"""EC2's limit, over all values of one filter."""

Filters = Sequence[tuple[str, tuple[str, ...]]]
_Matches = Callable[[str], object]

_FIELDS: Final[Mapping[str, Callable[[Instance], str]]] = {
    "instance-state-name": lambda i: i.state,
    "launch-time": lambda i: i.launched,
    "instance-type": lambda i: i.type,
    "instance-id": lambda i: i.id,
    "instance-lifecycle": lambda i: i.lifecycle,
    "availability-zone": lambda i: i.zone,
    "spot-instance-request-id": lambda i: i.spot_request_id,
    "operator.managed": lambda _: "false",
}


def matching(instances: Sequence[Instance], filters: Filters) -> list[Instance]:
    """Those that pass every filter, in order. Raises Refused for a filter that this endpoint does not know."""
    found = list(instances)
    for name, values in filters:
        if len(values) > MOST_VALUES:
            raise Refused("FilterLimitExceeded", f"The maximum number of filter values is {MOST_VALUES}")
        found = _passing(found, name, values)
    return found


def _passing(instances: list[Instance], name: str, values: tuple[str, ...]) -> list[Instance]:
    matches = any_of(values)
    if name == "tag-key":
        return [i for i in instances if any(map(matches, i.tags))]
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return [i for i in instances if (value := i.tags.get(key)) is not None and matches(value)]
    if name not in _FIELDS:
        raise Refused("InvalidParameterValue", f"The filter '{name}' is invalid")
    of = _FIELDS[name]
    return [i for i in instances if matches(of(i))]


@lru_cache(maxsize=256)
def any_of(values: tuple[str, ...]) -> _Matches:
    """Whether a text is, as a whole and with its case, one of `values`."""
    if not any(re.search(r"[*?\\]", value) for value in values):
        return frozenset(values).__contains__
    return re.compile("|".join(map(_pattern, values)), re.DOTALL).fullmatch


def _pattern(value: str) -> str:
    parts: list[str] = []
    characters = iter(value)
    for character in characters:
        match character:
            case "*":
                parts.append(".*")
            case "?":
                parts.append(".")
            case "\\":
                parts.append(re.escape(next(characters, "\\")))
            case _:
                parts.append(re.escape(character))
    return "".join(parts)
