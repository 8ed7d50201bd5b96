"""`costwatch stop RUN`: a named person's stop, over the real procedures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from costwatch.core.model import RunId
from costwatch.core.record import RunRecord, Status
from costwatch.errors import PermanentAwsError
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE
from tests.support.command_line import MARIA, Terminal, town_of
from tests.support.fakes import FakeInstance, Town

TAGS = {"Purpose": "training", "owner": "maria@example.com"}


@pytest.fixture
def town(config: Path) -> Town:
    made = town_of(config)
    made.policy = policies.policy(blast_cap={"runs": 1, "share": "1", "per_day": 1})
    return made


@pytest.fixture
def young(town: Town) -> FakeInstance:
    """Far from its time, and known to the ledger."""
    found = town.world.launch(age=HOUR, tags=TAGS)
    sweep(town.watchdog())
    return found


def records(of: Town) -> dict[str, RunRecord]:
    return {run.name: record for run, record in of.ledger.open_records(ACCOUNT, "us-east-1").items()}


def test_a_persons_stop_needs_no_notice_and_says_who_asked(town: Town, maria: Terminal, young: FakeInstance) -> None:
    result = maria.costwatch("stop", young.id, "--yes", "--reason", "wrong data")
    assert result.exit_code == 0, result.output
    assert not young.alive
    _, to, card = town.world.posts[-1]
    assert to == "U0MARIA01"
    assert f"{MARIA} asked for it: wrong data" in str(card.blocks)
    assert town.world.events[-1]["asked_by"] == MARIA
    timeline = [(row.entry.transition.value, row.entry.actor) for row in town.ledger.timeline(_run_id(town))]
    assert ("stop asked for", MARIA) in timeline


def _run_id(of: Town) -> RunId:
    return next(iter(of.ledger.open_records(ACCOUNT, "us-east-1")))


def test_the_end_of_a_run_tag_stops_nothing_when_the_run_of_that_name_is_over(town: Town, maria: Terminal) -> None:
    alice = town.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "alice/exp-1"})
    bob = town.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "exp-1"})
    sweep(town.watchdog())
    town.world.end(bob)
    town.clock.forward(minutes=5)
    sweep(town.watchdog())
    result = maria.costwatch("stop", "exp-1", "--yes")
    assert (result.exit_code, alice.alive) == (2, True), result.output
    assert "no open run is called 'exp-1'; open runs: alice/exp-1" in result.stderr
    assert maria.costwatch("stop", "alice/exp-1", "--yes").exit_code == 0
    assert not alice.alive


def test_a_name_of_a_run_and_of_a_job_is_answered_with_both_ids_and_stops_neither(town: Town, maria: Terminal) -> None:
    town.policy = policies.policy(selectors=[policies.selector(), policies.selector("jobs", service="training")])
    tagged = town.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "churn"})
    job = town.world.train("churn", age=HOUR, tags=TAGS)
    sweep(town.watchdog())
    result = maria.costwatch("stop", "churn", "--yes")
    assert (result.exit_code, tagged.alive, job.status) == (2, True, "InProgress"), result.output
    listed = " ".join(result.stderr.split())
    assert f"{ACCOUNT}/us-east-1/run/churn, {ACCOUNT}/us-east-1/training/churn" in listed


def test_it_is_verified_like_any_other_stop(town: Town, maria: Terminal, young: FakeInstance) -> None:
    maria.costwatch("stop", young.id, "--yes")
    for _ in range(3):
        town.clock.forward(minutes=5)
        sweep(town.watchdog())
    assert records(town) == {}


def test_it_counts_against_no_cap_and_takes_nobodys_place_in_one(town: Town, maria: Terminal) -> None:
    many = [town.world.launch(age=HOUR, tags=TAGS) for _ in range(3)]
    due = town.world.launch(age=40 * HOUR)
    sweep(town.watchdog())
    for each in many:
        assert maria.costwatch("stop", each.id, "--yes").exit_code == 0
    town.clock.forward(minutes=32)
    sweep(town.watchdog())
    assert not any(each.alive for each in (*many, due))


def test_a_pause_does_not_hold_it(town: Town, maria: Terminal, young: FakeInstance) -> None:
    assert maria.costwatch("pause").exit_code == 0
    assert maria.costwatch("stop", young.id, "--yes").exit_code == 0
    assert not young.alive


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ({"costwatch:never": ""}, "carries costwatch:never"),
        ({"costwatch:exempt": "the paper is due"}, "exempt by tag"),
        ({"Environment": "prod"}, "is protected"),
    ],
)
def test_protection_never_and_exemptions_hold_it(
    town: Town, maria: Terminal, young: FakeInstance, tag: dict[str, str], why: str
) -> None:
    town.policy = policies.policy(protect=[{"tags": {"Environment": ["prod"]}, "asg": None}])
    young.tags.update(tag)
    before = dict(town.table.items)
    result = maria.costwatch("stop", young.id, "--yes")
    assert result.exit_code == 4
    assert why in " ".join(result.stderr.split())
    assert young.alive
    assert dict(town.table.items) == before, "nothing is written"


def test_termination_protection_holds_it(town: Town, maria: Terminal, young: FakeInstance) -> None:
    young.protected = True
    assert maria.costwatch("stop", young.id, "--yes").exit_code == 4
    assert young.alive


def test_a_job_that_uploads_its_model_is_left_to_finish(town: Town, maria: Terminal) -> None:
    town.policy = policies.policy(selectors=[policies.selector(service="training")])
    job = town.world.train("churn", age=HOUR)
    sweep(town.watchdog())
    job.secondary_status = "Uploading"
    result = maria.costwatch("stop", "churn", "--yes")
    assert result.exit_code == 4
    assert "uploading its model" in " ".join(result.stderr.split())
    job.secondary_status = "Training"
    assert maria.costwatch("stop", "churn", "--yes").exit_code == 0
    assert job.status == "Stopped"


@pytest.mark.parametrize("mode", ["observe", "warn"])
def test_what_is_not_in_enforce_is_refused(town: Town, maria: Terminal, young: FakeInstance, mode: str) -> None:
    town.policy = policies.policy(selectors=[policies.selector(mode=mode)])
    result = maria.costwatch("stop", young.id, "--yes")
    assert result.exit_code == 4
    assert f"is in {mode}" in " ".join(result.stderr.split())
    assert young.alive


def test_a_second_stop_is_told_that_it_is_being_stopped(town: Town, maria: Terminal, young: FakeInstance) -> None:
    maria.costwatch("stop", young.id, "--yes")
    result = maria.costwatch("stop", young.id, "--yes")
    assert result.exit_code == 4
    assert "is being stopped" in " ".join(result.stderr.split())
    assert len(town.world.events) == 1


def test_what_aws_refused_is_tried_again_for_an_hour_and_no_longer(
    town: Town, maria: Terminal, young: FakeInstance
) -> None:
    town.world.fault = refusing_to_terminate
    result = maria.costwatch("stop", young.id, "--yes")
    assert result.exit_code == 1
    assert "was not stopped" in result.stdout
    assert records(town)[young.id].status is Status.FAILED
    town.clock.now += HOUR - 1 * MINUTE
    sweep(town.watchdog())
    tried = sum(call[0] == "TerminateInstances" for call in town.world.calls)
    assert tried >= 2
    town.clock.now += 1 * MINUTE
    town.world.fault = None
    sweep(town.watchdog())
    assert young.alive, "the order is an hour old, and the run's own time is not up"


def test_an_order_stops_nothing_that_was_started_anew_since(town: Town, maria: Terminal, young: FakeInstance) -> None:
    town.world.restart(young)
    result = maria.costwatch("stop", young.id, "--yes")
    assert result.exit_code == 4
    assert "started anew" in " ".join(result.stderr.split())
    assert young.alive


LLM = {**TAGS, "costwatch:run": "llm"}


def refusing_to_terminate(operation: str, region: str, ids: tuple[str, ...]) -> PermanentAwsError | None:
    return PermanentAwsError("denied", code="UnauthorizedOperation") if operation == "TerminateInstances" else None


def test_who_joined_after_the_last_look_is_not_taken_and_named(town: Town, maria: Terminal) -> None:
    shown = town.world.launch(age=HOUR, tags=LLM)
    sweep(town.watchdog())
    joined = town.world.launch(tags=LLM)
    before = dict(town.table.items)
    result = maria.costwatch("stop", "llm", "--yes")
    assert result.exit_code == 4
    assert f"{joined.id} joined" in " ".join(result.stderr.split())
    assert (shown.alive, joined.alive) == (True, True)
    assert dict(town.table.items) == before, "nothing is written"
    sweep(town.watchdog())
    assert maria.costwatch("stop", "llm", "--yes").exit_code == 0
    assert (shown.alive, joined.alive) == (False, False)


def test_who_joined_between_the_look_and_the_call_is_not_taken_though_a_sweep_saw_it(
    town: Town, maria: Terminal
) -> None:
    shown = town.world.launch(age=HOUR, tags=LLM)
    sweep(town.watchdog())
    answer = maria.function.function

    def late(event: Mapping[str, Any]) -> Any:
        town.world.launch(tags=LLM)
        sweep(town.watchdog())
        return answer(event)

    maria.function.function = late
    assert maria.costwatch("stop", "llm", "--yes").exit_code == 4
    assert shown.alive


def test_a_run_that_lost_a_member_since_is_stopped_all_the_same(town: Town, maria: Terminal) -> None:
    first, second = (town.world.launch(age=HOUR, tags=LLM) for _ in range(2))
    sweep(town.watchdog())
    town.world.end(first)
    assert maria.costwatch("stop", "llm", "--yes").exit_code == 0
    assert not second.alive


def test_an_order_that_failed_goes_on_only_while_nobody_else_joined(town: Town, maria: Terminal) -> None:
    shown = town.world.launch(age=HOUR, tags=LLM)
    sweep(town.watchdog())
    town.world.fault = refusing_to_terminate
    assert maria.costwatch("stop", "llm", "--yes").exit_code == 1
    town.world.fault = None
    joined = town.world.launch(tags=LLM)
    for _ in range(3):
        town.clock.forward(minutes=5)
        sweep(town.watchdog())
    assert (shown.alive, joined.alive) == (True, True)
    told = " ".join(maria.costwatch("explain", "llm").stdout.split())
    assert f"{MARIA} asked for a stop, and {joined.id} joined since" in told
    town.world.end(joined)
    town.clock.forward(minutes=5)
    sweep(town.watchdog())
    assert not shown.alive


def test_who_joins_between_the_order_and_the_act_is_not_taken(town: Town, maria: Terminal) -> None:
    shown = town.world.launch(age=HOUR, tags=LLM)
    sweep(town.watchdog())
    looks = 0

    def joins_before_the_last_look(operation: str, region: str, ids: tuple[str, ...]) -> None:
        nonlocal looks
        looks += operation == "DescribeInstances" and ids == ("costwatch:run=llm",)
        if looks == 2 and len(town.world.instances) == 1:
            town.world.launch(tags=LLM)

    town.world.fault = joins_before_the_last_look
    assert maria.costwatch("stop", "llm", "--yes").exit_code == 1
    assert looks == 2
    assert shown.alive


def test_an_order_of_before_that_named_no_members_is_not_followed(
    town: Town, maria: Terminal, young: FakeInstance
) -> None:
    town.world.fault = refusing_to_terminate
    maria.costwatch("stop", young.id, "--yes")
    town.world.fault = None
    row = next(item for (pk, _), item in town.table.items.items() if pk.startswith("open#"))
    del row["order"]["members"]
    town.clock.forward(minutes=5)
    sweep(town.watchdog())
    assert young.alive


def test_without_yes_and_without_a_terminal_nobody_is_asked_and_nothing_is_stopped(
    maria: Terminal, young: FakeInstance
) -> None:
    result = maria.costwatch("stop", young.id)
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert young.alive


def test_an_older_deployment_is_named_before_it_is_asked(maria: Terminal, young: FakeInstance) -> None:
    assert maria.ssm.body is not None
    maria.ssm.body = {**maria.ssm.body, "version": "0.1.0"}
    result = maria.costwatch("stop", young.id, "--yes")
    assert result.exit_code == 2
    assert "older" in " ".join(result.stderr.split())
    assert maria.function.events == []
    assert young.alive


def test_an_unknown_run_is_named(maria: Terminal, young: FakeInstance) -> None:
    result = maria.costwatch("stop", "i-0000", "--yes")
    assert result.exit_code == 2
    assert young.id in result.stderr


def test_json_says_what_came_of_it(maria: Terminal, young: FakeInstance) -> None:
    answer = maria.json("stop", young.id, "--yes")
    assert answer["stopped"] is True
    assert answer["run"].endswith(young.id)
    assert answer["by"] == MARIA


def test_an_order_lasts_one_hour_to_the_second(town: Town, maria: Terminal, young: FakeInstance) -> None:
    maria.costwatch("stop", young.id, "--yes")
    order = records(town)[young.id].order
    assert order is not None
    assert order.active(order.at + timedelta(hours=1) - timedelta(seconds=1))
    assert not order.active(order.at + timedelta(hours=1))
