"""costwatch redrive where people, schedules and other stacks come in: who is named, what stays, what hides nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from costwatch import names
from tests.support.command_line import CONFIG, MARIA, client_error, town_of
from tests.support.redrive_office import REGION, Office
from tests.support.slack_posts import form, payload

APPROVAL, RUN = "apr-07bf4bc47392f80f", "111122223333/us-east-1/run/churn"
STATE = {"source": names.SOURCE_EC2, "detail-type": names.DETAIL_EC2_STATE, "detail": {"instance-id": "i-1"}}
TICK = {"source": names.SOURCE_SCHEDULE, "detail-type": names.DETAIL_SCHEDULED, "detail": {}}
STOP = {
    "source": names.SOURCE_CLI,
    "detail-type": names.DETAIL_STOP_REQUESTED,
    "detail": {"run": RUN, "requested_by": MARIA, "reason": "because of hunter2", "members": ["i-1"]},
}


@pytest.fixture
def office(config: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr("costwatch.adapters.dead_letters._WAIT_SECONDS", 0)
    with mock_aws():
        yield Office(config, town_of(config, CONFIG))


def click() -> dict[str, Any]:
    actions = [{"action_id": "approve", "value": APPROVAL, "action_ts": "1795000001.5"}]
    state = {"values": {"reason": {"reason": {"value": "because of hunter2"}}}}
    body = form(payload(user={"id": "U0MARIA00"}, actions=actions, state=state, token="legacy-token")).decode()
    detail = {"body": body, "timestamp": "1795000001", "signature": "v0=abc", "retry": ""}
    return {"source": names.SOURCE_SLACK, "detail-type": names.DETAIL_SLACK_INTERACTION, "detail": detail}


class Sqs:
    """The queues, of which one does not answer from its `after`th call on."""

    def __init__(self, client: Any, url: str, error: BaseException, *, after: int = 0) -> None:
        self.client, self.url, self.error, self.left = client, url, error, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def receive_message(self, **arguments: Any) -> Any:
        if arguments["QueueUrl"] == self.url:
            if self.left == 0:
                raise self.error
            self.left -= 1
        return self.client.receive_message(**arguments)


# --- who asked for what ------------------------------------------------------------------------------------


def test_a_look_says_who_clicked_and_what_was_asked_and_nothing_else_of_it(office: Office) -> None:
    office.refuse(click(), "clicks")
    office.refuse(STOP, "deadman")
    shown = " ".join(office.run().stdout.split())
    assert f"U0MARIA00 asked for approve {APPROVAL}; detail is missing; not sent again: a person clicked" in shown
    assert f"{MARIA} asked for stop {RUN}" in shown
    document = office.json()
    messages = [each for queue in document["queues"] for each in queue["messages"]]
    assert {(each["asked_by"], each["asked_for"]) for each in messages} == {
        ("U0MARIA00", f"approve {APPROVAL}"),
        (MARIA, f"stop {RUN}"),
    }
    assert not [word for word in ("hunter2", "legacy-token", "v0=abc") if word in shown + json.dumps(document)]


def test_what_nobody_asked_for_names_nobody(office: Office) -> None:
    office.put("hints", STATE)
    (queue,) = office.json("hints")["queues"]
    assert [(each["asked_by"], each["asked_for"]) for each in queue["messages"]] == [(None, None)]


def test_whoever_asked_stays_in_the_ledger_when_it_is_deleted(office: Office) -> None:
    lost, stop = office.refuse(click(), "clicks"), office.refuse(STOP, "deadman")
    at = {each["id"]: each["sent_at"] for queue in office.json()["queues"] for each in queue["messages"]}
    assert office.run("refused", "--delete", "--yes").exit_code == 0
    (row,) = office.town.ledger.since(office.town.clock(), office.town.clock())
    said = "U0MARIA00 asked for approve " + APPROVAL, f"{MARIA} asked for stop {RUN}"
    assert dict(row.entry.evidence) == {
        lost: f"{at[lost]}, costwatch.slack, Slack Interaction; {said[0]}; detail is missing",
        stop: f"{at[stop]}, costwatch.cli, Stop Requested; {said[1]}; detail is missing",
    }


def test_a_long_reason_of_a_function_s_does_not_push_out_who_asked(office: Office) -> None:
    lost = office.put("hints", {**click(), "detail-type": "x" * 500}, error="y" * 5000)
    assert office.run("hints", "--delete", "--yes").exit_code == 0
    (row,) = office.town.ledger.since(office.town.clock(), office.town.clock())
    told = dict(row.entry.evidence)[lost]
    assert f"U0MARIA00 asked for approve {APPROVAL}" in told
    assert len(told) < 1000


# --- the schedule ------------------------------------------------------------------------------------------


def test_a_night_of_ticks_is_never_sent_again_and_may_be_deleted(office: Office) -> None:
    sent = {office.put("hints", {**TICK, "time": f"2026-11-22T0{n}:00:00Z"}, "Task timed out") for n in range(9)}
    result = office.run("hints", "--resend", "--yes")
    assert (result.exit_code, "the schedule ticks anyway" in result.stderr) == (4, True)
    assert (office.function.taken, office.told, office.lying("hints")) == ([], [], sent)
    assert office.run("hints", "--delete", "--yes").exit_code == 0
    assert office.lying("hints") == set()


def test_an_event_among_ticks_is_sent_again_alone(office: Office) -> None:
    ticks = {office.put("hints", TICK) for _ in range(3)}
    office.put("hints", STATE)
    assert office.run("hints", "--resend", "--yes").stdout == "hints: 1 message sent again, 3 left.\n"
    assert (office.function.taken, office.lying("hints")) == ([("costwatch-hints", STATE)], ticks)


# --- a queue that does not answer --------------------------------------------------------------------------


def test_one_queue_that_cannot_be_read_hides_no_other_and_is_said(office: Office) -> None:
    kept, good = office.put("hints", STATE), office.sqs
    office.sqs = Sqs(good, office.urls["refused"], client_error("AccessDenied", "ReceiveMessage"))
    result = office.run()
    assert result.exit_code == 1
    assert kept[:8] in result.stdout
    assert "refused could not be looked at: sqs:ReceiveMessage: AccessDenied" in result.stdout
    as_json = office.run("--json")
    problems = {each["queue"]: (each["depth"], each["problem"]) for each in json.loads(as_json.stdout)["queues"]}
    assert (as_json.exit_code, problems["hints"], problems["beats"]) == (1, (1, None), (0, None))
    assert problems["refused"][0] is None
    assert problems["refused"][1].startswith("sqs:ReceiveMessage: AccessDenied")
    office.sqs = good
    assert office.lying("hints") == {kept}


def test_a_queue_that_cannot_be_read_is_not_called_empty(office: Office) -> None:
    office.sqs = Sqs(office.sqs, office.urls["refused"], client_error("AccessDenied", "ReceiveMessage"))
    shown = office.run().stdout
    assert "Nothing lies in beats, hints.\n" in shown


def test_the_one_that_was_asked_for_and_cannot_be_read_is_an_error(office: Office) -> None:
    office.sqs = Sqs(office.sqs, office.urls["refused"], client_error("AccessDenied", "ReceiveMessage"))
    result = office.run("refused")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "sqs:ReceiveMessage" in result.stderr


@pytest.mark.parametrize("error", [client_error("ServiceUnavailable", "ReceiveMessage"), KeyboardInterrupt()])
@pytest.mark.parametrize("arguments", [(), ("hints", "--resend", "--yes")])
def test_a_look_that_ends_early_leaves_nothing_hidden(
    office: Office, error: BaseException, arguments: tuple[str, ...]
) -> None:
    sent, good = {office.put("hints", {**STATE, "id": str(n)}) for n in range(15)}, office.sqs
    office.sqs = Sqs(good, office.urls["hints"], error, after=1)
    assert office.run(*arguments).exit_code != 0
    office.sqs = good
    assert (office.lying("hints"), office.function.taken) == (sent, [])


# --- a stack of another name -------------------------------------------------------------------------------


def test_a_stack_of_another_name_is_found_by_what_the_deployment_says_of_itself(office: Office) -> None:
    office.stack.name = "ml-platform-CostwatchNested-1A2B3C"
    kept = office.put("hints", STATE)
    office.ssm.body = {**(office.ssm.body or {}), "stack": office.stack.name}
    assert office.lying("hints") == {kept}
    assert office.run("hints", "--resend", "--yes").exit_code == 0


@pytest.mark.parametrize("told", [{}, {"stack": ""}, {"stack": None}])
def test_a_deployment_that_does_not_say_its_name_yet_has_the_usual_one(office: Office, told: dict[str, Any]) -> None:
    kept = office.put("hints", STATE)
    office.ssm.body = {**(office.ssm.body or {}), **told}
    assert office.lying("hints") == {kept}


def test_a_stack_that_is_gone_is_called_by_its_own_name(office: Office) -> None:
    office.ssm.body = {**(office.ssm.body or {}), "stack": "renamed"}
    result = office.run()
    assert (result.exit_code, f"no stack is called renamed in {REGION}" in result.stderr) == (2, True)
