"""What is stopped or protected as sets of condition values, merged and split without widening anything.

A grant holds where every one of its conditions does, and a condition where one of its values matches. So two grants
that differ in a single key are together exactly one grant whose key takes the values of both; and where one of them
leaves that key open, it already is the whole of both. Nothing else may be merged: `{Team: a, Tier: 1}` and
`{Team: b, Tier: 2}` would together also hold for `{Team: a, Tier: 2}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Grant:
    """`conditions`: condition key -> values it may have; a key that is not there is open. `sources`: who asked."""

    action: str
    conditions: Mapping[str, tuple[str, ...]]
    sources: tuple[str, ...]
    part: int = 0
    """Counts from 1 where a grant had to be split."""


def merged(grants: Iterable[Grant]) -> list[Grant]:
    """The same permissions in fewer grants, in the order of their first sources."""
    found = list(grants)
    while True:
        before = len(found)
        for key in sorted({key for grant in found for key in grant.conditions}):
            found = _merged_along(key, found)
        found = _without_contained(found)
        if len(found) == before:
            return found


def parted(grant: Grant, length: Callable[[Grant], int], most: int) -> list[Grant]:
    """`grant` in as many parts as it takes for each to be at most `most` long.

    Longer ones come back where what every part has to repeat is most of the length: parting would only add to it.
    """
    parts = _parts(grant, length, most)
    return parts if len(parts) == 1 else [replace(part, part=n) for n, part in enumerate(parts, start=1)]


def _merged_along(key: str, grants: Sequence[Grant]) -> list[Grant]:
    """Grants that are alike but for `key` become one."""
    alike: dict[object, list[Grant]] = {}
    for grant in grants:
        own = grant.conditions.get(key)
        others = _pairs(grant) if own is None else _pairs(grant) - {(key, frozenset(own))}
        alike.setdefault((grant.action, others), []).append(grant)
    return [_union(key, group) for group in alike.values()]


def _union(key: str, group: Sequence[Grant]) -> Grant:
    first = group[0]
    if len(group) == 1:
        return first
    conditions = dict(first.conditions)
    if all(key in grant.conditions for grant in group):
        conditions[key] = tuple(dict.fromkeys(value for grant in group for value in grant.conditions[key]))
    else:
        conditions.pop(key, None)
    return replace(first, conditions=conditions, sources=_sources(group))


def _without_contained(grants: Sequence[Grant]) -> list[Grant]:
    """Without grants that another one covers in every key; it takes over their sources."""
    kept: list[Grant] = []
    for grant in grants:
        inside = [other for other in kept if _covers(grant, other)]
        around = next((n for n, other in enumerate(kept) if _covers(other, grant)), None)
        if around is not None:
            kept[around] = replace(kept[around], sources=_sources([kept[around], grant]))
        elif inside:
            place = kept.index(inside[0])
            kept = [other for other in kept if not any(other is each for each in inside)]
            kept.insert(place, replace(grant, sources=_sources([*inside, grant])))
        else:
            kept.append(grant)
    return kept


def _covers(wide: Grant, narrow: Grant) -> bool:
    if wide.action != narrow.action or not wide.conditions.keys() <= narrow.conditions.keys():
        return False
    return all(set(narrow.conditions[key]) <= set(values) for key, values in wide.conditions.items())


def _pairs(grant: Grant) -> frozenset[tuple[str, frozenset[str]]]:
    return frozenset((key, frozenset(values)) for key, values in grant.conditions.items())


def _sources(grants: Iterable[Grant]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for grant in grants for source in grant.sources))


def _parts(grant: Grant, length: Callable[[Grant], int], most: int) -> list[Grant]:
    whole = length(grant)
    key = max(grant.conditions, key=lambda k: (len(grant.conditions[k]) > 1, sum(map(len, grant.conditions[k]))))
    values = grant.conditions[key]
    middle = len(values) // 2
    if whole <= most or not middle:
        return [grant]
    halves = [replace(grant, conditions={**grant.conditions, key: half}) for half in (values[:middle], values[middle:])]
    if 4 * max(map(length, halves)) > 3 * whole:
        return [grant]
    return [part for half in halves for part in _parts(half, length, most)]
