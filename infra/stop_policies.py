"""The stop permissions packed into managed policies that IAM accepts, or refused before a deploy would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from costwatch.errors import ConfigError
from infra.policy_size import MANAGED_POLICIES_PER_ROLE, MANAGED_POLICY_CHARACTERS, Statement, policy_characters
from infra.stop_permissions import enforcing, longest_stop_statements, stop_statements


def stop_policies(policy: Mapping[str, Any], *, account: str, partition: str) -> list[list[Statement]]:
    """`stop_statements` as managed policies: each statement goes into the first one that has room for it.

    Every policy begins with the deny on `costwatch:never`, so none allows anything without it, whatever becomes of the
    others; all other denials stand in the first. Sizes are taken with the longest account and partition, so tokens
    may stand in for them. The same policy gives the same documents.

    Raises ConfigError when one statement is too long for a policy, or when a role could not hold all policies: it
    then says how many of the selectors in enforce fit.
    """
    statements = stop_statements(policy, account=account, partition=partition)
    if not statements:
        return []
    places = _places(longest_stop_statements(policy))
    count = max(places) + 1
    if count > MANAGED_POLICIES_PER_ROLE:
        raise ConfigError(_too_many(policy, count))
    never, *others = statements
    packed = [[never] for _ in range(count)]
    for place, statement in zip(places, others, strict=True):
        packed[place].append(statement)
    return packed


def _places(measured: Sequence[Statement]) -> list[int]:
    """The policy that each statement after the first goes into, counted from 0."""
    never, *others = measured
    empty = MANAGED_POLICY_CHARACTERS - policy_characters([never])
    room: list[int] = []
    places: list[int] = []
    for statement in others:
        length = policy_characters([statement]) - policy_characters([]) + 1  # and a comma
        if length > empty:
            raise ConfigError(
                f"the stop permission {statement['Sid']} takes {length:,} characters and an IAM policy has room for "
                f"{empty:,}: give the selector or protect entry fewer tags, or shorter ones"
            )
        place = next((n for n, left in enumerate(room) if length <= left), len(room))
        if place == len(room):
            room.append(empty)
        room[place] -= length
        places.append(place)
    return places


def _too_many(policy: Mapping[str, Any], needed: int) -> str:
    chosen = enforcing(policy)
    # By halving: fewer selectors never need more policies by more than what packing wastes.
    fit, too_many = 0, len(chosen)
    while too_many - fit > 1:
        middle = (fit + too_many) // 2
        places = _places(longest_stop_statements({**policy, "selectors": chosen[:middle]}))
        fit, too_many = (middle, too_many) if max(places) < MANAGED_POLICIES_PER_ROLE else (fit, middle)
    return (
        f"the stop permissions of {len(chosen)} selectors in enforce need {needed} managed policies, and an IAM role "
        f"holds {MANAGED_POLICIES_PER_ROLE}: the first {fit} of them fit. Selectors that differ in one tag's values "
        "only, with the same types and purchase, share a permission; fewer regions make each one shorter"
    )
