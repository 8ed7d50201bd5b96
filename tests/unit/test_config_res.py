"""The `res:` section of costwatch.yaml: what a valid one means, and how a wrong one is refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from costwatch.config import loader
from costwatch.core.modes import Mode
from costwatch.core.policy import Policy
from costwatch.core.res_policy import (
    BREAK_EVEN,
    STANDARD_ERRORS,
    Direction,
    GainKind,
    Guardrail,
    ModelRules,
    ResPolicy,
    RetrainPolicy,
    WhenTooDear,
    Worth,
)
from tests.support.refusals import TOP, refusal

D = Decimal
MODEL = "metric: auc, direction: maximize"
WORTH = "worth: {usd: 4000, per: 0.01, over: 30d}"
CHURN = "res.models.churn"
ABOVE_0 = "is not a number above 0, from 1e-9 to 1,000,000,000, such as 0.01"


def model(more: str, about: str = MODEL, name: str = "churn") -> str:
    return f"res: {{models: {{{name}: {{{about}, {more}}}}}}}"


def rail(more: str) -> str:
    return model(f"guardrails: [{{{more}}}]")


# Rows hold what comes after `version` (line 1) and `regions` (line 2), so their first line is line 3.
ONE_PROBLEM = {
    # keys and words
    "misspelt key": ("res:\n  when_to_dear: ask", 4, "res.when_to_dear", "unknown key"),
    "a key at the top": ("models: {}", 3, "models", "it belongs under res"),
    "not a mapping": ("res: warn", 3, "res", "'warn' is not a mapping"),
    "mode": ("res: {mode: ask}", 3, "res.mode", "'ask' is not one of off, observe, warn, enforce"),
    "when too dear": (
        "res: {when_better_but_too_dear: wait}",
        3,
        "res.when_better_but_too_dear",
        "'wait' is not one of ask, reject",
    ),
    "auto_approve as text": ("res: {auto_approve: 'yes'}", 3, "res.auto_approve", "'yes' is neither true nor false"),
    "an approver by name": ("res: {approvers: [Maria]}", 3, "res.approvers[0]", "'Maria' is not an approver"),
    "one approver without a list": ("res: {approvers: U012AB3CD}", 3, "res.approvers", "is not a list"),
    # models
    "models in a list": ("res: {models: [churn]}", 3, "res.models", "is not a mapping"),
    "a model that is a word": ("res: {models: {churn: auc}}", 3, CHURN, "'auc' is not a mapping"),
    "a model without a metric": ("res: {models: {churn: {direction: maximize}}}", 3, f"{CHURN}.metric", "is required"),
    "a model without a direction": ("res: {models: {churn: {metric: auc}}}", 3, f"{CHURN}.direction", "is required"),
    "a model's name with spaces": (
        f"res: {{models: {{churn model: {{{MODEL}}}}}}}",
        3,
        "res.models.churn model",
        "'churn model' is not a name of letters, digits and dashes, up to 63 characters",
    ),
    "a model's name without end": (
        model(WORTH, name="c" * 64),
        3,
        f"res.models.{'c' * 64}",
        "letters, digits and dashes, up to 63",
    ),
    "an unknown key of a model": (model("wroth: 1"), 3, f"{CHURN}.wroth", "did you mean 'worth'?"),
    "direction": (
        model(WORTH, "metric: auc, direction: up"),
        3,
        f"{CHURN}.direction",
        "'up' is not one of maximize, minimize",
    ),
    "gain": (model("gain: percent"), 3, f"{CHURN}.gain", "'percent' is not one of absolute, relative"),
    "a metric of signs": (model(WORTH, "metric: 'a@b', direction: maximize"), 3, f"{CHURN}.metric", "'a@b' is not a"),
    "group": (model("group: churn_group"), 3, f"{CHURN}.group", "'churn_group' is not a name of letters, digits"),
    "two models of one group": (
        f"res:\n  models:\n    a: {{{MODEL}, {WORTH}}}\n    b: {{{MODEL}, {WORTH}, group: a}}",
        6,
        "res.models.b.group",
        "the model package group 'a' is also that of 'a'",
    ),
    "a channel with spaces": (
        model("evaluation_channel: 'hold out'"),
        3,
        f"{CHURN}.evaluation_channel",
        "'hold out' is not an input channel of a training job such as validation",
    ),
    # worth and bounds
    "a worth of a number": (model("worth: 4000"), 3, f"{CHURN}.worth", "is not a mapping"),
    "a worth without a time": (model("worth: {usd: 1, per: 1}"), 3, f"{CHURN}.worth.over", "is required"),
    "a worth of nothing": (
        model("worth: {usd: 0, per: 0.01, over: 30d}"),
        3,
        f"{CHURN}.worth.usd",
        "0 is not an amount in USD above 0",
    ),
    "a worth per nothing": (
        model("worth: {usd: 1, per: 0, over: 30d}"),
        3,
        f"{CHURN}.worth.per",
        f"0 {ABOVE_0}",
    ),
    "a worth per percent": (
        model("worth: {usd: 1, per: 1%, over: 30d}"),
        3,
        f"{CHURN}.worth.per",
        "'1%' is not a number above 0",
    ),
    "a worth over a moment": (
        model("worth: {usd: 1, per: 1, over: 59m}"),
        3,
        f"{CHURN}.worth.over",
        "'59m' is outside 1h to 26400h",
    ),
    "in service without a unit": (model("in_service: 90"), 3, f"{CHURN}.in_service", "a bare number has no unit"),
    "in service for a moment": (model("in_service: 59m59s"), 3, f"{CHURN}.in_service", "'59m59s' is outside 1h"),
    "a minimum that no gain reaches": (
        model("min_score: 1"),
        3,
        f"{CHURN}.min_score",
        "1 is not a score from 0 to 0.99, such as 0.5 for break-even",
    ),
    "a minimum below 0": (model("min_score: -0.1"), 3, f"{CHURN}.min_score", "-0.1 is not a score from 0 to 0.99"),
    "a minimum that is no number": (model("min_score: .nan"), 3, f"{CHURN}.min_score", "is not a score from 0 to 0.99"),
    "no gain at all per 1,000 USD": (
        model("min_gain_per_1000_usd: 0"),
        3,
        f"{CHURN}.min_gain_per_1000_usd",
        f"0 {ABOVE_0}",
    ),
    "no gain at all": (model("min_gain: 0"), 3, f"{CHURN}.min_gain", f"0 {ABOVE_0}"),
    "a gain below nothing": (model("min_gain: -0.01"), 3, f"{CHURN}.min_gain", f"-0.01 {ABOVE_0}"),
    "a gain below all": (model("min_gain: '1e-30'"), 3, f"{CHURN}.min_gain", f"'1e-30' {ABOVE_0}"),
    "a gain with a slip": (model("min_gain: '1_0'"), 3, f"{CHURN}.min_gain", f"'1_0' {ABOVE_0}"),
    "a gain of true": (model("min_gain: true"), 3, f"{CHURN}.min_gain", "true is not a number above 0"),
    "a gain beyond all": (model("min_gain: .inf"), 3, f"{CHURN}.min_gain", "is not a number above 0"),
    "too many standard errors": (
        model("standard_errors: 10.1"),
        3,
        f"{CHURN}.standard_errors",
        "10.1 is not a number of standard errors from 0 to 10, such as 2",
    ),
    # guardrails
    "a guardrail that bounds nothing": (
        rail("metric: recall, direction: maximize"),
        3,
        f"{CHURN}.guardrails[0]",
        "bounds nothing; expected a tolerance, a floor, or both",
    ),
    "a guardrail without a metric": (
        rail("direction: maximize, floor: 0.7"),
        3,
        f"{CHURN}.guardrails[0].metric",
        "is required",
    ),
    "a tolerance below nothing": (
        rail("metric: recall, direction: maximize, tolerance: -0.01"),
        3,
        f"{CHURN}.guardrails[0].tolerance",
        "-0.01 is not a number of 0 or more, up to 1,000,000,000, such as 0.01",
    ),
    "a floor that is no number": (
        rail("metric: recall, direction: maximize, floor: low"),
        3,
        f"{CHURN}.guardrails[0].floor",
        "'low' is not a number, such as 0.8",
    ),
    "a slice with spaces": (
        rail("metric: recall, direction: maximize, floor: 0.7, slice: 'new users'"),
        3,
        f"{CHURN}.guardrails[0].slice",
        "'new users' is not a slice such as country=DE (no spaces, no @)",
    ),
    "guardrails that are no list": (model("guardrails: {metric: recall}"), 3, f"{CHURN}.guardrails", "is not a list"),
    "too many guardrails": (
        model("guardrails: [" + ", ".join(f"{{metric: m{n}, direction: maximize, floor: 0}}" for n in range(21)) + "]"),
        3,
        f"{CHURN}.guardrails",
        "has 21 entries, expected at most 20",
    ),
    # should_retrain
    "retraining by the minute": (
        model("should_retrain: {every: 1m}"),
        3,
        f"{CHURN}.should_retrain.every",
        "'1m' is outside 1h",
    ),
    "never retrained": (
        model("should_retrain: {most_skips: 53}"),
        3,
        f"{CHURN}.should_retrain.most_skips",
        "53 is outside 1 to 52: a model must be trained some day",
    ),
    "no skip at all": (model("should_retrain: {most_skips: 0}"), 3, f"{CHURN}.should_retrain.most_skips", "0 is not"),
}


@pytest.mark.parametrize("name", ONE_PROBLEM)
def test_a_wrong_value_is_one_line_with_file_line_key_and_what_was_expected(tmp_path: Path, name: str) -> None:
    content, line, key, sentence = ONE_PROBLEM[name]
    told = refusal(tmp_path, TOP + content)
    assert len(told) == 1, told
    assert told[0].startswith(f"costwatch.yaml:{line}: {key}: ")
    assert sentence in told[0]


def test_a_hundred_models_are_judged_and_one_more_is_refused(tmp_path: Path) -> None:
    def models(count: int) -> str:
        return "res: {models: {" + ", ".join(f"m{n}: {{{MODEL}, {WORTH}}}" for n in range(count)) + "}}"

    assert len(res(tmp_path, models(100)).models) == 100
    assert "has 101 models, expected at most 100" in refusal(tmp_path, TOP + models(101))[0]


# --- what is valid ----------------------------------------------------------------------------------------------


def load(tmp_path: Path, content: str) -> loader.Loaded:
    path = tmp_path / "costwatch.yaml"
    path.write_text(TOP + content, encoding="utf-8")
    return loader.load(path)


def res(tmp_path: Path, content: str) -> ResPolicy:
    return Policy.from_document(load(tmp_path, content).policy_document).res


def warnings(tmp_path: Path, content: str) -> list[str]:
    told = [line.removeprefix(f"{tmp_path}/costwatch.yaml:") for line in load(tmp_path, content).warnings]
    return [line for line in told if "dead_man.selectors" not in line]


def test_left_out_it_judges_nothing(tmp_path: Path) -> None:
    assert res(tmp_path, "") == ResPolicy()
    assert (ResPolicy().mode, ResPolicy().models, ResPolicy().auto_approve) == (Mode.OBSERVE, (), False)
    assert ResPolicy().when_too_dear is WhenTooDear.ASK


def test_a_policy_without_models_is_what_it_was_before_there_was_res(tmp_path: Path) -> None:
    bare, empty = (load(tmp_path, content).policy_document["policy"] for content in ("", "res: {mode: warn}"))
    assert "res" not in bare
    assert bare == empty


def test_a_model_needs_a_metric_and_a_direction_alone(tmp_path: Path) -> None:
    (rules,) = res(tmp_path, model(WORTH)).models
    assert rules == ModelRules(
        "churn", "churn", "auc", Direction.MAXIMIZE, worth=Worth(D(4000), D("0.01"), timedelta(days=30))
    )
    assert (rules.min_score, rules.standard_errors) == (BREAK_EVEN, STANDARD_ERRORS)


FULL = """
slack: {app_id: A012AB3CD, platform_channel: "#ml"}
res:
  mode: enforce
  when_better_but_too_dear: reject
  auto_approve: true
  approvers: ["@risk-leads", U012AB3CD]
  models:
    churn:
      group: churn-models
      metric: "validation:auc"
      direction: maximize
      gain: relative
      worth: {usd: 4000, per: 0.01, over: 30d}
      in_service: 90d
      min_score: 0.6
      min_gain: "1e-3"
      standard_errors: 2.5
      guardrails:
        - {metric: recall, slice: country=DE, direction: maximize, tolerance: 0, floor: 0.7}
        - {metric: latency_ms, direction: minimize, floor: 120}
      evaluation_channel: holdout
      should_retrain: {every: 1d, most_skips: 3, budget: 40%}
    rank:
      metric: ndcg
      direction: maximize
      min_gain_per_1000_usd: 0.001
"""


def test_everything_it_says_arrives_in_the_policy(tmp_path: Path) -> None:
    assert res(tmp_path, FULL) == ResPolicy(
        mode=Mode.ENFORCE,
        when_too_dear=WhenTooDear.REJECT,
        auto_approve=True,
        approvers=("@risk-leads", "U012AB3CD"),
        models=(
            ModelRules(
                name="churn",
                group="churn-models",
                metric="validation:auc",
                direction=Direction.MAXIMIZE,
                gain=GainKind.RELATIVE,
                worth=Worth(D(4000), D("0.01"), timedelta(days=30)),
                in_service=timedelta(days=90),
                min_score=D("0.6"),
                min_gain=D("0.001"),
                standard_errors=D("2.5"),
                guardrails=(
                    Guardrail("recall", Direction.MAXIMIZE, "country=DE", tolerance=D(0), floor=D("0.7")),
                    Guardrail("latency_ms", Direction.MINIMIZE, floor=D(120)),
                ),
                evaluation_channel="holdout",
                retrain=RetrainPolicy(timedelta(days=1), 3, D("0.4")),
            ),
            ModelRules("rank", "rank", "ndcg", Direction.MAXIMIZE, min_gain_per_1000_usd=D("0.001")),
        ),
    )


def test_a_model_is_found_by_its_name_and_by_its_group(tmp_path: Path) -> None:
    made = res(tmp_path, FULL)
    assert made.model("churn") is made.of_group("churn-models") is made.models[0]
    assert made.model("churn-models") is made.of_group("churn") is None


def test_one_number_written_two_ways_is_one_policy(tmp_path: Path) -> None:
    one, other = (
        load(tmp_path, model(f"worth: {{usd: {usd}, per: {per}, over: {over}}}")).policy_document
        for usd, per, over in (("4000", "0.01", "30d"), ("'4000.00'", "1e-2", "720h"))
    )
    assert one["digest"] == other["digest"]


@pytest.mark.parametrize(
    "more",
    [
        "min_score: 0, standard_errors: 0",
        "min_score: 0.99, standard_errors: 10",
        "in_service: 1h, min_gain: 1e-9",
        "in_service: 365d, min_gain: 1e9",
        "should_retrain: {every: 1h, most_skips: 1}",
        "should_retrain: {most_skips: 52}",
        "guardrails: [{metric: recall, direction: maximize, tolerance: 0}]",
        "guardrails: [{metric: r2, direction: maximize, floor: -1}]",
        f"group: {'g' * 63}",
    ],
)
def test_what_is_exactly_at_a_bound_is_valid(tmp_path: Path, more: str) -> None:
    assert warnings(tmp_path, model(f"{WORTH}, {more}")) == []


# --- warnings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["warn", "enforce"])
def test_a_mode_without_models_is_warned_about(tmp_path: Path, mode: str) -> None:
    assert warnings(tmp_path, f"res: {{mode: {mode}}}") == ["3: res.models: no models: nothing is judged yet"]
    assert warnings(tmp_path, "res: {mode: observe}") == []


def test_a_model_that_nothing_can_judge_is_warned_about(tmp_path: Path) -> None:
    (told,) = warnings(tmp_path, model("min_score: 0.6"))
    assert told == f"3: {CHURN}: has neither a worth nor min_gain_per_1000_usd: every candidate stays unjudged"


def test_a_minimum_that_its_worth_overrides_is_warned_about(tmp_path: Path) -> None:
    (told,) = warnings(tmp_path, model(f"{WORTH}, min_gain_per_1000_usd: 1"))
    assert told == f"3: {CHURN}.min_gain_per_1000_usd: is not used: its worth decides, by min_score"


@pytest.mark.parametrize(
    ("rails", "told"),
    [
        (
            "{metric: auc, direction: minimize, floor: 0.9}",
            f"3: {CHURN}.guardrails[0].direction: is to be minimized, and the model's own metric is to be maximized: "
            "it is the same metric",
        ),
        (
            "{metric: recall, direction: maximize, floor: 0.7}, {metric: recall, direction: minimize, floor: 0.9}",
            f"3: {CHURN}.guardrails[1].direction: is to be minimized, and guardrails[0] is to be maximized: "
            "it is the same metric",
        ),
    ],
)
def test_guardrails_that_ask_for_the_contrary_are_warned_about(tmp_path: Path, rails: str, told: str) -> None:
    assert warnings(tmp_path, model(f"{WORTH}, guardrails: [{rails}]")) == [told]


def test_the_same_direction_and_other_slices_are_not(tmp_path: Path) -> None:
    rails = (
        "{metric: auc, direction: maximize, floor: 0.9}, {metric: auc, slice: a=b, direction: minimize, floor: 1}, "
        "{metric: latency, direction: minimize, floor: 9}, {metric: latency, direction: minimize, tolerance: 1}"
    )
    assert warnings(tmp_path, model(f"{WORTH}, guardrails: [{rails}]")) == []


def test_a_question_that_nobody_may_answer_is_warned_about(tmp_path: Path) -> None:
    body = f"models: {{churn: {{{MODEL}, {WORTH}}}}}"
    (told,) = warnings(tmp_path, f"res: {{mode: enforce, {body}}}")
    assert told.startswith("3: res.approvers: names no approvers: what is better but too dear waits in the registry")
    assert warnings(tmp_path, f"res: {{mode: enforce, when_better_but_too_dear: reject, {body}}}") == []
    assert warnings(tmp_path, f"res: {{mode: warn, {body}}}") == []


@pytest.mark.parametrize(
    ("slack", "missing"),
    [
        ("{}", "slack.app_id and slack.platform_channel"),
        ("{platform_channel: '#ml'}", "slack.app_id, the command line"),
    ],
)
def test_approvers_whom_no_card_reaches_are_warned_about(tmp_path: Path, slack: str, missing: str) -> None:
    def told(approver: str, beside: str = "") -> list[str]:
        body = f"mode: enforce, approvers: ['{approver}'], models: {{churn: {{{MODEL}, {WORTH}}}}}"
        return [line for line in warnings(tmp_path, f"res: {{{body}}}\n{beside}") if "res.approvers" in line]

    (line,) = told("U012AB3CD", f"slack: {slack}")
    assert missing in line
    assert told("arn:aws:iam::111122223333:role/Platform", f"slack: {slack}") == []
    assert told("U012AB3CD", "slack: {app_id: A012AB3CD, platform_channel: '#ml'}") == []
