"""The one line of costwatch.yaml that makes something enforce, and whether anybody is advised to change it. Pure.

`costwatch.config.graduate` finds the line, changes it and tries the result. The command line does so with the file that
lies there. Functions have no file: what was found at synth ships beside their policy, outside its digest, since a
comment moves lines and changes nothing that is decided by. Their lines are those of the commit that is deployed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from costwatch.core.modes import Mode


@dataclass(frozen=True, slots=True)
class Change:
    """Line `line` of `file`, from 1, as it stands in `now`, becomes `then`, which may be two lines.

    `problem`: why there is no such line, as a sentence; then the others mean nothing.
    """

    line: int = 0
    now: str = ""
    then: str = ""
    problem: str = ""
    file: str = ""

    @property
    def place(self) -> str:
        """`line 12 of costwatch.yaml`, or `below line 7 of costwatch.yaml` where one is added."""
        below = "below " if "\n" in self.then else ""
        return f"{below}line {self.line} of {self.file}"

    @property
    def shown(self) -> tuple[str, ...]:
        """The line as it is and as it should be, as a diff shows them, with its indentation."""
        then, *added = (row.rstrip("\r") for row in self.then.split("\n"))
        now = self.now.rstrip("\r")
        if added:
            return (f"  {now}", *(f"+ {row}" for row in added))
        return (f"- {now}", f"+ {then}")


@dataclass(frozen=True, slots=True)
class Changes:
    """Of everything that does not enforce, as a policy carries them. `selectors`: by the ledger's name for each.

    Empty where the policy was compiled before they were kept.
    """

    selectors: Mapping[str, Change] = field(default_factory=dict)
    approval: Change | None = None
    res: Change | None = None

    @property
    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        found = {"selectors": {name: asdict(change) for name, change in self.selectors.items()}}
        guards = {"approval": self.approval, "res": self.res}
        return {**found, **{name: asdict(change) for name, change in guards.items() if change is not None}}

    @classmethod
    def from_document(cls, body: Mapping[str, Any]) -> Self:
        """The inverse. Raises KeyError, TypeError, AttributeError."""
        return cls(
            selectors={name: Change(**each) for name, each in body.get("selectors", {}).items()},
            approval=Change(**body["approval"]) if "approval" in body else None,
            res=Change(**body["res"]) if "res" in body else None,
        )


@dataclass(frozen=True, slots=True)
class Advice:
    """What people are told of enforcing: a sentence, and the line below it where there is one to show."""

    sentence: str = ""
    lines: tuple[str, ...] = ()
    advised: bool = False


def advice(
    mode: Mode | None, change: Change | None, *, seen: bool, against: str = "", doubts: Sequence[str] = (), setting: str
) -> Advice:
    """Whether to enforce, and the line that does it.

    Nobody is ever advised to enforce while anything is in doubt. It is advised only where something would have been
    done (`seen`), nothing speaks against it (`against`, as a clause) and no doubt is left (`doubts`, a clause each):
    one is enough. Where doubts are left the line stands behind the work that is to be done first; where something
    speaks against it there is none. `setting`: what to set where no line is known, such as `mode: enforce beside name:
    jobs`. `mode` None: it is not configured any more.
    """
    if mode is None:
        return Advice()
    if mode is Mode.ENFORCE:
        return Advice("It enforces already.")
    if against:
        return Advice(f"Not as it stands: {against}.")
    advised = seen and not doubts
    first = f"look at each first: {', '.join(doubts)}" if doubts else "wait until something would have been done"
    lead = "" if advised else f"Not yet: {first}. "
    if change is not None and change.problem:
        return Advice(f"{lead}To enforce: {change.problem}.")
    where = change.place if change is not None else f"{setting} in costwatch.yaml"
    lines = change.shown if change is not None else ()
    told = f"To enforce, {where}" if advised else f"Only then {where}"
    return Advice(f"{lead}{told}{':' if lines else '.'}", lines, advised)
