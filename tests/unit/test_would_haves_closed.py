"""Would-haves that are closed, added up: what stopping would have saved, and what it would have destroyed."""

from __future__ import annotations

from decimal import Decimal

from costwatch.core.record import Entry, Transition
from costwatch.core.would_haves import DESTROYED, RAN_ON, closed, closed_evidence
from tests.support.builders import NOW


def entry(which: str = "", usd: str | None = None) -> Entry:
    evidence = closed_evidence(which, Decimal(usd) if usd is not None else None) if which else ()
    return Entry(NOW, Transition.ENDED_BY_ITSELF, "it ended", evidence=evidence)


def test_the_net_is_what_would_have_been_saved_less_the_work_that_would_have_been_destroyed() -> None:
    found = closed([entry(RAN_ON, "681"), entry(DESTROYED, "263"), entry(DESTROYED, "37.50")])
    assert (found.ran_on, found.ran_on_usd, found.destroyed, found.destroyed_usd) == (
        1,
        Decimal(681),
        2,
        Decimal("300.50"),
    )
    assert found.net_usd == Decimal("380.50")


def test_stopping_what_mostly_finished_would_have_cost_and_not_saved() -> None:
    assert closed([entry(DESTROYED, "263")]).net_usd == Decimal(-263)


def test_dollars_that_are_not_known_are_counted_and_are_no_zero() -> None:
    found = closed([entry(RAN_ON, None), entry(RAN_ON, "5")])
    assert (found.closed, found.unknown, found.ran_on_usd) == (2, 1, Decimal(5))


def test_entries_that_close_nothing_are_left_out() -> None:
    assert closed([entry(), entry(RAN_ON, "1")]).closed == 1
