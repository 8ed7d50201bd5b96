"""An error matrix: what each candidate would have erred in each week, and what training it cost."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from costwatch.errors import InputError

Floats = NDArray[np.float64]

_LEAST_WEEKS: Final = 10
_NUMBERS: Final = "iuf"
_ZIP: Final = b"PK"
"""So begins an .npz file, which is an archive."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """`errors[i, t]`: error in week t of the candidate trained on data before week i; NaN where t < i.

    `costs[i]`: what training it cost, in any unit. `y[t]`: the series. All of `weeks` weeks.
    """

    series: str
    errors: Floats
    costs: Floats
    y: Floats

    @property
    def weeks(self) -> int:
        """How many are replayed."""
        return int(self.y.size)


def load(path: Path) -> Matrix:
    """Read `E`, `C` and `y`. Pickles are refused. Raises InputError with one sentence."""
    try:
        with path.open("rb") as raw:
            if not raw.read(len(_ZIP)).startswith(_ZIP):
                raise InputError(f"{path}: not an .npz file with the arrays E, C and y")
            raw.seek(0)
            file = np.load(raw, allow_pickle=False)
            if missing := [key for key in ("E", "C", "y") if key not in file]:
                raise InputError(f"{path}: has no array {' and no '.join(missing)}")
            arrays = [np.asarray(file[key]) for key in ("E", "C", "y")]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or 'it is no .npz file'}") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        what = "its arrays are pickled objects, which are not read" if "pickle" in str(error).lower() else "damaged"
        raise InputError(f"{path}: not an .npz file of plain arrays ({what})") from None
    try:
        return checked(path.stem.removeprefix("res_errmatrix_"), *arrays)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def checked(series: str, errors: NDArray[Any], costs: NDArray[Any], y: NDArray[Any]) -> Matrix:
    """The replayed part: weeks before the first candidate are left out, and a candidate after the last week.

    Raises InputError naming the array, the row and the week.
    """
    for name, array, dimensions in (("E", errors, 2), ("C", costs, 1), ("y", y, 1)):
        if array.dtype.kind not in _NUMBERS:
            raise InputError(f"{name} must hold numbers, not {array.dtype}")
        if array.ndim != dimensions:
            raise InputError(f"{name} must have {dimensions} dimension{'s'[: dimensions - 1]}, not {array.ndim}")
    rows, weeks = errors.shape
    if rows < weeks:
        raise InputError(f"E must have a candidate for each of its {weeks} weeks, not {rows}")
    if costs.size != rows:
        raise InputError(f"C must have a cost for each of the {rows} candidates of E, not {costs.size}")
    if y.size not in {weeks, rows}:
        raise InputError(f"y must have a value for each of the {weeks} weeks of E, not {y.size}")
    square = errors[:weeks].astype(np.float64)
    early = np.argwhere(~_future(weeks) & ~np.isnan(square))
    if early.size:
        row, week = (int(each) for each in early[0])
        raise InputError(
            f"E[{row}, {week}] is {square[row, week]}: before its own week a candidate has none, expected NaN"
        )
    trained = np.flatnonzero(~np.isnan(np.diagonal(square)))
    if not trained.size:
        raise InputError("E has no candidate with an error in its own first week: all of them are NaN")
    first = int(trained[0])
    kept = slice(first, weeks)
    made = Matrix(series, square[kept, kept], costs[kept].astype(np.float64), y[kept].astype(np.float64))
    if made.weeks < _LEAST_WEEKS:
        has = f"{made.weeks} week{'' if made.weeks == 1 else 's'}"
        raise InputError(f"E has {has} from the first candidate on, and at least {_LEAST_WEEKS} are needed")
    _check_values(made, first)
    return made


def _check_values(made: Matrix, first: int) -> None:
    wrong = _future(made.weeks) & ~(np.isfinite(made.errors) & (made.errors >= 0))
    if wrong.any():
        row, week = (int(each) for each in np.argwhere(wrong)[0])
        raise InputError(
            f"E[{row + first}, {week + first}] is {made.errors[row, week]}: an error must be a finite number and not "
            f"negative from a candidate's own week on"
        )
    bad = np.flatnonzero(~(np.isfinite(made.costs) & (made.costs >= 0)))
    if bad.size:
        at = int(bad[0])
        raise InputError(f"C[{at + first}] is {made.costs[at]}: a cost must be a finite number and not negative")
    if not made.costs.any():
        raise InputError("C is 0 for every candidate: no share of nothing can be avoided")
    unknown = np.flatnonzero(~np.isfinite(made.y))
    if unknown.size:
        at = int(unknown[0])
        raise InputError(f"y[{at + first}] is {made.y[at]}: the series must be a finite number in each week")


def _future(weeks: int) -> NDArray[np.bool_]:
    """Where t >= i."""
    return np.triu(np.ones((weeks, weeks), dtype=bool))
