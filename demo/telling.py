"""The story on a terminal: titles, what each sweep did, cards as text. Readable without colour, at any width."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from demo.end_state import Row

_INDENT = 7  # behind `19:10  `
_WIDEST = 118
_SAID_BY_THE_STEP = ("stopping", "verified gone")


class Teller:
    """Writes to `console`. `paced`: leaves time to read; a machine needs none."""

    def __init__(self, console: Console, *, paced: bool) -> None:
        self._console = console
        self._paced = paced
        self._next_at = 0.0
        console.width = min(console.width, _WIDEST)

    def pause(self, seconds: float) -> None:
        """Let people read before the next line comes; what computes it runs meanwhile."""
        self._next_at = max(self._next_at, time.monotonic()) + seconds

    def _print(self, *what: Any, **how: Any) -> None:
        if self._paced:
            time.sleep(max(0.0, self._next_at - time.monotonic()))
        self._console.print(*what, **how)

    def _write(self, text: str | Text, *, indent: int = 0, style: str = "") -> None:
        body = text if isinstance(text, Text) else Text(text, style=style)
        self._print(Padding(body, (0, 0, 0, indent), expand=False), highlight=False)

    def headline(self, text: str) -> None:
        """The first line of all."""
        self._write(text, style="bold")

    def scene(self, number: int, title: str, contract: str) -> None:
        """A scene begins: its title and the line of the safety contract it shows."""
        self._print()
        self._print(Rule(Text(f"{number}  {title}", style="bold"), align="left", style="cyan"))
        self._write(contract, style="italic cyan")
        self.pause(0.8)

    def section(self, title: str) -> None:
        """A part that is no scene."""
        self._print()
        self._print(Rule(Text(title, style="bold"), align="left", style="cyan"))

    def say(self, text: str) -> None:
        """The narrator."""
        self._write(text)
        self.pause(min(1.2, len(text) / 260))

    def sweep(self, when: str, text: str) -> None:
        """What ran, and when."""
        line = Text.assemble((when, "bold"), "  ", text)
        line.no_wrap = False
        self._write(line)

    def happened(self, name: str, rows: Sequence[Row], *, own: bool) -> None:
        """One run's new lines in the ledger: the steps, and for the scene's own the sentences it records."""
        steps = " > ".join(row.transition for row in rows)
        if all(row.mode == "observe" for row in rows):
            steps += " (observe: only written down)"
        if not own:
            self._write(f"meanwhile {name}: {steps}", indent=_INDENT, style="dim")
            return
        self._write(Text.assemble((name, "bold"), f"  {steps}"), indent=_INDENT)
        for reason in dict.fromkeys(row.reason for row in rows if row.transition not in _SAID_BY_THE_STEP):
            self._write(reason, indent=_INDENT + 2)
        self.pause(0.25)

    def message(self, to: str, text: str, *, own: bool = True) -> None:
        """A card by its push text alone."""
        label = Text(f"Slack, {to}: ", style="green" if own else "dim")
        self._write(
            Text.assemble("" if own else ("meanwhile ", "dim"), label, (text, "" if own else "dim")), indent=_INDENT
        )
        self.pause(0.25)

    def card(self, to: str, text: str) -> None:
        """A whole card, as text."""
        title = Text(f"Slack, {to}", style="green")
        panel = Panel(Text(text), title=title, title_align="left", border_style="green", padding=(0, 1))
        self._print(Padding(panel, (0, 0, 0, _INDENT)))
        self.pause(1.2)

    def command(self, who: str, line: str, output: Iterable[str]) -> None:
        """A command somebody types, with what it answers."""
        self._write(Text.assemble((f"{who} $ ", "bold yellow"), line), indent=_INDENT)
        for each in output:
            self._write(each, indent=_INDENT)
        self.pause(0.8)

    def click(self, who: str, label: str, name: str, *, times: int = 1) -> None:
        """A button somebody presses in Slack."""
        again = ", twice" if times > 1 else ""
        line = Text.assemble(
            (f"{who.partition('@')[0]} presses ", "bold yellow"), f"[{label}] on the card of {name}{again}"
        )
        self._write(line, indent=_INDENT)
        self.pause(0.8)

    def lines(self, lines: Iterable[str], *, indent: int = _INDENT) -> None:
        """Text as it is, such as a diff."""
        for line in lines:
            self._write(line, indent=indent)

    def table(self, columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]]) -> None:
        """(title, numbers?) columns."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", highlight=False)
        for title, numeric in columns:
            table.add_column(title, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._print(table)
