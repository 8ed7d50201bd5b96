"""Approve and Deny: one decision whoever clicks, however often it arrives, and a sentence for everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from costwatch.adapters.slack import RATE_LIMITED
from costwatch.adapters.table import Write
from costwatch.core.approvals import Approval, Requester, State
from costwatch.core.policy import Tier
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError
from tests.support.builders import MINUTE
from tests.support.clicking import GROUP, LEE, MARIA, OMAR, OWNER, PLATFORM, SAM, House, buttons_of, text_of
from tests.support.town import failing

HOURS_17 = timedelta(hours=17)


@pytest.fixture
def house() -> House:
    return House()


def state(house: House, asked: Approval) -> State:
    return house.question(asked.id).state


# --- a yes and a no ------------------------------------------------------------------------------------------


def test_an_approver_says_yes_and_the_pipeline_goes_on(house: House) -> None:
    asked = house.ask()
    outcome = house.click("approve", asked.id, post=asked.posts[0])
    assert (outcome.result, outcome.said) == ("taken", "")
    after = house.question(asked.id)
    assert after.state is State.APPROVED
    assert after.answer is not None
    assert (after.answer.by, after.answer.name) == (OMAR, "Omar Diaz")
    assert [answer[0] for answer in house.steps.answers] == ["succeed"]
    assert house.told == []


def test_the_card_loses_its_buttons_at_once_and_the_thread_says_who(house: House) -> None:
    asked = house.ask()
    (post,) = asked.posts
    assert {"approve", "deny"} <= set(buttons_of(house.card(post)))
    house.click("approve", asked.id, post=post)
    assert buttons_of(house.card(post)) == {}
    assert "Approved by Omar Diaz" in text_of(house.card(post))
    assert any("Approved by Omar Diaz" in text for text in house.thread(post))


def test_a_cap_and_a_reason_go_with_the_yes(house: House) -> None:
    asked = house.ask()
    house.click("approve", asked.id, cap=HOURS_17, reason="17 h were always enough")
    answer = house.question(asked.id).answer
    assert answer is not None
    assert (answer.cap, answer.reason) == (HOURS_17, "17 h were always enough")
    assert house.steps.answers[0][2]["max_runtime_seconds"] == str(17 * 3600)


def test_a_no_carries_its_reason_and_no_cap(house: House) -> None:
    asked = house.ask()
    house.click("deny", asked.id, cap=HOURS_17, reason="not this week")
    answer = house.question(asked.id).answer
    assert answer is not None
    assert (answer.cap, answer.reason) == (None, "not this week")
    assert house.steps.answers[0][0] == "fail"


def test_a_member_of_the_approvers_group_may_decide_and_is_asked_of_slack_at_the_click(house: House) -> None:
    first, second = house.ask(), house.ask(key="tok7654321")
    house.click("approve", first.id, by=LEE)
    house.town.world.slack_groups[GROUP] = {SAM}
    house.click("approve", second.id, by=LEE)
    assert (state(house, first), state(house, second)) == (State.APPROVED, State.PENDING)


# --- who may not ---------------------------------------------------------------------------------------------


def test_a_stranger_is_told_who_may_and_nothing_changes(house: House) -> None:
    asked = house.ask()
    outcome = house.click("approve", asked.id, by=SAM)
    assert outcome.result == "refused"
    assert state(house, asked) is State.PENDING
    assert house.told == [(SAM, f"You may not decide this; {GROUP}, <@{OMAR}> may.")]
    assert house.steps.answers == []


def test_whoever_asked_may_not_approve(house: House) -> None:
    asked = house.ask(requester=Requester("Omar", OMAR, verified=True, slack_user=OMAR))
    house.click("approve", asked.id, by=OMAR)
    assert state(house, asked) is State.PENDING
    assert house.told == [(OMAR, "You asked for it, so another approver has to say yes.")]


def test_an_owner_among_the_approvers_may_not_approve_what_nobody_proves_to_have_asked_for(house: House) -> None:
    house.town.world.slack_groups[GROUP] = {MARIA}
    asked = house.ask(requester=Requester("ci"), owner=OWNER)
    house.click("approve", asked.id, by=MARIA)
    assert state(house, asked) is State.PENDING
    assert "you are its owner" in house.told[0][1]
    house.click("approve", asked.id, by=OMAR)
    assert state(house, asked) is State.APPROVED


def test_where_slack_does_not_say_who_the_owner_is_an_unproven_request_waits(house: House) -> None:
    asked = house.ask(requester=Requester("ci"), owner=OWNER)
    desk = house.desk(house.press("approve", asked.id))

    class Forgetful:
        """Slack without the scope for e-mail addresses."""

        def __getattr__(self, name: str) -> object:
            return getattr(desk.slack, name)

        def user_id(self, owner: str) -> str | None:
            raise PermanentAwsError("slack:users_lookupByEmail: missing_scope", code="missing_scope")

    from costwatch.procedures.clicked import clicked  # noqa: PLC0415

    slack: object = Forgetful()
    clicked(replace(desk, slack=slack))  # type: ignore[arg-type]
    assert state(house, asked) is State.PENDING
    assert "does not say just now who its owner is" in house.told[0][1]
    assert "missing_scope" not in house.told[0][1]


def test_an_approver_who_has_left_is_refused(house: House) -> None:
    asked = house.ask()
    house.town.world.slack_departed.add(OMAR)
    house.click("approve", asked.id, by=OMAR)
    assert state(house, asked) is State.PENDING
    assert house.told == [(OMAR, "Your Slack account is switched off, so your click does not count.")]


def test_an_empty_group_is_nobody_and_that_is_said_aloud_once_a_day(house: House) -> None:
    house.town.world.slack_groups[GROUP] = set()
    asked = house.ask()
    for _ in range(2):
        house.click("approve", asked.id, by=LEE)
    assert state(house, asked) is State.PENDING
    assert house.told[0][1] == f"You may not decide this; {GROUP}, <@{OMAR}> may. Nobody is in {GROUP}."
    aloud = [card for _, channel, card in house.town.world.posts if channel == PLATFORM and GROUP in card.text]
    assert len(aloud) == 1


def test_a_group_that_cannot_be_read_is_nobody_and_that_is_said_aloud(house: House) -> None:
    asked = house.ask()
    house.town.world.slack_groups.clear()
    house.click("approve", asked.id, by=LEE)
    assert state(house, asked) is State.PENDING
    assert house.told[0][1].endswith(f"Slack does not say who is in {GROUP}.")
    assert any(channel == PLATFORM and GROUP in card.text for _, channel, card in house.town.world.posts)
    house.click("approve", asked.id, by=OMAR)
    assert state(house, asked) is State.APPROVED, "whoever is named need not be in any group"


def test_an_empty_list_of_approvers_approves_nobody() -> None:
    house = House(tiers=(Tier(Decimal(100)),))
    asked = house.ask()
    house.click("approve", asked.id, by=OMAR)
    assert state(house, asked) is State.PENDING
    assert "no approver is configured" in house.told[0][1]


# --- the same click again, two people, too late ----------------------------------------------------------------


def test_a_click_that_comes_twice_is_one_answer_and_nobody_is_scolded(house: House) -> None:
    asked = house.ask()
    click = house.press("approve", asked.id)
    first, second = house.again(click), house.again(click)
    assert (first.said, second.said) == ("", "")
    assert house.told == []
    assert len(house.steps.answers) == 1


def test_a_double_click_is_one_answer_and_nobody_is_scolded(house: House) -> None:
    asked = house.ask()
    house.click("deny", asked.id, reason="no")
    house.click("deny", asked.id, reason="no")
    assert house.told == []
    assert len(house.steps.answers) == 1


def test_of_two_people_at_once_the_second_hears_who_was_first(house: House) -> None:
    asked = house.ask()
    mine, yours = house.press("approve", asked.id), house.press("deny", asked.id, by=LEE)

    def meanwhile(writes: Sequence[Write]) -> None:
        del writes
        house.town.table.before_transact = None
        house.again(yours)

    house.town.table.before_transact = meanwhile
    house.again(mine)
    assert state(house, asked) is State.DENIED
    assert [user for user, _ in house.told] == [OMAR]
    assert house.told[0][1].startswith("It was denied by Lee Chan at ")
    assert len(house.steps.answers) == 1


@pytest.mark.parametrize(("early", "expected"), [(MINUTE, State.APPROVED), (timedelta(0), State.PENDING)])
def test_an_answer_counts_until_its_time_is_over_and_not_from_then_on(
    house: House, early: timedelta, expected: State
) -> None:
    asked = house.ask()
    house.town.clock.now = asked.answer_by - early
    house.click("approve", asked.id)
    assert state(house, asked) is expected
    assert bool(house.told) is (expected is State.PENDING)


def test_a_question_that_nobody_knows_is_said_so(house: House) -> None:
    house.click("approve", "apr-0000000000000000")
    assert house.told == [(OMAR, "Nobody knows this question any more.")]


@pytest.mark.parametrize("action", ["cap", "reason"])
def test_to_choose_a_cap_decides_nothing_and_says_nothing(house: House, action: str) -> None:
    asked = house.ask()
    assert house.click(action, asked.id, cap=HOURS_17).result == "ignored"
    assert state(house, asked) is State.PENDING
    assert house.told == []


def test_a_button_of_another_version_is_said_so(house: House) -> None:
    assert house.click("hurry", "x").result == "refused"
    assert house.told == [(OMAR, "This button does nothing here any more.")]


# --- Slack fails, the ledger fails -----------------------------------------------------------------------------

LIMITED = TransientAwsError("slack:chat_update: ratelimited", code=RATE_LIMITED)
DOWN = TransientAwsError("slack:chat_update: 503", code="")


@pytest.mark.parametrize("error", [LIMITED, DOWN], ids=["429", "503"])
def test_a_slack_that_takes_no_update_costs_no_decision_and_the_next_sweep_draws_the_card(
    house: House, error: AwsError
) -> None:
    asked = house.ask()
    (post,) = asked.posts
    house.town.world.fault = failing("slack:chat.update", error)
    assert house.click("approve", asked.id, post=post).failed is None
    assert state(house, asked) is State.APPROVED
    assert len(house.steps.answers) == 1
    assert buttons_of(house.card(post))
    house.town.world.fault = None
    house.town.clock.forward(minutes=5)
    house.flush()
    assert buttons_of(house.card(post)) == {}
    assert len(house.steps.answers) == 1


def test_where_the_message_was_deleted_the_answer_is_said_anew(house: House) -> None:
    asked = house.ask()
    (post,) = asked.posts
    del house.town.world.slack_messages[post]
    house.click("approve", asked.id, post=post)
    assert state(house, asked) is State.APPROVED
    assert any("Approved by Omar Diaz" in card.text for _, _, card in house.town.world.posts)


def test_slack_that_does_not_say_who_clicked_has_said_so_by_the_click_itself(house: House) -> None:
    asked = house.ask()
    house.town.world.fault = failing("slack:users.info", LIMITED)
    house.click("approve", asked.id)
    answer = house.question(asked.id).answer
    assert answer is not None
    assert answer.by == OMAR


@pytest.mark.parametrize(("ago", "counts"), [(timedelta(minutes=5), True), (timedelta(minutes=5, seconds=1), False)])
def test_an_old_click_of_somebody_whom_slack_does_not_confirm_does_not_count(
    house: House, ago: timedelta, counts: bool
) -> None:
    asked = house.ask()
    house.town.clock.forward(minutes=10)
    house.town.world.fault = failing("slack:users.info", DOWN)
    house.click("approve", asked.id, ago=ago)
    assert (state(house, asked) is State.APPROVED) is counts


def test_an_ephemeral_message_that_slack_does_not_take_there_goes_to_the_person(house: House) -> None:
    asked = house.ask()
    house.town.world.fault = failing("slack:chat.postEphemeral", PermanentAwsError("no", code="channel_not_found"))
    house.click("approve", asked.id, by=SAM)
    assert house.told == []
    assert [channel for _, channel, _ in house.town.world.posts][-1] == SAM


def test_nothing_internal_is_told_when_the_ledger_fails_and_the_reason_comes_back_for_the_log(house: House) -> None:
    asked = house.ask()

    def broken(writes: Sequence[Write]) -> None:
        raise TransientAwsError("dynamodb:TransactWriteItems: Throttling: table costwatch-ledger", code="Throttling")

    house.town.table.before_transact = broken
    outcome = house.click("approve", asked.id)
    assert isinstance(outcome.failed, TransientAwsError)
    assert house.told == [
        (OMAR, "Something went wrong on our side; nothing was changed. Try again, or use costwatch approve.")
    ]


def test_a_failure_after_the_answer_was_written_says_that_it_is_recorded(house: House) -> None:
    asked = house.ask()
    written = 0

    def second_fails(writes: Sequence[Write]) -> None:
        nonlocal written
        written += 1
        if written == 2:
            raise TransientAwsError("dynamodb: unavailable")

    house.town.table.before_transact = second_fails
    outcome = house.click("approve", asked.id)
    assert outcome.failed is not None
    assert "your click is recorded" in house.told[0][1]
    assert state(house, asked) is State.APPROVED


def test_an_effect_that_fails_is_left_to_the_sweep_and_done_once(house: House) -> None:
    asked = house.ask()
    house.steps.fails = 1
    assert house.click("approve", asked.id).failed is None
    assert house.steps.answers == []
    assert house.question(asked.id).open
