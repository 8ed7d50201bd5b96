"""costwatch.yaml from disk: read, validated and compiled, or one line for every problem."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costwatch.config import checks, graduate, source
from costwatch.config.commit import config_commit
from costwatch.config.compiler import compile_policy
from costwatch.config.model import Config, InvalidDocument, parse
from costwatch.config.problems import Problem
from costwatch.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid configuration, the policy document made of it, and what it probably does not mean."""

    config: Config
    policy_document: dict[str, Any]
    warnings: tuple[str, ...]
    """Each as `file:line: key: sentence`, by line."""
    path: Path

    def shipped(self) -> dict[str, Any]:
        """What functions get as policy.json: the policy document, and beside it the lines that make things enforce.

        Raises OSError where the file is gone by now.
        """
        changes = graduate.changes(self.path, graduate.shipped_name(self.path), graduate.MOST_SHIPPED)
        return {**self.policy_document, "changes": changes.document}


def load(path: Path) -> Loaded:
    """Load and compile the file at `path`.

    Raises ConfigError with every problem at once, one `file:line: key: what was expected` per line, in file order.
    """
    try:
        text = source.read(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; expected a configuration such as costwatch.yaml") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory; expected a file such as costwatch.yaml") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except source.UnreadableSource as error:
        raise ConfigError(f"{path}:{error.line or 1}: {error.message}") from error
    problems = list(text.problems)
    config: Config | None = None
    try:
        config = parse(text.document)
    except InvalidDocument as error:
        problems += _placed(error.problems, text)
    if config is None or problems:
        raise ConfigError("\n".join(_told(path, problems)))
    return Loaded(
        config=config,
        policy_document=compile_policy(config, config_commit=config_commit(path)),
        warnings=tuple(_told(path, _placed(checks.warnings(config), text))),
        path=path,
    )


def _placed(problems: Iterable[Problem], text: source.Source) -> list[tuple[int, Problem]]:
    """Problems with their lines, and their paths as they are written in the file."""
    return [(text.line_of(path), Problem(text.shown_path(path), message)) for path, message in problems]


def _told(path: Path, problems: Iterable[tuple[int, Problem]]) -> list[str]:
    lines = []
    for line, problem in sorted(problems, key=lambda item: item[0]):
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in problem.path)
        key = key.removeprefix(".")
        told = f"{path}:{line}: {key}: {problem.message}" if key else f"{path}:{line}: {problem.message}"
        if told not in lines:
            lines.append(told)
    return lines


def _key(part: str) -> str:
    """A key as a message names it: what would break the line or the terminal is escaped."""
    return part if part.isprintable() and part else repr(part)
