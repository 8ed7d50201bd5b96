"""What enforce would have done, as a document for machines."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from costwatch.core import gate_graduating, graduated, graduating, res_graduating, times
from costwatch.core.changes import Change
from costwatch.core.graduated import Graduated
from costwatch.core.graduating import Graduation, Truth

if TYPE_CHECKING:
    from costwatch.cli.would_have import Seen


def of(seen: Seen) -> dict[str, Any]:
    """JSON-ready. Dollars are USD with two decimals, as texts; None: unknown."""
    told = {each.name: each for each in seen.graduated}
    gate, res = told.get(graduated.GATE), told.get(graduated.RES)
    return {
        "currency": "USD",
        "since": times.to_key(seen.since),
        "until": times.to_key(seen.until),
        "other_is_deployed": seen.other_is_deployed or None,
        "selectors": [
            _selector(each, told[each.selector], seen.changes.selectors.get(each.selector))
            for each in seen.back.selectors
        ],
        "approval": {
            **_enforcing(gate, seen.changes.approval),
            "doubts": list(seen.back.gate.doubts),
            "tiers": [_tier(each) for each in seen.back.gate.tiers],
        }
        if gate is not None
        else None,
        "res": {
            **_enforcing(res, seen.changes.res),
            "doubts": list(seen.back.res.doubts),
            "models": [_model(each) for each in seen.back.res.models],
        }
        if res is not None
        else None,
    }


def _enforcing(told: Graduated, change: Change | None) -> dict[str, Any]:
    line = {"file": change.file, "line": change.line, "now": change.now, "then": change.then} if change else None
    return {
        "mode": told.mode.value if told.mode is not None else None,
        "advised": told.advice.advised,
        "advice": told.advice.sentence,
        "change": line if change is not None and not change.problem else None,
        "no_change_because": change.problem if change is not None and change.problem else None,
    }


def _selector(each: Graduation, told: Graduated, change: Change | None) -> dict[str, Any]:
    counts = {
        name: {"runs": len(each.of(truth)), "usd": f"{each.usd(truth):.2f}"}
        for name, truth in (
            ("finished", Truth.FINISHED),
            ("ran_on", Truth.RAN_ON),
            ("still_runs", Truth.STILL_RUNS),
        )
    }
    return {
        "selector": each.selector,
        **_enforcing(told, change),
        **counts,
        "not_due_any_more": len(each.of(Truth.STOOD_DOWN)),
        "net_usd": _usd(each.net_usd),
        "doubtful": len(each.doubtful),
        "without_price": each.unpriced,
        "sentence": each.sentence,
        "doubts": list(each.doubts),
        "cases": [_run(case) for case in each.cases],
        "held_by_caps": [
            {
                "since": times.to_key(held.at),
                "run": held.run,
                "name": held.name,
                "cap": held.cap,
                "waits_for_release": held.waits,
                "reason": held.sentence,
            }
            for held in each.held
        ],
    }


def _run(case: graduating.Case) -> dict[str, Any]:
    return {
        "at": times.to_key(case.at),
        "run": case.run,
        "name": case.name,
        "truth": case.truth.value,
        "usd": _usd(case.usd),
        "doubtful": case.doubtful,
        "reason": case.reason,
    }


def _tier(each: gate_graduating.TierGraduation) -> dict[str, Any]:
    return {
        "above_usd": _usd(each.above_usd),
        "would_have_waited": len(each.cases),
        "held_usd": _usd(each.held_usd),
        "sentence": each.sentence,
        "cases": [
            {
                "at": times.to_key(case.at),
                "about": case.about,
                "name": case.name,
                "usd": _usd(case.usd),
                "answer": case.answer.value if case.answer is not None else None,
                "seconds_to_answer": case.took // timedelta(seconds=1) if case.took is not None else None,
                "doubts": [doubt.value for doubt in case.doubts],
                "reason": case.reason,
            }
            for case in each.cases
        ],
    }


def _model(each: res_graduating.ModelGraduation) -> dict[str, Any]:
    return {
        "model": each.model,
        "sentence": each.sentence,
        **{would.name.lower(): len(each.of(would)) for would in res_graduating.Would},
        "cases": [
            {
                "at": times.to_key(case.at),
                "judgement": case.id,
                "name": case.name,
                "would": case.would.value,
                "people": case.hand.value if case.hand is not None else None,
                "usd": _usd(case.usd),
                "by_chance": case.by_chance,
                "reason": case.reason,
            }
            for case in each.cases
        ],
    }


def _usd(amount: Decimal | None) -> str | None:
    return f"{amount:.2f}" if amount is not None else None
