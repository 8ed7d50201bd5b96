"""`python -m bench.profiled`: where one sweep's time goes, by step and by module, and its calls by operation.

Under cProfile, which makes everything slower and small functions most: read shares, not seconds.
"""

from __future__ import annotations

import argparse
import pstats
import re
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from bench.contenders import sweep_command
from bench.measure import BUILD, Endpoint, run

_PROFILE: Final = BUILD / "sweep.prof"
_MODULES: Final = 15
# Module and function, none inside of another; what is left over is imports, judging and the report.
_STEPS: Final = (
    ("list instances", "procedures/listing.py", "instances"),
    ("list jobs", "adapters/sagemaker.py", "jobs"),
    ("read runs afresh", "procedures/looking.py", "read_together"),
    ("read open records", "adapters/ledger.py", "open_records"),
    ("write steps", "procedures/saving.py", "save_all"),
    ("write claims", "adapters/ledger.py", "claim"),
    ("judge", "core/deadman.py", "judge"),
    ("make steps", "core/ladder.py", "observe"),
    ("price", "core/money.py", "burn_rate"),
    ("imports", "<frozen importlib._bootstrap>", "_find_and_load"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profiled", description=__doc__)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--next", action="store_true", help="profile the sweep after the first one")
    parser.add_argument("--no-ledger", action="store_true")
    arguments = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    sweep = [*sweep_command()[1:], *(["--no-ledger"] if arguments.no_ledger else [])]
    profiled = [sys.executable, "-m", "cProfile", "-o", str(_PROFILE), "-m", "costwatch.cli", *sweep]
    with Endpoint(instances=arguments.instances, jobs=arguments.jobs, delay_ms=arguments.delay_ms) as endpoint:
        if arguments.next:
            run(sweep_command(), endpoint, timeout_seconds=1800)
        sample = run(profiled, endpoint, timeout_seconds=1800)
    stats: Any = pstats.Stats(str(_PROFILE))  # its table is not in the type stubs
    print(f"{stats.total_tt:.1f} s under the profiler; CPU {sample.cpu_seconds:.1f} s, peak {sample.peak_mb:.0f} MB\n")
    for name, seconds in _steps(stats):
        print(f"{seconds / stats.total_tt:6.1%}  {name}")
    print("\nown time by module")
    for name, seconds in _modules(stats).most_common(_MODULES):
        print(f"{seconds / stats.total_tt:6.1%}  {name}")
    print("\ncalls")
    for operation, count in sample.calls.items():
        print(f"{count:7,}  {operation}")


def _steps(stats: Any) -> Iterator[tuple[str, float]]:
    """With everything below them."""
    for name, file, function in _STEPS:
        found = [row[3] for key, row in stats.stats.items() if key[0].endswith(file) and key[2] == function]
        if found:
            yield name, max(found)


def _modules(stats: Any) -> Counter[str]:
    """`builtin` is what is written in C, expat and JSON among it."""
    seconds: Counter[str] = Counter()
    for (file, _, _), row in stats.stats.items():
        name = "builtin" if file == "~" else re.sub(r".*/(site-packages|lambdas|lib/python[^/]*)/", "", file)
        seconds[name] += row[2]
    return seconds


if __name__ == "__main__":
    main()
