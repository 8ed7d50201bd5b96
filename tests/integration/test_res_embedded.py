"""The breaker's own code over an AWS: the registry before and after, by the permissions that its role has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from costwatch import names
from costwatch.core.judgements import Hand, State
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res import Cause, Value
from demo.embedded import EmbeddedAws
from tests.support.builders import NOW
from tests.support.fakes import TestClock
from tests.support.res_account import DATA, ResAccount

CLOCK = TestClock()
Make = Callable[..., ResAccount]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=CLOCK) as running:
        yield running


@pytest.fixture
def make(server: EmbeddedAws, tmp_path: Path) -> Iterator[Make]:
    server.reset()
    CLOCK.now = NOW
    yield lambda *mode, **changes: ResAccount(server, CLOCK, tmp_path, *mode, **changes)
    assert server.errors == []


def serving(account: ResAccount) -> str:
    """Approved by a person, and known to Costwatch."""
    arn = account.candidate("churn-38", 0.912)
    account.aws.models.decide(arn, "Approved")
    account.events_arrive()
    CLOCK.forward(days=1)
    return arn


def test_a_candidate_without_a_gain_is_pending_before_and_rejected_after_with_its_figures(make: Make) -> None:
    account = make()
    serving(account)
    arn = account.candidate("churn-41", 0.911, metadata={"git": "c0ffee"})
    assert account.package(arn)["ModelApprovalStatus"] == "PendingManualApproval"
    account.events_arrive()
    after = account.package(arn)
    assert after["ModelApprovalStatus"] == "Rejected"
    assert after["ApprovalDescription"].startswith("Cost-Efficiency Rejection: validation:auc is worse than what serv")
    metadata = after["CustomerMetadataProperties"]
    assert metadata["git"] == "c0ffee"
    assert (metadata["costwatch:verdict"], metadata["costwatch:cost-usd"]) == ("reject", "252.51")
    row = account.row(arn)
    assert (row.state, row.verdict.cause) == (State.WRITTEN, Cause.NO_GAIN)
    assert row.evaluation is not None
    assert row.evaluation.data is not None
    assert row.evaluation.data.uri == DATA
    verdicts = [each for each in account.heard() if each["detail"]["package_arn"] == arn]
    (event,) = verdicts
    assert (event["source"], event["detail-type"]) == ("costwatch", "Costwatch RES Verdict")
    assert (event["detail"]["verdict"], event["detail"]["status"]) == ("reject", "Rejected")
    assert len(account.mails) == 1
    account.events_arrive()  # its own change comes back as an event
    account.sweep()
    assert account.row(arn) == row
    assert len(account.mails) == 1


@pytest.mark.parametrize("first", ["Package", "Training"])
def test_either_event_may_come_first(make: Make, first: str) -> None:
    account = make()
    serving(account)
    arn = account.candidate("churn-41", 0.911)
    account.events_arrive(first)
    account.sweep()
    row = account.row(arn)
    assert (row.state, row.run.rpartition("/")[2]) == (State.WRITTEN, "churn-41")


@pytest.mark.parametrize("mode", ["observe", "warn"])
def test_outside_of_enforce_the_registry_is_as_it_was(make: Make, mode: str) -> None:
    account = make(mode)
    serving(account)
    arn = account.candidate("churn-41", 0.911)
    before = account.package(arn)
    account.events_arrive()
    account.sweep()
    after = account.package(arn)
    assert after == before
    assert account.row(arn).verdict.value is Value.REJECT
    assert len(account.mails) == (1 if mode == "warn" else 0)


def test_what_earned_its_compute_is_approved_where_that_is_switched_on(make: Make) -> None:
    account = make(auto_approve=True)
    serving(account)
    arn = account.candidate("churn-41", 0.94, hours=1)
    account.events_arrive()
    after = account.package(arn)
    assert after["ModelApprovalStatus"] == "Approved"
    assert after["CustomerMetadataProperties"]["costwatch:verdict"] == "promote"


def test_what_is_too_dear_waits_for_a_person_whose_reject_is_written(make: Make) -> None:
    account = make()
    serving(account)
    arn = account.candidate("churn-41", 0.9125)
    account.events_arrive()
    assert account.row(arn).state is State.ASKED
    assert account.package(arn)["ModelApprovalStatus"] == "PendingManualApproval"
    assert account.decides(arn, ApprovalStatus.REJECTED)["registry"] == "Rejected"
    assert "rejected by Maria Lopez" in account.package(arn)["ApprovalDescription"]


def test_a_person_who_approves_after_our_write_is_left_alone(make: Make) -> None:
    account = make()
    serving(account)
    arn = account.candidate("churn-41", 0.911)
    account.events_arrive()
    CLOCK.forward(hours=1)
    account.aws.models.decide(arn, "Approved")
    account.events_arrive()
    account.sweep()
    row = account.row(arn)
    assert row.decided is not None
    assert (row.state, row.decided.hand, row.decided.name) == (State.OVERRIDDEN, Hand.AFTER, "maria")
    assert account.package(arn)["ModelApprovalStatus"] == "Approved"


def test_metrics_of_the_package_are_read_from_s3_with_the_etag_of_what_they_were_measured_on(make: Make) -> None:
    account = make(model={"metric": "auc"})
    report = {"binary_classification_metrics": {"auc": {"value": 0.912, "standard_deviation": "NaN"}}}
    account.aws.models.put("s3://metrics/38.json", report)
    report["binary_classification_metrics"]["auc"]["value"] = 0.911
    account.aws.models.put("s3://metrics/41.json", report)
    data = {"costwatch:evaluation-data": "s3://data/validation/"}
    served = account.candidate("churn-38", 0.5, statistics_uri="s3://metrics/38.json", metadata=data)
    account.aws.models.decide(served, "Approved")
    account.events_arrive()
    arn = account.candidate("churn-41", 0.5, statistics_uri="s3://metrics/41.json", metadata=data)
    account.events_arrive()
    row = account.row(arn)
    assert (row.verdict.cause, str(row.gain)) == (Cause.NO_GAIN, "-0.001")


def test_a_tuning_jobs_best_child_costs_what_all_its_children_cost(make: Make) -> None:
    account = make()
    serving(account)
    began = CLOCK() - timedelta(hours=2)
    tuner = account.aws.fleet.tuning_job("tuner", created_at=began, tags={"model": "churn"})
    for number in range(3):
        account.aws.fleet.child_of(tuner, f"tuner-{number}", started_at=began)
        account.aws.models.measured(f"tuner-{number}", {"validation:auc": 0.911})
        account.aws.models.read_from(f"tuner-{number}", {"validation": DATA})
        account.aws.fleet.finish_job(f"tuner-{number}", CLOCK())
    arn = account.aws.models.register("churn", job="tuner-1")
    account.events_arrive()
    assert account.row(arn).state is State.WAITING
    account.aws.fleet.end_family_job(tuner, CLOCK())
    account.sweep()
    row = account.row(arn)
    assert row.verdict.cost is not None
    assert (row.state, f"{row.verdict.cost.usd:.2f}") == (State.WRITTEN, "151.51")


def test_an_event_that_is_none_is_refused_and_kept(make: Make) -> None:
    account = make()
    event = {"source": names.SOURCE_SAGEMAKER, "detail-type": names.DETAIL_PACKAGE_STATE, "detail": {}}
    assert "detail.ModelPackageArn" in account.invoke(event)["refused"]
    sqs = account.aws.client("sqs")
    url = sqs.get_queue_url(QueueName="costwatch-refused")["QueueUrl"]
    (kept,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(kept["Body"])["function"] == "res"
