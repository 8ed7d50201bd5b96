"""Event hints: verify or close one run without waiting for the sweep. Warns and stops nobody."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from costwatch import intake, wiring
from costwatch.errors import MalformedEvent
from costwatch.handlers.metrics import count_came_back, note_refused
from costwatch.procedures.hints import follow
from costwatch.settings import HintsSettings
from costwatch.topology import HINTS

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def deployed() -> wiring.Wiring:
    """Built on the first invocation, from the function's environment."""
    return wiring.from_environment(HintsSettings, HINTS.service)


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Lambda's entry point."""
    return handle(event, context, deployed())


def handle(event: object, context: LambdaContext, wired: wiring.Wiring) -> dict[str, Any]:
    """Follow one hint. A malformed event is refused into the queue; a failing call raises and is retried by Lambda."""
    try:
        changed = intake.hint(event)
    except MalformedEvent as error:
        wired.refused.refuse(event, reason=str(error), function=HINTS.name)
        note_refused(HINTS.name, wired.clock())
        return {"refused": str(error)}
    report = follow(wired.watchdog(context), changed.account, changed.region, changed.service, changed.member_id)
    count_came_back(report)
    return {"came_back": report.came_back}
