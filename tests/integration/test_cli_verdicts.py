"""What was decided about models, and people's word about one of them from a terminal: over the real ledger code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from costwatch.cli import completion
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.core.judgements import State
from costwatch.core.packages import ApprovalStatus
from costwatch.errors import PermanentAwsError
from tests.support.builders import ACCOUNT
from tests.support.clicking import buttons_of
from tests.support.command_line import CONFIG, JOHN, MARIA, Terminal
from tests.support.judged import verdict
from tests.support.judged_town import JudgedHouse

PLATFORM = f"arn:aws:iam::{ACCOUNT}:role/ml/Platform"


@pytest.fixture
def house() -> JudgedHouse:
    return JudgedHouse(res_approvers=("@risk-leads", PLATFORM))


def terminal(tmp_path: Path, house: JudgedHouse, arn: str) -> Terminal:
    config = tmp_path / "costwatch.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    made = Terminal(config, house.town, arn=arn)
    assert made.ssm.body is not None
    made.ssm.body = {**made.ssm.body, "res_function": "costwatch-res"}
    made.function.others["costwatch-res"] = house.res.handle
    return made


@pytest.fixture
def john(tmp_path: Path, house: JudgedHouse) -> Terminal:
    """Among the approvers, by his role."""
    return terminal(tmp_path, house, JOHN)


@pytest.fixture
def maria(tmp_path: Path, house: JudgedHouse) -> Terminal:
    """Not among them."""
    return terminal(tmp_path, house, MARIA)


def words(text: str) -> str:
    return " ".join(text.split())


# --- what was decided ----------------------------------------------------------------------------------


def test_where_nothing_was_judged_that_is_said(john: Terminal) -> None:
    assert "No candidate was judged." in john.costwatch("verdicts").stdout
    assert "No candidate of churn was judged." in john.costwatch("verdicts", "--model", "churn").stdout
    assert john.json("verdicts")["verdicts"] == []


def test_verdicts_are_shown_with_gain_score_cost_and_who_may_decide(house: JudgedHouse, john: Terminal) -> None:
    house.judge()
    told = words(john.costwatch("verdicts").stdout)
    assert "churn v41 better but too dear +0.002 0.20 of 0.50 $3,200.00" in told
    assert f"a real gain, too small for its cost; @risk-leads, {PLATFORM} may decide, so may you" in told
    assert "costwatch promote MODEL VERSION" in told


def test_who_may_not_decide_is_not_told_otherwise(house: JudgedHouse, maria: Terminal) -> None:
    house.judge()
    assert "so may you" not in words(maria.costwatch("verdicts").stdout)
    assert [each["you_are_an_approver"] for each in maria.json("verdicts")["verdicts"]] == [False]


def test_the_newest_stand_first_and_no_more_than_are_asked_for(house: JudgedHouse, john: Terminal) -> None:
    for version in (41, 42, 43):
        house.judge(package_version=version)
        house.town.clock.forward(minutes=1)
    assert [each["version"] for each in john.json("verdicts")["verdicts"]] == [43, 42, 41]
    assert [each["version"] for each in john.json("verdicts", "--last", "2")["verdicts"]] == [43, 42]
    assert john.costwatch("verdicts", "--last", "0").exit_code == 2


def test_one_model_is_shown_alone(house: JudgedHouse, john: Terminal) -> None:
    house.judge()
    house.judge(model="fraud", group="fraud", package_version=42)
    assert len(john.json("verdicts")["verdicts"]) == 2
    assert [each["model"] for each in john.json("verdicts", "--model", "fraud")["verdicts"]] == ["fraud"]


def test_for_machines_there_is_every_figure_as_text(house: JudgedHouse, john: Terminal) -> None:
    house.judge()
    (each,) = john.json("verdicts")["verdicts"]
    wanted: dict[str, Any] = {
        "id": "us-east-1/churn/41",
        "state": "asked",
        "verdict": "better but too dear",
        "gain": "0.002",
        "score": "0.2",
        "needed": "0.5",
        "cost_usd": "3200",
        "passes_at_usd": "800",
        "decided": None,
    }
    assert wanted.items() <= each.items()


def test_what_is_not_known_is_null_and_shown_as_unknown(house: JudgedHouse, john: Terminal) -> None:
    house.judge(verdict(usd=None))
    (each,) = john.json("verdicts")["verdicts"]
    assert (each["cost_usd"], each["score"]) == (None, None)
    assert "unknown" in john.costwatch("verdicts").stdout


# --- promote and reject --------------------------------------------------------------------------------


def test_a_promotion_is_written_by_the_deployed_function_with_the_callers_identity(
    house: JudgedHouse, john: Terminal
) -> None:
    (post,) = house.judge().posts
    result = john.costwatch("promote", "churn", "41", "--reason", "for the campaign")
    assert result.exit_code == 0, result.output
    assert "churn v41: Promoted by john (Platform)" in words(result.stdout)
    assert "Reason: for the campaign. It is Approved in the model registry." in words(result.stdout)
    after = house.judgement()
    assert after.decided is not None
    assert (after.state, after.decided.by) == (State.WRITTEN, JOHN)
    assert house.models.packages[after.package_arn].approval is ApprovalStatus.APPROVED
    assert buttons_of(house.card(post)) == {}


def test_where_costwatch_may_not_approve_the_command_that_does_is_printed(tmp_path: Path) -> None:
    house = JudgedHouse(res_approvers=(PLATFORM,), auto_approve=False)
    house.judge()
    result = terminal(tmp_path, house, JOHN).costwatch("promote", "churn", "41")
    assert result.exit_code == 0, result.output
    assert "aws sagemaker update-model-package --region us-east-1" in words(result.stdout)
    assert house.models.packages[house.judgement().package_arn].pending


def test_a_rejection_is_one_document_for_machines(house: JudgedHouse, john: Terminal) -> None:
    house.judge()
    answer = john.json("reject", "churn", "41", "--reason", "too dear")
    assert (answer["state"], answer["status"], answer["failures"]) == ("written", "Rejected", [])
    assert (answer["decided"]["by"], answer["decided"]["reason"]) == (JOHN, "too dear")


def test_the_same_command_again_says_the_same(house: JudgedHouse, john: Terminal) -> None:
    house.judge()
    first, second = (john.costwatch("reject", "churn", "41") for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout == second.stdout


def test_who_is_no_approver_is_told_who_is_and_nothing_is_asked(house: JudgedHouse, maria: Terminal) -> None:
    house.judge()
    result = maria.costwatch("promote", "churn", "41")
    assert result.exit_code == 4
    assert "only approvers may promote or reject a model" in words(result.stderr)
    assert PLATFORM in "".join(result.stderr.split())
    assert maria.function.events == []


def test_whoever_comes_second_is_refused(house: JudgedHouse, john: Terminal) -> None:
    house.judge()
    house.click("promote", "us-east-1/churn/41", by="U0LEE0000")
    result = john.costwatch("reject", "churn", "41")
    assert result.exit_code == 4
    assert "Lee Chan set churn v41 to Approved before you." in words(result.stderr)


def test_what_the_registry_does_not_take_is_a_failure_that_the_sweep_tries_again(
    house: JudgedHouse, john: Terminal
) -> None:
    house.judge()
    operation = "sagemaker:UpdateModelPackage"
    denied = PermanentAwsError(f"{operation}: denied", code="AccessDeniedException", operation=operation)
    house.town.world.fault = lambda operation, _region, _ids: denied if operation == "UpdateModelPackage" else None
    result = john.costwatch("reject", "churn", "41")
    assert result.exit_code == 0, result.output
    told = words(result.stdout)
    assert "The model registry did not take it, and the next sweep tries again" in told
    assert f"{operation} was refused (AccessDeniedException)." in told


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("promote", "churn", "7"), 2, "no candidate is called churn 7; judged: churn v41"),
        (("promote", "frauds", "41"), 2, "no candidate is called frauds 41; judged: none of that model"),
        (("promote", "churn", "x"), 2, "'x' is not a valid integer"),
        (("promote", "churn", "41", "--reason", "x" * 301), 2, "--reason has 301 characters, expected at most 300"),
    ],
)
def test_what_names_nothing_is_one_sentence(
    house: JudgedHouse, john: Terminal, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    house.judge()
    result = john.costwatch(*arguments)
    assert result.exit_code == code
    assert sentence in words(result.stderr)
    assert house.judgement().state is State.ASKED


def test_a_deployment_that_judges_no_model_says_what_to_do(house: JudgedHouse, john: Terminal) -> None:
    house.judge()
    assert john.ssm.body is not None
    john.ssm.body = {**john.ssm.body, "res_function": ""}
    result = john.costwatch("promote", "churn", "41")
    assert result.exit_code != 0
    assert "judges no model: name one under res.models and deploy again" in words(result.stderr)


# --- explain, completion -------------------------------------------------------------------------------


def test_a_verdict_is_explained_by_its_id(house: JudgedHouse, john: Terminal) -> None:
    house.judge()
    john.costwatch("promote", "churn", "41", "--reason", "for the campaign")
    told = words(john.costwatch("explain", "us-east-1/churn/41").stdout)
    for part in (
        "better but too dear (too dear, enforce)",
        "auc 0.912 -> 0.914 (+0.002, 3.3 standard errors); worth $800.00; cost $3,200.00",
        "score 0.20, needed 0.50; in service 30 days",
        "promotion asked about",
        "promoted by john (Platform): for the campaign",
        "registry written",
    ):
        assert part in told, part
    body = john.json("explain", "us-east-1/churn/41")
    assert body["version"] == 41
    assert "promotion decided" in [entry["transition"] for entry in body["timeline"]]


def test_a_verdict_that_nobody_knows_is_one_sentence(john: Terminal) -> None:
    result = john.costwatch("explain", "us-east-1/churn/9")
    assert result.exit_code == 2
    assert "no candidate is called us-east-1/churn/9" in words(result.stderr)
    assert john.costwatch("explain", "us-east-1/churn/9", "--markdown").exit_code == 2


@pytest.mark.parametrize("command", ["promote", "reject"])
def test_models_that_are_asked_about_complete(
    house: JudgedHouse, john: Terminal, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "PATIENCE_SECONDS", 60.0)  # a shell's user waits for two, a busy machine may not do
    house.judge()
    house.judge(verdict("0.911"), model="fraud", group="fraud", package_version=42)
    tools = Tools(
        environ=john.environ,
        clock=house.town.clock,
        clients={"sts": john.sts, "ssm": john.ssm},
        table=house.town.table,
    )
    complete = ShellComplete(main, {"obj": tools}, "costwatch", "_COSTWATCH_COMPLETE")
    assert [item.value for item in complete.get_completions([command], "")] == ["churn"]
