"""Whether to train, asked of the ledger: what it knows of past trainings, and what it was asked before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from costwatch.adapters.ledger import DEPLOYED, Ledger
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.adapters.ledger_retraining import RetrainQuestions
from costwatch.adapters.table import Put
from costwatch.core import judgement_steps
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.model import RunId, RunKind
from costwatch.core.packages import ApprovalStatus
from costwatch.core.policy import Policy
from costwatch.core.retrain_questions import Asked, Question, document
from costwatch.core.run_cost import Outcome, Owners, RunCost
from costwatch.errors import InputError, TransientAwsError
from costwatch.intake.retraining import retraining
from costwatch.procedures.retraining import Adviser, answer, outlook, trainings
from tests.support import policies
from tests.support.builders import ACCOUNT, REGION
from tests.support.command_line import Terminal, town_of
from tests.support.judged import NOW, judgement, verdict
from tests.support.ledger_steps import STAMP
from tests.support.memory_table import MemoryTable

WEEK = timedelta(days=7)
ELSEWHERE = "eu-west-1"
CHURN: dict[str, Any] = {
    "name": "churn",
    "group": "churn",
    "metric": "auc",
    "direction": "maximize",
    "gain": "absolute",
    "worth": {"usd": "4000", "per": "0.01", "over_seconds": 30 * 86_400},
    "min_score": "0.5",
    "standard_errors": "2",
    "guardrails": [],
    "evaluation_channel": "",
    "retrain": {"every_seconds": 7 * 86_400, "most_skips": 3, "budget_share": None},
}


def policy_of(mode: str, model: dict[str, Any]) -> Policy:
    return policies.policy(
        regions=[REGION, ELSEWHERE],
        res={"mode": mode, "when_too_dear": "ask", "auto_approve": False, "approvers": [], "models": [model]},
    )


class Office:
    """A ledger, a clock, and whoever asks."""

    def __init__(self, mode: str = "enforce") -> None:
        self.now: datetime = NOW + WEEK
        self.table = MemoryTable()
        self.ledger = Ledger(self.table, stamp=STAMP, origin=DEPLOYED)
        self.judgements = Judgements(self.ledger)
        self.questions = RetrainQuestions(self.ledger)
        self.policy: Policy = policy_of(mode, CHURN)
        self.logged: list[tuple[str, Mapping[str, object]]] = []
        self.adviser = Adviser(
            self.policy,
            ACCOUNT,
            self.judgements,
            self.questions,
            lambda: self.now,
            lambda *line: self.logged.append(line),
        )

    def deploy(self, mode: str, model: dict[str, Any]) -> None:
        self.policy = policy_of(mode, model)
        self.adviser = replace(self.adviser, policy=self.policy)

    def judged(self, **changes: Any) -> Judgement:
        """A candidate that was judged, and serves since."""
        found = judgement(**{"state": State.JUDGED, "approved_at": NOW, **changes})
        assert self.judgements.save(judgement_steps.judged(None, found, found.judged_at, auto_approve=False))
        return found

    def trained_twice(self) -> None:
        """Four weeks apart; the younger gained 0.002 and serves."""
        self.judged(package_version=40, created_at=NOW - 4 * WEEK, judged_at=NOW - 4 * WEEK, approved_at=NOW - 4 * WEEK)
        self.judged()

    def ask(self, **asked: Any) -> Question:
        return answer(self.adviser, Asked("churn", **asked))


@pytest.fixture
def office() -> Office:
    made = Office()
    made.trained_twice()
    return made


def cost(name: str, at: datetime, usd: str | None = "900", outcome: Outcome = Outcome.FAILED) -> RunCost:
    return RunCost(
        run_id=RunId(ACCOUNT, REGION, RunKind.TRAINING, name),
        name=name,
        started_at=at - timedelta(hours=4),
        ended_at=at,
        outcome=outcome,
        owners=Owners("maria@example.com", "risk", "churn", "churn"),
        family="churn",
        capacity=(("ml.p4d.24xlarge", 1),),
        actual_usd=Decimal(usd) if usd is not None else None,
        basis="billable seconds",
        price_note="",
        gpu_hours=None,
    )


def test_a_model_that_was_never_trained_is_trained() -> None:
    question = Office().ask()
    assert (question.trains, question.rule) == (True, "never_trained")


def test_a_young_model_with_small_gains_is_skipped_and_the_question_is_kept(office: Office) -> None:
    question = office.ask()
    assert (question.trains, question.skipped_in_a_row) == (False, 1)
    assert question.expected_cost_usd == Decimal(3200)
    assert office.questions.of_model(ACCOUNT, REGION, "churn", NOW) == [question]


def weekly(office: Office, weeks: int, each_week: Callable[[int], object] = lambda _week: None) -> list[bool]:
    """What a schedule is answered that asks about something far too dear, so that only the bound asks to train."""
    answers: list[bool] = []
    for week in range(weeks):
        each_week(week)
        answers.append(office.ask(by="schedule", cost_usd=Decimal(1_000_000)).trains)
        office.now += WEEK
    return answers


def test_it_is_skipped_as_often_as_is_allowed_and_then_trained_until_something_is(office: Office) -> None:
    assert weekly(office, 6) == [False, False, False, True, True, True]
    office.ledger.book_cost(cost("churn-42", office.now - timedelta(hours=1), outcome=Outcome.FINISHED))
    assert weekly(office, 4) == [False, False, False, True]


@pytest.mark.parametrize("kind", [RunKind.PROCESSING, RunKind.INSTANCE, RunKind.SCHEDULE, RunKind.LABELING])
def test_a_job_of_a_cent_that_bears_the_models_tag_is_no_training_and_allows_no_more_skips(
    office: Office, kind: RunKind
) -> None:
    def prepares(week: int) -> None:
        office.ledger.book_cost(ran(kind, f"features-{week}", office.now - timedelta(hours=1)))

    assert weekly(office, 6, prepares) == [False, False, False, True, True, True]


@pytest.mark.parametrize("kind", [RunKind.TRAINING, RunKind.TUNING, RunKind.AUTOML, RunKind.TAGGED])
def test_a_run_that_trains_begins_the_count_anew(office: Office, kind: RunKind) -> None:
    def trains(week: int) -> None:
        if week == 3:
            office.ledger.book_cost(ran(kind, "churn-42", office.now - timedelta(hours=1)))

    assert weekly(office, 7, trains) == [False, False, False, False, False, False, True]


def test_a_training_that_failed_allows_no_more_skips(office: Office) -> None:
    def fails(week: int) -> None:
        office.ledger.book_cost(cost(f"churn-{42 + week}", office.now - timedelta(hours=1), "0.01"))

    assert weekly(office, 5, fails) == [False, False, False, True, True]


def test_a_candidate_whose_cost_nobody_knows_was_trained_all_the_same(office: Office) -> None:
    assert weekly(office, 3) == [False, False, False]
    office.judged(
        package_version=42, created_at=office.now, judged_at=office.now, approved_at=None, verdict=verdict(usd=None)
    )
    office.now += timedelta(hours=1)
    assert weekly(office, 1) == [False]


def test_whoever_asks_out_of_interest_and_hears_to_train_allows_no_more_skips(office: Office) -> None:
    def notebook(_week: int) -> None:
        office.now += timedelta(minutes=1)
        assert office.ask(by="a notebook", cost_usd=Decimal("0.01")).trains, "at a cent anything pays"

    assert weekly(office, 6, notebook) == [False, False, False, True, True, True]


def test_the_same_id_is_answered_as_it_was_whatever_has_changed_since(office: Office) -> None:
    first = office.ask(id="build-7")
    office.now += timedelta(hours=1)
    assert office.ask(id="build-7", served_error=Decimal(5)) == first


def test_a_served_error_far_above_what_is_normal_asks_for_a_training(office: Office) -> None:
    for _week in range(3):
        assert not office.ask(served_error=Decimal("0.1")).trains
        office.now += timedelta(days=2)
    question = office.ask(served_error=Decimal("0.4"))
    assert (question.trains, question.rule) == (True, "drift")


@pytest.mark.parametrize("mode", ["off", "observe", "warn"])
def test_outside_of_enforce_it_is_trained_and_told_what_would_have_been(mode: str) -> None:
    office = Office(mode)
    office.trained_twice()
    question = office.ask()
    assert (question.trains, question.counted) == (True, False)
    body = document(question)
    assert (body["answer"], body["train"], body["advice"], body["mode"]) == ("train", True, "skip", mode)


def test_a_model_that_is_not_configured_is_named_beside_those_that_are(office: Office) -> None:
    with pytest.raises(InputError, match=r"model is 'fraud'; expected one of those under res.models: churn"):
        answer(office.adviser, Asked("fraud"))


def test_the_answer_is_flat_and_of_what_a_pipelines_lambda_step_takes(office: Office) -> None:
    body = document(office.ask())
    assert all(isinstance(value, str | int | bool) for value in body.values())
    assert body["expected_cost_usd"] == "3200.00"
    assert body["expected_worth_usd"]


def test_whoever_loses_the_moment_to_another_question_asks_again_and_is_answered(office: Office) -> None:
    taken = office.ask()
    assert taken.at == office.now
    again = office.ask()
    assert again.at == office.now + timedelta(milliseconds=1)


def test_a_ledger_that_is_always_in_the_way_is_an_error_and_never_a_skip(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RetrainQuestions, "keep", lambda self, question: False)
    with pytest.raises(TransientAwsError, match="ask again"):
        office.ask()


def test_a_row_that_cannot_be_read_costs_no_answer(office: Office) -> None:
    for place, row in list(office.table.items.items()):
        if row.get("package_arn"):
            office.table.put(Put({**office.table.items[place], "mode": "loud"}))
    assert office.ask().rule == "never_trained"


def ran(kind: RunKind, name: str, at: datetime) -> RunCost:
    """For a cent, to its end."""
    found = cost(name, at, "0.01", Outcome.FINISHED)
    return replace(found, run_id=RunId(ACCOUNT, REGION, kind, name))


# --- what counts as a training --------------------------------------------------------------------------------


def test_a_candidate_is_a_training_with_what_it_gained_and_a_failed_run_one_without() -> None:
    judged = judgement(approved_at=NOW, runs=(f"{ACCOUNT}/{REGION}/training/churn-41",))
    found = trainings([judged], [cost("churn-41", NOW), cost("churn-40", NOW)], NOW)
    assert [(each.cost_usd, each.gain, each.promoted) for each in found] == [
        (Decimal(900), None, False),
        (Decimal(3200), Decimal("0.002"), True),
    ]


def test_what_a_run_cost_and_nobody_knows_is_left_out_and_does_not_count_as_free() -> None:
    unknown = judgement(verdict=verdict(usd=None), runs=())
    assert trainings([unknown], [cost("churn-40", NOW, usd=None)], NOW) == []


def candidate(version: int, created_at: datetime, *runs: str, **changes: Any) -> Judgement:
    names = tuple(f"{ACCOUNT}/{REGION}/training/{run}" for run in runs)
    return judgement(**{"package_version": version, "created_at": created_at, "runs": names, **changes})


def test_a_run_that_left_two_candidates_is_charged_once_and_gained_what_serves() -> None:
    later = NOW + timedelta(hours=1)
    first = candidate(50, NOW, "churn-50", verdict=verdict("0.913"), approved_at=NOW)
    found = trainings([first, candidate(51, later, "churn-50")], [cost("churn-50", NOW)], NOW + WEEK)
    assert [(each.at, each.cost_usd, each.gain, each.promoted) for each in found] == [
        (NOW, Decimal(3200), Decimal("0.001"), True)
    ]


def test_of_two_that_do_not_serve_the_better_one_is_what_the_run_gained() -> None:
    worse = candidate(51, NOW + timedelta(hours=1), "churn-50", verdict=verdict("0.913"))
    found = trainings([candidate(50, NOW, "churn-50"), worse], [], NOW + WEEK)
    assert [(each.at, each.cost_usd, each.gain) for each in found] == [(NOW, Decimal(3200), Decimal("0.002"))]


def test_candidates_that_share_a_run_by_way_of_a_third_are_one_training_and_others_are_their_own() -> None:
    judged = [
        candidate(50, NOW, "a"), candidate(51, NOW, "b"), candidate(52, NOW, "a", "b"), candidate(53, NOW, "c"),
        candidate(54, NOW),  candidate(55, NOW),
    ]  # fmt: skip
    assert len(trainings(judged, [], NOW)) == 4


@pytest.mark.parametrize(
    ("target", "serves"),
    [(ApprovalStatus.APPROVED, True), (ApprovalStatus.REJECTED, False), (ApprovalStatus.PENDING, False)],
)
def test_a_model_that_was_rolled_back_no_longer_counts_as_what_serves(target: ApprovalStatus, *, serves: bool) -> None:
    by = Decided("maria", NOW + timedelta(hours=1), target, hand=Hand.AFTER)
    (found,) = trainings([candidate(50, NOW, approved_at=NOW, state=State.OVERRIDDEN, decided=by)], [], NOW + WEEK)
    assert found.promoted is serves


def test_after_a_rollback_the_age_is_that_of_the_model_before(office: Office) -> None:
    office.now = NOW + 10 * WEEK
    back = Decided("maria", office.now, ApprovalStatus.REJECTED, hand=Hand.AFTER)
    young = office.now - timedelta(days=1)
    office.judged(package_version=42, created_at=young, judged_at=young, approved_at=young, decided=back)
    assert "The model is 10 periods old" in office.ask().reason


def test_a_job_that_was_booked_twice_is_charged_once_and_machines_of_one_name_each_time_they_trained() -> None:
    again = [cost("churn-42", NOW - timedelta(hours=age)) for age in (1, 0)]
    assert len(trainings([], again, NOW)) == 1
    named = [ran(RunKind.TAGGED, "weekly", NOW - age * WEEK) for age in (1, 0)]
    assert len(trainings([], named, NOW)) == 2


def test_what_prepares_data_is_not_charged_to_the_budget(office: Office) -> None:
    budgeted = {**CHURN, "retrain": {"every_seconds": 7 * 86_400, "most_skips": 6, "budget_share": "0.375"}}
    office.deploy("enforce", budgeted)
    for day in range(30):
        office.ledger.book_cost(ran(RunKind.PROCESSING, f"features-{day}", NOW - timedelta(days=day)))
    office.now = NOW + 4 * WEEK
    question = office.ask(served_error=Decimal(5))
    assert (question.rule, question.expected_cost_usd) == ("not_worth", Decimal(3200))


def test_what_is_yet_to_come_is_left_out() -> None:
    later = replace(judgement(), created_at=NOW + WEEK)
    assert trainings([later], [cost("churn-42", NOW + WEEK)], NOW) == []


# --- regions ----------------------------------------------------------------------------------------------------


def serves_elsewhere(office: Office, **changes: Any) -> None:
    """A model of the same name that was approved a day ago in another region, and one four weeks before it."""
    for version, age in ((6, 4 * WEEK), (7, timedelta(days=1))):
        _approved_elsewhere(office, version, office.now - age, **changes)


def _approved_elsewhere(office: Office, version: int, at: datetime, **changes: Any) -> None:
    found: dict[str, Any] = {
        "created_at": at,
        "judged_at": at,
        "approved_at": at,
        "verdict": verdict(usd="10"),
        **changes,
    }
    office.judged(region=ELSEWHERE, package_version=version, **found)


def test_a_region_that_is_not_named_is_the_home_region(office: Office) -> None:
    assert office.ask().asked.region == REGION
    assert document(office.ask(region=ELSEWHERE))["region"] == ELSEWHERE


def test_one_that_is_not_watched_is_named_beside_those_that_are(office: Office) -> None:
    with pytest.raises(
        InputError, match=r"region is 'mars-1'; expected one of those under regions: us-east-1, eu-west"
    ):
        office.ask(region="mars-1")


def test_what_serves_in_another_region_makes_no_model_younger_and_no_training_cheaper(office: Office) -> None:
    office.now = NOW + 10 * WEEK
    serves_elsewhere(office)
    question = office.ask()
    assert "The model is 10 periods old" in question.reason
    assert question.expected_cost_usd == Decimal(3200)
    assert office.ask(region=ELSEWHERE).expected_cost_usd == Decimal(10)


def test_a_training_in_another_region_allows_no_more_skips(office: Office) -> None:
    def trains_elsewhere(week: int) -> None:
        found = ran(RunKind.TRAINING, f"churn-{week}", office.now - timedelta(hours=1))
        office.ledger.book_cost(replace(found, run_id=replace(found.run_id, region=ELSEWHERE)))

    assert weekly(office, 5, trains_elsewhere) == [False, False, False, True, True]


def test_skips_in_one_region_are_not_counted_in_another(office: Office) -> None:
    assert weekly(office, 4) == [False, False, False, True]
    serves_elsewhere(office)
    assert office.ask(region=ELSEWHERE, cost_usd=Decimal(1_000_000)).skipped_in_a_row == 1


def test_a_run_is_paid_for_where_its_candidate_is_registered(office: Office) -> None:
    office.now = NOW + 10 * WEEK
    here = [cost(f"churn-{n}", office.now - timedelta(days=1), "10", Outcome.FINISHED) for n in range(3)]
    for each in here:
        office.ledger.book_cost(each)
    serves_elsewhere(office, runs=tuple(str(each.run_id) for each in here))
    assert office.ask().expected_cost_usd == Decimal(3200)


def test_a_card_tells_of_the_region_of_its_candidate(office: Office) -> None:
    dear = judgement(package_version=42, created_at=office.now, region=ELSEWHERE)
    rules = office.policy.res.models[0]
    assert outlook(office.adviser, dear, rules) == "", "of this region nothing is known"
    serves_elsewhere(office)
    assert outlook(office.adviser, dear, rules) == "skip another like it"


# --- what cannot be ---------------------------------------------------------------------------------------------


def test_a_question_that_another_hosts_clock_put_ahead_of_now_costs_no_answer_and_is_logged(office: Office) -> None:
    office.now += timedelta(milliseconds=50)
    office.ask(served_error=Decimal("0.1"))
    office.now -= timedelta(milliseconds=50)
    assert office.ask(served_error=Decimal("0.1")).rule == "not_worth"
    said = [str(fields["reason"]) for line, fields in office.logged if line == "left out of advice"]
    assert [each.split(", not")[0] for each in said] == ["at of a served error must not be later than now"]


def test_a_run_that_cost_less_than_nothing_costs_no_answer_and_is_logged(office: Office) -> None:
    office.ledger.book_cost(cost("mended", NOW, "-0.01"))
    assert office.ask().rule == "not_worth"
    assert [line for line, _ in office.logged if line == "left out of advice"] == ["left out of advice"]


@pytest.mark.parametrize("broken", [TransientAwsError("throttled"), InputError("no such thing"), KeyError("at")])
def test_a_card_says_nothing_of_the_next_one_where_nobody_can_tell_and_no_verdict_waits_for_it(
    office: Office, broken: Exception
) -> None:
    class Broken(RetrainQuestions):
        def of_model(self, *_: object, **__: object) -> list[Question]:
            raise broken

    adviser = replace(office.adviser, questions=Broken(office.ledger))
    assert outlook(adviser, judgement(package_version=42, created_at=office.now), office.policy.res.models[0]) == ""
    assert office.logged[-1][0] == "no outlook"


# --- what a card says of the next one ---------------------------------------------------------------------------


def test_a_card_says_when_another_training_like_it_would_be_skipped(office: Office) -> None:
    dear = judgement(package_version=42, created_at=office.now)
    rules = office.policy.res.models[0]
    assert outlook(office.adviser, dear, rules) == "skip another like it"
    assert office.questions.of_model(ACCOUNT, REGION, "churn", NOW) == [], "nobody asked"


def test_and_says_nothing_when_it_would_not(office: Office) -> None:
    cheap = judgement(package_version=42, created_at=office.now, verdict=verdict(usd="10"))
    assert outlook(office.adviser, cheap, office.policy.res.models[0]) == ""


def test_what_cannot_be_reckoned_with_costs_a_card_its_advice_and_nothing_else(office: Office) -> None:
    below_zero = judgement(package_version=42, created_at=office.now, verdict=verdict(usd="-0.01"))
    assert outlook(office.adviser, below_zero, office.policy.res.models[0]) == ""


# --- by command -------------------------------------------------------------------------------------------------


def asked_by_command(office: Office, tmp_path: Path, *more: str) -> dict[str, Any]:
    """What Maria's terminal shows; the stack's function answers by the office."""
    config = tmp_path / "costwatch.yaml"
    terminal = Terminal(config, town_of(config))
    terminal.ssm.body = {**(terminal.ssm.body or {}), "retrain_function": "costwatch-retrain"}
    terminal.function.others["costwatch-retrain"] = lambda event: document(answer(office.adviser, retraining(event)))
    result = terminal.costwatch("should-retrain", "--model", "churn", "--json", *more)
    assert result.exit_code in (0, 6), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_command_asks_about_the_home_region_or_the_one_of_the_model(office: Office, tmp_path: Path) -> None:
    assert asked_by_command(office, tmp_path)["region"] == REGION
    found = asked_by_command(office, tmp_path, "--region", REGION, "--model-region", ELSEWHERE)
    assert (found["region"], found["rule"]) == (ELSEWHERE, "never_trained")


# --- crashes --------------------------------------------------------------------------------------------------------


class _DiedError(BaseException):
    """Nothing catches it, as nothing catches the end of a process."""


def test_a_crash_before_its_one_write_leaves_no_question_and_the_next_one_is_answered(office: Office) -> None:
    def dies(_writes: object) -> None:
        raise _DiedError

    before = dict(office.table.items)
    office.table.before_transact = dies
    with pytest.raises(_DiedError):
        office.ask(id="build-7")
    assert dict(office.table.items) == before
    office.table.before_transact = None
    assert office.ask(id="build-7").skipped_in_a_row == 1


def test_a_crash_after_it_counts_the_skip_once_and_whoever_asks_again_is_told_the_same(office: Office) -> None:
    told = office.ask(id="build-7")  # and the process died before it could say so
    again = office.ask(id="build-7")
    assert again == told
    office.now += WEEK
    assert office.ask(id="build-8").skipped_in_a_row == 2
