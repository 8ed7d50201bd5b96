"""Which browser the browser tests take, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import browser


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(browser, "NOTE", tmp_path / "note")
    return tmp_path


def executable(at: Path) -> str:
    at.write_text("#!/bin/sh\n", encoding="utf-8")
    at.chmod(0o755)
    return str(at)


def test_a_browser_on_the_path_is_found(nothing_installed: Path) -> None:
    assert browser.find() is None
    path = executable(nothing_installed / "google-chrome")
    assert browser.find() == path


def test_the_one_that_is_named_counts_alone(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(nothing_installed / "chromium")
    monkeypatch.setenv(browser.VARIABLE, "/no/such/chrome")
    assert browser.find() is None
    assert browser.missing() == "COSTWATCH_CHROMIUM names /no/such/chrome, which cannot be run"


def test_where_none_can_be_installed_the_reason_is_kept_and_said(nothing_installed: Path) -> None:
    assert browser.ensure() is None  # no apt-get on this PATH
    assert "it cannot be installed from here" in browser.missing()
    assert "apt-get install chromium" in browser.missing()
    browser.NOTE.write_text("kept from the first try\n", encoding="utf-8")
    assert browser.ensure() is None
    assert "kept from the first try" in browser.missing(), "tried again within a day"


def test_an_install_that_fails_says_what_apt_said(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    apt = nothing_installed / "apt-get"
    executable(apt)
    apt.write_text("#!/bin/sh\necho 'E: Unable to locate package chromium' >&2\nexit 100\n", encoding="utf-8")
    assert browser.ensure() is None
    assert "E: Unable to locate package chromium" in browser.missing()


@pytest.mark.parametrize(("ci", "tried", "must"), [("true", False, True), ("true", True, False), ("", False, False)])
def test_in_ci_a_missing_browser_is_a_failure_unless_an_install_was_tried(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch, ci: str, tried: bool, must: bool
) -> None:
    monkeypatch.setenv("CI", ci)
    if tried:
        browser.ensure()
    assert browser.must_be_there() is must
