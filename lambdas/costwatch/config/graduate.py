"""The one line of costwatch.yaml that makes something enforce: found, changed and tried before it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from costwatch.config import kinds, source
from costwatch.config.compiler import compile_policy
from costwatch.config.model import Config, InvalidDocument, Selector, parse
from costwatch.core.changes import Change, Changes
from costwatch.core.modes import Mode

MOST_SHIPPED: Final = 100
"""Selectors whose line travels with the policy: each is tried by itself, and a synth does not wait a minute for it."""
_ENFORCING: Final = {"mode": Mode.ENFORCE.value}
_MODE: Final = re.compile(r"""(\bmode["']?\s*:\s*["']?)[A-Za-z]+""")
_NAME: Final = re.compile(r"""["']?\bname["']?\s*:\s*("[^"]*"|'[^']*'|[^,}#]*[^,}#\s])""")


@dataclass(frozen=True, slots=True)
class Lines:
    """A valid file and its lines. `shown`: what it is called for people. Nothing is written."""

    shown: str
    text: source.Source
    lines: list[str]
    config: Config
    policy: dict[str, Any]

    @classmethod
    def read(cls, path: Path, shown: str = "") -> Self:
        """Raises OSError, UnreadableSource or InvalidDocument for a file that went bad."""
        content = path.read_bytes()
        text = source.read(content)
        config = parse(text.document)
        return cls(shown or str(path), text, content.decode("utf-8-sig").split("\n"), config, _policy(config))

    def selector(self, name: str) -> Change:
        """By the name that the ledger has for it."""
        found = [n for n, each in enumerate(self.config.dead_man.selectors) if name in _names(each)]
        if not found:
            return Change(problem=f"no selector of {self.shown} is called {name}")
        alone = f"set `mode: enforce` for it in {self.shown}, beside its name: no single line does that alone"
        selectors = _names(self.config.dead_man.selectors[found[0]])
        edit = self._edit(("dead_man", "selectors", found[0]))
        return self._tried(*edit, alone, lambda before: _selectors_enforce(before, selectors))

    def guard(self, section: str) -> Change:
        """Of `approval` or `res`, whose mode is one for all that they judge."""
        alone = f"set `mode: enforce` under {section} in {self.shown}: no single line does that alone"
        edit = self._edit_section(section)
        return self._tried(*edit, alone, lambda before: {**before, section: {**before.get(section, {}), **_ENFORCING}})

    def _tried(
        self, number: int, now: str, then: str, alone: str, wanted: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Change:
        """The change where that is what it comes to, and nothing else differs; else why not."""
        after = "\n".join([*self.lines[: number - 1], then, *self.lines[number:]])
        try:
            changed = parse(source.read(after.encode()).document)
        except InvalidDocument as error:
            told = "; ".join(problem.message for problem in error.problems)
            return Change(problem=f"it cannot enforce as it stands: {told}")
        except source.UnreadableSource:
            return Change(problem=alone)
        if _policy(changed) != wanted(self.policy):
            return Change(problem=alone)
        return Change(number, now, then, file=self.shown)

    def _edit(self, place: tuple[str | int, ...]) -> tuple[int, str, str]:
        """The line with the mode, else the one with the name, beside which the mode then stands."""
        number = self.text.lines.get((*place, "mode"))
        if number is not None:
            return self._mode_at(number)
        number = self.text.lines[(*place, "name")]
        now = self.lines[number - 1]
        named = _NAME.search(now)
        if named is None:
            return number, now, now
        if "{" in now[: named.start()]:
            return number, now, f"{now[: named.end()]}, mode: {Mode.ENFORCE.value}{now[named.end() :]}"
        return number, now, _added(now, named.start())

    def _edit_section(self, section: str) -> tuple[int, str, str]:
        """The line with the mode, else the one that begins the section, else the last one of the file."""
        number = self.text.lines.get((section, "mode"))
        if number is not None:
            return self._mode_at(number)
        number = self.text.lines.get((section,))
        if number is None:
            number = max(n for n, row in enumerate(self.lines, start=1) if row.strip() or n == 1)
            now = self.lines[number - 1]
            return number, now, f"{now}\n{section}: {{mode: {Mode.ENFORCE.value}}}"
        now = self.lines[number - 1]
        below = [line for path, line in self.text.lines.items() if path[:1] == (section,) and line > number]
        flow = re.compile(rf"""({section}["']?\s*:\s*\{{)""")
        if flow.search(now):
            return number, now, flow.sub(rf"\g<1>mode: {Mode.ENFORCE.value}, ", now)
        first = self.lines[min(below) - 1] if below else ""
        return number, now, _added(now, len(first) - len(first.lstrip()))

    def _mode_at(self, number: int) -> tuple[int, str, str]:
        now = self.lines[number - 1]
        return number, now, _MODE.sub(rf"\g<1>{Mode.ENFORCE.value}", now)


def change(path: Path, selector: str) -> Change:
    """For a file that is valid and has the selector. Raises as `Lines.read`."""
    return Lines.read(path).selector(selector)


def changes(path: Path, shown: str = "", most: int | None = None) -> Changes:
    """Of everything in the file that does not enforce; of `most` selectors, the first ones. Raises as `Lines.read`."""
    file = Lines.read(path, shown)
    observing = [each["name"] for each in file.policy["selectors"] if each["mode"] != Mode.ENFORCE.value]
    judges = bool(file.config.res.models) and file.config.res.mode is not Mode.ENFORCE
    return Changes(
        selectors={name: file.selector(name) for name in observing[:most]},
        approval=file.guard("approval") if file.config.approval.mode is not Mode.ENFORCE else None,
        res=file.guard("res") if judges else None,
    )


def shipped_name(path: Path) -> str:
    """What a file is called where it does not lie: never by a path of the machine that deployed it."""
    return path.name if path.is_absolute() or ".." in path.parts else path.as_posix()


def _names(selector: Selector) -> frozenset[str]:
    """In the ledger a selector of several kinds of jobs is one for each."""
    return frozenset(kinds.name(selector, kind) for kind in kinds.of(selector))


def _added(now: str, column: int) -> str:
    """`now` with the mode below it, in that column."""
    end = "\r" if now.endswith("\r") else ""
    return f"{now}\n{' ' * column}mode: {Mode.ENFORCE.value}{end}"


def _policy(config: Config) -> dict[str, Any]:
    body: dict[str, Any] = compile_policy(config, config_commit="")["policy"]
    return body


def _selectors_enforce(before: dict[str, Any], selectors: frozenset[str]) -> dict[str, Any]:
    made = [{**each, **_ENFORCING} if each["name"] in selectors else each for each in before["selectors"]]
    return {**before, "selectors": made}
