"""Did Slack send this, and just now? HMAC-SHA256 over the raw body, as Slack signs what it sends.

https://docs.slack.dev/authentication/verifying-requests-from-slack: `v0=` and the hexadecimal digest of
`v0:TIMESTAMP:BODY` under the app's signing secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

WINDOW: Final = timedelta(minutes=5)
"""How far the timestamp may lie from now, to either side; exactly so far is still accepted."""

_VERSION: Final = "v0"
_SIGNATURE: Final = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


class Distrust(Enum):
    """Why a request is not taken for Slack's; the value is the sentence for the log."""

    NO_TIMESTAMP = "the timestamp is missing or no number of seconds"
    NO_SIGNATURE = "the signature is missing or not v0= and 64 hexadecimal digits"
    OLD = "the timestamp is more than 5 minutes ago"
    AHEAD = "the timestamp is more than 5 minutes ahead"
    NO_SECRET = "there is no signing secret to verify it with"
    OTHER_SIGNATURE = "the signature is not made with the signing secret, or not of this body"


def doubt_before_reading_it(timestamp: object, signature: object, *, now: datetime) -> Distrust | None:
    """What is wrong with the two headers alone; no secret is needed to see it. `now` is aware.

    Anything may be given: what is no text is missing.
    """
    if not isinstance(timestamp, str) or not _TIMESTAMP.fullmatch(timestamp):
        return Distrust.NO_TIMESTAMP
    if not isinstance(signature, str) or not _SIGNATURE.fullmatch(signature):
        return Distrust.NO_SIGNATURE
    # As numbers of seconds: twelve digits reach beyond the last year that a datetime knows.
    age_seconds = now.timestamp() - int(timestamp)
    if age_seconds > WINDOW.total_seconds():
        return Distrust.OLD
    return Distrust.AHEAD if age_seconds < -WINDOW.total_seconds() else None


def distrust(body: bytes, timestamp: object, signature: object, *, secret: str, now: datetime) -> Distrust | None:
    """Why this is not Slack's; None: it is, and of the last five minutes.

    `body` is what came over the wire, before anything was parsed. An empty secret verifies nothing.
    """
    doubt = doubt_before_reading_it(timestamp, signature, now=now)
    if doubt is not None:
        return doubt
    if not secret:
        return Distrust.NO_SECRET
    expected = signed(body, str(timestamp), secret=secret)
    return None if hmac.compare_digest(expected, str(signature)) else Distrust.OTHER_SIGNATURE


def signed(body: bytes, timestamp: str, *, secret: str) -> str:
    """The signature that Slack sends along with `body` at `timestamp` (seconds since 1970 as digits)."""
    text = b":".join((_VERSION.encode(), timestamp.encode(), body))
    return f"{_VERSION}={hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()}"


def not_ours(app_id: str, workspaces: Collection[str], *, our_app_id: str, our_workspace: str) -> str | None:
    """Why a verified request is of another app or workspace; None: it is ours.

    `workspaces`: the ids of the workspace and of the organisation it belongs to. Empty of ours: any is.
    """
    if our_app_id and app_id != our_app_id:
        return "api_app_id is not the configured slack.app_id"
    if our_workspace and our_workspace not in workspaces:
        return "team.id is not the configured slack.workspace"
    return None
