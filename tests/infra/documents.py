"""Policy documents for the infrastructure tests, in the format of policy.json."""

from __future__ import annotations

from typing import Any

from tests.support import policies
from tests.support.registry_town import res

REGIONS = ["us-east-1", "eu-central-1"]
SLACK_APP, SLACK_WORKSPACE = "A0123456789", "T0123456789"


def selector(name: str, **changes: Any) -> dict[str, Any]:
    """An enforcing EC2 selector on one tag; `changes` replace its keys."""
    return policies.selector(name, **{"tags": {"Purpose": ["transient-ml-training"]}, **changes})


SPOT = selector("spot-trainers", types=["p4d.*", "p5.*"], purchase="spot", at_min_size="lower")
WORKBENCHES = selector("workbenches", tags={"Purpose": ["workbench"], "Team": ["risk", "search"]}, purchase="on_demand")
PAUSED = selector("notebooks", tags={"Purpose": ["notebook"]}, types=["g5.*"], action="stop")
TRAINING = selector("sagemaker", service="training", tags={"costwatch": ["watched"]}, action="stop")
PROCESSING, TUNING, AUTOML = (
    selector(f"jobs/{kind}", service=kind, tags={"costwatch": [kind]}, action="stop")
    for kind in ("processing", "tuning", "automl")
)
ROLE = "arn:aws:iam::111122223333:role/training"
APPROVAL = policies.approval(roles=[ROLE])
RES = res("enforce", {"group": "Churn"})
ENFORCING = (SPOT, WORKBENCHES, PAUSED, TRAINING, PROCESSING, TUNING, AUTOML)


def policy(*selectors: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The body of policy.json."""
    deployed = {
        "regions": REGIONS,
        "slack": {
            "platform_channel": "#ml-platform",
            "team_channels": {},
            "warn_owner_by": "dm",
            "app_id": SLACK_APP,
            "workspace": SLACK_WORKSPACE,
        },
        "blast_cap": {"runs": 5, "share": "0.2", "per_day": 20},
        "protect": [{"tags": {"Environment": ["prod"]}, "asg": None}, {"tags": {}, "asg": "inference-*"}],
        "selectors": list(selectors),
    }
    return policies.body(**{**deployed, **changes})


def document(*selectors: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """policy.json with a digest that fits."""
    return {**policies.document(**policy(*selectors, **changes)), "config_commit": "uncommitted"}
