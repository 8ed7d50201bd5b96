"""What the ledger remembers of jobs, on both tables: what is learned, and rows that are taken out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from costwatch import names
from costwatch.adapters.ledger import Ledger
from costwatch.adapters.table import Put, Table
from costwatch.core.known_jobs import KnownJob
from tests.support.builders import ACCOUNT, HOUR, NOW, REGION, job
from tests.support.ledger_steps import STAMP


def jobs(count: int) -> list[KnownJob]:
    return [KnownJob(job(f"job-{n:03}"), NOW).to_keep() for n in range(count)]


@pytest.mark.parametrize("count", [1, 25, 26, 60])
def test_what_was_learned_is_known_whatever_fits_into_one_call(ledger: Ledger, count: int) -> None:
    ledger.learn_jobs(ACCOUNT, REGION, jobs(count), [], NOW)
    assert ledger.known_jobs(ACCOUNT, REGION) == {known.key: known for known in jobs(count)}


def test_nothing_learned_writes_nothing(ledger: Ledger) -> None:
    ledger.learn_jobs(ACCOUNT, REGION, [], [], NOW)
    assert ledger.known_jobs(ACCOUNT, REGION) == {}


def test_what_was_learned_anew_takes_the_place_of_what_was(ledger: Ledger) -> None:
    (known,) = jobs(1)
    other = replace(known, member=replace(known.member, tags={"a": "b"}), tags_read_at=NOW + HOUR)
    ledger.learn_jobs(ACCOUNT, REGION, [known], [], NOW)
    ledger.learn_jobs(ACCOUNT, REGION, [other], [], NOW + HOUR)
    assert ledger.known_jobs(ACCOUNT, REGION) == {known.key: other}


def test_jobs_that_are_over_are_forgotten(ledger: Ledger) -> None:
    ledger.learn_jobs(ACCOUNT, REGION, jobs(40), [], NOW)
    ledger.learn_jobs(ACCOUNT, REGION, [], [known.key for known in jobs(39)], NOW)
    assert [name for _, name in ledger.known_jobs(ACCOUNT, REGION)] == ["job-039"]


def test_each_account_region_and_origin_knows_its_own(table: Table, ledger: Ledger) -> None:
    ledger.learn_jobs(ACCOUNT, REGION, jobs(1), [], NOW)
    assert ledger.known_jobs(ACCOUNT, "eu-west-1") == {}
    assert ledger.known_jobs("999988887777", REGION) == {}
    assert Ledger(table, stamp=STAMP, origin="laptop:ann").known_jobs(ACCOUNT, REGION) == {}


def test_every_row_is_stamped_and_ends_by_itself_after_any_job_would_have(table: Table, ledger: Ledger) -> None:
    ledger.learn_jobs(ACCOUNT, REGION, jobs(1), [], NOW)
    (row,) = table.query(f"jobs#deployed#{ACCOUNT}#{REGION}")
    assert (row["policy_digest"], row["config_commit"]) == ("a" * 64, "c0ffee")
    assert row[names.TABLE_TTL_ATTRIBUTE] == int((NOW + 30 * 24 * HOUR).timestamp())


def test_a_row_that_cannot_be_read_is_as_good_as_none(table: Table, ledger: Ledger) -> None:
    ledger.learn_jobs(ACCOUNT, REGION, jobs(2), [], NOW)
    row = dict(table.query(f"jobs#deployed#{ACCOUNT}#{REGION}")[0])
    table.batch([Put({**row, "purchase": "borrowed"})])
    assert [name for _, name in ledger.known_jobs(ACCOUNT, REGION)] == ["job-001"]
