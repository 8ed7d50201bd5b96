"""For the whole session: every AWS call is recorded and judged at the end, and tests share out over the cores."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

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


# Nor has what somebody's own commands keep between them, and tests leave nothing there.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="costwatch-tests-")
_end.append(partial(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True))


def pytest_configure(config: pytest.Config) -> None:
    """As early as possible: sessions made before this are not recorded."""
    del config
    _end.append(recorded_calls.record_session())


def pytest_unconfigure(config: pytest.Config) -> None:
    del config
    while _end:
        _end.pop()()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_weight)
    recorded_calls.judge_last(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole groups, in the order of the collection: reordered, the judge could wait for tests behind it."""
    config.option.loadscopereorder = False
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only where tests share out over processes

    class ByGroup(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
        def _split_scope(self, nodeid: str) -> str:
            return _group(Path(nodeid.partition("::")[0]))

    return ByGroup(config, log)


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Each worker says what it has finished, so that the judgement knows when all calls are recorded."""
    with _finished_file().open("a", encoding="utf-8") as file:
        file.write(f"{nodeid}\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests counted, wherever they ran: a worker's own output is not seen."""
    calls = [r for reports in terminalreporter.stats.values() for r in reports if getattr(r, "when", "") == "call"]
    counted = [(r.nodeid, value) for r in calls for name, value in r.user_properties if name == "counted"]
    if counted:
        terminalreporter.section("counted")
    for nodeid, value in counted:
        terminalreporter.line(f"{nodeid.rpartition('::')[2]}: {value}")


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


def _group(path: Path) -> str:
    """The directory where tests share a costly fixture, else the file."""
    shares = path.parent.name in ("e2e", "infra", "browser") and path.name != recorded_calls.JUDGED_LAST
    return path.parent.name if shares else path.name


def _weight(item: pytest.Item) -> int:
    for weight, group in enumerate(_GROUPS_LONGEST_FIRST):
        if group in (item.path.name, item.path.parent.name):
            return weight
    return len(_GROUPS_LONGEST_FIRST)
