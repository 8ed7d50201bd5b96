"""The local HTTP API hands requests over, and answers back, as API Gateway does in payload format 2.0."""

from __future__ import annotations

import base64
import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest

from demo.embedded.http_front import HttpFront

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Handler:
    """Keeps its events and answers `answer`, or raises it."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = {"statusCode": 200, "body": ""} if answer is None else answer
        self.events: list[dict[str, Any]] = []

    def __call__(self, event: dict[str, Any], context: Any) -> Any:
        self.events.append({**event, "context": context})
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def sent(
    front: HttpFront, body: bytes = b"a=1", method: str = "POST", path: str = "/slack", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(front.url).netloc, timeout=5)
    connection.request(method, path, body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, {name.lower(): value for name, value in answer.getheaders()}


def test_a_form_arrives_encoded_under_lower_case_headers() -> None:
    handler = Handler()
    with HttpFront(handler, context="context") as front:
        status, body, _ = sent(front, b"payload=%7B%7D", Content_Type=FORM["Content-Type"], X_Slack_Retry_Num="1")
    assert (status, body) == (200, b"")
    (event,) = handler.events
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "POST /slack", "/slack")
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["stage"] == "$default"
    assert event["headers"]["x-slack-retry-num"] == "1"
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"payload=%7B%7D"
    assert event["context"] == "context"


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/json; charset=utf-8", "text/xml"])
def test_text_arrives_as_it_is(kind: str) -> None:
    handler = Handler()
    with HttpFront(handler) as front:
        sent(front, b'{"a": 1}', Content_Type=kind)
    assert (handler.events[0]["body"], handler.events[0]["isBase64Encoded"]) == ('{"a": 1}', False)


def test_without_a_body_there_is_none() -> None:
    handler = Handler()
    with HttpFront(handler) as front:
        sent(front, b"")
    assert "body" not in handler.events[0]


def test_what_no_route_names_never_reaches_the_function() -> None:
    handler = Handler()
    with HttpFront(handler) as front:
        answers = [sent(front, path="/other")[:2], sent(front, method="GET", body=b"")[:2]]
    assert answers == [(404, b'{"message": "Not Found"}')] * 2
    assert handler.events == []


def test_a_function_that_fails_is_a_500_that_says_nothing() -> None:
    error = ValueError("secret")
    with HttpFront(Handler(error)) as front:
        assert sent(front)[:2] == (500, b'{"message": "Internal Server Error"}')
    assert front.failures == [error]


def test_status_headers_and_body_of_the_answer_reach_the_caller() -> None:
    answer = {"statusCode": 405, "headers": {"allow": "POST"}, "body": "no"}
    with HttpFront(Handler(answer)) as front:
        status, body, headers = sent(front)
    assert (status, body, headers["allow"]) == (405, b"no", "POST")
    encoded = {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\xff").decode()}
    with HttpFront(Handler(encoded)) as front:
        assert sent(front)[:2] == (200, b"\xff")


def test_an_answer_without_a_status_is_the_body_itself() -> None:
    with HttpFront(Handler({"ok": True})) as front:
        assert sent(front)[:2] == (200, b'{"ok": true}')


def test_ten_megabytes_are_taken_and_more_is_not() -> None:
    handler = Handler()
    with HttpFront(handler) as front:
        assert sent(front, b"x" * 10 * 2**20)[0] == 200
        status, headers, _ = front.answer("POST", "/slack", [], b"x" * (10 * 2**20 + 1))
    assert (status, headers["content-type"], len(handler.events)) == (413, "application/json", 1)
