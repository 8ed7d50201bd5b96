"""What `init` learns of AWS before it asks: the defaults of its questions. Whatever AWS does not answer is a note."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Final

from costwatch.cli import previewing, scanning, show
from costwatch.cli.failures import lines_of
from costwatch.cli.init_text import HARD_CAP, Learned
from costwatch.cli.session import Session, Tools
from costwatch.core import durations
from costwatch.core.money import show_usd
from costwatch.errors import CostwatchError
from costwatch.preview.limits import Family
from costwatch.preview.report import Preview
from costwatch.scan.report import Report

LOOK_BACK: Final = timedelta(days=30)
_MOST_JOBS: Final = 500
_MOST_FAMILIES: Final = 10
_MOST_ASKED_A_WEEK: Final = 5


def learn(tools: Tools, regions: tuple[str, ...]) -> Learned:
    """From a scan and a preview, both read-only. `regions`: where to look; none: wherever the account may."""
    try:
        report = scanning.look(tools, regions)
    except CostwatchError as error:
        show.note(f"AWS was not asked, so the defaults are general ones: {' '.join(lines_of(error))}")
        return Learned()
    for gap in report.gaps:
        show.note(gap)
    return _of(report, _history(tools, report))


def _history(tools: Tools, report: Report) -> Preview | None:
    session = Session(region=report.home, tools=tools)
    now = session.now()
    regions = tuple(report.inventory.regions_found) or (report.home,)
    try:
        return previewing.look(session, now - LOOK_BACK, now, regions, None, _MOST_JOBS)
    except CostwatchError as error:
        show.note(f"the history of jobs was not read: {' '.join(lines_of(error))}")
        return None


def _of(report: Report, past: Preview | None) -> Learned:
    if past is None:
        return Learned(fitted=report.fitted(), account=report.inventory.account)
    return Learned(
        fitted=report.fitted(kinds=[kind for kind, number in past.jobs.items() if number]),
        account=report.inventory.account,
        families=tuple(_families(past)),
        **_max_runtime(past),
        **_above_usd(past),
    )


def _max_runtime(past: Preview) -> dict[str, str]:
    """The longest limit that fits a family, so that nothing usual would have been stopped."""
    fits = [each.suggestion.limit for each in past.families if each.suggestion is not None]
    longest = min(max(fits, default=timedelta()), HARD_CAP)
    if not longest:
        return {}
    said = f"the longest limit that fits a family of your jobs of the last {LOOK_BACK.days} days"
    return {"max_runtime": durations.short(longest), "max_runtime_comment": said}


def _above_usd(past: Preview) -> dict[str, str]:
    """The lowest threshold above which not many are asked; none where nobody could have been."""
    if not past.approvals.asked or not past.approvals.weeks:
        return {}
    a_week = {each.above_usd: each.by_forecast / past.approvals.weeks for each in past.approvals.thresholds}
    quiet = [above for above, asked in a_week.items() if asked <= _MOST_ASKED_A_WEEK]
    chosen = min(quiet) if quiet else max(a_week)
    said = f"of the forecast: about {a_week[chosen]:.1f} questions a week, by your last {LOOK_BACK.days} days"
    return {"above_usd": _plain(chosen), "above_usd_comment": said}


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _families(past: Preview) -> Iterator[str]:
    told = [each for each in past.families if each.suggestion is not None][:_MOST_FAMILIES]
    if told:
        yield f"Jobs of the last {LOOK_BACK.days} days by family, the dearest first, with a max_runtime that fits:"
    for each in told:
        yield f"  {_family(each)}"


def _family(each: Family) -> str:
    limit = durations.short(each.suggestion.limit) if each.suggestion is not None else ""
    stem = show.clean(each.stem)
    return f"{stem} ({show.count(each.finished, 'finished run')}, {show_usd(each.usd)}): {limit}"
