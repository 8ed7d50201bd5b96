"""The dead-man's switch: is this run past its time, and may it be stopped? Boundaries come in pairs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from costwatch.core.deadman import Decision, Verdict, judge
from costwatch.core.exemptions import Exemption
from costwatch.core.model import Clock, Parent, Run, RunKind
from costwatch.core.policy import Mode, Policy, PurchaseOption
from costwatch.core.record import Extension, RunRecord, Status, StopAttempt
from costwatch.core.selection import HoldCode
from tests.support import policies
from tests.support.builders import (
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    TAGGED,
    burn,
    family,
    job,
    member,
    notice,
    pause,
    record,
    run,
    warned,
)

POLICY = policies.policy()
RUNTIME, DEADLINE, EXEMPT = "costwatch:max-runtime", "costwatch:deadline", "costwatch:exempt"


def decided(of: Run, known: RunRecord | None = None, by: Policy = POLICY, at: datetime = NOW) -> Decision:
    return judge(of, known, by, None, at)


def verdict(of: Run, known: RunRecord | None = None, by: Policy = POLICY, at: datetime = NOW) -> Verdict:
    return decided(of, known, by, at).verdict


def aged(age: timedelta, **tags: str) -> Run:
    return run(
        member(age=age, tags={**TAGGED, **{k.replace("_", ":", 1).replace("_", "-"): v for k, v in tags.items()}})
    )


# --- whether it is watched at all -----------------------------------------------------------------------------


def test_a_run_that_no_selector_picks_is_ignored() -> None:
    found = decided(run(member(tags={})))
    assert (found.verdict, found.selector) == (Verdict.IGNORE, None)


def test_a_selector_that_is_off_ignores_and_still_counts_as_picking() -> None:
    found = decided(aged(40 * HOUR), by=policies.policy(selectors=[policies.selector(mode="off")]))
    assert found.verdict is Verdict.IGNORE
    assert found.selector is not None


def test_off_at_the_top_switches_an_enforcing_selector_off() -> None:
    assert verdict(aged(40 * HOUR), by=policies.policy(mode="off")) is Verdict.IGNORE


def test_a_selectors_mode_overrides_the_default() -> None:
    assert decided(aged(HOUR), by=policies.policy(mode="observe")).mode is Mode.ENFORCE


# --- warning: warn_before ahead of the deadline ---------------------------------------------------------------


def test_one_second_before_the_warning_is_due_it_is_kept() -> None:
    assert verdict(aged(11 * HOUR - SECOND)) is Verdict.KEEP


def test_exactly_warn_before_ahead_of_the_deadline_it_is_warned() -> None:
    assert verdict(aged(11 * HOUR)) is Verdict.WARN


def test_a_run_first_seen_overdue_is_warned_and_not_stopped() -> None:
    assert verdict(aged(40 * HOUR)) is Verdict.WARN


# --- the deadline and the end of the notice -------------------------------------------------------------------


def test_a_trainer_exactly_at_its_deadline_is_still_alive() -> None:
    trainer = aged(12 * HOUR)
    assert verdict(trainer, warned(trainer, POLICY, ago=HOUR)) is Verdict.WAIT


def test_one_second_past_its_deadline_it_is_stopped() -> None:
    trainer = aged(12 * HOUR + SECOND)
    found = decided(trainer, warned(trainer, POLICY, ago=HOUR))
    assert found.verdict is Verdict.STOP
    assert found.reason.startswith("over its limit by 1 s (max_runtime 12h of selector trainers, started")


def test_exactly_at_the_end_of_its_notice_it_is_still_alive() -> None:
    trainer = aged(40 * HOUR)
    assert verdict(trainer, warned(trainer, POLICY, ago=30 * MINUTE)) is Verdict.WAIT


def test_one_second_after_the_end_of_its_notice_it_is_stopped() -> None:
    trainer = aged(40 * HOUR)
    assert verdict(trainer, warned(trainer, POLICY, ago=30 * MINUTE + SECOND)) is Verdict.STOP


def test_it_is_not_stopped_before_the_time_its_card_named() -> None:
    trainer = aged(40 * HOUR)
    known = warned(trainer, POLICY, ago=45 * MINUTE)
    assert known.notice is not None
    at_the_time = replace(known, notice=replace(known.notice, stops_at=NOW))
    passed = replace(known, notice=replace(known.notice, stops_at=NOW - SECOND))
    assert verdict(trainer, at_the_time) is Verdict.WAIT
    assert verdict(trainer, passed) is Verdict.STOP


def test_a_notice_counts_from_its_acceptance_and_not_from_its_request() -> None:
    trainer = aged(40 * HOUR)
    known = warned(trainer, POLICY, ago=10 * MINUTE)
    assert known.notice is not None
    late = replace(known, notice=replace(known.notice, requested_at=NOW - 5 * HOUR))
    assert verdict(trainer, late) is Verdict.WAIT


def test_a_longer_min_notice_counts_for_a_notice_given_before() -> None:
    trainer = aged(40 * HOUR)
    longer = policies.policy(selectors=[policies.selector(limits=policies.limits(min_notice_seconds=2 * 3600))])
    assert verdict(trainer, warned(trainer, POLICY, ago=HOUR)) is Verdict.STOP
    assert verdict(trainer, warned(trainer, POLICY, ago=HOUR), longer) is Verdict.WAIT


# --- what makes a notice void ---------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [Mode.OBSERVE, Mode.WARN])
def test_a_notice_of_another_mode_does_not_count(before: Mode) -> None:
    trainer = aged(40 * HOUR)
    known = warned(trainer, POLICY, ago=5 * HOUR)
    assert known.notice is not None
    switched = replace(known, mode=before, notice=replace(known.notice, mode=before))
    assert verdict(trainer, switched) is Verdict.WARN


def test_a_lowered_limit_is_warned_anew() -> None:
    trainer = aged(13 * HOUR)
    known = warned(trainer, POLICY, ago=5 * HOUR)
    lower = policies.policy(selectors=[policies.selector(limits=policies.limits(max_runtime_seconds=6 * 3600))])
    assert verdict(trainer, known) is Verdict.STOP
    assert verdict(trainer, known, lower) is Verdict.WARN


def test_after_a_pause_it_is_warned_anew() -> None:
    trainer = aged(40 * HOUR)
    known = warned(trainer, POLICY, ago=5 * HOUR)
    assert judge(trainer, known, POLICY, pause(until=NOW - MINUTE), NOW).verdict is Verdict.WARN
    assert judge(trainer, known, POLICY, pause(until=NOW - 5 * HOUR), NOW).verdict is Verdict.STOP


def test_a_member_that_joined_after_the_notice_makes_the_run_be_warned_anew() -> None:
    nodes = run(member("i-0a", age=40 * HOUR), member("i-0b", age=HOUR), kind=RunKind.TAGGED, name="churn")
    known = warned(nodes, POLICY, ago=5 * HOUR)
    assert known.notice is not None
    assert verdict(nodes, known) is Verdict.STOP
    found = decided(nodes, replace(known, notice=replace(known.notice, members=known.notice.members[:1])))
    assert found.verdict is Verdict.WARN
    assert "i-0b joined since the notice of" in found.reason


def test_a_run_is_warned_anew_for_joiners_only_min_notice_after_its_last_notice() -> None:
    nodes = run(member("i-0a", age=40 * HOUR), member("i-0b", age=HOUR), kind=RunKind.TAGGED, name="churn")

    def known(ago: timedelta) -> RunRecord:
        found = warned(nodes, POLICY, ago=ago)
        assert found.notice is not None
        return replace(found, notice=replace(found.notice, members=found.notice.members[:1]))

    assert verdict(nodes, known(30 * MINUTE - SECOND)) is Verdict.WAIT
    assert verdict(nodes, known(30 * MINUTE)) is Verdict.WARN


def test_what_waits_for_a_release_is_not_warned_anew_for_joiners() -> None:
    nodes = run(member("i-0a", age=40 * HOUR), member("i-0b", age=HOUR), kind=RunKind.TAGGED, name="churn")
    known = warned(nodes, POLICY, ago=5 * HOUR)
    assert known.notice is not None
    capped = replace(
        known, notice=replace(known.notice, members=known.notice.members[:1]), capped_key=decided(nodes).key
    )
    assert verdict(nodes, capped) is Verdict.HOLD
    assert verdict(nodes, replace(capped, released_key=capped.capped_key)) is Verdict.WARN


# --- pause ----------------------------------------------------------------------------------------------------


def test_a_pause_holds_until_one_second_before_its_end() -> None:
    trainer = aged(40 * HOUR)
    found = judge(trainer, None, POLICY, pause(until=NOW + SECOND), NOW)
    assert (found.verdict, found.hold, found.voids_notice) == (Verdict.HOLD, HoldCode.PAUSED, True)
    assert "user/ada" in found.reason


def test_at_its_end_a_pause_is_over() -> None:
    assert judge(aged(40 * HOUR), None, POLICY, pause(until=NOW), NOW).verdict is Verdict.WARN


def test_while_paused_nobody_is_warned() -> None:
    assert judge(aged(11 * HOUR), None, POLICY, pause(until=NOW + HOUR), NOW).verdict is Verdict.KEEP


# --- delivery -------------------------------------------------------------------------------------------------


def undelivered(trainer: Run, *, requested_ago: timedelta) -> RunRecord:
    found = decided(trainer).deadline
    assert found is not None
    given = notice(found.at, accepted_at=None, requested_at=NOW - requested_ago)
    return record(trainer, status=Status.WARNED, notice=given)


def test_a_notice_that_nothing_took_waits_until_it_would_have_been_over() -> None:
    trainer = aged(40 * HOUR)
    assert verdict(trainer, undelivered(trainer, requested_ago=30 * MINUTE)) is Verdict.WAIT


def test_a_second_later_it_is_held_as_undelivered_and_never_stopped() -> None:
    trainer = aged(40 * HOUR)
    for ago in (30 * MINUTE + SECOND, 90 * HOUR):
        found = decided(trainer, undelivered(trainer, requested_ago=ago))
        assert (found.verdict, found.hold) == (Verdict.HOLD, HoldCode.UNDELIVERED)
        assert not found.voids_notice


# --- tags -----------------------------------------------------------------------------------------------------


def test_the_max_runtime_tag_counts_from_the_start() -> None:
    found = decided(aged(HOUR, costwatch_max_runtime="2h")).deadline
    assert found is not None
    assert (found.at, found.rule) == (NOW + HOUR, "max-runtime tag 2h")


def test_the_deadline_tag_beats_the_max_runtime_tag() -> None:
    found = decided(aged(HOUR, costwatch_max_runtime="2h", costwatch_deadline="2026-11-22T20:00:00Z")).deadline
    assert found is not None
    assert (found.at, found.rule) == (NOW + 11 * HOUR, "deadline tag")


@pytest.mark.parametrize("tags", [{"costwatch_max_runtime": "300h"}, {"costwatch_deadline": "2027-06-01T00:00:00Z"}])
def test_no_tag_moves_the_deadline_past_the_hard_cap(tags: dict[str, str]) -> None:
    found = decided(aged(HOUR, **tags)).deadline
    assert found is not None
    assert (found.at, found.rule) == (NOW + 71 * HOUR, "hard cap 72h")


@pytest.mark.parametrize(
    "tags",
    [{"costwatch_max_runtime": "12"}, {"costwatch_max_runtime": "banana"}, {"costwatch_deadline": "yesterday"},
     {"costwatch_deadline": "2020-01-01T00:00:00"}, {"costwatch_deadline": "0001-01-01T00:00:00Z"},
     {"costwatch_max_runtime": "1h", "costwatch_deadline": "soon"}],
)  # fmt: skip
def test_a_malformed_tag_leaves_the_hard_cap_as_the_only_limit(tags: dict[str, str]) -> None:
    assert verdict(aged(71 * HOUR - SECOND, **tags)) is Verdict.KEEP
    at_the_cap = aged(72 * HOUR, **tags)
    beyond = aged(72 * HOUR + SECOND, **tags)
    assert verdict(at_the_cap, warned(at_the_cap, POLICY, ago=HOUR)) is Verdict.WAIT
    assert verdict(beyond, warned(beyond, POLICY, ago=HOUR)) is Verdict.STOP
    assert decided(beyond).malformed != ()


def test_a_tag_that_becomes_malformed_never_makes_the_stop_come_sooner() -> None:
    good, bad = aged(30 * HOUR, costwatch_max_runtime="40h"), aged(30 * HOUR, costwatch_max_runtime="40")
    sooner, later = decided(good).deadline, decided(bad).deadline
    assert sooner is not None
    assert later is not None
    assert later.at > sooner.at


# --- extension and the hard cap -------------------------------------------------------------------------------


def extended(of: Run, until: datetime) -> RunRecord:
    return record(of, extensions=(Extension("maria", NOW - HOUR, 4 * HOUR, until),))


def test_an_extension_moves_the_deadline_and_its_boundary() -> None:
    trainer = aged(13 * HOUR)
    found = decided(trainer, extended(trainer, NOW)).deadline
    assert found is not None
    assert (found.at, found.rule) == (NOW, "max_runtime 12h of selector trainers, extended")
    given = notice(NOW, accepted_at=NOW - 2 * HOUR)
    at_its_end = replace(extended(trainer, NOW), notice=given)
    over = replace(extended(trainer, NOW - SECOND), notice=replace(given, deadline=NOW - SECOND))
    assert verdict(trainer, at_its_end) is Verdict.WAIT
    assert verdict(trainer, over) is Verdict.STOP


def test_after_an_extension_the_old_notice_does_not_count() -> None:
    trainer = aged(13 * HOUR)
    known = replace(warned(trainer, POLICY, ago=2 * HOUR), extensions=extended(trainer, NOW - SECOND).extensions)
    assert verdict(trainer, known) is Verdict.WARN


def test_no_extension_passes_the_hard_cap() -> None:
    trainer = aged(71 * HOUR)
    found = decided(trainer, extended(trainer, NOW + 50 * HOUR)).deadline
    assert found is not None
    assert found.at == NOW + HOUR == found.hard_cap_at


def test_an_extension_that_ends_before_the_deadline_moves_nothing() -> None:
    trainer = aged(HOUR)
    found = decided(trainer, extended(trainer, NOW + HOUR)).deadline
    assert found is not None
    assert found.at == NOW + 11 * HOUR


# --- exemption ------------------------------------------------------------------------------------------------


def test_an_exempt_run_is_kept_past_everything_the_hard_cap_too() -> None:
    trainer = aged(200 * HOUR, costwatch_exempt="until 2026-11-22T09:00:01Z")
    found = decided(trainer, warned(aged(200 * HOUR), POLICY, ago=5 * HOUR))
    assert (found.verdict, found.voids_notice) == (Verdict.KEEP, True)


def test_at_its_end_an_exemption_is_over_and_the_run_is_warned_anew() -> None:
    assert verdict(aged(200 * HOUR, costwatch_exempt="until 2026-11-22T09:00:00Z")) is Verdict.WARN


def test_an_exemption_for_a_reason_lasts_seven_days_from_when_it_was_first_seen() -> None:
    trainer = aged(200 * HOUR, costwatch_exempt="paper deadline")
    seen = record(trainer, exempt_tags=(("paper deadline", NOW - timedelta(days=7) + SECOND),))
    over = record(trainer, exempt_tags=(("paper deadline", NOW - timedelta(days=7)),))
    assert verdict(trainer) is Verdict.KEEP
    assert verdict(trainer, seen) is Verdict.KEEP
    assert verdict(trainer, over) is Verdict.WARN


def test_an_exempt_tag_until_a_far_year_ends_365_days_after_it_was_first_seen() -> None:
    forever = "until 9998-01-01T00:00:00Z"
    trainer = aged(200 * HOUR, costwatch_exempt=forever)
    seen = record(trainer, exempt_tags=((forever, NOW - timedelta(days=365) + SECOND),))
    over = record(trainer, exempt_tags=((forever, NOW - timedelta(days=365)),))
    assert decided(trainer).reason == f"exempt by tag until 2027-11-22T09:00:00Z: {forever}"
    assert verdict(trainer, seen) is Verdict.KEEP
    assert verdict(trainer, over) is Verdict.WARN


def test_an_exemption_by_command_ends_exactly_at_its_time() -> None:
    trainer = aged(200 * HOUR)
    going_on = replace(trainer, exemption=Exemption("ada", NOW - HOUR, NOW + SECOND, "demo"))
    over = replace(trainer, exemption=Exemption("ada", NOW - HOUR, NOW, "demo"))
    assert decided(going_on).reason == "exempt until 2026-11-22T09:00:01Z by ada: demo"
    assert verdict(over) is Verdict.WARN


def test_an_exemption_of_before_that_stands_in_its_record_alone_counts_and_a_repetition_does_not() -> None:
    trainer = aged(200 * HOUR)
    granted = Exemption("ada", NOW - HOUR, NOW + SECOND, "demo")
    assert verdict(trainer, record(trainer, exemption=replace(granted, of_record=True))) is Verdict.KEEP
    assert verdict(trainer, record(trainer, exemption=replace(granted, of_record=True, until=NOW))) is Verdict.WARN
    assert verdict(trainer, record(trainer, exemption=granted)) is Verdict.WARN


def test_an_exemption_beats_protection_in_what_is_said_and_neither_stops() -> None:
    protected = run(member(age=40 * HOUR, tags={**TAGGED, EXEMPT: "x", "costwatch:never": ""}))
    assert verdict(protected) is Verdict.KEEP


# --- what must not be stopped ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (member(age=40 * HOUR, tags={**TAGGED, "costwatch:never": ""}), HoldCode.NEVER),
        (member(age=40 * HOUR, tags=None), HoldCode.UNPROVABLE),
        (member(age=40 * HOUR, termination_protection=True), HoldCode.TERMINATION_PROTECTION),
        (member(age=40 * HOUR, parent=Parent(RunKind.ASG, "a", "Auto Scaling group a")), HoldCode.PARENT),
        (member(age=40 * HOUR, purchase=PurchaseOption.SPOT, spot_request_id="sir-1"), HoldCode.UNPROVABLE),
    ],
)
def test_what_is_overdue_and_must_not_be_stopped_is_held_and_not_warned(held: Any, code: HoldCode) -> None:
    found = decided(run(held))
    assert (found.verdict, found.hold) == (Verdict.HOLD, code)
    assert ", held: " in found.reason


def test_before_its_time_is_up_it_is_kept_and_said_that_it_would_be_held() -> None:
    found = decided(run(member(age=HOUR, tags={**TAGGED, "costwatch:never": ""})))
    assert (found.verdict, found.hold) == (Verdict.KEEP, None)
    assert "would be held" in found.reason


def test_an_instance_whose_start_nothing_shows_is_held() -> None:
    found = decided(run(member(age=None)))
    assert (found.verdict, found.hold) == (Verdict.HOLD, HoldCode.UNPROVABLE)
    assert found.reason == "nothing shows since when i-0a runs"


def test_one_member_of_unknown_age_holds_the_whole_run() -> None:
    both = run(member("i-1", age=40 * HOUR), member("i-2", age=None), kind=RunKind.TAGGED, name="churn")
    assert decided(both).hold is HoldCode.UNPROVABLE


def test_an_instance_that_is_pending_has_not_started_yet() -> None:
    clock = Clock(None, "LaunchTime", NOW, "attach time")
    assert decided(run(member(state="pending", clock=clock))).reason == "it has not started yet"


def test_prepaid_capacity_is_not_picked_unless_named() -> None:
    prepaid = run(member(age=40 * HOUR, purchase=PurchaseOption.CAPACITY_BLOCK))
    named = policies.policy(selectors=[policies.selector(purchase="capacity_block")])
    assert verdict(prepaid) is Verdict.IGNORE
    assert verdict(prepaid, by=named) is Verdict.WARN


# --- training jobs --------------------------------------------------------------------------------------------

JOBS = policies.policy(selectors=[policies.selector(service="training")])


def test_a_job_that_was_created_and_has_not_started_is_kept() -> None:
    assert decided(run(job(age=None)), by=JOBS).reason == "it has not started yet"


def test_a_job_that_uploads_its_model_is_left_whatever_its_time() -> None:
    uploading = run(job(age=40 * HOUR, phase="Uploading"))
    assert verdict(uploading, warned(run(job(age=40 * HOUR)), JOBS, ago=5 * HOUR), JOBS) is Verdict.KEEP


def test_an_overdue_job_that_was_warned_is_stopped() -> None:
    late = run(job(age=40 * HOUR))
    assert verdict(late, warned(late, JOBS, ago=5 * HOUR), JOBS) is Verdict.STOP


# --- a job with children --------------------------------------------------------------------------------------

TUNING = policies.policy(selectors=[policies.selector(service="tuning")])


def test_a_family_is_overdue_by_the_age_of_its_head_alone() -> None:
    at_limit = family(age=12 * HOUR, child_age=40 * HOUR)
    assert verdict(at_limit, warned(at_limit, TUNING, ago=5 * HOUR), TUNING) is Verdict.WAIT
    past = family(age=12 * HOUR + SECOND, child_age=MINUTE)
    assert verdict(past, warned(past, TUNING, ago=5 * HOUR), TUNING) is Verdict.STOP


def test_a_due_family_waits_for_a_child_that_uploads_and_keeps_its_notice() -> None:
    late = family(age=40 * HOUR, phases=("Uploading",))
    found = decided(late, warned(late, TUNING, ago=5 * HOUR), TUNING)
    assert (found.verdict, found.voids_notice) == (Verdict.WAIT, False)
    assert found.reason == "due; search-0 is left to finish uploading its model first, up to the hard cap"


def test_an_upload_keeps_no_family_from_being_warned() -> None:
    assert verdict(family(age=40 * HOUR, phases=("Uploading",)), None, TUNING) is Verdict.WARN


@pytest.mark.parametrize(("past", "expected"), [(timedelta(0), Verdict.WAIT), (SECOND, Verdict.STOP)])
def test_at_the_hard_cap_a_family_waits_for_an_upload_and_past_it_no_more(past: timedelta, expected: Verdict) -> None:
    late = family(age=72 * HOUR + past, phases=("Uploading",))
    assert verdict(late, warned(late, TUNING, ago=5 * HOUR), TUNING) is expected


def test_a_family_whose_head_could_not_be_read_is_held_and_its_notice_stays() -> None:
    whole = family(age=40 * HOUR)
    lost = Clock(None, "CreationTime", None, "CreationTime")
    found = decided(family(age=40 * HOUR, tags=None, clock=lost, state="unknown"),
                    warned(whole, TUNING, ago=5 * HOUR), TUNING)  # fmt: skip
    assert (found.verdict, found.hold, found.voids_notice) == (Verdict.HOLD, HoldCode.UNPROVABLE, False)


# --- the job's own limit --------------------------------------------------------------------------------------

DECLARED = policies.policy(selectors=[policies.selector(service="training",
                                                        limits={**policies.limits(), "declared": True})])  # fmt: skip


def test_a_job_at_its_own_limit_is_not_overdue_and_a_second_past_it_is() -> None:
    for past, expected in ((timedelta(0), Verdict.WAIT), (SECOND, Verdict.STOP)):
        late = run(job(age=20 * HOUR + past, declared_limit=20 * HOUR))
        assert verdict(late, warned(late, DECLARED, ago=5 * HOUR), DECLARED) is expected


def test_its_own_limit_is_the_rule_that_is_told() -> None:
    found = decided(run(job(age=20 * HOUR, declared_limit=21 * HOUR)), None, DECLARED)
    assert found.deadline is not None
    assert found.deadline.rule == "its own MaxRuntimeInSeconds 21h"


def test_a_max_runtime_tag_comes_before_its_own_limit() -> None:
    tagged = run(job(age=20 * HOUR, declared_limit=40 * HOUR, tags={**TAGGED, RUNTIME: "21h"}))
    found = decided(tagged, None, DECLARED)
    assert found.deadline is not None
    assert found.deadline.rule == "max-runtime tag 21h"


# --- caps, observe and keys -----------------------------------------------------------------------------------


def test_what_a_cap_held_waits_for_a_release_of_exactly_this_stop() -> None:
    late = aged(40 * HOUR)
    known = warned(late, POLICY, ago=5 * HOUR)
    key = decided(late, known).key
    assert decided(late, replace(known, capped_key=key)).hold is HoldCode.CAP
    assert verdict(late, replace(known, capped_key=key, released_key=key)) is Verdict.STOP
    assert verdict(late, replace(known, capped_key=key, released_key="stop#other")) is Verdict.HOLD
    assert verdict(late, replace(known, capped_key="stop#other")) is Verdict.STOP


def test_observe_comes_to_a_stop_and_then_waits_for_what_really_happens() -> None:
    observing = policies.policy(selectors=[policies.selector(mode="observe")])
    late = aged(40 * HOUR)
    known = warned(late, observing, ago=5 * HOUR)
    found = decided(late, known, observing)
    assert (found.verdict, found.mode) == (Verdict.STOP, Mode.OBSERVE)
    claimed = StopAttempt(found.key, "w", 1, NOW, ("i-0a",))
    would = replace(known, status=Status.WOULD_STOP, stop=claimed, would_stop_at=NOW)
    assert verdict(late, would, observing) is Verdict.WAIT


def test_the_key_of_a_stop_is_made_of_facts_and_names_the_mode() -> None:
    late = aged(40 * HOUR)
    one, again = decided(late), decided(late, at=NOW + MINUTE)
    assert one.key == again.key
    assert one.key.startswith("stop#enforce#111122223333/us-east-1/instance/i-0a#2026-11-20T17:00:00Z#")
    observing = policies.policy(selectors=[policies.selector(mode="observe")])
    assert decided(late, by=observing).key != one.key


def test_the_sentence_of_a_hold_does_not_change_with_time() -> None:
    never = run(member(age=40 * HOUR, tags={**TAGGED, "costwatch:never": ""}))
    assert decided(never).reason == decided(never, at=NOW + 3 * HOUR).reason


def test_a_run_without_a_price_is_judged_by_its_time_alone() -> None:
    late = aged(40 * HOUR)
    assert burn(None).hourly_rate_usd is None
    unpriced = replace(warned(late, POLICY, ago=5 * HOUR), hourly_rate_usd=None)
    assert verdict(late, unpriced) is Verdict.STOP
