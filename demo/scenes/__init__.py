"""The scenes in the order they are played. Each plays itself, and says what must be true in the end."""

from __future__ import annotations

from typing import Final, Protocol

from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play
from demo.scenes import (
    approved,
    bastion,
    capped,
    denied,
    extended,
    forgotten,
    group,
    job,
    malformed_tag,
    mass_silence,
    open_card,
    refused,
    retrained,
    spot,
    stuck_loop,
    switched,
    tuner,
    unanswered,
)


class Scene(Protocol):
    """A module of this package."""

    TITLE: str
    CONTRACT: str

    def play(self, play: Play) -> None:
        """Tell it, letting time pass. Must not fail when something that was to happen does not."""

    def expect(self, end: EndState, check: Checker) -> None:
        """Compare what is left of it with what should be."""


def begin(play: Play) -> None:
    """What goes on from the beginning, long before the scene that tells of it."""
    stuck_loop.begin(play)
    mass_silence.begin(play)


SCENES: Final[tuple[Scene, ...]] = (
    forgotten,
    spot,
    extended,
    bastion,
    switched,
    capped,
    malformed_tag,
    job,
    refused,
    stuck_loop,
    mass_silence,
    tuner,
    group,
    approved,
    denied,
    retrained,
    unanswered,
    open_card,
)
