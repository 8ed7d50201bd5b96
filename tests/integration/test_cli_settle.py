"""costwatch settle: a stop that its claimer left behind is shown, and taken over by a sweep that is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from costwatch.cli import show
from costwatch.core.record import Status
from costwatch.errors import TransientAwsError
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR, SECOND
from tests.support.command_line import MARIA, Terminal
from tests.support.fakes import FakeInstance, Town
from tests.support.town import Crash, crashing, records, refusing

TAGS = {"Purpose": "training", "owner": "maria@example.com"}


@pytest.fixture
def left(town: Town) -> FakeInstance:
    """A trainer whose stop was claimed by a function that died before it had called EC2."""
    trainer = town.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(town.watchdog())
    town.clock.forward(minutes=35)
    town.world.fault = crashing("TerminateInstances")
    with pytest.raises(Crash):
        sweep(town.watchdog())
    town.world.fault = None
    return trainer


def words(text: str) -> str:
    return " ".join(text.split())


def test_where_nothing_is_claimed_that_is_said(maria: Terminal) -> None:
    result = maria.costwatch("settle")
    assert (result.exit_code, result.stdout) == (0, "Nothing is open: no stop, no answer, no verdict.\n")


def test_a_claim_is_unsettled_from_the_end_of_its_lease_and_not_before(
    town: Town, maria: Terminal, left: FakeInstance
) -> None:
    stop = records(town)[left.id].stop
    assert stop is not None
    town.clock.now = stop.lease_until - SECOND
    before = maria.costwatch("settle")
    town.clock.now = stop.lease_until
    after = maria.costwatch("settle")
    assert (before.exit_code, after.exit_code) == (0, 1)
    assert f"{left.id} stop being done" in words(before.stdout)
    assert f"{left.id} stop not settled" in words(after.stdout)
    assert "nothing was written since; the next sweep takes it over" in words(after.stdout)
    assert "costwatch settle --now" in after.stdout


def test_a_look_asks_nobody_and_changes_nothing(town: Town, maria: Terminal, left: FakeInstance) -> None:
    town.clock.forward(minutes=30)
    rows = {place: dict(row) for place, row in town.table.items.items()}
    maria.costwatch("settle")
    assert maria.function.events == []
    assert {place: dict(row) for place, row in town.table.items.items()} == rows
    assert left.alive


def test_now_has_the_deployed_function_take_it_over_and_says_so(
    town: Town, maria: Terminal, left: FakeInstance
) -> None:
    town.clock.forward(minutes=30)
    result = maria.costwatch("settle", "--now")
    assert result.exit_code == 0, result.output
    assert not left.alive
    assert f"{left.id}: the sweep went on with it" in words(result.stdout)
    assert f"stop being verified {left.id} accepted at 2026-11-22 10:05:00 UTC" in words(result.stdout)
    (event,) = maria.function.events
    assert event["detail"] == {"mode": "enforce", "policy_digest": town.policy.digest, "requested_by": MARIA}


def test_for_machines_it_says_what_was_settled_and_what_is_still_open(
    town: Town, maria: Terminal, left: FakeInstance
) -> None:
    town.clock.forward(minutes=30)
    document = maria.json("settle", "--now")
    assert [each["standing"] for each in document["claims"]] == ["being verified"]
    assert (document["asked"], document["failures"]) == (True, [])
    (settled,) = document["settled"]
    assert settled == {name: document["claims"][0][name] for name in ("kind", "id", "key")}
    assert settled["id"].endswith(left.id)


def test_what_fails_again_is_not_settled_and_is_said_with_its_reason_and_its_first_attempt(
    town: Town, maria: Terminal, left: FakeInstance
) -> None:
    first = records(town)[left.id].stop
    assert first is not None
    town.clock.forward(minutes=30)
    town.world.fault = refusing("TerminateInstances")
    result = maria.costwatch("settle", "--now")
    assert result.exit_code == 1
    assert "UnauthorizedOperation" in result.stdout
    assert left.alive
    assert records(town)[left.id].status is Status.FAILED
    looked = maria.costwatch("settle")
    assert looked.exit_code == 1
    begun = f"to be stopped, since {show.clock(first.begun_at)}, attempt 2, claimed by "
    assert begun in words(looked.stdout)
    assert "UnauthorizedOperation; the next sweep takes it over" in words(looked.stdout)


@pytest.mark.parametrize("mode", ["observe", "warn"])
def test_what_would_have_been_stopped_is_nowhere_a_stop_that_waits(town: Town, maria: Terminal, mode: str) -> None:
    town.policy = policies.policy(selectors=[policies.selector(mode=mode)])
    trainer = town.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(town.watchdog())
    for minutes in (35, 5, 5, 240):
        town.clock.forward(minutes=minutes)
        assert sweep(town.watchdog()).oldest_claim == timedelta(0)
        assert records(town)[trainer.id].status is Status.WOULD_STOP
        result = maria.costwatch("settle")
        assert (result.exit_code, result.stdout) == (0, "Nothing is open: no stop, no answer, no verdict.\n")


def test_a_stop_is_late_two_hours_after_its_first_attempt_and_not_at_two_hours(
    town: Town, maria: Terminal, left: FakeInstance
) -> None:
    """Then the alarm is raised, whatever the sweeps do."""
    first = town.clock()
    town.clock.forward(minutes=30)
    maria.json("settle", "--now")
    town.clock.now = first + 2 * HOUR
    at_two_hours = maria.costwatch("settle")
    town.clock.forward(seconds=1)
    late = maria.costwatch("settle")
    assert (at_two_hours.exit_code, late.exit_code) == (0, 1)
    assert f"{left.id} stop not settled" in words(late.stdout)
    assert "accepted at 2026-11-22 10:05:00 UTC; each sweep looks whether it came back, for 2h by now" in words(
        late.stdout
    )


def test_nobody_is_asked_where_nothing_is_open(maria: Terminal) -> None:
    assert maria.costwatch("settle", "--now").exit_code == 0
    assert maria.function.events == []


def test_a_function_that_fails_is_said_and_leaves_all_as_it_was(
    town: Town, maria: Terminal, left: FakeInstance
) -> None:
    town.clock.forward(minutes=30)

    def fails(event: Mapping[str, Any]) -> Any:
        raise TransientAwsError(f"throttled at {event['detail-type']}", code="Throttling")

    maria.function.function = fails
    result = maria.costwatch("settle", "--now")
    assert result.exit_code == 1
    assert "the deployed function failed with TransientAwsError" in " ".join(result.stderr.split())
    assert left.alive
    assert [each["standing"] for each in json.loads(maria.costwatch("settle", "--json").stdout)["claims"]] == [
        "not settled"
    ]


def test_what_is_verified_is_open_no_more(town: Town, maria: Terminal, left: FakeInstance) -> None:
    del left
    for _ in range(4):
        town.clock.forward(minutes=30)
        sweep(town.watchdog())
    assert maria.json("settle")["claims"] == []


def test_it_needs_no_configuration_of_ones_own(town: Town, maria: Terminal, left: FakeInstance) -> None:
    del left
    town.clock.forward(minutes=30)
    maria.config.unlink()
    assert maria.costwatch("settle", "--now", config=False).exit_code == 0
