"""The page that `costwatch report --html` writes: at a desk and on a telephone, light and dark, by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from costwatch.core.judgements import State
from tests.browser.conftest import EVERYWHERE, PageAt, contrast
from tests.integration.test_cli_report import report, terminal
from tests.support.judged import verdict
from tests.support.report_town import ReportTown, four_weeks

HOSTILE = "<script>document.title='gone'</script><img src=https://example.com/x onerror=alert(1)>"
LONG = "team-of-" + "x" * 160


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> ReportTown:
    """With names of every kind in every table, and more teams than a plot has colours."""
    of = four_weeks()
    maria = terminal(tmp_path_factory.mktemp("lived"), of)
    for command in (("pause", "--reason", f"moving {LONG}, see https://wiki.example.com/{'x' * 90}"), ("resume",)):
        assert maria.costwatch(*command).exit_code == 0
    of.judge(42, verdict(), state=State.JUDGED, model="m" * 60, group="churn_of_the_whole_company_and_of_its_friends")
    of.ran("hostile", hours=3, team=HOSTILE)
    of.ran("nobody-" + "y" * 50, hours=14, team=LONG)
    for n in range(4):
        of.ran(f"small-{n}", hours=1, team=f"small-team-{n}")
    return of


@pytest.fixture
def written(tmp_path: Path, lived: ReportTown) -> Path:
    report(terminal(tmp_path, lived), tmp_path)
    return tmp_path / "report.html"


@EVERYWHERE
def test_the_page_fits_its_window_is_readable_and_asks_nobody(
    written: Path, page_at: PageAt, width: int, scheme: str
) -> None:
    tab = page_at(width, scheme)
    page = tab.open(written.as_uri())
    for opened in (False, True):
        page.evaluate(f"document.querySelectorAll('details').forEach(e => {{ e.open = {str(opened).lower()}; }})")
        assert not tab.scrolls_sideways
        assert (
            page.evaluate(
                "[...document.querySelectorAll('main *:not(svg *)')]"
                ".filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML.slice(0, 90))"
            )
            == []
        )
    assert tab.errors == []
    assert tab.requests == [written.as_uri()]
    assert_readable(page, scheme)


BROKEN_WORDS = """longest => {
    const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT), broken = [];
    while (texts.nextNode()) {
        const text = texts.currentNode;
        const within = text.parentElement, hidden = within.getBoundingClientRect().width < 2;
        if (within.closest("svg") || !within.checkVisibility() || hidden) continue;
        for (const { 0: word, index } of text.data.matchAll(/[^\\s-]+-*/g)) {
            const range = document.createRange();
            range.setStart(text, index);
            range.setEnd(text, index + word.length);
            const lines = new Set([...range.getClientRects()].filter(r => r.width > 0).map(r => Math.round(r.top)));
            if (lines.size > 1 && word.length <= longest) broken.push(word);
        }
    }
    return broken;
}"""


@EVERYWHERE
def test_no_ordinary_word_is_broken_and_a_long_name_makes_no_table_wider_than_its_section(
    written: Path, page_at: PageAt, width: int, scheme: str
) -> None:
    page = page_at(width, scheme).open(written.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    for heading in ("Approvals", "Other decisions"):
        assert page.get_by_role("heading", name=heading).is_visible()
    assert page.evaluate(BROKEN_WORDS, 20) == []
    sections = "[...document.querySelectorAll('section')].map(e => [e.id, e.scrollWidth - e.clientWidth])"
    assert [name for name, over in page.evaluate(sections) if over > 0] == []


@pytest.mark.parametrize("width", [760, 761, 1000, 1001])
def test_between_desk_and_telephone_no_table_is_wider_than_its_section(
    written: Path, page_at: PageAt, width: int
) -> None:
    tab = page_at(1280, "light")
    page = tab.open(written.as_uri())
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert not tab.scrolls_sideways


def assert_readable(page: Page, scheme: str) -> None:
    """Light or dark as the reader has it; text stands out from its ground as WCAG's AA asks, and so do plots."""
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert contrast(ground, "rgb(255, 255, 255)") < 2 if scheme == "light" else contrast(ground, "rgb(0, 0, 0)") < 2
    behind = """(e, what) => {
        const own = at => getComputedStyle(at).backgroundColor;
        let at = e.closest("svg") ?? e;
        while (own(at) == "rgba(0, 0, 0, 0)") at = at.parentElement;
        return [getComputedStyle(e)[what], own(at)];
    }"""
    found = page.evaluate(
        """([behind, texts, marks]) => {
            const seen = eval(behind), shown = e => e.checkVisibility();
            const of = (selector, what) => [...document.querySelectorAll(selector)].filter(shown)
                .map(e => [selector, ...seen(e, what)]);
            const all = (selectors, what) => selectors.flatMap(each => of(each, what));
            return [all(texts, "color"), of("svg text", "fill"), all(marks, "fill")];
        }""",
        [behind, ["h1", "h2", "h3", "th", "td b", "td span", "small", "figcaption span", ".empty", "summary", ".quiet"],
         ["svg .series rect", "svg .series .dot"]],
    )  # fmt: skip
    texts, labels, marks = found
    assert min(len(each) for each in found) > 10
    for selector, colour, own in texts + labels:
        assert contrast(colour, own) >= 4.5, f"{selector}: {colour} on {own}"
    for selector, colour, own in marks:
        assert contrast(colour, own) >= 3, f"{selector}: {colour} on {own}"


@pytest.mark.parametrize(("width", "shown"), [(1280, "wide"), (390, "narrow")])
def test_each_plot_is_drawn_for_the_window_so_that_its_text_can_be_read(
    written: Path, page_at: PageAt, width: int, shown: str
) -> None:
    page = page_at(width, "light").open(written.as_uri())
    figures = page.locator("figure")
    assert figures.count() == 4
    for figure in figures.all():
        (plot,) = [each for each in figure.locator("svg").all() if each.is_visible()]
        assert plot.evaluate("e => e.parentElement.className") == shown
        heights = plot.evaluate("e => [...e.querySelectorAll('text')].map(t => t.getBoundingClientRect().height)")
        assert min(heights) >= 11
        outside = plot.evaluate(
            "e => { const b = e.getBoundingClientRect(); return [...e.querySelectorAll('text')]"
            ".map(t => [t.textContent, t.getBoundingClientRect()])"
            ".filter(([, r]) => r.left < b.left - 1 || r.right > b.right + 1).map(([text]) => text); }"
        )
        assert outside == []
        assert len(figure.get_attribute("aria-label") or "") > 10


def test_bars_of_a_plot_are_as_high_as_their_dollars(written: Path, page_at: PageAt) -> None:
    page = page_at(1280, "light").open(written.as_uri())
    bars = page.locator("#verdicts .wide .series.serie-0 rect").all()
    worths = sorted(each.evaluate("e => e.getBoundingClientRect().width") for each in bars)
    assert worths[-1] / worths[0] == pytest.approx(3200 / 800, rel=0.02)


def test_other_people_s_names_are_text(written: Path, page_at: PageAt) -> None:
    tab = page_at(1280, "light")
    page = tab.open(written.as_uri())
    assert page.get_by_text(HOSTILE).count() > 0
    assert page.locator("script, img, iframe, foreignObject").count() == 0
    assert page.locator("svg title").count() == 0, "it would show where somebody points at a plot"
    assert page.title().startswith("Costwatch report of account")
    assert tab.errors == []


@EVERYWHERE
def test_a_page_without_data_says_so_for_every_plot(tmp_path: Path, page_at: PageAt, width: int, scheme: str) -> None:
    report(terminal(tmp_path, ReportTown()), tmp_path)
    tab = page_at(width, scheme)
    page = tab.open((tmp_path / "report.html").as_uri())
    assert page.locator("figure").count() == 0
    assert page.locator("section").count() == page.locator("p.empty").count() == 7
    assert not tab.scrolls_sideways


def test_a_tile_leads_to_its_section(written: Path, page_at: PageAt) -> None:
    page = page_at(390, "light").open(written.as_uri())
    page.locator("a.tile[href='#verdicts']").click()
    assert page.locator("section#verdicts").evaluate("e => Math.abs(e.getBoundingClientRect().top) < 60")
