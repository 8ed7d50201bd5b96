"""What runs cost in the end, by day, run, model and family, and how far that is booked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date

from costwatch import names
from costwatch.adapters.cost_codec import (
    KEEP_FAMILY,
    booked_from_item,
    booked_to_item,
    cost_from_item,
    cost_to_item,
    past_run_from_item,
    past_run_to_item,
)
from costwatch.adapters.ledger_base import DEPLOYED, KEEP_TIMELINE, LedgerBase, expiry
from costwatch.adapters.ledger_keys import key, keyed
from costwatch.adapters.ledger_rows import Skip, decoded, read
from costwatch.adapters.table import Absent, Key, Put
from costwatch.core import times
from costwatch.core.families import PastRun
from costwatch.core.model import RunId
from costwatch.core.run_cost import Booked, RunCost
from costwatch.errors import UnreadableRow


class CostRows(LedgerBase):
    """Rows `cost#`, `cost-of#`, `model-cost#`, `family#` and `booked#`."""

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
        self._table.put(Put({**keyed(self._booked_key(account, region)), **booked_to_item(booked), **self.stamped()}))

    def _cost_puts(self, cost: RunCost) -> list[Put]:
        account, day = cost.run_id.account, cost.ended_at.astimezone(UTC).date()
        started = times.to_key(cost.started_at) if cost.started_at is not None else "-"
        row = self._cost_key(account, day, f"{cost.run_id}#{started}")
        kept = {names.TABLE_TTL_ATTRIBUTE: expiry(cost.ended_at, KEEP_TIMELINE), **self.stamped()}
        puts = [Put({**keyed(row), **cost_to_item(cost), **kept})]
        if cost.family and cost.started_at is not None:
            past = _family_key(self.origin, account, cost.family, f"{times.to_key(cost.ended_at)}#{cost.run_id}")
            kept |= {names.TABLE_TTL_ATTRIBUTE: expiry(cost.ended_at, KEEP_FAMILY)}
            puts.append(Put({**keyed(past), **past_run_to_item(cost.past_run), **kept}))
        kept |= {names.TABLE_TTL_ATTRIBUTE: expiry(cost.ended_at, KEEP_TIMELINE)}
        when = started if cost.started_at is not None else times.to_key(cost.ended_at)
        index = {"cost_pk": row.pk, "cost_sk": row.sk}
        puts.append(Put({**keyed(self._cost_of_key(cost.run_id, when)), **index, **kept}))
        if cost.owners.model:
            ended = self._model_cost_key(account, cost.owners.model, f"{times.to_key(cost.ended_at)}#{cost.run_id}")
            puts.append(Put({**keyed(ended), **cost_to_item(cost), **kept}))
        return puts

    def _booked_key(self, account: str, region: str) -> Key:
        return key(f"booked#{self.origin}", f"{account}#{region}")

    def _cost_key(self, account: str, day: date, run: str) -> Key:
        return key(f"cost#{self.origin}#{account}#{day.isoformat()}", run)

    def _cost_of_key(self, run_id: RunId, when: str) -> Key:
        return key(f"cost-of#{self.origin}#{run_id.account}#{run_id}", when)

    def _model_cost_key(self, account: str, model: str, run: str) -> Key:
        return key(f"model-cost#{self.origin}#{account}#{model}", run)


def _family_key(origin: str, account: str, family: str, run: str) -> Key:
    return key(f"family#{origin}#{account}#{family}", run)
