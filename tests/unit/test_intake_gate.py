"""The gate's one door: callback messages, tasks, commands; a waiter is never forgotten, whatever the rest is."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from costwatch import intake
from costwatch.core.approvals import Way
from costwatch.core.policy import TagKeys
from costwatch.errors import MalformedEvent
from costwatch.intake import Amend, Asked, GateBatch, GivenUp, Here, Malformed, Withdrawn

TAGS = TagKeys("owner", "team", "project", "model", "run", "max", "deadline", "exempt", "beat")
DEAD = "arn:aws:sqs:us-east-1:111122223333:gate-dead"
HERE = Here("111122223333", "us-east-1", TAGS, DEAD)
TOKEN = "aBcDeF0123"
EXECUTION = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/churn/execution/abc123"
FIGURES = {"instance_type": "ml.p4d.24xlarge", "max_runtime_seconds": 3600}
MESSAGE = {"token": TOKEN, "pipelineExecutionArn": EXECUTION, "arguments": FIGURES, "status": "Executing"}


def record(body: object, message_id: str = "m-1", queue: str = "arn:aws:sqs:us-east-1:111122223333:gate") -> Any:
    return {
        "messageId": message_id,
        "body": body if isinstance(body, str) else json.dumps(body),
        "eventSourceARN": queue,
    }


def batch(*records: Any) -> GateBatch:
    found = intake.gate({"Records": list(records)}, HERE)
    assert isinstance(found, GateBatch)
    return found


def only(**changed: Any) -> Any:
    (found,) = batch(record({**MESSAGE, **changed})).messages
    return found


def test_a_callback_message_is_a_request_of_its_pipeline() -> None:
    found = only()
    assert isinstance(found, Asked)
    request = found.request
    assert (request.way, request.token, request.source) == (Way.PIPELINE, TOKEN, EXECUTION)
    assert (request.account, request.region, found.message_id) == ("111122223333", "us-east-1", "m-1")
    assert request.parts[0].choices[0].groups[0].instance_type == "ml.p4d.24xlarge"


def test_the_same_message_asks_the_same_question_and_another_token_another() -> None:
    assert only().request.id == only().request.id
    assert only().request.id != only(token="0123456789").request.id


@pytest.mark.parametrize("status", ["Executing", "Started", "", None, 7, "executing"])
def test_whatever_the_status_says_it_is_a_request(status: Any) -> None:
    assert isinstance(only(status=status), Asked)


@pytest.mark.parametrize("status", [{"status": "Stopping"}, {"status": "STOPPING"}, {"Status": "Stopping"}])
def test_a_pipeline_that_is_stopped_withdraws_its_request(status: dict[str, str]) -> None:
    body = {"token": TOKEN, "pipelineExecutionArn": EXECUTION, "arguments": FIGURES, **status}
    (found,) = batch(record(body)).messages
    assert isinstance(found, Withdrawn)
    assert found.waiter.id == only().request.id


def test_what_is_given_beats_the_tags_of_the_job() -> None:
    body = {"TrainingJobName": "n", "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            "Tags": [{"Key": "team", "Value": "risk"}, {"Key": "owner", "Value": "maria"}]}  # fmt: skip
    request = only(arguments={"job": json.dumps(body), "team": "fraud"}).request
    assert (request.team, request.owner, request.name) == ("fraud", "maria", "n")


def test_a_requester_is_what_the_arguments_say_and_verified_by_nobody() -> None:
    requester = only(arguments={**FIGURES, "requester": "maria"}).request.requester
    assert (requester.name, requester.principal, requester.verified) == ("maria", "", False)


@pytest.mark.parametrize("arguments", [None, [], {}, {"instance_count": -1}, {**FIGURES, "instance_count": math.inf}])
def test_a_malformed_request_that_has_a_token_can_be_answered(arguments: Any) -> None:
    found = only(arguments=arguments)
    assert isinstance(found, Malformed)
    assert (found.waiter.token, found.waiter.source, found.message_id) == (TOKEN, EXECUTION, "m-1")
    assert found.reason


def test_half_a_character_is_malformed_and_answered() -> None:
    (found,) = batch(record(json.dumps({**MESSAGE, "arguments": {**FIGURES, "name": "\ud800"}}))).messages
    assert isinstance(found, Malformed)


def test_a_pipeline_cannot_ask_about_another_region() -> None:
    found = only(arguments={**FIGURES, "region": "eu-central-1"})
    assert isinstance(found, Malformed)
    assert found.reason == "region: its pipeline runs in us-east-1, and so does what it starts"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("no json", "the message's body is no JSON"),
        ("[" * 100_000, "the message's body is no JSON"),
        ("[]", "the event is a list"),
        ({"arguments": {}}, "token is missing"),
        ({**MESSAGE, "token": "x"}, "token is 'x'; expected the 10 letters and digits"),
        ({**MESSAGE, "token": TOKEN + "\n"}, "token is"),
        ({**MESSAGE, "token": 7}, "token is missing or no text"),
    ],
)
def test_what_nobody_could_be_answered_about_is_refused_and_costs_the_others_nothing(body: Any, reason: str) -> None:
    found = batch(record(body, "bad"), record(MESSAGE, "good"))
    (refused,) = found.refused
    assert refused.reason.startswith(reason)
    assert [each.message_id for each in found.messages] == ["good"]


@pytest.mark.parametrize("execution", [None, 7, "", "arn:aws:sagemaker:us-east-1:1:pipeline/x", "x" * 5000])
def test_an_execution_that_is_none_leaves_the_token_to_be_answered(execution: Any) -> None:
    found = only(pipelineExecutionArn=execution)
    assert (found.request.token, found.request.source) == (TOKEN, "")


def test_a_dead_letter_is_given_up_and_one_of_a_stopped_pipeline_withdrawn() -> None:
    (dead,) = batch(record(MESSAGE, queue=DEAD)).messages
    assert isinstance(dead, GivenUp)
    assert dead.waiter.id == only().request.id
    (stopped,) = batch(record({**MESSAGE, "status": "Stopping"}, queue=DEAD)).messages
    assert isinstance(stopped, Withdrawn)


def test_a_task_is_asked_about_by_its_token() -> None:
    found = intake.gate({"task_token": "t" * 2048, "execution": "arn:x", "request": FIGURES}, HERE)
    assert isinstance(found, Asked)
    assert (found.request.way, found.request.token, found.request.source) == (Way.TASK, "t" * 2048, "arn:x")


def test_a_malformed_task_can_be_answered() -> None:
    found = intake.gate({"task_token": "t", "request": {"instance_count": 1}}, HERE)
    assert isinstance(found, Malformed)
    assert found.waiter.token == "t"


@pytest.mark.parametrize("token", ["", None, 7, "t" * 2049])
def test_a_task_token_that_is_none_is_refused(token: Any) -> None:
    with pytest.raises(MalformedEvent, match="task_token"):
        intake.gate({"task_token": token, "request": FIGURES}, HERE)


def command(**changed: Any) -> Any:
    detail = {"request": FIGURES, "requested_by": "arn:aws:iam::111122223333:user/maria", **changed}
    return intake.gate({"source": "costwatch.cli", "detail-type": "Gate Requested", "detail": detail}, HERE)


def test_a_command_asks_for_its_caller_and_asks_the_same_by_the_same_key() -> None:
    found = command(key="build-7")
    assert isinstance(found, Asked)
    assert found.request.way is Way.COMMAND
    assert found.request.requester.principal == "arn:aws:iam::111122223333:user/maria"
    assert not found.request.requester.verified
    assert found.request.id == command(key="build-7").request.id
    assert found.request.id != command(key="build-8").request.id
    assert command().request.id == command().request.id
    assert command().request.id != command(request={**FIGURES, "instance_count": 2}).request.id


def test_a_command_without_a_caller_is_refused() -> None:
    with pytest.raises(MalformedEvent, match="requested_by"):
        command(requested_by="")


def test_a_grant_to_be_written_into_a_job() -> None:
    assert intake.gate({"amend": {"job": {"a": 1}, "gate": {}}}, HERE) == Amend({"a": 1}, {})


@pytest.mark.parametrize("event", [None, [], "text", {}, {"Records": 7}, {"source": "aws.events"}, {"amend": {}}])
def test_anything_else_is_no_event_of_this_function(event: Any) -> None:
    with pytest.raises(MalformedEvent):
        intake.gate(event, HERE)


def test_two_thousand_random_messages_are_each_taken_answered_or_refused() -> None:
    rng = random.Random(7)
    values: list[Any] = [None, True, -1, 0, 1.5, math.nan, math.inf, 10**400, "", "x" * 2000, "\ud800", "ml.m5.large",
                         [], [1], {}, {"a": {}}, "24h", "-3", "\uff19", "true", "\x00"]  # fmt: skip
    names = ["job", "service", "instance_type", "instance_count", "max_runtime_seconds", "expected_runtime", "purchase",
             "use_spot", "volume_gb", "region", "name", "team", "requester", "else"]  # fmt: skip
    for _ in range(2000):
        arguments: dict[str, Any] = dict(FIGURES) if rng.random() < 0.5 else {}
        arguments |= {rng.choice(names): rng.choice(values) for _ in range(rng.randint(0, 4))}
        body = {**MESSAGE, "arguments": arguments}
        if rng.random() < 0.2:
            body[rng.choice(["token", "status", "pipelineExecutionArn", "arguments"])] = rng.choice(values)
        found = batch(record(body))
        assert len(found.messages) + len(found.refused) == 1
        for each in found.messages:
            assert isinstance(each, Asked | Malformed | Withdrawn)
            if isinstance(each, Malformed):
                assert each.reason
                assert "Traceback" not in each.reason
