"""What may be answered to the questions of `init`: as the configuration takes it, told where it is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from costwatch.cli.init_text import HARD_CAP, MODES
from costwatch.config import checks, fields
from costwatch.core import durations

ANY: Final = "any"
"""Instead of an account: all of them. A question with a default cannot be answered with nothing."""


class Field(click.ParamType[str]):
    """Text as the configuration takes it; `read` raises ValueError for what it does not. `empty`: it may be."""

    def __init__(self, name: str, read: Callable[[str], object], *, empty: bool = False) -> None:
        self.name = name
        self._read = read
        self._empty = empty

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        written = str(value).strip()
        try:
            if written or not self._empty:
                self._read(written)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return written


class Several(Field):
    """The same for several with commas between them, each once; `together` looks at all of them."""

    def __init__(
        self,
        name: str,
        read: Callable[[str], object],
        *,
        empty: bool = False,
        together: Callable[[list[str]], None] = lambda _parts: None,
    ) -> None:
        super().__init__(name, read, empty=empty)
        self._together = together

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        found = list(dict.fromkeys(super(Several, self).convert(part, param, ctx) for part in parts or [""]))
        try:
            self._together(found)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return ",".join(found)


class _Account(Field):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return "" if str(value).strip().lower() == ANY else super().convert(value, param, ctx)


class _Usd(Field):
    """In digits: 1e3 is an amount too, and reads badly in a file."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return f"{fields.usd(super().convert(value, param, ctx)):f}"


def _require_fit(document: Mapping[str, Any], path: tuple[str, ...]) -> None:
    """Raises ValueError with the first thing that is wrong at `path`, by rules that need more than one value."""
    for problem in checks.across_fields(document):
        if problem.path[: len(path)] == path:
            raise ValueError(problem.message)


def _account(written: str) -> None:
    try:
        fields.account(written)
    except ValueError:  # which asks for quotes: those of the file, that nobody types here
        raise ValueError(f"{written!r} is not an account id of 12 digits, such as 111122223333, nor {ANY!r}") from None


def _max_runtime(written: str) -> None:
    fields.max_runtime(written)
    limits = {"max_runtime": written, "hard_cap": durations.short(HARD_CAP)}
    _require_fit({"dead_man": limits}, ("dead_man", "max_runtime"))


ACCOUNT: Final = _Account("account", _account, empty=True)
ADDRESSES: Final = Several("address", fields.address, empty=True)
APPROVERS: Final = Several("approver", fields.approver, empty=True)
CHANNEL: Final = Field("channel", fields.channel, empty=True)
DURATION: Final = Field("duration", _max_runtime)
MODE: Final = click.Choice(MODES)
REGIONS: Final = Several("region", fields.region, together=lambda parts: _require_fit({"regions": parts}, ("regions",)))
TIMEZONE: Final = Field("timezone", fields.timezone)
USD: Final = _Usd("usd", fields.usd)
