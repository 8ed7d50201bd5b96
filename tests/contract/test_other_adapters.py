"""The bus, the alerts topic, the queue of refused events, the Slack token, Slack, and the errors of AWS calls."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from costwatch.adapters.aws_errors import from_client_error, translated
from costwatch.adapters.bus import Bus
from costwatch.adapters.refused import RefusedEvents
from costwatch.adapters.slack import RATE_LIMITED, Slack, token_from_parameter
from costwatch.adapters.topic import Topic
from costwatch.core.cards import Card
from costwatch.errors import PermanentAwsError, TransientAwsError
from demo.embedded import Fleet, World
from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint
from tests.contract.conftest import Clients
from tests.support.builders import NOW

CARD = Card("churn stops in 1 h; spent $1", [{"type": "section", "text": {"type": "mrkdwn", "text": "churn stops"}}])

# --- the bus --------------------------------------------------------------------------------------------------


@pytest.fixture
def heard(clients: Clients, world: World) -> str:
    """The URL of a queue that hears Costwatch's own events."""
    del world
    url = str(clients("sqs").create_queue(QueueName="pipelines")["QueueUrl"])
    events = clients("events")
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["costwatch"]}))
    arn = clients("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
    return url


def test_a_stop_is_an_event_that_a_pipeline_can_match(clients: Clients, heard: str) -> None:
    Bus(clients("events"), heartbeat_bus="costwatch").run_stopped(
        {"run": "r", "final": True, "spent_usd": "12.50"}, at=NOW
    )
    (message,) = clients("sqs").receive_message(QueueUrl=heard)["Messages"]
    event = json.loads(message["Body"])
    assert (event["source"], event["detail-type"]) == ("costwatch", "Run Stopped By Costwatch")
    assert event["detail"] == {"run": "r", "final": True, "spent_usd": "12.50"}


def test_an_entry_that_the_bus_dropped_with_a_200_is_an_error() -> None:
    class Dropping:
        def put_events(self, **_: object) -> dict[str, Any]:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "lost"}]}

    dropping: Any = Dropping()
    with pytest.raises(TransientAwsError, match="events:PutEvents: lost"):
        Bus(dropping, heartbeat_bus="costwatch").run_stopped({}, at=NOW)


def test_a_bus_that_denies_is_a_permanent_error(clients: Clients, world: World) -> None:
    world.faults.fail("events", "PutEvents", "AccessDeniedException")
    with pytest.raises(PermanentAwsError):
        Bus(clients("events"), heartbeat_bus="costwatch").run_stopped({}, at=NOW)


# --- the topic ------------------------------------------------------------------------------------------------


@pytest.fixture
def topic_arn(clients: Clients, world: World) -> str:
    del world
    return str(clients("sns").create_topic(Name="alerts")["TopicArn"])


@pytest.fixture
def topic(clients: Clients, topic_arn: str) -> Topic:
    return Topic(clients("sns"), topic_arn)


def test_a_topic_without_subscriptions_has_no_listener_though_publish_says_200(topic: Topic, world: World) -> None:
    assert not topic.has_listener()
    topic.publish("subject", "text")
    assert world.sns_messages[0].heard_by == ()


def test_a_pending_confirmation_is_no_listener_and_a_confirmed_one_is(
    topic: Topic, topic_arn: str, clients: Clients, fleet: Fleet
) -> None:
    clients("sns").subscribe(TopicArn=topic_arn, Protocol="email", Endpoint="ml-platform@example.com")
    assert not topic.has_listener()
    fleet.confirm_subscriptions(topic_arn)
    assert topic.has_listener()


@pytest.mark.parametrize(
    ("subject", "expected"),
    [("churn stops\nin 1 h", "churn stops in 1 h"), ("x" * 300, "x" * 100), ("größe ☃", "gr??e ?")],
)
def test_a_subject_is_made_what_sns_accepts(topic: Topic, world: World, subject: str, expected: str) -> None:
    topic.publish(subject, "text")
    assert world.sns_messages[0].subject == expected


def test_a_topic_that_is_not_there_is_a_permanent_error(clients: Clients, world: World) -> None:
    del world
    with pytest.raises(PermanentAwsError):
        Topic(clients("sns"), "arn:aws:sns:us-east-1:123456789012:gone").publish("s", "t")


def test_a_throttled_topic_may_be_tried_again(topic: Topic, world: World) -> None:
    world.faults.fail("sns", "Publish", "Throttling")
    with pytest.raises(TransientAwsError):
        topic.publish("s", "t")


# --- refused events -------------------------------------------------------------------------------------------


@pytest.fixture
def queue_url(clients: Clients, world: World) -> str:
    del world
    return str(clients("sqs").create_queue(QueueName="refused")["QueueUrl"])


def waiting(clients: Clients, queue_url: str) -> dict[str, Any]:
    (message,) = clients("sqs").receive_message(QueueUrl=queue_url)["Messages"]
    body: dict[str, Any] = json.loads(message["Body"])
    return body


@pytest.mark.parametrize("event", [{"a": 1}, None, "text", [1, 2], {"when": NOW}])
def test_a_refused_event_is_kept_with_its_reason(clients: Clients, queue_url: str, event: object) -> None:
    RefusedEvents(clients("sqs"), queue_url).refuse(event, reason="detail is missing", function="deadman")
    kept = waiting(clients, queue_url)
    assert (kept["reason"], kept["function"]) == ("detail is missing", "deadman")
    assert kept["event"] == json.loads(json.dumps(event, default=str))


@pytest.mark.parametrize("filler", ["x", '"', "\\", "☃", "😀"])
def test_an_event_too_large_for_the_queue_is_cut_and_its_beginning_kept(
    clients: Clients, queue_url: str, filler: str
) -> None:
    RefusedEvents(clients("sqs"), queue_url).refuse({"id": "first", "x": filler * 400_000}, reason="r", function="f")
    kept = waiting(clients, queue_url)
    assert kept["event_cut"].startswith('{"id": "first"')
    assert len(json.dumps(kept).encode()) < 262_144


@pytest.mark.parametrize("nested", [{}, []])
def test_an_event_nested_too_deeply_is_kept_as_far_as_it_can_be_written(
    clients: Clients, queue_url: str, nested: Any
) -> None:
    for _ in range(5000):
        nested = {"a": nested} if isinstance(nested, dict) else [nested]
    RefusedEvents(clients("sqs"), queue_url).refuse({"id": "first", "x": nested}, reason="r", function="f")
    kept = waiting(clients, queue_url)
    assert kept["event"]["id"] == "first"
    assert "(nested too deeply)" in json.dumps(kept["event"])


def test_a_queue_that_is_gone_is_an_error_so_that_lambdas_own_queue_takes_the_event(
    clients: Clients, queue_url: str
) -> None:
    with pytest.raises(PermanentAwsError):
        RefusedEvents(clients("sqs"), f"{queue_url}-gone").refuse({}, reason="r", function="f")


# --- the token ------------------------------------------------------------------------------------------------


def test_the_token_is_read_from_its_parameter_when_it_is_needed(clients: Clients, world: World) -> None:
    del world
    read = token_from_parameter(clients("ssm"), "/costwatch/slack-token")
    with pytest.raises(PermanentAwsError, match="Slack token: ssm:GetParameter: ParameterNotFound"):
        read()
    clients("ssm").put_parameter(Name="/costwatch/slack-token", Type="SecureString", Value="xoxb-1")
    assert read() == "xoxb-1"


def test_a_throttled_parameter_may_be_tried_again(clients: Clients, world: World) -> None:
    world.faults.fail("ssm", "GetParameter", "ThrottlingException")
    with pytest.raises(TransientAwsError, match="Slack token"):
        token_from_parameter(clients("ssm"), "/costwatch/slack-token")()


# --- Slack ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def endpoint() -> Iterator[SlackEndpoint]:
    with SlackEndpoint(users={"maria@example.com": "U0MARIA01"}) as running:
        yield running


@pytest.fixture
def slack(endpoint: SlackEndpoint) -> Slack:
    endpoint.reset()
    return Slack(lambda: DEFAULT_TOKEN, api_url=endpoint.base_url)


def test_a_card_is_posted_with_its_text_and_blocks(slack: Slack, endpoint: SlackEndpoint) -> None:
    ts = slack.post("#ml-platform", CARD)
    (message,) = endpoint.messages
    assert (message.ts, message.channel, message.text, message.blocks) == (ts, "#ml-platform", CARD.text, CARD.blocks)


def test_a_card_reaches_a_person_by_user_id(slack: Slack, endpoint: SlackEndpoint) -> None:
    slack.post("U0MARIA01", CARD)
    assert endpoint.messages[0].to == "maria@example.com"


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ("maria@example.com", "U0MARIA01"),
        ("nobody@example.com", None),
        ("U0MARIA01", "U0MARIA01"),
        ("W012AB3CD", "W012AB3CD"),
        ("maria", None),
        ("", None),
        ("U0<!channel>", None),
        ("u0maria01", None),
    ],
)
def test_an_owner_is_a_user_id_or_an_address_that_slack_knows(slack: Slack, owner: str, expected: str | None) -> None:
    assert slack.user_id(owner) == expected


def test_a_channel_that_is_not_there_is_a_permanent_error(slack: Slack, endpoint: SlackEndpoint) -> None:
    endpoint.unknown_channels.add("#gone")
    with pytest.raises(PermanentAwsError, match="channel_not_found"):
        slack.post("#gone", CARD)


def test_a_wrong_token_is_a_permanent_error_that_does_not_quote_it(endpoint: SlackEndpoint) -> None:
    endpoint.reset()
    with pytest.raises(PermanentAwsError, match="invalid_auth") as error:
        Slack(lambda: "xoxb-secret", api_url=endpoint.base_url).post("#ml-platform", CARD)
    assert "xoxb-secret" not in str(error.value)


def test_a_token_that_cannot_be_read_is_its_own_error(endpoint: SlackEndpoint) -> None:
    def unreadable() -> str:
        raise TransientAwsError("Slack token: throttled")

    with pytest.raises(TransientAwsError, match="Slack token"):
        Slack(unreadable, api_url=endpoint.base_url).post("#ml-platform", CARD)


def test_a_slack_that_refuses_connections_may_be_tried_again(slack: Slack, endpoint: SlackEndpoint) -> None:
    endpoint.go_down()
    with pytest.raises(TransientAwsError):
        slack.post("#ml-platform", CARD)
    with pytest.raises(TransientAwsError):
        slack.user_id("maria@example.com")
    endpoint.come_up()
    assert slack.post("#ml-platform", CARD)


@pytest.mark.parametrize(
    ("limits", "slept", "accepted"),
    [
        ([1], [1], True),
        ([3], [3], True),
        ([4], [], False),
        ([12], [], False),
        ([1, 2], [1, 2], True),
        ([2, 2], [2], False),
        ([0, 0, 0], [1, 1, 1], True),
        ([0, 0, 0, 0], [1, 1, 1], False),
    ],
)
def test_a_slack_that_asks_for_patience_gets_three_seconds_a_call_and_no_more(
    endpoint: SlackEndpoint, limits: list[int], slept: list[float], accepted: bool
) -> None:
    endpoint.reset()
    naps: list[float] = []
    slack = Slack(lambda: DEFAULT_TOKEN, api_url=endpoint.base_url, sleep=naps.append)
    asked: tuple[Callable[[], str | None], ...] = (
        lambda: slack.post("#ml-platform", CARD),
        lambda: slack.user_id("maria@example.com"),
    )
    for call in asked:
        naps.clear()
        endpoint.rate_limits(limits)
        if accepted:
            assert call()
        else:
            with pytest.raises(TransientAwsError) as error:
                call()
            assert error.value.code == RATE_LIMITED
        assert naps == slept


@pytest.mark.parametrize("status", [500, 503])
def test_a_slack_that_answers_5xx_may_be_tried_again(slack: Slack, endpoint: SlackEndpoint, status: int) -> None:
    endpoint.go_down(status)
    with pytest.raises(TransientAwsError):
        slack.post("#ml-platform", CARD)


def test_an_answer_that_breaks_off_may_be_tried_again(slack: Slack, endpoint: SlackEndpoint) -> None:
    endpoint.fail_after_accept(times=5)
    with pytest.raises(TransientAwsError):
        slack.post("#ml-platform", CARD)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: soon\r\nContent-Length: 6\r\n\r\n<html>",
    ],
    ids=["an outage page", "half an answer", "no http", "a proxy's limit that does not say how long"],
)
def test_an_answer_that_is_no_answer_may_be_tried_again(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            for _ in range(4):
                try:
                    connection, _address = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(10)
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api/"
        with pytest.raises(TransientAwsError):
            Slack(lambda: DEFAULT_TOKEN, api_url=url).post("#ml-platform", CARD)


# --- the errors of AWS calls ----------------------------------------------------------------------------------


def client_error(code: str, status: int = 400, message: str = "no") -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Op")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (client_error("ThrottlingException"), TransientAwsError),
        (client_error("RequestLimitExceeded", 503), TransientAwsError),
        (client_error("SomethingNew", 502), TransientAwsError),
        (client_error("SomethingNew"), PermanentAwsError),
        (client_error("AccessDeniedException"), PermanentAwsError),
        (client_error("UnauthorizedOperation", 403), PermanentAwsError),
        (ReadTimeoutError(endpoint_url="https://x"), TransientAwsError),
        (ConnectTimeoutError(endpoint_url="https://x"), TransientAwsError),
        (EndpointConnectionError(endpoint_url="https://x"), TransientAwsError),
        (NoCredentialsError(), PermanentAwsError),
        (ParamValidationError(report="bad"), PermanentAwsError),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:60]),
)
def test_a_failed_call_is_translated_by_whether_it_may_succeed_later(error: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="ec2:Op") as raised, translated("ec2:Op"):
        raise error
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        (
            "UnauthorizedOperation",
            "You are not authorized to perform this operation. User: arn:aws:sts::111122223333:assumed-role/a/f is "
            "not authorized to perform: ec2:TerminateInstances on resource: arn:aws:ec2:us-east-1:111122223333:"
            "instance/i-0abcd1234ef567890 with an explicit deny in a service control policy. "
            "Encoded authorization failure message: {0}{1}{0}-{1}\n{0}",
            "... ec2:TerminateInstances on resource: arn:aws:ec2:us-east-1:111122223333:instance/i-0abcd1234ef567890 "
            "with an explicit deny in a service control policy.",
        ),
        (
            "UnauthorizedOperation",
            "You are not authorized to perform this operation. Encoded authorization failure message: {0}",
            "You are not authorized to perform this operation.",
        ),
        (
            "ThrottlingException",
            "Rate exceeded (Service: AmazonSageMaker; Status Code: 400; Error Code: ThrottlingException; Request ID: "
            "{1}; Proxy: null)",
            "Error Code: ThrottlingException; Request ID: ...; Proxy: null)",
        ),
        ("InternalError", "An internal error has occurred (RequestId: {1})", "occurred (RequestId: ...)"),
        ("InternalFailure", "Internal failure, request id: '{0}ABC123'", "Internal failure, request id: '...'"),
        ("ValidationException", "We cannot serve {1} now", "We cannot serve ... now"),
        ("KMSAccessDenied", "no kms:Decrypt on key/7f3c1a2b-1111-2222-3333-444455556666: {1}",
         "key/7f3c1a2b-1111-2222-3333-444455556666: ..."),
        ("InvalidSpotInstanceRequestID.NotFound", "The spot instance request ID 'sir-08b93456' does not exist",
         "request ID 'sir-08b93456' does not exist"),
        ("SignatureDoesNotMatch", "Signature expired: 2026112{2}T090000Z is now earlier than 2026112{2}T090500Z",
         "Signature expired: ... is now earlier than ..."),
    ],
)  # fmt: skip
def test_a_failure_reads_the_same_when_the_same_call_fails_again(code: str, message: str, told: str) -> None:
    calls = (
        ("kMxq8ZpW3nB1vT0f" * 9, "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d", "1"),
        ("Zz9aA0bB7cC6dD5e" * 9, "ffeeddcc-bbaa-4099-8877-665544332211", "2"),
    )
    texts = {str(from_client_error(client_error(code, message=message.format(*call)), "ec2:Op")) for call in calls}
    (text,) = texts
    assert text.startswith(f"ec2:Op: {code}: ")
    assert text.endswith(told.removeprefix("... "))


def test_a_connection_that_breaks_reads_the_same_each_time() -> None:
    def told(address: str) -> str:
        error = HTTPClientError(error=f"<urllib3.connection.HTTPSConnection object at {address}>: broken")
        with pytest.raises(TransientAwsError) as raised, translated("ec2:Op"):
            raise error
        return str(raised.value)

    assert told("0x7f4a8c0d1e50") == told("0x7fd911b8d756")


def test_what_is_no_aws_error_goes_through_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), translated("ec2:Op"):
        raise ZeroDivisionError
