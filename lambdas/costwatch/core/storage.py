"""What attached storage costs, and which types bring their own. Billed by the GB-month, pro rata to the second.

A month is 30 days, as in the worked examples of EBS's price page.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

MONTH_HOURS: Final = 30 * 24

# `d` behind the generation means local disks (p4d, g5d, c6gd); these families have them without saying so.
_LOCAL = re.compile(
    r"(?:[a-z]+\d+[a-z]*d[a-z]*|g4ad|g5|g6|g6e|gr6|g6f|gr6f|g7e|p5|p5e|p5en|p6[a-z0-9-]*|trn1|trn1n|trn2|dl1|i\d\w*)"
)


def has_local_disks(instance_type: str) -> bool:
    """Whether SageMaker attaches no gp2 volume, since the type has NVMe disks: `ml.p4d.24xlarge`, `ml.g5.xlarge`."""
    return _LOCAL.fullmatch(instance_type.removeprefix("ml.").partition(".")[0]) is not None


def hourly_usd(gb: int, gb_month_usd: Decimal) -> Decimal:
    """USD per hour for `gb` at a price per GB-month."""
    return gb * gb_month_usd / MONTH_HOURS
