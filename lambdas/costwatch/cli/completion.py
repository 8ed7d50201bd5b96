"""Tab completion: commands and options from the program alone, runs from the ledger when it answers at once.

Nothing here may disturb the line somebody types: whatever goes wrong gives no completions, and no word either.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import click
from botocore.config import Config
from click.shell_completion import CompletionItem, get_completion_class

from costwatch.cli import runs
from costwatch.cli.failures import COMPLETE_VARIABLE
from costwatch.cli.session import Session, Tools
from costwatch.core.record import RunRecord

PROGRAM: Final = "costwatch"
SHELLS: Final = ("bash", "zsh", "fish")
PATIENCE_SECONDS: Final = 2.0
"""For everything: credentials, the deployment, the ledger. Whoever pressed tab waits."""

_QUICK: Final = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
# The shell splits, expands and runs what it is offered; other people's names are offered only where they are words.
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")

_Found = Iterable[tuple[str, str]]
"""What may be offered, each with a word of help."""


@click.command(short_help="Print the script that lets your shell complete.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script with which SHELL completes commands, options and open runs.

    \b
    bash: costwatch completion bash > ~/.costwatch.bash
          ~/.bashrc: source ~/.costwatch.bash
    zsh:  costwatch completion zsh > ~/.costwatch.zsh
          ~/.zshrc, after compinit: source ~/.costwatch.zsh
    fish: cd ~/.config/fish/completions
          costwatch completion fish > costwatch.fish
    """
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"this version of click does not know {shell}")
    click.echo(made(ctx.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE).source(), nl=False)


class OpenRun(click.ParamType[str]):
    """Text that names a run, completed from the open runs of the ledger."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(click.STRING.convert(value, param, ctx))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del param
        return _offered(ctx, incomplete, self.found)

    def found(self, session: Session) -> _Found:
        """Every name of every open run."""
        records = runs.open_records(session, session.ledger())
        return ((name, record.status.value) for record in records for name in self.names(record))

    def names(self, record: RunRecord) -> Iterable[str]:
        """The name in the run's id, whole, and the name it shows: what commands take."""
        return (record.run_id.name, record.name)


class HoldOrRun(OpenRun):
    """Text that names a hold or a run, completed from what is held."""

    def names(self, record: RunRecord) -> Iterable[str]:
        return (record.hold.id, *super().names(record)) if record.hold is not None else ()


class Question(OpenRun):
    """Text that names an approval, completed from what waits for an answer."""

    def found(self, session: Session) -> _Found:
        """The id of each, with what is asked about."""
        from costwatch.adapters.ledger_approvals import Approvals  # noqa: PLC0415 - other commands need none of it
        from costwatch.core.approvals import State  # noqa: PLC0415 - as above

        waiting = Approvals(session.ledger()).waiting(session.caller.account, session.skip)
        return ((each.id, each.asked.name) for each in waiting if each.state is State.PENDING)


class Candidate(OpenRun):
    """Text that names a model, completed from those that somebody is asked about."""

    def found(self, session: Session) -> _Found:
        """The model of each, with the candidate's version."""
        from costwatch.adapters.ledger_judgements import Judgements  # noqa: PLC0415 - other commands need none of it
        from costwatch.core.judgements import State  # noqa: PLC0415 - as above

        open_ = Judgements(session.ledger()).open(session.caller.account, session.skip)
        return ((each.model, each.name) for each in open_ if each.state is State.ASKED)


_TYPES: Final = {"APPROVAL": Question(), "RUN": OpenRun(), "HOLD_ID|RUN": HoldOrRun(), "MODEL": Candidate()}


def complete_runs(command: click.Command) -> None:
    """Let every argument of `command` that names a run, or what waits for an answer, complete."""
    for param in command.params:
        if isinstance(param, click.Argument) and param.metavar in _TYPES:
            param.type = _TYPES[param.metavar]


def _offered(ctx: click.Context, incomplete: str, look_up: Callable[[Session], _Found]) -> list[CompletionItem]:
    """In a thread of its own, which is left alone when the time is over."""
    found: list[CompletionItem] = []

    def look() -> None:
        with suppress(Exception):  # see the module's first lines
            found.extend(_matching(look_up(_session(ctx)), incomplete))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    return list(found)


def _session(ctx: click.Context) -> Session:
    tools = ctx.find_object(Tools)
    given = ctx.params
    return Session(config=given.get("config"), region=given.get("region"), tools=tools, client_config=_QUICK)


def _matching(found: _Found, incomplete: str) -> list[CompletionItem]:
    offered: dict[str, CompletionItem] = {}
    for name, told in found:
        if name.startswith(incomplete) and _WORD.fullmatch(name):
            offered.setdefault(name, CompletionItem(name, help=told if told.isprintable() else None))
    return list(offered.values())
