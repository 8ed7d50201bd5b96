"""What one invocation of the breaker did and could not do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from costwatch.core import times
from costwatch.core.model import RunId
from costwatch.errors import InputError, RefusedError
from costwatch.procedures.report import Failure, SweepReport


@dataclass(slots=True)
class ResReport(SweepReport):
    """`candidates`: looked at. `not_written`: verdicts that the registry did not take. `hands_not_restored`: decisions
    of people that a write of ours still lies over.
    """

    candidates: int = 0
    written: int = 0
    not_written: int = 0
    hands_not_restored: int = 0

    @contextmanager
    def isolating(self, where: str, unjudged: Iterable[RunId] = ()) -> Iterator[None]:
        """As in any sweep; and a candidate whose own facts are refused stops no other one either."""
        with SweepReport.isolating(self, where, unjudged):
            try:
                yield
            except (InputError, RefusedError) as error:
                self.fail(Failure(where, str(error), error.retry))

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "at": times.to_key(self.at),
            "candidates": self.candidates,
            "written": self.written,
            "not_written": self.not_written,
            "hands_not_restored": self.hands_not_restored,
            "delivered": self.delivered,
            "undelivered": self.undelivered,
            "failures": [{"where": f.where, "reason": f.reason, "retry": f.retry} for f in self.failures],
        }
