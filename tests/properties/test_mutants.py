"""Seeded mutants of core: each breaks one rule of the documents, and the same oracle must notice it soon.

A mutant is one replacement in the source of one function. Its code object is put into the living function, so
every module that imported it runs the mutant.
"""

from __future__ import annotations

import inspect
import random
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType

import pytest

from costwatch.core import (
    beat_path,
    caps,
    deadlines,
    deadman,
    group_blockers,
    grouping,
    heartbeats,
    ladder,
    liveness,
    overrides,
    record,
    selection,
)
from costwatch.procedures import silence, stop_group
from tests.support.oracle import Violation
from tests.support.random_fleets import tell
from tests.support.random_heartbeats import tell_with_beats

STORIES = 600


@dataclass(frozen=True)
class Mutant:
    name: str
    function: Callable[..., object]
    old: str
    new: str


MUTANTS = (
    Mutant("stops_at_the_deadline_not_after_it", deadman._judge_notice, "now <= stops_after", "now < stops_after"),
    Mutant(
        "ignores_the_notice_time",
        deadlines.due_after,
        "max(deadline.at, accepted_at + min_notice, notice.stops_at or deadline.at)",
        "deadline.at",
    ),
    Mutant("counts_a_notice_for_ever", deadman._outdated, "now > named + NOTICE_LASTS", "False"),
    Mutant("counts_a_notice_that_was_never_sent", ladder._warned, "not heard(decision.mode)", "True"),
    Mutant("compares_no_mode", deadman.notice_in_force, "notice.mode is not mode or ", ""),
    Mutant("compares_no_act", deadman.notice_in_force, " or notice.action is not action", ""),
    Mutant("compares_no_limit", deadlines.Deadline.is_named_by, "notice.deadline == self.at and ", ""),
    Mutant("keeps_a_notice_over_a_pause", deadman.notice_in_force, "notice.requested_at < pause.until", "False"),
    Mutant("ignores_a_pause", deadman._paused, "not pause.active(now)", "True"),
    Mutant("ignores_exemptions", deadman.judge, "if exempt:", "if False:"),
    Mutant("stops_an_uploading_job", deadman.judge, 'member.phase == "Uploading"', "False"),
    Mutant("forgets_what_a_cap_held", deadman._waiting, "not record.waits_for_release(mode)", "True"),
    Mutant(
        "lets_a_moved_deadline_end_a_cap_hold",
        deadman._waiting,
        "not record.waits_for_release(mode)",
        "not record.waits_for_release(mode) or times.to_key(deadline.at) not in record.capped_key",
    ),
    Mutant("ignores_the_hard_cap", deadlines._by_time, "if at > hard_cap_at:", "if False:"),
    Mutant("ignores_extensions", deadlines._by_time, "extended_until is not None and", "False and"),
    Mutant("uses_the_default_for_a_malformed_tag", deadlines._by_time, "if found.only_hard_cap:", "if False:"),
    Mutant("takes_the_strictest_tag", overrides.read, "max(runtimes, default=None)", "min(runtimes, default=None)"),
    Mutant("ignores_protect_rules", selection._blockers, "if rule is not None:", "if False:"),
    Mutant("ignores_the_never_tag", selection._blockers, "names.TAG_NEVER in member.tags", "False"),
    Mutant("ignores_parents", selection._blockers, "if parent is not None or not run.id.kind.stoppable:", "if False:"),
    Mutant("ignores_members_outside", selection._blockers, "picked, strict", "[s or chosen for s in picked], strict"),
    Mutant("ignores_termination_protection", selection._blockers_read_afresh, "member.termination_protection", "False"),
    Mutant("picks_prepaid_capacity", selection.picks, "member.purchase is PurchaseOption.CAPACITY_BLOCK", "False"),
    Mutant(
        "takes_a_start_that_is_left_out_for_a_new_one",
        record.same_episode,
        "run.start is None or run.start == record.start",
        "run.start == record.start",
    ),
    Mutant(
        "stops_what_shows_no_start_any_more",
        deadman._unproven_age,
        "running or member.id in started",
        "False",
    ),
    Mutant("stops_who_joined_late", deadman.changed_since, "if m.id not in told", "if False"),
    Mutant("stops_who_started_anew", deadman.changed_since, "since != told[name]", "False"),
    Mutant("warns_of_joiners_past_the_cap", deadman.changed_since, "replaces or late", "replaces"),
    Mutant("stops_joiners_before_the_cap", deadman._told_past_cap, "now > deadline.hard_cap_at and ", ""),
    Mutant("stops_who_became_the_owner", deadman.changed_since, "owner != notice.owner", "False"),
    Mutant("stops_two_owners_as_one", selection._blockers, "len(owners) > 1", "False"),
    Mutant("stops_one_time_spot", selection._blockers_read_afresh, "not request.persistent", "False"),
    Mutant("ignores_stop_protection", selection._blockers_read_afresh, "member.stop_protection", "False"),
    Mutant(
        "ignores_scale_in_protection", group_blockers._protection, "member.protected and not member.ending", "False"
    ),
    Mutant("ignores_the_tags_of_a_group", group_blockers._permission, "not has_tags(chosen.tags, group.tags)", "False"),
    Mutant("lowers_a_minimum_that_holds", group_blockers._numbers, "group.capacity.min_size > 0 and", "False and"),
    Mutant("lets_aws_balance_zones", group_blockers._numbers, "balances and chosen", "False and chosen"),
    Mutant("stops_a_group_by_stopping_it", group_blockers.group_blockers, "chosen.action is Action.STOP", "False"),
    Mutant("leaves_the_numbers_of_a_group", stop_group._lower, "group.capacity == group.emptied", "True"),
    Mutant("rounds_the_share_up", caps.limits, "ROUND_FLOOR", "'ROUND_CEILING'"),
    Mutant("judges_children_alone", grouping.run_id_of, "if member.parent is not None:", "if False:"),
    Mutant("stops_a_job_whose_child_uploads", deadman._waits_for_children, "if not uploading or", "if True or"),
    Mutant("waits_for_uploads_past_the_cap", deadman._waits_for_children, "now > deadline.hard_cap_at", "False"),
    Mutant("drops_run_grouping", grouping.run_id_of, "tagged.strip()", "False"),
)

BEATING_MUTANTS = (
    Mutant(
        "is_silent_at_the_end_of_its_grace_not_after_it", deadlines.deadline_of, "now <= silent.at", "now < silent.at"
    ),
    Mutant(
        "hears_the_first_member_only",
        liveness.vitals_of,
        "for member in members:",
        "for member in list(members)[:1]:",
    ),
    Mutant("takes_two_beats_for_a_habit", liveness.silent_at, "not vitals.proven", "False"),
    Mutant("gives_one_grace_to_all", liveness.silent_at, "max(interval, vitals.longest_gap)", "interval"),
    Mutant("watches_on_after_done", liveness.silent_at, " or vitals.done", ""),
    Mutant(
        "waits_for_no_announced_phase",
        liveness.silent_at,
        "vitals.quiet_until or vitals.last_at",
        "vitals.last_at",
    ),
    Mutant("forgets_its_pauses", heartbeats._beaten, "max(session.longest_gap, gap)", "session.longest_gap"),
    Mutant(
        "trusts_a_way_whose_canary_is_late",
        beat_path.path_since,
        "not -allowed <= now - path.last_sent_at <= allowed",
        "False",
    ),
    Mutant("forgets_that_the_way_was_broken", beat_path.path_after, "sent_at - path.last_sent_at > allowed", "False"),
    Mutant("takes_mass_silence_at_its_word", silence.judge_silence, "if together >= MASS_SILENCE", "if together >= 99"),
    Mutant("holds_two_silent_runs", silence.judge_silence, "if together >= MASS_SILENCE", "if together >= 2"),
    Mutant(
        "lets_mass_silence_hold_a_time_limit",
        deadman._waiting,
        "record.capped_for_silence and not deadline.silent",
        "False",
    ),
    Mutant("forgets_what_mass_silence_held", deadman._waiting, "not record.waits_for_release(mode)", "True"),
    Mutant("lets_finish_whoever_takes_longer", deadman._finishing, "expected_at <= until", "expected_at"),
    Mutant("lets_finish_twice", deadman._finishing, "record.finishing is not None", "False"),
    Mutant("lets_finish_nobody", liveness._end_of, "left < 0", "left >= 0"),
    Mutant("asks_for_beats_by_a_tag_it_cannot_read", deadlines._by_silence, " or found.malformed", ""),
    Mutant("ignores_the_tags_interval", deadlines._by_silence, "found.heartbeat or selector", "selector"),
    Mutant("ignores_a_stall", liveness.stalled_since, "now - last > allowed", "False"),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_by_the_oracle(mutant: Mutant) -> None:
    with planted(mutant):
        for number in range(STORIES):
            try:
                _story(number)
            except Violation:
                return
    pytest.fail(f"{mutant.name} lived through {STORIES} stories")


@pytest.mark.parametrize("mutant", BEATING_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_of_what_beats_say_is_caught_by_the_oracle(mutant: Mutant) -> None:
    with planted(mutant):
        for number in range(STORIES):
            try:
                _beating_story(number)
            except Violation:
                return
    pytest.fail(f"{mutant.name} lived through {STORIES} stories")


def test_without_a_mutant_the_same_stories_pass() -> None:
    for number in range(40):
        _story(number)
        _beating_story(number)


def test_a_planted_mutant_is_taken_out_again() -> None:
    before = deadman.judge.__code__
    mutant = next(m for m in MUTANTS if m.function is deadman.judge)
    with planted(mutant):
        assert deadman.judge.__code__ is not before
    assert deadman.judge.__code__ is before


def _story(number: int) -> None:
    """The same story for the same number, on every machine."""
    dice = random.Random(number)
    fleet = [dice.randbytes(14) for _ in range(dice.randint(8, 14))]
    tell(dice.randbytes(13), fleet, [dice.randbytes(90) for _ in range(dice.randint(3, 5))])


def _beating_story(number: int) -> None:
    dice = random.Random(number)
    fleet = [dice.randbytes(14) for _ in range(dice.randint(8, 14))]
    steps = [dice.randbytes(90) for _ in range(dice.randint(3, 5))]
    tell_with_beats(dice.randbytes(13), fleet, steps, dice.randbytes(600))


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    function = mutant.function
    assert isinstance(function, FunctionType)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(mutant.old) == 1, f"{mutant.name}: {mutant.old!r} is in {function.__name__} no more"
    module = compile(source.replace(mutant.old, mutant.new), f"<mutant {mutant.name}>", "exec", dont_inherit=True,
                     flags=function.__code__.co_flags & 0x1000000)  # fmt: skip
    code = next(c for c in module.co_consts if isinstance(c, CodeType) and c.co_name == function.__name__)
    before = function.__code__
    function.__code__ = code
    try:
        yield
    finally:
        function.__code__ = before
