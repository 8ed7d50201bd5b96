"""The ledger's contract on messages: kept, leased, delivered, said once. The same on DynamoDB and in memory."""

from __future__ import annotations

from dataclasses import replace

from costwatch.adapters.ledger import OUTBOX_LEASE, Ledger
from costwatch.adapters.table import Table
from costwatch.core import ladder
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.core.record import Transition
from costwatch.core.step import Step
from tests.support.builders import HOUR, MINUTE, NOW, SECOND
from tests.support.ledger_steps import LATE, STAMP, delivery, first, held, saved_message
from tests.support.memory_table import MemoryTable

# --- outbox ---------------------------------------------------------------------------------------------------


def test_a_message_is_saved_with_the_step_that_says_it(ledger: Ledger) -> None:
    assert [saved_message(ledger)] == list(first().messages)


def test_a_message_is_leased_to_one_sender(ledger: Ledger) -> None:
    message = saved_message(ledger)
    assert ledger.lease_message(message, NOW)
    assert not ledger.lease_message(message, NOW)
    assert ledger.outbox(NOW) == []


def test_what_a_crashed_sender_leased_is_offered_again_when_its_lease_ends(ledger: Ledger) -> None:
    message = saved_message(ledger)
    ledger.lease_message(message, NOW)
    assert ledger.outbox(NOW + OUTBOX_LEASE - SECOND) == []
    assert ledger.outbox(NOW + OUTBOX_LEASE) == [message]
    assert ledger.lease_message(message, NOW + OUTBOX_LEASE)


def test_what_nothing_took_is_kept_for_the_next_sweep_with_its_reason(ledger: Ledger, table: Table) -> None:
    message = saved_message(ledger)
    ledger.lease_message(message, NOW)
    ledger.keep_message(message, "Slack is down" + "!" * 900, NOW)
    assert ledger.outbox(NOW) == [message]
    (item,) = table.query("outbox#deployed")
    assert item["last_error"].startswith("Slack is down")
    assert int(item["attempts"]) == 1


def test_what_was_delivered_is_gone_and_in_the_timeline(ledger: Ledger) -> None:
    message = saved_message(ledger)
    ledger.lease_message(message, NOW)
    assert ledger.delivered(message, None, delivery(), NOW)
    assert ledger.outbox(NOW + HOUR) == []
    assert not ledger.lease_message(message, NOW + HOUR)
    assert [row.entry.transition for row in ledger.timeline(LATE.id)][-1] is Transition.DELIVERED


def test_what_was_delivered_meanwhile_is_not_kept(ledger: Ledger) -> None:
    message = saved_message(ledger)
    ledger.delivered(message, None, delivery(), NOW)
    ledger.keep_message(message, "late", NOW)
    assert ledger.outbox(NOW) == []


def test_what_is_delivered_between_reading_and_keeping_it_fails_nobody() -> None:
    table = MemoryTable()
    ledger = Ledger(table, stamp=STAMP)
    message = saved_message(ledger)

    def delivered_just_before(_: object) -> None:
        table.before_transact = None
        ledger.delivered(message, None, delivery(), NOW)

    table.before_transact = delivered_just_before
    ledger.keep_message(message, "late", NOW)
    assert ledger.outbox(NOW) == []


def test_a_delivery_and_the_notice_it_starts_are_recorded_together_or_not_at_all(ledger: Ledger) -> None:
    message = saved_message(ledger)
    known = held(ledger)
    step = ladder.notice_accepted(known, message, via="Slack", stops_at=NOW + HOUR, now=NOW)
    ledger.save(Step(known, replace(known, owner="ada"), ()))
    assert not ledger.delivered(message, step, delivery(), NOW), "the record changed meanwhile"
    assert ledger.outbox(NOW) == [message]
    afresh = ladder.notice_accepted(held(ledger), message, via="Slack", stops_at=NOW + HOUR, now=NOW)
    assert ledger.delivered(message, afresh, delivery(), NOW)
    given = held(ledger).notice
    assert given is not None
    assert given.accepted_at == NOW


def test_messages_come_oldest_first(ledger: Ledger) -> None:
    for n in (3, 1, 2):
        made = Message(f"z{9 - n}", MessageKind.SUMMARY, Audience.PLATFORM, {"head": str(n), "lines": ""})
        ledger.say_once([str(n)], made, NOW + n * SECOND)
    assert [message.facts["head"] for message in ledger.outbox(NOW + MINUTE)] == ["1", "2", "3"]


def test_messages_delivered_in_one_instant_are_an_entry_each(ledger: Ledger) -> None:
    """So many that two would share any short number made of their ids."""
    message = saved_message(ledger)
    for number in range(200):
        ledger.delivered(replace(message, id=f"{message.id}#{number}"), None, delivery(), NOW)
    assert sum(row.entry.transition is Transition.DELIVERED for row in ledger.timeline(LATE.id)) == 200


def test_what_was_tried_last_comes_last(ledger: Ledger) -> None:
    made = [Message(f"m{n}", MessageKind.SUMMARY, Audience.PLATFORM, {"head": "", "lines": ""}) for n in range(3)]
    for n, message in enumerate(made):
        ledger.say_once([str(n)], message, NOW + n * SECOND)
    ledger.keep_message(made[0], "Slack broke off", NOW + MINUTE)
    ledger.keep_message(made[1], "Slack was not asked", NOW + MINUTE, tried=False)
    assert ledger.outbox(NOW + MINUTE) == [made[1], made[2], made[0]]
    ledger.keep_message(made[2], "Slack broke off", NOW + 2 * MINUTE)
    assert ledger.outbox(NOW + 2 * MINUTE) == [made[1], made[0], made[2]]


# --- told once ------------------------------------------------------------------------------------------------


def test_a_key_is_new_once(ledger: Ledger) -> None:
    assert not ledger.was_told("key")
    assert ledger.first_time("key", NOW)
    assert ledger.was_told("key")
    assert not ledger.first_time("key", NOW)


def test_a_message_said_once_is_put_into_the_outbox_with_its_keys_or_not_at_all(ledger: Ledger) -> None:
    message = Message("summary", MessageKind.SUMMARY, Audience.PLATFORM, {"head": "h", "lines": ""})
    assert ledger.say_once(["one", "two"], message, NOW)
    assert ledger.outbox(NOW) == [message]
    assert not ledger.say_once(["three", "two"], replace(message, id="again"), NOW)
    assert not ledger.was_told("three")
    assert len(ledger.outbox(NOW)) == 1
