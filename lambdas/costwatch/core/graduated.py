"""From observe to enforce as people read it: for the command line and the digest, in the same words. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from costwatch.core.changes import Advice, Change
from costwatch.core.gate_graduating import GateGraduation
from costwatch.core.graduating import Graduation
from costwatch.core.modes import Mode
from costwatch.core.res_graduating import ResGraduation

GATE, RES = "approval gate", "RES breaker"
_MOST: Final = 12
"""So many are told in a message: each is a paragraph of it."""


@dataclass(frozen=True, slots=True)
class Graduated:
    """A selector or a guard. `mode` None: it is not configured any more. `says`: sentences, without a stop."""

    name: str
    mode: Mode | None
    says: tuple[str, ...]
    advice: Advice

    @property
    def paragraph(self) -> str:
        """On one line: `Enforce would have saved $681.00. 1 ran on: $681.00; net $681.00. To enforce, ...`"""
        told = [f"{each[:1].upper()}{each[1:]}." for each in self.says]
        return " ".join([*told, self.advice.sentence]).strip()


def of_selector(each: Graduation, mode: Mode | None, change: Change | None) -> Graduated:
    """One selector."""
    return Graduated(each.selector, mode, (each.sentence, *each.sums), each.advice(mode, change))


def of_gate(found: GateGraduation, mode: Mode | None, change: Change | None) -> Graduated:
    """All thresholds of the approval gate, a sentence each."""
    return Graduated(GATE, mode, tuple(each.sentence for each in found.tiers), found.advice(mode, change))


def of_res(found: ResGraduation, mode: Mode | None, change: Change | None) -> Graduated:
    """All models of the RES breaker, a sentence each."""
    return Graduated(RES, mode, tuple(each.sentence for each in found.models), found.advice(mode, change))


def to_fact(found: Sequence[Graduated]) -> str:
    """For a message: heading, paragraph and lines of each, up to `_MOST` of them."""
    told = [
        [f"{each.name} ({each.mode.value if each.mode is not None else 'not configured any more'})", each.paragraph,
         list(each.advice.lines)]
        for each in found[:_MOST]
    ]  # fmt: skip
    more = len(found) - len(told)
    return json.dumps(
        [*told, *([[f"... and {more} more", "costwatch status --would-have has them all.", []]] * bool(more))]
    )


def from_fact(fact: str) -> list[tuple[str, str, list[str]]]:
    """The inverse: heading, paragraph, lines. Raises ValueError or TypeError for what is none."""
    return [(str(head), str(paragraph), [str(line) for line in lines]) for head, paragraph, lines in json.loads(fact)]
