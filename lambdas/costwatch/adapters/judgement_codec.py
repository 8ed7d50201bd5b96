"""Judgements to table items and back. Metrics are text: they may have more digits than DynamoDB keeps of a number."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from costwatch.core import times
from costwatch.core.approvals import Post
from costwatch.core.gains import Evaluation, EvaluationData, Gain, Noise, Reading
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res import Cause, Cost, Score, Value, Verdict
from costwatch.core.res_policy import Direction, GainKind, Worth

Body = Mapping[str, Any]


def judgement_to_item(judgement: Judgement) -> dict[str, Any]:
    """Without keys and stamp. Absent values are left out."""
    decided = judgement.decided
    return _compact(
        {
            "package_arn": judgement.package_arn,
            "account": judgement.account,
            "region": judgement.region,
            "model": judgement.model,
            "group": judgement.group,
            "package_version": judgement.package_version,
            "created_at": times.to_text(judgement.created_at),
            "judged_at": times.to_text(judgement.judged_at),
            "mode": judgement.mode.value,
            "state": judgement.state.value,
            "verdict": _verdict_to_item(judgement.verdict),
            "row_version": judgement.row_version,
            "run": judgement.run,
            "runs": list(judgement.runs),
            "artifact": judgement.artifact,
            "evaluation": _evaluation_to_item(judgement.evaluation) if judgement.evaluation is not None else None,
            "approvers": list(judgement.approvers),
            "target": judgement.target.value if judgement.target is not None else None,
            "lease_until": _moment(judgement.lease_until),
            "decided": _decided_to_item(decided) if decided is not None else None,
            "approved_at": _moment(judgement.approved_at),
            "posts": [[post.channel, post.ts] for post in judgement.posts],
            "told": judgement.told,
            "serving_version": judgement.serving_version,
            "capacity": judgement.capacity,
            "runtime": _seconds(judgement.runtime),
            "worth": _worth_to_item(judgement.worth) if judgement.worth is not None else None,
            "team": judgement.team,
            "advice": judgement.advice,
        }
    )


def judgement_from_item(item: Body) -> Judgement:
    """The inverse; unknown attributes (keys, stamp) are ignored. Raises what `ledger_rows.read` makes a row's fault."""
    serving = item.get("serving_version")
    return Judgement(
        package_arn=item["package_arn"],
        account=item["account"],
        region=item["region"],
        model=item["model"],
        group=item["group"],
        package_version=int(item["package_version"]),
        created_at=times.from_text(item["created_at"]),
        judged_at=times.from_text(item["judged_at"]),
        mode=Mode(item["mode"]),
        state=State(item["state"]),
        verdict=_verdict_from_item(item["verdict"]),
        row_version=int(item["row_version"]),
        run=item["run"],
        runs=tuple(item["runs"]),
        artifact=item["artifact"],
        evaluation=_evaluation_from_item(item["evaluation"]) if item.get("evaluation") else None,
        approvers=tuple(item["approvers"]),
        target=ApprovalStatus(item["target"]) if item.get("target") else None,
        lease_until=_time(item, "lease_until"),
        decided=_decided_from_item(item["decided"]) if item.get("decided") else None,
        approved_at=_time(item, "approved_at"),
        posts=tuple(Post(channel, ts) for channel, ts in item["posts"]),
        told=item["told"],
        serving_version=int(serving) if serving is not None else None,
        capacity=item["capacity"],
        runtime=_duration(item, "runtime"),
        worth=_worth_from_item(item["worth"]) if item.get("worth") else None,
        team=item["team"],
        advice=item["advice"],
    )


def _decided_to_item(decided: Decided) -> dict[str, Any]:
    return {
        "by": decided.by,
        "at": times.to_text(decided.at),
        "target": decided.target.value,
        "reason": decided.reason,
        "name": decided.name,
        "hand": decided.hand.value,
    }


def _decided_from_item(item: Body) -> Decided:
    return Decided(
        by=item["by"],
        at=times.from_text(item["at"]),
        target=ApprovalStatus(item["target"]),
        reason=item["reason"],
        name=item["name"],
        hand=Hand(item["hand"]),
    )


def _verdict_to_item(verdict: Verdict) -> dict[str, Any]:
    return _compact(
        {
            "value": verdict.value.value,
            "cause": verdict.cause.value,
            "reason": verdict.reason,
            "metric": verdict.metric,
            "gain": _gain_to_item(verdict.gain) if verdict.gain is not None else None,
            "score": _score_to_item(verdict.score) if verdict.score is not None else None,
            "cost": _cost_to_item(verdict.cost) if verdict.cost is not None else None,
            "in_service": _seconds(verdict.in_service),
            "passes_at_metric": _text(verdict.passes_at_metric),
            "passes_at_usd": _text(verdict.passes_at_usd),
            "ask": verdict.ask,
        }
    )


def _verdict_from_item(item: Body) -> Verdict:
    return Verdict(
        value=Value(item["value"]),
        cause=Cause(item["cause"]),
        reason=item["reason"],
        metric=item["metric"],
        gain=_gain_from_item(item["gain"]) if item.get("gain") else None,
        score=_score_from_item(item["score"]) if item.get("score") else None,
        cost=_cost_from_item(item["cost"]) if item.get("cost") else None,
        in_service=_duration(item, "in_service"),
        passes_at_metric=_decimal(item, "passes_at_metric"),
        passes_at_usd=_decimal(item, "passes_at_usd"),
        ask=bool(item["ask"]),
    )


def _gain_to_item(gain: Gain) -> dict[str, Any]:
    noise = gain.noise
    return _compact(
        {
            "amount": str(gain.amount),
            "kind": gain.kind.value,
            "candidate": str(gain.candidate),
            "baseline": str(gain.baseline),
            "direction": gain.direction.value,
            "noise": [str(noise.standard_error), noise.basis] if noise is not None else None,
        }
    )


def _gain_from_item(item: Body) -> Gain:
    noise = item.get("noise")
    return Gain(
        amount=Decimal(item["amount"]),
        kind=GainKind(item["kind"]),
        candidate=Decimal(item["candidate"]),
        baseline=Decimal(item["baseline"]),
        direction=Direction(item["direction"]),
        noise=Noise(Decimal(noise[0]), noise[1]) if noise else None,
    )


def _score_to_item(score: Score) -> dict[str, Any]:
    return _compact(
        {
            "value": str(score.value),
            "needed": str(score.needed),
            "bounded": score.bounded,
            "worth_usd": _text(score.worth_usd),
        }
    )


def _score_from_item(item: Body) -> Score:
    return Score(Decimal(item["value"]), Decimal(item["needed"]), bool(item["bounded"]), _decimal(item, "worth_usd"))


def _cost_to_item(cost: Cost) -> dict[str, Any]:
    return _compact(
        {
            "usd": _text(cost.usd),
            "gpu_hours": _text(cost.gpu_hours),
            "all_candidates_usd": _text(cost.all_candidates_usd),
            "what": cost.what,
        }
    )


def _cost_from_item(item: Body) -> Cost:
    return Cost(
        usd=_decimal(item, "usd"),
        gpu_hours=_decimal(item, "gpu_hours"),
        all_candidates_usd=_decimal(item, "all_candidates_usd"),
        what=item["what"],
    )


def _evaluation_to_item(evaluation: Evaluation) -> dict[str, Any]:
    data = evaluation.data
    return _compact(
        {
            "readings": {
                name: _compact(
                    {
                        "value": str(reading.value),
                        "standard_error": _text(reading.standard_error),
                        "sample_size": reading.sample_size,
                    }
                )
                for name, reading in evaluation.readings.items()
            },
            "data": [data.uri, data.etag] if data is not None else None,
            "source": evaluation.source,
        }
    )


def _evaluation_from_item(item: Body) -> Evaluation:
    data = item.get("data")
    return Evaluation(
        readings={
            name: Reading(
                value=Decimal(each["value"]),
                standard_error=_decimal(each, "standard_error"),
                sample_size=int(each["sample_size"]) if each.get("sample_size") is not None else None,
            )
            for name, each in item["readings"].items()
        },
        data=EvaluationData(data[0], data[1]) if data else None,
        source=item["source"],
    )


def _worth_to_item(worth: Worth) -> dict[str, Any]:
    return {"usd": str(worth.usd), "per": str(worth.per), "over": _seconds(worth.over)}


def _worth_from_item(item: Body) -> Worth:
    return Worth(Decimal(item["usd"]), Decimal(item["per"]), timedelta(seconds=int(item["over"])))


def _text(value: Decimal | None) -> str | None:
    return str(value) if value is not None else None


def _decimal(item: Body, name: str) -> Decimal | None:
    return Decimal(item[name]) if item.get(name) is not None else None


def _moment(value: datetime | None) -> str | None:
    return times.to_text(value) if value is not None else None


def _time(item: Body, name: str) -> datetime | None:
    return times.from_text(item[name]) if item.get(name) else None


def _seconds(duration: timedelta | None) -> int | None:
    return int(duration.total_seconds()) if duration is not None else None


def _duration(item: Body, name: str) -> timedelta | None:
    return timedelta(seconds=int(item[name])) if item.get(name) is not None else None


def _compact(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
