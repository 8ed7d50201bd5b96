"""Families of runs: which runs are the same job again, and what past runs say of the next one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from costwatch.core import families
from costwatch.core.families import FEWEST_RUNS, MOST_RUNS, PastRun
from tests.support.builders import HOUR, NOW


def past(
    hours: float, *, ago: int = 1, expected: str | None = "100", actual: str | None = "80", finished: bool = True
) -> PastRun:
    return PastRun(
        f"run-{ago}",
        NOW - ago * HOUR,
        timedelta(hours=hours),
        Decimal(expected) if expected is not None else None,
        Decimal(actual) if actual is not None else None,
        finished,
    )


def several(hours: Sequence[float], **facts: object) -> list[PastRun]:
    return [past(each, ago=number, **facts) for number, each in enumerate(hours, start=1)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("churn-bert-large", "churn-bert-large"),
        ("churn-bert-large-2026-11-23-09-10-44-123", "churn-bert-large"),
        ("churn-bert-large-2026-11-23", "churn-bert-large"),
        ("churn-20261123-0910", "churn"),
        ("churn-v7", "churn"),
        ("churn-run-12", "churn"),
        ("churn-3f9c2ab1", "churn"),
        ("resnet-50", "resnet-50"),
        ("llama-3-8b", "llama-3-8b"),
        ("facade", "facade"),
        ("model-facade", "model-facade"),
        ("20261123", "20261123"),
        ("pipelines-a1b2c3d4e5f6-Train-XyZ0123456", "pipelines-Train"),
    ],
)
def test_what_changes_from_run_to_run_is_no_part_of_the_family(name: str, stem: str) -> None:
    assert families.name_stem(name) == stem


def test_registry_account_and_digest_of_an_image_are_no_part_of_the_family() -> None:
    images = (
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3@sha256:0f",
        "444455556666.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.3",
    )
    assert len({families.family("churn-v1", image, ["ml.g5.xlarge"]) for image in images}) == 1


def test_another_image_or_type_is_another_family() -> None:
    made = {
        families.family("churn", "pytorch:2.3", ["ml.g5.xlarge"]),
        families.family("churn", "pytorch:2.4", ["ml.g5.xlarge"]),
        families.family("churn", "pytorch:2.3", ["ml.g5.2xlarge"]),
    }
    assert len(made) == 3


def test_of_one_run_too_few_nothing_is_concluded() -> None:
    assert families.runtimes(several([4] * (FEWEST_RUNS - 1))) is None
    assert families.runtimes(several([4] * FEWEST_RUNS)) is not None


def test_expected_is_the_median_and_p90_is_not_exceeded_by_nine_in_ten() -> None:
    found = families.runtimes(several(range(1, 11)))
    assert found is not None
    assert (found.expected, found.p90, found.runs) == (5 * HOUR, 9 * HOUR, 10)


def test_what_failed_or_was_stopped_says_nothing_of_how_long_it_takes() -> None:
    found = families.runtimes([*several([4, 4, 4]), past(0.1, ago=9, finished=False)])
    assert found is not None
    assert (found.expected, found.runs) == (4 * HOUR, 3)


def test_only_the_newest_runs_count() -> None:
    newest = several([2] * MOST_RUNS)
    older = [past(50, ago=1000 + number) for number in range(20)]
    found = families.runtimes([*older, *newest])
    assert found is not None
    assert (found.p90, found.runs) == (2 * HOUR, MOST_RUNS)


def test_the_error_is_how_far_actual_dollars_went_above_the_forecast() -> None:
    runs = [past(1, ago=n, expected="100", actual=str(actual)) for n, actual in enumerate([80, 90, 130], start=1)]
    assert families.error_p90(runs) == Decimal("1.3")


@pytest.mark.parametrize("facts", [{"expected": None}, {"actual": None}, {"expected": "0"}, {"finished": False}])
def test_runs_without_both_numbers_are_in_no_error(facts: dict[str, object]) -> None:
    assert families.error_p90(several([1] * 5, **facts)) is None
    assert families.error_p90([*several([1] * 5, **facts), *several([1] * 3)]) == Decimal("0.8")


def test_what_runs_of_a_family_cost_is_their_median_and_p90() -> None:
    runs = [past(1, ago=n, actual=str(10 * n)) for n in range(1, 11)]
    assert families.costs(runs) == (Decimal(50), Decimal(90), 10)
    assert families.costs(runs[: FEWEST_RUNS - 1]) is None
