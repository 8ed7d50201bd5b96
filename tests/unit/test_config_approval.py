"""The `approval:` section of costwatch.yaml: what a valid one means, and how a wrong one is refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from costwatch.config import loader
from costwatch.core.policy import ApprovalPolicy, JudgeBy, Mode, Policy, Tier, digest_of
from tests.support.refusals import TOP, refusal

TIERS = "approval: {tiers: ["
USD = "is not an amount in USD above 0 and up to 10,000,000, such as 100 or 99.50"
APPROVER = "is not an approver: a Slack user id (U012AB3CD), a user group"
PLATFORM = "arn:aws:iam::111122223333:role/Platform"
ROLE = "is not the ARN of an IAM role, such as arn:aws:iam::111122223333:role/trainer"

# Rows hold what comes after `version` (line 1) and `regions` (line 2), so their first line is line 3.
ONE_PROBLEM = {
    # keys and words
    "misspelt key": ("approval:\n  judgeby: expected", 4, "approval.judgeby", "did you mean 'judge_by'?"),
    "a key of another section": ("approval: {hard_cap: 1h}", 3, "approval.hard_cap", "it belongs under dead_man"),
    "a key of the section at the top": ("yes_lasts: 7d", 3, "yes_lasts", "it belongs under approval"),
    "not a mapping": ("approval: warn", 3, "approval", "'warn' is not a mapping"),
    "no value": ("approval:", 3, "approval", "has no value; write one or remove the line"),
    "mode": ("approval: {mode: ask}", 3, "approval.mode", "'ask' is not one of off, observe, warn, enforce"),
    "judge_by": (
        "approval: {judge_by: p90}",
        3,
        "approval.judge_by",
        "'p90' is not one of expected, forecast_p90, worst_case",
    ),
    "requester_may_approve as text": (
        "approval: {requester_may_approve: 'no'}",
        3,
        "approval.requester_may_approve",
        "'no' is neither true nor false",
    ),
    "requester_may_approve as a number": (
        "approval: {requester_may_approve: 0}",
        3,
        "approval.requester_may_approve",
        "the number 0 is neither true nor false",
    ),
    # times
    "answer at once": (
        "approval: {answer_within: 4m59s}",
        3,
        "approval.answer_within",
        "'4m59s' is outside 5m to 336h",
    ),
    "answer never": ("approval: {answer_within: 14d1s}", 3, "approval.answer_within", "'14d1s' is outside 5m to 336h"),
    "answer without unit": ("approval: {answer_within: 24}", 3, "approval.answer_within", "a bare number has no unit"),
    "a yes of a moment": ("approval: {yes_lasts: 4m59s}", 3, "approval.yes_lasts", "'4m59s' is outside 5m to 2160h"),
    "a yes for ever": ("approval: {yes_lasts: 90d1s}", 3, "approval.yes_lasts", "'90d1s' is outside 5m to 2160h"),
    "reminder with the question": (
        "approval: {answer_within: 2h, remind_before: 2h}",
        3,
        "approval.remind_before",
        "remind_before (2h) is not shorter than answer_within (2h): it would remind before it has asked",
    ),
    "reminder before the default question": (
        "approval:\n  remind_before: 24h",
        4,
        "approval.remind_before",
        "remind_before (24h) is not shorter than answer_within (24h)",
    ),
    # tiers
    "no tiers": ("approval: {tiers: []}", 3, "approval.tiers", "has 0 tiers, expected 1 to 10"),
    "too many tiers": (
        TIERS + ", ".join(f"{{above_usd: {n}}}" for n in range(1, 12)) + "]}",
        3,
        "approval.tiers",
        "has 11 tiers, expected 1 to 10",
    ),
    "tiers that are no list": ("approval: {tiers: {above_usd: 1}}", 3, "approval.tiers", "a mapping is not a list"),
    "a tier that is an amount": (TIERS + "100]}", 3, "approval.tiers[0]", "is not a mapping"),
    "a tier without its amount": (TIERS + "{approvers: []}]}", 3, "approval.tiers[0].above_usd", "is required"),
    "tiers that do not rise": (
        "approval:\n  tiers:\n    - above_usd: 400\n    - above_usd: 100",
        6,
        "approval.tiers[1].above_usd",
        "100 is not above the tier before it (400); order them from low to high",
    ),
    "two tiers from the same amount": (
        TIERS + "{above_usd: 100}, {above_usd: '100.00'}]}",
        3,
        "approval.tiers[1].above_usd",
        "is not above the tier before it (100)",
    ),
    "an amount of nothing": (TIERS + "{above_usd: 0}]}", 3, "approval.tiers[0].above_usd", f"0 {USD}"),
    "an amount below nothing": (TIERS + "{above_usd: -1}]}", 3, "approval.tiers[0].above_usd", f"-1 {USD}"),
    "an amount beyond all": (TIERS + "{above_usd: 10000000.01}]}", 3, "approval.tiers[0].above_usd", USD),
    "a part of a cent": (TIERS + "{above_usd: 0.001}]}", 3, "approval.tiers[0].above_usd", f"0.001 {USD}"),
    "an amount with its currency": (TIERS + "{above_usd: $100}]}", 3, "approval.tiers[0].above_usd", f"'$100' {USD}"),
    "an amount with a comma": (TIERS + "{above_usd: '1,000'}]}", 3, "approval.tiers[0].above_usd", f"'1,000' {USD}"),
    "an amount that is not finite": (TIERS + "{above_usd: .inf}]}", 3, "approval.tiers[0].above_usd", f"'.inf' {USD}"),
    "an amount that is no number": (TIERS + "{above_usd: .nan}]}", 3, "approval.tiers[0].above_usd", f"'.nan' {USD}"),
    "an amount of true": (TIERS + "{above_usd: true}]}", 3, "approval.tiers[0].above_usd", f"true {USD}"),
    "an amount without end": (
        TIERS + "{above_usd: 1e99999999}]}",
        3,
        "approval.tiers[0].above_usd",
        USD,
    ),
    # approvers
    "one approver without a list": (
        TIERS + "{above_usd: 1, approvers: U012AB3CD}]}",
        3,
        "approval.tiers[0].approvers",
        "'U012AB3CD' is not a list; write it in [brackets]",
    ),
    "an approver by name": (
        TIERS + "{above_usd: 1, approvers: [Maria Lopez]}]}",
        3,
        "approval.tiers[0].approvers[0]",
        f"'Maria Lopez' {APPROVER}",
    ),
    "an approver by mail": (
        TIERS + "{above_usd: 1, approvers: [maria@example.com]}]}",
        3,
        "approval.tiers[0].approvers[0]",
        APPROVER,
    ),
    "a channel as approver": (
        TIERS + "{above_usd: 1, approvers: [C012AB3CD]}]}",
        3,
        "approval.tiers[0].approvers[0]",
        APPROVER,
    ),
    "everybody as approver": (
        TIERS + "{above_usd: 1, approvers: ['*']}]}",
        3,
        "approval.tiers[0].approvers[0]",
        f"'*' {APPROVER}",
    ),
    "an ARN with a wildcard": (
        TIERS + "{above_usd: 1, approvers: ['arn:aws:iam::111122223333:role/*']}]}",
        3,
        "approval.tiers[0].approvers[0]",
        APPROVER,
    ),
    "an approver twice": (
        "approval:\n  tiers:\n    - above_usd: 1\n      approvers:\n        - U012AB3CD\n        - U012AB3CD",
        8,
        "approval.tiers[0].approvers[1]",
        "'U012AB3CD' is listed twice",
    ),
    "enforce without tiers": (
        "approval: {mode: enforce}",
        3,
        "approval.mode",
        "in mode enforce tiers must name approvers: as it stands nobody could say yes",
    ),
    "enforce without approvers": (
        f"approval: {{mode: enforce, tiers: [{{above_usd: 1, approvers: ['{PLATFORM}']}}, {{above_usd: 2}}]}}",
        3,
        "approval.tiers[1]",
        "in mode enforce a tier must name approvers: nobody could say yes",
    ),
    "enforce with an empty list": (
        "approval: {mode: enforce, tiers: [{above_usd: 1, approvers: []}]}",
        3,
        "approval.tiers[0]",
        "in mode enforce a tier must name approvers",
    ),
    "enforce for Slack without Slack": (
        "approval: {mode: enforce, tiers: [{above_usd: 1, approvers: [U012AB3CD, '@risk-leads']}]}",
        3,
        "approval.tiers[0]",
        "in mode enforce nobody of it could say yes: buttons in Slack need slack.app_id and slack.platform_channel, "
        "the command line an approver's ARN",
    ),
    "enforce for Slack without its app": (
        "approval: {mode: enforce, tiers: [{above_usd: 1, approvers: [U012AB3CD]}]}\nslack: {platform_channel: '#ml'}",
        3,
        "approval.tiers[0]",
        "buttons in Slack need slack.app_id, the command line",
    ),
    "enforce for Slack without a channel": (
        "approval: {mode: enforce, tiers: [{above_usd: 1, approvers: [S012AB3CD]}]}\nslack: {app_id: A012AB3CD}",
        3,
        "approval.tiers[0]",
        "buttons in Slack need slack.platform_channel, the command line",
    ),
    "a tier of enforce for Slack without Slack": (
        f"approval: {{mode: enforce, tiers: [{{above_usd: 1, approvers: ['{PLATFORM}']}}, "
        "{above_usd: 2, approvers: [U012AB3CD]}]}",
        3,
        "approval.tiers[1]",
        "nobody of it could say yes",
    ),
    # roles, tags and Slack
    "a role by name": ("approval: {roles: [trainer]}", 3, "approval.roles[0]", f"'trainer' {ROLE}"),
    "every role": (
        "approval: {roles: ['arn:aws:iam::111122223333:role/*']}",
        3,
        "approval.roles[0]",
        "wildcards are not taken",
    ),
    "a role's session": (
        "approval: {roles: ['arn:aws:sts::111122223333:assumed-role/trainer/x']}",
        3,
        "approval.roles[0]",
        ROLE,
    ),
    "a user as role": ("approval: {roles: ['arn:aws:iam::111122223333:user/x']}", 3, "approval.roles[0]", ROLE),
    "the approval tag means another thing": (
        "tags: {approval: team}",
        3,
        "tags.approval",
        "'team' already means team; one tag cannot mean two things",
    ),
    "another tag means the approval": (
        "tags: {run: 'costwatch:approval'}",
        3,
        "tags.run",
        "'costwatch:approval' already means approval",
    ),
    "an app by name": ("slack: {app_id: costwatch}", 3, "slack.app_id", "'costwatch' is not a Slack app id such as A0"),
    "a user as app": ("slack: {app_id: U012AB3CD}", 3, "slack.app_id", "is not a Slack app id"),
    "a workspace by name": (
        "slack: {workspace: acme}",
        3,
        "slack.workspace",
        "'acme' is not a Slack workspace id such as T012AB3CD",
    ),
    "the signing secret itself": (
        "slack: {signing_secret_parameter: 8f742231b10e8888abcd99yyyzzz85a5}",
        3,
        "slack.signing_secret_parameter",
        "is not the name of an SSM parameter such as",
    ),
}


@pytest.mark.parametrize("name", ONE_PROBLEM)
def test_a_wrong_value_is_one_line_with_file_line_key_and_what_was_expected(tmp_path: Path, name: str) -> None:
    content, line, key, sentence = ONE_PROBLEM[name]
    told = refusal(tmp_path, TOP + content)
    assert len(told) == 1, told
    assert told[0].startswith(f"costwatch.yaml:{line}: {key}: ")
    assert sentence in told[0]


def test_a_secret_that_stands_in_the_wrong_place_is_not_quoted_back(tmp_path: Path) -> None:
    told = refusal(tmp_path, TOP + "slack: {signing_secret_parameter: 8f742231b10e8888abcd99yyyzzz85a5}")
    assert "8f74" not in told[0]


# --- what is valid ------------------------------------------------------------------------------------


def approval(tmp_path: Path, content: str) -> ApprovalPolicy:
    path = tmp_path / "costwatch.yaml"
    path.write_text(TOP + content, encoding="utf-8")
    return Policy.from_document(loader.load(path).policy_document).approval


def test_left_out_it_only_observes_what_is_above_100_dollars(tmp_path: Path) -> None:
    made = approval(tmp_path, "")
    assert made == ApprovalPolicy()
    assert (made.mode, made.tiers) == (Mode.OBSERVE, (Tier(Decimal(100)),))


def test_everything_it_says_arrives_in_the_policy(tmp_path: Path) -> None:
    made = approval(
        tmp_path,
        """
slack: {app_id: A012AB3CD, platform_channel: "#ml"}
approval:
  mode: enforce
  judge_by: worst_case
  tiers:
    - {above_usd: 99.5, approvers: ["@risk-leads", U012AB3CD]}
    - {above_usd: "400.00", approvers: [S012AB3CD, "arn:aws:iam::111122223333:role/Platform"]}
  answer_within: 2h
  remind_before: 10m
  yes_lasts: 1d
  requester_may_approve: true
  roles: ["arn:aws:iam::111122223333:role/ml/trainer"]
""",
    )
    assert made == ApprovalPolicy(
        mode=Mode.ENFORCE,
        judge_by=JudgeBy.WORST_CASE,
        tiers=(
            Tier(Decimal("99.5"), ("@risk-leads", "U012AB3CD")),
            Tier(Decimal(400), ("S012AB3CD", "arn:aws:iam::111122223333:role/Platform")),
        ),
        answer_within=timedelta(hours=2),
        remind_before=timedelta(minutes=10),
        yes_lasts=timedelta(days=1),
        requester_may_approve=True,
        roles=("arn:aws:iam::111122223333:role/ml/trainer",),
    )


@pytest.mark.parametrize(
    "content",
    [
        "approval: {answer_within: 5m, yes_lasts: 5m}",
        "approval: {answer_within: 14d, yes_lasts: 90d}",
        "approval: {answer_within: 2h, remind_before: 1h59m59s}",
        "approval: {remind_before: 23h59m59s}",
        "approval: {tiers: [{above_usd: 0.01}, {above_usd: 10000000}]}",
        TIERS + ", ".join(f"{{above_usd: {n}}}" for n in range(1, 11)) + "]}",
        f"approval: {{mode: enforce, tiers: [{{above_usd: 1, approvers: [U012AB3CD, '{PLATFORM}']}}]}}",
        "approval: {mode: enforce, tiers: [{above_usd: 1, approvers: [U012AB3CD]}]}\n"
        "slack: {app_id: A012AB3CD, platform_channel: '#ml'}",
        "approval: {roles: []}",
    ],
)
def test_what_is_exactly_at_a_bound_is_valid(tmp_path: Path, content: str) -> None:
    approval(tmp_path, content)


@pytest.mark.parametrize(("within", "minutes"), [("24h", 240), ("16h", 240), ("15h", 225), ("1h", 15), ("5m", 1.25)])
def test_the_reminder_comes_four_hours_or_a_quarter_of_the_time_before_its_end(
    tmp_path: Path, within: str, minutes: float
) -> None:
    assert approval(tmp_path, f"approval: {{answer_within: {within}}}").remind_before == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("usd", "tier"), [("100", None), ("100.01", "100"), ("400", "100"), ("400.01", "400"), (None, "400")]
)
def test_a_tier_begins_above_its_amount_and_an_unknown_price_belongs_to_the_highest(
    tmp_path: Path, usd: str | None, tier: str | None
) -> None:
    made = approval(tmp_path, "approval: {tiers: [{above_usd: 100}, {above_usd: 400}]}")
    found = made.tier(Decimal(usd) if usd is not None else None)
    assert (found.above_usd if found else None) == (Decimal(tier) if tier is not None else None)


def test_a_policy_that_an_older_version_compiled_observes() -> None:
    body = loader.load(Path(__file__).parents[2] / "costwatch.yaml").policy_document
    older = {key: value for key, value in body["policy"].items() if key != "approval"}
    assert Policy.from_document({**body, "policy": older, "digest": digest_of(older)}).approval == ApprovalPolicy()


# --- warnings -----------------------------------------------------------------------------------------


def warnings(tmp_path: Path, content: str) -> list[str]:
    path = tmp_path / "costwatch.yaml"
    path.write_text(TOP + content + "\ndead_man: {selectors: [{name: a, ec2: {tag: {k: v}}}]}", encoding="utf-8")
    return [line.removeprefix(f"{tmp_path}/") for line in loader.load(path).warnings]


@pytest.mark.parametrize(("mode", "count"), [("off", 0), ("observe", 0), ("warn", 1), ("enforce", 1)])
def test_questions_that_nobody_sees_are_warned_about(tmp_path: Path, mode: str, count: int) -> None:
    asked = f"approval: {{mode: {mode}, tiers: [{{above_usd: 1, approvers: ['{PLATFORM}']}}]}}"
    told = warnings(tmp_path, asked)
    assert len(told) == count
    assert all(line.startswith("costwatch.yaml:3: approval.mode: nobody sees a question in Slack") for line in told)
    assert warnings(tmp_path, f"slack: {{platform_channel: '#ml'}}\n{asked}") == []


def test_questions_that_nobody_may_answer_are_warned_about(tmp_path: Path) -> None:
    slack = "slack: {platform_channel: '#ml'}\n"
    asked = "approval: {mode: warn, tiers: [{above_usd: 1, approvers: [U012AB3CD]}, {above_usd: 2}]}"
    assert warnings(tmp_path, slack + asked) == [
        "costwatch.yaml:4: approval.tiers[1]: names no approvers: people are asked, and nobody may say yes"
    ]
    assert warnings(tmp_path, slack + asked.replace("warn", "observe")) == []
