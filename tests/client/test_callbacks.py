"""The callbacks, on stand-ins for the libraries' base classes: neither library is needed, nor installed.

What the libraries themselves do with them is in test_real_trainers.py.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import costwatch_client
from tests.client.fakes import Training

NAMES = ("HeartbeatCallback", "LightningHeartbeatCallback")


class TrainerCallback:
    """Like transformers' own: every event is there and does nothing."""

    def on_step_end(self, *_: Any, **__: Any) -> None:
        raise AssertionError("the base's event would win")

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """Left to the base."""


class Callback:
    """Like Lightning's own."""

    def on_fit_end(self, *_: Any) -> None:
        raise AssertionError("the base's event would win")

    def on_train_end(self, *_: Any) -> None:
        """Left to the base: Lightning's own callback may write the last checkpoint in it."""

    def on_validation_end(self, *_: Any) -> None:
        """Left to the base."""


def module(name: str, **contents: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(contents)
    return made


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Training:
    made = Training()
    monkeypatch.setattr(costwatch_client, "_client", made.client)
    return made


@pytest.fixture(autouse=True)
def libraries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is installed, and no class of an earlier test is left."""
    for name in ("transformers", "lightning", "lightning.pytorch", "lightning.pytorch.callbacks", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    yield
    for name in NAMES:
        vars(costwatch_client).pop(name, None)


@pytest.fixture
def transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", module("transformers", TrainerCallback=TrainerCallback))


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning", "lightning.pytorch"):
        monkeypatch.setitem(sys.modules, name, module(name))
    callbacks = module("lightning.pytorch.callbacks", Callback=Callback)
    monkeypatch.setitem(sys.modules, "lightning.pytorch.callbacks", callbacks)


class OlderCallback:
    """The same in the older package."""


@pytest.fixture
def pytorch_lightning(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setitem(sys.modules, "pytorch_lightning", module("pytorch_lightning"))
    callbacks = module("pytorch_lightning.callbacks", Callback=OlderCallback)
    monkeypatch.setitem(sys.modules, "pytorch_lightning.callbacks", callbacks)
    return callbacks


@pytest.mark.parametrize(("name", "library"), [(NAMES[0], "transformers"), (NAMES[1], "lightning")])
def test_without_its_library_a_callback_says_what_to_install(name: str, library: str) -> None:
    with pytest.raises(ImportError, match=rf"^{name} needs {library}: pip install {library}$"):
        getattr(costwatch_client, name)


def test_anything_else_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(costwatch_client, "HeartBeatCallback")


def state(**changes: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"global_step": 10, "max_steps": 900, "is_world_process_zero": True, **changes})


ARGS, CONTROL = SimpleNamespace(seed=42, output_dir="s3://bucket/run"), SimpleNamespace()


@pytest.mark.usefixtures("transformers")
def test_a_trainers_whole_run_is_told(training: Training) -> None:
    callback = costwatch_client.HeartbeatCallback()
    assert TrainerCallback in type(callback).__mro__
    callback.on_train_begin(ARGS, state(global_step=0), CONTROL, model=None)
    callback.on_step_end(ARGS, state(global_step=1), CONTROL, model=None)
    training.turn()
    logs = {"loss": 0.5, "learning_rate": 1e-4, "note": "text", "flag": True}
    callback.on_log(ARGS, state(global_step=500), CONTROL, logs=logs)
    callback.on_save(ARGS, state(global_step=500), CONTROL)
    training.after(30)
    callback.on_step_end(ARGS, state(global_step=900), CONTROL)
    callback.on_train_end(ARGS, state(global_step=900), CONTROL)
    training.turn()

    started, first, saved, done = training.events.sent
    assert started[0] == "Run Started"
    assert started[1]["fingerprint"]["seed"] == 42
    assert (first[1]["step"], first[1]["total"]) == (1, 900)
    assert (saved[1]["step"], saved[1]["checkpoint"]) == (500, "s3://bucket/run/checkpoint-500")
    assert saved[1]["metrics"] == {"loss": 0.5, "learning_rate": 1e-4}
    assert (done[0], done[1]["step"]) == ("Run Done", 900)
    assert "ignored" not in training.lines[0]


@pytest.mark.usefixtures("transformers")
@pytest.mark.parametrize("event", ["on_step_end", "on_substep_end", "on_prediction_step"])
def test_a_trainer_beats_in_every_part_of_its_training(training: Training, event: str) -> None:
    callback = costwatch_client.HeartbeatCallback()
    callback.on_train_begin(ARGS, state(global_step=0), CONTROL)
    getattr(callback, event)(ARGS, state(), CONTROL, model=None)
    training.turn()
    assert training.events.steps == [10]


@pytest.mark.usefixtures("transformers")
def test_a_trainer_that_only_evaluates_says_nothing(training: Training) -> None:
    callback = costwatch_client.HeartbeatCallback()
    callback.on_prediction_step(ARGS, state(global_step=0, max_steps=0), CONTROL)
    callback.on_log(ARGS, state(global_step=0, max_steps=0), CONTROL, logs={"eval_loss": 1.0})
    assert not training.turn()


@pytest.mark.usefixtures("transformers")
def test_a_trainer_stays_done_while_it_evaluates_until_it_trains_again(training: Training) -> None:
    callback = costwatch_client.HeartbeatCallback()
    callback.on_train_begin(ARGS, state(), CONTROL)
    callback.on_train_end(ARGS, state(), CONTROL)
    training.turn()
    callback.on_prediction_step(ARGS, state(), CONTROL)
    callback.on_log(ARGS, state(), CONTROL, logs={"eval_loss": 1.0})
    assert not training.after(600)
    callback.on_train_begin(ARGS, state(), CONTROL)
    callback.on_step_end(ARGS, state(global_step=11), CONTROL)
    training.after(600)
    assert [kind for kind, _ in training.events.sent][-2:] == ["Run Started", "Run Heartbeat"]


@pytest.mark.usefixtures("transformers")
def test_of_a_trainers_processes_only_the_worlds_first_speaks(training: Training) -> None:
    callback, other = costwatch_client.HeartbeatCallback(), state(is_world_process_zero=False)
    callback.on_train_begin(ARGS, other, CONTROL)
    callback.on_step_end(ARGS, other, CONTROL)
    callback.on_log(ARGS, other, CONTROL, logs={"loss": 1.0})
    callback.on_save(ARGS, other, CONTROL)
    callback.on_train_end(ARGS, other, CONTROL)
    assert not training.turn()


@pytest.mark.usefixtures("transformers", "training")
def test_a_trainer_of_another_version_is_not_disturbed() -> None:
    callback = costwatch_client.HeartbeatCallback()
    told = (
        "on_train_begin",
        "on_step_end",
        "on_substep_end",
        "on_prediction_step",
        "on_log",
        "on_save",
        "on_train_end",
    )
    for event in told:
        assert getattr(callback, event)(object(), object(), object()) is None
        assert getattr(callback, event)() is None
    callback.on_epoch_end(ARGS, state(), CONTROL)


@pytest.mark.usefixtures("transformers")
def test_the_class_is_one_and_can_be_pickled() -> None:
    assert costwatch_client.HeartbeatCallback is costwatch_client.HeartbeatCallback
    copy = pickle.loads(pickle.dumps(costwatch_client.HeartbeatCallback()))
    assert type(copy) is costwatch_client.HeartbeatCallback


def fit(**changes: Any) -> SimpleNamespace:
    """Lightning's trainer."""
    given = {"global_step": 10, "estimated_stepping_batches": 900, "is_global_zero": True, "accumulate_grad_batches": 1}
    return SimpleNamespace(**{**given, **changes})


@pytest.mark.usefixtures("lightning")
def test_a_fits_whole_run_is_told(training: Training) -> None:
    callback = costwatch_client.LightningHeartbeatCallback()
    assert Callback in type(callback).__mro__
    callback.on_train_start(fit(global_step=0), None)
    callback.on_train_batch_end(fit(global_step=1), None, {"loss": 0.5, "logits": object()}, None, 0)
    training.turn()
    callback.on_save_checkpoint(fit(global_step=500), None, {"state_dict": {}})
    callback.on_train_batch_end(fit(global_step=501), None, 0.25, None, 500)
    training.after(30)
    callback.on_train_batch_end(fit(global_step=900), None, None, None, 899)
    callback.on_train_end(fit(global_step=900), None)
    callback.on_fit_end(fit(global_step=900), None)
    training.turn()

    started, first, saved, done = training.events.sent
    assert started[0] == "Run Started"
    assert (first[1]["step"], first[1]["total"], first[1]["metrics"]) == (1, 900, {"loss": 0.5})
    assert (saved[1]["step"], saved[1]["checkpoint"], saved[1]["metrics"]) == (501, "step 500", {"loss": 0.25})
    assert (done[0], done[1]["step"]) == ("Run Done", 900)
    assert "ignored" not in training.lines[0]


@pytest.mark.usefixtures("lightning")
def test_a_fits_checkpoint_is_told_once_it_is_written(training: Training) -> None:
    callback = costwatch_client.LightningHeartbeatCallback()
    callback.on_train_start(fit(global_step=0), None)
    callback.on_train_batch_end(fit(), None, None, None, 9)
    callback.on_save_checkpoint(fit(), None, {})  # the last thing that Lightning says before it writes
    training.turn()
    assert training.last["checkpoint"] is None
    callback.on_validation_batch_end(fit(), None, None, None, 0)
    training.after(30)
    assert training.last["checkpoint"] == "step 10"
    callback.on_save_checkpoint(fit(global_step=20), None, {})  # in on_train_end
    callback.on_fit_end(fit(global_step=20), None)
    training.after(30)
    assert [(kind, detail["checkpoint"]) for kind, detail in training.events.sent[-1:]] == [("Run Done", "step 20")]


@pytest.mark.usefixtures("lightning")
def test_a_fits_loss_is_whole_again_where_lightning_divided_it(training: Training) -> None:
    callback = costwatch_client.LightningHeartbeatCallback()
    callback.on_train_start(fit(accumulate_grad_batches=4), None)
    callback.on_train_batch_end(fit(accumulate_grad_batches=4), None, {"loss": 0.5}, None, 0)
    training.turn()
    assert training.last["metrics"] == {"loss": 2.0}


@pytest.mark.usefixtures("lightning")
def test_a_fit_that_ends_by_an_exception_is_not_done_and_the_next_one_may_be(training: Training) -> None:
    callback = costwatch_client.LightningHeartbeatCallback()
    callback.on_train_start(fit(), None)
    callback.on_exception(fit(), None, RuntimeError("CUDA out of memory"))
    callback.on_save_checkpoint(fit(), None, {})
    callback.on_fit_end(fit(), None)
    training.turn()
    assert [kind for kind, _ in training.events.sent] == ["Run Started"]
    callback.on_train_start(fit(), None)
    callback.on_fit_end(fit(), None)
    training.after(60)
    assert training.events.sent[-1][0] == "Run Done"


@pytest.mark.usefixtures("lightning")
def test_a_fit_beats_while_it_validates_and_nothing_else_of_its_trainer_does(training: Training) -> None:
    callback = costwatch_client.LightningHeartbeatCallback()
    callback.on_validation_batch_end(fit(), None, None, None, 0)  # before a fit begins, Lightning tries some
    callback.on_fit_end(fit(), None)  # of a fit that had nothing left to do
    assert not training.turn()
    callback.on_train_start(fit(), None)
    callback.on_validation_batch_end(fit(), None, None, None, 0)
    training.turn()
    assert training.events.steps == [10]
    callback.on_fit_end(fit(), None)
    training.after(30)
    callback.on_validation_batch_end(fit(), None, None, None, 0)
    callback.on_save_checkpoint(fit(global_step=20), None, {})
    assert not training.after(600)
    assert training.events.sent[-1][0] == "Run Done"


@pytest.mark.usefixtures("lightning")
@pytest.mark.parametrize(("max_steps", "total"), [(-1, None), (600, 600)])
def test_a_fit_that_steps_its_optimizers_itself_has_no_total_but_its_own(
    training: Training, max_steps: int, total: int | None
) -> None:
    callback, gan = costwatch_client.LightningHeartbeatCallback(), SimpleNamespace(automatic_optimization=False)
    callback.on_train_start(fit(max_steps=max_steps), gan)
    callback.on_train_batch_end(fit(max_steps=max_steps), gan, None, None, 0)
    training.turn()
    assert training.last["total"] == total


@pytest.mark.usefixtures("lightning")
def test_a_fit_whose_steps_cannot_be_estimated_is_told_without_a_total(training: Training) -> None:
    class Strange(SimpleNamespace):
        @property
        def estimated_stepping_batches(self) -> int:
            raise RuntimeError("accumulation that changes between epochs")

    callback, strange = costwatch_client.LightningHeartbeatCallback(), Strange(global_step=1, is_global_zero=True)
    callback.on_train_start(strange, None)
    callback.on_train_batch_end(strange, None, None, None, 0)
    training.turn()
    assert [(kind, detail["total"]) for kind, detail in training.events.sent] == [
        ("Run Started", None),
        ("Run Heartbeat", None),
    ]


@pytest.mark.usefixtures("lightning")
@pytest.mark.parametrize("endless", [float("inf"), -1, 0])
def test_a_fit_without_an_end_has_no_total(training: Training, endless: float) -> None:
    callback = costwatch_client.LightningHeartbeatCallback()
    callback.on_train_start(fit(estimated_stepping_batches=endless), None)
    callback.on_train_batch_end(fit(), None, None, None, 0)
    training.turn()
    assert (training.last["step"], training.last["total"]) == (10, None)


@pytest.mark.usefixtures("lightning")
def test_of_a_fits_processes_only_the_first_speaks(training: Training) -> None:
    callback, other = costwatch_client.LightningHeartbeatCallback(), fit(is_global_zero=False)
    callback.on_train_start(other, None)
    callback.on_train_batch_end(other, None, 1.0, None, 0)
    callback.on_save_checkpoint(other, None, {})
    callback.on_validation_batch_end(other, None, None, None, 0)
    callback.on_fit_end(other, None)
    assert not training.turn()


@pytest.mark.usefixtures("lightning", "training")
def test_a_fit_of_another_version_is_not_disturbed() -> None:
    callback = costwatch_client.LightningHeartbeatCallback()
    told = ("on_train_start", "on_train_batch_end", "on_validation_batch_end", "on_save_checkpoint", "on_exception")
    for event in (*told, "on_fit_end"):
        assert getattr(callback, event)(object(), object()) is None
        assert getattr(callback, event)() is None
    callback.on_validation_end(fit(), None)


@pytest.mark.usefixtures("pytorch_lightning")
def test_whoever_has_only_the_older_package_gets_its_base() -> None:
    assert issubclass(costwatch_client.LightningHeartbeatCallback, OlderCallback)


@pytest.mark.usefixtures("lightning", "pytorch_lightning")
def test_where_both_packages_are_either_knows_its_own_callback() -> None:
    callback = costwatch_client.LightningHeartbeatCallback()
    assert isinstance(callback, Callback)
    assert isinstance(callback, OlderCallback)


@pytest.mark.usefixtures("lightning")
def test_two_names_of_one_package_are_one_base(pytorch_lightning: ModuleType) -> None:
    vars(pytorch_lightning)["Callback"] = Callback
    assert issubclass(costwatch_client.LightningHeartbeatCallback, Callback)


@pytest.mark.usefixtures("lightning")
def test_an_older_package_that_is_broken_does_not_matter(pytorch_lightning: ModuleType) -> None:
    def broken(name: str) -> Any:
        raise RuntimeError(f"{name} of another torch")

    del pytorch_lightning.Callback
    vars(pytorch_lightning)["__getattr__"] = broken
    assert issubclass(costwatch_client.LightningHeartbeatCallback, Callback)
