"""A pipeline's definition: every step is priced, free or unknown; references are resolved, or known later."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costwatch.core.quote import Quote, quote
from costwatch.errors import InputError
from costwatch.intake.pipelines import steps_of
from tests.support.priced import Priced
from tests.unit.test_job_bodies import JSON, PROCESSING, TRAINING, TUNING

PARAMETERS = [
    {"Name": "Type", "Type": "String", "DefaultValue": "ml.g5.xlarge"},
    {"Name": "Size", "Type": "String", "DefaultValue": "12xlarge"},
    {"Name": "Count", "Type": "Integer", "DefaultValue": 2},
    {"Name": "Spot", "Type": "Boolean", "DefaultValue": False},
    {"Name": "Needed", "Type": "Integer"},
]


def get(name: str) -> dict[str, str]:
    return {"Get": f"Parameters.{name}"}


def train(name: str = "Train", **resources: Any) -> dict[str, Any]:
    """A step that takes at most an hour."""
    config = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, **resources}
    arguments = {"ResourceConfig": config, "StoppingCondition": {"MaxRuntimeInSeconds": 3600}}
    return {"Name": name, "Type": "Training", "Arguments": arguments}


def priced(*steps: Any, **given: str) -> Quote:
    body = {"Version": "2020-12-01", "Parameters": PARAMETERS, "Steps": list(steps)}
    return quote(steps_of(body, "us-east-1", given), Priced())


def step(kind: str, name: str = "", **arguments: Any) -> dict[str, Any]:
    return {"Name": name or kind, "Type": kind, "Arguments": arguments}


def test_every_step_that_runs_instances_is_priced_and_all_are_added_up() -> None:
    features = {**PROCESSING, "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.xlarge"}}}
    made = priced(
        step("Processing", "Features", **features),
        train(),
        step("Tuning", "Search", **TUNING),
        step("QualityCheck", "Data", **features),
        step("ClarifyCheck", "Bias", **features),
    )
    assert [each.worst_case_usd for each in made.parts] == [
        Decimal("0.23"),
        Decimal("1.408"),
        Decimal("56.32"),
        Decimal("0.23"),
        Decimal("0.23"),
    ]
    assert made.worst_case_usd == Decimal("58.418")
    assert made.unpriced == ()


@pytest.mark.parametrize("kind", ["Callback", "Lambda", "Fail", "RegisterModel", "Model", "EndpointConfig"])
def test_a_step_without_instances_adds_nothing_and_is_there(kind: str) -> None:
    made = priced(train(), {"Name": "Other", "Type": kind})
    assert made.parts[1].worst_case_usd == 0
    assert made.parts[1].estimate is None
    assert made.worst_case_usd == Decimal("1.408")


@pytest.mark.parametrize("kind", ["Transform", "EMR", "AutoML", "Endpoint", "Compilation", "SomethingNew"])
def test_a_step_that_nobody_here_can_price_is_unknown_and_never_free(kind: str) -> None:
    made = priced(train(), step(kind, "Other"))
    assert (made.hourly_usd, made.expected_usd, made.p90_usd, made.worst_case_usd, made.gpu_hours) == (None,) * 5
    assert made.unpriced == (f"Other: steps of type '{kind}' have no estimate",)
    assert made.confidence.value == "unknown"


def test_both_branches_of_a_condition_are_counted_and_that_is_said() -> None:
    inner = step("Condition", "Again", Conditions=[], IfSteps=[train("Third")], ElseSteps=[])
    made = priced(
        train("First"), step("Condition", "Good", Conditions=[], IfSteps=[train("Second")], ElseSteps=[inner])
    )
    assert [each.part.name for each in made.parts] == ["First", "Good", "Second", "Again", "Third"]
    assert made.worst_case_usd == 3 * Decimal("1.408")
    assert made.notes == (
        "Good: only one of its branches will run, and both are counted",
        "Again: its branch is counted, and may not run",
    )


def test_parameters_have_their_defaults_or_what_is_given() -> None:
    wanted = train(InstanceType=get("Type"), InstanceCount=get("Count"))
    assert priced(wanted).worst_case_usd == Decimal("2.816")
    assert priced(wanted, Count="3").worst_case_usd == Decimal("4.224")
    assert priced(wanted, Type="ml.g5.12xlarge").worst_case_usd == Decimal("14.18")


def test_text_may_be_joined_of_parameters() -> None:
    joined = {"Std:Join": {"On": ".", "Values": ["ml.g5", get("Size")]}}
    assert priced(train(InstanceType=joined)).worst_case_usd == Decimal("7.09")


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ({"Get": "Steps.Choose.OutputParameters['n']"}, "Steps.Choose.OutputParameters['n']"),
        ({"Get": "Execution.PipelineName"}, "Execution.PipelineName"),
        ({"Std:JsonGet": {"PropertyFile": {"Get": "Steps.A.PropertyFiles.B"}, "Path": "n"}}, "Std:JsonGet"),
    ],
)
def test_what_only_a_running_pipeline_knows_makes_its_step_unknown(value: Any, source: str) -> None:
    made = priced(train(InstanceCount=value), train("Other"))
    path = "Steps[0].Arguments.ResourceConfig.InstanceCount"
    assert made.unpriced == (f"Train: {path} is known only when the pipeline runs ({source})",)
    assert made.worst_case_usd is None
    assert made.parts[1].worst_case_usd == Decimal("1.408"), "what is known stays known"


def test_an_image_that_is_known_later_is_no_matter() -> None:
    wanted = train()
    wanted["Arguments"]["AlgorithmSpecification"] = {"TrainingImage": {"Get": "Steps.Build.Image"}}
    assert priced(wanted).worst_case_usd == Decimal("1.408")


def test_a_retry_policy_is_said_not_to_be_counted() -> None:
    made = priced({**train(), "RetryPolicies": [{"ExceptionType": ["Step.SERVICE_FAULT"], "MaxAttempts": 3}]})
    assert made.notes == ("its retry policy may start it again, and one run is counted",)


def test_a_create_pipeline_request_holds_the_definition_as_text() -> None:
    text = json.dumps({"Version": "2020-12-01", "Steps": [train()]})
    parts = steps_of({"PipelineName": "churn", "PipelineDefinition": text}, "us-east-1", {})
    assert [part.name for part in parts] == ["Train"]


@pytest.mark.parametrize(
    ("steps", "given", "says"),
    [
        ([], {}, "Steps is empty; expected one step or more"),
        ([7], {}, "Steps[0]: expected an object, got 7"),
        ([{"Type": "Training"}], {}, "Steps[0].Name is missing"),
        ([{"Name": "A"}], {}, "Steps[0].Type is missing; expected a step's type"),
        ([{"Name": "A", "Type": "Training"}], {}, "Steps[0].Arguments is missing; expected the body of the request"),
        ([train(), train()], {}, "two steps are called 'Train'; expected a name of its own for each"),
        (
            [train(InstanceCount=get("Needed"))],
            {},
            "Steps[0].Arguments.ResourceConfig.InstanceCount: Parameters.Needed has no DefaultValue; expected one, or "
            "--parameter Needed=VALUE",
        ),
        ([train(InstanceCount=get("Nobody"))], {}, "refers to Parameters.Nobody, which the pipeline does not have"),
        (
            [train(InstanceCount=get("Type"))],
            {},
            "InstanceCount: expected a whole number, 1 to 100,000, got 'ml.g5.xlarge'",
        ),
        ([train()], {"Cuont": "3"}, "no parameter 'Cuont'; expected one of: Type, Size, Count, Spot, Needed"),
        ([train()], {"Count": "three"}, "Count is of type Integer, and 'three' is none"),
        ([train()], {"Count": "2.5"}, "Count is of type Integer, and '2.5' is none"),
        ([train()], {"Count": "true"}, "Count is of type Integer, and 'true' is none"),
        ([train()], {"Spot": "1"}, "Spot is of type Boolean, and '1' is none"),
        (
            [train(InstanceType={"Std:Join": {"On": ".", "Values": [[], "x"]}})],
            {},
            "expected text to join, got of kind list",
        ),
        ([step("Condition", "C", IfSteps=[{"Name": "A"}])], {}, "Steps[0].Arguments.IfSteps[0].Type is missing"),
    ],
)
def test_a_malformed_definition_is_one_sentence_with_the_path(steps: Any, given: Any, says: str) -> None:
    with pytest.raises(InputError) as wrong:
        priced(*steps, **given)
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_job_given_as_a_pipeline_is_told_what_was_expected() -> None:
    with pytest.raises(InputError, match="Steps is missing; expected a pipeline definition"):
        steps_of(TRAINING, "us-east-1", {})


def test_what_every_execution_must_have_cannot_be_known_later() -> None:
    named = {**train(), "Name": {"Get": "Steps.A.B"}}
    with pytest.raises(
        InputError, match=r"Steps\[0\].Name is known only when the pipeline runs \(Steps.A.B\); expected"
    ):
        priced(named)


SLOTS = [
    ("Name",), ("Type",), ("Arguments",), ("RetryPolicies",), ("Arguments", "ResourceConfig"),
    ("Arguments", "ResourceConfig", "InstanceType"), ("Arguments", "ResourceConfig", "InstanceCount"),
    ("Arguments", "ResourceConfig", "InstanceGroups"), ("Arguments", "StoppingCondition"), ("Arguments", "IfSteps"),
]  # fmt: skip
REFERENCES: list[Any] = [
    get("Count"), get("Type"), get("Needed"), get("Nobody"), {"Get": "Steps.A.B"}, {"Std:Join": {"Values": ["x"]}},
    {"Std:Join": {"On": 3, "Values": [get("Spot")]}}, {"Std:Other": None}, {"Get": 3}, [{"Get": "Steps.A"}],
]  # fmt: skip
KINDS = st.sampled_from(["Training", "Condition", "Tuning", "Processing"])


@given(st.sampled_from(SLOTS), JSON | st.sampled_from(REFERENCES), KINDS)
@settings(deadline=None)
def test_whatever_stands_in_a_step_it_is_priced_or_one_sentence(slot: tuple[str, ...], value: Any, kind: str) -> None:
    changed = {**train(), "Type": kind}
    at = changed
    for name in slot[:-1]:
        at = at[name]
    at[slot[-1]] = value
    said = "priced"
    try:
        priced(changed)
    except InputError as error:
        said = str(error)
    assert 0 < len(said) < 400


def test_conditions_and_references_nested_without_end_are_refused() -> None:
    nested: Any = train()
    for number in range(60):
        nested = step("Condition", f"C{number}", IfSteps=[nested])
    with pytest.raises(InputError, match="nested too deeply"):
        priced(nested)
    value: Any = "x"
    for _ in range(2000):
        value = {"Std:Join": {"On": "", "Values": [value]}}
    with pytest.raises(InputError, match="nested too deeply"):
        priced(train(InstanceType=value))
