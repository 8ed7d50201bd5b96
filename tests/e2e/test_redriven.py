"""What a deployed function fails on: into its dead-letter queue, shown by redrive, and after mending sent again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from costwatch import names
from costwatch.core.record import Transition
from tests.e2e.asynchronous import Lambda, lambda_of
from tests.e2e.conftest import EMAIL
from tests.e2e.console import as_json, costwatch
from tests.e2e.deployed import Deployed, Failed, Invocation
from tests.e2e.ledger_rows import ledger_items, timeline
from tests.support import pipelines
from tests.unit.test_intake_heartbeats import DETAIL, MEMBER

TAGS = {"Purpose": "transient-ml-training", "owner": "maria@example.com"}
TRIES = 5
"""After so many a message of a queue goes into its dead-letter queue."""


@pytest.fixture
def service(deployed: Deployed) -> Iterator[Lambda]:
    with lambda_of(deployed) as service:
        yield service
    assert deployed.aws.errors == []


@contextmanager
def broken(deployed: Deployed, function: str) -> Iterator[None]:
    """Until the end the function's setting names a table that is not there, as after a deploy that went wrong."""
    client, arn, before = deployed.aws.client("lambda"), deployed.function(function), len(deployed.invocations)
    good = client.get_function_configuration(FunctionName=arn)["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=arn, Environment={"Variables": good | {names.ENV_LEDGER_TABLE: "dropped"}}
    )
    try:
        yield
    finally:
        client.update_function_configuration(FunctionName=arn, Environment={"Variables": good})
        del deployed.invocations[before:]  # its role names the table that is there: these calls are no fault of it


def ended(deployed: Deployed) -> tuple[str, dict[str, Any]]:
    """A young trainer that a sweep has seen, and the event of its end, which no function has heard yet."""
    trainer = deployed.aws.fleet.instance(tags=TAGS, launched_at=deployed.clock())
    deployed.tick()
    deployed.aws.client("ec2").terminate_instances(InstanceIds=[trainer])
    assert Transition.ENDED_BY_ITSELF.value not in told_of(deployed, trainer)
    arn = f"arn:aws:ec2:{deployed.aws.region}:{deployed.aws.account_id}:instance/{trainer}"
    detail = {"instance-id": trainer, "state": "terminated"}
    return trainer, deployed.event(names.SOURCE_EC2, names.DETAIL_EC2_STATE, detail, arn)


def told_of(deployed: Deployed, trainer: str) -> list[str]:
    return [row["transition"] for row in timeline(deployed, f"instance/{trainer}")]


def lying(deployed: Deployed, queue: str) -> list[dict[str, Any]]:
    (found,) = as_json(costwatch(deployed, "redrive", queue, "--json"))["queues"]
    assert found["depth"] == len(found["messages"])
    messages: list[dict[str, Any]] = found["messages"]
    return messages


def resent(deployed: Deployed, queue: str) -> None:
    done = as_json(costwatch(deployed, "redrive", queue, "--resend", "--yes", "--reason", "mended", "--json"))
    assert (done["failures"], done["left"]) == ({}, 0)


def test_what_a_function_fails_on_is_sent_to_it_again_once_its_setting_is_mended(
    deployed: Deployed, service: Lambda
) -> None:
    trainer, event = ended(deployed)
    with broken(deployed, "hints"):
        service.publish(event)
        (failed,) = service.run()
        assert isinstance(failed, Failed), "three tries"
        (letter,) = lying(deployed, "hints")
    assert (letter["function"], letter["event"], letter["may_be_sent_again"]) == ("hints", event, True)
    assert letter["reason"] == failed.message
    assert "ResourceNotFoundException" in letter["reason"]
    shown = costwatch(deployed, "redrive")
    assert f"{letter['id'][:8]}" in shown.stdout
    assert Transition.ENDED_BY_ITSELF.value not in told_of(deployed, trainer)

    resent(deployed, "hints")
    assert [arn for arn, _ in service.accepted] == [deployed.function("hints")]
    (done,) = service.run()
    assert isinstance(done, Invocation)
    assert told_of(deployed, trainer)[-1] == Transition.ENDED_BY_ITSELF.value
    assert lying(deployed, "hints") == []
    who = [row for row in ledger_items(deployed) if row.get("transition") == "dead letters sent again"]
    assert who[-1]["reason"].endswith("asked to have 1 message of hints sent again: mended")


def test_what_fails_again_comes_back_once(deployed: Deployed, service: Lambda) -> None:
    _, event = ended(deployed)
    with broken(deployed, "hints"):
        service.publish(event)
        service.run()
        (first,) = lying(deployed, "hints")
        resent(deployed, "hints")
        service.run()
        (second,) = lying(deployed, "hints")
    assert (second["id"] != first["id"], second["event"]) == (True, event)
    resent(deployed, "hints")
    assert isinstance(service.run()[0], Invocation)
    assert lying(deployed, "hints") == []


def test_what_eventbridge_may_not_hand_over_lies_there_with_its_reason_and_is_sent_again(
    deployed: Deployed, service: Lambda
) -> None:
    trainer, event = ended(deployed)
    client, arn = deployed.aws.client("lambda"), deployed.function("hints")
    granted = json.loads(client.get_policy(FunctionName=arn)["Policy"])["Statement"]
    for each in granted:
        client.remove_permission(FunctionName=arn, StatementId=each["Sid"])
    try:
        service.publish(event)
    finally:
        for each in granted:
            client.add_permission(
                FunctionName=arn,
                StatementId=each["Sid"],
                Action=each["Action"],
                Principal=each["Principal"]["Service"],
                SourceArn=each["Condition"]["ArnLike"]["AWS:SourceArn"],
            )
    assert service.accepted == []
    (letter,) = lying(deployed, "hints")
    assert letter["reason"].startswith("NO_PERMISSIONS: ")
    assert (letter["event"], letter["may_be_sent_again"]) == (event, True)
    resent(deployed, "hints")
    service.run()
    assert told_of(deployed, trainer)[-1] == Transition.ENDED_BY_ITSELF.value
    assert lying(deployed, "hints") == []


def test_a_tick_that_failed_is_never_sent_again_and_the_next_one_does_its_work(
    deployed: Deployed, service: Lambda
) -> None:
    """It says nothing of any run: each looks at the world as it is by then."""
    deployed.aws.fleet.confirm_subscriptions(deployed.only("AWS::SNS::Topic"), EMAIL)
    launched = deployed.clock() - timedelta(hours=13)
    spared, forgotten = (deployed.aws.fleet.instance(tags=TAGS, launched_at=launched) for _ in range(2))
    deployed.tick()
    deployed.clock.forward(minutes=16)
    tick = deployed.event(names.SOURCE_SCHEDULE, names.DETAIL_SCHEDULED, {}, "arn:aws:events:us-east-1:1:rule/sweep")
    with broken(deployed, "deadman"):
        service.accepted.append((deployed.function("deadman"), tick))
        assert isinstance(service.run()[0], Failed)
    until = (deployed.clock() + timedelta(days=1)).strftime("until %Y-%m-%dT%H:%M:%SZ")
    deployed.aws.fleet.tag(spared, {names.TAG_EXEMPT: until})
    deployed.clock.forward(hours=1)
    (letter,) = lying(deployed, "deadman")
    refused = costwatch(deployed, "redrive", "deadman", "--resend", "--yes")
    assert refused.returncode == 4
    assert "the schedule ticks anyway" in " ".join(refused.stderr.split())
    assert ([each["id"] for each in lying(deployed, "deadman")], service.accepted) == ([letter["id"]], [])
    done = deployed.tick()
    assert (done.answer["failures"], done.answer["stopped"]) == ([], 1)
    states = {
        each["InstanceId"]: each["State"]["Name"]
        for group in deployed.aws.client("ec2").describe_instances(InstanceIds=[spared, forgotten])["Reservations"]
        for each in group["Instances"]
    }
    assert (states[spared], states[forgotten] == "running") == ("running", False)
    emptied(deployed, "deadman")
    assert lying(deployed, "deadman") == []


def test_an_event_that_is_refused_is_refused_again_and_then_deleted(deployed: Deployed, service: Lambda) -> None:
    emptied(deployed, "refused")
    _, event = ended(deployed)
    odd = {**event, "detail": {"state": "terminated"}}
    service.publish(odd)
    assert isinstance(service.run()[0], Invocation), "refusing is no failure"
    (letter,) = lying(deployed, "refused")
    assert (letter["function"], letter["event"]) == ("hints", odd)
    assert letter["reason"] == "detail.instance-id is missing or no text"
    resent(deployed, "refused")
    service.run()
    (again,) = lying(deployed, "refused")
    assert (again["id"] != letter["id"], again["event"]) == (True, odd)
    done = as_json(costwatch(deployed, "redrive", "refused", "--delete", "--yes", "--json"))
    assert (done["messages"], done["left"]) == ([again["id"]], 0)
    assert lying(deployed, "refused") == []


def test_a_heartbeat_that_nobody_could_take_is_shown_and_never_sent_again(deployed: Deployed, service: Lambda) -> None:
    deployed.deliver_heartbeats()
    detail = {**DETAIL, "member": {**MEMBER, "account": deployed.aws.account_id}}
    entry = {"Source": names.SOURCE_CLIENT, "DetailType": names.DETAIL_HEARTBEAT, "Detail": json.dumps(detail)}
    deployed.aws.client("events").put_events(Entries=[{**entry, "EventBusName": names.HEARTBEAT_BUS}])
    with broken(deployed, "heartbeats"):
        fail_until_dead(deployed, "heartbeats", "BeatsQueue")
    (letter,) = lying(deployed, "beats")
    assert letter["what"] == f"{names.SOURCE_CLIENT}, {names.DETAIL_HEARTBEAT}"
    assert (letter["event"], letter["may_be_sent_again"]) == (None, False)
    refused = costwatch(deployed, "redrive", "beats", "--resend", "--yes")
    assert refused.returncode == 4
    assert "a heartbeat counts when it arrives" in " ".join(refused.stderr.split())
    assert service.accepted == []
    assert as_json(costwatch(deployed, "redrive", "beats", "--delete", "--yes", "--json"))["left"] == 0


def test_what_the_gate_fails_on_it_answers_itself_and_redrive_leaves_that_queue_alone(
    deployed: Deployed, service: Lambda
) -> None:
    emptied(deployed, "refused")
    execution = pipelines.start(deployed.aws, pipelines.definition(deployed.parameter["gate_queue_url"]), "given-up")
    with broken(deployed, "gate"):
        fail_until_dead(deployed, "gate", "GateRequestsQueue")
    nowhere = costwatch(deployed, "redrive", "gate-requests")
    assert nowhere.returncode == 2
    assert "the function gate reads it itself" in " ".join(nowhere.stderr.split())
    deployed.deliver("gate")
    assert pipelines.steps(deployed.aws, execution)["Ask"]["StepStatus"] == "Succeeded", "in observe it holds nobody up"
    (letter,) = lying(deployed, "refused")
    assert (letter["function"], letter["event"], letter["may_be_sent_again"]) == ("gate", None, False)
    assert letter["reason"] == "the gate failed on it time after time; whoever waited has been answered"
    emptied(deployed, "refused")


def emptied(deployed: Deployed, queue: str) -> None:
    as_json(costwatch(deployed, "redrive", queue, "--delete", "--yes", "--json"))


def fail_until_dead(deployed: Deployed, function: str, called: str) -> None:
    """What Lambda's poller does with a function that fails on its batches, until SQS gives the messages up."""
    sqs = deployed.aws.client("sqs")
    (url,) = [url for name, url in deployed.physical.items() if re.fullmatch(f"{called}[0-9A-F]{{8}}", name)]
    arn = f"arn:aws:sqs:{deployed.aws.region}:{deployed.aws.account_id}:{url.rpartition('/')[2]}"
    for _ in range(TRIES):
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["SentTimestamp"])
        messages = answer["Messages"]
        records = [
            {"messageId": m["MessageId"], "body": m["Body"], "attributes": m["Attributes"], "eventSourceARN": arn}
            for m in messages
        ]
        outcome = deployed.attempt(deployed.function(function), {"Records": records})
        kept = [] if isinstance(outcome, Failed) else outcome.answer["batchItemFailures"]
        assert isinstance(outcome, Failed) or len(kept) == len(messages)
        for m in messages:  # instead of waiting until they are visible again
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"], VisibilityTimeout=0)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
