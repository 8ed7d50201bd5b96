"""Clicks by the hundred, in several real processes at the same moment: one decision, one effect, nothing twice."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from costwatch.core.approvals import State
from costwatch.core.record import Transition
from demo.embedded import EmbeddedAws
from demo.slack_endpoint import SlackEndpoint
from tests.support.builders import HOUR, NOW
from tests.support.click_processes import Done, Work, together
from tests.support.click_town import OMAR, OWNER, OWNER_USER, ClickTown
from tests.support.fakes import TestClock
from tests.support.pipelines import status, steps

PROCESSES = 5
CLICKS = 200
APPROVERS = {f"approver{number}@example.com": f"U0APPROV{number:02d}" for number in range(20)}
ANSWERS = {"approve": State.APPROVED, "deny": State.DENIED}
CLOCK = TestClock()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[ClickTown]:
    CLOCK.now = NOW
    tiers = [{"above_usd": "100", "approvers": [OMAR, *APPROVERS.values()]}]
    people = {OWNER: OWNER_USER, "omar@example.com": OMAR, **APPROVERS}
    with EmbeddedAws(clock=CLOCK) as aws, SlackEndpoint(users=people, clock=CLOCK) as slack:
        yield ClickTown(aws, slack, CLOCK, tmp_path, tiers=tiers)
        assert aws.errors == []


def dealt(town: ClickTown, events: Sequence[dict[str, Any]], processes: int) -> list[Done]:
    """The events, dealt to so many processes in turn."""
    shared = {
        "env": {**town.aws.environment(), **town.settings().to_env()},
        "document": town.document,
        "policy_file": town.policy_file,
        "function_arn": town.context("clicks").invoked_function_arn,
        "now": town.clock(),
    }
    return together([Work(**shared, events=list(events[number::processes])) for number in range(processes)])


def test_200_clicks_on_one_question_from_several_processes_are_one_decision_and_one_effect(
    town: ClickTown, record_property: Callable[[str, object], None]
) -> None:
    asked, execution = town.ask()
    rng, card = random.Random(20261127), town.card_with("approve")
    clicks: list[tuple[str, str, dict[str, Any]]] = []
    while len(clicks) < CLICKS:
        by, action = rng.choice(list(APPROVERS.values())), rng.choice(list(ANSWERS))
        body = town.pressed(action, by=by, at=card)
        # Slack posts some of them again.
        clicks.extend((by, action, town.event(body, retry=str(n or ""))) for n in range(rng.choice([1, 1, 2, 4])))
    clicks = clicks[:CLICKS]
    rng.shuffle(clicks)

    done = dealt(town, [event for _, _, event in clicks], PROCESSES)

    after = town._gate().approvals.get(town.aws.account_id, asked.id)
    assert after is not None
    assert after.answer is not None
    winner = after.answer.by
    action = next(word for word, state in ANSWERS.items() if state is after.state)
    said = Counter(row["transition"] for row in town.timeline(asked.id))
    assert said[Transition.APPROVED.value] + said[Transition.DENIED.value] == 1
    assert said[Transition.ANSWERED.value] == 1
    # The effect, as SageMaker was asked for it and as it came out.
    calls = sum((each.calls for each in done), Counter())
    assert calls["SendPipelineExecutionStepSuccess"] + calls["SendPipelineExecutionStepFailure"] == 1
    ended = (status(town.aws, execution), set(steps(town.aws, execution)))
    assert ended == (("Executing", {"Ask", "Train"}) if action == "approve" else ("Failed", {"Ask"}))
    # Whoever said what counts is not scolded for saying it twice; all the others hear who was first.
    results = [answer for each in done for answer in each.results]
    taken = sum((by, word) == (winner, action) for by, word, _ in clicks)
    assert Counter(json.dumps(each) for each in results) == {
        '{"result": "taken"}': taken, '{"result": "refused"}': CLICKS - taken
    }  # fmt: skip
    assert len(town.posted.ephemerals) == CLICKS - taken
    assert all(f"It was {after.state.value} by" in each.text for each in town.posted.ephemerals)
    # In Slack: one card, without buttons, and one line in its thread.
    (first, *thread) = town.posted.messages
    assert '"action_id": "approve"' not in json.dumps(first.blocks)
    assert len(thread) == 1
    record_property("counted", f"{CLICKS} clicks of {len(APPROVERS)} people in {PROCESSES} processes: {action}")


def test_presses_of_extend_that_come_ten_times_each_in_several_processes_count_once_each(town: ClickTown) -> None:
    town.warn()
    at = town.card_with("extend:4h")
    presses = [town.pressed("extend:4h", by=OMAR, at=at) for _ in range(5)]
    events = [town.event(body, retry=str(n or "")) for n in range(10) for body in presses]
    done = dealt(town, events, 4)
    (run,) = town.runs()
    assert run.extended_total == 20 * HOUR
    assert len(run.extensions) == 5
    words = Counter(str(answer.get("result")) for each in done for answer in each.results)
    assert sum(words.values()) == 50
    assert set(words) <= {"taken", "taken before", "refused"}
