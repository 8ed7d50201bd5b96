"""The project's own series: built in an environment of their own, replayed, put into docs/res.md with a plot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import machine, report
from bench.measure import BUILD, ROOT, BenchmarkError
from bench.replay import matrix, table
from bench.replay.policies import ALWAYS_AT_ONCE, COSTWATCH
from bench.report import Table

PACKAGES: Final = (
    "arch==8.0.0", "matplotlib==3.11.2", "numpy==2.4.6", "pandas==3.1.1", "river==0.26.1", "statsmodels==0.15.0",
    "vega-datasets==0.9.0",
)  # fmt: skip
"""What the series come from and the plot is drawn with: heavy, and nobody needs them to use Costwatch."""
COST_GOAL, WORSE_GOAL, PERCENTILE_GOAL = 0.60, 0.05, 90.0

_ENVIRONMENT: Final = BUILD / "replay"
_DIRECTORY: Final = BUILD / "res"
_INSTALL_SECONDS: Final = 900
_BUILD_SECONDS: Final = 600
_MAIN: Final = (
    (ALWAYS_AT_ONCE, "always at once"), ("never", "never"), ("every_3_promote_all", "every 3 weeks"),
    ("drift_trigger", "drift trigger"), ("costwatch-promotion-only", "ours, promotion only"), (COSTWATCH, "ours"),
    (table.ORACLE, "oracle"),
)  # fmt: skip


def measure(*, docs: bool, more: Path | None = None) -> list[dict[str, Any]]:
    """Build, replay and tell. `more`: a directory with other matrices, replayed first.

    Raises BenchmarkError when a package cannot be had or a series cannot be built.
    """
    facts, started = machine.own_facts(), time.monotonic()
    python = _installed()
    _run([str(python), "-m", "bench.replay.series", str(_DIRECTORY)], _BUILD_SECONDS)
    given = sorted(more.glob("*.npz")) if more else []
    found = []
    for file in [*given, *sorted(_DIRECTORY.glob("*.npz"))]:
        loaded = matrix.load(file)
        print(f"{time.strftime('%H:%M:%S')} replay: {loaded.series}", file=sys.stderr, flush=True)
        rows = table.as_json(loaded.series, table.rows(loaded))
        found.append({**rows, "weeks": loaded.weeks, "given": file in given})
    results = BUILD / "res.json"
    results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    facts["took"] = f"{time.monotonic() - started:.0f} s for {len(found)} series, with the installation if it was due"
    written = [Table("Machine", ("what", "value"), facts.items()), *tables(found)]
    report.print_tables(written)
    if docs:
        report.write_tables(written, ROOT / "docs" / "res.md")
        _run([str(python), "-m", "bench.replay.plot", str(results), str(ROOT / "docs" / "images")], _BUILD_SECONDS)
    return found


def tables(found: Sequence[dict[str, Any]]) -> list[Table]:
    """Ours against the goals; every main policy's cost and error; and luck."""
    ours = [(each, _row(each, COSTWATCH)) for each in found]
    lines = [_goals(each, row) for each, row in ours]
    ranks = [row["random_percentile"] for _, row in ours if row["random_percentile"] is not None]
    lines.append(("median", "", "", "", "", "", "", f"{median(ranks):.1f}", _mark(median(ranks) >= PERCENTILE_GOAL)))
    heads = (
        "series", "weeks", "training avoided", "promotions avoided", "vs always validated", "95% interval",
        "vs always at once", "random percentile", "cost and error as aimed for",
    )  # fmt: skip
    names = [label for _, label in _MAIN]
    return [
        Table("Ours, with should_retrain", heads, lines),
        _by_policy("Served error against always validated", found, names, _error_cell),
        _by_policy("Training cost avoided", found, names, lambda row: f"{row['training_avoided']:.0%}"),
        _by_policy("Percentile among random schedules", found, names, _rank_cell),
    ]


def _goals(of: dict[str, Any], row: dict[str, Any]) -> tuple[str, ...]:
    low, high = row["vs_always_validated_ci"]
    met = row["training_avoided"] >= COST_GOAL and high < WORSE_GOAL
    return (
        f"{of['series']}{' (given)' if of['given'] else ''}", str(of["weeks"]), f"{row['training_avoided']:.1%}",
        f"{row['promotions_avoided']:.1%}", f"{row['vs_always_validated']:+.1%}", f"{low:+.1%} to {high:+.1%}",
        f"{row['vs_always_at_once']:+.1%}", _rank_cell(row), _mark(met),
    )  # fmt: skip


def _by_policy(title: str, found: Sequence[dict[str, Any]], names: Sequence[str], cell: Any) -> Table:
    rows = [(each["series"], *(cell(_row(each, name)) for name, _ in _MAIN)) for each in found]
    return Table(title, ("series", *names), rows)


def _error_cell(row: dict[str, Any]) -> str:
    return f"{row['vs_always_validated']:+.1%}"


def _rank_cell(row: dict[str, Any]) -> str:
    return "-" if row["random_percentile"] is None else f"{row['random_percentile']:.1f}"


def _mark(met: bool) -> str:
    return "yes" if met else "**no**"


def _row(of: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in of["policies"] if each["name"] == name)
    return found


def _installed() -> Path:
    """The Python that has `PACKAGES`; made once for each set of them."""
    python, ready = _ENVIRONMENT / "bin" / "python", _ENVIRONMENT / ".ready"
    if not ready.exists() or ready.read_text(encoding="utf-8") != "\n".join(PACKAGES):
        print("Installing what the series come from into an environment of its own ...", file=sys.stderr)
        _run([sys.executable, "-m", "venv", "--clear", str(_ENVIRONMENT)], _INSTALL_SECONDS)
        _run([str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:", *PACKAGES], _INSTALL_SECONDS)
        ready.write_text("\n".join(PACKAGES), encoding="utf-8")
    return python


def _run(command: list[str], seconds: float) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "lambdas")])}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        timeout=seconds, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
