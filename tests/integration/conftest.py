"""Where the stories of this folder begin: a terminal in front of a town, and a deployed account on an embedded AWS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import JOHN, Terminal, town_of
from tests.support.fakes import Town

if TYPE_CHECKING:
    from tests.support.embedded import Account


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where the town's costwatch.yaml lies."""
    return tmp_path / "costwatch.yaml"


@pytest.fixture
def town(config: Path) -> Town:
    return town_of(config)


@pytest.fixture
def maria(config: Path, town: Town) -> Terminal:
    return Terminal(config, town)


@pytest.fixture
def john(config: Path, town: Town) -> Terminal:
    return Terminal(config, town, arn=JOHN)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Costwatch deployed into one account; each test resets it to where its story begins."""
    from tests.support.embedded import embedded_account  # noqa: PLC0415 - moto takes seconds, and most need none

    with embedded_account(tmp_path_factory.mktemp("policies")) as account:
        yield account
