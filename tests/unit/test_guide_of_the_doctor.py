"""docs/guides/doctor.md: it names every check and every mark, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from costwatch.cli.doctor import CHECKS
from costwatch.cli.findings import MARKS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guides/doctor.md").read_text("utf-8")
SOMETIMES = {"bootstrap", "ledger rows", "pause", "permissions to look", "permissions to read the ledger",
             "permissions to act", "slack channels", "slack scopes", "slack app", "approvers",
             "credentials"}  # fmt: skip


def rows(heading: str) -> list[str]:
    """The first cells of the table that begins with this heading."""
    table = GUIDE.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| (.+?) \|", table, re.MULTILINE)


def test_every_check_is_in_the_guide_and_no_other() -> None:
    assert set(rows("check")) == {name for name in CHECKS if name != "permissions"} | SOMETIMES
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "lambdas/costwatch/cli").glob("doctor_*.py"))
    for name in SOMETIMES:
        assert f'"{name}"' in sources


def test_every_mark_is_in_the_guide() -> None:
    assert {row.strip("`") for row in rows("line begins")} == set(MARKS.values())
