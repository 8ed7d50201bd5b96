"""All that a scan has to say, in one value: text, JSON and page are made of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Self

from costwatch.core.policy import Service
from costwatch.scan import fitting
from costwatch.scan.inventory import Gap, GapKind, Inventory
from costwatch.scan.lines import Doubt, Finding, Line, Total, of, total

HEADINGS: Final = {
    Finding.STOP: "Would be stopped",
    Finding.WARN: "Would be warned",
    Finding.UNPROVEN: "Cannot be proven",
    Finding.HOLD: "Would be held",
    Finding.KEEP: "Within the limit",
    Finding.LISTED: "Listed only",
}
NOTES: Final = {
    Finding.STOP: "Past max_runtime 12h, or the limit named below. Owners are warned at least 30 minutes before.",
    Finding.WARN: "Less than an hour is left; or past its limit, and of a kind that is only warned about.",
    Finding.UNPROVEN: "Reported and alarmed, never acted on.",
    Finding.HOLD: "Past its limit, and something stands in the way of stopping it.",
    Finding.LISTED: "Notebooks, endpoints, prepaid capacity: no limit yet.",
}
BASIS: Final = (
    "Judged by the defaults: max_runtime 12h, warn_before 1h, hard_cap 72h, tags as by default. List prices, before "
    "discounts and without storage; spot counts at list price; a month is 730 hours. On EC2 only accelerator instances "
    "are listed."
)


@dataclass(frozen=True, slots=True)
class Report:
    """`lines` are the dearest first; `configuration` is the text of a fitted costwatch.yaml."""

    inventory: Inventory
    lines: tuple[Line, ...]
    home: str
    configuration: str

    @classmethod
    def of(cls, inventory: Inventory, lines: Sequence[Line], *, home: str) -> Self:
        """`home`: the region the caller works in, which becomes the home region where something runs in it."""
        return cls(inventory, tuple(lines), home, fitting.configuration(inventory, lines, home=home))

    def fitted(self, kinds: Collection[Service] = ()) -> fitting.Fitted:
        """The parts that `configuration` is made of; `kinds`: of jobs that are to be picked, too."""
        return fitting.fitted(self.inventory, self.lines, home=self.home, kinds=kinds)

    @property
    def total(self) -> Total:
        return total(self.lines)

    def lines_of(self, finding: Finding) -> list[Line]:
        return of(self.lines, finding)

    def total_of(self, finding: Finding) -> Total:
        return total(self.lines_of(finding))

    @property
    def unproven(self) -> list[str]:
        """A sentence for each way in which something could not be proven; empty when all could."""
        said = [(sum(line.doubt is doubt for line in self.lines), what) for doubt, what in _DOUBTS.items()]
        said.append((self.total.without_price, "without a known price: in no total above, and not free"))
        return [f"{number} line{'s' * (number > 1)} {what}" for number, what in said if number]

    @property
    def gaps(self) -> list[str]:
        """What could not be read, one sentence for all regions that share a reason."""
        return [*_gap_lines(self.inventory.gaps)]

    @property
    def regions_line(self) -> str:
        """`3 regions read (a, b, c); 17 not enabled`."""
        read = sorted({each.region for each in self.inventory.findings if each.answered})
        said = f"{len(read)} of {len(self.inventory.regions)} regions read" + (f" ({', '.join(read)})" if read else "")
        left_out = {
            "not enabled in this account": self.inventory.not_enabled,
            "of another partition, so not asked": self.inventory.elsewhere,
        }
        for why, regions in left_out.items():
            said += f"; {why}: {', '.join(regions) if len(regions) <= _NAMED else len(regions)}" if regions else ""
        return said


_NAMED = 6
_REASON_CHARACTERS = 200
_SAGEMAKER_LISTS = 6
_DOUBTS = {
    Doubt.TAGS: "with tags that could not be read",
    Doubt.AGE: "of unknown age",
    Doubt.DESCRIPTION: "for what exists and could not be described",
}
_WORDS = {
    GapKind.DENIED: "denied",
    GapKind.NOT_ENABLED: "not enabled for this account, or not open to these credentials",
    GapKind.NOT_KNOWN: "not known here",
    GapKind.SILENT: "no answer",
    GapKind.FAILED: "failed",
}


def _gap_lines(gaps: Sequence[Gap]) -> list[str]:
    by_region: defaultdict[str, list[Gap]] = defaultdict(list)
    for gap in gaps:
        by_region[gap.region].append(gap)
    alike: defaultdict[tuple[GapKind, tuple[str, ...]], list[Gap]] = defaultdict(list)
    for found in by_region.values():
        for kind in dict.fromkeys(gap.kind for gap in found):
            of_kind = [gap for gap in found if gap.kind is kind]
            alike[kind, tuple(sorted(gap.operation for gap in of_kind))].append(of_kind[0])
    said = []
    for (kind, operations), examples in alike.items():
        where = ", ".join(sorted(gap.region for gap in examples))
        reason = examples[0].reason
        shortened = reason if len(reason) <= _REASON_CHARACTERS else reason[: _REASON_CHARACTERS - 3] + "..."
        said.append(f"{where}: {_WORDS[kind]}: {', '.join(_in_short(operations))} ({shortened})")
    return sorted(said)


def _in_short(operations: Sequence[str]) -> list[str]:
    """All of SageMaker's lists are one word."""
    lists = [each for each in operations if each.startswith("sagemaker")]
    if len(lists) < _SAGEMAKER_LISTS and "sagemaker" not in lists:
        return list(operations)
    return [*(each for each in operations if each not in lists), "all of SageMaker"]
