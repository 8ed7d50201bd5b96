"""The costwatch.yaml that a scan ends with: valid whatever the tags say, in observe, and it picks what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from costwatch.adapters.prices import SeedPrices
from costwatch.config.loader import Loaded, load
from costwatch.core.model import Member
from costwatch.core.policy import Mode, Policy
from costwatch.core.selection import picks, protected_by
from costwatch.scan import defaults, fitting, judging, reading
from costwatch.scan.inventory import Inventory
from costwatch.scan.reading import Regions
from tests.support.scan_fakes import NOW, FakeEc2, FakeSageMaker, instance

EAST, WEST = "us-east-1", "eu-west-1"


class Fitted:
    """What was found, and the file that was made of it."""

    def __init__(self, directory: Path, instances: dict[str, list[dict[str, Any]]], home: str = EAST) -> None:
        clients: dict[str, Any] = {region: FakeEc2(found) for region, found in instances.items()}
        self.inventory: Inventory = reading.read(
            Regions(tuple(sorted(instances)), ()),
            lambda service, region: clients[region] if service == "ec2" else FakeSageMaker(),
            account="111122223333",
            at=NOW,
        )
        policy = defaults.default_policy(instances)
        lines = judging.judge(self.inventory, policy, SeedPrices(), lambda _region, _ids: {})
        self.text = fitting.configuration(self.inventory, lines, home=home)
        file = directory / "costwatch.yaml"
        file.write_text(self.text, encoding="utf-8")
        self.loaded: Loaded = load(file)
        self.policy = Policy.from_document(self.loaded.policy_document)

    @property
    def members(self) -> list[Member]:
        return [member for each in self.inventory.findings for member in each.members]

    def picked(self, member: Member) -> list[str]:
        return [selector.name for selector in self.policy.selectors if picks(selector, member)]


def east(*tags: dict[str, str], kind: str = "g5.xlarge", spot: bool = False) -> dict[str, list[dict[str, Any]]]:
    return {EAST: [instance(n, kind, f"{EAST}a", 2, spot=spot, **each) for n, each in enumerate(tags)]}


def test_each_tag_and_purchase_combination_has_a_selector_that_picks_it_and_no_other(tmp_path: Path) -> None:
    found = east({"Purpose": "training"}, {"Purpose": "research"}, {"project": "churn"})
    found[EAST].append(instance(9, "p4d.24xlarge", f"{EAST}a", 2, spot=True, Purpose="training"))
    fitted = Fitted(tmp_path, found)
    assert [fitted.picked(member) for member in fitted.members] == [
        ["training-on-demand"], ["research-on-demand"], ["churn-on-demand"], ["training-spot"],
    ]  # fmt: skip
    assert {selector.mode for selector in fitted.policy.selectors} == {Mode.OBSERVE}


def test_the_most_telling_tag_is_taken_and_what_names_owners_or_aws_is_not(tmp_path: Path) -> None:
    tags = {"Name": "a", "owner": "m", "aws_cloudformation": "s", "kubernetes.io/x": "y", "zzz": "q", "Team": "risk"}
    fitted = Fitted(tmp_path, east({**tags, "purpose": "training"}, tags))
    assert [dict(selector.tags) for selector in fitted.policy.selectors] == [
        {"purpose": ("training",)}, {"Team": ("risk",)},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        "yes", "null", "12", "1e3", "~", "", " padded ", "a: b", "- x", "#hash", "{x}", "'", '"', "\\", "emoji 🚀", "ü",
        "*", "${aws:username}", "line\nbreak", "tab\t", "\u2028", "\x85", "\ufeff", "x" * 256,
    ],
)  # fmt: skip
def test_whatever_a_tag_says_the_file_is_valid_and_picks_it_or_says_that_it_does_not(
    tmp_path: Path, value: str
) -> None:
    fitted = Fitted(tmp_path, east({"Purpose": value, value.strip()[:100] or "k": "v"}, {"Purpose": "training"}))
    odd, usual = fitted.members
    assert fitted.picked(usual) == ["training-on-demand"]
    assert fitted.picked(odd) or f"--resources {odd.id}" in fitted.text


def test_foreign_names_in_comments_cannot_become_keys(tmp_path: Path) -> None:
    fitted = Fitted(tmp_path, east({"aws_autoscaling_groupName": "inference\u2028dead_man:\n  mode: enforce\x85x: y"}))
    assert fitted.policy.mode is Mode.OBSERVE
    assert all(line.startswith(("#", "  #")) for line in fitted.text.splitlines() if "enforce" in line)


def test_many_values_become_one_selector_with_a_list(tmp_path: Path) -> None:
    fitted = Fitted(tmp_path, east(*({"Project": f"p{number}"} for number in range(45))))
    assert [selector.name for selector in fitted.policy.selectors] == ["project-on-demand"]
    assert all(fitted.picked(member) for member in fitted.members)


def test_names_that_would_be_the_same_are_told_apart(tmp_path: Path) -> None:
    fitted = Fitted(tmp_path, east({"Purpose": "A b"}, {"Purpose": "a-b"}, {"Purpose": "x" * 80}, {"Purpose": "🚀"}))
    names = [selector.name for selector in fitted.policy.selectors]
    assert len(set(names)) == 4
    assert {"a-b-on-demand", "a-b-on-demand-2", "selector-on-demand"} <= set(names)


def test_production_and_serving_groups_are_protected(tmp_path: Path) -> None:
    tags = [{"Env": "Production", "Purpose": "api"}, {"aws_autoscaling_groupName": "chat-inference", "Purpose": "chat"}]
    fitted = Fitted(tmp_path, east(*tags))
    assert all(protected_by(member, fitted.policy) for member in fitted.members)


def test_the_owner_tag_is_the_one_that_is_used_here(tmp_path: Path) -> None:
    assert Fitted(tmp_path, east({"Owner": "maria"})).policy.tags.owner == "Owner"
    assert Fitted(tmp_path, east({"Owner": "maria"}, {"owner": "li"})).policy.tags.owner == "owner"


def test_prepaid_and_untagged_instances_are_told_and_picked_by_nothing(tmp_path: Path) -> None:
    found = east({}, {"Purpose": "training"})
    found[EAST][1]["InstanceLifecycle"] = "capacity-block"
    fitted = Fitted(tmp_path, found)
    assert [fitted.picked(member) for member in fitted.members] == [[], []]
    assert "Untagged: 1 accelerator instance" in fitted.text
    assert "Prepaid: 1 instance" in fitted.text


def test_the_home_region_stands_first_where_something_runs_in_it(tmp_path: Path) -> None:
    one = [instance(1, "g5.xlarge", f"{WEST}a", 1)]
    both = {WEST: one, EAST: [instance(2, "g5.xlarge", f"{EAST}a", 1)]}
    assert Fitted(tmp_path, both, home=EAST).policy.regions == (EAST, WEST)
    assert Fitted(tmp_path, both, home=WEST).policy.regions == (WEST, EAST)
    assert Fitted(tmp_path, {WEST: one, EAST: []}, home=EAST).policy.regions == (WEST,)
    assert Fitted(tmp_path, {WEST: [], EAST: []}, home=EAST).policy.regions == (EAST,)


def test_the_account_is_fixed_so_that_the_file_cannot_be_deployed_elsewhere(tmp_path: Path) -> None:
    assert Fitted(tmp_path, east({})).policy.account == "111122223333"
