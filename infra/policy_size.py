"""IAM's limits for the policies of one role, and how a policy is measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

Statement = dict[str, Any]

MANAGED_POLICY_CHARACTERS: Final = 6144  # IAM's limit for one managed policy, white space not counted
MANAGED_POLICIES_PER_ROLE: Final = 10  # IAM's default quota


def policy_characters(statements: Sequence[Statement]) -> int:
    """Length of a policy document the way IAM counts it: without white space.

    An upper bound for what is deployed: lists of one value stay lists, and a character beyond ASCII counts as its
    escape.
    """
    return len(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, separators=(",", ":")))
