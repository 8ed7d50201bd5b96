"""A judgement for a terminal, and as JSON for machines: there figures are text, so that no digit is lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from costwatch.cli import show
from costwatch.core import res_words, times
from costwatch.core.judgements import Judgement
from costwatch.core.money import show_usd
from costwatch.core.res_standing import standing_plain


def of(judgement: Judgement, *, may: bool) -> dict[str, Any]:
    """`may`: whether whoever reads it may decide about it. Null where nobody knows."""
    verdict, decided = judgement.verdict, judgement.decided
    gain, score, cost = verdict.gain, verdict.score, verdict.cost
    return {
        "id": judgement.id,
        "model": judgement.model,
        "version": judgement.package_version,
        "package_arn": judgement.package_arn,
        "region": judgement.region,
        "group": judgement.group,
        "mode": judgement.mode.value,
        "state": judgement.state.value,
        "status": judgement.target.value if judgement.target is not None and judgement.state.final else None,
        "verdict": verdict.value.value,
        "cause": verdict.cause.value,
        "reason": verdict.reason,
        "metric": verdict.metric,
        "baseline": _text(gain.baseline if gain is not None else None),
        "candidate": _text(gain.candidate if gain is not None else None),
        "gain": _text(gain.amount if gain is not None else None),
        "standard_errors": _text(gain.standard_errors if gain is not None else None),
        "score": _text(score.value if score is not None else None),
        "needed": _text(score.needed if score is not None else None),
        "worth_usd": _text(score.worth_usd if score is not None else None),
        "cost_usd": _text(cost.usd if cost is not None else None),
        "all_candidates_usd": _text(cost.all_candidates_usd if cost is not None else None),
        "gpu_hours": _text(cost.gpu_hours if cost is not None else None),
        "passes_at_metric": _text(verdict.passes_at_metric),
        "passes_at_usd": _text(verdict.passes_at_usd),
        "serving_version": judgement.serving_version,
        "run": judgement.run or None,
        "created_at": times.to_key(judgement.created_at),
        "judged_at": times.to_key(judgement.judged_at),
        "approved_at": times.to_key(judgement.approved_at) if judgement.approved_at is not None else None,
        "approvers": list(judgement.approvers),
        "you_are_an_approver": may,
        "decided": decided
        and {
            "by": decided.by,
            "name": decided.name,
            "at": times.to_key(decided.at),
            "status": decided.target.value,
            "reason": decided.reason,
            "how": decided.hand.value,
        },
    }


def facts(judgement: Judgement) -> list[tuple[str, str]]:
    """Labels and values; empty where nobody knows."""
    verdict = judgement.verdict
    cost = verdict.cost
    serving = judgement.serving_version
    candidates = show_usd(cost.all_candidates_usd) if cost is not None and cost.all_candidates_usd is not None else ""
    return [
        ("Candidate", f"{judgement.name}, registered {show.clock(judgement.created_at)}"),
        ("Verdict", f"{verdict.value.value} ({verdict.cause.value}, {judgement.mode.value})"),
        ("Why", verdict.reason),
        ("Standing", standing_plain(judgement)),
        ("Figures", res_words.figures(verdict)),
        ("All candidates", f"{candidates} since the last promotion" if candidates else ""),
        ("Trained by", judgement.run),
        ("Production", f"{judgement.model} v{serving} when it was judged" if serving is not None else ""),
        ("Approvers", ", ".join(judgement.approvers)),
        ("Package", judgement.package_arn),
    ]


def _text(value: Decimal | None) -> str | None:
    return f"{value.normalize():f}" if value is not None else None
