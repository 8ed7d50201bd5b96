"""Where the command line has its prices from."""

from __future__ import annotations

from datetime import datetime

from costwatch.adapters.prices import SeedPrices
from costwatch.cli.session import Session
from costwatch.core.price_book import TrustedPrices
from costwatch.core.prices import PriceTable


def prices_for(session: Session, now: datetime) -> PriceTable:
    """The best prices that are to be had, `now` in UTC. Without AWS, a stack or a network: the seed table."""
    del session
    return TrustedPrices(None, SeedPrices(), now)
