"""Tables and sentences for a terminal: readable at 60 columns, without colour, and whatever a tag contains."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from costwatch.core import durations
from costwatch.core.money import show_usd

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# rich is imported where it prints: with --json nothing does.

_PIECES: Final = 4096

WIDE: Final = 120
"""From this many columns on a reason stands beside its row; below, under the table."""

STYLES: Final = {
    "stop": "bold red", "stopping": "bold red", "failed": "bold red", "came back": "bold red",
    "hold": "magenta", "held": "magenta", "warn": "yellow", "warned": "yellow", "wait": "yellow",
    "would stop": "yellow", "enforce": "bold",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a listing. `reason` may be long; empty: nothing to say."""

    cells: tuple[str, ...]
    reason: str = ""


def console(*, stderr: bool = False) -> Console:
    """Standard output or error as it is now. Nothing in the text is read as markup; rich honours NO_COLOR and COLUMNS.

    A dumb terminal is as wide as it is: rich takes every one for 80 columns.
    """
    from rich.console import Console, ConsoleDimensions  # noqa: PLC0415

    out = Console(markup=False, emoji=False, highlight=False, stderr=stderr)
    if out.is_dumb_terminal:
        out.size = ConsoleDimensions(*shutil.get_terminal_size())
    return out


def clean(text: str) -> str:
    """Names and tags are other people's text: what could steer a terminal is shown as `?`."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _cell(text: str) -> Text:
    """A cell may have lines of its own."""
    from rich.text import Text  # noqa: PLC0415

    return Text("\n".join(clean(line) for line in text.split("\n")), style=STYLES.get(text, ""))


def say(out: Console, text: str, *, style: str = "", indent: int = 0) -> None:
    """A sentence. Wrapped on a terminal; one whole line where a program reads."""
    from rich.padding import Padding  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown = Text(clean(text), style=style)
    if out.is_terminal:
        out.print(Padding(shown, (0, 0, 0, indent), expand=False))
    else:
        out.print(Text(" " * indent) + shown, soft_wrap=True)


def command(out: Console, text: str, *, style: str = "", indent: int = 0) -> None:
    """A line to copy: whole however narrow the terminal is, for half of a command is another command."""
    from rich.text import Text  # noqa: PLC0415

    out.print(Text(" " * indent) + Text(clean(text), style=style), soft_wrap=True)


def listing(out: Console, headings: Sequence[str], rows: Sequence[Row], *, right: Sequence[str] = ()) -> None:
    """A table; reasons stand in a last column where there is room, else below, each under its row's first cell."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    wide = out.width >= WIDE and any(row.reason for row in rows)
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    for heading in headings:
        # A run's id must be copied whole: it is folded, never cut.
        first = heading == headings[0]
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold", no_wrap=not first)
    if wide:
        table.add_column("reason", ratio=1)
    for row in rows:
        cells = [_cell(cell) for cell in row.cells]
        table.add_row(*cells, *([Text(clean(row.reason))] if wide else []))
    out.print(table)
    reasons = [row for row in rows if row.reason and not wide]
    if reasons:
        out.print()
    for row in reasons:
        say(out, " ".join(row.cells[0].split("\n")), style="bold")
        say(out, row.reason, indent=2)


def facts(out: Console, pairs: Sequence[tuple[str, str]]) -> None:
    """Labels and values, one a line; what is empty is left out."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in pairs:
        if value:
            table.add_row(label, Text(clean(value)))
    out.print(table)


def document(body: Any) -> None:
    """JSON for machines. Money is text in USD, times are RFC 3339 in UTC."""
    # Not whole: the text of thousands of runs, in pieces and joined, is several times what it is made of.
    pieces = json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(body)
    while some := "".join(islice(pieces, _PIECES)):
        click.echo(some, nl=False)
    click.echo()


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Say on a terminal that something goes on; silent where a program reads."""
    if not sys.stderr.isatty():
        yield
        return
    with console(stderr=True).status(f"{what} ..."):
        yield


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """As `busy`, with a number that grows by what the answer is told; several threads may tell it."""
    lock, done = threading.Lock(), 0
    if not sys.stderr.isatty():
        yield lambda _more: None
        return
    with console(stderr=True).status(f"{what} ...") as status:

        def count_up(more: int) -> None:
            nonlocal done
            with lock:
                done += more
                status.update(f"{what} ... {done:,}")

        yield count_up


def note(text: str) -> None:
    """Beside the result: on standard error, so that --json stays one document."""
    say(console(stderr=True), f"note: {text}")


def age(elapsed: timedelta) -> str:
    """`13h5m`, `2d1h`: short enough for a column."""
    minutes = max(0, int(elapsed.total_seconds()) // 60)
    days, rest = divmod(minutes, 24 * 60)
    if days:
        return f"{days}d{rest // 60}h"
    return durations.short(timedelta(minutes=minutes)) if minutes else "0m"


def moment(at: datetime | None) -> str:
    """`11-22 21:10`, UTC, for a column."""
    return at.strftime("%m-%d %H:%M") if at is not None else "-"


def clock(at: datetime | None) -> str:
    """`2026-11-22 21:10:05 UTC`, for a sentence."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at is not None else "-"


def usd(amount: Decimal | None) -> str:
    """For a column; unknown is unknown, never 0."""
    return show_usd(amount) if amount is not None else "unknown"


def total(amounts: Sequence[Decimal | None]) -> str:
    """The sum of what is known, with what is not said beside it."""
    known = [amount for amount in amounts if amount is not None]
    unknown = len(amounts) - len(known)
    text = show_usd(sum(known, Decimal(0))) if known or not unknown else "unknown"
    return f"{text} and {unknown} without a known price" if known and unknown else text


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 open run`, `2 open runs`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
