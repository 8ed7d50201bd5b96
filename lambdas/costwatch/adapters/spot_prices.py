"""Spot price history: `ec2:DescribeSpotPriceHistory`, in as few calls as a region's budget allows.

A popular type's price changes several times a day in each zone, so two weeks of everything would be dozens of pages.
AWS answers the newest first, and with a start time also the change before it: where the budget ends, what was read is
whole from its oldest row on, and the window is that much shorter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from costwatch.adapters.aws_errors import translated
from costwatch.core.spot_quantiles import PriceChange

PAGE: Final = 1000
MOST_TYPES: Final = 200
"""EC2's limit for the values of one filter."""
SHORTEST_WINDOW: Final = timedelta(days=1)
"""What is known of less time than this says nothing about the next job."""
_LINUX: Final = "Linux/UNIX"


@dataclass(frozen=True, slots=True)
class SpotHistory:
    """Changes by zone and type, whole from `begins` on. `problem`: what was cut; empty: nothing."""

    changes: Mapping[tuple[str, str], list[PriceChange]]
    begins: datetime
    problem: str = ""


@dataclass
class SpotPrices:
    """Of one region. Raises AwsError; `calls` counts requests."""

    client: Any
    calls: int = field(default=0, init=False)

    def history(self, types: Iterable[str], begins: datetime, ends: datetime, *, most_pages: int) -> SpotHistory:
        """The Linux prices of `types` from `begins` to `ends`, in at most `most_pages` calls."""
        every = sorted(set(types))
        wanted, left_out = every[:MOST_TYPES], every[MOST_TYPES:]
        rows, whole = self._rows(wanted, begins, ends, most_pages) if wanted else ([], True)
        told = [f"{len(left_out)} types beyond {MOST_TYPES} were not asked about"] if left_out else []
        if not whole:
            oldest = min((change.at for _, change in rows), default=ends)
            newest_first = bool(rows) and rows[0][1].at >= rows[-1][1].at
            begins = max(begins, oldest) if newest_first else ends
            days = round((ends - begins) / timedelta(days=1), 1)
            told.append(f"{most_pages} pages reach back {days} days only")
        changes: dict[tuple[str, str], list[PriceChange]] = {}
        for where, change in rows if ends - begins >= SHORTEST_WINDOW else []:
            changes.setdefault(where, []).append(change)
        return SpotHistory(changes, begins, "; ".join(told))

    def _rows(
        self, types: list[str], begins: datetime, ends: datetime, most_pages: int
    ) -> tuple[list[tuple[tuple[str, str], PriceChange]], bool]:
        """The rows, and whether they are all."""
        found: list[tuple[tuple[str, str], PriceChange]] = []
        token: dict[str, str] = {}
        for _ in range(most_pages):
            self.calls += 1
            with translated("ec2:DescribeSpotPriceHistory"):
                answer = self.client.describe_spot_price_history(
                    StartTime=begins,
                    EndTime=ends,
                    ProductDescriptions=[_LINUX],
                    # A filter and not InstanceTypes: that refuses the call for one type that the region has not.
                    Filters=[{"Name": "instance-type", "Values": types}],
                    MaxResults=PAGE,
                    **token,
                )
            for row in answer.get("SpotPriceHistory", []):
                usd = _positive(row.get("SpotPrice"))
                if usd is not None:
                    found.append(((row["AvailabilityZone"], row["InstanceType"]), PriceChange(row["Timestamp"], usd)))
            if not answer.get("NextToken"):
                return found, True
            token = {"NextToken": answer["NextToken"]}
        return found, False


def _positive(text: object) -> Decimal | None:
    """A price of 0, or one that is no number, is no price."""
    try:
        usd = Decimal(str(text))
    except InvalidOperation:
        return None
    return usd if usd.is_finite() and usd > 0 else None
