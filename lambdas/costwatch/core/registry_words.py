"""What is written into the model registry, within its limits: a description for people, figures as metadata. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from costwatch.core import times
from costwatch.core.judgements import Judgement
from costwatch.core.packages import LONGEST_DESCRIPTION, LONGEST_METADATA, ApprovalStatus, ModelPackage
from costwatch.core.res_words import figures, show_scores

REJECTION: Final = "Cost-Efficiency Rejection: "
APPROVAL: Final = "Costwatch: "
META_VERDICT: Final = "costwatch:verdict"
META_DECIDED_AT: Final = "costwatch:decided-at"
MOST_METADATA: Final = 50
_REFUSED: Final = re.compile(r"[^\w\s.:/=+\-@]")
"""What SageMaker takes in no value: it allows letters, digits, spaces and these."""


def description(judgement: Judgement, target: ApprovalStatus) -> str:
    """At most 1024 characters, on one line."""
    by = _by_whom(judgement)
    verdict = judgement.verdict
    reason = f"{verdict.value.value}: {verdict.reason}" if verdict.value.value != "reject" else verdict.reason
    sentence = f"{reason}{f'; {by}' if by else ''}"
    known = figures(verdict)
    prefix = REJECTION if target is ApprovalStatus.REJECTED else APPROVAL
    return _line(f"{prefix}{sentence}{f'. {known}' if known else ''}")[:LONGEST_DESCRIPTION]


def metadata(judgement: Judgement, target: ApprovalStatus, there: Mapping[str, str]) -> dict[str, str]:
    """What is added to the metadata that is `there`, which is kept: as much of it as there is room for, the verdict
    first."""
    verdict, decided = judgement.verdict, judgement.decided
    cost, gain, score = verdict.cost, verdict.gain, verdict.score
    found = {
        META_VERDICT: verdict.value.value,
        META_DECIDED_AT: times.to_key(decided.at if decided is not None else judgement.judged_at),
        "costwatch:cause": verdict.cause.value,
        "costwatch:status": target.value,
        "costwatch:cost-usd": f"{cost.usd:.2f}" if cost is not None and cost.usd is not None else "",
        "costwatch:gain": f"{gain.amount.normalize():+.6g}" if gain is not None else "",
        "costwatch:score": show_scores(score)[0] if score is not None else "",
        "costwatch:needed": show_scores(score)[1] if score is not None else "",
        "costwatch:mode": judgement.mode.value,
        "costwatch:decided-by": (decided.name or decided.by) if decided is not None else "",
    }
    room = MOST_METADATA - len(there)
    added: dict[str, str] = {}
    for name, value in found.items():
        allowed = _allowed(value)
        if not allowed or (name not in there and room < 1):
            continue
        room -= name not in there
        added[name] = allowed
    return added


def written_by_us(package: ModelPackage) -> bool:
    """Whether Costwatch has written to it: by its metadata, or its description where there was no room for any."""
    return META_VERDICT in package.metadata or package.approval_description.startswith((REJECTION, APPROVAL))


def command(judgement: Judgement, target: ApprovalStatus) -> str:
    """What a person runs to set the registry to it."""
    return (
        f"aws sagemaker update-model-package --region {judgement.region} "
        f"--model-package-arn {judgement.package_arn} --model-approval-status {target.value}"
    )


def _by_whom(judgement: Judgement) -> str:
    decided = judgement.decided
    if decided is None:
        return ""
    word = "promoted" if decided.target is ApprovalStatus.APPROVED else "rejected"
    because = f": {decided.reason}" if decided.reason else ""
    return f"{word} by {decided.name or decided.by or 'a person'}{because}"


def _allowed(value: str) -> str:
    return _line(_REFUSED.sub(" ", value))[:LONGEST_METADATA].strip()


def _line(text: str) -> str:
    return " ".join(text.split())
