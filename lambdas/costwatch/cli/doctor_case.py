"""What a doctor's checks look at together, each part read once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from costwatch.adapters.ledger import Ledger
from costwatch.cli import stack_resources
from costwatch.cli.session import Caller, Deployment, Session
from costwatch.cli.stack_resources import Resource
from costwatch.config.commit import UNCOMMITTED
from costwatch.config.loader import Loaded

USUAL_SWEEP: Final = timedelta(minutes=5)
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
    def sweep_every(self) -> timedelta:
        """As configured; the default where the configuration cannot be read."""
        return self.loaded.config.dead_man.sweep_every if self.loaded is not None else USUAL_SWEEP

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Of the stack. Raises NotDeployedError or AwsError."""
        return stack_resources.listed(self.session)

    def parts(self, kind: str) -> list[Resource]:
        """Its resources of that CloudFormation type, in the order of their names."""
        return sorted((each for each in self.resources if each.kind == kind), key=lambda each: each.logical_id)

    @property
    def is_elsewhere(self) -> bool:
        """--region names another region than the configuration: one of the two is not meant."""
        named = self.session.named_region
        return self.loaded is not None and named is not None and named != self.loaded.config.home_region

    @property
    def is_moved(self) -> bool:
        """The stack is not where the configuration has it: a deploy would leave it and make another."""
        if self.deployed is None or self.loaded is None:
            return False
        return self.deployed.home_region != self.loaded.config.home_region


def of_commit(written: str) -> str:
    """Of which commit a configuration is, as a deploy wrote it down."""
    return f"commit {written}" if written != UNCOMMITTED else "not committed"
