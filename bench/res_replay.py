"""`python -m bench.res_replay FILE.npz [--json]`: retraining policies over an error matrix, without look-ahead."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.replay import matrix, table
from bench.replay.run import RANDOM_SCHEDULES
from costwatch.errors import InputError

_WIDTHS: Final = (9, 11, 10, 18, 10, 10)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: replayed. 2: the file is not such a matrix; one sentence says why."""
    parser = argparse.ArgumentParser(prog="python -m bench.res_replay", description=__doc__)
    parser.add_argument("file", type=Path, help="an .npz with E[i,t], C[i] and y[t]")
    parser.add_argument("--json", action="store_true", help="for scripts")
    given = parser.parse_args(arguments)
    try:
        loaded = matrix.load(given.file)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    found = table.rows(loaded)
    if given.json:
        print(json.dumps(table.as_json(loaded.series, found), indent=2))
    else:
        print("\n".join(_lines(loaded, found)))
    return 0


def _lines(loaded: matrix.Matrix, found: Sequence[table.Row]) -> list[str]:
    title = f"{loaded.series}: {loaded.weeks} weeks, {RANDOM_SCHEDULES:,} random schedules each"
    lines = [
        title,
        "",
        _line("", "training", "promotions", "vs always", "", "vs always", "random"),
        _line("policy", "avoided", "avoided", "validated", "95% interval", "at once", "percentile"),
    ]
    for row in found:
        ends = row.vs_always_validated_ci
        between = "-" if ends is None else f"{ends[0]:+.1%} to {ends[1]:+.1%}"
        rank = "-" if row.random_percentile is None else f"{row.random_percentile:.1f}"
        avoided = f"{row.training_avoided:.1%}", f"{row.promotions_avoided:.1%}"
        validated, at_once = _signed(row.vs_always_validated), _signed(row.vs_always_at_once)
        lines.append(_line(row.name, *avoided, validated, between, at_once, rank))
    return lines


def _line(name: str, *cells: str) -> str:
    return " ".join([f"{name:26}", *(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))])


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"


if __name__ == "__main__":
    sys.exit(main())
