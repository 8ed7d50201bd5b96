"""Which instance types carry accelerators (GPUs, Trainium, Inferentia, Gaudi, Qualcomm AI 100), and how many."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

_FAMILIES = re.compile(r"(?:ml\.)?(?:p\d|g\d|gr\d|trn\d|inf\d|dl\d)[a-z0-9-]*\..+")

WILDCARDS: Final = ("p*", "g*", "trn*", "inf*", "dl*")
"""EC2's own filter for them: it lets through all that `is_accelerator` accepts, and little else."""


def is_accelerator(instance_type: str) -> bool:
    """`p4d.24xlarge`, `ml.g5.xlarge`, `trn1.32xlarge`; not `m5.large`."""
    return _FAMILIES.fullmatch(instance_type) is not None


def count(instance_type: str) -> Decimal | None:
    """Accelerators of one instance, `ml.` or not: 0 for a type without any; None: it has some, how many is not known.

    A type that shares a GPU has a fraction of one.
    """
    bare = instance_type.removeprefix("ml.")
    if not is_accelerator(bare):
        return Decimal(0)
    found = _COUNTS.get(bare)
    return Decimal(found) if found is not None else None


def known() -> frozenset[str]:
    """Accelerated types of EC2 whose number of accelerators is known."""
    return frozenset(_COUNTS)


# As the EC2 prices of accelerated types list them (all regions, read on 2025-11-30), and EC2's own pages for the rest.
_COUNTS: Final[Mapping[str, str]] = {
    name: number
    for number, names in {
        "0.125": "g6f.large g6f.xlarge",
        "0.25": "g6f.2xlarge",
        "0.5": "g6f.4xlarge gr6f.4xlarge",
        "1": "g2.2xlarge g3.4xlarge g3s.xlarge g4ad.xlarge g4ad.2xlarge g4ad.4xlarge g4dn.xlarge g4dn.2xlarge "
        "g4dn.4xlarge g4dn.8xlarge g4dn.16xlarge g5.xlarge g5.2xlarge g5.4xlarge g5.8xlarge g5.16xlarge g5g.xlarge "
        "g5g.2xlarge g5g.4xlarge g5g.8xlarge g6.xlarge g6.2xlarge g6.4xlarge g6.8xlarge g6.16xlarge g6e.xlarge "
        "g6e.2xlarge g6e.4xlarge g6e.8xlarge g6e.16xlarge g7e.2xlarge g7e.4xlarge g7e.8xlarge gr6.4xlarge gr6.8xlarge "
        "inf1.xlarge inf1.2xlarge inf2.xlarge inf2.8xlarge p2.xlarge p3.2xlarge p5.4xlarge trn1.2xlarge",
        "2": "g3.8xlarge g4ad.8xlarge g5g.16xlarge g5g.metal g7e.12xlarge",
        "4": "g2.8xlarge g3.16xlarge g4ad.16xlarge g4dn.12xlarge g5.12xlarge g5.24xlarge g6.12xlarge g6.24xlarge "
        "g6e.12xlarge g6e.24xlarge g7e.24xlarge inf1.6xlarge p2.8xlarge p3.8xlarge",
        "6": "inf2.24xlarge",
        "8": "dl1.24xlarge dl2q.24xlarge g4dn.metal g5.48xlarge g6.48xlarge g6e.48xlarge g7e.48xlarge p2.16xlarge "
        "p3.16xlarge p3dn.24xlarge p4d.24xlarge p4de.24xlarge p5.48xlarge p5e.48xlarge p5en.48xlarge "
        "p6-b200.48xlarge p6-b300.48xlarge",
        "12": "inf2.48xlarge",
        "16": "inf1.24xlarge trn1.32xlarge trn1n.32xlarge trn2.48xlarge",
    }.items()
    for name in names.split()
}
