"""What is compared at the end: the expected with the actual, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from costwatch.core import durations
from costwatch.core.record import Transition
from demo.end_state import EndState

STOPPED = ["warned", "notice accepted", "due", "stopping", "stop requested", "verified gone"]
"""The ladder of a run that nobody answered for."""


@dataclass(frozen=True)
class Check:
    """One line of the comparison. `scene` is its number; 0: not of one scene."""

    scene: int
    what: str
    expected: Any
    actual: Any

    @property
    def ok(self) -> bool:
        return bool(self.expected == self.actual)

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "scene": self.scene,
            "what": self.what,
            "ok": self.ok,
            "expected": self.expected,
            "actual": self.actual,
        }


class Checker:
    """Collects a scene's checks: `see("EC2: the bastion", ["running"], end.states("bastion"))`."""

    def __init__(self, scene: int) -> None:
        self._scene = scene
        self.checks: list[Check] = []

    def see(self, what: str, expected: Any, actual: Any) -> None:
        """Compare for equality."""
        self.checks.append(Check(self._scene, what, expected, actual))

    def stopped(
        self,
        end: EndState,
        name: str,
        owner: str,
        *,
        notice: str,
        platform: str,
        asked: Sequence[str] = (),
        heard_asked: Sequence[str] = (),
    ) -> None:
        """The four things every stop has: a warned ladder, the notice, what people heard, the pipelines' event.

        `asked`, `heard_asked`: what came of a question about it before, in the ledger and in Slack.
        """
        self.see(f"ledger: {name}", [*asked, *STOPPED], end.transitions(name))
        self.see(f"ledger: {name} was stopped so long after its notice", notice, notice_given(end, name))
        heard = [*heard_asked, f"{owner}: warning", f"{owner}: stopped", f"{platform}: verified gone"]
        self.see(f"Slack: {name}", heard, end.heard(name))
        self.see(f"event bus: {name} is final for pipelines", 1, _events(end, name))

    def left_alone(self, end: EndState, name: str) -> None:
        """Nothing was done to it, and no pipeline heard that it was."""
        self.see(f"EC2: {name}", ["running"], end.states(name))
        self.see(f"event bus: no stop of {name}", 0, _events(end, name))


def notice_given(end: EndState, name: str) -> str:
    """From the accepted notice that was valid last to the stop: `1 h 10 min`; empty when one of them is missing."""
    accepted = end.row(name, Transition.NOTICE_ACCEPTED, last=True)
    stopped = end.row(name, Transition.STOP_REQUESTED, last=True)
    return durations.show(stopped.at - accepted.at) if accepted and stopped else ""


def _events(end: EndState, name: str) -> int:
    return sum(1 for each in end.stop_events if each["run"] == name)
