"""The page of the local Slack: what was posted, as Slack shows it, at a desk and on a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint
from tests.browser.conftest import EVERYWHERE, PageAt, contrast

NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
STOPS_AT = 1795478400  # 2026-11-24T00:00:00Z: today in New York, tomorrow in London, one o'clock in Berlin
DANA = "dana@example.com"


@pytest.fixture
def slack() -> Iterator[SlackEndpoint]:
    with SlackEndpoint(users={DANA: "U0DANA01"}, clock=lambda: NOW) as running:
        yield running


def post(slack: SlackEndpoint, channel: str, text: str = "pushed", *blocks: Any, **more: str) -> str:
    arguments = {"channel": channel, "text": text, "blocks": list(blocks), **more}
    answer = slack.answer("chat.postMessage", DEFAULT_TOKEN, arguments)
    assert answer["ok"], answer
    return str(answer["ts"])


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


def fill(slack: SlackEndpoint) -> None:
    """One of everything, with words too long for a telephone."""
    long = "arn:aws:sagemaker:us-east-1:111122223333:training-job/" + "x" * 200
    button = {"type": "button", "text": {"type": "plain_text", "text": "Extend 4 h"}, "style": "primary"}
    small_print = {"type": "context", "elements": [{"type": "plain_text", "text": long}]}
    parent = post(
        slack,
        "#ml-platform",
        "x",
        header("tts-large stops in 1 h"),
        section(f"<@U0DANA01> *bold* _slanted_ ~struck~ `{long}` <https://example.com/{'y' * 200}>"),
        section("> quoted\n```\nblock\n  of code\n```\nafter"),
        {"type": "section", "fields": [{"type": "mrkdwn", "text": f"*Field {n}*\n{long}"} for n in range(3)]},
        {"type": "divider"},
        {"type": "actions", "elements": [button] * 6},
        small_print,
    )
    post(slack, "#ml-platform", f"an answer {long}", thread_ts=parent)
    post(slack, "U0DANA01", "for you alone")
    for number in range(20):
        post(slack, f"#team-{number}", "hello")


@EVERYWHERE
def test_the_page_fits_its_window_and_asks_nobody_else(
    slack: SlackEndpoint, page_at: PageAt, width: int, scheme: str
) -> None:
    fill(slack)
    tab = page_at(width, scheme)
    page = tab.open(slack.page_url)
    page.locator("article").first.wait_for()
    assert not tab.scrolls_sideways
    assert page.evaluate(
        "[...document.querySelectorAll('#stream *')].every(e => e.getBoundingClientRect().right <= innerWidth)"
    )
    with page.expect_response("**/messages.json*"):
        post(slack, "#ml-platform", "one more")
    page.get_by_text("one more").wait_for()
    assert tab.errors == []
    assert tab.requests_elsewhere(slack.page_url) == []
    assert_readable(page, scheme)


def assert_readable(page: Page, scheme: str) -> None:
    """Light or dark as the reader has it, and the text stands out from its ground as WCAG's AA asks."""
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert contrast(ground, "rgb(255, 255, 255)") < 2 if scheme == "light" else contrast(ground, "rgb(0, 0, 0)") < 2
    for selector in (".text", "h3", ".context .text", ".clock", "code", ".mention", ".replies", "a", "header span"):
        element = page.locator(f"main {selector}").first
        colour, own = element.evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]")
        behind = ground if own == "rgba(0, 0, 0, 0)" else own
        assert contrast(colour, behind) >= 4.5, f"{selector}: {colour} on {behind}"


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("America/New_York", "today at 7:00 PM"),
        ("Europe/London", "tomorrow at 12:00 AM"),
        ("Asia/Tokyo", "today at 9:00 AM"),  # there it is the 24th already when it is 18:00 UTC on the 23rd
    ],
)
def test_a_date_is_shown_in_the_reader_s_zone(slack: SlackEndpoint, page_at: PageAt, zone: str, shown: str) -> None:
    post(slack, "#a", "x", section(f"<!date^{STOPS_AT}^{{date_short_pretty}} at {{time}}|2026-11-24 00:00 UTC>"))
    page = page_at(1280, "light", timezone=zone).open(slack.page_url)
    assert page.locator("article .text").inner_text().replace("\u202f", " ") == shown


def test_each_of_slack_s_date_patterns(slack: SlackEndpoint, page_at: PageAt) -> None:
    expected = {
        "{date_num}": "2026-11-24",
        "{date}": "November 24th, 2026",
        "{date_short}": "Nov 24, 2026",
        "{date_long}": "Tuesday, November 24th, 2026",
        "{date_long_pretty}": "tomorrow",
        "by {time_secs}": "by 12:00:00 AM",
        "{unknown}": "{unknown}",
    }
    for pattern in expected:
        post(slack, "#a", f"<!date^{STOPS_AT}^{pattern}|2026-11-24 00:00 UTC>")
    page = page_at(1280, "light").open(slack.page_url)
    shown = [text.replace("\u202f", " ") for text in page.locator("article .text").all_inner_texts()]
    assert shown == list(expected.values())


def test_without_scripts_a_date_is_its_fallback_and_everything_is_there(slack: SlackEndpoint, page_at: PageAt) -> None:
    fill(slack)
    post(slack, "#a", "x", section(f"stops <!date^{STOPS_AT}^{{date}}|2026-11-24 00:00 UTC>"))
    page = page_at(1280, "light", script=False).open(slack.page_url)
    assert page.locator("article").count() == 23
    assert page.locator("article .text").last.inner_text() == "stops 2026-11-24 00:00 UTC"


def test_an_answer_stands_in_the_thread_under_its_parent(slack: SlackEndpoint, page_at: PageAt) -> None:
    parent = post(slack, "#a", "parent")
    post(slack, "#a", "between")
    post(slack, "#a", "answer", thread_ts=parent)
    post(slack, "#b", "a ts of another channel", thread_ts=parent)
    page = page_at(1280, "light").open(slack.page_url)
    assert page.locator("article").count() == 3
    assert page.locator("article").first.locator(".thread .text").all_inner_texts() == ["answer"]
    above, below = (page.get_by_text(text, exact=True).bounding_box() for text in ("parent", "answer"))
    assert above is not None
    assert below is not None
    assert below["y"] > above["y"]
    assert below["x"] > above["x"]


@pytest.mark.parametrize("name", ["<script>document.title='gone'</script>", "<img src=x onerror=alert(1)>", '"><b>x'])
def test_a_name_that_looks_like_html_is_text(slack: SlackEndpoint, page_at: PageAt, name: str) -> None:
    escaped = name.replace("<", "&lt;").replace(">", "&gt;")
    slack.users[f"{name}@example.com"] = "U0EVIL01"
    post(
        slack,
        f"#{name}",
        "x",
        header(name),
        section(f"`{escaped}` {escaped} <@U0EVIL01> <https://example.com|{escaped}>"),
    )
    tab = page_at(1280, "light")
    page = tab.open(slack.page_url)
    assert page.locator("article h3").inner_text() == name
    assert page.locator("article .text").inner_text() == f"{name} {name} @{name} {name}"
    assert page.locator("main script, main img, article .text b").count() == 0
    assert page.title() == "Costwatch demo: Slack"
    assert tab.errors == []


def test_a_link_that_would_run_a_script_is_no_link(slack: SlackEndpoint, page_at: PageAt) -> None:
    post(slack, "#a", "<javascript:alert(1)|click> <https://example.com|fine>")
    page = page_at(1280, "light").open(slack.page_url)
    assert [a.get_attribute("href") for a in page.locator("article .text a").all()] == ["https://example.com"]


def test_mentions_show_names(slack: SlackEndpoint, page_at: PageAt) -> None:
    ident = slack.answer("chat.postMessage", DEFAULT_TOKEN, {"channel": "#ml-platform", "text": "x"})["channel"]
    post(slack, "#a", f"<@U0DANA01> <@U0OTHER1> <!subteam^S0TEAM1|@ml-leads> <#{ident}> <#C0X|named> <!here>")
    page = page_at(1280, "light").open(slack.page_url)
    shown = page.locator("article").last.locator(".mention").all_inner_texts()
    assert shown == ["@dana", "@U0OTHER1", "@ml-leads", "#ml-platform", "#named", "@here"]


def test_marks_are_shown_as_slack_shows_them(slack: SlackEndpoint, page_at: PageAt) -> None:
    post(
        slack,
        "#a",
        "*b* _i_ ~s~ `c *no*` a_b_c 2*3 &lt;&amp;&gt; :warning: :not_one:\n&gt; quote\n```pre\n *no*```\nend",
    )
    page = page_at(1280, "light").open(slack.page_url)
    html = page.locator("article .text").inner_html()
    assert html == (
        "<b>b</b> <i>i</i> <s>s</s> <code>c *no*</code> a_b_c 2*3 &lt;&amp;&gt; ⚠️ :not_one:"
        "<blockquote>quote</blockquote><pre>pre\n *no*</pre>end"
    )


def test_one_conversation_is_chosen_in_the_list_and_stays_chosen(slack: SlackEndpoint, page_at: PageAt) -> None:
    post(slack, "#a", "for all")
    post(slack, "U0DANA01", "for dana")
    page = page_at(1280, "light").open(slack.page_url)
    page.locator("nav").get_by_text("dana").click()
    assert page.locator("article:visible .text").all_inner_texts() == ["for dana"]
    assert page.locator("h1").inner_text() == "dana"
    post(slack, "#a", "more for all")
    post(slack, "U0DANA01", "more for dana")
    page.get_by_text("more for dana").wait_for()
    assert page.locator("article:visible .text").all_inner_texts() == ["for dana", "more for dana"]


def test_who_reads_further_up_is_not_moved_by_what_comes(slack: SlackEndpoint, page_at: PageAt) -> None:
    for number in range(60):
        post(slack, "#a", f"message {number}")
    page = page_at(390, "light").open(slack.page_url)
    scroller = page.locator("#scroller")
    at_end = "e => e.scrollHeight - e.scrollTop - e.clientHeight < 2"
    assert scroller.evaluate(at_end)
    post(slack, "#a", "the newest")
    page.get_by_text("the newest").wait_for()
    assert scroller.evaluate(at_end)
    scroller.evaluate("e => { e.scrollTop = 300; }")
    post(slack, "#a", "and another")
    page.get_by_text("and another").wait_for()
    assert scroller.evaluate("e => e.scrollTop") == 300


def test_a_slack_that_went_down_is_said_and_what_it_took_stays(slack: SlackEndpoint, page_at: PageAt) -> None:
    post(slack, "#a", "before")
    page = page_at(390, "dark").open(slack.page_url)
    slack.go_down()
    page.get_by_text("No connection to this Slack").wait_for()
    assert page.locator("article .text").all_inner_texts() == ["before"]
    slack.come_up()
    post(slack, "#a", "after")
    page.get_by_text("after", exact=True).wait_for()
    assert not page.locator("#notice").is_visible()


def test_the_page_kept_as_a_file_shows_the_same_and_asks_nobody(
    slack: SlackEndpoint, page_at: PageAt, tmp_path: Path
) -> None:
    fill(slack)
    file = tmp_path / "slack.html"
    file.write_text(slack.page(live=False), encoding="utf-8")
    tab = page_at(390, "dark")
    page = tab.open(file.as_uri())
    assert page.locator("article").count() == 22
    page.wait_for_timeout(1000)
    assert tab.errors == []
    assert tab.requests_elsewhere(file.as_uri()) == []
