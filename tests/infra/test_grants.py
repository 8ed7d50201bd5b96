"""Merging and splitting grants changes how many there are and never what they allow."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from hypothesis import example, given
from hypothesis import strategies as st

from infra.grants import Grant, merged, parted

KEYS = {"team": ("a", "b", "c"), "tier": ("1", "2"), "type": ("p4d", "p5", "g5")}
ACTIONS = ("terminate", "cancel")
# Every target there can be: each key with one of its values, or absent.
TARGETS = [
    (action, {key: value for key, value in zip(KEYS, values, strict=True) if value})
    for action in ACTIONS
    for values in itertools.product(*[(*values, "") for values in KEYS.values()])
]

grants = st.builds(
    Grant,
    action=st.sampled_from(ACTIONS),
    conditions=st.fixed_dictionaries(
        {"team": st.lists(st.sampled_from(KEYS["team"]), min_size=1, unique=True).map(tuple)},
        optional={
            key: st.lists(st.sampled_from(KEYS[key]), min_size=1, unique=True).map(tuple) for key in ("tier", "type")
        },
    ),
    sources=st.sampled_from([("one",), ("two",), ("three",)]),
)


def allowed(of: Iterable[Grant]) -> list[bool]:
    """What IAM would say of each target: some grant of the action, all of whose conditions hold."""
    known = list(of)
    return [any(grant.action == action and holds(grant, target) for grant in known) for action, target in TARGETS]


def holds(grant: Grant, target: Mapping[str, str]) -> bool:
    return all(target.get(key) in values for key, values in grant.conditions.items())


def conditions(of: Iterable[Grant]) -> list[dict[str, tuple[str, ...]]]:
    return [dict(grant.conditions) for grant in of]


def grant(**given: str) -> Grant:
    return Grant("terminate", {key: tuple(values.split()) for key, values in given.items()}, ("someone",))


@given(st.lists(grants, max_size=8))
@example([grant(team="a", tier="1"), grant(team="b", tier="2")])
def test_merged_grants_allow_what_they_allowed_apart_and_nothing_else(some: list[Grant]) -> None:
    together = merged(some)
    assert allowed(together) == allowed(some)
    assert len(together) <= len(some)


@given(st.lists(grants, max_size=8))
def test_merging_twice_changes_nothing_more_and_loses_no_source(some: list[Grant]) -> None:
    together = merged(some)
    assert merged(together) == together
    assert {source for each in together for source in each.sources} == {s for each in some for s in each.sources}


def length(of: Grant) -> int:
    return sum(map(len, of.conditions.values()))


@given(grants, st.integers(1, 9))
def test_the_parts_of_a_grant_allow_what_it_allowed(one: Grant, most: int) -> None:
    assert allowed(parted(one, length, most)) == allowed([one])


def test_parts_are_as_short_as_asked_for_and_numbered() -> None:
    parts = parted(grant(team="a b c d e"), length, 2)
    assert [(part.conditions["team"], part.part) for part in parts] == [(("a", "b"), 1), (("c",), 2), (("d", "e"), 3)]


def test_what_is_short_enough_is_whole_and_has_no_number() -> None:
    assert [part.part for part in parted(grant(team="a b c d e"), length, 5)] == [0]


def test_a_grant_is_not_parted_where_nearly_everything_would_be_said_twice() -> None:
    def mostly_the_same(of: Grant) -> int:
        return 10 + length(of)

    assert len(parted(grant(team="a b"), mostly_the_same, 5)) == 1


def test_a_grant_inside_another_one_goes_and_its_source_stays() -> None:
    narrow = Grant("terminate", {"team": ("a",), "tier": ("1",), "type": ("p4d",)}, ("narrow",))
    wide = Grant("terminate", {"team": ("a", "b"), "tier": ("1", "2")}, ("wide",))
    for order in ([narrow, wide], [wide, narrow]):
        (left,) = merged(order)
        assert left.conditions == wide.conditions
        assert set(left.sources) == {"narrow", "wide"}


def test_values_of_one_key_are_joined_in_their_order() -> None:
    assert conditions(merged([grant(team="b"), grant(team="a c")])) == [{"team": ("b", "a", "c")}]


def test_grants_that_differ_in_two_keys_stay_apart() -> None:
    apart = [grant(team="a", tier="1"), grant(team="b", tier="2")]
    assert merged(apart) == apart


def test_a_grant_that_leaves_a_key_open_takes_in_the_one_that_narrows_it() -> None:
    assert conditions(merged([grant(team="a", tier="1"), grant(team="a")])) == [{"team": ("a",)}]


def test_a_merge_can_make_another_one_possible() -> None:
    square = [grant(team=team, tier=tier) for team, tier in itertools.product("ab", "12")]
    assert conditions(merged(square)) == [{"team": ("a", "b"), "tier": ("1", "2")}]


def test_actions_are_never_merged() -> None:
    assert len(merged([grant(team="a"), Grant("cancel", {"team": ("a",)}, ("someone",))])) == 2
