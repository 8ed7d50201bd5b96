"""costwatch status --would-have: what enforce would have done, and the line of costwatch.yaml that makes it so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from costwatch.adapters.ledger_approvals import Approvals
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.config.loader import load
from costwatch.core import judgement_steps
from costwatch.core.approvals import Clicker
from costwatch.core.judgements import Decided, Hand, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.core.policy import Policy
from costwatch.procedures import approvals
from costwatch.procedures.approvals import Gate
from costwatch.procedures.sweep import sweep
from tests.integration.test_approvals import request
from tests.support.builders import ACCOUNT, HOUR
from tests.support.command_line import Terminal, town_of
from tests.support.fakes import Town
from tests.support.judged import judgement, verdict
from tests.support.money_town import Steps, Tasks
from tests.support.town import later, records

CONFIG = """\
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml-platform"}
dead_man:
  mode: observe
  blast_cap: {runs: 5, share: 100%, per_day: 20}
  selectors:
    - name: trainers
      ec2: {tag: {Purpose: training}}
    - name: jobs
      sagemaker: {jobs: [training], tag: {Purpose: training}}
      mode: warn
    - name: idle
      ec2: {tag: {Purpose: idle}}
"""


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return town_of(tmp_path / "costwatch.yaml", CONFIG)


@pytest.fixture
def maria(tmp_path: Path, town: Town) -> Terminal:
    return Terminal(tmp_path / "costwatch.yaml", town)


def overrun(of: Town, name: str = "churn", *, job: bool = True, status: str = "Completed", ends: bool = True) -> None:
    """20 hours when it is first seen, and 3 more after it would have been stopped."""
    tags = {"Purpose": "training"}
    thing = of.world.train(name, age=20 * HOUR, tags=tags) if job else of.world.launch(age=20 * HOUR, tags=tags)
    sweep(of.watchdog())
    later(of, minutes=31)
    of.clock.forward(hours=3)
    if ends:
        of.world.end(thing, status=status)
    later(of, minutes=5)


def selectors(maria: Terminal, *arguments: str) -> dict[str, Any]:
    found = maria.json("status", "--would-have", *arguments)["selectors"]
    return {each["selector"]: each for each in found}


def test_each_selector_has_its_truths_the_net_of_them_and_what_is_in_doubt(town: Town, maria: Terminal) -> None:
    overrun(town, "finished")
    overrun(town, "hung", status="Stopped")
    overrun(town, job=False)
    found = selectors(maria)
    jobs, trainers = found["jobs"], found["trainers"]
    assert jobs["finished"]["runs"] == jobs["ran_on"]["runs"] == 1
    assert float(jobs["net_usd"]) == pytest.approx(
        float(jobs["ran_on"]["usd"]) - float(jobs["finished"]["usd"]), abs=0.011
    )
    assert (jobs["doubtful"], trainers["doubtful"], trainers["ran_on"]["runs"]) == (0, 1, 1)
    assert [case["name"] for case in jobs["cases"]] == ["finished", "hung"]
    assert found["idle"]["cases"] == []


def test_one_that_still_runs_is_said_to_and_is_in_no_net(town: Town, maria: Terminal) -> None:
    overrun(town, job=False, ends=False)
    trainers = selectors(maria)["trainers"]
    assert (trainers["still_runs"]["runs"], trainers["net_usd"]) == (1, "0.00")
    assert float(trainers["still_runs"]["usd"]) == pytest.approx(21.957642 * (3 + 5 / 60), abs=0.01)
    assert "nobody knows yet what became of it" in trainers["sentence"]


def test_one_that_people_gave_more_time_afterwards_is_in_doubt(town: Town, maria: Terminal) -> None:
    overrun(town, job=False, ends=False)
    (instance,) = town.world.instances.values()
    instance.tags["costwatch:max-runtime"] = "60h"
    later(town, minutes=5)
    trainers = selectors(maria)["trainers"]
    assert (trainers["not_due_any_more"], trainers["doubtful"], trainers["without_price"]) == (1, 1, 0)
    assert trainers["cases"][0]["truth"] == "not due any more"


def test_the_line_to_change_is_the_one_of_the_file_here(town: Town, maria: Terminal) -> None:
    del town
    found = selectors(maria)
    file = str(maria.config)
    assert found["jobs"]["change"] == {
        "file": file,
        "line": 12,
        "now": "      mode: warn",
        "then": "      mode: enforce",
    }
    shown = maria.costwatch("status", "--would-have").output
    assert f"Only then line 12 of {file}:\n    -       mode: warn\n    +       mode: enforce\n" in shown
    assert f"Only then below line 8 of {file}:\n          - name: trainers\n    +       mode: enforce\n" in shown


def test_who_has_another_file_or_none_sees_the_truth_all_the_same(town: Town, maria: Terminal) -> None:
    overrun(town)
    maria.config.write_text(CONFIG.replace("- name: jobs", "- name: others"), encoding="utf-8")
    found = selectors(maria)
    assert found["jobs"]["mode"] is found["jobs"]["change"] is None
    assert found["jobs"]["finished"]["runs"] == 1
    assert "jobs (not in the file here)" in maria.costwatch("status", "--would-have").output


def test_a_file_with_a_mistake_is_said_to_be_one(maria: Terminal) -> None:
    maria.config.write_text("version: 1\ncolour: red\n", encoding="utf-8")
    result = maria.costwatch("status", "--would-have")
    assert result.exit_code == 2
    assert "colour" in result.stderr


def test_since_leaves_out_what_was_before(town: Town, maria: Terminal) -> None:
    overrun(town)
    town.clock.forward(days=3)
    assert selectors(maria, "--since", "4d")["jobs"]["finished"]["runs"] == 1
    assert selectors(maria, "--since", "2d")["jobs"]["finished"]["runs"] == 0


def test_no_line_is_longer_than_the_terminal_is_wide(town: Town, maria: Terminal) -> None:
    overrun(town)
    overrun(town, job=False)
    shown = maria.costwatch("status", "--would-have", env={"COLUMNS": "60", "FORCE_COLOR": "1", "TERM": "xterm"}).output
    assert "net $" in shown
    assert max(len(line) for line in shown.splitlines() if str(maria.config) not in line) <= 60 + len("\x1b[1m\x1b[0m")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--would-have", "--watch"), "--would-have and --watch are two different looks: give one of them"),
        (("--since", "3d"), "--since goes with --would-have"),
        (("--would-have", "--since", "2030-01-01T00:00:00Z"), "is in the future"),
    ],
)
def test_bad_input_is_one_clear_sentence(maria: Terminal, arguments: tuple[str, ...], told: str) -> None:
    result = maria.costwatch("status", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_without_a_file_there_is_no_line_and_a_note_says_why(
    town: Town, maria: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrun(town)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    result = maria.costwatch("status", "--would-have", config=False)
    assert result.exit_code == 0
    assert "no line to change is shown: costwatch.yaml: no such file" in result.stderr
    assert "its limits are too short" in result.stdout
    assert "To enforce" not in result.stdout


# --- which file it is ---------------------------------------------------------------------------------------------


def test_a_file_that_is_not_the_deployed_one_is_said_to_decide_nothing_yet(town: Town, maria: Terminal) -> None:
    assert maria.json("status", "--would-have")["other_is_deployed"] is None
    maria.config.write_text(f"# a comment decides nothing\n{CONFIG}", encoding="utf-8")
    assert maria.json("status", "--would-have")["other_is_deployed"] is None
    maria.config.write_text(CONFIG.replace("mode: warn", "mode: enforce"), encoding="utf-8")
    found = maria.json("status", "--would-have")
    assert town.policy.digest[:12] in found["other_is_deployed"]
    assert found["selectors"][1]["advice"] == "It enforces already."
    shown = " ".join(maria.costwatch("status", "--would-have").output.split())
    assert "modes and lines below are those of the file here, which decide nothing yet" in shown


# --- the gate and the breaker -------------------------------------------------------------------------------------

GUARDS = """\
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml-platform", app_id: A0123456789}
dead_man:
  mode: observe
  selectors:
    - name: jobs
      sagemaker: {jobs: [training], tag: {Purpose: training}}
approval:
  mode: observe
  tiers: [{above_usd: 100, approvers: [U0MARIA00]}, {above_usd: 5000, approvers: [U0MARIA00]}]
res:
  mode: observe
  models: {churn: {metric: auc, direction: maximize, worth: {usd: 4000, per: 0.01, over: 30d}}}
"""
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def guarded(tmp_path: Path, text: str = GUARDS) -> tuple[Town, Terminal]:
    """On a Monday, at ten."""
    path = tmp_path / "costwatch.yaml"
    town = town_of(path, text)
    town.clock.now = MONDAY
    return town, Terminal(path, town)


def test_each_threshold_of_the_gate_has_who_would_have_waited_and_one_line_for_all(tmp_path: Path) -> None:
    town, maria = guarded(tmp_path)
    town.world.train("churn")
    sweep(town.watchdog())
    found = maria.json("status", "--would-have")["approval"]
    low, high = found["tiers"]
    assert (low["above_usd"], low["would_have_waited"], low["held_usd"]) == ("100.00", 1, "606.03")
    assert (high["above_usd"], high["would_have_waited"]) == ("5000.00", 0)
    assert (found["advised"], found["doubts"], found["change"]["line"]) == (True, [], 10)
    shown = maria.costwatch("status", "--would-have").output
    assert "approval gate (observe)\n  Above $100.00: 1 would have waited, and $606.03 with them.\n" in shown
    assert f"To enforce, line 10 of {maria.config}:\n    -   mode: observe\n    +   mode: enforce\n" in shown


def test_a_request_that_would_have_waited_at_the_gate_counts_for_its_threshold(tmp_path: Path) -> None:
    town, maria = guarded(tmp_path)
    w = town.watchdog()
    steps: Any = Steps()
    approvals.ask(Gate(w, Approvals(w.ledger), lambda _region: steps, Tasks()), request(hours=240))
    low, high = maria.json("status", "--would-have")["approval"]["tiers"]
    assert (low["would_have_waited"], high["would_have_waited"]) == (0, 1)
    (case,) = high["cases"]
    assert (case["name"], case["usd"], case["doubts"]) == ("churn-bert-large", "12120.62", [])


def test_where_people_were_asked_in_warn_it_says_how_long_they_took(tmp_path: Path) -> None:
    town, maria = guarded(tmp_path, GUARDS.replace("approval:\n  mode: observe", "approval:\n  mode: warn"))
    w = town.watchdog()
    gate = Gate(w, Approvals(w.ledger), lambda _region: Steps(), Tasks())  # type: ignore[arg-type,return-value]
    town.world.train("churn")
    sweep(w)
    found = maria.json("status", "--would-have")["approval"]
    assert (found["advised"], found["doubts"]) == (False, ["1 still waiting for an answer"])
    town.clock.forward(minutes=42)
    (question,) = gate.approvals.waiting(ACCOUNT)
    approvals.answer(gate, ACCOUNT, question.id, Clicker("U0MARIA00", "Maria Lopez"), yes=True)
    found = maria.json("status", "--would-have")["approval"]
    assert (found["advised"], found["doubts"]) == (True, [])
    (case,) = found["tiers"][0]["cases"]
    assert (case["answer"], case["seconds_to_answer"]) == ("approved", 42 * 60)
    assert "people were asked about 1: 1 approved; an answer took 42 min" in found["tiers"][0]["sentence"]


def test_each_model_has_what_would_have_been_decided_and_what_people_did(tmp_path: Path) -> None:
    town, maria = guarded(tmp_path)
    kept = Judgements(town.ledger)
    found = judgement(
        verdict=verdict("0.911"), mode=Mode.OBSERVE, created_at=town.clock(), judged_at=town.clock(), state=State.JUDGED
    )
    step = judgement_steps.judged(None, found, town.clock(), auto_approve=False)
    assert kept.save(step)
    res = maria.json("status", "--would-have")["res"]
    assert (res["advised"], res["doubts"]) == (False, ["1 that nobody has decided about"])
    by = Decided("U0MARIA00", town.clock(), ApprovalStatus.REJECTED, hand=Hand.FIRST)
    assert kept.save(judgement_steps.overridden(step.after, by, town.clock()))
    res = maria.json("status", "--would-have")["res"]
    assert (res["advised"], res["doubts"], res["change"]["line"]) == (True, [], 13)
    (model,) = res["models"]
    assert (model["model"], model["reject"], model["cases"][0]["people"]) == ("churn", 1, "people did the same")
    shown = maria.costwatch("status", "--would-have").output
    assert "RES breaker (observe)\n  Model churn: 1 judged; 1 would have been rejected ($3,200.00 of training)" in shown


def test_the_digest_tells_the_gate_and_the_breaker_in_the_same_words(tmp_path: Path) -> None:
    town, maria = guarded(tmp_path)
    town.policy = Policy.from_document(load(maria.config).shipped())
    town.world.train("churn")
    sweep(town.watchdog())
    found = judgement(
        verdict=verdict("0.911"), mode=Mode.OBSERVE, created_at=town.clock(), judged_at=town.clock(), state=State.JUDGED
    )
    assert Judgements(town.ledger).save(judgement_steps.judged(None, found, town.clock(), auto_approve=False))
    town.clock.now = MONDAY + timedelta(days=7)
    sweep(town.watchdog())
    (told,) = [str(card.blocks) for _, _, card in town.world.posts if "the week of" in card.text]
    seen = maria.json("status", "--would-have")
    for guard in ("approval", "res"):
        assert seen[guard]["advice"].replace(str(maria.config), "costwatch.yaml") in told
    sentences = [seen["approval"]["tiers"][0]["sentence"], seen["res"]["models"][0]["sentence"]]
    assert all(each[1:] in told for each in sentences)


# --- what a blast cap held --------------------------------------------------------------------------------------------


def three_of_which_one_may_be_stopped(of: Town) -> list[str]:
    """Past their limit, with a share of which one is allowed a sweep: the names of those that are held."""
    of.policy = replace(of.policy, blast_cap=replace(of.policy.blast_cap, share=Decimal("0.2")))
    trainers = [of.world.launch(age=20 * HOUR, tags={"Purpose": "training"}) for _ in range(3)]
    sweep(of.watchdog())
    later(of, minutes=31)
    later(of, minutes=5)
    return [each.id for each in trainers[1:]]


def test_runs_that_a_cap_held_are_counted_and_named_and_never_said_to_have_been_stopped(
    town: Town, maria: Terminal
) -> None:
    held = three_of_which_one_may_be_stopped(town)
    trainers = selectors(maria)["trainers"]
    assert trainers["still_runs"]["runs"] == len(trainers["cases"]) == 1
    assert [(each["name"], each["cap"], each["waits_for_release"]) for each in trainers["held_by_caps"]] == [
        (name, "blast_cap.share", True) for name in held
    ]
    assert selectors(maria)["idle"]["held_by_caps"] == []
    text = " ".join(maria.costwatch("status", "--would-have").stdout.split())
    assert "2 more held by blast_cap.share, as enforce would have held them: 2 wait for a release." in text
    for name in held:
        assert f"{name}: more is due than blast_cap.share (1 of 3 runs of trainers a sweep) allows; it waits" in text


def test_one_that_is_released_is_a_would_have_from_then_on(town: Town, maria: Terminal) -> None:
    first, second = three_of_which_one_may_be_stopped(town)
    assert maria.costwatch("release", records(town)[first].hold.id).exit_code == 0  # type: ignore[union-attr]
    later(town, minutes=5)
    trainers = selectors(maria)["trainers"]
    assert len(trainers["cases"]) == 2
    assert [each["name"] for each in trainers["held_by_caps"]] == [second]


def test_one_that_ended_before_anybody_released_it_is_named_still(town: Town, maria: Terminal) -> None:
    first, second = three_of_which_one_may_be_stopped(town)
    town.world.end(town.world.instances[first])
    for _ in range(3):
        later(town, minutes=5)
    found = {each["name"]: each["waits_for_release"] for each in selectors(maria)["trainers"]["held_by_caps"]}
    assert found == {first: False, second: True}
