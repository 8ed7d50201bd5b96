"""A training job's model, judged before anybody registers it: by the same rules, and without a trace."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from costwatch.core.res import Cause, Extra, Value
from costwatch.errors import InputError
from costwatch.procedures.res_unregistered import Looked, look
from tests.support.registry_town import ETAG, VALIDATION
from tests.support.res_town import ResTown, res_town

D = Decimal


def looked(town: ResTown, job: str = "churn-39", *, usd: Decimal | None = None, extra: Extra | None = None) -> Looked:
    """What one sees, and that nothing was written or booked on the way."""
    (rules,) = town.policy.res.models
    before, calls = dict(town.table.items), len(town.writes)
    found = look(town.breaker(), rules, job, "us-east-1", lambda row: None, usd=usd, extra=extra)
    assert dict(town.table.items) == before
    assert len(town.writes) == calls
    return found


def test_a_job_is_judged_as_its_version_would_be() -> None:
    town = res_town("enforce")
    town.serving("churn-38", "0.912")
    town.trained("churn-39", "0.9121", hours=10)
    found = looked(town)
    verdict = found.verdict
    assert (verdict.value, found.serving) == (Value.TOO_DEAR, "churn v1")
    assert verdict.cost is not None
    assert f"{verdict.cost.usd:.2f}" == "252.51"
    assert verdict.cost.what.startswith("training job churn-39, by its ")
    package = town.models.register(job="churn-39")
    town.told_of(package)
    row = town.row(package)
    assert (row.verdict.cause, row.verdict.gain, row.verdict.score) == (verdict.cause, verdict.gain, verdict.score)


def test_what_the_ledger_has_booked_comes_first() -> None:
    town = res_town("enforce")
    town.serving("churn-38", "0.912")
    job = town.trained("churn-39", "0.95", hours=10)
    town.told_of_training(job)
    package = town.models.register(job="churn-39")
    town.told_of(package)
    verdict = looked(town).verdict
    assert verdict.cost is not None
    assert verdict.cost.what == "training job churn-39, as booked in the ledger"
    assert verdict.cost.all_candidates_usd is not None


def test_what_the_caller_says_that_it_cost_counts() -> None:
    town = res_town("enforce")
    town.serving("churn-38", "0.912")
    town.trained("churn-39", "0.914", hours=10)
    assert looked(town, usd=D(800)).verdict.value is Value.PROMOTE
    assert looked(town, usd=D("800.01")).verdict.value is Value.TOO_DEAR


def test_what_the_caller_knows_of_chance_counts() -> None:
    town = res_town("enforce")
    town.serving("churn-38", "0.912")
    town.trained("churn-39", "0.914", hours=10)
    assert looked(town, usd=D(800), extra=Extra(standard_error=D("0.01"))).verdict.cause is Cause.WITHIN_NOISE


def test_nothing_serves_yet() -> None:
    town = res_town("enforce")
    town.trained("churn-39", "0.914")
    found = looked(town)
    assert (found.verdict.value, found.serving) == (Value.FIRST_MODEL, "")


def test_other_data_than_what_serves_was_measured_on_is_not_judged() -> None:
    town = res_town("enforce")
    town.serving("churn-38", "0.912")
    town.trained("churn-39", "0.914", channels={"validation": "s3://data/other/"})
    town.models.put("s3://data/other/", ETAG, town.clock() - timedelta(days=30))
    verdict = looked(town).verdict
    assert (verdict.value, verdict.cause) == (Value.UNJUDGED, Cause.DIFFERENT_DATA)
    assert VALIDATION in verdict.reason


def test_a_job_that_runs_has_no_cost_yet() -> None:
    town = res_town("enforce")
    town.serving("churn-38", "0.912")
    town.world.train("churn-39")
    town.models.train("churn-39", {"validation:auc": "0.914"}, {"validation": VALIDATION})
    found = looked(town)
    assert (found.verdict.cause, found.cost_waits) == (Cause.NO_COST, "training job churn-39 is not over yet")


def test_a_job_without_the_metric_is_not_judged() -> None:
    town = res_town("enforce")
    town.serving("churn-38", "0.912")
    town.trained("churn-39", status="Failed")
    assert looked(town).verdict.value is Value.UNJUDGED


def test_a_job_that_nobody_knows_is_named() -> None:
    with pytest.raises(InputError, match="there is no training job 'churn-40' in us-east-1"):
        looked(res_town("enforce"), "churn-40")
