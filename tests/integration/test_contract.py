"""The safety contract, line by line, over the real procedures and a world that behaves as AWS does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from costwatch.adapters.table import Item, Put
from costwatch.core import grants
from costwatch.core.model import RunId, RunKind
from costwatch.core.policy import Policy, Service
from costwatch.core.record import Pause, RunRecord, Status, Transition
from costwatch.core.selection import HoldCode
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError
from costwatch.procedures import hints
from costwatch.procedures.report import SweepReport
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, REGION, SECOND
from tests.support.fakes import FakeInstance, FakeJob, Fault, Town
from tests.support.memory_table import MemoryTable

DESTRUCTIVE = {
    "TerminateInstances", "StopTrainingJob", "CancelSpotInstanceRequests", "StopProcessingJob",
    "StopHyperParameterTuningJob", "StopAutoMLJob", "UpdateTrainingJob",
}  # fmt: skip
TAGS = {"Purpose": "training", "owner": "maria@example.com"}


def town(*selectors: dict[str, Any], **changes: Any) -> Town:
    return Town(policies.policy(selectors=list(selectors) or [policies.selector()], **changes))


def later(of: Town, **duration: float) -> SweepReport:
    of.clock.forward(**duration)
    return sweep(of.watchdog())


def warn_and_let_the_notice_pass(of: Town) -> SweepReport:
    """The first sweep warns; the next comes when every notice is over."""
    sweep(of.watchdog())
    return later(of, minutes=32)


def destroyed(of: Town) -> list[tuple[str, str, tuple[str, ...]]]:
    return [call for call in of.world.calls if call[0] in DESTRUCTIVE]


def records(of: Town, region: str = REGION) -> dict[str, RunRecord]:
    return {run_id.name: record for run_id, record in of.ledger.open_records(ACCOUNT, region).items()}


def transitions(of: Town, name: str, kind: str = "instance", region: str = REGION) -> list[str]:
    pk = f"run#deployed#{ACCOUNT}/{region}/{kind}/{name}"
    return [item["transition"] for item in of.table.query(pk)]


def failing(operation: str, error: AwsError, *, region: str | None = None, holding: str = "") -> Fault:
    def fault(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        hit = called == operation and region in (None, where) and (not holding or holding in ids)
        return error if hit else None

    return fault


# --- line 1: what cannot be proven eligible is never stopped --------------------------------------------------


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


# --- line 2: nobody is stopped unwarned, and a run is stopped whole or not at all -----------------------------


def test_2_between_the_accepted_notice_and_the_stop_lies_at_least_min_notice() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    of.clock.forward(seconds=17)
    sweep(of.watchdog())
    accepted = of.world.posts[0][0]
    while trainer.alive:
        later(of, seconds=61)
    assert trainer.ended_at is not None
    assert trainer.ended_at - accepted > 30 * MINUTE


def test_2_what_is_first_seen_overdue_is_warned_first() -> None:
    of = town()
    trainer = of.world.launch(age=500 * HOUR)
    sweep(of.watchdog())
    later(of, minutes=29)
    assert trainer.alive


def test_2_a_selector_that_was_switched_to_enforce_warns_first() -> None:
    of = town(policies.selector(mode="warn"))
    trainer = of.world.launch(age=40 * HOUR)
    for _ in range(5):
        later(of, hours=1)
    of.policy = policies.policy()
    sweep(of.watchdog())
    later(of, minutes=29)
    assert trainer.alive
    later(of, minutes=3)
    assert not trainer.alive


def test_2_a_lowered_limit_warns_first() -> None:
    of = town(policies.selector(limits=policies.limits(max_runtime_seconds=40 * 3600)))
    trainer = of.world.launch(age=30 * HOUR)
    sweep(of.watchdog())
    of.policy = policies.policy()
    later(of, minutes=5)
    later(of, minutes=29)
    assert trainer.alive
    later(of, minutes=3)
    assert not trainer.alive


def test_2_with_slack_down_the_notice_goes_by_sns_and_counts_from_there() -> None:
    of = town()
    of.world.slack_is_up, of.world.topic_has_listener = False, True
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    assert not trainer.alive
    assert "stops in" in of.world.mails[0][1]


def test_2_a_topic_that_nobody_listens_to_takes_no_notice_and_the_run_is_held() -> None:
    of = town()
    of.world.slack_is_up = False
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    report = warn_and_let_the_notice_pass(of)
    for _ in range(5):
        report = later(of, hours=1)
    assert trainer.alive
    assert report.undelivered > 0
    hold = records(of)[trainer.id].hold
    assert hold is not None
    assert hold.code.value == "notice-undelivered"


def test_2_when_slack_is_back_the_kept_notice_is_sent_and_only_then_counts() -> None:
    of = town()
    of.world.slack_is_up = False
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    for _ in range(5):
        later(of, hours=1)
    of.world.slack_is_up = True
    later(of, minutes=5)
    sent = next(at for at, _, card in of.world.posts if "stops in" in card.text)
    later(of, minutes=29)
    assert trainer.alive
    later(of, minutes=3)
    assert trainer.ended_at is not None
    assert trainer.ended_at - sent > 30 * MINUTE


def test_2_after_a_pause_everybody_is_warned_anew() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    paused(of, 2 * HOUR)
    for _ in range(23):
        later(of, minutes=5)
    assert trainer.alive
    later(of, minutes=6)
    later(of, minutes=29)
    assert trainer.alive
    later(of, minutes=3)
    assert not trainer.alive


def test_2_a_run_is_stopped_whole() -> None:
    of = town()
    trainers = [of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"}, zone=zone) for zone in "aab"]
    warn_and_let_the_notice_pass(of)
    assert [trainer.alive for trainer in trainers] == [False, False, False]


def test_2_who_joins_a_run_after_its_notice_gets_a_notice_too() -> None:
    of = town()
    early = of.world.launch(age=11 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    sweep(of.watchdog())
    of.clock.forward(minutes=50)
    late = of.world.launch(age=0 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    sweep(of.watchdog())
    assert f"another notice: {late.id} joined since the last one" in str(of.world.posts[-1][2].blocks)
    told_at = of.clock.now
    later(of, minutes=29)
    assert (early.alive, late.alive) == (True, True), "the first notice is over, the second is not"
    later(of, minutes=3)
    assert (early.alive, late.alive) == (False, False)
    assert late.ended_at is not None
    assert late.ended_at - told_at > 30 * MINUTE


def test_2_a_run_that_somebody_joins_all_the_time_is_never_stopped_unwarned_nor_told_at_every_sweep() -> None:
    of = town()
    first = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    for _ in range(24):
        of.world.launch(age=0 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
        later(of, minutes=5)
    assert first.alive
    assert len(of.world.posts) == 4, "every half hour"


def test_2_two_owners_under_one_run_tag_are_held_and_not_stopped_on_one_owners_notice() -> None:
    of = town()
    mine = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "test", "owner": "maria@example.com"})
    yours = of.world.launch(age=1 * HOUR, tags={**TAGS, "costwatch:run": "test", "owner": "joe@example.com"})
    for _ in range(5):
        later(of, hours=1)
    assert (mine.alive, yours.alive) == (True, True)
    hold = next(iter(records(of).values())).hold
    assert hold is not None
    assert "its members belong to joe@example.com and maria@example.com" in hold.reason


@pytest.mark.parametrize(
    "member",
    [
        {"tags": {"costwatch:run": "churn"}},
        {"tags": {**TAGS, "costwatch:run": "churn", "costwatch:never": ""}},
        {"tags": {**TAGS, "costwatch:run": "churn", "Environment": "prod"}},
        {"tags": {**TAGS, "costwatch:run": "churn"}, "protected": True},
        {"tags": {**TAGS, "costwatch:run": "churn"}, "asg": "trainers"},
        {"tags": {**TAGS, "costwatch:run": "churn"}, "lifecycle": "capacity_block"},
    ],
    ids=["untagged", "never", "protect", "termination protection", "in a group", "prepaid"],
)
def test_2_one_member_that_must_not_be_stopped_holds_the_whole_run(member: dict[str, Any]) -> None:
    of = town(protect=[{"tags": {"Environment": ["prod"]}, "asg": None}])
    trainers = [
        of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"}),
        of.world.launch(age=40 * HOUR, **member),
    ]
    for _ in range(4):
        later(of, hours=1)
    assert all(trainer.alive for trainer in trainers)
    assert destroyed(of) == []
    assert records(of)["churn"].status is Status.HELD


def test_2_a_member_that_joined_after_the_warning_and_is_outside_holds_the_run_at_the_last_look() -> None:
    of = town()
    first = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    joined = of.world.launch(tags={"costwatch:run": "churn"})
    sweep(of.watchdog())
    assert (first.alive, joined.alive) == (True, True)


def test_2_a_notice_that_said_the_disks_stay_does_not_count_for_a_later_terminate() -> None:
    of = town(policies.selector(action="stop"))
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    assert "its EBS disks stay" in str(of.world.posts[-1][2].blocks)
    of.policy = policies.policy()
    later(of, minutes=32)
    assert trainer.alive
    assert "it is terminated" in str(of.world.posts[-1][2].blocks)
    later(of, minutes=29)
    assert trainer.alive
    later(of, minutes=3)
    assert trainer.state == "terminated"


def test_2_a_tag_that_moves_a_run_from_a_selector_that_stops_to_one_that_terminates_has_it_warned_anew() -> None:
    keeps, ends = policies.selector("wb", action="stop", tags={"Team": ["a"]}), policies.selector("all")
    of = town(keeps, ends)
    trainer = of.world.launch(age=40 * HOUR, tags={**TAGS, "Team": "a"})
    sweep(of.watchdog())
    trainer.tags["Team"] = "b"
    later(of, minutes=32)
    assert trainer.alive
    warn_and_let_the_notice_pass(of)
    assert trainer.state == "terminated"
    assert sum("stops in" in card.text for _, _, card in of.world.posts) == 2


def test_2_a_notice_of_before_that_kept_no_act_is_given_anew() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    del of.table.items[f"open#deployed#{ACCOUNT}#{REGION}", str(run_id(trainer))]["notice"]["action"]
    later(of, minutes=32)
    assert trainer.alive
    later(of, minutes=32)
    assert not trainer.alive


def warnings_of(of: Town, trainer: FakeInstance) -> list[str]:
    """The cards that said that it stops, oldest first."""
    return [str(card.blocks) for _, _, card in of.world.posts if card.text.startswith(f"{trainer.id} stops in")]


def test_2_a_notice_counts_until_24_hours_after_the_time_that_it_named() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    named = of.clock() + 30 * MINUTE
    of.clock.now = named + 24 * HOUR
    sweep(of.watchdog())
    assert not trainer.alive


def test_2_a_second_later_it_is_warned_anew_and_told_why() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    named = of.clock() + 30 * MINUTE
    of.clock.now = named + 24 * HOUR + SECOND
    sweep(of.watchdog())
    assert trainer.alive
    assert len(warnings_of(of, trainer)) == 2
    assert "This is another notice: the last one named" in warnings_of(of, trainer)[-1]
    assert "and that is too long ago" in warnings_of(of, trainer)[-1]
    later(of, minutes=29)
    assert trainer.alive
    later(of, minutes=3)
    assert not trainer.alive


def test_2_after_six_days_without_a_sweep_nobody_is_stopped_on_a_notice_of_then() -> None:
    of = town(policies.selector(limits=policies.limits(hard_cap_seconds=300 * 3600)))
    trainer = of.world.launch(age=11 * HOUR + 20 * MINUTE, tags=TAGS)
    sweep(of.watchdog())
    later(of, days=6)
    assert trainer.alive
    assert len(warnings_of(of, trainer)) == 2


def test_2_a_region_that_was_out_of_the_file_for_two_days_is_warned_anew() -> None:
    both = policies.policy(regions=[REGION, "eu-central-1"])
    of = Town(both)
    trainer = of.world.launch(age=11 * HOUR + 20 * MINUTE, tags=TAGS, region="eu-central-1")
    sweep(of.watchdog())
    of.policy = policies.policy()
    for _ in range(20):
        later(of, hours=2)
    of.policy = both
    later(of, minutes=5)
    assert trainer.alive
    assert len(warnings_of(of, trainer)) == 2


def test_2_what_could_not_be_proven_for_longer_than_a_notice_lasts_is_warned_anew() -> None:
    of = town(policies.selector(service="training"))
    job = of.world.train("churn", age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    job.tags = None
    for _ in range(30):
        later(of, hours=1)
    job.tags = dict(TAGS)
    later(of, minutes=5)
    assert job.status == "InProgress"
    later(of, minutes=32)
    assert job.status == "Stopped"


def test_2_what_a_cap_held_for_days_is_warned_anew_after_its_release_and_then_stopped() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 20})
    of.world.launch(age=41 * HOUR, tags=TAGS)
    held = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    for _ in range(12):
        later(of, hours=6)
    assert (held.alive, records(of)[held.id].status) == (True, Status.HELD)
    assert len(warnings_of(of, held)) == 1, "while it waits nobody needs to hear more"
    released(of, held.id)
    later(of, minutes=5)
    assert held.alive
    assert len(warnings_of(of, held)) == 2
    later(of, minutes=32)
    assert not held.alive


def test_2_a_stop_that_aws_refuses_for_days_is_announced_anew_before_it_succeeds() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    of.world.fault = refusing("TerminateInstances")
    warn_and_let_the_notice_pass(of)
    for _ in range(5):
        later(of, hours=6)
    of.world.fault = None
    of.clock.forward(hours=25)
    sweep(of.watchdog())
    assert trainer.alive
    later(of, minutes=32)
    assert not trainer.alive


# --- line 3: caps ---------------------------------------------------------------------------------------------


def released(of: Town, name: str) -> None:
    step = grants.release(records(of)[name], by="ops", now=of.clock())
    assert step is not None
    assert of.ledger.save(step)


@pytest.mark.parametrize(
    ("cap", "stopped"),
    [
        ({"runs": 2, "share": "1", "per_day": 20}, 2),
        ({"runs": 9, "share": "0.5", "per_day": 20}, 3),
        ({"runs": 9, "share": "1", "per_day": 4}, 4),
        ({"runs": 9, "share": "0.1", "per_day": 20}, 1),
    ],
)
def test_3_more_due_than_a_cap_allows_is_held_and_never_stopped_by_a_later_sweep(
    cap: dict[str, Any], stopped: int
) -> None:
    of = town(blast_cap=cap)
    trainers = [of.world.launch(age=40 * HOUR, tags=TAGS) for _ in range(6)]
    report = warn_and_let_the_notice_pass(of)
    assert report.stopped == stopped
    for _ in range(30):
        later(of, hours=1)
    assert sum(not trainer.alive for trainer in trainers) == stopped
    held = [record.hold for record in records(of).values()]
    assert len(held) == 6 - stopped
    assert all(hold is not None and hold.code.value == "cap" for hold in held)


def held_by_a_cap(of: Town, **tags: str) -> FakeInstance:
    """One of two that are due is stopped; returns the other, which has `tags` too."""
    first = of.world.launch(age=41 * HOUR, tags=TAGS)
    held = of.world.launch(age=40 * HOUR, tags={**TAGS, **tags})
    warn_and_let_the_notice_pass(of)
    assert (first.alive, held.alive, records(of)[held.id].status) == (False, True, Status.HELD)
    return held


ONE_A_SWEEP = {"runs": 1, "share": "1", "per_day": 20}
ONE_A_DAY = {"runs": 5, "share": "1", "per_day": 1}


@pytest.mark.parametrize("limit", ["13h", "39h"])
def test_3_a_cap_hold_does_not_escape_by_a_deadline_that_moves_while_the_run_is_overdue(limit: str) -> None:
    of = town(blast_cap=ONE_A_SWEEP)
    held = held_by_a_cap(of)
    before = records(of)[held.id].hold
    held.tags["costwatch:max-runtime"] = limit
    for _ in range(12):
        later(of, minutes=10)
    assert held.alive
    assert records(of)[held.id].hold == before, "it is the same hold, with the same id"
    assert sum(card.text.startswith("Held: ") for _, _, card in of.world.posts) == 1


def test_3_its_release_counts_for_the_deadline_that_moved_and_it_is_warned_of_that_first() -> None:
    of = town(blast_cap=ONE_A_DAY)
    held = held_by_a_cap(of)
    held.tags["costwatch:max-runtime"] = "13h"
    later(of, minutes=10)
    released(of, held.id)
    later(of, minutes=5)
    assert held.alive
    assert len(warnings_of(of, held)) == 2
    later(of, minutes=32)
    assert not held.alive


def test_3_a_cap_hold_ends_by_itself_when_the_run_is_not_overdue_any_more() -> None:
    of = town(blast_cap=ONE_A_SWEEP)
    held = held_by_a_cap(of)
    held.tags["costwatch:max-runtime"] = "44h"
    later(of, minutes=5)
    assert records(of)[held.id].status is Status.RUNNING
    for _ in range(40):
        later(of, minutes=6)
    assert not held.alive
    assert held.launch_time is not None
    assert held.ended_at is not None
    assert held.ended_at - held.launch_time > 44 * HOUR
    assert len(warnings_of(of, held)) == 2


def test_3_a_release_of_before_counts_no_more_once_the_run_was_not_overdue() -> None:
    of = town(blast_cap=ONE_A_DAY)
    held = held_by_a_cap(of)
    released(of, held.id)
    held.tags["costwatch:max-runtime"] = "42h"
    for _ in range(26):
        later(of, minutes=5)
    assert held.alive
    assert records(of)[held.id].status is Status.HELD


def test_3_a_cap_hold_does_not_escape_by_tags_that_cannot_be_read_for_a_moment() -> None:
    of = town(policies.selector(service="training"), blast_cap=ONE_A_SWEEP)
    tags = {**TAGS, "costwatch:max-runtime": "1h"}
    of.world.train("first", age=11 * HOUR, tags=tags)
    held = of.world.train("held", age=10 * HOUR, tags=tags)
    warn_and_let_the_notice_pass(of)
    assert records(of)["held"].status is Status.HELD
    held.tags = None
    later(of, minutes=5)
    held.tags = tags
    for _ in range(12):
        later(of, minutes=10)
    assert held.status == "InProgress"


def test_3_a_cap_hold_outlasts_a_pause_and_needs_no_other_notice_until_it_is_released() -> None:
    of = town(blast_cap=ONE_A_SWEEP)
    held = held_by_a_cap(of)
    paused(of, HOUR)
    for _ in range(20):
        later(of, minutes=10)
    assert held.alive
    assert len(warnings_of(of, held)) == 1
    assert "release hold-" in next(card.plain for _, _, card in of.world.posts if card.text.startswith("Held: "))


def test_3_what_a_cap_held_is_told_once_with_the_command_that_releases_it() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 20})
    for _ in range(2):
        of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    for _ in range(5):
        later(of, minutes=5)
    held = [card for _, _, card in of.world.posts if card.text.startswith("Held: ")]
    assert len(held) == 1
    assert "costwatch release hold-" in held[0].plain


def test_3_the_longest_overdue_goes_first() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 20})
    young, old = of.world.launch(age=20 * HOUR), of.world.launch(age=40 * HOUR)
    warn_and_let_the_notice_pass(of)
    assert (young.alive, old.alive) == (True, False)


def test_3_two_sweeps_at_once_share_the_caps() -> None:
    of = town(blast_cap={"runs": 3, "share": "1", "per_day": 20})
    trainers = [of.world.launch(age=40 * HOUR, tags=TAGS) for _ in range(6)]
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    sweep(of.watchdog())
    sweep(of.watchdog())
    assert sum(not trainer.alive for trainer in trainers) == 3


def test_3_a_failed_stop_that_is_tried_again_counts_once() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 1})
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.world.fault = failing("TerminateInstances", TransientAwsError("Throttling"))
    later(of, minutes=32)
    of.world.fault = None
    later(of, minutes=5)
    assert not trainer.alive


def paused(of: Town, duration: timedelta) -> None:
    now = of.clock()
    before = of.ledger.pause()
    version = before.version + 1 if before else 1
    assert of.ledger.set_pause(Pause(version, now + duration, "ada", "maintenance", now), before)


def test_3_a_pause_holds_everything_and_ends() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    paused(of, 3 * HOUR)
    for _ in range(2):
        later(of, hours=1)
    assert trainer.alive
    assert of.world.posts == [] or all("stops in" not in card.text for _, _, card in of.world.posts)
    later(of, hours=1)
    later(of, minutes=32)
    assert not trainer.alive


def test_3_a_pause_between_the_claim_and_the_act_still_stops_nobody() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    attributes = 0

    def pause_at_the_last_look(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        nonlocal attributes
        del where, ids
        attributes += called == "DescribeInstanceAttribute"
        if called == "DescribeInstanceAttribute" and attributes == 2:
            paused(of, HOUR)
        return None

    of.world.fault = pause_at_the_last_look
    sweep(of.watchdog())
    assert attributes == 2
    assert trainer.alive
    assert destroyed(of) == []


# --- line 4: a stop is finished only when verified ------------------------------------------------------------


def test_4_the_spot_request_is_cancelled_before_its_instance_and_nothing_comes_back() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    warn_and_let_the_notice_pass(of)
    assert [call[0] for call in destroyed(of)] == ["CancelSpotInstanceRequests", "TerminateInstances"]
    for _ in range(3):
        later(of, minutes=5)
    assert [instance for instance in of.world.instances.values() if instance.alive] == []
    assert transitions(of, trainer.id)[-2:] == ["verified gone", "delivered"]


def test_4_an_instance_whose_request_cannot_be_cancelled_is_not_terminated() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    of.world.fault = failing("CancelSpotInstanceRequests", PermanentAwsError("UnauthorizedOperation"))
    warn_and_let_the_notice_pass(of)
    assert trainer.alive
    assert "TerminateInstances" not in [call[0] for call in destroyed(of)]


def test_4_an_untagged_spot_request_holds_with_the_command_that_tags_it() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent", request_tags={})
    warn_and_let_the_notice_pass(of)
    assert trainer.alive
    hold = records(of)[trainer.id].hold
    assert hold is not None
    assert "aws ec2 create-tags --resources sir-" in hold.reason


def test_4_what_was_relaunched_is_said_loudly_with_who_did_it_and_watched_as_a_new_run() -> None:
    of = town()
    of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    warn_and_let_the_notice_pass(of)
    again = of.world.launch(tags={**TAGS, "costwatch:run": "churn"})
    report = later(of, minutes=5)
    assert report.came_back == 1
    assert any("came back after it was stopped" in card.text for _, _, card in of.world.posts)
    later(of, minutes=5)
    later(of, hours=5)
    assert again.alive, "it has a clock of its own"
    assert records(of)["churn"].start == again.launch_time


def test_4_two_looks_apart_make_it_final_and_one_does_not() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    later(of, minutes=5)
    assert "verified gone" not in transitions(of, trainer.id)
    later(of, minutes=5)
    assert "verified gone" in transitions(of, trainer.id)
    assert records(of) == {}


def test_4_a_batch_with_one_bad_id_is_settled_from_the_world_and_bisected() -> None:
    of = town()
    trainers = [of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"}, zone=z) for z in "aaab"]
    bad = trainers[1]
    sweep(of.watchdog())
    of.world.fault = failing("TerminateInstances", PermanentAwsError("InvalidInstanceID.NotFound"), holding=bad.id)
    report = later(of, minutes=32)
    assert [trainer.alive for trainer in trainers] == [False, True, False, False]
    assert report.stopped == 0
    assert records(of)["churn"].status is Status.FAILED
    of.world.fault = None
    later(of, minutes=5)
    assert not bad.alive


def test_4_a_stop_that_keeps_failing_is_tried_each_sweep_and_told_once() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    of.world.fault = failing("TerminateInstances", PermanentAwsError("UnauthorizedOperation: denied"))
    warn_and_let_the_notice_pass(of)
    for _ in range(5):
        later(of, minutes=5)
    assert trainer.alive
    assert len(destroyed(of)) == 6
    assert sum(card.text.startswith("Could not stop") for _, _, card in of.world.posts) == 1


def test_4_a_stop_whose_answer_was_lost_is_done_once() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())

    def carried_out_and_lost(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where
        if called != "TerminateInstances":
            return None
        for instance_id in ids:
            of.world.end(of.world.instances[instance_id])
        return TransientAwsError("read timeout")

    of.world.fault = carried_out_and_lost
    report = later(of, minutes=32)
    assert (report.stopped, report.failures) == (1, [])
    for _ in range(2):
        later(of, minutes=5)
    assert len(destroyed(of)) == 1
    assert len(of.world.events) == 1
    assert "verified gone" in transitions(of, trainer.id)


def test_4_a_job_that_had_stopped_already_counts_as_done() -> None:
    of = town(policies.selector(service="training"))
    job = of.world.train("churn", age=40 * HOUR)
    sweep(of.watchdog())

    def ends_just_before(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        if called == "StopTrainingJob":
            of.world.end(job, status="Stopped")
        return None

    of.world.fault = ends_just_before
    report = later(of, minutes=32)
    assert (report.stopped, report.failures) == (1, [])


def test_2_what_was_warned_before_everything_was_switched_off_is_warned_anew() -> None:
    of = town(mode="enforce")
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.policy = policies.policy(mode="off")
    later(of, minutes=5)
    of.policy = policies.policy(mode="enforce")
    later(of, hours=8)
    assert trainer.alive
    assert [card.text.partition(" in ")[0] for _, _, card in of.world.posts] == [f"{trainer.id} stops"] * 2
    later(of, minutes=32)
    assert not trainer.alive


def test_4_a_bus_that_fails_delays_the_final_event_and_holds_up_nothing_else() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.world.fault = lambda operation, _region, _ids: (
        TransientAwsError("bus down") if operation == "PutEvents" else None
    )
    report = later(of, minutes=32)
    assert trainer.state == "terminated"
    assert [(failure.where.split()[0], failure.reason) for failure in report.failures] == [
        ("canary", "bus down"),
        ("message", "bus down"),
    ]
    for _ in range(3):
        later(of, minutes=5)
    assert records(of) == {}, "verified gone without waiting for the bus"
    assert of.world.events == []
    of.world.fault = None
    later(of, minutes=5)
    assert [event["name"] for event in of.world.events] == [trainer.id]


def test_4_every_stop_publishes_one_final_event() -> None:
    of = town(policies.selector(), policies.selector("jobs", service="training"))
    trainer, job = of.world.launch(age=40 * HOUR, tags=TAGS), of.world.train("churn", age=40 * HOUR)
    warn_and_let_the_notice_pass(of)
    for _ in range(3):
        later(of, minutes=5)
    assert sorted(event["name"] for event in of.world.events) == sorted([trainer.id, job.name])
    assert all(event["final"] and event["stop_key"].startswith("stop#enforce#") for event in of.world.events)


OUT = {"switched off": {"mode": "off"}, "out of the file": {"regions": ["eu-central-1"]}}


@pytest.mark.parametrize("change", OUT.values(), ids=OUT)
def test_4_a_stop_is_verified_and_told_though_its_region_is_switched_off_or_out_of_the_file(
    change: dict[str, Any],
) -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    sweep(of.watchdog())
    of.world.slack_is_up = False
    later(of, minutes=32)
    assert trainer.state == "terminated"
    of.policy = policies.policy(**change)
    of.world.slack_is_up = True
    for _ in range(3):
        later(of, minutes=5)
    assert records(of) == {}
    assert Transition.VERIFIED_GONE in transitions(of, trainer.id)
    assert sum("was stopped" in card.text for _, _, card in of.world.posts) == 1
    assert len(of.world.events) == 1


@pytest.mark.parametrize("change", OUT.values(), ids=OUT)
def test_4_what_came_back_is_said_though_its_region_is_switched_off_or_out_of_the_file(change: dict[str, Any]) -> None:
    of = town()
    of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    warn_and_let_the_notice_pass(of)
    of.world.launch(tags={**TAGS, "costwatch:run": "churn"})
    of.policy = policies.policy(**change)
    later(of, minutes=5)
    assert any("came back after it was stopped" in card.text for _, _, card in of.world.posts)


@pytest.mark.parametrize("change", OUT.values(), ids=OUT)
def test_4_nothing_new_is_warned_or_stopped_where_it_is_switched_off_or_out_of_the_file(change: dict[str, Any]) -> None:
    of = town()
    crashed, warned = overdue_and_warned(of), of.world.launch(age=11 * HOUR + 30 * MINUTE, tags=TAGS)
    of.world.fault = crashing("TerminateInstances")
    with pytest.raises(Crash):
        later(of, minutes=1)
    of.world.fault = None
    heard, before = len(of.world.posts), of.policy
    of.policy = policies.policy(**change)
    for _ in range(6):
        later(of, minutes=10)
    assert (crashed.alive, warned.alive) == (True, True)
    assert len(of.world.posts) == heard
    of.policy = before
    later(of, minutes=10)
    assert (crashed.alive, warned.alive) == (True, True), "no notice from before counts"
    later(of, minutes=32)
    assert (crashed.alive, warned.alive) == (False, False)


# --- line 5: protection is respected --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"tags": {**TAGS, "Environment": "prod"}},
        {"tags": {**TAGS, "costwatch:never": ""}},
        {"tags": {**TAGS, "costwatch:exempt": "until 2026-12-24T00:00:00Z"}},
        {"tags": {**TAGS, "costwatch:exempt": "the bastion"}},
        {"tags": TAGS, "protected": True},
        {"tags": TAGS, "asg": "inference-a"},
        {"tags": TAGS, "asg": "trainers"},
        {"tags": TAGS, "spot": "persistent", "request_tags": {**TAGS, "costwatch:never": ""}},
        {"tags": TAGS, "lifecycle": "capacity_block"},
    ],
    ids=["protect tag", "never", "exempt until", "exempt reason", "termination protection", "protect asg", "group",
         "never on the request", "prepaid"],
)  # fmt: skip
def test_5_what_is_protected_is_never_stopped(given: dict[str, Any]) -> None:
    of = town(protect=[{"tags": {"Environment": ["prod"]}, "asg": None}, {"tags": {}, "asg": "inference-*"}])
    bastion = of.world.launch(age=900 * HOUR, **given)
    for _ in range(20):
        later(of, hours=6)
    assert bastion.alive
    assert destroyed(of) == []


def test_5_protection_that_was_set_after_the_warning_is_respected() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    trainer.protected = True
    later(of, minutes=32)
    assert trainer.alive
    assert destroyed(of) == []


def test_5_an_exempt_tag_that_was_set_after_the_warning_is_respected_and_ends() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    trainer.tags["costwatch:exempt"] = "paper deadline"
    for _ in range(28):
        later(of, hours=6)
    assert trainer.alive, "a reason lasts seven days from when it was first seen, six hours after it was given"
    later(of, hours=7)
    later(of, minutes=32)
    assert not trainer.alive


def test_5_an_exemption_by_command_outlasts_a_restart() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    record = records(of)[trainer.id]
    until = of.clock.now + 5 * 24 * HOUR
    step = grants.exempt(record, until=until, by="arn:jonas", reason="paper", now=of.clock.now)
    assert of.ledger.save(step)
    of.clock.forward(hours=1)
    of.world.restart(trainer)
    for _ in range(16):
        later(of, hours=6)
    assert trainer.alive
    assert of.world.posts == []
    assert records(of)[trainer.id].restarts == 1


def exempted(of: Town, name: str, *, days: float = 5) -> datetime:
    """A person exempts the run called `name`; returns until when."""
    now = of.clock()
    until = now + timedelta(days=days)
    step = grants.exempt(records(of)[name], by="arn:jonas", until=until, reason="paper", now=now)
    assert of.ledger.save(step)
    return until


def left_alone_until(of: Town, until: datetime) -> list[str]:
    """Sweep until just before `until`; what people heard of a stop to come by then, and in the sweep after it."""
    heard = len(of.world.posts)
    while of.clock() + 6 * HOUR < until:
        later(of, hours=6)
    assert [card.text for _, _, card in of.world.posts[heard:]] == []
    of.clock.now = until
    sweep(of.watchdog())
    return [card.text for _, _, card in of.world.posts[heard:]]


@pytest.mark.parametrize("heard", [True, False], ids=["an event tells of the stop", "a sweep sees it stopped"])
def test_5_an_exemption_by_command_outlasts_a_stop_and_start_with_a_look_in_the_gap(heard: bool) -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    until = exempted(of, trainer.id)
    of.world.halt(trainer)
    if heard:
        hint(of, trainer)
    else:
        later(of, minutes=5)
    assert records(of) == {}, "its record ended with it"
    of.world.restart(trainer)
    assert [text.partition(" in ")[0] for text in left_alone_until(of, until)] == [f"{trainer.id} stops"]
    assert trainer.alive


def test_5_an_exemption_by_command_outlasts_one_answer_in_which_its_run_is_missing() -> None:
    of = town(policies.selector(), policies.selector("jobs", service="training"))
    trainer, job = of.world.launch(age=11 * HOUR, tags=TAGS), of.world.train("churn", age=11 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    until = exempted(of, trainer.id)
    exempted(of, "churn")
    missing = of.world.instances.pop(trainer.id), of.world.jobs.pop("churn")
    later(of, minutes=5)
    of.world.instances[trainer.id], of.world.jobs["churn"] = missing
    assert len(left_alone_until(of, until)) == 2
    assert (trainer.alive, job.status) == (True, "InProgress")


def test_5_an_exempt_instance_stays_so_when_it_gets_a_run_tag_and_its_run_with_it() -> None:
    of = town()
    trainer = of.world.launch(age=11 * HOUR, tags=dict(TAGS))
    sweep(of.watchdog())
    until = exempted(of, trainer.id)
    trainer.tags["costwatch:run"] = "llm"
    other = of.world.launch(age=11 * HOUR, tags={**TAGS, "costwatch:run": "llm"})
    assert len(left_alone_until(of, until)) == 1
    assert (trainer.alive, other.alive) == (True, True)


def test_5_a_member_of_an_exempt_run_stays_exempt_when_it_loses_its_run_tag() -> None:
    of = town()
    tags = {**TAGS, "costwatch:run": "llm"}
    first, second = of.world.launch(age=11 * HOUR, tags=tags), of.world.launch(age=11 * HOUR, tags=tags)
    sweep(of.watchdog())
    until = exempted(of, "llm")
    del second.tags["costwatch:run"]
    assert len(left_alone_until(of, until)) == 2
    assert (first.alive, second.alive) == (True, True)


def test_5_a_run_that_an_exempt_member_has_left_is_exempt_no_more() -> None:
    of = town()
    exempt = of.world.launch(age=HOUR, tags=dict(TAGS))
    sweep(of.watchdog())
    exempted(of, exempt.id)
    exempt.tags["costwatch:run"] = "llm"
    other = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "llm"})
    later(of, minutes=5)
    assert of.world.posts == []
    del exempt.tags["costwatch:run"]
    warn_and_let_the_notice_pass(of)
    assert (exempt.alive, other.alive) == (True, False)


def test_5_an_exempt_run_name_stays_exempt_when_all_its_members_were_replaced() -> None:
    of = town()
    tags = {**TAGS, "costwatch:run": "nightly"}
    first = of.world.launch(age=HOUR, tags=tags)
    sweep(of.watchdog())
    until = exempted(of, "nightly")
    of.world.end(first)
    later(of, minutes=5)
    second = of.world.launch(tags=tags)
    assert len(left_alone_until(of, until)) == 1
    assert second.alive


def test_5_a_later_exemption_replaces_the_one_before_also_by_a_sooner_end() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    exempted(of, trainer.id)
    until = exempted(of, trainer.id, days=1)
    assert len(left_alone_until(of, until)) == 1


def test_5_an_exemption_between_the_claim_and_the_act_of_the_run_that_its_member_joined_is_respected() -> None:
    of = town()
    joined = of.world.launch(age=40 * HOUR, tags=dict(TAGS))
    sweep(of.watchdog())
    alone = records(of)[joined.id]
    joined.tags["costwatch:run"] = "llm"
    sweep(of.watchdog())
    looks = 0

    def exempt_at_the_last_look(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        nonlocal looks
        del where, ids
        looks += called == "DescribeInstanceAttribute"
        if called == "DescribeInstanceAttribute" and looks == 2:
            until = of.clock() + HOUR
            row = replace(alone, run_id=replace(alone.run_id, name="another"), version=0)
            step = grants.exempt(row, by="arn:jonas", until=until, reason="paper", now=of.clock())
            assert of.ledger.save(replace(step, before=None))
        return None

    of.world.fault = exempt_at_the_last_look
    later(of, minutes=32)
    assert looks == 2
    assert joined.alive
    assert destroyed(of) == []


def test_5_an_exemption_of_before_that_stands_only_in_its_record_still_counts() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    until = exempted(of, trainer.id)
    for key in [key for key in of.table.items if key[0].startswith("exempt#")]:
        del of.table.items[key]
    row = of.table.items[f"open#deployed#{ACCOUNT}#{REGION}", str(run_id(trainer))]
    del row["exemption"]["apart"]
    later(of, hours=1)
    assert len(left_alone_until(of, until)) == 1
    assert trainer.alive


def test_2_a_kept_warning_is_not_sent_about_a_run_that_was_exempted_meanwhile() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    of.world.slack_is_up = False
    sweep(of.watchdog())
    trainer.tags["costwatch:exempt"] = "paper"
    of.world.slack_is_up = True
    later(of, minutes=10)
    later(of, minutes=10)
    assert of.world.posts == []


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


def test_2_a_pending_instance_of_a_tagged_run_is_not_stopped_under_its_predecessors_clock() -> None:
    of = town()
    tags = {**TAGS, "costwatch:run": "nightly"}
    first = of.world.launch(age=40 * HOUR, tags=tags)
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    of.world.end(first)
    second = of.world.launch(tags={**tags, "owner": "otto@example.com"})
    second.state = "pending"
    sweep(of.watchdog())
    later(of, minutes=5)
    assert second.alive


def test_2_an_instance_that_is_started_again_after_its_warning_gets_its_own_clock_while_pending() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    of.world.restart(trainer)
    trainer.state = "pending"
    sweep(of.watchdog())
    later(of, minutes=5)
    assert trainer.alive


def test_5_an_exemption_by_command_outlasts_a_tag_that_is_gone_for_a_moment() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags=dict(TAGS))
    sweep(of.watchdog())
    until = of.clock.now + 5 * 24 * HOUR
    step = grants.exempt(records(of)[trainer.id], until=until, by="arn:jonas", reason="paper", now=of.clock.now)
    assert of.ledger.save(step)
    purpose = trainer.tags.pop("Purpose")
    later(of, minutes=5)
    trainer.tags["Purpose"] = purpose
    for _ in range(16):
        later(of, hours=6)
    assert trainer.alive


def test_3_a_cap_hold_does_not_escape_by_a_tag_that_is_gone_for_a_moment() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 20})
    first = of.world.launch(age=41 * HOUR, tags=dict(TAGS))
    held = of.world.launch(age=40 * HOUR, tags=dict(TAGS))
    warn_and_let_the_notice_pass(of)
    assert (first.alive, held.alive) == (False, True)
    purpose = held.tags.pop("Purpose")
    later(of, minutes=5)
    held.tags["Purpose"] = purpose
    for _ in range(20):
        later(of, minutes=20)
    assert held.alive


def test_1_one_resource_that_is_not_what_aws_documents_does_not_stop_the_sweep_for_others() -> None:
    of = town()
    odd = of.world.launch(age=40 * HOUR, tags=TAGS)
    odd.launch_time = datetime(2026, 11, 20, 9, 0)  # no time zone: what no AWS answer should hold
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    report = sweep(of.watchdog())
    assert [odd.id in failure.where for failure in report.failures] == [True]
    later(of, minutes=32)
    assert (odd.alive, trainer.alive) == (True, False)


def test_2_a_notice_whose_card_was_dropped_is_given_anew() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, spot="persistent", tags=dict(TAGS))
    of.world.slack_is_up = False
    sweep(of.watchdog())
    request = of.world.spot_requests[trainer.spot_request_id or ""]
    request.tags.clear()
    trainer.tags["costwatch:deadline"] = "2026-11-22T08:00:00Z"
    of.world.slack_is_up = True
    later(of, minutes=40)
    request.tags.update(TAGS)
    del trainer.tags["costwatch:deadline"]
    for _ in range(3):
        later(of, minutes=32)
    assert not trainer.alive


def test_3_a_member_of_a_selector_that_is_off_holds_its_run_and_does_not_hide_it() -> None:
    off = policies.selector("small", mode="off", types=["m5.*"])
    of = town(off, policies.selector())
    tags = {**TAGS, "costwatch:run": "mixed"}
    big = of.world.launch(age=40 * HOUR, tags=tags)
    of.world.launch(age=40 * HOUR, tags=tags, instance_type="m5.large")
    assert [seen.decision.hold for seen in sweep(of.watchdog()).seen] == [HoldCode.OUTSIDE]
    assert big.alive


def test_5_a_reason_exempts_for_seven_days_in_all_however_often_the_instance_is_restarted() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags={**TAGS, "costwatch:exempt": "paper deadline"})
    sweep(of.watchdog())
    for _ in range(6):
        later(of, hours=12)
        trainer.state = "stopped"
        later(of, minutes=5)
        later(of, hours=11)
        trainer.state = "running"
        of.world.restart(trainer)
        later(of, minutes=5)
    assert trainer.alive
    later(of, hours=30)
    later(of, minutes=32)
    assert trainer.state == "terminated"


def nights_of(of: Town, name: str, reason: str) -> Callable[[], FakeInstance]:
    """Each call launches the run `name` anew, exempt for `reason`, once what ran before has ended and was seen to."""

    def launch() -> FakeInstance:
        for before in of.world.instances.values():
            of.world.end(before)
        later(of, minutes=5)
        return of.world.launch(tags={**TAGS, "costwatch:run": name, "costwatch:exempt": reason})

    return launch


def test_5_a_reason_on_a_run_name_that_is_used_again_after_more_than_a_week_exempts_anew() -> None:
    of = town()
    night = nights_of(of, "nightly", "paper deadline")
    night()
    for _ in range(20):
        later(of, hours=1)
    of.clock.forward(days=30)
    again = night()
    for _ in range(60):
        later(of, hours=1)
    assert again.alive
    assert of.world.posts == []


def test_5_a_reason_that_was_away_for_a_week_at_most_goes_on_and_ends() -> None:
    of = town()
    night = nights_of(of, "nightly", "paper deadline")
    night()
    later(of, minutes=5)
    of.clock.forward(days=6, hours=22)
    again = night()
    for _ in range(16):
        later(of, hours=1)
    assert not again.alive


def test_5_a_reason_that_is_seen_every_day_ends_after_seven_days_and_stays_so() -> None:
    of = town()
    night = nights_of(of, "nightly", "paper deadline")
    for _ in range(12):
        last = night()
        for _ in range(20):
            later(of, hours=1)
    assert not last.alive, "twelve nights, one after the other: the exemption of the first is over"


def test_5_when_a_reason_was_last_seen_is_written_once_a_day() -> None:
    of = town()
    nights_of(of, "nightly", "paper deadline")()
    written: list[str] = []
    of.table.before_transact = lambda writes: written.extend(w.item["pk"] for w in writes if isinstance(w, Put))
    for _ in range(72):
        later(of, hours=1)
    assert sum(pk.startswith("seen#") for pk in written) == 3


def test_5_an_exempt_tag_until_a_far_year_ends_however_often_the_instance_is_restarted() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags={**TAGS, "costwatch:exempt": "until 9998-01-01T00:00:00Z"})
    for _ in range(4):
        sweep(of.watchdog())
        of.clock.forward(days=91)
        of.world.restart(trainer)
        of.clock.forward(hours=13)
    assert sweep(of.watchdog()).seen[0].decision.verdict.value == "warn"


def test_5_a_job_that_uploads_its_model_is_left() -> None:
    of = town(policies.selector(service="training"))
    job = of.world.train("churn", age=40 * HOUR)
    sweep(of.watchdog())
    job.secondary_status = "Uploading"
    later(of, minutes=32)
    assert job.status == "InProgress"
    assert destroyed(of) == []


def test_5_children_of_a_tuning_job_are_never_stopped_by_a_selector_of_training_jobs() -> None:
    of = town(policies.selector(service="training"))
    child = of.world.child_of(of.world.tune("search", age=60 * HOUR), age=40 * HOUR)
    warn_and_let_the_notice_pass(of)
    assert (child.status, records(of), destroyed(of)) == ("InProgress", {}, [])


# --- line 10: observe is the same code with an act that only writes -------------------------------------------


@pytest.mark.parametrize("mode", ["observe", "warn", "off"])
def test_10_without_enforce_nothing_destructive_is_ever_called(mode: str) -> None:
    of = town(policies.selector(mode=mode), policies.selector("jobs", mode=mode, service="training"))
    of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    of.world.train("churn", age=40 * HOUR)
    for _ in range(30):
        later(of, hours=1)
    assert destroyed(of) == []


def ladder_of(of: Town, trainer: FakeInstance) -> list[str]:
    same = {Transition.WOULD_STOP.value: Transition.STOPPING.value}
    told = {Transition.DELIVERED.value, Transition.NOTICE_ACCEPTED.value}
    steps = [same.get(each, each) for each in transitions(of, trainer.id) if each not in told]
    return steps[: steps.index(Transition.STOPPING.value) + 1]


def test_10_observe_climbs_the_same_ladder_at_the_same_times_up_to_the_act() -> None:
    found = []
    for mode in ("observe", "warn", "enforce"):
        of = town(policies.selector(mode=mode))
        trainer = of.world.launch(age=11 * HOUR, tags=TAGS)
        for _ in range(16):
            later(of, minutes=5)
        due = next(item["at"] for item in of.table.items.values() if item.get("transition") == Transition.DUE.value)
        found.append((ladder_of(of, trainer), due))
    assert found[0] == found[1] == found[2]


def test_10_in_observe_people_hear_one_summary_a_day_and_only_the_platform_channel_does() -> None:
    of = town(policies.selector(mode="observe"))
    of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:max-runtime": "12"})
    of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:never": ""})
    of.world.launch(age=40 * HOUR, tags=TAGS)
    for _ in range(48):
        later(of, hours=1)
    assert {channel for _, channel, _ in of.world.posts} == {"#ml-platform"}
    days = [at.date() for at, _, _ in of.world.posts]
    assert len(days) == len(set(days)) <= 3


def test_10_a_summary_never_counts_a_missing_price_as_zero_dollars() -> None:
    of = town(policies.selector(mode="observe"))
    of.world.launch(age=40 * HOUR, tags=TAGS, instance_type="p9.unheard-of")
    warn_and_let_the_notice_pass(of)
    later(of, hours=24)
    heads = [card.text for _, _, card in of.world.posts if "1 would be stopped now" in card.text]
    assert heads == ["Costwatch observes: 1 would be stopped now, rate unknown"]


def test_10_what_was_settled_in_observe_never_blocks_enforce() -> None:
    of = town(policies.selector(mode="observe"))
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    for _ in range(5):
        later(of, hours=1)
    assert records(of)[trainer.id].status is Status.WOULD_STOP
    of.policy = policies.policy()
    warn_and_let_the_notice_pass(of)
    assert not trainer.alive


def test_10_a_would_have_is_closed_with_what_really_happened() -> None:
    of = town(policies.selector(mode="observe", service="training"))
    job = of.world.train("churn", age=12 * HOUR)
    warn_and_let_the_notice_pass(of)
    of.clock.forward(minutes=40)
    of.world.end(job)
    later(of, minutes=5)
    rows = of.ledger.since(of.clock() - HOUR, of.clock())
    assert "finished by itself 40 min later: would have destroyed $316." in rows[-1].entry.reason


def test_10_a_would_have_that_a_restart_closes_says_how_much_later_that_was() -> None:
    of = town(policies.selector(mode="observe"))
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    of.clock.forward(hours=5)
    of.world.restart(trainer)
    later(of, minutes=5)
    superseded = next(
        row.entry for row in of.ledger.timeline(run_id(trainer)) if row.entry.transition is Transition.SUPERSEDED
    )
    assert superseded.reason.startswith(
        "started anew 5 h later, at 2026-11-22T14:32:00Z: it had burned at most $109.79"
    )


# --- line 11: every decision can be explained -----------------------------------------------------------------


def test_11_the_timeline_holds_clock_warning_delivery_rule_commit_price_and_who() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    for _ in range(2):
        later(of, minutes=5)
    rows = of.ledger.timeline(run_id(trainer))
    by_kind = {row.entry.transition: row for row in rows}
    first, due = by_kind[Transition.FIRST_SEEN], by_kind[Transition.DUE]
    assert "LaunchTime of" in dict(first.entry.evidence)["clock"]
    assert "Slack to maria@example.com" in by_kind[Transition.NOTICE_ACCEPTED].entry.reason
    assert due.entry.rule == "max_runtime 12h of selector trainers"
    assert "warned 32 min ago by Slack to maria@example.com" in due.entry.reason
    assert "list price" in dict(by_kind[Transition.STOP_REQUESTED].entry.evidence)["price"]
    assert dict(by_kind[Transition.STOP_REQUESTED].entry.evidence)["spent_usd"].startswith("89")
    assert {row.entry.actor for row in rows} == {"costwatch"}
    assert {(row.stamp.policy_digest, row.stamp.config_commit) for row in rows} == {(of.policy.digest, "c0ffee")}
    assert rows[0].entry.at <= rows[-1].entry.at


def run_id(trainer: FakeInstance) -> RunId:
    return RunId(ACCOUNT, trainer.region, RunKind.INSTANCE, trainer.id)


def test_11_a_restart_loop_shows_in_the_ledger_and_starts_the_clock_anew() -> None:
    of = town()
    trainer = of.world.launch(age=11 * HOUR, tags=TAGS)
    for _ in range(3):
        later(of, hours=1)
        of.world.restart(trainer)
    later(of, minutes=5)
    assert trainer.alive
    assert transitions(of, trainer.id).count("superseded") == 3
    assert records(of)[trainer.id].restarts == 3
    assert "exists since" in records(of)[trainer.id].clock_evidence


def test_11_a_hold_is_explained_with_its_id_and_reason() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:never": ""})
    sweep(of.watchdog())
    row = next(r for r in of.ledger.timeline(run_id(trainer)) if r.entry.transition is Transition.HELD)
    assert dict(row.entry.evidence)["hold"].startswith("hold-")


# --- line 12: its own silence ---------------------------------------------------------------------------------


def test_12_a_sweep_that_cannot_read_its_ledger_fails_loudly_instead_of_counting_as_done() -> None:
    of = town()

    class Gone(MemoryTable):
        def query(self, pk: str, *, prefix: str = "") -> list[Item]:
            raise PermanentAwsError(f"dynamodb:Query: ResourceNotFoundException {pk}{prefix}")

    of.table = Gone()
    with pytest.raises(PermanentAwsError):
        sweep(of.watchdog())


def test_12_a_sweep_over_an_empty_account_is_a_sweep() -> None:
    assert sweep(town().watchdog()).failures == []


# --- events are hints -----------------------------------------------------------------------------------------


def hint(of: Town, trainer: FakeInstance) -> SweepReport:
    return hints.follow(of.watchdog(), ACCOUNT, trainer.region, Service.EC2, trainer.id)


def test_with_events_or_without_the_ledger_is_the_same_one_sweep_later() -> None:
    ends = []
    for heard in (True, False):
        of = town()
        trainer = of.world.launch(age=11 * HOUR + 30 * MINUTE, tags=TAGS)
        sweep(of.watchdog())
        of.clock.forward(minutes=1)
        of.world.end(trainer)
        if heard:
            hint(of, trainer)
            hint(of, trainer)
        later(of, minutes=5)
        ends.append((transitions(of, trainer.id), len(of.world.posts), records(of)))
    assert ends[0] == ends[1]


def test_a_hint_warns_and_stops_nobody() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    hint(of, trainer)
    assert of.world.posts == []
    sweep(of.watchdog())
    of.clock.forward(hours=5)
    hint(of, trainer)
    assert trainer.alive
    assert destroyed(of) == []


def test_a_hint_about_another_account_does_nothing() -> None:
    of = town()
    hints.follow(of.watchdog(), "999988887777", REGION, Service.EC2, "i-0abc")
    assert of.world.calls == []


# --- unwatched accelerators -----------------------------------------------------------------------------------


def watching(mode: str = "warn", **changes: Any) -> Policy:
    return policies.policy(mode=mode, **changes)


def test_an_accelerator_that_no_selector_picks_is_told_once_and_never_touched() -> None:
    of = Town(watching())
    stranger = of.world.launch(age=40 * HOUR, tags={})
    of.world.launch(age=40 * HOUR, tags={}, instance_type="m5.large")
    for _ in range(30):
        later(of, hours=1)
    assert stranger.alive
    told = [card.text for _, _, card in of.world.posts]
    assert told == ["1 accelerators that no selector picks: $21.96 an hour"]


def test_one_without_a_price_is_told_without_a_number() -> None:
    of = Town(watching())
    of.world.launch(age=40 * HOUR, tags={}, instance_type="p9.unheard-of")
    sweep(of.watchdog())
    assert [card.text for _, _, card in of.world.posts] == ["1 accelerators that no selector picks: rate unknown"]


def test_one_that_a_protect_rule_says_is_meant_so_is_not_told() -> None:
    of = Town(watching(protect=[{"tags": {"Environment": ["prod"]}, "asg": None}]))
    of.world.launch(age=40 * HOUR, tags={"Environment": "prod"})
    sweep(of.watchdog())
    assert of.world.posts == []


def test_one_born_a_moment_ago_may_still_get_its_tags() -> None:
    of = Town(watching())
    of.world.launch(tags={})
    sweep(of.watchdog())
    assert of.world.posts == []
    later(of, hours=1)
    assert len(of.world.posts) == 1


def test_a_crash_before_the_message_was_saved_does_not_lose_it() -> None:
    of = Town(watching())
    of.world.launch(age=40 * HOUR, tags={})

    def crash(writes: Any) -> None:
        if any("outbox#" in str(getattr(write, "item", {}).get("pk", "")) for write in writes):
            raise KeyboardInterrupt

    of.table.before_transact = crash
    with pytest.raises(KeyboardInterrupt):
        sweep(of.watchdog())
    of.table.before_transact = None
    later(of, hours=1)
    assert len(of.world.posts) == 1


def test_2_who_extends_by_tag_is_warned_anew_before_the_new_deadline() -> None:
    of = town()
    trainer = of.world.launch(age=11 * HOUR + 30 * MINUTE, tags=TAGS)
    sweep(of.watchdog())
    trainer.tags["costwatch:max-runtime"] = "14h"
    for _ in range(28):
        later(of, minutes=5)
    assert trainer.alive
    assert sum("stops in" in card.text for _, _, card in of.world.posts) == 2
    for _ in range(4):
        later(of, minutes=5)
    assert trainer.ended_at is not None
    assert trainer.launch_time is not None
    assert trainer.ended_at - trainer.launch_time > 14 * HOUR + SECOND


# --- a stop that failed, and what came of it -------------------------------------------------------------------


def refusing(operation: str) -> Fault:
    return failing(operation, PermanentAwsError("UnauthorizedOperation", code="UnauthorizedOperation"))


def test_4_what_ended_after_a_stop_that_failed_is_told_once_and_verified() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    of.world.fault = refusing("TerminateInstances")
    warn_and_let_the_notice_pass(of)
    of.world.fault = None
    of.world.end(trainer)
    for _ in range(12):
        later(of, minutes=5)
    assert sum("was stopped" in card.text for _, _, card in of.world.posts) == 1
    assert len(of.world.events) == 1
    assert records(of) == {}


def test_4_what_a_request_relaunched_after_a_stop_that_failed_is_told() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    of.world.fault = refusing("CancelSpotInstanceRequests")
    warn_and_let_the_notice_pass(of)
    of.world.fault = None
    of.world.end(trainer)
    of.world.relaunch_for(trainer)
    for _ in range(4):
        later(of, minutes=5)
    assert any("came back after" in card.text for _, _, card in of.world.posts)


def test_3_what_failed_before_counts_against_the_caps_like_any_other() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 20})
    trainers = [of.world.launch(age=40 * HOUR), of.world.launch(age=0 * HOUR)]
    of.world.fault = refusing("TerminateInstances")
    for _ in range(30):
        later(of, minutes=31)
    assert {call[2][0] for call in of.world.calls if call[0] == "TerminateInstances"} == {t.id for t in trainers}
    of.world.fault = None
    later(of, minutes=5)
    assert sum(not trainer.alive for trainer in trainers) == 1
    assert {record.status for record in records(of).values()} >= {Status.HELD}


def test_3_a_stop_that_was_begun_is_finished_whatever_the_caps_count() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 1})
    tags = {**TAGS, "costwatch:run": "churn"}
    first, second = (of.world.launch(age=40 * HOUR, tags=tags, zone=zone) for zone in "ab")
    of.world.fault = failing(
        "TerminateInstances", PermanentAwsError("UnauthorizedOperation", code="U"), holding=second.id
    )
    warn_and_let_the_notice_pass(of)
    assert (first.alive, second.alive) == (False, True)
    of.world.fault = None
    later(of, minutes=5)
    assert not second.alive


def test_7_a_failed_stop_says_that_the_spot_request_is_cancelled_already() -> None:
    of = town()
    of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    of.world.fault = refusing("TerminateInstances")
    warn_and_let_the_notice_pass(of)
    card = next(card for _, _, card in of.world.posts if "Could not stop" in card.text)
    assert "cancelled first" in str(card.blocks)


def test_4_it_goes_on_saying_so_as_long_as_it_fails_and_tells_it_once() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    of.world.fault = refusing("TerminateInstances")
    warn_and_let_the_notice_pass(of)
    for _ in range(4):
        later(of, minutes=5)
    hold = records(of)[trainer.id].hold
    assert hold is not None
    assert f"spot request {trainer.spot_request_id} cancelled first" in hold.reason
    assert transitions(of, trainer.id).count(Transition.FAILED.value) == 1
    assert sum("Could not stop" in card.text for _, _, card in of.world.posts) == 1
    assert [call[0] for call in destroyed(of)].count("CancelSpotInstanceRequests") == 1


def test_4_a_job_that_finished_just_before_the_call_was_not_stopped_by_us() -> None:
    of = town(policies.selector(service="training"))
    job = of.world.train("churn", age=40 * HOUR)

    def completes(operation: str, region: str, ids: tuple[str, ...]) -> None:
        if operation == "StopTrainingJob":
            of.world.end(job)

    of.world.fault = completes
    warn_and_let_the_notice_pass(of)
    later(of, minutes=5)
    assert of.world.events == []
    assert not any("was stopped" in card.text for _, _, card in of.world.posts)
    assert records(of) == {}


class Crash(BaseException):
    """The function dies, as no error does."""


def crashing(operation: str) -> Fault:
    def fault(called: str, where: str, ids: tuple[str, ...]) -> None:
        del where, ids
        if called == operation:
            raise Crash

    return fault


def nobody_hears_of_a_stop(of: Town, trainer: FakeInstance) -> None:
    for _ in range(8):
        later(of, minutes=5)
    assert of.world.events == []
    assert not any("was stopped" in card.text or "verified" in card.text for _, _, card in of.world.posts)
    rows = of.ledger.timeline(run_id(trainer))
    assert rows[-1].entry.transition is Transition.ENDED_BY_ITSELF
    assert "somebody else stopped" in rows[-1].entry.reason
    assert records(of) == {}


def test_4_what_a_user_stopped_after_a_crash_before_the_call_was_not_stopped_by_us() -> None:
    of = town()
    trainer = overdue_and_warned(of)
    of.world.fault = crashing("TerminateInstances")
    with pytest.raises(Crash):
        later(of, minutes=1)
    of.world.fault = None
    of.world.halt(trainer)
    nobody_hears_of_a_stop(of, trainer)


def test_4_what_a_user_stopped_after_a_refused_call_was_not_stopped_by_us() -> None:
    of = town()
    trainer = overdue_and_warned(of)
    of.world.fault = refusing("TerminateInstances")
    later(of, minutes=1)
    assert records(of)[trainer.id].status is Status.FAILED
    trainer.state = "stopping"
    later(of, minutes=5)
    assert len(records(of)) == 1, "it is not gone while it is stopping"
    of.world.halt(trainer)
    nobody_hears_of_a_stop(of, trainer)


@pytest.mark.parametrize("state", ["stopping", "stopped"])
def test_4_what_a_user_stopped_while_the_call_was_refused_was_not_stopped_by_us(state: str) -> None:
    of = town()
    trainer = overdue_and_warned(of)

    def stops_it_first(operation: str, region: str, ids: tuple[str, ...]) -> AwsError | None:
        del region, ids
        if operation != "TerminateInstances":
            return None
        of.world.halt(trainer)
        trainer.state = state
        return PermanentAwsError("UnauthorizedOperation", code="UnauthorizedOperation")

    of.world.fault = stops_it_first
    later(of, minutes=1)
    of.world.halt(trainer)
    nobody_hears_of_a_stop(of, trainer)


def test_4_one_member_that_a_user_stopped_beside_one_bad_id_makes_no_final_event() -> None:
    of = town()
    tags = {**TAGS, "costwatch:run": "churn"}
    nodes = [of.world.launch(age=40 * HOUR, tags=tags) for _ in range(2)]
    sweep(of.watchdog())
    batches = 0

    def refuses_the_batch(operation: str, region: str, ids: tuple[str, ...]) -> AwsError | None:
        nonlocal batches
        del region
        if operation != "TerminateInstances" or len(ids) == 1:
            return None
        batches += 1
        of.world.halt(nodes[1])
        return PermanentAwsError("InvalidInstanceID.NotFound", code="InvalidInstanceID.NotFound")

    of.world.fault = refuses_the_batch
    for _ in range(6):
        later(of, minutes=32)
    assert batches == 1
    assert [node.state for node in nodes] == ["terminated", "stopped"]
    assert of.world.events == []
    assert records(of) == {}


def test_4_what_was_to_be_terminated_and_was_stopped_gets_a_clock_of_its_own_when_it_is_started_again() -> None:
    of = town()
    trainer = overdue_and_warned(of)
    of.world.fault = crashing("TerminateInstances")
    with pytest.raises(Crash):
        later(of, minutes=1)
    of.world.fault = None
    of.world.halt(trainer)
    later(of, minutes=10)
    of.world.restart(trainer)
    for _ in range(10):
        later(of, hours=1)
    assert trainer.alive
    assert records(of)[trainer.id].start == trainer.launch_time


@pytest.mark.parametrize("state", ["Deleting", "SomethingNew"])
def test_4_a_stopped_job_that_is_deleted_or_in_a_state_nobody_knows_yet_is_verified_and_not_waited_for(
    state: str,
) -> None:
    of = town(policies.selector(service="training"))
    job = of.world.train("churn", age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    job.status = "Stopping"
    later(of, minutes=5)
    later(of, minutes=5)
    assert len(records(of)) == 1
    job.status = state
    later(of, minutes=5)
    later(of, minutes=5)
    assert records(of) == {}
    assert Transition.VERIFIED_GONE in transitions(of, "churn", "training")


# --- what changes between the notice, the verdict and the act -------------------------------------------------


def between_verdict_and_act(of: Town, happens: Callable[[], None]) -> None:
    """Let `happens` happen once the instances are judged: jobs are read after them, and stops come last."""
    seen: list[str] = []

    def watch(operation: str, region: str, ids: tuple[str, ...]) -> None:
        if operation == "ListTrainingJobs" and not seen:
            seen.append(operation)
            happens()

    of.world.fault = watch
    later(of, minutes=1)
    of.world.fault = None
    assert seen


def overdue_and_warned(of: Town, **launch: Any) -> FakeInstance:
    trainer = of.world.launch(age=40 * HOUR, **{"tags": TAGS, **launch})
    sweep(of.watchdog())
    of.clock.forward(minutes=31)
    return trainer


def test_2_what_was_started_anew_between_the_verdict_and_the_act_is_not_stopped() -> None:
    of = town()
    trainer = overdue_and_warned(of)
    between_verdict_and_act(of, lambda: of.world.restart(trainer))
    for _ in range(10):
        later(of, hours=1)
    assert trainer.alive


def test_2_what_joined_another_run_between_the_verdict_and_the_act_is_not_stopped_alone() -> None:
    of = town()
    of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "grp"}, protected=True)
    trainer = overdue_and_warned(of)
    between_verdict_and_act(of, lambda: trainer.tags.update({"costwatch:run": "grp"}))
    for _ in range(3):
        later(of, hours=1)
    assert trainer.alive


def test_2_a_new_owner_gets_a_notice_too() -> None:
    of = town()
    of.world.slack_users["bob@example.com"] = "U0BOB"
    trainer = overdue_and_warned(of)
    trainer.tags["owner"] = "bob@example.com"
    later(of, minutes=1)
    assert trainer.alive
    to, card = next((to, card) for _, to, card in reversed(of.world.posts) if "stops in" in card.text)
    assert to == "U0BOB"
    assert "its owner became bob@example.com since the last one" in str(card.blocks)
    later(of, minutes=32)
    assert not trainer.alive


def test_2_a_notice_that_nobody_took_yet_is_not_sent_to_who_owned_it_before() -> None:
    of = town()
    of.world.slack_users["bob@example.com"] = "U0BOB"
    of.world.slack_is_up = False
    trainer = overdue_and_warned(of)
    trainer.tags["owner"] = "bob@example.com"
    later(of, minutes=5)
    of.world.slack_is_up = True
    for _ in range(4):
        later(of, minutes=31)
    assert {to for _, to, card in of.world.posts if "stops in" in card.text} == {"U0BOB"}
    assert not trainer.alive


def test_2_a_run_is_not_cut_in_two_while_a_tag_is_gone_from_one_member() -> None:
    of = town()
    nodes = [of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"}) for _ in range(3)]
    sweep(of.watchdog())
    of.clock.forward(minutes=31)
    gone = nodes[2].tags.pop("costwatch:run")
    sweep(of.watchdog())
    assert [node.alive for node in nodes] == [True, True, True]
    nodes[2].tags["costwatch:run"] = gone
    for _ in range(3):
        later(of, minutes=31)
    assert [node.alive for node in nodes] == [False, False, False]
    assert not any("came back after" in card.text for _, _, card in of.world.posts)


def test_3_a_release_is_for_the_run_as_it_was() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 1})
    other = of.world.launch(age=50 * HOUR)
    node = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    warn_and_let_the_notice_pass(of)
    held = next(record for record in records(of).values() if record.status is Status.HELD)
    step = grants.release(held, by="ops", now=of.clock.now)
    assert step is not None
    assert of.ledger.save(step)
    more = of.world.launch(age=0 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    for _ in range(3):
        later(of, minutes=31)
    assert (other.alive, node.alive, more.alive) == (False, True, True)


# --- action: stop ----------------------------------------------------------------------------------------------


def test_4_a_selector_that_stops_keeps_the_disk_and_verifies_that_it_stayed_stopped() -> None:
    of = town(policies.selector(action="stop"))
    bench = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    for _ in range(3):
        later(of, minutes=5)
    assert bench.state == "stopped"
    assert "its EBS disks stay" in str(of.world.posts[0][2].blocks)
    assert records(of) == {}
    assert Transition.VERIFIED_STOPPED in transitions(of, bench.id)
    assert not any(call[0] == "TerminateInstances" for call in of.world.calls)


def test_4_who_starts_a_stopped_instance_again_has_a_new_run_with_a_clock_of_its_own() -> None:
    of = town(policies.selector(action="stop"))
    bench = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    of.clock.forward(minutes=3)
    of.world.restart(bench)
    later(of, minutes=5)
    assert any("came back after" in card.text for _, _, card in of.world.posts)
    for _ in range(10):
        later(of, hours=1)
    assert bench.alive


def test_5_stop_protection_holds_where_a_selector_stops() -> None:
    of = town(policies.selector(action="stop"))
    bench = of.world.launch(age=40 * HOUR, tags=TAGS)
    bench.stop_protected = True
    warn_and_let_the_notice_pass(of)
    assert bench.alive
    hold = records(of)[bench.id].hold
    assert hold is not None
    assert hold.code.value == "stop-protection"


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
