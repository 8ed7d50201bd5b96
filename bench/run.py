"""`make bench`: whole processes beside their peers into docs/benchmarks.md, the replay into docs/res.md."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import click, machine, report
from bench.contenders import AGAIN, FIRST, NAMES, Contender, contenders, sweep_command
from bench.endpoint.fleet import OVERDUE_EVERY
from bench.measure import BUILD, ROOT, BenchmarkError, Endpoint, Sample, run
from bench.parsers import VARIANTS
from bench.replay import own
from costwatch import names

SWEEPS: Final = "sweeps"
JOBS: Final = "jobs"
COLD_START: Final = "cold-start"
DOOR: Final = "door"
ACTS: Final = "acts"
PARSERS: Final = "parsers"
RES: Final = "res"
SECTIONS: Final = (RES, SWEEPS, JOBS, COLD_START, DOOR, ACTS, PARSERS)

DOORS: Final = {"the door": "costwatch.handlers.door", "slack-sdk and boto3": "bench.peers.slack_handler"}
"""Who takes a click, and the module with its handler."""

_WARM_UP_INSTANCES: Final = 50
_COLD_START_INSTANCES: Final = 10
_ACTS_INSTANCES: Final = 1000


@dataclass(frozen=True, slots=True)
class Cell:
    """One size of fleet at one delay, and how many rounds of it."""

    instances: int
    delay_ms: float
    rounds: int

    @classmethod
    def parse(cls, text: str) -> Cell:
        """`10000x30x3`: instances, milliseconds a call, rounds."""
        try:
            instances, delay, rounds = text.split("x")
            return cls(int(instances), float(delay), int(rounds))
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not like 10000x30x3: instances, milliseconds, rounds"
            ) from None


CELLS: Final = ("1000x0x3", "1000x30x3", "10000x0x3", "10000x30x3", "100000x0x1")


def main() -> int:
    """0: measured. 1: somebody found other instances than are overdue, a process failed, or files changed meanwhile."""
    arguments = _arguments()
    BUILD.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    before = machine.fingerprint()
    try:
        if RES in arguments.only:
            own.measure(docs=arguments.docs, more=arguments.matrices)
        if not {*arguments.only} - {RES}:
            return 0
        for section, measured in _measured(arguments):
            results[section] = measured
            # After each part: the last ones may take an hour, and may fail.
            (BUILD / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    except BenchmarkError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    report.show(results)
    if machine.fingerprint() != before:
        print("not written down: files changed while they were measured", file=sys.stderr)
        return 1
    if arguments.docs:
        report.write(results, ROOT / "docs" / "benchmarks.md")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument(
        "--cells", nargs="+", type=Cell.parse, default=[Cell.parse(each) for each in CELLS],
        metavar="INSTANCESxMSxROUNDS", help=f"fleets, milliseconds a call, rounds  [default: {' '.join(CELLS)}]",
    )  # fmt: skip
    parts = ", ".join(SECTIONS)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="PART", help=f"of {parts}")
    parser.add_argument(
        "--without", nargs="+", default=(), choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one process  [default: %(default)s]")
    parser.add_argument("--jobs", type=int, default=1000, help="SageMaker jobs  [default: %(default)s]")
    parser.add_argument("--jobs-delay-ms", type=float, default=30, help="their delay  [default: %(default)s]")
    parser.add_argument("--starts", type=int, default=7, help="cold starts  [default: %(default)s]")
    parser.add_argument("--matrices", type=Path, metavar="DIRECTORY", help="other .npz files for the replay")
    parser.add_argument("--no-docs", dest="docs", action="store_false", help="leave the pages under docs/ as they are")
    return parser.parse_args()


def _measured(arguments: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Sections of the results; the sweeps again and again, each time with one more fleet."""
    left_out = {NAMES[short] for short in arguments.without}
    wanted = [c for c in contenders() if c.name not in left_out]
    yield "machine", machine.facts()
    if SWEEPS in arguments.only:
        _warm_up(wanted)
        rows: list[dict[str, Any]] = []
        for cell in arguments.cells:
            rows.extend(_sweeps(cell, wanted, arguments.timeout))
            yield SWEEPS, rows
    if JOBS in arguments.only:
        yield JOBS, _jobs(arguments)
    if COLD_START in arguments.only:
        yield COLD_START, _cold_start(arguments.starts)
    if DOOR in arguments.only:
        yield DOOR, doors(arguments.starts)
    if ACTS in arguments.only:
        yield ACTS, _acts()
    if PARSERS in arguments.only:
        yield PARSERS, _parsers()


def _warm_up(wanted: Sequence[Contender]) -> None:
    """Once each, not counted: bytecode is written and files are in the page cache."""
    with Endpoint(instances=_WARM_UP_INSTANCES) as endpoint:
        for contender in wanted:
            run(contender.command, endpoint, timeout_seconds=120)


def _sweeps(cell: Cell, wanted: Sequence[Contender], timeout: float) -> Iterator[dict[str, Any]]:
    """A row for each contender. Rounds are interleaved: A B C, A B C, so that all meet the same machine."""
    samples: dict[str, list[Sample]] = {c.name: [] for c in wanted}
    expected = -(-cell.instances // OVERDUE_EVERY)
    with Endpoint(instances=cell.instances, delay_ms=cell.delay_ms) as endpoint:
        for number in range(cell.rounds):
            for contender in wanted:
                if contender.name == AGAIN and not _is_whole(samples.get(FIRST)):
                    continue  # there is no whole ledger to go on with
                _say(f"{cell.instances:,} instances, {cell.delay_ms:g} ms, round {number + 1}: {contender.name}")
                if contender.fresh:
                    endpoint.reset()
                sample = run(contender.command, endpoint, timeout_seconds=timeout)
                samples[contender.name].append(sample)
                if not sample.timed_out and (found := contender.found(sample)) != expected:
                    raise BenchmarkError(f"{contender.name} found {found} overdue instances of {expected}")
    for name, taken in samples.items():
        yield {"instances": cell.instances, "delay_ms": cell.delay_ms, "contender": name, **_figures(taken)}


def _is_whole(samples: Sequence[Sample] | None) -> bool:
    return samples is not None and len(samples) > 0 and not samples[-1].timed_out


def _jobs(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The first sweep that sees the jobs, and the next one."""
    rows = []
    with Endpoint(instances=0, jobs=arguments.jobs, delay_ms=arguments.jobs_delay_ms) as endpoint:
        for name in (FIRST, AGAIN):
            _say(f"{arguments.jobs:,} SageMaker jobs, {arguments.jobs_delay_ms:g} ms: {name}")
            sample = run(sweep_command(), endpoint, timeout_seconds=arguments.timeout)
            if not sample.timed_out and (seen := json.loads(sample.stdout)["watched"]) != arguments.jobs:
                raise BenchmarkError(f"{name} saw {seen} jobs of {arguments.jobs}")
            rows.append(
                {"jobs": arguments.jobs, "delay_ms": arguments.jobs_delay_ms, "contender": name, **_figures([sample])}
            )
    return rows


def _cold_start(starts: int) -> dict[str, Any]:
    """Milliseconds of each part over `starts` new processes, and the whole process as measured from outside."""
    command = [sys.executable, "-m", "bench.cold_start", str(BUILD / "policy.json")]
    samples = []
    with Endpoint(instances=_COLD_START_INSTANCES) as endpoint:
        _compile_policy("costwatch.yaml", endpoint)
        for number in range(starts + 1):
            _say(f"cold start {number} of {starts}")
            endpoint.reset()
            samples.append(run(command, endpoint, timeout_seconds=60))
    counted = samples[1:]  # the first wrote bytecode
    parts = [json.loads(sample.stdout) for sample in counted]
    return {
        "parts_ms": {name: _spread([each[name] for each in parts]) for name in parts[0]},
        "process": _figures(counted),
    }


def doors(starts: int) -> list[dict[str, Any]]:
    """A row for each that takes a click, as `_cold_start`. Interleaved, and each does the same calls."""
    told = {
        names.ENV_SLACK_SIGNING_SECRET_PARAMETER: names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER,
        names.ENV_SLACK_APP_ID: click.APP,
    }
    samples: dict[str, list[Sample]] = {who: [] for who in DOORS}
    with Endpoint(instances=0) as endpoint:
        for number in range(starts + 1):
            for who, module in DOORS.items():
                _say(f"cold start {number} of {starts}: {who}")
                command = [sys.executable, "-m", "bench.door_cold_start", module, json.dumps(click.event())]
                sample = run(command, endpoint, timeout_seconds=60, more=told)
                if sample.calls != {"events:PutEvents": 2, "ssm:GetParameter": 1}:
                    raise BenchmarkError(f"{who} made other calls than a click takes: {sample.calls}")
                samples[who].append(sample)
    rows = []
    for who, (_, *counted) in samples.items():  # the first wrote bytecode
        parts = [json.loads(sample.stdout) for sample in counted]
        parts_ms = {name: _spread([each[name] for each in parts]) for name in parts[0]}
        rows.append({"who": who, "parts_ms": parts_ms, "process": _figures(counted)})
    return rows


def _acts() -> dict[str, Any]:
    """Milliseconds of CPU and calls for one stop, the mean of all that are due."""
    with Endpoint(instances=_ACTS_INSTANCES) as endpoint:
        _say("acts")
        _compile_policy("enforce.yaml", endpoint)
        endpoint.reset()
        sample = run([sys.executable, "-m", "bench.acts", str(BUILD / "policy.json")], endpoint, timeout_seconds=300)
        found: dict[str, Any] = json.loads(sample.stdout)
    return found


def _compile_policy(config: str, endpoint: Endpoint) -> None:
    source, target = ROOT / "bench" / config, BUILD / "policy.json"
    run([sys.executable, "-m", "bench.compile_policy", str(source), str(target)], endpoint, timeout_seconds=60)


def _parsers() -> list[dict[str, Any]]:
    """A new process for each, so that each has its own peak of memory."""
    rows = []
    with Endpoint(instances=0) as endpoint:
        for variant in VARIANTS:
            _say(f"parser: {variant}")
            sample = run([sys.executable, "-m", "bench.parsers", variant], endpoint, timeout_seconds=120)
            rows.append({"variant": variant, "cpu_ms": json.loads(sample.stdout), "peak_mb": round(sample.peak_mb)})
    return rows


def _figures(samples: Sequence[Sample]) -> dict[str, Any]:
    whole = [s for s in samples if not s.timed_out]
    if not whole:
        return {"timed_out": len(samples), "rounds": 0}
    return {
        "rounds": len(whole),
        "timed_out": len(samples) - len(whole),
        "wall_seconds": _spread([s.wall_seconds for s in whole]),
        "cpu_seconds": _spread([s.cpu_seconds for s in whole]),
        "peak_mb": _spread([s.peak_mb for s in whole]),
        "call_count": _spread([s.call_count for s in whole]),
        "calls": dict(whole[-1].calls),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return {"min": round(ordered[0], 3), "median": round(median, 3), "max": round(ordered[-1], 3)}


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
