"""The function behind the door, killed before and after each of its calls: Lambda brings the same click once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from costwatch.core.approvals import State
from demo.embedded import EmbeddedAws
from demo.slack_endpoint import SlackEndpoint
from tests.support.builders import HOUR, NOW
from tests.support.click_town import OWNER_USER, PEOPLE, ClickTown
from tests.support.crash import CRASHED, run_dying_everywhere, run_forked
from tests.support.embedded import Account
from tests.support.fakes import TestClock
from tests.support.pipelines import status, steps

CLOCK = TestClock()


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=CLOCK) as running:
        yield running


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackEndpoint]:
    with SlackEndpoint(users=PEOPLE, clock=CLOCK) as running:
        yield running


@pytest.fixture
def town(server: EmbeddedAws, slack: SlackEndpoint, tmp_path: Path) -> Iterator[ClickTown]:
    server.reset()
    slack.reset()
    CLOCK.now = NOW
    yield ClickTown(server, slack, CLOCK, tmp_path)
    assert server.errors == []


def dying_everywhere(town: ClickTown, body: bytes, after: Callable[[], None]) -> int:
    """Take a click, die at each call, take it again, let the next sweep come, and look. How often it died."""
    event = town.event(body)
    account = Account(town.aws, town.posted, town.clock, town.policy_file.parent)
    cold = town.cold()
    _ = cold.gate(town.context("clicks")), cold.refused, cold.secret
    cold.gate(town.context("clicks")).steps("us-east-1")
    begin, crashes = account.snapshot(), 0
    for ran in run_dying_everywhere(lambda: town.take(event, cold)):
        if not ran.moment:
            assert (ran.exit_code, ran.error) == (0, "")
            continue
        assert ran.exit_code == CRASHED
        crashes += 1
        here = account.snapshot()
        again = run_forked(lambda: town.take(event, cold))
        assert (again.exit_code, again.error) == (0, ""), ran.calls
        town.clock.forward(minutes=20)
        town.sweep()
        after()
        here()
    begin()
    return crashes


def test_a_press_of_extend_counts_once_wherever_it_died(town: ClickTown) -> None:
    town.warn()

    def after() -> None:
        (run,) = town.runs()
        assert run.extended_total == 4 * HOUR
        assert '"extend:4h"' not in str(town.posted.messages[0].blocks)

    assert dying_everywhere(town, town.pressed("extend:4h", by=OWNER_USER), after) >= 10


def test_a_yes_is_one_yes_and_the_pipeline_goes_on_wherever_it_died(town: ClickTown) -> None:
    asked, execution = town.ask()

    def after() -> None:
        found = town._gate().approvals.get(town.aws.account_id, asked.id)
        assert found is not None
        assert found.state is State.APPROVED
        assert found.open is False
        assert set(steps(town.aws, execution)) == {"Ask", "Train"}
        assert status(town.aws, execution) == "Executing"
        (card,) = [each for each in town.posted.messages if each.thread_ts is None]
        assert "'approve'" not in str(card.blocks)

    assert dying_everywhere(town, town.pressed("approve"), after) >= 10


def test_a_press_of_stop_stops_at_once_or_never(town: ClickTown) -> None:
    instance = town.warn()
    states: set[str] = set()

    def after() -> None:
        answer = town.aws.client("ec2").describe_instances(InstanceIds=[instance])
        states.add(answer["Reservations"][0]["Instances"][0]["State"]["Name"])
        # Twenty minutes later it is not yet due by itself.
        assert town.clock() < NOW + HOUR / 2

    assert dying_everywhere(town, town.pressed("stop", by=OWNER_USER), after) >= 10
    assert states == {"running", "terminated"}
