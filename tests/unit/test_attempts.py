"""When a stop was begun that is tried again: a later attempt is as old as the first, or begins anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from costwatch.core import stopping
from costwatch.core.record import Hold, RunRecord, Status, StopAttempt
from costwatch.core.selection import HoldCode
from tests.support.builders import HOUR, MINUTE, NOW, warned
from tests.support.ledger_steps import LATE, POLICY, claim_step

FIRST = NOW - 8 * HOUR


def tried(status: Status, *, hold: HoldCode | None = None) -> RunRecord:
    """A run that is due, and whose stop was claimed eight hours ago."""
    record = warned(LATE, POLICY, ago=9 * HOUR)
    claimed = attempt(record)
    held = Hold("hold-1", hold, "r", NOW, claimed.key) if hold is not None else None
    # Whoever released what a cap held has named its key.
    return replace(record, status=status, hold=held, stop=replace(claimed, begun_at=FIRST), released_key=claimed.key)


def attempt(record: RunRecord) -> StopAttempt:
    after = claim_step(record).after
    assert after is not None
    assert after.stop is not None
    return after.stop


def test_a_first_attempt_begins_when_it_is_claimed() -> None:
    assert attempt(warned(LATE, POLICY, ago=9 * HOUR)).begun_at == NOW


@pytest.mark.parametrize(
    ("status", "hold"),
    [(Status.STOPPING, None), (Status.FAILED, HoldCode.UNPROVABLE), (Status.HELD, HoldCode.UNPROVABLE)],
)
def test_a_takeover_a_try_after_a_failure_and_one_after_a_moments_doubt_are_as_old_as_the_first(
    status: Status, hold: HoldCode | None
) -> None:
    again = attempt(tried(status, hold=hold))
    assert (again.attempt, again.begun_at) == (2, FIRST)


@pytest.mark.parametrize(
    ("status", "hold"),
    [(Status.RUNNING, None), (Status.WARNED, None), (Status.HELD, HoldCode.CAP)],
)
def test_what_was_spared_warned_anew_or_released_begins_anew(status: Status, hold: HoldCode | None) -> None:
    again = attempt(tried(status, hold=hold))
    assert (again.attempt, again.begun_at) == (2, NOW)


def test_a_try_after_one_of_a_version_before_is_as_old_as_its_row_shows() -> None:
    record = tried(Status.FAILED, hold=HoldCode.UNPROVABLE)
    assert record.stop is not None
    before = replace(record.stop, begun_at=None, lease_until=NOW - MINUTE)
    assert attempt(replace(record, stop=before)).begun_at == NOW - MINUTE - stopping.LEASE
