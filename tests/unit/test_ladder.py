"""The ladder as data: each transition is recorded and told once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from costwatch.core import endings, ladder, stopping
from costwatch.core.deadman import judge
from costwatch.core.messages import Audience, MessageKind
from costwatch.core.model import Run, RunKind
from costwatch.core.policy import Mode, Policy
from costwatch.core.record import Hold, RunRecord, Status, StopAttempt, Transition
from costwatch.core.run_cost import Outcome, RunCost, cost_of
from costwatch.core.selection import HoldCode
from costwatch.core.step import Step
from tests.support import policies
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, TAGGED, burn, job, member, pause, record, run, warned

POLICY = policies.policy()
OBSERVE = policies.policy(selectors=[policies.selector(mode="observe")])
WARN = policies.policy(selectors=[policies.selector(mode="warn")])
LATE = run(member(age=40 * HOUR))
RUNTIME = "costwatch:max-runtime"


def observed(of: Run, known: RunRecord | None = None, by: Policy = POLICY, **more: object) -> Step | None:
    paused = pause(until=NOW + HOUR) if more.get("paused") else None
    decision = judge(of, known, by, paused, NOW)
    return ladder.observe(of, known, decision, policy=by, origin="deployed", burn=burn(), now=NOW)


def step(of: Run, known: RunRecord | None = None, by: Policy = POLICY, **more: object) -> Step:
    found = observed(of, known, by, **more)
    assert found is not None
    return found


def after(found: Step | None) -> RunRecord:
    """What the ledger holds once the step is saved."""
    assert found is not None
    assert found.after is not None
    return replace(found.after, version=found.version)


def transitions(found: Step | None) -> list[Transition]:
    return [entry.transition for entry in found.entries] if found else []


def kinds(found: Step | None) -> list[MessageKind]:
    return [message.kind for message in found.messages] if found else []


def due(known: RunRecord | None = None, by: Policy = POLICY, **changes: object) -> RunRecord:
    return replace(known or warned(LATE, by, ago=5 * HOUR), **changes)  # type: ignore[arg-type]


def claimed(known: RunRecord | None = None, by: Policy = POLICY) -> Step:
    waiting = known or due(by=by)
    decision = judge(LATE, waiting, by, None, NOW)
    return stopping.claim(LATE, waiting, decision, owner="worker-1", lease=6 * MINUTE, now=NOW)


# --- first seen -----------------------------------------------------------------------------------------------


def test_a_young_run_is_recorded_with_the_evidence_of_its_clock_and_nothing_is_said() -> None:
    found = step(run(member(age=HOUR)))
    assert transitions(found) == [Transition.FIRST_SEEN]
    assert kinds(found) == []
    assert found.version == 1
    assert after(found).clock_evidence == "running since 2026-11-22T08:00:00Z (LaunchTime of i-0a)"


def test_a_restarted_instance_shows_both_clocks() -> None:
    known = member(age=HOUR)
    restarted = run(replace(known, clock=replace(known.clock, exists_since=NOW - 50 * HOUR)))
    evidence = after(step(restarted)).clock_evidence
    assert "running since 2026-11-22T08:00:00Z (LaunchTime of i-0a)" in evidence
    assert "exists since 2026-11-20T07:00:00Z (attach time of the primary network interface)" in evidence


def test_what_did_not_change_is_not_written() -> None:
    young = run(member(age=HOUR))
    assert observed(young, after(step(young))) is None


def test_the_owner_is_read_afresh_since_tags_may_come_late_and_owners_change() -> None:
    before = after(step(run(member(age=11 * HOUR - SECOND, tags=TAGGED))))
    assert before.owner == ""
    found = step(run(member(age=11 * HOUR, tags={**TAGGED, "owner": "ada@example.com", "team": "risk"})),
                 replace(before, start=NOW - 11 * HOUR))  # fmt: skip
    assert kinds(found) == [MessageKind.WARNING]
    assert (found.messages[0].facts["owner"], found.messages[0].facts["team"]) == ("ada@example.com", "risk")


def test_unreadable_tags_do_not_forget_the_owner() -> None:
    known = record(run(member(age=HOUR)))
    assert after(step(run(member(age=HOUR, tags=None)), known)).owner == known.owner


# --- warned ---------------------------------------------------------------------------------------------------


def test_a_warning_is_recorded_told_to_the_owner_and_does_not_count_yet() -> None:
    found = step(LATE)
    assert transitions(found) == [Transition.FIRST_SEEN, Transition.WARNED]
    assert [(m.kind, m.audience) for m in found.messages] == [(MessageKind.WARNING, Audience.OWNER)]
    given = after(found).notice
    assert given is not None
    assert given.accepted_at is None
    assert after(found).status is Status.WARNED


def test_in_observe_a_notice_is_simulated_as_accepted_and_nobody_hears_of_it() -> None:
    found = step(LATE, by=OBSERVE)
    assert kinds(found) == []
    given = after(found).notice
    assert given is not None
    assert (given.accepted_at, given.via) == (NOW, "simulation")
    assert found.entries[-1].reason.startswith("would be warned: ")


def test_a_notice_counts_from_its_acceptance() -> None:
    found = step(LATE)
    message = found.messages[0]
    accepted = ladder.notice_accepted(after(found), message, via="Slack", stops_at=NOW + HOUR, now=NOW + MINUTE)
    assert transitions(accepted) == [Transition.NOTICE_ACCEPTED]
    given = after(accepted).notice
    assert given is not None
    assert (given.accepted_at, given.stops_at) == (NOW + MINUTE, NOW + HOUR)


def test_a_delivery_for_an_older_notice_counts_for_nothing() -> None:
    first = step(LATE)
    known = after(first)
    assert known.notice is not None
    other = replace(known, notice=replace(known.notice, id="notice#another"))
    assert ladder.notice_accepted(other, first.messages[0], via="Slack", stops_at=NOW, now=NOW) is None
    assert (
        ladder.notice_accepted(replace(known, notice=None), first.messages[0], via="x", stops_at=NOW, now=NOW) is None
    )


def test_the_messages_and_notices_of_two_episodes_never_share_an_id() -> None:
    again = run(member(age=39 * HOUR))
    one, other = step(LATE), ladder.observe(
        again, None, judge(again, None, POLICY, None, NOW + SECOND), policy=POLICY, origin="deployed", burn=burn(),
        now=NOW + SECOND,
    )  # fmt: skip
    assert other is not None
    assert one.messages[0].id != other.messages[0].id
    assert one.messages[0].facts["notice"] != other.messages[0].facts["notice"]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, NOW + 30 * MINUTE), (1, NOW + 31 * MINUTE), (59, NOW + 31 * MINUTE)]
)
def test_the_time_a_card_names_is_rounded_up_to_the_full_minute(seconds: int, expected: object) -> None:
    asked = NOW + timedelta(seconds=seconds)
    assert ladder.stops_at_earliest(NOW - HOUR, 30 * MINUTE, asked) == expected


def test_a_switch_to_enforce_forgets_what_was_said_and_held_in_observe() -> None:
    observing = warned(LATE, OBSERVE, ago=5 * HOUR, would_stop_at=NOW, malformed_told=("x",))
    found = step(LATE, observing)
    assert transitions(found) == [Transition.MODE_CHANGED, Transition.WARNED]
    switched = after(found)
    assert switched.notice is not None
    assert (switched.mode, switched.notice.mode, switched.would_stop_at) == (Mode.ENFORCE, Mode.ENFORCE, None)
    assert switched.malformed_told == ()


# --- held -----------------------------------------------------------------------------------------------------

NEVER = run(member(age=40 * HOUR, tags={**TAGGED, "costwatch:never": ""}))


def test_a_hold_has_an_id_and_is_told_to_the_platform_once() -> None:
    found = step(NEVER)
    assert transitions(found) == [Transition.FIRST_SEEN, Transition.HELD]
    assert [(m.kind, m.audience) for m in found.messages] == [(MessageKind.HELD, Audience.PLATFORM)]
    hold = after(found).hold
    assert hold is not None
    assert hold.id == found.messages[0].facts["hold"]
    assert observed(NEVER, after(found)) is None, "the same reason is not told again"


def test_a_hold_for_the_same_kind_of_reason_is_not_told_again_and_the_timeline_has_its_new_sentence() -> None:
    held = after(step(NEVER))
    older = run(member(age=40 * HOUR, tags={**TAGGED, "costwatch:never": ""}),
                member("i-0b", age=50 * HOUR, tags=TAGGED), kind=RunKind.TAGGED)  # fmt: skip
    found = step(older, replace(held, run_id=older.id))
    assert (transitions(found), kinds(found)) == ([Transition.HELD], [])
    hold = after(found).hold
    assert hold is not None
    assert held.hold is not None
    assert (hold.id, hold.since) == (held.hold.id, held.hold.since)
    assert hold.reason == found.entries[0].reason != held.hold.reason


def test_a_stop_that_failed_and_is_held_then_is_told_as_held_though_both_have_one_code() -> None:
    failure = Hold("hold-1", HoldCode.UNPROVABLE, "AccessDenied", NOW - HOUR, "stop#1")
    unknown = run(member(age=40 * HOUR, tags=None))
    known = replace(record(unknown), status=Status.FAILED, hold=failure)
    found = step(unknown, known)
    assert kinds(found) == [MessageKind.HELD]
    hold = after(found).hold
    assert hold is not None
    assert hold.code is HoldCode.UNPROVABLE
    assert hold.id != failure.id


def test_what_a_cap_holds_under_another_key_waits_for_a_release_of_its_own() -> None:
    known = due()
    decision = judge(LATE, known, POLICY, None, NOW)
    first = ladder.capped(known, decision, "5 a sweep", NOW)
    again = ladder.capped(after(first), replace(decision, key=f"{decision.key}-moved"), "5 a sweep", NOW)
    assert kinds(again) == [MessageKind.HELD]
    assert after(again).hold != after(first).hold


def test_a_hold_whose_reason_changes_is_told_again() -> None:
    held = after(step(NEVER))
    assert observed(NEVER, held, paused=True) is None, "the most binding reason is still the same"
    assert kinds(step(LATE, held, paused=True)) == [MessageKind.HELD]


def test_what_was_held_is_warned_anew_when_nothing_holds_it_any_more() -> None:
    found = step(LATE, after(step(NEVER)))
    assert kinds(found) == [MessageKind.WARNING]
    assert after(found).hold is None


def test_a_hold_that_people_could_rely_on_voids_the_notice() -> None:
    found = step(NEVER, warned(LATE, POLICY, ago=5 * HOUR))
    assert after(found).notice is None


def test_in_observe_a_hold_is_recorded_and_not_told() -> None:
    found = step(NEVER, by=OBSERVE)
    assert transitions(found)[-1] is Transition.HELD
    assert kinds(found) == []


def test_an_extended_run_stands_down_and_its_old_notice_is_gone() -> None:
    young = run(member(age=2 * HOUR))
    found = step(young, replace(warned(LATE, POLICY, ago=HOUR), start=young.start))
    assert transitions(found) == [Transition.STANDS_DOWN]
    assert (after(found).status, after(found).notice) == (Status.RUNNING, None)


# --- malformed tags -------------------------------------------------------------------------------------------


def test_a_malformed_tag_is_told_to_the_owner_once() -> None:
    young = run(member(age=HOUR, tags={**TAGGED, RUNTIME: "12"}))
    found = step(young)
    assert [(m.kind, m.audience) for m in found.messages] == [(MessageKind.MALFORMED_TAG, Audience.OWNER)]
    assert "no unit" in found.messages[0].facts["problem"]
    assert observed(young, after(found)) is None


def test_another_malformed_value_is_told_again() -> None:
    known = after(step(run(member(age=HOUR, tags={**TAGGED, RUNTIME: "12"}))))
    assert kinds(step(run(member(age=HOUR, tags={**TAGGED, RUNTIME: "13"})), known)) == [MessageKind.MALFORMED_TAG]


def test_in_observe_a_malformed_tag_is_recorded_and_not_told() -> None:
    found = step(run(member(age=HOUR, tags={**TAGGED, RUNTIME: "12"})), by=OBSERVE)
    assert Transition.MALFORMED_TAG in transitions(found)
    assert kinds(found) == []


def test_sixty_malformed_tags_are_told_over_several_sweeps_since_a_transaction_is_limited() -> None:
    many = run(
        *(member(f"i-{n:02}", age=HOUR, tags={**TAGGED, RUNTIME: "y" * 100 + str(n)}) for n in range(60)),
        kind=RunKind.TAGGED, name="churn",
    )  # fmt: skip
    told: set[str] = set()
    known: RunRecord | None = None
    while (found := observed(many, known)) is not None:
        ids = [message.id for message in found.messages]
        assert len(set(ids)) == len(ids)
        assert len(found.entries) + len(ids) < 90
        told.update(ids)
        known = after(found)
    assert len(told) == 60


# --- claims ---------------------------------------------------------------------------------------------------


def test_a_claim_in_enforce_is_a_lease_over_the_members_and_says_nothing_yet() -> None:
    found = claimed()
    assert transitions(found) == [Transition.DUE, Transition.STOPPING]
    assert kinds(found) == []
    stop = after(found).stop
    assert stop is not None
    assert (stop.owner, stop.attempt, stop.lease_until, stop.members) == ("worker-1", 1, NOW + 6 * MINUTE, ("i-0a",))
    assert stop.requested_at is None


def test_a_second_attempt_is_counted_and_is_due_only_once() -> None:
    again = claimed(after(claimed()))
    assert transitions(again) == [Transition.STOPPING]
    assert again.entries[0].reason == "stopping i-0a, attempt 2"


@pytest.mark.parametrize(("by", "said"), [(OBSERVE, []), (WARN, [MessageKind.WOULD_STOP])])
def test_without_enforce_the_ledger_says_would_stop(by: Policy, said: list[MessageKind]) -> None:
    found = claimed(by=by)
    assert transitions(found) == [Transition.DUE, Transition.WOULD_STOP]
    assert kinds(found) == said
    assert (after(found).status, after(found).would_stop_at) == (Status.WOULD_STOP, NOW)


def test_a_cap_holds_under_the_key_that_was_due_and_is_told_once() -> None:
    waiting = due()
    decision = judge(LATE, waiting, POLICY, None, NOW)
    found = ladder.capped(waiting, decision, "blast_cap.runs (5 a sweep)", NOW)
    assert kinds(found) == [MessageKind.HELD]
    held = after(found)
    assert held.hold is not None
    assert (held.hold.code, held.capped_key, held.notice) == (HoldCode.CAP, decision.key, waiting.notice)
    assert kinds(observed(LATE, held)) == []
    assert ladder.capped(held, decision, "blast_cap.runs (5 a sweep)", NOW + HOUR) is None


def test_a_cap_still_waits_for_its_release_after_something_else_held_for_a_moment() -> None:
    waiting = due()
    held = after(ladder.capped(waiting, judge(LATE, waiting, POLICY, None, NOW), "blast_cap.runs", NOW))
    unreadable = step(run(member(age=40 * HOUR, tags=None)), held)
    assert after(unreadable).hold is not None
    readable_again = step(LATE, after(unreadable))
    assert transitions(readable_again) == [Transition.HELD]
    found = after(readable_again)
    assert found.hold is not None
    assert found.hold.code is HoldCode.CAP


def test_the_last_look_before_the_act_gives_the_claim_back() -> None:
    taken = after(claimed())
    extended = judge(run(member(age=HOUR)), replace(taken, start=NOW - HOUR), POLICY, None, NOW)
    found = stopping.stood_down(taken, extended, NOW + SECOND)
    stop = after(found).stop
    assert stop is not None
    assert stop.lease_until == NOW + SECOND
    assert transitions(found) == [Transition.STANDS_DOWN]


# --- what came of it ------------------------------------------------------------------------------------------


def test_a_stop_is_told_to_the_owner_and_to_pipelines_with_what_was_seen() -> None:
    found = stopping.stop_requested(after(claimed()), NOW, seen="i-0a shutting-down")
    card, event = found.messages
    assert (card.kind, card.audience, card.facts["seen"]) == (MessageKind.STOPPED, Audience.OWNER, "i-0a shutting-down")
    detail = json.loads(event.facts["event"])
    assert (event.kind, event.audience) == (MessageKind.RUN_STOPPED, Audience.BUS)
    assert (detail["final"], detail["reason"], detail["spent_usd"]) == (True, "i-0a shutting-down", "878.31")
    assert after(found).status is Status.STOPPING, "not final before it is verified"
    assert dict(found.entries[0].evidence)["spent_usd"] == "878.31"


def test_a_failed_stop_is_told_once_and_again_only_when_its_reason_changes() -> None:
    failed = stopping.failed(after(claimed()), "denied", NOW)
    assert kinds(failed) == [MessageKind.FAILED]
    again = after(claimed(after(failed)))
    same = stopping.failed(again, "denied", NOW + 5 * MINUTE)
    assert same is not None
    assert (kinds(same), transitions(same), after(same).status) == ([], [], Status.FAILED)
    other = stopping.failed(after(claimed(after(same))), "throttled", NOW + 10 * MINUTE)
    assert kinds(other) == [MessageKind.FAILED]


def test_a_failed_stop_gives_its_lease_back() -> None:
    stop = after(stopping.failed(after(claimed()), "denied", NOW + SECOND)).stop
    assert stop is not None
    assert stop.lease_until == NOW + SECOND


def test_a_failed_stop_that_succeeds_later_forgets_its_failure() -> None:
    retried = after(claimed(after(stopping.failed(after(claimed()), "denied", NOW))))
    assert after(stopping.stop_requested(retried, NOW, seen="gone")).hold is None


def test_verified_gone_ends_the_record_and_says_which_burn_stopped() -> None:
    stopped = after(stopping.stop_requested(after(claimed()), NOW, seen="gone"))
    first_look = stopping.gone_once(stopped, NOW)
    assert (first_look.entries, after(first_look).stop.gone_since) == ((), NOW)  # type: ignore[union-attr]
    found = endings.verified(after(first_look), NOW, cost=cost(after(first_look), NOW))
    assert found.after is None
    assert found.entries[0].reason == "verified gone, nothing came back; burn stopped: $21.96/h"


def test_a_burn_without_a_price_is_unknown_and_never_zero() -> None:
    stopped = replace(after(stopping.stop_requested(after(claimed()), NOW, seen="gone")), hourly_rate_usd=None)
    found = endings.verified(stopped, NOW, cost=cost(stopped, NOW))
    assert found.entries[0].reason.endswith("burn stopped: rate unknown (no price)")
    assert dict(found.entries[0].evidence)["spent_usd"] == "unknown"


def test_what_came_back_is_said_loudly_and_ends_this_episode() -> None:
    claim = after(claimed())
    found = endings.came_back(claim, "spot request sir-1 launched i-0b", NOW, cost(claim, NOW))
    assert transitions(found) == [Transition.CAME_BACK, Transition.SUPERSEDED]
    assert [(m.kind, m.audience) for m in found.messages] == [(MessageKind.CAME_BACK, Audience.PLATFORM)]
    assert found.after is None


def cost(of: RunRecord, at: datetime) -> RunCost:
    return cost_of(of, ended_at=at, outcome=Outcome.ENDED, actual=None)


def closed(of: RunRecord, at: datetime, *, finished: bool, how: str, now: datetime) -> Step:
    return endings.ended(of, ended_at=at, finished=finished, how=how, now=now, cost=cost(of, at))


# --- would-haves are closed with what really happened ---------------------------------------------------------


def would_have() -> RunRecord:
    return after(claimed(by=OBSERVE))


def test_a_would_have_that_finished_by_itself_says_what_work_it_would_have_destroyed() -> None:
    found = closed(would_have(), NOW + 40 * MINUTE, finished=True, how="Completed", now=NOW + HOUR)
    assert found.entries[0].reason == "finished by itself 40 min later: would have destroyed $878.31 of work"


def test_a_would_have_that_ran_on_says_what_that_cost() -> None:
    found = closed(would_have(), NOW + 31 * HOUR, finished=False, how="terminated", now=NOW + 32 * HOUR)
    assert found.entries[0].reason == "ran 31 h more: $680.69 (terminated)"


def test_a_would_have_without_a_price_never_says_zero_dollars() -> None:
    unpriced = replace(would_have(), hourly_rate_usd=None)
    finished = closed(unpriced, NOW + HOUR, finished=True, how="", now=NOW + HOUR)
    ran_on = closed(unpriced, NOW + HOUR, finished=False, how="terminated", now=NOW + HOUR)
    assert "work of unknown cost" in finished.entries[0].reason
    assert ran_on.entries[0].reason == "ran 1 h more: unknown (terminated)"


def test_an_end_before_the_would_have_counts_as_no_time_and_not_as_a_negative_one() -> None:
    found = closed(would_have(), NOW - HOUR, finished=False, how="terminated", now=NOW)
    assert found.entries[0].reason == "ran 0 s more: $0.00 (terminated)"


def test_an_ordinary_end_is_just_recorded() -> None:
    known = record(run(job(age=HOUR)))
    found = closed(known, NOW, finished=True, how="churn Completed", now=NOW)
    assert (transitions(found), kinds(found), found.after) == ([Transition.ENDED_BY_ITSELF], [], None)
    assert found.entries[0].reason == "ended by itself: churn Completed"


def test_the_evidence_of_an_entry_names_selector_deadline_and_start() -> None:
    found = step(LATE)
    assert dict(found.entries[-1].evidence) == {
        "selector": "trainers",
        "deadline": "2026-11-21T05:00:00Z",
        "started": "2026-11-20T17:00:00Z",
    }
    assert isinstance(after(claimed()).stop, StopAttempt)


@pytest.mark.parametrize(
    ("done_at", "told"),
    [
        (NOW + timedelta(seconds=1), "finished by itself 1 h later: would have destroyed $878.31 of work"),
        (NOW, "ran 1 h more: $21.96 (terminated; its work was done before)"),
    ],
)
def test_what_was_done_in_the_moment_of_the_would_have_had_nothing_left_to_destroy(
    done_at: datetime, told: str
) -> None:
    of, at = would_have(), NOW + HOUR
    assert of.would_stop_at == NOW
    found = endings.ended(of, ended_at=at, finished=False, how="terminated", now=at, cost=cost(of, at), done_at=done_at)
    assert found.entries[0].reason == told
