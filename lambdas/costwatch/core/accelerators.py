"""Which instance types carry accelerators: GPUs, Trainium, Inferentia, Gaudi, Qualcomm AI 100."""

from __future__ import annotations

import re
from typing import Final

_FAMILIES = re.compile(r"(?:ml\.)?(?:p\d|g\d|gr\d|trn\d|inf\d|dl\d)[a-z0-9-]*\..+")

WILDCARDS: Final = ("p*", "g*", "trn*", "inf*", "dl*")
"""EC2's own filter for them: it lets through all that `is_accelerator` accepts, and little else."""


def is_accelerator(instance_type: str) -> bool:
    """`p4d.24xlarge`, `ml.g5.xlarge`, `trn1.32xlarge`; not `m5.large`."""
    return _FAMILIES.fullmatch(instance_type) is not None
