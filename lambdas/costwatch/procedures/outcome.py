"""What came of a stop, as the world shows it."""

from __future__ import annotations

from dataclasses import dataclass

from costwatch.core.model import Member


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a stop, read from the world. `problem` empty: every member is stopping or gone, or AWS said so."""

    seen: str
    problem: str = ""
    ended: Member | None = None
    """A job that had come to its own end, or an instance that somebody else stopped: it was not done by us."""
