"""`costwatch prices`: what a type costs by whom, without network or credentials, and how it is read anew."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from costwatch import __version__, names
from costwatch.adapters.ledger import Stamp
from costwatch.adapters.memory_table import MemoryTable
from costwatch.adapters.price_store import PriceStore
from costwatch.cli import price_source
from costwatch.cli.main import main
from costwatch.cli.session import Session, Tools
from costwatch.core.price_book import PriceBook, PriceKind, with_rates
from costwatch.core.prices import Trust
from demo.embedded import EmbeddedAws
from demo.recorder import acting_as
from tests.support.command_line import MARIA, FakeSsm, FakeSts

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 14, 9, 30, tzinfo=UTC)
CONFIG = "version: 1\nregions: [us-east-1, eu-central-1]\nemail: {to: [ops@example.com]}\n"


@dataclass
class Desk:
    """A person with a cache directory, an AWS and, where `ssm` has a body, a deployment."""

    aws: EmbeddedAws
    home: Path
    now: datetime = NOW
    ssm: FakeSsm = field(default_factory=lambda: FakeSsm(None))
    function: Any = None
    table: MemoryTable = field(default_factory=MemoryTable)

    def tools(self) -> Tools:
        clients = {"sts": FakeSts(MARIA), "ssm": self.ssm}
        return Tools(
            environ={"AWS_REGION": "us-east-1", "XDG_CACHE_HOME": str(self.home)},
            clock=lambda: self.now,
            clients=clients | ({"lambda": self.function} if self.function else {}),
            table=self.table,
            boto=self.aws.session(),
        )

    def run(self, *arguments: str) -> Result:
        with acting_as("operator"):
            return CliRunner().invoke(
                main, ["prices", *arguments], obj=self.tools(), env={"COLUMNS": "140", "NO_COLOR": "1"}
            )

    def json(self, *arguments: str, code: int = 0) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def rates(self, instance_type: str, *arguments: str) -> dict[tuple[str, str], tuple[str | None, str]]:
        found = self.json("show", instance_type, *arguments)["prices"]
        return {(each["type"], each["kind"]): (each["usd_per_hour"], each["trust"]) for each in found}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=lambda: NOW) as aws:
        yield aws


@pytest.fixture
def desk(server: EmbeddedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    server.reset()
    monkeypatch.chdir(tmp_path)
    yield Desk(server, tmp_path / "cache")
    assert server.errors == []


# --- show ----------------------------------------------------------------------------------------------------------


def test_without_network_credentials_or_a_copy_the_seed_answers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "costwatch.cli", "prices", "show", "p4d.24xlarge", "--json"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "lambdas"),
            "XDG_CACHE_HOME": str(tmp_path),
            "HOME": str(tmp_path),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = {each["kind"]: (each["usd_per_hour"], each["trust"]) for each in json.loads(done.stdout)["prices"]}
    assert found == {
        "on demand": ("21.957642", "seed"),
        "training": ("25.251286", "seed"),
        "processing": (None, "unknown"),
    }


def test_with_and_without_the_prefix_a_type_is_told_the_same(desk: Desk) -> None:
    assert desk.run("show", "g5.xlarge").output == desk.run("show", "ml.g5.xlarge").output
    rates = desk.rates("ml.g5.xlarge")
    assert rates["g5.xlarge", "on demand"] == ("1.006", "seed")
    assert rates["ml.g5.xlarge", "training"] == ("1.408", "seed")


def test_people_are_told_the_exact_price_its_day_and_who_says_so(desk: Desk) -> None:
    text = desk.run("show", "p4d.24xlarge").output
    assert "$21.957642" in text
    assert "2026-09-10" in text
    assert "seed: AWS Price List (pricing:GetProducts)" in text
    assert "unknown" in text  # its processing price


def test_an_unknown_type_is_exit_code_3_and_a_sentence_with_the_nearest_known_ones(desk: Desk) -> None:
    result = desk.run("show", "p4d.24xlrge")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("costwatch: p4d.24xlrge has no known price; known ones like it: p4d.24xlarge")
    assert desk.json("show", "p4d.24xlrge", code=3)["near"][0] == "p4d.24xlarge"
    assert desk.run("show", "\x1b[31m").stderr.startswith("costwatch: ?[31m has no known price. Unknown")


def test_a_type_that_is_known_elsewhere_only_says_so(desk: Desk) -> None:
    result = desk.run("show", "ml.p5.48xlarge", "--region", "eu-central-2")
    assert result.exit_code == 3
    assert "p5.48xlarge has no known price in eu-central-2; it has one in other regions" in result.stderr


def test_the_configurations_regions_are_shown_or_the_named_one(desk: Desk) -> None:
    Path("costwatch.yaml").write_text(CONFIG, "utf-8")
    both = {each["region"] for each in desk.json("show", "g5.xlarge")["prices"]}
    one = {each["region"] for each in desk.json("show", "g5.xlarge", "--region", "eu-west-1")["prices"]}
    assert (both, one) == ({"us-east-1", "eu-central-1"}, {"eu-west-1"})


BROKEN = f"{CONFIG}prices: {{multipliers: {{ec2: cheap}}}}\n"


@pytest.mark.parametrize(
    "command",
    [
        ["prices", "show", "g5.xlarge"],
        ["estimate", "--service", "ec2", "--instance-type", "g5.xlarge", "--max-runtime", "1h"],
    ],
)
def test_that_the_discounts_of_a_broken_configuration_are_not_used_is_said_with_the_reason(
    desk: Desk, command: list[str]
) -> None:
    def run() -> Result:
        return CliRunner().invoke(main, [*command, "--json"], obj=desk.tools(), env={"COLUMNS": "140", "NO_COLOR": "1"})

    assert run().stderr == ""
    Path("costwatch.yaml").write_text(BROKEN, "utf-8")
    broken = run()
    assert broken.exit_code == 0
    assert broken.stderr.startswith(
        "note: the discounts of costwatch.yaml are not used: costwatch.yaml:4: prices.multipliers.ec2:"
    )
    assert "1.006" in broken.stdout
    Path("costwatch.yaml").write_text(BROKEN.replace("cheap", "0.5"), "utf-8")
    assert run().stderr == ""


# --- refresh without a deployment ------------------------------------------------------------------------------------


def test_without_a_deployment_a_refresh_reads_into_a_local_copy_that_show_then_uses(desk: Desk) -> None:
    report = desk.json("refresh", "--types", "m5.xlarge")
    assert (report["failures"], report["regions"]) == ([], ["us-east-1"])
    assert Path(report["copy"]) == desk.home / "costwatch" / "prices.json.gz"
    rates = desk.rates("p4d.24xlarge")
    assert rates["p4d.24xlarge", "on demand"] == ("21.957642", "fresh")
    assert rates["ml.p4d.24xlarge", "training"] == ("25.251286", "fresh")
    assert rates["p4d.24xlarge", "spot"][1] == "fresh"
    assert desk.rates("m5.xlarge")["m5.xlarge", "on demand"] == ("0.192", "fresh")
    spot = [each for each in desk.json("show", "g5.xlarge")["prices"] if each["kind"] == "spot"]
    assert [each["zone"] for each in spot] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert all(Decimal(each["p50_usd_per_hour"]) <= Decimal(each["p90_usd_per_hour"]) for each in spot)


def test_after_three_days_the_copy_is_stale_and_says_so(desk: Desk) -> None:
    desk.json("refresh")
    desk.now = NOW + timedelta(days=3)
    assert desk.rates("g5.xlarge")["g5.xlarge", "on demand"] == ("1.006", "fresh")
    desk.now = NOW + timedelta(days=4)
    assert desk.rates("g5.xlarge")["g5.xlarge", "on demand"] == ("1.006", "stale")


def test_a_refresh_of_one_region_leaves_the_others_in_the_copy(desk: Desk) -> None:
    desk.json("refresh", "--regions", "us-east-1,eu-west-1")
    desk.now = NOW + timedelta(days=1)
    assert desk.json("refresh", "--regions", "us-east-1")["regions"] == ["us-east-1"]
    days = {
        region: {each["as_of"] for each in desk.json("show", "g5.2xlarge", "--region", region)["prices"]} - {None}
        for region in ("us-east-1", "eu-west-1")
    }
    assert days == {"us-east-1": {"2026-11-15"}, "eu-west-1": {"2026-11-14"}}


def test_parts_that_cannot_be_read_are_said_and_are_exit_code_1(desk: Desk) -> None:
    desk.aws.faults.fail("ec2", "DescribeSpotPriceHistory", "UnauthorizedOperation", times=None)
    result = desk.run("refresh")
    assert result.exit_code == 1
    assert "spot prices in us-east-1 were not read and keep their day" in " ".join(result.stderr.split())
    assert desk.rates("g5.xlarge")["g5.xlarge", "on demand"] == ("1.006", "fresh")


def test_when_nothing_can_be_read_the_copy_of_before_stays(desk: Desk) -> None:
    desk.json("refresh")
    before = (desk.home / "costwatch" / "prices.json.gz").read_bytes()
    desk.aws.faults.fail(None, None, "AccessDeniedException", times=None)
    result = desk.run("refresh")
    assert result.exit_code == 4
    assert "no price could be read" in result.stderr
    assert (desk.home / "costwatch" / "prices.json.gz").read_bytes() == before


def test_a_damaged_copy_is_noted_and_the_seed_answers(desk: Desk) -> None:
    file = desk.home / "costwatch" / "prices.json.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"?")
    result = desk.run("show", "p4d.24xlarge")
    assert result.exit_code == 0
    assert "the local price book is not used" in result.stderr
    assert "seed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--types", "p4d"), "no instance type: p4d"),
        (("--types", ","), "names nothing"),
        (("--regions", "mars"), "mars"),
    ],
)
def test_what_is_no_type_or_region_is_exit_code_2(desk: Desk, arguments: tuple[str, ...], said: str) -> None:
    result = desk.run("refresh", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


# --- with a deployment -----------------------------------------------------------------------------------------------


class PricesFunction:
    """As Lambda runs the deployed function: it writes the book into the ledger's table."""

    def __init__(self, table: MemoryTable) -> None:
        self.table = table
        self.events: list[Mapping[str, Any]] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert (FunctionName, InvocationType) == ("costwatch-prices", "RequestResponse")
        self.events.append(json.loads(Payload))

        def change(book: PriceBook) -> PriceBook:
            return with_rates(book, PriceKind.EC2, "us-east-1", {"g5.xlarge": "1.1"}, NOW)

        PriceStore(self.table, Stamp("digest", "commit")).update(change, NOW)
        answer = {"regions": ["us-east-1"], "parts_read": 1, "prices": 1, "calls": 4, "failures": [], "problems": []}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}


def deployed(desk: Desk, **body: Any) -> PricesFunction:
    desk.ssm.body = {
        "table": "costwatch-ledger",
        "function": "costwatch-deadman",
        "prices_function": "costwatch-prices",
        "policy_digest": "digest",
        "config_commit": "commit",
        "version": __version__,
        "regions": ["us-east-1"],
        **body,
    }
    function = PricesFunction(desk.table)
    desk.function = function
    return function


def test_a_deployed_function_is_asked_and_a_copy_of_its_book_is_kept(desk: Desk) -> None:
    function = deployed(desk)
    text = desk.run("refresh", "--types", "m5.xlarge", "--regions", "us-east-1").stdout
    assert "The function costwatch-prices read 1 prices of us-east-1 in 4 calls." in text
    (event,) = function.events
    assert (event["source"], event["detail-type"]) == (names.SOURCE_CLI, names.DETAIL_PRICES_REQUESTED)
    assert event["detail"] == {"regions": ["us-east-1"], "types": ["m5.xlarge"], "requested_by": MARIA}
    assert desk.rates("g5.xlarge")["g5.xlarge", "on demand"] == ("1.1", "fresh")


def test_local_reads_with_ones_own_credentials_though_something_is_deployed(desk: Desk) -> None:
    function = deployed(desk)
    assert desk.json("refresh", "--local")["by"] == ""
    assert function.events == []
    assert ("prices", "book") not in desk.table.items


def test_a_deployment_without_a_price_book_says_what_to_do(desk: Desk) -> None:
    deployed(desk, prices_function="")
    result = desk.run("refresh")
    assert result.exit_code == 2
    assert "deploy again, or use --local" in result.stderr


def test_the_deployed_book_answers_where_it_is_asked_for(desk: Desk) -> None:
    deployed(desk).invoke(FunctionName="costwatch-prices", InvocationType="RequestResponse", Payload=b"{}")
    assert desk.rates("g5.xlarge")["g5.xlarge", "on demand"] == ("1.006", "seed")
    assert desk.rates("g5.xlarge", "--deployed")["g5.xlarge", "on demand"] == ("1.1", "fresh")


def test_other_commands_get_the_deployed_book_else_the_copy_else_the_seed(desk: Desk) -> None:
    def trust(*, deployed: bool) -> Trust:
        prices = price_source.prices_for(Session(tools=desk.tools()), desk.now, deployed=deployed)
        rate = prices.ec2_hourly_rate("g5.xlarge", "us-east-1")
        assert rate is not None
        return rate.trust

    assert trust(deployed=True) is Trust.SEED  # nothing is deployed, and that is a note
    desk.json("refresh")
    assert trust(deployed=True) is Trust.FRESH
    assert trust(deployed=False) is Trust.FRESH
