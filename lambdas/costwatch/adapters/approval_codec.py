"""Questions and purses to table items and back: times as UTC text, money as Decimal, durations as whole seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from costwatch.core import times
from costwatch.core.approvals import Answer, Approval, Asked, Effect, Post, Requester, State, Way
from costwatch.core.estimator import Confidence
from costwatch.core.policy import JudgeBy, Mode
from costwatch.core.purses import Purse, SpecSeen, Taken

Body = Mapping[str, Any]


def approval_to_item(approval: Approval) -> dict[str, Any]:
    """Without keys and stamp. Absent values are left out."""
    answer, effect = approval.answer, approval.effect
    return _compact(
        {
            "approval_id": approval.id,
            "way": approval.way.value,
            "mode": approval.mode.value,
            "asked": _asked_to_item(approval.asked),
            "requester": {
                "name": approval.requester.name,
                "principal": approval.requester.principal,
                "verified": approval.requester.verified,
                "slack_user": approval.requester.slack_user,
            },
            "approvers": list(approval.approvers),
            "asked_at": _text(approval.asked_at),
            "answer_by": _text(approval.answer_by),
            "remind_at": _text(approval.remind_at),
            "yes_lasts_seconds": _seconds(approval.yes_lasts),
            "requester_may_approve": approval.requester_may_approve or None,
            "token": approval.token or None,
            "source": approval.source or None,
            "state": approval.state.value,
            "answer": answer
            and _compact(
                {
                    "by": answer.by,
                    "name": answer.name,
                    "at": _text(answer.at),
                    "reason": answer.reason,
                    "cap_seconds": _seconds(answer.cap),
                }
            ),
            "effect": effect
            and _compact(
                {
                    "attempt": effect.attempt,
                    "lease_until": _text(effect.lease_until),
                    "settled_at": _text(effect.settled_at),
                    "outcome": effect.outcome,
                }
            ),
            "posts": [[post.channel, post.ts] for post in approval.posts],
            "reminded_at": _text(approval.reminded_at),
            "version": approval.version,
        }
    )


def approval_from_item(item: Body) -> Approval:
    """The inverse; unknown attributes (keys, stamp) are ignored. Raises what `ledger_rows.read` makes a row's fault."""
    asked_by, answer, effect = item["requester"], item.get("answer"), item.get("effect")
    return Approval(
        id=item["approval_id"],
        way=Way(item["way"]),
        mode=Mode(item["mode"]),
        asked=_asked_from_item(item["asked"]),
        requester=Requester(asked_by["name"], asked_by["principal"], asked_by["verified"], asked_by["slack_user"]),
        approvers=tuple(item["approvers"]),
        asked_at=times.from_text(item["asked_at"]),
        answer_by=times.from_text(item["answer_by"]),
        remind_at=times.from_text(item["remind_at"]),
        yes_lasts=timedelta(seconds=int(item["yes_lasts_seconds"])),
        requester_may_approve=bool(item.get("requester_may_approve", False)),
        token=item.get("token", ""),
        source=item.get("source", ""),
        state=State(item["state"]),
        answer=Answer(
            answer["by"],
            answer["name"],
            times.from_text(answer["at"]),
            answer["reason"],
            _duration(answer, "cap_seconds"),
        )
        if answer
        else None,
        effect=Effect(
            int(effect["attempt"]),
            times.from_text(effect["lease_until"]),
            _time(effect, "settled_at"),
            effect["outcome"],
        )
        if effect
        else None,
        posts=tuple(Post(channel, ts) for channel, ts in item["posts"]),
        reminded_at=_time(item, "reminded_at"),
        version=int(item["version"]),
    )


def purse_to_item(purse: Purse) -> dict[str, Any]:
    """Without keys and stamp. Absent values are left out."""
    return _compact(
        {
            "approval_id": purse.approval_id,
            "account": purse.account,
            "specs": _specs_to_item(purse.specs),
            "granted_usd": purse.granted_usd,
            "granted_seconds": _seconds(purse.granted_runtime),
            "jobs_left": purse.jobs_left,
            "purse_expires_at": _text(purse.expires_at),
            "source": purse.source or None,
            "drawn_by": list(purse.drawn_by),
            "taken": [[each.run, *_spec_to_item(each.spec)] for each in purse.taken],
            "version": purse.version,
        }
    )


def purse_from_item(item: Body) -> Purse:
    """The inverse."""
    return Purse(
        approval_id=item["approval_id"],
        account=item["account"],
        specs=_specs_from_item(item["specs"]),
        granted_usd=item.get("granted_usd"),
        granted_runtime=_duration(item, "granted_seconds"),
        jobs_left=int(item["jobs_left"]),
        expires_at=times.from_text(item["purse_expires_at"]),
        source=item.get("source", ""),
        drawn_by=tuple(item["drawn_by"]),
        taken=tuple(Taken(run, _spec_from_item(spec, 0)) for run, *spec in item.get("taken", [])),
        version=int(item["version"]),
    )


def _asked_to_item(asked: Asked) -> dict[str, Any]:
    return _compact(
        {
            "name": asked.name,
            "kind": asked.kind,
            "account": asked.account,
            "region": asked.region,
            "capacity": asked.capacity,
            "hourly_usd": asked.hourly_usd,
            "expected_usd": asked.expected_usd,
            "p90_usd": asked.p90_usd,
            "worst_case_usd": asked.worst_case_usd,
            "judged_usd": asked.judged_usd,
            "judge_by": asked.judge_by.value,
            "above_usd": asked.above_usd,
            "spent_usd": asked.spent_usd,
            "confidence": asked.confidence.value,
            "price_as_of": asked.price_as_of.isoformat() if asked.price_as_of else None,
            "specs": _specs_to_item(asked.specs),
            "gpus": asked.gpus,
            "expected_seconds": _seconds(asked.expected_runtime),
            "p90_seconds": _seconds(asked.p90_runtime),
            "max_seconds": _seconds(asked.max_runtime),
            "basis": asked.basis,
            "owner": asked.owner,
            "team": asked.team,
            "project": asked.project,
            "model": asked.model,
            "notes": list(asked.notes),
        }
    )


def _asked_from_item(item: Body) -> Asked:
    as_of = item.get("price_as_of")
    return Asked(
        name=item["name"],
        kind=item["kind"],
        account=item["account"],
        region=item["region"],
        capacity=item["capacity"],
        hourly_usd=item.get("hourly_usd"),
        expected_usd=item.get("expected_usd"),
        p90_usd=item.get("p90_usd"),
        worst_case_usd=item.get("worst_case_usd"),
        judged_usd=item.get("judged_usd"),
        judge_by=JudgeBy(item["judge_by"]),
        above_usd=item["above_usd"],
        spent_usd=item.get("spent_usd"),
        confidence=Confidence(item["confidence"]),
        price_as_of=date.fromisoformat(as_of) if as_of else None,
        specs=_specs_from_item(item["specs"]),
        gpus=int(item["gpus"]),
        expected_runtime=_duration(item, "expected_seconds"),
        p90_runtime=_duration(item, "p90_seconds"),
        max_runtime=_duration(item, "max_seconds"),
        basis=item["basis"],
        owner=item["owner"],
        team=item["team"],
        project=item["project"],
        model=item["model"],
        notes=tuple(item["notes"]),
    )


def _specs_to_item(specs: tuple[SpecSeen, ...]) -> list[list[Any]]:
    return [_spec_to_item(spec) for spec in specs]


def _specs_from_item(items: list[list[Any]]) -> tuple[SpecSeen, ...]:
    return tuple(_spec_from_item(item, n) for n, item in enumerate(items))


def _spec_to_item(spec: SpecSeen) -> list[Any]:
    return [spec.digest, _seconds(spec.max_runtime), spec.job]


def _spec_from_item(item: list[Any], job: int) -> SpecSeen:
    """`job`: its number in a row of before it was kept, when each spec was a job of its own."""
    digest, seconds, *kept = item
    return SpecSeen(digest, timedelta(seconds=int(seconds)), int(kept[0]) if kept else job)


def _compact(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _text(moment: datetime | None) -> str | None:
    return times.to_text(moment) if moment is not None else None


def _time(item: Body, name: str) -> datetime | None:
    return times.from_text(item[name]) if item.get(name) else None


def _seconds(duration: timedelta | None) -> int | None:
    return int(duration.total_seconds()) if duration is not None else None


def _duration(item: Body, name: str) -> timedelta | None:
    return timedelta(seconds=int(item[name])) if item.get(name) is not None else None
