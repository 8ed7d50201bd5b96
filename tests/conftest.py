"""For the whole session: every AWS call is recorded and judged at the end, and tests share out over the cores."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.recorder import ENV_FILE
from tests.support import recorded_calls

# What shares an expensive session fixture stays together; the longest groups begin first.
_GROUPS_LONGEST_FIRST = ("test_crashes.py", "e2e", "infra", "properties", "test_demo.py")
_JUDGE_WAITS_SECONDS = 1200.0

_end: list[Callable[[], None]] = []

# Nobody's own profile or credentials have a part in any test, not even a broken one.
for _variable in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
    os.environ.pop(_variable, None)


def pytest_configure(config: pytest.Config) -> None:
    """As early as possible: sessions made before this are not recorded."""
    del config
    _end.append(recorded_calls.record_session())


def pytest_unconfigure(config: pytest.Config) -> None:
    del config
    while _end:
        _end.pop()()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_weight)
    recorded_calls.judge_last(items)
    if "PYTEST_XDIST_WORKER" in os.environ:
        for item in items:
            item.add_marker(pytest.mark.xdist_group(_group(item)))


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Each worker says what it has finished, so that the judgement knows when all calls are recorded."""
    with _finished_file().open("a", encoding="utf-8") as file:
        file.write(f"{nodeid}\n")


@pytest.fixture(scope="session")
def all_others_finished(request: pytest.FixtureRequest) -> None:
    """Waits until every test of every worker has finished but those that judge the recorded calls."""
    others = sum(item.path.name != recorded_calls.JUDGED_LAST for item in request.session.items)
    give_up_at = time.monotonic() + _JUDGE_WAITS_SECONDS
    while len(_finished()) < others:
        assert time.monotonic() < give_up_at, (
            f"{len(_finished())} of {others} tests finished in {_JUDGE_WAITS_SECONDS} s"
        )
        time.sleep(0.5)


def _finished() -> set[str]:
    file = _finished_file()
    return set(file.read_text(encoding="utf-8").splitlines()) if file.exists() else set()


def _finished_file() -> Path:
    return Path(os.environ[ENV_FILE]).with_name("finished")


def _group(item: pytest.Item) -> str:
    if item.path.name == recorded_calls.JUDGED_LAST:
        return "judge"
    directory = item.path.parent.name
    return directory if directory in ("e2e", "infra") else item.path.name


def _weight(item: pytest.Item) -> int:
    for weight, group in enumerate(_GROUPS_LONGEST_FIRST):
        if group in (item.path.name, item.path.parent.name):
            return weight
    return len(_GROUPS_LONGEST_FIRST)
