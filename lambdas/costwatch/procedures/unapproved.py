"""Runs without a gate in front of them: draw on the yes that they name, ask where there is none, hear the answer.

A run is attended to after it was judged and what is due was stopped. Its record is read again, so that a question is
never asked for one that has ended, and is saved like any step: whoever comes second looks again in the next sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from costwatch.adapters.ledger_approvals import Approvals
from costwatch.core import approvals, gate, named_yes, unapproved
from costwatch.core.approvals import Approval, Requester, State, Way
from costwatch.core.consent import Word, to_be_asked
from costwatch.core.deadman import Decision
from costwatch.core.families import PastRun
from costwatch.core.forecast import family_of, specs_of
from costwatch.core.gate import Judged, Request, Verdict
from costwatch.core.messages import heard
from costwatch.core.model import Run, RunId
from costwatch.core.policy import Service
from costwatch.core.quote import Part, Quote, quote
from costwatch.core.record import Entry, RunRecord, Status, Transition, same_episode
from costwatch.core.step import Step
from costwatch.core.unapproved import Cause
from costwatch.errors import InputError, TransientAwsError
from costwatch.procedures.drawing import looked_for, saved
from costwatch.procedures.forecasting import limit_of
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import Seen, SweepReport

MOST: Final = 50
"""So many runs a sweep are asked about: each takes some calls, and the next sweep goes on."""
MOST_AGAIN: Final = 200
"""Of so many that are asked about the yes that they name is looked for again in a sweep: that takes reads alone."""
SECONDS_TO_ASK: Final = 60.0
"""With less time left nobody is asked."""
_TRIES: Final = 5
_KINDS: Final = {
    Service.EC2: "EC2 run",
    Service.TRAINING: "Training",
    Service.PROCESSING: "Processing",
    Service.TUNING: "Tuning",
    Service.AUTOML: "AutoML",
}


def note(w: Watchdog, seen: Seen, record: RunRecord | None, report: SweepReport) -> None:
    """Keep for later whoever's yes is to be looked for, and whom somebody is to be asked about. No call is made.

    `record`: as this sweep leaves it.
    """
    if record is None:
        return
    # Whoever is asked about already takes nobody's place who is not.
    consent, mode = record.consent, w.policy.approval.mode
    first = to_be_asked(consent, mode) or (consent is not None and consent.word.covers)
    found, most = (report.unasked, MOST) if first else (report.named_again, MOST_AGAIN)
    if len(found) < most and is_to_be_attended(w, seen.run, record, seen.decision):
        found.append(seen)


def is_to_be_attended(w: Watchdog, run: Run, record: RunRecord, decision: Decision) -> bool:
    """Whether its purse is to be looked for, or somebody is to be asked. No call is made for it."""
    policy = w.policy.approval
    if not heard(policy.mode) or any(member.tags is None for member in run.judged):
        return False
    if named_yes.looks_for(record, named_yes.named_by(run, w.policy.tags)):
        return True
    return not decision.spared and unapproved.cause(record, policy, w.now()) is not None


def attend_all(w: Watchdog, report: SweepReport) -> None:
    """One that fails costs the others nothing; what there is no time for is left to the next sweep."""
    for found in (report.unasked, report.named_again):
        while found and w.seconds_left() >= SECONDS_TO_ASK:
            seen = found.pop(0)
            with report.isolating(f"the money of {seen.run.id}"):
                attend(w, seen.run, seen.decision, report)


def attend(w: Watchdog, run: Run, decision: Decision, report: SweepReport) -> None:
    """Let the run draw on the yes that it names, else ask where it must be asked about. Raises AwsError."""
    record = w.ledger.record(run.id)
    if record is None or record.status is Status.STOPPING or not same_episode(run, record):
        return
    named = named_yes.named_by(run, w.policy.tags)
    if named_yes.looks_for(record, named):
        record = looked_for(w, run, record, decision, named)
        if record is None:
            return
    found = unapproved.cause(record, w.policy.approval, w.now())
    if found is not None and not decision.spared:
        _ask(w, run, record, decision, found, report)


def follow(w: Watchdog, approval: Approval) -> str:
    """Write the answer to a question about a run onto its record: the sweep goes by that. What came of it, for people.

    Raises AwsError; TransientAwsError where others changed the run each time.
    """
    run_id = RunId.parse(approval.source)
    for _ in range(_TRIES):
        record = w.ledger.record(run_id)
        if record is None or not unapproved.is_about(record, approval):
            return f"the run {unapproved.why_not_about(record, approval)}, so nothing follows"
        late = record.status is Status.STOPPING and record.stop is not None
        if late and record.stop is not None and record.stop.requested_at is None:
            # Whoever is about to stop it looks at the answer once more, and only then is it known which came first.
            raise TransientAwsError(f"{run_id} is being stopped at this moment")
        after = unapproved.heard_of(record, approval)
        if after == record or w.save(Step(record, after, (_heard_entry(w, record, approval),))):
            return "too late: the run was being stopped" if late else "the run is held to it from now on"
    raise TransientAwsError(f"{run_id} was changed by others each time")


def answered_meanwhile(w: Watchdog, record: RunRecord) -> RunRecord:
    """`record` with the answer to the question about it as it stands just now, whether that was followed or not.

    For whoever is about to stop it for its money. Raises AwsError: then nobody is stopped.
    """
    consent = record.consent
    if consent is None or not consent.approval_id or consent.word is Word.DREW:
        return record
    approval = Approvals(w.ledger).get(record.run_id.account, consent.approval_id)
    return unapproved.heard_of(record, approval) if approval is not None else record


def why_moot(w: Watchdog, approval: Approval) -> str:
    """Why nobody need answer a question about a run, as a clause about that; empty: somebody must. Raises AwsError."""
    record = w.ledger.record(RunId.parse(approval.source))
    is_about = record is not None and unapproved.is_about(record, approval)
    return "" if is_about else unapproved.why_not_about(record, approval)


# --- questions ----------------------------------------------------------------------------------------------------


def _ask(w: Watchdog, run: Run, record: RunRecord, decision: Decision, found: Cause, report: SweepReport) -> None:
    assert record.start is not None  # noqa: S101 - nobody is asked about what has not started
    policy, now, ledger = w.policy.approval, w.now(), Approvals(w.ledger)
    request = Request(
        way=Way.RUN,
        key=(),
        name=record.name,
        account=run.id.account,
        region=run.id.region,
        parts=_parts(run, record, decision),
        requester=Requester(record.owner),
        owner=record.owner,
        team=record.team,
        project=record.project,
        model=record.model,
        source=str(run.id),
    )
    request, made = _priced(w, request, _past_of(w, run, report))
    judged = Judged(Verdict.HOLD, found.usd, found.tier, found.reason, found.spent_usd)
    before = record.consent.approval_id if record.consent is not None else ""
    while True:
        request = replace(request, key=unapproved.key_of(run.id, record.start, before))
        opened = approvals.ask(gate.question(request, made, judged, policy, now))
        if ledger.save(opened):
            asked = opened.after
            break
        # A record before this one, or a crash before this one knew of it: the question stands, and may be answered.
        known = ledger.get(run.id.account, opened.after.id)
        if known is None:
            return
        if unapproved.counts(known, policy.mode):
            asked = known
            break
        before = known.id
    after = unapproved.heard_of(record, asked)
    transition = Transition.ASKED if asked.state is State.PENDING else Transition(asked.state.value)
    reason = f"asked about: {found.reason}" if asked.state is State.PENDING else approvals.told(asked)
    saved(w, record, after, decision, transition, reason, approval=asked.id)


def _priced(w: Watchdog, request: Request, past: Callable[[Part], Sequence[PastRun]]) -> tuple[Request, Quote]:
    """What it costs; what no table can price is asked about all the same."""
    try:
        return request, quote(request.parts, w.prices, past)
    except InputError as error:
        unknown = replace(request, parts=(Part(request.name, request.parts[0].kind, unpriced=str(error)),))
        return unknown, quote(unknown.parts, w.prices)


def _parts(run: Run, record: RunRecord, decision: Decision) -> tuple[Part, ...]:
    """The run as one job, or what is known of it."""
    kind, limit = _KINDS[run.id.kind.service], limit_of(decision)
    one = named_yes.as_one(run, limit)
    if one is not None:
        return (Part(record.name, kind, (one,), image=run.judged[0].image if run.judged else ""),)
    try:
        specs = specs_of(run, limit)
    except InputError as error:
        return (Part(record.name, kind, unpriced=str(error)),)
    if not specs:
        return (Part(record.name, kind, unpriced="nothing says how large it is"),)
    return tuple(Part(f"{record.name}, part {n}", kind, (spec,)) for n, spec in enumerate(specs, start=1))


def _past_of(w: Watchdog, run: Run, report: SweepReport) -> Callable[[Part], Sequence[PastRun]]:
    """What the run's family took before; without it the maximum runtime stands."""
    family = family_of(run)

    def past(part: Part) -> Sequence[PastRun]:
        del part
        if family and family not in report.past_runs:
            report.past_runs[family] = ()
            with report.isolating(f"past runs of {family}"):
                report.past_runs[family] = w.ledger.past_runs(run.id.account, family)
        return report.past_runs.get(family, ())

    return past


def _heard_entry(w: Watchdog, record: RunRecord, approval: Approval) -> Entry:
    """The answer as a line of the run's own timeline."""
    answer = approval.answer
    reason = approvals.told(approval) + (f": {answer.reason}" if answer is not None and answer.reason else "")
    return Entry(
        w.now(),
        Transition.ASKED if answer is None else Transition(approval.state.value),
        reason,
        actor=answer.by if answer is not None else "costwatch",
        mode=record.mode.value,
        evidence=(("approval", approval.id),),
    )
