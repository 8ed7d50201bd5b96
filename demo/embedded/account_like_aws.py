"""IAM's simulation and the tags of the bill, which moto does not have, as AWS answers here: the caller is no user or
role of the account, and the account is not the one that pays.
"""

from __future__ import annotations

from typing import Any

from moto.ce.responses import CostExplorerResponse
from moto.core.exceptions import JsonRESTError
from moto.iam.exceptions import NoSuchEntity
from moto.iam.responses import IamResponse

from demo.embedded.patching import Patch


def _simulate(response: Any) -> Any:
    raise NoSuchEntity(f"The principal {response._get_param('PolicySourceArn')} cannot be found.")


def _list_tags(_response: Any) -> Any:
    raise JsonRESTError(
        "AccessDeniedException",
        "Failed to list Cost Allocation Tags: Linked account doesn't have access to cost allocation tags.",
    )


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(IamResponse, "simulate_principal_policy", _simulate),
        Patch(CostExplorerResponse, "list_cost_allocation_tags", _list_tags),
    ]
