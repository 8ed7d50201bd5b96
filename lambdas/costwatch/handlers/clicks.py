"""Clicks in Slack, from the bus: verified once more, then decided. It stops nothing itself: it asks who may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from costwatch import intake, wiring
from costwatch.core.slack_signature import Distrust, distrust, not_ours
from costwatch.errors import MalformedEvent
from costwatch.handlers.metrics import note_refused
from costwatch.procedures.clicked import clicked
from costwatch.topology import CLICKS

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

UNDER_WAY: Final = timedelta(hours=8)
"""How old a click may be: EventBridge holds it back for an hour at most, and Lambda's own queue for six. The door took
it within minutes; whoever replays one from the bus repeats nothing, since each press counts once (by its action_ts)."""
_SECRET_SECONDS: Final = 10.0


@cache
def deployed() -> wiring.ClicksWiring:
    """Built on the first invocation, from the function's environment."""
    return wiring.clicks_from_environment(CLICKS.service)


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Lambda's entry point."""
    return handle(event, context, deployed())


def handle(event: object, context: LambdaContext, wired: wiring.ClicksWiring) -> dict[str, Any]:
    """Deal with one click. What Slack did not sign, or is no click, is refused into the queue.

    So is what failed on our side once its person has been told: it is not repeated behind their back. Raises AwsError
    only where nothing was done or said yet, so that Lambda tries again.
    """
    try:
        click = _verified(event, wired)
    except MalformedEvent as error:
        return _refused(event, str(error), wired)
    outcome = clicked(wired.desk(context, click))
    fields = {"action": click.action, "user": click.user_id, "result": outcome.result, "said": outcome.said}
    if outcome.failed is not None:
        wired.logger.error("click failed", extra=fields, exc_info=outcome.failed)
        return _refused(event, f"{type(outcome.failed).__name__}: {outcome.failed}", wired)
    wired.logger.info("click", extra=fields)
    return {"result": outcome.result}


def _verified(event: object, wired: wiring.ClicksWiring) -> intake.Click:
    """Anybody in the account may put events on the bus. Raises MalformedEvent."""
    signed = intake.signed_click(event)
    doubt = _doubt(signed, wired)
    if doubt is not None:
        raise MalformedEvent(f"not Slack's: {doubt.value}")
    click = intake.click(signed.body)
    ours = wired.policy.slack
    reason = not_ours(
        click.app_id,
        (click.team_id, click.organisation_id),
        our_app_id=ours.app_id,
        our_workspace=ours.workspace,
    )
    if reason is not None:
        raise MalformedEvent(f"not ours: {reason}")
    return click


def _doubt(signed: intake.SignedClick, wired: wiring.ClicksWiring) -> Distrust | None:
    """A secret that does not fit may have been rotated since it was read, as at the door."""
    now = wired.clock()
    if signed.timestamp.isascii() and signed.timestamp.isdigit() and len(signed.timestamp) <= 10:
        posted = datetime.fromtimestamp(int(signed.timestamp), UTC)
        if posted <= now <= posted + UNDER_WAY:
            now = posted  # its age is judged here: the door's five minutes are for what comes from outside
    secret = wired.secret.current(_SECRET_SECONDS)
    doubt = distrust(signed.body, signed.timestamp, signed.signature, secret=secret, now=now)
    if doubt is not Distrust.OTHER_SIGNATURE:
        return doubt
    newer = wired.secret.newer(secret, _SECRET_SECONDS)
    return distrust(signed.body, signed.timestamp, signed.signature, secret=newer, now=now) if newer else doubt


def _refused(event: object, reason: str, wired: wiring.ClicksWiring) -> dict[str, Any]:
    wired.refused.refuse(event, reason=reason, function=CLICKS.name)
    note_refused(CLICKS.name, wired.clock())
    return {"refused": reason}
