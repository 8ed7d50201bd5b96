"""The page that `costwatch scan --html` writes: at a desk and on a telephone, light and dark, by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import EVERYWHERE, PageAt, contrast
from tests.support.scan_fakes import FakeBoto, FakeEc2, denied, instance

EAST, WEST = "us-east-1", "us-west-2"
HOSTILE = "<script>document.title='gone'</script><img src=https://example.com/x onerror=alert(1)>"
LONG = "arn-of-something-" + "x" * 180


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Of an account with every finding that instances can have, a region that is denied, and names of every kind."""
    mine: dict[str, Any] = {"owner": "maria@example.com", "Purpose": "ml-training"}
    found = [
        instance(1, "p4d.24xlarge", f"{EAST}a", 20, Name="churn-bert", **mine),
        instance(2, "g5.xlarge", f"{EAST}a", 11.5, Name=LONG, owner=LONG),
        instance(3, "trn2.48xlarge", f"{EAST}a", 30, Name=HOSTILE, owner=HOSTILE),
        instance(4, "g5.xlarge", f"{EAST}a", 1, Name="fresh", **mine),
        *(instance(n, "g5.xlarge", f"{EAST}a", 30, aws_autoscaling_groupName="trainers") for n in range(10, 22)),
        *(instance(n, "p5.48xlarge", f"{EAST}a", 16, costwatch_run=LONG, **mine) for n in range(30, 34)),
    ]
    ageless = instance(5, "g5.xlarge", f"{EAST}a", 1, Name="ageless")
    del ageless["LaunchTime"]
    regions = {EAST: "opt-in-not-required", WEST: "opt-in-not-required", "me-central-1": "not-opted-in"}
    west = FakeEc2(error=denied("DescribeInstances"))
    file = tmp_path / "scan.html"
    result = FakeBoto({EAST: FakeEc2([*found, ageless], regions), WEST: west}).costwatch("scan", "--html", str(file))
    assert result.exit_code == 0, result.output
    return file


@EVERYWHERE
def test_the_page_fits_its_window_is_readable_and_asks_nobody(
    written: Path, page_at: PageAt, width: int, scheme: str
) -> None:
    tab = page_at(width, scheme)
    page = tab.open(written.as_uri())
    for opened in (False, True):
        page.evaluate(f"document.querySelectorAll('details').forEach(e => {{ e.open = {str(opened).lower()}; }})")
        assert not tab.scrolls_sideways
        assert page.evaluate(
            "[...document.querySelectorAll('main *:not(pre, pre *)')]"
            ".every(e => e.getBoundingClientRect().right <= innerWidth)"
        )
    assert tab.errors == []
    assert tab.requests == [written.as_uri()]
    assert_readable(page, scheme)


def assert_readable(page: Page, scheme: str) -> None:
    """Light or dark as the reader has it, and the text stands out from its ground as WCAG's AA asks."""
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert contrast(ground, "rgb(255, 255, 255)") < 2 if scheme == "light" else contrast(ground, "rgb(0, 0, 0)") < 2
    behind = """e => {
        const own = at => getComputedStyle(at).backgroundColor;
        let at = e;
        while (own(at) == "rgba(0, 0, 0, 0)") at = at.parentElement;
        return [getComputedStyle(e).color, own(at)];
    }"""
    for selector in ("h1", "h2", ".burn", ".unpriced", ".tile small", ".tile b", ".quiet", "td b", "td small", "code",
                     ".remark", ".none", "summary", "pre", "li"):  # fmt: skip
        for element in page.locator(f"main {selector}").all():
            colour, own = element.evaluate(behind)
            assert contrast(colour, own) >= 4.5, f"{selector}: {colour} on {own}"


def test_other_people_s_names_are_text(written: Path, page_at: PageAt) -> None:
    tab = page_at(1280, "light")
    page = tab.open(written.as_uri())
    assert page.get_by_text(HOSTILE).count() > 0
    assert page.locator("script, img").count() == 0
    assert page.title().startswith("Costwatch scan of account")
    assert tab.errors == []


@pytest.mark.parametrize("width", [1280, 390])
def test_every_amount_of_a_line_is_shown_with_what_it_is(written: Path, page_at: PageAt, width: int) -> None:
    page = page_at(width, "light").open(written.as_uri())
    row = page.locator("tr", has_text="churn-bert")
    shown = row.inner_text()
    wanted = ("p4d.24xlarge", "20 h", "maria@example.com", "$21.96", "$16,029.08")
    assert [text for text in wanted if text not in shown] == []
    label = row.locator("td.number").first.evaluate("e => getComputedStyle(e, '::before').content")
    assert label == ('"An hour"' if width == 390 else "none")
    assert page.locator("thead").first.is_visible()
    assert page.get_by_text(f"Not read: {WEST}: denied").is_visible()


def test_a_tile_leads_to_its_section(written: Path, page_at: PageAt) -> None:
    page = page_at(390, "light").open(written.as_uri())
    page.locator("a.tile.hold").click()
    assert page.locator("section#hold").evaluate("e => Math.abs(e.getBoundingClientRect().top) < 60")
