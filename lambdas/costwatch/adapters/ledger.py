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
    control                              timeline#<at>#<version>     who paused and resumed, when and why

Each row says the version of its shape (`v`, see `ledger_rows`), and which policy decided it.
Keys are made in `ledger_keys`: one that a long tag would make too long for DynamoDB is shortened there.
`origin` is `deployed`, or `laptop:<who>` for observe sweeps from a command line, which block nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zlib import crc32

from costwatch import names
from costwatch.adapters import ledger_jobs
from costwatch.adapters.ledger_codec import (
    census_from_item,
    census_to_item,
    entry_from_item,
    entry_to_item,
    exemption_from_item,
    exemption_to_item,
    lowering_from_item,
    lowering_to_item,
    message_from_item,
    message_to_item,
    pause_from_item,
    pause_to_item,
    record_from_item,
    record_to_item,
    stop_to_item,
)
from costwatch.adapters.ledger_costs import (
    KEEP_FAMILY,
    booked_from_item,
    booked_to_item,
    cost_from_item,
    cost_to_item,
    past_run_from_item,
    past_run_to_item,
)
from costwatch.adapters.ledger_keys import key
from costwatch.adapters.ledger_rows import SAID_VERSION, Skip, decoded, read
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
    Exists,
    Item,
    Key,
    Put,
    Table,
    Write,
)
from costwatch.core import exemptions, times
from costwatch.core.caps import CapLimit
from costwatch.core.census import Census
from costwatch.core.exemptions import Exemption
from costwatch.core.families import PastRun
from costwatch.core.known_jobs import JobKey, KnownJob
from costwatch.core.lowering import Lowering
from costwatch.core.messages import Message
from costwatch.core.model import Run, RunId
from costwatch.core.record import Entry, Pause, RunRecord
from costwatch.core.run_cost import Booked, RunCost
from costwatch.core.step import Step
from costwatch.errors import AwsError, UnreadableRow

DEPLOYED = "deployed"
KEEP_TIMELINE = timedelta(days=400)
KEEP_COUNTERS = timedelta(days=3)
FORGOTTEN_AFTER = timedelta(days=7)
"""What was away for longer is new when it is seen again (inclusive: exactly so long is remembered)."""
_SEEN_EVERY = timedelta(days=1)
OUTBOX_LEASE = timedelta(minutes=6)
"""Longer than the function's timeout: what a crashed sweep was sending is sent again after it."""

MOST_WRITES = 100
"""DynamoDB's limit for one transaction."""

EVERY_RUN = "every run"
"""Stands for a run's id on entries about no single run: a pause and its end."""

_LOWERED_LINE = 900  # after the claim's own lines, before what came of it
_PAUSE = key("control", "pause")


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


@dataclass(frozen=True, slots=True)
class Stamp:
    """Stands on every row: which policy decided, and from which commit of the configuration."""

    policy_digest: str
    config_commit: str

    @property
    def attributes(self) -> dict[str, Any]:
        """As a row keeps it, with the version of the row's shape."""
        return {"policy_digest": self.policy_digest, "config_commit": self.config_commit, **SAID_VERSION}


@dataclass(frozen=True, slots=True)
class TimelineRow:
    run_id: str
    origin: str
    entry: Entry
    stamp: Stamp


class Ledger:
    """Reads are strongly consistent, but for `since`. All times are aware UTC."""

    def __init__(self, table: Table, *, stamp: Stamp, origin: str = DEPLOYED) -> None:
        self._table = table
        self._stamp = stamp
        self.origin = origin

    # --- records -----------------------------------------------------------------------------------

    def open_records(self, account: str, region: str, skip: Skip | None = None) -> dict[RunId, RunRecord]:
        """All open records of one account and region.

        `skip` is given every row that cannot be read; without it the first one raises UnreadableRow.
        """
        items = self._table.each(key(f"open#{self.origin}#{account}#{region}", "").pk)
        return {record.run_id: record for record in decoded(items, self._record, skip)}

    def swept_regions(self, account: str, now_swept: Sequence[str]) -> frozenset[str]:
        """Every region of the account that was ever swept, `now_swept` among them: records may be open in each."""
        partition = f"swept#{self.origin}#{account}"
        known = frozenset(str(item["region"]) for item in self._table.query(key(partition, "").pk))
        for region in now_swept:
            if region not in known:
                self._table.put(Put({**_at(key(partition, region)), "region": region, **self._stamped()}))
        return known | frozenset(now_swept)

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
        writes.append(Check(_PAUSE, Equals("version", pause.version) if pause else Absent()))
        first_cap = len(writes)
        also = {names.TABLE_TTL_ATTRIBUTE: _expiry(now, KEEP_COUNTERS), **self._stamped()}
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

    # --- groups ------------------------------------------------------------------------------------

    def lowering(self, run_id: RunId) -> Lowering | None:
        """What a stop set the numbers of the group to, until they are put back. Raises UnreadableRow."""
        item = self._table.get(self._lowered_key(run_id))
        return read(item, lowering_from_item) if item else None

    def lower(self, lowered: Lowering, before: Lowering | None, record: RunRecord, entry: Entry) -> bool:
        """Record the numbers before they are set; False: `record` or what was recorded `before` has changed."""
        return self._written(
            [
                Check(self._record_key(record.run_id), Equals("version", record.version)),
                self._lowered_put(lowered, before),
                self._entry_put(lowered.run_id, entry, record.version, _LOWERED_LINE),
            ]
        )

    def putting_back(self, lowered: Lowering, record: RunRecord, entry: Entry) -> bool:
        """Record what a lowered group is set back to before it is; False: somebody else changed what was recorded."""
        # Whatever became of its record meanwhile: who is left must not be ended.
        line = self._entry_put(lowered.run_id, entry, record.version, _LOWERED_LINE + 1)
        return self._written([self._lowered_put(lowered, lowered), line])

    def settled(self, lowered: Lowering, record: RunRecord, entry: Entry | None = None) -> bool:
        """Record what was seen to become of numbers that were put back; False: somebody else changed what was."""
        put = self._lowered_put(lowered, lowered)
        lines = [self._entry_put(lowered.run_id, entry, record.version, _LOWERED_LINE + 3)] if entry else []
        return self._written([put, *lines])

    def restoring(self, lowered: Lowering, entry: Entry) -> bool:
        """Record that somebody asks for the numbers of before; False: they are put back, or others, already."""
        check = Check(self._lowered_key(lowered.run_id), self._unchanged(lowered))
        return self._written([check, self._entry_put(lowered.run_id, entry, 0, 0)])

    def restored(self, lowered: Lowering, entry: Entry, record: RunRecord | None = None) -> bool:
        """The numbers are back: end the lowering, with its entry; False: somebody else did.

        `record`: of a stop that put them back itself.
        """
        ended = Delete(self._lowered_key(lowered.run_id), self._unchanged(lowered))
        version, line = (record.version, _LOWERED_LINE + 2) if record is not None else (0, 1)
        return self._written([ended, self._entry_put(lowered.run_id, entry, version, line)])

    # --- exemptions --------------------------------------------------------------------------------

    def exemptions(self, account: str, region: str, skip: Skip | None = None) -> dict[str, Exemption]:
        """What people exempted in one account and region, by subject (see core.exemptions); some may have ended.

        `skip` is given every row that cannot be read; without it the first one raises UnreadableRow.
        """
        items = self._table.query(self._exemption_key(account, region, "").pk)
        return dict(decoded(items, lambda item: (str(item["subject"]), exemption_from_item(item)), skip))

    def is_exemption_of(self, row: UnreadableRow, run: Run) -> bool:
        """Whether `row` exempts the run or one of its members, whatever stands in it."""
        account, region = run.id.account, run.id.region
        return any(
            Key(row.pk, row.sk) == self._exemption_key(account, region, each) for each in exemptions.subjects(run)
        )

    # --- timeline ----------------------------------------------------------------------------------

    def timeline(self, run_id: RunId, skip: Skip | None = None) -> list[TimelineRow]:
        """All entries of a run over all its episodes, oldest first."""
        return list(decoded(self._table.query(self._timeline_key(run_id).pk), _row, skip))

    def lines(self, partition: str, skip: Skip | None = None) -> list[TimelineRow]:
        """The timeline of what is no run (see `line`), oldest first."""
        return list(decoded(self._table.query(partition), _row, skip))

    def since(self, moment: datetime, now: datetime, skip: Skip | None = None) -> list[TimelineRow]:
        """All entries of all runs and origins at or after `moment`, oldest first (eventually consistent)."""
        found: list[TimelineRow] = []
        day = moment.astimezone(UTC).date()
        while day <= now.astimezone(UTC).date():
            items = self._table.query_day(day.isoformat(), since=times.to_text(moment))
            found.extend(decoded(items, _row, skip))
            day += timedelta(days=1)
        return found

    def note(self, run_id: RunId, entry: Entry) -> None:
        """An entry about something that has no record, such as an unwatched accelerator or a pause."""
        self._table.transact([self._entry_put(run_id, entry, 0, 0)])

    # --- jobs --------------------------------------------------------------------------------------

    def known_jobs(self, account: str, region: str) -> dict[JobKey, KnownJob]:
        """What earlier sweeps learned about jobs in progress. A row that cannot be read is as good as none."""
        items = self._table.query(key(f"jobs#{self.origin}#{account}#{region}", "").pk)
        return {job.key: job for job in decoded(items, ledger_jobs.from_item, lambda _row: None)}

    def learn_jobs(
        self, account: str, region: str, learned: Sequence[KnownJob], over: Sequence[JobKey], now: datetime
    ) -> None:
        """Remember jobs and forget others. Facts need no condition: two sweeps learn the same."""
        pk = f"jobs#{self.origin}#{account}#{region}"
        kept = {names.TABLE_TTL_ATTRIBUTE: _expiry(now, ledger_jobs.KEEP_JOBS), **self._stamped()}
        writes: list[Put | Delete] = [
            Put({**_at(key(pk, ledger_jobs.sort_key(job.key))), **ledger_jobs.to_item(job), **kept}) for job in learned
        ]
        writes.extend(Delete(key(pk, ledger_jobs.sort_key(job))) for job in over)
        if writes:
            self._table.batch(writes)

    # --- costs -------------------------------------------------------------------------------------

    def past_runs(self, account: str, family: str) -> list[PastRun]:
        """Runs of a family that are over, oldest first, as the deployed switch saw them, whoever asks.

        A row that cannot be read is as good as none.
        """
        items = self._table.query(_family_key(DEPLOYED, account, family, "").pk)
        return list(decoded(items, past_run_from_item, lambda _row: None))

    def costs(self, account: str, day: date, skip: Skip | None = None) -> list[RunCost]:
        """What the runs cost that ended on a UTC day."""
        return list(decoded(self._table.query(self._cost_key(account, day, "").pk), cost_from_item, skip))

    def book_cost(self, cost: RunCost) -> bool:
        """Book what a run cost that has no record; False: it is booked already."""
        put, *others = self._cost_puts(cost)
        return self._written([replace(put, condition=Absent()), *others])

    def book_again(self, cost: RunCost) -> None:
        """What is booked already has become known better."""
        self._written(self._cost_puts(cost))

    def costs_of(self, run_id: RunId, skip: Skip | None = None) -> list[RunCost]:
        """What a run cost, once for each time that it ran, oldest first; empty: nothing is booked of it."""
        places = self._table.query(self._cost_of_key(run_id, "").pk)
        items = (self._table.get(Key(str(place["cost_pk"]), str(place["cost_sk"]))) for place in places)
        return list(decoded((item for item in items if item is not None), cost_from_item, skip))

    def costs_of_model(self, account: str, model: str, skip: Skip | None = None) -> list[RunCost]:
        """What every run cost that is tagged with the model, oldest end first."""
        items = self._table.query(self._model_cost_key(account, model, "").pk)
        return list(decoded(items, cost_from_item, skip))

    def booked(self, account: str, region: str) -> Booked | None:
        """How far jobs that ended are booked. None: none was ever looked for, or the row cannot be read."""
        item = self._table.get(self._booked_key(account, region))
        try:
            return read(item, booked_from_item) if item is not None else None
        except UnreadableRow:
            return None

    def keep_booked(self, account: str, region: str, booked: Booked) -> None:
        self._table.put(Put({**_at(self._booked_key(account, region)), **booked_to_item(booked), **self._stamped()}))

    # --- outbox ------------------------------------------------------------------------------------

    def outbox(self, now: datetime, skip: Skip | None = None) -> list[Message]:
        """What is still to be said and nobody is saying right now: what was never tried, then the least recently
        tried, each oldest first.

        `skip` is given every row that can never be said as it stands, again at each call.
        """
        waiting = [
            w for w in decoded(self._table.query(self._outbox_key("").pk), self._waiting, skip) if w.lease_until <= now
        ]
        return [w.message for w in sorted(waiting, key=lambda w: w.order)]

    def lease_message(self, message: Message, now: datetime) -> bool:
        """Whether it is ours to send now; False: another sweep sends it or has sent it."""
        item = self._table.get(self._outbox_key(message.id))
        if item is None or times.from_text(item["lease_until"]) > now:
            return False
        leased = {**item, "lease_until": times.to_text(now + OUTBOX_LEASE), "attempts": item.get("attempts", 0) + 1}
        return self._written([Put(leased, Equals("lease_until", item["lease_until"]))])

    def keep_message(self, message: Message, error: str, now: datetime, *, tried: bool = True) -> None:
        """Nothing took it: keep it for the next sweep, with the reason.

        `tried`: it was at fault or may be, so that the others go before it then.
        """
        item = self._table.get(self._outbox_key(message.id))
        if item is not None:
            kept = {**item, "lease_until": times.to_text(now), "last_error": error[:500]}
            if tried:
                kept["tried_at"] = times.to_text(now)
            with suppress(ConditionFailed):  # another sweep delivered it meanwhile
                self._table.transact([Put(kept, Exists())])

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

    def say_once(self, keys: Sequence[str], message: Message | None, now: datetime) -> bool:
        """Put `message` into the outbox and remember `keys` as long as the timeline, both or neither; at most 99 keys.

        False: one of the keys was told before, and nothing was written.
        """
        kept = {names.TABLE_TTL_ATTRIBUTE: _expiry(now, KEEP_TIMELINE), **self._stamped()}
        writes: list[Write] = [Put({**_at(self._told_key(each)), **kept}, Absent()) for each in keys]
        writes.extend([self._outbox_put(message, now)] if message is not None else [])
        return self._written(writes)

    def first_time(self, what: str, now: datetime) -> bool:
        """Whether `what` is new; it is remembered as long as the timeline."""
        return self.say_once([what], None, now)

    def first_seen(self, what: str, now: datetime, known: datetime | None = None) -> datetime:
        """When `what` was first seen: `now` at the first call, and the same time as long as it is seen again.

        What was not seen for more than 7 days begins anew, unless `known` says since when it has been there. When it
        was last seen is written once a day at most.
        """
        row = key(f"seen#{self.origin}", what)
        found = self._table.get(row)
        first, last = _seen(found) if found is not None else (None, None)
        if first is None or last is None or now - last > FORGOTTEN_AFTER:
            first = known or now
        elif now - last < _SEEN_EVERY:
            return first
        item = {
            **_at(row),
            "at": times.to_text(first),
            "last_at": times.to_text(now),
            names.TABLE_TTL_ATTRIBUTE: _expiry(now, KEEP_TIMELINE),
            **self._stamped(),
        }
        try:
            self._table.put(Put(item, Absent() if found is None else _unchanged(found)))
        except ConditionFailed:
            again = self._table.get(row)
            return _seen(again)[0] if again is not None else first
        return first

    def was_told(self, what: str) -> bool:
        """Whether `what` is remembered."""
        return self._table.get(self._told_key(what)) is not None

    # --- census ------------------------------------------------------------------------------------

    def census(self, account: str, region: str) -> Census | None:
        """The last count of everything. One that cannot be read is none: it is counted anew."""
        item = self._table.get(self._census_key(account, region))
        try:
            return read(item, census_from_item) if item is not None else None
        except UnreadableRow:
            return None

    def keep_census(self, account: str, region: str, census: Census) -> None:
        kept = {names.TABLE_TTL_ATTRIBUTE: _expiry(census.at, KEEP_COUNTERS), **self._stamped()}
        self._table.put(Put({**_at(self._census_key(account, region)), **census_to_item(census), **kept}))

    # --- pause -------------------------------------------------------------------------------------

    def pause(self) -> Pause | None:
        """The last pause, ended or not. Raises UnreadableRow: nobody may be stopped who may be paused."""
        item = self._table.get(_PAUSE)
        return read(item, pause_from_item) if item else None

    def set_pause(
        self, pause: Pause, before: Pause | None, entry: Entry | None = None, also: Sequence[Write] = ()
    ) -> bool:
        """Begin, change or end a pause, with its entry and `also`; False: somebody else changed it first."""
        condition: Condition = Equals("version", before.version) if before else Absent()
        writes: list[Write] = [Put({**_at(_PAUSE), **pause_to_item(pause), **self._stamped()}, condition), *also]
        if entry is not None:
            writes.append(self._control_put(entry, pause.version))
        return self._written(writes)

    # --- for rows of other kinds -------------------------------------------------------------------

    @property
    def table(self) -> Table:
        """For rows that are written with lines and messages of this ledger in one transaction."""
        return self._table

    def line(self, row: Key, about: str, entry: Entry) -> Put:
        """An entry of a timeline that is no run's: listed by day with all others, under the name `about`."""
        return Put(self._entry_item(row, about, entry, times.to_text(entry.at)))

    def saying(self, message: Message, now: datetime) -> Put:
        """Put `message` into the outbox."""
        return self._outbox_put(message, now)

    def stamped(self) -> dict[str, Any]:
        """What stands on every row."""
        return self._stamped()

    # --- writes ------------------------------------------------------------------------------------

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
            item = {**_at(row), **record_to_item(after), **self._stamped()}
            writes.append(Put(item, unchanged))
            writes.extend(self._claim_row(step))
        writes.extend(self._entry_put(run_id, entry, step.version, n) for n, entry in enumerate(step.entries))
        writes.extend(self._outbox_put(message, step.entries[0].at) for message in step.messages)
        if step.cost is not None:
            writes.extend(self._cost_puts(step.cost))
        return writes

    def _written(self, writes: Sequence[Write]) -> bool:
        try:
            self._table.transact(writes)
        except ConditionFailed:
            return False
        return True

    def _lowered_put(self, lowered: Lowering, before: Lowering | None) -> Put:
        row = self._lowered_key(lowered.run_id)
        kept = {names.TABLE_TTL_ATTRIBUTE: _expiry(lowered.at, KEEP_TIMELINE), **self._stamped()}
        return Put({**_at(row), **lowering_to_item(lowered), **kept}, self._unchanged(before))

    def _unchanged(self, lowered: Lowering | None) -> Condition:
        return Equals("at", times.to_text(lowered.at)) if lowered is not None else Absent()

    def _exempted(self, step: Step) -> list[Write]:
        record, exemption = step.after, step.exempted
        if record is None or exemption is None:
            return []
        subjects = exemptions.given_to(record.run_id, record.member_ids)
        return [self._exemption_put(record.run_id, subject, exemption) for subject in dict.fromkeys(subjects)]

    def _exemption_put(self, run_id: RunId, subject: str, exemption: Exemption) -> Put:
        return Put(
            {
                **_at(self._exemption_key(run_id.account, run_id.region, subject)),
                "subject": subject,
                **exemption_to_item(exemption),
                names.TABLE_TTL_ATTRIBUTE: _expiry(exemption.until, timedelta(0)),
                **self._stamped(),
            }
        )

    def _claim_row(self, step: Step) -> list[Write]:
        before, after = step.before, step.after
        stop = after.stop if after else None
        if stop is None or (before is not None and before.stop == stop):
            return []
        claim = key(stop.key if self.origin == DEPLOYED else f"{stop.key}@{self.origin}", "claim")
        item = {**_at(claim), **stop_to_item(stop), **self._stamped()}
        # A new lease may only follow one that ran out; changes under our own lease are guarded by the version.
        taken = (
            before is None or before.stop is None or before.stop.key != stop.key or before.stop.attempt != stop.attempt
        )
        started = step.entries[0].at if step.entries else stop.lease_until
        return [Put(item, AbsentOrAtMost("lease_until", times.to_text(started)) if taken else None)]

    def _entry_put(self, run_id: RunId, entry: Entry, version: int, n: int) -> Put:
        at = times.to_text(entry.at)
        row = self._timeline_key(run_id, f"{at}#{version:06d}#{n:03d}")
        where = {"account": run_id.account, "region": run_id.region}
        return Put({**self._entry_item(row, str(run_id), entry, at), **where})

    def _control_put(self, entry: Entry, version: int) -> Put:
        """A pause is about no single run, so its entries stand beside it; the index lists them with all others."""
        at = times.to_text(entry.at)
        return Put(self._entry_item(key(_PAUSE.pk, f"timeline#{at}#{version:06d}"), EVERY_RUN, entry, at))

    def _entry_item(self, row: Key, run_id: str, entry: Entry, at: str) -> dict[str, Any]:
        """`at` is the entry's own time, as the index sorts it."""
        return {
            **_at(row),
            "run_id": run_id,
            "origin": self.origin,
            **entry_to_item(entry),
            names.INDEX_BY_DAY_PARTITION_KEY: at[:10],
            names.INDEX_BY_DAY_SORT_KEY: at,
            names.TABLE_TTL_ATTRIBUTE: _expiry(entry.at, KEEP_TIMELINE),
            **self._stamped(),
        }

    def _outbox_put(self, message: Message, now: datetime) -> Put:
        at = times.to_text(now)
        return Put(
            {
                **_at(self._outbox_key(message.id)),
                "message_id": message.id,
                **message_to_item(message),
                "created_at": at,
                "lease_until": at,
                "attempts": 0,
                **self._stamped(),
            }
        )

    def _record(self, item: Item) -> RunRecord:
        record = record_from_item(item)
        if Key(item["pk"], item["sk"]) != self._record_key(record.run_id):
            raise ValueError(f"it stands under another run's key than {record.run_id}")
        return record

    def _waiting(self, item: Item) -> _Waiting:
        # A long id stands in the key shortened. Rows of before ids had an attribute of their own have short ones.
        message = message_from_item(item.get("message_id", item["sk"]), item)
        if Key(item["pk"], item["sk"]) != self._outbox_key(message.id):
            raise ValueError("it stands under another message's key")
        order = (str(item.get("tried_at", "")), str(item["created_at"]), item["sk"])
        return _Waiting(message, times.from_text(item["lease_until"]), order)

    def _record_key(self, run_id: RunId) -> Key:
        return key(f"open#{self.origin}#{run_id.account}#{run_id.region}", str(run_id))

    def _cost_puts(self, cost: RunCost) -> list[Put]:
        account, day = cost.run_id.account, cost.ended_at.astimezone(UTC).date()
        started = times.to_key(cost.started_at) if cost.started_at is not None else "-"
        row = self._cost_key(account, day, f"{cost.run_id}#{started}")
        kept = {names.TABLE_TTL_ATTRIBUTE: _expiry(cost.ended_at, KEEP_TIMELINE), **self._stamped()}
        puts = [Put({**_at(row), **cost_to_item(cost), **kept})]
        if cost.family and cost.started_at is not None:
            past = _family_key(self.origin, account, cost.family, f"{times.to_key(cost.ended_at)}#{cost.run_id}")
            kept |= {names.TABLE_TTL_ATTRIBUTE: _expiry(cost.ended_at, KEEP_FAMILY)}
            puts.append(Put({**_at(past), **past_run_to_item(cost.past_run), **kept}))
        kept |= {names.TABLE_TTL_ATTRIBUTE: _expiry(cost.ended_at, KEEP_TIMELINE)}
        when = started if cost.started_at is not None else times.to_key(cost.ended_at)
        index = {"cost_pk": row.pk, "cost_sk": row.sk}
        puts.append(Put({**_at(self._cost_of_key(cost.run_id, when)), **index, **kept}))
        if cost.owners.model:
            ended = self._model_cost_key(account, cost.owners.model, f"{times.to_key(cost.ended_at)}#{cost.run_id}")
            puts.append(Put({**_at(ended), **cost_to_item(cost), **kept}))
        return puts

    def _booked_key(self, account: str, region: str) -> Key:
        return key(f"booked#{self.origin}", f"{account}#{region}")

    def _cost_key(self, account: str, day: date, run: str) -> Key:
        return key(f"cost#{self.origin}#{account}#{day.isoformat()}", run)

    def _cost_of_key(self, run_id: RunId, when: str) -> Key:
        return key(f"cost-of#{self.origin}#{run_id.account}#{run_id}", when)

    def _model_cost_key(self, account: str, model: str, run: str) -> Key:
        return key(f"model-cost#{self.origin}#{account}#{model}", run)

    def _lowered_key(self, run_id: RunId) -> Key:
        return key(f"lowered#{self.origin}#{run_id.account}#{run_id.region}", str(run_id))

    def _exemption_key(self, account: str, region: str, subject: str) -> Key:
        return key(f"exempt#{self.origin}#{account}#{region}", subject)

    def _timeline_key(self, run_id: RunId, line: str = "") -> Key:
        return key(f"run#{self.origin}#{run_id}", line)

    def _outbox_key(self, message_id: str) -> Key:
        return key(f"outbox#{self.origin}", message_id)

    def _census_key(self, account: str, region: str) -> Key:
        return key(f"census#{self.origin}", f"{account}#{region}")

    def _told_key(self, what: str) -> Key:
        return key(f"told#{self.origin}", what)

    def _stamped(self) -> dict[str, Any]:
        return self._stamp.attributes


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An outbox row."""

    message: Message
    lease_until: datetime
    order: tuple[str, ...]


def _row(item: Any) -> TimelineRow:
    return TimelineRow(
        run_id=item["run_id"],
        origin=item["origin"],
        entry=entry_from_item(item),
        stamp=Stamp(item["policy_digest"], item["config_commit"]),
    )


def _seen(item: Item) -> tuple[datetime, datetime]:
    """When it was first seen, and when last; rows of before kept the first time only."""
    return times.from_text(item["at"]), times.from_text(item.get("last_at", item["at"]))


def _unchanged(item: Item) -> Condition:
    name = "last_at" if "last_at" in item else "at"
    return Equals(name, item[name])


def _family_key(origin: str, account: str, family: str, run: str) -> Key:
    return key(f"family#{origin}#{account}#{family}", run)


def _at(key: Key) -> dict[str, Any]:
    return {names.TABLE_PARTITION_KEY: key.pk, names.TABLE_SORT_KEY: key.sk}


def _expiry(now: datetime, keep: timedelta) -> int:
    """DynamoDB's TTL: epoch seconds."""
    return int((now + keep).timestamp())
