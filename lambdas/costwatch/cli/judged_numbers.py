"""The numbers that a caller of `costwatch res` brings: metrics, and what tells how noisy they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, BinaryIO, Final, Literal

import click

from costwatch.core import gains
from costwatch.core.gains import Evaluation, Reading
from costwatch.core.res import Extra
from costwatch.core.res_policy import GainKind, ModelRules
from costwatch.errors import InputError

LARGEST_BYTES: Final = 64_000_000
"""Of a file of differences: some millions of examples."""
NOTHING: Final = "none"
_SOURCE: Final = "the options"
_NOISE: Final = {
    "standard_error": "--standard-error",
    "sample_size": "--sample-size",
    "differences": "--differences",
}


class Number(click.ParamType[Decimal | Literal["none"]]):
    """A finite number, as the decimal that is written. `none`: the word is one too."""

    name = "number"

    def __init__(
        self, expected: str = "a number", holds: Callable[[Decimal], bool] | None = None, *, none: bool = False
    ) -> None:
        self._expected, self._holds, self._none = expected, holds, none

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal | Literal["none"]:
        if self._none and value == NOTHING:
            return NOTHING
        try:
            number = gains.finite(value, "it")
        except InputError as error:
            self.fail(str(error), param, ctx)
        if self._holds is not None and not self._holds(number):
            self.fail(f"{value} is not {self._expected}", param, ctx)
        return number


class PerExample(click.ParamType[tuple[str, Decimal | None, Decimal]]):
    """`recall@country=DE=0.81,0.80`: a metric of what serves (`none`: nothing does), and of the candidate."""

    name = "name=baseline,candidate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Decimal | None, Decimal]:
        if isinstance(value, tuple):
            return value
        name, equals, numbers = value.rpartition("=")
        theirs, comma, ours = numbers.partition(",")
        if not equals or not comma or not name:
            self.fail(f"{value!r} is not NAME=BASELINE,CANDIDATE such as recall=0.81,0.80", param, ctx)
        try:
            served = None if theirs == NOTHING else gains.finite(theirs, f"{name} of what serves")
            return name, served, gains.finite(ours, f"{name} of the candidate")
        except InputError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True, slots=True)
class Told:
    """`baseline` None: nothing serves yet. `noise_option`: the option that tells the noise; empty: none does."""

    candidate: Evaluation
    baseline: Evaluation | None
    extra: Extra
    noise_option: str = ""


def told(rules: ModelRules, given: Mapping[str, Any]) -> Told:
    """Raises UsageError or InputError that names the option."""
    for name in ("baseline", "candidate"):
        if name not in given:
            hint = " (none: nothing serves yet)" if name == "baseline" else ""
            raise click.UsageError(f"--{name} is missing: a number{hint}")
    extra, noise_option = chance(rules, given)
    also: tuple[tuple[str, Decimal | None, Decimal], ...] = given.get("also", ())
    _guarded(rules, [name for name, _, _ in also])
    candidate = Evaluation(
        {rules.metric: Reading(given["candidate"]), **{name: Reading(ours) for name, _, ours in also}}, source=_SOURCE
    )
    if given["baseline"] == NOTHING:
        return Told(candidate, None, extra)
    if rules.gain is GainKind.RELATIVE and not given["baseline"]:
        raise click.UsageError("--baseline is 0, and no gain is a share of nothing: use an absolute gain")
    served = {rules.metric: Reading(given["baseline"])}
    for name, theirs, _ in also:
        if theirs is None:
            raise click.UsageError(f"--also: {name} of what serves is none, but --baseline says that something serves")
        served[name] = Reading(theirs)
    baseline = Evaluation(served, source=_SOURCE)
    return Told(candidate, baseline, extra, noise_option)


def _guarded(rules: ModelRules, names: Sequence[str]) -> None:
    """Each of `names` is a guardrail's, once: nothing given is left out or written over. Raises UsageError."""
    known = {rail.reading for rail in rules.guardrails} - {rules.metric}
    for index, name in enumerate(names):
        if name == rules.metric:
            raise click.UsageError(f"--also: {name} is the model's own metric: --baseline and --candidate say it")
        if name not in known:
            has = ", ".join(sorted(known)) or "none"
            raise click.UsageError(f"--also: {name[:120]!r} is no guardrail of {rules.name}, expected one of: {has}")
        if name in names[:index]:
            raise click.UsageError(f"--also: {name} is given twice: give it once")


def chance(rules: ModelRules, given: Mapping[str, Any]) -> tuple[Extra, str]:
    """What tells how much may be chance, and the option that does; empty: none. Raises UsageError or InputError."""
    kinds = [name for name in _NOISE if name in given]
    if len(kinds) > 1:
        raise click.UsageError(f"{_NOISE[kinds[0]]} and {_NOISE[kinds[1]]} both tell the noise: give one of them")
    if "sample_size" in given and not gains.is_share(rules.metric):
        raise click.UsageError(
            f"--sample-size: it tells nothing about the noise of {rules.metric}; expected an accuracy-like --metric, "
            "--standard-error or --differences"
        )
    extra = Extra(
        standard_error=given.get("standard_error"),
        differences=differences(given["differences"]) if "differences" in given else (),
        sample_size=given.get("sample_size"),
    )
    return extra, _NOISE[kinds[0]] if kinds else ""


def differences(file: BinaryIO) -> tuple[Decimal, ...]:
    """One number a line, or a JSON list. Raises InputError."""
    raw = file.read(LARGEST_BYTES + 1)
    if len(raw) > LARGEST_BYTES:
        raise InputError(f"--differences: it is larger than {LARGEST_BYTES // 1_000_000} MB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("--differences: it is not UTF-8 text") from None
    found = tuple(gains.finite(each, f"--differences: {where}") for where, each in _written(text))
    if len(found) < gains.FEWEST_DIFFERENCES:
        raise InputError(f"--differences: it has {len(found)} numbers, expected {gains.FEWEST_DIFFERENCES} or more")
    return found


def _written(text: str) -> Iterator[tuple[str, object]]:
    if not text.lstrip().startswith("["):
        return ((f"line {n}", line) for n, line in enumerate(text.splitlines(), 1) if line.strip())
    try:
        listed = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise InputError("--differences: it is neither a JSON list nor one number a line") from None
    return ((f"entry {n}", each) for n, each in enumerate(listed, 1))
