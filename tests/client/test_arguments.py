"""What training may pass: used as meant, or left out and noted. Never raised, whatever it is."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import costwatch_client
from tests.client.fakes import Training


class Hostile:
    """Raises at whatever it is asked."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"asked for {name}")

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("asked")

    __index__ = __float__ = __fspath__ = __repr__ = __str__ = __bool__ = __eq__ = __hash__ = __len__ = _raise


class HostileText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("asked")

    __repr__ = __format__ = __str__  # type: ignore[assignment]


class Numeric:
    """A number of some library: numpy's and torch's look like this."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return float(self.value)


class Tensor(Numeric):
    def __init__(self, value: float, *, attached: bool = True) -> None:
        super().__init__(value)
        self.attached = attached

    def detach(self) -> Tensor:
        return Tensor(self.value, attached=False)


def told(**arguments: Any) -> tuple[dict[str, Any], str]:
    """The detail of a beat with these arguments, and the printed line."""
    training = Training()
    training.heartbeat(**arguments)
    training.turn()
    return training.last, training.lines[0]


@pytest.mark.parametrize(
    ("given_step", "sent"),
    [(0, 0), (812, 812), (812.0, 812), (Numeric(3.0), 3), (2**53, 2**53), (None, None)],
)
def test_a_step_is_a_whole_number_in_whatever_clothes(given_step: Any, sent: int | None) -> None:
    detail, line = told(step=given_step, total=given_step)
    assert (detail["step"], detail["total"]) == (sent, sent)
    assert "ignored" not in line


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("812", "step '812' is not a whole number"),
        (-1, "step -1 is not between 0 and 2**53"),
        (2**53 + 1, "step 9007199254740993 is not between 0 and 2**53"),
        (10**5000, "step (a int) is not between 0 and 2**53"),
        (0.5, "step 0.5 is not a whole number"),
        (float("nan"), "step nan is not a whole number"),
        (True, "step True is not a whole number"),
        ([1], "step (a list) is not a whole number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_any_other_step_is_left_out_and_said(wrong: Any, said: str) -> None:
    detail, line = told(step=wrong)
    assert detail["step"] is None
    assert line.endswith(f"; ignored: {said}")


def test_what_raises_when_it_is_read_is_left_out_and_said() -> None:
    detail, line = told(step=Hostile(), checkpoint=Hostile(), next_within=Hostile(), loss=Hostile(), accuracy=0.5)
    assert (detail["step"], detail["checkpoint"], detail["next_within_seconds"]) == (None, None, None)
    assert detail["metrics"] == {"accuracy": 0.5}
    assert "; ignored: step (a Hostile) cannot be read; " in line


@pytest.mark.parametrize(
    ("phase", "seconds"),
    [
        ("2h", 7200),
        ("90m", 5400),
        ("1h30m", 5400),
        (" 1D2H3M4S ", 93784),
        (timedelta(minutes=90), 5400),
        (5400, 5400),
        (0.25, 1),
        (Numeric(60.0), 60),
        ("365d", 31_536_000),
    ],
)
def test_a_phase_is_announced_in_words_or_seconds(phase: Any, seconds: int) -> None:
    assert told(next_within=phase)[0]["next_within_seconds"] == seconds


@pytest.mark.parametrize(
    "phase",
    ["90", "soon", "", "h", "1h 30m", "30m1h", "1.5h", "٩h", 0, -1, "0s", "366d", True, float("inf"), float("nan")],
)
def test_a_phase_without_unit_or_end_is_left_out_and_said(phase: Any) -> None:
    detail, line = told(next_within=phase)
    assert detail["next_within_seconds"] is None
    assert "; ignored: next_within " in line


@pytest.mark.parametrize(
    ("checkpoint", "sent"),
    [
        ("s3://bucket/step-800", "s3://bucket/step-800"),
        (PurePosixPath("/opt/ml/checkpoints/8"), "/opt/ml/checkpoints/8"),
        ("x" * 256, "x" * 256),
        ("y" + "x" * 256, "..." + "x" * 253),
        ("two\nlines\x00\ud800", "two?lines??"),
        ("", None),
    ],
)
def test_a_checkpoint_is_a_text_of_at_most_256_characters(checkpoint: Any, sent: str | None) -> None:
    assert told(checkpoint=checkpoint)[0]["checkpoint"] == sent


@pytest.mark.parametrize("checkpoint", [True, 800, b"bytes"])
def test_a_checkpoint_that_is_no_text_is_left_out_and_said(checkpoint: Any) -> None:
    detail, line = told(checkpoint=checkpoint)
    assert (detail["checkpoint"], detail["checkpoint_at"]) == (None, None)
    assert "; ignored: checkpoint " in line


def test_metrics_are_finite_numbers() -> None:
    detail, line = told(loss=0.5, samples=3, lr=Tensor(1e-4), broken=float("nan"), name="adam")
    assert detail["metrics"] == {"loss": 0.5, "samples": 3, "lr": 1e-4}
    assert line.endswith("; ignored: metric broken is not finite; metric name is not a number")


def test_of_too_many_metrics_the_first_twenty_are_sent() -> None:
    detail, line = told(**{f"m{n}": n for n in range(21)})
    assert list(detail["metrics"]) == [f"m{n}" for n in range(20)]
    assert "more than 20 metrics" in line


@pytest.mark.parametrize(("length", "sent"), [(64, True), (65, False)])
def test_a_metrics_name_has_at_most_64_characters(length: int, sent: bool) -> None:
    assert bool(told(**{"n" * length: 1.0})[0]["metrics"]) is sent


def test_many_metrics_before_one_beat_keep_the_newest_and_no_memory_of_the_rest() -> None:
    training = Training()
    training.heartbeat(step=0)
    training.turn()
    for step in range(1000):
        training.heartbeat(step=step, loss=step, **{f"loss_{step}": step})
    training.after(300)
    metrics = training.last["metrics"]
    assert len(metrics) == 20
    assert (metrics["loss"], metrics["loss_999"]) == (999, 999)


def test_a_tensor_waits_without_its_graph_and_is_read_only_when_it_is_sent() -> None:
    training = Training()
    read: list[bool] = []

    class Recorded(Tensor):
        def __float__(self) -> float:
            raise AssertionError("training would have waited for the GPU")

        def detach(self) -> Tensor:
            read.append(True)
            return Tensor(self.value, attached=False)

    training.heartbeat(loss=Recorded(0.5))
    assert read == [True]
    training.turn()
    assert training.last["metrics"] == {"loss": 0.5}


def test_a_detail_stays_below_four_kilobytes() -> None:
    wide = "\U0001f600"
    training = Training()
    training.client.start(wide * 999, '"' * 999, 2**53)
    training.heartbeat(2**53, 2**53, wide * 999, "365d", **{f"{wide * 60}{n:02}": 1 / 3 for n in range(20)})
    training.turn()
    sizes = [len(entry["Detail"].encode()) for entry in training.events.calls[0]]
    assert all(size < 4096 for size in sizes), sizes
    detail = training.last
    assert detail["checkpoint"] == "..." + wide * 253
    assert 0 < len(detail["metrics"]) < 20
    assert "fit into 4 KB" in training.lines[0]


def test_a_detail_has_exactly_the_keys_of_the_wire_format() -> None:
    detail, _ = told(step=812, total=900, checkpoint="s3://bucket/step-800", next_within="2h", loss=0.31)
    session = detail.pop("session")
    assert len(session) == 16
    assert int(session, 16) >= 0
    assert detail == {
        "v": 1,
        "member": {"service": "ec2", "id": "i-0abc12345def67890", "account": "111122223333", "region": "us-east-1"},
        "at": "2026-11-22T09:00:00.000Z",
        "seq": 1,
        "step": 812,
        "total": 900,
        "checkpoint": "s3://bucket/step-800",
        "checkpoint_at": "2026-11-22T09:00:00.000Z",
        "next_within_seconds": 7200,
        "metrics": {"loss": 0.31},
        "client": "costwatch-client/0.1.0",
    }


def test_every_process_has_a_session_of_its_own() -> None:
    assert told(step=1)[0]["session"] != told(step=1)[0]["session"]


def test_an_entry_names_source_type_and_bus() -> None:
    training = Training()
    training.heartbeat()
    training.turn()
    ((entry,),) = training.events.calls
    assert {key: value for key, value in entry.items() if key != "Detail"} == {
        "Source": "costwatch.client",
        "DetailType": "Run Heartbeat",
        "EventBusName": "costwatch",
    }


def test_the_readme_shows_a_detail_as_it_is_sent() -> None:
    readme = Path(costwatch_client.__file__).with_name("README.md").read_text(encoding="utf-8")
    example = json.loads(next(line for line in readme.splitlines() if line.startswith('{"v":1')))
    sent, _ = told(step=1)
    assert list(example) == list(sent)
    assert list(example["member"]) == list(sent["member"])
    assert example["client"] == sent["client"]


def test_start_says_what_the_run_is_made_of() -> None:
    training = Training()
    training.client.start("0123abc", PurePosixPath("/data/v7"), 42)
    training.turn()
    kind, detail = training.events.sent[0]
    assert kind == "Run Started"
    python = detail["fingerprint"].pop("python")
    assert python.startswith("3.")
    assert detail["fingerprint"] == {"git": "0123abc", "data": "/data/v7", "seed": 42}


@pytest.mark.parametrize(
    ("environ", "hosts"),
    [({"SM_CURRENT_HOST": "algo-1", "SM_HOSTS": '["algo-1","algo-2"]'}, 2), ({"SLURM_NNODES": "8"}, 8)],
)
def test_start_says_on_how_many_hosts_where_something_says_so(environ: dict[str, str], hosts: int) -> None:
    training = Training()
    training.environ.update(environ)
    training.client.start(None, None, None)
    training.turn()
    assert training.last["fingerprint"]["host_count"] == hosts


def test_a_fingerprint_that_cannot_be_read_is_left_out_and_said() -> None:
    training = Training()
    training.client.start(Hostile(), [1], "seven")
    training.turn()
    fingerprint = training.last["fingerprint"]
    assert (fingerprint["git"], fingerprint["data"], fingerprint["seed"]) == (None, None, None)
    assert all(word in training.lines[0] for word in ("git (a Hostile)", "data (a list)", "seed 'seven'"))


COMMIT, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40


def test_the_commit_is_read_from_a_checked_out_branch(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    (tmp_path / "src").mkdir()
    assert costwatch_client._commit(tmp_path / "src") == COMMIT


def test_the_commit_is_read_from_a_detached_head(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(f"{COMMIT}\n")
    assert costwatch_client._commit(tmp_path) == COMMIT


def test_the_commit_is_read_from_packed_refs_of_a_worktree(tmp_path: Path) -> None:
    git, tree = tmp_path / "main" / ".git", tmp_path / "tree"
    (git / "worktrees" / "tree").mkdir(parents=True)
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {git}/worktrees/tree\n")
    (git / "worktrees" / "tree" / "HEAD").write_text("ref: refs/heads/wip\n")
    (git / "worktrees" / "tree" / "commondir").write_text("../..\n")
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{OTHER} refs/heads/main\n{COMMIT} refs/heads/wip\n")
    assert costwatch_client._commit(tree) == COMMIT


def test_without_a_repository_there_is_no_commit_and_no_complaint(tmp_path: Path) -> None:
    assert costwatch_client._commit(tmp_path) is None


def _weird() -> st.SearchStrategy[Any]:
    plain = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.complex_numbers(),
        st.text(),
        st.binary(),
        st.timedeltas(),
        st.datetimes(),
        st.decimals(),
        st.fractions(),
        st.just(10**400),
        st.builds(Hostile),
        st.builds(HostileText, st.text()),
        st.builds(Numeric, st.floats()),
        st.sampled_from([object, Hostile, Ellipsis, print, "x" * 100_000, "9" * 5000 + "h", PurePosixPath("/a")]),
    )
    return st.one_of(plain, st.lists(plain, max_size=3), st.dictionaries(st.text(), plain, max_size=3))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    positional=st.lists(_weird(), max_size=6),
    named=st.dictionaries(
        st.one_of(st.text(), st.sampled_from(["step", "total", "git", "self"])), _weird(), max_size=25
    ),
    call=st.sampled_from([costwatch_client.heartbeat, costwatch_client.done, costwatch_client.start]),
)
def test_nothing_is_ever_raised_into_training(
    positional: list[Any], named: dict[str, Any], call: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = list(inspect.signature(call).parameters)[: len(positional)]
    named = {name: value for name, value in named.items() if name not in taken}
    training = Training()
    monkeypatch.setattr(costwatch_client, "_client", training.client)
    call(*positional, **named)
    training.turn()
    assert len(training.lines) == 1
    assert "\n" not in training.lines[0]
    assert training.lines[0].startswith("ok, "), "the rest of the beat goes out all the same"
    for call_entries in training.events.calls:
        for entry in call_entries:
            assert len(entry["Detail"].encode()) < 4096
            json.loads(entry["Detail"], parse_constant=pytest.fail)
