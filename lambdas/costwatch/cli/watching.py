"""Look again and again: redrawn on a terminal, a block or a JSON line a look where a program reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from costwatch.cli import show
from costwatch.cli.failures import lines_of
from costwatch.cli.session import Session
from costwatch.core import times
from costwatch.errors import CostwatchError

USUAL_SECONDS: Final = 30
SHORTEST_SECONDS: Final = 5
LONGEST_SECONDS: Final = 24 * 3600

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class View(Generic[Seen]):
    """What a look is shown as. `at`: when it was taken (UTC)."""

    at: Callable[[Seen], datetime]
    draw: Callable[[Console, Seen], None]
    document: Callable[[Seen], dict[str, Any]]


def watch(
    session: Session,
    first: Seen,
    read: Callable[[Session], Seen],
    view: View[Seen],
    *,
    seconds: int,
    as_json: bool,
) -> None:
    """Show `first` and then what `read` sees every `seconds`, until Ctrl-C.

    A read that fails on purpose (AWS, credentials, a deployment that is gone) is said and tried again with a session
    that has read nothing yet, so that whoever signs in again need not start anew. What is unexpected ends it.
    """
    out = show.console()
    seen, error = first, ""
    try:
        with _screen(out, as_json=as_json) as live:
            while True:
                if as_json:
                    click.echo(json.dumps(_document(session, view, seen, error), ensure_ascii=False))
                elif live is not None:
                    live.update(_drawn(out, view, seen, error), refresh=True)
                elif error:
                    show.say(out, _failed(view, seen, error))
                else:
                    view.draw(out, seen)
                    out.print()
                session.tools.sleep(seconds)
                try:
                    seen, error = read(session), ""
                except CostwatchError as failure:
                    error, session = " ".join(lines_of(failure)), session.again()
    except KeyboardInterrupt:
        return


def _screen(out: Console, *, as_json: bool) -> AbstractContextManager[Live | None]:
    """None: nothing can be redrawn there."""
    if as_json or not out.is_terminal or out.is_dumb_terminal:
        return nullcontext()
    return Live(console=out, auto_refresh=False)


def _drawn(out: Console, view: View[Seen], seen: Seen, error: str) -> Text:
    with out.capture() as captured:
        if error:
            show.say(out, _failed(view, seen, error), style="bold red")
        view.draw(out, seen)
    return Text.from_ansi(captured.get())


def _document(session: Session, view: View[Seen], seen: Seen, error: str) -> dict[str, Any]:
    if not error:
        return view.document(seen)
    return {"at": times.to_key(session.now()), "error": error, "last_good_at": times.to_key(view.at(seen))}


def _failed(view: View[Seen], seen: Seen, error: str) -> str:
    return f"not read ({error}); the last good look was at {show.clock(view.at(seen))}"
