"""What the gate takes: messages of pipelines' callback steps, tasks of Step Functions, a command.

A callback step's message is `{"token", "pipelineExecutionArn", "arguments", "status"}`; what its arguments may hold is
told in `job_requests`. Whatever the status says, it is a request, unless that is `Stopping`: then its pipeline was
stopped, and ends with any answer. Step Functions and the command line invoke the function:

    {"task_token": "...", "execution": "arn:...", "request": {...}}                         an answer to the token
    {"source": "costwatch.cli", "detail-type": "Gate Requested",
     "detail": {"request": {...}, "requested_by": "arn:...", "key": "..."}}                 an answer to the caller
    {"amend": {"job": {...}, "gate": {...}}}              the body of a job with what the gate granted written into it

Who asks for the same `key` again is told what became of their question; without one the request itself is the key.

A request that is malformed but has a token is `Malformed`: whoever waits by the token must be told, or would wait for
ever. In enforce it is denied, in every other mode let go on, unjudged. What has no token that could be answered is
`Refused`, and people find it in the queue of refused events.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from costwatch import names
from costwatch.core.approvals import Requester, Way
from costwatch.core.gate import Request
from costwatch.core.policy import TagKeys
from costwatch.core.quote import Part
from costwatch.errors import InputError, MalformedEvent
from costwatch.intake.heartbeats import Refused
from costwatch.intake.job_bodies import KnownLater
from costwatch.intake.job_requests import JobRequest, declared_runtime, job_request
from costwatch.intake.pipelines import arguments_of
from costwatch.intake.reading import body_of, mapping, shown, text_of, unknown


@dataclass(frozen=True, slots=True)
class Asked:
    """`message_id`: of the queue's message; empty where there is none, here and below."""

    request: Request
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Malformed:
    """`waiter`: a request without a job, for whoever waits. `reason`: one sentence, which begins with what is wrong.

    `runtime`: what it declares all the same, here and below; where it goes on unjudged it must not be cut short.
    """

    waiter: Request
    reason: str
    message_id: str = ""
    runtime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The pipeline was stopped: it ends as soon as its step is answered."""

    waiter: Request
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A message that failed time after time, from the dead-letter queue. `event`: as it lies there."""

    waiter: Request
    event: object
    message_id: str = ""
    runtime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Amend:
    """Write what the gate granted into the body of a job. `granted`: the gate's own answer."""

    job: Mapping[str, Any]
    granted: Mapping[str, Any]


GateMessage = Asked | Malformed | Withdrawn | GivenUp


@dataclass(frozen=True, slots=True)
class GateBatch:
    """Messages of the queue, in its order."""

    messages: tuple[GateMessage, ...]
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Here:
    """Where the function stands and how tags are called. `dead_letters_arn`: of the queue of what kept failing."""

    account: str
    region: str
    tags: TagKeys
    dead_letters_arn: str = ""


_TOKEN: Final = re.compile(r"[a-zA-Z0-9]{10}")
_EXECUTION: Final = re.compile(
    r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]{5,30}):[0-9]{12}:pipeline/.{1,256}/execution/.{1,64}"
)
_STOPPING: Final = "stopping"
_LONGEST_TASK_TOKEN: Final = 2048
_LONGEST_TEXT: Final = 2048


def gate(event: object, here: Here) -> GateBatch | Asked | Malformed | Amend:
    """Raises MalformedEvent for what nobody could be answered about."""
    body = body_of(event)
    if "Records" in body:
        return _batch(body, here)
    if "task_token" in body:
        return _task(body, here)
    if "amend" in body:
        parts = mapping(body, "amend")
        return Amend(mapping(parts, "amend.job"), mapping(parts, "amend.gate"))
    if (body.get("source"), body.get("detail-type")) == (names.SOURCE_CLI, names.DETAIL_GATE_REQUESTED):
        return _command(mapping(body, "detail"), here)
    raise unknown(body)


def waiter(here: Here, token: str, execution: str) -> Request:
    """Whoever waits by a callback step's token: a request without a job."""
    found = _EXECUTION.fullmatch(execution)
    return _waiter(here, Way.PIPELINE, token, found[0] if found else "", found[1] if found else here.region)


def found_again(
    waiting: Request, step: str, definition: str, given: Mapping[str, str], here: Here
) -> Asked | Malformed:
    """The request of a callback step whose message is gone, from what its pipeline was started with.

    What only the running pipeline knew nobody can tell any more: then it is asked about as what has no known price.
    """
    try:
        return _judged(waiting, arguments_of(definition, step, given), here.tags)
    except KnownLater as error:
        part = Part(step, "Callback", unpriced=f"its message was lost, and {error}")
        return Asked(replace(waiting, name=step, parts=(part,)))
    except InputError as error:
        return Malformed(waiting, str(error))


def _batch(body: Mapping[str, Any], here: Here) -> GateBatch:
    records = body["Records"]
    if not isinstance(records, list):
        raise MalformedEvent("Records is no list; expected a batch of SQS messages")
    messages: list[GateMessage] = []
    refused: list[Refused] = []
    for record in records:
        raw = body_of(record)
        message_id = text_of(raw, "messageId")
        try:
            messages.append(_message(raw, message_id, here))
        except MalformedEvent as error:
            refused.append(Refused(raw.get("body"), str(error)))
        except Exception as error:  # noqa: BLE001 - whatever one message does to us, the others of its batch are taken
            refused.append(Refused(raw.get("body"), f"it could not be read: {error!r}"))
    return GateBatch(tuple(messages), tuple(refused))


def _message(raw: Mapping[str, Any], message_id: str, here: Here) -> GateMessage:
    text = text_of(raw, "body")
    try:
        body = body_of(json.loads(text))
    except (ValueError, RecursionError):
        raise MalformedEvent("the message's body is no JSON") from None
    token = text_of(body, "token")
    if not _TOKEN.fullmatch(token):
        raise MalformedEvent(f"token is {shown(token)}; expected the 10 letters and digits of a callback step")
    execution = body.get("pipelineExecutionArn")
    waiting = waiter(here, token, execution if isinstance(execution, str) else "")
    status = body.get("status", body.get("Status"))
    if isinstance(status, str) and status.strip().lower() == _STOPPING:
        return Withdrawn(waiting, message_id)
    if here.dead_letters_arn and raw.get("eventSourceARN") == here.dead_letters_arn:
        return GivenUp(waiting, text, message_id, declared_runtime(body.get("arguments")))
    return _judged(waiting, body.get("arguments"), here.tags, message_id)


def _task(body: Mapping[str, Any], here: Here) -> Asked | Malformed:
    token = text_of(body, "task_token")
    if len(token) > _LONGEST_TASK_TOKEN:
        raise MalformedEvent(f"task_token is {len(token):,} characters long; a task's token has at most 2,048")
    execution = body.get("execution")
    source = execution[:_LONGEST_TEXT] if isinstance(execution, str) else ""
    return _judged(_waiter(here, Way.TASK, token, source, here.region), body.get("request"), here.tags)


def _command(detail: Mapping[str, Any], here: Here) -> Asked | Malformed:
    principal = text_of(detail, "detail.requested_by")[:_LONGEST_TEXT]
    asked = detail.get("request")
    key = detail.get("key") or json.dumps(asked, sort_keys=True, default=str)
    if not isinstance(key, str):
        raise MalformedEvent("detail.key is no text")
    # Whoever may invoke the function could write another name here.
    requester = Requester(name=principal.rpartition("/")[2], principal=principal)
    waiting = Request(Way.COMMAND, (principal, key), "", here.account, here.region, (), requester)
    return _judged(waiting, asked, here.tags)


def _waiter(here: Here, way: Way, token: str, source: str, region: str) -> Request:
    # The token alone says what waits: where it waits is what the message says.
    return Request(way, (token,), "", here.account, region, (), token=token, source=source)


def _judged(waiting: Request, arguments: object, tags: TagKeys, message_id: str = "") -> Asked | Malformed:
    try:
        json.dumps(arguments, ensure_ascii=False).encode()  # half a character can be written in JSON and nowhere else
        found = job_request(arguments, waiting.region)
        if waiting.way is Way.PIPELINE and found.region != waiting.region:
            raise InputError(f"region: its pipeline runs in {waiting.region}, and so does what it starts")
    except InputError as error:
        return Malformed(waiting, str(error), message_id, declared_runtime(arguments))
    except Exception as error:  # noqa: BLE001 - whoever waits is answered, whatever a request does to us
        return Malformed(waiting, f"request: it could not be read ({type(error).__name__})", message_id)
    return Asked(_request(waiting, found, tags), message_id)


def _request(waiting: Request, found: JobRequest, tags: TagKeys) -> Request:
    """What is given beats what the job's tags say."""
    said = found.requester
    return replace(
        waiting,
        name=found.name,
        region=found.region,
        parts=(found.part,),
        requester=replace(waiting.requester, name=said) if said else waiting.requester,
        owner=found.owner or found.tags.get(tags.owner, ""),
        team=found.team or found.tags.get(tags.team, ""),
        project=found.project or found.tags.get(tags.project, ""),
        model=found.model or found.tags.get(tags.model, ""),
    )
