"""Ask before money flows, take the one answer, do what follows from it, and let nobody wait for ever."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from costwatch.adapters.callback_steps import ExecutionSource, Waiting
from costwatch.adapters.ledger_approvals import Approvals
from costwatch.core import approvals, claims, families, gate, gate_graduating
from costwatch.core.approvals import Approval, ApprovalStep, Clicker, Requester, State, Way
from costwatch.core.estimator import DEFAULT_MAX_RUNTIME
from costwatch.core.families import PastRun
from costwatch.core.gate import Request, Verdict
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.core.money import show_usd
from costwatch.core.policy import Mode
from costwatch.core.quote import Part, Quote, quote
from costwatch.core.record import Entry, Transition
from costwatch.core.token_answer import TokenAnswer
from costwatch.errors import AwsError, InputError, RefusedError, UnknownRun
from costwatch.procedures import outbox, unapproved
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport

_TRIES: Final = 5
DENIED: Final = "Costwatch.Denied"
EXPIRED: Final = "Costwatch.Expired"
WITHDRAWN: Final = "Costwatch.Withdrawn"
"""The names by which a state machine's task fails: a Catch compares them."""


class CallbackStepsPort(Protocol):
    """See adapters.callback_steps.CallbackSteps."""

    def succeed(self, token: str, outputs: Mapping[str, str], *, execution_arn: str = ...) -> TokenAnswer: ...
    def fail(self, token: str, reason: str, *, execution_arn: str = ...) -> TokenAnswer: ...
    def started_by(self, execution_arn: str, token: str) -> str: ...
    def waiting_steps(self, queue_url: str, since: datetime) -> Waiting: ...
    def source_of(self, execution_arn: str) -> ExecutionSource: ...


class TaskTokensPort(Protocol):
    """See adapters.task_tokens.TaskTokens."""

    def succeed(self, token: str, output: Mapping[str, str]) -> TokenAnswer: ...
    def fail(self, token: str, error: str, cause: str) -> TokenAnswer: ...


@dataclass(frozen=True, slots=True)
class Gate:
    """Everything that asks, answers and follows. `steps`: by region."""

    w: Watchdog
    approvals: Approvals
    steps: Callable[[str], CallbackStepsPort]
    tasks: TaskTokensPort


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request. `waits`: nobody has answered yet. `outputs`: for whatever comes after it, all texts."""

    id: str
    decision: str
    """`pass`, `would hold`, or a state of the question."""
    reason: str
    outputs: Mapping[str, str]
    goes_on: bool
    waits: bool = False


def ask(g: Gate, request: Request) -> Reply:
    """Price a request; let it go on where nobody is to be asked, else ask once, however often it comes.

    Whatever waits by a token and need not wait is answered here. Raises AwsError where the ledger, or the answer,
    fails: then the request comes again, and nothing is said twice.
    """
    w, now, policy = g.w, g.w.now(), g.w.policy.approval
    request = replace(request, requester=_known_to_slack(w, request.requester))
    made = quote(request.parts, w.prices, _past_of(w, request))
    judged = gate.judge(made, policy)
    if judged.verdict is not Verdict.HOLD:
        asked_before = g.approvals.get(request.account, request.id)
        if asked_before is not None:  # somebody's word is waited for: other figures under the same token are no answer
            return _told_again(g, asked_before, request)
        return _let_go_on(g, request, made, judged)
    opened = approvals.ask(gate.question(request, made, judged, policy, now))
    if g.approvals.save(opened):
        _log(w, opened)
        return reply(opened.after)
    known = g.approvals.get(request.account, request.id)
    if known is None:
        raise UnknownRun(f"{request.id} was asked before and is gone: ask again under another name")
    return _told_again(g, known, request)


def _told_again(g: Gate, known: Approval, request: Request) -> Reply:
    """How the question stands. A token is one wait; a command's key is whatever somebody chose, so the same key with
    other figures is no answer, and a yes that was used up is none either. Raises InputError.
    """
    if request.way is not Way.COMMAND:
        return reply(known if known.state is State.PENDING else settle(g, known))
    if gate.seen(request.parts, way=request.way, team=request.team) != known.asked.specs:
        raise InputError(f"key: {known.id} was asked under it, about other figures; ask under another key")
    if known.state is State.PENDING:
        return reply(known)
    found = settle(g, known)
    used = _used_up(g, found) if found.state is State.APPROVED else ""
    if not used:
        return reply(found)
    return Reply(found.id, State.EXPIRED.value, f"{used}; ask again under another key", {}, goes_on=False)


def _used_up(g: Gate, known: Approval) -> str:
    """Why nothing more may start by a yes; empty: something may."""
    purse = g.approvals.purse(known.asked.account, known.id)
    if purse is None or g.w.now() >= purse.expires_at:
        return f"the yes of {known.id} has expired"
    return f"what the yes of {known.id} was for has started" if purse.jobs_left <= 0 else ""


def _known_to_slack(w: Watchdog, requester: Requester) -> Requester:
    """Sessions of people are often called by their e-mail address; who asked may not say yes in Slack either."""
    session = requester.principal.rpartition("/")[2]
    if w.slack is None or requester.slack_user or "@" not in session:
        return requester
    try:
        return replace(requester, slack_user=w.slack.user_id(session) or "")
    except AwsError as error:
        w.log("requester not found in Slack", {"reason": str(error)})
        return requester


def _let_go_on(g: Gate, request: Request, made: Quote, judged: gate.Judged) -> Reply:
    w, now = g.w, g.w.now()
    held = judged.verdict is Verdict.WOULD_HOLD
    sentence = f"would have waited for a yes: {judged.reason}" if held else f"goes on: {judged.reason}"
    specs = [each.estimate.spec for each in made.parts if each.estimate is not None]
    outputs = outputs_of(
        judged.verdict.value,
        request.id,
        sentence,
        **_money(made.expected_usd, made.worst_case_usd),
        runtime=max((spec.max_runtime for spec in specs), default=None),
    )
    about = {"name": request.name, "way": request.way.value, "waits": request.source, "team": request.team}
    money = {key: value for key, value in outputs.items() if key not in ("decision", "reason")}
    money |= gate_graduating.evidence(judged.tier, judged.usd) if held else {}
    transition = Transition.WOULD_HOLD if held else Transition.LET_PASS
    entry = Entry(
        now,
        transition,
        f"{request.name} {sentence}",
        mode=w.policy.approval.mode.value,
        evidence=tuple((key, value) for key, value in {**about, **money}.items() if value),
    )
    told = _would_have_asked(request, judged, made) if held and w.policy.approval.mode is Mode.WARN else None
    g.approvals.pass_by(request.account, request.id, entry, told)
    _answer_token(g, request.way, request.region, request.token, request.source, goes_on=True, outputs=outputs)
    return Reply(request.id, judged.verdict.value, sentence, outputs, goes_on=True)


def _would_have_asked(request: Request, judged: gate.Judged, made: Quote) -> Message:
    facts = {
        "name": request.name,
        "reason": judged.reason,
        "owner": request.owner,
        "team": request.team,
        "approvers": ", ".join(judged.tier.approvers) if judged.tier is not None else "",
        "worst": show_usd(made.worst_case_usd) if made.worst_case_usd is not None else "unknown",
        "source": request.source,
    }
    return Message(f"{request.id}#would", MessageKind.APPROVAL_WOULD, Audience.APPROVERS, facts)


def answer(
    g: Gate,
    account: str,
    approval_id: str,
    by: Clicker,
    *,
    yes: bool,
    reason: str = "",
    cap: timedelta | None = None,
    owner_user: str = "",
) -> Approval:
    """Take a person's answer, and do what follows from it.

    Exactly one of all who answer is heard. Raises RefusedError with a sentence for everybody else, UnknownRun for an
    id that nobody asked about, AwsError where the ledger fails; what follows from an answer that was taken is done by
    the next sweep where it cannot be done now.
    """
    step = decide(
        g.approvals,
        account,
        approval_id,
        by,
        yes=yes,
        reason=reason,
        cap=cap,
        owner_user=owner_user,
        clock=g.w.now,
        listed=_listed(g.w),
    )
    _log(g.w, step)
    return settle(g, step.after)


def decide(
    kept: Approvals,
    account: str,
    approval_id: str,
    by: Clicker,
    *,
    clock: Callable[[], datetime],
    yes: bool,
    reason: str = "",
    cap: timedelta | None = None,
    owner_user: str = "",
    listed: Collection[str] | None = None,
) -> ApprovalStep:
    """Write a person's answer, and nothing of what follows from it: `answer` or the next sweep does that.

    `listed`: today's approvers; None: they are not known here, and the sweep has taken out of the question who left.
    Raises as `answer` does.
    """
    for _ in range(_TRIES):
        found = kept.get(account, approval_id)
        if found is None:
            raise UnknownRun(f"No question is known by {approval_id}.")
        now = clock()
        if yes:
            started = kept.started(found) if cap is not None else None
            step = approvals.approve(found, by, owner_user=owner_user, reason=reason, cap=cap, now=now, started=started)
        else:
            step = approvals.deny(found, by, reason=reason, now=now)
        if listed is not None:
            approvals.check_still_listed(found, by, listed)
        if kept.save(step):
            return step
    raise RefusedError("Others answered at the same moment each time; look at it again.")


def _listed(w: Watchdog) -> frozenset[str]:
    """Whoever today's policy names as an approver, of whatever tier."""
    return frozenset(each for tier in w.policy.approval.tiers for each in tier.approvers)


def withdraw(g: Gate, request: Request, reason: str) -> Reply:
    """Whoever waited waits no more: the question is withdrawn, and the token answered. What was never asked is only
    answered: a pipeline that stops waits for it.
    """
    found = g.approvals.get(request.account, request.id)
    for _ in range(_TRIES):
        step = approvals.withdraw(found, reason, g.w.now()) if found is not None else None
        if step is None or g.approvals.save(step):
            break
        found = g.approvals.get(request.account, request.id)
    if step is not None:
        _log(g.w, step)
        return reply(settle(g, step.after))
    _answer_token(g, request.way, request.region, request.token, request.source, goes_on=False, reason=reason)
    return reply(found) if found is not None else Reply(request.id, State.WITHDRAWN.value, reason, {}, goes_on=False)


def settle(g: Gate, approval: Approval) -> Approval:
    """Do what follows from an answer, once: under a lease, until it is settled. What fails the next sweep does."""
    after, error = _followed(g, approval)
    if error is not None:
        g.w.log("effect not done", {"approval": approval.id, "reason": str(error)})
    return after


def follow(g: Gate, approval: Approval) -> Approval:
    """The same for the sweep, after which nobody comes who would notice. Raises AwsError where it cannot be done."""
    after, error = _followed(g, approval)
    if error is not None:
        raise error
    return after


def _followed(g: Gate, approval: Approval) -> tuple[Approval, AwsError | None]:
    step = approvals.claim_effect(approval, g.w.now())
    if step is None or not g.approvals.save(step):
        return approval, None
    taken = step.after
    try:
        outcome = _effect(g, taken)
    except AwsError as error:
        failed = approvals.effect_failed(taken, str(error), g.w.now())
        g.approvals.save(failed)
        return failed.after, error
    done = approvals.settle_effect(taken, outcome, g.w.now())
    if g.approvals.save(done):
        _log(g.w, done)
        return done.after, None
    return taken, None


def answer_again(g: Gate, approval: Approval) -> None:
    """Something still waits by a question that was answered: its effect was settled and did not arrive. Raises
    AwsError.
    """
    if approval.open:
        follow(g, approval)
    else:
        g.w.log("answered again", {"approval": approval.id, "outcome": _effect(g, approval)})


def say(w: Watchdog) -> None:
    """Show questions to who may answer them, and their answers, now; what nothing takes the next sweep says."""
    report = SweepReport(at=w.now())
    with report.isolating("outbox"):
        outbox.flush(w, report, warnings=False, only=Audience.APPROVERS)
    for failure in report.failures:
        w.log("not said", {"where": failure.where, "reason": failure.reason})


def tend(g: Gate, account: str, report: SweepReport) -> None:
    """What time does to questions: reminders, expiry, effects that are not settled; and what is said of it.

    One that fails costs the others nothing, and none of them costs the sweep anything.
    """
    waiting: list[Approval] = []
    unused: list[str] = []
    with report.isolating("approvals"):
        waiting = g.approvals.waiting(account, report.skip)
    for found in waiting:
        report.unsettled(claims.of_question(found))
        with report.isolating(f"approval {found.id}"):
            _tend(g, found)
    with report.isolating("yeses that nobody used"):
        unused = g.approvals.unused(account, g.w.now())
    for approval_id in unused:
        with report.isolating(f"approval {approval_id}"):
            _tell_unused(g, account, approval_id)
    if waiting or unused:
        outbox.flush(g.w, report, warnings=False)


def _tell_unused(g: Gate, account: str, approval_id: str) -> None:
    """Once, in the thread of its question: whoever said yes is told that nothing came of it."""
    found = g.approvals.get(account, approval_id)
    if found is not None:
        entry, message = approvals.unused(found, g.w.now())
        g.approvals.told_unused(account, approval_id, entry, message)


def _tend(g: Gate, found: Approval) -> None:
    """Raises AwsError: whoever waits and cannot be answered is a failure of the sweep, as long as that is so."""
    now = g.w.now()
    if found.state is not State.PENDING:
        follow(g, found)
        return
    narrowed = approvals.narrow(found, _listed(g.w), now)
    if narrowed is not None:
        if not g.approvals.save(narrowed):
            return  # it was answered at this moment: the next sweep looks again
        _log(g.w, narrowed)
        found = narrowed.after
    moot = unapproved.why_moot(g.w, found) if found.way is Way.RUN else ""
    step = approvals.withdraw(found, f"its run {moot}", now) if moot else None
    if g.w.policy.approval.mode is not Mode.ENFORCE:
        step = step or approvals.let_go(found, now)
    step = step or approvals.expire(found, now) or approvals.remind(found, now)
    if step is not None and g.approvals.save(step):
        _log(g.w, step)
        follow(g, step.after)


def reply(approval: Approval) -> Reply:
    """What whoever asked is told of the question as it stands."""
    said = approvals.told(approval)
    waits = approval.state is State.PENDING
    reason = f"waits for an answer of {', '.join(approval.approvers) or 'nobody'}" if waits else said
    if approval.answer is not None and approval.answer.reason:
        reason = f"{reason}: {approval.answer.reason}"
    asked, granted = approval.asked, approval.granted_runtime
    goes_on = approval.state in (State.APPROVED, State.LET_GO)
    outputs = outputs_of(
        approval.state.value,
        approval.id,
        reason,
        **_money(asked.expected_usd, asked.worst_case_usd),
        runtime=granted,
        granted_usd=f"{approval.granted_usd:.2f}" if goes_on and approval.granted_usd is not None else "",
        answered_by=approval.answer.name if approval.answer is not None else "",
    )
    return Reply(approval.id, approval.state.value, reason, outputs, goes_on=goes_on, waits=waits)


def outputs_of(
    decision: str,
    approval_id: str,
    reason: str,
    *,
    expected_usd: str = "unknown",
    worst_case_usd: str = "unknown",
    runtime: timedelta | None = None,
    granted_usd: str = "",
    answered_by: str = "",
) -> dict[str, str]:
    """Always the same names: a step of a pipeline that refers to one that is not there fails. `runtime`: how long it
    may run; None: nobody said, and SageMaker takes its own default.
    """
    return {
        "decision": decision,
        "approval_id": approval_id,
        "reason": reason,
        "expected_usd": expected_usd,
        "worst_case_usd": worst_case_usd,
        "max_runtime_seconds": str(int((runtime or DEFAULT_MAX_RUNTIME).total_seconds())),
        "granted_usd": granted_usd,
        "answered_by": answered_by,
    }


def _effect(g: Gate, approval: Approval) -> str:
    """Raises AwsError."""
    said = reply(approval)
    if approval.way in (Way.PIPELINE, Way.TASK):
        return _answer_token(
            g,
            approval.way,
            approval.asked.region,
            approval.token,
            approval.source,
            goes_on=said.goes_on,
            outputs=said.outputs,
            reason=said.reason,
            state=approval.state,
        )
    if approval.way is Way.RUN:
        return unapproved.follow(g.w, approval)
    return "whoever asked is told when they ask again"


def _answer_token(
    g: Gate,
    way: Way,
    region: str,
    token: str,
    source: str,
    *,
    goes_on: bool,
    outputs: Mapping[str, str] | None = None,
    reason: str = "",
    state: State = State.WITHDRAWN,
) -> str:
    """What came of it, as a sentence. A way without a token has nobody to answer."""
    if way is Way.PIPELINE:
        steps = g.steps(region)
        if goes_on:
            answered = steps.succeed(token, outputs or {}, execution_arn=source)
        else:
            answered = steps.fail(token, f"Costwatch: {reason}", execution_arn=source)
        what = "the pipeline goes on" if goes_on else "the pipeline's step fails"
    elif way is Way.TASK:
        error = {State.DENIED: DENIED, State.EXPIRED: EXPIRED}.get(state, WITHDRAWN)
        answered = g.tasks.succeed(token, outputs or {}) if goes_on else g.tasks.fail(token, error, reason)
        what = "the state machine goes on" if goes_on else f"the state machine's task fails with {error}"
    else:
        return ""
    return {
        TokenAnswer.ACCEPTED: what,
        TokenAnswer.SETTLED: "nothing waited any more: it was answered before, or has ended",
        TokenAnswer.NO_TOKEN: "nothing could be answered: its token is none",
    }[answered]


def _past_of(w: Watchdog, request: Request) -> Callable[[Part], Sequence[PastRun]]:
    def past(part: Part) -> Sequence[PastRun]:
        types = {group.instance_type for spec in part.choices for group in spec.groups}
        return w.ledger.past_runs(request.account, families.family(part.name, part.image, types)) if types else ()

    return past


def _money(expected: object, worst: object) -> dict[str, str]:
    return {
        "expected_usd": f"{expected:.2f}" if expected is not None else "unknown",
        "worst_case_usd": f"{worst:.2f}" if worst is not None else "unknown",
    }


def _log(w: Watchdog, step: ApprovalStep) -> None:
    """One structured line per transition, as a run's."""
    for entry in step.entries:
        w.log(
            "approval",
            {
                "approval": step.after.id,
                "transition": entry.transition.value,
                "reason": entry.reason,
                "way": step.after.way.value,
                "mode": entry.mode,
                "minutes_since_asked": (entry.at - step.after.asked_at) / timedelta(minutes=1),
                "policy_digest": w.policy.digest,
            },
        )
