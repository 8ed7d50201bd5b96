"""Who asked for what by an event that no function could use: ids are told, and nothing else that it holds."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch import names
from costwatch.core.dead_letters import Wish
from costwatch.intake.wishes import wish
from tests.support.slack_posts import form, payload

MARIA = "arn:aws:iam::111122223333:user/maria"
RUN = "111122223333/us-east-1/run/churn"
APPROVAL = "apr-07bf4bc47392f80f"


def click(**changes: Any) -> dict[str, Any]:
    body = form(payload(**changes)).decode()
    detail = {"body": body, "timestamp": "1795000001", "signature": "v0=abc", "retry": ""}
    return {"source": names.SOURCE_SLACK, "detail-type": names.DETAIL_SLACK_INTERACTION, "detail": detail}


def pressed(action: object, value: object) -> dict[str, Any]:
    return click(actions=[{"action_id": action, "value": value, "action_ts": "1795000001.5"}])


def command(kind: str, **detail: Any) -> dict[str, Any]:
    return {"source": names.SOURCE_CLI, "detail-type": kind, "detail": detail}


@pytest.mark.parametrize(
    ("action", "value"),
    [
        ("approve", APPROVAL),
        ("stop", RUN),
        ("extend:4h", f"{RUN}|14400"),
        ("release", f"{RUN}|hold-1a2b3c4d"),
        ("promote", "us-east-1/churn/41"),
        ("exempt", "111122223333/us-east-1/instance/i-0abc"),
        ("exempt", "111122223333/us-east-1/run/" + "x" * 256),
    ],
)
def test_a_click_says_who_pressed_what_on_what(action: str, value: str) -> None:
    assert wish(pressed(action, value)) == Wish("U0123456789", f"{action} {value}")


def test_it_is_told_as_a_sentence() -> None:
    assert str(wish(pressed("approve", APPROVAL))) == f"U0123456789 asked for approve {APPROVAL}"
    assert str(wish(pressed("", ""))) == "of U0123456789"
    assert str(wish(click(user={}, actions=[{"action_id": "deny", "value": APPROVAL}]))).startswith(
        "somebody asked for"
    )
    assert str(Wish()) == ""


@pytest.mark.parametrize(
    "value",
    [
        "xoxb-1234567890-secret",
        "please stop it, the password is hunter2",
        "apr-07bf4bc47392f80",
        "apr-07bf4bc47392f80ff",
        f"{APPROVAL} and more",
        "111122223333/us-east-1/nothing/churn",
        "111122223333/us-east-1/run/",
        "111122223333/us-east-1/run/x\x1b[2J",
        "111122223333/us-east-1/run/" + "x" * 301,
        "",
        None,
        7,
        ["x"],
    ],
)
def test_what_has_no_id_s_shape_is_not_told(value: object) -> None:
    assert wish(pressed("approve", value)) == Wish("U0123456789", "approve")


@pytest.mark.parametrize("user", ["u0123456789", "U0123456789 ", "xoxb-1-secret", "maria", "U" + "1" * 40, None, {}, 7])
def test_whoever_has_no_id_of_slack_s_is_not_told(user: object) -> None:
    assert wish(click(user={"id": user})).by == ""


def test_what_somebody_wrote_and_what_proves_the_click_are_not_told() -> None:
    state = {"values": {"reason": {"reason": {"type": "plain_text_input", "value": "because of hunter2"}}}}
    told = str(wish(click(state=state, token="legacy-token", response_url="https://hooks.slack.com/secret")))
    assert not [word for word in ("hunter2", "legacy", "hooks", "v0=") if word in told]


@pytest.mark.parametrize("body", ["", "payload=", "payload=%7B", "no form", "payload=[]", "\ud800", 7, None, {"x": 1}])
def test_a_click_that_cannot_be_read_says_nothing(body: object) -> None:
    event = {"source": names.SOURCE_SLACK, "detail-type": names.DETAIL_SLACK_INTERACTION, "detail": {"body": body}}
    assert wish(event) == Wish()


@pytest.mark.parametrize(
    "changes", [{"actions": []}, {"actions": "x"}, {"actions": ["x"]}, {"user": "x", "actions": 7}]
)
def test_a_click_of_another_shape_says_what_it_can(changes: dict[str, Any]) -> None:
    assert wish(click(**changes)).asked == ""


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            command(names.DETAIL_STOP_REQUESTED, run=RUN, requested_by=MARIA, reason="hunter2", members=["i-1"]),
            f"{MARIA} asked for stop {RUN}",
        ),
        (
            command(
                names.DETAIL_DECISION_REQUESTED, judgement="us-east-1/churn/41", target="Approved", by="U0123456789",
                name="Maria", reason="hunter2",
            ),
            "U0123456789 asked for promotion decision us-east-1/churn/41 Approved",
        ),
        (
            command(names.DETAIL_PRICES_REQUESTED, requested_by=MARIA, types=["g5.xlarge"]),
            f"{MARIA} asked for price refresh",
        ),
        (command("hunter2", run=RUN, requested_by="hunter2", target="hunter2"), f"somebody asked for {RUN}"),
        (command(names.DETAIL_STOP_REQUESTED, run=7, requested_by=[]), "somebody asked for stop"),
    ],
)  # fmt: skip
def test_a_command_says_who_gave_which_about_what(event: dict[str, Any], told: str) -> None:
    assert str(wish(event)) == told


@pytest.mark.parametrize("source", [names.SOURCE_EC2, names.SOURCE_CLIENT, names.SOURCE_COSTWATCH, "", None, 7])
def test_nothing_else_is_anybody_s_wish(source: object) -> None:
    detail = {"run": RUN, "requested_by": MARIA}
    assert wish({"source": source, "detail-type": names.DETAIL_STOP_REQUESTED, "detail": detail}) == Wish()
    assert wish({"source": names.SOURCE_CLI, "detail-type": names.DETAIL_STOP_REQUESTED, "detail": "x"}) == Wish()
