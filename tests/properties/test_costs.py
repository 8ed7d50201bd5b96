"""Over generated stories of jobs that come and go: whatever happens to the events, each dollar is booked once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from costwatch.core.policy import Service
from costwatch.core.run_cost import RunCost
from costwatch.procedures import hints
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT
from tests.support.fakes import FakeJob, Town
from tests.support.town import TAGS, town

RATE = Decimal("25.251286")
"""ml.p4d.24xlarge in training, USD an hour."""
_STATUSES = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class Planned:
    """A job, or a child of the tuning job: when it begins and how long it runs, in minutes; what its events do."""

    begins: int
    runs: int
    billed_share: int
    """Percent of its run that is billed, as of managed spot."""
    child: bool
    status: str
    events: tuple[bool, ...]
    """Delivered at its beginning, at its end, at its end again."""


planned = st.builds(
    Planned,
    begins=st.integers(1, 90),
    runs=st.integers(1, 90),
    billed_share=st.integers(0, 100),
    child=st.booleans(),
    status=st.sampled_from(_STATUSES),
    events=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)


def told(of: Town, job: FakeJob) -> None:
    hints.follow(of.watchdog(), ACCOUNT, job.region, Service(job.kind), job.name)


def play(of: Town, plans: list[Planned], sweeps_every: int) -> dict[str, Decimal]:
    """Let three hours pass, and half an hour more; returns what each run cost in truth, by its name."""
    sweep(of.watchdog())
    tuner = of.world.tune("search", tags=TAGS)
    jobs: dict[int, FakeJob] = {}
    truth = {"search": Decimal(0)}
    for minute in range(1, 211):
        of.clock.forward(minutes=1)
        for number, plan in enumerate(plans):
            if minute == plan.begins:
                jobs[number] = of.world.child_of(tuner) if plan.child else of.world.train(f"job-{number}", tags=TAGS)
                if plan.events[0]:
                    told(of, jobs[number])
            if minute == plan.begins + plan.runs:
                job = jobs[number]
                job.billable = timedelta(seconds=plan.runs * 60 * plan.billed_share // 100)
                cost = RATE * int(job.billable.total_seconds()) / 3600
                name = "search" if plan.child else job.name
                truth[name] = truth.get(name, Decimal(0)) + cost
                of.world.end(job, status=plan.status)
                for delivered in plan.events[1:]:
                    if delivered:
                        told(of, job)
        if minute == 190:
            of.world.end(tuner)
        if minute % sweeps_every == 0:
            sweep(of.watchdog())
    return truth


def booked(of: Town) -> list[RunCost]:
    return of.ledger.costs(ACCOUNT, of.clock().date())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(planned, max_size=7), st.sampled_from([5, 7, 10]), st.booleans())
def test_each_job_is_booked_once_at_what_it_was_billed_and_children_in_their_parent(
    plans: list[Planned], sweeps_every: int, watched: bool
) -> None:
    kinds = ("training", "tuning") if watched else ()
    of = town(policies.selector("machines"), *(policies.selector(kind, service=kind) for kind in kinds))
    truth = play(of, plans, sweeps_every)
    found = [cost.run_id.name for cost in booked(of)]
    assert sorted(found) == sorted(truth), "once each"
    costs = {cost.run_id.name: cost.actual_usd for cost in booked(of)}
    # A tuning job without children has none to read: the meter counted nothing.
    assert {name: usd or Decimal(0) for name, usd in costs.items()} == {
        name: usd.quantize(Decimal("1e-9")) for name, usd in truth.items()
    }


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(planned, max_size=6), st.sampled_from([5, 10]))
def test_with_every_event_and_without_any_the_same_is_booked(plans: list[Planned], sweeps_every: int) -> None:
    def with_events(every: bool) -> list[tuple[str, Decimal | None, str]]:
        of = town(policies.selector("jobs", service="training"), policies.selector("tuning", service="tuning"))
        play(of, [Planned(**{**vars(plan), "events": (every,) * 3}) for plan in plans], sweeps_every)
        return sorted((cost.run_id.name, cost.actual_usd, cost.outcome.value) for cost in booked(of))

    assert with_events(True) == with_events(False)
