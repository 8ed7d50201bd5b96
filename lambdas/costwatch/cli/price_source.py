"""Where commands get prices: the deployed book where that is asked for, else the local copy, else the seed.

The local copy is what `costwatch prices refresh` left below the user's cache directory. Neither it nor the seed needs
network or credentials.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from costwatch.adapters.ledger import Stamp
from costwatch.adapters.price_store import PriceStore, packed, unpacked
from costwatch.adapters.prices import SeedPrices
from costwatch.cli import show
from costwatch.cli.model_cache import cache_directory
from costwatch.cli.session import Session
from costwatch.core.price_book import PriceBook, TrustedPrices
from costwatch.errors import CostwatchError

FILE: Final = "prices.json.gz"


def prices_for(session: Session, now: datetime, *, deployed: bool = False) -> TrustedPrices:
    """Prices to decide by at `now` (UTC), with the discounts of the configuration that lies here.

    `deployed`: ask the deployed ledger first, which needs network.
    Never raises for a book that cannot be had: a note says why, and the next source is used.
    """
    book = _deployed_book(session) if deployed else None
    return TrustedPrices(book or local_book(session.tools.environ), SeedPrices(), now, session.multipliers)


def local_book(environ: Mapping[str, str]) -> PriceBook | None:
    """The local copy; None: there is none, or none that this version reads."""
    try:
        path = local_file(environ)
        return unpacked(path.read_bytes()) if path.is_file() else None
    except (OSError, RuntimeError, ValueError) as error:
        show.note(f"the local price book is not used: {error}; `costwatch prices refresh` writes it anew")
        return None


def keep_local(book: PriceBook, environ: Mapping[str, str]) -> Path:
    """Write the local copy, whole or not at all. Raises OSError."""
    path = local_file(environ)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with NamedTemporaryFile(dir=path.parent, prefix="prices-", delete=False) as partial:
        partial.write(packed(book))
    os.replace(partial.name, path)  # noqa: PTH105 - the same, by names
    return path


def local_file(environ: Mapping[str, str]) -> Path:
    return cache_directory(environ) / FILE


def store(session: Session) -> PriceStore:
    """The deployed book's. Raises NotDeployedError."""
    deployed = session.deployment
    return PriceStore(session.table(), Stamp(deployed.policy_digest, deployed.config_commit))


def _deployed_book(session: Session) -> PriceBook | None:
    try:
        book = store(session).load()
    except CostwatchError as error:
        show.note(f"the deployed price book is not used: {error}")
        return None
    if book is None:
        show.note("the deployed price book is not written yet: `costwatch prices refresh` has it written now")
    return book
