"""Every kind of SageMaker job through the functions' own wiring, over the embedded AWS: warned, stopped, verified."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from costwatch import names
from costwatch.handlers import hints
from costwatch.topology import HINTS
from demo.recorder import acting_as
from tests.support import policies
from tests.support.builders import HOUR, NOW, REGION
from tests.support.embedded import OWNER, Account, Context

TAGS = {"Purpose": "training", "owner": OWNER}
CONTEXT: Any = Context("arn:aws:lambda:us-east-1:123456789012:function:costwatch-hints")
KINDS = ("training", "processing", "tuning", "automl")


@pytest.fixture
def account(running: Account) -> Iterator[Account]:
    running.reset(NOW)
    running.document = policies.document(selectors=[policies.selector(f"jobs/{kind}", service=kind) for kind in KINDS])
    yield running
    assert running.aws.errors == []


def later(account: Account, **duration: float) -> dict[str, Any]:
    account.clock.now += timedelta(**duration)
    return account.sweep(account.wiring())


def statuses(account: Account) -> dict[str, str]:
    client = account.aws.client("sagemaker", REGION)
    return {
        "training": client.describe_training_job(TrainingJobName="churn")["TrainingJobStatus"],
        "processing": client.describe_processing_job(ProcessingJobName="features")["ProcessingJobStatus"],
        "tuning": client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="search")[
            "HyperParameterTuningJobStatus"
        ],
        "automl": client.describe_auto_ml_job_v2(AutoMLJobName="auto")["AutoMLJobStatus"],
    }


def seed(account: Account) -> None:
    """One of each kind, past its limit; the training job keeps a warm pool, the others have children."""
    fleet, long_ago = account.fleet, NOW - 13 * HOUR
    fleet.training_job("churn", started_at=long_ago, tags=TAGS, keep_alive_seconds=3600)
    fleet.processing_job("features", started_at=long_ago, tags=TAGS)
    for arn in (
        fleet.tuning_job("search", created_at=long_ago, tags=TAGS),
        fleet.automl_job("auto", created_at=long_ago, tags=TAGS),
    ):
        name = arn.rpartition("/")[2]
        fleet.child_of(arn, f"{name}-1", started_at=NOW - HOUR)
    fleet.processing_job("auto-data", started_at=NOW - HOUR, automl_job_arn=arn)


def changed(account: Account, detail_type: str, word: str, arn: str) -> dict[str, Any]:
    event = {
        "source": names.SOURCE_SAGEMAKER,
        "detail-type": detail_type,
        "account": account.aws.account_id,
        "region": REGION,
        "detail": {f"{word}JobArn": arn, f"{word}JobStatus": "Stopped", "Tags": []},
    }
    wired = account.wiring(hints=True)
    with acting_as(HINTS.name, policy=account.document, settings=wired.settings):
        return hints.handle(event, CONTEXT, wired)


def test_one_of_each_kind_is_warned_stopped_by_its_own_call_and_verified(account: Account) -> None:
    seed(account)
    account.sweep(account.wiring())
    assert set(statuses(account).values()) == {"InProgress"}
    assert later(account, minutes=35)["stopped"] == 4
    assert set(statuses(account).values()) == {"Stopping"}
    for minutes in (5, 5, 5):
        assert later(account, minutes=minutes)["failures"] == []
    assert set(statuses(account).values()) == {"Stopped"}
    assert account.jobs()["churn"] == "Stopped Terminated"
    assert account.records(account.wiring()) == {}
    client = account.aws.client("sagemaker", REGION)
    assert client.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"] == []
    assert client.list_processing_jobs(StatusEquals="InProgress")["ProcessingJobSummaries"] == []


def test_events_of_tuning_and_processing_jobs_close_what_ended_before_the_sweep(account: Account) -> None:
    tuner = account.fleet.tuning_job("search", created_at=NOW - HOUR, tags=TAGS)
    job = account.fleet.processing_job("features", started_at=NOW - HOUR, tags=TAGS)
    account.sweep(account.wiring())
    assert len(account.records(account.wiring())) == 2
    for arn in (tuner, job):
        account.fleet.end_family_job(arn, NOW)
    changed(account, names.DETAIL_TUNING_STATE, "HyperParameterTuning", tuner)
    changed(account, names.DETAIL_PROCESSING_STATE, "Processing", job)
    assert account.records(account.wiring()) == {}


def test_the_event_of_a_child_closes_nothing(account: Account) -> None:
    tuner = account.fleet.tuning_job("search", created_at=NOW - HOUR, tags=TAGS)
    child = account.fleet.child_of(tuner, "search-1", started_at=NOW - HOUR)
    account.sweep(account.wiring())
    account.fleet.finish_job("search-1", NOW)
    changed(account, names.DETAIL_TRAINING_STATE, "Training", child)
    assert [run_id.name for run_id in account.records(account.wiring())] == ["search"]
