"""The ledger's rows about questions whether to train: kept for the model's history, answered once for each id."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from costwatch import names
from costwatch.adapters.ledger import Ledger
from costwatch.adapters.ledger_keys import key, keyed
from costwatch.adapters.ledger_rows import Skip, decoded, read
from costwatch.adapters.table import Absent, ConditionFailed, Item, Key, Put, Write
from costwatch.core import times
from costwatch.core.modes import Mode
from costwatch.core.record import Entry, Transition
from costwatch.core.retrain_questions import Asked, Question
from costwatch.core.retraining import Verdict

KEEP_QUESTIONS: Final = timedelta(days=400)
KEEP_IDS: Final = timedelta(days=7)
"""Longer than any caller tries again."""
ABOUT: Final = "retraining"
_TEXTS: Final = ("cost_usd", "served_error", "reference_error")
_FIGURES: Final = ("expected_gain", "expected_worth_usd", "expected_cost_usd", "score", "drift_ratio")


class RetrainQuestions:
    """Reads are strongly consistent. All times are aware UTC. A model's questions are those of one region."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._table = ledger.table

    def of_model(
        self, account: str, region: str, model: str, since: datetime, skip: Skip | None = None
    ) -> list[Question]:
        """Oldest first, at or after `since`. `skip` is given every row that cannot be read."""
        items = (
            {"region": region, **item}  # rows of before name none: they are of whichever region is asked about
            for item in self._table.query(self._row(account, model, "").pk)
            if str(item["at"]) >= times.to_text(since) and item.get("region", region) == region
        )
        return list(decoded(items, _from_item, skip))

    def by_id(self, account: str, region: str, model: str, asked_id: str) -> Question | None:
        """What the same caller was answered. Raises UnreadableRow."""
        places = (self._id_row(account, region, model, asked_id), self._id_row_of_before(account, model, asked_id))
        pointer = next((found for place in places if (found := self._table.get(place)) is not None), None)
        item = self._table.get(self._row(account, model, str(pointer["question"]))) if pointer is not None else None
        return read({"region": region, **item}, _from_item) if item is not None else None

    def keep(self, question: Question) -> bool:
        """Write a question with its line; False: its id was answered, or another question came at the same moment."""
        asked, at = question.asked, times.to_text(question.at)
        row = self._row(question.account, asked.model, at)
        item = {**keyed(row), **_to_item(question), **self._kept(question.at, KEEP_QUESTIONS)}
        about = f"{question.account}/{ABOUT}/{asked.model}"
        line = self._ledger.line(self._line_row(question.account, asked.model, at), about, _entry(question))
        writes: list[Write] = [Put(item, Absent()), line]
        if asked.id:
            pointer = {**keyed(self._id_row(question.account, asked.region, asked.model, asked.id)), "question": at}
            writes.append(Put({**pointer, **self._kept(question.at, KEEP_IDS)}, Absent()))
        try:
            self._table.transact(writes)
        except ConditionFailed:
            return False
        return True

    def _kept(self, at: datetime, keep: timedelta) -> dict[str, Any]:
        return {names.TABLE_TTL_ATTRIBUTE: int((at + keep).timestamp()), **self._ledger.stamped()}

    def _row(self, account: str, model: str, at: str) -> Key:
        return key(f"retrain#{self._ledger.origin}#{account}#{model}", at)

    def _id_row(self, account: str, region: str, model: str, asked_id: str) -> Key:
        return key(f"retrain-id#{self._ledger.origin}#{account}#{region}#{model}", asked_id)

    def _id_row_of_before(self, account: str, model: str, asked_id: str) -> Key:
        """Before questions were of a region."""
        return key(f"retrain-id#{self._ledger.origin}#{account}#{model}", asked_id)

    def _line_row(self, account: str, model: str, at: str) -> Key:
        return key(f"retrain-line#{self._ledger.origin}#{account}#{model}", at)


def _entry(question: Question) -> Entry:
    evidence = {
        "asked_by": question.asked.by,
        "region": question.asked.region,
        "skipped_in_a_row": str(question.skipped_in_a_row),
        **{name: f"{value:.4g}" for name in _FIGURES if (value := getattr(question, name)) is not None},
    }
    told = Transition.TRAINING_ADVISED if question.trains else Transition.TRAINING_SKIPPED
    return Entry(
        question.at,
        told,
        question.reason,
        rule=question.rule,
        mode=question.mode.value,
        evidence=tuple((name, value) for name, value in evidence.items() if value),
    )


def _to_item(question: Question) -> dict[str, Any]:
    """Figures as text: they may have more digits than DynamoDB keeps."""
    asked = question.asked
    item = {
        "at": times.to_text(question.at),
        "account": question.account,
        "model": asked.model,
        "region": asked.region,
        "by": asked.by,
        "asked_id": asked.id,
        "mode": question.mode.value,
        "advice": question.advice.value,
        "trains": question.trains,
        "rule": question.rule,
        "reason": question.reason,
        "most_skips": question.most_skips,
        "skipped_in_a_row": question.skipped_in_a_row,
        "counted": question.counted,
        **{name: getattr(asked, name) for name in _TEXTS},
        **{name: getattr(question, name) for name in _FIGURES},
    }
    return {
        name: str(value) if isinstance(value, Decimal) else value for name, value in item.items() if value is not None
    }


def _from_item(item: Item) -> Question:
    return Question(
        account=item["account"],
        asked=Asked(
            item["model"],
            item["by"],
            item["asked_id"],
            region=item["region"],
            **{name: _decimal(item, name) for name in _TEXTS},
        ),
        at=times.from_text(item["at"]),
        mode=Mode(item["mode"]),
        advice=Verdict(item["advice"]),
        trains=bool(item["trains"]),
        rule=item["rule"],
        reason=item["reason"],
        most_skips=int(item["most_skips"]),
        skipped_in_a_row=int(item["skipped_in_a_row"]),
        counted=bool(item["counted"]),
        **{name: _decimal(item, name) for name in _FIGURES},
    )


def _decimal(item: Mapping[str, Any], name: str) -> Decimal | None:
    return Decimal(item[name]) if item.get(name) is not None else None
