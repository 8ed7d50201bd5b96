"""The door's AWS calls: what goes over the wire is what botocore would send, and every way not to answer has an end."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from costwatch.adapters.signed_calls import SignedCalls
from costwatch.errors import AwsError, ConfigError, PermanentAwsError, TransientAwsError

ENV = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
Answer = tuple[int, bytes] | Callable[[Any], object]
OK: Answer = (200, b'{"FailedEntryCount": 0}')


class Service:
    """Answers with what is in `answers`, the last one for ever, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [OK]
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.connections: set[int] = set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.server.daemon_threads = True
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def _handler_of(service: Service) -> type[BaseHTTPRequestHandler]:
    class Served(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
            """Nothing."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            service.connections.add(self.client_address[1])
            answer = service.next()
            if not isinstance(answer, tuple):
                answer(self)
                return
            status, content = answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Served


def hang_up(handler: Any) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.released.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join(timeout=5)


def put(service: Service, *, seconds: float = 2.0, token: str = "") -> dict[str, Any]:
    env = {**ENV, "AWS_ENDPOINT_URL": service.url} | ({"AWS_SESSION_TOKEN": token} if token else {})
    calls = SignedCalls(env)
    return calls.call("events", "AWSEvents.PutEvents", {"Entries": []}, seconds=seconds)


def failure(service: Service, *answers: Answer, seconds: float = 2.0) -> AwsError:
    service.answers = list(answers)
    with pytest.raises(AwsError) as raised:
        put(service, seconds=seconds)
    return raised.value


def _signed_by_boto3(service: Service, token: str | None) -> dict[str, str]:
    client = boto3.client(
        "events", endpoint_url=service.url, region_name=ENV["AWS_REGION"], aws_session_token=token,
        aws_access_key_id=ENV["AWS_ACCESS_KEY_ID"], aws_secret_access_key=ENV["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    client.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": "{}"}])
    return service.requests[-1][0]


@pytest.mark.parametrize("token", ["", "session-token"])
def test_a_call_looks_to_the_service_as_boto3s_does(service: Service, token: str) -> None:
    theirs = _signed_by_boto3(service, token or None)
    assert put(service, token=token) == {"FailedEntryCount": 0}
    ours, body = service.requests[-1]
    assert json.loads(body) == {"Entries": []}
    for name in ("content-type", "x-amz-target", "host", "x-amz-security-token"):
        assert ours.get(name) == theirs.get(name), name
    scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"
    for headers in (ours, theirs):
        assert headers["authorization"].startswith(scope)
        assert "/eu-central-1/events/aws4_request" in headers["authorization"]
        signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        assert {"host", "x-amz-date", "x-amz-target", *(["x-amz-security-token"] if token else [])} <= set(signed)


def test_the_connection_is_kept_for_the_next_call(service: Service) -> None:
    calls = SignedCalls({**ENV, "AWS_ENDPOINT_URL": service.url})
    for _ in range(3):
        calls.call("ssm", "AmazonSSM.GetParameter", {}, seconds=2.0)
    assert len(service.connections) == 1


@pytest.mark.parametrize(
    "hiccup",
    [hang_up, (500, b'{"__type": "InternalFailure"}'), (503, b""), (429, b"{}"), (200, b""), (200, b"<html>"),
     (400, b'{"__type": "ThrottlingException", "message": "Rate exceeded"}')],
)  # fmt: skip
def test_what_passes_is_tried_a_second_time_and_no_third(service: Service, hiccup: Answer) -> None:
    service.answers = [hiccup, OK]
    assert put(service) == {"FailedEntryCount": 0}
    assert isinstance(failure(service, hiccup, hiccup, OK), TransientAwsError)
    assert len(service.requests) == 4


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((400, b'{"__type": "ParameterNotFound"}'), "ParameterNotFound"),
        ((400, b'{"__type": "com.amazonaws.ssm#ParameterNotFound", "message": "x"}'), "ParameterNotFound"),
        ((400, b'{"__type": "AccessDeniedException", "Message": "no"}'), "AccessDeniedException"),
        ((403, b"{}"), "HTTP403"),
    ],
)
def test_a_refusal_is_final_and_carries_the_services_code(service: Service, answer: Answer, code: str) -> None:
    error = failure(service, answer)
    assert isinstance(error, PermanentAwsError)
    assert (error.code, error.operation) == (code, "events:PutEvents")
    assert len(service.requests) == 1


def test_a_service_that_does_not_answer_is_given_up_in_time_and_not_asked_again(service: Service) -> None:
    begun = time.monotonic()
    error = failure(service, lambda _: service.released.wait(10), seconds=0.3)
    assert (type(error), error.code) == (TransientAwsError, "Timeout")
    assert 0.25 < time.monotonic() - begun < 1.5
    assert len(service.requests) == 1


def test_without_time_nothing_is_asked(service: Service) -> None:
    assert failure(service, OK, seconds=0.0).code == "Timeout"
    assert service.requests == []


def test_nobody_listening_is_a_passing_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        calls = SignedCalls({**ENV, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{taken.getsockname()[1]}"})
        with pytest.raises(TransientAwsError):
            calls.call("events", "AWSEvents.PutEvents", {}, seconds=2.0)


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-central-1", "https://events.eu-central-1.amazonaws.com/"),
        ("us-gov-west-1", "https://events.us-gov-west-1.amazonaws.com/"),
        ("cn-north-1", "https://events.cn-north-1.amazonaws.com.cn/"),
    ],
)
def test_without_another_endpoint_it_is_the_regions_own_as_botocore_has_it(region: str, url: str) -> None:
    assert SignedCalls({**ENV, "AWS_REGION": region})._url("events") == url
    assert boto3.client("events", region_name=region).meta.endpoint_url + "/" == url


@pytest.mark.parametrize("variable", list(ENV))
def test_an_environment_without_region_or_credentials_is_said(variable: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        SignedCalls({name: value for name, value in ENV.items() if name != variable})
