"""The rows that heartbeats become: nothing is lost between two functions, and nothing is kept longer than it counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from costwatch.adapters.pulses import KEEP, Pulses
from costwatch.adapters.table import Item, Key
from costwatch.core.beat_path import Path, path_allows
from costwatch.core.heartbeats import LONGEST_ANNOUNCED, Beat, BeatKind, Session
from costwatch.core.policy import Service
from costwatch.errors import UnreadableRow
from costwatch.intake import Arrived, Canary
from costwatch.procedures.beats import take
from tests.support import policies
from tests.support.builders import ACCOUNT, MINUTE, NOW, REGION, SECOND
from tests.support.fakes import Town
from tests.support.memory_table import MemoryTable


class _Crossed(MemoryTable):
    """Between the first read and its write, somebody else writes."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Any = None

    def get(self, wanted: Key) -> Item | None:
        found = super().get(wanted)
        if self.meanwhile is not None:
            then, self.meanwhile = self.meanwhile, None
            then()
        return found


def beat(seq: int, at: datetime = NOW, **said: Any) -> Beat:
    return Beat(Service.EC2, "i-0a", ACCOUNT, REGION, at, said.pop("kind", BeatKind.BEAT), "a", seq, **said)


def pulses(table: MemoryTable) -> Pulses:
    return Town(policies.policy(), table=table).pulses


def only(table: MemoryTable) -> Session:
    unreadable: list[UnreadableRow] = []
    (session,) = pulses(table).of_region(ACCOUNT, REGION, unreadable.append)[(Service.EC2, "i-0a")].sessions
    assert not unreadable
    return session


def test_two_functions_that_write_beats_of_one_member_at_once_lose_none() -> None:
    table = _Crossed()
    pulses(table).take([beat(1)])
    table.meanwhile = lambda: pulses(table).take([beat(2, NOW + MINUTE)])
    pulses(table).take([beat(3, NOW + 2 * MINUTE)])
    session = only(table)
    assert (session.beats, session.seq) == (3, 3)


def test_two_functions_that_write_the_first_beats_of_one_member_at_once_lose_none() -> None:
    table = _Crossed()
    table.meanwhile = lambda: pulses(table).take([beat(1)])
    pulses(table).take([beat(2, NOW + MINUTE)])
    assert only(table).beats == 2


def test_beats_that_the_queue_delivers_out_of_order_are_taken_as_they_arrived() -> None:
    beats = [beat(n, NOW + n * MINUTE, step=10 * n) for n in (1, 2, 3)]
    tables = MemoryTable(), MemoryTable()
    for table, order in zip(tables, ((0, 1, 2), (2, 0, 1)), strict=True):
        taken = take(pulses(table), [Arrived(str(n), beats[n]) for n in order], policies.policy())
        assert (taken.beats, taken.failed) == (3, [])
    assert only(tables[1]) == only(tables[0])
    assert only(tables[1]).first_at == NOW + MINUTE


def test_canaries_that_the_queue_delivers_out_of_order_make_no_gap() -> None:
    of = Town(policies.policy(sweep_every_seconds=300))
    sent = [NOW + minutes * MINUTE for minutes in (0, 15, 30, 45)]
    take(of.pulses, [Arrived("1", Canary(sent[0]))], of.policy)
    late_first = [Arrived(str(n), Canary(sent[n])) for n in (3, 1, 2)]
    assert take(of.pulses, late_first, of.policy).failed == []
    assert of.pulses.path() == Path(last_sent_at=sent[3], unbroken_since=sent[0])


def test_canaries_with_a_gap_between_them_begin_anew_behind_it() -> None:
    of = Town(policies.policy(sweep_every_seconds=300))
    sent = [NOW, NOW + path_allows(5 * MINUTE) + SECOND, NOW + 25 * MINUTE]
    take(of.pulses, [Arrived(str(n), Canary(at)) for n, at in enumerate(sent)], of.policy)
    assert of.pulses.path() == Path(last_sent_at=sent[2], unbroken_since=sent[1])


def test_a_row_is_kept_longer_than_any_phase_that_may_be_announced_also_once_it_is_done() -> None:
    """Another member's row would prove a silence that this one's end forbids."""
    table = MemoryTable()
    assert LONGEST_ANNOUNCED + timedelta(days=1) < KEEP
    for last in (beat(1), beat(2, kind=BeatKind.DONE)):
        pulses(table).take([last])
        (row,) = table.items.values()
        assert row["expires_at"] == int((NOW + KEEP).timestamp())
