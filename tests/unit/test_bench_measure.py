"""What the benchmark says about a process is what the system says, and the page keeps what people wrote."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import report
from bench.measure import BenchmarkError, Endpoint, run

MACHINE = {"machine": {"date": "2026-11-27"}}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(instances=5) as running:
        yield running


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_memory_is_that_of_the_process_and_not_of_who_measures_it(endpoint: Endpoint) -> None:
    held = bytearray(300 * 2**20)
    small = run(python("print('hello')"), endpoint, timeout_seconds=30)
    large = run(python("held = bytearray(200 * 2**20)"), endpoint, timeout_seconds=30)
    assert small.stdout == "hello\n"
    assert small.peak_mb < 100 < 200 < large.peak_mb < len(held) / 2**20


def test_calls_are_those_of_the_process_alone(endpoint: Endpoint) -> None:
    ask = python("import boto3; boto3.client('sts').get_caller_identity()")
    for _ in range(2):
        assert run(ask, endpoint, timeout_seconds=60).calls == {"sts:GetCallerIdentity": 1}


def test_a_process_that_runs_out_of_time_is_killed_and_says_so(endpoint: Endpoint) -> None:
    sample = run(python("import time; time.sleep(600)"), endpoint, timeout_seconds=0.5)
    assert (sample.timed_out, sample.exit_code) == (True, -9)


def test_a_process_that_fails_is_no_sample(endpoint: Endpoint) -> None:
    with pytest.raises(BenchmarkError, match=r"ended with 3(.|\n)*why"):
        run(python("import sys; print('why', file=sys.stderr); sys.exit(3)"), endpoint, timeout_seconds=30)


def test_tables_stand_between_the_marks_and_the_rest_of_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    for _ in range(2):
        report.write(MACHINE, page)
        text = page.read_text(encoding="utf-8")
        assert text.startswith("before\n\n" + report.BEGIN)
        assert text.endswith(report.END + "\nafter\n")
        assert "old" not in text
        assert text.count("| date | 2026-11-27 |") == 1
