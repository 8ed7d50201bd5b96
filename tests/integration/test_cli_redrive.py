"""costwatch redrive against SQS in moto: a look first, then by a person's word sent again or deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID as ACCOUNT_OF_MOTO
from moto.sqs.models import sqs_backends

from costwatch import names
from costwatch.adapters.dead_letters import DeadLetters, Taken
from costwatch.errors import PermanentAwsError
from tests.support.command_line import CONFIG, MARIA, client_error, town_of
from tests.support.fakes import ACCOUNT
from tests.support.redrive_office import REGION, Office

STATE = {"source": names.SOURCE_EC2, "detail-type": names.DETAIL_EC2_STATE, "detail": {"instance-id": "i-1"}}
STOP = {"source": names.SOURCE_CLI, "detail-type": names.DETAIL_STOP_REQUESTED, "detail": {"run": "x"}}


@pytest.fixture
def office(config: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr("costwatch.adapters.dead_letters._WAIT_SECONDS", 0)
    with mock_aws():
        yield Office(config, town_of(config, CONFIG))


# --- a look ------------------------------------------------------------------------------------------------


def test_a_look_says_what_lies_there_since_when_why_and_what_may_become_of_it(office: Office) -> None:
    first = office.put("hints", STATE, "TransientAwsError: throttled")
    second = office.refuse(STOP, "deadman")
    told = " ".join(office.run().stdout.split())
    assert "hints: 1 message" in told
    assert first[:8] in told
    assert "EC2 Instance State-change Notification; TransientAwsError: throttled; may be sent again" in told
    assert second[:8] in told
    assert "detail is missing; not sent again: a person's command is meant for its moment" in told
    assert "costwatch redrive QUEUE --resend" in told
    assert "beats" not in told


def test_a_look_changes_nothing_and_hides_nothing_from_the_next_one(office: Office) -> None:
    sent = {office.put("hints", {**STATE, "id": str(n)}) for n in range(23)}
    assert office.lying("hints") == office.lying("hints") == sent
    assert (office.function.taken, office.told) == ([], [])


def test_the_queue_that_the_gate_reads_itself_is_nobody_elses(office: Office) -> None:
    result = office.run("gate-requests")
    assert result.exit_code == 2
    assert "QUEUE is 'gate-requests': the function gate reads it itself" in " ".join(result.stderr.split())


def test_empty_queues_are_said_to_be_empty(office: Office) -> None:
    result = office.run()
    assert (result.exit_code, result.stdout) == (0, "Nothing lies in beats, hints, refused.\n")


def test_what_people_asked_for_is_named_and_not_shown(office: Office) -> None:
    office.refuse({**STOP, "detail": {"token": "xoxb-secret"}}, "deadman")
    office.put("hints", STATE)
    document = office.json()
    assert "xoxb-secret" not in json.dumps(document)
    events = {queue["queue"]: [each["event"] for each in queue["messages"]] for queue in document["queues"]}
    assert events == {"beats": [], "hints": [STATE], "refused": [None]}


# --- sent again -------------------------------------------------------------------------------------------


def test_what_is_sent_again_goes_to_its_function_is_gone_and_the_ledger_says_who(office: Office) -> None:
    office.put("hints", STATE)
    result = office.run("hints", "--resend", "--yes", "--reason", "throttled yesterday")
    assert (result.exit_code, result.stdout) == (0, "hints: 1 message sent again, 0 left.\n")
    assert office.function.taken == [("costwatch-hints", STATE)]
    assert office.lying("hints") == set()
    assert office.told == [
        (
            f"{ACCOUNT}/dead-letters/hints",
            "dead letters sent again",
            f"{MARIA} asked to have 1 message of hints sent again: throttled yesterday",
        )
    ]


def test_refused_events_go_to_who_refused_them_and_what_people_asked_for_stays(office: Office) -> None:
    office.refuse(STATE)
    kept = office.refuse(STOP, "deadman")
    result = office.run("refused", "--resend", "--yes")
    assert (result.exit_code, result.stdout) == (0, "refused: 1 message sent again, 1 left.\n")
    assert office.function.taken == [("costwatch-hints", STATE)]
    assert office.lying("refused") == {kept}


def test_what_lambda_does_not_take_stays_and_is_said(office: Office) -> None:
    kept = office.put("hints", STATE)
    office.function.error = client_error("ServiceUnavailable", "Invoke")
    result = office.run("hints", "--resend", "--yes")
    assert result.exit_code == 1
    assert f"{kept[:8]} failed, and lies there as before" in result.stdout
    assert office.lying("hints") == {kept}


def test_a_crash_before_it_is_gone_has_it_sent_twice_which_a_hint_may_be(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = office.put("hints", STATE)

    def dies(self: DeadLetters, taken: Taken) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DeadLetters, "delete", dies)
        assert office.run("hints", "--resend", "--yes").exit_code == 1
    assert office.lying("hints") == {kept}
    assert office.run("hints", "--resend", "--yes").exit_code == 0
    assert office.function.taken == [("costwatch-hints", STATE)] * 2
    assert office.lying("hints") == set()


def test_what_was_recorded_and_not_done_is_done_by_the_next_one(office: Office) -> None:
    kept = office.refuse(STATE)
    office.function.error = KeyboardInterrupt()
    assert office.run("refused", "--resend", "--yes").exit_code == 1
    assert (office.lying("refused"), len(office.told)) == ({kept}, 1)
    office.function.error = None
    office.town.clock.forward(seconds=1)
    assert office.run("refused", "--resend", "--yes").exit_code == 0
    assert office.lying("refused") == set()


@pytest.mark.parametrize("event", [STOP, {"source": names.SOURCE_CLIENT, "detail-type": names.DETAIL_HEARTBEAT}])
def test_nothing_that_was_meant_for_its_moment_is_ever_sent_again(office: Office, event: dict[str, Any]) -> None:
    """A stop needs no notice: one of last week must not come back."""
    kept = office.put("hints", event)
    result = office.run("hints", "--resend", "--yes")
    assert result.exit_code == 4
    assert f"{kept[:8]} is not sent again" in result.stderr
    assert (office.function.taken, office.told, office.lying("hints")) == ([], [], {kept})


# --- two people -------------------------------------------------------------------------------------------


def test_what_somebody_is_sending_again_nobody_else_is_handed_meanwhile(office: Office) -> None:
    office.put("hints", STATE)
    second: list[Result] = []
    office.function.meanwhile = lambda: second.append(office.run("hints", "--resend", "--yes"))
    assert office.run("hints", "--resend", "--yes").stdout == "hints: 1 message sent again, 0 left.\n"
    assert [(each.exit_code, each.stdout) for each in second] == [(0, "hints: 0 messages sent again, 1 left.\n")]
    assert office.function.taken == [("costwatch-hints", STATE)]


def test_what_was_taken_for_too_long_is_sent_by_both_and_lost_by_nobody(office: Office) -> None:
    """Two minutes are over while the first one's call hangs: a hint may come twice."""
    office.put("hints", STATE)
    second: list[Result] = []

    def visible_again() -> None:
        for message in sqs_backends[ACCOUNT_OF_MOTO][REGION].queues["hints"]._messages:
            message.change_visibility(0)
        second.append(office.run("hints", "--resend", "--yes"))

    office.function.meanwhile = visible_again
    first = office.run("hints", "--resend", "--yes")
    assert [each.exit_code for each in second] == [0]
    assert first.exit_code in (0, 1), "SQS may say that somebody else has deleted it"
    assert office.function.taken == [("costwatch-hints", STATE)] * 2
    assert office.lying("hints") == set()


# --- what is no event -------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["no json xoxb-secret", '["xoxb-secret"]', '"xoxb-secret"', "{" * 2000])
def test_a_body_that_is_no_event_is_named_kept_and_can_be_deleted(office: Office, body: str) -> None:
    kept = str(office.sqs.send_message(QueueUrl=office.urls["hints"], MessageBody=body)["MessageId"])
    shown = office.run()
    assert shown.exit_code == 0
    assert "no event; not sent again: it was cut, or is no event" in " ".join(shown.stdout.split())
    assert "xoxb-secret" not in shown.stdout + json.dumps(office.json())
    assert office.run("hints", "--resend", "--yes").exit_code == 4
    assert (office.function.taken, office.lying("hints")) == ([], {kept})
    assert office.run("hints", "--delete", "--yes").exit_code == 0
    assert office.lying("hints") == set()


def test_one_that_is_no_event_hides_none_that_may_be_sent_again(office: Office) -> None:
    kept = str(office.sqs.send_message(QueueUrl=office.urls["hints"], MessageBody="no json")["MessageId"])
    office.put("hints", STATE)
    result = office.run("hints", "--resend", "--yes")
    assert (result.exit_code, result.stdout) == (0, "hints: 1 message sent again, 1 left.\n")
    assert office.lying("hints") == {kept}


def test_what_eventbridge_could_not_hand_over_says_why(office: Office) -> None:
    told = {"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "not authorized", "RULE_ARN": "arn:aws:rule/ec2-state"}
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}
    office.sqs.send_message(QueueUrl=office.urls["hints"], MessageBody=json.dumps(STATE), MessageAttributes=attributes)
    (queue,) = office.json("hints")["queues"]
    assert [each["reason"] for each in queue["messages"]] == ["NO_PERMISSIONS: not authorized (rule ec2-state)"]


# --- deleted ----------------------------------------------------------------------------------------------


def test_what_is_deleted_is_gone_and_the_ledger_says_who_and_what_it_was(office: Office) -> None:
    first, second = office.refuse(STOP, "deadman"), office.refuse(STATE)
    assert office.json("refused", "--delete", "--message", first[:8], "--yes") == {
        "queue": "refused", "done": "deleted", "messages": [first], "failures": {}, "left": 1,
    }  # fmt: skip
    assert office.lying("refused") == {second}
    (row,) = office.town.ledger.since(office.town.clock(), office.town.clock())
    assert row.entry.actor == MARIA
    assert list(dict(row.entry.evidence)) == [first]
    assert "costwatch.cli, Stop Requested; somebody asked for stop; detail is missing" in str(row.entry.evidence)


def test_nothing_happens_that_the_ledger_could_not_be_told_of(office: Office) -> None:
    kept = office.refuse(STATE)

    def fails(_: object) -> None:
        raise PermanentAwsError("dynamodb: denied", code="AccessDeniedException")

    office.town.table.before_transact = fails
    assert office.run("refused", "--delete", "--yes").exit_code == 4
    office.town.table.before_transact = None
    assert office.lying("refused") == {kept}


# --- a person's word -----------------------------------------------------------------------------------------


def test_nobody_is_asked_where_nobody_can_answer_and_nothing_changes(office: Office) -> None:
    kept = office.put("hints", STATE)
    result = office.run("hints", "--delete")
    assert (result.exit_code, "give --yes" in result.stderr) == (2, True)
    assert office.lying("hints") == {kept}


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("n\n", False)])
def test_whoever_is_asked_sees_what_it_is_about(
    office: Office, monkeypatch: pytest.MonkeyPatch, answer: str, *, gone: bool
) -> None:
    kept = office.put("hints", STATE)
    monkeypatch.setattr("costwatch.cli.redriving._somebody_is_there", lambda: True)
    result = office.run("hints", "--delete", answer=answer)
    assert re.search(rf"{kept[:8]}[^$]*Delete 1 message of hints\?", result.output)
    assert office.lying("hints") == (set() if gone else {kept})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--resend",), "QUEUE is missing"),
        (("--delete",), "QUEUE is missing"),
        (("hints", "--resend", "--delete"), "give one of them"),
        (("nowhere",), "QUEUE is 'nowhere', expected one of beats, hints, refused"),
        (("hints", "--delete", "--message", "12345678"), "--message is '12345678', expected the beginning of one of"),
        (("hints", "--delete", "--message", ""), "--message is '', expected the beginning of one of"),
    ],
)
def test_bad_input_names_the_field_and_changes_nothing(office: Office, arguments: tuple[str, ...], told: str) -> None:
    kept = office.put("hints", STATE)
    result = office.run(*arguments, "--yes")
    assert (result.exit_code, told in result.stderr) == (2, True), result.stderr
    assert office.lying("hints") == {kept}


def test_a_stack_that_is_not_there_is_said(office: Office) -> None:
    office.stack.error = client_error("ValidationError", "ListStackResources")
    result = office.run()
    assert (result.exit_code, f"no stack is called {names.STACK}" in result.stderr) == (2, True)
