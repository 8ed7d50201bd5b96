"""Whether anybody is advised to enforce, and the line that does it, in the words of the digest and of the terminal."""

from __future__ import annotations

import pytest

from costwatch.core import changes
from costwatch.core.changes import Advice, Change, Changes
from costwatch.core.modes import Mode

CHANGED = Change(12, "      mode: warn   # for now", "      mode: enforce   # for now", file="costwatch.yaml")
ADDED = Change(7, "    - name: trainers\r", "    - name: trainers\r\n      mode: enforce\r", file="costwatch.yaml")
SETTING = "mode: enforce beside name: jobs"


def told(change: Change | None = CHANGED, mode: Mode | None = Mode.WARN, **more: object) -> Advice:
    return changes.advice(mode, change, **{"seen": True, "setting": SETTING, **more})  # type: ignore[arg-type]


def test_with_something_seen_and_nothing_in_doubt_it_is_advised_with_the_line_as_it_is_and_as_it_should_be() -> None:
    assert told() == Advice(
        "To enforce, line 12 of costwatch.yaml:",
        ("-       mode: warn   # for now", "+       mode: enforce   # for now"),
        advised=True,
    )


def test_a_line_that_is_added_is_shown_below_the_one_that_it_stands_under() -> None:
    assert told(ADDED) == Advice(
        "To enforce, below line 7 of costwatch.yaml:",
        ("      - name: trainers", "+       mode: enforce"),
        advised=True,
    )


@pytest.mark.parametrize(("doubts", "advised"), [((), True), (("1 doubtful",), False)])
def test_one_doubt_is_enough_that_nobody_is_advised(doubts: tuple[str, ...], *, advised: bool) -> None:
    assert told(doubts=doubts).advised is advised


def test_what_is_in_doubt_is_to_be_looked_at_before_the_line() -> None:
    found = told(doubts=("2 doubtful", "1 still runs"))
    assert found.sentence == (
        "Not yet: look at each first: 2 doubtful, 1 still runs. Only then line 12 of costwatch.yaml:"
    )
    assert found.lines == told().lines


@pytest.mark.parametrize(("seen", "advised"), [(True, True), (False, False)])
def test_nobody_is_advised_where_nothing_was_seen(*, seen: bool, advised: bool) -> None:
    assert told(seen=seen).advised is advised
    assert ("wait until something would have been done" in told(seen=seen).sentence) is not advised


@pytest.mark.parametrize("doubts", [(), ("1 doubtful",)])
def test_where_something_speaks_against_it_no_line_is_shown(doubts: tuple[str, ...]) -> None:
    found = told(against="it costs more than it saves", doubts=doubts)
    assert found == Advice("Not as it stands: it costs more than it saves.")


def test_where_no_line_is_known_the_setting_is_named() -> None:
    assert told(None) == Advice(f"To enforce, {SETTING} in costwatch.yaml.", advised=True)


def test_why_there_is_no_such_line_is_said_behind_the_doubts() -> None:
    problem = Change(problem="it cannot enforce as it stands: it names no tag")
    assert told(problem).sentence == "To enforce: it cannot enforce as it stands: it names no tag."
    assert told(problem, doubts=("1 doubtful",)).sentence.startswith("Not yet: look at each first: 1 doubtful. To enf")
    assert not told(problem).advised


def test_what_enforces_already_or_is_not_configured_any_more_needs_no_line() -> None:
    assert told(mode=Mode.ENFORCE) == Advice("It enforces already.")
    assert told(mode=None) == Advice()


def test_changes_travel_as_a_document_and_back() -> None:
    kept = Changes({"jobs": CHANGED, "trainers": ADDED}, approval=Change(problem="no"))
    assert Changes.from_document(kept.document) == kept
    assert Changes.from_document({}) == Changes()
