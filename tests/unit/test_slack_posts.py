"""From API Gateway's event to the raw bytes, and from the bytes to the payload."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from costwatch.errors import MalformedEvent
from costwatch.slack_intake.payload import Envelope, envelope, is_form, payload_of
from costwatch.slack_intake.posts import LARGEST_BODY_BYTES, NotTaken, Post, slack_post
from demo.embedded.http_front import http_event

BODY = b"payload=%7B%7D"
HEADERS = [
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("X-Slack-Request-Timestamp", "1795000000"),
    ("X-Slack-Signature", "v0=abc"),
    ("X-Slack-Retry-Num", "2"),
]


def event(wire: bytes = BODY, **changes: Any) -> dict[str, Any]:
    """As API Gateway makes it of what comes over the wire; `changes` replace its keys."""
    return {**http_event("POST", "/slack", HEADERS, wire), **changes}


def taken(given: object) -> Post:
    found = slack_post(given)
    assert isinstance(found, Post), found
    return found


def status(given: object) -> int:
    found = slack_post(given)
    assert isinstance(found, NotTaken), found
    return found.status


def test_the_body_is_what_came_over_the_wire_though_api_gateway_encodes_a_form() -> None:
    assert event()["isBase64Encoded"] is True
    assert taken(event()) == Post(BODY, "application/x-www-form-urlencoded", "1795000000", "v0=abc", "2")
    assert taken(event(body=BODY.decode(), isBase64Encoded=False)).body == BODY


@pytest.mark.parametrize("spelt", [str.lower, str.upper, str.title, str.swapcase])
def test_headers_are_found_by_their_names_in_any_case(spelt: Any) -> None:
    assert taken(event(headers={spelt(name): value for name, value in HEADERS})) == taken(event())


@pytest.mark.parametrize("headers", [None, {}, [], "x", 5, {5: "x"}, {None: None}])
def test_headers_that_are_missing_or_none_leave_everything_empty(headers: Any) -> None:
    assert taken(event(headers=headers)) == Post(BODY, "", "", "", "")


@pytest.mark.parametrize("value", [None, 5, 1.5, True, [], ["v0=abc"], {}])
def test_a_header_that_is_no_text_is_none(value: Any) -> None:
    assert taken(event(headers={"x-slack-signature": value})).signature == ""


def test_a_header_that_is_there_twice_is_none() -> None:
    assert taken(event(headers={"X-Slack-Signature": "v0=abc", "x-slack-signature": "v0=abc"})).signature == ""


@pytest.mark.parametrize(("said", "kept"), [("1", "1"), ("9999", "9999"), ("12345", ""), ("-1", ""), ("one", "")])
def test_a_retry_number_is_a_number_or_nothing(said: str, kept: str) -> None:
    assert taken(event(headers={"x-slack-retry-num": said})).retry == kept


def test_a_body_of_exactly_the_largest_size_is_taken_and_a_byte_more_is_not() -> None:
    most = b"x" * LARGEST_BODY_BYTES
    assert taken(event(most)).body == most
    assert status(event(most + b"x")) == 413
    assert taken(event(body=most.decode(), isBase64Encoded=False)).body == most
    assert status(event(body=most.decode() + "x", isBase64Encoded=False)) == 413


def test_bytes_count_and_not_characters() -> None:
    assert status(event(body="ü" * (LARGEST_BODY_BYTES // 2 + 1), isBase64Encoded=False)) == 413


def test_no_body_is_an_empty_one() -> None:
    without = event()
    del without["body"]
    assert taken(without).body == b""
    assert taken(event(body=None)).body == b""


@pytest.mark.parametrize(
    "changes",
    [
        {"body": 5}, {"body": []}, {"body": {"payload": "{}"}}, {"body": True},
        {"isBase64Encoded": "true"}, {"isBase64Encoded": 1}, {"isBase64Encoded": None},
        {"body": "no base64!"}, {"body": "YQ"}, {"body": "YQ==\n"}, {"body": "ü"},
        {"body": "\ud800", "isBase64Encoded": False}, {"body": "\ud800"},
    ],
)  # fmt: skip
def test_a_body_that_is_not_what_the_event_says_is_400(changes: dict[str, Any]) -> None:
    assert status(event(**changes)) == 400


@pytest.mark.parametrize("path", [None, "", "/", "/slack/", "/Slack", "/slack/x", "//slack", 5, [], {}])
def test_another_path_is_404(path: Any) -> None:
    assert status(event(rawPath=path)) == 404


@pytest.mark.parametrize(
    "context",
    [
        None, [], "POST", {}, {"http": None}, {"http": "POST"}, {"http": {}},
        *({"http": {"method": each}} for each in ("GET", "PUT", "post", "", None, 5, ["POST"])),
    ],
)  # fmt: skip
def test_another_method_is_405(context: Any) -> None:
    assert status(event(requestContext=context)) == 405


@pytest.mark.parametrize("given", [None, [], "", "POST", 5, True])
def test_what_is_no_event_at_all_is_400(given: object) -> None:
    assert status(given) == 400


# --- the payload -----------------------------------------------------------------------------------------------


def test_the_payload_is_the_object_in_the_one_field() -> None:
    said = {"type": "block_actions", "text": "é & = + %"}
    assert payload_of(urlencode({"payload": json.dumps(said)}).encode()) == said
    assert payload_of(b"payload=" + quote(json.dumps(said)).encode()) == said


@pytest.mark.parametrize(
    "body",
    [
        b"", b"payload", b"payload=", b"x=1", b"payload=%7B%7D&payload=%7B%7D", b"payload=%7B%7D&payload=",
        b"payload=%7B", b"payload=%5B%5D", b"payload=null", b"payload=1", b"payload=%22x%22", b'{"payload": {}}',
        b"payload={}&", b"&payload=%7B%7D", b"payload=%FF%FE", "payload=ü".encode(),
        b"payload=%7B%7D\x00", b"payload=%7B%7D\n", b"\xff\xfe", b"=%7B%7D", b"PAYLOAD=%7B%7D",
        b"&".join([b"x=1"] * 16) + b"&payload=%7B%7D",
        b"payload=" + b"%5B" * 50_000, b"payload=" + b"1" * 5_000,
    ],
)  # fmt: skip
def test_what_is_no_form_with_one_json_object_is_refused_without_quoting_it(body: bytes) -> None:
    with pytest.raises(MalformedEvent) as refusal:
        payload_of(body)
    assert len(str(refusal.value)) < 60


@pytest.mark.parametrize(
    ("said", "form"),
    [
        ("application/x-www-form-urlencoded", True),
        ("Application/X-WWW-Form-Urlencoded ; charset=utf-8", True),
        ("application/json", False),
        ("text/plain; application/x-www-form-urlencoded", False),
        ("", False),
    ],
)
def test_a_form_is_told_by_its_content_type(said: str, form: bool) -> None:
    assert is_form(said) is form


@pytest.mark.parametrize("wrong", [None, 5, True, [], {}, ["T1"]])
def test_what_an_envelope_does_not_say_as_text_is_empty(wrong: Any) -> None:
    whole = {"type": "block_actions", "api_app_id": "A1", "team": {"id": "T1"}, "enterprise": {"id": "E1"}}
    assert envelope(whole) == Envelope("block_actions", "A1", "T1", "E1")
    assert envelope(dict.fromkeys(whole, wrong)) == Envelope("", "", "", "")
    assert envelope({"team": {"id": wrong}, "enterprise": {"id": wrong}}) == Envelope("", "", "", "")
    assert envelope({}) == Envelope("", "", "", "")
