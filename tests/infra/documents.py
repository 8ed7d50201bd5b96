"""Policy documents for the infrastructure tests, in the format of policy.json."""

from __future__ import annotations

import hashlib
import json
from typing import Any

LIMITS = {
    "max_runtime_seconds": 43_200,
    "warn_before_seconds": 3_600,
    "min_notice_seconds": 1_800,
    "hard_cap_seconds": 259_200,
    "finish_grace_seconds": 7_200,
}
REGIONS = ["us-east-1", "eu-central-1"]


def selector(name: str, **changes: Any) -> dict[str, Any]:
    """An enforcing EC2 selector on one tag; `changes` replace its keys."""
    selected: dict[str, Any] = {
        "name": name,
        "mode": "enforce",
        "service": "ec2",
        "tags": {"Purpose": ["transient-ml-training"]},
        "types": [],
        "purchase": None,
        "limits": LIMITS,
        "action": "terminate",
        "heartbeat_seconds": None,
        "at_min_size": "hold",
        "az_rebalance": "hold",
    }
    return selected | changes


SPOT = selector("spot-trainers", types=["p4d.*", "p5.*"], purchase="spot", at_min_size="lower")
WORKBENCHES = selector("workbenches", tags={"Purpose": ["workbench"], "Team": ["risk", "search"]}, purchase="on_demand")
PAUSED = selector("notebooks", tags={"Purpose": ["notebook"]}, types=["g5.*"], action="stop")
TRAINING = selector("sagemaker", service="training", tags={"costwatch": ["watched"]}, action="stop")
PROCESSING, TUNING, AUTOML = (
    selector(f"jobs/{kind}", service=kind, tags={"costwatch": [kind]}, action="stop")
    for kind in ("processing", "tuning", "automl")
)
ENFORCING = (SPOT, WORKBENCHES, PAUSED, TRAINING, PROCESSING, TUNING, AUTOML)


def policy(*selectors: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The body of policy.json."""
    body: dict[str, Any] = {
        "account": None,
        "regions": REGIONS,
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
        "slack": {"platform_channel": "#ml-platform", "team_channels": {}, "warn_owner_by": "dm"},
        "mode": "observe",
        "sweep_every_seconds": 300,
        "blast_cap": {"runs": 5, "share": "0.2", "per_day": 20},
        "protect": [{"tags": {"Environment": ["prod"]}, "asg": None}, {"tags": {}, "asg": "inference-*"}],
        "limits": LIMITS,
        "extend": {"steps_seconds": [14_400, 43_200], "owner_total_seconds": 86_400},
        "selectors": list(selectors),
    }
    return body | changes


def document(*selectors: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """policy.json with a digest that fits."""
    body = policy(*selectors, **changes)
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return {"format": 1, "digest": digest, "config_commit": "uncommitted", "policy": body}
