"""The ledger: the only state. One table; every write of a step is one conditional transaction.

    pk                                   sk                          what
    open#<origin>#<account>#<region>     <run id>                    the open record of a run
    run#<origin>#<run id>                <at>#<version>#<n>          its timeline (also in index by-day)
    stop#<mode>#<run>#<start>#<deadline> claim                       who may stop it, under a lease
    outbox#<origin>                      <message id>                what is still to be said
    cap#<origin>#<mode>                  sweep#.. share#.. day#..    counters of the blast caps
    lowered#<origin>#<account>#<region>  <run id>                    what a group's numbers were before a stop
    told#<origin>                        <key>                       what is said only once
    seen#<origin>                        <key>                       when something was first and last seen
    jobs#<origin>#<account>#<region>     <service>/<name>            what is known of a job in progress
    exempt#<origin>#<account>#<region>   <run id>                    an exemption by command, until it ends
    exempt#<origin>#<account>#<region>   <service>#<member id>       the same, for each member the run had then
    swept#<origin>#<account>             <region>                    a region that a sweep has ever looked at
    cost#<origin>#<account>#<day>        <run id>#<start>            what a run cost that ended on that UTC day
    family#<origin>#<account>#<family>   <at>#<run id>               what it took and cost, for the family's next run
    booked#<origin>                      <account>#<region>          until when jobs that ended are booked
    census#<origin>                      <account>#<region>          how much ran when everything was last counted
    approval#<origin>#<account>          <id>                        a question about money, and its answer
    waiting#<origin>#<account>           <id>                        that it is answered or done with not yet
    approval#<origin>#<account>#<id>     <at>#<version>#<n>          its timeline
    granted#<origin>#<account>#<source>  <id>                        which yes was given to an execution
    purse#<origin>#<account>             <id>                        what is left of a yes
    click#<origin>                       <click id>                  that a click in Slack was taken
    model-cost#<origin>#<account>#<model> <ended at>#<run id>        the same of every run that is tagged with a model
    cost-of#<origin>#<account>#<run id>  <start, or end>             where that is that a run cost
    judgement#<origin>#<account>#<model> <created>#<region>#<version> what was decided about a candidate
    judgement-of#<origin>#<account>      <region>/<group>/<version>  where its row is
    judgement-open#<origin>#<account>    <region>/<group>/<version>  that it is not done with yet
    judgement-line#<origin>#<account>#<id> <at>#<version>#<n>        its timeline
    artifact#<origin>#<account>          <S3 URI>                    which training job left it
    control                              pause                       the pause, its end included
    control                              sweep                       the last sweep that came to its end, and its code
    control                              timeline#<at>#<version>     who paused and resumed, when and why

Each row says the version of its shape (`v`, see `ledger_rows`), and which policy decided it.
Keys are made in `ledger_keys`: one that a long tag would make too long for DynamoDB is shortened there.
`origin` is `deployed`, or `laptop:<who>` for observe sweeps from a command line, which block nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from zlib import crc32

from costwatch import names
from costwatch.adapters.ledger_base import DEPLOYED, KEEP_TIMELINE, Stamp, expiry
from costwatch.adapters.ledger_codec import record_from_item, record_to_item, stop_to_item
from costwatch.adapters.ledger_control import KEEP_COUNTERS, PAUSE, ControlRows
from costwatch.adapters.ledger_costs import CostRows
from costwatch.adapters.ledger_exemptions import ExemptionRows
from costwatch.adapters.ledger_groups import GroupRows
from costwatch.adapters.ledger_jobs import JobRows
from costwatch.adapters.ledger_keys import key, keyed
from costwatch.adapters.ledger_outbox import OUTBOX_LEASE, OutboxRows
from costwatch.adapters.ledger_rows import Skip, decoded, read
from costwatch.adapters.ledger_timeline import TimelineRow, TimelineRows
from costwatch.adapters.ledger_told import ToldRows
from costwatch.adapters.table import (
    Absent,
    AbsentOrAtMost,
    AbsentOrBelow,
    Check,
    Condition,
    ConditionFailed,
    Count,
    Delete,
    Equals,
    Item,
    Key,
    Put,
    Write,
)
from costwatch.core import times
from costwatch.core.caps import CapLimit
from costwatch.core.messages import Message
from costwatch.core.model import RunId
from costwatch.core.record import Entry, Pause, RunRecord
from costwatch.core.step import Step
from costwatch.errors import AwsError, UnreadableRow

__all__ = [
    "DEPLOYED", "KEEP_TIMELINE", "OUTBOX_LEASE", "Claim", "ClaimOutcome", "Ledger", "Stamp", "TimelineRow",
]  # fmt: skip

MOST_WRITES: Final = 100
"""DynamoDB's limit for one transaction."""


class ClaimOutcome(StrEnum):
    CLAIMED = "claimed"
    LOST = "lost"
    """Somebody else changed the run, or paused, first."""
    CAPPED = "capped"


@dataclass(frozen=True, slots=True)
class Claim:
    outcome: ClaimOutcome
    cap: str = ""
    """For people: which cap is reached, for example `blast_cap.runs (5 a sweep)`."""


class Ledger(TimelineRows, OutboxRows, ToldRows, CostRows, JobRows, ExemptionRows, GroupRows, ControlRows):
    """Records of runs, and every other row about them: each kind has a module of its own. Reads are strongly
    consistent, but for `since`. All times are aware UTC.
    """

    def open_records(self, account: str, region: str, skip: Skip | None = None) -> dict[RunId, RunRecord]:
        """All open records of one account and region.

        `skip` is given every row that cannot be read; without it the first one raises UnreadableRow.
        """
        items = self._table.each(key(f"open#{self.origin}#{account}#{region}", "").pk)
        return {record.run_id: record for record in decoded(items, self._record, skip)}

    def record(self, run_id: RunId) -> RunRecord | None:
        """The open record of one run. Raises UnreadableRow."""
        item = self._table.get(self._record_key(run_id))
        return read(item, self._record) if item else None

    def is_row_of(self, row: UnreadableRow, run_id: RunId) -> bool:
        """Whether `row` is the open record of `run_id`, whatever stands in it."""
        return Key(row.pk, row.sk) == self._record_key(run_id)

    def save(self, step: Step, also: Sequence[Write] = ()) -> bool:
        """Write a step, and `also` with it; False: somebody else was first and nothing was written."""
        writes, exempted = [*self._writes(step), *also], self._exempted(step)
        # A run of very many members does not fit one transaction: the run's own row and the first ones go with it.
        room = MOST_WRITES - len(writes)
        if not self._written([*writes, *exempted[:room]]):
            return False
        for first in range(room, len(exempted), MOST_WRITES):
            self._table.transact(exempted[first : first + MOST_WRITES])
        return True

    def save_together(self, steps: Sequence[Step]) -> tuple[list[Step], list[Step]]:
        """Write steps of different runs, many in one transaction: those that were written, and those left to `save`.

        A step is never torn apart. Left are all of a transaction in which one step was too late, or which AWS would not
        take, and whatever would be alone in one.
        """
        saved: list[Step] = []
        left: list[Step] = []
        for pack, writes in self._packed(steps):
            (saved if len(pack) > 1 and self._pack_written(writes) else left).extend(pack)
        return saved, left

    def claim(
        self, step: Step, *, pause: Pause | None, caps: Sequence[CapLimit], released: bool, now: datetime
    ) -> Claim:
        """Take a stop: record version, pause as it was read, lease and caps in one transaction.

        `released`: a person lifted the caps for it; it still counts.
        """
        record = step.after
        if record is None or record.stop is None:
            raise ValueError("a claim needs a record with a stop attempt")
        writes = self._writes(step)
        writes.append(Check(PAUSE, Equals("version", pause.version) if pause else Absent()))
        first_cap = len(writes)
        also = {names.TABLE_TTL_ATTRIBUTE: expiry(now, KEEP_COUNTERS), **self.stamped()}
        for cap in caps:
            condition = None if released else AbsentOrBelow("stops", cap.limit)
            counter = key(f"cap#{self.origin}#{record.mode.value}", cap.counter)
            writes.append(Count(counter, "stops", condition, also))
        try:
            self._table.transact(writes)
        except ConditionFailed as failed:
            reached = [caps[index - first_cap].label for index in failed.indexes if index >= first_cap]
            if reached and len(reached) == len(failed.indexes):
                return Claim(ClaimOutcome.CAPPED, reached[0])
            return Claim(ClaimOutcome.LOST)
        return Claim(ClaimOutcome.CLAIMED)

    # --- writes ---

    def delivered(self, message: Message, step: Step | None, entry: Entry, now: datetime) -> bool:
        """Take it out of the outbox and record its delivery; `step` lets a notice count from now.

        False: the record changed meanwhile; read it again and try again.
        """
        run_id = RunId.parse(message.facts["run"]) if "run" in message.facts else None
        writes: list[Write] = [Delete(self._outbox_key(message.id))]
        writes.extend(self._writes(step) if step is not None else [])
        if run_id is not None:
            # The version keeps two deliveries in one instant apart; the message id does so too.
            writes.append(self._entry_put(run_id, entry, 999_999, crc32(message.id.encode())))
        return self._written(writes)

    def _packed(self, steps: Sequence[Step]) -> Iterator[tuple[list[Step], list[Write]]]:
        pack: list[Step] = []
        packed: list[Write] = []
        for step in steps:
            writes = self._writes(step)
            if pack and len(packed) + len(writes) > MOST_WRITES:
                yield pack, packed
                pack, packed = [], []
            pack.append(step)
            packed.extend(writes)
        if pack:
            yield pack, packed

    def _pack_written(self, writes: Sequence[Write]) -> bool:
        try:
            self._table.transact(writes)
        except (ConditionFailed, AwsError):
            return False
        return True

    def _writes(self, step: Step) -> list[Write]:
        subject = step.after or step.before
        if subject is None:
            raise ValueError("a step needs a record before or after it")
        run_id = subject.run_id
        row = self._record_key(run_id)
        unchanged: Condition = Equals("version", step.before.version) if step.before else Absent()
        writes: list[Write] = []
        if step.after is None:
            writes.append(Delete(row, unchanged))
        else:
            after = replace(step.after, version=step.version, origin=self.origin)
            item = {**keyed(row), **record_to_item(after), **self.stamped()}
            writes.append(Put(item, unchanged))
            writes.extend(self._claim_row(step))
        writes.extend(self._entry_put(run_id, entry, step.version, n) for n, entry in enumerate(step.entries))
        writes.extend(self.saying(message, step.entries[0].at) for message in step.messages)
        if step.cost is not None:
            writes.extend(self._cost_puts(step.cost))
        return writes

    def _claim_row(self, step: Step) -> list[Write]:
        before, after = step.before, step.after
        stop = after.stop if after else None
        if stop is None or (before is not None and before.stop == stop):
            return []
        claim = key(stop.key if self.origin == DEPLOYED else f"{stop.key}@{self.origin}", "claim")
        item = {**keyed(claim), **stop_to_item(stop), **self.stamped()}
        # A new lease may only follow one that ran out; changes under our own lease are guarded by the version.
        taken = (
            before is None or before.stop is None or before.stop.key != stop.key or before.stop.attempt != stop.attempt
        )
        started = step.entries[0].at if step.entries else stop.lease_until
        return [Put(item, AbsentOrAtMost("lease_until", times.to_text(started)) if taken else None)]

    def _record(self, item: Item) -> RunRecord:
        record = record_from_item(item)
        if Key(item["pk"], item["sk"]) != self._record_key(record.run_id):
            raise ValueError(f"it stands under another run's key than {record.run_id}")
        return record
