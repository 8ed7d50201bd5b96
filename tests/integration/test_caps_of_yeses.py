"""A cap counts from the start of what runs: one that has passed is no yes, and would be a stop in disguise."""

from __future__ import annotations

from datetime import timedelta

import pytest

from costwatch.core.approvals import State
from costwatch.errors import RefusedError
from tests.support.builders import HOUR, SECOND
from tests.support.money_town import MoneyTown


def asked_about(age: timedelta) -> MoneyTown:
    """A run that has been asked about and has run for `age`."""
    of = MoneyTown()
    of.launch()
    of.sweep()
    of.at(age)
    return of


@pytest.mark.parametrize("age", [2 * HOUR, 3 * HOUR])
def test_a_cap_that_has_passed_is_refused_and_the_question_stays_open(age: timedelta) -> None:
    of = asked_about(age)
    with pytest.raises(RefusedError, match=r"A cap of 2 h has passed already: it runs since 2026-\S+, for \d h\."):
        of.says(yes=True, cap=2 * HOUR)
    assert of.question().state is State.PENDING


def test_a_second_before_it_passes_it_counts() -> None:
    of = asked_about(2 * HOUR - SECOND)
    assert of.says(yes=True, cap=2 * HOUR).state is State.APPROVED


def test_without_a_cap_a_yes_comes_late_and_counts() -> None:
    of = asked_about(3 * HOUR)
    assert of.says(yes=True).state is State.APPROVED
