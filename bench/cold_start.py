"""`python -m bench.cold_start policy.json`: a cold start of the sweep's function, then a tick while it is warm.

Prints milliseconds of each part as JSON. The process is new, as a function's is; Lambda's own start is not in it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench import function


def main() -> None:
    started = time.perf_counter()
    from costwatch.handlers import deadman  # noqa: F401, PLC0415 - this is what is timed

    imported = time.perf_counter()
    wired = function.wiring(Path(sys.argv[1]))
    watchdog = wired.watchdog(function.CONTEXT)
    for region in wired.policy.regions:
        watchdog.ec2(region)
        watchdog.sagemaker(region)
    built = time.perf_counter()
    function.tick(wired)
    first = time.perf_counter()
    function.tick(wired)
    second = time.perf_counter()
    parts = {
        "import": imported - started,
        "wiring and clients": built - imported,
        "first tick": first - built,
        "cold start in all": first - started,
        "next tick": second - first,
    }
    print(json.dumps({name: round(seconds * 1000, 1) for name, seconds in parts.items()}))


if __name__ == "__main__":
    main()
