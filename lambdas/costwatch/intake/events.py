"""Events that invoke a function: the schedule, a person's command, a change of state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from costwatch import names
from costwatch.core.model import RunId
from costwatch.core.policy import Mode, Service
from costwatch.errors import MalformedEvent
from costwatch.intake.reading import body_of, mapping, text_of, texts_of, unknown


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
    members: tuple[str, ...]
    """The ids that the person was shown."""


@dataclass(frozen=True, slots=True)
class RestoreRequested:
    """A named person asks the deployed function to put a group's numbers back."""

    run_id: RunId
    requested_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class PricesRequested:
    """A person asks for a refresh of the price book now. Empty: all configured regions, no types beside the usual."""

    regions: tuple[str, ...]
    types: tuple[str, ...]
    requested_by: str


@dataclass(frozen=True, slots=True)
class ResourceChanged:
    """An instance or a SageMaker job changed its state. A hint: what it says is read again from the world."""

    account: str
    region: str
    service: Service
    member_id: str


def deadman(event: object) -> Tick | SweepRequested | StopRequested | RestoreRequested:
    """What the dead-man's function takes. Raises MalformedEvent for anything else."""
    body = body_of(event)
    match body.get("source"), body.get("detail-type"):
        case names.SOURCE_SCHEDULE, names.DETAIL_SCHEDULED:
            return Tick()
        case names.SOURCE_CLI, names.DETAIL_SWEEP_REQUESTED:
            return sweep_requested(mapping(body, "detail"))
        case names.SOURCE_CLI, names.DETAIL_STOP_REQUESTED:
            detail = mapping(body, "detail")
            requested_by, members = text_of(detail, "detail.requested_by"), texts_of(detail, "detail.members")
            return StopRequested(_run_id(detail), requested_by, _reason(detail), members)
        case names.SOURCE_CLI, names.DETAIL_RESTORE_REQUESTED:
            detail = mapping(body, "detail")
            return RestoreRequested(_run_id(detail), text_of(detail, "detail.requested_by"), _reason(detail))
    raise unknown(body)


def sweep_requested(detail: Mapping[str, Any]) -> SweepRequested:
    """By its event's detail, which every function that sweeps takes alike. Raises MalformedEvent."""
    mode = text_of(detail, "detail.mode")
    if mode != Mode.ENFORCE.value:
        raise MalformedEvent(f"detail.mode is {mode[:80]!r}; only an enforce sweep is asked of the deployed function")
    return SweepRequested(text_of(detail, "detail.policy_digest"), text_of(detail, "detail.requested_by"))


def prices(event: object) -> Tick | PricesRequested:
    """What the function of the price book takes. Raises MalformedEvent for anything else."""
    body = body_of(event)
    match body.get("source"), body.get("detail-type"):
        case names.SOURCE_SCHEDULE, names.DETAIL_SCHEDULED:
            return Tick()
        case names.SOURCE_CLI, names.DETAIL_PRICES_REQUESTED:
            detail = mapping(body, "detail")
            regions, types = (texts_of(detail, f"detail.{part}", empty=True) for part in ("regions", "types"))
            return PricesRequested(regions, types, text_of(detail, "detail.requested_by"))
    raise unknown(body)


def hint(event: object) -> ResourceChanged:
    """What the hints function takes. Raises MalformedEvent for anything else."""
    body = body_of(event)
    match body.get("source"), body.get("detail-type"):
        case names.SOURCE_EC2, names.DETAIL_EC2_STATE:
            service, member = Service.EC2, text_of(mapping(body, "detail"), "detail.instance-id")
        case names.SOURCE_SAGEMAKER, names.DETAIL_TRAINING_STATE:
            service, member = Service.TRAINING, _job_name(mapping(body, "detail"), "Training", "training-job")
        case names.SOURCE_SAGEMAKER, names.DETAIL_PROCESSING_STATE:
            service, member = Service.PROCESSING, _job_name(mapping(body, "detail"), "Processing", "processing-job")
        case names.SOURCE_SAGEMAKER, names.DETAIL_TUNING_STATE:
            # AWS's own sample has the ARN as tuningJob/x, its API as hyper-parameter-tuning-job/x.
            kinds = "hyper-parameter-tuning-job", "tuningJob"
            service, member = Service.TUNING, _job_name(mapping(body, "detail"), "HyperParameterTuning", *kinds)
        case _:
            raise unknown(body)
    return ResourceChanged(text_of(body, "account"), text_of(body, "region"), service, member)


def _run_id(detail: Mapping[str, Any]) -> RunId:
    text = text_of(detail, "detail.run")
    try:
        return RunId.parse(text)
    except ValueError:
        raise MalformedEvent(f"detail.run is {text[:80]!r}; expected ACCOUNT/REGION/KIND/NAME") from None


def _reason(detail: Mapping[str, Any]) -> str:
    reason = detail.get("reason", "")
    if not isinstance(reason, str):
        raise MalformedEvent("detail.reason is no text")
    return reason


def _job_name(detail: Mapping[str, Any], word: str, *kinds: str) -> str:
    """The ARN's last part: AWS's own samples carry another name beside it."""
    field = f"detail.{word}JobArn"
    arn = text_of(detail, field)
    for kind in kinds:
        name = arn.rpartition(f":{kind}/")[2]
        if name and name != arn:
            return name
    raise MalformedEvent(f"{field} is {arn[:80]!r}; expected arn:...:{kinds[0]}/NAME")
