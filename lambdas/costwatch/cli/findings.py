"""What a doctor's checks find: a line each, and the exit code of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from costwatch.cli import storing
from costwatch.cli.failures import UNEXPECTED, UNKNOWN


class Standing(StrEnum):
    """`WAITS`: nothing is wrong, and nothing can be said yet. `UNKNOWN`: it could not be looked at."""

    OK = "ok"
    TODO = "to do"
    WAITS = "waits"
    UNKNOWN = "unknown"


MARKS: Final = {Standing.OK: "ok", Standing.TODO: "!!", Standing.WAITS: "--", Standing.UNKNOWN: "??"}
_STYLES: Final = {Standing.TODO: "bold red", Standing.UNKNOWN: "yellow"}


@dataclass(frozen=True, slots=True)
class Finding:
    """`said`: what was seen. `do`: what to do about it; empty: nothing."""

    check: str
    standing: Standing
    said: str
    do: str = ""

    @property
    def line(self) -> str:
        told = f"{MARKS[self.standing]}  {self.check}: {self.said}"
        word = "Next" if self.standing is Standing.WAITS else "To do"  # nothing is to be done about what waits
        return f"{told.removesuffix('.')}. {word}: {self.do}" if self.do else told

    @property
    def is_command(self) -> bool:
        """Whether what is to be done is a command to copy, and no sentence."""
        return storing.BEGINNING in self.do or self.do.startswith("aws ")

    @property
    def style(self) -> str:
        return _STYLES.get(self.standing, "")

    def document(self) -> dict[str, Any]:
        return {"check": self.check, "standing": self.standing.value, "said": self.said, "do": self.do}


def ok(check: str, said: str) -> Finding:
    """All well."""
    return Finding(check, Standing.OK, said)


def todo(check: str, said: str, do: str) -> Finding:
    """Somebody has to do something."""
    return Finding(check, Standing.TODO, said, do)


def waits(check: str, said: str, do: str = "") -> Finding:
    """Not yet, or not wanted. `do`: what may be done."""
    return Finding(check, Standing.WAITS, said, do)


def unknown(check: str, said: str, do: str = "") -> Finding:
    """It could not be looked at."""
    return Finding(check, Standing.UNKNOWN, said, do)


def exit_code(findings: Sequence[Finding]) -> int:
    """0: all well, or waiting. 1: something is to be done. 3: no more than that something could not be looked at."""
    standings = {finding.standing for finding in findings}
    if Standing.TODO in standings:
        return UNEXPECTED
    return UNKNOWN if Standing.UNKNOWN in standings else 0
