"""The weekly digest on the page of the local Slack: the line of the configuration, at a desk and on a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from costwatch.core.cards import CardContext, render
from costwatch.core.changes import Change, advice
from costwatch.core.graduated import Graduated, to_fact
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.core.modes import Mode
from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint
from tests.browser.conftest import EVERYWHERE, PageAt

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LONG = '    - {name: processing, mode: observe, sagemaker: {jobs: [tuning], tag: {a: "<*b*> & `c`"}, types: ["ml.*"]}}'


@pytest.fixture
def slack() -> Iterator[SlackEndpoint]:
    with SlackEndpoint(users={}, clock=lambda: NOW) as running:
        yield running


def digest() -> Message:
    """Of one selector whose line is replaced, and one that gets a new one."""
    lines = (
        Change(13, LONG, LONG.replace("observe", "enforce"), file="costwatch.yaml"),
        Change(7, "    - name: trainers", "    - name: trainers\n      mode: enforce", file="costwatch.yaml"),
    )
    says = ("it would have saved $681.00",)
    told = [
        Graduated(name, Mode.OBSERVE, says, advice(Mode.OBSERVE, line, seen=True, setting=""))
        for name, line in zip(("processing", "trainers"), lines, strict=True)
    ]
    facts = {"head": "Costwatch: the week", "lines": "1 run ended", "enforce": to_fact(told), "commit": "c0ffee",
             "today": "Costwatch observes: nothing\ni-1: warned"}  # fmt: skip
    return Message("week#2026-11-23", MessageKind.WEEK, Audience.PLATFORM, facts)


@EVERYWHERE
def test_the_line_stands_in_the_digest_as_it_is_and_as_it_should_be(
    slack: SlackEndpoint, page_at: PageAt, width: int, scheme: str
) -> None:
    card = render(digest(), CardContext(now=NOW, stops_at=None, extend_steps=()))
    arguments = {"channel": "#ml-platform", "text": card.text, "blocks": card.blocks}
    assert slack.answer("chat.postMessage", DEFAULT_TOKEN, arguments)["ok"]
    tab = page_at(width, scheme)
    page = tab.open(slack.page_url)
    page.locator("article pre").first.wait_for()
    shown = LONG.replace("`", "'")
    assert [each.inner_text().strip("\n") for each in page.locator("article pre").all()] == [
        f"- {shown}\n+ {shown.replace('observe', 'enforce')}",
        "      - name: trainers\n+       mode: enforce",
    ]
    assert "To enforce, below line 7 of costwatch.yaml:" in page.locator("article").inner_text()
    assert "Costwatch observes: nothing\ni-1: warned" in page.locator("article").inner_text()
    assert not tab.scrolls_sideways
    assert page.evaluate(
        "[...document.querySelectorAll('#stream *')].every(e => e.getBoundingClientRect().right <= innerWidth)"
    )
    assert tab.errors == []
