"""Where verdicts about models are said: a channel, e-mail, the daily summary; and that none of it is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from costwatch.core.judgements import State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.errors import PermanentAwsError
from costwatch.procedures import digest
from costwatch.procedures.report import SweepReport
from tests.support.clicking import OMAR, PLATFORM, buttons_of, text_of
from tests.support.judged import verdict
from tests.support.judged_town import TEAM, JudgedHouse

ID = "us-east-1/churn/41"


@pytest.fixture
def house() -> JudgedHouse:
    return JudgedHouse()


def texts(house: JudgedHouse) -> list[str]:
    return [card.text for _, _, card in house.town.world.posts]


def summarize(house: JudgedHouse) -> None:
    digest.summary(house.town.watchdog(), [], SweepReport(at=house.town.clock()))
    house.flush()


def test_while_slack_is_down_it_goes_by_e_mail_with_the_command(house: JudgedHouse) -> None:
    house.town.world.slack_is_up = False
    house.town.world.topic_has_listener = True
    assert house.judge().posts == ()
    ((_, subject, text),) = house.town.world.mails
    assert subject.startswith("Not promoted: churn v41")
    assert "costwatch promote churn 41" in text


def test_what_nobody_takes_is_kept_and_said_later(house: JudgedHouse) -> None:
    house.town.world.slack_is_up = False
    house.town.world.topic_has_listener = False
    house.judge()
    assert texts(house) == []
    house.town.world.slack_is_up = True
    house.town.clock.forward(minutes=30)
    house.flush()
    assert len(house.judgement().posts) == 1


def test_a_channel_that_is_gone_gives_way_to_the_platforms(house: JudgedHouse) -> None:
    gone = PermanentAwsError("slack:chat_postMessage: channel_not_found", code="channel_not_found")
    house.town.world.fault = lambda operation, _, ids: gone if TEAM in ids and "chat.post" in operation else None
    assert [post.channel for post in house.judge(team="risk").posts] == [PLATFORM]


def test_a_card_that_was_deleted_is_said_anew_with_what_became_of_it(house: JudgedHouse) -> None:
    (post,) = house.judge().posts
    del house.town.world.slack_messages[post]
    house.click("reject", ID, post=post)
    card = list(house.town.world.slack_messages.values())[-1]
    assert buttons_of(card) == {}
    assert "Rejected by Omar Diaz" in text_of(card)


def test_what_is_decided_before_its_card_is_sent_is_shown_as_it_stands(house: JudgedHouse) -> None:
    house.town.world.slack_is_up = False
    house.judge()
    house.click("promote", ID)
    house.town.world.slack_is_up = True
    house.town.clock.forward(minutes=30)
    house.flush()
    assert all(buttons_of(card) == {} for card in house.town.world.slack_messages.values())
    assert house.judgement().state is State.WRITTEN


def test_what_is_decided_while_its_card_is_being_posted_loses_its_buttons(house: JudgedHouse) -> None:
    def decided(operation: str, _region: str, _ids: tuple[str, ...]) -> None:
        if operation == "slack:chat.postMessage":
            house.town.world.fault = None
            house.res.handle(
                {
                    "source": "costwatch.cli",
                    "detail-type": "Promotion Decision Requested",
                    "detail": {"judgement": ID, "target": "Rejected", "by": OMAR, "name": "Omar Diaz"},
                }
            )

    house.town.world.fault = decided
    house.judge()
    assert house.judgement().target is ApprovalStatus.REJECTED
    assert [buttons_of(house.card(post)) for post in house.judgement().posts] == [{}] * len(house.judgement().posts)
    assert house.judgement().posts


# --- observe -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidate", "auto_approve", "line"),
    [
        ("0.914", False, "churn v41: somebody would have been asked: a real gain, too small for its cost; auc 0.912"),
        ("0.911", False, "churn v41: would have been rejected (no gain: auc is worse than what serves); auc 0.912"),
        ("0.930", False, "churn v41: earned its compute, and would wait for a person; auc 0.912"),
        ("0.930", True, "churn v41: would have been approved; auc 0.912"),
    ],
)
def test_in_observe_the_daily_summary_has_a_line(candidate: str, auto_approve: bool, line: str) -> None:
    house = JudgedHouse(res_mode=Mode.OBSERVE, auto_approve=auto_approve)
    house.judge(verdict(candidate))
    assert texts(house) == []
    summarize(house)
    (card,) = house.town.world.slack_messages.values()
    assert "1 retrained model judged" in text_of(card)
    assert line in text_of(card)
    assert "cost $3,200.00" in text_of(card)


def test_a_candidate_stands_in_one_summary_and_no_second_one() -> None:
    house = JudgedHouse(res_mode=Mode.OBSERVE)
    house.judge()
    summarize(house)
    house.town.clock.now += timedelta(days=1)
    summarize(house)
    assert len(texts(house)) == 1
    house.judge(package_version=42)
    summarize(house)
    _, card = house.town.world.slack_messages.values()
    assert "churn v42" in text_of(card)
    assert "churn v41" not in text_of(card)


def test_where_nothing_was_judged_there_is_no_summary() -> None:
    house = JudgedHouse(res_mode=Mode.OBSERVE)
    summarize(house)
    assert texts(house) == []


def test_in_warn_no_summary_repeats_the_cards() -> None:
    house = JudgedHouse(res_mode=Mode.WARN)
    house.judge()
    before = len(texts(house))
    summarize(house)
    assert len(texts(house)) == before
