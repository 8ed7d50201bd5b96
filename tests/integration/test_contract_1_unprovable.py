"""Line 1 of the safety contract: what cannot be proven eligible is never stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from costwatch.core import grants
from costwatch.core.record import Status
from costwatch.core.selection import HoldCode
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR, MINUTE, REGION
from tests.support.fakes import FakeInstance, FakeJob, Town
from tests.support.town import TAGS, destroyed, failing, later, records, town, warn_and_let_the_notice_pass


def test_1_a_job_whose_tags_cannot_be_read_is_never_stopped() -> None:
    of = town(policies.selector(service="training"))
    job = of.world.train("churn", age=40 * HOUR, tags=None)
    job.tags = None
    for _ in range(10):
        later(of, hours=1)
    assert job.status == "InProgress"
    assert destroyed(of) == []
    assert records(of)["churn"].status is Status.HELD


def test_1_tags_that_cannot_be_read_now_and_then_neither_void_the_notice_nor_tell_of_another_selector() -> None:
    first = policies.selector("prod-jobs", service="training", tags={"Purpose": ["prod"]})
    own = policies.selector("jobs", service="training")
    of = town(first, own)
    job = of.world.train("churn", age=11 * HOUR + 30 * MINUTE, tags=TAGS)
    for sweeps in range(24):
        job.tags = None if sweeps % 3 == 1 else dict(TAGS)
        later(of, minutes=5)
        if job.status != "InProgress":
            break
    assert job.status == "Stopped"
    assert sum("stops in" in card.text for _, _, card in of.world.posts) == 1


def test_1_in_observe_nobody_hears_of_tags_that_cannot_be_read_now_and_then() -> None:
    first = policies.selector("prod-jobs", service="training", tags={"Purpose": ["prod"]})
    own = policies.selector("jobs", "observe", service="training")
    of = town(first, own)
    job = of.world.train("churn", age=11 * HOUR, tags=TAGS)
    for sweeps in range(24):
        job.tags = None if sweeps % 2 else dict(TAGS)
        later(of, minutes=5)
    assert not any("churn" in card.text for _, _, card in of.world.posts)


def test_1_an_instance_of_unknown_age_is_never_stopped() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR)
    trainer.launch_time = None
    for _ in range(10):
        later(of, hours=1)
    assert trainer.alive
    hold = records(of)[trainer.id].hold
    assert hold is not None
    assert "nothing shows since when" in hold.reason


def extended(of: Town, name: str, hours: int) -> datetime:
    """A person extends the run called `name`; returns its deadline then."""
    step = grants.extend(
        records(of)[name],
        by="arn:maria",
        duration=hours * HOUR,
        owner_total=24 * HOUR,
        hard_cap=72 * HOUR,
        now=of.clock(),
    )
    assert of.ledger.save(step)
    deadline = records(of)[name].deadline
    assert deadline is not None
    return deadline


def without_its_start(of: Town, *things: FakeInstance | FakeJob, when: Callable[[], object]) -> None:
    """While `when` goes on no answer says since when they run."""
    starts = [thing.started_at if isinstance(thing, FakeJob) else thing.launch_time for thing in things]
    for thing in things:
        set_start(thing, None)
    when()
    for thing, start in zip(things, starts, strict=True):
        set_start(thing, start)


def set_start(thing: FakeInstance | FakeJob, start: datetime | None) -> None:
    if isinstance(thing, FakeJob):
        thing.started_at = start
    else:
        thing.launch_time = start


def things_that_run(of: Town, kind: str) -> list[FakeInstance | FakeJob]:
    """A job, an instance or a run of two instances, called `churn` where a name can be chosen; 11 hours old."""
    if kind == "job":
        return [of.world.train("churn", age=11 * HOUR, tags=TAGS)]
    tags = {**TAGS, "costwatch:run": "churn"} if kind == "run" else TAGS
    return [of.world.launch(age=11 * HOUR, tags=tags) for _ in range(2 if kind == "run" else 1)]


def ended(thing: FakeInstance | FakeJob) -> bool:
    return thing.ended_at is not None


@pytest.mark.parametrize("kind", ["job", "instance", "run"])
def test_1_one_answer_without_a_start_costs_no_extension(kind: str) -> None:
    of = town(policies.selector(), policies.selector("jobs", service="training"))
    things = things_that_run(of, kind)
    sweep(of.watchdog())
    (name,) = records(of)
    deadline = extended(of, name, 10)
    later(of, minutes=5)
    without_its_start(of, *things, when=lambda: later(of, minutes=5))
    assert records(of)[name].deadline == deadline
    later(of, minutes=5)
    assert [e.until for e in records(of)[name].extensions] == [deadline]
    assert records(of)[name].restarts == 0
    while of.clock() + 30 * MINUTE <= deadline:
        later(of, minutes=30)
        assert not any(map(ended, things))
    later(of, minutes=32)
    assert all(map(ended, things))


@pytest.mark.parametrize("kind", ["job", "instance", "run"])
def test_1_what_is_due_and_shows_no_start_any_more_is_held_and_keeps_its_notice(kind: str) -> None:
    of = town(policies.selector(), policies.selector("jobs", service="training"))
    things = things_that_run(of, kind)
    later(of, minutes=30)
    without_its_start(of, *things, when=lambda: later(of, minutes=40))
    assert not any(map(ended, things))
    (record,) = records(of).values()
    assert record.hold is not None
    assert record.hold.code is HoldCode.UNPROVABLE
    later(of, minutes=5)
    assert all(map(ended, things))
    assert sum("stops in" in card.text for _, _, card in of.world.posts) == 1


def test_1_an_instance_that_is_pending_without_a_start_is_not_stopped_under_the_clock_of_before() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    trainer.state, trainer.launch_time = "pending", None
    later(of, minutes=32)
    assert trainer.alive
    trainer.state, trainer.launch_time = "running", of.clock()
    later(of, minutes=5)
    assert trainer.alive
    assert records(of)[trainer.id].start == trainer.launch_time


def test_1_a_describe_that_fails_is_reported_and_stops_nobody_and_the_other_region_goes_on() -> None:
    of = town(regions=["eu-central-1", REGION])
    abroad, here = of.world.launch(age=40 * HOUR, region="eu-central-1"), of.world.launch(age=40 * HOUR)
    sweep(of.watchdog())
    of.world.fault = failing("DescribeInstances", TransientAwsError("RequestLimitExceeded"), region="eu-central-1")
    report = later(of, minutes=32)
    assert (abroad.alive, here.alive) == (True, False)
    assert [failure.where for failure in report.failures] == ["eu-central-1 ec2"]
    assert abroad.id in records(of, "eu-central-1"), "and nothing is concluded about it"


def test_1_one_run_that_cannot_be_read_afresh_is_reported_and_the_others_go_on() -> None:
    of = town()
    bad, good = of.world.launch(age=40 * HOUR), of.world.launch(age=40 * HOUR)
    sweep(of.watchdog())
    of.world.fault = failing("DescribeInstanceAttribute", PermanentAwsError("UnauthorizedOperation"), holding=bad.id)
    report = later(of, minutes=32)
    assert (bad.alive, good.alive) == (True, False)
    assert any(bad.id in failure.where for failure in report.failures)


def test_1_a_malformed_tag_leaves_the_hard_cap_as_the_only_time_limit_and_is_told_once() -> None:
    of = town()
    trainer = of.world.launch(age=13 * HOUR, tags={**TAGS, "costwatch:max-runtime": "12"})
    for _ in range(6):
        later(of, hours=9)
    assert trainer.alive, "67 hours: past every limit but the hard cap"
    assert sum("cannot be read" in card.text for _, _, card in of.world.posts) == 1
    for _ in range(10):
        later(of, hours=1)
    assert not trainer.alive
    assert trainer.ended_at is not None
    assert trainer.launch_time is not None
    assert trainer.ended_at - trainer.launch_time > 72 * HOUR


def test_1_a_tag_from_year_one_fails_no_sweep() -> None:
    of = town()
    odd = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:deadline": "0001-01-01T00:00:00Z"})
    other = of.world.launch(age=40 * HOUR)
    warn_and_let_the_notice_pass(of)
    assert (odd.alive, other.alive) == (True, False)


def test_1_what_came_without_the_selectors_tag_is_never_touched_whatever_it_costs() -> None:
    of = town()
    stranger = of.world.launch(age=900 * HOUR, tags={"Name": "somebody's"})
    for _ in range(5):
        later(of, hours=1)
    assert stranger.alive
    assert records(of) == {}


def test_1_regions_that_take_all_the_time_leave_enough_of_it_to_stop_what_is_due_elsewhere() -> None:
    of = town(regions=["us-east-1", "eu-central-1", "eu-west-1"])
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    left = [300.0]

    def hang(_operation: str, region: str, _ids: tuple[str, ...]) -> AwsError | None:
        if region == "eu-central-1":
            left[0] -= 100.0
            return TransientAwsError("timed out")
        return None

    of.world.fault = hang
    report = sweep(replace(of.watchdog(), seconds_left=lambda: left[0]))
    assert not trainer.alive
    assert [failure.where.split()[0] for failure in report.failures] == ["eu-central-1"] * 2 + ["eu-west-1"] * 2


def test_1_one_resource_that_is_not_what_aws_documents_does_not_stop_the_sweep_for_others() -> None:
    of = town()
    odd = of.world.launch(age=40 * HOUR, tags=TAGS)
    odd.launch_time = datetime(2026, 11, 20, 9, 0)  # no time zone: what no AWS answer should hold
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    report = sweep(of.watchdog())
    assert [odd.id in failure.where for failure in report.failures] == [True]
    later(of, minutes=32)
    assert (odd.alive, trainer.alive) == (True, False)


def test_1_a_one_time_spot_instance_is_held_where_a_selector_stops() -> None:
    of = town(policies.selector(action="stop"))
    once = of.world.launch(age=40 * HOUR, tags=TAGS, spot="one-time")
    again = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent", request_tags={})
    warn_and_let_the_notice_pass(of)
    assert (once.state, again.state) == ("running", "stopped")
    assert again.spot_request_id is not None
    assert of.world.spot_requests[again.spot_request_id].state == "disabled"
    for _ in range(3):
        later(of, minutes=5)
    assert not any("came back after" in card.text for _, _, card in of.world.posts)
