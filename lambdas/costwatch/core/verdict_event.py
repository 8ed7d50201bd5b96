"""The event that tells others' rules what was decided about a candidate: `Costwatch RES Verdict`."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

from costwatch.core import times
from costwatch.core.judgements import Judgement, State
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.core.res import Cause, Value


def of(judgement: Judgement, at: datetime) -> Message:
    """As an outbox row, so that a bus that fails delays it and loses nothing.

    Published at least once for each change; `detail.id` tells repeats apart. Figures are text, null when unknown.
    """
    verdict, decided = judgement.verdict, judgement.decided
    cost, score = verdict.cost, verdict.score
    # By whatever way a person decided, theirs is the verdict; what was judged stands beside it.
    by_a_person = decided is not None and judgement.state.final
    overridden = (by_a_person or judgement.state is State.OVERRIDDEN) and verdict.value is not Value.OVERRIDDEN
    detail = {
        "id": f"{judgement.id}#{judgement.row_version}",
        "account": judgement.account,
        "region": judgement.region,
        "model": judgement.model,
        "group": judgement.group,
        "package_arn": judgement.package_arn,
        "version": judgement.package_version,
        "verdict": Value.OVERRIDDEN.value if overridden else verdict.value.value,
        "cause": Cause.BY_A_PERSON.value if overridden else verdict.cause.value,
        "reason": verdict.reason,
        "judged": verdict.value.value,
        "state": judgement.state.value,
        "status": judgement.target.value if judgement.target is not None and judgement.state.final else None,
        "mode": judgement.mode.value,
        "metric": verdict.metric or None,
        "gain": _text(verdict.gain.amount if verdict.gain is not None else None),
        "score": _text(score.value if score is not None else None),
        "needed": _text(score.needed if score is not None else None),
        "cost_usd": _usd(cost.usd if cost is not None else None),
        "all_candidates_usd": _usd(cost.all_candidates_usd if cost is not None else None),
        "gpu_hours": _usd(cost.gpu_hours if cost is not None else None),
        "run": judgement.run or None,
        "decided_by": (decided.name or decided.by or None) if decided is not None else None,
    }
    message_id = (
        f"judgement#{judgement.account}#{judgement.id}#{judgement.row_version:06d}#{MessageKind.RES_EVENT.value}"
    )
    facts = {"at": times.to_text(at), "event": json.dumps(detail, sort_keys=True)}
    return Message(message_id, MessageKind.RES_EVENT, Audience.BUS, facts)


def _text(value: Decimal | None) -> str | None:
    return f"{value:.6g}" if value is not None else None


def _usd(value: Decimal | None) -> str | None:
    return f"{value:.2f}" if value is not None else None
