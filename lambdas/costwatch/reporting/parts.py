"""What the sections of a report are made of, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from costwatch.core import principals
from costwatch.core.money import show_usd
from costwatch.reporting.plots import Drawn

MOST_ROWS: Final = 100
MOST_BARS: Final = 12


@dataclass(frozen=True, slots=True)
class Cell:
    """`small` stands below the text; other people's text is cleaned where it is made a page."""

    text: str
    small: str = ""
    tight: bool = False
    """It stands on one line."""


@dataclass(frozen=True, slots=True)
class Table:
    """`numbers`: the columns that stand to the right. `where`: what shows those that are left out here."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    numbers: frozenset[str] = frozenset()
    heading: str = ""
    folded: bool = False
    where: str = ""

    @property
    def shown(self) -> Sequence[tuple[Cell, ...]]:
        return self.rows[:MOST_ROWS]

    @property
    def left_out(self) -> int:
        return max(0, len(self.rows) - MOST_ROWS)


@dataclass(frozen=True, slots=True)
class PlotKey:
    label: str
    colour: str


@dataclass(frozen=True, slots=True)
class Section:
    """`plot` None: `empty` says why there is none. `plot_says`: the plot in words, for who cannot see it."""

    id: str
    heading: str
    figure: str
    figure_of: str
    note: str = ""
    plot: Drawn | None = None
    keys: tuple[PlotKey, ...] = ()
    plot_says: str = ""
    empty: str = ""
    tables: tuple[Table, ...] = ()


def row(*cells: Cell | str) -> tuple[Cell, ...]:
    return tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells)


def name(about: str) -> str:
    """What an id names; a pause is about no run."""
    return about.split("/", 3)[-1] if about.count("/") > 2 else about.rpartition("/")[2]


def person(actor: str) -> str:
    return principals.shown(actor) if actor.startswith("arn:") else actor


def moment(at: datetime) -> Cell:
    return Cell(f"{at:%Y-%m-%d %H:%M}", tight=True)


def dollars(text: str) -> str:
    try:
        return show_usd(Decimal(text))
    except ArithmeticError:
        return "-"


def unknown(number: int) -> str:
    return f"{number} without a known price" if number else ""


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
