"""What the pages show of an output is what is printed: held against the reviewed outputs, or against the command."""

from __future__ import annotations

import inspect

import pytest

from demo.scenes import extended
from tests.support import docs
from tests.support.docs import Block

GOLDEN = docs.ROOT / "tests" / "golden"


def shown(page: str, begins: str) -> Block:
    (found,) = [block for block in docs.blocks(page) if block.text.startswith(begins)]
    return found


def blanks_as_one(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("page", "golden"),
    [("README.md", "scan_100_columns.txt"), ("docs/guides/preview.md", "preview_80_columns.txt")],
)
def test_every_line_of_a_shown_output_is_one_that_is_printed(page: str, golden: str) -> None:
    printed = blanks_as_one((GOLDEN / golden).read_text("utf-8"))
    at = 0
    for line in shown(page, "Account 1234").text.splitlines():
        for part in blanks_as_one(line).split("..."):  # what is left out of a line
            found = printed.find(part, at)
            assert found >= at, f"{page}: {part!r} is not printed behind what stands above it"
            at = found + len(part)


def test_a_shown_line_of_a_card_is_the_demos() -> None:
    line = shown("docs/spending.md", "Forecast ").text
    assert blanks_as_one(line).removeprefix("Forecast ") in inspect.getsource(extended)
