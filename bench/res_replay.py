"""`python -m bench.res_replay FILE.npz [--json]`: retraining policies over an error matrix, without look-ahead."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.replay import matrix, table
from bench.replay.run import RANDOM_SCHEDULES
from costwatch.errors import InputError


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
        f"{'':26} {'training':>9} {'promotions':>11} {'vs always':>10} {'':>18} {'vs always':>10} {'random':>10}",
        f"{'policy':26} {'avoided':>9} {'avoided':>11} {'validated':>10} {'95% interval':>18} {'at once':>10} {'percentile':>10}",
    ]
    for row in found:
        ends = row.vs_always_validated_ci
        between = "-" if ends is None else f"{ends[0]:+.1%} to {ends[1]:+.1%}"
        rank = "-" if row.random_percentile is None else f"{row.random_percentile:.1f}"
        lines.append(
            f"{row.name:26} {row.training_avoided:>9.1%} {row.promotions_avoided:>11.1%} "
            f"{_signed(row.vs_always_validated):>10} {between:>18} {_signed(row.vs_always_at_once):>10} {rank:>10}"
        )
    return lines


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"


if __name__ == "__main__":
    sys.exit(main())
