"""Which instances a sweep must look at, where an account has more than it should look at one by one. Pure.

Everything here is a filter in EC2's own language, so that EC2 leaves out what cannot matter yet: too young to be
warned, without a tag of its own that says otherwise, and not in the ledger. A filter may let through too much, never
too little.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from costwatch import names
from costwatch.core.model import RunId, RunKind
from costwatch.core.policy import Limits, Mode, Policy, Selector, Service, TagKeys

Filter = tuple[str, tuple[str, ...]]
Filters = tuple[Filter, ...]
"""All must match, each by one of its values."""

MOST_VALUES: Final = 200
"""EC2's limit for one filter."""
MARGIN: Final = timedelta(minutes=6)
"""What comes of age while a sweep lasts is looked at too: longer than the function's timeout."""

_ALIVE: Final[Filter] = ("instance-state-name", ("pending", "running"))
_WILDCARDS: Final = re.compile(r"[\\*?]")
_GROUP_TAGS: Final = (names.TAG_ASG, names.TAG_EC2_FLEET, names.TAG_SPOT_FLEET, *names.TAGS_OF_CLUSTERS)


def everything() -> Filters:
    """All that runs or is about to."""
    return (_ALIVE,)


def selected(selector: Selector, launched_by: datetime | None = None) -> Filters:
    """What `selector` picks by tags and types; `launched_by` (UTC, inclusive): only what began by then."""
    tags = [(f"tag:{key}", tuple(map(exactly, values))) for key, values in selector.tags.items()]
    types = [("instance-type", selector.types)] if selector.types else []
    taken = (each for each in (*tags, *types) if len(each[1]) <= MOST_VALUES)
    return (_ALIVE, *taken, *_launched(launched_by))


def of_age(selector: Selector, now: datetime) -> Filters:
    """What `selector` picks and is old enough to be warned during a sweep that begins at `now`."""
    return selected(selector, now + MARGIN - _youth(selector.limits))


def grouped(policy: Policy, now: datetime) -> Iterator[Filters]:
    """Old members of any run of several: its clock starts with the oldest, which no selector need pick."""
    youths = [_youth(selector.limits) for selector in watching(policy)]
    if not youths:
        return
    old = _launched(now + MARGIN - min(youths))
    yield (_ALIVE, ("tag-key", (exactly(policy.tags.run), *_GROUP_TAGS, f"{names.TAG_KUBERNETES_PREFIX}*")), *old)
    yield (_ALIVE, ("operator.managed", ("true",)), *old)


def overriding(keys: TagKeys) -> Filters:
    """What carries a tag of its own that may set another limit, ask for heartbeats or exempt it."""
    return (_ALIVE, ("tag-key", tuple(map(exactly, (keys.max_runtime, keys.deadline, keys.exempt, keys.heartbeat)))))


def with_ids(ids: Iterable[str]) -> Iterator[Filters]:
    """The instances with these ids that are alive."""
    for chunk in chunks(ids):
        yield (_ALIVE, ("instance-id", tuple(chunk)))


def of_runs(run_ids: Iterable[RunId], run_tag: str) -> Iterator[Filters]:
    """All members of these runs, where a run may have several; perhaps others besides."""
    named: dict[str, list[str]] = defaultdict(list)
    for run_id in run_ids:
        match run_id.kind:
            case RunKind.TAGGED:
                named[f"tag:{run_tag}"].append(exactly(run_id.name))
            case RunKind.ASG:
                named[f"tag:{names.TAG_ASG}"].append(exactly(run_id.name))
            case RunKind.FLEET:
                for key in (names.TAG_EC2_FLEET, names.TAG_SPOT_FLEET):
                    named[f"tag:{key}"].append(exactly(run_id.name))
            case RunKind.CLUSTER:
                for key in names.TAGS_OF_CLUSTERS:
                    named[f"tag:{key}"].append(exactly(run_id.name))
                named["tag-key"].append(exactly(names.TAG_KUBERNETES_PREFIX + run_id.name))
                named["operator.principal"].append(exactly(run_id.name))
            case _:
                pass
    for name, values in named.items():
        for chunk in chunks(values):
            yield (_ALIVE, (name, tuple(chunk)))


def watching(policy: Policy) -> list[Selector]:
    """The EC2 selectors that are not off."""
    return [s for s in policy.selectors if s.service is Service.EC2 and s.mode is not Mode.OFF]


def shortest_interval(policy: Policy) -> timedelta | None:
    """The least time in which a selector expects a beat; None: none does, and only a tag may ask."""
    return min((s.heartbeat for s in policy.selectors if s.heartbeat is not None), default=None)


def exactly(value: str) -> str:
    """A filter value that means this text alone: EC2 reads `*`, `?` and a backslash as wildcards."""
    return _WILDCARDS.sub(r"\\\g<0>", value)


def launched_by(moment: datetime) -> tuple[str, ...]:
    """Values for the filter `launch-time` that together mean: at or before the end of this minute (UTC).

    EC2 compares no times, it matches their text. A text sorts before another where, after a common beginning, its next
    digit is less: for each digit one value for every lesser one, and at last the minute itself. 62 values at most.
    """
    text = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M}"
    earlier = (f"{text[:i]}{less}*" for i, digit in enumerate(text) if digit.isdigit() for less in range(int(digit)))
    return (*earlier, f"{text}*")


def chunks(values: Iterable[str]) -> Iterator[Sequence[str]]:
    """As many as one filter takes, each value once, in order."""
    wanted = sorted(set(values))
    for i in range(0, len(wanted), MOST_VALUES):
        yield wanted[i : i + MOST_VALUES]


def _launched(by: datetime | None) -> tuple[Filter, ...]:
    return (("launch-time", launched_by(by)),) if by is not None else ()


def _youth(limits: Limits) -> timedelta:
    """How long nothing is said to a run that no tag, grant or silence concerns."""
    return min(limits.max_runtime, limits.hard_cap) - limits.warn_before
