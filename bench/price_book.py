"""`python -m bench.price_book [REGIONS]`: what a price book of so many regions costs to open in a new process.

Prints JSON: its bytes as the ledger keeps it, and CPU milliseconds to import what reads it, to unpack it, and to look
up the first price. The wire is not in it: it is one item of the table, read with one call. Default: 10 regions.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

_RUNS = 9
_NOW = datetime(2026, 11, 14, 4, tzinfo=UTC)


def main() -> None:
    if sys.argv[1:2] == ["--open"]:
        print(json.dumps(_open(Path(sys.argv[2]))))
        return
    regions = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with TemporaryDirectory() as directory:
        file = Path(directory, "book")
        file.write_bytes(_book(regions))
        command = [sys.executable, "-m", "bench.price_book", "--open", str(file)]
        runs = [json.loads(subprocess.check_output(command)) for _ in range(_RUNS)]
        parts = {name: sorted(run[name] for run in runs) for name in runs[0]}
        shown = {name: {"median": times[_RUNS // 2], "worst": times[-1]} for name, times in parts.items()}
        print(json.dumps({"regions": regions, "bytes": file.stat().st_size, "ms": shown}, indent=1))


def _open(file: Path) -> dict[str, float]:
    # What a function has before it reads a book.
    import boto3  # noqa: F401, PLC0415

    import costwatch.adapters.dynamodb  # noqa: PLC0415
    import costwatch.adapters.ledger  # noqa: F401, PLC0415

    started = time.process_time()
    from costwatch.adapters.price_store import unpacked  # noqa: PLC0415
    from costwatch.core.price_book import PriceKind  # noqa: PLC0415

    imported = time.process_time()
    book = unpacked(file.read_bytes())
    opened = time.process_time()
    assert book.price(PriceKind.EC2, "region-0", "g7.0xlarge") is not None
    looked = time.process_time()
    parts = {"import": imported - started, "unpack": opened - imported, "first price": looked - opened}
    return {name: round(seconds * 1000, 2) for name, seconds in {**parts, "all": looked - started}.items()}


def _book(regions: int) -> bytes:
    """As many types as AWS has, each price of its own: prices that repeat would pack too well."""
    from costwatch.adapters.price_store import packed  # noqa: PLC0415
    from costwatch.core.price_book import PriceKind, Quantiles, empty_book, with_rates, with_spot  # noqa: PLC0415

    chance = random.Random(20261114)

    def usd() -> str:
        return f"{chance.uniform(0.1, 60):.6f}"

    book = empty_book(_NOW)
    accelerated = [f"g{family}.{size}xlarge" for family in range(7, 20) for size in range(8)]
    jobs = [f"ml.c{family}.{size}xlarge" for family in range(25) for size in range(8)]
    for number in range(regions):
        region = f"region-{number}"
        book = with_rates(book, PriceKind.EC2, region, {name: usd() for name in accelerated}, _NOW)
        for kind in (PriceKind.TRAINING, PriceKind.PROCESSING):
            book = with_rates(book, kind, region, {name: usd() for name in jobs}, _NOW)
        zones: dict[str, dict[str, Quantiles]] = {
            f"{region}{letter}": {name: (usd(), usd()) for name in accelerated} for letter in "abcd"
        }
        book = with_spot(book, region, zones, days=14, now=_NOW)
    return packed(book)


if __name__ == "__main__":
    main()
