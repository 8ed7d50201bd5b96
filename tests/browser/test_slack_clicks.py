"""Clicking in the local Slack: real presses and keys in a browser, and what then arrives at the app's door."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint, SlackMessage
from tests.browser.conftest import EVERYWHERE, PageAt, Tab, contrast
from tests.support.approval_card import (
    APPROVAL_ID,
    PUSHED,
    actions,
    approval_blocks,
    button,
    confirm,
    decided_blocks,
    field,
    plain,
    section,
    select,
    text_input,
)
from tests.support.slack_door import Door, open_door

NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
MARIA, RAVI, STRANGER = "maria@example.com", "ravi@example.com", "sam@example.com"
IDS = {MARIA: "U0MARIA01", RAVI: "U0RAVI001", STRANGER: "U0SAM0001"}


@pytest.fixture
def slack() -> Iterator[SlackEndpoint]:
    with SlackEndpoint(users=IDS, clock=lambda: NOW) as running:
        running.people.titles.update({MARIA: "owner", RAVI: "approver", STRANGER: "stranger"})
        running.people.add_group("@risk-leads", [RAVI], group_id="S0RISK")
        yield running


@pytest.fixture
def door(slack: SlackEndpoint) -> Iterator[Door]:
    with open_door(slack.signing_secret, lambda: NOW) as door:
        slack.interactivity_url = door.url
        yield door


def call(slack: SlackEndpoint, method: str, **arguments: Any) -> dict[str, Any]:
    answer = slack.answer(method, DEFAULT_TOKEN, arguments)
    assert answer["ok"], answer
    return answer


def post(slack: SlackEndpoint, *blocks: Any, channel: str = "#risk-ml", **more: Any) -> SlackMessage:
    call(slack, "chat.postMessage", channel=channel, text=PUSHED, blocks=list(blocks), **more)
    return slack.messages[-1]


def update(slack: SlackEndpoint, message: SlackMessage, text: str, *blocks: Any) -> None:
    call(slack, "chat.update", channel=message.channel_id, ts=message.ts, text=text, blocks=list(blocks))


def reading_as(slack: SlackEndpoint, page_at: PageAt, user: str, width: int = 1280, scheme: str = "light") -> Page:
    return page_at(width, scheme).open(slack.page_url_of(user))


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


# --- the approval card ---------------------------------------------------------------------------------


def test_approve_asks_first_and_then_says_who_what_and_where(slack: SlackEndpoint, door: Door, page_at: PageAt) -> None:
    message = post(slack, *approval_blocks())
    page = reading_as(slack, page_at, RAVI)
    press(page, "Approve")
    expect(dialog(page).get_by_role("heading")).to_have_text("Approve churn-bert-large?")
    expect(dialog(page)).to_contain_text("Up to $1,212 may be spent")
    assert door.knocks == []
    dialog(page).get_by_role("button", name="Approve").click()
    (knock,) = door.wait_for(1)
    assert knock.is_signed
    payload = knock.payload
    assert payload["type"] == "block_actions"
    assert payload["user"] == {
        "id": IDS[RAVI],
        "username": "ravi",
        "name": "ravi",
        "team_id": slack.installation.team_id,
    }
    assert payload["channel"] == {"id": message.channel_id, "name": "risk-ml"}
    assert payload["container"]["message_ts"] == message.ts
    assert (knock.action["action_id"], knock.action["value"]) == ("approve", APPROVAL_ID)
    assert knock.values == {"cap": {"cap": "none"}, "reason": {"reason": None}}
    expect(dialog(page)).to_be_hidden()


@pytest.mark.parametrize("way_out", ["Not yet", "Escape"])
def test_a_yes_that_is_not_confirmed_is_not_sent(
    slack: SlackEndpoint, door: Door, page_at: PageAt, way_out: str
) -> None:
    post(slack, *approval_blocks())
    page = reading_as(slack, page_at, RAVI)
    press(page, "Approve")
    if way_out == "Escape":
        page.keyboard.press("Escape")
    else:
        dialog(page).get_by_role("button", name=way_out).click()
    expect(dialog(page)).to_be_hidden()
    expect(page.get_by_role("button", name="Approve")).to_be_focused()
    press(page, "Deny")
    assert [knock.action["action_id"] for knock in door.wait_for(1)] == ["deny"]


def test_deny_brings_the_reason_along(slack: SlackEndpoint, door: Door, page_at: PageAt) -> None:
    post(slack, *approval_blocks())
    page = reading_as(slack, page_at, RAVI)
    page.get_by_label("Reason").fill('Too dear: <b>use spot</b> & "wait"')
    press(page, "Deny")
    (knock,) = door.wait_for(1)
    assert knock.values["reason"]["reason"] == 'Too dear: <b>use spot</b> & "wait"'
    assert knock.is_signed


def test_a_reason_ends_where_the_card_says(slack: SlackEndpoint, door: Door, page_at: PageAt) -> None:
    post(slack, *approval_blocks())
    page = reading_as(slack, page_at, RAVI)
    page.get_by_label("Reason").press_sequentially("x" * 302)
    press(page, "Deny")
    assert door.wait_for(1)[0].values["reason"]["reason"] == "x" * 300


def test_the_chosen_cap_comes_along_with_the_yes_and_alone_sends_nothing(
    slack: SlackEndpoint, door: Door, page_at: PageAt
) -> None:
    post(slack, *approval_blocks())
    page = reading_as(slack, page_at, RAVI)
    page.get_by_label("Cap").select_option("17 h · $859")
    press(page, "Approve")
    dialog(page).get_by_role("button", name="Approve").click()
    (knock,) = door.wait_for(1)
    assert knock.payload["state"]["values"]["cap"]["cap"] == {
        "type": "static_select",
        "selected_option": {"text": {"type": "plain_text", "text": "17 h · $859", "emoji": True}, "value": "61200"},
    }


def test_a_double_click_sends_two_clicks_and_the_button_shows_that_it_waits(
    slack: SlackEndpoint, door: Door, page_at: PageAt
) -> None:
    post(slack, *approval_blocks())
    door.wait_seconds = 0.8
    page = reading_as(slack, page_at, RAVI)
    deny = page.get_by_role("button", name="Deny")
    deny.dblclick()
    expect(deny).to_have_attribute("aria-busy", "")
    expect(deny).to_be_enabled()
    first, second = door.wait_for(2)
    assert first.action["action_ts"] != second.action["action_ts"]
    assert first.payload["trigger_id"] != second.payload["trigger_id"]
    expect(deny).not_to_have_attribute("aria-busy", "")


def test_a_double_click_on_what_asks_first_opens_one_question_and_answers_nothing(
    slack: SlackEndpoint, door: Door, page_at: PageAt
) -> None:
    post(slack, *approval_blocks())
    page = reading_as(slack, page_at, RAVI)
    page.get_by_role("button", name="Approve").dblclick()
    expect(dialog(page)).to_be_visible()
    dialog(page).get_by_role("button", name="Approve").click()
    assert [knock.action["action_id"] for knock in door.wait_for(1)] == ["approve"]


def test_the_card_changes_under_the_reader_and_its_buttons_are_gone(
    slack: SlackEndpoint, door: Door, page_at: PageAt
) -> None:
    message = post(slack, *approval_blocks())

    def decide(payload: Any) -> None:
        update(slack, message, "Approved", *decided_blocks(payload["user"]["id"], "Approved"))
        call(
            slack,
            "chat.postMessage",
            channel=payload["channel"]["id"],
            thread_ts=payload["container"]["message_ts"],
            text="ravi said yes.",
        )

    door.react = decide
    page = reading_as(slack, page_at, RAVI)
    press(page, "Approve")
    dialog(page).get_by_role("button", name="Approve").click()
    expect(page.locator("article")).to_contain_text("Approved by @ravi.")
    expect(page.locator("article button, article input, article select")).to_have_count(0)
    expect(page.locator("article .thread")).to_contain_text("ravi said yes.")
    expect(page.locator("article .where").first).to_have_text("in #risk-ml")


def test_a_card_that_changed_while_its_question_was_open_takes_no_answer(
    slack: SlackEndpoint, door: Door, page_at: PageAt
) -> None:
    message = post(slack, *approval_blocks())
    page = reading_as(slack, page_at, RAVI)
    press(page, "Approve")
    update(slack, message, "Denied", *decided_blocks(IDS[RAVI], "Denied"))
    expect(page.locator("article")).to_contain_text("Denied by @ravi.")
    dialog(page).get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_contain_text("it may have changed")
    assert door.knocks == []


def test_what_somebody_writes_survives_that_messages_come_and_change(
    slack: SlackEndpoint, door: Door, page_at: PageAt
) -> None:
    message = post(slack, *approval_blocks())
    page = reading_as(slack, page_at, RAVI)
    page.get_by_label("Cap").select_option("12 h · $606")
    reason = page.get_by_label("Reason")
    reason.press_sequentially("too ")
    call(slack, "chat.postMessage", channel="#risk-ml", text="another", thread_ts=message.ts)
    expect(page.locator(".thread")).to_contain_text("another")
    expect(reason).to_be_focused()
    page.keyboard.type("dear")
    update(slack, message, PUSHED, *approval_blocks(mention="Somebody"))
    expect(page.locator("article")).to_contain_text("Somebody may decide")
    press(page, "Deny")
    (knock,) = door.wait_for(1)
    assert knock.values == {"cap": {"cap": "43200"}, "reason": {"reason": "too dear"}}


# --- who reads -----------------------------------------------------------------------------------------


def test_the_reader_is_switched_and_each_sees_their_own(slack: SlackEndpoint, page_at: PageAt) -> None:
    channel = post(slack, section("for all")).channel_id
    post(slack, section("for maria"), channel=IDS[MARIA])
    call(slack, "chat.postEphemeral", channel=channel, user=IDS[STRANGER], text="Only <@U0RAVI001> may decide.")
    page = page_at(1280, "light").open(slack.page_url)
    switcher = page.get_by_label("You are")
    assert switcher.locator("option").all_inner_texts() == [
        "everyone, reading",
        "maria (owner)",
        "ravi (approver)",
        "sam (stranger)",
    ]
    expect(page.locator("article .text")).to_have_text(["for all", "for maria"])
    switcher.select_option("ravi (approver)")
    expect(page.locator("article .text")).to_have_text(["for all"])
    switcher.select_option("maria (owner)")
    expect(page.locator("article .text")).to_have_text(["for all", "for maria"])
    switcher.select_option("sam (stranger)")
    expect(page.locator("article .text")).to_have_text(["for all", "Only @ravi may decide."])
    expect(page.locator("article").last).to_contain_text("Only visible to you")
    expect(switcher).to_have_value(IDS[STRANGER])


def test_a_stranger_is_told_privately_while_the_others_see_nothing_of_it(
    slack: SlackEndpoint, door: Door, page_at: PageAt
) -> None:
    post(slack, *approval_blocks())
    door.react = lambda payload: call(
        slack,
        "chat.postEphemeral",
        channel=payload["channel"]["id"],
        user=payload["user"]["id"],
        text="Only @risk-leads may decide. Ask one of them.",
    )
    stranger, approver = (reading_as(slack, page_at, user) for user in (STRANGER, RAVI))
    press(stranger, "Deny")
    expect(stranger.locator(".only")).to_contain_text("Only @risk-leads may decide. Ask one of them.")
    post(slack, section("a sign that the other page is up to date"))
    approver.get_by_text("a sign that").wait_for()
    expect(approver.locator(".only")).to_have_count(0)
    expect(approver.get_by_role("button", name="Deny")).to_be_enabled()


def test_who_has_not_said_who_they_are_can_click_nothing(slack: SlackEndpoint, door: Door, page_at: PageAt) -> None:
    post(slack, *approval_blocks())
    page = page_at(1280, "light").open(slack.page_url)
    for control in page.locator("article :is(button, input, select)").all():
        expect(control).to_be_disabled()
        expect(control).to_have_attribute("title", "Choose above who you are to use this")


def test_a_kept_copy_and_a_page_without_scripts_show_the_card_and_take_no_clicks(
    slack: SlackEndpoint, page_at: PageAt, tmp_path: Any
) -> None:
    post(slack, *approval_blocks())
    file = tmp_path / "slack.html"
    file.write_text(slack.page(live=False), encoding="utf-8")
    kept = page_at(1280, "light").open(file.as_uri())
    still = page_at(1280, "light", script=False).open(slack.page_url_of(RAVI))
    for page in (kept, still):
        expect(page.get_by_role("button", name="Approve")).to_be_disabled()
        expect(page.locator("article")).to_contain_text("Approval needed: churn-bert-large")
    assert slack.page_token not in kept.content()


# --- what goes wrong -----------------------------------------------------------------------------------


def test_a_door_that_answers_with_an_error_is_said_beside_what_was_clicked(
    slack: SlackEndpoint, door: Door, page_at: PageAt
) -> None:
    post(slack, *approval_blocks())
    door.status = 500
    page = reading_as(slack, page_at, RAVI)
    press(page, "Deny")
    alert = page.locator(".actions").get_by_role("alert")
    expect(alert).to_have_text("This app answered with an error. Please try again.")
    door.status = 200
    press(page, "Deny")
    expect(alert).to_have_count(0)
    door.wait_for(2)


def test_a_door_that_takes_longer_than_three_seconds_is_said_so_and_not_asked_again(
    slack: SlackEndpoint, door: Door, page_at: PageAt
) -> None:
    post(slack, *approval_blocks())
    door.wait_seconds = 3.4
    page = reading_as(slack, page_at, RAVI)
    press(page, "Deny")
    expect(page.get_by_role("alert")).to_have_text("This app took too long to answer. Please try again.")
    page.wait_for_timeout(1000)
    assert len(door.knocks) == 1


def test_a_page_of_another_origin_can_click_nothing(slack: SlackEndpoint, door: Door, page_at: PageAt) -> None:
    message = post(slack, *approval_blocks())
    page = page_at(1280, "light").open(door.url.replace("/slack", "/nothing-here"))  # a 501 of another origin
    click = {"channel": message.channel_id, "ts": message.ts, "user": IDS[RAVI], "block_id": "decision"}
    status = page.evaluate(
        """async ([address, click]) => {
          const body = JSON.stringify({ ...click, action_id: "deny", inputs: [] });
          await fetch(address, { method: "POST", mode: "no-cors", body });
          const headers = { "Content-Type": "application/json", "X-Page-Token": "guessed" };
          return fetch(address, { method: "POST", headers, body }).then((answer) => answer.status, () => "refused");
        }""",
        [urllib.parse.urljoin(slack.page_url, "click"), click],
    )
    assert status == "refused"
    assert door.knocks == []


# --- other cards ---------------------------------------------------------------------------------------


def test_choosing_in_a_row_of_buttons_is_told_at_once(slack: SlackEndpoint, door: Door, page_at: PageAt) -> None:
    extend = select(
        "extend",
        {"run|14400": "Extend 4 h", "run|43200": "Extend 12 h"},
        placeholder=plain("Extend"),
    )
    post(slack, section("stops in 1 h", accessory=button("pause", "Pause", "run")), actions(extend))
    page = reading_as(slack, page_at, MARIA)
    page.get_by_label("Extend").select_option("Extend 12 h")
    press(page, "Pause")
    chosen, paused = door.wait_for(2)
    assert (chosen.action["type"], chosen.action["selected_option"]["value"]) == ("static_select", "run|43200")
    assert paused.action["action_id"] == "pause"
    assert paused.values["decision"]["extend"] == "run|43200"


def test_a_choice_that_is_not_confirmed_is_taken_back(slack: SlackEndpoint, door: Door, page_at: PageAt) -> None:
    post(slack, actions(select("size", {"s": "Small", "l": "Large"}, confirm=confirm("Sure?"))))
    page = reading_as(slack, page_at, MARIA)
    size = page.locator("article select")
    size.select_option("Large")
    dialog(page).get_by_role("button", name="Not yet").click()
    expect(size).to_have_value("")
    assert door.knocks == []


def test_a_line_that_is_told_at_once_is_sent_with_enter_and_any_other_is_not(
    slack: SlackEndpoint, door: Door, page_at: PageAt
) -> None:
    post(
        slack,
        field("Silent", text_input("silent"), block_id="silent"),
        field("Told", text_input("told"), block_id="told", dispatch_action=True),
    )
    page = reading_as(slack, page_at, MARIA)
    page.get_by_label("Silent").fill("quiet")
    page.keyboard.press("Enter")
    page.get_by_label("Told").fill("loud")
    page.keyboard.press("Enter")
    (knock,) = door.wait_for(1)
    assert (knock.action["action_id"], knock.action["value"]) == ("told", "loud")
    assert knock.values["silent"]["silent"] == "quiet"


def test_a_card_is_answered_without_a_mouse(slack: SlackEndpoint, door: Door, page_at: PageAt) -> None:
    post(slack, *approval_blocks())
    page = reading_as(slack, page_at, RAVI)
    page.get_by_label("Cap").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("fine")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Approve")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog(page).get_by_role("button", name="Not yet")).to_be_focused()  # a second Enter is no yes
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    (knock,) = door.wait_for(1)
    assert knock.action["action_id"] == "approve"
    assert knock.values == {"cap": {"cap": "43200"}, "reason": {"reason": "fine"}}


@pytest.mark.parametrize("hostile", ["<script>document.title='gone'</script>", '"><img src=x onerror=alert(1)>'])
def test_what_a_card_says_in_its_controls_is_text(
    slack: SlackEndpoint, door: Door, page_at: PageAt, hostile: str
) -> None:
    text = plain(hostile[:30])
    asked = {"title": text, "text": text, "confirm": text, "deny": text}
    post(
        slack,
        field(hostile, text_input(hostile, initial_value=hostile, placeholder=text), block_id=hostile, hint=text),
        actions(
            button(hostile, hostile, hostile, confirm=asked),
            select("s", {hostile: hostile}, placeholder=text),
            block_id=f"b{hostile}",
        ),
    )
    tab = page_at(1280, "light")
    page = tab.open(slack.page_url_of(MARIA))
    page.locator("article button").click()
    dialog(page).locator("button").last.click()
    (knock,) = door.wait_for(1)
    assert knock.action["value"] == hostile
    assert knock.values[hostile][hostile] == hostile
    assert page.locator("main script, main img, dialog img").count() == 0
    assert page.title() == "Costwatch demo: Slack"
    assert tab.errors == []


# --- how it looks --------------------------------------------------------------------------------------


def show_all(slack: SlackEndpoint) -> SlackMessage:
    """Every control, one of them failed, one message private, one decided."""
    decided = post(slack, *approval_blocks())
    update(slack, decided, "Approved", *decided_blocks(IDS[RAVI], "Approved with a cap of 17 h"))
    post(slack, section("Cap chosen: 17 h, at most $859."), thread_ts=decided.ts)
    post(
        slack,
        section(
            "*tts-large* stops at 21:10, in 1 hour.",
            accessory=select("s", {"1": "x" * 75}, placeholder=plain("Why this card?")),
        ),
        actions(
            *[button(f"extend:{n}", f"Extend {n} h (+$101)") for n in range(5)],
            button("stop", "Stop now", style="danger"),
        ),
    )
    last = post(slack, *approval_blocks())
    call(slack, "chat.postEphemeral", channel="#risk-ml", user=IDS[RAVI], text="Only @risk-leads may decide. Ask one.")
    return last


@EVERYWHERE
def test_controls_fit_the_window_and_can_be_read_and_hit(
    slack: SlackEndpoint, door: Door, page_at: PageAt, width: int, scheme: str
) -> None:
    show_all(slack)
    door.status = 500
    tab: Tab = page_at(width, scheme)
    page = tab.open(slack.page_url_of(RAVI))
    page.get_by_role("button", name="Deny").click()
    page.get_by_role("alert").wait_for()
    assert not tab.scrolls_sideways
    assert page.evaluate(
        "[...document.querySelectorAll('#stream *, header *')]"
        ".every(element => element.getBoundingClientRect().right <= innerWidth)"
    )
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for selector in (".failure", ".only-you", ".hint", ".optional", ".label", "article button", "article select"):
        for element in page.locator(selector).all():
            colour, own = element.evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]")
            behind = ground if own == "rgba(0, 0, 0, 0)" else own
            assert contrast(colour, behind) >= 4.5, f"{selector}: {colour} on {behind}"
    for control in page.locator("article :is(button, select, input)").all():
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= (40 if width == 390 else 36)
    press(page, "Approve")
    box = dialog(page).bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    page.keyboard.press("Escape")
    assert tab.requests_elsewhere(slack.page_url) == []


def test_the_whole_card_is_answered_on_a_telephone(slack: SlackEndpoint, door: Door, page_at: PageAt) -> None:
    post(slack, *approval_blocks())
    page = reading_as(slack, page_at, RAVI, width=390)
    page.get_by_label("Cap").select_option("17 h · $859")
    page.get_by_label("Reason").fill("fine for one week")
    press(page, "Approve")
    dialog(page).get_by_role("button", name="Approve").click()
    (knock,) = door.wait_for(1)
    assert knock.values == {"cap": {"cap": "61200"}, "reason": {"reason": "fine for one week"}}
