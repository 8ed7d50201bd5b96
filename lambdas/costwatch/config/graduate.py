"""The one line of costwatch.yaml that makes a selector enforce: found, changed and tried before it is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from costwatch.config import kinds, source
from costwatch.config.compiler import compile_policy
from costwatch.config.model import Config, InvalidDocument, Selector, parse
from costwatch.core.modes import Mode

_MODE: Final = re.compile(r"""(\bmode["']?\s*:\s*["']?)[A-Za-z]+""")
_NAME: Final = re.compile(r"""["']?\bname["']?\s*:\s*("[^"]*"|'[^']*'|[^,}#]*[^,}#\s])""")


@dataclass(frozen=True, slots=True)
class Change:
    """Line `line` of the file, from 1, as it stands in `now`, becomes `then`, which may be two lines.

    `problem`: why there is no such line, as a sentence; then the others mean nothing.
    """

    line: int = 0
    now: str = ""
    then: str = ""
    problem: str = ""


def change(path: Path, selector: str) -> Change:
    """For a file that is valid and has the selector, by the name that the ledger has for it. Nothing is written.

    Raises OSError, UnreadableSource or InvalidDocument for a file that went bad.
    """
    content = path.read_bytes()
    text, config = source.read(content), _parsed(content)
    found = [n for n, each in enumerate(config.dead_man.selectors) if selector in _names(each)]
    if not found:
        return Change(problem=f"no selector of {path} is called {selector}")
    lines = content.decode("utf-8-sig").split("\n")
    number, now, then = _edit(text, lines, ("dead_man", "selectors", found[0]))
    after = "\n".join([*lines[: number - 1], then, *lines[number:]])
    alone = f"set `mode: enforce` for it in {path}, beside its name: no single line does that alone"
    try:
        changed = _parsed(after.encode())
    except InvalidDocument as error:
        told = "; ".join(problem.message for problem in error.problems)
        return Change(problem=f"it cannot enforce as it stands: {told}")
    except source.UnreadableSource:
        return Change(problem=alone)
    if not _only(_names(config.dead_man.selectors[found[0]]), _policy(config), _policy(changed)):
        return Change(problem=alone)
    return Change(number, now, then)


def _names(selector: Selector) -> frozenset[str]:
    """In the ledger a selector of several kinds of jobs is one for each."""
    return frozenset(kinds.name(selector, kind) for kind in kinds.of(selector))


def _edit(text: source.Source, lines: list[str], place: tuple[str | int, ...]) -> tuple[int, str, str]:
    """The line with the mode, else the one with the name, beside which the mode then stands."""
    number = text.lines.get((*place, "mode"))
    if number is not None:
        now = lines[number - 1]
        return number, now, _MODE.sub(rf"\g<1>{Mode.ENFORCE.value}", now)
    number = text.lines[(*place, "name")]
    now = lines[number - 1]
    named = _NAME.search(now)
    if named is None:
        return number, now, now
    if "{" in now[: named.start()]:
        return number, now, f"{now[: named.end()]}, mode: {Mode.ENFORCE.value}{now[named.end() :]}"
    end = "\r" if now.endswith("\r") else ""
    return number, now, f"{now}\n{' ' * named.start()}mode: {Mode.ENFORCE.value}{end}"


def _parsed(content: bytes) -> Config:
    """Raises InvalidDocument, UnreadableSource."""
    return parse(source.read(content).document)


def _policy(config: Config) -> dict[str, Any]:
    body: dict[str, Any] = compile_policy(config, config_commit="")["policy"]
    return body


def _only(selectors: frozenset[str], before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether those enforce after it, and nothing else differs."""
    enforcing = {"mode": Mode.ENFORCE.value}
    wanted = [{**each, **enforcing} if each["name"] in selectors else each for each in before["selectors"]]
    return after == {**before, "selectors": wanted}
