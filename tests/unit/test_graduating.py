"""What enforce would have done, selector by selector, with the truth about each would-have."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from costwatch.core import graduating, would_haves
from costwatch.core.changes import Change
from costwatch.core.graduating import NO_SELECTOR, Truth, by_selector, cases
from costwatch.core.modes import Mode
from costwatch.core.record import Entry, Transition
from tests.support import builders
from tests.support.builders import HOUR, NOW

RUN = "111122223333/us-east-1/training/churn-7"
OTHER = "111122223333/us-east-1/instance/i-1"


def line(run: str, transition: Transition, at: int = 0, **evidence: str) -> tuple[str, Entry]:
    return run, Entry(NOW + at * HOUR, transition, f"it {transition.value}", evidence=tuple(evidence.items()))


def began(run: str, selector: str, at: int = 0) -> tuple[str, Entry]:
    return line(run, Transition.WOULD_STOP, at, selector=selector)


def ended(run: str, which: str, usd: str, at: int = 1, **more: str) -> tuple[str, Entry]:
    return line(run, Transition.ENDED_BY_ITSELF, at, would_have=which, would_have_usd=usd, **more)


def test_each_would_have_counts_for_the_selector_that_would_have_stopped_it() -> None:
    found = cases(
        [
            began(RUN, "jobs"),
            began(OTHER, "trainers"),
            ended(RUN, "destroyed", "263.00"),
            ended(OTHER, "ran on", "681.00", would_have_doubtful="yes"),
        ],
        [], [], NOW,
    )  # fmt: skip
    jobs, trainers = by_selector(found)
    assert (jobs.selector, jobs.net_usd, jobs.doubtful) == ("jobs", Decimal(-263), [])
    assert (trainers.selector, trainers.net_usd, len(trainers.doubtful)) == ("trainers", Decimal(681), 1)


def test_a_run_that_is_not_due_any_more_is_doubtful_and_has_no_dollars_that_are_missed() -> None:
    stood_down = line(RUN, Transition.STANDS_DOWN, 1, selector="jobs", would_have="stood down")
    (jobs,) = by_selector(cases([began(RUN, "jobs"), stood_down], [], [], NOW))
    (case,) = jobs.cases
    assert (case.truth, case.usd, case.doubtful) == (Truth.STOOD_DOWN, None, True)
    assert (jobs.net_usd, jobs.unpriced) == (Decimal(0), 0)


def test_dollars_that_are_not_known_are_counted_and_in_no_sum() -> None:
    (jobs,) = by_selector(cases([began(RUN, "jobs"), ended(RUN, "ran on", "unknown")], [], [], NOW))
    assert (jobs.saved_usd, jobs.unpriced) == (Decimal(0), 1)


def test_a_would_have_that_still_runs_is_in_no_net_since_nobody_knows_its_truth_yet() -> None:
    record = replace(
        builders.record(builders.run(builders.member(age=14 * HOUR))),
        start=NOW - 14 * HOUR,
        would_stop_at=NOW - 2 * HOUR,
        hourly_rate_usd=Decimal(20),
        rate_since=None,
        selector="trainers",
    )
    (trainers,) = by_selector(cases([], [], [record], NOW))
    assert (trainers.usd(Truth.STILL_RUNS), trainers.net_usd) == (Decimal(40), Decimal(0))
    assert not trainers.doubtful


def test_a_run_whose_begin_is_not_at_hand_is_told_by_what_it_cost_and_else_said_to_be_unknown() -> None:
    (case,) = cases([ended(RUN, "ran on", "1")], [], [], NOW)
    assert case.selector == NO_SELECTOR


def test_selectors_of_the_configuration_come_first_and_also_without_a_case() -> None:
    found = cases([began(RUN, "gone"), ended(RUN, "ran on", "5")], [], [], NOW)
    assert [(each.selector, len(each.cases)) for each in by_selector(found, ("jobs", "trainers"))] == [
        ("jobs", 0),
        ("trainers", 0),
        ("gone", 1),
    ]


def test_cases_come_oldest_first_whatever_kind_they_are() -> None:
    found = cases([ended(RUN, "ran on", "1", at=3), ended(OTHER, "destroyed", "1", at=2)], [], [], NOW)
    assert [case.at - NOW for case in found] == [timedelta(hours=2), timedelta(hours=3)]


def test_what_closes_no_would_have_is_no_case() -> None:
    assert cases([line(RUN, Transition.ENDED_BY_ITSELF), began(RUN, "jobs")], [], [], NOW) == []
    assert would_haves.STOOD_DOWN not in (would_haves.DESTROYED, would_haves.RAN_ON)
    assert graduating.by_selector([]) == []


def sentence(*lines_: tuple[str, Entry]) -> str:
    (jobs,) = by_selector(cases(lines_, [], [], NOW), ("jobs",))
    return jobs.sentence


def test_what_finished_without_a_known_price_makes_the_net_unknown_and_never_smaller() -> None:
    one, other = began(RUN, "jobs"), began(OTHER, "jobs")
    lines_ = [one, other, ended(RUN, "destroyed", "unknown"), ended(OTHER, "ran on", "1.00")]
    (jobs,) = by_selector(cases(lines_, [], [], NOW))
    assert jobs.net_usd is None
    assert jobs.sentence == "nobody knows what enforce would have come to: not every price of 1 finished is known"
    assert jobs.sums == ("1 finished, its work lost: unknown; 1 ran on: $1.00; net unknown",)
    lines_.append(ended("111122223333/us-east-1/training/ranker", "destroyed", "5.00", selector="jobs"))
    (jobs,) = by_selector(cases(lines_, [], [], NOW))
    assert jobs.sums == ("2 finished, its work lost: $5.00 and 1 unknown; 1 ran on: $1.00; net unknown",)


def test_what_was_not_due_any_more_is_no_saving_of_nothing() -> None:
    stood_down = line(
        RUN, Transition.WARNED, 1, selector="jobs", would_have="stood down", would_have_usd="20.22", name="ranker"
    )
    (jobs,) = by_selector(cases([began(RUN, "jobs"), stood_down], [], [], NOW))
    assert "nobody knows what that would have come to" in jobs.sentence
    (case,) = jobs.cases
    assert (case.name, case.usd) == ("ranker", None)
    assert case.reason == "warned anew: it warned; it had run on for $20.22"


def doubtful(run: str, usd: str, lost: str | None) -> tuple[str, Entry]:
    if lost is None:  # a row from before it was written
        return ended(run, "ran on", usd, would_have_doubtful="yes")
    return ended(run, "ran on", usd, would_have_doubtful="yes", would_have_lost_usd=lost)


def test_what_an_instance_ran_on_for_is_a_saving_at_best_and_its_lost_work_at_worst() -> None:
    one, other = began(RUN, "jobs"), began(OTHER, "jobs")
    assert sentence(one, doubtful(RUN, "66.60", "500.00")) == (
        "enforce would have saved $66.60 at best, -$500.00 at worst, since nobody sees whether 1 had done its work"
    )
    assert sentence(one, other, doubtful(RUN, "66.60", "500.00"), ended(OTHER, "ran on", "10")) == (
        "enforce would have saved $76.60 at best, -$490.00 at worst, since nobody sees whether 1 had done its work"
    )
    for lost in (None, "unknown"):
        assert sentence(one, other, doubtful(RUN, "66.60", "500.00"), doubtful(OTHER, "1", lost)) == (
            "enforce would have saved $67.60 at best, nobody knows how much at worst, "
            "since nobody sees whether 2 had done their work"
        )


def test_what_speaks_for_enforcing_and_what_against_it_is_one_sentence() -> None:
    begin = began(RUN, "jobs")
    assert "nobody knows yet what its limits would do" in sentence()
    assert sentence(begin, ended(RUN, "ran on", "681")) == "enforce would have saved $681.00"
    assert sentence(begin, ended(RUN, "ran on", "681"), ended(RUN, "destroyed", "681")) == (
        "enforce would have saved $0.00, and destroyed the work of 1"
    )
    assert sentence(begin, ended(RUN, "ran on", "681"), ended(RUN, "destroyed", "681.01")) == (
        "enforce would have cost $0.01 more than it saved: its limits are too short"
    )


LINE = Change(7, "mode: warn", "mode: enforce", file="costwatch.yaml")
BEGIN = began(RUN, "jobs")
RAN_ON = ended(RUN, "ran on", "681")


@pytest.mark.parametrize(
    ("more", "doubts"),
    [
        ([], ()),
        ([ended(OTHER, "ran on", "0.01")], ()),
        ([ended(OTHER, "ran on", "0.01", would_have_doubtful="yes")], ("1 doubtful",)),
        ([ended(OTHER, "ran on", "unknown")], ("1 without a known price",)),
        ([ended(OTHER, "destroyed", "0.01")], ("1 finished, and would have lost its work",)),
        ([line(OTHER, Transition.STANDS_DOWN, 1, would_have="stood down")], ("1 doubtful",)),
        (
            [ended(OTHER, "destroyed", "1"), ended(OTHER, "destroyed", "2", at=2)],
            ("2 finished, and would have lost their work",),
        ),
    ],
)
def test_one_that_was_wrong_or_is_in_doubt_is_enough_that_nobody_is_advised_to_enforce(
    more: list[tuple[str, Entry]], doubts: tuple[str, ...]
) -> None:
    (jobs,) = by_selector(cases([BEGIN, began(OTHER, "jobs"), RAN_ON, *more], [], [], NOW))
    assert jobs.doubts == doubts
    advice = jobs.advice(Mode.WARN, LINE)
    assert advice.advised is not bool(doubts)
    assert advice.lines == LINE.shown


def test_while_one_still_runs_nobody_knows_its_truth_and_nobody_is_advised() -> None:
    record = replace(
        builders.record(builders.run(builders.member(age=14 * HOUR))),
        start=NOW - 14 * HOUR,
        would_stop_at=NOW - 2 * HOUR,
        selector="jobs",
    )
    (jobs,) = by_selector(cases([BEGIN, RAN_ON], [], [record], NOW))
    assert jobs.doubts == ("1 still runs",)
    assert not jobs.advice(Mode.WARN, LINE).advised


@pytest.mark.parametrize(("lost", "shown"), [("681", True), ("681.01", False)])
def test_a_selector_that_would_cost_more_than_it_saves_is_shown_no_line(lost: str, *, shown: bool) -> None:
    (jobs,) = by_selector(cases([BEGIN, RAN_ON, ended(RUN, "destroyed", lost)], [], [], NOW))
    advice = jobs.advice(Mode.WARN, LINE)
    assert bool(advice.lines) is shown
    assert not advice.advised
    assert ("give its runs more time" in advice.sentence) is not shown


def test_without_a_known_line_the_setting_of_the_entry_in_the_file_is_named() -> None:
    found = cases([began(RUN, "jobs/training"), RAN_ON], [], [], NOW)
    (jobs,) = by_selector(found)
    assert jobs.advice(Mode.WARN, None).sentence == "To enforce, mode: enforce beside name: jobs in costwatch.yaml."
