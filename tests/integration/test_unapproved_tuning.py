"""A tuning job between two of its jobs: what it has spent is not forgotten because nothing runs just now."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support import policies
from tests.support.builders import HOUR, MINUTE
from tests.support.fakes import FakeJob
from tests.support.money_town import JOBS, MoneyTown

TUNING = {"selectors": [policies.selector("jobs", mode="enforce", service="tuning")]}
STEP = 5 * MINUTE


def tuned(of: MoneyTown) -> FakeJob:
    """Seen, and asked about."""
    tuner = of.town.world.tune("lr", children=1, tags=JOBS)
    of.sweep()
    of.at(STEP)
    return tuner


def with_gaps(of: MoneyTown, tuner: FakeJob, until: timedelta) -> None:
    """Each of its jobs runs for 20 minutes, and then one sweep sees none."""
    world, age = of.town.world, of.now - of.start
    while age < until and tuner.alive:
        for _ in range(4):
            age += STEP
            of.at(age)
        for child in [job for job in world.jobs.values() if job.tuning_job == tuner.name and job.alive]:
            world.end(child)
        age += STEP
        of.at(age)
        if tuner.alive:
            world.child_of(tuner)


@pytest.mark.parametrize("denied", [False, True], ids=["no answer", "a no"])
def test_a_tuning_job_whose_money_is_used_up_is_stopped_though_sweeps_see_none_of_its_jobs(denied: bool) -> None:
    of = MoneyTown(changes=TUNING)
    tuner = tuned(of)
    if denied:
        of.says(yes=False)
    with_gaps(of, tuner, 11 * HOUR)
    assert not tuner.alive


def test_after_a_no_a_notice_goes_on_while_a_sweep_sees_none_of_its_jobs() -> None:
    of = MoneyTown(changes=TUNING)
    tuner = tuned(of)
    of.says(yes=False)
    with_gaps(of, tuner, HOUR)
    assert not tuner.alive
    assert "stands down" not in of.timeline(tuner)


def test_a_tuning_job_between_its_jobs_that_has_not_spent_the_threshold_is_not_warned() -> None:
    of = MoneyTown(changes=TUNING)
    tuner = tuned(of)
    with_gaps(of, tuner, 2 * HOUR)
    assert of.record(tuner).notice is None
    assert tuner.alive
