"""Clicks from the bus through the deployed function: verified once more, then done, under the role that it has."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from costwatch import names
from costwatch.core.approvals import Post, State
from costwatch.errors import ConfigError, TransientAwsError
from demo.embedded import EmbeddedAws
from demo.slack_endpoint import SlackEndpoint
from tests.support.builders import HOUR, NOW
from tests.support.click_town import OMAR, OWNER_USER, PEOPLE, STRANGER, ClickTown
from tests.support.fakes import TestClock
from tests.support.pipelines import status, steps
from tests.support.recorded_calls import CLICKS, asked
from tests.support.slack_posts import form, payload

CLOCK = TestClock()


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=CLOCK) as running:
        yield running


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackEndpoint]:
    with SlackEndpoint(users=PEOPLE, clock=CLOCK) as running:
        yield running


@pytest.fixture
def town(server: EmbeddedAws, slack: SlackEndpoint, tmp_path: Path) -> Iterator[ClickTown]:
    server.reset()
    slack.reset()
    CLOCK.now = NOW
    yield ClickTown(server, slack, CLOCK, tmp_path)
    server.faults.clear()
    assert server.errors == []


def found(town: ClickTown, approval_id: str) -> State:
    known = town._gate().approvals.get(town.aws.account_id, approval_id)
    assert known is not None
    return known.state


def used_by_clicks() -> Counter[str]:
    """How often the function asked for which permission, so far."""
    used: Counter[str] = Counter()
    for one, times in asked().items():
        if one.acting is not None and one.acting.role == CLICKS:
            used[one.question.action] += times
    return used


def kept(town: ClickTown) -> list[str]:
    return [str(each["reason"]) for each in town.refused()]


# --- what is taken -------------------------------------------------------------------------------------------


def test_an_approvers_yes_lets_the_pipeline_go_on_and_the_card_says_who(town: ClickTown) -> None:
    asked_for, execution = town.ask()
    assert town.click("approve") == {"result": "taken"}
    assert found(town, asked_for.id) is State.APPROVED
    assert set(steps(town.aws, execution)) == {"Ask", "Train"}
    (card,) = [each for each in town.posted.messages if each.thread_ts is None]
    assert "Approved by" in json.dumps(card.blocks)
    assert '"approve"' not in json.dumps(card.blocks)


def test_a_no_ends_the_pipeline(town: ClickTown) -> None:
    _, execution = town.ask()
    town.click("deny", reason="too dear")
    assert status(town.aws, execution) == "Failed"
    assert "too dear" in steps(town.aws, execution)["Ask"]["FailureReason"]


def test_a_stranger_changes_nothing(town: ClickTown) -> None:
    asked_for, execution = town.ask()
    assert town.click("approve", by=STRANGER) == {"result": "refused"}
    assert found(town, asked_for.id) is State.PENDING
    assert status(town.aws, execution) == "Executing"


@pytest.mark.parametrize("retry", ["1", "2", "99"])
def test_slacks_retry_of_a_press_is_the_same_press(town: ClickTown, retry: str) -> None:
    town.warn()
    body = town.pressed("extend:4h", by=OWNER_USER)
    assert town.take(town.event(body)) == {"result": "taken"}
    # Slack signs each attempt anew.
    town.clock.forward(seconds=10)
    assert town.take(town.event(body, retry=retry)) == {"result": "taken before"}
    (run,) = town.runs()
    assert len(run.extensions) == 1


def test_a_retry_whose_first_attempt_never_came_counts(town: ClickTown) -> None:
    town.warn()
    assert town.take(town.event(town.pressed("extend:4h", by=OWNER_USER), retry="2")) == {"result": "taken"}
    (run,) = town.runs()
    assert len(run.extensions) == 1


def test_stop_now_asks_the_sweeps_function_which_stops_it(town: ClickTown) -> None:
    instance = town.warn()
    assert town.click("stop", by=OWNER_USER) == {"result": "taken"}
    answer = town.aws.client("ec2").describe_instances(InstanceIds=[instance])
    assert answer["Reservations"][0]["Instances"][0]["State"]["Name"] in ("shutting-down", "terminated")


def test_an_owner_asks_for_an_exemption_and_an_approver_grants_it(town: ClickTown) -> None:
    town.warn()
    assert town.click("ask_exemption", by=OWNER_USER) == {"result": "taken"}
    assert town.click("exempt", reason="final evaluation") == {"result": "taken"}
    (run,) = town.runs()
    assert run.exemption is not None


def test_the_card_of_a_stop_pauses_the_switch(town: ClickTown) -> None:
    town.warn()
    town.click("stop", by=OWNER_USER)
    town.clock.forward(minutes=5)
    town.sweep()
    assert town.click("pause") == {"result": "taken"}
    pause = town.clicks_wired.ledger.pause()
    assert pause is not None
    assert pause.until == town.clock() + 24 * HOUR


@pytest.mark.parametrize("action", ["approve", "deny"])
def test_a_task_of_a_state_machine_is_answered_by_its_token(town: ClickTown, action: str) -> None:
    figures = {"instance_type": "ml.p4d.24xlarge", "instance_count": 2, "max_runtime_seconds": 86400}
    town.invoke({"task_token": "t" * 100, "execution": "arn:aws:states:us-east-1:1:execution:x:y", "request": figures})
    town.tend()
    (question,) = town.questions()
    assert town.click(action) == {"result": "taken"}
    # Nobody waits by this token here: the answer found that out, and is settled.
    assert any("nothing" in str(row) for row in town.timeline(question.id))
    assert town.questions() == []


def test_a_step_that_somebody_else_answered_is_settled(town: ClickTown) -> None:
    asked_for, execution = town.ask()
    (raw,) = town.aws.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=execution)[
        "PipelineExecutionSteps"
    ]
    token = raw["Metadata"]["Callback"]["CallbackToken"]
    town.aws.client("sagemaker").send_pipeline_execution_step_failure(CallbackToken=token, FailureReason="by hand")
    assert town.click("approve") == {"result": "taken"}
    assert any("nothing waited any more" in str(row) for row in town.timeline(asked_for.id))
    assert status(town.aws, execution) == "Failed"


def test_while_slack_is_down_the_answer_is_mailed(town: ClickTown) -> None:
    asked_for, _ = town.ask()
    event = town.event(town.pressed("approve"))
    address = "ops@example.com"
    town.aws.client("sns").subscribe(TopicArn=town.topic_arn, Protocol="email", Endpoint=address)
    town.aws.fleet.confirm_subscriptions(town.topic_arn, address)
    town.posted.go_down()
    assert town.take(event) == {"result": "taken"}
    town.posted.come_up()
    assert found(town, asked_for.id) is State.APPROVED
    assert any("pproved by" in each.message for each in town.aws.sns_messages)


def test_what_the_sweep_could_not_put_on_the_bus_goes_there_with_the_next_click(town: ClickTown) -> None:
    town.warn()
    town.aws.faults.fail("events", "PutEvents", "InternalFailure", times=40)
    town.click("stop", by=OWNER_USER)
    town.aws.faults.clear()
    town.clock.forward(minutes=5)
    card = town.posted.messages[0]
    before = used_by_clicks()["events:PutEvents"]
    assert town.click("reason", at=(Post(card.channel_id, card.ts), "")) == {"result": "ignored"}
    assert used_by_clicks()["events:PutEvents"] == before + 1


# --- what is not Slack's ---------------------------------------------------------------------------------------


def test_what_somebody_in_the_account_puts_on_the_bus_is_refused_and_kept(
    town: ClickTown, capsys: pytest.CaptureFixture[str]
) -> None:
    asked_for, _ = town.ask()
    reason = "not Slack's: the signature is not made with the signing secret, or not of this body"
    assert town.take(town.event(town.pressed("approve"), secret="guessed")) == {"refused": reason}
    assert found(town, asked_for.id) is State.PENDING
    assert kept(town) == [reason]
    assert '"message": "refused"' in capsys.readouterr().out


def test_a_body_that_was_changed_on_the_way_is_refused(town: ClickTown) -> None:
    asked_for, _ = town.ask()
    no, yes = town.event(town.pressed("deny")), town.event(town.pressed("approve"))
    mixed = {**no, "detail": {**no["detail"], "body": yes["detail"]["body"]}}
    assert "refused" in town.take(mixed)
    assert found(town, asked_for.id) is State.PENDING


@pytest.mark.parametrize(
    ("late", "taken"), [(timedelta(hours=8), True), (timedelta(hours=8, seconds=1), False)], ids=["8 h", "later"]
)
def test_a_click_may_be_under_way_for_hours_and_no_longer(town: ClickTown, late: timedelta, taken: bool) -> None:
    town.ask()
    event = town.event(town.pressed("deny"))
    town.clock.now += late
    assert ("result" in town.take(event)) is taken


def test_a_click_of_the_future_is_refused(town: ClickTown) -> None:
    town.ask()
    body = town.pressed("approve")
    ahead = timedelta(minutes=5, seconds=1)
    assert town.take(town.event(body, at=town.clock() + ahead))["refused"].startswith("not Slack's: the timestamp")


@pytest.mark.parametrize("changes", [{"api_app_id": "A9"}, {"team": {"id": "T9"}}, {"team": None}])
def test_another_app_or_workspace_is_refused_though_it_has_the_secret(town: ClickTown, changes: dict[str, Any]) -> None:
    asked_for, _ = town.ask()
    assert town.take(town.event(town.pressed("approve", **changes)))["refused"].startswith("not ours: ")
    assert found(town, asked_for.id) is State.PENDING


@pytest.mark.parametrize(
    "event",
    [
        None,
        {"source": names.SOURCE_COSTWATCH, "detail-type": names.DETAIL_SLACK_INTERACTION, "detail": {}},
        {"source": names.SOURCE_SLACK, "detail-type": names.DETAIL_SLACK_INTERACTION},
        {"source": names.SOURCE_SLACK, "detail-type": names.DETAIL_SLACK_INTERACTION, "detail": {"body": 5}},
        {"source": names.SOURCE_SLACK, "detail-type": names.DETAIL_SLACK_INTERACTION,
         "detail": {"body": "ü", "timestamp": "1", "signature": "v0="}},
        {"source": names.SOURCE_SLACK, "detail-type": names.DETAIL_SLACK_INTERACTION,
         "detail": {"body": "x", "timestamp": "1", "signature": "v0=", "retry": 1}},
    ],
)  # fmt: skip
def test_what_is_no_event_of_the_door_is_refused_and_kept(town: ClickTown, event: object) -> None:
    answer = town.take(event)
    assert kept(town) == [answer["refused"]]


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "view_submission"},
        {"actions": []},
        {"actions": [{"action_id": "approve", "value": "x", "action_ts": "soon"}]},
        {"actions": [{"action_id": "approve", "value": "x", "action_ts": "1#2"}]},
        {"user": {"id": ""}},
        {"user": None},
        {"container": {"message_ts": "never", "channel_id": "C0"}},
        {"state": {"values": {"cap": {"cap": {"selected_option": {"value": "-1"}}}}}},
        {"state": {"values": {"reason": {"reason": {"value": 5}}}}},
    ],
)
def test_a_signed_payload_that_is_no_press_is_refused_and_kept(town: ClickTown, changes: dict[str, Any]) -> None:
    answer = town.take(town.event(form(payload(**changes))))
    assert kept(town) == [answer["refused"]]
    assert town.posted.messages == []


# --- the secret and the configuration ----------------------------------------------------------------------------


def test_a_secret_that_was_rotated_is_read_anew(town: ClickTown) -> None:
    town.ask()
    deny = town.card_with("deny")
    seconds = [0.0]
    town.clicks_wired.secret._monotonic = lambda: seconds[0]
    assert town.click("cap", at=deny) == {"result": "ignored"}
    town.keep(names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER, "rotated")
    seconds[0] = 30.0
    assert town.take(town.event(town.pressed("deny", at=deny), secret="rotated")) == {"result": "taken"}
    assert "refused" in town.click("cap", at=deny)


def test_without_a_secret_nothing_is_slacks(town: ClickTown) -> None:
    town.ask()
    town.aws.client("ssm").delete_parameter(Name=names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER)
    assert "refused" in town.click("approve")
    assert "refused" in town.take(town.event(town.pressed("approve"), secret=""))


def test_where_the_secret_cannot_be_read_lambda_tries_again_and_nothing_was_done(town: ClickTown) -> None:
    asked_for, _ = town.ask()
    event = town.event(town.pressed("approve"))
    town.aws.faults.fail("ssm", "GetParameter", "ThrottlingException", times=20)
    with pytest.raises(TransientAwsError):
        town.take(event)
    town.aws.faults.clear()
    assert found(town, asked_for.id) is State.PENDING
    assert town.take(event) == {"result": "taken"}


def test_where_slack_is_not_configured_the_owner_of_the_deploy_hears_of_it(town: ClickTown) -> None:
    town.ask()
    town.clicks_wired.__dict__["slack"] = None
    with pytest.raises(ConfigError, match="neither"):
        town.click("approve")


def test_what_failed_after_its_person_was_told_is_kept_for_people_and_not_repeated(town: ClickTown) -> None:
    town.ask()
    event = town.event(town.pressed("approve"))
    town.aws.faults.fail("dynamodb", "TransactWriteItems", "AccessDeniedException", times=20)
    answer = town.take(event)
    town.aws.faults.clear()
    assert "TransactWriteItems" in answer["refused"]
    assert len(kept(town)) == 1
    for message in town.posted.messages:
        assert "DynamoDB" not in message.text
        assert "TransactWriteItems" not in json.dumps(message.blocks)
        assert "AccessDenied" not in json.dumps(message.blocks)


# --- what it is allowed --------------------------------------------------------------------------------------------


def test_it_asks_for_no_permission_that_stops_anything(town: ClickTown) -> None:
    town.warn()
    town.click("stop", by=OMAR)
    used = used_by_clicks()
    assert "lambda:InvokeFunction" in used
    assert not {action for action in used if action.startswith(("ec2:", "autoscaling:"))}
    assert "sagemaker:StopTrainingJob" not in used
