"""What was begun and has no end yet: stops, what follows from answers, verdicts. Pure.

One measure for all who speak of it: the sweeps' metric and its alarm, `costwatch settle` and `costwatch doctor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from costwatch import names
from costwatch.core import approvals, judgements
from costwatch.core.approvals import EFFECT_LEASE, Approval
from costwatch.core.judgement_steps import NOT_WRITTEN, restores
from costwatch.core.judgements import Judgement
from costwatch.core.record import RunRecord, Status
from costwatch.core.stopping import begun_at

LATE: Final = timedelta(minutes=names.UNSETTLED_AFTER_MINUTES)
"""What is older is unsettled, whoever has it: then its alarm is raised, too."""


class Kind(StrEnum):
    STOP = "stop"
    ANSWER = "answer"
    VERDICT = "verdict"


class Standing(StrEnum):
    DOING = "being done"
    VERIFYING = "being verified"
    LEFT = "not settled"


@dataclass(frozen=True, slots=True)
class Claim:
    """`id`: of the run, the question or the candidate. `since`: from when the alarm counts. `key`: of the act.

    `lease_until`: nobody else takes it before. `accepted_at`: since when the world shows it; each sweep verifies it.
    `what`: a part of a sentence. `why`: what was in the way the last time; empty: nothing is known.
    """

    kind: Kind
    id: str
    name: str
    key: str
    since: datetime
    lease_until: datetime
    what: str
    owner: str = ""
    attempt: int | None = None
    accepted_at: datetime | None = None
    why: str = ""

    def standing(self, now: datetime) -> Standing:
        """A lease is over at its end (inclusive), as for whoever takes over; late is strictly more than two hours."""
        if now - self.since > LATE:
            return Standing.LEFT
        if self.accepted_at is not None:
            return Standing.VERIFYING
        return Standing.DOING if now < self.lease_until else Standing.LEFT


def of_run(record: RunRecord) -> Claim | None:
    """None: nobody is stopping it; what observe or warn would have stopped is none either.

    What failed is one as long as each sweep tries it again, and as old as its first attempt.
    """
    stop = record.stop
    if stop is None or record.status not in (Status.STOPPING, Status.FAILED):
        return None
    return Claim(
        kind=Kind.STOP,
        id=str(record.run_id),
        name=record.name,
        key=stop.key,
        since=begun_at(stop),
        lease_until=stop.lease_until,
        what="to be stopped",
        owner=stop.owner,
        attempt=stop.attempt,
        accepted_at=stop.requested_at if record.status is Status.STOPPING else None,
        # In `stopping` it is what failed the last time.
        why=record.hold.reason if record.hold is not None else "",
    )


def of_question(approval: Approval) -> Claim | None:
    """None: nobody has answered it, or what follows is done."""
    answer, effect = approval.answer, approval.effect
    if approval.state is approvals.State.PENDING or answer is None or not approval.open:
        return None
    return Claim(
        kind=Kind.ANSWER,
        id=approval.id,
        name=approval.asked.name,
        key=approval.id,
        since=answer.at,
        # What nobody has taken yet is taken by the next sweep: as long as that lasts, nothing was left.
        lease_until=effect.lease_until if effect is not None else answer.at + EFFECT_LEASE,
        what=f"{approval.state.value} by {answer.name or answer.by or 'nobody'}",
        attempt=effect.attempt if effect is not None else None,
        why=effect.outcome if effect is not None else "",
    )


def of_candidate(judgement: Judgement) -> Claim | None:
    """None: nobody is about to write the registry."""
    if judgement.state is not judgements.State.WRITING:
        return None
    by, since = judgement.decided, judgement.judged_at
    target = judgement.target.value if judgement.target is not None else "nothing"
    what = f"to be set to {target}"
    if by is not None:
        since, who = by.at, by.name or by.by or "a person"
        what = f"{what} again, as {who} had set it" if restores(judgement) else f"{what}, as {who} decided"
    return Claim(
        kind=Kind.VERDICT,
        id=judgement.id,
        name=judgement.name,
        key=judgement.id,
        since=since,
        lease_until=judgement.lease_until or since,
        what=what,
        why=judgement.told.removeprefix(NOT_WRITTEN) if judgement.told.startswith(NOT_WRITTEN) else "",
    )
