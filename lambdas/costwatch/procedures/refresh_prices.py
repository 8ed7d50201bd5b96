"""The daily refresh of the price book: every part by itself, so that what fails leaves its old part with its day.

A part is one kind of price in one region. Which types are asked about: every accelerated one, what runs there now as
the ledger knows it (open records, known jobs), what the book had there before, and what a person names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

from costwatch.adapters.ledger import Ledger
from costwatch.adapters.price_list import Listed, PriceList
from costwatch.adapters.price_store import PriceStore
from costwatch.adapters.spot_prices import SHORTEST_WINDOW, SpotHistory, SpotPrices
from costwatch.core import times
from costwatch.core.accelerators import is_accelerator
from costwatch.core.price_book import (
    SPOT,
    PriceBook,
    PriceKind,
    Quantiles,
    empty_book,
    hours,
    only_regions,
    with_failure,
    with_rates,
    with_spot,
)
from costwatch.core.spot_quantiles import quantile
from costwatch.errors import AwsError, TransientAwsError
from costwatch.procedures.report import DATA_ERRORS, Failure

SPOT_DAYS: Final = 14
"""Over so many days spot prices are looked at."""
SPOT_PAGES: Final = 3
"""Calls a region for the types that run there, and as many for all others."""
MOST_OTHER_TYPES: Final = 240
"""Types in a region beside the accelerated ones: a few calls' worth. What runs now comes first."""
FEWEST_NAMES: Final = 4
"""Of fewer names than these any may go in a day; of more no list loses the most of them at once."""
LAST_MOMENT_SECONDS: Final = 45.0
"""So long before the function is cut off no further part is begun: what was read is written."""

_MEDIAN, _NINE_TENTHS = Decimal("0.5"), Decimal("0.9")

Change = Callable[[PriceBook], PriceBook]
Types = Mapping[str, Collection[str]]
"""Instance types by region."""


@dataclass(slots=True)
class PriceReport:
    """What a refresh read and could not read. `failures`: whole parts. `problems`: single prices and what was cut."""

    at: datetime
    regions: tuple[str, ...]
    parts: int = 0
    prices: int = 0
    calls: int = 0
    failures: list[Failure] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    book_bytes: int = 0
    age: timedelta | None = None
    """Of the oldest part, after this refresh."""

    def document(self) -> dict[str, Any]:
        """For machines: the handler's answer and `prices refresh --json`."""
        return {
            "at": times.to_key(self.at),
            "regions": list(self.regions),
            "parts_read": self.parts,
            "prices": self.prices,
            "calls": self.calls,
            "failures": [{"where": f.where, "reason": f.reason, "retry": f.retry} for f in self.failures],
            "problems": list(self.problems),
            "book_bytes": self.book_bytes,
            "age_hours": hours(self.age) if self.age is not None else None,
        }


@dataclass(frozen=True, slots=True)
class PriceSources:
    """Where prices are read. `seconds_left`: until the process is cut off."""

    price_list: PriceList
    spot: Callable[[str], SpotPrices]
    seconds_left: Callable[[], float] = lambda: 3600.0


def refresh_prices(
    sources: PriceSources,
    store: PriceStore,
    ledger: Ledger,
    *,
    account: str,
    configured: Sequence[str],
    regions: Sequence[str] = (),
    types: Collection[str] = (),
    now: datetime,
) -> PriceReport:
    """Refresh the deployed book: of `regions`, or of all `configured` ones. Raises AwsError when it cannot be written.

    Parts of regions that are configured no more are taken out of it.
    """
    chosen = tuple(regions) or tuple(configured)
    report = PriceReport(now, chosen)
    running = {region: {*types, *_running(ledger, account, region, report)} for region in chosen}
    try:
        before = store.load()
    except AwsError as error:
        report.problems.append(f"the book of before is not used: {error}")
        before = None
    changes = collect(sources, before or empty_book(now), running, report)
    book, report.book_bytes = store.update(lambda found: only_regions(applied(changes, found), configured), now)
    report.age = book.age(now, configured)
    return report


def refresh_copy(
    sources: PriceSources, before: PriceBook | None, *, regions: Sequence[str], types: Collection[str], now: datetime
) -> tuple[PriceBook, PriceReport]:
    """A book that no stack keeps, refreshed in `regions`: the others stay in it as they are."""
    report = PriceReport(now, tuple(regions))
    book = before or empty_book(now)
    book = applied(collect(sources, book, dict.fromkeys(regions, types), report), book)
    report.age = book.age(now, regions)
    return book, report


def applied(changes: Sequence[Change], book: PriceBook) -> PriceBook:
    for change in changes:
        book = change(book)
    return book


def collect(sources: PriceSources, before: PriceBook, running: Types, report: PriceReport) -> list[Change]:
    """Read every part of the regions of `running`; what is to be done to the book. Fills `report`."""
    reading = _Reading(sources, before, report)
    for region, types in running.items():
        reading.region(region, types)
    report.calls = sources.price_list.calls + reading.spot_calls
    return reading.changes


@dataclass
class _Reading:
    sources: PriceSources
    before: PriceBook
    report: PriceReport
    changes: list[Change] = field(default_factory=list)
    spot_calls: int = 0
    _priced: dict[str, frozenset[str]] = field(default_factory=dict)

    def region(self, region: str, running: Collection[str]) -> None:
        ec2_types = {each for each in running if not each.startswith("ml.")}
        listed = self.sources.price_list
        named = self._others(region, ec2_types)
        self._part(region, [PriceKind.EC2], lambda: self._take(region, {PriceKind.EC2: listed.ec2(region, named)}))
        jobs = [PriceKind.TRAINING, PriceKind.PROCESSING]
        self._part(region, jobs, lambda: self._take(region, listed.sagemaker(region)))
        ebs = PriceKind.EC2_VOLUME
        self._part(region, [ebs], lambda: self._take(region, {ebs: listed.volumes(region)}))
        volumes = [PriceKind.TRAINING_VOLUME, PriceKind.PROCESSING_VOLUME]
        self._part(region, volumes, lambda: self._take(region, listed.sagemaker_volumes(region)))
        self._part(region, [None], lambda: self._spot(region, ec2_types))

    def _part(self, region: str, kinds: Sequence[PriceKind | None], read: Callable[[], None]) -> None:
        """A part that cannot be read is a failure of its own and keeps its day; the others go on. None: spot."""
        where = f"{' and '.join(kind.value if kind else SPOT for kind in kinds)} prices in {region}"
        try:
            if self.sources.seconds_left() < LAST_MOMENT_SECONDS:
                raise TransientAwsError("no time was left to read them")
            read()
        except AwsError as error:
            self._failed(region, kinds, Failure(where, str(error), error.retry, error.code))
        except DATA_ERRORS as error:
            self._failed(region, kinds, Failure(where, f"{type(error).__name__}: {error}", retry=False))

    def _failed(self, region: str, kinds: Sequence[PriceKind | None], failure: Failure) -> None:
        self.report.failures.append(failure)
        self.changes.extend(partial(with_failure, kind=kind, region=region, now=self.report.at) for kind in kinds)

    def _take(self, region: str, found: Mapping[PriceKind, Listed]) -> None:
        for kind, listed in found.items():
            self.report.problems.extend(listed.problems)
            if lost := self._lost(region, kind, listed):
                self._failed(region, [kind], Failure(f"{kind.value} prices in {region}", lost, retry=True))
                continue
            self.report.parts += 1
            self.report.prices += len(listed.rates)
            self.changes.append(partial(with_rates, kind=kind, region=region, rates=listed.rates, now=self.report.at))
            if kind is PriceKind.EC2:
                self._priced[region] = frozenset(listed.rates)

    def _lost(self, region: str, kind: PriceKind, listed: Listed) -> str:
        """Why an answer is not believed; empty: it is. A list that was cut short is well-formed and names few types."""
        had, names = len(self.before.names(kind, region)), len(listed.rates)
        if names >= had or (names and had < FEWEST_NAMES) or 2 * names >= had:
            return ""
        return f"the list has {names} prices where the book has {had}: it is not believed, and the old ones stay"

    def _others(self, region: str, running: Collection[str]) -> list[str]:
        """Types to ask about by name: what runs, then what the book had and is not listed as accelerated anyway."""
        had = self.before.types(PriceKind.EC2, region) - set(running)
        every = [*sorted(running), *sorted(each for each in had if not is_accelerator(each))]
        if len(every) > MOST_OTHER_TYPES:
            cut = len(every) - MOST_OTHER_TYPES
            self.report.problems.append(f"{cut} types in {region} were not asked about: more than {MOST_OTHER_TYPES}")
        return every[:MOST_OTHER_TYPES]

    def _spot(self, region: str, running: Collection[str]) -> None:
        """What runs there first, over the whole window; then the other accelerated types as far as the pages reach."""
        spot, now = self.sources.spot(region), self.report.at
        begins = now - timedelta(days=SPOT_DAYS)
        priced = self._priced.get(region) or self.before.types(PriceKind.EC2, region)
        others = {each for each in priced if is_accelerator(each)} - set(running)
        zones: dict[str, dict[str, Quantiles]] = {}
        try:
            for types in (running, others):
                history = spot.history(types, begins, now, most_pages=SPOT_PAGES)
                _quantiles(history, now, zones)
                if history.problem:
                    self.report.problems.append(f"spot prices in {region}: {history.problem}")
        finally:
            self.spot_calls += spot.calls
        self.report.parts += 1
        self.report.prices += sum(len(types) for types in zones.values())
        self.changes.append(partial(with_spot, region=region, quantiles=zones, days=SPOT_DAYS, now=now))


def _quantiles(history: SpotHistory, ends: datetime, zones: dict[str, dict[str, Quantiles]]) -> None:
    days = max(round((ends - history.begins) / timedelta(days=1)), SHORTEST_WINDOW.days)
    for (zone, instance_type), changes in history.changes.items():
        p50 = quantile(changes, _MEDIAN, begins=history.begins, ends=ends)
        p90 = quantile(changes, _NINE_TENTHS, begins=history.begins, ends=ends)
        if p50 is not None and p90 is not None:
            pair = format(p50.normalize(), "f"), format(p90.normalize(), "f")
            zones.setdefault(zone, {})[instance_type] = pair if days == SPOT_DAYS else (*pair, days)


def _running(ledger: Ledger, account: str, region: str, report: PriceReport) -> set[str]:
    """The types of what is open in the ledger there. One that cannot be read costs its own type and nothing else."""
    try:
        records = ledger.open_records(account, region, lambda row: report.problems.append(str(row)))
        jobs = ledger.known_jobs(account, region)
    except AwsError as error:
        report.problems.append(f"what runs in {region} is not known: {error}")
        return set()
    types = {kind for record in records.values() for kind, _ in record.capacity}
    for job in jobs.values():
        types.update(kind for kind, _ in job.member.capacity)
        types.update(job.member.types)
    return types
