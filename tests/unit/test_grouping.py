"""From members to runs."""

from __future__ import annotations

import pytest

from costwatch.core import grouping
from costwatch.core.model import Member, Parent, Run, RunId, RunKind
from tests.support.builders import ACCOUNT, HOUR, NOW, REGION, TAGGED, job, member

ASG = Parent(RunKind.ASG, "trainers", "Auto Scaling group trainers")


def runs(*members: Member) -> dict[str, Run]:
    found = grouping.runs(members, account=ACCOUNT, region=REGION, run_tag="costwatch:run")
    return {f"{each.id.kind.value}/{each.id.name}": each for each in found}


def of_run(name: str) -> dict[str, str]:
    return {**TAGGED, "costwatch:run": name}


def test_instances_that_share_the_run_tag_are_one_run() -> None:
    found = runs(member("i-2", tags=of_run("churn")), member("i-1", tags=of_run("churn")), member("i-3"))
    assert sorted(found) == ["instance/i-3", "run/churn"]
    assert [m.id for m in found["run/churn"].members] == ["i-1", "i-2"]


def test_the_clock_of_a_tagged_run_is_its_earliest_members() -> None:
    found = runs(member("i-1", tags=of_run("churn")), member("i-2", tags=of_run("churn"), age=5 * HOUR))
    assert found["run/churn"].start == NOW - 5 * HOUR


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_blank_run_tag_groups_nothing(blank: str) -> None:
    assert sorted(runs(member("i-1", tags=of_run(blank)), member("i-2", tags=of_run(blank)))) == [
        "instance/i-1",
        "instance/i-2",
    ]


def test_values_that_differ_in_a_space_are_two_runs_since_ec2_finds_each_by_its_own_value() -> None:
    assert sorted(runs(member("i-1", tags=of_run("churn")), member("i-2", tags=of_run("churn ")))) == [
        "run/churn",
        "run/churn ",
    ]


def test_the_run_tag_comes_before_the_group() -> None:
    found = runs(member("i-1", tags=of_run("churn"), parent=ASG), member("i-2", parent=ASG))
    assert sorted(found) == ["asg/trainers", "run/churn"]
    assert found["run/churn"].parent == ASG, "and still knows that it has one"


def test_children_of_a_tuning_job_are_one_run_whatever_their_tags() -> None:
    search = Parent(RunKind.TUNING, "search", "tuning job search")
    found = runs(job("search-1", parent=search, tags=of_run("churn")), job("search-2", parent=search), job("other"))
    assert sorted(found) == ["training/other", "tuning/search"]


def test_a_run_tag_on_a_training_job_groups_nothing() -> None:
    assert sorted(runs(job("a", tags=of_run("x")), job("b", tags=of_run("x")))) == ["training/a", "training/b"]


def test_a_member_whose_tags_cannot_be_read_stands_alone() -> None:
    assert sorted(runs(member("i-1", tags=None))) == ["instance/i-1"]


def test_runs_and_their_members_come_in_the_same_order_whatever_the_listing() -> None:
    members = [member(f"i-{n}", tags=of_run(f"r{n % 2}")) for n in range(6)]
    forward = grouping.runs(members, account=ACCOUNT, region=REGION, run_tag="costwatch:run")
    backward = grouping.runs(reversed(members), account=ACCOUNT, region=REGION, run_tag="costwatch:run")
    assert [(r.id, r.members) for r in forward] == [(r.id, r.members) for r in backward]


def test_a_run_id_reads_back_even_with_slashes_in_its_name() -> None:
    run_id = RunId(ACCOUNT, REGION, RunKind.TAGGED, "team/churn/v2")
    assert RunId.parse(str(run_id)) == run_id


@pytest.mark.parametrize("text", ["", "i-0a", "111122223333/us-east-1/instance", "111122223333/us-east-1/pod/x"])
def test_what_is_no_run_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not enough values|is not a valid RunKind"):
        RunId.parse(text)
