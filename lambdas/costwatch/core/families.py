"""Runs of one family: the same job again and again. What its past runs took and cost says what the next one will.

A family is a name without what changes from run to run, the image, and the instance types. Of few runs nothing is
concluded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Final, TypeVar

_T = TypeVar("_T")
FEWEST_RUNS: Final = 3
"""With fewer past runs a quantile says nothing, and the maximum runtime stands."""
MOST_RUNS: Final = 40
"""Of so many of the newest runs the quantiles are made: older ones were another job."""
_EXPECTED: Final = Decimal("0.5")
_HIGH: Final = Decimal("0.9")

# What SDKs and people put behind a name: a time, a long number, a version, a counted run, a hash. A short bare number
# may be part of the name (`resnet-50`), so it stays.
_CHANGES = re.compile(
    r"(?:[-_.](?:\d{4}-\d{2}-\d{2}(?:[-_T]\d{2}-?\d{2}(?:-?\d{2}(?:-\d{3})?)?)?|\d{8}T\d{4,6}Z?|\d{4,}|v\d+"
    r"|(?:run|trial|try|attempt|job|iter)[-_]?\d+|(?=[0-9a-f]*\d)[0-9a-f]{6,40}))+$",
    re.IGNORECASE,
)
_OF_PIPELINE = re.compile(r"pipelines-[a-z0-9]{12}-(?P<step>.+)-[A-Za-z0-9]{10}")
"""How SageMaker Pipelines names the job of a step."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run that is over, as its family remembers it. Dollars are USD; None: unknown."""

    run: str
    ended_at: datetime
    runtime: timedelta
    expected_usd: Decimal | None
    """What was forecast at its start."""
    actual_usd: Decimal | None
    finished: bool
    """Whether it came to its own end with its work done; what failed or was stopped says nothing of how long it takes.
    """


@dataclass(frozen=True, slots=True)
class Runtimes:
    """How long a family's runs take. `runs`: of so many."""

    expected: timedelta
    """The median."""
    p90: timedelta
    """Nine in ten took no longer."""
    runs: int


def family(name: str, image: str, types: Iterable[str]) -> str:
    """The key of a family: `churn-bert|pytorch-training:2.3|ml.p4d.24xlarge`. Empty image: none is known."""
    return "|".join((name_stem(name), image_name(image), "+".join(sorted(set(types)))))


def name_stem(name: str) -> str:
    """`churn-bert-2026-11-23-09-10-44-123` and `churn-bert-v7` are both `churn-bert`; a name never becomes empty."""
    step = _OF_PIPELINE.fullmatch(name)
    if step is not None:
        return of_step(step["step"])
    return _CHANGES.sub("", name) or name


def of_step(step: str) -> str:
    """The name of the jobs that a step of a SageMaker pipeline starts, without what changes from run to run."""
    return f"pipelines-{step}"


def image_name(image: str) -> str:
    """An image without its registry and digest: `pytorch-training:2.3-gpu`."""
    return image.rpartition("/")[2].partition("@")[0]


def runtimes(past: Sequence[PastRun]) -> Runtimes | None:
    """Of the newest runs that finished; None: they are too few."""
    taken = [run.runtime for run in newest(past)]
    if len(taken) < FEWEST_RUNS:
        return None
    return Runtimes(_quantile(sorted(taken), _EXPECTED), _quantile(sorted(taken), _HIGH), len(taken))


def error_p90(past: Sequence[PastRun]) -> Decimal | None:
    """How far actual dollars went above the forecast in the worst of ten: 1.2 is 20% more. None: too few are known.

    Only of runs that finished: one that was stopped cost less than it would have.
    """
    ratios = sorted(
        run.actual_usd / run.expected_usd for run in newest(past) if run.actual_usd is not None and run.expected_usd
    )
    return _quantile(ratios, _HIGH) if len(ratios) >= FEWEST_RUNS else None


def costs(past: Sequence[PastRun]) -> tuple[Decimal, Decimal, int] | None:
    """What the newest runs that finished cost, USD: the median, what nine in ten did not exceed, and how many they are.

    None: they are too few.
    """
    taken = sorted(run.actual_usd for run in newest(past) if run.actual_usd is not None)
    if len(taken) < FEWEST_RUNS:
        return None
    return _quantile(taken, _EXPECTED), _quantile(taken, _HIGH), len(taken)


def newest(past: Sequence[PastRun]) -> list[PastRun]:
    """The newest `MOST_RUNS` that finished."""
    return sorted((run for run in past if run.finished), key=lambda run: run.ended_at, reverse=True)[:MOST_RUNS]


def _quantile(ordered: Sequence[_T], share: Decimal) -> _T:
    """Nearest rank: the smallest value that `share` of all do not exceed. `ordered`: not empty."""
    rank = int((len(ordered) * share).to_integral_value(ROUND_CEILING))
    return ordered[max(0, rank - 1)]
