"""What one sweep saw, decided and could not do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from costwatch.core import times
from costwatch.core.deadman import Decision, Verdict
from costwatch.core.model import Run, RunId
from costwatch.core.money import Burn
from costwatch.errors import AwsError, UnreadableRow

DATA_ERRORS: Final = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What reading data raises that is not what its source documents."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One run as this sweep judged it."""

    run: Run
    decision: Decision
    burn: Burn


@dataclass(frozen=True, slots=True)
class Failure:
    """Something this sweep could not handle; the others went on."""

    where: str
    reason: str
    retry: bool
    code: str = field(default="", compare=False)
    """AWS's own, where it was AWS that failed."""


@dataclass(slots=True)
class SweepReport:
    """Counters are of this sweep. `would_stop` counts the stops of observe and warn."""

    at: datetime
    seen: list[Seen] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    stopped: int = 0
    would_stop: int = 0
    came_back: int = 0
    delivered: int = 0
    undelivered: int = 0
    unwatched: list[Seen] = field(default_factory=list)
    not_counted: list[str] = field(default_factory=list)
    """Regions where only what can matter now was listed: who else runs there, watched or not, is not known."""

    unjudged: set[RunId] = field(default_factory=set)
    """Runs that send heartbeats and about which nothing could be concluded: each may have fallen silent."""

    @contextmanager
    def isolating(self, where: str, unjudged: Iterable[RunId] = ()) -> Iterator[None]:
        """Report a failure and go on: one region or run that fails must not stop the others.

        Besides what AWS refuses, that is data of one resource which is not what AWS documents.
        """
        try:
            yield
        except AwsError as error:
            self.fail(Failure(where, str(error), error.retry))
            self.unjudged.update(unjudged)
        except DATA_ERRORS as error:
            self.fail(Failure(where, f"{type(error).__name__}: {error}", retry=False))
            self.unjudged.update(unjudged)

    def fail(self, failure: Failure) -> None:
        """Note it once: what waits in the outbox is looked at twice a sweep."""
        if failure not in self.failures:
            self.failures.append(failure)

    def skip(self, row: UnreadableRow) -> None:
        """A row of the ledger that cannot be read is a failure of its own; the others go on."""
        self.fail(Failure(f"ledger {row.sk}", str(row), row.retry))

    @property
    def watched(self) -> int:
        return len(self.seen)

    @property
    def held(self) -> int:
        return sum(1 for seen in self.seen if seen.decision.verdict is Verdict.HOLD)

    def document(self) -> dict[str, Any]:
        """For machines: the handler's answer and `sweep --json`. Money as text in USD per hour."""
        verdicts = Counter(seen.decision.verdict.value for seen in self.seen)
        return {
            "at": times.to_key(self.at),
            "watched": self.watched,
            "verdicts": dict(sorted(verdicts.items())),
            "stopped": self.stopped,
            "would_stop": self.would_stop,
            "held": self.held,
            "came_back": self.came_back,
            "delivered": self.delivered,
            "undelivered": self.undelivered,
            "unwatched": len(self.unwatched),
            "not_counted": self.not_counted,
            "failures": [{"where": f.where, "reason": f.reason, "retry": f.retry} for f in self.failures],
            "runs": [_run_document(seen) for seen in self.seen],
        }


def _run_document(seen: Seen) -> dict[str, Any]:
    decision = seen.decision
    return {
        "run": str(seen.run.id),
        "name": seen.run.name,
        "verdict": decision.verdict.value,
        "reason": decision.reason,
        "mode": decision.mode.value,
        "selector": decision.selector.name if decision.selector else None,
        "started": times.to_key(decision.start) if decision.start else None,
        "deadline": times.to_key(decision.deadline.at) if decision.deadline else None,
        "hourly_rate_usd": str(seen.burn.hourly_rate_usd) if seen.burn.hourly_rate_usd is not None else None,
    }
