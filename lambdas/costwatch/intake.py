"""The one door: a raw event becomes a typed message here, or is refused with a sentence. Nobody else indexes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from costwatch import names
from costwatch.core.model import RunId
from costwatch.core.policy import Mode, Service
from costwatch.errors import MalformedEvent


@dataclass(frozen=True, slots=True)
class Tick:
    """The schedule: sweep now."""


@dataclass(frozen=True, slots=True)
class SweepRequested:
    """A person's command line asks the deployed function to sweep. Its policy must be the function's own."""

    policy_digest: str
    requested_by: str


@dataclass(frozen=True, slots=True)
class StopRequested:
    """A named person asks the deployed function to stop one run."""

    run_id: RunId
    requested_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RestoreRequested:
    """A named person asks the deployed function to put a group's numbers back."""

    run_id: RunId
    requested_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ResourceChanged:
    """An instance or a training job changed its state. A hint: what it says is read again from the world."""

    account: str
    region: str
    service: Service
    member_id: str


def deadman(event: object) -> Tick | SweepRequested | StopRequested | RestoreRequested:
    """What the dead-man's function takes. Raises MalformedEvent for anything else."""
    body = _body(event)
    match body.get("source"), body.get("detail-type"):
        case names.SOURCE_SCHEDULE, names.DETAIL_SCHEDULED:
            return Tick()
        case names.SOURCE_CLI, names.DETAIL_SWEEP_REQUESTED:
            detail = _mapping(body, "detail")
            mode = _text(detail, "detail.mode")
            if mode != Mode.ENFORCE.value:
                raise MalformedEvent(
                    f"detail.mode is {mode[:80]!r}; only an enforce sweep is asked of the deployed function"
                )
            return SweepRequested(_text(detail, "detail.policy_digest"), _text(detail, "detail.requested_by"))
        case names.SOURCE_CLI, names.DETAIL_STOP_REQUESTED:
            detail = _mapping(body, "detail")
            return StopRequested(_run_id(detail), _text(detail, "detail.requested_by"), _reason(detail))
        case names.SOURCE_CLI, names.DETAIL_RESTORE_REQUESTED:
            detail = _mapping(body, "detail")
            return RestoreRequested(_run_id(detail), _text(detail, "detail.requested_by"), _reason(detail))
    raise _unknown(body)


def hint(event: object) -> ResourceChanged:
    """What the hints function takes. Raises MalformedEvent for anything else."""
    body = _body(event)
    match body.get("source"), body.get("detail-type"):
        case names.SOURCE_EC2, names.DETAIL_EC2_STATE:
            service, member = Service.EC2, _text(_mapping(body, "detail"), "detail.instance-id")
        case names.SOURCE_SAGEMAKER, names.DETAIL_TRAINING_STATE:
            service, member = Service.TRAINING, _job_name(_mapping(body, "detail"))
        case _:
            raise _unknown(body)
    return ResourceChanged(_text(body, "account"), _text(body, "region"), service, member)


def _run_id(detail: Mapping[str, Any]) -> RunId:
    text = _text(detail, "detail.run")
    try:
        return RunId.parse(text)
    except ValueError:
        raise MalformedEvent(f"detail.run is {text[:80]!r}; expected ACCOUNT/REGION/KIND/NAME") from None


def _reason(detail: Mapping[str, Any]) -> str:
    reason = detail.get("reason", "")
    if not isinstance(reason, str):
        raise MalformedEvent("detail.reason is no text")
    return reason


def _job_name(detail: Mapping[str, Any]) -> str:
    """The ARN's last part: AWS's own sample carries another name in TrainingJobName."""
    arn = _text(detail, "detail.TrainingJobArn")
    name = arn.rpartition(":training-job/")[2]
    if not name or name == arn:
        raise MalformedEvent(f"detail.TrainingJobArn is {arn[:80]!r}; expected arn:...:training-job/NAME")
    return name


def _body(event: object) -> Mapping[str, Any]:
    if not isinstance(event, Mapping):
        raise MalformedEvent(f"the event is a {type(event).__name__}; expected an EventBridge event (an object)")
    return event


def _mapping(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if not isinstance(value, Mapping):
        raise MalformedEvent(f"{name} is missing or no object")
    return value


def _text(body: Mapping[str, Any], path: str) -> str:
    value = body.get(path.rpartition(".")[2])
    if not isinstance(value, str) or not value:
        raise MalformedEvent(f"{path} is missing or no text")
    return value


def _unknown(body: Mapping[str, Any]) -> MalformedEvent:
    source, detail_type = _shown(body.get("source")), _shown(body.get("detail-type"))
    return MalformedEvent(f"source {source} with detail-type {detail_type} is no event this function takes")


def _shown(value: object) -> str:
    """Text in quotes; of anything else its kind alone: it may be nested more deeply than can be printed."""
    if isinstance(value, str) or value is None:
        return repr(str(value)[:80])
    return f"of kind {type(value).__name__}"
