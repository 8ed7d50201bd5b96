"""The page of the local Slack: what was posted, as Slack shows it, at a desk and on a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint
from tests.browser.conftest import PageAt

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


def test_a_card_is_shown(slack: SlackEndpoint, page_at: PageAt) -> None:
    post(slack, "#ml-platform", "x", header("tts-large stops in 1 h"), section("*If nobody answers* it is stopped."))
    page = page_at(1280, "light").open(slack.page_url)
    assert page.locator("article h3").inner_text() == "tts-large stops in 1 h"
    assert page.locator("article p b").inner_text() == "If nobody answers"
