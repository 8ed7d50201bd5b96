"""Cards: every kind of message fits Slack's limits, says its dollars, and lets nobody's tag speak as Slack."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from costwatch.core.blocks import date_token
from costwatch.core.cards import Card, CardContext, render
from costwatch.core.messages import Audience, Message, MessageKind
from demo.slack_limits import check_message
from tests.support.builders import HOUR, NOW
from tests.support.cards import CARD_KINDS, RUN_ID, RUN_KINDS, STOPS_AT, card, facts, texts


def everything(of: Card) -> str:
    return "\n".join([of.text, *(text for _, text in texts(of))])


# Costwatch's own marks; whatever else holds < or > came from somebody's tag.
OWN_MARK = re.compile(r"<!date\^\d+\^[^|<>]*\|[^<>]*>|<@[UW][A-Z0-9]+>")


def foreign_marks(text: str) -> list[str]:
    rest = OWN_MARK.sub("", text)
    return re.findall(r"[<>]|&(?!amp;|lt;|gt;)", rest)


# --- every kind -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CARD_KINDS)
def test_every_kind_of_message_is_a_card_that_slack_takes(kind: MessageKind) -> None:
    made = card(kind)
    check_message(made.text, made.blocks)
    parsed = Block.parse_all(made.blocks)
    assert len(parsed) == len(made.blocks)
    for block in parsed:
        block.validate_json()


@pytest.mark.parametrize("kind", RUN_KINDS)
def test_the_push_text_carries_job_time_and_dollars(kind: MessageKind) -> None:
    push = card(kind, reason="verified gone, nothing came back; burn stopped: $21.96/h").text
    assert "churn-bert-large" in push
    assert re.search(r"\d\d:\d\d UTC", push)
    assert re.search(r"\$\d", push)


@pytest.mark.parametrize("kind", [MessageKind.UNWATCHED, MessageKind.SUMMARY, MessageKind.WEEK])
def test_the_push_text_of_a_list_carries_its_count_and_dollars(kind: MessageKind) -> None:
    assert re.search(r"\d .*\$\d", card(kind).text)


@pytest.mark.parametrize("kind", RUN_KINDS)
def test_a_card_names_its_run_selector_and_clock(kind: MessageKind) -> None:
    said = everything(card(kind))
    assert RUN_ID in said
    assert "trainers" in said
    assert "LaunchTime of i-0abc" in said


@pytest.mark.parametrize("kind", RUN_KINDS)
def test_nothing_is_killed_in_front_of_a_data_scientist(kind: MessageKind) -> None:
    assert "kill" not in everything(card(kind)).lower()


@pytest.mark.parametrize("kind", [kind for kind in RUN_KINDS if kind is not MessageKind.NEARLY_USED_UP])
def test_an_unknown_price_says_unknown_and_never_zero_dollars(kind: MessageKind) -> None:
    said = everything(
        card(
            kind,
            hourly_rate_usd="",
            forecast="unknown (no known price)",
            cost="unknown",
            price_note="no known price for p9.huge",
        )
    )
    assert "$" not in said
    if kind is not MessageKind.VERIFIED:
        assert "unknown" in card(kind, hourly_rate_usd="", forecast="unknown (no known price)", cost="unknown").text


@pytest.mark.parametrize("kind", RUN_KINDS)
def test_a_run_that_has_not_started_is_a_card_too(kind: MessageKind) -> None:
    made = card(kind, start="", deadline="", hard_cap_at="")
    check_message(made.text, made.blocks)


# --- words ----------------------------------------------------------------------------------------------------


def test_a_warning_says_when_why_what_it_cost_and_how_to_go_on() -> None:
    made = card(MessageKind.WARNING)
    assert made.text == ("churn-bert-large stops in 1 h (10:00 UTC); spent $241.53, $21.96 every hour")
    said = everything(made)
    assert "It will have run 12 h; its limit: max_runtime 12h of selector trainers. Nothing is wrong with it." in said
    assert "costwatch extend i-0abc 4h` (+$87.83)" in said
    assert "costwatch extend i-0abc 12h` (+$263.49)" in said
    assert date_token(NOW + 61 * HOUR) in said


@pytest.mark.parametrize("clickable", [True, False])
def test_a_warning_about_money_names_the_question_and_offers_no_extension(clickable: bool) -> None:
    rule = "unapproved: $100.00 is all that needs no yes"
    known = facts(money="yes", rule=rule)
    context = CardContext(NOW, STOPS_AT, (4 * HOUR,), clickable=clickable, has_approvers=True)
    made = render(Message("id", MessageKind.WARNING, Audience.OWNER, known), context)
    said = str(made.blocks)
    assert f"What it costs ends it: {rule}. Only a yes moves that, an extension does not." in said
    assert "`costwatch approve apr-0123456789abcdef`" in said
    assert "costwatch extend" not in said
    assert "Extend" not in said


@pytest.mark.parametrize("clickable", [True, False])
def test_a_warning_about_money_that_no_yes_lifts_names_an_exemption_once(clickable: bool) -> None:
    known = facts(money="yes", rule="denied by Maria Lopez", approval="")
    context = CardContext(NOW, STOPS_AT, (4 * HOUR,), clickable=clickable, has_approvers=True)
    said = str(render(Message("id", MessageKind.WARNING, Audience.OWNER, known), context).blocks)
    assert "Only an exemption moves that, an extension does not." in said
    assert said.count("`costwatch exempt i-0abc --for 7d --reason ...`") == 1
    assert "costwatch approve" not in said
    assert "costwatch extend" not in said


_GO_TOO = "the volumes that are set to be deleted with it (normally its root volume)"


@pytest.mark.parametrize("action", ["terminate", "stop"])
def test_an_instance_is_told_before_and_after_what_becomes_of_its_disks(action: str) -> None:
    before, after = (everything(card(kind, action=action)) for kind in (MessageKind.WARNING, MessageKind.STOPPED))
    if action == "terminate":
        assert f"it is terminated; {_GO_TOO} and what only its instance disks hold are lost." in before
        assert f"With it go {_GO_TOO} and what only its instance disks held." in after
        assert "stay" not in before + after
    else:
        assert "it is stopped; its EBS disks stay, what only its instance disks hold is lost." in before
        assert "Its EBS disks stay." in after
        assert _GO_TOO not in before + after


def test_a_job_that_was_stopped_has_no_disks_to_speak_of() -> None:
    said = everything(card(MessageKind.STOPPED, run="111122223333/us-east-1/training/churn", action="terminate"))
    assert not {"disks", "volume"} & set(said.split())


def test_a_stop_from_before_its_action_was_said_says_nothing_of_disks() -> None:
    assert "disks" not in everything(card(MessageKind.STOPPED))


def test_a_training_job_is_told_of_sigterm_and_its_two_minutes() -> None:
    said = everything(card(MessageKind.WARNING, run="111122223333/us-east-1/training/churn"))
    assert "SIGTERM, 120 seconds to save" in said


def test_a_warning_of_a_selector_that_only_warns_does_not_threaten() -> None:
    made = card(MessageKind.WARNING, mode="warn")
    assert " would stop in " in made.text
    assert "nothing happens to it" in everything(made)


def test_a_capped_hold_gives_the_command_that_releases_it_and_other_holds_do_not() -> None:
    assert "`costwatch release hold-1a2b3c4d`" in everything(card(MessageKind.HELD))
    assert "costwatch release" not in everything(card(MessageKind.HELD, code="protect-rule"))


def test_what_a_malformed_tag_does_is_said_with_the_time_of_the_hard_cap() -> None:
    said = everything(card(MessageKind.MALFORMED_TAG))
    assert "costwatch:max-runtime" in said
    assert date_token(NOW + 61 * HOUR) in said


def test_a_time_is_a_date_token_with_utc_for_those_who_cannot_show_one() -> None:
    assert date_token(NOW) == "<!date^1795338000^{date_short_pretty} at {time}|2026-11-22 09:00 UTC>"


def test_the_owner_is_mentioned_only_where_the_card_goes_to_a_channel() -> None:
    assert "<@U0MARIA01>" in everything(card(MessageKind.WARNING, mention="U0MARIA01"))
    assert "<@" not in everything(card(MessageKind.WARNING))


# --- other people's text --------------------------------------------------------------------------------------

HOSTILE = "<!channel> & <https://evil.example|click> </b>`*_~"


@pytest.mark.parametrize("kind", CARD_KINDS)
@pytest.mark.parametrize(
    "field", ["name", "owner", "team", "selector", "rule", "reason", "seen", "tag", "problem", "lines", "run", "clock"]
)
def test_no_tag_can_speak_as_slack(kind: MessageKind, field: str) -> None:
    value = f"111122223333/us-east-1/run/{HOSTILE}" if field == "run" else HOSTILE
    made = card(kind, **{field: value})
    assert foreign_marks(made.text) == []
    for text_type, text in texts(made):
        if text_type == "mrkdwn":
            assert foreign_marks(text) == [], text


def pasted(run_name: str) -> list[str]:
    """The words a shell sees when somebody pastes the command of a card about this run."""
    made = card(MessageKind.FAILED, run=f"111122223333/us-east-1/run/{run_name}")
    code = next(text for _, text in texts(made) if "costwatch explain" in text)
    assert code.count("`") == 2
    return shlex.split(code.split("`")[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


@given(st.text(min_size=1, max_size=60))
def test_a_command_on_a_card_is_safe_to_paste_whatever_the_run_is_called(name: str) -> None:
    words = pasted(name)
    assert words[:2] == ["costwatch", "explain"]
    assert len(words) == 3


@pytest.mark.parametrize("name", ["a; rm -rf ~", "a`; rm -rf ~; `b", "a' ; rm -rf ~; 'b", "$(reboot)", "a\nreboot"])
def test_a_run_tag_that_looks_like_a_shell_command_stays_one_word(name: str) -> None:
    assert len(pasted(name)) == 3


# --- limits ---------------------------------------------------------------------------------------------------

LONG_NAME = "n" * 5000
LONG_TEXT = "\n".join(f"i-{n:017x} still running: UnauthorizedOperation <&> " + "x" * 80 for n in range(200))


@pytest.mark.parametrize("kind", CARD_KINDS)
def test_very_long_names_and_200_line_reasons_fit_slacks_limits(kind: MessageKind) -> None:
    long = dict.fromkeys(
        ("reason", "seen", "lines", "problem", "rule", "price_note", "capacity", "clock", "head", "burn"), LONG_TEXT
    )
    names_ = dict.fromkeys(("name", "owner", "team", "selector", "tag"), LONG_NAME)
    made = card(kind, **long, **names_)
    check_message(made.text, made.blocks)
    for block in Block.parse_all(made.blocks):
        block.validate_json()
    assert all(text for _, text in texts(made)), "Slack refuses empty texts"


def test_what_to_do_stays_readable_after_a_reason_that_was_cut() -> None:
    assert "`costwatch release hold-1a2b3c4d`" in everything(card(MessageKind.HELD, reason=LONG_TEXT))
    assert "The next sweep tries again." in everything(card(MessageKind.FAILED, reason=LONG_TEXT))
    assert "spent $241.53" in card(MessageKind.WARNING, name=LONG_NAME).text


@pytest.mark.parametrize("length", range(1480, 1520))
def test_a_cut_never_ends_inside_an_escaped_character(length: int) -> None:
    made = card(MessageKind.FAILED, reason="x" * length + "<&>" * 900)
    for text_type, text in texts(made):
        if text_type == "mrkdwn":
            assert foreign_marks(text) == []


def test_a_header_is_cut_at_150_characters_and_not_at_149() -> None:
    header: Mapping[str, Any] = card(MessageKind.SUMMARY, head="h" * 150).blocks[0]
    assert header["text"]["text"] == "h" * 150
    header = card(MessageKind.SUMMARY, head="h" * 151).blocks[0]
    assert header["text"]["text"] == "h" * 149 + "…"


# --- e-mail ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CARD_KINDS)
def test_an_e_mail_carries_no_marks_of_slack(kind: MessageKind) -> None:
    made = card(kind, mention="U0MARIA01", reason="a < b & c", name="R&D <big>")
    for text in (made.plain, made.subject):
        assert not re.search(r"<!date|<@|&lt;|&gt;|&amp;|`|\*", text)
    if kind in RUN_KINDS:
        assert "R&D <big>" in made.subject
        assert "R&D <big>" in made.plain


def test_an_e_mail_shows_times_in_utc() -> None:
    assert "2026-11-22 10:00 UTC" in card(MessageKind.WARNING).plain


def test_a_warning_whose_time_has_passed_says_zero_and_not_a_negative_time() -> None:
    context = CardContext(now=NOW + 2 * HOUR, stops_at=STOPS_AT, extend_steps=())
    made = render(Message("id", MessageKind.WARNING, Audience.OWNER, facts()), context)
    assert "stops in 0 s" in made.text
    assert "-" not in made.text.split("(")[0].replace("churn-bert-large", "")


# --- forecast and actual --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MessageKind.WARNING, MessageKind.HELD, MessageKind.STOPPED, MessageKind.WOULD_STOP])
def test_a_card_says_what_the_run_was_expected_to_cost(kind: MessageKind) -> None:
    assert "Forecast" not in str(card(kind, forecast="").blocks)
    found = card(kind, forecast="$707.04 (14 h: the median of its last 11 runs), at most $1,212.06")
    assert "$707.04 (14 h: the median of its last 11 runs), at most $1,212.06" in str(found.blocks)


def test_what_is_verified_says_what_it_cost_beside_its_forecast() -> None:
    found = card(MessageKind.VERIFIED, reason="verified gone", cost="$88.12 by billable seconds; forecast was $101.01")
    assert "$88.12 by billable seconds; forecast was $101.01" in str(found.blocks)
    assert "Cost" not in str(card(MessageKind.VERIFIED, cost="", reason="gone").blocks[:-1])
