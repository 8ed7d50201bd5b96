"""A person's Promote or Reject, by a button or a command: asked of the only function that writes the model registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from costwatch import names
from costwatch.core import times
from costwatch.core.judgements import Hand, Judgement
from costwatch.core.packages import ApprovalStatus

ANSWER: Final = "state"
"""What the function's document must have: the judgement's state after it was decided."""


class ResPort(Protocol):
    """See adapters.deployed_function.DeployedFunction."""

    def ask(self, detail_type: str, detail: Mapping[str, Any], *, answer: str) -> dict[str, Any]: ...


def ask(
    res: ResPort,
    judgement: Judgement,
    target: ApprovalStatus,
    *,
    by: str,
    name: str,
    reason: str,
    by_click: bool = False,
) -> dict[str, Any]:
    """Ask, and wait for what came of it. `by`: Slack's user id or an ARN; `name`: the same for people. `by_click`: by a
    button, and that they may was checked; else the function looks whether `by` is an approver.

    Raises RefusedError where they may not, others decided it before, or it was judged anew since `judgement` was read.
    """
    detail = {
        "judgement": judgement.id,
        "judged_at": times.to_text(judgement.judged_at),
        "target": target.value,
        "by": by,
        "name": name,
        "reason": reason,
        "by_click": by_click,
    }
    return res.ask(names.DETAIL_DECISION_REQUESTED, detail, answer=ANSWER)


def is_theirs(judgement: Judgement | None, by: str, target: ApprovalStatus) -> bool:
    """Whether the same person said the same before: a double click, or a command typed twice."""
    decided = judgement.decided if judgement is not None else None
    return decided is not None and decided.hand is Hand.ASKED and decided.by == by and decided.target is target
