"""A sweep that a person asks a deployed function for: it looks, or refuses, by the policy that it was deployed with."""

from __future__ import annotations

from costwatch.core.policy import Policy
from costwatch.errors import RefusedError
from costwatch.intake import SweepRequested


def check_policy(asked: SweepRequested, policy: Policy) -> None:
    """Raises RefusedError where they mean another policy than `policy`, the deployed one."""
    if asked.policy_digest != policy.digest:
        ours, theirs = policy.digest[:12], asked.policy_digest[:12]
        raise RefusedError(f"the deployed policy is {ours}, yours is {theirs}: deploy first")
