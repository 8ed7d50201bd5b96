"""CloudWatch Logs Insights, as far as the dashboard's queries use it, over lines of JSON.

Covered: `filter` with conditions joined by `and` (`field = "text"`, `field in ["a", "b"]`, `field > number`); `stats`
with count(*), sum, avg, min and max, each with a name, `by` fields; `fields`; `sort FIELD asc|desc`; `limit`. A field
that a line does not have, or that is null, makes no condition true and counts for nothing. What it does not know it
refuses. Not covered: `parse`, bins of time, patterns, `or`, arithmetic, Insights' own fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Row = dict[str, Any]
_AGGREGATE: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "sum": sum,
    "avg": lambda values: sum(values) / len(values),
    "min": min,
    "max": max,
}
_CONDITION: Final = re.compile(r'(?P<field>\w+) (?:= "(?P<text>[^"]*)"|in (?P<texts>\[[^\]]*\])|> (?P<number>\d+))')
_STAT: Final = re.compile(r"(?P<how>\w+)\((?P<of>\*|\w+)\) as (?P<name>\w+)")


def run(query: str, lines: Sequence[str]) -> list[Row]:
    """The rows of a query's table. Raises ValueError for what it does not know."""
    rows: list[Row] = [json.loads(line) for line in lines if line.startswith("{")]
    for command in (part.strip() for part in re.split(r"\n?\| |\n", query)):
        if command.startswith("SOURCE ") or not command:
            continue
        name, _, rest = command.partition(" ")
        if name not in _COMMANDS:
            raise ValueError(f"the command {name!r} is not one that this evaluator knows")
        rows = _COMMANDS[name](rest, rows)
    return rows


def _filter(text: str, rows: list[Row]) -> list[Row]:
    conditions = text.split(" and ")
    return [row for row in rows if all(_holds(each, row) for each in conditions)]


def _holds(condition: str, row: Row) -> bool:
    found = _CONDITION.fullmatch(condition)
    if found is None:
        raise ValueError(f"the condition {condition!r} is not one that this evaluator knows")
    value = row.get(found["field"])
    if value is None:
        return False
    if found["number"] is not None:
        return float(value) > float(found["number"])
    return value in (json.loads(found["texts"]) if found["texts"] is not None else [found["text"]])


def _stats(text: str, rows: list[Row]) -> list[Row]:
    stats, _, by = text.partition(" by ")
    keys = by.split(", ") if by else []
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    return [
        dict(zip(keys, group, strict=True)) | dict(_stat(each, of) for each in stats.split(", "))
        for group, of in groups.items()
    ]


def _stat(text: str, rows: list[Row]) -> tuple[str, float | None]:
    found = _STAT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no statistic that this evaluator knows")
    if (found["how"], found["of"]) == ("count", "*"):
        return found["name"], len(rows)
    values = [row[found["of"]] for row in rows if row.get(found["of"]) is not None]
    return found["name"], _AGGREGATE[found["how"]](values) if values else None


def _fields(text: str, rows: list[Row]) -> list[Row]:
    return [{name: row.get(name) for name in text.split(", ")} for row in rows]


def _sort(text: str, rows: list[Row]) -> list[Row]:
    name, way = text.split(" ")
    there = [row for row in rows if row.get(name) is not None]
    return sorted(there, key=lambda row: row[name], reverse=way == "desc") + [r for r in rows if r.get(name) is None]


def _limit(text: str, rows: list[Row]) -> list[Row]:
    return rows[: int(text)]


_COMMANDS: Final = {"filter": _filter, "stats": _stats, "fields": _fields, "sort": _sort, "limit": _limit}
