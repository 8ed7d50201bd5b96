"""Python about the client that the pages show is run as it stands there, beside what it leaves to its reader."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

import costwatch_client
from tests.client.fakes import Training
from tests.client.test_callbacks import NAMES, Callback, TrainerCallback, module
from tests.support import docs
from tests.support.docs import Block

SNIPPETS = [block for page in docs.PAGES for block in docs.blocks(page)]
README = "client/README.md"


def of(page: str, part: str) -> Block:
    (found,) = [block for block in SNIPPETS if block.page == page and part in block.text]
    return found


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Training:
    made = Training()
    monkeypatch.setattr(costwatch_client, "_client", made.client)
    return made


def run(block: Block, **beside: Any) -> dict[str, Any]:
    """The names that it leaves behind. `beside`: those that its reader has."""
    names = dict(beside)
    exec(compile(block.text, f"{block.page}:{block.line}", "exec"), names)
    return names


@pytest.mark.parametrize("page", [README, "docs/data-scientists.md", "docs/guides/heartbeats.md"])
def test_a_shown_training_loop_beats(training: Training, page: str) -> None:
    def train(_batch: str) -> float:
        training.turn()
        return 0.5

    run(of(page, "import done, heartbeat"), batches=["a", "b"], train=train)
    training.turn()
    assert [kind for kind, _ in training.events.sent][-1] == "Run Done"
    assert training.last["step"] is not None


def test_a_shown_process_says_its_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    environ: dict[str, str] = {}
    run(of(README, "COSTWATCH_RANK"), os=module("os", environ=environ))["main"](3, 8)
    assert environ == {costwatch_client.ENV_RANK: "3"}


def test_the_shown_callbacks_are_given_to_both_trainers(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"transformers": module("transformers", TrainerCallback=TrainerCallback)}
    there |= {name: module(name) for name in ("lightning", "lightning.pytorch")}
    there["lightning.pytorch.callbacks"] = module("lightning.pytorch.callbacks", Callback=Callback)
    for name, found in there.items():
        monkeypatch.setitem(sys.modules, name, found)
    given: list[str] = []

    def trainer(*_: object, callbacks: list[object]) -> None:
        given.extend(type(each).__name__ for each in callbacks)

    try:
        run(of(README, "Trainer(..."), Trainer=trainer)
    finally:
        for name in NAMES:
            vars(costwatch_client).pop(name, None)
    assert given == list(NAMES)


def test_what_the_real_trainers_are_tried_by_is_there() -> None:
    """Its packages have a gigabyte, so these lines are run by hand: their files and extras are held here."""
    shown = of(README, "python3 -m venv").text
    (file,) = re.findall(r"tests/\S+\.py", shown)
    (extras,) = re.findall(r"client\[(\S+)\]", shown)
    declared = (docs.ROOT / "client" / "pyproject.toml").read_text("utf-8")
    assert (docs.ROOT / file).is_file()
    assert all(f"\n{extra} = [" in declared for extra in extras.split(","))
    assert shown.strip() in re.sub(r"^    ", "", (docs.ROOT / file).read_text("utf-8"), flags=re.MULTILINE)
