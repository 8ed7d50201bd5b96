"""What waits at the gate goes on once the deployed mode enforces no more; where none is enforced nothing waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from costwatch.adapters.table import Write
from costwatch.core.approvals import Approval, State, Way
from costwatch.core.policy import Mode
from costwatch.core.purses import Draw, draw, spec_seen
from costwatch.errors import AwsError, PermanentAwsError, RefusedError, TransientAwsError
from costwatch.intake.gate import Asked
from costwatch.procedures import approvals
from costwatch.procedures.gate_messages import amended, take
from tests.integration.test_approvals import MARIA, House, actions, cards, request, spec
from tests.support.builders import ACCOUNT, HOUR

ELSEWHERE = [Mode.OFF, Mode.OBSERVE, Mode.WARN]
TOKENS = [Way.PIPELINE, Way.TASK]


@pytest.fixture
def house() -> House:
    return House()


def deploy(house: House, mode: Mode) -> None:
    policy = house.town.policy
    house.town.policy = replace(policy, approval=replace(policy.approval, mode=mode))
    house.gate = house.built()


def broken(house: House, error: AwsError) -> None:
    """Nothing can be written into the ledger."""

    def fails(writes: Sequence[Write]) -> None:
        del writes
        raise error

    house.town.table.before_transact = fails


def question(house: House, approval_id: str) -> Approval:
    found = house.gate.approvals.get(ACCOUNT, approval_id)
    assert found is not None
    return found


@pytest.mark.parametrize("mode", ELSEWHERE)
@pytest.mark.parametrize("way", TOKENS)
def test_what_waits_by_a_token_goes_on_by_the_next_sweep(house: House, way: Way, mode: Mode) -> None:
    asked = house.ask(way=way)
    deploy(house, mode)
    house.tend()
    ((word, token, outputs),) = (house.steps if way is Way.PIPELINE else house.tasks).answers
    assert (word, token) == ("succeed", "tok1234567")
    assert (outputs["decision"], outputs["answered_by"], outputs["granted_usd"]) == ("let go", "Costwatch", "1212.06")
    assert outputs["reason"].endswith("the gate no longer enforces")
    assert not house.gate.approvals.waiting(ACCOUNT)
    assert house.transitions(asked.id) == ["approval asked", "let pass", "answered"]


def test_whoever_asks_by_a_command_hears_it_when_they_ask_again(house: House) -> None:
    asked = house.ask(way=Way.COMMAND)
    deploy(house, Mode.OBSERVE)
    house.tend()
    again = house.ask(way=Way.COMMAND)
    assert (again.id, again.decision, again.goes_on, again.waits) == (asked.id, "let go", True, False)


def test_while_the_mode_is_enforce_nothing_is_let_go(house: House) -> None:
    asked = house.ask()
    house.tend()
    assert question(house, asked.id).state is State.PENDING


def test_it_is_let_go_even_after_its_time_when_no_sweep_came_before(house: House) -> None:
    asked = house.ask()
    deploy(house, Mode.OFF)
    house.town.clock.now += 25 * HOUR
    house.tend()
    assert question(house, asked.id).state is State.LET_GO


def test_what_was_answered_before_stays_answered(house: House) -> None:
    asked = house.ask()
    house.steps.fails = 1
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=False)
    deploy(house, Mode.OFF)
    house.tend()
    assert [word for word, _, _ in house.steps.answers] == ["fail"]
    assert question(house, asked.id).state is State.DENIED


def test_nobody_can_answer_what_was_let_go(house: House) -> None:
    asked = house.ask()
    deploy(house, Mode.OFF)
    house.tend()
    with pytest.raises(RefusedError, match="It was let go at"):
        approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=False)


def test_its_job_draws_on_it_as_on_a_yes_and_nobody_is_told_that_it_was_not_used(house: House) -> None:
    asked = house.ask()
    deploy(house, Mode.OFF)
    house.tend()
    purse = house.gate.approvals.purse(ACCOUNT, asked.id)
    assert purse is not None
    drawn = draw(purse, "run-1", spec_seen(spec(), team="risk", family=""), house.gate.w.now())
    assert drawn.result is Draw.DRAWN
    house.town.clock.now += 60 * 24 * HOUR
    house.tend()
    ((_, _, said),) = house.town.world.posts
    assert said.plain.startswith("Let go: the gate no longer enforces.")


def test_its_card_loses_its_buttons_and_its_thread_says_why(house: House) -> None:
    house.ask()
    house.tend()
    assert actions(house) == {"approve", "deny"}
    deploy(house, Mode.OBSERVE)
    house.tend()
    assert actions(house) == set()
    assert any(text.startswith("Let go: churn-bert-large") for text in cards(house))
    ((below, said),) = house.town.world.slack_threads
    assert below in house.town.world.slack_messages
    assert said.plain.startswith("Let go: the gate no longer enforces.")


def test_the_job_of_a_machine_that_was_let_go_names_its_question(house: House) -> None:
    house.ask(way=Way.TASK)
    deploy(house, Mode.OFF)
    house.tend()
    ((_, _, granted),) = house.tasks.answers
    job = amended({"TrainingJobName": "churn"}, granted, "costwatch:approval")
    assert job["Tags"] == [{"Key": "costwatch:approval", "Value": granted["approval_id"]}]
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}


# --- a ledger that fails ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [TransientAwsError("down"), PermanentAwsError("denied")], ids=["down", "denied"])
@pytest.mark.parametrize("mode", ELSEWHERE)
@pytest.mark.parametrize("way", [Way.TASK, Way.COMMAND])
def test_outside_enforce_a_ledger_that_fails_holds_nobody(way: Way, mode: Mode, error: AwsError) -> None:
    house = House(mode=mode)
    broken(house, error)
    reply = take(house.gate, Asked(request(way=way)))
    assert (reply.decision, reply.goes_on) == ("not judged", True)
    assert reply.outputs["max_runtime_seconds"] == "86400"
    assert str(error) not in reply.reason
    assert [word for word, _, _ in house.tasks.answers] == (["succeed"] if way is Way.TASK else [])


@pytest.mark.parametrize("way", [Way.TASK, Way.COMMAND])
def test_in_enforce_it_is_to_be_asked_again(house: House, way: Way) -> None:
    broken(house, TransientAwsError("down"))
    with pytest.raises(TransientAwsError):
        take(house.gate, Asked(request(way=way)))
    assert house.tasks.answers == []
