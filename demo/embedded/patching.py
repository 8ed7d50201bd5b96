"""A change to one attribute of a moto class or module, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Patch:
    """`owner.name` becomes `value`."""

    owner: Any
    name: str
    value: Any
