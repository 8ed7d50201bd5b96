"""Files for the replay: what is read, and one sentence for what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import res_replay
from bench.replay.matrix import load
from costwatch.errors import InputError
from tests.support.matrices import drifting, saved

WEEKS = 30
MATRIX = drifting(WEEKS)


def file(directory: Path, **instead: Any) -> Path:
    return saved(directory / "res_errmatrix_sales.npz", MATRIX, **instead)


def refusal(directory: Path, **instead: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(file(directory, **instead))
    return str(caught.value).partition("npz: ")[2]


def changed(array: np.ndarray[Any, Any], at: Any, value: float) -> np.ndarray[Any, Any]:
    made = array.copy()
    made[at] = value
    return made


def test_a_matrix_is_read_and_named_after_its_file(tmp_path: Path) -> None:
    found = load(file(tmp_path))
    assert (found.series, found.weeks) == ("sales", WEEKS)
    assert np.array_equal(found.errors, MATRIX.errors, equal_nan=True)


def test_a_candidate_after_the_last_week_is_left_out(tmp_path: Path) -> None:
    longer = np.vstack([MATRIX.errors, np.full(WEEKS, np.nan)])
    found = load(file(tmp_path, E=longer, C=np.append(MATRIX.costs, 5.0)))
    assert found.errors.shape == (WEEKS, WEEKS)
    assert found.costs.size == WEEKS


def test_weeks_before_the_first_candidate_are_left_out(tmp_path: Path) -> None:
    late = changed(changed(MATRIX.errors, slice(0, 8), np.nan), (slice(None), slice(0, 8)), np.nan)
    found = load(file(tmp_path, E=late, C=changed(MATRIX.costs, slice(0, 8), np.nan)))
    assert found.weeks == WEEKS - 8
    assert found.y[0] == MATRIX.y[8]


def test_whole_numbers_of_the_series_are_read(tmp_path: Path) -> None:
    assert load(file(tmp_path, y=np.arange(WEEKS))).y[3] == 3


def test_a_candidate_that_cost_nothing_is_read_and_all_of_them_are_not(tmp_path: Path) -> None:
    assert load(file(tmp_path, C=changed(MATRIX.costs, slice(1, None), 0))).costs.any()
    told = refusal(tmp_path, C=changed(MATRIX.costs, slice(None), 0))
    assert told == "C is 0 for every candidate: no share of nothing can be avoided"


@pytest.mark.parametrize(
    ("instead", "sentence"),
    [
        ({"C": None}, "has no array C"),
        ({"E": None, "y": None}, "has no array E and no y"),
        ({"E": MATRIX.errors[:, 0]}, "E must have 2 dimensions, not 1"),
        ({"C": MATRIX.errors}, "C must have 1 dimension, not 2"),
        ({"E": MATRIX.errors[:20]}, "E must have a candidate for each of its 30 weeks, not 20"),
        ({"C": MATRIX.costs[:29]}, "C must have a cost for each of the 30 candidates of E, not 29"),
        ({"y": MATRIX.y[:29]}, "y must have a value for each of the 30 weeks of E, not 29"),
        ({"y": MATRIX.y.astype(str)}, "y must hold numbers, not <U"),
        ({"E": np.full((30, 30), np.nan)}, "E has no candidate with an error in its own first week: all of them are"),
        ({"E": changed(MATRIX.errors, (3, 9), np.nan)}, "E[3, 9] is nan: an error must be a finite number and not"),
        ({"E": changed(MATRIX.errors, (3, 9), np.inf)}, "E[3, 9] is inf: an error must be a finite number and not"),
        ({"E": changed(MATRIX.errors, (3, 9), -1)}, "E[3, 9] is -1.0: an error must be a finite number and not"),
        ({"C": changed(MATRIX.costs, 4, np.nan)}, "C[4] is nan: a cost must be a finite number and not negative"),
        ({"C": changed(MATRIX.costs, 4, -2)}, "C[4] is -2.0: a cost must be a finite number and not negative"),
        ({"y": changed(MATRIX.y, 6, np.inf)}, "y[6] is inf: the series must be a finite number in each week"),
        ({"y": changed(MATRIX.y, 5, np.nan)}, "y[5] is nan: the series must be a finite number in each week"),
        (
            {"E": changed(MATRIX.errors, (9, 3), 7)},
            "E[9, 3] is 7.0: before its own week a candidate has none, expected",
        ),
        ({"E": changed(MATRIX.errors, (9, 8), 0)}, "E[9, 8] is 0.0: before its own week a candidate has none"),
        (
            {"E": MATRIX.errors[:1, :1], "C": MATRIX.costs[:1], "y": MATRIX.y[:1]},
            "E has 1 week from the first candidate on, and at least 10 are needed",
        ),
        (
            {"E": MATRIX.errors[:9, :9], "C": MATRIX.costs[:9], "y": MATRIX.y[:9]},
            "E has 9 weeks from the first candidate on, and at least 10 are needed",
        ),
    ],
)
def test_another_shape_or_value_is_one_sentence(tmp_path: Path, instead: dict[str, Any], sentence: str) -> None:
    assert refusal(tmp_path, **instead).startswith(sentence)


def test_the_week_that_is_named_counts_from_the_files_own_first(tmp_path: Path) -> None:
    late = changed(changed(MATRIX.errors, slice(0, 8), np.nan), (10, 12), np.nan)
    assert refusal(tmp_path, E=late).startswith("E[10, 12] is nan")


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    assert "pickled objects, which are not read" in str(_error(file(tmp_path, y=np.array([None] * 30, dtype=object))))


def test_what_is_no_npz_file_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.npz"
    text.write_text("week,y\n", "utf-8")
    assert str(_error(text)).endswith("notes.npz: not an .npz file with the arrays E, C and y")
    array = tmp_path / "array.npy"
    np.save(array, MATRIX.errors)
    assert "not an .npz file" in str(_error(array))
    broken = tmp_path / "broken.npz"
    broken.write_bytes(file(tmp_path).read_bytes()[:2000])
    assert "npz file" in str(_error(broken))
    assert "cannot be read: No such file" in str(_error(tmp_path / "none.npz"))
    assert "cannot be read: Is a directory" in str(_error(tmp_path))


def _error(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_json_has_the_shape_that_scripts_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert res_replay.main([str(file(tmp_path)), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["series"] == "sales"
    ours = next(each for each in told["policies"] if each["name"] == "costwatch")
    assert [*ours] == [
        "name", "training_avoided", "promotions_avoided", "vs_always_validated", "vs_always_validated_ci",
        "vs_always_at_once", "random_percentile",
    ]  # fmt: skip
    assert len(ours["vs_always_validated_ci"]) == 2
    assert 0 <= ours["random_percentile"] <= 100


def test_the_table_has_a_line_for_each_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert res_replay.main([str(file(tmp_path))]) == 0
    title, _, _, _, *lines = capsys.readouterr().out.splitlines()
    assert title == "sales: 30 weeks, 2,000 random schedules each"
    assert len(lines) == 18
    assert any(line.startswith("costwatch ") for line in lines)


def test_a_bad_file_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert res_replay.main([str(file(tmp_path, C=None))]) == 2
    assert capsys.readouterr().err.endswith("res_errmatrix_sales.npz: has no array C\n")
