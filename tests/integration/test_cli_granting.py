"""What people do from a terminal while the switch runs: over the real procedures, with races."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from costwatch.adapters.table import Count, Put, Write
from costwatch.core.policy import Mode
from costwatch.core.record import Status
from costwatch.procedures.sweep import sweep
from tests.support.command_line import JOHN, MARIA, Terminal, town_of
from tests.support.fakes import FakeInstance, Town


def sweeps(town: Town, times: int = 1, *, every: timedelta = timedelta(minutes=5)) -> None:
    for _ in range(times):
        sweep(town.watchdog())
        town.clock.now += every


def overdue_soon(town: Town, name: str = "churn") -> FakeInstance:
    """Warned by the first sweep: half an hour of its 12 are left."""
    return town.world.launch(age=timedelta(hours=11, minutes=30), tags={"Purpose": "training", "Name": name})


def status_of(town: Town) -> list[Status]:
    return [record.status for record in town.ledger.open_records("111122223333", "us-east-1").values()]


def just_before(
    town: Town, wanted: Callable[[Sequence[Write]], bool], act: Callable[[], object], *, times: int = 1
) -> None:
    """Let somebody be faster: `act` runs before the next `times` transactions that `wanted` picks."""
    left = times

    def hook(writes: Sequence[Write]) -> None:
        nonlocal left
        if left and wanted(writes):
            left -= 1
            town.table.before_transact = None
            act()
            town.table.before_transact = hook if left else None

    town.table.before_transact = hook


def about_transition(transition: str) -> Callable[[Sequence[Write]], bool]:
    return lambda writes: any(isinstance(w, Put) and w.item.get("transition") == transition for w in writes)


def is_claim(writes: Sequence[Write]) -> bool:
    return any(isinstance(write, Count) for write in writes)


# --- extend -----------------------------------------------------------------------------------------


def test_a_run_that_is_extended_in_time_goes_on_and_is_stopped_after_the_new_deadline(
    town: Town, maria: Terminal
) -> None:
    trainer = overdue_soon(town)
    sweeps(town)
    answer = maria.json("extend", "churn", "4h")
    assert answer["by"] == MARIA
    assert answer["until"] == "2026-11-22T13:30:00Z"
    assert answer["left_seconds"] == 20 * 3600
    sweeps(town, 40)
    assert trainer.alive
    sweeps(town, 20)
    assert not trainer.alive


def test_an_extension_past_the_owner_total_is_denied_with_a_word_on_exemptions(town: Town, maria: Terminal) -> None:
    trainer = overdue_soon(town)
    sweeps(town)
    assert maria.costwatch("extend", trainer.id, "24h").exit_code == 0
    result = maria.costwatch("extend", trainer.id, "1m")
    assert result.exit_code == 4
    assert "it takes an exemption: costwatch exempt" in result.stderr


def test_an_extension_that_comes_after_the_stop_is_too_late(town: Town, maria: Terminal) -> None:
    overdue_soon(town)
    sweeps(town)
    town.clock.forward(minutes=31)
    sweeps(town)
    assert status_of(town) == [Status.STOPPING]
    result = maria.costwatch("extend", "churn", "4h")
    assert result.exit_code == 4
    assert result.stderr.startswith("costwatch: too late")


def test_of_two_people_who_extend_at_once_both_count_and_the_loser_is_told(
    town: Town, maria: Terminal, john: Terminal
) -> None:
    trainer = overdue_soon(town)
    sweeps(town)
    just_before(town, about_transition("extended"), lambda: john.json("extend", trainer.id, "4h"))
    result = maria.costwatch("extend", trainer.id, "2h")
    assert result.exit_code == 0, result.output
    assert f"{JOHN} extended it by 4 h at the same moment; yours comes on top" in result.stderr
    [record] = town.ledger.open_records("111122223333", "us-east-1").values()
    assert [(e.by, e.duration) for e in record.extensions] == [
        (JOHN, timedelta(hours=4)),
        (MARIA, timedelta(hours=2)),
    ]
    assert record.deadline == town.world.clock() + timedelta(hours=6, minutes=25)


def test_two_people_cannot_get_past_the_owner_total_by_extending_at_once(
    town: Town, maria: Terminal, john: Terminal
) -> None:
    trainer = overdue_soon(town)
    sweeps(town)
    just_before(town, about_transition("extended"), lambda: john.json("extend", trainer.id, "20h"))
    result = maria.costwatch("extend", trainer.id, "20h")
    assert result.exit_code == 4
    assert "4 h of 24 h are left" in result.stderr


def test_a_stop_that_is_claimed_first_makes_the_extension_too_late(town: Town, maria: Terminal) -> None:
    trainer = overdue_soon(town)
    sweeps(town)
    town.clock.forward(minutes=31)
    just_before(town, about_transition("extended"), lambda: sweeps(town))
    result = maria.costwatch("extend", trainer.id, "4h")
    assert result.exit_code == 4
    assert "too late" in result.stderr
    assert not trainer.alive


def test_an_extension_that_is_saved_first_makes_the_stop_lose(town: Town, maria: Terminal) -> None:
    trainer = overdue_soon(town)
    sweeps(town)
    town.clock.forward(minutes=31)
    just_before(town, is_claim, lambda: maria.json("extend", trainer.id, "4h"))
    sweeps(town, 3)
    assert trainer.alive
    assert status_of(town) == [Status.RUNNING]
    assert town.world.events == []


def test_an_extension_between_claim_and_act_is_too_late_and_says_so(town: Town, maria: Terminal) -> None:
    trainer = overdue_soon(town)
    sweeps(town)
    town.clock.forward(minutes=31)
    late: list[int] = []

    def fault(operation: str, region: str, ids: tuple[str, ...]) -> None:
        del region, ids
        if operation == "TerminateInstances":
            late.append(maria.costwatch("extend", trainer.id, "4h").exit_code)

    town.world.fault = fault
    sweeps(town)
    assert late == [4]
    assert not trainer.alive


def test_who_is_overtaken_each_time_is_told_that_nothing_was_written(
    town: Town, maria: Terminal, john: Terminal
) -> None:
    trainer = overdue_soon(town)
    sweeps(town)
    just_before(town, about_transition("extended"), lambda: john.json("extend", trainer.id, "1m"), times=99)
    result = maria.costwatch("extend", trainer.id, "1h")
    assert result.exit_code == 4
    assert "nothing was written: try again" in result.stderr
    town.table.before_transact = None
    [record] = town.ledger.open_records("111122223333", "us-east-1").values()
    assert {e.by for e in record.extensions} == {JOHN}


def test_nothing_is_extended_by_a_configuration_that_is_not_the_deployed_one(
    town: Town, maria: Terminal, config: Path
) -> None:
    overdue_soon(town)
    sweeps(town)
    lax = config.read_text(encoding="utf-8").replace("mode: enforce\n", "mode: enforce\n  hard_cap: 700h\n")
    config.write_text(lax, encoding="utf-8")
    result = maria.costwatch("extend", "churn", "24h")
    assert result.exit_code == 4
    assert "is not the deployed one" in result.stderr
    assert "use the deployed one with --config" in result.stderr
    assert result.stderr.count("\n") == 1
    [record] = town.ledger.open_records("111122223333", "us-east-1").values()
    assert record.extensions == ()


def test_where_the_deployed_configuration_is_not_known_the_local_one_is_taken_and_that_is_noted(
    town: Town, maria: Terminal
) -> None:
    overdue_soon(town)
    sweeps(town)
    maria.ssm.body = None
    maria.environ["COSTWATCH_LEDGER_TABLE"] = "costwatch-ledger"
    result = maria.costwatch("extend", "churn", "1h")
    assert result.exit_code == 0, result.output
    assert "note: the deployed configuration is not known here" in result.stderr


# --- exempt -----------------------------------------------------------------------------------------


def test_an_exempt_run_is_left_alone_past_the_hard_cap_and_warned_anew_when_the_exemption_ends(
    town: Town, maria: Terminal
) -> None:
    # What a gate would have asked is named by each day's summary, whoever is exempt from the time limit.
    town.policy = replace(town.policy, approval=replace(town.policy.approval, mode=Mode.OFF))
    trainer = overdue_soon(town)
    sweeps(town)
    assert maria.costwatch("exempt", trainer.id, "--for", "7d", "--reason", "paper deadline").exit_code == 0
    told = len(town.world.posts)
    sweeps(town, 6 * 24, every=timedelta(hours=1))
    assert trainer.alive
    assert "paper deadline" in maria.json("explain", trainer.id)["record"]["standing"]
    assert len(town.world.posts) == told
    town.clock.forward(days=1)
    sweeps(town)
    assert trainer.alive
    assert len(town.world.posts) == told + 1
    town.clock.forward(minutes=31)
    sweeps(town)
    assert not trainer.alive


def test_an_exemption_needs_one_end_and_a_reason(town: Town, maria: Terminal) -> None:
    overdue_soon(town)
    sweeps(town)
    both = ("--for", "1d", "--until", "2026-12-01T00:00:00Z")
    for wrong in (("--reason", "x"), (*both, "--reason", "x"), ("--for", "1d"), ("--for", "1d", "--reason", " "),
                  ("--for", "12", "--reason", "x"), ("--until", "tomorrow", "--reason", "x"),
                  ("--until", "2026-11-01T00:00:00Z", "--reason", "x")):  # fmt: skip
        result = maria.costwatch("exempt", "churn", *wrong)
        assert result.exit_code == 2, (wrong, result.output)
        assert result.stderr.startswith("costwatch: ")


# --- release ----------------------------------------------------------------------------------------


def held_by_the_cap(town: Town) -> list[FakeInstance]:
    """Four are due and the cap is two: the first two launched are the least overdue, and held."""
    trainers = [town.world.launch(age=timedelta(hours=13 + n)) for n in range(4)]
    sweep(town.watchdog())
    town.clock.forward(minutes=35)
    sweep(town.watchdog())
    town.clock.forward(minutes=5)
    return trainers


def test_what_a_cap_held_is_stopped_after_its_release_and_the_others_wait_on(town: Town, maria: Terminal) -> None:
    trainers = held_by_the_cap(town)
    sweeps(town, 3)
    assert [t.alive for t in trainers] == [True, True, False, False]
    runs = {run["run"].rpartition("/")[2]: run for run in maria.json("status")["runs"]}
    hold = runs[trainers[0].id]["hold"]["id"]
    assert maria.json("release", hold)["released"] is True
    assert maria.costwatch("release", hold).stdout == f"{hold} was released before; the next sweep looks at it.\n"
    sweeps(town)
    assert [t.alive for t in trainers] == [False, True, False, False]
    released = [e for e in maria.json("ledger")["entries"] if e["transition"] == "released"]
    assert [e["actor"] for e in released] == [MARIA]


def test_a_run_may_be_released_by_its_own_name_as_well(town: Town, maria: Terminal) -> None:
    trainers = held_by_the_cap(town)
    assert maria.costwatch("release", trainers[1].id).exit_code == 0
    sweeps(town)
    assert [t.alive for t in trainers] == [True, False, False, False]


def test_a_protected_run_is_not_released(config: Path) -> None:
    town = town_of(config)
    maria = Terminal(config, town)
    protected = town.world.launch(age=timedelta(hours=13), protected=True)
    sweeps(town)
    [run] = maria.json("status")["runs"]
    assert run["status"] == "held"
    for name in (run["hold"]["id"], protected.id):
        result = maria.costwatch("release", name)
        assert result.exit_code == 4
        assert "termination protection is respected" in result.stderr


def test_a_hold_nobody_knows_is_answered_with_those_there_are(town: Town, maria: Terminal) -> None:
    held_by_the_cap(town)
    result = maria.costwatch("release", "hold-00000000")
    assert result.exit_code == 2
    assert result.stderr.count("hold-") == 3


# --- pause ------------------------------------------------------------------------------------------


def test_a_pause_holds_what_is_due_and_after_resume_it_is_warned_anew(town: Town, maria: Terminal) -> None:
    trainer = overdue_soon(town)
    sweeps(town)
    assert len(town.world.posts) == 1
    paused = maria.json("pause", "--reason", "migration")
    assert (paused["paused"], paused["until"], paused["by"]) == (True, "2026-11-23T09:05:00Z", MARIA)
    town.clock.forward(minutes=40)
    sweeps(town, 3)
    assert trainer.alive
    assert status_of(town) == [Status.HELD]
    assert "PAUSED until 2026-11-23 09:05:00 UTC" in maria.costwatch("status").stdout

    resumed = maria.costwatch("resume")
    assert "warned anew before anything is stopped" in resumed.stdout
    told = len(town.world.posts)
    sweeps(town)
    assert trainer.alive
    assert len(town.world.posts) == told + 1
    town.clock.forward(minutes=31)
    sweeps(town)
    assert not trainer.alive
    control = [e for e in maria.json("ledger")["entries"] if e["run"] == "every run"]
    assert [(e["transition"], e["actor"]) for e in control] == [("paused", MARIA), ("resumed", MARIA)]


def test_a_pause_ends_by_itself(town: Town, maria: Terminal) -> None:
    trainer = overdue_soon(town)
    assert maria.costwatch("pause", "--for", "2h").exit_code == 0
    town.clock.forward(hours=2)
    sweeps(town)
    town.clock.forward(minutes=31)
    sweeps(town)
    assert not trainer.alive


def test_of_two_pauses_at_once_the_later_counts_and_both_are_in_the_ledger(
    town: Town, maria: Terminal, john: Terminal
) -> None:
    just_before(town, about_transition("paused"), lambda: john.json("pause", "--for", "1h"))
    assert maria.json("pause", "--for", "3h")["by"] == MARIA
    pause = town.ledger.pause()
    assert pause is not None
    assert (pause.by, pause.version) == (MARIA, 2)
    entries = maria.json("ledger")["entries"]
    assert [e["actor"] for e in entries] == [JOHN, MARIA]


def test_a_pause_of_more_than_7_days_is_refused_and_a_resume_without_pause_says_so(maria: Terminal) -> None:
    assert maria.costwatch("pause", "--for", "8d").exit_code == 2
    assert maria.costwatch("resume").stdout == "Nothing is paused.\n"
    assert maria.json("resume") == {"paused": False, "changed": False}


def test_a_broken_configuration_keeps_nobody_from_pausing(
    config: Path, maria: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("version: [", encoding="utf-8")
    monkeypatch.chdir(config.parent)
    result = maria.costwatch("pause", config=False)
    assert result.exit_code == 0, result.output
    assert maria.town.ledger.pause() is not None
