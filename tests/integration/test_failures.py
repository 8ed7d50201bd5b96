"""Throttling, timeouts, a region that is down, one describe that fails: the others go on, what failed is reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest
from botocore.config import Config

from costwatch import names, wiring
from costwatch.core.record import Status
from costwatch.errors import TransientAwsError
from costwatch.wiring import Wiring
from demo.embedded import Call
from tests.support import policies
from tests.support.embedded import OWNER, REGION, Account
from tests.support.fakes import START

ELSEWHERE = "eu-central-1"
_TAGS = {"Purpose": "training", "owner": OWNER}
_SELECTORS = [policies.selector(), policies.selector("jobs", service="training")]


@pytest.fixture
def account(running: Account) -> Iterator[Account]:
    running.reset(START)
    running.document = policies.document(selectors=_SELECTORS)
    yield running
    assert running.aws.errors == []


@pytest.fixture(autouse=True)
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long botocore would have waited before each retry, in seconds; nobody waits."""
    waited: list[float] = []
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=waited.append))
    return waited


Metric = Callable[[str], float | None]


@pytest.fixture
def metric(capsys: pytest.CaptureFixture[str]) -> Metric:
    """The sum of a metric, or of what one is made of, since the last question; None: not printed."""

    def read(name: str) -> float | None:
        printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        values = [line[name] for line in printed if "_aws" in line and name in line]
        return sum(values) if values else None

    return read


def overdue(account: Account, region: str = REGION, **more: Any) -> str:
    """An instance that is an hour over its limit."""
    return account.fleet.instance(
        region=region, tags={**_TAGS, **more.pop("tags", {})}, launched_at=START - timedelta(hours=13), **more
    )


def overdue_job(account: Account, name: str) -> str:
    account.fleet.training_job(name, started_at=START - timedelta(hours=13), tags=_TAGS)
    return name


def failures(answer: dict[str, Any]) -> list[tuple[str, bool]]:
    """Where, and whether it may succeed later."""
    return [(failure["where"], failure["retry"]) for failure in answer["failures"]]


def warned(answer: dict[str, Any]) -> set[str]:
    return {run["run"].rpartition("/")[2] for run in answer["runs"] if run["verdict"] == "warn"}


def job_is(name: str) -> Callable[[Call], bool]:
    return lambda call: call.parameters.get("TrainingJobName") == name


# --- retries ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["ec2", "sagemaker", "dynamodb", "sns", "events", "sqs", "ssm"])
def test_every_client_retries_in_standard_mode_and_gives_up_in_time(account: Account, service: str) -> None:
    config = account.wiring().client(service).meta.config
    assert config.retries["mode"] == "standard"
    assert 3 <= config.retries["total_max_attempts"] <= 5
    assert (config.connect_timeout, config.read_timeout) == (3, 10)


def test_a_throttled_call_is_tried_again_with_jitter_and_nobody_notices(account: Account, delays: list[float]) -> None:
    trainer = overdue(account)
    account.aws.faults.fail("ec2", "DescribeInstances", "RequestLimitExceeded", times=3)
    answer = account.sweep(account.wiring())
    assert (failures(answer), warned(answer)) == ([], {trainer})
    assert len(delays) == 3
    for attempt, delay in enumerate(delays):
        assert 0 < delay <= 2**attempt
    assert len({round(delay / 2**attempt, 6) for attempt, delay in enumerate(delays)}) == 3


def test_a_connection_that_is_lost_once_is_made_again(account: Account) -> None:
    trainer = overdue(account)
    account.aws.faults.lose_connection("ec2", "DescribeInstances")
    answer = account.sweep(account.wiring())
    assert (failures(answer), warned(answer)) == ([], {trainer})


def test_a_call_without_an_answer_in_time_is_made_again(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "_CLIENT_CONFIG", wiring._CLIENT_CONFIG.merge(Config(read_timeout=1)))
    trainer = overdue(account)
    hanging = account.aws.faults.fail("ec2", "DescribeInstances", "Unavailable", hang_seconds=2)
    answer = account.sweep(account.wiring())
    assert (failures(answer), warned(answer), hanging.hits) == ([], {trainer}, 1)


# --- what outlasts the retries ----------------------------------------------------------------------------


def test_throttling_that_does_not_end_is_reported_and_the_other_service_goes_on(
    account: Account, metric: Metric, delays: list[float]
) -> None:
    overdue(account)
    job = overdue_job(account, "churn")
    throttle = account.aws.faults.fail("ec2", None, "RequestLimitExceeded", times=None)
    answer = account.sweep(account.wiring())
    assert failures(answer) == [(f"{REGION} ec2", True)]
    assert warned(answer) == {job}
    assert throttle.hits == len(delays) + 1 >= 3
    assert metric("failures") == 1


def test_timeouts_that_do_not_end_are_reported_as_worth_a_retry(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    wired = account.wiring()
    with monkeypatch.context() as hurry:  # for SageMaker's client only, which is made here
        short = Config(read_timeout=0.3, retries={"mode": "standard", "total_max_attempts": 2})
        hurry.setattr(wiring, "_CLIENT_CONFIG", wiring._CLIENT_CONFIG.merge(short))
        wired._sagemaker(REGION)
    trainer = overdue(account)
    account.aws.faults.fail("sagemaker", "ListTrainingJobs", "Unavailable", times=None, hang_seconds=1)
    answer = account.sweep(wired)
    assert failures(answer) == [(f"{REGION} training", True)]
    assert warned(answer) == {trainer}


def test_a_region_that_is_down_is_reported_and_the_other_region_goes_on(account: Account, metric: Metric) -> None:
    account.document = policies.document(selectors=_SELECTORS, regions=[REGION, ELSEWHERE])
    here = overdue(account)
    overdue(account, ELSEWHERE)
    account.aws.faults.region_down(ELSEWHERE)
    answer = account.sweep(account.wiring())
    assert failures(answer) == [(f"{ELSEWHERE} ec2", True), (f"{ELSEWHERE} training", True)]
    assert warned(answer) == {here}
    assert metric("failures") == 2


def test_nothing_is_concluded_about_a_region_that_is_down(account: Account) -> None:
    account.document = policies.document(selectors=_SELECTORS, regions=[REGION, ELSEWHERE])
    there = overdue(account, ELSEWHERE)
    wired = account.wiring()
    account.sweep(wired)
    account.aws.faults.region_down(ELSEWHERE)
    account.clock.forward(minutes=40)
    account.sweep(wired)
    assert [record.status for record in account.records(wired, ELSEWHERE).values()] == [Status.WARNED]
    account.aws.faults.clear()
    account.clock.forward(minutes=5)
    assert account.sweep(wired)["stopped"] == 1
    assert account.instances(ELSEWHERE) == {there: "terminated"}


def test_one_job_that_cannot_be_described_is_reported_and_the_others_are_warned(account: Account) -> None:
    overdue_job(account, "bad")
    good = {overdue_job(account, "fine"), overdue_job(account, "well")}
    account.aws.faults.fail("sagemaker", "DescribeTrainingJob", "AccessDenied", times=None, when=job_is("bad"))
    answer = account.sweep(account.wiring())
    assert failures(answer) == [(f"{REGION} training", False)]
    assert warned(answer) == good


def test_one_instance_whose_protection_cannot_be_read_is_reported_and_not_warned(account: Account) -> None:
    bad, good = overdue(account), overdue(account)
    account.aws.faults.fail(
        "ec2",
        "DescribeInstanceAttribute",
        "UnauthorizedOperation",
        times=None,
        when=lambda call: call.parameters["InstanceId"] == bad,
    )
    wired = account.wiring()
    answer = account.sweep(wired)
    run = f"{account.aws.account_id}/{REGION}/instance/{bad}"
    assert failures(answer) == [(run, False)]
    assert warned(answer) == {good}
    account.clock.forward(minutes=40)
    account.sweep(wired)
    assert account.instances() == {bad: "running", good: "terminated"}


def test_a_ledger_that_cannot_be_read_ends_the_sweep_so_that_its_absence_alarms(
    account: Account, metric: Metric
) -> None:
    trainer = overdue(account)
    account.aws.faults.fail("dynamodb", "Query", "ThrottlingException", times=None)
    with pytest.raises(TransientAwsError, match="dynamodb:Query"):
        account.sweep(account.wiring())
    assert metric(names.METRIC_BURN) is None
    assert account.instances() == {trainer: "running"}


# --- while stopping ----------------------------------------------------------------------------------------


def _due(account: Account) -> Wiring:
    """Everything overdue was warned 35 minutes ago."""
    wired = account.wiring()
    account.sweep(wired)
    account.clock.forward(minutes=35)
    return wired


def test_a_stop_whose_answers_are_lost_is_settled_from_what_is_seen(account: Account) -> None:
    trainer = overdue(account)
    wired = _due(account)
    lost = account.aws.faults.lose_connection("ec2", "TerminateInstances", times=None, answer_lost=True)
    answer = account.sweep(wired)
    assert (failures(answer), answer["stopped"]) == ([], 1)
    assert lost.hits >= 3
    assert account.instances() == {trainer: "terminated"}
    assert [event["members"] for event in account.events()] == [[trainer]]


def test_one_stop_that_is_refused_is_reported_told_once_and_tried_again(account: Account) -> None:
    bad, good = overdue(account), overdue(account)
    wired = _due(account)
    account.aws.faults.fail(
        "ec2",
        "TerminateInstances",
        "UnauthorizedOperation",
        times=None,
        when=lambda call: bad in call.parameters["InstanceIds"],
    )
    for _ in range(3):
        answer = account.sweep(wired)
        assert len(failures(answer)) == 1
        assert account.instances() == {bad: "running", good: "terminated"}
        account.clock.forward(minutes=7)
    assert sum("Could not stop" in message.text for message in account.slack.messages) == 1
    account.aws.faults.clear()
    assert account.sweep(wired)["stopped"] == 1
    assert account.instances() == {bad: "terminated", good: "terminated"}


def test_an_event_that_cannot_be_published_is_published_by_a_later_sweep(account: Account) -> None:
    trainer = overdue(account)
    wired = _due(account)
    account.aws.faults.fail("events", "PutEvents", "InternalException", times=None)
    answer = account.sweep(wired)
    assert [where.partition(" ")[0] for where, _ in failures(answer)] == ["canary", "message"]
    assert (account.instances(), account.events()) == ({trainer: "terminated"}, [])
    account.aws.faults.clear()
    for _ in range(4):
        account.clock.forward(minutes=5)
        assert failures(account.sweep(wired)) == []
    assert [event["members"] for event in account.events()] == [[trainer]]
    assert account.records(wired) == {}
