"""Rows that the previous version wrote are read as it meant them, and what it began goes on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from costwatch.adapters import ledger as ledger_module
from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.adapters.ledger_approvals import Approvals
from costwatch.adapters.ledger_clicks import Clicks
from costwatch.adapters.ledger_judgements import Artifact, Judgements
from costwatch.adapters.ledger_retraining import RetrainQuestions
from costwatch.adapters.ledger_rows import SCHEMA_VERSION, read
from costwatch.adapters.price_store import PriceStore
from costwatch.adapters.pulses import Pulses
from costwatch.adapters.table import Put
from costwatch.core.approvals import State
from costwatch.core.price_book import TrustedPrices
from costwatch.core.record import Status
from costwatch.errors import UnreadableRow
from costwatch.procedures.sweep import sweep
from tests.contract.test_ledger_lowering import LOWERED
from tests.contract.test_ledger_retraining import QUESTION
from tests.support.builders import ACCOUNT, HOUR, REGION
from tests.support.fakes import START, FakeInstance, Town
from tests.support.prices import NoPrices
from tests.support.rows_of_before import LEFT_AT, STORIES, rows, table_of, town_of_runs
from tests.support.town import destroyed, later, records, transitions

STAMP = Stamp("d1", "c0ffee")
PRICED_AT = datetime(2026, 11, 14, 4, tzinfo=UTC)
Found = tuple[Town, dict[str, FakeInstance]]


def ledger_of(story: str) -> Ledger:
    return Ledger(table_of(story), stamp=STAMP)


@pytest.fixture
def found() -> Found:
    """The world as the previous version left it, and its table."""
    town, instances = town_of_runs(table_of("runs"))
    stopping = instances["stopping"]
    stopping.state, stopping.ended_at = "terminated", LEFT_AT
    town.clock.now = LEFT_AT
    return town, instances


def test_there_is_a_row_of_every_kind_and_none_says_a_version() -> None:
    frozen = [row for story in STORIES for row in rows(story)]
    drawn = re.findall(r"^    ([a-z-]+)(?:#| )", ledger_module.__doc__ or "", re.MULTILINE)
    assert len(drawn) > 25
    others = {"beats", "prices", "retrain", "retrain-id", "retrain-line", "unused"}  # drawn where they are written
    assert {row["pk"].split("#")[0] for row in frozen} == ({*drawn} - {"pk"}) | others
    assert not any("v" in row for row in frozen)


# --- what it began goes on ------------------------------------------------------------------------------


def test_open_runs_stand_as_they_stood(found: Found) -> None:
    town, _ = found
    standing = {record.name: record for record in records(town).values()}
    assert {name: record.status for name, record in standing.items()} == {
        "held": Status.HELD, "stopping": Status.STOPPING, "exempt": Status.RUNNING, "warned": Status.WARNED,
        "extended": Status.RUNNING, "tagged": Status.RUNNING, "churn": Status.RUNNING,
    }  # fmt: skip
    notice = standing["warned"].notice
    assert notice is not None
    assert (notice.accepted_at, notice.stops_at) == (START + timedelta(minutes=35), START + timedelta(minutes=90))
    assert standing["extended"].extended_total == 4 * HOUR
    assert standing["churn"].forecast is not None


def test_who_was_warned_is_stopped_at_the_time_that_was_named_and_not_warned_again(found: Found) -> None:
    town, instances = found
    later(town, minutes=5)
    posted = len(town.world.posts)
    later(town, minutes=15)
    assert instances["warned"].alive
    later(town, seconds=1)
    assert not instances["warned"].alive
    assert not any("warned stops in" in card.text for _, _, card in town.world.posts[posted:])
    assert destroyed(town) == [("TerminateInstances", REGION, (instances["warned"].id,))]


def test_what_a_cap_held_who_is_exempt_and_who_has_more_time_stay(found: Found) -> None:
    town, instances = found
    for _ in range(30):
        later(town, minutes=5)
    assert [name for name, each in instances.items() if each.alive] == ["held", "exempt", "extended", "tagged"]


def test_a_stop_that_was_under_way_is_verified(found: Found) -> None:
    town, instances = found
    later(town, minutes=5)
    later(town, minutes=5)
    assert "verified gone" in transitions(town, instances["stopping"].id)
    assert "stopping" not in {record.name for record in records(town).values()}


def test_a_stop_that_was_under_way_counts_from_when_it_was_accepted(found: Found) -> None:
    town, instances = found
    stopping = records(town)[instances["stopping"].id]
    assert stopping.stop is not None
    assert (stopping.status, stopping.stop.begun_at) == (Status.STOPPING, None)
    assert later(town, minutes=5).oldest_claim == town.clock() - (stopping.stop.requested_at or town.clock())


def test_what_was_still_to_be_said_is_said(found: Found) -> None:
    town, _ = found
    waiting = town.ledger.outbox(town.clock())
    assert waiting
    sweep(town.watchdog())
    assert town.ledger.outbox(town.clock()) == []
    assert len(town.world.posts) >= len(waiting)


def test_nothing_is_unreadable_and_nothing_fails(found: Found) -> None:
    town, _ = found
    report = later(town, minutes=5)
    assert report.failures == []


def test_what_is_written_anew_says_the_version_of_now(found: Found) -> None:
    town, _ = found
    later(town, minutes=5)
    versions = {
        row.get("v", 1) for (pk, _), row in town.table.items.items() if pk.startswith(("open#", "run#", "outbox#"))
    }
    assert versions == {1, SCHEMA_VERSION}


# --- each kind is read as it was meant --------------------------------------------------------------------


def test_timelines_costs_and_heartbeats_are_read() -> None:
    ledger = ledger_of("runs")
    said = [row.entry.transition.value for row in ledger.since(START, LEFT_AT)]
    assert {"first seen", "warned", "held", "paused", "extended", "exempted"} <= {*said}
    (cost,) = ledger.costs(ACCOUNT, START.date())
    assert (cost.name, cost.outcome.value, cost.owners.team) == ("old", "finished", "risk")
    assert cost.actual_usd is not None
    assert cost.actual_usd > Decimal(70)
    assert [each.run for each in ledger.past_runs(ACCOUNT, cost.family)] == [str(cost.run_id)]
    assert ledger.costs_of(cost.run_id) == ledger.costs_of_model(ACCOUNT, "churn") == [cost]
    skipped: list[UnreadableRow] = []
    pulses = Pulses(table_of("runs"), stamp=STAMP).of_region(ACCOUNT, REGION, skipped.append)
    assert (len(pulses), skipped) == (2, [])
    assert {key[1] for key in ledger.known_jobs(ACCOUNT, REGION)} == {"churn"}
    assert ledger.booked(ACCOUNT, REGION) is not None
    assert ledger.swept_regions(ACCOUNT, []) == {REGION}
    pause = ledger.pause()
    assert pause is not None
    assert (pause.by, pause.until) == ("ada", START + timedelta(minutes=30))
    assert {each.by for each in ledger.exemptions(ACCOUNT, REGION).values()} == {"ada"}


def test_questions_about_money_their_answers_and_what_is_left_of_them_are_read() -> None:
    approvals = Approvals(ledger_of("money"))
    (asked,) = [each for each in approvals.waiting(ACCOUNT) if each.state is State.PENDING]
    assert asked.asked.name == "churn-bert-large"
    answered = approvals.get(ACCOUNT, "apr-9070c4711a5358f7")
    assert answered is not None
    assert (answered.state, answered.source) == (State.APPROVED, asked.source)
    (purse,) = approvals.granted_to(ACCOUNT, answered.source)
    assert (purse.approval_id, purse.jobs_left, purse.drawn_by) == (answered.id, 1, ())
    assert approvals.unused(ACCOUNT, purse.expires_at) == [answered.id]
    assert "approved" in [line["transition"] for line in approvals.timeline(ACCOUNT, answered.id)]


def test_verdicts_what_they_rest_on_and_questions_about_trainings_are_read() -> None:
    ledger = ledger_of("models")
    kept = Judgements(ledger)
    judged = kept.every(ACCOUNT)
    assert len(judged) == 3
    (asked,) = [each for each in kept.open(ACCOUNT) if each.verdict.value.value == "better but too dear"]
    assert asked.gain == Decimal("0.0001")
    assert kept.get(ACCOUNT, asked.id) == asked
    assert kept.lines(ACCOUNT, asked.id)
    left = next(row for row in rows("models") if row["pk"].startswith("artifact#"))
    assert kept.artifact(ACCOUNT, left["sk"]) == Artifact(REGION, left["job"])
    questions = RetrainQuestions(ledger)
    assert questions.of_model(ACCOUNT, REGION, "churn", QUESTION.at) == [QUESTION]
    assert questions.by_id(ACCOUNT, REGION, "churn", QUESTION.asked.id) == QUESTION


def test_numbers_of_groups_counts_clicks_and_prices_are_read() -> None:
    table = table_of("others")
    ledger = Ledger(table, stamp=STAMP)
    assert ledger.lowering(LOWERED.run_id) == LOWERED
    census = ledger.census(ACCOUNT, REGION)
    assert census is not None
    assert (census.instances, dict(census.runs_of)) == (300, {"trainers": 40})
    assert ledger.was_told("unwatched#i-1")
    assert Clicks(ledger).taken("C0PLATFORM#1#U0OMAR000")
    path = Pulses(table, stamp=STAMP).path()
    assert path is not None
    assert path.last_sent_at == PRICED_AT
    book = PriceStore(table, STAMP).load()
    rate = TrustedPrices(book, NoPrices(), PRICED_AT).ec2_hourly_rate("p4d.24xlarge", REGION)
    assert rate is not None
    assert rate.hourly_rate_usd == Decimal("21.96")


# --- what a later version wrote ---------------------------------------------------------------------------


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 0, "two"])
def test_a_row_of_a_version_that_is_not_known_is_not_guessed_at(version: Any) -> None:
    with pytest.raises(UnreadableRow, match=r"version|not supported"):
        read({"pk": "open", "sk": "x", "v": version}, dict)


@pytest.mark.parametrize("version", [1, SCHEMA_VERSION, Decimal(SCHEMA_VERSION)])
def test_a_row_of_a_version_that_is_known_is_read(version: Any) -> None:
    assert read({"pk": "open", "sk": "x", "v": version}, lambda item: item["sk"]) == "x"


def test_a_run_that_a_later_version_wrote_is_left_alone_and_told_of(found: Found) -> None:
    """After a rollback: what the row means now is not known here."""
    town, instances = found
    place = next(key for key, row in town.table.items.items() if key[0].startswith("open#") and row["name"] == "warned")
    town.table.put(Put({**town.table.items[place], "v": SCHEMA_VERSION + 1}))
    failures = [str(failure) for failure in later(town, minutes=25).failures]
    assert instances["warned"].alive
    assert any(f"it has version {SCHEMA_VERSION + 1} of the rows" in each for each in failures)
