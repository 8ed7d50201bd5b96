"""Runs of observe and warn that a blast cap held: no would-haves, since enforce would have held them just so. Pure.

Who graduates has to know them all the same: each waits for `costwatch release`, and would be stopped then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from costwatch.core.modes import Mode
from costwatch.core.record import Entry, RunRecord, Status, Transition
from costwatch.core.selection import HoldCode

_SIMULATED: Final = (Mode.OBSERVE.value, Mode.WARN.value)
WAITS: Final = "; it waits for a release"
_CAP: Final = re.compile(r"blast_cap\.\w+")


@dataclass(frozen=True, slots=True)
class HeldByCap:
    """`at`: since when, UTC. `reason`: as it was held. `waits`: it runs on, and nobody released it."""

    at: datetime
    run: str
    name: str
    selector: str
    reason: str
    waits: bool

    @property
    def cap(self) -> str:
        """`blast_cap.share`, or the setting as a whole where the ledger does not say which."""
        found = _CAP.search(self.reason)
        return found.group() if found else "blast_cap"

    @property
    def sentence(self) -> str:
        """What held it, and whether that still does."""
        why = self.reason.removesuffix(WAITS)
        return f"{why}{WAITS}" if self.waits else f"{why}; it waits no more"


def is_one(entry: Entry) -> bool:
    """Whether `entry` says that a cap held a run of observe or warn."""
    facts = dict(entry.evidence)
    return entry.transition is Transition.HELD and facts.get("code") == HoldCode.CAP.value and entry.mode in _SIMULATED


def held_by_caps(lines: Iterable[tuple[str, Entry]], still: Iterable[RunRecord]) -> list[HeldByCap]:
    """Each run once, oldest first: those of `lines` (run id, entry; oldest first), and open records that wait.

    One that was released and would have been stopped then is a would-have, and none of these.
    """
    found: dict[str, HeldByCap] = {}
    for run, entry in lines:
        if entry.transition is Transition.WOULD_STOP:
            found.pop(run, None)
        elif is_one(entry):
            selector = dict(entry.evidence).get("selector", "")
            found[run] = HeldByCap(entry.at, run, run.split("/", 3)[-1], selector, entry.reason, waits=False)
    for record in still:
        run, hold = str(record.run_id), record.hold
        if record.would_stop_at is not None:
            found.pop(run, None)
        elif record.status is Status.HELD and hold is not None and hold.code is HoldCode.CAP and _is_simulated(record):
            found[run] = HeldByCap(hold.since, run, record.name, record.selector, hold.reason, waits=True)
    return sorted(found.values(), key=lambda each: (each.at, each.run))


def _is_simulated(record: RunRecord) -> bool:
    return record.mode.value in _SIMULATED


def sentence(held: Iterable[HeldByCap]) -> str:
    """For people, as a sentence without its stop; empty: none was held."""
    found = list(held)
    if not found:
        return ""
    caps = " and ".join(sorted({each.cap for each in found}))
    waiting = sum(each.waits for each in found)
    wait = {0: "none of them waits for a release any more", 1: "1 waits for a release"}
    told = wait.get(waiting, f"{waiting} wait for a release")
    return f"{len(found)} more held by {caps}, as enforce would have held them: {told}"
