"""EC2's filters over the fakes, as EC2 documents them: all filters must match, each by one of its values.

`*` is any run of characters, `?` one; a backslash takes either as it is. Values are matched as text and with their
case, times too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from costwatch.errors import PermanentAwsError

if TYPE_CHECKING:
    from tests.support.fakes import FakeInstance

MOST_VALUES = 200


def passes(instance: FakeInstance, filters: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Raises PermanentAwsError for a filter that EC2 would refuse."""
    for name, values in filters:
        if len(values) > MOST_VALUES:
            raise PermanentAwsError(f"FilterLimitExceeded: {name}", code="FilterLimitExceeded")
        pattern = _pattern(tuple(values))
        if not any(pattern.fullmatch(text) for text in _texts(instance, name)):
            return False
    return True


def _texts(instance: FakeInstance, name: str) -> Iterator[str]:
    """What of `instance` the filter looks at: nothing where it has no such thing."""
    tags = dict(instance.tags)
    if instance.asg:
        tags["aws:autoscaling:groupName"] = instance.asg
    if name == "tag-key":
        yield from tags
    elif name.startswith("tag:"):
        key = name.removeprefix("tag:")
        if key in tags:
            yield tags[key]
    elif name == "instance-state-name":
        yield instance.state
    elif name == "instance-id":
        yield instance.id
    elif name == "instance-type":
        yield instance.type
    elif name == "launch-time":
        launched = instance.launch_time or instance.unsaid_launch_time
        if launched is not None:
            yield f"{launched:%Y-%m-%dT%H:%M:%S}.000Z"
    elif name == "operator.managed":
        yield "false"
    elif name != "operator.principal":
        raise PermanentAwsError(f"InvalidParameterValue: the filter {name} is invalid", code="InvalidParameterValue")


@lru_cache(maxsize=4096)
def _pattern(values: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_translated(value)})" for value in values), re.DOTALL)


def _translated(value: str) -> str:
    parts = re.findall(r"\\.|.", value, flags=re.DOTALL)
    return "".join({"*": ".*", "?": "."}.get(part) or re.escape(part[-1]) for part in parts)
