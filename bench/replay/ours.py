"""Costwatch's own policy: `core.retraining.should_retrain` decides, as it does for a pipeline."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Final

from bench.replay.account import Account
from bench.replay.promotion import OnTrial
from costwatch.core.retraining import PastTraining, RetrainRules, ServedError, Verdict, should_retrain

WEEK: Final = timedelta(days=7)
START: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""The weeks of a matrix have no dates: any Monday does."""

WORTH_PER_WEEK: Final = 3.0
"""What a relative gain of 1 is worth for a week, in trainings of usual cost: 8.3% for four weeks pay for one."""
RULES: Final = RetrainRules(over=WEEK)
TRIAL_WEEKS: Final = 8
LEAST_GAIN: Final = 0.16
"""For a verdict after one week beside production, which says nothing of its noise."""


def promotion(schedules: int) -> OnTrial:
    """Serve what was trained, and go back if it clearly errs more."""
    return OnTrial(schedules, weeks=TRIAL_WEEKS, noise=0.05, allowed=0.05)


class ShouldRetrain:
    """Keeps what a ledger would: trainings with cost and gain, served errors with those of the naive baseline."""

    def __init__(self) -> None:
        self._skipped = 0
        self._served: list[ServedError] = []
        self._closed: dict[int, Decimal | None] = {}
        """Gains whose trial is over: they no longer change."""

    def __call__(self, account: Account) -> bool:
        """Ask for the week that is about to begin."""
        self._served.append(self._last_served(account))
        past = [self._training(account, each) for each in account.paid]
        usual = median(training.cost_usd for training in past) or Decimal(1)
        worth = usual * _decimal(WORTH_PER_WEEK) * RULES.per
        advice = should_retrain(
            past,
            self._served[-2 * RULES.normal_periods :],
            now=START + account.week * WEEK,
            rules=replace(RULES, worth_usd=worth),
            skipped_in_a_row=self._skipped,
            cost_usd=usual,
        )
        train = advice.verdict is Verdict.TRAIN
        self._skipped = 0 if train else self._skipped + 1
        return train

    @staticmethod
    def _last_served(account: Account) -> ServedError:
        week, y = account.week - 1, account.past_y()
        naive = abs(y[week] - y[week - 1]) if week else math.nan
        reference = _decimal(naive) if math.isfinite(naive) else None
        return ServedError(START + week * WEEK, _decimal(account.served_error(week)), reference)

    def _training(self, account: Account, candidate: int) -> PastTraining:
        gain = self._closed.get(candidate) or self._gain(account, candidate)
        if account.week >= candidate + TRIAL_WEEKS:
            self._closed[candidate] = gain
        kept = account.served[-1] >= candidate
        return PastTraining(START + candidate * WEEK, _decimal(account.cost(candidate)), gain, promoted=kept)

    @staticmethod
    def _gain(account: Account, candidate: int) -> Decimal | None:
        """Over what served the week before it, in the weeks of its trial that are over. None: the very first."""
        if not candidate:
            return None
        before, weeks = account.served[candidate - 1], range(candidate, min(candidate + TRIAL_WEEKS, account.week))
        was = sum(account.error(before, week) for week in weeks)
        now = sum(account.error(candidate, week) for week in weeks)
        return _decimal((was - now) / was) if was else Decimal(0)


def _decimal(value: float) -> Decimal:
    return Decimal(repr(float(value)))
