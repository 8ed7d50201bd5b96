"""What invokes the RES breaker: the schedule, a package or a training job that changed, a person's decision."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from costwatch import names
from costwatch.core import times
from costwatch.core.packages import ApprovalStatus
from costwatch.core.registry_words import APPROVAL, META_VERDICT, REJECTION
from costwatch.errors import MalformedEvent
from costwatch.intake.events import SweepRequested, Tick, sweep_requested
from costwatch.intake.reading import body_of, mapping, shown, text_of, unknown

_PACKAGE: Final = re.compile(r"arn:[^:]+:sagemaker:(?P<region>[^:]+):(?P<account>\d{12}):model-package/(?P<rest>.+)")
_JOB: Final = re.compile(r"arn:[^:]+:sagemaker:[^:]+:\d{12}:training-job/(?P<name>[^/]+)")
_LONGEST_REASON: Final = 1000


@dataclass(frozen=True, slots=True)
class PackageChanged:
    """A hint: what it says is read again from the registry, but for `approval`, which may be written over by then.

    `group` empty: a package of no group. `approval` None: the event names none. `ours`: it bears a mark of ours.
    """

    account: str
    region: str
    arn: str
    group: str
    approval: ApprovalStatus | None
    ours: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class TrainingEnded:
    """A training job is over. `artifact` empty: it left none, or the event does not name it."""

    account: str
    region: str
    job: str
    artifact: str


@dataclass(frozen=True, slots=True)
class DecisionRequested:
    """A named person promotes or rejects a candidate. `judged_at`: of the judgement that they were shown; None: any.

    `by_click`: by a button, and whoever took the click has checked that they may; else `by` must be an approver.
    """

    judgement: str
    target: ApprovalStatus
    by: str
    name: str
    reason: str
    judged_at: datetime | None
    by_click: bool = False


ResMessage = Tick | SweepRequested | PackageChanged | TrainingEnded | DecisionRequested


def res(event: object) -> ResMessage:
    """What the function of the RES breaker takes. Raises MalformedEvent for anything else."""
    body = body_of(event)
    match body.get("source"), body.get("detail-type"):
        case names.SOURCE_SCHEDULE, names.DETAIL_SCHEDULED:
            return Tick()
        case names.SOURCE_CLI, names.DETAIL_SWEEP_REQUESTED:
            return sweep_requested(mapping(body, "detail"))
        case names.SOURCE_SAGEMAKER, names.DETAIL_PACKAGE_STATE:
            return _package(body)
        case names.SOURCE_SAGEMAKER, names.DETAIL_TRAINING_STATE:
            return _training(body)
        case names.SOURCE_CLI, names.DETAIL_DECISION_REQUESTED:
            return _decision(mapping(body, "detail"))
    raise unknown(body)


def _package(body: Mapping[str, Any]) -> PackageChanged:
    detail = mapping(body, "detail")
    arn = text_of(detail, "detail.ModelPackageArn")
    found = _PACKAGE.fullmatch(arn)
    if found is None:
        raise MalformedEvent(f"detail.ModelPackageArn is {arn[:80]!r}; expected arn:...:model-package/GROUP/VERSION")
    # The group's own name: an ARN may have it in small letters.
    group, _, version = found["rest"].rpartition("/")
    named = _optional_text(detail, "ModelPackageGroupName")
    metadata, said = detail.get("CustomerMetadataProperties"), detail.get("ApprovalDescription")
    marked = isinstance(metadata, Mapping) and META_VERDICT in metadata
    return PackageChanged(
        account=found["account"],
        region=found["region"],
        arn=arn,
        group=(named or group) if version.isdigit() else "",
        approval=_approval(detail),
        ours=marked or (isinstance(said, str) and said.startswith((REJECTION, APPROVAL))),
        at=_moment(detail.get("LastModifiedTime"), "detail.LastModifiedTime") or _sent(body),
    )


def _training(body: Mapping[str, Any]) -> TrainingEnded:
    detail = mapping(body, "detail")
    arn = text_of(detail, "detail.TrainingJobArn")
    # The ARN's last part: AWS's own sample carries another name beside it.
    found = _JOB.fullmatch(arn)
    if found is None:
        raise MalformedEvent(f"detail.TrainingJobArn is {arn[:80]!r}; expected arn:...:training-job/NAME")
    left = detail.get("ModelArtifacts")
    artifact = left.get("S3ModelArtifacts") if isinstance(left, Mapping) else None
    if artifact is not None and not isinstance(artifact, str):
        raise MalformedEvent("detail.ModelArtifacts.S3ModelArtifacts is no text")
    return TrainingEnded(text_of(body, "account"), text_of(body, "region"), found["name"], artifact or "")


def _decision(detail: Mapping[str, Any]) -> DecisionRequested:
    target = text_of(detail, "detail.target")
    if target not in (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED):
        raise MalformedEvent(f"detail.target is {target[:80]!r}; expected Approved or Rejected")
    reason, name = (_optional_text(detail, part) for part in ("reason", "name"))
    if len(reason) > _LONGEST_REASON:
        raise MalformedEvent(f"detail.reason has {len(reason)} characters, expected at most {_LONGEST_REASON}")
    by_click = detail.get("by_click", False)
    if not isinstance(by_click, bool):
        raise MalformedEvent(f"detail.by_click is {shown(by_click)}; expected true or false")
    return DecisionRequested(
        judgement=text_of(detail, "detail.judgement"),
        target=ApprovalStatus(target),
        by=text_of(detail, "detail.by"),
        name=name,
        reason=reason,
        judged_at=_moment(detail.get("judged_at"), "detail.judged_at"),
        by_click=by_click,
    )


def _approval(detail: Mapping[str, Any]) -> ApprovalStatus | None:
    found = detail.get("ModelApprovalStatus")
    if found is None:
        return None
    try:
        return ApprovalStatus(found)
    except ValueError:
        known = ", ".join(each.value for each in ApprovalStatus)
        raise MalformedEvent(f"detail.ModelApprovalStatus is {shown(found)}; expected one of {known}") from None


def _sent(body: Mapping[str, Any]) -> datetime:
    found = _moment(body.get("time"), "time")
    if found is None:
        raise MalformedEvent("time is missing")
    return found


def _moment(value: object, field: str) -> datetime | None:
    """An RFC 3339 time, or milliseconds since 1970 as a number or as text: AWS sends all three."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        if isinstance(value, str):
            text = value.strip()
            return datetime.fromtimestamp(int(text) / 1000, UTC) if text.isdigit() else times.parse_rfc3339(text)
    except (ValueError, OverflowError, OSError):
        pass
    raise MalformedEvent(f"{field} is {shown(value)}; expected an RFC 3339 time or milliseconds since 1970")


def _optional_text(detail: Mapping[str, Any], name: str) -> str:
    found = detail.get(name)
    if found is not None and not isinstance(found, str):
        raise MalformedEvent(f"detail.{name} is no text")
    return found or ""
