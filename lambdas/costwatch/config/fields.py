"""The values costwatch.yaml may hold: each function takes what YAML gave and returns the typed value.

They raise ValueError with a sentence that says what was expected. Nothing is coerced: `12` where text is
expected is refused, since YAML had already changed what was typed (`007` is 7 by then).
"""

# ruff: noqa: TRY004 - pydantic collects ValueError; a TypeError would end the validation at the first problem

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, TypeVar
from zoneinfo import available_timezones

from pydantic import BeforeValidator, PlainValidator

from costwatch.config import regions
from costwatch.core import durations
from costwatch.core.policy import Action, AtMinSize, JudgeBy, Mode, PurchaseOption, Service, ZoneRebalance

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+){1,2}-[1-9]")
_CHANNEL = re.compile(r"#[^\s#,]{1,80}|[CDG][A-Z0-9]{7,20}")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@.]+")
_PARAMETER = re.compile(r"(/[A-Za-z0-9_.-]+)+")
_SHARE = re.compile(r"\d{1,3}(\.\d{1,2})?%")
_SELECTOR_NAME = re.compile(r"[a-z0-9-]{1,40}")
_TYPES = re.compile(r"[a-z0-9*?-]+(\.[a-z0-9*?-]+){0,2}")
_FAMILY_ALONE = re.compile(r"(ml\.)?[a-z0-9-]+")
_LARGEST_COUNT = 100_000
_MULTIPLIER_KEY = re.compile(r"ec2(:(?!ml\.)[a-z0-9-]+(\.[a-z0-9-]+)?)?|sagemaker(:ml\.[a-z0-9-]+(\.[a-z0-9-]+)?)?")
_LARGEST_MULTIPLIER = 2
_APPROVER = re.compile(
    r"[UWS][A-Z0-9]{6,20}|@[a-z0-9][a-z0-9._-]{0,20}|arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:[^\s*?]{1,1900}"
)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,576}")
_SLACK_APP, _SLACK_WORKSPACE = re.compile(r"A[A-Z0-9]{6,20}"), re.compile(r"[TE][A-Z0-9]{6,20}")
_LARGEST_USD = 10_000_000

Word = TypeVar("Word", bound=StrEnum)


class OwnerBy(StrEnum):
    """How a run's owner is told: a direct message, or the channel of the team."""

    DM = "dm"
    TEAM_CHANNEL = "team_channel"


def shown(value: object) -> str:
    """A value as a message quotes it: short, and a boolean as YAML spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'max_runtime'?`, or nothing when no known word is near."""
    near = difflib.get_close_matches(word.lower().replace("-", "_"), list(known), n=1, cutoff=0.7)
    return f"; did you mean {near[0]!r}?" if near else ""


def text(value: object, expected: str = "text") -> str:
    """Text as it was typed. A bare boolean or number is asked to be quoted."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        raise ValueError(f"a bare {shown(value)} is a YAML boolean, expected {expected}: put it in quotes")
    if isinstance(value, int | float):
        raise ValueError(f"a bare number is not {expected}: put it in quotes, as it was meant to be read")
    raise ValueError(f"{kind_of(value)} is not {expected}")


def kind_of(value: object) -> str:
    """What YAML made of a value, for people: `a list`, `a mapping`, `the number 12`, `'12h'`."""
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"the number {value}"
    return shown(value)


def duration(value: object) -> timedelta:
    """`12h`, `90m`, `PT12H`. A bare number has no unit and is refused."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return durations.parse(str(value))
    if not isinstance(value, str):
        raise ValueError(f"{kind_of(value)} is not {durations.EXPECTED}")
    return durations.parse(value)


class Declared(StrEnum):
    """Instead of a duration: each job's own MaxRuntimeInSeconds."""

    DECLARED = "declared"


def max_runtime(value: object) -> timedelta:
    """A duration. `declared` is for selectors, since instances declare nothing."""
    if value == Declared.DECLARED:
        raise ValueError(f"'declared' is for selectors of SageMaker jobs; expected {durations.EXPECTED}")
    return duration(value)


def selector_max_runtime(value: object) -> timedelta | Declared:
    """A duration, or `declared`. Whether the selector picks jobs is not this field's question."""
    return Declared.DECLARED if value == Declared.DECLARED else duration(value)


def share(value: object) -> Decimal:
    """`20%` as Decimal 0.2. From 1% to 100%."""
    if not isinstance(value, str) or not _SHARE.fullmatch(value):
        raise ValueError(f"{kind_of(value)} is not a share such as 20%")
    percent = Decimal(value[:-1])
    if not 1 <= percent <= 100:
        raise ValueError(f"{shown(value)} is outside 1% to 100%")
    return percent / 100


def count(value: object) -> int:
    """A whole number from 1 to 100,000."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST_COUNT:
        raise ValueError(f"{shown(value)} is not a whole number from 1 to {_LARGEST_COUNT}")
    return value


def version(value: object) -> int:
    """The version of the file's layout: 1."""
    if isinstance(value, bool) or value != 1 or not isinstance(value, int):
        raise ValueError(f"{shown(value)} is not a version this Costwatch reads; expected 1")
    return value


def account(value: object) -> str:
    """Twelve digits, as text: YAML drops the leading zeros of a bare number."""
    expected = 'a quoted account id of 12 digits, such as "111122223333"'
    written = text(value, expected)
    if not re.fullmatch(r"[0-9]{12}", written):
        raise ValueError(f"{shown(value)} is not {expected}")
    return written


def region(value: object) -> str:
    """A region that the installed boto3 knows, such as `us-east-1`."""
    expected = "an AWS region such as us-east-1"
    written = text(value, expected)
    if _REGION.fullmatch(written):
        if wrong := regions.problem(written):
            raise ValueError(f"{shown(value)} {wrong}")
        return written
    if _REGION.fullmatch(written[:-1]):
        raise ValueError(f"{shown(value)} is a zone, expected {expected}; did you mean {written[:-1]!r}?")
    raise ValueError(f"{shown(value)} is not {expected}")


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones()) | {"UTC"}


def timezone(value: object) -> str:
    """An IANA zone name, spelt exactly."""
    expected = "an IANA time zone such as Europe/Berlin or UTC"
    written = text(value, expected)
    if written not in _timezones():
        near = difflib.get_close_matches(written, _timezones(), n=1, cutoff=0.7)
        raise ValueError(f"{shown(value)} is not {expected}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return written


def tag_key(value: object) -> str:
    """A tag key as AWS allows it: 1 to 128 printable characters."""
    written = text(value, "a tag key")
    if not 1 <= len(written) <= 128 or not written.isprintable() or written != written.strip():
        raise ValueError(f"{shown(value)} is not a tag key of 1 to 128 printable characters")
    return written


def tag_value(value: object) -> str:
    """A tag value as AWS allows it: at most 256 printable characters, compared exactly."""
    written = text(value, "a tag value")
    if written != written.strip():
        raise ValueError(f"{shown(value)} begins or ends with a blank, and values are compared exactly: take it out")
    if len(written) > 256 or not written.isprintable():
        raise ValueError(f"{shown(value)} is not a tag value of at most 256 printable characters")
    return written


def channel(value: object) -> str:
    """A Slack channel: `#name` or an id. Empty: no channel."""
    expected = 'a Slack channel such as "#ml-platform" or C0123456789'
    written = text(value, expected)
    if written and not _CHANNEL.fullmatch(written):
        hint = " (a channel name starts with #, and YAML needs quotes around it)" if written.isidentifier() else ""
        raise ValueError(f"{shown(value)} is not {expected}{hint}")
    return written


def address(value: object) -> str:
    """An e-mail address, as far as its shape tells."""
    expected = "an e-mail address such as ml-platform@example.com"
    written = text(value, expected)
    if len(written) > 254 or not _ADDRESS.fullmatch(written):
        raise ValueError(f"{shown(value)} is not {expected}")
    return written


def parameter_name(value: object) -> str:
    """Name of an SSM parameter. What was written is never quoted back: it may be the token itself."""
    written = value if isinstance(value, str) else ""
    if len(written) > 512 or not _PARAMETER.fullmatch(written) or re.match(r"/(aws|ssm)(/|$)", written, re.IGNORECASE):
        raise ValueError(
            "is not the name of an SSM parameter such as /costwatch/slack-token (the name, never the token itself)"
        )
    return written


def selector_name(value: object) -> str:
    """1 to 40 characters of a-z, 0-9 and `-`: it stands in ledger keys and in IAM statement ids."""
    written = text(value, "a selector name")
    if not _SELECTOR_NAME.fullmatch(written):
        raise ValueError(f"{shown(value)} is not a selector name of 1 to 40 characters out of a-z, 0-9 and -")
    return written


def ec2_type(value: object) -> str:
    """An EC2 instance type, wildcards `*` and `?` allowed."""
    expected = "an EC2 instance type such as p4d.24xlarge or p4d.*"
    written = text(value, expected)
    if written.startswith("ml.") or not _TYPES.fullmatch(written):
        hint = " (ml. types belong to SageMaker)" if written.startswith("ml.") else ""
        raise ValueError(f"{shown(value)} is not {expected}{hint}")
    return _with_size(written)


def job_type(value: object) -> str:
    """A SageMaker instance type, wildcards `*` and `?` allowed."""
    expected = "a SageMaker instance type such as ml.p4d.24xlarge or ml.p4d.*"
    written = text(value, expected)
    if not _TYPES.fullmatch(written) or not written.startswith(("ml.", "*")):
        hint = " (it starts with ml.)" if _TYPES.fullmatch(written) else ""
        raise ValueError(f"{shown(value)} is not {expected}{hint}")
    return _with_size(written)


def _with_size(written: str) -> str:
    """A type has a family and a size; what can match no dot can match no type."""
    if _FAMILY_ALONE.fullmatch(written):
        raise ValueError(f"{shown(written)} names no size, so it matches nothing; expected like {written + '.*'!r}")
    return written


def asg_pattern(value: object) -> str:
    """A wildcard over names of Auto Scaling groups."""
    expected = 'a wildcard over Auto Scaling group names, such as "inference-*"'
    written = text(value, expected)
    if not 1 <= len(written) <= 255 or not written.isprintable():
        raise ValueError(f"{shown(value)} is not {expected}")
    return written


JOB_KINDS = tuple(service for service in Service if service.is_sagemaker)


def job_kind(value: object) -> Service:
    """The kind of SageMaker job: training, processing, tuning or automl."""
    known = [kind.value for kind in JOB_KINDS]
    if isinstance(value, str) and value in known:
        return Service(value)
    hint = did_you_mean(value, known) if isinstance(value, str) else ""
    raise ValueError(f"{shown(value)} is not a kind of SageMaker job; expected one of {', '.join(known)}{hint}")


def word(value: object, words: type[Word]) -> Word:
    """One of an enumeration's words."""
    known = [member.value for member in words]
    if isinstance(value, str) and value in known:
        return words(value)
    hint = did_you_mean(value, known) if isinstance(value, str) else ""
    raise ValueError(f"{shown(value)} is not one of {', '.join(known)}{hint}")


def mode(value: object) -> Mode:
    """off, observe, warn or enforce."""
    return word(value, Mode)


def purchase(value: object) -> PurchaseOption:
    """on_demand, spot or capacity_block."""
    return word(value, PurchaseOption)


def action(value: object) -> Action:
    """terminate or stop."""
    return word(value, Action)


def at_min_size(value: object) -> AtMinSize:
    """hold or lower."""
    return word(value, AtMinSize)


def az_rebalance(value: object) -> ZoneRebalance:
    """hold or accept."""
    return word(value, ZoneRebalance)


def multiplier_key(value: object) -> str:
    """Whose list prices are multiplied: a service, one of its families, or one type."""
    expected = "such as ec2:p4d.24xlarge, ec2:p4d, ec2, sagemaker:ml.p4d or sagemaker"
    written = text(value, expected)
    if not _MULTIPLIER_KEY.fullmatch(written):
        raise ValueError(f"{shown(value)} is not whose prices are multiplied, {expected}")
    return written


def decimal(value: object, expected: str) -> Decimal:
    """A finite number, unquoted or quoted, as anybody writes it: Python's 1_0 is none. ValueError: not `expected`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{kind_of(value)} is not {expected}")
    try:
        written = Decimal(str(value).replace("_", "?"))
    except ArithmeticError:
        raise ValueError(f"{shown(value)} is not {expected}") from None
    if not written.is_finite():
        raise ValueError(f"{shown(value)} is not {expected}")
    return written


def multiplier(value: object) -> Decimal:
    """What list prices are multiplied with: 0.71 for 29% off. Above 0, at most 2."""
    expected = "a multiplier above 0 and up to 2, such as 0.71 for 29% off"
    written = decimal(value, expected)
    if not 0 < written <= _LARGEST_MULTIPLIER:
        raise ValueError(f"{shown(value)} is not {expected}")
    return written


def usd(value: object) -> Decimal:
    """An amount of dollars: 100, 99.5 or "1500.00". Above 0, at most 10,000,000, cents at the finest."""
    expected = f"an amount in USD above 0 and up to {_LARGEST_USD:,}, such as 100 or 99.50"
    written = decimal(value, expected)
    if not 0 < written <= _LARGEST_USD or written != round(written, 2):
        raise ValueError(f"{shown(value)} is not {expected}")
    return written


def approver(value: object) -> str:
    """Who may decide: a Slack user or user group, or an IAM principal that answers by the command line."""
    expected = 'an approver: a Slack user id (U012AB3CD), a user group ("@risk-leads" or S012AB3CD), or an IAM ARN'
    written = text(value, expected)
    if not _APPROVER.fullmatch(written):
        raise ValueError(f"{shown(value)} is not {expected}")
    return written


def role_arn(value: object) -> str:
    """The ARN of an IAM role, in full: whatever it allows, a job that is handed it may do."""
    expected = "the ARN of an IAM role, such as arn:aws:iam::111122223333:role/trainer"
    written = text(value, expected)
    if not _ROLE.fullmatch(written):
        raise ValueError(f"{shown(value)} is not {expected}; wildcards are not taken")
    return written


def slack_app(value: object) -> str:
    """A Slack app's id."""
    written = text(value, "a Slack app id such as A012AB3CD")
    if not _SLACK_APP.fullmatch(written):
        raise ValueError(f"{shown(value)} is not a Slack app id such as A012AB3CD (it stands under Basic Information)")
    return written


def slack_workspace(value: object) -> str:
    """A Slack workspace's id."""
    written = text(value, "a Slack workspace id such as T012AB3CD")
    if not _SLACK_WORKSPACE.fullmatch(written):
        raise ValueError(f"{shown(value)} is not a Slack workspace id such as T012AB3CD")
    return written


def yes_or_no(value: object) -> bool:
    """YAML's own true and false."""
    if not isinstance(value, bool):
        raise ValueError(f"{kind_of(value)} is neither true nor false")
    return value


def one_or_many(value: Any) -> Any:
    """`v` and `[v, ..]` mean the same: any of these."""
    if not isinstance(value, list):
        return (value,)
    if not value:
        raise ValueError("an empty list matches nothing; expected at least one tag value")
    return tuple(value)


def listed(value: Any) -> Any:
    """A list, never a single value in its place: what is repeated or missing should be visible."""
    if not isinstance(value, list):
        raise ValueError(f"{kind_of(value)} is not a list; write it in [brackets]")
    return tuple(value)


Approver = Annotated[str, PlainValidator(approver)]
Address = Annotated[str, PlainValidator(address)]
Channel = Annotated[str, PlainValidator(channel)]
Count = Annotated[int, PlainValidator(count)]
Duration = Annotated[timedelta, PlainValidator(duration)]
Ec2Type = Annotated[str, PlainValidator(ec2_type)]
MaxRuntime = Annotated[timedelta, PlainValidator(max_runtime)]
ModeWord = Annotated[Mode, PlainValidator(mode)]
Multiplier = Annotated[Decimal, PlainValidator(multiplier)]
MultiplierKey = Annotated[str, PlainValidator(multiplier_key)]
OwnerWord = Annotated[OwnerBy, PlainValidator(lambda value: word(value, OwnerBy))]
ParameterName = Annotated[str, PlainValidator(parameter_name)]
RoleArn = Annotated[str, PlainValidator(role_arn)]
SlackApp = Annotated[str, PlainValidator(slack_app)]
SlackWorkspace = Annotated[str, PlainValidator(slack_workspace)]
Usd = Annotated[Decimal, PlainValidator(usd)]
YesOrNo = Annotated[bool, PlainValidator(yes_or_no)]
JudgeWord = Annotated[JudgeBy, PlainValidator(lambda value: word(value, JudgeBy))]
Region = Annotated[str, PlainValidator(region)]
SelectorName = Annotated[str, PlainValidator(selector_name)]
Share = Annotated[Decimal, PlainValidator(share)]
TagKey = Annotated[str, PlainValidator(tag_key)]
TagValues = Annotated[tuple[Annotated[str, PlainValidator(tag_value)], ...], BeforeValidator(one_or_many)]
Timezone = Annotated[str, PlainValidator(timezone)]
JobKind = Annotated[Service, PlainValidator(job_kind)]
JobType = Annotated[str, PlainValidator(job_type)]
Version = Annotated[int, PlainValidator(version)]
Tags = dict[TagKey, TagValues]
