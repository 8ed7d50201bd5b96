"""Whether to train again: worth against cost, drift against noise, a budget, and a bound on skips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costwatch.core.res_policy import Direction, GainKind, ModelRules, RetrainPolicy, Worth
from costwatch.core.retraining import Advice, PastTraining, RetrainRules, Rule, ServedError, Verdict, should_retrain
from costwatch.errors import InputError
from tests.support.builders import NOW

WEEK = timedelta(days=7)
RULES = RetrainRules(worth_usd=Decimal(30), over=WEEK)
"""A gain of 1% for a week is worth $30: over four weeks, 8.3% pay for a training of $1,000."""
UNBOUND = replace(RULES, budget_share=None)


def weeks_ago(count: float) -> datetime:
    return NOW - count * WEEK


def training(age: float, *, gain: str | None = "0.05", cost: str = "1000", promoted: bool = True) -> PastTraining:
    return PastTraining(weeks_ago(age), Decimal(cost), None if gain is None else Decimal(gain), promoted)


def errors(*newest_last: float, references: Sequence[float] = ()) -> list[ServedError]:
    """One a week; the last one is the week that has just ended."""
    known: list[Decimal | None] = [Decimal(str(each)) for each in references]
    known = known or [None] * len(newest_last)
    return [
        ServedError(weeks_ago(len(newest_last) - number), Decimal(str(error)), reference)
        for number, (error, reference) in enumerate(zip(newest_last, known, strict=True))
    ]


def ask(
    history: Sequence[PastTraining] | None = None,
    served: Sequence[ServedError] = (),
    *,
    rules: RetrainRules = UNBOUND,
    skipped: int = 0,
    cost: str | None = None,
) -> Advice:
    past = [training(30), training(20), training(10), training(2)] if history is None else history
    price = None if cost is None else Decimal(cost)
    return should_retrain(past, served, now=NOW, rules=rules, skipped_in_a_row=skipped, cost_usd=price)


STEADY = errors(*[10, 11, 9, 10, 12, 8, 10, 11, 9, 10] * 2, 10, 10)
DRIFTED = errors(*[10, 11, 9, 10, 12, 8, 10, 11, 9, 10] * 2, 20, 21)


# --- what decides ---------------------------------------------------------------------------------------


def test_a_model_that_was_never_trained_is_trained() -> None:
    advice = ask([], rules=RULES)
    assert (advice.verdict, advice.rule) == (Verdict.TRAIN, Rule.NEVER_TRAINED)
    assert advice.reason == "It was never trained."


def test_a_young_model_that_errs_as_usual_is_not_worth_a_training() -> None:
    advice = ask(served=STEADY)
    assert (advice.verdict, advice.rule) == (Verdict.SKIP, Rule.NOT_WORTH)
    assert advice.score is not None
    assert advice.score < Decimal("0.5")


def test_twice_its_normal_error_is_drift() -> None:
    advice = ask(served=DRIFTED)
    assert (advice.verdict, advice.rule) == (Verdict.TRAIN, Rule.DRIFT)
    assert advice.drift is not None
    assert advice.drift.ratio == pytest.approx(Decimal("2.0667"), abs=Decimal("0.001"))
    assert advice.drift.normal == 10
    assert advice.drift.periods == 2


def test_the_reason_has_the_age_the_drift_the_worth_and_the_cost() -> None:
    assert ask(served=DRIFTED).reason == (
        "The model is 2 periods old and errs 2.07 times what is normal: 56.0% to gain, worth $6,720.34 against a cost "
        "of $1,000.00 (score 0.87, needed 0.50)."
    )


def test_a_week_that_was_as_hard_for_a_naive_baseline_is_no_drift() -> None:
    shown = [10, 11, 9, 10, 12, 8, 10, 11, 9, 10, 10, 14]
    hard = errors(*shown, references=[*[5] * 11, 15])
    easy = errors(*shown, references=[5] * 12)
    assert ask(served=hard).verdict is Verdict.SKIP
    assert ask(served=easy).verdict is Verdict.TRAIN


def test_the_same_error_is_no_drift_where_errors_always_vary_that_much() -> None:
    wild = [4, 16, 7, 13, 10, 3, 17, 10, 6, 14] * 2
    calm = [10, 10.5, 9.5, 10, 10.2, 9.8, 10, 10.4, 9.6, 10] * 2
    assert ask(served=errors(*wild, 10, 14)).verdict is Verdict.SKIP
    assert ask(served=errors(*calm, 10, 14)).verdict is Verdict.TRAIN


def test_age_alone_earns_a_training_sooner_where_past_trainings_gained_more() -> None:
    def aged(gain: str) -> list[PastTraining]:
        return [training(age, gain=gain) for age in (23, 20, 17, 14, 11, 8, 5, 2)]

    assert ask(aged("0.01"), STEADY).verdict is Verdict.SKIP
    advice = ask(aged("0.20"), STEADY)
    assert (advice.verdict, advice.rule) == (Verdict.TRAIN, Rule.WORTH)


def test_a_gain_within_its_noise_counts_as_none() -> None:
    past = [training(age, gain="0.20") for age in (23, 20, 17, 14, 11, 8, 5, 2)]
    noisy = [replace(each, margin=Decimal("0.20")) for each in past]
    assert ask(past, STEADY).verdict is Verdict.TRAIN
    assert ask(noisy, STEADY).verdict is Verdict.SKIP


def test_a_score_of_exactly_the_minimum_trains_and_a_cent_more_of_cost_skips() -> None:
    past = [training(age, gain="0.05") for age in (8, 7, 6, 5, 4)]
    assert ask(past).expected_worth_usd == 2400
    assert ask(past, cost="2400").verdict is Verdict.TRAIN
    assert ask(past, cost="2400.01").verdict is Verdict.SKIP


def test_without_a_given_cost_it_is_the_median_of_the_past() -> None:
    past = [training(3, cost="700"), training(2, cost="900"), training(1, cost="5000")]
    assert ask(past, STEADY).expected_cost_usd == 900


def test_errors_of_the_model_before_say_what_is_normal_and_not_how_much_this_one_errs() -> None:
    old_was_bad = errors(*[30] * 10, 10, 10)
    advice = ask(served=old_was_bad)
    assert advice.drift is not None
    assert advice.drift.normal == 30
    assert advice.drift.ratio < 1


def test_what_errs_less_than_normal_is_worth_nothing_and_not_less_than_nothing() -> None:
    advice = ask([training(30), training(1)], errors(*[30] * 12, 1))
    assert advice.expected_gain is not None
    assert advice.expected_gain < 0
    assert (advice.expected_worth_usd, advice.score) == (Decimal(0), Decimal(0))


def test_a_first_model_is_measured_by_its_own_first_periods_and_never_by_the_newest() -> None:
    first = [training(4)]
    mild, worse = (ask(first, errors(1, 3, 5, newest)).drift for newest in (4, 8))
    assert mild is not None
    assert worse is not None
    assert worse.ratio > mild.ratio


@pytest.mark.parametrize(("periods", "known"), [(1, False), (2, False), (3, False), (4, True)])
def test_a_first_model_has_no_drift_before_three_periods_of_its_own_say_what_is_normal(
    periods: int, *, known: bool
) -> None:
    advice = ask([training(periods)], errors(*[10] * periods))
    assert (advice.drift is not None) is known


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("relative", [True, False])
def test_one_absurd_first_error_makes_no_later_answer_skip_that_would_have_trained(
    after: int, *, relative: bool
) -> None:
    rules = replace(UNBOUND, relative_gain=relative, worth_usd=Decimal(4000))
    past = [training(20), training(6), training(after + 1)]
    sane, absurd = (ask(past, errors(first, *[0.5] * after), rules=rules, cost="3200") for first in (0.1, 9e14))
    assert absurd.verdict is Verdict.TRAIN or sane.verdict is Verdict.SKIP


def test_the_reason_tells_too_little_seen_from_nothing_seen() -> None:
    past = [training(age) for age in (8, 7, 6, 5, 2)]
    assert "2 periods old, too little seen to say what error is normal: " in ask(past, errors(10, 10)).reason
    assert "2 periods old, its error unseen: " in ask(past).reason


def test_one_period_counts_as_five_times_normal_at_most() -> None:
    for outlier in (50, 5000):
        drift = ask([training(30), training(1)], errors(*[10] * 10, outlier)).drift
        assert drift is not None
        assert drift.ratio == 5


def test_an_absolute_gain_is_in_the_unit_of_the_errors() -> None:
    absolute = replace(UNBOUND, relative_gain=False, doubt=Decimal(0), ageing=Decimal(0))
    advice = ask([training(30, gain="0"), training(1, gain="0")], errors(*[10] * 10, 25), rules=absolute)
    assert advice.expected_gain == 15


def test_past_losses_do_not_make_an_old_model_look_better_than_a_new_one() -> None:
    assert ask([training(age, gain="-0.3") for age in (8, 7, 6, 5, 4)]).expected_gain == 0


def test_a_candidate_that_was_rejected_does_not_make_the_serving_model_younger() -> None:
    past = [training(10), training(1, promoted=False)]
    assert "10 periods old" in ask(past, STEADY).reason


def test_rules_are_those_of_the_model_in_the_configuration() -> None:
    worth = Worth(Decimal(4000), Decimal("0.01"), timedelta(days=30))
    policy = RetrainPolicy(every=timedelta(days=1), most_skips=3, budget_share=Decimal("0.2"))
    model = ModelRules("churn", "churn", "auc", Direction.MAXIMIZE, worth=worth, retrain=policy)
    rules = RetrainRules.of(model)
    assert (rules.worth_usd, rules.per, rules.over) == (Decimal(4000), Decimal("0.01"), timedelta(days=30))
    assert (rules.every, rules.most_skips, rules.budget_share) == (timedelta(days=1), 3, Decimal("0.2"))
    assert (rules.relative_gain, rules.in_service) == (False, timedelta(days=30))
    assert RetrainRules.of(replace(model, in_service=timedelta(days=90))).in_service == timedelta(days=90)
    assert RetrainRules.of(replace(model, worth=None, gain=GainKind.RELATIVE)).worth_usd is None


# --- bounds ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("skipped", "verdict"), [(5, Verdict.SKIP), (6, Verdict.TRAIN)])
def test_the_most_skips_in_a_row_are_six(skipped: int, verdict: Verdict) -> None:
    assert ask(served=STEADY, skipped=skipped).verdict is verdict


def test_the_bound_of_skips_beats_the_budget() -> None:
    spent = [training(age) for age in (3, 2, 1)]
    assert ask(spent, DRIFTED, rules=RULES, skipped=5).rule is Rule.OVER_BUDGET
    assert ask(spent, DRIFTED, rules=RULES, skipped=6).rule is Rule.LONGEST_WAIT


def test_drift_waits_for_the_budget_too() -> None:
    just_trained = [training(2)]
    assert ask(just_trained, DRIFTED, rules=RULES).rule is Rule.OVER_BUDGET
    assert ask([training(3)], DRIFTED, rules=RULES).verdict is Verdict.TRAIN


def test_what_quiet_times_saved_may_be_spent_in_a_row() -> None:
    quiet = [training(30)]
    for spent in range(6):
        past = [*quiet, *(training(0.01 * (9 - number)) for number in range(spent))]
        assert ask(past, DRIFTED, rules=RULES).rule is not Rule.OVER_BUDGET
    past = [*quiet, *(training(0.01 * (9 - number)) for number in range(6))]
    assert ask(past, DRIFTED, rules=RULES).rule is Rule.OVER_BUDGET


@pytest.mark.parametrize(("cost", "over"), [("6000", False), ("6001", True)])
def test_no_more_than_six_trainings_of_usual_cost_are_ever_saved_up(cost: str, *, over: bool) -> None:
    assert (ask([training(50)], DRIFTED, rules=RULES, cost=cost).rule is Rule.OVER_BUDGET) is over


def test_a_training_of_twice_the_cost_draws_twice() -> None:
    assert ask([training(3)], DRIFTED, rules=RULES, cost="1000").rule is not Rule.OVER_BUDGET
    assert ask([training(3)], DRIFTED, rules=RULES, cost="2000").rule is Rule.OVER_BUDGET


@pytest.mark.parametrize(("weeks", "over"), [(18, True), (19, False)])
def test_a_training_of_an_absurd_cost_leaves_a_debt_of_six_trainings_and_no_more(weeks: int, *, over: bool) -> None:
    """From -6 to the one that is drawn it takes 7 / 0.375 weeks."""
    past = [training(weeks + 8), training(weeks + 4), training(weeks, cost="500000")]
    assert (ask(past, DRIFTED, rules=RULES, cost="1000").rule is Rule.OVER_BUDGET) is over


# --- what is not known ----------------------------------------------------------------------------------


def test_nothing_judged_and_nothing_seen_trains() -> None:
    advice = ask([training(9, gain=None), training(2, gain=None)])
    assert (advice.verdict, advice.rule, advice.expected_gain) == (Verdict.TRAIN, Rule.UNKNOWN, None)
    assert advice.reason == "It trains because too little is known of past gains and of what it showed."


def test_no_worth_trains() -> None:
    advice = ask(served=STEADY, rules=replace(UNBOUND, worth_usd=None))
    assert advice.reason == "It trains because nobody said what a gain is worth."


def test_a_cost_of_zero_is_not_infinitely_efficient_but_unknown() -> None:
    advice = ask(served=STEADY, cost="0")
    assert (advice.rule, advice.score) == (Rule.UNKNOWN, None)


def test_unseen_errors_leave_the_forecast_to_age() -> None:
    past = [training(age, gain="0.05") for age in (8, 7, 6, 5, 4)]
    advice = ask(past)
    assert advice.drift is None
    assert advice.expected_gain == Decimal("0.20")


def test_a_perfect_model_that_starts_to_err_has_drifted() -> None:
    assert ask(served=errors(*[0] * 12)).verdict is Verdict.SKIP
    assert ask(served=errors(*[0] * 11, 1)).verdict is Verdict.TRAIN


# --- bad input ------------------------------------------------------------------------------------------

NAN = Decimal("NaN")


@pytest.mark.parametrize(
    ("history", "served", "sentence"),
    [
        ([replace(training(2), cost_usd=Decimal(-1))], [], "cost_usd of a past training must be a finite number and"),
        ([replace(training(2), gain=NAN)], [], "gain of a past training must be a finite number or None, not NaN"),
        ([replace(training(2), margin=NAN)], [], "margin of a past training must be a finite number and not negative"),
        ([training(-1)], [], "at of a past training must not be later than now"),
        ([], [ServedError(NOW.replace(tzinfo=None), Decimal(1))], "at of a served error must have a time zone"),
        ([], [ServedError(NOW, Decimal("Infinity"))], "error of a period must be a finite number and not negative"),
        ([], [ServedError(NOW, Decimal(1), Decimal(-1))], "reference of a period must be a finite number and not"),
    ],
)
def test_bad_facts_are_named(history: list[PastTraining], served: list[ServedError], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ask(history, served)


def test_bad_costs_and_counts_are_named() -> None:
    with pytest.raises(InputError, match="cost_usd must be a finite number and not negative, not NaN"):
        ask(cost="NaN")
    with pytest.raises(InputError, match="skipped_in_a_row must not be negative, not -1"):
        ask(skipped=-1)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("worth_usd", NAN, "worth_usd must be a finite number and not negative"),
        ("per", Decimal(0), "per must be a finite number above zero"),
        ("ageing", Decimal(-1), "ageing must be a finite number and not negative"),
        ("doubt", NAN, "doubt must be a finite number and not negative"),
        ("memory", Decimal(2), "memory must be from 0 to 1"),
        ("hardness", Decimal(-1), "hardness must be from 0 to 1"),
        ("min_score", Decimal("1.1"), "min_score must be from 0 to 1"),
        ("budget_share", Decimal("1.1"), "budget_share must be from 0 to 1"),
        ("burst", Decimal("0.5"), "burst must be a finite number and at least 1"),
        ("every", timedelta(0), "every, over and in_service must be longer than zero"),
        ("most_skips", -1, "most_skips must not be negative"),
    ],
)
def test_bad_rules_are_named(field: str, value: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        replace(RULES, **{field: value})  # type: ignore[arg-type]


# --- properties -----------------------------------------------------------------------------------------

money = st.decimals(min_value=0, max_value=10_000, places=2)
shares = st.decimals(min_value=Decimal("-0.5"), max_value=Decimal("0.9"), places=3)
some_error = st.decimals(min_value=0, max_value=100, places=2)


@st.composite
def histories(draw: st.DrawFn) -> list[PastTraining]:
    ages = draw(st.lists(st.integers(1, 60), min_size=1, max_size=12, unique=True))
    return [
        PastTraining(weeks_ago(age), draw(money), draw(st.none() | shares), draw(st.booleans()))
        for age in sorted(ages, reverse=True)
    ]


@st.composite
def shown(draw: st.DrawFn, least: int = 0) -> list[ServedError]:
    values = draw(st.lists(some_error, min_size=least, max_size=40))
    known = draw(st.booleans())
    return [
        ServedError(weeks_ago(len(values) - at), value, draw(some_error) if known else None)
        for at, value in enumerate(values)
    ]


some_rules = st.builds(
    RetrainRules,
    worth_usd=st.none() | money,
    over=st.just(WEEK),
    relative_gain=st.booleans(),
    budget_share=st.none() | st.decimals(min_value=0, max_value=1, places=2),
    most_skips=st.integers(0, 8),
    memory=st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(1)]),
)


@given(histories(), shown(), some_rules, st.integers(0, 8), money, money)
@settings(max_examples=200, deadline=None)
def test_a_higher_cost_never_turns_skip_into_train(
    history: list[PastTraining],
    served: list[ServedError],
    rules: RetrainRules,
    skipped: int,
    one: Decimal,
    other: Decimal,
) -> None:
    low, high = sorted((one, other))
    if not low:
        return  # zero is not known, not cheap
    cheap = should_retrain(history, served, now=NOW, rules=rules, skipped_in_a_row=skipped, cost_usd=low)
    dear = should_retrain(history, served, now=NOW, rules=rules, skipped_in_a_row=skipped, cost_usd=high)
    assert not (cheap.verdict is Verdict.SKIP and dear.verdict is Verdict.TRAIN)


@given(histories(), shown(least=1), some_rules, st.integers(0, 8), some_error)
@settings(max_examples=200, deadline=None)
def test_a_higher_last_error_never_turns_train_into_skip(
    history: list[PastTraining], served: list[ServedError], rules: RetrainRules, skipped: int, more: Decimal
) -> None:
    worse = [*served[:-1], replace(served[-1], error=served[-1].error + more)]
    before = should_retrain(history, served, now=NOW, rules=rules, skipped_in_a_row=skipped)
    after = should_retrain(history, worse, now=NOW, rules=rules, skipped_in_a_row=skipped)
    assert not (before.verdict is Verdict.TRAIN and after.verdict is Verdict.SKIP)


@given(histories(), shown(), some_rules, st.integers(0, 8))
@settings(max_examples=200, deadline=None)
def test_dollars_or_cents_are_the_same_decision(
    history: list[PastTraining], served: list[ServedError], rules: RetrainRules, skipped: int
) -> None:
    in_cents = [replace(each, cost_usd=each.cost_usd * 100) for each in history]
    rules_in_cents = replace(rules, worth_usd=None if rules.worth_usd is None else rules.worth_usd * 100)
    dollars = should_retrain(history, served, now=NOW, rules=rules, skipped_in_a_row=skipped)
    cents = should_retrain(in_cents, served, now=NOW, rules=rules_in_cents, skipped_in_a_row=skipped)
    assert (dollars.verdict, dollars.rule) == (cents.verdict, cents.rule)


@given(histories(), shown(), some_rules, st.integers(0, 8))
@settings(max_examples=200, deadline=None)
def test_errors_in_another_unit_are_the_same_decision(
    history: list[PastTraining], served: list[ServedError], rules: RetrainRules, skipped: int
) -> None:
    rules = replace(rules, relative_gain=True)
    scaled = [
        replace(each, error=each.error * 1000, reference=None if each.reference is None else each.reference * 1000)
        for each in served
    ]
    one = should_retrain(history, served, now=NOW, rules=rules, skipped_in_a_row=skipped)
    other = should_retrain(history, scaled, now=NOW, rules=rules, skipped_in_a_row=skipped)
    assert one.verdict is other.verdict


@given(st.lists(some_error, min_size=20, max_size=60), some_rules, money)
@settings(max_examples=60, deadline=None)
def test_it_never_skips_more_often_in_a_row_than_allowed(
    shown_errors: list[Decimal], rules: RetrainRules, cost: Decimal
) -> None:
    history: list[PastTraining] = []
    served: list[ServedError] = []
    skipped = most = 0
    for week, error in enumerate(shown_errors):
        now = NOW + week * WEEK
        advice = should_retrain(history, served, now=now, rules=rules, skipped_in_a_row=skipped, cost_usd=cost)
        if advice.verdict is Verdict.TRAIN:
            history.append(PastTraining(now, cost, None, promoted=True))
        skipped = skipped + 1 if advice.verdict is Verdict.SKIP else 0
        most = max(most, skipped)
        served.append(ServedError(now, error))
    assert most <= rules.most_skips
