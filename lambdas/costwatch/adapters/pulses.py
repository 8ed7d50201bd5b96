"""Heartbeats in the ledger's table: one row for each member that beats, and one for the canary of their way.

    pk                          sk                        what
    beats#<account>#<region>    <service>#<member id>     the pulse of an instance or job, its `version` guards writes
    beats                       path                      the newest canary and since when none was missing

Rows belong to no origin: what a trainer said is the same for the deployed sweep and for one from a laptop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from costwatch import names
from costwatch.adapters.ledger import Stamp
from costwatch.adapters.ledger_keys import key
from costwatch.adapters.ledger_rows import Skip, decoded, read
from costwatch.adapters.pulse_codec import path_from_item, path_to_item, pulse_from_item, pulse_to_item
from costwatch.adapters.table import Absent, Condition, ConditionFailed, Equals, Item, Key, Put, Table
from costwatch.core import beat_path, heartbeats
from costwatch.core.beat_path import Path
from costwatch.core.heartbeats import Beat, Pulse
from costwatch.core.model import Run
from costwatch.core.policy import Service
from costwatch.errors import TransientAwsError, UnreadableRow

KEEP: Final = timedelta(days=10)
"""After its last beat: longer than any phase that may be announced. What then is still silent has its time limit."""
_TRIES: Final = 5
_PATH: Final = key("beats", "path")

MemberKey = tuple[Service, str]


class Pulses:
    """Reads are strongly consistent. Raises AwsError; UnreadableRow for a row that is not what this version writes."""

    def __init__(self, table: Table, *, stamp: Stamp) -> None:
        self._table = table
        self._stamp = stamp

    def of_region(self, account: str, region: str, skip: Skip) -> dict[MemberKey, Pulse]:
        """All pulses of one account and region; `skip` is given every row that cannot be read."""
        return dict(decoded(self._table.query(_partition(account, region)), _row, skip))

    def of_members(self, run: Run, left: Iterable[MemberKey] = ()) -> dict[MemberKey, Pulse]:
        """The pulses of a run's members, and of who `left` it, each read by its key. Raises UnreadableRow."""
        account, region = run.id.account, run.id.region
        members = [*((member.service, member.id) for member in run.members), *left]
        found = (self._table.get(_key(account, region, service, member_id)) for service, member_id in members)
        return dict(read(item, _row) for item in found if item is not None)

    def is_row_of(self, row: UnreadableRow, run: Run, left: Iterable[MemberKey] = ()) -> bool:
        """Whether `row` is the pulse of one of the run's members, or of who `left` it, whatever stands in it."""
        account, region = run.id.account, run.id.region
        members = [*((member.service, member.id) for member in run.members), *left]
        return any(Key(row.pk, row.sk) == _key(account, region, *each) for each in members)

    def path(self) -> Path | None:
        """The newest canary that arrived; None: none ever did."""
        item = self._table.get(_PATH)
        return read(item, path_from_item) if item is not None else None

    def take(self, beats: Sequence[Beat]) -> None:
        """Add beats of one member, in the order in which they arrived, with one write."""
        first = beats[0]
        row = _key(first.account, first.region, first.service, first.member_id)

        def after(item: Item | None) -> Mapping[str, Any]:
            pulse = read(item, _row)[1] if item is not None else Pulse()
            for beat in beats:
                pulse = heartbeats.after(pulse, beat)
            return {**pulse_to_item(first.service, first.member_id, pulse), **_until(pulse.last_at + KEEP)}

        self._update(row, after)

    def canary(self, sent_at: datetime, allowed: timedelta) -> None:
        """A canary arrived. `allowed`: the longest time between two that is no break."""

        def after(item: Item | None) -> Mapping[str, Any]:
            path = read(item, path_from_item) if item is not None else None
            return {**path_to_item(beat_path.path_after(path, sent_at, allowed)), **_until(sent_at + KEEP)}

        self._update(_PATH, after)

    def _update(self, row: Key, after: Callable[[Item | None], Mapping[str, Any]]) -> None:
        """Read, change and write back, unless somebody else wrote meanwhile: then again."""
        for _ in range(_TRIES):
            item = self._table.get(row)
            version = read(item, _version) if item is not None else 0
            condition: Condition = Equals("version", version) if item is not None else Absent()
            written = {
                names.TABLE_PARTITION_KEY: row.pk,
                names.TABLE_SORT_KEY: row.sk,
                "version": version + 1,
                **self._stamp.attributes,
                **after(item),
            }
            try:
                self._table.put(Put(written, condition))
            except ConditionFailed:
                continue
            return
        raise TransientAwsError(f"{row.sk} was changed by others each time", code="Conflict")


def _until(moment: datetime) -> dict[str, Any]:
    """The row is deleted some time after this."""
    return {names.TABLE_TTL_ATTRIBUTE: int(moment.timestamp())}


def _partition(account: str, region: str) -> str:
    return key(f"beats#{account}#{region}", "").pk


def _key(account: str, region: str, service: Service, member_id: str) -> Key:
    service, member_id = heartbeats.pulse_key(service, member_id)
    return key(f"beats#{account}#{region}", f"{service.value}#{member_id}")


def _version(item: Item) -> int:
    return int(item["version"])


def _row(item: Item) -> tuple[MemberKey, Pulse]:
    return heartbeats.pulse_key(Service(item["service"]), str(item["member"])), pulse_from_item(item)
