"""The door: a click in Slack is verified and put on the bus, and Slack is answered, within its three seconds.

It decides nothing else. Whoever takes the click from the bus verifies it again: anybody in the account may put events.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from costwatch import door_wiring, names
from costwatch.core.metric_line import metric_line
from costwatch.core.slack_signature import Distrust, distrust, doubt_before_reading_it, not_ours
from costwatch.errors import AwsError, MalformedEvent
from costwatch.slack_intake.payload import BLOCK_ACTIONS, FORM, envelope, is_form, payload_of
from costwatch.slack_intake.posts import METHOD, NotTaken, Post, slack_post

DOOR: Final = "door"  # topology's name of it, which would have to be imported
PATIENCE_SECONDS: Final = 2.0
"""For the parameter and the bus together. Slack waits for three, and a cold start takes its part of them."""

_SAID: Final = {
    400: "This is not what Slack sends.",
    401: "This is not verified.",
    403: "This is not for here.",
    404: "There is nothing here.",
    405: "This takes POST only.",
    413: "This is too large.",
    503: "This could not be taken. Please try again.",
}
"""All that anybody outside is told; why is in the log."""


@cache
def deployed() -> door_wiring.DoorWiring:
    """Built on the first invocation, from the function's environment."""
    return door_wiring.from_environment()


def handler(event: object, context: object) -> dict[str, Any]:
    """Lambda's entry point, behind an HTTP API (payload format 2.0)."""
    return handle(event, context, deployed())


def handle(event: object, context: object, wired: door_wiring.DoorWiring) -> dict[str, Any]:
    """Answer one request. Bad input is answered in the 400s, whatever it is; 503 says that AWS did not answer us."""
    del context
    until = wired.monotonic() + PATIENCE_SECONDS
    post = slack_post(event)
    if isinstance(post, NotTaken):
        return _refused(wired, post)
    try:
        doubt = _distrust(post, wired, until)
        if doubt is not None:
            return _refused(wired, NotTaken(401, doubt.value))
        kind = _kind_if_ours(post, wired)
        if isinstance(kind, NotTaken):
            return _refused(wired, kind)
        if kind == BLOCK_ACTIONS:
            wired.clicks.put(
                body=post.body.decode("ascii"), timestamp=post.timestamp, signature=post.signature, retry=post.retry,
                seconds=until - wired.monotonic(),
            )  # fmt: skip
    except AwsError as error:
        counted = {names.METRIC_ATTENTION: 1.0}
        _log(wired, "click not taken", counted, level="ERROR", reason=str(error), status=503, clicks_not_taken=1)
        return _answer(503)
    _log(wired, "click taken" if kind == BLOCK_ACTIONS else "ignored", {}, kind=kind[:80], retry=post.retry)
    return {"statusCode": 200, "body": ""}


def _distrust(post: Post, wired: door_wiring.DoorWiring, until: float) -> Distrust | None:
    """A secret that does not fit may have been rotated since it was read."""
    now = wired.clock()
    doubt = doubt_before_reading_it(post.timestamp, post.signature, now=now)
    if doubt is not None:
        return doubt
    secret = wired.secret.current(until - wired.monotonic())
    doubt = distrust(post.body, post.timestamp, post.signature, secret=secret, now=now)
    if doubt is not Distrust.OTHER_SIGNATURE:
        return doubt
    newer = wired.secret.newer(secret, until - wired.monotonic())
    return distrust(post.body, post.timestamp, post.signature, secret=newer, now=now) if newer else doubt


def _kind_if_ours(post: Post, wired: door_wiring.DoorWiring) -> str | NotTaken:
    """Of what kind a verified interaction is."""
    if not is_form(post.content_type):
        return NotTaken(400, f"the content type is not {FORM}")
    try:
        found = envelope(payload_of(post.body))
    except MalformedEvent as error:
        return NotTaken(400, str(error))
    ours = wired.settings
    reason = not_ours(
        found.app_id, (found.workspace, found.organisation),
        our_app_id=ours.slack_app_id, our_workspace=ours.slack_workspace,
    )  # fmt: skip
    return found.kind if reason is None else NotTaken(403, reason)


def _refused(wired: door_wiring.DoorWiring, refusal: NotTaken) -> dict[str, Any]:
    _log(wired, "refused", {}, level="WARNING", reason=refusal.reason, status=refusal.status)
    return _answer(refusal.status)


def _answer(status: int) -> dict[str, Any]:
    headers = {"content-type": "text/plain; charset=utf-8"} | ({"allow": METHOD} if status == 405 else {})
    return {"statusCode": status, "headers": headers, "body": _SAID[status]}


def _log(wired: door_wiring.DoorWiring, message: str, counted: Mapping[str, float], **fields: object) -> None:
    sys.stdout.write(metric_line(wired.clock(), DOOR, message, counted, **fields) + "\n")
    sys.stdout.flush()
