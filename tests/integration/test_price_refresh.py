"""The daily refresh of the price book through its handler, over the embedded AWS: what is read, kept, and said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from costwatch import names
from costwatch.adapters.ledger import Stamp
from costwatch.adapters.memory_table import MemoryTable
from costwatch.adapters.price_list import PriceList
from costwatch.adapters.price_store import KEPT_FOR, KeptBook, PriceStore, packed, unpacked
from costwatch.adapters.spot_prices import SpotHistory, SpotPrices
from costwatch.core.price_book import PriceBook, PriceKind, empty_book, with_rates, with_spot
from costwatch.core.prices import Trust, VolumeUse
from costwatch.core.spot_quantiles import PriceChange
from costwatch.errors import AwsError, PermanentAwsError, RefusedError, TransientAwsError, UnreadableRow
from costwatch.procedures.refresh_prices import PriceSources, refresh_copy
from demo.embedded.price_list_like_aws import REGIONS, PriceListLikeAws, catalogue, instance, job
from tests.support import policies
from tests.support.builders import HOUR, NOW
from tests.support.embedded import OWNER, Account

HOME, ABROAD = "us-east-1", "eu-central-1"
DAY = timedelta(days=1)
TAGS = {"Purpose": "training", "owner": OWNER}
PARTS = 7
"""Of a region: three kinds of instance, three of storage, spot."""


@pytest.fixture
def account(running: Account) -> Iterator[Account]:
    running.reset(NOW)
    running.document = policies.document(regions=[HOME, ABROAD])
    yield running
    assert running.aws.errors == []


def book_of(account: Account) -> PriceBook:
    found = account.prices_wiring().price_store.load()
    assert found is not None
    return found


def days(account: Account) -> dict[tuple[str, str], str]:
    return {(kind, region): day.isoformat() for kind, region, day in book_of(account).parts()}


def metrics(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{") and '"_aws"' in line]


def asked(**detail: Any) -> dict[str, Any]:
    told = {"regions": [], "types": [], "requested_by": "arn:aws:sts::1:assumed-role/x/maria", **detail}
    return {"source": names.SOURCE_CLI, "detail-type": names.DETAIL_PRICES_REQUESTED, "detail": told}


# --- what is read --------------------------------------------------------------------------------------------------


def test_a_refresh_reads_every_kind_of_price_in_every_configured_region(account: Account) -> None:
    answer = account.refresh_prices()
    assert (answer["failures"], answer["parts_read"], answer["age_hours"]) == ([], 2 * PARTS, 0)
    book = book_of(account)
    today = NOW.date()
    assert book.price(PriceKind.EC2, HOME, "p4d.24xlarge") == (Decimal("21.957642"), today)
    assert book.price(PriceKind.TRAINING, HOME, "ml.p4d.24xlarge") == (Decimal("25.251286"), today)
    assert book.price(PriceKind.PROCESSING, ABROAD, "ml.g5.xlarge") == (Decimal("1.76"), today)
    assert book.price(PriceKind.EC2_VOLUME, HOME, "gp3") == (Decimal("0.08"), today)
    assert book.price(PriceKind.TRAINING_VOLUME, HOME, "gp2") == (Decimal("0.14"), today)
    spot = book.spot(HOME, "p4d.24xlarge", "us-east-1b")
    assert spot is not None
    assert Decimal("21.957642") * Decimal("0.3") < spot.p50_usd <= spot.p90_usd < Decimal("21.957642")
    assert spot.days == 14


def test_the_sweep_decides_by_the_refreshed_book_and_by_the_seed_before(account: Account) -> None:
    before = account.wiring().prices(NOW).training_hourly_rate("ml.p4d.24xlarge", HOME)
    account.refresh_prices()
    prices = account.wiring().prices(NOW)
    after = prices.training_hourly_rate("ml.p4d.24xlarge", HOME)
    assert before is not None
    assert after is not None
    assert (before.trust, after.trust) == (Trust.SEED, Trust.FRESH)
    volume = prices.volume_rate(VolumeUse.EC2, "gp3", HOME)
    assert volume is not None
    assert volume.gb_month_usd == Decimal("0.08")


def test_types_that_run_are_priced_too_and_stay_priced_when_they_have_ended(account: Account) -> None:
    instance_id = account.fleet.instance(type="m5.xlarge", tags=TAGS, launched_at=NOW - HOUR)
    account.refresh_prices()
    assert book_of(account).price(PriceKind.EC2, HOME, "m5.xlarge") is None
    account.sweep(account.wiring())
    account.refresh_prices()
    assert book_of(account).price(PriceKind.EC2, HOME, "m5.xlarge") == (Decimal("0.192"), NOW.date())
    assert book_of(account).price(PriceKind.EC2, ABROAD, "m5.xlarge") is None  # it runs at home only
    account.fleet.end_instance(instance_id, NOW)
    account.sweep(account.wiring())
    account.refresh_prices()
    assert book_of(account).price(PriceKind.EC2, HOME, "m5.xlarge") is not None


def test_an_accelerated_type_that_runs_is_priced_whatever_family_the_list_puts_it_in(account: Account) -> None:
    account.aws.world.price_list().rows.append(instance(HOME, "p9.48xlarge", "99", "Quantum instance"))
    account.refresh_prices()
    assert book_of(account).price(PriceKind.EC2, HOME, "p9.48xlarge") is None
    account.refresh_prices(event=asked(types=["p9.48xlarge"]))
    assert book_of(account).price(PriceKind.EC2, HOME, "p9.48xlarge") == (Decimal(99), NOW.date())


def test_a_person_names_regions_and_types(account: Account) -> None:
    answer = account.refresh_prices(event=asked(regions=[HOME], types=["c5.9xlarge"]))
    assert (answer["regions"], answer["parts_read"]) == ([HOME], PARTS)
    assert book_of(account).price(PriceKind.EC2, HOME, "c5.9xlarge") == (Decimal("1.53"), NOW.date())


def test_a_region_that_is_not_configured_is_refused(account: Account) -> None:
    with pytest.raises(RefusedError, match="sa-east-1"):
        account.refresh_prices(event=asked(regions=["sa-east-1"]))


def test_an_event_that_is_none_of_its_own_is_refused_into_the_queue(account: Account) -> None:
    answer = account.refresh_prices(event={"source": "aws.ec2"})
    (kept,) = account.refused()
    assert json.loads(kept)["reason"] == answer["refused"]
    assert json.loads(kept)["function"] == "prices"


# --- what fails ----------------------------------------------------------------------------------------------------


def test_a_region_that_fails_keeps_its_day_and_the_others_go_on(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.refresh_prices()
    account.clock.now = NOW + DAY
    fault = account.aws.faults.fail(
        "pricing",
        "GetProducts",
        "AccessDeniedException",
        times=None,
        when=lambda call: any(each["Value"] == ABROAD for each in call.parameters["Filters"]),
    )
    capsys.readouterr()
    answer = account.refresh_prices()
    fault.clear()
    assert len(answer["failures"]) == 4
    assert all(ABROAD in each["where"] for each in answer["failures"])
    kept = days(account)
    assert kept["ec2", HOME] == kept["spot", ABROAD] == (NOW + DAY).date().isoformat()
    assert kept["ec2", ABROAD] == kept["training-volume", ABROAD] == NOW.date().isoformat()
    assert answer["age_hours"] == 24
    assert metrics(capsys.readouterr().out) == [], "the sweep tells the age, whether a refresh runs or not"


def test_a_price_list_that_cannot_be_reached_leaves_the_book_with_its_days(account: Account) -> None:
    account.refresh_prices()
    before = book_of(account)
    account.clock.now = NOW + 2 * DAY
    account.aws.faults.fail("pricing", None, "AccessDeniedException", times=None)
    account.aws.faults.fail("ec2", "DescribeSpotPriceHistory", "UnauthorizedOperation", times=None)
    answer = account.refresh_prices()
    assert (answer["parts_read"], len(answer["failures"])) == (0, 10)
    assert book_of(account).document["rates"] == before.document["rates"]
    assert set(days(account).values()) == {NOW.date().isoformat()}
    assert answer["age_hours"] == 48


def test_a_first_refresh_that_reads_nothing_makes_a_book_that_gets_older(account: Account) -> None:
    account.aws.faults.fail("pricing", None, "AccessDeniedException", times=None)
    account.aws.faults.fail("ec2", "DescribeSpotPriceHistory", "UnauthorizedOperation", times=None)
    account.refresh_prices()
    account.clock.now = NOW + 3 * DAY
    assert account.refresh_prices()["age_hours"] == 72


def test_throttling_that_passes_is_outwaited(account: Account) -> None:
    fault = account.aws.faults.fail("pricing", "GetProducts", "ThrottlingException", times=2)
    assert account.refresh_prices()["failures"] == []
    assert fault.hits == 2


def test_one_unpriceable_type_stops_neither_the_others_nor_its_own_other_prices(account: Account) -> None:
    rows = account.aws.world.price_list().rows
    rows.append(instance(HOME, "g5.xlarge", "9", operation="other"))
    answer = account.refresh_prices()
    assert answer["failures"] == []
    assert any(each.startswith(f"g5.xlarge in {HOME} has 2 prices") for each in answer["problems"])
    book = book_of(account)
    assert book.price(PriceKind.EC2, HOME, "g5.xlarge") is None
    assert book.price(PriceKind.EC2, HOME, "g5.2xlarge") is not None
    assert book.price(PriceKind.TRAINING, HOME, "ml.g5.xlarge") is not None


def test_a_region_that_left_the_configuration_leaves_the_book(account: Account) -> None:
    account.refresh_prices()
    account.document = policies.document(regions=[HOME])
    account.clock.now = NOW + 4 * DAY
    assert account.refresh_prices()["age_hours"] == 0
    assert {region for _, region, _ in book_of(account).parts()} == {HOME}


def test_with_no_time_left_nothing_more_is_begun_and_what_was_read_is_kept() -> None:
    left = iter([300.0, 300.0, 10.0, 10.0, 10.0])
    client = PriceListLikeAws(catalogue([HOME]))
    sources = PriceSources(PriceList(client), lambda _: pytest.fail("no time for spot"), lambda: next(left))
    book, report = refresh_copy(sources, None, regions=[HOME], types=(), now=NOW)
    assert (report.parts, [failure.retry for failure in report.failures]) == (3, [True, True, True])
    assert book.price(PriceKind.EC2, HOME, "g5.xlarge") is not None


# --- answers that nobody should believe ------------------------------------------------------------------------------


def test_an_empty_price_list_replaces_no_part_and_the_book_gets_older(account: Account) -> None:
    account.refresh_prices()
    before = book_of(account)
    account.aws.world.price_list().rows.clear()
    account.clock.now = NOW + DAY
    answer = account.refresh_prices()
    assert book_of(account).document["rates"] == before.document["rates"]
    wheres = {each["where"] for each in answer["failures"]}
    assert wheres == {f"{kind.value} prices in {region}" for kind in PriceKind for region in (HOME, ABROAD)}
    assert "the list has 0 prices where the book has" in answer["failures"][0]["reason"]
    assert (answer["parts_read"], answer["age_hours"]) == (2, 24)
    assert days(account)["spot", HOME] == (NOW + DAY).date().isoformat()


@pytest.mark.parametrize(
    ("had", "left", "is_taken"),
    [
        (10, 5, True), (10, 4, False), (5, 3, True), (5, 2, False), (4, 2, True), (4, 1, False), (4, 0, False),
        (3, 1, True), (2, 1, True), (3, 0, False), (1, 0, False), (4, 9, True), (0, 9, True),
    ],
)  # fmt: skip
def test_a_list_with_fewer_than_half_of_the_names_is_not_taken_and_exactly_half_is(
    had: int, left: int, is_taken: bool
) -> None:
    def rates(number: int) -> dict[str, str]:
        return {f"ml.x{n}.large": "1" for n in range(number)}

    before = with_rates(empty_book(NOW), PriceKind.TRAINING, HOME, rates(had), NOW)
    rows = [job(HOME, name, "2") for name in rates(left)]
    sources = PriceSources(PriceList(PriceListLikeAws(rows)), lambda _region: SpotPrices(History()))
    book, report = refresh_copy(sources, before, regions=[HOME], types=(), now=NOW + DAY)
    expected = dict.fromkeys(rates(left), "2") if is_taken else rates(had)
    day = (NOW + DAY if is_taken else NOW).date().isoformat()
    assert book.document["rates"]["training"][HOME] == {day: expected}
    assert [each.where for each in report.failures] == ([] if is_taken else [f"training prices in {HOME}"])
    assert report.age == (timedelta(0) if is_taken else DAY)


# --- the sweep's metric ----------------------------------------------------------------------------------------------


def test_the_sweep_prints_the_age_of_the_book_though_no_refresh_runs_any_more(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.refresh_prices()
    for later, expected in ((3 * DAY, 72.0), (3 * DAY + timedelta(seconds=1), 72.0003)):
        account.clock.now = NOW + later
        capsys.readouterr()
        account.sweep(account.wiring())
        (line,) = metrics(capsys.readouterr().out)
        assert line["PriceBookAgeHours"] == expected


def test_without_any_book_the_age_counts_from_the_first_sweep_that_missed_it(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    ages = []
    for later in (0, 30, 80):
        account.clock.now = NOW + later * HOUR
        capsys.readouterr()
        account.sweep(account.wiring())
        (line,) = metrics(capsys.readouterr().out)
        ages.append(line["PriceBookAgeHours"])
    assert ages == [0, 30, 80]


def test_a_book_that_cannot_be_read_stops_no_sweep_and_the_sweep_is_counted(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.aws.faults.fail(
        "dynamodb",
        "GetItem",
        "AccessDeniedException",
        times=None,
        when=lambda call: call.parameters["Key"]["pk"]["S"] in ("prices", "seen#deployed"),
    )
    assert account.sweep(account.wiring())["failures"] == []
    (line,) = metrics(capsys.readouterr().out)
    assert line["BurnUsdPerHour"] == 0
    assert "PriceBookAgeHours" not in line


# --- calls -----------------------------------------------------------------------------------------------------------


class RealSized:
    """A client of a price list with as many types as AWS has, and a history that goes on and on."""

    def __init__(self, regions: list[str]) -> None:
        rows = catalogue(regions)
        for region in regions:
            rows += [instance(region, f"g{n}.{size}xlarge", "1.5") for n in range(10, 22) for size in range(1, 9)]
            for component in ("Training", "Processing"):
                rows += [
                    job(region, f"ml.c{n}.{size}xlarge", "2", component) for n in range(20) for size in range(1, 11)
                ]
        self.price_list = PriceListLikeAws(rows)
        self.spot_calls = 0

    def describe_spot_price_history(self, **request: Any) -> dict[str, Any]:
        self.spot_calls += 1
        page = int(request.get("NextToken", 0))
        types = request["Filters"][0]["Values"]
        rows = [
            {
                "InstanceType": types[n % len(types)],
                "AvailabilityZone": f"zone-{n % 6}",
                "SpotPrice": f"0.{n % 9 + 1}",
                "Timestamp": request["EndTime"] - timedelta(minutes=page * 1000 + n),
            }
            for n in range(1000)
        ]
        return {"SpotPriceHistory": rows, "NextToken": str(page + 1)}


def test_a_refresh_of_ten_regions_stays_under_200_calls_and_its_book_fits_into_one_row() -> None:
    regions = list(REGIONS)[:10]
    aws = RealSized(regions)
    sources = PriceSources(PriceList(aws.price_list), lambda _region: SpotPrices(aws))
    seen = [f"m{n}.{size}xlarge" for n in range(5, 8) for size in (1, 2, 4, 8)]
    book, report = refresh_copy(sources, None, regions=regions, types=seen, now=NOW)
    assert report.failures == []
    assert len(book.types(PriceKind.EC2, HOME)) > 100
    assert len(book.types(PriceKind.TRAINING, HOME)) > 200
    assert report.calls == len(aws.price_list.calls) + aws.spot_calls
    ledger_calls = 2 * len(regions) + 3
    print(f"{report.calls} calls for 10 regions, {ledger_calls} of the ledger, {len(packed(book)):,} bytes")  # noqa: T201
    assert report.calls + ledger_calls < 200
    assert len(packed(book)) < 380 * 1024


# --- spot ------------------------------------------------------------------------------------------------------------


class History:
    """A client that answers with given rows, in pages of two."""

    def __init__(self, *rows: tuple[float, str]) -> None:
        """Hours before the end, and the price."""
        self.rows = rows

    def describe_spot_price_history(self, **request: Any) -> dict[str, Any]:
        start = int(request.get("NextToken", 0))
        rows = [
            {
                "InstanceType": "g5.xlarge",
                "AvailabilityZone": "us-east-1a",
                "SpotPrice": usd,
                "Timestamp": NOW - timedelta(hours=hours),
            }
            for hours, usd in self.rows[start : start + 2]
        ]
        return {"SpotPriceHistory": rows, "NextToken": str(start + 2) if start + 2 < len(self.rows) else ""}


def history(*rows: tuple[float, str], most_pages: int = 9) -> SpotHistory:
    return SpotPrices(History(*rows)).history(["g5.xlarge"], NOW - 14 * DAY, NOW, most_pages=most_pages)


def test_a_history_that_fits_is_whole() -> None:
    found = history((1, "0.5"), (30, "0.4"), (400, "0.3"))
    assert (found.begins, found.problem) == (NOW - 14 * DAY, "")
    assert len(found.changes["us-east-1a", "g5.xlarge"]) == 3


def test_a_history_that_is_cut_is_whole_from_its_oldest_row_on_and_says_so() -> None:
    found = history((1, "0.5"), (48, "0.4"), (400, "0.3"), most_pages=1)
    assert found.begins == NOW - 2 * DAY
    assert found.problem == "1 pages reach back 2.0 days only"


def test_exactly_a_day_of_history_is_enough_and_less_is_unknown() -> None:
    assert history((1, "0.5"), (24, "0.4"), (400, "0.3"), most_pages=1).changes
    assert not history((1, "0.5"), (23.9, "0.4"), (400, "0.3"), most_pages=1).changes


def test_a_cut_history_that_begins_with_the_oldest_says_nothing_about_today() -> None:
    assert not history((300, "0.5"), (200, "0.4"), (100, "0.3"), most_pages=1).changes


def test_a_spot_price_of_zero_is_none() -> None:
    found = history((1, "0.000000"), (30, "0.4"))
    assert found.changes["us-east-1a", "g5.xlarge"] == [PriceChange(NOW - timedelta(hours=30), Decimal("0.4"))]


# --- the store -------------------------------------------------------------------------------------------------------


STAMP = Stamp("digest", "commit")


def stored(table: MemoryTable, usd: str = "1.006") -> PriceBook:
    change = lambda book: with_rates(book, PriceKind.EC2, HOME, {"g5.xlarge": usd}, NOW)  # noqa: E731
    return PriceStore(table, STAMP).update(change, NOW)[0]


def test_a_book_that_was_written_is_read_back_as_it_was() -> None:
    table = MemoryTable()
    assert PriceStore(table, STAMP).load() is None
    assert PriceStore(table, STAMP).load() != stored(table)
    assert PriceStore(table, STAMP).load() == stored(table)


def test_packing_a_book_and_unpacking_it_changes_nothing() -> None:
    book = with_spot(empty_book(NOW), HOME, {"us-east-1a": {"g5.xlarge": ("0.4", "0.5", 3)}}, days=14, now=NOW)
    assert packed(unpacked(packed(book))) == packed(book)


def test_a_book_that_one_row_cannot_take_is_refused_and_the_old_one_stays() -> None:
    table = MemoryTable()
    before = stored(table)
    random = {f"x{n}.large": f"{(n * 7919) ** 5}" for n in range(40_000)}
    with pytest.raises(PermanentAwsError, match=r"the price book has \d+,\d+ bytes"):
        PriceStore(table, STAMP).update(lambda book: with_rates(book, PriceKind.EC2, HOME, random, NOW), NOW)
    assert PriceStore(table, STAMP).load() == before


@pytest.mark.parametrize("body", [b"", b"no gzip", packed(PriceBook({"format": 2})), 5, None])
def test_a_book_of_another_format_is_not_read_and_is_written_anew(body: Any) -> None:
    table = MemoryTable()
    table.items["prices", "book"] = {"pk": "prices", "sk": "book", "version": 4, "body": body}
    with pytest.raises(UnreadableRow):
        PriceStore(table, STAMP).load()
    stored(table)
    assert PriceStore(table, STAMP).load() is not None


def test_two_refreshes_at_once_lose_neither_ones_parts() -> None:
    table = MemoryTable()
    meanwhile = [True]

    def change(book: PriceBook) -> PriceBook:
        if meanwhile:
            meanwhile.clear()
            stored(table)
        return with_rates(book, PriceKind.TRAINING, HOME, {"ml.g5.xlarge": "1.408"}, NOW)

    book, _ = PriceStore(table, STAMP).update(change, NOW)
    assert book.types() == {"g5.xlarge", "ml.g5.xlarge"}


def kept(table: MemoryTable, log: list[str] | None = None) -> tuple[KeptBook, list[int]]:
    reads: list[int] = []

    class Watched(MemoryTable):
        def get(self, key: Any) -> Any:
            reads.append(1)
            return table.get(key)

    told = log if log is not None else []
    return KeptBook(PriceStore(Watched(), STAMP), lambda message, _fields: told.append(message)), reads


def test_a_process_reads_the_book_once_and_again_when_its_copy_is_older_than_six_hours() -> None:
    table = MemoryTable()
    stored(table)
    book, reads = kept(table)
    for at in (NOW, NOW + HOUR, NOW + KEPT_FOR):
        assert book.at(at) is not None
    assert len(reads) == 1
    book.at(NOW + KEPT_FOR + timedelta(seconds=1))
    assert len(reads) == 2


def test_where_there_is_no_book_or_an_old_one_it_is_looked_for_more_often() -> None:
    table = MemoryTable()
    book, reads = kept(table)
    assert book.at(NOW) is None
    stored(table)
    assert book.at(NOW + timedelta(minutes=11)) is not None
    assert len(reads) == 2


def test_a_read_that_fails_leaves_the_copy_of_before_and_says_so() -> None:
    table, log = MemoryTable(), list[str]()
    before = stored(table)
    book, _ = kept(table, log)
    book.at(NOW)

    def fail(_key: Any) -> Any:
        raise TransientAwsError("dynamodb:GetItem: throttled")

    table.get = fail  # type: ignore[method-assign,assignment]
    assert book.at(NOW + DAY) == before
    assert log == ["price book was not read, the last copy or the seed is used"]


def test_an_unreadable_book_is_no_book_and_says_so() -> None:
    table, log = MemoryTable(), list[str]()
    table.items["prices", "book"] = {"pk": "prices", "sk": "book", "body": b"?"}
    book, _ = kept(table, log)
    assert book.at(NOW) is None
    assert log == ["price book cannot be read, the seed prices are used"]


def test_a_book_that_others_change_each_time_is_an_error() -> None:
    table = MemoryTable()

    def always(book: PriceBook) -> PriceBook:
        stored(table)
        return book

    with pytest.raises(AwsError, match="changed by others"):
        PriceStore(table, STAMP).update(always, NOW)
