"""The two functions through their wiring, over the embedded AWS and Slack: what goes in, what is printed and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from costwatch import __version__, names
from costwatch.adapters.ledger import Ledger
from costwatch.core.modes import Mode
from costwatch.core.own_cost import WRITES_A_SWEEP
from costwatch.errors import ConfigError, PermanentAwsError, RefusedError
from costwatch.handlers import deadman, hints
from costwatch.topology import DEADMAN, HINTS
from demo.recorder import acting_as, collecting
from tests.support import policies
from tests.support.builders import HOUR, NOW
from tests.support.embedded import OWNER, Account, Context

TAGS = {"Purpose": "training", "owner": OWNER}
CONTEXT: Any = Context("arn:aws:lambda:us-east-1:123456789012:function:costwatch-deadman")
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}
TICK = {"source": names.SOURCE_SCHEDULE, "detail-type": names.DETAIL_SCHEDULED, "detail": {}}


@pytest.fixture
def account(running: Account) -> Iterator[Account]:
    running.reset(NOW)
    running.document = policies.document()
    yield running
    assert running.aws.errors == []


def metrics(printed: str) -> list[dict[str, Any]]:
    """The embedded-metric lines, as CloudWatch would find them in the log."""
    lines = (json.loads(line) for line in printed.splitlines() if line.startswith("{"))
    return [line for line in lines if "_aws" in line]


def shape(line: dict[str, Any]) -> tuple[str, list[str], set[str]]:
    """Namespace, dimensions and metric names of one line."""
    (found,) = line["_aws"]["CloudWatchMetrics"]
    return found["Namespace"], found["Dimensions"][0], {metric["Name"] for metric in found["Metrics"]}


def logged(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    """The fields of every log line with this message."""
    return [vars(record) for record in caplog.records if record.getMessage() == message]


def later(account: Account, **duration: float) -> dict[str, Any]:
    account.clock.now += timedelta(**duration)
    return account.sweep(account.wiring())


# --- events that no function can use --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (None, "the event is a NoneType; expected an EventBridge event (an object)"),
        ({"source": "aws.ec2"}, "source 'aws.ec2' with detail-type 'None' is no event this function takes"),
        ({"source": "costwatch.cli", "detail-type": "Sweep Requested"}, "detail is missing or no object"),
    ],
)
def test_a_malformed_event_lands_in_the_queue_with_its_reason_and_sweeps_nothing(
    account: Account, capsys: pytest.CaptureFixture[str], event: object, reason: str
) -> None:
    instance_id = account.fleet.instance(tags=TAGS, launched_at=NOW - 40 * HOUR)
    wired = account.wiring()
    with acting_as("deadman", policy=wired.policy, settings=wired.settings):
        assert deadman.handle(event, CONTEXT, wired) == {"refused": reason}
    (kept,) = account.refused()
    assert json.loads(kept) == {"reason": reason, "function": "deadman", "event": event}
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["function"], line["message"], line["refused"]) == ("deadman", "refused", 1)
    assert account.instances()[instance_id] == "running"
    assert account.ledger_items() == []


def test_a_malformed_hint_lands_in_the_queue_too_and_under_its_own_service(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    event = {"source": "aws.ec2", "detail-type": names.DETAIL_EC2_STATE, "detail": {}, "account": "1", "region": "r"}
    wired = account.wiring(hints=True)
    with acting_as("hints", policy=wired.policy, settings=wired.settings):
        answer = hints.handle(event, CONTEXT, wired)
    assert answer == {"refused": "detail.instance-id is missing or no text"}
    assert json.loads(account.refused()[0])["function"] == "hints"
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["function"], line["refused"]) == (HINTS.name, 1)


def test_after_a_malformed_event_the_next_tick_works_as_ever(account: Account) -> None:
    deadman.handle({"nonsense": True}, CONTEXT, account.wiring())
    account.fleet.instance(tags=TAGS, launched_at=NOW - 40 * HOUR)
    assert later(account, minutes=5)["watched"] == 1


def test_a_queue_that_cannot_take_it_makes_the_function_fail_so_that_lambda_keeps_the_event(account: Account) -> None:
    account.aws.faults.fail("sqs", "SendMessage", "AccessDenied", times=None)
    with pytest.raises(PermanentAwsError):
        deadman.handle(None, CONTEXT, account.wiring())


# --- a sweep that a person asked for --------------------------------------------------------------------------


def request(digest: str) -> dict[str, Any]:
    detail = {"mode": "enforce", "policy_digest": digest, "requested_by": "arn:aws:iam::123456789012:user/ada"}
    return {"source": names.SOURCE_CLI, "detail-type": names.DETAIL_SWEEP_REQUESTED, "detail": detail}


def test_a_request_with_the_deployed_policy_sweeps_and_records_who_asked(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    answer = deadman.handle(request(account.document["digest"]), CONTEXT, account.wiring())
    assert answer["failures"] == []
    assert [each["requested_by"] for each in logged(caplog, "sweep requested")] == [
        "arn:aws:iam::123456789012:user/ada"
    ]


def test_a_request_with_another_policy_is_refused_and_sweeps_nothing(account: Account) -> None:
    account.fleet.instance(tags=TAGS, launched_at=NOW - 40 * HOUR)
    with pytest.raises(RefusedError, match=r"the deployed policy is [0-9a-f]{12}, yours is ffffffffffff: deploy first"):
        deadman.handle(request("f" * 64), CONTEXT, account.wiring())
    assert account.ledger_items() == []


def test_a_policy_that_was_changed_after_it_was_compiled_is_refused(account: Account) -> None:
    account.document = {**account.document, "policy": {**account.document["policy"], "mode": "enforce"}}
    with pytest.raises(ConfigError, match="digest does not match"):
        deadman.handle(TICK, CONTEXT, account.wiring())


def test_an_invocation_that_names_no_account_is_refused(account: Account) -> None:
    nameless: Any = Context("")
    with pytest.raises(ConfigError, match="the account is unknown"):
        deadman.handle(TICK, nameless, account.wiring())


# --- what a sweep prints --------------------------------------------------------------------------------------


def test_a_sweep_prints_one_line_of_metrics_with_one_dimension(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.fleet.instance(tags=TAGS, launched_at=NOW - HOUR)
    account.fleet.instance(tags={**TAGS, "costwatch:never": ""}, launched_at=NOW - 40 * HOUR)
    account.sweep(account.wiring())
    (line,) = metrics(capsys.readouterr().out)
    assert shape(line) == (
        "Costwatch",
        ["service"],
        {"BurnUsdPerHour", "AttentionNeeded", "OldestClaimMinutes", "PriceBookAgeHours"},
    )
    assert (line["service"], line["function"]) == ("costwatch", DEADMAN.name)
    assert [line[name] for name in ("watched", "held", "stopped", "AttentionNeeded")] == [2, 1, 0, 1]
    assert line["BurnUsdPerHour"] == pytest.approx(2 * 21.957642), "one metric over all runs: no per-team ones"


def test_a_sweep_whose_ledger_is_gone_prints_no_metric_so_that_the_alarm_breaches(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.aws.faults.fail("dynamodb", None, "ResourceNotFoundException", times=None)
    with pytest.raises(PermanentAwsError):
        deadman.handle(TICK, CONTEXT, account.wiring())
    assert metrics(capsys.readouterr().out) == []


def test_each_transition_is_one_log_line_with_the_same_fields(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    account.fleet.instance(tags=TAGS, launched_at=NOW - 40 * HOUR)
    account.sweep(account.wiring())
    lines = logged(caplog, "transition")
    assert [line["transition"] for line in lines] == ["first seen", "warned", "notice accepted"]
    fields = {"run", "transition", "reason", "rule", "mode", "selector", "policy_digest"}
    assert all(fields <= set(line) for line in lines)
    assert "xoxb" not in str([vars(record) for record in caplog.records])


# --- the whole way --------------------------------------------------------------------------------------------


def test_a_forgotten_trainer_is_warned_stopped_verified_and_its_end_is_published(account: Account) -> None:
    instance_id = account.fleet.instance(tags=TAGS, launched_at=NOW - 40 * HOUR, spot="persistent", request_tags=TAGS)
    assert account.sweep(account.wiring())["delivered"] == 1
    assert account.slack.messages[0].to == OWNER
    assert later(account, minutes=32)["stopped"] == 1
    assert account.instances() == {instance_id: "terminated"}
    for _ in range(2):
        later(account, minutes=5)
    assert [event["members"] for event in account.events()] == [[instance_id]]
    assert account.records(account.wiring()) == {}


def test_a_training_job_past_its_limit_is_stopped(account: Account) -> None:
    account.document = policies.document(selectors=[policies.selector(service="training")])
    account.fleet.training_job("churn", started_at=NOW - 40 * HOUR, tags=TAGS)
    account.sweep(account.wiring())
    later(account, minutes=32)
    assert account.jobs() == {"churn": "Stopping"}
    for _ in range(3):
        later(account, minutes=5)
    assert account.records(account.wiring()) == {}


def test_a_hint_verifies_a_stop_without_waiting_for_the_sweep(account: Account) -> None:
    instance_id = account.fleet.instance(tags=TAGS, launched_at=NOW - HOUR)
    account.sweep(account.wiring())
    account.fleet.end_instance(instance_id, NOW)
    assert account.instance_changed(account.wiring(hints=True), instance_id) == {"came_back": 0}
    assert account.records(account.wiring()) == {}


# --- what fails is reported, the rest goes on -----------------------------------------------------------------


def test_a_region_that_is_down_is_reported_while_the_others_go_on(
    account: Account, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    account.document = policies.document(regions=["eu-central-1", "us-east-1"])
    here = account.fleet.instance(tags=TAGS, launched_at=NOW - 40 * HOUR)
    account.sweep(account.wiring())
    for operation in ("DescribeInstances", "ListTrainingJobs"):
        account.aws.faults.fail(None, operation, "AccessDenied", times=None, region="eu-central-1")
    capsys.readouterr()
    answer = later(account, minutes=32)
    assert answer["stopped"] == 1
    assert [failure["where"] for failure in answer["failures"]] == ["eu-central-1 ec2", "eu-central-1 training"]
    assert account.instances() == {here: "terminated"}
    assert metrics(capsys.readouterr().out)[0]["failures"] == 2
    assert len(logged(caplog, "not handled")) == 2


# --- a sweep that came to its end -----------------------------------------------------------------------------


def test_a_sweep_writes_down_when_it_came_to_its_end_and_what_really_ran(account: Account) -> None:
    wired = account.wiring()
    account.sweep(wired)
    done = wired.ledger.last_sweep()
    assert done is not None
    assert (done.began_at, done.completed_at, done.failures, done.first_failure) == (NOW, NOW, 0, "")
    assert (done.mode, done.policy_digest, done.version) == (Mode.OBSERVE, wired.policy.digest, __version__)


def test_what_a_sweep_could_not_handle_stands_beside_its_end(account: Account) -> None:
    account.aws.faults.fail(None, "ListTrainingJobs", "AccessDenied", times=None)
    account.sweep(account.wiring())
    done = account.wiring().ledger.last_sweep()
    assert done is not None
    assert (done.failures, done.first_failure) == (1, "us-east-1 training")


def test_a_sweep_that_dies_leaves_the_end_of_the_one_before(account: Account) -> None:
    account.sweep(account.wiring())
    account.aws.faults.fail(None, "Query", "AccessDenied", times=None)
    with pytest.raises(PermanentAwsError):
        later(account, minutes=5)
    account.aws.faults.clear()
    done = account.wiring().ledger.last_sweep()
    assert done is not None
    assert done.completed_at == NOW


def test_a_sweep_whose_end_cannot_be_noted_is_a_sweep_all_the_same_and_says_so(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise PermanentAwsError("dynamodb:PutItem: AccessDenied")

    monkeypatch.setattr(Ledger, "keep_sweep", refused)
    capsys.readouterr()
    assert [each["where"] for each in account.sweep(account.wiring())["failures"]] == ["the note of its end"]
    (line,) = metrics(capsys.readouterr().out)
    assert (line["failures"], line["AttentionNeeded"]) == (1, 1)


def test_a_sweep_after_which_nothing_changed_writes_no_more_than_its_cost_is_told_by(account: Account) -> None:
    account.fleet.instance(tags=TAGS, launched_at=NOW - HOUR)
    account.sweep(account.wiring())
    later(account, minutes=5)
    with collecting(roles=("deadman",)) as calls:
        later(account, minutes=5)
    writes = [call.operation for call in calls if call.operation in WRITES]
    assert len(writes) <= WRITES_A_SWEEP


def test_with_slack_down_the_notice_goes_to_the_topic_and_counts(account: Account) -> None:
    account.subscribe("ml-platform@example.com")
    account.slack.go_down()
    instance_id = account.fleet.instance(tags=TAGS, launched_at=NOW - 40 * HOUR)
    account.sweep(account.wiring())
    (mail,) = account.aws.sns_messages
    assert mail.heard_by == ("ml-platform@example.com",)
    assert mail.subject is not None
    assert "stops in" in mail.subject
    assert "<!date" not in mail.message
    later(account, minutes=32)
    assert account.instances() == {instance_id: "terminated"}


def test_with_a_pending_subscription_nothing_took_the_notice_and_the_run_is_held(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.subscribe("ml-platform@example.com", confirmed=False)
    account.slack.go_down()
    instance_id = account.fleet.instance(tags=TAGS, launched_at=NOW - 40 * HOUR)
    account.sweep(account.wiring())
    capsys.readouterr()
    answer = later(account, minutes=32)
    assert (answer["held"], answer["stopped"]) == (1, 0)
    assert "no notice was accepted for delivery" in answer["runs"][0]["reason"]
    assert metrics(capsys.readouterr().out)[0]["undelivered"] > 0
    assert account.instances() == {instance_id: "running"}


def test_messages_that_nothing_took_are_kept_and_sent_later(account: Account) -> None:
    account.slack.go_down()
    account.fleet.instance(tags=TAGS, launched_at=NOW - 40 * HOUR)
    account.sweep(account.wiring())
    assert account.slack.messages == []
    account.slack.come_up()
    later(account, minutes=5)
    assert [message.to for message in account.slack.messages] == [OWNER]
    later(account, minutes=5)
    assert len(account.slack.messages) == 1


def test_without_a_token_the_notice_goes_to_the_topic(account: Account) -> None:
    account.subscribe("ml-platform@example.com")
    account.aws.client("ssm").delete_parameter(Name=names.DEFAULT_SLACK_TOKEN_PARAMETER)
    account.fleet.instance(tags=TAGS, launched_at=NOW - 40 * HOUR)
    account.sweep(account.wiring())
    assert account.slack.messages == []
    assert len(account.aws.sns_messages) == 1


def test_an_owner_whom_slack_does_not_know_is_warned_in_the_teams_channel(account: Account) -> None:
    tags = {**TAGS, "owner": "gone@example.com", "team": "risk"}
    account.fleet.instance(tags=tags, launched_at=NOW - 40 * HOUR)
    account.sweep(account.wiring())
    assert [message.channel for message in account.slack.messages] == ["#risk-ml"]


def test_a_team_channel_that_is_gone_falls_back_to_the_platform(account: Account) -> None:
    account.slack.unknown_channels.add("#risk-ml")
    account.fleet.instance(tags={"Purpose": "training", "team": "risk"}, launched_at=NOW - 40 * HOUR)
    account.sweep(account.wiring())
    assert [message.channel for message in account.slack.messages] == ["#ml-platform"]


# --- the entry points -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [deadman, hints])
def test_a_function_without_its_environment_says_which_variable_is_missing(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (names.ENV_LEDGER_TABLE, names.ENV_ALERTS_TOPIC_ARN, names.ENV_REFUSED_QUEUE_URL):
        monkeypatch.delenv(variable, raising=False)
    module.deployed.cache_clear()
    with pytest.raises(ConfigError, match=names.ENV_LEDGER_TABLE):
        module.handler(TICK, CONTEXT)


def test_an_asset_without_a_policy_is_refused(account: Account, tmp_path: Path) -> None:
    wired = account.wiring()
    bare = type(wired)(wired.settings, tmp_path / "policy.json", wired.service, wired.clock)
    with pytest.raises(ConfigError, match=r"policy\.json cannot be read from the asset"):
        deadman.handle(TICK, CONTEXT, bare)
