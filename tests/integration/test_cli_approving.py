"""What waits for a yes, and people's answers from a terminal: over the real ledger code, with races."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from costwatch.adapters.table import Put
from costwatch.cli import completion
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.core import approvals as questions
from costwatch.core.approvals import Requester, State, Way
from costwatch.core.policy import Tier
from costwatch.procedures import approvals
from tests.integration.test_approvals import LEE, House
from tests.integration.test_cli_granting import about_transition, just_before
from tests.support.builders import ACCOUNT, HOUR
from tests.support.command_line import CONFIG, JOHN, MARIA, Terminal

PLATFORM = f"arn:aws:iam::{ACCOUNT}:role/ml/Platform"


@pytest.fixture
def house() -> House:
    return House(tiers=(Tier(Decimal(100), ("@risk-leads", PLATFORM)),))


def terminal(tmp_path: Path, house: House, arn: str) -> Terminal:
    config = tmp_path / "costwatch.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    return Terminal(config, house.town, arn=arn)


@pytest.fixture
def john(tmp_path: Path, house: House) -> Terminal:
    """Among the approvers, by his role."""
    return terminal(tmp_path, house, JOHN)


@pytest.fixture
def maria(tmp_path: Path, house: House) -> Terminal:
    """Not among them."""
    return terminal(tmp_path, house, MARIA)


def kept(house: House, approval_id: str) -> questions.Approval:
    found = house.gate.approvals.get(ACCOUNT, approval_id)
    assert found is not None
    return found


def words(text: str) -> str:
    return " ".join(text.split())


# --- what waits ---------------------------------------------------------------------------------------


def test_where_nothing_waits_that_is_said(john: Terminal) -> None:
    assert "Nothing waits for an answer." in john.costwatch("approvals").stdout
    assert john.json("approvals")["approvals"] == []


def test_what_waits_is_shown_with_dollars_who_may_decide_and_until_when(house: House, john: Terminal) -> None:
    asked = house.ask(requester=Requester("Ada"), owner="ada@example.com")
    told = words(john.costwatch("approvals").stdout)
    assert asked.id in told
    assert "churn-bert-large" in told
    assert "$1,212.06" in told
    assert f"{kept(house, asked.id).answer_by:%m-%d %H:%M}" in told
    assert "above $100.00; expected $1,212.06; 2 x ml.p4d.24xlarge, us-east-1; team risk" in told
    assert f"asked by Ada (unverified); @risk-leads, {PLATFORM} may decide, so may you; 24 h are left" in told


def test_who_may_not_decide_is_not_told_otherwise(house: House, maria: Terminal, john: Terminal) -> None:
    house.ask()
    assert "so may you" not in words(maria.costwatch("approvals").stdout)
    assert [each["you_are_an_approver"] for each in maria.json("approvals")["approvals"]] == [False]
    assert [each["you_are_an_approver"] for each in john.json("approvals")["approvals"]] == [True]


def test_for_machines_there_is_everything_but_the_token(house: House, john: Terminal) -> None:
    asked = house.ask(requester=Requester("Ada"), key="tok-secret")
    body = john.costwatch("approvals", "--json").stdout
    assert "tok-secret" not in body
    (each,) = john.json("approvals")["approvals"]
    wanted = {"id": asked.id, "state": "pending", "way": "pipeline", "worst_case_usd": "1212.06", "above_usd": "100"}
    assert wanted.items() <= each.items()
    assert each["requester"] == {"name": "Ada", "verified": False}
    assert each["answer"] is None


def test_the_most_urgent_stands_first_and_what_is_answered_last(house: House, john: Terminal) -> None:
    answered = house.ask(key="first-of-all")
    house.town.clock.now += HOUR
    urgent = house.ask(key="second-one")
    house.town.clock.now += HOUR
    later = house.ask(key="third-one")
    house.steps.fails = 1
    approvals.answer(house.gate, ACCOUNT, answered.id, LEE, yes=True)
    assert [each["id"] for each in john.json("approvals")["approvals"]] == [urgent.id, later.id, answered.id]
    told = words(john.costwatch("approvals").stdout)
    assert "approved by Lee Chan at" in told
    assert "what follows is still to be done: sagemaker: throttled" in told


# --- yes and no ---------------------------------------------------------------------------------------


def test_a_yes_is_written_with_the_callers_identity_and_the_next_sweep_follows_it(house: House, john: Terminal) -> None:
    asked = house.ask()
    result = john.costwatch("approve", asked.id, "--reason", "for the audit")
    assert result.exit_code == 0, result.output
    assert "churn-bert-large: approved by john (Platform): for the audit." in words(result.stdout)
    assert "The next sweep answers the pipeline." in result.stdout
    made = kept(house, asked.id)
    assert made.answer is not None
    assert (made.state, made.answer.by, made.answer.reason) == (State.APPROVED, JOHN, "for the audit")
    assert house.steps.answers == []
    house.tend()
    ((word, _, outputs),) = house.steps.answers
    assert (word, outputs["answered_by"]) == ("succeed", "john (Platform)")
    assert house.transitions(asked.id) == ["approval asked", "approved", "answered"]


def test_a_no_needs_a_reason_that_whoever_asked_reads(house: House, john: Terminal) -> None:
    asked = house.ask()
    assert john.costwatch("deny", asked.id).exit_code == 2
    empty = john.costwatch("deny", asked.id, "--reason", "  ")
    assert (empty.exit_code, kept(house, asked.id).state) == (2, State.PENDING)
    assert "--reason is empty" in empty.stderr
    assert john.costwatch("deny", asked.id, "--reason", "use 8 GPUs").exit_code == 0
    house.tend()
    ((word, _, reason),) = house.steps.answers
    assert word == "fail"
    assert "denied by john (Platform)" in reason
    assert "use 8 GPUs" in reason


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        (Way.PIPELINE, "The next sweep answers the pipeline."),
        (Way.TASK, "The next sweep answers the state machine."),
        (Way.COMMAND, "Whoever asked hears it when they ask again."),
        (Way.RUN, "The next sweep acts by it."),
    ],
)
def test_what_follows_is_said_for_each_way(house: House, john: Terminal, way: Way, sentence: str) -> None:
    asked = house.ask(way=way)
    assert sentence in john.costwatch("approve", asked.id).stdout


def test_for_machines_an_answer_is_one_document(house: House, john: Terminal) -> None:
    asked = house.ask()
    answer = john.json("approve", asked.id, "--cap", "17h", "--reason", "enough")
    assert (answer["id"], answer["state"], answer["reason"]) == (asked.id, "approved", "enough")
    assert answer["answer"]["by"] == JOHN
    assert (answer["answer"]["cap_seconds"], answer["answer"]["granted_usd"]) == (61200, "858.54")


# --- caps ---------------------------------------------------------------------------------------------


def cap_of(house: House, approval_id: str) -> timedelta | None:
    answer = kept(house, approval_id).answer
    return answer.cap if answer is not None else None


@pytest.mark.parametrize(
    ("option", "cap"),
    [
        (("--cap", "17h"), timedelta(hours=17)),
        (("--cap", "24h"), timedelta(hours=24)),
        (("--cap-usd", "859"), timedelta(hours=17)),  # $50.50 an hour: 17 h and not yet another minute
        (("--cap-usd", "1212.05"), timedelta(hours=23, minutes=59)),
        (("--cap-usd", "0.85"), timedelta(minutes=1)),
    ],
)
def test_a_cap_is_a_time_or_the_time_that_its_dollars_last(
    house: House, john: Terminal, option: tuple[str, str], cap: timedelta
) -> None:
    asked = house.ask()
    result = john.costwatch("approve", asked.id, *option)
    assert result.exit_code == 0, result.output
    assert cap_of(house, asked.id) == cap
    purse = house.gate.approvals.purse(ACCOUNT, asked.id)
    assert purse is not None
    assert purse.granted_runtime == cap
    if option[0] == "--cap-usd":
        assert purse.granted_usd is not None
        assert purse.granted_usd <= Decimal(option[1])


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--cap", "24h1s"), 2, "--cap 24h1s is no cap: it asks for 24h"),
        (("--cap", "0h"), 2, "must be longer than zero"),
        (("--cap", "17"), 2, "is not a duration"),
        (("--cap-usd", "1212.07"), 2, "--cap-usd $1,212.07 is no cap: it costs at most $1,212.06"),
        (("--cap-usd", "0.84"), 2, "--cap-usd $0.84 is less than a minute of it: $50.50 an hour"),
        (("--cap-usd", "0"), 2, "is less than a minute of it"),
        (("--cap-usd", "-5"), 2, "is no amount of USD"),
        (("--cap-usd", "nan"), 2, "is no amount of USD"),
        (("--cap", "17h", "--cap-usd", "100"), 2, "give --cap or --cap-usd, not both"),
    ],
)
def test_a_cap_that_is_none_is_one_sentence_and_no_answer(
    house: House, john: Terminal, options: tuple[str, ...], code: int, sentence: str
) -> None:
    asked = house.ask()
    result = john.costwatch("approve", asked.id, *options)
    assert (result.exit_code, kept(house, asked.id).state) == (code, State.PENDING)
    assert sentence in words(result.stderr)


def test_dollars_cap_nothing_whose_price_nobody_knows(house: House, john: Terminal) -> None:
    asked = house.ask()
    before = kept(house, asked.id)
    unknown = replace(before.asked, hourly_usd=None, worst_case_usd=None, judged_usd=None)
    step = questions.ApprovalStep(before, replace(before, asked=unknown, version=before.version + 1), ())
    assert house.gate.approvals.save(step)
    assert "nobody knows what it costs" in words(john.costwatch("approvals").stdout)
    result = john.costwatch("approve", asked.id, "--cap-usd", "500")
    assert result.exit_code == 2
    assert "nobody knows what an hour of it costs: give a time with --cap" in words(result.stderr)
    assert john.costwatch("approve", asked.id, "--cap", "17h").exit_code == 0


# --- who may not, and who was late --------------------------------------------------------------------


@pytest.mark.parametrize("command", ["approve", "deny"])
def test_who_is_not_listed_is_refused_and_told_who_may(house: House, maria: Terminal, command: str) -> None:
    asked = house.ask()
    result = maria.costwatch(command, asked.id, "--reason", "mine")
    assert (result.exit_code, kept(house, asked.id).state) == (4, State.PENDING)
    assert f"You may not decide this; @risk-leads, {PLATFORM} may." in words(result.stderr)


def test_an_empty_list_of_approvers_approves_nobody(tmp_path: Path) -> None:
    house = House(tiers=(Tier(Decimal(100)),))
    asked = house.ask()
    result = terminal(tmp_path, house, JOHN).costwatch("approve", asked.id)
    assert result.exit_code == 4
    assert "Nobody may decide this" in words(result.stderr)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"requester": Requester("john", JOHN, verified=True)}, "You asked for it, so another approver"),
        ({"requester": Requester("ci"), "owner": "john@example.com"}, "Who asked is not proven and you are its owner"),
        ({"requester": Requester("ci"), "owner": JOHN}, "Who asked is not proven and you are its owner"),
    ],
)
def test_who_asked_or_might_have_asked_says_no_yes_to_it(
    house: House, john: Terminal, changes: dict[str, Any], sentence: str
) -> None:
    asked = house.ask(**changes)
    result = john.costwatch("approve", asked.id)
    assert (result.exit_code, kept(house, asked.id).state) == (4, State.PENDING)
    assert sentence in words(result.stderr)
    assert john.costwatch("deny", asked.id, "--reason", "not needed any more").exit_code == 0


def test_an_owner_may_say_yes_where_somebody_else_verifiably_asked(house: House, john: Terminal) -> None:
    asked = house.ask(requester=Requester("ada", MARIA, verified=True), owner="john@example.com")
    assert john.costwatch("approve", asked.id).exit_code == 0


def test_one_moment_before_its_time_is_over_a_yes_counts_and_then_it_is_too_late(house: House, john: Terminal) -> None:
    asked, late = house.ask(key="in-time"), house.ask(key="too-late")
    house.town.clock.now += 24 * HOUR - timedelta(microseconds=1)
    assert john.costwatch("approve", asked.id).exit_code == 0
    house.town.clock.now += timedelta(microseconds=1)
    result = john.costwatch("approve", late.id)
    assert (result.exit_code, kept(house, late.id).state) == (4, State.PENDING)
    assert "Too late: no answer came in time, and that means no." in words(result.stderr)
    assert "its time is over" in words(john.costwatch("approvals").stdout)


def test_who_comes_second_is_told_who_was_first(house: House, john: Terminal) -> None:
    asked = house.ask()
    approvals.answer(house.gate, ACCOUNT, asked.id, LEE, yes=False, reason="no")
    result = john.costwatch("approve", asked.id)
    assert result.exit_code == 4
    assert "It was denied by Lee Chan at" in words(result.stderr)


def test_of_two_at_the_same_moment_one_is_heard_and_the_other_is_told(house: House, john: Terminal) -> None:
    asked = house.ask()
    just_before(
        house.town,
        about_transition("approved"),
        lambda: approvals.answer(house.gate, ACCOUNT, asked.id, LEE, yes=False, reason="no"),
    )
    result = john.costwatch("approve", asked.id)
    assert result.exit_code == 4
    assert "It was denied by Lee Chan at" in words(result.stderr)
    assert [word for word, *_ in house.steps.answers] == ["fail"]
    assert house.transitions(asked.id) == ["approval asked", "denied", "answered"]


@pytest.mark.parametrize("text", ["apr-0000000000000000", "churn-bert-large", ""])
def test_an_id_that_nobody_asked_by_is_answered_with_what_waits(house: House, john: Terminal, text: str) -> None:
    asked = house.ask()
    result = john.costwatch("approve", text)
    assert result.exit_code == 2
    assert f"no approval is called {text!r}; waiting: {asked.id} (churn-bert-large)" in words(result.stderr)


def test_a_row_that_cannot_be_read_costs_the_others_nothing(house: House, john: Terminal) -> None:
    broken, whole = house.ask(key="broken-one"), house.ask(key="whole-one")
    (row,) = (each for (_, sk), each in house.town.table.items.items() if sk == broken.id and "asked" in each)
    house.town.table.put(Put({**row, "asked": "x"}))
    result = john.costwatch("approvals")
    assert result.exit_code == 0
    assert whole.id in result.stdout
    assert "cannot be read" in words(result.stderr)


# --- completion ---------------------------------------------------------------------------------------


def test_what_waits_completes(house: House, john: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "PATIENCE_SECONDS", 30.0)
    asked, answered = house.ask(key="waits"), house.ask(key="answered")
    house.steps.fails = 1
    approvals.answer(house.gate, ACCOUNT, answered.id, LEE, yes=True)
    tools = Tools(environ=john.environ, clients={"sts": john.sts, "ssm": john.ssm}, table=house.town.table)
    for command in ("approve", "deny"):
        found = ShellComplete(main, {"obj": tools}, "costwatch", "_X").get_completions([command], "apr-")
        assert [(item.value, item.help) for item in found] == [(asked.id, "churn-bert-large")]


def test_who_left_the_configuration_is_refused_from_the_next_sweep_on(house: House, john: Terminal) -> None:
    asked = house.ask()
    policy = house.town.policy
    left = replace(policy.approval, tiers=(Tier(Decimal(100), ("@risk-leads",)),))
    house.town.policy = replace(policy, approval=left)
    house.gate = house.built()
    house.tend()
    result = john.costwatch("approve", asked.id)
    assert (result.exit_code, kept(house, asked.id).state) == (4, State.PENDING)
    assert "You may not decide this; @risk-leads may." in words(result.stderr)
