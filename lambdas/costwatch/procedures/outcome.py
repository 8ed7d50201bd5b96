"""What came of a stop, as the world shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a stop, read from the world. `problem` empty: every member is stopping or gone, or AWS said so."""

    seen: str
    problem: str = ""
    ended_by_itself: bool = False
    """It had finished, and was not stopped by anybody."""
