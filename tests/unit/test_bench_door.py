"""The benchmark of the door runs: both that take a click take it, by the same calls."""

from __future__ import annotations

from bench import report
from bench.run import DOORS, doors


def test_both_take_a_click_by_the_same_calls_and_the_table_sets_them_side_by_side() -> None:
    rows = doors(1)
    assert [row["who"] for row in rows] == list(DOORS)
    for row in rows:
        assert set(row["parts_ms"]) == {"import", "first click", "cold start in all", "next click"}
        assert row["process"]["calls"] == {"events:PutEvents": 2, "ssm:GetParameter": 1}
    (table,) = (each for each in report.tables({"machine": {}, "door": rows}) if "Slack" in each.title)
    assert table.heads == ("part", *DOORS, "share")
    assert [line[0] for line in table.rows][-2:] == ["whole process, wall", "whole process, CPU"]
