"""The cards of a question about money: whatever stands in their names, Slack takes them and nobody else speaks."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from slack_sdk.models.blocks import Block

from costwatch.core.approval_cards import (
    ApprovalContext,
    answer_card,
    question_card,
    reminder_card,
    would_have_asked_card,
)
from costwatch.core.approvals import Answer, Approval, Asked, Requester, State, Way
from costwatch.core.cards import Card
from costwatch.core.estimator import Confidence
from costwatch.core.gate import caps
from costwatch.core.policy import JudgeBy, Mode
from demo.slack_limits import check_message

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVIL = "<!channel> <@U0EVIL000> *`rm -rf /`* \u202e & " + "x" * 3000
CONTEXT = ApprovalContext(NOW, ("<!subteam^S012AB3CD>",), Decimal(18420))


def asked(**changes: Any) -> Asked:
    given: dict[str, Any] = {
        "name": "churn-bert-large",
        "kind": "Training",
        "account": "111122223333",
        "region": "us-east-1",
        "capacity": "2 x ml.p4d.24xlarge",
        "hourly_usd": Decimal("50.502572"),
        "expected_usd": Decimal("707.036008"),
        "p90_usd": Decimal("858.543724"),
        "worst_case_usd": Decimal("1212.061728"),
        "judged_usd": Decimal("858.543724"),
        "judge_by": JudgeBy.FORECAST_P90,
        "above_usd": Decimal(400),
        "confidence": Confidence.LIST,
        "price_as_of": date(2026, 11, 14),
        "specs": (),
        "gpus": 16,
        "expected_runtime": 14 * HOUR,
        "p90_runtime": 17 * HOUR,
        "max_runtime": 24 * HOUR,
        "basis": "the median of its last 11 runs",
        "owner": "maria@example.com",
        "team": "risk",
        "project": "",
        "model": "",
        **changes,
    }
    return Asked(**given)


def question(state: State = State.PENDING, answer: Answer | None = None, **changes: Any) -> Approval:
    given: dict[str, Any] = {
        "id": "apr-0123456789abcdef",
        "way": Way.PIPELINE,
        "mode": Mode.ENFORCE,
        "asked": asked(),
        "requester": Requester("Maria Lopez", "U0MARIA00", verified=True),
        "approvers": ("@risk-leads",),
        "asked_at": NOW,
        "answer_by": NOW + 24 * HOUR,
        "remind_at": NOW + 20 * HOUR,
        "yes_lasts": timedelta(days=7),
        "token": "secrettoken",
        "source": "arn:aws:sagemaker:us-east-1:111122223333:pipeline/churn-weekly/execution/abc",
        **changes,
    }
    return Approval(state=state, answer=answer, **given)


def said(by: Card) -> str:
    return by.text + "\n" + "\n".join(_texts(by.blocks))


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []


ANSWER = Answer("U0LEE0000", "Lee Chan", NOW + HOUR, "for the audit", 17 * HOUR)
EVERY = {
    "question": lambda a: question_card(a, CONTEXT),
    "answered": lambda a: question_card(replaced(a), CONTEXT),
    "reminder": lambda a: reminder_card(a, CONTEXT),
    "answer": lambda a: answer_card(replaced(a)),
}


def replaced(of: Approval) -> Approval:
    return question(State.APPROVED, ANSWER, asked=of.asked, requester=of.requester, source=of.source)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("name", ["churn-bert-large", EVIL, ""])
def test_slack_takes_every_card_whatever_it_is_called(kind: str, name: str) -> None:
    approval = question(
        asked=asked(name=name, team=name, owner=name, basis=name, capacity=name),
        requester=Requester(name, "", verified=False),
        source=name,
    )
    made = EVERY[kind](approval)
    check_message(made.text, made.blocks)
    for block in Block.parse_all(made.blocks):
        block.validate_json()


@pytest.mark.parametrize("kind", EVERY)
def test_nobody_else_speaks_in_a_card(kind: str) -> None:
    approval = question(
        asked=asked(name=EVIL, team=EVIL, owner=EVIL, basis=EVIL), requester=Requester(EVIL), source=EVIL
    )
    marked = "\n".join(_marked(EVERY[kind](approval).blocks))
    own = re.sub(r"<!date\^\d+\^[^|<>]*\|[^<>]*>|<!subteam\^S012AB3CD>", "", marked)
    assert "<" not in own
    assert "\u202e" not in own


def _marked(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [str(value["text"])] if value.get("type") == "mrkdwn" else []
        return own + [text for each in value.values() for text in _marked(each)]
    return [text for each in value for text in _marked(each)] if isinstance(value, list) else []


@pytest.mark.parametrize("kind", EVERY)
def test_the_token_stands_on_no_card(kind: str) -> None:
    made = EVERY[kind](question())
    assert "secrettoken" not in str((made.text, made.blocks))
    assert "secrettoken" not in repr(question())


def test_the_question_says_what_a_manager_needs() -> None:
    told = said(question_card(question(), CONTEXT))
    for part in (
        "Nothing is running yet. Waiting costs nothing.",
        "Maria Lopez · team risk · us-east-1",
        "$707.04 (14 h: the median of its last 11 runs); 9 in 10 stay under $858.54",
        "$1,212.06 (24 h, its own limit)",
        "$50.50 an hour: 2 x ml.p4d.24xlarge, 16 accelerators, price of 14 Nov 2026",
        "$858.54 is above $400.00",
        "$18,420.00 in November so far",
        "Does this job really need 24 h on 16 accelerators?",
        "14 h, $707.04",
        "17 h, $858.54",
        "<!subteam^S012AB3CD> may decide.",
        "means no. Maria Lopez asked, and may not.",
    ):
        assert part in told, part


@pytest.mark.parametrize(("way", "capped"), [(Way.PIPELINE, False), (Way.RUN, True)])
def test_of_a_tuning_job_the_limit_is_that_of_each_job_and_a_cap_is_offered_for_all_of_it_alone(
    way: Way, capped: bool
) -> None:
    told = said(question_card(question(asked=asked(kind="Tuning"), way=way), CONTEXT))
    assert "$1,212.06 (24 h, the limit of each of its jobs)" in told
    assert ("14 h, $707.04" in told) is capped


def test_an_unknown_price_is_said_and_never_zero() -> None:
    unknown = asked(
        hourly_usd=None,
        expected_usd=None,
        p90_usd=None,
        worst_case_usd=None,
        judged_usd=None,
        confidence=Confidence.UNKNOWN,
    )
    told = said(question_card(question(asked=unknown), ApprovalContext(NOW)))
    assert "nobody knows what it costs, and unknown is never zero" in told
    assert "$0" not in told


def test_an_unproven_requester_is_called_so() -> None:
    told = said(question_card(question(requester=Requester("Maria")), CONTEXT))
    assert "Maria (unverified)" in told
    assert "its owner may not" in told


def test_nobody_who_may_decide_is_said_aloud() -> None:
    assert "Nobody is configured who may decide" in said(question_card(question(approvers=()), ApprovalContext(NOW)))


def test_what_is_answered_shows_its_cap_and_no_button() -> None:
    made = question_card(question(State.APPROVED, ANSWER), CONTEXT)
    assert "Approved by Lee Chan, capped at 17 h ($858.54 at most)." in said(made)
    assert not [block for block in made.blocks if block["type"] in ("actions", "input") or "accessory" in block]


def test_a_button_carries_the_id_and_nothing_else() -> None:
    made = question_card(question(), CONTEXT)
    (row,) = [block for block in made.blocks if block["type"] == "actions"]
    assert [(e["action_id"], e["value"]) for e in row["elements"]] == [
        ("approve", "apr-0123456789abcdef"),
        ("deny", "apr-0123456789abcdef"),
    ]
    assert "confirm" in row["elements"][0]


@pytest.mark.parametrize(
    ("expected", "p90", "most", "offered"),
    [
        (14 * HOUR, 17 * HOUR, 24 * HOUR, (14 * HOUR, 17 * HOUR)),
        (14 * HOUR, 14 * HOUR, 24 * HOUR, (14 * HOUR,)),
        (timedelta(hours=13, seconds=1), 17 * HOUR, 17 * HOUR, (14 * HOUR,)),
        (24 * HOUR, 24 * HOUR, 24 * HOUR, ()),
        (None, None, None, ()),
    ],
)
def test_caps_are_whole_hours_below_what_was_asked_for(
    expected: timedelta | None, p90: timedelta | None, most: timedelta | None, offered: tuple[timedelta, ...]
) -> None:
    assert caps(asked(expected_runtime=expected, p90_runtime=p90, max_runtime=most)) == offered


def test_in_warn_the_card_says_that_it_goes_on() -> None:
    facts = {"name": "churn", "reason": "$858.54 is above $400.00", "approvers": "", "worst": "$1,212.06"}
    made = would_have_asked_card(facts)
    check_message(made.text, made.blocks)
    assert "The gate only warns, so it goes on." in said(made)
    assert "nobody: no approver is configured" in said(made)
