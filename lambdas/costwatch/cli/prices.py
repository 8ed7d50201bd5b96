"""prices refresh and prices show: what a type costs, by whom that is said, and how old it is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

import click

from costwatch import names
from costwatch.adapters.price_list import REGION as PRICE_LIST_REGION
from costwatch.adapters.price_list import PriceList
from costwatch.adapters.prices import SeedPrices
from costwatch.adapters.spot_prices import SpotPrices
from costwatch.cli import deployed_function, price_source, show
from costwatch.cli.options import as_json, with_session
from costwatch.cli.session import Session
from costwatch.core import times
from costwatch.core.price_book import TrustedPrices, is_stale
from costwatch.core.prices import Rate, Trust
from costwatch.errors import AwsError, ConfigError, InputError, NotDeployedError
from costwatch.procedures.refresh_prices import PriceSources, refresh_copy

UNKNOWN: Final = 3
_TYPE: Final = re.compile(r"(ml\.)?[a-z0-9-]+\.[a-z0-9-]+")
_NEAR: Final = 4
_TOLD_PROBLEMS: Final = 10


class _List(click.ParamType[tuple[str, ...]]):
    """`a,b`: words with commas between them."""

    name = "a,b"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        words = tuple(dict.fromkeys(word.strip() for word in str(value).split(",") if word.strip()))
        return words or self.fail("names nothing", param, ctx)


@click.group(short_help="What instance types cost, and how old that is.")
def prices() -> None:
    """What instance types cost: by the price book, which AWS's lists fill once a day, and by the seed in the code."""


@prices.command(short_help="Read the prices anew.")
@click.option("--regions", type=_List(), default=(), help="Only these.  [default: all configured ones]")
@click.option("--types", type=_List(), default=(), help="These too, beside all accelerated types and what runs.")
@click.option("--local", is_flag=True, help="Read into the local copy with your own credentials, deployed or not.")
@as_json
@with_session
def refresh(session: Session, regions: tuple[str, ...], types: tuple[str, ...], local: bool, as_json: bool) -> int:
    """Read the prices anew, now. The deployed function does it and writes its book; a copy of that is kept here.

    Where none is deployed your own credentials read them (pricing:GetProducts, ec2:DescribeSpotPriceHistory) into a
    local copy, which other commands then use. What cannot be read keeps its old price and day.
    """
    wrong = [each for each in types if not _TYPE.fullmatch(each)]
    if wrong:
        raise InputError(f"no instance type: {', '.join(wrong)}; expected like p4d.24xlarge or ml.p4d.24xlarge")
    for region in regions:
        session.check_region(region)
    document = _refreshed_here(session, regions, types) if local or not _is_deployed(session) else _asked(
        session, regions, types
    )  # fmt: skip
    if as_json:
        show.document(document)
    else:
        _show_refresh(document)
    return 1 if document["failures"] else 0


def _is_deployed(session: Session) -> bool:
    try:
        return bool(session.deployment)
    except NotDeployedError:
        return False


def _asked(session: Session, regions: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
    """The deployed function's report; its book is kept here too."""
    if not session.deployment.prices_function:
        raise NotDeployedError("the deployed Costwatch has no price book: deploy again, or use --local")
    detail = {"regions": list(regions), "types": list(types), "requested_by": session.caller.arn}
    with show.busy("The deployed function reads the prices"):
        document = deployed_function.ask(
            session,
            names.DETAIL_PRICES_REQUESTED,
            detail,
            answer="parts_read",
            function=session.deployment.prices_function,
        )
    kept = ""
    try:
        book = price_source.store(session).load()
        kept = str(price_source.keep_local(book, session.tools.environ)) if book is not None else ""
    except (AwsError, OSError) as error:
        show.note(f"no local copy was kept: {error}")
    return {"by": session.deployment.prices_function, "copy": kept, **document}


def _refreshed_here(session: Session, regions: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
    wanted = tuple(regions) or _regions(session)
    spot: dict[str, SpotPrices] = {}

    def spot_of(region: str) -> SpotPrices:
        return spot.setdefault(region, SpotPrices(session.client("ec2", region)))

    sources = PriceSources(PriceList(session.client("pricing", PRICE_LIST_REGION)), spot_of)
    with show.busy(f"Reading the prices of {', '.join(wanted)}"):
        before = price_source.local_book(session.tools.environ)
        book, report = refresh_copy(sources, before, regions=wanted, types=types, now=session.now())
    if not report.parts:
        raise AwsError(f"no price could be read: {report.failures[0].reason}", code=report.failures[0].code)
    try:
        kept = str(price_source.keep_local(book, session.tools.environ))
    except (OSError, RuntimeError) as error:
        raise InputError(f"the local copy cannot be written: {error}; set XDG_CACHE_HOME") from error
    return {"by": "", "copy": kept, **report.document()}


def _regions(session: Session) -> tuple[str, ...]:
    """Those of the configuration that lies here, unless --region names one; else the home region."""
    if session.named_region is None:
        with suppress(ConfigError):
            return session.policy.regions
    return session.home_regions[:1]


def _show_refresh(document: dict[str, Any]) -> None:
    out = show.console()
    by = f"The function {document['by']}" if document["by"] else "You"
    regions = ", ".join(document["regions"])
    show.say(out, f"{by} read {document['prices']:,} prices of {regions} in {document['calls']} calls.")
    if document["copy"]:
        show.say(out, f"A copy for this machine lies in {document['copy']}.")
    for failure in document["failures"]:
        show.note(f"{failure['where']} were not read and keep their day: {failure['reason']}")
    for problem in document["problems"][:_TOLD_PROBLEMS]:
        show.note(problem)
    if len(document["problems"]) > _TOLD_PROBLEMS:
        show.note(f"{len(document['problems']) - _TOLD_PROBLEMS} more like these; --json tells all")


# --- show ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Price:
    """One line. `usd` None: unknown. `p90_usd`: of a spot price, whose `usd` is the median."""

    name: str
    region: str
    kind: str
    usd: Decimal | None = None
    p90_usd: Decimal | None = None
    zone: str = ""
    days: int = 0
    as_of: date | None = None
    trust: Trust | None = None
    source: str = ""


@prices.command("show", short_help="What a type costs.")
@click.argument("instance_type", metavar="TYPE")
@click.option("--deployed", is_flag=True, help="By the deployed price book instead of the local copy.")
@as_json
@with_session
def show_(session: Session, instance_type: str, deployed: bool, as_json: bool) -> int:
    """What TYPE costs, as EC2 instance and in SageMaker: p4d.24xlarge and ml.p4d.24xlarge say the same.

    By the local copy of the price book, else by the seed that ships with the code; each price says which, and of which
    day. List prices before discounts and tax. Without --region: in the regions of the configuration that lies here.

    Exit codes: 0 at least one price is known, 3 none is.
    """
    known = price_source.prices_for(session, session.now(), deployed=deployed)
    bare = instance_type.strip().removeprefix("ml.")
    regions = _shown_regions(session)
    found = [price for region in regions for price in _prices(known, bare, region)]
    if not any(price.usd is not None for price in found):
        _say_unknown(known, bare, regions, as_json=as_json)
        return UNKNOWN
    found = [price for price in found if _is_told(price, found)]
    if as_json:
        written = known.book.written_at if known.book is not None else None
        show.document(
            {
                "type": bare,
                "book_written_at": times.to_key(written) if written is not None else None,
                "prices": [_document(price) for price in found],
            }
        )
    else:
        _show_prices(found)
    return 0


def _shown_regions(session: Session) -> tuple[str, ...]:
    if session.named_region is None:
        with suppress(ConfigError):
            return session.policy.regions
    try:
        return session.home_regions[:1]
    except InputError:
        return (PRICE_LIST_REGION,)


def _prices(known: TrustedPrices, bare: str, region: str) -> Iterator[_Price]:
    yield _price(bare, region, "on demand", known.ec2_hourly_rate(bare, region))
    for spot in known.book.spot_zones(region, bare) if known.book is not None else ():
        trust = Trust.STALE if is_stale(spot.as_of, known.now) else Trust.FRESH
        yield _Price(
            bare, region, "spot", spot.p50_usd, spot.p90_usd, spot.zone, spot.days, spot.as_of, trust, spot.source
        )
    job = f"ml.{bare}"
    yield _price(job, region, "training", known.training_hourly_rate(job, region))
    yield _price(job, region, "processing", known.processing_hourly_rate(job, region))


def _price(name: str, region: str, kind: str, rate: Rate | None) -> _Price:
    if rate is None:
        return _Price(name, region, kind)
    return _Price(name, region, kind, rate.hourly_rate_usd, as_of=rate.as_of, trust=rate.trust, source=rate.source)


def _is_told(price: _Price, found: Sequence[_Price]) -> bool:
    """An unknown price is told where the type has another one in that region."""
    return price.usd is not None or any(each.usd is not None for each in found if each.region == price.region)


def _show_prices(found: Sequence[_Price]) -> None:
    rows = []
    for price in found:
        usd = _exact(price.usd)
        if price.p90_usd is not None:
            usd = f"{usd} / {_exact(price.p90_usd)}"
        kind = f"spot, {price.zone}" if price.zone else price.kind
        days = f", {price.days} days" if price.days else ""
        as_of, trust = (price.as_of.isoformat() if price.as_of else "-"), (price.trust.value if price.trust else "-")
        rows.append(show.Row((price.name, price.region, kind, usd, as_of + days, trust)))
    out = show.console()
    show.listing(out, ("type", "region", "price", "USD an hour", "as of", "trust"), rows, right=("USD an hour",))
    sources = sorted({f"{price.trust.value}: {price.source}" for price in found if price.trust is not None})
    for source in sources:
        show.say(out, source)
    if any(price.p90_usd is not None for price in found):
        show.say(out, "spot: median / what nine tenths of the time did not exceed, over the days beside it")


def _exact(usd: Decimal | None) -> str:
    """A price as it is listed: `$1.00` an hour and $1.006 are not the same."""
    return f"${usd:,f}" if usd is not None else "unknown"


def _say_unknown(known: TrustedPrices, bare: str, regions: Sequence[str], *, as_json: bool) -> None:
    every = {each.removeprefix("ml.") for each in _types(known)}
    if bare in every:
        text = f"{bare} has no known price in {', '.join(regions)}; it has one in other regions: name one with --region"
        near: list[str] = []
    else:
        near = difflib.get_close_matches(bare, sorted(every), _NEAR, 0.6)
        hint = f"; known ones like it: {', '.join(near)}" if near else ""
        text = f"{show.clean(bare)[:60]} has no known price{hint}"
    if as_json:
        show.document({"type": bare, "prices": [], "unknown": text, "near": near})
    else:
        show.say(show.console(stderr=True), f"costwatch: {text}. Unknown is never free.")


def _types(known: TrustedPrices) -> frozenset[str]:
    seed = known.seed.types() if isinstance(known.seed, SeedPrices) else frozenset[str]()
    return seed | (known.book.types() if known.book is not None else frozenset())


def _document(price: _Price) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": price.name,
        "region": price.region,
        "kind": price.kind,
        "usd_per_hour": str(price.usd) if price.usd is not None else None,
        "as_of": price.as_of.isoformat() if price.as_of is not None else None,
        "trust": price.trust.value if price.trust is not None else "unknown",
        "source": price.source,
    }
    if price.p90_usd is not None:
        spot = {"p50_usd_per_hour": str(price.usd), "p90_usd_per_hour": str(price.p90_usd)}
        body |= {**spot, "zone": price.zone, "days": price.days}
    return body
