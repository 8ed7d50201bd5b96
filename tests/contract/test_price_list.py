"""The price list's adapter against an endpoint that answers as AWS does, traps included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from costwatch.adapters import price_list
from costwatch.adapters.price_list import Listed, PriceList
from costwatch.core.price_book import PriceKind
from costwatch.errors import PermanentAwsError, TransientAwsError
from demo.embedded import EmbeddedAws
from demo.embedded.price_list_like_aws import (
    EC2_USD,
    PriceListLikeAws,
    Refused,
    Row,
    catalogue,
    instance,
    job,
    volume,
)

HOME = "us-east-1"
EC2, TRAINING, PROCESSING = PriceKind.EC2, PriceKind.TRAINING, PriceKind.PROCESSING


class Client:
    """The endpoint without the wire: what it refuses is botocore's error."""

    def __init__(self, *more: Row, rows: list[Row] | None = None) -> None:
        self.server = PriceListLikeAws([*(catalogue([HOME]) if rows is None else rows), *more])

    def get_products(self, **request: Any) -> dict[str, Any]:
        try:
            return self.server.get_products(**request)
        except Refused as refused:
            error = {"Error": {"Code": refused.code, "Message": str(refused)}}
            raise ClientError(error, "GetProducts") from refused  # type: ignore[arg-type]


def listed(*more: Row, types: tuple[str, ...] = ()) -> Listed:
    return PriceList(Client(*more)).ec2(HOME, types)


# --- prices --------------------------------------------------------------------------------------------------------


def test_every_accelerated_type_has_its_own_on_demand_price_and_others_only_by_name() -> None:
    found = listed(types=("m5.xlarge",))
    expected = {name: usd for name, (usd, family) in EC2_USD.items() if family in price_list.ACCELERATED}
    expected |= {"g4dn.metal": "7.824", "m5.xlarge": "0.192", "trn1.32xlarge": "21.5"}
    assert found.rates == expected
    assert found.rates["p4d.24xlarge"] == "21.957642"


def test_training_and_processing_are_not_derived_from_ec2_or_from_each_other() -> None:
    found = PriceList(Client()).sagemaker(HOME)
    training, processing = found[TRAINING].rates, found[PROCESSING].rates
    assert (training["ml.p4d.24xlarge"], training["ml.g5.xlarge"]) == ("25.251286", "1.408")
    assert (training["ml.g6.xlarge"], processing["ml.g6.xlarge"]) == ("1.127", "1.1267")
    assert "ml.p4d.24xlarge" not in processing
    uplifts = {float(training[f"ml.{each}"]) / float(EC2_USD[each][0]) for each in ("p4d.24xlarge", "g5.xlarge")}
    assert len({round(uplift, 2) for uplift in uplifts}) == 2


def test_storage_is_priced_by_kind_and_by_who_uses_it() -> None:
    client = Client()
    assert PriceList(client).volumes(HOME).rates["gp3"] == "0.08"
    assert set(PriceList(client).volumes(HOME).rates) == set(price_list.VOLUMES)
    found = PriceList(client).sagemaker_volumes(HOME)
    assert found[PriceKind.TRAINING_VOLUME].rates == {"gp2": "0.14"}
    assert found[PriceKind.PROCESSING_VOLUME].rates == {"gp2": "0.1"}


def test_storage_that_is_not_listed_is_unknown_and_said() -> None:
    found = PriceList(Client(rows=[])).sagemaker_volumes(HOME)
    assert found[PriceKind.TRAINING_VOLUME] == Listed({}, (f"no price of training volume storage (gp2) in {HOME}",))


def test_a_type_that_was_asked_for_and_is_not_listed_is_said_and_stops_nobody() -> None:
    found = listed(types=("m5.xlarge", "x9.large"))
    assert found.rates["m5.xlarge"] == "0.192"
    assert f"x9.large has no on-demand Linux price in {HOME}" in found.problems


# --- traps: each comes in by one filter less -----------------------------------------------------------------------

TRAPS = {
    "marketoption": "p5.48xlarge",
    "tenancy": "g5.xlarge",
    "operatingSystem": "g4dn.xlarge",
    "preInstalledSw": "g5.2xlarge",
    "capacitystatus": "p4d.24xlarge",
    "licenseModel": "g6.xlarge",
}


def test_every_filter_keeps_a_trap_out() -> None:
    assert set(TRAPS) == set(price_list.EC2_FILTERS)
    found = listed()
    assert all(instance_type in found.rates for instance_type in TRAPS.values())
    assert not any("prices and none is taken" in problem for problem in found.problems)


@pytest.mark.parametrize(("name", "instance_type"), TRAPS.items())
def test_without_a_filter_its_trap_makes_two_prices_of_one(
    name: str, instance_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = len(listed().rates)
    others = {each: value for each, value in price_list.EC2_FILTERS.items() if each != name}
    monkeypatch.setattr(price_list, "EC2_FILTERS", others)
    found = listed()
    assert instance_type not in found.rates
    assert any(problem.startswith(f"{instance_type} in {HOME} has ") for problem in found.problems)
    assert len(found.rates) == everything - 1  # the others have their prices


def test_a_price_of_zero_is_no_price_even_where_it_stands_alone() -> None:
    found = listed(instance(HOME, "p9.large", "0"))
    assert "p9.large" not in found.rates
    assert any("p9.large in us-east-1 is unknown" in each and "which is no price" in each for each in found.problems)


def test_hosting_and_notebooks_are_no_training_and_who_uses_a_type_is_no_part_of_its_name() -> None:
    found = PriceList(Client()).sagemaker(HOME)
    assert found[TRAINING].rates["ml.g5.xlarge"] == "1.408"
    assert found[TRAINING].rates["ml.trn1.32xlarge"] == "24.725"
    assert not any("-" in name.partition(".")[2] for each in found.values() for name in each.rates)


def test_a_training_plan_is_not_the_price_of_training() -> None:
    found = PriceList(Client()).sagemaker(HOME)[TRAINING]
    assert (found.rates["ml.p5.48xlarge"], found.problems) == ("63.296", ())


def test_other_charges_of_a_volume_are_not_its_price_for_a_gb() -> None:
    assert PriceList(Client()).volumes(HOME).problems == ()


def test_a_row_without_a_name_is_left_out_and_said() -> None:
    (problem,) = listed().problems
    assert problem.endswith("(BoxUsage:) in us-east-1 is left out: it names no instanceType")


def test_two_rows_left_are_an_error_that_names_both_and_the_others_have_their_prices() -> None:
    second = instance(HOME, "g5.xlarge", "1.2", operation="RunInstances:0099", usagetype="BoxUsage2:g5.xlarge")
    found = listed(second)
    assert "g5.xlarge" not in found.rates
    (problem,) = (each for each in found.problems if each.startswith("g5.xlarge"))
    first = instance(HOME, "g5.xlarge", "1.006")
    for row in (first, second):
        assert row["product"]["sku"] in problem
        assert row["product"]["attributes"]["usagetype"] in problem
    assert found.rates["g5.2xlarge"] == "1.212"


def test_two_rows_of_a_training_type_are_an_error_too() -> None:
    found = PriceList(Client(job(HOME, "ml.g5.xlarge", "1.5", operation="other"))).sagemaker(HOME)
    assert "ml.g5.xlarge" not in found[TRAINING].rates
    assert found[PROCESSING].rates["ml.g5.xlarge"] == "1.408"


def test_one_row_with_two_prices_is_two_rows_and_an_error_that_names_it() -> None:
    twice = instance(HOME, "g5.xlarge", "1.2")
    sku = twice["product"]["sku"]
    assert sku == instance(HOME, "g5.xlarge", "1.006")["product"]["sku"]
    found = listed(twice)
    assert "g5.xlarge" not in found.rates
    (problem,) = (each for each in found.problems if each.startswith(f"g5.xlarge in {HOME} has 2 prices"))
    assert (problem.count(sku), "at 1.006" in problem, "at 1.2" in problem) == (2, True, True)
    assert found.rates["g5.2xlarge"] == "1.212"
    training = PriceList(Client(job(HOME, "ml.g5.xlarge", "1.5"))).sagemaker(HOME)[TRAINING]
    assert "ml.g5.xlarge" not in training.rates


def test_the_same_row_twice_is_one_row() -> None:
    assert listed(instance(HOME, "g5.xlarge", "1.006")).rates["g5.xlarge"] == "1.006"


def terms(made: Row) -> dict[str, Any]:
    (term,) = made["terms"]["OnDemand"].values()
    dimensions: dict[str, Any] = term["priceDimensions"]
    return dimensions


def odd(case: str) -> Row:
    made = instance(HOME, "g9.large", "1")
    (rate,) = terms(made)
    dimension = terms(made)[rate]
    match case:
        case "another currency":
            dimension["pricePerUnit"] = {"CNY": "7"}
        case "tiers":
            terms(made)["second"] = dict(dimension)
        case "no term":
            made["terms"] = {"Reserved": {}}
        case "no number":
            dimension["pricePerUnit"] = {"USD": "cheap"}
        case "another unit":
            dimension["unit"] = "Quantity"
        case "no price per unit":
            del dimension["pricePerUnit"]
    return made


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("another currency", "priced in CNY and not in USD"),
        ("tiers", "2 tiers of price"),
        ("no term", "no on-demand price"),
        ("no number", "its price cannot be read"),
        ("another unit", "priced by 'Quantity'"),
        ("no price per unit", "its price cannot be read"),
    ],
)
def test_a_row_that_names_no_one_price_leaves_its_type_unknown_and_the_others_alone(case: str, said: str) -> None:
    found = listed(odd(case))
    assert "g9.large" not in found.rates
    assert any("g9.large" in problem and said in problem for problem in found.problems)
    assert found.rates["g5.xlarge"] == "1.006"


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", '{"product": {}}', '{"product": {"attributes": 1, "sku": "S"}}', 5]
)
def test_a_row_that_cannot_be_read_is_said_and_the_others_are_read(text: Any) -> None:
    class Broken(Client):
        def get_products(self, **request: Any) -> dict[str, Any]:
            answer = super().get_products(**request)
            return {**answer, "PriceList": [text, *answer["PriceList"]]}

    found = PriceList(Broken()).ec2(HOME)
    assert found.rates["g5.xlarge"] == "1.006"
    assert any("cannot be read" in problem for problem in found.problems)


# --- questions -----------------------------------------------------------------------------------------------------


def test_many_types_are_asked_about_in_filters_no_longer_than_the_service_takes() -> None:
    types = tuple(f"c{n}.{size}xlarge" for n in range(20) for size in (4, 8, 12, 16, 24, 48))
    client = Client(*(instance(HOME, each, "1", "Compute optimized") for each in types))
    found = PriceList(client).ec2(HOME, types)
    assert set(types) <= set(found.rates)
    values = [f["Value"] for call in client.server.calls for f in call["Filters"]]
    assert max(len(value) for value in values) <= 1024
    assert len(client.server.calls) <= 5


def test_answers_of_several_pages_are_read_to_the_end() -> None:
    more = [instance(HOME, f"g9.{n}xlarge", "1") for n in range(250)]
    client = Client(*more)
    found = PriceList(client).ec2(HOME)
    assert {f"g9.{n}xlarge" for n in range(250)} <= set(found.rates)
    assert len(client.server.calls) == 3


def test_an_answer_that_never_ends_is_an_error_and_no_endless_loop() -> None:
    class Endless:
        def get_products(self, **_: Any) -> dict[str, Any]:
            return {"PriceList": [], "NextToken": "more"}

    with pytest.raises(PermanentAwsError, match="more than 25 pages"):
        PriceList(Endless()).volumes(HOME)


def test_a_page_that_waited_too_long_is_asked_for_again_from_the_beginning() -> None:
    class Expiring(Client):
        expired = False

        def get_products(self, **request: Any) -> dict[str, Any]:
            if "NextToken" in request and not self.expired:
                self.expired = True
                request["NextToken"] = "bm9uc2Vuc2U="
            return super().get_products(**request)

    client = Expiring(*(instance(HOME, f"g9.{n}xlarge", "1") for n in range(120)))
    assert len(PriceList(client).ec2(HOME).rates) > 120


# --- over the wire -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as aws:
        yield aws
        assert aws.errors == []


@pytest.fixture
def aws(server: EmbeddedAws) -> Iterator[EmbeddedAws]:
    server.reset()
    yield server
    server.reset()


def patient(aws: EmbeddedAws, attempts: int = 3) -> Any:
    """With the retries of the real client."""
    made: Any = aws.client("pricing", config=Config(retries={"mode": "standard", "max_attempts": attempts}))
    return made


def test_rows_come_as_text_in_pages_and_a_token_is_for_its_own_question(aws: EmbeddedAws) -> None:
    client = aws.client("pricing")
    filters = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": HOME}]
    first = client.get_products(ServiceCode="AmazonEC2", Filters=filters, MaxResults=5)
    assert [type(row) for row in first["PriceList"]] == [str] * 5
    with pytest.raises(ClientError, match="InvalidNextTokenException"):
        client.get_products(ServiceCode="AmazonEC2", Filters=[], NextToken=first["NextToken"])


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("TERM_MATCH", "g5.xlarge", {"g5.xlarge"}),
        ("EQUALS", "g5.xlarge", {"g5.xlarge"}),
        ("CONTAINS", "p5", {"p5.48xlarge", "p5en.48xlarge"}),
        ("ANY_OF", "g5.xlarge, g6.xlarge", {"g5.xlarge", "g6.xlarge"}),
    ],
)
def test_every_type_of_filter_is_honoured(aws: EmbeddedAws, kind: str, value: str, expected: set[str]) -> None:
    def filters(field: str, kind: str, value: str) -> Mapping[str, str]:
        return {"Field": field, "Type": kind, "Value": value}

    asked = [filters("regionCode", "TERM_MATCH", HOME), filters("instanceType", kind, value)]
    rows = aws.world.price_list().get_products(ServiceCode="AmazonEC2", Filters=asked)["PriceList"]
    found = {row.partition('"instanceType": "')[2].partition('"')[0] for row in rows}
    assert found == expected


def test_the_real_client_reads_what_the_adapter_asks_for(aws: EmbeddedAws) -> None:
    assert PriceList(patient(aws)).ec2(HOME).rates["p4d.24xlarge"] == "21.957642"
    assert PriceList(patient(aws)).sagemaker("eu-west-1")[TRAINING].rates["ml.g5.xlarge"] == "1.52064"


def test_throttling_that_passes_is_outwaited(aws: EmbeddedAws) -> None:
    aws.faults.fail("pricing", "GetProducts", "ThrottlingException", times=2)
    assert PriceList(patient(aws)).volumes(HOME).rates["gp2"] == "0.1"


def test_throttling_that_stays_is_an_error_that_may_be_tried_again(aws: EmbeddedAws) -> None:
    fault = aws.faults.fail("pricing", "GetProducts", "ThrottlingException", times=None)
    with pytest.raises(TransientAwsError, match="ThrottlingException"):
        PriceList(patient(aws, 2)).volumes(HOME)
    assert fault.hits == 3


def test_a_refusal_is_an_error_that_stays(aws: EmbeddedAws) -> None:
    aws.faults.fail("pricing", "GetProducts", "AccessDeniedException", times=None)
    with pytest.raises(PermanentAwsError, match="AccessDenied"):
        PriceList(patient(aws)).volumes(HOME)


def test_a_lost_connection_is_an_error_that_may_be_tried_again(aws: EmbeddedAws) -> None:
    aws.faults.lose_connection("pricing", "GetProducts", times=None)
    with pytest.raises(TransientAwsError):
        PriceList(patient(aws, 1)).volumes(HOME)


def test_a_volume_kind_with_two_prices_is_unknown() -> None:
    found = PriceList(Client(volume(HOME, "gp3", "0.09", usage="EBS:Other.gp3"))).volumes(HOME)
    assert "gp3" not in found.rates
    assert found.rates["gp2"] == "0.1"
