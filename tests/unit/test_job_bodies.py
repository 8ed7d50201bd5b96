"""Request bodies of SageMaker's Create calls: what of them costs money, and what is wrong with a body, by its path."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costwatch.core.estimator import InstanceGroup, JobSpec, Volume
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.quote import quote
from costwatch.errors import InputError
from costwatch.intake import job_bodies
from costwatch.intake.job_bodies import job_of, parsed
from tests.support.priced import HOUR, P4D, Priced

REGION = "us-east-1"
DAY_NOTE = "no MaxRuntimeInSeconds is set: SageMaker's default of 1 day is taken"
TRAINING: dict[str, Any] = {
    "TrainingJobName": "churn-bert",
    "AlgorithmSpecification": {"TrainingImage": "registry/pytorch-training:2.3", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceType": P4D, "InstanceCount": 2, "VolumeSizeInGB": 100},
    "StoppingCondition": {"MaxRuntimeInSeconds": 43200},
}
PROCESSING: dict[str, Any] = {
    "ProcessingJobName": "features",
    "AppSpecification": {"ImageUri": "registry/sklearn:1"},
    "ProcessingResources": {
        "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 3, "VolumeSizeInGB": 30}
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}
DEFINITION = {
    "AlgorithmSpecification": {"TrainingImage": "registry/xgboost:1"},
    "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
}
TUNING: dict[str, Any] = {
    "HyperParameterTuningJobName": "search",
    "HyperParameterTuningJobConfig": {
        "Strategy": "Bayesian",
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 4},
    },
    "TrainingJobDefinition": DEFINITION,
}


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with `value` at a dotted path; None takes the key away."""
    copy: dict[str, Any] = json.loads(json.dumps(body))
    *parents, last = path.split(".")
    at = copy
    for name in parents:
        at = at[name]
    at[last] = value
    if value is None:
        del at[last]
    return copy


def spec_of(body: dict[str, Any]) -> JobSpec:
    part = job_of(body, REGION)
    (spec,) = part.choices
    return spec


# --- training ----------------------------------------------------------------------------------------


def test_a_training_job_is_its_instances_its_limit_and_its_volume() -> None:
    part = job_of(TRAINING, REGION)
    assert (part.name, part.kind, part.image) == ("churn-bert", "Training", "registry/pytorch-training:2.3")
    assert part.choices == (JobSpec(Service.TRAINING, REGION, (InstanceGroup(P4D, 2),), 12 * HOUR, volume=Volume(100)),)
    assert part.notes == ()


@pytest.mark.parametrize("condition", [None, {}, {"MaxWaitTimeInSeconds": 90_000}, {"MaxRuntimeInSeconds": None}])
def test_without_a_limit_sagemakers_default_of_a_day_is_taken_and_said(condition: Any) -> None:
    part = job_of(changed(TRAINING, "StoppingCondition", condition), REGION)
    assert part.choices[0].max_runtime == timedelta(days=1)
    assert part.notes == (DAY_NOTE,)


def test_a_heterogeneous_cluster_is_all_its_groups() -> None:
    groups = [
        {"InstanceType": P4D, "InstanceCount": 2, "InstanceGroupName": "gpu"},
        {"InstanceType": "ml.c5.9xlarge", "InstanceCount": 3, "InstanceGroupName": "cpu"},
    ]
    spec = spec_of(changed(TRAINING, "ResourceConfig", {"InstanceGroups": groups}))
    assert spec.groups == (InstanceGroup(P4D, 2), InstanceGroup("ml.c5.9xlarge", 3))


def test_of_several_acceptable_types_the_dearest_is_taken_and_that_is_said() -> None:
    asked = [{"InstanceType": "ml.g5.xlarge"}, {"InstanceType": P4D}, {"InstanceType": "ml.g5.12xlarge"}]
    body = changed(TRAINING, "ResourceConfig", {"InstancePreferences": asked, "InstanceCount": 2})
    part = job_of(body, REGION)
    assert part.notes == ("3 acceptable instance types, and the dearest is taken",)
    made = quote([part], Priced())
    assert made.worst_case_usd == Decimal("606.030864")
    asked[0]["InstanceType"] = "ml.p9.48xlarge"
    body = changed(TRAINING, "ResourceConfig", {"InstancePreferences": asked, "InstanceCount": 2})
    assert quote([job_of(body, REGION)], Priced()).worst_case_usd is None, "what nobody can price may be the dearest"


def test_each_acceptable_type_may_have_its_own_count_and_training_plan() -> None:
    plan = "arn:aws:sagemaker:us-east-1:111122223333:training-plan/p"
    asked = [
        {"InstanceType": P4D, "InstanceCount": 1, "TrainingPlanArns": [plan]},
        {"InstanceType": "ml.g5.xlarge", "InstanceCount": 8},
    ]
    one, other = job_of(changed(TRAINING, "ResourceConfig", {"InstancePreferences": asked}), REGION).choices
    assert (one.groups, one.purchase) == ((InstanceGroup(P4D, 1),), PurchaseOption.CAPACITY_BLOCK)
    assert (other.groups, other.purchase) == ((InstanceGroup("ml.g5.xlarge", 8),), PurchaseOption.ON_DEMAND)


def test_warm_pools_training_plans_and_managed_spot_are_read() -> None:
    spec = spec_of(changed(TRAINING, "ResourceConfig.KeepAlivePeriodInSeconds", 1800))
    assert spec.warm_pool == timedelta(minutes=30)
    plan = "arn:aws:sagemaker:us-east-1:111122223333:training-plan/p"
    assert spec_of(changed(TRAINING, "ResourceConfig.TrainingPlanArn", plan)).purchase is PurchaseOption.CAPACITY_BLOCK
    assert spec_of({**TRAINING, "EnableManagedSpotTraining": True}).purchase is PurchaseOption.SPOT
    assert spec_of({**TRAINING, "EnableManagedSpotTraining": False}).purchase is PurchaseOption.ON_DEMAND


def test_a_serverless_job_is_unknown_and_not_free() -> None:
    body = {"TrainingJobName": "tune", "ServerlessJobConfig": {"JobType": "FineTuning"}}
    made = quote([job_of(body, REGION)], Priced())
    assert (made.expected_usd, made.worst_case_usd) == (None, None)
    assert made.unpriced == ("tune: a serverless job is not billed by the instance",)


def test_debugger_rules_with_instances_of_their_own_are_said_not_to_be_counted() -> None:
    rules = [{"RuleConfigurationName": "own", "RuleEvaluatorImage": "x", "InstanceType": "ml.m5.xlarge"}]
    assert job_of({**TRAINING, "DebugRuleConfigurations": rules}, REGION).notes == (
        "debugger rules with instances of their own are not counted",
    )


# --- tuning ------------------------------------------------------------------------------------------


def test_a_tuning_job_is_its_definition_as_often_as_its_limits_allow() -> None:
    spec = spec_of(TUNING)
    assert (spec.service, spec.jobs, spec.parallel, spec.total_runtime) == (Service.TUNING, 20, 4, None)
    assert (spec.groups, spec.max_runtime) == ((InstanceGroup("ml.g5.xlarge", 1),), 2 * HOUR)
    limits = {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 4, "MaxRuntimeInSeconds": 3600}
    capped = changed(TUNING, "HyperParameterTuningJobConfig.ResourceLimits", limits)
    assert spec_of(capped).total_runtime == HOUR


def test_of_several_definitions_the_dearest_stands_for_all_jobs() -> None:
    dear = changed(DEFINITION, "ResourceConfig.InstanceType", "ml.g5.12xlarge")
    body = {**changed(TUNING, "TrainingJobDefinition", None), "TrainingJobDefinitions": [DEFINITION, dear]}
    part = job_of(body, REGION)
    assert part.notes == ("2 job definitions or instance configurations: the dearest stands for all jobs",)
    assert quote([part], Priced()).worst_case_usd == 20 * 2 * Decimal("7.09")


def test_of_several_instance_configurations_the_dearest_stands_for_all_jobs() -> None:
    configs = [
        {"InstanceType": name, "InstanceCount": 1, "VolumeSizeInGB": 10} for name in ("ml.g5.xlarge", "ml.g5.12xlarge")
    ]
    definition = {
        **changed(DEFINITION, "ResourceConfig", None),
        "HyperParameterTuningResourceConfig": {"AllocationStrategy": "Prioritized", "InstanceConfigs": configs},
    }
    part = job_of({**TUNING, "TrainingJobDefinition": definition}, REGION)
    assert [spec.groups[0].instance_type for spec in part.choices] == ["ml.g5.xlarge", "ml.g5.12xlarge"]
    assert len(part.notes) == 1


def test_a_tuning_resource_config_may_name_one_type() -> None:
    own = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2}
    definition = {**changed(DEFINITION, "ResourceConfig", None), "HyperParameterTuningResourceConfig": own}
    assert spec_of({**TUNING, "TrainingJobDefinition": definition}).groups == (InstanceGroup("ml.g5.xlarge", 2),)


def test_a_tuning_job_without_a_number_of_jobs_is_bounded_by_its_runtime_or_unknown() -> None:
    limits = "HyperParameterTuningJobConfig.ResourceLimits"
    part = job_of(changed(TUNING, limits, {"MaxParallelTrainingJobs": 4, "MaxRuntimeInSeconds": 36_000}), REGION)
    assert part.notes == ("no MaxNumberOfTrainingJobs: as many as fit into its 10 h",)
    assert quote([part], Priced()).worst_case_usd == 40 * Decimal("1.408")
    short = replace(part, choices=(replace(part.choices[0], expected_runtime=HOUR),))
    assert quote([short], Priced()).expected_usd == 40 * Decimal("1.408"), "the shorter, the more of them"
    part = job_of(changed(TUNING, limits, {"MaxParallelTrainingJobs": 4}), REGION)
    assert part.unpriced.startswith("neither MaxNumberOfTrainingJobs nor MaxRuntimeInSeconds")
    assert quote([part], Priced()).expected_usd is None


# --- processing --------------------------------------------------------------------------------------


def test_a_processing_job_is_its_cluster_and_its_limit() -> None:
    part = job_of(PROCESSING, REGION)
    assert (part.name, part.kind, part.image) == ("features", "Processing", "registry/sklearn:1")
    assert part.choices == (
        JobSpec(Service.PROCESSING, REGION, (InstanceGroup("ml.m5.xlarge", 3),), HOUR, volume=Volume(30)),
    )
    one = changed(PROCESSING, "ProcessingResources.ClusterConfig.InstanceCount", None)
    assert spec_of(one).groups == (InstanceGroup("ml.m5.xlarge", 1),), "the API's default"
    assert job_of(changed(PROCESSING, "StoppingCondition", None), REGION).notes == (DAY_NOTE,)


# --- what is wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "path", "value", "says"),
    [
        (
            TRAINING,
            "ResourceConfig.InstanceCount",
            True,
            "ResourceConfig.InstanceCount: expected a whole number, 1 to 100,000, got True",
        ),
        (
            TRAINING,
            "ResourceConfig.InstanceCount",
            "2",
            "ResourceConfig.InstanceCount: expected a whole number, 1 to 100,000, got '2'",
        ),
        (
            TRAINING,
            "ResourceConfig.InstanceCount",
            2.0,
            "ResourceConfig.InstanceCount: expected a whole number, 1 to 100,000, got 2.0",
        ),
        (
            TRAINING,
            "ResourceConfig.InstanceCount",
            0,
            "ResourceConfig.InstanceCount: expected a whole number, 1 to 100,000, got 0",
        ),
        (TRAINING, "ResourceConfig.InstanceCount", -1, "ResourceConfig.InstanceCount: expected a whole number"),
        (
            TRAINING,
            "ResourceConfig.InstanceCount",
            None,
            "ResourceConfig.InstanceCount is missing; expected a whole number",
        ),
        (
            TRAINING,
            "ResourceConfig.InstanceType",
            None,
            "ResourceConfig.InstanceType is missing; expected an instance type",
        ),
        (TRAINING, "ResourceConfig.InstanceType", 4, "ResourceConfig.InstanceType: expected text, got 4"),
        (
            TRAINING,
            "ResourceConfig.InstanceType",
            "p4d.24xlarge",
            "ResourceConfig.InstanceType: expected an instance type that begins with ml., got 'p4d.24xlarge'",
        ),
        (
            TRAINING,
            "ResourceConfig.VolumeSizeInGB",
            "100",
            "ResourceConfig.VolumeSizeInGB: expected a whole number, 0 to 65,536, got '100'",
        ),
        (
            TRAINING,
            "ResourceConfig.KeepAlivePeriodInSeconds",
            30_000,
            "ResourceConfig.KeepAlivePeriodInSeconds: expected a whole number, 0 to 21,600, got 30000",
        ),
        (
            TRAINING,
            "ResourceConfig",
            None,
            "ResourceConfig is missing; expected an object with InstanceType and InstanceCount",
        ),
        (TRAINING, "ResourceConfig", [], "ResourceConfig: expected an object, got of kind list"),
        (TRAINING, "ResourceConfig.InstanceGroups", {"a": 1}, "ResourceConfig.InstanceGroups: expected a list"),
        (
            TRAINING,
            "ResourceConfig.InstanceGroups",
            [{"InstanceType": P4D, "InstanceCount": 1}],
            "ResourceConfig: it names InstanceType and InstanceGroups; expected one of them",
        ),
        (
            TRAINING,
            "ResourceConfig",
            {"InstanceGroups": [{"InstanceType": P4D, "InstanceCount": 1}, 7]},
            "ResourceConfig.InstanceGroups[1]: expected an object, got 7",
        ),
        (
            TRAINING,
            "ResourceConfig",
            {"InstanceGroups": [{"InstanceType": P4D}]},
            "ResourceConfig.InstanceGroups[0].InstanceCount is missing",
        ),
        (
            TRAINING,
            "ResourceConfig",
            {"InstancePreferences": [{"InstanceType": P4D}]},
            "ResourceConfig.InstancePreferences[0].InstanceCount is missing",
        ),
        (
            TRAINING,
            "StoppingCondition.MaxRuntimeInSeconds",
            0,
            "StoppingCondition.MaxRuntimeInSeconds: expected a whole number, 1 to 2,419,200, got 0",
        ),
        (
            TRAINING,
            "StoppingCondition.MaxRuntimeInSeconds",
            10**30,
            "StoppingCondition.MaxRuntimeInSeconds: expected a whole number",
        ),
        (TRAINING, "StoppingCondition", "soon", "StoppingCondition: expected an object, got 'soon'"),
        (TRAINING, "EnableManagedSpotTraining", "yes", "EnableManagedSpotTraining: expected true or false, got 'yes'"),
        (TRAINING, "TrainingJobName", 3, "TrainingJobName: expected text, got 3"),
        (
            PROCESSING,
            "ProcessingResources",
            None,
            "ProcessingResources is missing; expected an object with ClusterConfig",
        ),
        (PROCESSING, "ProcessingResources.ClusterConfig", None, "ProcessingResources.ClusterConfig is missing"),
        (
            PROCESSING,
            "StoppingCondition.MaxRuntimeInSeconds",
            800_000,
            "StoppingCondition.MaxRuntimeInSeconds: expected a whole number, 1 to 777,600, got 800000",
        ),
        (TUNING, "HyperParameterTuningJobConfig", None, "HyperParameterTuningJobConfig is missing"),
        (
            TUNING,
            "HyperParameterTuningJobConfig.ResourceLimits",
            None,
            "HyperParameterTuningJobConfig.ResourceLimits is missing",
        ),
        (
            TUNING,
            "HyperParameterTuningJobConfig.ResourceLimits.MaxParallelTrainingJobs",
            None,
            "ResourceLimits.MaxParallelTrainingJobs is missing",
        ),
        (
            TUNING,
            "HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs",
            "20",
            "ResourceLimits.MaxNumberOfTrainingJobs: expected a whole number, 1 to 100,000, got '20'",
        ),
        (
            TUNING,
            "TrainingJobDefinition",
            None,
            "TrainingJobDefinition is missing; expected an object with ResourceConfig",
        ),
        (TUNING, "TrainingJobDefinition.ResourceConfig", None, "TrainingJobDefinition.ResourceConfig is missing"),
    ],
)
def test_a_malformed_body_is_one_sentence_with_the_path(body: Any, path: str, value: Any, says: str) -> None:
    with pytest.raises(InputError) as wrong:
        job_of(changed(body, path, value), REGION)
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_another_document_is_told_what_was_expected() -> None:
    with pytest.raises(InputError, match="expected the body of a CreateTrainingJob, Create"):
        job_of({"version": 1}, REGION)
    with pytest.raises(InputError, match="this is a pipeline definition and no job: give it with --pipeline"):
        job_of({"Version": "2020-12-01", "Steps": []}, REGION)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "job.json: line 1, column 1: no JSON: Expecting value"),
        (b"version: 1\nregions: []\n", "job.json: line 1, column 1: no JSON"),
        (b'{"ResourceConfig": {,}}', "job.json: line 1, column 21: no JSON"),
        (b"[]", "job.json: expected a JSON object, got of kind list"),
        (b"\xff\xfe\x00", "job.json: it is no text in UTF-8; expected JSON"),
        (b'{"a": NaN}', "job.json: no JSON: it has a number that is none or is too long"),
        (b'{"a": ' + b"9" * 5000 + b"}", "job.json: no JSON: it has a number that is none or is too long"),
        (b'{"a": ' + b"[" * 100_000, "job.json: it is nested too deeply"),
        (b" " * (job_bodies.LARGEST_BYTES + 1), "job.json: it is larger than 4 MiB; expected a request body"),
    ],
)
def test_a_file_that_is_no_body_is_one_sentence(raw: bytes, says: str) -> None:
    with pytest.raises(InputError) as wrong:
        parsed(raw, "job.json")
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_byte_order_mark_is_no_fault() -> None:
    assert parsed(b"\xef\xbb\xbf{}", "job.json") == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([P4D, 1, 3600]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PATHS = [
    "ResourceConfig", "ResourceConfig.InstanceType", "ResourceConfig.InstanceCount", "ResourceConfig.InstanceGroups",
    "ResourceConfig.InstancePreferences", "ResourceConfig.TrainingPlanArn", "StoppingCondition", "TrainingJobName",
    "AlgorithmSpecification", "EnableManagedSpotTraining", "DebugRuleConfigurations",
]  # fmt: skip


@given(st.sampled_from(PATHS), JSON)
@settings(deadline=None)
def test_whatever_stands_somewhere_it_is_a_job_or_one_sentence(path: str, value: Any) -> None:
    body = json.loads(json.dumps(TRAINING))
    at = body
    *parents, last = path.split(".")
    for name in parents:
        at = at[name]
    at[last] = value
    said = "a job"
    try:
        quote([job_of(body, REGION)], Priced())
    except InputError as error:
        said = str(error)
    assert 0 < len(said) < 400
