"""Groups over the real handler, wiring and adapters, and an AWS whose groups keep what they are told to have."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support import policies
from tests.support.embedded import OWNER, Account
from tests.support.fakes import START

TAGS = {"Purpose": "training", "owner": OWNER}


@pytest.fixture
def account(running: Account) -> Account:
    """Eight overdue nodes in two zones, at their minimum size."""
    running.reset(START)
    selector = policies.selector(at_min_size="lower", az_rebalance="accept")
    running.document = policies.document(selectors=[selector])
    running.fleet.group("nodes", size=8, zones="ab", tags=TAGS, launched_at=START - timedelta(hours=13))
    return running


def sweeps(account: Account, *minutes: float) -> None:
    wired = account.wiring()
    for each in minutes:
        account.clock.forward(minutes=each)
        assert account.sweep(wired)["failures"] == []


def timeline(account: Account) -> list[tuple[str, str]]:
    rows = (row for row in account.ledger_items() if row["pk"].startswith("run#") and "/asg/nodes" in row["run_id"])
    return [(row["transition"], row["reason"]) for row in rows]


def test_a_group_is_emptied_verified_and_put_back(account: Account) -> None:
    sweeps(account, 0, 35, 5, 5)
    assert set(account.instances().values()) == {"terminated"}
    assert "verified gone" in dict(timeline(account))
    answer = account.restore_asked(account.wiring(), "nodes", by="ada")
    assert (answer["min_size"], answer["desired"]) == (8, 8)
    assert sorted(account.instances().values()) == ["running"] * 8 + ["terminated"] * 8


def test_who_raised_it_again_is_quoted_in_the_words_of_the_groups_newest_activity(account: Account) -> None:
    sweeps(account, 0, 35)
    account.clock.forward(minutes=2)
    account.aws.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName="nodes", DesiredCapacity=2)
    sweeps(account, 3)
    told = dict(timeline(account))["came back"]
    assert told.startswith("Auto Scaling group nodes has minimum 0, desired 2 again and launched i-")
    assert "; its newest activity: Launching a new EC2 instance: i-" in told
    assert "At 2026-11-22T09:37:00Z an instance was started in response to a difference in capacity" in told


def test_one_protected_node_holds_all_eight_though_aws_would_not_mind(account: Account) -> None:
    account.fleet.protect(min(account.instances()))
    sweeps(account, 0, 35, 35)
    assert set(account.instances().values()) == {"running"}
    assert (account.groups["nodes"].min_size, account.groups["nodes"].desired) == (8, 8)
    assert "has termination protection" in dict(timeline(account))["held"]
