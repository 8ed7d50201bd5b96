"""Filters in EC2's language: they let through all that can matter, and never more values than EC2 takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwatch import names
from costwatch.adapters.controllers import _CLUSTER_TAGS
from costwatch.core import candidates
from costwatch.core.candidates import MARGIN
from costwatch.core.model import RunId, RunKind
from tests.support import ec2_filters, policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, NOW, REGION, SECOND
from tests.support.fakes import FakeInstance

TIMES = st.datetimes(datetime(2006, 8, 25), datetime(2099, 12, 31, 23, 59, 59), timezones=st.just(UTC))


def instance(launched: datetime = NOW, *, tags: dict[str, str] | None = None, **changes: Any) -> FakeInstance:
    given_tags = {"Purpose": "training"} if tags is None else tags
    return FakeInstance(
        **{
            "id": "i-0a", "region": REGION, "zone": "a", "type": "p4d.24xlarge", "tags": given_tags,
            "launch_time": launched, "attach_time": launched, **changes,
        }
    )  # fmt: skip


def passes(of: FakeInstance, *filters: candidates.Filters) -> bool:
    return any(ec2_filters.passes(of, each) for each in filters)


# --- launch times -------------------------------------------------------------------------------------------------


@given(launched=TIMES, by=TIMES)
def test_a_launch_passes_exactly_when_it_is_not_after_the_minute(launched: datetime, by: datetime) -> None:
    values = candidates.launched_by(by)
    assert len(values) <= candidates.MOST_VALUES
    in_time = launched.replace(second=0, microsecond=0) <= by
    assert passes(instance(launched), (("launch-time", values),)) is in_time


@given(by=TIMES, seconds=st.integers(-90_000, 90_000))
def test_near_the_bound_too(by: datetime, seconds: int) -> None:
    launched = by + timedelta(seconds=seconds)
    in_time = launched.replace(second=0, microsecond=0) <= by
    assert passes(instance(launched), (("launch-time", candidates.launched_by(by)),)) is in_time


def test_the_last_second_of_the_minute_passes_and_the_next_one_does_not() -> None:
    values = (("launch-time", candidates.launched_by(datetime(2026, 11, 22, 9, 59, 1, tzinfo=UTC))),)
    assert passes(instance(datetime(2026, 11, 22, 9, 59, 59, tzinfo=UTC)), values)
    assert not passes(instance(datetime(2026, 11, 22, 10, 0, tzinfo=UTC)), values)


def test_a_bound_in_another_zone_is_the_same_moment() -> None:
    here = datetime(2026, 11, 22, 10, 30, tzinfo=timezone(HOUR))
    assert candidates.launched_by(here) == candidates.launched_by(here.astimezone(UTC))


# --- selectors ----------------------------------------------------------------------------------------------------


def selector(**changes: Any) -> Any:
    return policies.policy(selectors=[policies.selector(**changes)]).selectors[0]


def test_who_comes_of_age_while_the_sweep_lasts_is_looked_at_and_who_is_younger_is_not() -> None:
    filters = candidates.of_age(selector(), NOW)
    warned_at = NOW - 11 * HOUR  # 12 h, and warned an hour before
    assert passes(instance(warned_at), filters)
    assert passes(instance(warned_at + MARGIN), filters)
    assert not passes(instance(warned_at + MARGIN + MINUTE), filters)


def test_a_hard_cap_below_the_limit_counts() -> None:
    capped = selector(limits=policies.limits(hard_cap_seconds=4 * 3600))
    assert passes(instance(NOW - 3 * HOUR), candidates.of_age(capped, NOW))


def test_a_warning_that_begins_before_the_run_lets_everything_through() -> None:
    early = selector(limits=policies.limits(max_runtime_seconds=1800))
    assert passes(instance(NOW), candidates.of_age(early, NOW))


def test_all_tags_must_match_and_one_of_the_types() -> None:
    filters = candidates.selected(
        selector(tags={"Purpose": ["training", "research"], "team": ["risk"]}, types=["p4d.*"])
    )
    assert passes(instance(tags={"Purpose": "research", "team": "risk"}), filters)
    assert not passes(instance(tags={"Purpose": "research"}), filters)
    assert not passes(instance(tags={"Purpose": "research", "team": "risk"}, type="g5.xlarge"), filters)
    assert not passes(instance(tags={"Purpose": "research", "team": "risk"}, state="stopped"), filters)


@pytest.mark.parametrize("value", ["*", "a?c", "back\\slash", "\\*", "[ab]"])
def test_a_tag_that_looks_like_a_wildcard_means_itself(value: str) -> None:
    filters = candidates.selected(selector(tags={"Purpose": [value]}))
    assert passes(instance(tags={"Purpose": value}), filters)
    assert not passes(instance(tags={"Purpose": "abc"}), filters)


def test_what_is_more_than_a_filter_takes_is_left_to_us() -> None:
    many = [f"value-{n}" for n in range(candidates.MOST_VALUES + 1)]
    most = candidates.selected(selector(tags={"Purpose": many[1:]}))
    assert ("tag:Purpose", tuple(many[1:])) in most
    assert candidates.selected(selector(tags={"Purpose": many})) == candidates.everything()


def test_what_is_off_and_what_is_no_instance_is_not_asked_for() -> None:
    kinds = [policies.selector("a", "off"), policies.selector("b"), policies.selector("c", service="training")]
    assert [s.name for s in candidates.watching(policies.policy(selectors=kinds))] == ["b"]


# --- what else may matter -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["max-runtime", "deadline", "exempt", "heartbeat"])
def test_whoever_sets_a_limit_of_its_own_is_looked_at_however_young(key: str) -> None:
    filters = candidates.overriding(policies.policy().tags)
    assert passes(instance(tags={f"costwatch:{key}": ""}), filters)
    assert not passes(instance(tags={"costwatch:team": "x"}), filters)


@pytest.mark.parametrize("key", ["costwatch:run", names.TAG_ASG, *names.TAGS_OF_CLUSTERS, "kubernetes.io/cluster/ml"])
def test_the_oldest_of_several_is_looked_at_whoever_picks_it(key: str) -> None:
    filters = list(candidates.grouped(policies.policy(), NOW))
    assert passes(instance(NOW - 11 * HOUR, tags={key: "x"}), *filters)
    assert not passes(instance(NOW - HOUR, tags={key: "x"}), *filters)
    assert not passes(instance(NOW - 11 * HOUR, tags={"other": "x"}), *filters)


def test_where_nothing_is_watched_no_group_is_asked_for() -> None:
    assert list(candidates.grouped(policies.policy(selectors=[policies.selector(mode="off")]), NOW)) == []


def test_the_tags_of_clusters_are_those_that_the_adapter_knows() -> None:
    assert tuple(key for key, _label in _CLUSTER_TAGS) == names.TAGS_OF_CLUSTERS


@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        (RunKind.TAGGED, {"costwatch:run": "a*b"}),
        (RunKind.ASG, {names.TAG_ASG: "a*b"}),
        (RunKind.FLEET, {names.TAG_EC2_FLEET: "a*b"}),
        (RunKind.FLEET, {names.TAG_SPOT_FLEET: "a*b"}),
        (RunKind.CLUSTER, {"eks:cluster-name": "a*b"}),
        (RunKind.CLUSTER, {"kubernetes.io/cluster/a*b": "owned"}),
    ],
)
def test_the_other_members_of_a_run_are_found_by_its_name_alone(kind: RunKind, tags: dict[str, str]) -> None:
    filters = list(candidates.of_runs([RunId(ACCOUNT, REGION, kind, "a*b")], "costwatch:run"))
    assert passes(instance(tags=tags), *filters)
    other = {key.replace("*", "xx"): value.replace("*", "xx") for key, value in tags.items()}
    assert not passes(instance(tags=other), *filters)


def test_a_run_of_one_instance_has_no_others() -> None:
    assert list(candidates.of_runs([RunId(ACCOUNT, REGION, RunKind.INSTANCE, "i-0a")], "costwatch:run")) == []


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (200, 1), (201, 2)])
def test_ids_are_asked_for_in_as_few_parts_as_a_filter_allows(count: int, calls: int) -> None:
    filters = list(candidates.with_ids(f"i-{n}" for n in range(count)))
    assert len(filters) == calls
    assert sum(len(dict(each)["instance-id"]) for each in filters) == count


def test_the_shortest_interval_is_the_one_that_may_be_silent_first() -> None:
    several = [policies.selector("a", heartbeat_seconds=900), policies.selector("b", heartbeat_seconds=600)]
    assert candidates.shortest_interval(policies.policy(selectors=several)) == 600 * SECOND
    assert candidates.shortest_interval(policies.policy()) is None
