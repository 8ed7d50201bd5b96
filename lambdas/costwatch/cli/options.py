"""Options that commands share, and how a command gets its session."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from costwatch.cli import kept_files, show
from costwatch.cli.failures import begun
from costwatch.cli.session import Session, Tools
from costwatch.core import durations, times
from costwatch.errors import InputError, PermanentAwsError


class Duration(click.ParamType[timedelta]):
    """`4h`, `90m`, `2d`, `1h30m`, `PT12H`; longer than zero, at most 365 days."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return durations.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Moment(click.ParamType[datetime]):
    """An RFC 3339 time with an offset, as aware UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return times.parse_rfc3339(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


LONGEST_LOOK_BACK: Final = timedelta(days=400)
"""The ledger keeps timelines, and what runs cost, this long."""


class DurationOrMoment(click.ParamType[timedelta | datetime]):
    """Either, for `--since`. `longest`: the longest duration that makes sense there, inclusive."""

    name = "duration|time"

    def __init__(self, longest: timedelta = LONGEST_LOOK_BACK) -> None:
        self._longest = longest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta | datetime:
        if isinstance(value, timedelta | datetime):
            return value
        try:
            return durations.parse(value, longest=self._longest)
        except durations.OutOfRange as error:
            self.fail(str(error), param, ctx)
        except ValueError:
            pass
        try:
            return times.parse_rfc3339(value)
        except ValueError:
            expected = f"neither {durations.EXPECTED} nor a time such as 2026-12-01T00:00:00Z"
            self.fail(f"{value!r} is {expected}", param, ctx)


def begin_of(since: timedelta | datetime, now: datetime) -> datetime:
    """From when on to look, for `--since`; never longer ago than the ledger keeps, which is said. Raises InputError."""
    begin = since if isinstance(since, datetime) else now - since
    if begin > now:
        raise InputError(f"--since: {times.to_key(begin)} is in the future; the ledger holds what was")
    return kept_since(begin, now)


def kept_since(begin: datetime, now: datetime) -> datetime:
    """`begin`, or the first moment that the ledger still keeps; a note says where that is later."""
    first = now - LONGEST_LOOK_BACK
    if begin < first:
        show.note(f"the ledger keeps {LONGEST_LOOK_BACK.days} days: what is shown begins {show.clock(first)}")
    return max(begin, first)


def as_argument(file: Path) -> str:
    """As a command to copy names it: quoted for a shell where needed, and never taken for an option."""
    return shlex.quote(f"./{file}" if str(file).startswith("-") else str(file))


class NewFile(click.Path[Path]):
    """A file to write. Where none can be written is said before anything is asked, read or written."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        written = str(value)
        if written in ("", "-"):
            self.fail(f"{written!r} is no name of a file", param, ctx)
        if not written.isprintable():
            self.fail(f"{written!r} has characters that cannot be printed; expected a name without them", param, ctx)
        try:
            self._require(Path(written))
        except InputError as error:
            self.fail(str(error), param, ctx)
        return Path(written)

    def _require(self, file: Path) -> None:
        kept_files.require_place(file)


class NewPage(NewFile):
    """The same for a page to look at. It replaces an earlier page, and no other file."""

    def _require(self, file: Path) -> None:
        super()._require(file)
        if not kept_files.may_hold_page(file):
            raise InputError(f"{file} {kept_files.NO_PAGE}")


class Usd(click.ParamType[Decimal]):
    """An amount of USD, zero or more."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        if isinstance(value, Decimal):
            return value
        try:
            amount = Decimal(value.replace("_", "?"))  # 1_0 is a slip of the hand and not ten
        except InvalidOperation:
            self.fail(f"{value!r} is no amount of USD such as 400 or 99.50", param, ctx)
        if not amount.is_finite() or amount < 0:
            self.fail(f"{value!r} is no amount of USD such as 400 or 99.50", param, ctx)
        return amount


def with_session(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command a `session` made of --config and --region."""

    @click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="The configuration to decide by.  [default: costwatch.yaml]",
    )
    @click.option("--region", metavar="REGION", help="Home region of the stack; else AWS's own settings say it.")
    @click.pass_context
    @wraps(command)
    def run(ctx: click.Context, /, config: Path | None, region: str | None, **arguments: Any) -> Any:
        begun()
        tools = ctx.obj if isinstance(ctx.obj, Tools) else None
        session = Session(config=config, region=region, tools=tools)
        try:
            return command(session=session, **arguments)
        except PermanentAwsError as error:
            session.blame_environment(error)
            raise

    return run


as_json = click.option("--json", "as_json", is_flag=True, help="For machines: one JSON document on standard output.")
