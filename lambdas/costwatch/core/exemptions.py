"""Exemptions by command: to what they are given, and which one counts for a run. Pure; `now` is an argument.

They stand apart from a run's record. A record ends when its run stops for a moment, changes its run tag or is missing
from one answer; what a person was promised lasts until the time that was named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from costwatch.core import times
from costwatch.core.policy import Service

if TYPE_CHECKING:
    from costwatch.core.model import Run, RunId


@dataclass(frozen=True, slots=True)
class Exemption:
    """By command; ends at `until` (exclusive, UTC)."""

    by: str
    at: datetime
    until: datetime
    reason: str
    of_record: bool = False
    """Granted before exemptions stood apart: it counts as long as the record that holds it is open."""

    def active(self, now: datetime) -> bool:
        return now < self.until

    @property
    def sentence(self) -> str:
        return f"exempt until {times.to_key(self.until)} by {self.by}: {self.reason or 'no reason given'}"


def given_to(run_id: RunId, member_ids: Iterable[str]) -> tuple[str, ...]:
    """What an exemption of a run is given to: the run by its id, and each member, whatever run it belongs to later."""
    parts_are_training_jobs = run_id.kind.service in (Service.TUNING, Service.AUTOML)
    service = Service.TRAINING if parts_are_training_jobs else run_id.kind.service
    return (str(run_id), *(_member(service, member_id) for member_id in member_ids))


def subjects(run: Run) -> tuple[str, ...]:
    """By what an exemption of `run` is found: its own id and those of all its members."""
    return (str(run.id), *(_member(member.service, member.id) for member in run.members))


def of_run(run: Run, granted: Mapping[str, Exemption], now: datetime) -> Exemption | None:
    """Of the exemptions in `granted` (by subject) that are active for `run` at `now` the one that lasts longest.

    One member's is enough: a run is stopped whole or not at all.
    """
    return longest((granted[each] for each in subjects(run) if each in granted), now)


def longest(found: Iterable[Exemption], now: datetime) -> Exemption | None:
    """The active one that ends last; None: none is active at `now`."""
    return max((each for each in found if each.active(now)), key=lambda each: each.until, default=None)


def _member(service: Service, member_id: str) -> str:
    return f"{service.value}#{member_id}"
