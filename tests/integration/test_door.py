"""A click in Slack through the real door, over HTTP, SSM and the bus of the embedded AWS."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from costwatch import names
from costwatch.door_wiring import DoorWiring, utc_now
from costwatch.handlers import door
from costwatch.settings import DoorSettings
from demo.embedded.http_front import HttpFront, http_event
from demo.recorder import acting_as
from tests.support.builders import NOW
from tests.support.embedded import REGION, Account
from tests.support.slack_posts import APP, ORGANISATION, SECRET, WORKSPACE, form, headers, payload, slack_event

QUEUE = "clicks"
PARAMETER = names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER
TOLD = {400: "This is not what Slack sends.", 401: "This is not verified.", 403: "This is not for here."}
MINUTE = timedelta(minutes=1)


class Door:
    """The deployed door: a function that was started once, in an account where Slack's secret is kept."""

    def __init__(self, account: Account, **settings: str) -> None:
        self.account = account
        self.seconds = 0.0
        told = {"slack_app_id": APP, "slack_workspace": WORKSPACE, **settings}
        self.wired = DoorWiring(
            settings=DoorSettings(slack_signing_secret_parameter=PARAMETER, **told),
            env=account.aws.environment(),
            clock=account.clock,
            monotonic=lambda: time.monotonic() + self.seconds,
        )

    def __call__(self, event: object, context: object = None) -> dict[str, Any]:
        with acting_as("door", policy=self.account.document, settings=self.wired.settings):
            return door.handle(event, context, self.wired)

    def click(self, body: bytes | None = None, **more: Any) -> dict[str, Any]:
        """Slack's own request, signed now."""
        return self(slack_event(self.account.clock(), body, **more))

    def on_the_bus(self) -> list[dict[str, Any]]:
        """The events of the door so far."""
        return [json.loads(each) for each in self.account._waiting(QUEUE)]


def keep_secret(account: Account, value: str = SECRET) -> None:
    account.aws.client("ssm").put_parameter(Name=PARAMETER, Value=value, Type="SecureString", Overwrite=True)


@pytest.fixture
def account(running: Account) -> Iterator[Account]:
    running.reset(NOW)
    running.aws.faults.clear()
    running.aws.client("sqs").create_queue(QueueName=QUEUE)
    running._deliver(QUEUE, {"source": [names.SOURCE_SLACK]}, "default")
    keep_secret(running)
    yield running
    running.aws.faults.clear()
    assert running.aws.errors == []


@pytest.fixture
def opened(account: Account) -> Door:
    return Door(account)


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refused(answer: dict[str, Any], status: int) -> None:
    assert (answer["statusCode"], answer["body"]) == (status, TOLD[status])


# --- a click is taken -------------------------------------------------------------------------------------------


def test_a_click_goes_onto_the_bus_as_it_came_and_slack_gets_an_empty_200(opened: Door) -> None:
    body, now = form(), opened.account.clock()
    assert opened.click() == {"statusCode": 200, "body": ""}
    (event,) = opened.on_the_bus()
    assert (event["source"], event["detail-type"]) == ("costwatch.slack", "Slack Interaction")
    sent = headers(body, now)
    assert event["detail"] == {
        "body": body.decode(),
        "timestamp": sent["X-Slack-Request-Timestamp"],
        "signature": sent["X-Slack-Signature"],
        "retry": "",
    }


def test_a_click_that_is_not_encoded_is_the_same_click(opened: Door) -> None:
    event = slack_event(opened.account.clock())
    assert opened({**event, "body": form().decode(), "isBase64Encoded": False})["statusCode"] == 200
    assert opened.on_the_bus()[0]["detail"]["body"] == form().decode()


def test_a_retry_is_passed_on_with_its_number(opened: Door) -> None:
    assert opened.click()["statusCode"] == opened.click(X_Slack_Retry_Num="1")["statusCode"] == 200
    assert [event["detail"]["retry"] for event in opened.on_the_bus()] == ["", "1"]


def test_over_http_it_is_the_same(opened: Door) -> None:
    with HttpFront(opened) as front:

        def post(body: bytes, sent: dict[str, str]) -> int:
            request = urllib.request.Request(front.url, body, sent)
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code

        sent = headers(form(), opened.account.clock())
        assert post(form(), sent) == 200
        assert post(form() + b"&x=1", sent) == 401
        assert front.failures == []
    assert len(opened.on_the_bus()) == 1


def test_the_largest_card_fits_onto_the_bus(opened: Door) -> None:
    room = 200_000 - len(form(payload(state="")))
    body = form(payload(state="x" * room))
    assert len(body) == 200_000
    assert opened.click(body)["statusCode"] == 200
    assert opened.on_the_bus()[0]["detail"]["body"] == body.decode()
    assert opened.click(body + b"x")["statusCode"] == 413


@pytest.mark.parametrize("kind", ["view_submission", "shortcut", "message_action", "", None, 5])
def test_what_is_no_click_is_answered_and_goes_nowhere(opened: Door, kind: object) -> None:
    assert opened.click(form(payload(type=kind))) == {"statusCode": 200, "body": ""}
    assert opened.on_the_bus() == []


def test_a_workspace_may_be_named_by_its_organisation(account: Account) -> None:
    opened = Door(account, slack_workspace=ORGANISATION)
    assert opened.click(form(payload(enterprise={"id": ORGANISATION})))["statusCode"] == 200
    refused(opened.click(), 403)


def test_without_app_and_workspace_in_the_configuration_any_that_has_the_secret_is_taken(account: Account) -> None:
    opened = Door(account, slack_app_id="", slack_workspace="")
    assert opened.click(form(payload(api_app_id="A9", team=None)))["statusCode"] == 200


# --- a click is refused -------------------------------------------------------------------------------------------


def test_five_minutes_later_a_click_may_be_replayed_to_the_second_and_no_longer(opened: Door) -> None:
    event = slack_event(opened.account.clock())
    opened.account.clock.forward(minutes=5)
    assert opened(event)["statusCode"] == 200
    opened.account.clock.forward(seconds=1)
    refused(opened(event), 401)
    assert len(opened.on_the_bus()) == 1


def test_a_clock_that_is_more_than_five_minutes_ahead_is_refused(opened: Door) -> None:
    assert opened(slack_event(opened.account.clock() + 5 * MINUTE))["statusCode"] == 200
    refused(opened(slack_event(opened.account.clock() + 5 * MINUTE + timedelta(seconds=1))), 401)


@pytest.mark.parametrize(
    "changes", [{"api_app_id": "A9"}, {"api_app_id": None}, {"team": {"id": "T9"}}, {"team": None}]
)
def test_another_app_or_workspace_is_refused_though_it_has_the_secret(opened: Door, changes: dict[str, Any]) -> None:
    refused(opened.click(form(payload(**changes))), 403)
    assert opened.on_the_bus() == []


def test_a_forged_click_is_refused_whatever_it_holds(opened: Door) -> None:
    refused(opened.click(secret="guessed"), 401)
    refused(opened.click(b"", secret=""), 401)
    assert opened.on_the_bus() == []


@pytest.mark.parametrize("body", [b"", b"payload", b"payload=%7B", b"payload=%7B%7D&payload=%7B%7D", "ü".encode()])
def test_a_signed_request_without_one_payload_is_400(opened: Door, body: bytes) -> None:
    refused(opened.click(body), 400)


def test_a_signed_request_that_is_no_form_is_400(opened: Door) -> None:
    refused(opened.click(Content_Type="application/json"), 400)


def test_get_and_other_paths_are_refused_though_api_gateway_lets_none_through(opened: Door) -> None:
    sent = list(headers(form(), opened.account.clock()).items())
    answer = opened(http_event("GET", "/slack", sent, form()))
    assert (answer["statusCode"], answer["headers"]["allow"]) == (405, "POST")
    assert opened(http_event("POST", "/", sent, form()))["statusCode"] == 404
    assert opened.on_the_bus() == []


def test_a_refusal_is_logged_with_its_reason_and_counted_and_says_nothing_outside(
    opened: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = opened.click(secret="guessed")
    (line,) = logged(capsys)
    assert (line["level"], line["status"], line["service"]) == ("WARNING", 401, "costwatch")
    assert line["reason"] == "the signature is not made with the signing secret, or not of this body"
    assert (line["function"], line["message"]) == ("door", "refused")
    assert "_aws" not in line, "whoever knocks without a signature wakes nobody"
    assert "sign" not in answer["body"]


def test_no_log_line_holds_the_secret_the_signature_or_what_was_clicked(
    opened: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    opened.click()
    opened.click(secret="guessed")
    opened.click(form(payload(api_app_id="A9")))
    opened.account.aws.faults.fail("events", "PutEvents", "AccessDeniedException")
    opened.click()
    printed = capsys.readouterr()
    assert printed.err == ""
    assert len(printed.out.splitlines()) == 4
    for private in (SECRET, "v0=", "maria", "a-1", "payload="):
        assert private not in printed.out


# --- the secret ---------------------------------------------------------------------------------------------------


def test_a_rotated_secret_is_taken_half_a_minute_after_the_last_reading(opened: Door) -> None:
    assert opened.click()["statusCode"] == 200
    keep_secret(opened.account, "rotated")
    refused(opened.click(secret="rotated"), 401)
    opened.seconds += 30
    assert opened.click(secret="rotated")["statusCode"] == 200
    refused(opened.click(), 401)


def test_while_there_is_no_secret_nothing_verifies_and_half_a_minute_after_it_is_put_there_clicks_are_taken(
    opened: Door,
) -> None:
    opened.account.aws.client("ssm").delete_parameter(Name=PARAMETER)
    refused(opened.click(), 401)
    refused(opened.click(secret=""), 401)
    keep_secret(opened.account)
    opened.seconds += 30
    assert opened.click()["statusCode"] == 200


# --- AWS does not answer --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("service", "operation"), [("events", "PutEvents"), ("ssm", "GetParameter")])
def test_where_aws_does_not_answer_slack_is_told_so_within_its_three_seconds(
    opened: Door, capsys: pytest.CaptureFixture[str], service: str, operation: str
) -> None:
    opened.account.aws.faults.fail(service, operation, "InternalError", hang_seconds=4)
    begun = time.monotonic()
    answer = opened.click()
    assert time.monotonic() - begun < 2.5
    assert (answer["statusCode"], answer["body"]) == (503, "This could not be taken. Please try again.")
    (line,) = logged(capsys)
    assert (line["level"], line[names.METRIC_ATTENTION]) == ("ERROR", 1)
    assert line["reason"].startswith(f"{service}:{operation}: no answer within")
    assert opened.click()["statusCode"] == 200


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalFailure", "ThrottlingException"])
def test_where_the_bus_refuses_it_slack_is_told_so(opened: Door, code: str) -> None:
    opened.account.aws.faults.fail("events", "PutEvents", code, times=2)
    assert opened.click()["statusCode"] == 503
    assert opened.on_the_bus() == []


def test_an_entry_that_the_bus_drops_is_not_taken_for_a_click_that_was(opened: Door) -> None:
    dropped = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "no"}]}
    opened.click()
    opened.wired._calls.call = lambda *_, **__: dropped  # type: ignore[method-assign]
    assert opened.click()["statusCode"] == 503


def test_a_lost_connection_is_tried_again(opened: Door) -> None:
    opened.account.aws.faults.lose_connection("events", "PutEvents")
    assert opened.click()["statusCode"] == 200
    assert len(opened.on_the_bus()) == 1


# --- its start ------------------------------------------------------------------------------------------------------


def test_the_function_starts_from_its_environment_without_what_takes_long_to_import(account: Account) -> None:
    code = """
import json, sys
from costwatch.handlers import door
print(json.dumps(door.handler(json.load(sys.stdin), None)))
heavy = ("boto3", "slack_sdk", "aws_lambda_powertools", "pydantic", "botocore.session", "botocore.client",
         "botocore.loaders", "botocore.model", "costwatch.wiring", "costwatch.core.policy")
print([name for name in heavy if name in sys.modules])
"""
    settings = DoorSettings(slack_signing_secret_parameter=PARAMETER, slack_app_id=APP, slack_workspace=WORKSPACE)
    account.clock.now = utc_now()
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(slack_event(account.clock())),
        env={**account.aws.environment(), **settings.to_env(), "PYTHONPATH": "lambdas"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    log, answer, imported = done.stdout.splitlines()
    assert json.loads(log)["message"] == "click taken"
    assert json.loads(answer) == {"statusCode": 200, "body": ""}
    assert imported == "[]"
    assert account.aws.region == REGION
