"""costwatch settle: answers and verdicts that were left behind, as the alarm counts them, and who settles them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from costwatch import names
from costwatch.core.judgements import State
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.errors import PermanentAwsError
from costwatch.procedures import approvals, res_sweep
from costwatch.procedures.report import SweepReport
from costwatch.procedures.sweep import sweep
from tests.integration.test_approvals import LEE, House
from tests.support.builders import ACCOUNT, HOUR, SECOND
from tests.support.command_line import CONFIG, MARIA, Terminal
from tests.support.fakes import Town
from tests.support.res_town import ResTown, res_town
from tests.support.town import TAGS, Crash, crashing, failing

APPROVED, REJECTED, PENDING = ApprovalStatus.APPROVED, ApprovalStatus.REJECTED, ApprovalStatus.PENDING


def words(text: str) -> str:
    return " ".join(text.split())


def terminal(config: Path, town: Town, **deployed: str) -> Terminal:
    config.write_text(CONFIG, encoding="utf-8")
    made = Terminal(config, town)
    assert made.ssm.body is not None
    made.ssm.body = {**made.ssm.body, **deployed}
    return made


@pytest.fixture
def left() -> tuple[ResTown, ModelPackage]:
    """A candidate whose rejection was claimed by a function that died before it had called SageMaker."""
    town = res_town("enforce")
    town.told_of(town.serving("churn-38", "0.912"))
    town.clock.forward(days=1)
    candidate = town.candidate("churn-41", "0.911")
    town.world.fault = crashing("UpdateModelPackage")
    with pytest.raises(Crash):
        town.told_of(candidate)
    town.world.fault = None
    assert (town.row(candidate).state, town.now(candidate).approval) == (State.WRITING, PENDING)
    return town, candidate


@pytest.fixture
def desk(config: Path, left: tuple[ResTown, ModelPackage]) -> Terminal:
    """In front of that town, whose breaker is deployed."""
    town, _ = left
    made = terminal(config, town, res_function="costwatch-res")
    made.function.others["costwatch-res"] = town.invoke
    return made


# --- verdicts ---------------------------------------------------------------------------------------------


def test_a_verdict_is_unsettled_from_the_end_of_its_lease_and_not_before(
    left: tuple[ResTown, ModelPackage], desk: Terminal
) -> None:
    town, candidate = left
    lease_until = town.row(candidate).lease_until
    assert lease_until is not None
    town.clock.now = lease_until - SECOND
    before = desk.costwatch("settle")
    town.clock.now = lease_until
    after = desk.costwatch("settle")
    assert (before.exit_code, after.exit_code) == (0, 1)
    assert "churn v2 verdict being done us-east-1/churn/2" in words(before.stdout)
    assert "churn v2 verdict not settled us-east-1/churn/2" in words(after.stdout)
    assert "to be set to Rejected, since 2026-11-23 09:00:00 UTC; nothing was written since" in words(after.stdout)
    assert desk.function.events == []


def test_what_is_listed_is_as_old_as_the_breakers_metric_says(
    left: tuple[ResTown, ModelPackage], desk: Terminal
) -> None:
    town, _ = left
    town.clock.forward(minutes=5)
    (claim,) = desk.json("settle")["claims"]
    counted = res_sweep.sweep(town.breaker()).oldest_claim_at
    assert counted is not None
    assert claim["since"] == counted.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_now_has_the_breaker_judge_it_again_and_write_what_comes_of_that(
    left: tuple[ResTown, ModelPackage], desk: Terminal
) -> None:
    town, candidate = left
    town.clock.forward(minutes=30)
    result = desk.costwatch("settle", "--now")
    assert result.exit_code == 0, result.output
    assert (town.row(candidate).state, town.now(candidate).approval) == (State.WRITTEN, REJECTED)
    assert "us-east-1/churn/2: the sweep went on with it; costwatch explain us-east-1/churn/2" in words(result.stdout)
    (event,) = desk.function.events
    assert event["detail"] == {"mode": "enforce", "policy_digest": town.policy.digest, "requested_by": MARIA}


def test_what_a_person_decided_in_the_registry_meanwhile_stands(
    left: tuple[ResTown, ModelPackage], desk: Terminal
) -> None:
    town, candidate = left
    town.models.decide(candidate.arn, APPROVED)
    town.clock.forward(minutes=30)
    assert desk.costwatch("settle", "--now").exit_code == 0
    assert (town.row(candidate).state, town.now(candidate).approval) == (State.OVERRIDDEN, APPROVED)
    assert town.writes == [(candidate.arn, "Rejected")], "only the one that died"
    assert desk.json("settle")["claims"] == []


def test_what_a_person_decided_by_a_command_is_written_as_they_said_it(
    left: tuple[ResTown, ModelPackage], desk: Terminal
) -> None:
    town, _ = left
    other = town.candidate("churn-42", "0.9121")
    town.told_of(other)
    town.world.fault = crashing("UpdateModelPackage")
    with pytest.raises(Crash):
        town.decides(other, REJECTED)
    town.world.fault = None
    town.clock.forward(minutes=30)
    assert "to be set to Rejected, as Maria Lopez decided" in words(desk.costwatch("settle").stdout)
    assert desk.costwatch("settle", "--now").exit_code == 0
    assert (town.row(other).state, town.now(other).approval) == (State.WRITTEN, REJECTED)


def test_what_the_registry_refuses_stays_unsettled_with_its_reason(
    left: tuple[ResTown, ModelPackage], desk: Terminal
) -> None:
    town, candidate = left
    town.clock.forward(minutes=30)
    town.world.fault = failing("UpdateModelPackage", PermanentAwsError("denied", code="AccessDeniedException"))
    result = desk.costwatch("settle", "--now")
    assert result.exit_code == 1
    assert town.now(candidate).approval is PENDING
    (claim,) = json.loads(desk.costwatch("settle", "--json").stdout)["claims"]
    assert claim["standing"] == "not settled"
    assert claim["why"]
    assert claim["why"] in words(desk.costwatch("settle").stdout)


def test_a_function_that_dies_half_way_loses_nothing_and_the_next_one_settles_it(
    left: tuple[ResTown, ModelPackage], desk: Terminal
) -> None:
    town, candidate = left
    town.clock.forward(minutes=30)
    town.world.fault = crashing("UpdateModelPackage")
    with pytest.raises(Crash):
        desk.costwatch("settle", "--now")
    town.world.fault = None
    assert [each["standing"] for each in desk.json("settle")["claims"]] == ["being done"]
    town.clock.forward(minutes=6)
    assert desk.costwatch("settle", "--now").exit_code == 0
    assert (town.row(candidate).state, town.now(candidate).approval) == (State.WRITTEN, REJECTED)


def test_where_no_function_judges_models_any_more_it_is_said_what_to_do(
    config: Path, left: tuple[ResTown, ModelPackage]
) -> None:
    town, _ = left
    town.clock.forward(minutes=30)
    alone = terminal(config, town)
    result = alone.costwatch("settle", "--now")
    assert result.exit_code == 1
    assert "no deployed function looks at models any more" in words(result.stdout)
    assert "res.models" in words(result.stdout)
    assert alone.function.events == []


def test_a_group_that_the_configuration_names_no_more_is_told_by_each_sweep_and_left_alone(
    left: tuple[ResTown, ModelPackage], desk: Terminal
) -> None:
    town, candidate = left
    town.deploy("enforce", model={"name": "other", "group": "other"})
    town.clock.forward(minutes=30)
    assert desk.ssm.body is not None
    desk.ssm.body = {**desk.ssm.body, "policy_digest": town.policy.digest}
    result = desk.costwatch("settle", "--now")
    assert result.exit_code == 1
    told = words(result.stdout)
    assert "us-east-1/churn/2 failed: claimed and not settled, and the configuration names churn in us-east-1" in told
    assert town.now(candidate).approval is PENDING
    town.deploy("enforce")
    town.sweep()
    assert (town.row(candidate).state, town.now(candidate).approval) == (State.WRITTEN, REJECTED)


def test_the_breaker_refuses_a_sweep_by_another_policy_and_changes_nothing(
    left: tuple[ResTown, ModelPackage], desk: Terminal
) -> None:
    town, candidate = left
    town.clock.forward(minutes=30)
    assert desk.ssm.body is not None
    desk.ssm.body = {**desk.ssm.body, "policy_digest": "f" * 64}
    result = desk.costwatch("settle", "--now")
    assert result.exit_code == 4
    assert "deploy first" in words(result.stderr)
    assert town.row(candidate).state is State.WRITING


def test_a_sweep_that_a_person_asks_for_stands_for_none_of_the_schedules(
    left: tuple[ResTown, ModelPackage], capsys: pytest.CaptureFixture[str]
) -> None:
    """The alarm of missed sweeps counts the lines that carry this metric."""
    town, _ = left
    town.sweep()
    town.clock.forward(minutes=30)
    assert capsys.readouterr().out.count(f'"{names.METRIC_OLDEST_CLAIM}":') == 1
    detail = {"mode": "enforce", "policy_digest": town.policy.digest, "requested_by": MARIA}
    event = {"source": names.SOURCE_CLI, "detail-type": names.DETAIL_SWEEP_REQUESTED, "detail": detail}
    assert town.invoke(event)["written"] == 1
    assert names.METRIC_OLDEST_CLAIM not in capsys.readouterr().out


def test_both_functions_are_asked_though_the_first_one_fails(
    left: tuple[ResTown, ModelPackage], desk: Terminal
) -> None:
    town, candidate = left
    trainer = town.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(town.watchdog())
    town.clock.forward(minutes=35)
    town.world.fault = crashing("TerminateInstances")
    with pytest.raises(Crash):
        sweep(town.watchdog())
    town.world.fault = None
    town.clock.forward(minutes=30)

    def fails(event: Mapping[str, Any]) -> Any:
        raise PermanentAwsError(f"{event['detail-type']} failed", code="Broken")

    desk.function.function = fails
    assert [each["kind"] for each in json.loads(desk.costwatch("settle", "--json").stdout)["claims"]] == [
        "verdict",
        "stop",
    ]
    result = desk.costwatch("settle", "--now")
    assert result.exit_code == 1
    assert "the deployed function failed with PermanentAwsError" in words(result.stderr)
    assert (trainer.alive, town.now(candidate).approval) == (True, REJECTED)


# --- answers ----------------------------------------------------------------------------------------------


@pytest.fixture
def house() -> House:
    """A yes whose pipeline could not be answered."""
    made = House()
    asked = made.ask()
    made.steps.fails = 1
    approvals.answer(made.gate, ACCOUNT, asked.id, LEE, yes=True)
    assert made.steps.answers == []
    return made


def tending(house: House) -> dict[str, Any]:
    """What the deployed function does at a sweep, with the gate's part of it."""
    report = SweepReport(at=house.town.clock())
    approvals.tend(house.built(), ACCOUNT, report)
    return {"runs": [], "failures": report.document()["failures"]}


def test_an_answer_whose_effect_failed_is_listed_with_the_reason_and_done_by_the_sweep(
    config: Path, house: House
) -> None:
    desk = terminal(config, house.town)
    desk.function.function = lambda _event: tending(house)
    result = desk.costwatch("settle")
    assert result.exit_code == 1
    assert "answer not settled" in words(result.stdout)
    assert "approved by Lee Chan" in words(result.stdout)
    assert "each sweep tries again to do what follows from it" in words(result.stdout)
    (claim,) = json.loads(desk.costwatch("settle", "--json").stdout)["claims"]
    assert claim["why"]
    again = desk.costwatch("settle", "--now")
    assert again.exit_code == 0, again.output
    assert [word for word, _, _ in house.steps.answers] == ["succeed"]
    assert desk.json("settle")["claims"] == []


def test_an_answer_is_as_old_as_the_metric_says(config: Path, house: House) -> None:
    (claim,) = json.loads(terminal(config, house.town).costwatch("settle", "--json").stdout)["claims"]
    report = SweepReport(at=house.town.clock())
    approvals.tend(house.gate, ACCOUNT, report)
    assert report.oldest_claim_at is not None
    assert claim["since"] == report.oldest_claim_at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_question_that_nobody_has_answered_is_no_claim(config: Path) -> None:
    house = House()
    house.ask()
    assert terminal(config, house.town).json("settle")["claims"] == []


# --- what cannot be read ----------------------------------------------------------------------------------


def test_a_row_that_cannot_be_read_is_noted_and_hides_no_other(
    left: tuple[ResTown, ModelPackage], desk: Terminal
) -> None:
    town, candidate = left
    other = town.candidate("churn-42", "0.9121")
    town.told_of(other)
    for place, row in town.table.items.items():
        if row.get("package_arn") == other.arn and row.get("state"):
            town.table.items[place] = {**row, "state": "nonsense"}
    town.clock.forward(minutes=30)
    result = desk.costwatch("settle", "--json")
    assert [each["id"] for each in json.loads(result.stdout)["claims"]] == ["us-east-1/churn/2"]
    assert "cannot be read" in words(result.stderr)
    del candidate
