"""What an evaluation wrote, as metrics by name."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwatch.core import evaluation_report, gains
from costwatch.core.gains import Evaluation, Reading
from costwatch.core.res import Cause, Cost, Value, judge
from costwatch.core.res_policy import Direction, ModelRules
from costwatch.errors import InputError

WHERE = "s3://evaluations/41.json"


def read(document: Any) -> dict[str, Reading]:
    """As the adapter parses it."""
    text = json.dumps(document)
    return evaluation_report.readings(json.loads(text, parse_float=Decimal, parse_constant=Decimal), WHERE)


def metric(**entry: Any) -> dict[str, Any]:
    return {"binary_classification_metrics": {"auc": entry}}


def monitored(items: Any = 20_000, **entry: Any) -> dict[str, Any]:
    """As Model Monitor writes it."""
    return {"version": 0.0, "dataset": {"item_count": items}, **metric(**entry)}


def test_metrics_of_every_group_are_read_and_curves_passed_over() -> None:
    found = read(
        {
            "regression_metrics": {"mse": {"value": 4.9}},
            "multiclass_classification_metrics": {"accuracy": {"value": 1}, "confusion_matrix": {"0": {"0": 1}}},
            "binary_classification_metrics": {
                "receiver_operating_characteristic_curve": {"false_positive_rates": [0, 1]},
                "thresholds": [0.1, 0.2],
                "precisions": {"value": [0.1, 0.2]},
                "f1": 0.25,
            },
            "anything": {"else": 1},
        }
    )
    assert found == {"mse": Reading(Decimal("4.9")), "accuracy": Reading(Decimal(1)), "f1": Reading(Decimal("0.25"))}


def test_a_slice_has_metrics_and_a_sample_size_of_its_own() -> None:
    slices = {"country=DE": {"recall": {"value": 0.81}, "sample_size": 500}, "country=FR": {"recall": {"value": 0.7}}}
    found = read({**monitored(value=0.914), "slices": slices})
    assert found["recall@country=DE"] == Reading(Decimal("0.81"), sample_size=500)
    assert found["recall@country=FR"] == Reading(Decimal("0.7"))
    assert found["auc"].sample_size == 20_000
    assert sorted(found) == ["auc", "recall@country=DE", "recall@country=FR"]


# --- noise ----------------------------------------------------------------------------------------------------------


def test_model_monitors_deviation_of_draws_of_four_fifths_is_half_a_standard_error() -> None:
    assert read(monitored(value=0.914, standard_deviation=0.002))["auc"].standard_error == Decimal("0.004")


def test_anybody_elses_deviation_is_no_standard_error() -> None:
    assert read(metric(value=0.914, standard_deviation=0.002))["auc"].standard_error is None


@pytest.mark.parametrize("document", [metric, monitored])
def test_a_standard_error_is_taken_at_its_word(document: Any) -> None:
    found = read(document(value=0.914, standard_error=0.003, standard_deviation=0.002))
    assert found["auc"].standard_error == Decimal("0.003")


@pytest.mark.parametrize("said", ["NaN", float("nan"), float("inf"), 0, None])
def test_a_deviation_that_tells_nothing_is_not_known(said: Any) -> None:
    assert read(monitored(value=0.914, standard_deviation=said))["auc"] == Reading(Decimal("0.914"), sample_size=20_000)


def test_a_metric_may_have_been_measured_on_fewer_examples_than_the_rest() -> None:
    assert read(monitored(value=0.914, sample_size=300))["auc"].sample_size == 300


# --- what is no finite number ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "auc is NaN, expected a finite number"),
        ("NaN", "auc is NaN, expected a finite number"),
        (float("-inf"), "auc is -Infinity, expected a finite number"),
        ("0.914", "auc is the text '0.914', expected a finite number"),
        (True, "auc is true or false, expected a finite number"),
        (None, "auc is null, expected a finite number"),
        (1e300, "auc is 1E+300, which no metric is: expected less than 1e+15"),
    ],
)
def test_a_metric_that_is_no_finite_number_says_so_and_leaves_the_others(value: Any, said: str) -> None:
    document = metric(value=value)
    document["binary_classification_metrics"]["recall"] = {"value": 0.81}
    found = read(document)
    assert found["recall"] == Reading(Decimal("0.81"))
    assert found["auc"].value.is_nan()
    assert found["auc"].problem == f"{said} in {WHERE}"


@pytest.mark.parametrize("said", ["many", 0, -1, 1.5, True, float("nan"), 1e15])
def test_a_sample_size_is_a_whole_number_from_one(said: Any) -> None:
    assert "expected a whole number from 1 for auc" in read(metric(value=0.9, sample_size=said))["auc"].problem
    assert read(metric(value=0.9, sample_size=1))["auc"].sample_size == 1


def test_a_negative_standard_error_is_a_problem() -> None:
    assert "expected 0 or more for auc" in read(metric(value=0.9, standard_error=-0.1))["auc"].problem


def test_a_metric_of_two_groups_must_be_the_same_in_both() -> None:
    same = {"a_metrics": {"auc": {"value": 0.9}}, "b_metrics": {"auc": {"value": 0.90}}}
    assert read(same)["auc"] == Reading(Decimal("0.9"))
    same["b_metrics"]["auc"]["value"] = 0.8
    assert read(same)["auc"].problem == f"auc is 0.9 and 0.8, expected one of the two in {WHERE}"


def test_a_metric_without_a_name_is_passed_over() -> None:
    assert list(read({"a_metrics": {"": {"value": 1}, "auc": {"value": 0.9}}})) == ["auc"]


def test_a_metric_and_a_slice_that_go_by_one_name_must_be_the_same_too() -> None:
    both: Any = {"ranking_metrics": {"recall@10": {"value": 0.91}}, "slices": {"10": {"recall": {"value": 0.4}}}}
    assert read(both)["recall@10"].problem == f"recall@10 is 0.91 and 0.4, expected one of the two in {WHERE}"
    both["slices"]["10"]["recall"]["value"] = 0.91
    assert read(both)["recall@10"] == Reading(Decimal("0.91"))


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([1], f"{WHERE} is a list, expected an object such as"),
        (4.9, f"{WHERE} is a number, expected"),
        ({}, f"{WHERE} has no metric, expected"),
        ({"auc": 0.9}, f"{WHERE} has no metric, expected"),
        ({"regression_metrics": {"curve": {"x": [1]}}}, f"{WHERE} has no metric, expected"),
        ({"regression_metrics": [1]}, f"regression_metrics in {WHERE} is a list, expected"),
        ({"slices": []}, f"slices in {WHERE} is a list, expected"),
        ({"slices": {"country=DE": 1}}, f"slice country=DE in {WHERE} is a number, expected its metrics by name"),
    ],
)
def test_a_document_of_another_shape_is_refused(document: Any, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        read(document)
    assert str(error.value).startswith(sentence)


# --- asking for it --------------------------------------------------------------------------------------------------


def test_whoever_asks_for_a_metric_that_is_no_number_hears_so_and_nothing_is_rejected() -> None:
    rules = ModelRules("churn", "churn", "auc", Direction.MAXIMIZE)
    ours = Evaluation(read(metric(value="NaN")), source="the package's ModelMetrics")
    theirs = Evaluation({"auc": Reading(Decimal("0.912"))})
    found = judge(ours, theirs, Cost(Decimal(3200)), rules, same_data=True)
    assert (found.value, found.cause) == (Value.UNJUDGED, Cause.NO_METRIC)
    assert found.reason == f"the candidate: auc is NaN, expected a finite number in {WHERE}"


def test_a_baseline_that_lost_its_problem_on_the_way_is_still_no_number() -> None:
    rules = ModelRules("churn", "churn", "auc", Direction.MAXIMIZE)
    ours = Evaluation({"auc": Reading(Decimal("0.914"))})
    theirs = Evaluation({"auc": Reading(Decimal("NaN"))})
    found = judge(ours, theirs, Cost(Decimal(3200)), rules, same_data=True)
    assert (found.value, found.reason) == (Value.UNJUDGED, "what serves: auc is NaN, expected a finite number")


def test_a_final_metric_is_a_reading_or_a_problem() -> None:
    assert gains.reading("0.914", "auc", "training job j") == Reading(Decimal("0.914"))
    assert gains.reading("NaN", "auc", "training job j").problem.endswith("a finite number in training job j")


ODD = [
    None,
    True,
    0,
    -1,
    0.5,
    1e15,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "NaN",
    "x",
    [],
    [1],
    {},
    {"value": 1},
    10**30,
]
odd = st.sampled_from(ODD)
entries = odd | st.dictionaries(st.sampled_from(["value", "standard_error", "standard_deviation", "sample_size"]), odd)
groups = odd | st.dictionaries(st.sampled_from(["auc", "item_count", "sample_size"]), entries)


@given(
    st.dictionaries(
        st.sampled_from(["a_metrics", "b_metrics", "slices", "dataset", "item_count"]),
        groups | st.dictionaries(st.sampled_from(["country=DE", ""]), groups, max_size=2),
    )
    | odd
)
def test_any_document_gives_finite_readings_or_problems_or_one_clear_error(document: Any) -> None:
    try:
        found = read(document)
    except InputError as error:
        found = {}
        said = str(error)
    else:
        said = WHERE
    assert WHERE in said
    assert all(each.value.is_finite() or each.problem for each in found.values())
    assert all(each.sample_size is None or each.sample_size >= 1 for each in found.values())
