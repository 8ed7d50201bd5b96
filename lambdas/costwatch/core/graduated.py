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
_MOST_SENTENCES: Final = 3
"""And so many of each, before the advice: they fit into one paragraph together."""


@dataclass(frozen=True, slots=True)
class Graduated:
    """A selector or a guard. `mode` None: it is not configured any more. `says`: sentences, without a stop."""

    name: str
    mode: Mode | None
    says: tuple[str, ...]
    advice: Advice

    @property
    def sentences(self) -> list[str]:
        """What it says and what is advised, each with its stop, or with a colon before the lines."""
        told = [f"{each[:1].upper()}{each[1:]}." for each in self.says]
        return [*told, self.advice.sentence] if self.advice.sentence else told


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
    """For a message: heading, sentences and lines of each, up to `_MOST` of them."""
    told: list[tuple[str, list[str], list[str]]] = []
    for each in found[:_MOST]:
        mode = each.mode.value if each.mode is not None else "not configured any more"
        says, more = each.sentences[: len(each.says)], len(each.says) - _MOST_SENTENCES
        says = [*says[:_MOST_SENTENCES], f"... and {more} more."] if more > 0 else says
        told.append((f"{each.name} ({mode})", [*says, *each.sentences[len(each.says) :]], list(each.advice.lines)))
    if len(found) > _MOST:
        told.append((f"... and {len(found) - _MOST} more", [], []))
    return json.dumps(told)


def from_fact(fact: str) -> list[tuple[str, list[str], list[str]]]:
    """The inverse: heading, sentences, lines. Raises ValueError or TypeError for what is none."""
    return [(str(head), [*map(str, sentences)], [*map(str, lines)]) for head, sentences, lines in json.loads(fact)]
