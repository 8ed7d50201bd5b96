"""What enforce would have done, selector by selector: each would-have with what really became of it. Pure.

A would-have begins when the timeline says `would stop`. It ends with the run (see `would_haves`), or when the run is
not due any more, as one is that beats again or is given more time: enforce would have stopped what people let go on.
That one has no dollars, and is doubtful, as is an instance that ran on: nobody sees whether its work was done.

Nobody is advised to enforce while any of them is in doubt (see `Graduation.doubts` and `changes.advice`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from costwatch.core import held_by_caps, would_haves
from costwatch.core.changes import Advice, Change, advice
from costwatch.core.held_by_caps import HeldByCap
from costwatch.core.modes import Mode
from costwatch.core.money import show_usd
from costwatch.core.record import Entry, RunRecord, Transition
from costwatch.core.run_cost import RunCost

NO_SELECTOR: Final = "(unknown)"
"""Its row is of a version that did not say, and its begin is not at hand."""


class Truth(StrEnum):
    """What became of a run that enforce would have stopped."""

    FINISHED = "finished"
    """Its work would have been destroyed."""
    RAN_ON = "ran on"
    """What it cost from then on would have been saved."""
    STOOD_DOWN = "not due any more"
    STILL_RUNS = "still runs"


@dataclass(frozen=True, slots=True)
class Case:
    """One would-have. `at`: when it ended, or for one that still runs, when it would have been stopped; UTC.

    `usd`: what was destroyed, or ran on; None: unknown, never 0. For one that was let go on it is None and not missed.
    `lost_usd`: of a doubtful one that ran on, what a stop would have destroyed if its work was done; None: unknown.
    """

    at: datetime
    run: str
    name: str
    selector: str
    truth: Truth
    usd: Decimal | None
    reason: str
    doubtful: bool = False
    lost_usd: Decimal | None = None

    @property
    def unpriced(self) -> bool:
        """Whether its dollars are missing from the sums."""
        return self.usd is None and self.truth is not Truth.STOOD_DOWN


@dataclass(frozen=True, slots=True)
class Graduation:
    """All would-haves of one selector, oldest first. Sums are USD, of what is known."""

    selector: str
    cases: tuple[Case, ...]
    held: tuple[HeldByCap, ...] = ()
    """Beside them, and in no sum: what a blast cap held."""

    def of(self, truth: Truth) -> list[Case]:
        return [case for case in self.cases if case.truth is truth]

    def usd(self, truth: Truth) -> Decimal:
        """Of what is known."""
        return sum((case.usd for case in self.of(truth) if case.usd is not None), Decimal(0))

    @property
    def saved_usd(self) -> Decimal:
        """What would not have been spent, by those that ran on and are over; of what still runs nobody knows yet."""
        return self.usd(Truth.RAN_ON)

    @property
    def net_usd(self) -> Decimal | None:
        """Below 0: enforce would have destroyed more than it saved.

        None: one that finished has no known price, so nobody knows how much that is. Without the price of one that ran
        on it is merely too low.
        """
        if any(case.usd is None for case in self.of(Truth.FINISHED)):
            return None
        return self.saved_usd - self.usd(Truth.FINISHED)

    @property
    def worst_usd(self) -> Decimal | None:
        """The net if each doubtful one that ran on had finished its work; None: nobody knows how much that is."""
        doubtful = [case for case in self.of(Truth.RAN_ON) if case.doubtful]
        if self.net_usd is None or any(case.usd is None or case.lost_usd is None for case in doubtful):
            return None
        return self.net_usd - sum(((case.usd or 0) + (case.lost_usd or 0) for case in doubtful), Decimal(0))

    @property
    def doubtful(self) -> list[Case]:
        return [case for case in self.cases if case.doubtful]

    @property
    def unpriced(self) -> int:
        return sum(case.unpriced for case in self.cases)

    @property
    def sums(self) -> tuple[str, ...]:
        """What became of them, with the net of it, and what a cap held: a sentence each; none without a case."""
        told = [
            f"{len(found)} {what}{f': {_shown(found)}' if truth is not Truth.STOOD_DOWN else ''}"
            for truth, what in _WHAT.items()
            if (found := self.of(truth))
        ]
        sums = (f"{'; '.join(told)}; net {show_usd(self.net_usd)}",) if told else ()
        return (*sums, held_by_caps.sentence(self.held)) if self.held else sums

    @property
    def over(self) -> int:
        """So many are over: what became of them is known, or that nobody will know."""
        return len(self.cases) - len(self.of(Truth.STILL_RUNS))

    @property
    def against(self) -> str:
        """Why it must not enforce as it stands, as a clause; empty: nothing speaks against it."""
        costs_more = self.net_usd is not None and self.net_usd < 0
        return "enforcing it costs more than it saves, so give its runs more time" if costs_more else ""

    @property
    def doubts(self) -> tuple[str, ...]:
        """What somebody has to look at before it enforces, a clause each: while there is one, nobody is advised to.

        Would-haves that were wrong, since they finished; doubtful ones; those without a price; those that still run,
        since nobody knows their truth yet.
        """
        counted = (
            (
                len(self.of(Truth.FINISHED)),
                "finished, and would have lost its work",
                "finished, and would have lost their work",
            ),
            (len(self.doubtful), "doubtful", "doubtful"),
            (self.unpriced, "without a known price", "without a known price"),
            (len(self.of(Truth.STILL_RUNS)), "still runs", "still run"),
        )
        return tuple(f"{count} {one if count == 1 else many}" for count, one, many in counted if count)

    def advice(self, mode: Mode | None, change: Change | None) -> Advice:
        """Whether to enforce, and the line that does it. `mode` None: no selector has that name any more."""
        name = self.selector.partition("/")[0]
        setting = f"mode: enforce beside name: {name}"
        return advice(mode, change, seen=self.over > 0, against=self.against, doubts=self.doubts, setting=setting)

    @property
    def sentence(self) -> str:
        """What speaks for enforcing and what against it."""
        if not self.cases:
            return "nothing would have been stopped: nobody knows yet what its limits would do"
        if not self.over:
            return "what would have been stopped still runs: nobody knows yet what became of it"
        lost = self.of(Truth.FINISHED)
        if not (lost or self.of(Truth.RAN_ON)):
            return "what would have been stopped was not due any more later: nobody knows what that would have come to"
        if self.net_usd is None:
            return f"nobody knows what enforce would have come to: not every price of {len(lost)} finished is known"
        if self.net_usd < 0:
            return f"enforce would have cost {show_usd(-self.net_usd)} more than it saved: its limits are too short"
        saved = f"enforce would have saved {show_usd(self.net_usd)}"
        unseen = sum(case.doubtful for case in self.of(Truth.RAN_ON))
        if unseen:
            worst = (
                f"{show_usd(self.worst_usd)} at worst"
                if self.worst_usd is not None
                else "nobody knows how much at worst"
            )
            whose = "its" if unseen == 1 else "their"
            saved += f" at best, {worst}, since nobody sees whether {unseen} had done {whose} work"
        if lost:
            saved += f", and destroyed the work of {len(lost)}"
        return saved


def cases(
    lines: Iterable[tuple[str, Entry]], costs: Iterable[RunCost], still: Iterable[RunRecord], now: datetime
) -> list[Case]:
    """Every would-have that `lines` (run id, entry; oldest first) end, and those of open records, oldest first.

    `costs`: they tell the selector of a run whose begin is not among the lines.
    """
    selectors = {str(cost.run_id): cost.selector for cost in costs}
    found: list[Case] = []
    for run, entry in lines:
        facts = dict(entry.evidence)
        if entry.transition is Transition.WOULD_STOP and facts.get("selector"):
            selectors[run] = facts["selector"]
        truth = _TRUTHS.get(facts.get(would_haves.WHICH, ""))
        if truth is not None:
            selector = facts.get("selector") or selectors.get(run) or NO_SELECTOR
            found.append(_closed(run, entry, facts, truth, selector))
    found += [_still(record, now) for record in still if record.would_stop_at is not None]
    return sorted(found, key=lambda case: (case.at, case.run))


def by_selector(found: Iterable[Case], names: Sequence[str] = (), held: Iterable[HeldByCap] = ()) -> list[Graduation]:
    """Those of `names` first, in their order and also without a case; then the others by name. Cases keep theirs."""
    of: dict[str, list[Case]] = {}
    capped: dict[str, list[HeldByCap]] = {}
    for case in found:
        of.setdefault(case.selector, []).append(case)
    for each in held:
        capped.setdefault(each.selector or NO_SELECTOR, []).append(each)
    order = [*names, *sorted((of.keys() | capped.keys()) - set(names))]
    return [Graduation(name, tuple(of.get(name, ())), tuple(capped.get(name, ()))) for name in order]


_WHAT: Final = {
    Truth.FINISHED: "finished, its work lost",
    Truth.RAN_ON: "ran on",
    Truth.STOOD_DOWN: "not due any more",
    Truth.STILL_RUNS: "still running, so far",
}
_TRUTHS: Final = {
    would_haves.DESTROYED: Truth.FINISHED,
    would_haves.RAN_ON: Truth.RAN_ON,
    would_haves.STOOD_DOWN: Truth.STOOD_DOWN,
}


def _shown(found: Sequence[Case]) -> str:
    """Their dollars; what is not known is said to be, and never $0."""
    known = [case.usd for case in found if case.usd is not None]
    more = len(found) - len(known)
    unknown = [f"{more} unknown" if known else "unknown"] if more else []
    return " and ".join([*([show_usd(sum(known, Decimal(0)))] if known else []), *unknown])


def _closed(run: str, entry: Entry, facts: Mapping[str, str], truth: Truth, selector: str) -> Case:
    return Case(
        at=entry.at,
        run=run,
        name=facts.get("name") or run.split("/", 3)[-1],
        selector=selector,
        truth=truth,
        usd=None if truth is Truth.STOOD_DOWN else would_haves.closed_usd(facts),
        reason=_let_go_on(entry, facts) if truth is Truth.STOOD_DOWN else entry.reason,
        doubtful=truth is Truth.STOOD_DOWN or would_haves.DOUBTFUL in facts,
        lost_usd=would_haves.lost_usd(facts),
    )


def _let_go_on(entry: Entry, facts: Mapping[str, str]) -> str:
    """Why it is no would-have any more, and what it had run on for by then: that is in no sum."""
    again = "warned anew: " if entry.transition is Transition.WARNED else ""
    spent = would_haves.closed_usd(facts)
    return f"{again}{entry.reason}" + (f"; it had run on for {show_usd(spent)}" if spent is not None else "")


def _still(record: RunRecord, now: datetime) -> Case:
    spent, at_stop = record.spent_usd(now), record.spent_by_would_stop_usd
    return Case(
        at=record.would_stop_at or now,
        run=str(record.run_id),
        name=record.name,
        selector=record.selector,
        truth=Truth.STILL_RUNS,
        usd=max(spent - at_stop, Decimal(0)) if spent is not None and at_stop is not None else None,
        reason="it would have been stopped, and still runs",
    )
