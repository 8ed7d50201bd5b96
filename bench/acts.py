"""`python -m bench.acts policy.json`: what a stop takes, apart from listing and deciding.

Three ticks on a clock that is moved: notices, the stops half an hour later, and a sweep with nothing left to do, whose
time and calls are taken off those of the second. Prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import function
from bench.measure import BenchmarkError
from costwatch.wiring import Wiring

_NOTICE = timedelta(minutes=31)
_LATER = timedelta(minutes=5)


def main() -> None:
    now = datetime.now(UTC)
    wired = function.wiring(Path(sys.argv[1]), clock=lambda: now)
    function.tick(wired)
    now += _NOTICE
    stopping, stop_seconds, stop_calls = _timed(wired)
    now += _LATER
    function.tick(wired)  # this one verifies that they are gone
    now += _LATER
    _, idle_seconds, idle_calls = _timed(wired)
    stops = stopping["stopped"]
    if not stops or stopping["failures"]:
        raise BenchmarkError(f"{stops} stops, failures: {stopping['failures']}")
    calls = {name: count / stops for name, count in sorted((stop_calls - idle_calls).items())}
    print(json.dumps({"stops": stops, "ms": (stop_seconds - idle_seconds) * 1000 / stops, "calls": calls}))


def _timed(wired: Wiring) -> tuple[dict[str, Any], float, Counter[str]]:
    before = _calls()
    begun = time.process_time()
    report = function.tick(wired)
    return report, time.process_time() - begun, _calls() - before


def _calls() -> Counter[str]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(os.environ["AWS_ENDPOINT_URL"] + "/__calls", timeout=30) as answer:
        return Counter(json.load(answer))


if __name__ == "__main__":
    main()
