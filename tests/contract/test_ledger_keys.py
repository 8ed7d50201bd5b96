"""Keys that a long tag makes long: DynamoDB would refuse them, so they are shortened and still never meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwatch.adapters import ledger_keys
from costwatch.adapters.ledger import ClaimOutcome, Ledger
from costwatch.adapters.table import Key, Put, Table
from costwatch.core.step import Step
from costwatch.errors import PermanentAwsError
from tests.support.builders import ACCOUNT, HOUR, NOW, REGION, warned
from tests.support.ledger_steps import LONG, LONGEST_TAG, NO_CAPS, POLICY, STAMP, claim_step, delivery, first, held


@pytest.mark.parametrize(("pk", "sk"), [("p" * 2049, "s"), ("p", "s" * 1025)], ids=["partition", "sort"])
def test_a_table_refuses_a_key_that_dynamodb_would_refuse(table: Table, pk: str, sk: str) -> None:
    with pytest.raises((ValueError, PermanentAwsError)):
        table.get(Key(pk, sk))
    with pytest.raises((ValueError, PermanentAwsError)):
        table.transact([Put({"pk": pk, "sk": sk})])


@pytest.mark.parametrize(("pk", "sk"), [("p" * 2048, "s"), ("p", "s" * 1024)], ids=["partition", "sort"])
def test_a_table_takes_a_key_at_dynamodbs_limit(table: Table, pk: str, sk: str) -> None:
    table.transact([Put({"pk": pk, "sk": sk})])
    assert table.get(Key(pk, sk)) is not None


def test_short_keys_are_kept_as_they_are() -> None:
    assert ledger_keys.key("open#deployed#1#us-east-1", "1/us-east-1/run/churn") == Key(
        "open#deployed#1#us-east-1", "1/us-east-1/run/churn"
    )
    longest = Key("p" * (2048 - 72), "s" * (1024 - 72))
    assert ledger_keys.key(longest.pk, longest.sk) == longest


@given(st.text(max_size=1100), st.text(max_size=1100))
def test_every_key_fits_and_two_texts_never_make_one_key(one: str, other: str) -> None:
    keys = [ledger_keys.key(f"run#{text}", text) for text in (one, other)]
    for made in keys:
        assert len(made.pk.encode()) <= 2048
        assert len(made.sk.encode()) <= 1024
    assert (keys[0].sk == keys[1].sk) == (one == other)


@pytest.mark.parametrize("text", ["s" * 953, "s" * 951 + "é", "s" * 950 + LONGEST_TAG, LONGEST_TAG])
def test_a_shortened_key_begins_as_it_was_and_is_no_other_texts_key(text: str) -> None:
    made = ledger_keys.key("p", text).sk
    assert made.startswith(text[:200])
    assert len(made.encode()) <= 1024
    assert ledger_keys.key("p", made).sk != made, "a tag that spells the shortened key gets another one"
    assert ledger_keys.key("p", text + "!").sk != made


def test_a_run_with_the_longest_tag_is_kept_claimed_and_its_message_delivered(ledger: Ledger) -> None:
    assert ledger.save(first(LONG))
    assert ledger.open_records(ACCOUNT, REGION).keys() == {LONG.id}
    (message,) = ledger.outbox(NOW)
    assert message == first(LONG).messages[0]
    assert ledger.lease_message(message, NOW)
    assert ledger.delivered(message, None, delivery(), NOW)
    assert ledger.outbox(NOW) == []
    assert [row.run_id for row in ledger.timeline(LONG.id)] == [str(LONG.id)] * 3
    known = held(ledger, LONG)
    warned_one = warned(LONG, POLICY, ago=5 * HOUR, version=known.version)
    assert ledger.save(Step(known, warned_one, ()))
    step = claim_step(held(ledger, LONG), LONG)
    claim = ledger.claim(step, pause=None, caps=NO_CAPS, released=False, now=NOW)
    assert claim.outcome is ClaimOutcome.CLAIMED
    for origin in ("deployed", "laptop:arn:aws:sts::111122223333:assumed-role/" + "R" * 64 + "/" + "s" * 64):
        other = Ledger(ledger._table, stamp=STAMP, origin=origin)
        seen = f"exempt#{LONG.id}#{LONGEST_TAG}"
        assert other.first_seen(seen, NOW) == NOW
        assert other.first_seen(seen, NOW + HOUR) == NOW
        assert other.first_time(f"unwatched#{LONG.id}", NOW)
        assert other.was_told(f"unwatched#{LONG.id}")
