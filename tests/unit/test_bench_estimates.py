"""The benchmark of estimates runs, and says when they took too much."""

from __future__ import annotations

import pytest

from bench import estimates


def test_it_measures_every_kind_and_names_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert estimates.main(["--estimates", "40", "--rounds", "1", "--at-most", "60"]) == 0
    told = capsys.readouterr().out
    assert "CPU seconds for 40, the best of 1 rounds" in told
    assert "processor" in told
    assert "steps of pipelines" in told


def test_more_than_is_allowed_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert estimates.main(["--estimates", "40", "--rounds", "1", "--at-most", "0"]) == 1
    assert "more than 0.0 s" in capsys.readouterr().err
