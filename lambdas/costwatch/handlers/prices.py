"""The price book: read anew once a day, or when a person asks for it. Warns and stops nobody."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from costwatch import intake, wiring
from costwatch.errors import MalformedEvent, RefusedError
from costwatch.handlers.metrics import note_refused
from costwatch.procedures.refresh_prices import refresh_prices
from costwatch.topology import PRICES

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def deployed() -> wiring.PricesWiring:
    """Built on the first invocation, from the function's environment."""
    return wiring.prices_from_environment(PRICES.service)


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Lambda's entry point."""
    return handle(event, context, deployed())


def handle(event: object, context: LambdaContext, wired: wiring.PricesWiring) -> dict[str, Any]:
    """Refresh the book. What could not be read keeps its day and is reported; a book that cannot be written raises."""
    try:
        message = intake.prices(event)
    except MalformedEvent as error:
        wired.refused.refuse(event, reason=str(error), function=PRICES.name)
        note_refused(PRICES.name, wired.clock())
        return {"refused": str(error)}
    configured = wired.policy.regions
    regions: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    if isinstance(message, intake.PricesRequested):
        regions, types = message.regions, message.types
        wired.logger.info("price refresh requested", extra={"requested_by": message.requested_by})
        unknown = [region for region in regions if region not in configured]
        if unknown:
            raise RefusedError(f"not among the configured regions ({', '.join(configured)}): {', '.join(unknown)}")
    report = refresh_prices(
        wired.sources(context),
        wired.price_store,
        wired.ledger,
        account=wiring.account_of(context),
        configured=configured,
        regions=regions,
        types=types,
        now=wired.clock(),
    )
    for failure in report.failures:
        wired.logger.error("prices not read", extra={"where": failure.where, "reason": failure.reason})
    for problem in report.problems:
        wired.logger.warning("price unknown or left out", extra={"reason": problem})
    return report.document()
