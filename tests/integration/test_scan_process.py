"""costwatch scan as README has it: a process of its own, no option, over all regions that the embedded AWS lists."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from costwatch.adapters.prices import SeedPrices
from costwatch.config.loader import load
from costwatch.core.policy import Policy
from demo.embedded import EmbeddedAws

EAST, WEST, FAR = "us-east-1", "us-west-2", "eu-west-1"
INSTANCES = 2000


def seed(aws: EmbeddedAws) -> Decimal:
    """2,000 instances in three regions: a quarter alone, a quarter in runs of 50, half in groups of 100.

    Returns what they burn, USD an hour. Most are young, so that termination protection is asked about few: each
    question is a call of its own.
    """
    prices, total, now = SeedPrices(), Decimal(0), datetime.now(UTC)
    for number in range(INSTANCES):
        region, kind = (EAST, WEST, FAR)[number % 3], "p4d.24xlarge" if number % 10 == 0 else "g5.xlarge"
        tags = {"Purpose": "ml-training", "owner": f"person-{number % 40}@example.com"}
        if 500 <= number < 1000:
            tags["costwatch:run"] = f"run-{number // 150}"
        elif number >= 1000:
            tags["aws:autoscaling:groupName"] = f"group-{number // 100}"
        age = timedelta(hours=14 if number % 50 == 0 else 2)
        aws.fleet.instance(type=kind, region=region, tags=tags, launched_at=now - age)
        rate = prices.ec2_hourly_rate(kind, region)
        assert rate is not None
        total += rate.hourly_rate_usd
    return total


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=lambda: datetime.now(UTC)) as made:
        yield made


def scan(aws: EmbeddedAws, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-m", "costwatch.cli", "scan", *arguments],
        env={**environ, **aws.environment()},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def scanned(aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Decimal, Path]:
    """The document, what the instances burn, and the configuration that was written."""
    written = tmp_path_factory.mktemp("scan") / "mine.yaml"
    total = seed(aws)
    result = scan(aws, "--json", "--write", str(written))
    assert result.returncode == 0, result.stderr
    assert aws.errors == []
    return json.loads(result.stdout), total, written


def test_two_thousand_instances_are_found_in_the_regions_that_have_them(
    scanned: tuple[dict[str, Any], Decimal, Path],
) -> None:
    body, total, _written = scanned
    ids = [member["id"] for line in body["lines"] for member in line["members"]]
    assert (len(ids), len(set(ids))) == (INSTANCES, INSTANCES)
    assert {line["region"] for line in body["lines"]} == {EAST, WEST, FAR}
    assert body["total"]["hourly_rate_usd"] == f"{total:.2f}"
    assert {line["finding"] for line in body["lines"]} == {"stop", "hold", "keep"}


def test_every_region_of_the_partition_is_read_and_no_other_is_a_failure(
    aws: EmbeddedAws, scanned: tuple[dict[str, Any], Decimal, Path]
) -> None:
    body, _total, _written = scanned
    listed = {
        each["RegionName"]: each["OptInStatus"]
        for each in aws.client("ec2").describe_regions(AllRegions=True)["Regions"]
    }
    foreign = {name for name in listed if name.startswith(("cn-", "us-gov-"))}
    assert foreign, "the embedded AWS lists regions of other partitions, which no real one does"
    assert set(body["regions_of_another_partition"]) == foreign
    off = {name for name, status in listed.items() if status == "not-opted-in"} - foreign
    assert set(body["regions_not_enabled"]) == off
    assert set(body["regions"]) == set(listed) - foreign - off
    assert body["not_read"] == []


def test_the_fitted_configuration_of_it_is_accepted(scanned: tuple[dict[str, Any], Decimal, Path]) -> None:
    _body, _total, written = scanned
    loaded = load(written)
    assert loaded.warnings == ()
    assert set(Policy.from_document(loaded.policy_document).regions) == {EAST, WEST, FAR}
