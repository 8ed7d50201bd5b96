"""`python -m bench.endpoint`: serve until standard input closes, so that it never outlives who started it."""

from __future__ import annotations

import argparse
import sys
import threading
from datetime import UTC, datetime

from bench.endpoint.account import Account
from bench.endpoint.fleet import Fleet
from bench.endpoint.server import Server


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.endpoint", description=__doc__)
    parser.add_argument("--instances", type=int, default=1000, help="how many tagged instances")
    parser.add_argument("--jobs", type=int, default=0, help="how many training jobs in progress")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="milliseconds that each call takes")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--as-of", type=datetime.fromisoformat, help="ages count back from here; else from now")
    arguments = parser.parse_args()
    as_of = arguments.as_of or datetime.now(UTC).replace(microsecond=0)
    account = Account(Fleet(as_of.astimezone(UTC), arguments.instances, arguments.jobs))
    with Server(account, port=arguments.port, delay=arguments.delay_ms / 1000) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        print(server.url, flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
