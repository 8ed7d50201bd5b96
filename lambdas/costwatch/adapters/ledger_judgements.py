"""The ledger's rows about candidates: what was decided, what is still open, which job left which artifact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from costwatch import names
from costwatch.adapters.judgement_codec import judgement_from_item, judgement_to_item
from costwatch.adapters.ledger import KEEP_TIMELINE, Ledger, TimelineRow
from costwatch.adapters.ledger_keys import key, keyed
from costwatch.adapters.ledger_rows import Skip, decoded, read
from costwatch.adapters.table import Absent, Condition, ConditionFailed, Delete, Equals, Item, Key, Put, Write
from costwatch.core import times
from costwatch.core.judgement_steps import JudgementStep
from costwatch.core.judgements import Judgement
from costwatch.core.model import RunId
from costwatch.core.record import Entry
from costwatch.core.run_cost import RunCost
from costwatch.errors import UnreadableRow

ABOUT: Final = "judgement"
KEEP_JUDGEMENTS: Final = timedelta(days=1100)
"""As long as a model may be said to serve: what it was measured on is the next one's baseline until then."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """Which training job left an artifact, as its event told."""

    region: str
    job: str


class Judgements:
    """Reads are strongly consistent. All times are aware UTC. A judgement's id is `us-east-1/churn/41`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._table = ledger.table

    # --- judgements --------------------------------------------------------------------------------

    def get(self, account: str, judgement_id: str) -> Judgement | None:
        """One candidate's row. Raises UnreadableRow."""
        found = self._table.get(self._pointer(account, judgement_id))
        return self._at_pointer(found) if found is not None else None

    def of_model(self, account: str, model: str, skip: Skip | None = None) -> list[Judgement]:
        """Every candidate of a model, oldest first.

        `skip` is given every row that cannot be read; without it the first one raises UnreadableRow.
        """
        return list(decoded(self._table.query(self._rows_of(account, model)), judgement_from_item, skip))

    def open(self, account: str, skip: Skip | None = None) -> list[Judgement]:
        """What waits, is asked about or is being written, and what stays pending in the registry; oldest first."""
        pointers = self._table.query(self._open_pointer(account, "").pk)
        found = list(self._each(pointers, skip))
        return sorted(found, key=lambda each: (each.created_at, each.id))

    def every(self, account: str, skip: Skip | None = None) -> list[Judgement]:
        """Every candidate of every model, oldest first; `skip` as in `of_model`."""
        models = {str(each["row_pk"]) for each in self._table.query(self._pointer(account, "").pk)}
        found = (each for pk in sorted(models) for each in decoded(self._table.query(pk), judgement_from_item, skip))
        return sorted(found, key=lambda each: (each.created_at, each.id))

    def save(self, step: JudgementStep) -> bool:
        """Write a step with its lines and messages; False: somebody else was first, and nothing was written."""
        return self._written(self._writes(step))

    def timeline(self, account: str, judgement_id: str) -> list[Item]:
        """The rows of its lines, oldest first."""
        return self._table.query(self._line_row(account, judgement_id, "").pk)

    def lines(self, account: str, judgement_id: str, skip: Skip | None = None) -> list[TimelineRow]:
        """Its timeline, oldest first."""
        return self._ledger.lines(self._line_row(account, judgement_id, "").pk, skip)

    # --- what trained them, and what that cost -------------------------------------------------------

    def keep_artifact(self, account: str, uri: str, artifact: Artifact, now: datetime) -> None:
        """Remember which job left `uri`. A fact: whoever hears of it later writes the same."""
        kept = {names.TABLE_TTL_ATTRIBUTE: int((now + KEEP_TIMELINE).timestamp()), **self._ledger.stamped()}
        row = self._artifact_row(account, uri)
        self._table.put(Put({**keyed(row), "region": artifact.region, "job": artifact.job, **kept}))

    def artifact(self, account: str, uri: str) -> Artifact | None:
        """Which job left it, as far as anything told. A row that cannot be read is as good as none."""
        item = self._table.get(self._artifact_row(account, uri))
        if item is None or not isinstance(item.get("region"), str) or not isinstance(item.get("job"), str):
            return None
        return Artifact(item["region"], item["job"])

    def costs_of_model(self, account: str, model: str, since: datetime, skip: Skip | None = None) -> list[RunCost]:
        """What every run cost that is tagged with the model and ended at or after `since`, oldest first."""
        return [cost for cost in self._ledger.costs_of_model(account, model, skip) if cost.ended_at >= since]

    def cost_of(self, run_id: RunId, skip: Skip | None = None) -> list[RunCost]:
        """What a run cost, each time that it ran; empty: nothing is booked of it."""
        return self._ledger.costs_of(run_id, skip)

    # --- writes --------------------------------------------------------------------------------------

    def _writes(self, step: JudgementStep) -> list[Write]:
        before, after = step.before, step.after
        account, row = after.account, self._row(after)
        unchanged: Condition = Equals("row_version", before.row_version) if before is not None else Absent()
        kept = {
            names.TABLE_TTL_ATTRIBUTE: int((after.judged_at + KEEP_JUDGEMENTS).timestamp()),
            **self._ledger.stamped(),
        }
        place = {"row_pk": row.pk, "row_sk": row.sk}
        writes: list[Write] = [Put({**keyed(row), **judgement_to_item(after), **kept}, unchanged)]
        pointer, is_open = self._pointer(account, after.id), self._open_pointer(account, after.id)
        # A step may come long after the first one: the pointer lasts as long as what it points to.
        writes.append(Put({**keyed(pointer), **place, **kept}))
        if after.state.final:
            writes.append(Delete(is_open))
        else:
            writes.append(Put({**keyed(is_open), **place, **self._ledger.stamped()}))
        writes.extend(self._line(after, entry, n) for n, entry in enumerate(step.entries))
        writes.extend(self._ledger.saying(message, step.at) for message in step.messages)
        return writes

    def _written(self, writes: list[Write]) -> bool:
        try:
            self._table.transact(writes)
        except ConditionFailed:
            return False
        return True

    def _line(self, judgement: Judgement, entry: Entry, n: int) -> Put:
        text = f"{times.to_text(entry.at)}#{judgement.row_version:06d}#{n:03d}"
        row = self._line_row(judgement.account, judgement.id, text)
        return self._ledger.line(row, f"{judgement.account}/{ABOUT}/{judgement.id}", entry)

    # --- reads ---------------------------------------------------------------------------------------

    def _each(self, pointers: Iterable[Item], skip: Skip | None) -> Iterator[Judgement]:
        for pointer in pointers:
            try:
                found = self._at_pointer(pointer)
            except UnreadableRow as row:
                if skip is None:
                    raise
                skip(row)
            else:
                if found is not None:
                    yield found

    def _at_pointer(self, pointer: Item) -> Judgement | None:
        place = read(pointer, lambda item: Key(str(item["row_pk"]), str(item["row_sk"])))
        item = self._table.get(place)
        return read(item, judgement_from_item) if item is not None else None

    # --- keys ----------------------------------------------------------------------------------------

    def _rows_of(self, account: str, model: str) -> str:
        return key(f"judgement#{self._ledger.origin}#{account}#{model}", "").pk

    def _row(self, judgement: Judgement) -> Key:
        created = times.to_text(judgement.created_at)
        place = f"{created}#{judgement.region}#{judgement.package_version}"
        return key(f"judgement#{self._ledger.origin}#{judgement.account}#{judgement.model}", place)

    def _pointer(self, account: str, judgement_id: str) -> Key:
        return key(f"judgement-of#{self._ledger.origin}#{account}", judgement_id)

    def _open_pointer(self, account: str, judgement_id: str) -> Key:
        return key(f"judgement-open#{self._ledger.origin}#{account}", judgement_id)

    def _line_row(self, account: str, judgement_id: str, line: str) -> Key:
        return key(f"judgement-line#{self._ledger.origin}#{account}#{judgement_id}", line)

    def _artifact_row(self, account: str, uri: str) -> Key:
        return key(f"artifact#{self._ledger.origin}#{account}", uri)
