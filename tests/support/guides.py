"""What people paste from a guide."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


class Guide:
    def __init__(self, name: str) -> None:
        self.text = (ROOT / "docs" / "guides" / name).read_text("utf-8")

    def pasted(self, language: str) -> list[str]:
        """The blocks of a language, in their order."""
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)

    def table(self, heading: str) -> list[str]:
        """What the rows of the table below `heading` begin with, in code marks."""
        rows = self.text.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()
        return [found[1] for row in rows if (found := re.match(r"\| `(\w+)` \|", row))]
