"""Judgements to table items and back: times as UTC text, durations as whole seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from costwatch.adapters.verdict_codec import (
    compact,
    duration,
    evaluation_from_item,
    evaluation_to_item,
    seconds,
    verdict_from_item,
    verdict_to_item,
)
from costwatch.core import times
from costwatch.core.approvals import Post
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res_policy import Worth

Body = Mapping[str, Any]


def judgement_to_item(judgement: Judgement) -> dict[str, Any]:
    """Without keys and stamp. Absent values are left out."""
    decided = judgement.decided
    return compact(
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
            "verdict": verdict_to_item(judgement.verdict),
            "row_version": judgement.row_version,
            "run": judgement.run,
            "runs": list(judgement.runs),
            "artifact": judgement.artifact,
            "evaluation": evaluation_to_item(judgement.evaluation) if judgement.evaluation is not None else None,
            "approvers": list(judgement.approvers),
            "target": judgement.target.value if judgement.target is not None else None,
            "lease_until": _moment(judgement.lease_until),
            "decided": _decided_to_item(decided) if decided is not None else None,
            "approved_at": _moment(judgement.approved_at),
            "posts": [[post.channel, post.ts] for post in judgement.posts],
            "told": judgement.told,
            "serving_version": judgement.serving_version,
            "capacity": judgement.capacity,
            "runtime": seconds(judgement.runtime),
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
        verdict=verdict_from_item(item["verdict"]),
        row_version=int(item["row_version"]),
        run=item["run"],
        runs=tuple(item["runs"]),
        artifact=item["artifact"],
        evaluation=evaluation_from_item(item["evaluation"]) if item.get("evaluation") else None,
        approvers=tuple(item["approvers"]),
        target=ApprovalStatus(item["target"]) if item.get("target") else None,
        lease_until=_time(item, "lease_until"),
        decided=_decided_from_item(item["decided"]) if item.get("decided") else None,
        approved_at=_time(item, "approved_at"),
        posts=tuple(Post(channel, ts) for channel, ts in item["posts"]),
        told=item["told"],
        serving_version=int(serving) if serving is not None else None,
        capacity=item["capacity"],
        runtime=duration(item, "runtime"),
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


def _worth_to_item(worth: Worth) -> dict[str, Any]:
    return {"usd": str(worth.usd), "per": str(worth.per), "over": seconds(worth.over)}


def _worth_from_item(item: Body) -> Worth:
    return Worth(Decimal(item["usd"]), Decimal(item["per"]), timedelta(seconds=int(item["over"])))


def _moment(value: datetime | None) -> str | None:
    return times.to_text(value) if value is not None else None


def _time(item: Body, name: str) -> datetime | None:
    return times.from_text(item[name]) if item.get(name) else None
