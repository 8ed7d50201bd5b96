"""A run draws on the yes that it names: once, in one conditional write, and only where what was approved runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from costwatch.adapters.ledger_approvals import Approvals
from costwatch.core import named_yes, times
from costwatch.core.consent import Consent, Word, undecided
from costwatch.core.deadman import Decision
from costwatch.core.model import Run
from costwatch.core.named_yes import Named
from costwatch.core.purses import Draw, Purse, draw
from costwatch.core.record import Entry, RunRecord, Transition
from costwatch.core.step import Step, decision_entry
from costwatch.errors import TransientAwsError, UnreadableRow
from costwatch.procedures.forecasting import limit_of
from costwatch.procedures.ports import Watchdog

_TRIES: Final = 5


def looked_for(w: Watchdog, run: Run, record: RunRecord, decision: Decision, named: Named) -> RunRecord | None:
    """The record as it was saved after its purse was looked for; None: somebody else changed it first."""
    now = w.now()
    ledger, key = Approvals(w.ledger), _drawn_as(record)
    results: list[Draw] = []
    for purse in _purses(ledger, run, named):
        result, left = _drawn(w, ledger, purse, run, record, decision, named, key)
        if result in (Draw.DRAWN, Draw.BEFORE):
            after = named_yes.drew(record, left, key, now)
            reason = f"drew on the yes of {left.approval_id}: {left.jobs_left} more may"
            return saved(w, record, after, decision, Transition.DREW, reason, approval=left.approval_id)
        results.append(result)
    if not undecided(record.consent):
        return record
    at = record.consent.at if record.consent is not None else now
    word = record.consent.word if record.consent is not None else Word.LOOKED
    after = replace(record, consent=Consent(word, at, looked_for=str(named)))
    why = "; ".join(dict.fromkeys(each.value for each in results)) or "there is none"
    return saved(w, record, after, decision, Transition.NO_DRAW, f"drew on no yes of {named}: {why}")


def _purses(ledger: Approvals, run: Run, named: Named) -> Iterable[Purse]:
    """Where the run says that it was granted something; what cannot be read is none."""
    if named.approval_id:
        try:
            found = ledger.purse(run.id.account, named.approval_id)
        except UnreadableRow:
            found = None
        if found is not None:
            yield found
    for purse in ledger.granted_to(run.id.account, named.execution):
        if purse.approval_id != named.approval_id:
            yield purse


def _drawn(
    w: Watchdog,
    ledger: Approvals,
    purse: Purse,
    run: Run,
    record: RunRecord,
    decision: Decision,
    named: Named,
    key: str,
) -> tuple[Draw, Purse]:
    """Draw in one conditional write; whoever is second looks at what is left."""
    started = named_yes.draws_as(run, limit_of(decision), purse, named, record.team)
    for _ in range(_TRIES):
        drawn = draw(purse, key, started, w.now())
        if drawn.result is not Draw.DRAWN:
            return drawn.result, purse
        entry = Entry(
            w.now(),
            Transition.DREW,
            f"{record.name} drew on it: {drawn.after.jobs_left} more may",
            mode=w.policy.approval.mode.value,
            evidence=(("run", str(run.id)),),
        )
        if ledger.draw(purse, drawn.after, entry):
            return Draw.DRAWN, drawn.after
        again = ledger.purse(purse.account, purse.approval_id)
        if again is None:
            return Draw.EMPTY, purse
        purse = again
    raise TransientAwsError(f"{purse.approval_id} was drawn on by others each time")


def _drawn_as(record: RunRecord) -> str:
    """A run with its start: a new start is another job."""
    assert record.start is not None  # noqa: S101 - nothing is looked for before
    return f"{record.run_id}@{times.to_key(record.start)}"


def saved(
    w: Watchdog,
    record: RunRecord,
    after: RunRecord,
    decision: Decision,
    transition: Transition,
    reason: str,
    **evidence: str,
) -> RunRecord | None:
    """The record as it now stands in the ledger; None: somebody else was first."""
    step = Step(record, after, (decision_entry(w.now(), transition, reason, decision, **evidence),))
    return replace(after, version=step.version) if w.save(step) else None
