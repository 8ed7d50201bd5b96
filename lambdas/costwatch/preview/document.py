"""A preview for machines, `--json`. Money is text in USD, durations are seconds, times RFC 3339 in UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from costwatch.core import times
from costwatch.preview import limits
from costwatch.preview.approvals import Approvals
from costwatch.preview.judging import Fate, Judged, Over
from costwatch.preview.limits import Family
from costwatch.preview.report import Fleet, Preview
from costwatch.preview.spending import Spending

FORMAT_VERSION: Final = 1
_CENT: Final = Decimal("0.01")


def document(preview: Preview) -> dict[str, Any]:
    """Everything; lists are whole, where the terminal shows the dearest."""
    return {
        "format": FORMAT_VERSION,
        "account": preview.account,
        "since": times.to_key(preview.since),
        "until": times.to_key(preview.now),
        "regions": [each.region for each in preview.histories],
        "judged_by": preview.judged_by,
        "policy_digest": preview.policy.digest,
        "jobs_read": {service.value: number for service, number in sorted(preview.jobs.items())},
        "runs": len(preview.runs),
        "left_out": [
            {"region": each.region, "kind": each.service.value, "taken": each.taken, "of": each.total}
            for each in preview.left_out
        ],
        "not_read": preview.not_read,
        "past_limits": _judged(preview.judged),
        "fleet": _fleet(preview.fleet),
        "approvals": _approvals(preview.approvals),
        "families": [_family(each) for each in preview.families],
        "suggested_tags": [
            {"family": family, "tag": tag} for family, tag in limits.tag_lines(preview.families, preview.policy)
        ],
        "suggested_selectors": list(limits.selector_lines(preview.families, preview.policy)),
        "spending": _spending(preview.spending),
    }


def _judged(judged: Judged) -> dict[str, Any]:
    balance = judged.balance
    return {
        "within": judged.within,
        "without_limit": judged.off,
        "in_progress": judged.unended,
        **{f"would_be_{fate.value.replace(' ', '_')}": len(judged.of(fate)) for fate in Fate},
        "finished_later": balance.finished,
        "of_them_with_checkpoints": balance.checkpoints,
        "destroyed_usd": _usd(balance.destroyed_usd),
        "failed_or_stopped_later": balance.failed,
        "saved_usd": _usd(balance.saved_usd),
        "net_usd": _usd(balance.net_usd),
        "of_unknown_cost": balance.unknown,
        "over": [_over(each) for each in judged.over],
    }


def _over(each: Over) -> dict[str, Any]:
    return {
        "run": str(each.past.run.id),
        "fate": each.fate.value,
        "selector": each.selector,
        "rule": each.rule,
        "limit_seconds": _seconds(each.limit),
        "started": _time(each.past.run.start),
        "deadline": _time(each.deadline),
        "ended": _time(each.ended),
        "over_by_seconds": _seconds(each.over_by),
        "ended_as": each.past.state,
        "finished": each.past.finished,
        "checkpoints": each.past.checkpoints,
        "usd_before": _usd(each.usd_before),
        "usd_after": _usd(each.usd_after),
        "held_by": each.held_by or None,
    }


def _fleet(fleet: Fleet) -> dict[str, Any]:
    return {
        "watched": fleet.watched,
        "due": [
            {
                "run": each.run_id,
                "name": each.name,
                "verdict": each.verdict.value,
                "reason": each.reason,
                "selector": each.selector,
                "deadline": _time(each.deadline),
                "hourly_rate_usd": str(each.hourly_rate_usd) if each.hourly_rate_usd is not None else None,
            }
            for each in fleet.due
        ],
    }


def _approvals(found: Approvals) -> dict[str, Any]:
    return {
        "weeks": f"{found.weeks:.2f}",
        "runs": found.asked,
        "forecast_unknown": found.forecast_unknown,
        "actual_unknown": found.actual_unknown,
        "in_progress": found.running,
        "prepaid": found.prepaid,
        "thresholds": [
            {
                "above_usd": str(each.above_usd),
                "by_forecast_a_week": f"{found.a_week(each.by_forecast):.2f}",
                "forecast_usd_a_week": _usd(found.a_week(each.forecast_usd)),
                "by_actual_a_week": f"{found.a_week(each.by_actual):.2f}",
                "actual_usd_a_week": _usd(found.a_week(each.actual_usd)),
            }
            for each in found.thresholds
        ],
    }


def _family(each: Family) -> dict[str, Any]:
    return {
        "kind": each.service.value,
        "name": each.stem,
        "image": each.image or None,
        "types": list(each.types),
        "runs": each.runs,
        "finished": each.finished,
        "usd": _usd(each.usd),
        "unpriced": each.unpriced,
        "p50_seconds": _seconds(each.taken.expected) if each.taken else None,
        "p90_seconds": _seconds(each.taken.p90) if each.taken else None,
        "longest_seconds": _seconds(each.longest),
        "limit_seconds": _seconds(each.suggestion.limit) if each.suggestion else None,
        "outlier_seconds": _seconds(each.suggestion.outlier) if each.suggestion else None,
    }


def _spending(found: Spending) -> dict[str, Any]:
    return {
        "jobs": found.jobs,
        "usd": _usd(found.usd),
        "after_limits_usd": _usd(found.after_limits_usd),
        "saved_by_spot_usd": _usd(found.saved_by_spot_usd),
        "spot_jobs": found.spot_jobs,
        "spot_usd": _usd(found.spot_usd),
        "prepaid_jobs": found.prepaid_jobs,
        "prepaid_list_value_usd": _usd(found.prepaid_list_usd),
        "unpriced": _counted(found.unpriced),
        "without_storage": found.storage_left_out,
        "discounts": list(found.discounts),
        "price_as_of": found.price_as_of.isoformat() if found.price_as_of else None,
        "confidence": {name.value: number for name, number in found.confidences},
        "weeks": [
            {
                "begins": _time(each.begins),
                "jobs": each.jobs,
                "usd": _usd(each.usd),
                "after_limits_usd": _usd(each.after_limits_usd),
                "saved_by_spot_usd": _usd(each.saved_by_spot_usd),
            }
            for each in found.weeks
        ],
    }


def _counted(pairs: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"what": what, "jobs": number} for what, number in pairs]


def _usd(amount: Decimal | None) -> str | None:
    return str(amount.quantize(_CENT)) if amount is not None else None


def _seconds(duration: timedelta | None) -> int | None:
    return int(duration.total_seconds()) if duration is not None else None


def _time(moment: datetime | None) -> str | None:
    return times.to_key(moment) if moment is not None else None
