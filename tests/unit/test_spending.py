"""What a run has spent: each member from its own start, at its own price, and what members that left had cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest

from costwatch.core.model import Clock, Member, Run, RunKind
from costwatch.core.money import burn_rate
from costwatch.core.policy import PurchaseOption
from costwatch.core.prices import PriceTable, Rate
from costwatch.core.record import MemberSeen, RunRecord
from costwatch.core.spending import kept_up
from tests.support.builders import HOUR, MINUTE, NOW, job, member, record, run
from tests.support.prices import NoPrices

LONE = member("i-0a", age=10 * HOUR)
JOINED = member("i-0b", age=MINUTE)


class Prices(NoPrices):
    """A p4d costs $20 and a g5 $1; nothing else has a price."""

    def __init__(self, **rates_usd: str) -> None:
        self.rates_usd = {"p4d.24xlarge": "20", "g5.xlarge": "1", "ml.p4d.24xlarge": "25", **rates_usd}

    def ec2_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        del region
        rate = self.rates_usd.get(instance_type)
        return Rate(Decimal(rate), date(2026, 11, 14), "test") if rate is not None else None

    training_hourly_rate = processing_hourly_rate = ec2_hourly_rate


def tagged(*members: Member) -> Run:
    return run(*members, kind=RunKind.TAGGED, name="llm")


def at(moment: datetime, before: RunRecord | None, of: Run, prices: PriceTable | None = None) -> RunRecord:
    """The record after a sweep at `moment` that saw `of`."""
    burn = burn_rate(of, prices or Prices())
    found = before or record(of, hourly_rate_usd=None, price_note="")
    seen = tuple(MemberSeen(m.id, m.clock.running_since) for m in of.members)
    return replace(kept_up(found, of, burn, moment), members=seen, start=found.start or of.start)


def test_one_member_has_spent_its_rate_since_its_start() -> None:
    known = at(NOW, None, tagged(LONE))
    assert known.spent_usd(NOW) == Decimal(200)
    assert known.spent_usd(NOW + 90 * MINUTE) == Decimal(230)


def test_members_of_different_age_and_type_each_count_from_their_own_start() -> None:
    known = at(NOW, None, tagged(LONE, member("i-0b", age=2 * HOUR, instance_type="g5.xlarge")))
    assert known.spent_usd(NOW) == Decimal(202)
    assert known.spent_usd(NOW + HOUR) == Decimal(223)


def test_who_joins_costs_from_its_own_start_and_not_from_that_of_the_run() -> None:
    alone = at(NOW - HOUR, None, tagged(member("i-0a", age=10 * HOUR)))
    together = at(NOW, alone, tagged(LONE, *(member(f"i-1{n}", age=30 * MINUTE) for n in range(7))))
    assert together.hourly_rate_usd == Decimal(160)
    assert together.spent_usd(NOW) == Decimal(200 + 7 * 10)
    assert together.spent_usd(NOW + HOUR) == Decimal(270 + 160)


def test_what_left_has_cost_what_it_cost_until_it_was_missed() -> None:
    both = at(NOW, None, tagged(LONE, member("i-0b", age=4 * HOUR)))
    alone = at(NOW + HOUR, both, tagged(LONE))
    assert alone.spent_usd(NOW + HOUR) == Decimal(200 + 80 + 40)
    assert alone.spent_usd(NOW + 2 * HOUR) == Decimal(320 + 20)


def test_all_members_may_be_others_and_nothing_is_forgotten() -> None:
    first = at(NOW, None, tagged(LONE))
    second = at(NOW + HOUR, first, tagged(member("i-0z", age=-30 * MINUTE)))
    assert second.spent_usd(NOW + HOUR) == Decimal(200 + 20 + 10)


def test_a_member_that_started_anew_is_not_counted_twice() -> None:
    first = at(NOW, None, tagged(LONE))
    second = at(NOW + HOUR, first, tagged(member("i-0a", age=-50 * MINUTE)))
    assert second.spent_usd(NOW + HOUR) == Decimal(220)


def test_a_job_that_has_not_started_has_spent_nothing_and_then_spends_from_its_start() -> None:
    waiting = at(NOW - 3 * HOUR, None, run(job(age=None, now=NOW - 3 * HOUR)))
    assert waiting.spent_usd(NOW) is None
    started = at(NOW, waiting, run(job(age=2 * HOUR)))
    assert started.spent_usd(NOW) == Decimal(50)


def test_a_member_that_had_not_started_is_not_paid_for_the_time_it_waited() -> None:
    unstarted = replace(JOINED, clock=Clock(None, "TrainingStartTime", NOW, "CreationTime"))
    waiting = at(NOW, None, tagged(LONE, unstarted))
    started = at(NOW + HOUR, waiting, tagged(LONE, member("i-0b", age=-45 * MINUTE)))
    assert started.spent_usd(NOW + HOUR) == Decimal(200 + 20 + 5)


def test_a_price_that_becomes_known_holds_for_all_of_a_run_of_one() -> None:
    unknown = at(NOW, None, run(LONE), NoPrices())
    assert unknown.spent_usd(NOW) is None
    known = at(NOW + HOUR, unknown, run(LONE))
    assert known.spent_usd(NOW + HOUR) == Decimal(220)


def test_a_price_that_becomes_known_holds_for_all_of_a_group_that_nobody_left() -> None:
    both = tagged(LONE, member("i-0b", age=4 * HOUR))
    unknown = at(NOW, None, both, NoPrices())
    assert unknown.spent_usd(NOW) is None
    known = at(NOW + HOUR, unknown, both)
    assert known.spent_usd(NOW + HOUR) == Decimal(200 + 80 + 40)


@pytest.mark.parametrize("of", [run(LONE), tagged(LONE, member("i-0b", age=4 * HOUR))], ids=["one", "a group"])
def test_after_a_sweep_without_a_price_the_sum_goes_on_from_where_it_was(of: Run) -> None:
    known = at(NOW, None, of)
    without = at(NOW + HOUR, known, of, NoPrices())
    assert without.spent_usd(NOW + HOUR) is None
    still = at(NOW + 2 * HOUR, without, of, NoPrices())
    back = at(NOW + 3 * HOUR, still, of)
    most = known.spent_usd(NOW)
    assert most is not None
    assert back.spent_usd(NOW + 4 * HOUR) == most + 4 * Decimal(20 * len(of.members))


def test_what_was_paid_at_another_price_before_a_sweep_without_one_stays_paid() -> None:
    known = at(NOW, None, tagged(LONE, JOINED), Prices(**{"p4d.24xlarge": "60"}))
    paid = known.spent_usd(NOW + HOUR)
    assert paid is not None
    without = at(NOW + HOUR, known, tagged(LONE, JOINED), NoPrices())
    back = at(NOW + 2 * HOUR, without, tagged(LONE, JOINED))
    assert back.spent_usd(NOW + 2 * HOUR) == paid + 40


def test_who_joined_while_there_was_no_price_counts_from_its_own_start() -> None:
    without = at(NOW, at(NOW, None, tagged(LONE)), tagged(LONE), NoPrices())
    joined = at(NOW + HOUR, without, tagged(LONE, member("i-0b", age=-30 * MINUTE)), NoPrices())
    back = at(NOW + 2 * HOUR, joined, tagged(LONE, member("i-0b", age=-30 * MINUTE)))
    assert back.spent_usd(NOW + 2 * HOUR) == Decimal(200 + 40 + 30)


@pytest.mark.parametrize("prices", [Prices(), NoPrices()], ids=["as the price is back", "before it is back"])
def test_what_one_cost_that_left_while_there_was_no_price_is_unknown(prices: PriceTable) -> None:
    known = at(NOW, None, tagged(LONE, JOINED))
    without = at(NOW + HOUR, known, tagged(LONE, JOINED), NoPrices())
    left = at(NOW + 2 * HOUR, without, tagged(LONE), prices)
    assert at(NOW + 3 * HOUR, left, tagged(LONE)).spent_usd(NOW + 3 * HOUR) is None


def test_what_members_that_left_had_cost_stays_unknown_though_a_price_is_known_now() -> None:
    unknown = at(NOW, None, tagged(LONE, JOINED), NoPrices())
    left = at(NOW + HOUR, unknown, tagged(LONE), NoPrices())
    assert at(NOW + 2 * HOUR, left, tagged(LONE)).spent_usd(NOW + 2 * HOUR) is None


def test_a_new_price_counts_from_when_it_is_known_on() -> None:
    before = at(NOW, None, tagged(LONE))
    after = at(NOW + HOUR, before, tagged(LONE), Prices(**{"p4d.24xlarge": "30"}))
    assert after.spent_usd(NOW + HOUR) == Decimal(220)
    assert after.spent_usd(NOW + 2 * HOUR) == Decimal(250)


def test_what_is_prepaid_adds_nothing() -> None:
    known = at(NOW, None, tagged(LONE, member("i-0b", age=9 * HOUR, purchase=PurchaseOption.CAPACITY_BLOCK)))
    assert known.spent_usd(NOW + HOUR) == Decimal(220)


def test_a_member_without_a_price_makes_the_sum_unknown_also_after_it_left() -> None:
    both = at(NOW, None, tagged(LONE, member("i-0b", instance_type="x9.imaginary")))
    assert both.spent_usd(NOW) is None
    alone = at(NOW + HOUR, both, tagged(LONE))
    assert alone.hourly_rate_usd == Decimal(20)
    assert alone.spent_usd(NOW + HOUR) is None


@pytest.mark.parametrize("minutes", [0, -1])
def test_a_time_at_or_before_the_last_change_has_the_sum_of_that_change(minutes: int) -> None:
    known = at(NOW, None, tagged(LONE))
    assert known.spent_usd(NOW + minutes * MINUTE) == Decimal(200)


def test_nothing_is_written_while_nothing_changes() -> None:
    known = at(NOW, None, tagged(LONE))
    assert at(NOW + HOUR, known, tagged(LONE)) == known
