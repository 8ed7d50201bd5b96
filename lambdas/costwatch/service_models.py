"""botocore's models of AWS's services without what no program reads: they are most of the time that a client takes.

EC2's is 4 MB of JSON, two thirds of it documentation. Nothing of what botocore does with an operation changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

Model = Mapping[str, Any]
_EXPLAINED: Final = ("clientContextParams",)


def without_documentation(model: Model) -> dict[str, Any]:
    """The same operations and shapes, none of them explained.

    But for a client's own settings, such as S3's: there botocore reads the explanation, and fails where there is none.
    """
    plain: dict[str, Any] = _plain(model)
    return plain | {key: model[key] for key in _EXPLAINED if key in model}


def only(model: Model, operations: Collection[str]) -> dict[str, Any]:
    """These operations and the shapes that they are made of, unexplained. Raises KeyError for one that is not there."""
    kept = {name: _plain(model["operations"][name]) for name in operations}
    shapes: dict[str, Any] = {}
    waiting = list(_shapes_of(kept))
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = _plain(model["shapes"][name])
            waiting.extend(_shapes_of(shapes[name]))
    others = {name: part for name, part in model.items() if name not in ("operations", "shapes")}
    return {**_plain(others), "operations": kept, "shapes": shapes}


def _plain(part: Any) -> Any:
    """A member may be called `documentation`, too: then it is no text."""
    if isinstance(part, dict):
        return {k: _plain(v) for k, v in part.items() if not (k == "documentation" and isinstance(v, str))}
    return [_plain(each) for each in part] if isinstance(part, list) else part


def _shapes_of(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "shape" and isinstance(value, str):
                yield value
            else:
                yield from _shapes_of(value)
    elif isinstance(part, list):
        for each in part:
            yield from _shapes_of(each)
