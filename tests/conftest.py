"""Every AWS call of the whole session is recorded, and judged against the synthesized policies at its end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import recorded_calls

_end: list[Callable[[], None]] = []


def pytest_configure(config: pytest.Config) -> None:
    """As early as possible: sessions made before this are not recorded."""
    del config
    _end.append(recorded_calls.record_session())


def pytest_unconfigure(config: pytest.Config) -> None:
    del config
    while _end:
        _end.pop()()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    recorded_calls.judge_last(items)
