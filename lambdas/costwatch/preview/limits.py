"""How long each family of runs takes, and a limit that fits it. Pure.

The rule: 1.5 times the p90 of the runs that finished, at least 1 h, and never under the longest finished run seen
unless that one is a clear outlier (more than 3 times the p90); rounded up to 30 min up to 6 h, to 1 h up to 24 h, to
6 h above.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from costwatch.core import durations, families
from costwatch.core.families import Runtimes
from costwatch.core.policy import Policy, Service
from costwatch.preview.history import PastRun, is_schedule, known_total

RULE: Final = (
    "Limit: p90 x 1.5, at least 1 h, never under the longest finished run unless that took more than 3 times the p90; "
    "rounded up to 30 min (1 h above 6 h, 6 h above 24 h)."
)
_LEAST: Final = timedelta(hours=1)
_OUTLIER: Final = 3
_STEPS: Final = (
    (timedelta(hours=6), timedelta(minutes=30)),
    (timedelta(hours=24), timedelta(hours=1)),
    (timedelta.max, timedelta(hours=6)),
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`outlier`: the longest finished run, where the limit is under it."""

    limit: timedelta
    outlier: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """Runs of one name stem, image and types. `taken` None: too few finished to tell how long one takes."""

    service: Service
    stem: str
    image: str
    types: tuple[str, ...]
    runs: int
    finished: int
    usd: Decimal
    unpriced: int
    taken: Runtimes | None
    longest: timedelta | None
    """Of those that finished."""
    suggestion: Suggestion | None


def families_of(runs: Iterable[PastRun]) -> list[Family]:
    """The dearest first; runs without a known end and what a schedule starts are in none."""
    grouped: dict[tuple[Service, str], list[PastRun]] = {}
    for each in runs:
        if each.runtime is not None and each.head is not None and not is_schedule(each):
            grouped.setdefault((each.run.id.kind.service, each.family), []).append(each)
    found = [_family(service, members) for (service, _key), members in grouped.items()]
    return sorted(found, key=lambda each: (-each.usd, each.stem, each.types))


def suggest(taken: Runtimes, longest: timedelta) -> Suggestion:
    """See the module's rule; `longest` is the longest finished run."""
    wanted = max(taken.p90 * 3 / 2, _LEAST)
    if longest > taken.p90 * _OUTLIER:
        return Suggestion(rounded_up(wanted), outlier=longest if longest > rounded_up(wanted) else None)
    return Suggestion(rounded_up(max(wanted, longest)))


def rounded_up(duration: timedelta) -> timedelta:
    """To the next step; what is on one stays."""
    step = next(step for most, step in _STEPS if duration <= most)
    return -(-duration // step) * step


def tag_lines(found: Sequence[Family], policy: Policy) -> Iterator[tuple[str, str]]:
    """(family, tag) for each family with a limit: a tag on the job is the one way to limit a family by itself."""
    for each in found:
        if each.suggestion is not None:
            kinds = ", ".join(each.types) or "any type"
            yield f"{each.stem} ({each.service}, {kinds})", f"{policy.tags.max_runtime}={_short(each.suggestion.limit)}"


def selector_lines(found: Sequence[Family], policy: Policy) -> Iterator[str]:
    """Lines for `dead_man.selectors` of costwatch.yaml: one entry for each kind and its types.

    A selector picks by kind, tags and types and never by name, so its limit is the longest of all its families'; it is
    under no finished run that was seen, of whatever family, but for clear outliers. First match wins, so what names
    fewer types comes first.
    """
    limits: dict[tuple[Service, tuple[str, ...]], timedelta] = {}
    told: set[tuple[Service, tuple[str, ...]]] = set()
    for each in found:
        # An AutoML job names no type, so no selector with types would pick it.
        key = (each.service, () if each.service is Service.AUTOML else each.types)
        if each.suggestion is not None:
            told.add(key)
            limits[key] = max(limits.get(key, _LEAST), each.suggestion.limit)
        elif each.longest is not None:
            limits[key] = max(limits.get(key, _LEAST), rounded_up(each.longest))
    for service, types in sorted(told, key=lambda key: (key[0], len(key[1]), key[1])):
        limit = limits[service, types]
        picks = f"{{jobs: [{service}], types: [{', '.join(types)}]}}" if types else f"[{service}]"
        yield f"- name: {_name(service, types)}"
        yield f"  sagemaker: {picks}"
        yield f"  max_runtime: {_short(limit)}"
        if limit > policy.limits.hard_cap:
            yield f"  hard_cap: {_short(limit)}"


def _family(service: Service, members: Sequence[PastRun]) -> Family:
    done = [(each, each.ended, each.runtime) for each in members]
    past = [
        families.PastRun(each.run.id.name, ended, runtime, None, each.usd, each.finished)
        for each, ended, runtime in done
        if ended is not None and runtime is not None
    ]
    taken = families.runtimes(past)
    longest = max((each.runtime for each in past if each.finished), default=None)
    usd, unpriced = known_total(each.usd for each in members)
    stem, image, _types = members[0].family.split("|", 2)
    return Family(
        service=service,
        stem=stem,
        image=image,
        types=members[0].types,
        runs=len(members),
        finished=sum(each.finished for each in members),
        usd=usd,
        unpriced=unpriced,
        taken=taken,
        longest=longest,
        suggestion=suggest(taken, longest) if taken is not None and longest is not None else None,
    )


def _name(service: Service, types: Sequence[str]) -> str:
    parts = [kind.removeprefix("ml.").replace(".", "-") for kind in types]
    return "-".join([service.value, *parts])[:60].rstrip("-")


def _short(duration: timedelta) -> str:
    return durations.short(duration)
