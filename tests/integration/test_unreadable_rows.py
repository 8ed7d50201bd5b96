"""A row of the ledger that cannot be read costs its own run and nobody else's, and is never passed over in silence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from costwatch.core.policy import Service
from costwatch.errors import UnreadableRow
from costwatch.procedures.hints import follow
from costwatch.procedures.report import SweepReport
from costwatch.procedures.sweep import sweep
from tests.support.command_line import Terminal, town_of
from tests.support.fakes import ACCOUNT, FakeInstance, Town

OPEN = f"open#deployed#{ACCOUNT}#us-east-1"
OUTBOX = "outbox#deployed"
Break = Callable[[dict[str, Any]], object]


def run_id(instance: FakeInstance) -> str:
    return f"{ACCOUNT}/us-east-1/instance/{instance.id}"


def row(town: Town, instance: FakeInstance) -> dict[str, Any]:
    return town.table.items[OPEN, run_id(instance)]


def only_message(town: Town) -> dict[str, Any]:
    [item] = [item for (pk, _), item in town.table.items.items() if pk == OUTBOX]
    return item


def failures(report: SweepReport) -> list[str]:
    return [failure.where for failure in report.failures]


def without(name: str) -> Break:
    return lambda item: item.pop(name)


def setting(name: str, value: object) -> Break:
    return lambda item: item.update({name: value})


BROKEN = [
    pytest.param(without("capped_key"), id="an attribute is missing"),
    pytest.param(setting("status", "meditating"), id="an unknown status"),
    pytest.param(setting("version", "x"), id="a version that is no number"),
    pytest.param(setting("run_id", "who knows"), id="no run id"),
    pytest.param(setting("members", 5), id="members that are no list"),
    pytest.param(setting("run_id", f"{ACCOUNT}/us-east-1/instance/i-other"), id="another run's id"),
]


# --- open records ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("break_it", BROKEN)
def test_a_record_that_cannot_be_read_is_reported_by_its_key_and_the_others_are_stopped(
    town: Town, break_it: Break
) -> None:
    bad, good = (town.world.launch(age=timedelta(hours=13)) for _ in range(2))
    sweep(town.watchdog())
    break_it(row(town, bad))
    town.clock.forward(minutes=35)
    report = sweep(town.watchdog())
    assert failures(report) == [f"ledger {run_id(bad)}"]
    assert (good.alive, bad.alive) == (False, True)


@pytest.mark.parametrize("break_it", BROKEN)
def test_its_run_is_left_as_it_is_and_never_taken_for_a_new_one(town: Town, break_it: Break) -> None:
    bad = town.world.launch(age=timedelta(hours=13))
    sweep(town.watchdog())
    break_it(row(town, bad))
    before = {key: dict(item) for key, item in town.table.items.items()}
    said, calls = len(town.world.posts), len(town.world.calls)
    for _ in range(20):
        town.clock.forward(hours=8)
        assert failures(sweep(town.watchdog())) == [f"ledger {run_id(bad)}"]
    changed = {key for key, item in town.table.items.items() if before.get(key) != item}
    assert {key for key in changed if not key[0].startswith(("told#", "outbox#", "beats", "booked#"))} == set()
    assert (len(town.world.posts), bad.alive) == (said, True)
    assert {call[0] for call in town.world.calls[calls:]} <= {
        "DescribeInstances",
        "ListAutoMLJobs",
        "ListHyperParameterTuningJobs",
        "ListProcessingJobs",
        "ListTrainingJobs",
        "slack:chat.postMessage",
        "PutEvents",
    }


def test_a_foreign_row_among_the_open_ones_is_reported_and_stops_nobody_from_being_watched(town: Town) -> None:
    good = town.world.launch(age=timedelta(hours=13))
    town.table.items[OPEN, "junk"] = {"pk": OPEN, "sk": "junk", "note": "by hand"}
    assert failures(sweep(town.watchdog())) == ["ledger junk"]
    town.clock.forward(minutes=35)
    sweep(town.watchdog())
    assert not good.alive


def test_an_exemption_that_cannot_be_read_leaves_its_run_as_it_is_and_refuses_a_persons_stop(
    town: Town, maria: Terminal
) -> None:
    exempt, good = (town.world.launch(age=timedelta(hours=11)) for _ in range(2))
    sweep(town.watchdog())
    assert maria.costwatch("exempt", exempt.id, "--for", "7d", "--reason", "paper").exit_code == 0
    member = town.table.items[f"exempt#deployed#{ACCOUNT}#us-east-1", f"ec2#{exempt.id}"]
    member["until"] = "some day"
    exempt.tags["costwatch:run"] = "llm"
    for _ in range(6):
        town.clock.forward(minutes=35)
        assert f"ledger ec2#{exempt.id}" in failures(sweep(town.watchdog()))
    assert (exempt.alive, good.alive) == (True, False)
    assert maria.costwatch("stop", exempt.id, "--yes").exit_code != 0
    assert exempt.alive


def test_a_mended_record_is_followed_again(town: Town) -> None:
    bad = town.world.launch(age=timedelta(hours=13))
    sweep(town.watchdog())
    removed = row(town, bad).pop("capped_key")
    town.clock.forward(minutes=35)
    sweep(town.watchdog())
    row(town, bad)["capped_key"] = removed
    assert failures(sweep(town.watchdog())) == []
    assert not bad.alive


def test_a_switch_that_is_off_stands_down_for_the_others(town: Town, config: Path) -> None:
    bad, good = (town.world.launch(age=timedelta(hours=13)) for _ in range(2))
    sweep(town.watchdog())
    row(town, bad).pop("capped_key")
    town.policy = town_of(config, config.read_text().replace("mode: enforce", "mode: off")).policy
    assert failures(sweep(town.watchdog())) == [f"ledger {run_id(bad)}"]
    assert "notice" not in row(town, good)
    assert "notice" in row(town, bad)


def test_a_hint_about_another_run_is_followed(town: Town) -> None:
    bad, good = (town.world.launch(age=timedelta(hours=1)) for _ in range(2))
    sweep(town.watchdog())
    row(town, bad).pop("capped_key")
    town.world.end(good)
    report = follow(town.watchdog(), ACCOUNT, "us-east-1", Service.EC2, good.id)
    assert failures(report) == [f"ledger {run_id(bad)}"]
    assert (OPEN, run_id(good)) not in town.table.items


# --- the pause ------------------------------------------------------------------------------------------------


def test_a_pause_that_cannot_be_read_ends_the_sweep_since_nobody_may_be_stopped_who_may_be_paused(
    town: Town, maria: Terminal
) -> None:
    overdue = town.world.launch(age=timedelta(hours=13))
    sweep(town.watchdog())
    assert maria.costwatch("pause", "--reason", "maintenance").exit_code == 0
    town.table.items["control", "pause"].pop("until")
    for _ in range(12):
        town.clock.forward(hours=8)
        with pytest.raises(UnreadableRow, match="control, pause"):
            sweep(town.watchdog())
    assert overdue.alive
    result = maria.costwatch("status")
    assert result.exit_code == 1
    assert result.stderr.startswith("costwatch: ledger row (control, pause) cannot be read")
    assert result.stderr.count("\n") == 1


# --- the outbox -----------------------------------------------------------------------------------------------


def facts_without(name: str) -> Break:
    return lambda item: item.update(facts={k: v for k, v in item["facts"].items() if k != name})


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(without("lease_until"), id="no lease"),
        pytest.param(without("created_at"), id="no time"),
        pytest.param(setting("kind", "telegram"), id="an unknown kind"),
        pytest.param(setting("audience", "everybody"), id="an unknown audience"),
        pytest.param(setting("facts", "none"), id="facts that are none"),
        pytest.param(facts_without("notice"), id="a warning without its notice"),
        pytest.param(facts_without("min_notice_seconds"), id="a warning without the time it gives"),
        pytest.param(facts_without("deadline"), id="a warning without a deadline"),
        pytest.param(facts_without("run"), id="a warning about nobody"),
        pytest.param(facts_without("mode"), id="a warning that makes no card"),
    ],
)
def test_a_message_that_can_never_be_sent_is_reported_by_every_sweep_and_the_others_are_sent(
    town: Town, break_it: Break
) -> None:
    silent = town.world.launch(age=timedelta(hours=13))
    town.world.slack_is_up = False
    sweep(town.watchdog())
    town.world.slack_is_up = True
    broken = only_message(town)
    break_it(broken)
    warned = town.world.launch(age=timedelta(hours=13))
    for _ in range(12):
        town.clock.forward(minutes=5)
        report = sweep(town.watchdog())
        assert len(report.failures) == 1
        assert broken["sk"] in report.failures[0].where
    assert (OUTBOX, broken["sk"]) in town.table.items
    assert (silent.alive, warned.alive) == (True, False)


# --- the command line -----------------------------------------------------------------------------------------


def test_commands_go_on_for_the_others_and_say_which_row_cannot_be_read(town: Town, maria: Terminal) -> None:
    bad, good = (town.world.launch(age=timedelta(hours=1)) for _ in range(2))
    town.table.items[OUTBOX, "odd"] = {"pk": OUTBOX, "sk": "odd", "kind": "telegram"}
    sweep(town.watchdog())
    row(town, bad).pop("capped_key")
    note = f"note: ledger row ({OPEN}, {run_id(bad)}) cannot be read: KeyError: 'capped_key'; mend or delete it\n"
    for command in (
        ("status",),
        ("explain", good.id),
        ("extend", good.id, "1h"),
        ("exempt", good.id, "--for", "1h", "--reason", "paper"),
    ):
        result = maria.costwatch(*command)
        assert result.exit_code == 0, result.output
        assert result.stderr.count(note) == 1
    status = maria.json("status")
    assert [each["run"] for each in status["runs"]] == [run_id(good)]
    assert [bad.id in text for text in status["unreadable"]] == [True, False]


def test_the_run_itself_is_explained_from_its_timeline_and_not_called_over(town: Town, maria: Terminal) -> None:
    bad = town.world.launch(age=timedelta(hours=1))
    sweep(town.watchdog())
    row(town, bad)["status"] = "meditating"
    for text in (bad.id, run_id(bad)):
        result = maria.costwatch("explain", text)
        assert result.exit_code == 0, result.output
        assert "first seen" in result.stdout
        assert "Its record cannot be read" in result.stdout
        assert "It is over" not in result.stdout
    told = maria.json("explain", bad.id)
    assert told["record"] is None
    assert "meditating" in told["unreadable"][0]


def test_nothing_is_granted_to_it(town: Town, maria: Terminal) -> None:
    bad = town.world.launch(age=timedelta(hours=1))
    sweep(town.watchdog())
    row(town, bad).pop("capped_key")
    result = maria.costwatch("extend", run_id(bad), "1h")
    assert result.exit_code == 1
    assert result.stderr.startswith("costwatch: ledger row (")


def test_a_line_of_a_timeline_that_cannot_be_read_is_noted_and_the_rest_is_shown(town: Town, maria: Terminal) -> None:
    trainer = town.world.launch(age=timedelta(hours=13))
    sweep(town.watchdog())
    entries = [item for (pk, _), item in town.table.items.items() if pk == f"run#deployed#{run_id(trainer)}"]
    next(item for item in entries if item["transition"] == "warned")["transition"] = "sang"
    for command in (("explain", trainer.id), ("ledger",)):
        result = maria.costwatch(*command)
        assert result.exit_code == 0, result.output
        assert "first seen" in result.stdout
        assert result.stderr.count("'sang' is not a valid Transition") == 1
