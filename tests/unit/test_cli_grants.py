"""What an extension, an exemption, a release and a pause do to a record, at their boundaries."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from costwatch.core import grants
from costwatch.core.deadman import notice_in_force
from costwatch.core.model import RunId, RunKind
from costwatch.core.policy import Action, Mode
from costwatch.core.record import Hold, Notice, Pause, RunRecord, Status, Transition
from costwatch.core.selection import HoldCode
from costwatch.errors import InputError, RefusedError
from tests.support.fakes import ACCOUNT, START

NOW = START
HOURS = timedelta(hours=1)
SECOND = timedelta(seconds=1)
MARIA = "arn:aws:iam::111122223333:user/maria"


def record(*, age: timedelta = 11 * HOURS, deadline: datetime | None = NOW + HOURS, **changes: object) -> RunRecord:
    """Started `age` ago; up in an hour."""
    made = RunRecord(
        run_id=RunId(ACCOUNT, "us-east-1", RunKind.INSTANCE, "i-1"),
        origin="deployed",
        version=3,
        status=Status.WARNED,
        mode=Mode.ENFORCE,
        selector="trainers",
        start=NOW - age,
        deadline=deadline,
        first_seen_at=NOW - age,
        name="churn",
        owner="maria",
        team="risk",
        members=(),
        capacity=(("p4d.24xlarge", 1),),
        clock_evidence="LaunchTime",
        hourly_rate_usd=Decimal("25.00"),
        price_note="list price",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def extended(
    before: RunRecord, duration: timedelta, *, now: datetime = NOW, total: timedelta = 24 * HOURS
) -> RunRecord:
    step = grants.extend(before, by=MARIA, duration=duration, owner_total=total, hard_cap=72 * HOURS, now=now)
    assert step.before is before
    assert step.after is not None
    return step.after


def test_an_extension_counts_from_the_deadline_while_it_is_ahead() -> None:
    assert extended(record(), 4 * HOURS).deadline == NOW + 5 * HOURS


def test_an_extension_counts_from_now_when_the_deadline_is_over() -> None:
    assert extended(record(deadline=NOW - 5 * HOURS), 4 * HOURS).deadline == NOW + 4 * HOURS


def test_an_extension_says_who_until_when_and_what_it_costs() -> None:
    step = grants.extend(record(), by=MARIA, duration=4 * HOURS, owner_total=24 * HOURS, hard_cap=72 * HOURS, now=NOW)
    entry = step.entries[0]
    assert (entry.transition, entry.actor) == (Transition.EXTENDED, MARIA)
    assert entry.reason == f"extended by {MARIA}: runs until 2026-11-22T14:00:00Z (4 h, +$100.00)"
    assert dict(entry.evidence)["left"] == "20 h"


def test_the_cost_of_an_extension_without_a_price_is_unknown_and_not_0() -> None:
    step = grants.extend(
        record(hourly_rate_usd=None), by=MARIA, duration=HOURS, owner_total=24 * HOURS, hard_cap=72 * HOURS, now=NOW
    )
    assert "price unknown" in step.entries[0].reason
    assert dict(step.entries[0].evidence)["cost_usd"] == "unknown"


def test_an_extension_keeps_status_notice_and_hold_for_the_next_sweep_to_judge() -> None:
    before = record(hold=hold(HoldCode.CAP), status=Status.HELD)
    after = extended(before, HOURS)
    assert (after.status, after.hold, after.notice) == (before.status, before.hold, before.notice)


def test_an_extension_up_to_the_hard_cap_exactly_is_not_cut() -> None:
    after = extended(record(age=60 * HOURS), 11 * HOURS)
    assert after.deadline == NOW + 12 * HOURS
    assert after.extensions[-1].duration == 11 * HOURS


def test_an_extension_a_second_past_the_hard_cap_is_cut_and_only_what_was_gained_counts() -> None:
    step = grants.extend(
        record(age=60 * HOURS), by=MARIA, duration=11 * HOURS + SECOND, owner_total=24 * HOURS,
        hard_cap=72 * HOURS, now=NOW,
    )  # fmt: skip
    assert step.after is not None
    assert step.after.deadline == NOW + 12 * HOURS
    assert step.after.extended_total == 11 * HOURS
    assert "cut at the hard cap of 72 h" in step.entries[0].reason


def test_a_run_whose_deadline_is_the_hard_cap_is_not_extended() -> None:
    with pytest.raises(RefusedError, match="only an exemption does"):
        extended(record(age=71 * HOURS), HOURS)
    assert extended(record(age=71 * HOURS - SECOND), HOURS).deadline == NOW + HOURS + SECOND


def test_extensions_may_use_up_the_owner_total_exactly() -> None:
    first = extended(record(), 20 * HOURS)
    assert extended(first, 4 * HOURS).extended_total == 24 * HOURS


def test_a_second_more_than_the_owner_total_is_refused_with_what_is_left() -> None:
    first = extended(record(), 20 * HOURS)
    with pytest.raises(RefusedError, match=r"4 h of 24 h are left .* it takes an exemption"):
        extended(first, 4 * HOURS + SECOND)


def test_a_run_that_is_being_stopped_is_neither_extended_nor_exempted() -> None:
    stopping = record(status=Status.STOPPING)
    with pytest.raises(RefusedError, match="too late"):
        extended(stopping, HOURS)
    with pytest.raises(RefusedError, match="too late"):
        grants.exempt(stopping, by=MARIA, until=NOW + HOURS, reason="demo day", now=NOW)


def test_a_run_that_has_not_started_has_no_deadline_to_move() -> None:
    with pytest.raises(RefusedError, match="not started"):
        extended(record(start=None, deadline=None), HOURS)


@pytest.mark.parametrize("until", [NOW + SECOND, NOW + timedelta(days=365)])
def test_an_exemption_ends_in_the_future_and_within_365_days(until: datetime) -> None:
    step = grants.exempt(record(), by=MARIA, until=until, reason=" demo day ", now=NOW)
    assert step.after is not None
    assert step.after.exemption is not None
    assert (step.after.exemption.until, step.after.exemption.reason) == (until, "demo day")
    assert step.entries[0].transition is Transition.EXEMPTED
    assert step.entries[0].actor == MARIA


@pytest.mark.parametrize("until", [NOW, NOW - SECOND, NOW + timedelta(days=365) + SECOND])
def test_an_exemption_that_ends_now_or_after_more_than_365_days_is_refused(until: datetime) -> None:
    with pytest.raises(InputError):
        grants.exempt(record(), by=MARIA, until=until, reason="demo day", now=NOW)


def test_an_exemption_without_a_reason_is_refused() -> None:
    with pytest.raises(InputError, match="reason"):
        grants.exempt(record(), by=MARIA, until=NOW + HOURS, reason="  ", now=NOW)


def hold(code: HoldCode) -> Hold:
    return Hold("hold-12345678", code, "why", NOW, "stop#key")


def test_a_release_lifts_the_cap_for_the_stop_it_held_and_nothing_else() -> None:
    before = record(hold=hold(HoldCode.CAP), status=Status.HELD)
    step = grants.release(before, by=MARIA, now=NOW)
    assert step is not None
    assert step.after == replace(before, released_key="stop#key")
    assert step.entries[0].transition is Transition.RELEASED


def test_mass_silence_is_released_and_says_what_no_longer_holds() -> None:
    step = grants.release(record(hold=hold(HoldCode.MASS_SILENCE)), by=MARIA, now=NOW)
    assert step is not None
    assert step.entries[0].reason.startswith(f"released by {MARIA}: mass silence no longer holds it")


def test_what_was_released_is_not_released_twice() -> None:
    assert grants.release(record(hold=hold(HoldCode.CAP), released_key="stop#key"), by=MARIA, now=NOW) is None


def test_a_release_for_an_earlier_stop_does_not_count_for_this_one() -> None:
    assert grants.release(record(hold=hold(HoldCode.CAP), released_key="stop#old"), by=MARIA, now=NOW) is not None


@pytest.mark.parametrize("code", [code for code in HoldCode if code not in (HoldCode.CAP, HoldCode.MASS_SILENCE)])
def test_only_a_cap_or_mass_silence_is_released_and_every_other_hold_says_what_ends_it(code: HoldCode) -> None:
    with pytest.raises(RefusedError, match=r"lifts caps and mass silence only: .+"):
        grants.release(record(hold=hold(code)), by=MARIA, now=NOW)


def test_what_is_not_held_is_not_released() -> None:
    with pytest.raises(RefusedError, match="not held"):
        grants.release(record(), by=MARIA, now=NOW)


def paused(before: Pause | None = None, *, duration: timedelta = 24 * HOURS, now: datetime = NOW) -> Pause:
    return grants.pause(before, by=MARIA, duration=duration, reason="migration", now=now).after


def test_a_pause_ends_and_its_end_is_exclusive() -> None:
    pause = paused()
    assert pause.active(NOW + 24 * HOURS - SECOND)
    assert not pause.active(NOW + 24 * HOURS)


def test_a_pause_lasts_at_most_7_days() -> None:
    assert paused(duration=timedelta(days=7)).until == NOW + timedelta(days=7)
    with pytest.raises(InputError, match="at most 7 days"):
        paused(duration=timedelta(days=7) + SECOND)


def test_a_pause_that_is_prolonged_keeps_its_beginning_and_one_that_ended_does_not() -> None:
    first = paused()
    prolonged = paused(first, now=NOW + HOURS)
    assert (prolonged.version, prolonged.since) == (2, NOW)
    again = paused(first, now=first.until)
    assert (again.version, again.since) == (2, first.until)


def test_a_resume_ends_the_pause_and_voids_notices_given_before_it() -> None:
    step = grants.resume(paused(), by=MARIA, now=NOW + HOURS)
    assert step is not None
    assert (step.after.version, step.after.until) == (2, NOW + HOURS)

    def notice(at: datetime) -> RunRecord:
        return record(notice=Notice("n", Mode.ENFORCE, NOW + HOURS, at, "", (), at, action=Action.TERMINATE))

    def counts(at: datetime) -> bool:
        return notice_in_force(notice(at), Mode.ENFORCE, Action.TERMINATE, step.after) is not None

    assert not counts(NOW + HOURS - SECOND)
    assert counts(NOW + HOURS)


def test_where_nothing_is_paused_there_is_nothing_to_resume() -> None:
    assert grants.resume(None, by=MARIA, now=NOW) is None
    pause = paused()
    assert grants.resume(pause, by=MARIA, now=pause.until) is None
    assert grants.resume(pause, by=MARIA, now=pause.until - SECOND) is not None
