"""The ledger's contract on claims: leases, caps and pauses decide who may stop. The same on DynamoDB and in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from costwatch.adapters.ledger import ClaimOutcome, Ledger
from costwatch.adapters.table import Table
from costwatch.core import endings, stopping
from costwatch.core.caps import CapLimit
from costwatch.core.model import Run
from costwatch.core.step import Step
from tests.contract.test_ledger_costs import COST
from tests.support.builders import ACCOUNT, HOUR, MINUTE, NOW, REGION, SECOND, member, pause, run
from tests.support.ledger_steps import NO_CAPS, claim_step, due, held

# --- claims and leases ----------------------------------------------------------------------------------------


def test_of_two_claims_of_one_record_one_is_lost(ledger: Ledger) -> None:
    waiting = due(ledger)
    one = ledger.claim(claim_step(waiting, owner="a"), pause=None, caps=NO_CAPS, released=False, now=NOW)
    other = ledger.claim(claim_step(waiting, owner="b"), pause=None, caps=NO_CAPS, released=False, now=NOW)
    assert (one.outcome, other.outcome) == (ClaimOutcome.CLAIMED, ClaimOutcome.LOST)
    stop = held(ledger).stop
    assert stop is not None
    assert stop.owner == "a"


def claimed_again(ledger: Ledger, *, after: timedelta) -> ClaimOutcome:
    """Another worker reads the claimed record and tries to take the stop over."""
    step = claim_step(held(ledger), owner="b", now=NOW + after)
    return ledger.claim(step, pause=None, caps=NO_CAPS, released=False, now=NOW + after).outcome


def test_a_lease_is_not_taken_over_one_second_before_it_ends(ledger: Ledger) -> None:
    ledger.claim(claim_step(due(ledger)), pause=None, caps=NO_CAPS, released=False, now=NOW)
    assert claimed_again(ledger, after=6 * MINUTE - SECOND) is ClaimOutcome.LOST


def test_a_lease_is_taken_over_when_it_has_ended(ledger: Ledger) -> None:
    ledger.claim(claim_step(due(ledger)), pause=None, caps=NO_CAPS, released=False, now=NOW)
    assert claimed_again(ledger, after=6 * MINUTE) is ClaimOutcome.CLAIMED
    stop = held(ledger).stop
    assert stop is not None
    assert (stop.owner, stop.attempt) == ("b", 2)


def test_a_record_that_was_lost_and_seen_anew_does_not_break_a_lease_that_is_held(ledger: Ledger) -> None:
    ledger.claim(claim_step(due(ledger)), pause=None, caps=NO_CAPS, released=False, now=NOW)
    assert ledger.save(endings.superseded(held(ledger), "started anew", NOW, COST))
    assert ledger.claim(
        claim_step(due(ledger), owner="b"), pause=None, caps=NO_CAPS, released=False, now=NOW
    ).outcome is ClaimOutcome.LOST  # fmt: skip


def test_who_gave_a_claim_back_is_followed_at_once(ledger: Ledger) -> None:
    ledger.claim(claim_step(due(ledger)), pause=None, caps=NO_CAPS, released=False, now=NOW)
    failed = stopping.failed(held(ledger), "denied", NOW + SECOND)
    assert failed is not None
    assert ledger.save(failed)
    assert claimed_again(ledger, after=SECOND) is ClaimOutcome.CLAIMED


# --- caps -----------------------------------------------------------------------------------------------------


CAPS = (CapLimit("runs (2)", "sweep#1", 2), CapLimit("share (3)", "share#1", 3), CapLimit("day (9)", "day#1", 9))


def runs(count: int) -> list[Run]:
    return [run(member(f"i-{n}", age=40 * HOUR)) for n in range(count)]


def test_a_cap_lets_as_many_through_as_it_says_and_not_one_more(ledger: Ledger) -> None:
    outcomes = []
    for each in runs(4):
        step = claim_step(due(ledger, each), each)
        outcomes.append(ledger.claim(step, pause=None, caps=CAPS, released=False, now=NOW))
    assert [o.outcome.value for o in outcomes] == ["claimed", "claimed", "capped", "capped"]
    assert [o.cap for o in outcomes] == ["", "", "runs (2)", "runs (2)"]


def test_what_a_cap_did_not_allow_is_not_claimed_and_counts_nowhere(ledger: Ledger, table: Table) -> None:
    for each in runs(3):
        ledger.claim(claim_step(due(ledger, each), each), pause=None, caps=CAPS, released=False, now=NOW)
    assert held(ledger, runs(3)[2]).stop is None
    counted = {item["sk"]: int(item["stops"]) for item in table.query("cap#deployed#enforce")}
    assert counted == {"sweep#1": 2, "share#1": 2, "day#1": 2}


def test_what_was_released_passes_a_full_cap_and_still_counts(ledger: Ledger, table: Table) -> None:
    for each in runs(2):
        ledger.claim(claim_step(due(ledger, each), each), pause=None, caps=CAPS, released=False, now=NOW)
    other = runs(3)[2]
    found = ledger.claim(claim_step(due(ledger, other), other), pause=None, caps=CAPS, released=True, now=NOW)
    assert found.outcome is ClaimOutcome.CLAIMED
    assert {int(item["stops"]) for item in table.query("cap#deployed#enforce")} == {3}


def test_a_lost_claim_counts_against_no_cap(ledger: Ledger, table: Table) -> None:
    waiting = due(ledger)
    ledger.save(Step(waiting, replace(waiting, owner="ada"), ()))
    found = ledger.claim(claim_step(waiting), pause=None, caps=CAPS, released=False, now=NOW)
    assert found.outcome is ClaimOutcome.LOST
    assert table.query("cap#deployed#enforce") == []


def test_counters_and_told_keys_expire_and_records_do_not(ledger: Ledger, table: Table) -> None:
    ledger.claim(claim_step(due(ledger)), pause=None, caps=CAPS, released=False, now=NOW)
    ledger.first_time("key", NOW)
    for pk in ("cap#deployed#enforce", "told#deployed"):
        assert all(int(item["expires_at"]) > NOW.timestamp() for item in table.query(pk))
    assert all("expires_at" not in item for item in table.query(f"open#deployed#{ACCOUNT}#{REGION}"))


# --- pause ----------------------------------------------------------------------------------------------------


def test_a_pause_that_came_between_reading_and_claiming_makes_the_claim_lose(ledger: Ledger) -> None:
    waiting = due(ledger)
    assert ledger.set_pause(pause(until=NOW + HOUR), None)
    assert ledger.claim(
        claim_step(waiting), pause=None, caps=CAPS, released=True, now=NOW
    ).outcome is ClaimOutcome.LOST  # fmt: skip
    assert held(ledger).stop is None


def test_a_claim_that_knows_the_last_pause_goes_through(ledger: Ledger) -> None:
    waiting, last = due(ledger), pause(until=NOW - 10 * HOUR)
    ledger.set_pause(last, None)
    assert ledger.claim(
        claim_step(waiting), pause=ledger.pause(), caps=CAPS, released=False, now=NOW
    ).outcome is ClaimOutcome.CLAIMED  # fmt: skip


def test_of_two_people_who_pause_at_once_the_second_is_told(ledger: Ledger) -> None:
    assert ledger.set_pause(pause(until=NOW + HOUR, by="ada"), None)
    assert not ledger.set_pause(pause(until=NOW + 2 * HOUR, by="bob"), None)
    now_held = ledger.pause()
    assert now_held == pause(until=NOW + HOUR, by="ada")
    assert ledger.set_pause(pause(until=NOW, version=2), now_held)
    assert not ledger.set_pause(pause(until=NOW, version=2), now_held)
