"""The cards of retrained models: what they say in each state, that Slack takes them, and that nobody else speaks."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from slack_sdk.models.blocks import Block

from costwatch.core.cards import Card
from costwatch.core.gains import Evaluation, Reading
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res import Cause, Cost, Value, judge
from costwatch.core.res_cards import ResContext, decided_card, judgement_card
from costwatch.core.res_policy import Direction, Guardrail, WhenTooDear
from demo.slack_limits import check_message
from tests.support.judged import ARN, DATA, NOW, judgement, rules, verdict

EVIL = "<!channel> <@U0EVIL000> *`rm -rf /`* \u202e & " + "x" * 3000
CONTEXT = ResContext(("<!subteam^S012AB3CD>",))
COMMAND = (
    f"aws sagemaker update-model-package --region us-east-1 --model-package-arn {ARN} --model-approval-status Approved"
)


def said(card: Card) -> str:
    return card.text + "\n" + "\n".join(_texts(card.blocks))


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []


def shown(of: Judgement, **context: Any) -> str:
    return said(judgement_card(of, replace(CONTEXT, **context)))


def pressable(card: Card) -> list[tuple[str, str]]:
    rows = [block for block in card.blocks if block["type"] == "actions"]
    return [(each["action_id"], each["value"]) for row in rows for each in row["elements"]]


def decided(target: ApprovalStatus = ApprovalStatus.APPROVED, hand: Hand = Hand.ASKED, **changes: Any) -> Decided:
    return Decided(**{"by": "U0LEE0000", "name": "Lee Chan", "at": NOW, "target": target, "hand": hand, **changes})


def by_hand(hand: Hand, target: ApprovalStatus = ApprovalStatus.APPROVED, **changes: Any) -> Judgement:
    return judgement(**{"state": State.OVERRIDDEN, "decided": decided(target, hand), **changes})


EVERY: dict[str, Judgement] = {
    "asked": judgement(advice="skip Sunday's run"),
    "warned": judgement(mode=Mode.WARN, state=State.JUDGED),
    "rejected": judgement(state=State.WRITTEN, target=ApprovalStatus.REJECTED, verdict=verdict("0.911")),
    "being rejected": judgement(state=State.WRITING, target=ApprovalStatus.REJECTED, verdict=verdict("0.911")),
    "within noise": judgement(state=State.WRITTEN, target=ApprovalStatus.REJECTED, verdict=verdict("0.913")),
    "earned": judgement(state=State.JUDGED, verdict=verdict("0.930")),
    "approved": judgement(state=State.WRITTEN, target=ApprovalStatus.APPROVED, verdict=verdict("0.930")),
    "first": judgement(state=State.JUDGED, verdict=verdict(baseline=None), serving_version=None),
    "unjudged": judgement(state=State.JUDGED, verdict=verdict(usd=None)),
    "promoted": by_hand(Hand.ASKED),
    "rejected by a person": by_hand(Hand.ASKED, ApprovalStatus.REJECTED, state=State.WRITTEN),
    "a person was first": by_hand(Hand.FIRST),
    "a person came after": by_hand(Hand.AFTER),
    "restored": by_hand(Hand.RESTORED),
    "not restored": by_hand(Hand.NOT_RESTORED),
}


def evil(of: Judgement) -> Judgement:
    """The same, with other people's text wherever there is any."""
    written = replace(of.verdict, metric=EVIL, reason=EVIL, cost=Cost(Decimal(3200), what=EVIL))
    texts = dict.fromkeys(("model", "run", "capacity", "advice", "team", "group"), EVIL)
    by = replace(of.decided, by=EVIL, name=EVIL, reason=EVIL) if of.decided is not None else None
    return replace(of, verdict=written, decided=by, **texts)  # type: ignore[arg-type]


@pytest.mark.parametrize("draw", [judgement_card, decided_card])
@pytest.mark.parametrize("turned", [evil, lambda of: of])
@pytest.mark.parametrize("name", EVERY)
def test_slack_takes_every_card_whatever_it_is_called(name: str, turned: Any, draw: Any) -> None:
    made = draw(turned(EVERY[name]), CONTEXT)
    check_message(made.text, made.blocks)
    for block in Block.parse_all(made.blocks):
        block.validate_json()


@pytest.mark.parametrize("draw", [judgement_card, decided_card])
@pytest.mark.parametrize("name", EVERY)
def test_nobody_else_speaks_in_a_card(name: str, draw: Any) -> None:
    marked = "\n".join(_marked(draw(evil(EVERY[name]), CONTEXT).blocks))
    own = re.sub(r"<!date\^\d+\^[^|<>]*\|[^<>]*>|<!subteam\^S012AB3CD>", "", marked)
    assert "<" not in own
    assert "\u202e" not in own
    assert "`rm" not in own


def _marked(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [str(value["text"])] if value.get("type") == "mrkdwn" else []
        return own + [text for each in value.values() for text in _marked(each)]
    return [text for each in value for text in _marked(each)] if isinstance(value, list) else []


# --- asked ---------------------------------------------------------------------------------------------


def test_whoever_is_asked_reads_what_it_gained_what_that_is_worth_what_it_cost_and_what_would_have_passed() -> None:
    told = shown(EVERY["asked"])
    for part in (
        "Not promoted: churn v41. A real gain, too small for its cost",
        "*Production stays on churn v38.*",
        "AUC 0.912 -&gt; 0.914: +0.002, 3.3 standard errors",
        "$800.00 ($4,000.00 per 0.01 over 30 days)",
        "$3,200.00 (4 x ml.p4d.24xlarge, 31 h 41 min, 1,014 GPU-hours)",
        "$9,600.00 since the last promotion, failed and stopped runs included",
        "0.20, needed 0.50",
        "It would have passed at AUC 0.920 or better, or at $800.00 or less.",
        "The $3,200.00 is spent either way. The saving is ahead: should-retrain advises to skip Sunday's run.",
        "<!subteam^S012AB3CD> may decide.",
    ):
        assert part in told, part


def test_the_push_text_carries_the_model_the_verdict_and_the_dollars() -> None:
    assert judgement_card(EVERY["asked"], CONTEXT).text == (
        "Not promoted: churn v41. A real gain, too small for its cost; it cost $3,200.00 and is worth $800.00"
    )


def test_buttons_carry_the_id_and_nothing_else_and_promoting_asks_first() -> None:
    made = judgement_card(EVERY["asked"], CONTEXT)
    assert pressable(made) == [("promote", "us-east-1/churn/41"), ("reject", "us-east-1/churn/41")]
    (row,) = [block for block in made.blocks if block["type"] == "actions"]
    assert ["confirm" in each for each in row["elements"]] == [True, False]
    assert [block["optional"] for block in made.blocks if block["type"] == "input"] == [True]


@pytest.mark.parametrize(
    ("auto_approve", "then"),
    [(True, "It becomes Approved in the model registry"), (False, "you then approve it in the model registry")],
)
def test_the_confirmation_says_what_promoting_does(auto_approve: bool, then: str) -> None:
    assert then in shown(EVERY["asked"], auto_approve=auto_approve)


def test_where_nobody_can_click_commands_stand_in_the_place_of_buttons() -> None:
    made = judgement_card(EVERY["asked"], replace(CONTEXT, clickable=False))
    assert pressable(made) == []
    assert "`costwatch promote churn 41` or `costwatch reject churn 41`" in said(made)


def test_an_e_mail_says_the_command() -> None:
    assert "costwatch promote churn 41" in judgement_card(EVERY["asked"], CONTEXT).plain


def test_nobody_who_may_decide_is_said_aloud() -> None:
    assert "Nobody is configured who may decide" in shown(EVERY["asked"], mentions=())


@pytest.mark.parametrize("name", [each for each in EVERY if each != "asked"])
def test_only_what_is_asked_about_has_buttons(name: str) -> None:
    made = judgement_card(EVERY[name], CONTEXT)
    assert not [block for block in made.blocks if block["type"] in ("actions", "input") or "accessory" in block]
    assert "may decide" not in said(made)


# --- other verdicts ------------------------------------------------------------------------------------


def test_no_gain_is_said_so_and_no_bound_of_its_cost_with_it() -> None:
    told = shown(EVERY["rejected"])
    assert "Not promoted: churn v41. No gain" in told
    assert "Costwatch rejected it in the model registry" in told
    assert "It would have passed at AUC 0.920 or better. " in told
    assert "or less" not in told
    assert "The $3,200.00 is spent either way." in told


def test_a_gain_within_noise_says_how_much_noise() -> None:
    told = shown(EVERY["within noise"])
    assert "Not promoted: churn v41. A gain within noise" in told
    assert "below 2 standard errors (the standard error of the difference)" in told
    assert "+0.001, 1.6 standard errors" in told
    assert "It would have passed at AUC 0.920 or better. " in told


@pytest.mark.parametrize(("usd", "then"), [("800", "worth its cost"), ("3200", "too small for its cost")])
def test_a_gain_is_called_real_only_where_something_tells_its_noise(usd: str, then: str) -> None:
    unknown = judgement(verdict=verdict(usd=usd, standard_error=None))
    assert f"churn v41. A gain, {then}" in shown(unknown)
    assert f"churn v41. A real gain, {then}" in shown(judgement(verdict=verdict(usd=usd)))


def test_a_broken_guardrail_is_named() -> None:
    rail = Guardrail("recall", Direction.MAXIMIZE, "country=DE", tolerance=Decimal("0.01"))
    held = rules(guardrails=(rail,))
    ours = {"auc": Reading(Decimal("0.95")), "recall@country=DE": Reading(Decimal("0.70"))}
    theirs = {"auc": Reading(Decimal("0.91")), "recall@country=DE": Reading(Decimal("0.80"))}
    found = judge(Evaluation(ours, DATA), Evaluation(theirs, DATA), Cost(Decimal(3200)), held)
    told = shown(judgement(state=State.WRITTEN, target=ApprovalStatus.REJECTED, verdict=found))
    assert "A guardrail does not hold" in told
    assert "Why: recall@country=DE is 0.70, 0.10 worse than 0.80; 0.01 is allowed." in told
    assert "would have passed" not in told


def test_what_is_being_written_is_not_said_to_be_done() -> None:
    told = shown(EVERY["being rejected"])
    assert "The model registry is being written." in told
    assert "Costwatch rejected" not in told


def test_what_earned_its_compute_waits_for_a_person_with_the_exact_command() -> None:
    told = shown(EVERY["earned"])
    assert "Earned its compute: churn v41. A real gain, worth its cost" in told
    assert f"`{COMMAND}`" in told
    assert "is spent either way" not in told


def test_what_costwatch_approved_is_promoted_and_production_does_not_stay() -> None:
    told = shown(EVERY["approved"])
    assert "Promoted: churn v41. A real gain, worth its cost" in told
    assert "Costwatch approved it" in told
    assert "Production stays" not in told


def test_a_first_model_is_a_persons_to_approve() -> None:
    told = shown(EVERY["first"])
    assert "First model: churn v41" in told
    assert COMMAND in told
    assert "Production stays" not in told


@pytest.mark.parametrize(
    ("found", "why", "mended_by"),
    [
        (verdict(usd=None), "what its training cost is not known", "`costwatch:run`"),
        (verdict(data=None), "nothing says what", "`costwatch:baseline`"),
        (verdict(by=rules(worth=None)), "neither a worth nor a minimum gain", "`min_gain_per_1000_usd`"),
        (replace(verdict(usd=None), cause=Cause.NO_METRIC, reason="no metric auc"), "no metric auc", "ModelMetrics"),
    ],
)
def test_what_was_not_judged_says_why_and_what_to_do_about_it(found: Any, why: str, mended_by: str) -> None:
    assert found.value is Value.UNJUDGED
    told = shown(judgement(state=State.JUDGED, verdict=found))
    assert "Not judged: churn v41." in told
    assert why in told
    assert mended_by in told
    assert "It stays pending: nothing is rejected that could not be judged whole." in told


def test_an_unknown_cost_is_said_and_never_zero() -> None:
    told = shown(EVERY["unjudged"])
    assert "unknown, and unknown is never $0" in told
    assert "it cost an unknown amount" in told


# --- warn ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "auto_approve", "would"),
    [
        (verdict(), False, "somebody would have been asked to promote or reject it"),
        (verdict(when_too_dear=WhenTooDear.REJECT), False, "it would have been rejected"),
        (verdict("0.911"), False, "it would have been rejected"),
        (verdict("0.930"), True, "it would have been approved"),
    ],
)
def test_in_warn_the_card_says_what_enforce_would_do(found: Any, auto_approve: bool, would: str) -> None:
    told = shown(judgement(mode=Mode.WARN, state=State.JUDGED, verdict=found), auto_approve=auto_approve)
    assert f"Costwatch only warns, so the model registry is as it was; in enforce {would}." in told
    assert "Costwatch rejected" not in told
    assert "Not promoted" not in told


# --- people --------------------------------------------------------------------------------------------


def test_a_promotion_says_who_when_and_why_and_how_to_approve_where_costwatch_may_not() -> None:
    told = shown(by_hand(Hand.ASKED, decided=decided(reason="the <b>campaign</b> needs it")))
    assert "Promoted by a person: churn v41" in told
    assert f"Promoted by Lee Chan <!date^{int(NOW.timestamp())}^" in told
    assert "Reason: the &lt;b&gt;campaign&lt;/b&gt; needs it" in told
    assert f"leaves the model registry to you, and will not reject it. To approve it:\n`{COMMAND}`" in told


def test_a_promotion_that_was_seen_approved_needs_no_command() -> None:
    told = shown(by_hand(Hand.ASKED, approved_at=NOW))
    assert "It is Approved in the model registry." in told
    assert "aws sagemaker" not in told
    assert "Production stays" not in told


def test_a_rejection_by_a_person_is_written_before_it_is_said_to_be_done() -> None:
    asked = by_hand(Hand.ASKED, ApprovalStatus.REJECTED, state=State.WRITING)
    assert "It is Rejected" not in shown(asked)
    assert "It is Rejected in the model registry." in shown(replace(asked, state=State.WRITTEN))


def test_a_rejection_that_costwatch_may_not_write_is_not_said_to_be_done_and_names_the_command() -> None:
    """Of what was approved before: Costwatch writes only what is pending."""
    told = shown(by_hand(Hand.ASKED, ApprovalStatus.REJECTED, approved_at=NOW))
    assert "It is Rejected" not in told
    assert f"If it is not Rejected there yet, this does it:\n`{COMMAND.replace('Approved', 'Rejected')}`" in told


@pytest.mark.parametrize(
    ("hand", "told"),
    [
        (Hand.FIRST, "before Costwatch wrote anything: that stands"),
        (Hand.AFTER, "over what Costwatch had written: that stands"),
        (Hand.RESTORED, "It was set back to Approved"),
        (Hand.NOT_RESTORED, f"may not set it back to Approved. This does:\n`{COMMAND}`"),
    ],
)
def test_a_persons_hand_in_the_registry_is_said(hand: Hand, told: str) -> None:
    assert told in shown(by_hand(hand))
    assert told in said(decided_card(by_hand(hand), CONTEXT))


def test_the_command_that_restores_a_rejection_names_that() -> None:
    assert "--model-approval-status Rejected`" in shown(by_hand(Hand.NOT_RESTORED, ApprovalStatus.REJECTED))


@pytest.mark.parametrize(
    ("by", "name", "shown_as"),
    [
        ("U0LEE0000", "Lee Chan", "by Lee Chan"),
        ("arn:aws:sts::111122223333:assumed-role/Lead/lee", "", "by lee (Lead)"),
        ("", "", "by somebody"),
    ],
)
def test_who_decided_goes_by_a_name_for_people(by: str, name: str, shown_as: str) -> None:
    assert shown_as in shown(by_hand(Hand.FIRST, decided=decided(hand=Hand.FIRST, by=by, name=name)))


def test_figures_that_are_not_known_are_left_out() -> None:
    bare = judgement(capacity="", runtime=None, worth=None, serving_version=None, run="")
    told = shown(bare)
    assert "$3,200.00 (training job churn-41, 1,014 GPU-hours)" in told
    assert "None" not in told
    assert "()" not in told


def test_an_expected_time_in_service_is_said_where_it_is_another_than_the_worths() -> None:
    found = verdict(by=rules(in_service=timedelta(days=60)))
    assert "over 30 days, 60 days in service)" in shown(judgement(verdict=found))
