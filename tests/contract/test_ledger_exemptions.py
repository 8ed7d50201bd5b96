"""The ledger's contract on exemptions and on what was first seen when. The same on DynamoDB and in memory."""

from __future__ import annotations

from datetime import timedelta

from costwatch import names
from costwatch.adapters.ledger import Ledger
from costwatch.adapters.table import Put
from costwatch.core import grants
from costwatch.core.exemptions import Exemption
from costwatch.core.model import RunKind
from costwatch.core.step import Step
from tests.support.builders import ACCOUNT, HOUR, NOW, REGION, SECOND, member, run
from tests.support.ledger_steps import LONG, first, held

# --- exemptions -----------------------------------------------------------------------------------------------


def test_an_exemption_is_kept_for_the_run_and_for_each_of_its_members_and_a_later_one_replaces_it(
    ledger: Ledger,
) -> None:
    churn = run(member("i-1"), member("i-2"), kind=RunKind.TAGGED, name="churn")
    assert ledger.save(first(churn))
    for hours in (9, 4):
        step = grants.exempt(held(ledger, churn), by="ada", until=NOW + hours * HOUR, reason="demo", now=NOW)
        assert ledger.save(step)
    granted = Exemption("ada", NOW, NOW + 4 * HOUR, "demo")
    assert ledger.exemptions(ACCOUNT, REGION) == dict.fromkeys((str(churn.id), "ec2#i-1", "ec2#i-2"), granted)
    assert ledger.exemptions(ACCOUNT, "eu-central-1") == {}
    rows = ledger._table.query(f"exempt#deployed#{ACCOUNT}#{REGION}")
    assert {int(item[names.TABLE_TTL_ATTRIBUTE]) for item in rows} == {int(granted.until.timestamp())}


def test_an_exemption_of_more_members_than_one_transaction_holds_is_kept_for_all_of_them(ledger: Ledger) -> None:
    many = run(*(member(f"i-{n:03}") for n in range(230)), kind=RunKind.TAGGED, name="many")
    assert ledger.save(first(many))
    assert ledger.save(grants.exempt(held(ledger, many), by="ada", until=NOW + HOUR, reason="demo", now=NOW))
    assert len(ledger.exemptions(ACCOUNT, REGION)) == 231


def test_an_exemption_that_loses_against_another_write_leaves_no_row(ledger: Ledger) -> None:
    assert ledger.save(first())
    step = grants.exempt(held(ledger), by="ada", until=NOW + HOUR, reason="demo", now=NOW)
    assert ledger.save(Step(held(ledger), held(ledger), ()))
    assert not ledger.save(step)
    assert ledger.exemptions(ACCOUNT, REGION) == {}


def test_an_exemption_of_a_run_with_the_longest_tag_is_found(ledger: Ledger) -> None:
    assert ledger.save(first(LONG))
    assert ledger.save(grants.exempt(held(ledger, LONG), by="ada", until=NOW + HOUR, reason="demo", now=NOW))
    assert str(LONG.id) in ledger.exemptions(ACCOUNT, REGION)


# --- first seen -----------------------------------------------------------------------------------------------


def test_what_is_seen_again_within_a_week_was_first_seen_then_and_after_more_than_a_week_now(ledger: Ledger) -> None:
    week = timedelta(days=7)
    assert ledger.first_seen("tag", NOW) == NOW
    assert ledger.first_seen("tag", NOW + week) == NOW
    assert ledger.first_seen("tag", NOW + 2 * week) == NOW, "a week after it was last seen"
    late = NOW + 3 * week + SECOND
    assert ledger.first_seen("tag", late) == late
    assert ledger.first_seen("tag", late + SECOND) == late


def test_what_is_known_to_have_been_there_all_the_time_does_not_begin_anew(ledger: Ledger) -> None:
    assert ledger.first_seen("tag", NOW) == NOW
    assert ledger.first_seen("tag", NOW + timedelta(days=8), known=NOW) == NOW
    assert ledger.first_seen("tag", NOW + timedelta(days=9)) == NOW


def test_a_row_of_before_that_does_not_say_when_it_was_last_seen_counts_from_its_first_time(ledger: Ledger) -> None:
    for what, days, begins in (("young", 7, 0), ("old", 8, 8)):
        ledger.first_seen(what, NOW)
        row = dict(ledger._table.query("seen#deployed", prefix=what)[0])
        del row["last_at"]
        ledger._table.put(Put(row))
        assert ledger.first_seen(what, NOW + timedelta(days=days)) == NOW + timedelta(days=begins)
