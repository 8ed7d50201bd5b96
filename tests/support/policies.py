"""Policies for tests, made the way a deployed function gets them: a document with its digest."""

from __future__ import annotations

from typing import Any

from costwatch.core.policy import Policy, digest_of

HOUR = 3600


def limits(**changes: int) -> dict[str, int]:
    """Hours: 12 h runtime, 1 h warning, 30 min notice, 72 h hard cap; in seconds."""
    return {
        "max_runtime_seconds": 12 * HOUR,
        "warn_before_seconds": HOUR,
        "min_notice_seconds": HOUR // 2,
        "hard_cap_seconds": 72 * HOUR,
        "finish_grace_seconds": 2 * HOUR,
        **changes,
    }


def selector(name: str = "trainers", mode: str = "enforce", **changes: Any) -> dict[str, Any]:
    """Instances tagged Purpose=training, any type, on demand or spot."""
    return {
        "name": name,
        "mode": mode,
        "service": "ec2",
        "tags": {"Purpose": ["training"]},
        "types": [],
        "purchase": None,
        "limits": limits(),
        "action": "terminate",
        "heartbeat_seconds": None,
        "at_min_size": "hold",
        "az_rebalance": "hold",
        **changes,
    }


def body(**changes: Any) -> dict[str, Any]:
    """A policy body with one enforcing EC2 selector and generous caps; nobody is asked about money."""
    return {
        "account": None,
        "regions": ["us-east-1"],
        "timezone": "UTC",
        "tags": {
            "owner": "owner",
            "team": "team",
            "project": "project",
            "model": "model",
            "run": "costwatch:run",
            "max_runtime": "costwatch:max-runtime",
            "deadline": "costwatch:deadline",
            "exempt": "costwatch:exempt",
            "heartbeat": "costwatch:heartbeat",
        },
        "slack": {"platform_channel": "#ml-platform", "team_channels": {"risk": "#risk-ml"}, "warn_owner_by": "dm"},
        "mode": "observe",
        "sweep_every_seconds": 300,
        "blast_cap": {"runs": 5, "share": "1", "per_day": 20},
        "protect": [],
        "limits": limits(),
        "extend": {"steps_seconds": [4 * HOUR, 12 * HOUR], "owner_total_seconds": 24 * HOUR},
        "selectors": [selector()],
        "approval": approval(mode="off"),
        **changes,
    }


def approval(**changes: Any) -> dict[str, Any]:
    """The gate as it is configured by default; `changes` replace its keys."""
    return {
        "mode": "observe",
        "judge_by": "forecast_p90",
        "tiers": [{"above_usd": "100", "approvers": []}],
        "answer_within_seconds": 86400,
        "remind_before_seconds": 14400,
        "yes_lasts_seconds": 604800,
        "requester_may_approve": False,
        "roles": [],
        **changes,
    }


def document(**changes: Any) -> dict[str, Any]:
    """What policy.json holds."""
    policy = body(**changes)
    return {"format": 1, "digest": digest_of(policy), "config_commit": "c0ffee", "policy": policy}


def policy(**changes: Any) -> Policy:
    return Policy.from_document(document(**changes))
