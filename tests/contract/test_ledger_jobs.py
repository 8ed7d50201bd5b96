"""What the ledger remembers of jobs, on both tables: batches, and rows that are taken out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from costwatch import names
from costwatch.adapters.dynamodb import DynamoTable
from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.adapters.table import Absent, Delete, Key, Put, Table
from costwatch.core.known_jobs import KnownJob
from costwatch.errors import TransientAwsError
from tests.contract.test_ledger import client, table  # noqa: F401 - fixtures
from tests.support.builders import ACCOUNT, HOUR, NOW, REGION, job

STAMP = Stamp("a" * 64, "c0ffee")


@pytest.fixture
def ledger(table: Table) -> Ledger:  # noqa: F811
    return Ledger(table, stamp=STAMP)


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


def test_each_account_region_and_origin_knows_its_own(table: Table, ledger: Ledger) -> None:  # noqa: F811
    ledger.learn_jobs(ACCOUNT, REGION, jobs(1), [], NOW)
    assert ledger.known_jobs(ACCOUNT, "eu-west-1") == {}
    assert ledger.known_jobs("999988887777", REGION) == {}
    assert Ledger(table, stamp=STAMP, origin="laptop:ann").known_jobs(ACCOUNT, REGION) == {}


def test_every_row_is_stamped_and_ends_by_itself_after_any_job_would_have(table: Table, ledger: Ledger) -> None:  # noqa: F811
    ledger.learn_jobs(ACCOUNT, REGION, jobs(1), [], NOW)
    (row,) = table.query(f"jobs#deployed#{ACCOUNT}#{REGION}")
    assert (row["policy_digest"], row["config_commit"]) == ("a" * 64, "c0ffee")
    assert row[names.TABLE_TTL_ATTRIBUTE] == int((NOW + 30 * 24 * HOUR).timestamp())


def test_a_row_that_cannot_be_read_is_as_good_as_none(table: Table, ledger: Ledger) -> None:  # noqa: F811
    ledger.learn_jobs(ACCOUNT, REGION, jobs(2), [], NOW)
    row = dict(table.query(f"jobs#deployed#{ACCOUNT}#{REGION}")[0])
    table.batch([Put({**row, "purchase": "borrowed"})])
    assert [name for _, name in ledger.known_jobs(ACCOUNT, REGION)] == ["job-001"]


# --- batches --------------------------------------------------------------------------------------------------------


def test_a_batch_puts_and_deletes(table: Table) -> None:  # noqa: F811
    table.batch([Put({"pk": "a", "sk": str(n), "value": n}) for n in range(30)])
    table.batch([Delete(Key("a", str(n))) for n in range(29)])
    assert table.query("a") == [{"pk": "a", "sk": "29", "value": 29}]


def test_a_batch_judges_no_condition_so_it_takes_none(table: Table) -> None:  # noqa: F811
    with pytest.raises(ValueError, match="condition"):
        table.batch([Put({"pk": "a", "sk": "b"}, Absent())])


class _Leaves:
    """A DynamoDB that leaves the last write of each call over, `times` times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.written: list[Any] = []
        self.calls = 0

    def batch_write_item(self, *, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        (name,) = RequestItems
        requests = RequestItems[name]
        assert len(requests) <= 25
        self.calls += 1
        kept = requests if self.times <= 0 else requests[:-1]
        self.written += kept
        self.times -= 1
        left = requests[len(kept) :]
        return {"UnprocessedItems": {name: left} if left else {}}


def test_what_dynamodb_leaves_over_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("costwatch.adapters.dynamodb.time.sleep", lambda _seconds: None)
    leaves: Any = _Leaves(2)
    DynamoTable(leaves, "ledger").batch([Put({"pk": "a", "sk": str(n)}) for n in range(30)])
    assert (len(leaves.written), leaves.calls) == (30, 4)


def test_what_it_leaves_over_every_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("costwatch.adapters.dynamodb.time.sleep", lambda _seconds: None)
    leaves: Any = _Leaves(99)
    with pytest.raises(TransientAwsError, match="1 writes were left over"):
        DynamoTable(leaves, "ledger").batch([Put({"pk": "a", "sk": str(n)}) for n in range(3)])
