"""What the gate does with a message: ask, let go, withdraw; and nobody who waits by a token is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from costwatch.core.approvals import Requester, State, Way
from costwatch.core.gate import Request
from costwatch.core.policy import Mode
from costwatch.errors import AwsError, InputError
from costwatch.intake.gate import Asked, GivenUp, Malformed, Withdrawn
from costwatch.procedures import approvals
from costwatch.procedures.approvals import Gate, Reply

BAD_REQUEST: Final = "Costwatch.BadRequest"
"""By this name a state machine's task fails whose request nobody can read."""
NOT_JUDGED: Final = "not judged"
REFUSED: Final = "refused"
_GRANTED: Final = (State.APPROVED.value, State.LET_GO.value)
"""After these the job names its question, and draws on its purse."""


def take(g: Gate, message: Asked | Malformed | Withdrawn | GivenUp) -> Reply:
    """Raises AwsError where the ledger or the answer fails: the message is to be delivered again."""
    if isinstance(message, Asked):
        return _asked(g, message.request)
    if isinstance(message, Withdrawn):
        return approvals.withdraw(g, message.waiter, "its pipeline was stopped")
    if isinstance(message, GivenUp):
        return _given_up(g, message)
    return _unjudged(g, message.waiter, message.reason, message.runtime)


def _ask(g: Gate, request: Request) -> Reply:
    try:
        return approvals.ask(g, _by_whom(g, request))
    except InputError as error:
        return _unjudged(g, request, str(error), _declared(request))


def _declared(request: Request) -> timedelta | None:
    return max((spec.max_runtime for part in request.parts for spec in part.choices), default=None)


def _asked(g: Gate, request: Request) -> Reply:
    """What comes once goes on where nothing is enforced, whatever fails here; a message of a queue comes again."""
    try:
        return _ask(g, request)
    except AwsError as error:
        if g.w.policy.approval.mode is Mode.ENFORCE or request.way is Way.PIPELINE:
            raise
        g.w.log("gate failed", {"way": request.way.value, "waits": request.source, "reason": str(error)})
        reason = "the gate failed on it; its log says why"
        return _unjudged(g, request, reason, _declared(request))


def _given_up(g: Gate, message: GivenUp) -> Reply:
    """What was asked before the gate failed waits for its answer, or gets it: the sweep tends it."""
    try:
        known = g.approvals.get(message.waiter.account, message.waiter.id)
    except AwsError:
        if g.w.policy.approval.mode is Mode.ENFORCE:
            raise  # it is delivered again, and an alarm stands until then
        known = None
    if known is not None:
        return approvals.reply(known if known.state is State.PENDING else approvals.settle(g, known))
    reason = "the gate failed on this request time after time; its alarm says why"
    return _unjudged(g, message.waiter, reason, message.runtime)


def _by_whom(g: Gate, request: Request) -> Request:
    """SageMaker recorded who started a pipeline; whom its arguments name is only what they say."""
    if request.way is not Way.PIPELINE or not request.source:
        return request
    try:
        principal = g.steps(request.region).started_by(request.source, request.token)
    except AwsError as error:
        # Nobody is known then, which asks for one more pair of eyes and never for fewer.
        g.w.log("requester not known", {"execution": request.source, "reason": str(error)})
        return request
    if not principal:
        return request
    name = request.requester.name or principal.rpartition("/")[2]
    return replace(request, requester=Requester(name=name, principal=principal, verified=True))


def _unjudged(g: Gate, waiter: Request, reason: str, runtime: timedelta | None) -> Reply:
    """What cannot be judged is rejected in enforce alone: in any other mode the world goes on as without us."""
    denied = g.w.policy.approval.mode is Mode.ENFORCE
    sentence = f"Costwatch could not judge this request: {reason}"
    outputs = approvals.outputs_of(REFUSED if denied else NOT_JUDGED, "", sentence, runtime=runtime)
    if waiter.way is Way.PIPELINE and denied:
        g.steps(waiter.region).fail(waiter.token, sentence, execution_arn=waiter.source)
    elif waiter.way is Way.PIPELINE:
        g.steps(waiter.region).succeed(waiter.token, outputs, execution_arn=waiter.source)
    elif waiter.way is Way.TASK and denied:
        g.tasks.fail(waiter.token, BAD_REQUEST, sentence)
    elif waiter.way is Way.TASK:
        g.tasks.succeed(waiter.token, outputs)
    g.w.log("not judged", {"way": waiter.way.value, "waits": waiter.source, "reason": reason, "denied": denied})
    return Reply(waiter.id, outputs["decision"], sentence, outputs, goes_on=not denied)


def amended(job: Mapping[str, Any], granted: Mapping[str, Any], tag: str) -> dict[str, Any]:
    """The body of a CreateTrainingJob request with the granted maximum runtime and, after a yes, the approval's id as
    the tag `tag`. What somebody wrote into the job themselves is only ever shortened.
    """
    body = dict(job)
    seconds = granted.get("max_runtime_seconds")
    if isinstance(seconds, str) and seconds.isdigit() and int(seconds) > 0 and granted.get("decision") in _GRANTED:
        found = body.get("StoppingCondition")
        condition = dict(found) if isinstance(found, Mapping) else {}
        own = condition.get("MaxRuntimeInSeconds")
        condition["MaxRuntimeInSeconds"] = min(int(seconds), own) if isinstance(own, int) else int(seconds)
        body["StoppingCondition"] = condition
    if granted.get("decision") in _GRANTED and granted.get("approval_id"):
        tags = [each for each in body.get("Tags") or [] if each.get("Key") != tag]
        body["Tags"] = [*tags, {"Key": tag, "Value": str(granted["approval_id"])}]
    return body
