"""The figures as tables: on the terminal, and between two marks in docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.contenders import CUSTODIAN

BEGIN: Final = "<!-- measured: written by make bench -->"
END: Final = "<!-- measured: end -->"

_HEADS: Final = ("who", "wall s", "CPU s", "peak MB", "calls")


class Table:
    """A title, column heads and rows of text; the first column is left-aligned."""

    def __init__(self, title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self.title = title
        self.heads = tuple(heads)
        self.rows = [tuple(row) for row in rows]

    def markdown(self) -> str:
        marks = ["---", *["---:"] * (len(self.heads) - 1)]
        lines = [self.heads, marks, *self.rows]
        return f"### {self.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def tables(results: Mapping[str, Any]) -> list[Table]:
    """What was measured, in order."""
    found = [Table("Machine", ("what", "value"), results["machine"].items())]
    found.extend(_sweeps(results.get("sweeps", [])))
    if "jobs" in results:
        rows = results["jobs"]
        title = f"{rows[0]['jobs']:,} SageMaker training jobs, {rows[0]['delay_ms']:g} ms a call"
        found.append(Table(title, _HEADS, ([row["contender"], *_process(row)] for row in rows)))
    if "cold-start" in results:
        parts = [(name, _spread(spread, 0)) for name, spread in results["cold-start"]["parts_ms"].items()]
        process = results["cold-start"]["process"]
        parts.append(("whole process, CPU", _spread(process["cpu_seconds"], 0, times=1000)))
        title = f"Cold start of the sweep's function, {process['rounds']} new processes"
        found.append(Table(title, ("part", "ms"), parts))
    if "door" in results:
        found.append(_doors(results["door"]))
    if "acts" in results:
        acts = results["acts"]
        per_stop = [("CPU ms", f"{acts['ms']:.1f}"), *((name, f"{count:.2f}") for name, count in acts["calls"].items())]
        per_stop.append(("calls in all", f"{sum(acts['calls'].values()):.2f}"))
        found.append(Table(f"One stop, the mean of {acts['stops']} of single instances", ("what", "a stop"), per_stop))
    if "parsers" in results:
        rows = results["parsers"]
        title = f"Reading an answer of 1,000 instances ({rows[0]['cpu_ms']['bytes'] / 1e6:.1f} MB)"
        read = [(r["variant"], _spread(r["cpu_ms"], 0), f"{r['peak_mb']:.0f}") for r in rows]
        found.append(Table(title, ("parser", "CPU ms", "peak MB of its process"), read))
    return found


def show(results: Mapping[str, Any]) -> None:
    """On the terminal."""
    print_tables(tables(results))


def print_tables(found: Iterable[Table]) -> None:
    """On the terminal."""
    from rich import box  # noqa: PLC0415 - late: a child's peak memory is never less than this process's own
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415

    console = Console()
    for table in found:
        shown = RichTable(*table.heads, title=table.title, title_justify="left", box=box.SIMPLE_HEAD)
        for column in shown.columns[1:]:
            column.justify = "right"
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)


def write(results: Mapping[str, Any], page: Path) -> None:
    """Put the tables between the marks of the page."""
    write_tables(tables(results), page)


def write_tables(found: Iterable[Table], page: Path) -> None:
    """Between the marks of the page; what stands around them is written by hand."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    measured = "\n".join(table.markdown() for table in found)
    page.write_text(f"{before}{BEGIN}\n\n{measured}\n{END}{after}", encoding="utf-8")


def _sweeps(rows: Sequence[Mapping[str, Any]]) -> Iterable[Table]:
    heads = (*_HEADS, "times less CPU than Custodian")
    cells = dict.fromkeys((row["instances"], row["delay_ms"]) for row in rows)
    for instances, delay_ms in cells:
        of_cell = [row for row in rows if (row["instances"], row["delay_ms"]) == (instances, delay_ms)]
        custodian = next((_median_cpu(row) for row in of_cell if row["contender"] == CUSTODIAN), None)
        rounds = max(row["rounds"] for row in of_cell)
        title = f"{instances:,} instances, {delay_ms:g} ms a call, rounds: {rounds}"
        yield Table(title, heads, ([row["contender"], *_process(row), _ratio(custodian, row)] for row in of_cell))


def _doors(rows: Sequence[Mapping[str, Any]]) -> Table:
    title = f"A click in Slack, from a new process to the bus, {rows[0]['process']['rounds']} new processes each, ms"
    parts = [(name, [row["parts_ms"][name] for row in rows], 1) for name in rows[0]["parts_ms"]]
    whole = (("whole process, wall", "wall_seconds"), ("whole process, CPU", "cpu_seconds"))
    parts.extend((name, [row["process"][figure] for row in rows], 1000) for name, figure in whole)
    lines = [
        (name, *(_spread(spread, 0, times=times) for spread in spreads), _share(spreads))
        for name, spreads, times in parts
    ]
    return Table(title, ("part", *(row["who"] for row in rows), "share"), lines)


def _share(spreads: Sequence[Mapping[str, float]]) -> str:
    """Of the first in the last, by their medians."""
    return f"{spreads[0]['median'] / spreads[-1]['median']:.2f}" if spreads[-1]["median"] else "-"


def _process(row: Mapping[str, Any]) -> list[str]:
    if not row["rounds"]:
        return ["ran out of time" if row["timed_out"] else "not run", "-", "-", "-"]
    return [
        _spread(row["wall_seconds"], 2),
        _spread(row["cpu_seconds"], 2),
        _spread(row["peak_mb"], 0),
        _spread(row["call_count"], 0),
    ]


def _spread(spread: Mapping[str, float], digits: int, *, times: float = 1) -> str:
    """The median, and in brackets minimum and maximum where they differ."""
    low, median, high = (f"{spread[name] * times:,.{digits}f}" for name in ("min", "median", "max"))
    return median if low == high else f"{median} ({low} to {high})"


def _median_cpu(row: Mapping[str, Any]) -> float | None:
    return float(row["cpu_seconds"]["median"]) if row["rounds"] else None


def _ratio(custodian: float | None, row: Mapping[str, Any]) -> str:
    ours = _median_cpu(row)
    if custodian is None or not ours:
        return "-"
    return f"{custodian / ours:.1f}"
