"""The benchmark of the price book runs: a book of one region, opened in a new process."""

from __future__ import annotations

import json
import sys

import pytest

from bench import price_book


def test_it_opens_a_book_in_a_new_process_and_says_what_each_part_took(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(price_book, "_RUNS", 1)
    monkeypatch.setattr(sys, "argv", ["bench.price_book", "1"])
    price_book.main()
    told = json.loads(capsys.readouterr().out)
    assert told["regions"] == 1
    assert list(told["ms"]) == ["import", "unpack", "first price", "all"]
