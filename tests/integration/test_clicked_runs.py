"""The buttons on the cards of runs: who may press them, that one press counts once, and what the card says then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from costwatch.adapters.slack import RATE_LIMITED
from costwatch.adapters.table import Write
from costwatch.core.approvals import Post
from costwatch.core.policy import Tier
from costwatch.core.record import RunRecord, Status
from costwatch.errors import PermanentAwsError, TransientAwsError
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR, MINUTE
from tests.support.clicking import LEE, MARIA, OMAR, OWNER, PLATFORM, SAM, House, buttons_of, real_deadman, text_of
from tests.support.fakes import FakeInstance
from tests.support.town import destroyed, failing

TAGS = {"Purpose": "training", "owner": OWNER, "team": "risk"}
SLACK = {"platform_channel": PLATFORM, "team_channels": {"risk": "#risk-ml"}, "warn_owner_by": "team_channel",
         "app_id": "A0123456789", "workspace": "T0123456789"}  # fmt: skip


def house_of(**changes: Any) -> House:
    return House(policy=policies.policy(slack=SLACK, **changes))


@pytest.fixture
def house() -> House:
    return house_of()


def warned(house: House, age: timedelta = timedelta(hours=11, minutes=30), **launch: Any) -> FakeInstance:
    """A run of Maria's that was warned about: its card stands in the team's channel."""
    trainer = house.town.world.launch(age=age, **{"tags": TAGS, **launch})
    sweep(house.town.watchdog())
    house.town.clock.forward(minutes=2)
    return trainer


def run_of(trainer: FakeInstance) -> str:
    return f"111122223333/us-east-1/instance/{trainer.id}"


def record(house: House, trainer: FakeInstance) -> RunRecord:
    return house.record(run_of(trainer))


def card_with(house: House, action: str) -> Post:
    """Where the newest card with such a button stands."""
    found = [post for post, card in house.town.world.slack_messages.items() if action in buttons_of(card)]
    return found[-1]


def value(house: House, post: Post, action: str) -> str:
    return str(buttons_of(house.card(post))[action]["value"])


def press(house: House, action: str, *, by: str = MARIA, **how: Any) -> Post:
    """Press the button of that action id on its newest card."""
    post = card_with(house, action)
    house.click(action.partition(":")[0], value(house, post, action), by=by, post=post, **how)
    return post


# --- extend --------------------------------------------------------------------------------------------------


def test_the_owner_extends_and_the_card_says_until_when_for_how_much_and_what_is_left(house: House) -> None:
    trainer = warned(house)
    before = record(house, trainer)
    post = press(house, "extend:4h")
    after = record(house, trainer)
    assert before.deadline is not None
    assert after.deadline == before.deadline + 4 * HOUR
    assert after.extensions[0].by == f"Maria Lopez (Slack {MARIA})"
    assert buttons_of(house.card(post)) == {}
    said = text_of(house.card(post))
    assert "Extended by Maria Lopez at " in said
    assert "(4 h, +$87.83). 20 h of its owner's 24 h are left." in said
    assert "stops in" in said, "what the card said before stays"
    assert any("Extended by Maria Lopez" in text for text in house.thread(post))
    assert house.told == []


def test_one_press_that_comes_twice_extends_once(house: House) -> None:
    trainer = warned(house)
    post = card_with(house, "extend:4h")
    click = house.press("extend", value(house, post, "extend:4h"), by=MARIA, post=post)
    assert [house.again(click).result for _ in range(3)] == ["taken", "taken before", "taken before"]
    assert len(record(house, trainer).extensions) == 1
    assert house.told == []


def test_two_deliveries_of_one_press_at_the_same_moment_extend_once(house: House) -> None:
    trainer = warned(house)
    post = card_with(house, "extend:4h")
    click = house.press("extend", value(house, post, "extend:4h"), by=MARIA, post=post)

    def meanwhile(writes: Sequence[Write]) -> None:
        del writes
        house.town.table.before_transact = None
        house.again(click)

    house.town.table.before_transact = meanwhile
    assert house.again(click).failed is None
    assert len(record(house, trainer).extensions) == 1
    assert house.told == []


def test_two_people_who_extend_at_once_both_count_and_both_stand_on_the_card(house: House) -> None:
    trainer = warned(house)
    post = card_with(house, "extend:4h")
    four, twelve = (
        house.press("extend", value(house, post, action), by=by, post=post)
        for action, by in (("extend:4h", MARIA), ("extend:12h", OMAR))
    )

    def meanwhile(writes: Sequence[Write]) -> None:
        del writes
        house.town.table.before_transact = None
        house.again(twelve)

    house.town.table.before_transact = meanwhile
    house.again(four)
    assert [e.by.partition(" (")[0] for e in record(house, trainer).extensions] == ["Omar Diaz", "Maria Lopez"]
    said = text_of(house.card(post))
    assert "Extended by Omar Diaz" in said
    assert "Extended by Maria Lopez" in said
    assert "8 h of its owner's 24 h are left." in said


def test_a_stranger_extends_nothing_and_hears_who_may(house: House) -> None:
    trainer = warned(house)
    press(house, "extend:4h", by=SAM)
    assert record(house, trainer).extensions == ()
    ((user, text),) = house.told
    assert user == SAM
    assert text.startswith("You may not do that: only its owner and approvers may extend it; approvers are @risk-leads")
    assert buttons_of(house.card(card_with(house, "extend:4h")))


@pytest.mark.parametrize("by", [OMAR, LEE])
def test_an_approver_extends_what_is_not_theirs(house: House, by: str) -> None:
    trainer = warned(house)
    press(house, "extend:12h", by=by)
    assert len(record(house, trainer).extensions) == 1


def used_up(house: House, trainer: FakeInstance) -> None:
    for _ in range(2):
        post = card_with(house, "extend:12h")
        house.click("extend", value(house, post, "extend:12h"), by=MARIA)
    assert record(house, trainer).extended_total == 24 * HOUR


def test_past_the_owners_total_the_owner_is_refused_and_an_approver_goes_on(house: House) -> None:
    trainer = warned(house)
    used_up(house, trainer)
    press(house, "extend:4h", by=MARIA)
    assert "0 s of 24 h are left" in house.told[-1][1]
    assert record(house, trainer).extended_total == 24 * HOUR
    press(house, "extend:4h", by=OMAR)
    assert record(house, trainer).extended_total == 28 * HOUR


def test_an_owner_who_is_an_approver_too_goes_past_the_total(house: House) -> None:
    house.town.world.slack_groups["@risk-leads"].add(MARIA)
    trainer = warned(house)
    used_up(house, trainer)
    press(house, "extend:4h", by=MARIA)
    assert record(house, trainer).extended_total == 28 * HOUR


def test_nobody_goes_past_the_hard_cap(house: House) -> None:
    trainer = warned(house, age=timedelta(hours=72) - 30 * MINUTE, tags={**TAGS, "costwatch:max-runtime": "72h"})
    press(house, "extend:4h", by=OMAR)
    assert record(house, trainer).extensions == ()
    assert "hard cap of 72 h" in house.told[-1][1]


def test_a_step_that_is_not_offered_extends_nothing(house: House) -> None:
    trainer = warned(house)
    for seconds in ("1", "-14400", "999999999999", "4h", ""):
        house.click("extend", f"{run_of(trainer)}|{seconds}", by=MARIA)
    house.click("extend", "no run|14400", by=MARIA)
    assert record(house, trainer).extensions == ()
    assert {text for _, text in house.told} == {
        "This button is of another version of Costwatch. Its card says the command that does the same."
    }


def test_a_card_of_an_earlier_start_moves_nothing_of_the_new_one(house: House) -> None:
    trainer = warned(house)
    post = card_with(house, "extend:4h")
    kept = value(house, post, "extend:4h")
    house.town.world.halt(trainer)
    house.town.clock.forward(minutes=10)
    house.town.world.restart(trainer)
    sweep(house.town.watchdog())
    for action in ("extend", "stop"):
        house.click(action, kept if action == "extend" else run_of(trainer), by=MARIA, post=post)
    assert all("was started anew after this card" in text for _, text in house.told)
    assert len(house.told) == 2
    assert record(house, trainer).extensions == ()
    assert house.deadman.asked == []


def test_a_run_that_is_over_is_said_to_be(house: House) -> None:
    trainer = warned(house)
    post = card_with(house, "extend:4h")
    house.town.world.end(trainer)
    sweep(house.town.watchdog())
    house.click("extend", value(house, post, "extend:4h"), by=MARIA, post=post)
    assert house.told == [(MARIA, f"It is over: costwatch explain {trainer.id} shows how it ended.")]


# --- the card is gone, Slack fails -----------------------------------------------------------------------------


def test_on_a_card_that_was_deleted_the_line_is_said_in_its_channel(house: House) -> None:
    trainer = warned(house)
    post = card_with(house, "extend:4h")
    kept = value(house, post, "extend:4h")
    del house.town.world.slack_messages[post]
    house.click("extend", kept, by=MARIA, post=post)
    assert len(record(house, trainer).extensions) == 1
    _, channel, card = house.town.world.posts[-1]
    assert channel == post.channel
    assert "Extended by Maria Lopez" in card.text


def test_where_the_channel_is_gone_too_it_is_said_in_the_platforms(house: House) -> None:
    trainer = warned(house)
    post = card_with(house, "extend:4h")
    kept = value(house, post, "extend:4h")
    del house.town.world.slack_messages[post]
    house.town.world.fault = failing(
        "slack:chat.postMessage", PermanentAwsError("gone", code="is_archived"), holding=post.channel
    )
    house.click("extend", kept, by=MARIA, post=post)
    assert len(record(house, trainer).extensions) == 1
    assert house.town.world.posts[-1][1] == PLATFORM


@pytest.mark.parametrize("code", [RATE_LIMITED, ""], ids=["429", "503"])
def test_what_slack_does_not_take_now_stands_on_the_card_after_the_next_sweep(house: House, code: str) -> None:
    trainer = warned(house)
    house.town.world.fault = failing("slack:chat.update", TransientAwsError("slack:chat_update", code=code))
    post = press(house, "extend:4h")
    assert len(record(house, trainer).extensions) == 1
    assert buttons_of(house.card(post))
    house.town.world.fault = None
    house.town.clock.forward(minutes=5)
    sweep(house.town.watchdog())
    assert buttons_of(house.card(post)) == {}
    assert len(record(house, trainer).extensions) == 1


def test_a_ledger_that_fails_changes_nothing_and_says_so_without_a_word_of_why(house: House) -> None:
    trainer = warned(house)

    def broken(writes: Sequence[Write]) -> None:
        raise TransientAwsError("dynamodb:TransactWriteItems: costwatch-ledger is not there")

    post = card_with(house, "extend:4h")
    house.town.table.before_transact = broken
    outcome = house.click("extend", value(house, post, "extend:4h"), by=MARIA, post=post)
    house.town.table.before_transact = None
    assert outcome.failed is not None
    assert record(house, trainer).extensions == ()
    assert house.told == [
        (MARIA, "Something went wrong on our side; nothing was changed. Try again, or use costwatch extend.")
    ]


# --- stop ----------------------------------------------------------------------------------------------------


def test_stop_now_asks_the_only_function_that_may_with_the_members_of_the_card_and_who_asks(house: House) -> None:
    trainer = warned(house)
    house.deadman.act = real_deadman(house.town)
    post = press(house, "stop")
    (asked,) = house.deadman.asked
    assert asked["run"] == run_of(trainer)
    assert asked["members"] == [trainer.id]
    assert asked["requested_by"] == f"Maria Lopez (Slack {MARIA})"
    assert [call[0] for call in destroyed(house.town)] == ["TerminateInstances"]
    assert "Stopped by Maria Lopez" in text_of(house.card(post))
    assert buttons_of(house.card(post)) == {}


def test_stop_asks_before_it_is_clicked(house: House) -> None:
    warned(house)
    stop = buttons_of(house.card(card_with(house, "stop")))["stop"]
    assert stop["confirm"]["confirm"]["text"] == "Stop now"


def test_one_press_of_stop_asks_once_however_often_it_comes(house: House) -> None:
    warned(house)
    post = card_with(house, "stop")
    click = house.press("stop", value(house, post, "stop"), by=MARIA, post=post)
    for _ in range(3):
        house.again(click)
    assert len(house.deadman.asked) == 1
    assert house.told == []


def test_a_stop_that_the_function_refuses_is_told_with_its_reason_and_the_buttons_stay(house: House) -> None:
    trainer = warned(house)
    house.deadman.act = real_deadman(house.town)
    house.town.world.launch(age=HOUR, tags=TAGS)
    trainer.tags["costwatch:exempt"] = "final evaluation"
    post = press(house, "stop")
    assert destroyed(house.town) == []
    assert house.told[0][1].startswith("It was not stopped: exempt by tag until ")
    assert "stop" in buttons_of(house.card(post))


def test_a_function_that_fails_is_nobodys_business_in_slack(house: House) -> None:
    warned(house)

    def fails(detail: object) -> dict[str, Any]:
        raise TransientAwsError("lambda:Invoke: arn:aws:lambda:us-east-1:111122223333:function:costwatch-deadman")

    house.deadman.act = fails
    press(house, "stop")
    assert house.told == [
        (
            MARIA,
            "Something went wrong on our side, but your click is recorded. Look again in a few minutes, or use "
            "costwatch stop.",
        )
    ]


def test_a_stop_that_was_asked_for_and_is_not_done_is_said_so(house: House) -> None:
    warned(house)
    house.deadman.act = lambda _: {"stopped": False}
    post = press(house, "stop")
    assert "Stop asked for by Maria Lopez" in text_of(house.card(post))
    assert "tries again for an hour" in text_of(house.card(post))


@pytest.mark.parametrize(("ago", "asked"), [(15 * MINUTE, 1), (15 * MINUTE + timedelta(seconds=1), 0)])
def test_a_stop_that_was_held_up_stops_nothing(house: House, ago: timedelta, asked: int) -> None:
    warned(house)
    post = card_with(house, "stop")
    house.town.clock.forward(minutes=20)
    house.click("stop", value(house, post, "stop"), by=MARIA, post=post, ago=ago)
    assert len(house.deadman.asked) == asked


def test_a_stranger_stops_nothing(house: House) -> None:
    warned(house)
    press(house, "stop", by=SAM)
    assert house.deadman.asked == []
    assert "only its owner and approvers may stop it" in house.told[0][1]


# --- exemption -----------------------------------------------------------------------------------------------


def test_an_owner_asks_once_from_each_card_and_an_approver_exempts_for_a_week_with_a_reason(house: House) -> None:
    trainer = warned(house)
    press(house, "ask_exemption")
    press(house, "ask_exemption")
    assert [text for _, text in house.told] == [
        f"It was asked for in {PLATFORM}. Until somebody grants it nothing changes.",
        "An exemption was asked for from this card before.",
    ]
    post = card_with(house, "exempt")
    assert post.channel == PLATFORM
    assert "Maria Lopez" in text_of(house.card(post))
    press(house, "exempt", by=MARIA, reason="mine")
    assert "only approvers may exempt it" in house.told[-1][1]
    press(house, "exempt", by=OMAR)
    assert house.told[-1] == (OMAR, "An exemption needs a reason that others can read")
    press(house, "exempt", by=OMAR, reason="final evaluation <!channel>")
    exemption = record(house, trainer).exemption
    assert exemption is not None
    assert (exemption.until - house.town.clock(), exemption.by) == (timedelta(days=7), f"Omar Diaz (Slack {OMAR})")
    said = str(house.card(post).blocks)
    assert "Exempted by Omar Diaz" in said
    assert "<!channel>" not in said
    assert buttons_of(house.card(post)) == {}


# --- holds and pause -------------------------------------------------------------------------------------------


def capped() -> House:
    """Two runs are due and one may be stopped: the other is held by the cap."""
    house = house_of(blast_cap={"runs": 1, "share": "1", "per_day": 20})
    for _ in range(2):
        house.town.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(house.town.watchdog())
    house.town.clock.forward(minutes=32)
    sweep(house.town.watchdog())
    house.town.clock.forward(minutes=1)
    return house


def held(house: House) -> RunRecord:
    (found,) = [r for r in house.town.ledger.open_records("111122223333", "us-east-1").values() if r.hold is not None]
    return found


def test_an_approver_releases_what_a_cap_holds_and_the_next_sweep_stops_it() -> None:
    house = capped()
    before = held(house)
    post = press(house, "release", by=OMAR)
    assert held(house).released
    assert "Released by Omar Diaz" in text_of(house.card(post))
    assert buttons_of(house.card(post)) == {}
    house.town.clock.forward(minutes=5)
    sweep(house.town.watchdog())
    assert house.record(before.run_id).status is Status.STOPPING


def test_only_approvers_release_and_leave() -> None:
    house = capped()
    for action in ("release", "leave"):
        press(house, action, by=MARIA)
    assert not held(house).released
    assert [text.partition(";")[0] for _, text in house.told] == [
        "You may not do that: only approvers may release it",
        "You may not do that: only approvers may decide about it",
    ]


def test_what_is_left_goes_on_and_the_card_says_who_left_it() -> None:
    house = capped()
    before = held(house)
    post = press(house, "leave", by=LEE)
    assert held(house) == before
    assert "Left by Lee Chan" in text_of(house.card(post))
    assert buttons_of(house.card(post)) == {}


def test_a_hold_that_is_over_is_not_released() -> None:
    house = capped()
    found = held(house)
    house.click("release", f"{found.run_id}|hold-00000000", by=OMAR)
    assert house.told[0][1].startswith("hold-00000000 is over")
    assert not held(house).released


def test_the_card_of_a_stop_pauses_everything_for_a_day_for_approvers_alone() -> None:
    house = capped()
    press(house, "pause", by=MARIA)
    assert house.town.ledger.pause() is None
    post = card_with(house, "pause")
    click = house.press("pause", value(house, post, "pause"), by=OMAR, post=post)
    house.again(click)
    house.town.clock.forward(minutes=10)
    house.again(click)
    pause = house.town.ledger.pause()
    assert pause is not None
    assert (pause.by, pause.version) == (f"Omar Diaz (Slack {OMAR})", 1)
    assert pause.until == house.town.clock() - 10 * MINUTE + timedelta(hours=24)
    assert "Paused by Omar Diaz" in text_of(house.card(post))


# --- who is there to press -------------------------------------------------------------------------------------


def test_where_nobody_is_an_approver_no_button_is_offered_that_only_approvers_may_press() -> None:
    house = House(policy=policies.policy(slack=SLACK), tiers=(Tier(Decimal(100)),))
    trainer = warned(house)
    found = buttons_of(house.card(card_with(house, "extend:4h")))
    assert set(found) == {"extend:4h", "extend:12h", "stop"}
    press(house, "extend:4h", by=OMAR)
    assert "no approver is configured" in house.told[0][1]
    press(house, "extend:4h", by=MARIA)
    assert len(record(house, trainer).extensions) == 1


def test_where_the_slack_app_is_not_named_cards_say_commands_and_have_no_buttons() -> None:
    house = House()
    warned(house)
    cards = [card for card in house.town.world.slack_messages.values() if not card.text.startswith("Approval needed")]
    assert not any(buttons_of(card) for card in cards)
    assert any("costwatch extend" in text_of(card) for card in cards)


def test_the_approvers_of_the_highest_tier_are_those_of_runs() -> None:
    tiers = (Tier(Decimal(100), (SAM,)), Tier(Decimal(1000), (OMAR,)))
    house = House(policy=policies.policy(slack=SLACK), tiers=tiers)
    trainer = warned(house)
    press(house, "extend:4h", by=SAM)
    assert record(house, trainer).extensions == ()
    press(house, "extend:4h", by=OMAR)
    assert len(record(house, trainer).extensions) == 1


def test_a_group_of_approvers_that_is_nobody_is_said_aloud_by_runs_too(house: House) -> None:
    warned(house)
    house.town.world.slack_groups["@risk-leads"] = set()
    press(house, "extend:4h", by=SAM)
    assert house.told[0][1].endswith("Nobody is in @risk-leads.")
    assert any("@risk-leads" in card.text for _, channel, card in house.town.world.posts if channel == PLATFORM)


def test_an_owner_whom_slack_cannot_look_up_is_nobodys_owner(house: House) -> None:
    trainer = warned(house)
    house.town.world.slack_users.clear()
    press(house, "extend:4h", by=MARIA)
    assert record(house, trainer).extensions == ()


def test_a_person_who_has_left_presses_nothing(house: House) -> None:
    trainer = warned(house)
    house.town.world.slack_departed.add(MARIA)
    press(house, "extend:4h", by=MARIA)
    assert record(house, trainer).extensions == ()
    assert "switched off" in house.told[0][1]


def test_a_policy_without_its_selector_promises_nothing(house: House) -> None:
    trainer = warned(house)
    post = card_with(house, "extend:4h")
    house.town.policy = replace(house.town.policy, selectors=())
    house.click("extend", value(house, post, "extend:4h"), by=MARIA, post=post)
    assert record(house, trainer).extensions == ()
    assert "so its limits are not known" in house.told[0][1]
