"""Which instances a sweep looks at: all of them where they fit on one page, else those that can matter now.

What is left out would be kept without a word: it is young, no tag of its own sets another limit, nothing is known of it
in the ledger, and its heartbeats are as they should be. A run is listed whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from costwatch.adapters.pulses import MemberKey
from costwatch.core import candidates, grouping, liveness
from costwatch.core.candidates import MARGIN, Filters
from costwatch.core.census import Census
from costwatch.core.heartbeats import Pulse
from costwatch.core.model import Member, RunId
from costwatch.core.policy import Selector, Service
from costwatch.core.record import RunRecord
from costwatch.core.selection import picks
from costwatch.procedures.ports import Ec2Port, Watchdog

MOST_BY_ID: Final = 1000
"""More than these are cheaper to find in a listing of everything, 1000 a page, than by 200 ids a call."""
_PAGE: Final = 250
"""An answer is in memory twice while it is read, 9 KB an instance: with so many it is no more than the first look."""
_SMALLEST_PAGE: Final = 5
"""EC2's own bound."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of a region before anything is listed."""

    records: Mapping[RunId, RunRecord]
    pulses: Mapping[MemberKey, Pulse]


@dataclass(frozen=True, slots=True)
class Listing:
    """`whole`: everything that runs is in it. `census`: the last count of everything, where it is not; if any."""

    members: list[Member]
    whole: bool
    census: Census | None = None


def instances(w: Watchdog, region: str, known: Known) -> Listing:
    """What runs in the region, or of it what can matter now. Raises AwsError."""
    page = _page(w, w.ec2(region), candidates.everything())
    if len(page) <= w.listed_whole:
        return Listing(page, whole=True)
    census = w.ledger.census(w.account, region)
    many = _many(w, page, census)
    return Listing(list(_Candidates(w, region, known, many).found().values()), whole=False, census=census)


def _page(w: Watchdog, ec2: Ec2Port, filters: Filters) -> list[Member]:
    """All that passes, or more of it than a sweep lists without need."""
    most = w.listed_whole + 1
    return list(islice(ec2.matching(filters, max(most, _SMALLEST_PAGE)), most))


def _many(w: Watchdog, page: list[Member], census: Census | None) -> set[str]:
    """Selectors that surely, or probably, pick more than is listed without need: half of a page shows enough."""
    if census is not None:
        return {name for name, count in census.runs_of.items() if count > w.listed_whole}
    watching = candidates.watching(w.policy)
    return {s.name for s in watching if sum(picks(s, member) for member in page) > len(page) / 2}


class _Candidates:
    """Members by id, as they are found by one filter after the other."""

    def __init__(self, w: Watchdog, region: str, known: Known, many: set[str]) -> None:
        self._w = w
        self._region = region
        self._known = known
        self._many = many
        self._ec2 = w.ec2(region)
        self._found: dict[str, Member] = {}

    def found(self) -> dict[str, Member]:
        policy, now = self._w.policy, self._w.now()
        for selector in candidates.watching(policy):
            self._take(self._picked_by(selector))
        for filters in (candidates.overriding(policy.tags), *candidates.grouped(policy, now)):
            self._take(self._ec2.matching(filters, _PAGE))
        self._take(self._with_ids(self._ids()))
        self._take(self._whole())
        return self._found

    def _take(self, members: Iterable[Member]) -> None:
        self._found.update((member.id, member) for member in members)

    def _picked_by(self, selector: Selector) -> Iterable[Member]:
        """All of it while it is few: what a selector picks is worth showing before its time is up, too."""
        if selector.name not in self._many:
            page = _page(self._w, self._ec2, candidates.selected(selector))
            if len(page) <= self._w.listed_whole:
                return page
        return self._ec2.matching(candidates.of_age(selector, self._w.now()), _PAGE)

    def _ids(self) -> set[str]:
        """Members of open runs, and those whose beats may say that they are silent or stalled."""
        records = self._known.records.items()
        ids = {i for run_id, record in records if run_id.kind.service is Service.EC2 for i in record.member_ids}
        interval, until = candidates.shortest_interval(self._w.policy), self._w.now() + MARGIN
        for (service, member_id), pulse in self._known.pulses.items():
            if service is Service.EC2 and liveness.may_matter(pulse, interval, until):
                ids.add(member_id)
        return ids - self._found.keys()

    def _with_ids(self, ids: set[str]) -> Iterable[Member]:
        if len(ids) > MOST_BY_ID:
            return (m for m in self._ec2.matching(candidates.everything()) if m.id in ids)
        return (m for filters in candidates.with_ids(ids) for m in self._ec2.matching(filters))

    def _whole(self) -> Iterable[Member]:
        """The other members of every run that was found or is open."""
        wanted = {run_id for run_id in self._known.records if run_id.kind.service is Service.EC2}
        wanted.update(self._run_of(member) for member in self._found.values())
        filters = candidates.of_runs(wanted, self._w.policy.tags.run)
        return (m for each in filters for m in self._ec2.matching(each, _PAGE) if self._run_of(m) in wanted)

    def _run_of(self, member: Member) -> RunId:
        run_tag = self._w.policy.tags.run
        return grouping.run_id_of(member, account=self._w.account, region=self._region, run_tag=run_tag)
