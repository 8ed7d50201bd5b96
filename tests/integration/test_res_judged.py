"""Candidates are judged by what they gained and cost, whichever event comes first, and whether any comes at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from costwatch.core.gains import EvaluationData
from costwatch.core.judgements import Judgement, State
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.core.policy import Service
from costwatch.core.res import Cause, Value
from costwatch.core.run_cost import Outcome
from costwatch.errors import PermanentAwsError, TransientAwsError
from tests.support.builders import ACCOUNT
from tests.support.fake_registry import artifact_of
from tests.support.registry_town import ETAG, TAGS, VALIDATION, package_event
from tests.support.res_town import ResTown, res_town
from tests.support.town import failing

RUN = f"{ACCOUNT}/us-east-1/training/churn-41"
EXECUTION = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:pipeline/churn/execution/4r83jejmhorv"


def usd(row: Judgement) -> str:
    assert row.verdict.cost is not None
    return f"{row.verdict.cost.usd:.2f}" if row.verdict.cost.usd is not None else "unknown"


def served(town: ResTown) -> ModelPackage:
    """What serves, known to Costwatch since it was approved."""
    serving = town.serving("churn-38", "0.912")
    town.told_of(serving)
    town.clock.forward(days=1)
    return serving


# --- what a verdict leads to ----------------------------------------------------------------------------------------


def test_in_observe_a_package_event_makes_a_judged_row_and_nobody_hears_of_it() -> None:
    town = res_town("observe")
    town.serving("churn-38", "0.912")
    candidate = town.candidate("churn-41", "0.9121")
    town.told_of(candidate)
    row = town.row(candidate)
    assert (row.state, row.verdict.value, row.run, usd(row)) == (State.JUDGED, Value.TOO_DEAR, RUN, "252.51")
    assert town.lines(candidate) == ["judged"]
    assert (town.writes, town.cards, town.world.verdicts) == ([], [], [])
    assert town.now(candidate).approval is ApprovalStatus.PENDING


def test_in_warn_people_hear_of_it_and_the_registry_stays_as_it_is() -> None:
    town = res_town("warn")
    served(town)
    candidate = town.candidate("churn-41", "0.911")
    town.told_of(candidate)
    assert town.row(candidate).state is State.JUDGED
    assert town.lines(candidate) == ["judged", "would have written the registry"]
    assert town.writes == []
    assert len(town.cards) == 1
    assert [each["verdict"] for each in town.told_others(candidate)] == ["reject"]


def test_a_candidate_without_a_gain_is_rejected_with_its_figures_and_that_is_said_once() -> None:
    town = res_town()
    serving = served(town)
    candidate = town.candidate("churn-41", "0.911")
    town.told_of(candidate)
    row, now = town.row(candidate), town.now(candidate)
    assert (row.state, row.verdict.cause, row.serving_version) == (State.WRITTEN, Cause.NO_GAIN, serving.version)
    assert now.approval is ApprovalStatus.REJECTED
    assert now.approval_description.startswith("Cost-Efficiency Rejection: validation:auc is worse than what serves")
    assert "cost $252.51" in now.approval_description
    assert now.metadata["costwatch:verdict"] == "reject"
    assert now.metadata["costwatch:cause"] == "no gain"
    assert now.metadata["costwatch:cost-usd"] == "252.51"
    assert town.lines(candidate) == ["judged", "registry to be written", "registry written"]
    for _ in range(3):
        town.told_of(candidate)
        town.later(minutes=5)
    assert len(town.writes) == len(town.cards) == 1
    (event,) = town.told_others(candidate)
    assert (event["verdict"], event["cause"], event["status"]) == ("reject", "no gain", "Rejected")
    assert (event["cost_usd"], event["run"], event["decided_by"]) == ("252.51", RUN, None)


def test_what_is_better_but_too_dear_is_asked_about_and_stays_pending() -> None:
    town = res_town()
    served(town)
    candidate = town.candidate("churn-41", "0.9121", hours=10)
    town.told_of(candidate)
    row = town.row(candidate)
    assert (row.state, row.approvers) == (State.ASKED, ("U0MARIA00",))
    assert town.lines(candidate) == ["judged", "promotion asked about"]
    assert town.writes == []
    town.later(hours=30)
    assert len(town.cards) == 1


def test_what_is_better_but_too_dear_is_rejected_where_nobody_is_to_be_asked() -> None:
    town = res_town(when_too_dear="reject")
    served(town)
    candidate = town.candidate("churn-41", "0.9121")
    town.told_of(candidate)
    assert town.row(candidate).state is State.WRITTEN
    assert town.now(candidate).approval is ApprovalStatus.REJECTED
    assert "better but too dear" in town.now(candidate).approval_description


def test_what_earned_its_compute_stays_pending_and_people_hear_that_it_did() -> None:
    town = res_town()
    served(town)
    candidate = town.candidate("churn-41", "0.932", hours=1)
    town.told_of(candidate)
    assert (town.row(candidate).state, town.row(candidate).verdict.value) == (State.JUDGED, Value.PROMOTE)
    assert town.writes == []
    town.later(hours=30)
    assert len(town.cards) == 1


def test_what_earned_its_compute_is_approved_where_that_is_switched_on_and_serves_from_then_on() -> None:
    town = res_town(auto_approve=True)
    served(town)
    candidate = town.candidate("churn-41", "0.932", hours=1)
    town.told_of(candidate)
    row, now = town.row(candidate), town.now(candidate)
    assert (row.state, row.approved_at, now.approval) == (State.WRITTEN, town.clock(), ApprovalStatus.APPROVED)
    assert now.approval_description.startswith("Costwatch: promote: a real gain, worth its cost")


def test_a_group_without_an_approved_version_has_a_first_model_that_stays_pending() -> None:
    town = res_town(auto_approve=True)
    candidate = town.candidate("churn-41", "0.9")
    town.told_of(candidate)
    town.later(hours=5)
    row = town.row(candidate)
    assert (row.state, row.verdict.value, row.serving_version) == (State.JUDGED, Value.FIRST_MODEL, None)
    assert town.writes == []
    assert len(town.cards) == 1


def test_a_first_model_below_a_floor_is_rejected_in_the_registry_and_no_other_is() -> None:
    floor = {"metric": "validation:auc", "slice": "", "direction": "maximize", "floor": "0.9"}
    town = res_town(model={"guardrails": [floor]})
    at, below = town.candidate("churn-41", "0.9"), town.candidate("churn-42", "0.899")
    town.told_of(at)
    town.told_of(below)
    assert (town.row(at).verdict.value, town.row(below).verdict.value) == (Value.FIRST_MODEL, Value.REJECT)
    assert town.now(at).approval is ApprovalStatus.PENDING
    assert town.now(below).approval is ApprovalStatus.REJECTED
    assert "below the floor of 0.9" in town.now(below).approval_description


def test_a_version_that_was_registered_as_approved_is_recorded_and_is_the_next_ones_baseline() -> None:
    town = res_town()
    town.trained("churn-38", "0.912")
    approved = town.models.register(job="churn-38", approval=ApprovalStatus.APPROVED)
    town.told_of(approved)
    row = town.row(approved)
    assert (row.state, row.verdict.value, row.verdict.cause) == (State.OVERRIDDEN, Value.OVERRIDDEN, Cause.NOT_PENDING)
    assert row.approved_at is not None
    assert row.evaluation is not None
    assert (town.writes, town.cards) == ([], [])
    candidate = town.candidate("churn-41", "0.911")
    town.told_of(candidate)
    assert town.row(candidate).verdict.cause is Cause.NO_GAIN


def test_off_does_nothing_at_all() -> None:
    town = res_town("off")
    town.serving("churn-38", "0.912")
    candidate = town.candidate("churn-41", "0.911")
    job = town.world.jobs["churn-41"]
    town.world.calls.clear()
    town.told_of(candidate)
    town.told_of_training(job)
    town.sweep()
    assert town.found(candidate) is None
    assert town.world.calls == []


def test_what_was_settled_in_observe_blocks_no_enforce() -> None:
    town = res_town("observe")
    served(town)
    candidate = town.candidate("churn-41", "0.911")
    town.told_of(candidate)
    assert (town.row(candidate).state, town.writes) == (State.JUDGED, [])
    town.deploy("enforce")
    town.later(minutes=5)
    assert town.row(candidate).state is State.WRITTEN
    assert town.now(candidate).approval is ApprovalStatus.REJECTED


def test_a_question_of_enforce_is_none_any_more_once_nothing_is_in_enforce() -> None:
    town = res_town()
    served(town)
    candidate = town.candidate("churn-41", "0.9121")
    town.told_of(candidate)
    town.deploy("observe")
    town.later(minutes=5)
    assert (town.row(candidate).state, town.row(candidate).mode.value) == (State.JUDGED, "observe")


# --- both orders, twice, late, lost -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["package first", "training first", "both twice", "package alone", "none: the sweep"])
def test_the_same_verdict_comes_of_both_events_in_any_order_or_of_none(order: str) -> None:
    town = res_town()
    served(town)
    job = town.trained("churn-41", "0.911")
    candidate = town.models.register(job="churn-41")
    match order:
        case "package first":
            town.told_of(candidate)
            town.told_of_training(job)
        case "training first":
            town.told_of_training(job)
            town.told_of(candidate)
        case "both twice":
            for _ in range(2):
                town.told_of_training(job)
                town.told_of(candidate)
        case "package alone":
            town.told_of(candidate)
        case _:
            town.later(minutes=5)
    row = town.row(candidate)
    assert (row.state, row.run, usd(row), row.verdict.cause) == (State.WRITTEN, RUN, "252.51", Cause.NO_GAIN)
    assert town.lines(candidate) == ["judged", "registry to be written", "registry written"]
    assert len(town.cards) == len(town.told_others(candidate)) == 1


def test_an_artifact_whose_path_tells_nothing_is_joined_by_what_the_training_event_told() -> None:
    town = res_town()
    served(town)
    job = town.trained("churn-41", "0.911")
    elsewhere = "s3://models/latest/model.tar.gz"
    left = town.models.trained["us-east-1", "churn-41"]
    town.models.trained["us-east-1", "churn-41"] = replace(left, artifact=elsewhere)
    candidate = town.models.register(artifact=elsewhere)
    town.told_of(candidate)
    assert town.row(candidate).state is State.WAITING
    event = {"ModelArtifacts": {"S3ModelArtifacts": elsewhere}}
    town.told_of_training(job, **event)
    assert (town.row(candidate).state, town.row(candidate).run) == (State.WRITTEN, RUN)


def test_a_path_that_names_another_job_joins_nothing() -> None:
    town = res_town()
    served(town)
    town.trained("churn-41", "0.911")
    candidate = town.models.register(artifact="s3://copies/churn-41/output/model.tar.gz")
    town.told_of(candidate)
    assert (town.row(candidate).state, town.row(candidate).run) == (State.WAITING, "")


def test_a_package_registered_while_its_job_still_runs_waits_and_is_judged_when_the_job_is_over() -> None:
    town = res_town()
    served(town)
    job = town.world.train("churn-41", age=timedelta(hours=3), tags=TAGS)
    town.models.train("churn-41", {"validation:auc": "0.911"}, {"validation": VALIDATION})
    candidate = town.models.register(job="churn-41")
    town.told_of(candidate)
    town.later(minutes=59)
    assert (town.row(candidate).state, town.cards) == (State.WAITING, [])
    town.later(minutes=1)
    assert len(town.cards) == 1  # after exactly an hour
    town.later(minutes=30)
    assert town.row(candidate).state is State.WAITING
    assert len(town.cards) == 1  # and once
    town.world.end(job)
    town.told_of_training(job)
    row = town.row(candidate)
    assert (row.state, usd(row)) == (State.WRITTEN, "113.63")  # 4 h 30 min
    assert len(town.cards) == 2


def test_a_package_of_which_nothing_tells_what_trained_it_is_unjudged_after_an_hour_and_said_once() -> None:
    town = res_town()
    served(town)
    candidate = town.models.register(artifact="s3://models/by-hand.tar.gz")
    town.told_of(candidate)
    town.later(minutes=55)
    assert (town.row(candidate).state, town.cards) == (State.WAITING, [])
    town.later(minutes=5)
    town.later(hours=3)
    row = town.row(candidate)
    assert (row.state, row.verdict.value) == (State.JUDGED, Value.UNJUDGED)
    assert town.writes == []
    assert len(town.cards) == 1


def test_a_failing_call_costs_its_own_candidate_and_the_next_sweep_judges_it() -> None:
    town = res_town()
    served(town)
    first, second = town.candidate("churn-41", "0.911"), town.candidate("churn-42", "0.911")
    error = TransientAwsError("Rate exceeded", code="ThrottlingException")
    town.world.fault = failing("DescribeTrainingJob", error, holding="churn-41")
    report = town.later(minutes=5)
    assert [each["where"] for each in report["failures"]] == ["us-east-1/churn/2"]
    assert (town.found(first), town.row(second).state) == (None, State.WRITTEN)
    town.world.fault = None
    town.later(minutes=5)
    assert town.row(first).state is State.WRITTEN


def test_a_failing_call_of_an_event_raises_so_that_lambda_brings_it_again() -> None:
    town = res_town()
    candidate = town.candidate("churn-41", "0.911")
    town.world.fault = failing("DescribeModelPackage", TransientAwsError("down", code="InternalFailure"))
    with pytest.raises(TransientAwsError):
        town.told_of(candidate)


def test_packages_of_other_groups_and_of_no_group_are_nobodys_business() -> None:
    town = res_town()
    other = town.candidate("fraud-3", "0.9", group="fraud")
    town.world.calls.clear()
    town.told_of(other)
    event = package_event(other)
    detail = {**event["detail"], "ModelPackageArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model-package/bought"}
    town.invoke({**event, "detail": {**detail, "ModelPackageGroupName": None}})
    assert (town.found(other), town.world.calls) == (None, [])


def test_an_old_candidate_that_was_never_judged_is_left_alone_by_the_sweep() -> None:
    town = res_town()
    served(town)
    old = town.candidate("churn-41", "0.911", created_at=town.clock() - timedelta(days=31))
    young = town.candidate("churn-42", "0.911", created_at=town.clock() - timedelta(days=29))
    town.sweep()
    assert (town.found(old), town.row(young).state) == (None, State.WRITTEN)


# --- what it cost -----------------------------------------------------------------------------------------------------


def test_failed_and_stopped_jobs_count_as_spend_without_gain_since_the_last_promotion() -> None:
    town = res_town()
    served(town)
    for name, status in (("churn-39", "Failed"), ("churn-40", "Stopped")):
        town.told_of_training(town.trained(name, status=status, hours=2))
    outcomes = {cost.outcome for cost in town.breaker().judgements.costs_of_model(ACCOUNT, "churn", town.clock())}
    assert outcomes == {Outcome.FAILED, Outcome.STOPPED}
    candidate = town.candidate("churn-41", "0.911")
    town.told_of(candidate)
    cost = town.row(candidate).verdict.cost
    assert cost is not None
    assert (f"{cost.usd:.2f}", f"{cost.all_candidates_usd:.2f}") == ("252.51", "353.52")


def test_a_child_of_a_tuning_job_costs_what_its_tuning_job_cost() -> None:
    town = res_town()
    served(town)
    tuner = town.world.tune("tuner", age=timedelta(hours=2), tags=TAGS)
    children = [town.world.child_of(tuner, age=timedelta(hours=2)) for _ in range(3)]
    for child in children:
        town.world.end(child)
    best = children[1].name
    town.models.train(best, {"validation:auc": "0.911"}, {"validation": VALIDATION})
    candidate = town.models.register(job=best)
    town.told_of(candidate)
    assert town.row(candidate).state is State.WAITING  # the tuning job goes on
    town.world.end(tuner)
    town.later(minutes=5)
    row = town.row(candidate)
    assert (usd(row), row.runs) == ("151.51", (f"{ACCOUNT}/us-east-1/tuning/tuner",))


def test_all_jobs_of_a_pipeline_execution_are_summed() -> None:
    town = res_town()
    served(town)
    town.trained("prepare", hours=1)
    town.trained("train", "0.911", hours=2)
    town.models.executions[EXECUTION] = [(Service.TRAINING, "prepare"), (Service.TRAINING, "train")]
    candidate = town.models.register(job="train", generated_by=EXECUTION)
    town.told_of(candidate)
    row = town.row(candidate)
    assert (usd(row), row.run, len(row.runs)) == ("75.75", EXECUTION, 2)
    assert row.verdict.cost is not None
    assert row.verdict.cost.what == "all 2 jobs of its pipeline execution"


def test_an_ec2_run_is_joined_by_the_run_that_the_package_names() -> None:
    town = res_town()
    served(town)
    tags = {"Purpose": "training", "costwatch:run": "churn-weekly", "model": "churn", "team": "risk"}
    machine = town.world.launch(age=timedelta(hours=4), tags=tags)
    town.sweep_runs()
    metadata = {"costwatch:run": "churn-weekly", "costwatch:baseline": "0.912", "costwatch:candidate": "0.911"}
    candidate = town.models.register(metadata=metadata)
    town.told_of(candidate)
    assert town.row(candidate).state is State.WAITING
    town.clock.forward(minutes=5)
    town.world.end(machine)
    town.sweep_runs()
    town.sweep()
    row = town.row(candidate)
    assert (row.state, row.run) == (State.WRITTEN, f"{ACCOUNT}/us-east-1/run/churn-weekly")
    assert row.verdict.cause is Cause.NO_GAIN
    assert row.team == "risk"


def test_a_run_that_trains_every_week_under_one_name_costs_each_candidate_its_own_week() -> None:
    town = res_town()
    served(town)
    tags = {"Purpose": "training", "costwatch:run": "churn-weekly"}
    numbers = {"costwatch:baseline": "0.912", "costwatch:candidate": "0.911", "costwatch:run": "churn-weekly"}
    costs = []
    for hours in (4, 2):
        machine = town.world.launch(tags=tags)
        town.sweep_runs()
        town.clock.forward(hours=hours)
        candidate = town.models.register(metadata=numbers)
        town.clock.forward(minutes=10)  # the machine ends after it has registered its model
        town.world.end(machine)
        town.sweep_runs()
        town.sweep()
        costs.append(usd(town.row(candidate)))
        town.clock.forward(days=7)
    assert costs == ["91.49", "47.57"]


def test_a_candidate_that_is_judged_late_does_not_pay_for_the_week_after_it() -> None:
    town = res_town()
    served(town)
    tags = {"Purpose": "training", "costwatch:run": "churn-weekly"}
    numbers = {"costwatch:baseline": "0.912", "costwatch:candidate": "0.911", "costwatch:run": "churn-weekly"}
    first = None
    for hours in (4, 2):
        machine = town.world.launch(tags=tags)
        town.sweep_runs()
        town.clock.forward(hours=hours)
        first = first or town.models.register(metadata=numbers)
        town.world.end(machine)
        town.sweep_runs()
        town.clock.forward(days=7)
    town.sweep()
    assert first is not None
    assert usd(town.row(first)) == "87.83"  # 4 h


def test_a_run_of_which_nothing_is_booked_makes_no_free_candidate() -> None:
    town = res_town()
    served(town)
    numbers = {"costwatch:baseline": "0.912", "costwatch:candidate": "0.95"}
    candidate = town.models.register(metadata={"costwatch:run": "on-a-laptop", **numbers})
    town.later(minutes=5)
    town.later(hours=1)
    row = town.row(candidate)
    assert (row.state, row.verdict.cause) == (State.JUDGED, Cause.NO_COST)
    assert "on-a-laptop" in row.verdict.reason


def test_a_model_of_two_containers_costs_what_both_cost_and_nothing_is_known_of_half_of_it() -> None:
    town = res_town()
    served(town)
    town.trained("prepare", hours=1)
    both = town.candidate("churn-41", "0.911", hours=2)
    both = replace(both, artifacts=(artifact_of("prepare"), *both.artifacts))
    half = replace(town.candidate("churn-42", "0.911"), artifacts=(artifact_of("churn-42"), "s3://models/by-hand"))
    for package in (both, half):
        town.models.packages[package.arn] = package
        town.told_of(package)
    assert usd(town.row(both)) == "75.75"
    assert (town.row(half).state, usd(town.row(half))) == (State.WAITING, "unknown")


# --- how good it is ---------------------------------------------------------------------------------------------------


def test_different_data_is_unjudged_and_nothing_is_rejected_by_it() -> None:
    town = res_town()
    served(town)
    town.models.put(VALIDATION, "another")
    candidate = town.candidate("churn-41", "0.5")
    town.told_of(candidate)
    row = town.row(candidate)
    assert (row.state, row.verdict.value, row.verdict.cause) == (State.JUDGED, Value.UNJUDGED, Cause.DIFFERENT_DATA)
    assert town.writes == []


def test_what_serves_is_held_to_what_it_was_measured_on_when_it_was_judged() -> None:
    town = res_town()
    serving = served(town)
    town.models.put(VALIDATION, "changed since")
    row = town.row(serving)
    assert row.evaluation is not None
    assert row.evaluation.data == EvaluationData(VALIDATION, ETAG)
    candidate = town.candidate("churn-41", "0.95")
    town.told_of(candidate)
    assert town.row(candidate).verdict.cause is Cause.DIFFERENT_DATA


def test_what_a_candidate_was_measured_on_is_never_read_again_for_the_same_readings() -> None:
    """The weekly file is written over, and the hourly second look does not take it for what was read."""
    town = res_town()
    first = town.candidate("churn-38", "0.95")
    town.told_of(first)
    town.clock.forward(days=7)
    town.models.put(VALIDATION, "week 2")
    town.sweep()
    row = town.row(first)
    assert row.evaluation is not None
    assert (row.evaluation.data, row.judged_at) == (EvaluationData(VALIDATION, ETAG), town.clock())
    town.told_of(town.models.decide(first.arn, ApprovalStatus.APPROVED))
    town.clock.forward(days=1)
    harder = town.candidate("churn-41", "0.93")
    town.told_of(harder)
    assert town.row(harder).verdict.cause is Cause.DIFFERENT_DATA


@pytest.mark.parametrize(("seconds", "cause"), [(0, Cause.NO_GAIN), (1, Cause.DIFFERENT_DATA)])
def test_data_that_was_written_again_after_the_job_began_is_not_known_any_more(seconds: int, cause: Cause) -> None:
    town = res_town()
    town.serving("churn-38", "0.912", hours=10)
    town.models.put(VALIDATION, ETAG, town.clock() - timedelta(hours=10) + timedelta(seconds=seconds))
    town.clock.forward(days=7)
    candidate = town.candidate("churn-41", "0.911")
    town.sweep()
    assert town.row(candidate).verdict.cause is cause


@pytest.mark.parametrize(("seconds", "known"), [(0, True), (1, False)])
def test_data_that_was_written_again_after_a_package_named_it_is_not_known_any_more(seconds: int, known: bool) -> None:
    town = res_town(model={"metric": "auc"})
    served(town)
    town.models.objects["s3://metrics/41.json"] = {"binary_classification_metrics": {"auc": {"value": 0.9}}}
    data = {"costwatch:evaluation-data": "s3://data/holdout.csv"}
    candidate = town.candidate("churn-41", statistics_uri="s3://metrics/41.json", metadata=data)
    town.clock.forward(seconds=seconds)
    town.models.put("s3://data/holdout.csv", "e1")
    town.told_of(candidate)
    evaluation = town.row(candidate).evaluation
    assert evaluation is not None
    assert (evaluation.data is not None) is known


def test_both_numbers_of_the_caller_are_on_the_same_data_whatever_the_channels_say() -> None:
    town = res_town()
    served(town)
    town.models.put(VALIDATION, "another")
    numbers = {"costwatch:baseline": "0.912", "costwatch:candidate": "0.911"}
    candidate = town.candidate("churn-41", "0.5", metadata=numbers)
    town.told_of(candidate)
    row = town.row(candidate)
    assert (row.state, row.verdict.cause, row.gain) == (State.WRITTEN, Cause.NO_GAIN, Decimal("-0.001"))


def test_a_standard_error_of_the_caller_makes_a_small_gain_noise() -> None:
    town = res_town()
    served(town)
    numbers = {"costwatch:baseline": "0.912", "costwatch:candidate": "0.913", "costwatch:standard-error": "0.001"}
    candidate = town.candidate("churn-41", metadata=numbers)
    town.told_of(candidate)
    assert town.row(candidate).verdict.cause is Cause.WITHIN_NOISE


def test_the_packages_own_metrics_come_before_those_of_its_job() -> None:
    town = res_town(model={"metric": "auc"})
    uri = "s3://metrics/41/statistics.json"
    report = {"binary_classification_metrics": {"auc": {"value": 0.911, "standard_deviation": 0.0}}}
    town.models.objects[uri] = report
    town.models.put("s3://data/holdout.csv", "e1", town.clock() - timedelta(days=30))
    data = {"costwatch:evaluation-data": "s3://data/holdout.csv"}
    town.trained("churn-38")
    serving = town.models.register(job="churn-38", statistics_uri=uri, metadata=data)
    town.told_of(town.models.decide(serving.arn, ApprovalStatus.APPROVED))
    candidate = town.candidate("churn-41", statistics_uri=uri, metadata=data)
    town.told_of(candidate)
    row = town.row(candidate)
    assert row.evaluation is not None
    assert (row.evaluation.source, row.verdict.cause) == ("the package's ModelMetrics", Cause.NO_GAIN)
    assert row.evaluation.data == EvaluationData("s3://data/holdout.csv", "e1")


def test_metrics_of_the_package_are_on_no_known_data_unless_it_says_on_which() -> None:
    """What an evaluation step measured on is its own business, and no channel of the training job."""
    town = res_town(model={"metric": "auc"})
    for number, auc, test_set in ((38, 0.95, "a"), (41, 0.93, "b")):
        uri = f"s3://metrics/{test_set}/{number}.json"
        town.models.objects[uri] = {"binary_classification_metrics": {"auc": {"value": auc}}}
        package = town.candidate(f"churn-{number}", statistics_uri=uri)
        town.told_of(package if number == 41 else town.models.decide(package.arn, ApprovalStatus.APPROVED))
        town.clock.forward(days=1)
    row = town.row(package)
    assert (row.state, row.verdict.cause, town.writes) == (State.JUDGED, Cause.DIFFERENT_DATA, [])
    assert row.evaluation is not None
    assert row.evaluation.data is None


@pytest.mark.parametrize(
    ("auc", "metadata", "said"),
    [
        ("", {}, "has no metric validation:auc"),
        ("NaN", {}, "expected a finite number"),
        ("0.91", {"costwatch:baseline": "0.9", "costwatch:candidate": "inf"}, "expected a finite number"),
        ("0.91", {"costwatch:baseline": "high", "costwatch:candidate": "0.9"}, "expected a number"),
        ("0.91", {"costwatch:sample-size": "many"}, "expected a number"),
        ("0.91", {"costwatch:sample-size": "12.5"}, "expected a whole number"),
        ("0.91", {"costwatch:differences": "s3://nowhere/d.json"}, "does not exist"),
    ],
)
def test_a_metric_that_is_none_is_unjudged_with_a_sentence(auc: str, metadata: dict[str, str], said: str) -> None:
    town = res_town()
    served(town)
    candidate = town.candidate("churn-41", auc, metadata=metadata)
    town.told_of(candidate)
    row = town.row(candidate)
    assert (row.state, row.verdict.value, row.verdict.cause) == (State.JUDGED, Value.UNJUDGED, Cause.NO_METRIC)
    assert said in row.verdict.reason


def test_metrics_that_may_not_be_read_are_named_and_reject_nothing() -> None:
    town = res_town()
    served(town)
    denied = PermanentAwsError("s3://other/m.json: AccessDenied", code="AccessDenied")
    town.world.fault = failing("GetObject", denied)
    candidate = town.candidate("churn-41", statistics_uri="s3://other/m.json")
    town.told_of(candidate)
    row = town.row(candidate)
    assert (row.state, row.verdict.cause) == (State.JUDGED, Cause.NO_METRIC)
    assert "AccessDenied" in row.verdict.reason


def test_metrics_of_the_package_that_lack_the_metric_leave_it_to_the_job() -> None:
    town = res_town()
    served(town)
    uri = "s3://metrics/41/statistics.json"
    town.models.objects[uri] = {"binary_classification_metrics": {"f1": {"value": 0.5}}}
    candidate = town.candidate("churn-41", "0.911", statistics_uri=uri)
    town.told_of(candidate)
    row = town.row(candidate)
    assert row.evaluation is not None
    assert (row.evaluation.source, row.verdict.cause) == ("training job churn-41", Cause.NO_GAIN)


def test_without_a_worth_and_a_minimum_nothing_is_rejected() -> None:
    town = res_town(model={"worth": None})
    served(town)
    candidate = town.candidate("churn-41", "0.9121")
    town.told_of(candidate)
    assert (town.row(candidate).state, town.row(candidate).verdict.cause) == (State.JUDGED, Cause.NO_MEASURE)


def test_what_could_not_be_judged_is_looked_at_again_once_an_hour_and_said_again_for_another_reason_only() -> None:
    town = res_town()
    served(town)
    candidate = town.candidate("churn-41")
    town.told_of(candidate)
    town.world.calls.clear()
    town.later(minutes=30)
    assert [call for call in town.world.calls if call[0] == "DescribeTrainingJob"] == []
    town.later(minutes=30)
    assert len(town.cards) == 1
    town.models.train("churn-41", {"validation:auc": "0.911"}, {"validation": VALIDATION})
    town.later(hours=1)
    assert town.row(candidate).verdict.cause is Cause.NO_GAIN
    assert len(town.cards) == 2
    assert artifact_of("churn-41") == town.row(candidate).artifact


def test_a_package_that_is_told_its_numbers_later_is_judged_at_once() -> None:
    town = res_town()
    served(town)
    candidate = town.candidate("churn-41")
    town.told_of(candidate)
    assert town.row(candidate).verdict.cause is Cause.NO_METRIC
    town.clock.forward(minutes=5)
    numbers = {"costwatch:baseline": "0.912", "costwatch:candidate": "0.911"}
    known = replace(town.now(candidate), metadata=numbers, modified_at=town.clock())
    town.models.packages[candidate.arn] = known
    town.told_of(candidate)
    assert town.row(candidate).verdict.cause is Cause.NO_GAIN


def test_what_could_not_be_judged_for_two_weeks_is_looked_at_no_more() -> None:
    town = res_town()
    served(town)
    candidate = town.candidate("churn-41")
    town.told_of(candidate)
    town.models.train("churn-41", {"validation:auc": "0.911"}, {"validation": VALIDATION})
    town.later(days=14, minutes=1)
    assert town.row(candidate).verdict.cause is Cause.NO_METRIC
    assert town.row(candidate).state is State.JUDGED


def test_how_long_models_served_before_is_the_median_of_at_least_three() -> None:
    town = res_town()
    for number, days in ((1, 10), (2, 20), (3, 60), (4, 5)):
        town.told_of(town.serving(f"churn-{number}", "0.9"))
        if number == 4:
            early = town.candidate("churn-early", "0.9")
            town.told_of(early)
            assert town.row(early).verdict.in_service == timedelta(days=20)
        elif number == 3:
            early = town.candidate("churn-too-early", "0.9")
            town.told_of(early)
            assert town.row(early).verdict.in_service == timedelta(days=30)  # one `over`: only two served before
        town.clock.forward(days=days)
