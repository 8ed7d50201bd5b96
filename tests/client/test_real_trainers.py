"""The callbacks in the real trainers: tiny models, CPU, and the beats that come of them.

`make test` does not install transformers, lightning and torch, which are large, and skips this. To run it, from the
project's directory:

    python3 -m venv build/trainers
    build/trainers/bin/pip install './client[transformers,lightning]' torch accelerate pytest
    PYTHONPATH=client:. build/trainers/bin/python -m pytest --noconftest tests/client/test_real_trainers.py

Last seen to pass on 2026-11-27: Python 3.11.7, torch 2.13.0 (CPU), transformers 5.24.0, accelerate 1.15.0, lightning
and pytorch-lightning 2.6.6. client/README.md says the same, under "Callbacks".
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import costwatch_client
from tests.client.fakes import INSTANCE_ARN, LoopbackBus, Training, hanging_endpoint, loopback_bus

WHY_SKIPPED = "is not installed, and make test does not install it: this module's docstring says how to run this"


def library(name: str) -> Any:
    """Skips without it. One that is installed and cannot be imported fails."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"{name} {WHY_SKIPPED}", allow_module_level=True)
    return importlib.import_module(name)


torch = library("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries advise, and here what they warn of is meant

BEAT, STARTED, DONE = costwatch_client.BEAT, costwatch_client.STARTED, costwatch_client.DONE
ROWS, BATCH = 32, 4
STEPS_AN_EPOCH = ROWS // BATCH


@dataclass
class Everything:
    """An outbox that keeps each message, where the real one merges them."""

    messages: list[costwatch_client._Message] = field(default_factory=list)

    def put(self, message: costwatch_client._Message) -> None:
        self.messages.append(message)

    def wait_seconds(self, now: float) -> None:
        del now

    @property
    def kinds(self) -> list[str]:
        """Each kind once for all that follow each other."""
        kinds = [message.kind for message in self.messages]
        return [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]

    @property
    def steps(self) -> list[int]:
        """Each step once for all that follow each other."""
        steps = [message.step for message in self.messages if message.kind == BEAT and message.step is not None]
        return [step for at, step in enumerate(steps) if at == 0 or steps[at - 1] != step]

    @property
    def totals(self) -> set[int | None]:
        return {message.total for message in self.messages if message.kind == BEAT}

    @property
    def checkpoints(self) -> list[str]:
        return list(dict.fromkeys(message.checkpoint for message in self.messages if message.checkpoint))

    def metric(self, name: str) -> list[float]:
        return [float(message.metrics[name]) for message in self.messages if name in message.metrics]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Everything:
    """All that the callbacks say, before any pace."""
    training, everything = Training(), Everything()
    monkeypatch.setattr(training.client, "_outbox", everything)
    monkeypatch.setattr(costwatch_client, "_client", training.client)
    return everything


@pytest.fixture
def bus() -> Iterator[LoopbackBus]:
    with loopback_bus() as serving:
        yield serving


def environment(address: str) -> dict[str, str]:
    """What makes the real boto3 send to `address`, for the instance that the fakes know."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "trainer",
        "AWS_SECRET_ACCESS_KEY": "trainer",
        costwatch_client.ENV_MEMBER: INSTANCE_ARN,
    }


SendTo = Callable[[str], Any]


@pytest.fixture
def send_to(monkeypatch: pytest.MonkeyPatch) -> SendTo:
    """A client with its thread and boto3, and the pace of a test."""

    def made(address: str) -> Any:
        for name, value in environment(address).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(costwatch_client, "NEWS_INTERVAL_SECONDS", 0.05)
        monkeypatch.setattr(costwatch_client, "BEAT_INTERVAL_SECONDS", 0.05)
        client = costwatch_client._Client(os.environ, say=lambda _: None)
        monkeypatch.setattr(costwatch_client, "_client", client)
        return client

    return made


class Boom(Exception):
    """A crash of training."""


def as_torchrun(script: Path, bus: LoopbackBus, tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    """What two processes of one run send together."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    paths = os.pathsep.join(str(Path(each).resolve()) for each in sys.path if each)
    surroundings = {**os.environ, **environment(bus.address), "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, cwd=tmp_path, env=surroundings, capture_output=True, timeout=180)
    return bus.sent


# --- transformers -------------------------------------------------------------------------------------


def hugging_face(directory: Path, *more: Any, poison: int | None = None, **changes: Any) -> Any:
    """transformers' Trainer with our callback, on a line to be learned; the row `poison` crashes it."""
    transformers = library("transformers")
    library("accelerate")

    class Line(library("torch").nn.Module):  # type: ignore[misc]  # the type checker does not have it
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(1, 1)

        def forward(self, x: Any, labels: Any) -> dict[str, Any]:
            if self.training and (x == -1).any():
                raise Boom
            y = self.linear(x)
            return {"loss": ((y - labels) ** 2).mean(), "logits": y}

    rows = [{"x": [-1.0 if row == poison else float(row)], "labels": [2.0 * row]} for row in range(ROWS)]
    arguments: dict[str, Any] = {
        "output_dir": str(directory),
        "num_train_epochs": 2,
        "per_device_train_batch_size": BATCH,
        "logging_steps": 4,
        "save_steps": 8,
        "learning_rate": 1e-4,
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "seed": 7,
        **changes,
    }
    return transformers.Trainer(
        model=Line(),
        args=transformers.TrainingArguments(**arguments),
        train_dataset=rows,
        eval_dataset=rows,
        callbacks=[costwatch_client.HeartbeatCallback(), *more],
    )


def test_a_trainer_tells_start_steps_losses_checkpoints_and_done(told: Everything, tmp_path: Path) -> None:
    hugging_face(tmp_path).train()
    assert told.kinds == [STARTED, BEAT, DONE]
    started, done = told.messages[0], told.messages[-1]
    assert started.fingerprint is not None
    assert started.fingerprint["seed"] == 7
    assert (told.steps, told.totals, done.step) == ([*range(1, 17)], {16}, 16)
    assert told.checkpoints == [f"{tmp_path}/checkpoint-8", f"{tmp_path}/checkpoint-16"]
    assert all(Path(each).is_dir() for each in told.checkpoints)
    assert len(told.metric("loss")) == 4
    assert told.metric("train_loss")


def test_a_trainers_step_is_an_optimizers_step(told: Everything, tmp_path: Path) -> None:
    hugging_face(tmp_path, gradient_accumulation_steps=2, num_train_epochs=1).train()
    assert (told.steps, told.totals) == ([*range(5)], {4})
    told.messages.clear()
    hugging_face(tmp_path, max_steps=3).train()
    assert (told.steps, told.totals) == ([1, 2, 3], {3})


def test_a_trainer_that_resumes_goes_on_counting(told: Everything, tmp_path: Path) -> None:
    hugging_face(tmp_path, num_train_epochs=1).train()
    told.messages.clear()
    hugging_face(tmp_path).train(resume_from_checkpoint=True)
    assert told.kinds == [STARTED, BEAT, DONE]
    assert (told.steps, told.totals) == ([*range(9, 17)], {16})


def test_a_trainer_that_crashes_is_not_done(told: Everything, tmp_path: Path) -> None:
    with pytest.raises(Boom):
        hugging_face(tmp_path, poison=20).train()
    assert DONE not in told.kinds


def test_a_trainer_that_stops_early_is_done(told: Everything, tmp_path: Path) -> None:
    class Enough(library("transformers").TrainerCallback):  # type: ignore[misc]  # the same
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            control.should_training_stop = state.global_step >= 5
            return control

    hugging_face(tmp_path, Enough()).train()
    assert (told.kinds[-1], told.messages[-1].step, told.messages[-1].total) == (DONE, 5, 16)


def test_a_trainer_beats_while_it_evaluates_within_training(told: Everything, tmp_path: Path) -> None:
    hugging_face(tmp_path, eval_strategy="epoch", num_train_epochs=1, per_device_eval_batch_size=2).train()
    assert told.kinds == [STARTED, BEAT, DONE]
    assert len([message for message in told.messages if message.step == 8]) > ROWS // 2
    assert told.metric("eval_loss")


def test_a_trainer_that_only_evaluates_says_nothing(told: Everything, tmp_path: Path) -> None:
    trainer = hugging_face(tmp_path)
    trainer.evaluate()
    trainer.predict(trainer.eval_dataset)
    assert told.messages == []


def test_a_trainer_stays_done_while_it_evaluates_afterwards(told: Everything, tmp_path: Path) -> None:
    trainer = hugging_face(tmp_path, num_train_epochs=1)
    trainer.train()
    trainer.evaluate()
    trainer.predict(trainer.eval_dataset)
    trainer.save_model()
    assert told.kinds == [STARTED, BEAT, DONE]
    trainer.train()
    assert told.kinds == [STARTED, BEAT, DONE] * 2


def test_a_trainers_callback_is_copied_and_pickled_and_leaves_no_state(told: Everything, tmp_path: Path) -> None:
    trainer = hugging_face(tmp_path, num_train_epochs=1)
    trainer.train()
    (callback,) = (each for each in trainer.callback_handler.callbacks if "Heartbeat" in type(each).__name__)
    for made in (copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))):
        assert type(made) is costwatch_client.HeartbeatCallback
    assert "Heartbeat" not in (tmp_path / "checkpoint-8" / "trainer_state.json").read_text()
    assert told.kinds[-1] == DONE


def test_a_trainers_beats_arrive(send_to: SendTo, bus: LoopbackBus, tmp_path: Path) -> None:
    client = send_to(bus.address)
    hugging_face(tmp_path, dataloader_num_workers=1).train()
    client.close(10)
    (first, _), (last, done) = bus.sent[0], bus.sent[-1]
    assert (first, last, done["step"], done["total"]) == (STARTED, DONE, 16, 16)
    assert done["checkpoint"] == f"{tmp_path}/checkpoint-16"
    assert done["metrics"]["train_loss"] > 0


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "hangs"])
def test_a_trainer_does_not_wait_for_an_endpoint(send_to: SendTo, silent: bool, tmp_path: Path) -> None:
    with hanging_endpoint() as address:
        client = send_to(address if silent else "http://127.0.0.1:9")
        began = time.monotonic()
        hugging_face(tmp_path).train()
        training = time.monotonic() - began
        client.close()
        closing = time.monotonic() - began - training
    assert training < 5
    assert closing < costwatch_client.EXIT_SECONDS + 1


def test_of_a_trainers_two_processes_one_speaks(bus: LoopbackBus, tmp_path: Path) -> None:
    library("transformers")
    script = tmp_path / "train.py"
    script.write_text(
        "from pathlib import Path\n"
        "from tests.client.test_real_trainers import hugging_face\n"
        "hugging_face(Path('out')).train()\n"
    )
    sent = as_torchrun(script, bus, tmp_path)
    assert len({detail["session"] for _, detail in sent}) == 1
    assert (sent[0][0], sent[-1][0], sent[-1][1]["step"]) == (STARTED, DONE, 8)


# --- Lightning ----------------------------------------------------------------------------------------

PACKAGES = ("lightning.pytorch", "pytorch_lightning")


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> str:
    library(request.param)
    return str(request.param)


def lightning(package: str, directory: Path, *more: Any, **changes: Any) -> Any:
    """Lightning's Trainer with our callback."""
    arguments: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 2,
        "default_root_dir": str(directory),
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        **changes,
    }
    ours = costwatch_client.LightningHeartbeatCallback()
    # Without a list around it, a callback is taken only by the package that knows it as its own.
    return library(package).Trainer(**arguments, callbacks=[ours, *more] if more else ours)


def line(package: str, *, crashes_at: int | None = None, optimizers: int = 1) -> Any:
    """A line to be learned. With several optimizers it steps them by itself."""

    class Line(library(package).LightningModule):  # type: ignore[misc]  # the same
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(1, 1)
            self.automatic_optimization = optimizers == 1

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if self.global_step == crashes_at:
                raise Boom
            if not self.automatic_optimization:
                for each in self.optimizers():
                    each.zero_grad()
                    self.manual_backward(self._loss(batch))
                    each.step()
                return None
            return {"loss": self._loss(batch)}

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", self._loss(batch))

        def _loss(self, batch: Any) -> Any:
            x, y = batch
            return (1 + 0 * (self.linear(x) - y)).mean()

        test_step = validation_step

        def predict_step(self, batch: Any, batch_idx: int) -> Any:
            return self.linear(batch[0])

        def configure_optimizers(self) -> Any:
            made = [torch.optim.SGD(self.parameters(), lr=1e-4) for _ in range(optimizers)]
            return made if optimizers > 1 else made[0]

    return Line()


def batches(workers: int = 0) -> Any:
    x = torch.arange(float(ROWS)).reshape(-1, 1)
    data = torch.utils.data.TensorDataset(x, 2 * x)
    return torch.utils.data.DataLoader(data, batch_size=BATCH, num_workers=workers)


def test_a_fit_tells_start_steps_losses_checkpoints_and_done(told: Everything, package: str, tmp_path: Path) -> None:
    lightning(package, tmp_path).fit(line(package), batches(), batches())
    assert told.kinds == [STARTED, BEAT, DONE]
    assert (told.steps, told.totals, told.messages[-1].step) == ([*range(1, 17)], {16}, 16)
    assert told.checkpoints == ["step 8", "step 16"]
    assert told.metric("loss") == [1.0] * 16


def test_a_fits_checkpoint_is_told_when_it_is_written(told: Everything, package: str, tmp_path: Path) -> None:
    written: list[bool] = []
    put = told.put

    def looks(message: costwatch_client._Message) -> None:
        if message.checkpoint is not None and message.checkpoint not in told.checkpoints:
            step = message.checkpoint.removeprefix("step ")
            written.append(any(tmp_path.rglob(f"*step={step}.ckpt")))
        put(message)

    told.put = looks  # type: ignore[method-assign]
    lightning(package, tmp_path).fit(line(package), batches(), batches())
    assert written == [True, True]


def test_a_fits_step_is_an_optimizers_step_and_its_loss_a_whole_one(
    told: Everything, package: str, tmp_path: Path
) -> None:
    lightning(package, tmp_path, accumulate_grad_batches=2, max_epochs=1).fit(line(package), batches())
    assert (told.steps[-4:], told.totals) == ([1, 2, 3, 4], {4})
    assert set(told.metric("loss")) == {1.0}
    told.messages.clear()
    lightning(package, tmp_path, max_steps=3, max_epochs=-1).fit(line(package), batches())
    assert (told.steps, told.totals) == ([1, 2, 3], {3})


def test_a_fit_that_steps_its_optimizers_itself_promises_no_total(
    told: Everything, package: str, tmp_path: Path
) -> None:
    lightning(package, tmp_path, max_epochs=1).fit(line(package, optimizers=2), batches())
    assert (told.steps[-1], told.totals) == (2 * STEPS_AN_EPOCH, {None})
    told.messages.clear()
    lightning(package, tmp_path, max_steps=6, max_epochs=1).fit(line(package, optimizers=2), batches())
    assert (told.steps[-1], told.totals) == (6, {6})


def test_a_fit_that_resumes_goes_on_counting(told: Everything, package: str, tmp_path: Path) -> None:
    lightning(package, tmp_path, max_epochs=1).fit(line(package), batches())
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    told.messages.clear()
    lightning(package, tmp_path).fit(line(package), batches(), ckpt_path=str(checkpoint))
    assert told.kinds == [STARTED, BEAT, DONE]
    assert (told.steps, told.totals) == ([*range(9, 17)], {16})


def test_a_fit_that_crashes_is_not_done(told: Everything, package: str, tmp_path: Path) -> None:
    with pytest.raises(Boom):
        lightning(package, tmp_path).fit(line(package, crashes_at=5), batches(), batches())
    assert told.kinds == [STARTED, BEAT]


def test_a_fit_that_is_interrupted_is_not_done(told: Everything, package: str, tmp_path: Path) -> None:
    class Interrupted(library(package).Callback):  # type: ignore[misc]  # the same
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step == 5:
                raise KeyboardInterrupt

    with suppress(SystemExit, KeyboardInterrupt):  # which until Lightning 2.2 it kept to itself
        lightning(package, tmp_path, Interrupted()).fit(line(package), batches())
    assert told.kinds == [STARTED, BEAT]


def test_a_fit_that_stops_early_is_done(told: Everything, package: str, tmp_path: Path) -> None:
    early = library(f"{package}.callbacks").EarlyStopping("val_loss", patience=1)
    lightning(package, tmp_path, early, max_epochs=9).fit(line(package), batches(), batches())
    assert (told.kinds[-1], told.messages[-1].step, told.messages[-1].total) == (DONE, 16, 72)


def test_a_fit_beats_while_it_validates(told: Everything, package: str, tmp_path: Path) -> None:
    lightning(package, tmp_path, max_epochs=1).fit(line(package), batches(), batches())
    assert len([message for message in told.messages if message.step == 8]) > STEPS_AN_EPOCH


def test_a_trainer_of_lightnings_that_only_validates_says_nothing(
    told: Everything, package: str, tmp_path: Path
) -> None:
    trainer, model = lightning(package, tmp_path), line(package)
    trainer.validate(model, batches(), verbose=False)
    trainer.test(model, batches(), verbose=False)
    trainer.predict(model, batches())
    assert told.messages == []


def test_a_fit_stays_done_until_the_next_one(told: Everything, package: str, tmp_path: Path) -> None:
    trainer, model = lightning(package, tmp_path, max_epochs=1), line(package)
    trainer.fit(model, batches(), batches())
    trainer.validate(model, batches(), verbose=False)
    trainer.predict(model, batches())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    assert told.kinds == [STARTED, BEAT, DONE]
    trainer.fit_loop.max_epochs = 2
    trainer.fit(model, batches(), batches())
    assert told.kinds == [STARTED, BEAT, DONE] * 2
    assert told.steps[-8:] == [*range(9, 17)]


def test_a_fits_callback_is_copied_and_pickled_and_leaves_no_state(
    told: Everything, package: str, tmp_path: Path
) -> None:
    trainer = lightning(package, tmp_path, max_epochs=1)
    callback = next(each for each in trainer.callbacks if "Heartbeat" in type(each).__name__)
    for made in (copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))):
        assert type(made) is costwatch_client.LightningHeartbeatCallback
    trainer.fit(line(package), batches())
    assert callback.state_dict() == {}
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    assert not [key for key in torch.load(checkpoint, weights_only=False)["callbacks"] if "Heartbeat" in key]
    assert told.kinds[-1] == DONE


def test_a_fits_beats_arrive(send_to: SendTo, bus: LoopbackBus, package: str, tmp_path: Path) -> None:
    client = send_to(bus.address)
    lightning(package, tmp_path).fit(line(package), batches(workers=1), batches())
    client.close(10)
    (first, _), (last, done) = bus.sent[0], bus.sent[-1]
    assert (first, last, done["step"], done["total"]) == (STARTED, DONE, 16, 16)
    assert done["checkpoint"] == "step 16"


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "hangs"])
def test_a_fit_does_not_wait_for_an_endpoint(send_to: SendTo, silent: bool, package: str, tmp_path: Path) -> None:
    with hanging_endpoint() as address:
        client = send_to(address if silent else "http://127.0.0.1:9")
        began = time.monotonic()
        lightning(package, tmp_path).fit(line(package), batches())
        training = time.monotonic() - began
        client.close()
        closing = time.monotonic() - began - training
    assert training < 5
    assert closing < costwatch_client.EXIT_SECONDS + 1


def test_of_a_fits_two_processes_one_speaks(bus: LoopbackBus, package: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "from pathlib import Path\n"
        "from tests.client.test_real_trainers import batches, lightning, line\n"
        f"lightning({package!r}, Path('out'), devices=2, strategy='ddp').fit(line({package!r}), batches(), batches())\n"
    )
    sent = as_torchrun(script, bus, tmp_path)
    assert len({detail["session"] for _, detail in sent}) == 1
    assert (sent[0][0], sent[-1][0], sent[-1][1]["step"]) == (STARTED, DONE, 8)
