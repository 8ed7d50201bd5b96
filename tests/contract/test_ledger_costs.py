"""Forecasts and costs in the ledger, on both tables: what is written is read back to the digit, and is counted once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from costwatch.adapters.job_codec import from_item, to_item
from costwatch.adapters.ledger import Ledger
from costwatch.adapters.table import Put
from costwatch.core import endings
from costwatch.core.estimator import Confidence, InstanceGroup, JobSpec, Volume
from costwatch.core.families import PastRun
from costwatch.core.forecast import Forecast
from costwatch.core.known_jobs import KnownJob
from costwatch.core.model import RunId, RunKind
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.run_cost import Booked, Outcome, Owners, RunCost
from costwatch.errors import UnreadableRow
from tests.support.builders import ACCOUNT, HOUR, NOW, REGION, job, record, run
from tests.support.ledger_steps import LONGEST_TAG, first, held

FORECAST = Forecast(
    made_at=NOW,
    family="churn|pytorch:2.3|ml.p4d.24xlarge",
    expected_usd=Decimal("101.005144"),
    p90_usd=Decimal("252.51286"),
    worst_case_usd=Decimal("606.030864"),
    confidence=Confidence.LIST,
    price_as_of=date(2026, 11, 14),
    runtime=4 * HOUR,
    basis="the median of its last 11 runs",
)
COST = RunCost(
    run_id=RunId(ACCOUNT, REGION, RunKind.TRAINING, "churn-v7"),
    name="churn-v7",
    started_at=NOW - 4 * HOUR,
    ended_at=NOW,
    outcome=Outcome.FINISHED,
    owners=Owners("maria@example.com", "risk", "churn", "churn-bert"),
    family=FORECAST.family,
    capacity=(("ml.p4d.24xlarge", 2),),
    actual_usd=Decimal("88.123456789"),
    basis="billable seconds",
    price_note="2 x ml.p4d.24xlarge, list price (as of 2026-11-14)",
    gpu_hours=Decimal("64"),
    saved_by_spot_usd=Decimal("12.5"),
    forecast=FORECAST,
    step=48_200,
    epoch=Decimal("2.5"),
    selector="sagemaker/training",
)


def test_a_record_keeps_its_forecast_project_and_model(ledger: Ledger) -> None:
    step = first()
    assert step.after is not None
    kept = replace(step.after, forecast=FORECAST, project="churn", model="churn-bert")
    assert ledger.save(replace(step, after=kept, messages=()))
    found = held(ledger)
    assert (found.forecast, found.project, found.model) == (FORECAST, "churn", "churn-bert")


def test_a_forecast_of_unknown_dollars_comes_back_as_unknown(ledger: Ledger) -> None:
    unknown = replace(
        FORECAST, expected_usd=None, p90_usd=None, worst_case_usd=None, confidence=Confidence.UNKNOWN,
        price_as_of=None, runtime=None,
    )  # fmt: skip
    assert ledger.book_cost(replace(COST, forecast=unknown))
    assert ledger.costs(ACCOUNT, NOW.date())[0].forecast == unknown


def test_a_cost_is_read_back_to_the_billionth_of_a_dollar(ledger: Ledger) -> None:
    assert ledger.book_cost(COST)
    assert ledger.costs(ACCOUNT, NOW.date()) == [COST]


def test_a_division_that_never_ends_is_kept_all_the_same(ledger: Ledger) -> None:
    assert ledger.book_cost(replace(COST, actual_usd=Decimal(1) / 3, epoch=Decimal(10) / 3))
    (found,) = ledger.costs(ACCOUNT, NOW.date())
    assert found.actual_usd == Decimal("0.333333333")


def test_what_is_booked_is_booked_once(ledger: Ledger) -> None:
    assert ledger.book_cost(COST)
    assert not ledger.book_cost(replace(COST, actual_usd=Decimal(1)))
    assert [cost.actual_usd for cost in ledger.costs(ACCOUNT, NOW.date())] == [COST.actual_usd]


def test_two_starts_of_one_run_are_two_costs(ledger: Ledger) -> None:
    assert ledger.book_cost(COST)
    assert ledger.book_cost(replace(COST, started_at=NOW - HOUR))
    assert len(ledger.costs(ACCOUNT, NOW.date())) == 2


@pytest.mark.parametrize(("later", "day"), [(timedelta(seconds=-1), 22), (timedelta(0), 23)])
def test_a_cost_stands_on_the_utc_day_on_which_the_run_ended(ledger: Ledger, later: timedelta, day: int) -> None:
    midnight = NOW.replace(hour=0) + timedelta(days=1)
    assert ledger.book_cost(replace(COST, ended_at=midnight + later))
    assert len(ledger.costs(ACCOUNT, date(2026, 11, day))) == 1


def test_a_run_that_is_closed_is_booked_with_the_step_that_closes_it_or_not_at_all(ledger: Ledger) -> None:
    step = replace(first(), messages=())
    assert ledger.save(step)
    known = held(ledger)
    end = endings.ended(known, ended_at=NOW, finished=True, how="gone", now=NOW, cost=COST)
    stale = replace(end, before=replace(known, version=known.version + 1))
    assert not ledger.save(stale)
    assert ledger.costs(ACCOUNT, NOW.date()) == []
    assert ledger.save(end)
    assert ledger.costs(ACCOUNT, NOW.date()) == [COST]


def test_a_family_remembers_its_runs_oldest_first_and_no_other_familys(ledger: Ledger) -> None:
    older = replace(COST, ended_at=NOW - HOUR, started_at=NOW - 5 * HOUR, outcome=Outcome.FAILED)
    other = replace(COST, family="other||x", run_id=replace(COST.run_id, name="other"))
    for cost in (COST, older, other):
        assert ledger.book_cost(cost)
    assert ledger.past_runs(ACCOUNT, FORECAST.family) == [
        PastRun(str(COST.run_id), NOW - HOUR, 4 * HOUR, FORECAST.expected_usd, COST.actual_usd, finished=False),
        PastRun(str(COST.run_id), NOW, 4 * HOUR, FORECAST.expected_usd, COST.actual_usd, finished=True),
    ]


def test_what_never_started_teaches_its_family_nothing(ledger: Ledger) -> None:
    assert ledger.book_cost(replace(COST, started_at=None, actual_usd=Decimal(0)))
    assert ledger.past_runs(ACCOUNT, FORECAST.family) == []


def test_a_family_of_the_longest_tag_fits_the_table(ledger: Ledger) -> None:
    family = "|".join([LONGEST_TAG] * 3)
    assert ledger.book_cost(replace(COST, family=family))
    assert len(ledger.past_runs(ACCOUNT, family)) == 1


def test_how_far_costs_are_booked_is_remembered_for_each_region(ledger: Ledger) -> None:
    booked = Booked(NOW, frozenset({(Service.TRAINING, "churn"), (Service.PROCESSING, "churn")}), frozenset({"warm"}))
    ledger.keep_booked(ACCOUNT, REGION, booked)
    assert (ledger.booked(ACCOUNT, REGION), ledger.booked(ACCOUNT, "eu-west-1")) == (booked, None)


def test_a_job_that_is_known_keeps_its_specification_and_its_image() -> None:
    spec = JobSpec(
        Service.TUNING, REGION, (InstanceGroup("ml.g5.xlarge", 2), InstanceGroup("ml.p4d.24xlarge", 1)), 3 * HOUR,
        purchase=PurchaseOption.SPOT, expected_runtime=HOUR, volume=Volume(50, "gp2"), warm_pool=HOUR, jobs=20,
        parallel=4, total_runtime=24 * HOUR,
    )  # fmt: skip
    known = KnownJob(job(spec=spec, image="pytorch:2.3"), NOW).to_keep()
    assert from_item(to_item(known)).member == replace(known.member, zone="")


def test_a_cost_that_cannot_be_read_is_named_and_the_others_are_read(ledger: Ledger) -> None:
    assert ledger.book_cost(COST)
    assert ledger.book_cost(replace(COST, run_id=replace(COST.run_id, name="churn-v8")))
    table = ledger._table
    (row, _) = table.query(f"cost#deployed#{ACCOUNT}#2026-11-22")
    table.put(Put({**row, "outcome": "vanished"}))
    skipped: list[UnreadableRow] = []
    assert len(ledger.costs(ACCOUNT, NOW.date(), skipped.append)) == 1
    assert len(skipped) == 1


def test_records_of_before_forecasts_were_made_are_read() -> None:
    known = record(run(job()))
    assert (known.forecast, known.project, known.model) == (None, "", "")


@pytest.mark.parametrize(
    "changed", [{"expected_usd": "12.5"}, {"actual_usd": "3"}, {"runtime_seconds": -3600}, {"ended_at": 7}]
)
def test_a_past_run_that_is_odd_is_as_good_as_none(ledger: Ledger, changed: dict[str, object]) -> None:
    for hours in (1, 2):
        assert ledger.book_cost(replace(COST, started_at=NOW - hours * HOUR))
    table = ledger._table
    pk = f"family#deployed#{ACCOUNT}#{FORECAST.family}"
    (row,) = table.query(pk)
    table.put(Put({**row, "sk": "0#odd", **changed}))
    assert len(ledger.past_runs(ACCOUNT, FORECAST.family)) == 1


def test_numbers_beyond_all_money_are_unknown_and_keep_no_row_from_being_written(ledger: Ledger) -> None:
    huge = Decimal("1e30")
    assert ledger.book_cost(replace(COST, actual_usd=huge, epoch=huge, gpu_hours=huge))
    (found,) = ledger.costs(ACCOUNT, NOW.date())
    assert (found.actual_usd, found.epoch, found.gpu_hours) == (None, None, None)


def test_what_becomes_known_better_takes_the_place_of_what_was_booked(ledger: Ledger) -> None:
    assert ledger.book_cost(COST)
    ledger.book_again(replace(COST, actual_usd=Decimal(99)))
    assert [cost.actual_usd for cost in ledger.costs(ACCOUNT, NOW.date())] == [Decimal(99)]
    assert [run.actual_usd for run in ledger.past_runs(ACCOUNT, FORECAST.family)] == [Decimal(99)]


def test_only_what_finished_teaches_its_family(ledger: Ledger) -> None:
    for hour, outcome in enumerate(Outcome):
        ended_at = NOW - hour * HOUR
        assert ledger.book_cost(replace(COST, outcome=outcome, ended_at=ended_at, started_at=ended_at - HOUR))
    finished = {run.ended_at for run in ledger.past_runs(ACCOUNT, FORECAST.family) if run.finished}
    assert finished == {NOW - list(Outcome).index(each) * HOUR for each in (Outcome.FINISHED, Outcome.ENDED)}
