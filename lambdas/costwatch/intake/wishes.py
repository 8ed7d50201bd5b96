"""Who asked for what by an event that no function could use, so that somebody can tell them that it is gone.

Nothing of it is verified, and it may be broken: that is why it lies there. Only what has the shape of an id of Slack's,
of AWS's or of ours is told. A token, a signature or a person's own words have none of these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from costwatch import names
from costwatch.core.dead_letters import Wish
from costwatch.core.model import RunId
from costwatch.core.packages import ApprovalStatus
from costwatch.errors import MalformedEvent
from costwatch.slack_intake.payload import payload_of

_USER: Final = re.compile(r"[UW][A-Z0-9]{2,31}")
_ARN: Final = re.compile(r"arn:aws[a-z-]{0,20}:(iam|sts)::[0-9]{12}:[A-Za-z0-9_+=,.@:/-]{1,256}")
_ACTION: Final = re.compile(r"[a-z_]{1,40}(:[0-9a-z]{1,20})?")
_APPROVAL: Final = re.compile(r"apr-[0-9a-f]{16}")
_JUDGEMENT: Final = re.compile(r"[a-z]{2}[a-z0-9-]{3,30}/[a-zA-Z0-9-]{1,63}/[0-9]{1,9}")
_OF_A_RUN: Final = re.compile(r"[0-9]{12}/[a-z]{2}[a-z0-9-]{3,30}/[a-z]+/.{1,300}")
"""Its name is a tag's value, of 256 characters; a button carries a number of seconds or a hold behind it."""
_COMMANDS: Final = frozenset(
    {
        names.DETAIL_STOP_REQUESTED,
        names.DETAIL_SWEEP_REQUESTED,
        names.DETAIL_RESTORE_REQUESTED,
        names.DETAIL_PRICES_REQUESTED,
        names.DETAIL_GATE_REQUESTED,
        names.DETAIL_ADVICE_REQUESTED,
        names.DETAIL_DECISION_REQUESTED,
    }
)
_TARGETS: Final = frozenset({ApprovalStatus.APPROVED.value, ApprovalStatus.REJECTED.value})


def wish(event: Mapping[str, Any]) -> Wish:
    """Of a click or a command. Empty is what it does not say in the shape that it must have."""
    detail = event.get("detail")
    if isinstance(detail, Mapping):
        if event.get("source") == names.SOURCE_SLACK:
            return _click(detail)
        if event.get("source") == names.SOURCE_CLI:
            return _command(event.get("detail-type"), detail)
    return Wish()


def _click(detail: Mapping[str, Any]) -> Wish:
    try:
        payload = payload_of(str(detail.get("body", "")).encode())
    except (MalformedEvent, UnicodeEncodeError):
        return Wish()
    user, actions = payload.get("user"), payload.get("actions")
    by = _shaped(user.get("id"), _USER) if isinstance(user, Mapping) else ""
    pressed = actions[0] if isinstance(actions, list) and actions else None
    if not isinstance(pressed, Mapping):
        return Wish(by)
    return Wish(by, _words(_shaped(pressed.get("action_id"), _ACTION), _id(pressed.get("value"))))


def _command(kind: object, detail: Mapping[str, Any]) -> Wish:
    by = next(filter(None, (_person(detail.get(field)) for field in ("requested_by", "by"))), "")
    target = detail.get("target")
    asked = _words(
        kind.removesuffix(" Requested").lower() if isinstance(kind, str) and kind in _COMMANDS else "",
        _id(detail.get("run")) or _id(detail.get("judgement")),
        target if isinstance(target, str) and target in _TARGETS else "",
    )
    return Wish(by, asked)


def _person(value: object) -> str:
    return _shaped(value, _ARN) or _shaped(value, _USER)


def _id(value: object) -> str:
    """A run's, an approval's or a judgement's."""
    return _shaped(value, _APPROVAL) or _shaped(value, _JUDGEMENT) or _of_a_run(value)


def _of_a_run(value: object) -> str:
    found = _shaped(value, _OF_A_RUN)
    try:
        RunId.parse(found)
    except ValueError:
        return ""
    return found if found.isprintable() else ""


def _shaped(value: object, shape: re.Pattern[str]) -> str:
    return value if isinstance(value, str) and shape.fullmatch(value) else ""


def _words(*parts: str) -> str:
    return " ".join(filter(None, parts))
