"""The plots of a report, as SVG to stand in a page: no script, no request, colours by the page's own variables."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from xml.etree.ElementTree import Element

import pygal
from pygal.style import Style

from costwatch.core.blocks import cleaned
from costwatch.reporting import widths
from costwatch.reporting.series import Series

# Its finder of plugins, of which we have none, answers in a way that Python has given up: it spoils every later import.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]

COLOURS: Final = tuple(f"var(--plot-{n})" for n in range(6))
LONGEST_LABEL_EMS: Final = 10.8
_FONT: Final = 13
_MARGIN: Final = 6
_EMS_OF_A_LETTER: Final = 0.6
"""As pygal reckons every one, when it leaves room for labels."""
_DECADES: Final = 12


@dataclass(frozen=True, slots=True)
class Size:
    """In pixels; a plot is drawn once for a desk and once for a telephone, so its text is never too small to read."""

    name: str
    width: int
    labels: int
    """So many fit below it."""


SIZES: Final = (Size("wide", 1100, 10), Size("narrow", 350, 4))


@dataclass(frozen=True, slots=True)
class Drawn:
    """One plot in each size, by its name."""

    wide: str
    narrow: str


def spend(series: Series) -> Drawn:
    """Stacked bars: dollars of each team in each column."""

    def draw(size: Size) -> Any:
        chart = pygal.StackedBar(**_common(size, 320, COLOURS), show_minor_x_labels=False)
        labels = [f"{day.day} {day:%b}" if series.unit != "month" else f"{day:%b %Y}" for day in series.columns]
        chart.x_labels = labels
        step = math.ceil(len(labels) / size.labels)
        chart.x_labels_major = labels[::step]
        for _, amounts in series.teams:
            chart.add("", [float(amount) for amount in amounts])
        return chart

    return _both("spend", draw)


def forecast(points: Sequence[tuple[Decimal, Decimal]]) -> Drawn:
    """(forecast, actual) of each run, USD above 0, on scales of tens; the line is where both are the same."""
    logs = [(math.log10(expected), math.log10(actual)) for expected, actual in points]
    low = math.floor(min(min(pair) for pair in logs))
    high = max(math.ceil(max(max(pair) for pair in logs)), low + 1)

    def draw(size: Size) -> Any:
        chart = pygal.XY(
            **_common(size, 360, ("var(--quiet)", COLOURS[0])),
            stroke=False,
            dots_size=4,
            range=(low, high),
            xrange=(low, high),
        )
        step = max(1, math.ceil((high - low) / (size.labels - 1)))
        ticks = [{"label": _tens(power), "value": power} for power in range(low, high + 1, step)]
        chart.x_labels, chart.y_labels = ticks, ticks
        chart.add("same", [(low, low), (high, high)], stroke=True, show_dots=False, stroke_style={"dasharray": "5, 5"})
        chart.add("runs", logs)
        return chart

    return _both("forecast", draw)


def pairs(name: str, rows: Sequence[tuple[str, Decimal, Decimal]]) -> Drawn:
    """Two horizontal bars, USD, for each row (label, first, second); the first row on top."""

    def draw(size: Size) -> Any:
        height = 70 + 46 * len(rows)
        labels = [widths.cut(cleaned(label), LONGEST_LABEL_EMS) for label, _, _ in reversed(rows)]
        chart = pygal.HorizontalBar(
            **_common(size, height, (COLOURS[0], COLOURS[1])), margin_left=_MARGIN + _more_room(labels)
        )
        chart.x_labels = labels
        chart.add("first", [float(each) for _, each, _ in reversed(rows)])
        chart.add("second", [float(each) for _, _, each in reversed(rows)])
        return chart

    return _both(name, draw)


def _more_room(labels: Sequence[str]) -> int:
    """In pixels: what wide letters need beyond what pygal leaves."""
    reckoned = _EMS_OF_A_LETTER * max(map(len, labels))
    return math.ceil(max(0, max(map(widths.ems, labels)) - reckoned) * _FONT)


def _both(name: str, draw: Any) -> Drawn:
    drawn = {}
    for size in SIZES:
        chart = draw(size)
        chart.uuid = f"{name}-{size.name}"  # the same page for the same ledger
        chart.add_xml_filter(_plain)
        drawn[size.name] = chart.render()
    return Drawn(**drawn)


def _common(size: Size, height: int, colours: Sequence[str]) -> dict[str, Any]:
    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--quiet)",
        foreground_strong="var(--quiet)",
        foreground_subtle="var(--line)",
        guide_stroke_color="var(--line)",
        major_guide_stroke_color="var(--line)",
        guide_stroke_dasharray="none",
        major_guide_stroke_dasharray="none",
        colors=tuple(colours),
        font_family="inherit",
        label_font_size=_FONT,
        major_label_font_size=_FONT,
        opacity="1",
        opacity_hover="1",
        transition="none",
    )
    return {
        "style": style,
        "js": [],
        "width": size.width,
        "height": height,
        "disable_xml_declaration": True,
        "show_legend": False,  # the page has one, whose text wraps
        "margin": _MARGIN,
        "margin_right": 22,  # half of the last label stands there
        "max_scale": size.labels,
        "truncate_label": -1,
        "value_formatter": _axis_usd,
    }


def _plain(root: Element) -> Element:
    """Without scripts, what only they read, comments, and a title that would show on hovering and say nothing."""
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] in ("script", "desc", "title"):
                parent.remove(child)
    return root


def _axis_usd(amount: float | None) -> str:
    """`$1.5k`: short, for a scale."""
    if amount is None:
        return ""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(amount) >= size:
            return f"${amount / size:,.3g}{unit}"
    return f"${amount:,.3g}"


def _tens(power: int) -> str:
    return _axis_usd(10.0**power) if abs(power) <= _DECADES else f"$1e{power}"
