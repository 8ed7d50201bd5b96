"""What one sweep saw, decided and could not do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Self

from costwatch.core import times
from costwatch.core.claims import Claim
from costwatch.core.deadman import Decision, Verdict
from costwatch.core.families import PastRun
from costwatch.core.model import Run, RunId
from costwatch.core.money import Burn
from costwatch.core.policy import Mode, Service
from costwatch.core.record import RunRecord, Status
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
class Judged:
    """What is kept of it until the sweep ends: a line of the report. Of a run with its members there is ten times more.

    `released`: a person said that its silence is its own.
    """

    run_id: RunId
    name: str
    verdict: Verdict
    reason: str
    mode: Mode
    selector: str | None
    start: datetime | None
    deadline: datetime | None
    hourly_rate_usd: Decimal | None
    fell_silent: bool
    released: bool

    @classmethod
    def of(cls, seen: Seen, *, released: bool) -> Self:
        run, decision = seen.run, seen.decision
        return cls(
            run_id=run.id,
            name=run.name,
            verdict=decision.verdict,
            reason=decision.reason,
            mode=decision.mode,
            selector=decision.selector.name if decision.selector else None,
            start=decision.start,
            deadline=decision.deadline_at,
            hourly_rate_usd=seen.burn.hourly_rate_usd,
            fell_silent=decision.fell_silent,
            released=released,
        )


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
    judged: list[Judged] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    stopped: int = 0
    would_stop: int = 0
    came_back: int = 0
    delivered: int = 0
    undelivered: int = 0
    unwatched: list[Seen] = field(default_factory=list)
    not_counted: list[str] = field(default_factory=list)
    """Regions where only what can matter now was listed: who else runs there, watched or not, is not known."""

    past_runs: dict[str, Sequence[PastRun]] = field(default_factory=dict)
    """By family, as far as they were read."""

    counted_by: dict[str, RunId] = field(default_factory=dict)
    """Instances by the open run that has counted their cost until now."""

    unasked: list[Seen] = field(default_factory=list)
    """Runs whose yes is to be looked for, or that somebody is to be asked about."""

    named_again: list[Seen] = field(default_factory=list)
    """Runs with an open question that name a yes, which may be given by now."""

    dear: list[RunId] = field(default_factory=list)
    """Runs without a record that may cost more than needs no yes, as the hourly count found them."""

    unjudged: set[RunId] = field(default_factory=set)
    """Runs that send heartbeats and about which nothing could be concluded: each may have fallen silent."""

    unseen_usd: Decimal = Decimal(0)
    """USD an hour that open runs burned last which this sweep could not look at."""

    held_anew: set[RunId] = field(default_factory=set)
    """Due in enforce and held, for a reason that did not hold them before."""

    unpriced_anew: set[RunId] = field(default_factory=set)
    """Runs that cost nobody knows what, and of which that was not known before."""

    oldest_claim_at: datetime | None = None
    """When the oldest act was begun that is not settled; None: everything is."""

    def unsettled(self, claim: Claim | None) -> None:
        """Something is being done, or was begun and left; None: nothing is."""
        if claim is not None and (self.oldest_claim_at is None or claim.since < self.oldest_claim_at):
            self.oldest_claim_at = claim.since

    def note_hold(self, run_id: RunId, record: RunRecord | None, decision: Decision) -> None:
        """`decision` holds it; `record` is from before. In observe and warn nobody waits for a person."""
        before = record.hold.code if record is not None and record.hold is not None else None
        if decision.mode is Mode.ENFORCE and decision.hold is not before:
            self.held_anew.add(run_id)

    def note_price(self, run_id: RunId, record: RunRecord | None, burn: Burn) -> None:
        """`burn` is of now; `record` is from before."""
        if burn.hourly_rate_usd is None and (record is None or record.hourly_rate_usd is not None):
            self.unpriced_anew.add(run_id)

    def note_unseen(self, records: Iterable[RunRecord]) -> None:
        """Of the open runs in `records` what those burned last that could not be looked at, alone or with their region.

        One that ended just then is among them: too much for one sweep rather than too little.
        """
        failed = {failure.where for failure in self.failures}
        judged = {each.run_id for each in self.judged}
        for record in records:
            run_id, rate = record.run_id, record.hourly_rate_usd
            if rate is None or run_id in judged or record.status is Status.STOPPING:
                continue
            if failed & {str(run_id), listing_of(run_id.region, run_id.kind.service)}:
                self.unseen_usd += rate

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

    def moved(self, run: Run) -> frozenset[str]:
        """Members of `run` that another open run has counted until now."""
        return frozenset(m.id for m in run.members if self.counted_by.get(m.id, run.id) != run.id)

    @property
    def watched(self) -> int:
        return len(self.judged)

    @property
    def burn_usd(self) -> Decimal:
        """USD an hour, of all that was judged and has a price, and what is unseen: it does not burn less for that."""
        rates = (each.hourly_rate_usd for each in self.judged if each.hourly_rate_usd is not None)
        return sum(rates, self.unseen_usd)

    @property
    def held(self) -> int:
        return sum(1 for each in self.judged if each.verdict is Verdict.HOLD)

    @property
    def oldest_claim(self) -> timedelta:
        """How long the oldest act has been under way; zero: none is."""
        return self.at - self.oldest_claim_at if self.oldest_claim_at is not None else timedelta(0)

    @property
    def held_for_good(self) -> int:
        """Runs that would be stopped now if nothing held them: in observe and warn nobody waits for a person."""
        return sum(1 for each in self.judged if each.verdict is Verdict.HOLD and each.mode is Mode.ENFORCE)

    @property
    def unpriced(self) -> int:
        """Runs that cost nobody knows what."""
        return sum(1 for each in self.judged if each.hourly_rate_usd is None)

    def document(self) -> dict[str, Any]:
        """For machines: the handler's answer and `sweep --json`. Money as text in USD per hour."""
        verdicts = Counter(each.verdict.value for each in self.judged)
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
            "runs": [_run_document(each) for each in self.judged],
        }


def listing_of(region: str, service: Service) -> str:
    """How a failure names the listing that has the runs of a service: SageMaker's jobs are listed together."""
    return f"{region} {(Service.TRAINING if service.is_sagemaker else service).value}"


def _run_document(judged: Judged) -> dict[str, Any]:
    return {
        "run": str(judged.run_id),
        "name": judged.name,
        "verdict": judged.verdict.value,
        "reason": judged.reason,
        "mode": judged.mode.value,
        "selector": judged.selector,
        "started": times.to_key(judged.start) if judged.start else None,
        "deadline": times.to_key(judged.deadline) if judged.deadline else None,
        "hourly_rate_usd": str(judged.hourly_rate_usd) if judged.hourly_rate_usd is not None else None,
    }
