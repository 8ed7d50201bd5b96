"""The one line: ok, or exactly what is missing; one more when that changes, and no other."""

from __future__ import annotations

import json
import sys
from typing import Any

import botocore.exceptions
import pytest

import costwatch_client
from tests.client.fakes import INSTANCE_ARN, AwsAnswer, FakeEvents, Training

STATEMENT = {
    "Sid": "CostwatchHeartbeat",
    "Effect": "Allow",
    "Action": "events:PutEvents",
    "Resource": "arn:aws:events:us-east-1:111122223333:event-bus/costwatch",
    "Condition": {
        "StringEquals": {"events:source": "costwatch.client"},
        "ForAllValues:StringEquals": {
            "events:detail-type": ["Run Heartbeat", "Run Started", "Run Done", "Heartbeat Check"]
        },
    },
}


def line_of(events: FakeEvents, **environ: str) -> str:
    training = Training(events)
    training.environ.update(environ)
    training.heartbeat(step=1)
    training.turn()
    (line,) = training.lines
    return line


def test_a_beat_that_arrives_is_ok_and_says_where_it_goes() -> None:
    assert line_of(FakeEvents()) == (
        "ok, heartbeats of instance i-0abc12345def67890 in us-east-1, account 111122223333 "
        "go to the event bus costwatch in us-east-1"
    )


def test_later_beats_say_nothing_more() -> None:
    training = Training()
    for _ in range(5):
        training.heartbeat(step=1)
        training.after(300)
    assert len(training.events.calls) == 5
    assert len(training.lines) == 1


def test_a_change_is_said_once_and_never_again() -> None:
    training = Training(FakeEvents(fails=AwsAnswer("ThrottlingException", "slow down")))
    for fails in (training.events.fails, None, None, AwsAnswer("InternalException"), None):
        training.events.fails = fails
        training.heartbeat(step=1)
        training.after(300)
    assert [line.partition(" ")[0] for line in training.lines] == ["no", "ok,"]


def test_a_failure_that_goes_on_is_said_once() -> None:
    training = Training(FakeEvents(fails=AwsAnswer("ThrottlingException", "slow down")))
    for _ in range(5):
        training.heartbeat(step=1)
        training.after(300)
    assert training.lines == ["no heartbeats: ThrottlingException: An error occurred (ThrottlingException): slow down"]


def test_what_was_ignored_before_the_second_line_stands_in_it() -> None:
    training = Training(FakeEvents(fails=AwsAnswer("ThrottlingException")))
    training.heartbeat(step="one")
    training.turn()
    training.heartbeat(total="two")
    training.events.fails = None
    training.after(300)
    assert training.lines[0].endswith("; ignored: step 'one' is not a whole number")
    assert training.lines[1].endswith("; ignored: total 'two' is not a whole number")


def test_the_same_mistake_at_every_step_is_noted_once_and_few_mistakes_are_enough() -> None:
    training = Training()
    for wrong in ("a", "a", "b", "c", "d", "e"):
        training.heartbeat(step=wrong)
    training.turn()
    assert training.lines[0].count("is not a whole number") == 3


@pytest.mark.parametrize("code", ["AccessDeniedException", "NotAuthorizedForSourceException"])
def test_whoever_is_denied_gets_the_statement_to_paste(code: str) -> None:
    line = line_of(FakeEvents(fails=AwsAnswer(code, "no identity-based policy allows it")))
    assert line.startswith(f"no heartbeats: {code}: the role needs this IAM statement: ")
    assert json.loads(line[line.index("{") :]) == STATEMENT


def test_an_entry_that_is_refused_with_http_200_is_no_success() -> None:
    refusal = {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "not authorized"}
    line = line_of(FakeEvents(refuses=refusal))
    assert line.startswith("no heartbeats: NotAuthorizedForSourceException: the role needs this IAM statement")


def test_a_bus_that_is_not_there_is_said_although_put_events_would_accept() -> None:
    events = FakeEvents(buses=())
    assert line_of(events) == (
        "no heartbeats: there is no event bus costwatch in us-east-1: the bus lives in Costwatch's home region, "
        "name it with COSTWATCH_REGION (and COSTWATCH_BUS)"
    )
    assert events.calls == []


def test_a_bus_that_appears_later_is_found() -> None:
    training = Training(FakeEvents(buses=()))
    training.heartbeat(step=1)
    training.turn()
    training.events.buses = ("costwatch",)
    training.after(300)
    assert training.events.steps == [1]
    assert training.lines[1].startswith("ok, ")


def test_whoever_may_not_look_for_the_bus_beats_all_the_same_and_says_so_and_looks_no_more() -> None:
    training = Training(FakeEvents(look_fails=AwsAnswer("AccessDeniedException")))
    for _ in range(3):
        training.heartbeat(step=1)
        training.after(300)
    assert training.lines[0].endswith("(whether that bus exists could not be seen: events:DescribeEventBus)")
    assert (len(training.events.calls), training.events.looks) == (3, 1)


def test_the_bus_is_looked_for_once() -> None:
    training = Training()
    for _ in range(3):
        training.heartbeat(step=1)
        training.after(300)
    assert training.events.looks == 1
    assert training.made == [("events", "us-east-1")]


@pytest.mark.parametrize(
    ("environ", "region", "bus", "resource"),
    [
        (
            {"COSTWATCH_REGION": "eu-west-1"},
            "eu-west-1",
            "costwatch",
            "arn:aws:events:eu-west-1:111122223333:event-bus/costwatch",
        ),
        (
            {"COSTWATCH_BUS": "beats", "COSTWATCH_REGION": "cn-north-1"},
            "cn-north-1",
            "beats",
            "arn:aws-cn:events:cn-north-1:111122223333:event-bus/beats",
        ),
        (
            {"COSTWATCH_BUS": "arn:aws:events:eu-central-1:999988887777:event-bus/costwatch"},
            "eu-central-1",
            "arn:aws:events:eu-central-1:999988887777:event-bus/costwatch",
            "arn:aws:events:eu-central-1:999988887777:event-bus/costwatch",
        ),
    ],
)
def test_the_bus_may_lie_elsewhere(environ: dict[str, str], region: str, bus: str, resource: str) -> None:
    training = Training(FakeEvents(buses=("costwatch", "beats")))
    training.environ.update(environ)
    training.heartbeat(step=1)
    training.turn()
    assert training.made == [("events", region)]
    assert training.events.calls[0][0]["EventBusName"] == bus
    assert training.last["member"]["region"] == "us-east-1", "the member is where it runs"
    training.events.fails = AwsAnswer("AccessDeniedException")
    training.after(0)
    training.heartbeat(step=2)
    training.after(300)
    assert resource in training.lines[1]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (botocore.exceptions.NoCredentialsError(), "no AWS credentials (NoCredentialsError: "),
        (botocore.exceptions.ProfileNotFound(profile="lab"), "no AWS credentials (ProfileNotFound: "),
        (
            botocore.exceptions.EndpointConnectionError(endpoint_url="https://events.us-east-1.amazonaws.com"),
            "EventBridge does not answer (EndpointConnectionError: ",
        ),
        (
            botocore.exceptions.ReadTimeoutError(endpoint_url="https://events.us-east-1.amazonaws.com"),
            "EventBridge does not answer (ReadTimeoutError: ",
        ),
        (AwsAnswer("ExpiredTokenException", "expired"), "ExpiredTokenException: AWS refuses these credentials: "),
        (AwsAnswer("ResourceNotFoundException"), "there is no event bus costwatch in us-east-1: "),
        (RuntimeError("two\nlines"), "RuntimeError: two lines"),
    ],
)
def test_every_failure_is_said_in_one_line(error: Exception, said: str) -> None:
    line = line_of(FakeEvents(fails=error))
    assert line.startswith(f"no heartbeats: {said}")
    assert "\n" not in line


def test_boto3s_own_client_error_is_understood() -> None:
    answer: Any = {"Error": {"Code": "AccessDeniedException", "Message": "User: x is not authorized"}}
    line = line_of(FakeEvents(fails=botocore.exceptions.ClientError(answer, "PutEvents")))
    assert "the role needs this IAM statement" in line


def test_without_boto3_that_is_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    training = Training()
    training.client._link = costwatch_client._Link({costwatch_client.ENV_MEMBER: INSTANCE_ARN})
    training.heartbeat(step=1)
    training.turn()
    assert training.lines[0].startswith("no heartbeats: boto3 cannot be imported (")
    assert training.lines[0].endswith(": pip install boto3")


def test_after_a_failure_the_next_beat_makes_a_new_client() -> None:
    """One that was made before there were credentials never gets any."""
    training = Training(FakeEvents(fails=botocore.exceptions.NoCredentialsError()))
    training.heartbeat(step=1)
    training.turn()
    training.events.fails = None
    training.after(300)
    assert training.made == [("events", "us-east-1")] * 2
    assert training.events.steps == [1]


def test_whoever_is_not_rank_zero_says_and_sends_nothing() -> None:
    training = Training()
    training.environ["RANK"] = "1"
    training.client.start(None, None, None)
    training.heartbeat(step="wrong")
    training.client.done()
    assert not training.turn()
    assert training.lines == []


def test_a_rank_that_is_told_later_than_the_first_call_counts() -> None:
    training = Training()
    training.environ["LOCAL_RANK"] = "1"
    training.heartbeat(step=1)
    training.environ["RANK"] = "0"
    training.heartbeat(step=2)
    training.turn()
    assert training.events.steps == [2]


def test_the_line_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    costwatch_client._say("ok, and\nno second line")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "costwatch: ok, and no second line\n")


def test_a_stderr_that_is_closed_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, text: str) -> int:
            raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(sys, "stderr", Closed())
    costwatch_client._say("ok")


def test_a_thread_that_cannot_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise RuntimeError("can't start new thread")

    training = Training()
    training.client._threaded = True
    monkeypatch.setattr("threading.Thread.start", refuse)
    training.heartbeat(step=1)
    training.heartbeat(step=2)
    assert training.lines == ["no heartbeats: RuntimeError: can't start new thread"]
