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


@pytest.mark.parametrize(
    ("page", "golden"),
    [("README.md", "scan_100_columns.txt"), ("docs/guides/preview.md", "preview_80_columns.txt")],
)
def test_every_line_of_a_shown_output_is_one_that_is_printed(page: str, golden: str) -> None:
    printed = (GOLDEN / golden).read_text("utf-8")
    assert docs.not_printed(shown(page, "Account 1234").text, printed) == ""


def test_a_shown_line_of_a_card_is_the_demos() -> None:
    line = shown("docs/spending.md", "Forecast ").text
    assert line.removeprefix("Forecast").strip() in inspect.getsource(extended)
