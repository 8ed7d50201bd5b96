"""Instance types as far as this version knows them: which spelling is none, and what was meant."""

from __future__ import annotations

import difflib
import re
from functools import cache
from typing import Final

from costwatch.adapters.prices import EC2, NOTEBOOK, PROCESSING, TRAINING, SeedPrices
from costwatch.core import accelerators

_SHAPE: Final = re.compile(
    r"(?:ml\.)?[a-z][a-z0-9-]*\d[a-z0-9-]*\.(?:nano|micro|small|medium|large|\d*xlarge|metal(?:-\d+xl)?)"
)
_NEAREST: Final = 3


@cache
def known(*, sagemaker: bool) -> frozenset[str]:
    """Of EC2, or of SageMaker (`ml.`). A type that is not among them may exist all the same."""
    if not sagemaker:
        return SeedPrices().types(EC2) | accelerators.known()
    return SeedPrices().types(TRAINING, PROCESSING, NOTEBOOK) | {f"ml.{name}" for name in accelerators.known()}


def problem(instance_type: str, *, sagemaker: bool) -> str:
    """Why this is the name of no type that could ever exist; empty where it is or may be one."""
    if _SHAPE.fullmatch(instance_type) and instance_type.startswith("ml.") is sagemaker:
        return ""
    meant = hint(instance_type, sagemaker=sagemaker)
    example = "ml.p4d.24xlarge" if sagemaker else "p4d.24xlarge"
    return f"{instance_type[:60]!r} is no instance type{meant or f'; expected one such as {example}'}"


def hint(instance_type: str, *, sagemaker: bool) -> str:
    """`; did you mean 'ml.p4d.24xlarge' or 'ml.p4de.24xlarge'?`; empty for a known type, and where none is near.

    A name that is spelt as types are may be one of a family that is newer than this version: nobody is to be led from
    p9 to p5. Of it only another size, or letters that changed places, are offered.
    """
    there = known(sagemaker=sagemaker)
    if instance_type in there:
        return ""
    meant = instance_type.lower()
    if sagemaker and not meant.startswith("ml."):
        meant = f"ml.{meant}"
    if not sagemaker:
        meant = meant.removeprefix("ml.")
    near = [meant] if meant in there else difflib.get_close_matches(meant, sorted(there), n=_NEAREST, cutoff=0.75)
    near.sort(key=lambda each: not _swapped(each, meant))
    if _SHAPE.fullmatch(instance_type):
        near = [each for each in near if _swapped(each, meant) or _family(each) == _family(meant)]
    return f"; did you mean {' or '.join(repr(each) for each in near)}?" if near else ""


def _family(instance_type: str) -> str:
    return instance_type.rpartition(".")[0]


def _swapped(one: str, other: str) -> bool:
    """The same letters in another order: the likeliest slip."""
    return sorted(one) == sorted(other)
