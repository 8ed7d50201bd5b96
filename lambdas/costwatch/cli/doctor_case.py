"""What a doctor's checks look at together, each part read once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from costwatch.adapters.ledger import Ledger
from costwatch.cli.session import Caller, Deployment, Session
from costwatch.config.loader import Loaded

FALLBACK_REGION: Final = "us-east-1"
"""Where AWS is asked who one is when nothing names a region."""


@dataclass
class Case:
    """None: not read yet, or it could not be."""

    session: Session
    loaded: Loaded | None = None
    caller: Caller | None = None
    deployed: Deployment | None = None
    not_deployed: bool = False
    """AWS was asked, and there is no stack."""

    @property
    def now(self) -> datetime:
        return self.session.now()

    @property
    def ledger(self) -> Ledger:
        """The deployed one."""
        return self.session.ledger()

    @property
    def home_region(self) -> str:
        """Of the stack, or where it is to be."""
        if self.deployed is not None:
            return self.deployed.home_region
        return self.loaded.config.home_region if self.loaded is not None else self.session.home_regions[0]

    @property
    def is_elsewhere(self) -> bool:
        """--region names another region than the configuration: one of the two is not meant."""
        named = self.session.named_region
        return self.loaded is not None and named is not None and named != self.loaded.config.home_region
