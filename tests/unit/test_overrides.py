"""What a run's own tags say about its limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from costwatch.core import overrides
from costwatch.core.model import RunKind
from costwatch.core.overrides import ExemptTag, Overrides
from tests.support import policies
from tests.support.builders import TAGGED, member, run

KEYS = policies.policy().tags
HEARTBEAT = "costwatch:heartbeat"
RUNTIME, DEADLINE, EXEMPT = "costwatch:max-runtime", "costwatch:deadline", "costwatch:exempt"


def read(*tags: dict[str, str] | None) -> Overrides:
    members = [member(f"i-{n}", tags=None if each is None else {**TAGGED, **each}) for n, each in enumerate(tags)]
    return overrides.read(run(*members, kind=RunKind.TAGGED, name="churn"), KEYS)


def test_a_run_without_override_tags_has_none() -> None:
    found = read({})
    assert (found.max_runtime, found.deadline, found.exempt, found.malformed) == (None, None, (), ())
    assert not found.only_hard_cap


def test_the_most_lenient_value_of_all_members_counts() -> None:
    found = read({RUNTIME: "2h", DEADLINE: "2026-12-01T00:00:00Z"}, {RUNTIME: "3h", DEADLINE: "2026-11-01T00:00:00Z"})
    assert found.max_runtime == timedelta(hours=3)
    assert found.deadline == datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tag", "value"),
    [(RUNTIME, "12"), (RUNTIME, ""), (RUNTIME, "forever"), (DEADLINE, "2026-12-01"), (DEADLINE, "tomorrow"),
     (DEADLINE, "0001-01-01T00:00:00Z")],
)  # fmt: skip
def test_a_malformed_time_limit_leaves_only_the_hard_cap_and_says_why(tag: str, value: str) -> None:
    found = read({tag: value})
    assert found.only_hard_cap
    assert [(m.key, m.value) for m in found.malformed] == [(tag, value)]
    assert "is not" in found.malformed[0].problem


def test_beats_may_be_asked_for_as_often_as_the_client_sends_them_and_no_more_often() -> None:
    assert read({HEARTBEAT: "5m"}).heartbeat == timedelta(minutes=5)
    found = read({HEARTBEAT: "4m59s"})
    assert found.heartbeat is None
    assert found.malformed[0].problem == "'4m59s' is shorter than 5m: the training client beats no more often"
    assert read({HEARTBEAT: "1m"}, {HEARTBEAT: "45m"}).heartbeat == timedelta(minutes=45)


def test_one_malformed_limit_beside_a_good_one_leaves_only_the_hard_cap() -> None:
    assert read({RUNTIME: "1h"}, {RUNTIME: "banana"}).only_hard_cap
    assert read({RUNTIME: "1h", DEADLINE: "soon"}).only_hard_cap


def test_the_same_malformed_value_on_two_members_is_told_once() -> None:
    assert len(read({RUNTIME: "12"}, {RUNTIME: "12"}).malformed) == 1
    assert len(read({RUNTIME: "12"}, {RUNTIME: "13"}).malformed) == 2


def test_an_exemption_until_a_time_ends_then() -> None:
    until = datetime(2026, 12, 1, tzinfo=UTC)
    for written in ("until 2026-12-01T00:00:00Z", "Until 2026-12-01T01:00:00+01:00", " until  2026-12-01T00:00:00Z"):
        assert read({EXEMPT: written}).exempt == (ExemptTag(written, until),)


@pytest.mark.parametrize("reason", ["paper deadline, ask Maria", "", "true", "untilled ground"])
def test_an_exemption_for_a_reason_has_no_end_of_its_own(reason: str) -> None:
    assert read({EXEMPT: reason}).exempt == (ExemptTag(reason, None),)


@pytest.mark.parametrize("value", ["until", "until tomorrow", "until 2026-12-01"])
def test_an_exemption_until_nobody_knows_when_counts_as_a_reason_and_is_told(value: str) -> None:
    found = read({EXEMPT: value})
    assert found.exempt == (ExemptTag(value, None),)
    assert found.only_hard_cap, "an exemption sets no time limit"
    assert "7 days" in found.malformed[0].problem


def test_unreadable_tags_say_nothing() -> None:
    found = read(None)
    assert (found.max_runtime, found.exempt, found.malformed) == (None, (), ())


def test_the_names_of_the_tags_are_the_policys() -> None:
    keys = policies.policy(tags={**policies.body()["tags"], "max_runtime": "ml:hours"}).tags
    tagged = run(member(tags={"ml:hours": "2h", RUNTIME: "9h"}))
    assert overrides.read(tagged, keys).max_runtime == timedelta(hours=2)
