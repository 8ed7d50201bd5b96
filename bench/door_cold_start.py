"""`python -m bench.door_cold_start MODULE EVENT`: a cold start of what takes Slack's clicks, then one while it is warm.

MODULE has a Lambda handler: `costwatch.handlers.door`, or the peer `bench.peers.slack_handler`. EVENT is JSON, as an
HTTP API makes it. Prints milliseconds of each part as JSON. The process is new, as a function's is; Lambda's own start
is not in it.
"""

from __future__ import annotations

import io
import json
import sys
import time
from importlib import import_module


def main() -> None:
    event = json.loads(sys.argv[2])
    real, sys.stdout = sys.stdout, io.StringIO()  # what the handler logs
    started = time.perf_counter()
    handler = import_module(sys.argv[1]).handler
    imported = time.perf_counter()
    answers = [handler(event, None)]
    first = time.perf_counter()
    answers.append(handler(event, None))
    second = time.perf_counter()
    sys.stdout = real
    if [answer["statusCode"] for answer in answers] != [200, 200]:
        sys.exit(f"{sys.argv[1]} answered {answers}")
    parts = {
        "import": imported - started,
        "first click": first - imported,
        "cold start in all": first - started,
        "next click": second - first,
    }
    print(json.dumps({name: round(seconds * 1000, 1) for name, seconds in parts.items()}))


if __name__ == "__main__":
    main()
