"""The card of a retrained model in the local Slack: what people read, press and write, and what goes to the app."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Locator, Page, expect

from costwatch.core.judgements import Decided, Judgement, State
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res_cards import ResContext, judgement_card
from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint, SlackMessage
from tests.browser.conftest import EVERYWHERE, PageAt
from tests.support.judged import NOW, judgement
from tests.support.slack_door import Door, open_door

RAVI = "ravi@example.com"
ID = "us-east-1/churn/41"
ASKED = judgement(advice="skip Sunday's run")


@pytest.fixture
def slack() -> Iterator[SlackEndpoint]:
    with SlackEndpoint(users={RAVI: "U0RAVI001"}, clock=lambda: NOW) as running:
        running.people.titles[RAVI] = "approver"
        running.people.add_group("@risk-leads", [RAVI], group_id="S0RISK")
        yield running


@pytest.fixture
def door(slack: SlackEndpoint) -> Iterator[Door]:
    with open_door(slack.signing_secret, lambda: NOW) as door:
        slack.interactivity_url = door.url
        yield door


def post(slack: SlackEndpoint, shown: Judgement = ASKED) -> SlackMessage:
    card = judgement_card(shown, ResContext(("<!subteam^S0RISK>",), auto_approve=True))
    arguments = {"channel": "#ml-platform", "text": card.text, "blocks": card.blocks}
    assert slack.answer("chat.postMessage", DEFAULT_TOKEN, arguments)["ok"]
    return slack.messages[-1]


def reading(slack: SlackEndpoint, page_at: PageAt, width: int = 1280, scheme: str = "light") -> Page:
    return page_at(width, scheme).open(slack.page_url_of(RAVI))


def press(page: Page | Locator, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


@EVERYWHERE
def test_the_card_is_read_whole_on_a_desktop_and_a_telephone(
    slack: SlackEndpoint, page_at: PageAt, width: int, scheme: str
) -> None:
    post(slack)
    tab = page_at(width, scheme)
    page = tab.open(slack.page_url_of(RAVI))
    for text in (
        "Not promoted: churn v41. A real gain, too small for its cost",
        "Production stays on churn v38.",
        "AUC 0.912 -> 0.914: +0.002, 3.3 standard errors",
        "It would have passed at AUC 0.920 or better, or at $800.00 or less.",
        "@risk-leads",
    ):
        expect(page.get_by_text(text).first).to_be_visible()
    assert not tab.scrolls_sideways
    assert tab.errors == []


def test_promote_asks_first_and_then_says_who_what_and_why(slack: SlackEndpoint, door: Door, page_at: PageAt) -> None:
    post(slack)
    page = reading(slack, page_at)
    page.get_by_label("Reason").fill("the campaign needs it")
    press(page, "Promote anyway")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Promote it?")
    expect(dialog).to_contain_text("churn v41: It becomes Approved in the model registry")
    assert door.knocks == []
    press(dialog, "Promote")
    (knock,) = door.wait_for(1)
    assert knock.is_signed
    assert (knock.action["action_id"], knock.action["value"]) == ("promote", ID)
    assert knock.values == {"reason": {"reason": "the campaign needs it"}}


def test_reject_goes_at_once(slack: SlackEndpoint, door: Door, page_at: PageAt) -> None:
    post(slack)
    press(reading(slack, page_at), "Reject")
    (knock,) = door.wait_for(1)
    assert (knock.action["action_id"], knock.action["value"]) == ("reject", ID)


def test_what_is_decided_stands_in_the_place_of_the_buttons(slack: SlackEndpoint, page_at: PageAt) -> None:
    message = post(slack)
    page = reading(slack, page_at)
    expect(page.get_by_role("button", name="Promote anyway")).to_be_visible()
    by = Decided("U0RAVI001", NOW, ApprovalStatus.REJECTED, "not this week", "Ravi Rao")
    card = judgement_card(
        replace(ASKED, state=State.WRITTEN, target=by.target, decided=by), ResContext(auto_approve=True)
    )
    arguments = {"channel": message.channel_id, "ts": message.ts, "text": card.text, "blocks": card.blocks}
    assert slack.answer("chat.update", DEFAULT_TOKEN, arguments)["ok"]
    expect(page.get_by_text("Rejected by Ravi Rao")).to_be_visible()
    expect(page.get_by_role("button", name="Promote anyway")).to_have_count(0)
    expect(page.get_by_text("Reason: not this week")).to_be_visible()
