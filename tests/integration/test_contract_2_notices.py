"""Line 2 of the safety contract: nobody is stopped unwarned. When a notice counts and when another one is due."""

from __future__ import annotations

from costwatch.core.record import Status
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, REGION, SECOND
from tests.support.fakes import Town
from tests.support.town import (
    TAGS,
    later,
    overdue_and_warned,
    paused,
    records,
    refusing,
    released,
    run_id,
    town,
    warn_and_let_the_notice_pass,
    warnings_of,
)


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


def test_2_a_kept_warning_of_a_run_that_is_held_just_now_waits_until_it_may_be_stopped_again() -> None:
    of = town()
    of.world.slack_is_up = False
    trainer = of.world.launch(age=11.5 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.world.slack_is_up = True
    start, trainer.launch_time = trainer.launch_time, None
    later(of, minutes=35)
    (held,) = [card.plain for _, _, card in of.world.posts]
    assert f"nothing shows since when {trainer.id} runs" in held
    trainer.launch_time = start
    later(of, minutes=5)
    sent = of.clock()
    assert len(warnings_of(of, trainer)) == 1
    later(of, minutes=29)
    assert trainer.alive
    later(of, minutes=3)
    assert trainer.ended_at is not None
    assert trainer.ended_at - sent > 30 * MINUTE


def test_2_it_waits_too_where_the_run_could_not_be_looked_at_since_it_was_held() -> None:
    of = town()
    of.world.slack_is_up = False
    trainer = of.world.launch(age=11.5 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    trainer.launch_time = None
    later(of, minutes=35)
    of.world.slack_is_up = True
    of.world.fault = refusing("DescribeInstances")
    later(of, minutes=5)
    assert warnings_of(of, trainer) == []
    assert records(of)[trainer.id].status is Status.HELD


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
