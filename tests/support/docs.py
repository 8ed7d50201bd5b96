"""What the documentation shows: its fenced blocks, and the commands in them and between code marks."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from costwatch.cli.main import main

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (
    "README.md",
    "CONTRIBUTING.md",
    "client/README.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
_FENCE: Final = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`([^`]+)`")
_PROGRAMS: Final = ("costwatch", "aws", "make", "python", "pip", "npm", "cdk", "git", "terraform", "sam", "curl")
_VENV: Final = ".venv/bin/"


@dataclass(frozen=True)
class Block:
    """A fenced block, moved to the left. `line`: that of its fence, from 1."""

    page: str
    line: int
    language: str
    text: str

    @property
    def is_shell(self) -> bool:
        """Whether it is there to be typed, also where it does not say so."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        return self.language == "sh" or (not self.language and all(program_of(line) for line in lines))


@dataclass(frozen=True)
class Command:
    """What somebody may type. `fenced`: in a block; else between code marks in a sentence."""

    page: str
    line: int
    text: str
    fenced: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks(page: str) -> list[Block]:
    """In their order."""
    text = read(page)
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[2], textwrap.dedent(found[3]))
        for found in _FENCE.finditer(text)
    ]


def program_of(text: str) -> str:
    """The program that a line begins with, without its folder and without variables before it; empty: none."""
    words = re.sub(r"^([A-Z_]+=(<[^>]*>|\S*) +)+", "", text).split()
    name = words[0].removeprefix(_VENV) if words else ""
    return name if name in _PROGRAMS else ""


def commands(page: str) -> list[Command]:
    """Those of one line each, in their order; what a shell does with several is no command but a script."""
    found: list[Command] = []
    for block in blocks(page):
        if block.is_shell and not is_script(block):
            found += [Command(page, block.line + number, line, True) for number, line in _lines(block.text)]
    found += [Command(page, line, code, False) for line, code in _mentioned(read(page))]
    return sorted(found, key=lambda each: each.line)


def is_script(block: Block) -> bool:
    """Whether only a shell understands it: several lines that belong together, pipes, variables."""
    lines = [line for _, line in _lines(block.text)]
    return block.is_shell and any(not program_of(line) or re.search(r"\||\$", line) for line in lines)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Whole lines with their numbers from 1, without remarks."""
    number, kept = 1, ""
    for line in text.splitlines():
        whole = kept + line
        kept = whole[:-1] if whole.endswith("\\") else ""
        said = re.sub(r"(^|\s)#.*", "", whole).strip()
        if not kept and said:
            yield number, " ".join(said.split())
        number += 1


def _mentioned(text: str) -> Iterator[tuple[int, str]]:
    """Commands with arguments, and `costwatch` with a command's name: that of a column may be left out."""
    blank = _FENCE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for found in _CODE.finditer(blank):
        code, line = " ".join(found[1].split()), blank.count("\n", 0, found.start()) + 1
        if program_of(code) and " " in code:
            yield line, code
        elif _beside_a_command(blank, found.start()) and code.split()[0] in main.commands:
            yield line, f"costwatch {code}"


def _beside_a_command(text: str, at: int) -> bool:
    """In the first column of a row that begins with a command."""
    row = text[text.rfind("\n", 0, at) + 1 : at]
    return row.startswith("| `costwatch ") and row.count("|") == 1


def variants(text: str) -> list[str]:
    """Without what stands in brackets, and with it: `init [FILE]` is `init` and `init FILE`."""
    without = " ".join(re.sub(r"\[[^\]]*\]", "", text).split())
    whole = " ".join(re.sub(r"[\[\]]", "", text.replace(" ...]", "]")).split())
    return [without] if without == whole else [without, whole]


def not_printed(shown: str, printed: str) -> str:
    """The first part of what a page shows that is not printed behind what stands above it; empty: all of it is.

    Blanks and line breaks do not count, lines may be left out, and `...` is what was left out of one.
    """
    whole, at = " ".join(printed.split()), 0
    for line in shown.splitlines():
        for part in " ".join(line.split()).split("..."):
            found = whole.find(part, at)
            if found < 0:
                return part
            at = found + len(part)
    return ""
