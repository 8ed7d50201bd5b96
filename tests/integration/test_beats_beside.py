"""What other processes say beside a trainer, or after it, takes nothing away from it."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch.core.heartbeats import BeatKind
from costwatch.errors import TransientAwsError
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, REGION
from tests.support.fakes import FakeInstance, Town
from tests.support.town import later, records

TAGS = {"Purpose": "training"}
NONE = range(0)
ASKED = policies.selector(heartbeat_seconds=45 * 60)


def beating(
    of: Town, trainer: FakeInstance, first: int, last: int, *, strangers: range = range(0), **said: Any
) -> None:
    """Beats `first` to `last`, five minutes apart; in `strangers` another process beats, too."""
    for n in range(first, last + 1):
        of.clock.forward(minutes=5)
        of.beat(trainer, seq=n, **{key: value(n) if callable(value) else value for key, value in said.items()})
        if n in strangers:
            of.beat(trainer, seq=n, session="stranger", step=1, total=10**6)
        sweep(of.watchdog())


def sweeps(of: Town, count: int) -> None:
    for _ in range(count):
        of.clock.forward(minutes=5)
        sweep(of.watchdog())


@pytest.mark.parametrize("strangers", [NONE, range(100, 101), range(100, 110)], ids=["none", "one", "ten"])
def test_a_run_that_is_nearly_done_is_let_finish_whoever_beats_beside_it(strangers: range) -> None:
    of = Town(policies.policy())
    trainer = of.world.launch(age=0 * HOUR, tags=TAGS)
    beating(of, trainer, 1, 12 * 12 + 2, strangers=strangers, step=lambda n: n, total=12 * 12 + 6)
    assert trainer.alive
    assert any("let finish" in entry.entry.reason for entry in of.ledger.since(of.clock() - 9 * HOUR, of.clock()))


@pytest.mark.parametrize("strangers", [0, 1, 3, 9])
@pytest.mark.parametrize("said", [{"next_within": 6 * HOUR}, {"kind": BeatKind.DONE}], ids=["phase", "done"])
def test_nobody_elses_beats_undo_an_announced_phase_or_the_end(said: dict[str, Any], strangers: int) -> None:
    of = Town(policies.policy(selectors=[ASKED]))
    trainer = of.world.launch(age=HOUR, tags=TAGS)
    beating(of, trainer, 1, 5)
    of.beat(trainer, seq=6, **said)
    for n in range(strangers):
        of.clock.forward(minutes=5)
        of.beat(trainer, seq=n + 1, session="stranger")
    sweeps(of, 12 * 6 - strangers)
    assert trainer.alive


def test_who_says_that_it_is_done_says_it_for_the_node_that_spoke_before() -> None:
    of = Town(policies.policy(selectors=[ASKED]))
    before, then = (of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "llm"}) for _ in range(2))
    beating(of, before, 1, 5)
    beating(of, then, 1, 5, session="b")
    of.beat(then, seq=6, session="b", kind=BeatKind.DONE)
    sweeps(of, 80)
    assert before.alive
    assert then.alive
    assert of.world.posts == []


def test_a_pause_over_a_restart_of_the_process_lengthens_the_grace() -> None:
    of = Town(policies.policy(selectors=[policies.selector(heartbeat_seconds=15 * 60)]))
    trainer = of.world.launch(age=HOUR, tags=TAGS)
    beating(of, trainer, 1, 5)
    sweeps(of, 9)
    beating(of, trainer, 1, 5, session="b")
    sweeps(of, 30)
    assert of.world.posts == [], "its own longest pause was 50 minutes"
    sweeps(of, 1)
    assert len(of.world.posts) == 1


def test_when_who_beat_last_has_left_its_run_the_others_old_beats_say_no_silence() -> None:
    of = Town(policies.policy(selectors=[ASKED]))
    first, second = (of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "llm"}) for _ in range(2))
    beating(of, first, 1, 5)
    beating(of, second, 1, 40, session="b")
    of.world.end(second)
    sweeps(of, 27)
    assert of.world.posts == [], "three intervals since the last beat of the run are not over"
    sweeps(of, 1)
    assert len(of.world.posts) == 1
    sweeps(of, 8)
    assert not first.alive


def test_the_pauses_of_who_has_left_are_still_those_of_the_run() -> None:
    of = Town(policies.policy(selectors=[policies.selector(heartbeat_seconds=15 * 60)]))
    first, second = (of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "llm"}) for _ in range(2))
    beating(of, second, 1, 5, session="b")
    sweeps(of, 9)
    beating(of, second, 6, 7, session="b")
    of.world.end(second)
    beating(of, first, 1, 5)
    sweeps(of, 30)
    assert of.world.posts == [], "its longest pause was 50 minutes"
    sweeps(of, 1)
    assert len(of.world.posts) == 1


def test_a_run_that_starts_anew_has_heard_nothing_yet() -> None:
    of = Town(policies.policy(selectors=[ASKED]))
    old = of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "llm"})
    beating(of, old, 1, 5, next_within=24 * HOUR)
    of.world.end(old)
    new = of.world.launch(age=0 * HOUR, tags={**TAGS, "costwatch:run": "llm"})
    beating(of, new, 1, 5, session="b")
    sweeps(of, 27)
    assert of.world.posts == []
    sweeps(of, 1)
    assert len(of.world.posts) == 1


def test_a_run_that_starts_anew_knows_nothing_of_what_those_had_said_that_had_left_it_before() -> None:
    of = Town(policies.policy(selectors=[ASKED]))
    first, second = (of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "llm"}) for _ in range(2))
    beating(of, first, 1, 5, next_within=24 * HOUR)
    of.world.end(first)
    beating(of, second, 1, 5, session="b")
    assert records(of)["llm"].heard is not None
    of.world.end(second)
    new = of.world.launch(age=0 * HOUR, tags={**TAGS, "costwatch:run": "llm"})
    beating(of, new, 1, 5, session="c")
    sweeps(of, 27)
    assert of.world.posts == []
    sweeps(of, 1)
    assert len(of.world.posts) == 1


@pytest.mark.parametrize("beats", [True, False])
def test_who_beats_and_leaves_after_the_first_look_of_a_sweep_is_heard_at_its_last_look(*, beats: bool) -> None:
    of = Town(policies.policy(selectors=[ASKED]))
    first, second = (of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "llm"}) for _ in range(2))
    beating(of, first, 1, 5)
    beating(of, second, 1, 5, session="b")
    sweeps(of, 27)
    looks = [0]

    def leaves(called: str, where: str, ids: tuple[str, ...]) -> None:
        del where, ids
        looks[0] += called == "DescribeInstances"
        if looks[0] == 2 and first.alive:
            if beats:
                of.beat(first, seq=6)
            of.world.end(first)

    of.world.fault = leaves
    sweeps(of, 1)
    assert not first.alive
    assert len(of.world.posts) == (0 if beats else 1)


@pytest.mark.parametrize("said", [{"next_within": 24 * HOUR}, {"kind": BeatKind.DONE}], ids=["phase", "done"])
def test_what_the_only_one_that_beat_had_said_stands_when_another_takes_over_after_it_left(
    said: dict[str, Any],
) -> None:
    of = Town(policies.policy(selectors=[ASKED], max_runtime_seconds=99 * 3600, hard_cap_seconds=99 * 3600))
    first, second = (of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "llm"}) for _ in range(2))
    beating(of, first, 1, 5)
    of.beat(first, seq=6, **said)
    sweeps(of, 1)
    of.world.end(first)
    sweeps(of, 2)
    beating(of, second, 1, 5, session="b")
    sweeps(of, 12 * 8)
    assert of.world.posts == []


def test_a_node_that_starts_anew_between_two_sweeps_takes_no_beat_away_from_its_run() -> None:
    of = Town(policies.policy(selectors=[ASKED]))
    first, second = (of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "llm"}) for _ in range(2))
    beating(of, first, 1, 5)
    beating(of, second, 1, 40, session="b")
    of.world.restart(second)
    sweeps(of, 27)
    assert of.world.posts == [], "three intervals since the last beat of the run are not over"
    sweeps(of, 1)
    assert len(of.world.posts) == 1


@pytest.mark.parametrize("then", ["repaired", "gone"])
def test_what_a_member_had_said_is_kept_where_its_row_cannot_be_read_in_the_very_sweep_in_which_it_leaves(
    then: str,
) -> None:
    of = Town(policies.policy(selectors=[ASKED], max_runtime_seconds=99 * 3600, hard_cap_seconds=99 * 3600))
    first, second = (of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "llm"}) for _ in range(2))
    beating(of, first, 1, 5)
    beating(of, second, 1, 5, session="b")
    of.beat(first, seq=6, next_within=24 * HOUR)
    key = f"beats#{ACCOUNT}#{REGION}", f"ec2#{first.id}"
    row = of.table.items[key]
    of.table.items[key] = {**row, "sessions": "none"}
    of.world.end(first)
    report = later(of, minutes=5)
    assert [failure.where for failure in report.failures] == [f"ledger {key[1]}"]
    assert [run.name for run in report.unjudged] == ["llm"]
    assert set(records(of)["llm"].member_ids) == {first.id, second.id}, "it is known until its row says something"
    if then == "repaired":
        of.table.items[key] = row
    else:
        del of.table.items[key]
    sweeps(of, 1)
    assert records(of)["llm"].member_ids == (second.id,)
    sweeps(of, 28)
    assert len(of.world.posts) == (0 if then == "repaired" else 1)


def test_what_could_not_be_read_may_have_fallen_silent_too_so_nobody_is_warned_for_silence_meanwhile() -> None:
    of = Town(policies.policy(selectors=[ASKED], regions=[REGION, "eu-central-1"]))
    here = [of.world.launch(age=HOUR, tags=TAGS) for _ in range(2)]
    there = of.world.launch(age=HOUR, tags=TAGS, region="eu-central-1")
    for n in range(1, 6):
        of.clock.forward(minutes=5)
        for each in (*here, there):
            of.beat(each, seq=n)
        sweep(of.watchdog())
    of.world.fault = lambda operation, region, _ids: (
        TransientAwsError("throttled", code="Throttling")
        if (operation, region) == ("DescribeInstances", "eu-central-1")
        else None
    )
    sweeps(of, 40)
    assert of.world.posts == []
    assert all(each.alive for each in here)
    of.world.fault = lambda *_: None
    sweeps(of, 1)
    (card,) = [card.text for _, _, card in of.world.posts]
    assert card.startswith("3 runs fell silent at once")


def test_a_row_of_canaries_that_cannot_be_read_costs_silence_and_no_sweep() -> None:
    of = Town(policies.policy(selectors=[ASKED]))
    trainer = of.world.launch(age=20 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.table.items["beats", "path"]["last_sent_at"] = "yesterday"
    report = later(of, minutes=31)
    assert not trainer.alive
    assert "the row of canaries" in {failure.where for failure in report.failures}
