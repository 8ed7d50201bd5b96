"""`status --watch`: it goes on while credentials come and go, and Ctrl-C is the way to end it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from costwatch.adapters.aws_errors import from_client_error
from costwatch.procedures.sweep import sweep
from tests.support.command_line import Terminal, client_error, town_of
from tests.support.fakes import Town

SCREEN = {"COLUMNS": "60", "LINES": "40", "TTY_COMPATIBLE": "1", "TERM": "xterm"}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    town = town_of(tmp_path / "costwatch.yaml")
    town.world.launch(age=timedelta(hours=1), tags={"Purpose": "training", "Name": "churn"})
    sweep(town.watchdog())
    return town


@pytest.fixture
def maria(tmp_path: Path, town: Town) -> Terminal:
    return Terminal(tmp_path / "costwatch.yaml", town)


def watching(maria: Terminal, *between: Callable[[], object]) -> list[float]:
    """Between two looks one of `between` happens; after the last one somebody presses Ctrl-C. The waits, in seconds."""
    waits: list[float] = []
    steps: Iterator[Callable[[], object]] = iter(between)

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        maria.town.clock.forward(seconds=seconds)
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    maria.sleep = sleep
    return waits


class Refusing:
    """A table behind credentials that have expired."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.refuses = False

    def __getattr__(self, name: str) -> Any:
        if self.refuses:
            raise from_client_error(client_error("ExpiredTokenException", "Query"), "dynamodb:Query")
        return getattr(self.table, name)


@pytest.fixture
def behind_credentials(maria: Terminal) -> Refusing:
    table = Refusing(maria.table)
    maria.table = table
    return table


def switched(table: Refusing, maria: Terminal, *, refuses: bool) -> Callable[[], None]:
    def switch() -> None:
        table.refuses = refuses
        maria.sts.error = client_error("ExpiredToken", "GetCallerIdentity") if refuses else None

    return switch


def test_every_look_is_a_block_of_its_own_where_no_terminal_is_and_ctrl_c_ends_it_well(
    town: Town, maria: Terminal
) -> None:
    waits = watching(maria, lambda: None, lambda: None)
    result = maria.costwatch("status", "--watch")
    assert result.exit_code == 0, result.output
    assert waits == [30, 30, 30]
    assert re.findall(r"as of 2026-11-22 09:0(\d:\d\d)", result.stdout) == ["0:00", "0:30", "1:00"]
    assert result.stdout.count("1 open run, 0 held") == 3
    assert result.stderr == ""


@pytest.mark.parametrize(("seconds", "code"), [("4", 2), ("5", 0), ("86400", 0), ("86401", 2), ("often", 2)])
def test_the_interval_is_5_seconds_at_least_and_a_day_at_most(maria: Terminal, seconds: str, code: int) -> None:
    waits = watching(maria)
    result = maria.costwatch("status", "--watch", seconds)
    assert result.exit_code == code
    assert waits == ([int(seconds)] if code == 0 else [])
    assert "Traceback" not in result.output


def test_credentials_that_expire_are_one_line_with_the_time_of_the_last_good_look_and_signing_in_again_helps(
    maria: Terminal, behind_credentials: Refusing
) -> None:
    expire, sign_in = (switched(behind_credentials, maria, refuses=refuses) for refuses in (True, False))
    watching(maria, expire, lambda: None, sign_in)
    result = maria.costwatch("status", "--watch", "60")
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if line.startswith("not read")]
    assert len(lines) == 2
    for line in lines:
        assert "the AWS credentials have expired: sign in again" in line
        assert line.endswith("the last good look was at 2026-11-22 09:00:00 UTC")
    assert result.stdout.count("1 open run, 0 held") == 2
    assert "as of 2026-11-22 09:03:00 UTC" in result.stdout


def test_after_a_failed_look_the_deployment_is_read_anew(maria: Terminal, behind_credentials: Refusing) -> None:
    def redeployed() -> None:
        switched(behind_credentials, maria, refuses=False)()
        maria.ssm.body = {**(maria.ssm.body or {}), "regions": ["us-east-1", "eu-west-1"]}

    watching(maria, switched(behind_credentials, maria, refuses=True), redeployed)
    assert "us-east-1, eu-west-1; times are UTC" in maria.costwatch("status", "--watch").stdout


def test_a_first_look_that_fails_ends_it_as_status_does(maria: Terminal) -> None:
    waits = watching(maria)
    maria.ssm.body = None
    result = maria.costwatch("status", "--watch")
    assert result.exit_code == 2
    assert "no Costwatch is deployed" in result.stderr
    assert waits == []


def test_what_is_unexpected_is_never_swallowed(maria: Terminal, behind_credentials: Refusing) -> None:
    def surprise() -> None:
        behind_credentials.table = None

    watching(maria, surprise)
    result = maria.costwatch("status", "--watch")
    assert result.exit_code == 1
    assert "unexpected AttributeError" in result.stderr


def test_json_is_one_document_a_line_and_a_failed_look_is_one_too(
    maria: Terminal, behind_credentials: Refusing
) -> None:
    watching(maria, switched(behind_credentials, maria, refuses=True))
    result = maria.costwatch("status", "--watch", "--json")
    assert result.exit_code == 0, result.output
    good, failed = (json.loads(line) for line in result.stdout.splitlines())
    assert good["totals"]["runs"] == 1
    assert set(failed) == {"at", "error", "last_good_at"}
    assert (failed["at"], failed["last_good_at"]) == ("2026-11-22T09:00:30Z", "2026-11-22T09:00:00Z")


def test_a_terminal_is_redrawn_within_its_width(town: Town, maria: Terminal, behind_credentials: Refusing) -> None:
    def another() -> None:
        town.world.launch(age=timedelta(hours=1), tags={"Purpose": "training", "Name": "bert"})
        sweep(town.watchdog())

    watching(maria, another, switched(behind_credentials, maria, refuses=True))
    result = maria.costwatch("status", "--watch", env=SCREEN)
    assert result.exit_code == 0, result.output
    assert "\x1b[1A\x1b[2K" in result.stdout, "the screen is written over and not scrolled away"
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", result.stdout)
    assert max(len(line.rpartition("\r")[2]) for line in text.splitlines()) <= 60
    assert "2 open runs, 0 held" in text
    assert "not read (" in text


def test_a_dumb_terminal_gets_blocks(maria: Terminal) -> None:
    watching(maria, lambda: None)
    result = maria.costwatch("status", "--watch", env={**SCREEN, "TERM": "dumb"})
    assert result.stdout.count("1 open run, 0 held") == 2
    assert "\x1b" not in result.stdout
