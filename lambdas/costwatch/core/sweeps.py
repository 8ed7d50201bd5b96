"""A sweep that came to its end, as its function wrote it down: only so is it known that all of it was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from costwatch.core.modes import Mode


@dataclass(frozen=True, slots=True)
class SweepDone:
    """Times are UTC. Mode, digest, commit and version are those of the code that ran, and not those last deployed."""

    began_at: datetime
    completed_at: datetime
    mode: Mode
    policy_digest: str
    config_commit: str
    version: str
    failures: int = 0
    """Regions, runs and other parts that it could not handle; the rest was done."""
    first_failure: str = ""
    """Where the first of them was, such as `us-east-1 ec2`."""

    @property
    def outcome(self) -> str:
        """For people, after its time."""
        if not self.failures:
            return "nothing failed in it"
        parts = "1 part" if self.failures == 1 else f"{self.failures} parts"
        return f"{parts} of it failed ({self.first_failure}{', ...' if self.failures > 1 else ''})"
