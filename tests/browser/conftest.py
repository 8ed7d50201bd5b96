"""A browser for all tests of this directory, and `page_at(width, scheme)`: a tab that notices what goes wrong in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.support import browser as chromium

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
EVERYWHERE = pytest.mark.parametrize(("width", "scheme"), [(width, scheme) for width in WIDTHS for scheme in SCHEMES])
"""A desktop and a telephone, each light and dark."""

_HEIGHTS = {1280: 900, 390: 844}
_TIMEOUT_MILLISECONDS = 10_000


def contrast(one: str, other: str) -> float:
    """By WCAG's formula, from 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@dataclass
class Tab:
    """An open tab: `errors` of scripts and console, and the address of each request."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, address: str) -> Page:
        """Go there and wait until it is loaded."""
        self.page.goto(address)
        return self.page

    @property
    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))

    def requests_elsewhere(self, own: str) -> list[str]:
        """Requests that left `own` (an address, or the beginning of one)."""
        return [each for each in self.requests if not each.startswith((own, "data:"))]


PageAt = Callable[..., Tab]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for the directory: it ends with it, since its event loop would be in the way of other tests."""
    executable = chromium.find()
    if executable is None:
        (pytest.fail if chromium.must_be_there() else pytest.skip)(f"browser tests: {chromium.missing()}")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=executable) as running:
        yield running


@pytest.fixture
def page_at(browser: Browser) -> Iterator[PageAt]:
    """`page_at(390, "dark", timezone="Asia/Tokyo")` opens an empty tab of that width, in that scheme and zone."""
    with ExitStack() as open_contexts:

        def opened(width: int, scheme: str, *, timezone: str = "UTC", script: bool = True) -> Tab:
            context = browser.new_context(
                viewport={"width": width, "height": _HEIGHTS[width]},
                color_scheme="dark" if scheme == "dark" else "light",
                timezone_id=timezone,
                locale="en-US",
                java_script_enabled=script,
            )
            open_contexts.callback(context.close)
            context.set_default_timeout(_TIMEOUT_MILLISECONDS)
            tab = Tab(context.new_page())

            def said(message: ConsoleMessage) -> None:
                if message.type in ("error", "warning"):
                    tab.errors.append(message.text)

            tab.page.on("console", said)
            tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
            tab.page.on("request", lambda request: tab.requests.append(request.url))
            return tab

        yield opened
