"""Selectors that are never reached, because one above them picks everything they could."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from costwatch.core.policy import PurchaseOption, Service

if TYPE_CHECKING:
    from costwatch.config.fields import Tags
    from costwatch.config.model import Selector


def picks_all_of(earlier: Selector, later: Selector, kind: Service) -> bool:
    """Whether whatever `later` picks of `kind` is picked by `earlier` as well. False where that cannot be told."""
    if earlier.ec2 and later.ec2:
        return (
            _tags_cover(earlier.ec2.tag, later.ec2.tag)
            and _types_cover(earlier.ec2.types, later.ec2.types)
            and _purchase_covers(earlier.ec2.purchase, later.ec2.purchase)
        )
    if earlier.sagemaker and later.sagemaker:
        return (
            kind in earlier.sagemaker.jobs
            and _tags_cover(earlier.sagemaker.tag, later.sagemaker.tag)
            and _types_cover(earlier.sagemaker.types, later.sagemaker.types)
        )
    return False


def _tags_cover(earlier: Tags, later: Tags) -> bool:
    """Every tag the earlier one asks for is asked for by the later one, with no value more."""
    return all(key in later and set(later[key]) <= set(values) for key, values in earlier.items())


def _types_cover(earlier: Sequence[str], later: Sequence[str]) -> bool:
    if not earlier:
        return True
    return bool(later) and all(any(_wildcard_covers(wide, narrow) for wide in earlier) for narrow in later)


def _wildcard_covers(wide: str, narrow: str) -> bool:
    """Whether all types that match `narrow` match `wide` too; false also for some that do.

    `wide` is matched against `narrow` as it is written. Its `*` take in whatever a wildcard of `narrow` stands for; its
    `?` takes in one character and no more, so beside another wildcard it proves nothing.
    """
    if wide == narrow:
        return True
    if "?" in wide and ("*" in narrow or "?" in narrow):
        return False
    return fnmatchcase(narrow, wide)


def _purchase_covers(earlier: PurchaseOption | None, later: PurchaseOption | None) -> bool:
    # Without a purchase option a selector takes on-demand and spot, so prepaid capacity still gets past it.
    if earlier is None:
        return later is not PurchaseOption.CAPACITY_BLOCK
    return earlier is later
