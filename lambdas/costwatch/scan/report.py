"""All that a scan has to say, in one value: text, JSON and page are made of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from costwatch.scan import fitting
from costwatch.scan.inventory import Gap, GapKind, Inventory
from costwatch.scan.lines import Finding, Line, Total, of, total


@dataclass(frozen=True, slots=True)
class Report:
    """`lines` are the dearest first; `configuration` is the text of a fitted costwatch.yaml."""

    inventory: Inventory
    lines: tuple[Line, ...]
    configuration: str

    @classmethod
    def of(cls, inventory: Inventory, lines: Sequence[Line], *, home: str) -> Self:
        """`home`: the region the caller works in, which becomes the home region where something runs in it."""
        return cls(inventory, tuple(lines), fitting.configuration(inventory, lines, home=home))

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
        unreadable = sum(any(m.tags is None for m in line.members) for line in self.lines)
        nameless = [line for line in self.lines_of(Finding.UNPROVEN) if not line.members]
        ageless = [line for line in self.lines if line.since is None and line.finding is Finding.UNPROVEN]
        said = [
            (unreadable, "with tags that could not be read"),
            (len(nameless), "that could not be described, or whose tags could not be read"),
            (len(ageless), "of unknown age"),
            (self.total.without_price, "without a known price: counted in no total, and not free"),
        ]
        return [f"{number} {what}" for number, what in said if number]

    @property
    def gaps(self) -> list[str]:
        """What could not be read, one sentence for all regions that share a reason."""
        return [*_gap_lines(self.inventory.gaps)]

    @property
    def regions_line(self) -> str:
        """`3 regions read (a, b, c); 17 not enabled`."""
        read = sorted({each.region for each in self.inventory.findings if each.answered})
        said = f"{len(read)} of {len(self.inventory.regions)} regions read" + (f" ({', '.join(read)})" if read else "")
        off = self.inventory.not_enabled
        if not off:
            return said
        return f"{said}; not enabled in this account: {', '.join(off) if len(off) <= _NAMED else len(off)}"


_NAMED = 6
_WORDS = {
    GapKind.DENIED: "denied",
    GapKind.NOT_ENABLED: "not enabled for this account, or not open to these credentials",
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
        what = ", ".join(operations)
        said.append(f"{where}: {_WORDS[kind]}: {what} ({examples[0].reason})")
    return sorted(said)
