"""Promote and Reject: one decision whoever clicks, however often it arrives, and a sentence for everybody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from costwatch.core import judgement_steps, times
from costwatch.core.judgements import Decided, Hand, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.errors import PermanentAwsError, RefusedError, TransientAwsError
from tests.support.clicking import GROUP, LEE, OMAR, PLATFORM, SAM, buttons_of, text_of
from tests.support.judged import verdict
from tests.support.judged_town import TEAM, JudgedHouse

ID = "us-east-1/churn/41"


@pytest.fixture
def house() -> JudgedHouse:
    return JudgedHouse()


# --- a yes and a no ------------------------------------------------------------------------------------------


def test_an_approver_promotes_and_the_only_function_that_writes_the_registry_is_asked(house: JudgedHouse) -> None:
    asked = house.judge()
    outcome = house.click("promote", ID, post=asked.posts[0], reason="the campaign needs it")
    assert (outcome.result, outcome.said) == ("taken", "")
    assert house.res.asked == [
        {
            "judgement": ID,
            "judged_at": times.to_text(asked.judged_at),
            "target": "Approved",
            "by": OMAR,
            "name": "Omar Diaz",
            "reason": "the campaign needs it",
        }
    ]
    assert house.judgement().state is State.WRITTEN
    assert house.told == []


def test_reject_asks_for_just_that(house: JudgedHouse) -> None:
    house.judge()
    house.click("reject", ID)
    assert [(each["target"], each["reason"]) for each in house.res.asked] == [("Rejected", "")]


@pytest.mark.parametrize(
    ("action", "told"), [("promote", "Promoted by Omar Diaz"), ("reject", "Rejected by Omar Diaz")]
)
def test_the_card_loses_its_buttons_at_once_and_the_thread_says_who(house: JudgedHouse, action: str, told: str) -> None:
    (post,) = house.judge().posts
    assert {"promote", "reject"} <= set(buttons_of(house.card(post)))
    house.click(action, ID, post=post)
    assert buttons_of(house.card(post)) == {}
    assert told in text_of(house.card(post))
    assert any(told in text for text in house.thread(post))


def test_where_costwatch_may_not_approve_the_card_tells_the_command(house: JudgedHouse) -> None:
    house = JudgedHouse(auto_approve=False)
    (post,) = house.judge().posts
    house.click("promote", ID, post=post)
    assert house.judgement().state is State.OVERRIDDEN
    assert "aws sagemaker update-model-package --region us-east-1" in text_of(house.card(post))


def test_a_member_of_the_approvers_group_may_decide_and_is_asked_of_slack_at_the_click(house: JudgedHouse) -> None:
    house.judge()
    house.judge(package_version=42)
    house.click("promote", ID, by=LEE)
    house.town.world.slack_groups[GROUP] = {SAM}
    house.click("promote", "us-east-1/churn/42", by=LEE)
    assert [house.judgement(each).state for each in (ID, "us-east-1/churn/42")] == [State.WRITTEN, State.ASKED]


# --- who may not ---------------------------------------------------------------------------------------------


def test_a_stranger_is_told_who_may_and_nothing_is_asked(house: JudgedHouse) -> None:
    house.judge()
    assert house.click("promote", ID, by=SAM).result == "refused"
    assert house.res.asked == []
    assert house.judgement().state is State.ASKED
    ((user, sentence),) = house.told
    assert user == SAM
    assert sentence == (
        f"You may not do that: only approvers may promote or reject a model; approvers are {GROUP}, <@{OMAR}>."
    )


def test_an_empty_list_of_approvers_is_nobody() -> None:
    house = JudgedHouse(res_approvers=())
    (post,) = house.judge().posts
    assert "Nobody is configured who may decide" in text_of(house.card(post))
    assert house.click("promote", ID).result == "refused"
    assert house.res.asked == []
    assert "no approver is configured" in house.told[0][1]


def test_approvers_of_money_alone_may_not(house: JudgedHouse) -> None:
    house = JudgedHouse(res_approvers=(LEE,))
    house.judge()
    assert house.click("promote", ID, by=OMAR).result == "refused"
    assert house.res.asked == []


# --- twice, and two at once ------------------------------------------------------------------------------------


def test_a_click_that_arrives_twice_decides_once(house: JudgedHouse) -> None:
    house.judge()
    click = house.press("promote", ID)
    for _ in range(2):
        house.again(click)
    assert len(house.res.asked) == 1
    assert house.told == []


def test_a_double_click_is_one_decision_and_nobody_is_scolded(house: JudgedHouse) -> None:
    house.judge()
    house.click("promote", ID)
    assert house.click("promote", ID).said == ""
    assert len(house.res.asked) == 1
    assert house.told == []


def test_whoever_comes_second_is_told_whose_decision_it_was(house: JudgedHouse) -> None:
    house.judge()
    house.click("promote", ID, by=OMAR)
    assert house.click("reject", ID, by=LEE).result == "refused"
    assert house.judgement().target is ApprovalStatus.APPROVED
    ((user, sentence),) = house.told
    assert user == LEE
    assert "Nobody is asked about churn v41 any more. Promoted by Omar Diaz" in sentence


def test_whoever_says_the_same_after_somebody_else_is_told_whose_decision_it_was(house: JudgedHouse) -> None:
    house.judge()
    house.click("promote", ID, by=OMAR)
    assert house.click("promote", ID, by=LEE).result == "refused"
    assert "Promoted by Omar Diaz" in house.told[0][1]


def test_of_two_at_the_same_moment_one_decides_and_the_other_is_told(house: JudgedHouse) -> None:
    house.judge()
    late = house.desk(house.press("reject", ID, by=LEE))

    def first() -> None:
        house.res.before = None
        house.click("promote", ID, by=OMAR)

    house.res.before = first
    outcome = house.again(late.click)
    assert outcome.result == "refused"
    assert house.judgement().target is ApprovalStatus.APPROVED
    assert "Promoted by Omar Diaz" in house.told[0][1]


def test_the_same_decision_by_the_same_person_at_the_same_moment_is_one(house: JudgedHouse) -> None:
    house.judge()
    late = house.press("promote", ID)

    def first() -> None:
        house.res.before = None
        house.click("promote", ID)

    house.res.before = first
    assert house.again(late).said == ""
    assert house.told == []


# --- what it cannot decide -------------------------------------------------------------------------------------


def test_a_card_whose_candidate_nobody_knows_says_so(house: JudgedHouse) -> None:
    assert house.click("promote", "us-east-1/churn/7").result == "refused"
    assert house.told == [(OMAR, "Nobody knows this candidate any more.")]


def test_what_was_decided_in_the_registry_meanwhile_is_told_and_left_alone(house: JudgedHouse) -> None:
    before = house.judge()
    now = house.town.clock()
    by = Decided("arn:aws:sts::111122223333:assumed-role/Lead/ada", now, ApprovalStatus.REJECTED, hand=Hand.FIRST)
    assert house.judgements.save(judgement_steps.overridden(before, by, now))
    assert house.click("promote", ID).result == "refused"
    assert house.res.asked == []
    assert "Rejected by ada (Lead) in the model registry" in house.told[0][1]


def test_a_package_that_somebody_decided_in_the_registry_an_instant_ago_is_left_to_them(house: JudgedHouse) -> None:
    (post,) = house.judge().posts
    arn = house.judgement().package_arn
    house.models.decide(arn, ApprovalStatus.APPROVED)
    assert house.click("reject", ID, post=post).result == "refused"
    assert house.models.packages[arn].approval is ApprovalStatus.APPROVED
    assert "Promoted by maria in the model registry" in house.told[0][1]
    assert buttons_of(house.card(post)) == {}


def test_a_card_of_an_older_version_than_serves_promotes_it_no_more_and_still_rejects_it(house: JudgedHouse) -> None:
    house.judge()
    newer = house.models.register()
    house.models.decide(newer.arn, ApprovalStatus.APPROVED)
    assert house.click("promote", ID).result == "refused"
    assert house.judgement().state is State.ASKED
    assert "churn v42 is approved now, and churn v41 was never held against it" in house.told[0][1]
    assert house.click("reject", ID).result == "taken"
    assert house.judgement().target is ApprovalStatus.REJECTED


def test_an_older_version_that_serves_is_in_nobodys_way(house: JudgedHouse) -> None:
    house.judge()
    house.models.decide(house.models.packages[min(house.models.packages)].arn, ApprovalStatus.APPROVED)
    assert house.click("promote", ID).result == "taken"


def test_what_was_deleted_from_the_registry_is_said_so_and_its_card_loses_its_buttons(house: JudgedHouse) -> None:
    before = house.judge()
    (post,) = before.posts
    now = house.town.clock()
    assert house.judgements.save(judgement_steps.gone(before, now))
    house.flush()
    assert buttons_of(house.card(post)) == {}
    assert "Gone: churn v41" in text_of(house.card(post))
    assert house.click("promote", ID).result == "refused"
    assert "It was deleted from the model registry" in house.told[0][1]


def test_a_refusal_of_the_function_is_told_in_its_words(house: JudgedHouse) -> None:
    house.judge()
    house.res.fails = RefusedError("the deployed function refuses: churn is judged no more")
    assert house.click("promote", ID).result == "refused"
    assert house.told == [(OMAR, "Nothing was decided: churn is judged no more")]


@pytest.mark.parametrize("failure", [TransientAwsError("lambda:Invoke: throttled"), PermanentAwsError("arn:secret")])
def test_what_fails_on_our_side_leaks_nothing_and_can_be_tried_again(house: JudgedHouse, failure: Exception) -> None:
    house.judge()
    house.res.fails = failure
    outcome = house.click("promote", ID)
    assert (outcome.result, outcome.failed) == ("failed", failure)
    ((_, sentence),) = house.told
    assert "Something went wrong on our side; nothing was changed. Try again, or use costwatch promote." in sentence
    assert str(failure) not in sentence
    house.res.fails = None
    assert house.click("promote", ID).result == "taken"
    assert house.judgement().state is State.WRITTEN


def test_where_no_such_function_is_deployed_the_person_is_told_and_we_are_paged(house: JudgedHouse) -> None:
    house.judge()
    house.res = None  # type: ignore[assignment]
    outcome = house.click("promote", ID)
    assert outcome.result == "failed"
    assert outcome.failed is not None


# --- where it is said ------------------------------------------------------------------------------------------


def test_a_card_goes_to_the_teams_channel_else_to_the_platforms(house: JudgedHouse) -> None:
    (ours,) = house.judge(team="risk").posts
    (other,) = house.judge(team="", package_version=42).posts
    assert [ours.channel, other.channel] == [TEAM, PLATFORM]


def test_in_warn_a_card_without_buttons_says_what_enforce_would_do() -> None:
    house = JudgedHouse(res_mode=Mode.WARN)
    (post,) = house.judge().posts
    assert buttons_of(house.card(post)) == {}
    assert "in enforce somebody would have been asked" in text_of(house.card(post))


def test_in_observe_nobody_hears_of_a_single_judgement() -> None:
    house = JudgedHouse(res_mode=Mode.OBSERVE)
    assert house.judge().posts == ()
    assert house.town.world.slack_messages == {}


def test_what_is_judged_anew_and_asked_about_gets_a_card_of_its_own(house: JudgedHouse) -> None:
    before = house.judge(verdict(usd=None))
    house.town.clock.forward(minutes=1)
    now = house.town.clock()
    step = judgement_steps.judged(before, replace(before, verdict=verdict()), now, auto_approve=True)
    assert house.judgements.save(step)
    house.flush()
    first, second = house.judgement().posts
    house.click("reject", ID, post=second)
    assert [buttons_of(house.card(post)) for post in (first, second)] == [{}, {}]
    assert "Rejected by Omar Diaz" in text_of(house.card(first))
