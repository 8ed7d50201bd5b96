"""`python -m bench.estimates`: CPU of so many estimates, each of another job, and of a pipeline and a request body.

In one process, without start-up: whoever prices many jobs (the gate, a report) imports once. Exit code 1 when the
estimates took more CPU than `--at-most`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle, islice
from typing import Any, Final

from bench import machine
from costwatch.adapters.prices import SeedPrices
from costwatch.core.estimator import InstanceGroup, JobSpec, Volume, estimate
from costwatch.core.families import PastRun
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.price_book import PriceKind, TrustedPrices, empty_book, with_rates, with_spot
from costwatch.core.quote import quote
from costwatch.intake.job_bodies import job_of
from costwatch.intake.pipelines import steps_of

_NOW: Final = datetime(2026, 11, 20, tzinfo=UTC)
_REGION: Final = "us-east-1"
_HOUR: Final = timedelta(hours=1)
_BODY: Final[dict[str, Any]] = {
    "TrainingJobName": "churn-bert",
    "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 2, "VolumeSizeInGB": 100},
    "StoppingCondition": {"MaxRuntimeInSeconds": 43_200},
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.estimates", description=__doc__)
    parser.add_argument("--estimates", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-most", type=float, metavar="SECONDS", help="CPU of the jobs' estimates, the best round")
    asked = parser.parse_args(arguments)
    prices, past = _prices(), _past()
    jobs = list(islice(cycle(_jobs()), asked.estimates))
    steps = [{"Name": f"Train{n}", "Type": "Training", "Arguments": _BODY} for n in range(20)]
    pipeline = {"Version": "2020-12-01", "Steps": steps}
    raw = json.dumps(_BODY).encode()
    figures = [
        ("jobs of ten kinds", _cpu(lambda: [estimate(job, prices) for job in jobs], asked.rounds)),
        ("the same with 40 past runs each", _cpu(lambda: [estimate(job, prices, past) for job in jobs], asked.rounds)),
        (
            "request bodies, parsed, read and priced",
            _cpu(lambda: [quote([job_of(json.loads(raw), _REGION)], prices) for _ in jobs], asked.rounds),
        ),
        (
            "steps of pipelines of 20, read and priced",
            _cpu(lambda: [quote(steps_of(pipeline, _REGION, {}), prices) for _ in jobs[::20]], asked.rounds),
        ),
    ]
    for label, value in machine.own_facts().items():
        print(f"{label:12} {value}")
    print(f"\nCPU seconds for {asked.estimates:,}, the best of {asked.rounds} rounds")
    for label, seconds in figures:
        print(f"{seconds:8.2f}  {label}")
    took = figures[0][1]
    if asked.at_most is not None and took > asked.at_most:
        print(f"more than {asked.at_most} s", file=sys.stderr)
        return 1
    return 0


def _cpu(work: Callable[[], object], rounds: int) -> float:
    """The least of all rounds: others on the machine only ever add to it."""
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def _prices() -> TrustedPrices:
    """A book as a refresh writes it, with the seed behind it."""
    book = empty_book(_NOW)
    names = [f"ml.m5.{size}xlarge" for size in ("", 2, 4, 8, 12, 16, 24)] + ["ml.p4d.24xlarge", "ml.g5.xlarge"]
    for kind in (PriceKind.TRAINING, PriceKind.PROCESSING):
        book = with_rates(book, kind, _REGION, dict.fromkeys(names, "1.234567"), _NOW)
        book = with_rates(book, PriceKind(f"{kind.value}-volume"), _REGION, {"gp2": "0.14"}, _NOW)
    book = with_rates(book, PriceKind.EC2, _REGION, {"p4d.24xlarge": "21.957642", "g5.xlarge": "1.006"}, _NOW)
    book = with_spot(
        book, _REGION, {f"us-east-1{z}": {"p4d.24xlarge": ("9.1", "11.4")} for z in "abcdef"}, days=14, now=_NOW
    )
    return TrustedPrices(book, SeedPrices(), _NOW, {"sagemaker": Decimal("0.9"), "ec2:g5": Decimal("0.71")})


def _jobs() -> list[JobSpec]:
    p4d, g5 = InstanceGroup("ml.p4d.24xlarge", 2), InstanceGroup("ml.g5.xlarge", 4)
    training, processing, tuning = Service.TRAINING, Service.PROCESSING, Service.TUNING
    in_ec2, spot = InstanceGroup("p4d.24xlarge", 4), PurchaseOption.SPOT
    m5 = InstanceGroup("ml.m5.4xlarge", 3)
    return [
        JobSpec(training, _REGION, (p4d,), 24 * _HOUR),
        JobSpec(training, _REGION, (p4d, g5, m5), 24 * _HOUR, volume=Volume(500)),
        JobSpec(training, _REGION, (g5,), 12 * _HOUR, warm_pool=_HOUR, expected_runtime=5 * _HOUR),
        JobSpec(training, _REGION, (p4d,), 12 * _HOUR, purchase=spot),
        JobSpec(training, _REGION, (p4d,), 12 * _HOUR, purchase=PurchaseOption.CAPACITY_BLOCK),
        JobSpec(processing, _REGION, (m5,), 2 * _HOUR, volume=Volume(30)),
        JobSpec(tuning, _REGION, (g5,), 2 * _HOUR, jobs=50, parallel=5, total_runtime=12 * _HOUR),
        JobSpec(Service.EC2, _REGION, (in_ec2,), 12 * _HOUR, purchase=spot),
        JobSpec(Service.EC2, _REGION, (InstanceGroup("g5.xlarge", 1),), 12 * _HOUR),
        JobSpec(training, _REGION, (InstanceGroup("ml.p9.48xlarge", 1),), 12 * _HOUR),
    ]


def _past() -> list[PastRun]:
    dollars = Decimal(100)
    return [
        PastRun(f"run-{n}", _NOW - n * _HOUR, (n % 9 + 1) * _HOUR, dollars, dollars + n, finished=True)
        for n in range(40)
    ]


if __name__ == "__main__":
    sys.exit(main())
