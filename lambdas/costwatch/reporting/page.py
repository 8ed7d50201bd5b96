"""A report as one HTML page: no script, no request to anywhere, light or dark as the reader's system says."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Template
from markupsafe import Markup

from costwatch.core import spend as spending
from costwatch.core.money import show_usd
from costwatch.reporting import decided, money, widths
from costwatch.reporting.facts import Facts
from costwatch.scan.page import environment

TEMPLATE: Final = Path(__file__).with_name("page.html.j2")

LONGEST_WORD_EMS: Final = 12
"""Some twenty letters; a column for each of our own long texts, as wide as that, fits a desk's window."""

_SECTIONS: Final = (
    money.spend,
    money.forecast,
    money.would_haves,
    money.stops,
    decided.decisions,
    decided.verdicts,
    decided.retraining,
)


def render(facts: Facts) -> str:
    """The page's text. Everything foreign in it is escaped, and what could not be printed is shown as `?`."""
    everything = spending.total(facts.spent)
    since, until = (f"{at:%Y-%m-%d %H:%M}" for at in (facts.since, facts.until))
    open_now = f"{everything.open} of them open" if everything.open else "none of them open"
    summary = [
        f"{everything.runs} runs, {open_now}; {everything.gpu_hours:,.1f} GPU-hours.",
        f"{show_usd(everything.wasted_usd)} of it went into runs that failed or were stopped."
        if everything.wasted_usd
        else "",
        f"Managed spot saved {show_usd(everything.saved_by_spot_usd)} beside it."
        if everything.saved_by_spot_usd
        else "",
        f"Of {everything.unknown} the cost is not known." if everything.unknown else "",
    ]
    return _template().render(
        title=f"Costwatch report of account {facts.account}: {show_usd(everything.usd)} since {facts.since:%Y-%m-%d}",
        account=facts.account,
        since=since,
        until=until,
        headline=show_usd(everything.usd),
        headline_of="spent",
        summary=[sentence for sentence in summary if sentence],
        sections=[section(facts) for section in _SECTIONS],
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    made = environment(TEMPLATE.parent)
    made.finalize = _printable
    made.filters["breakable"] = breakable
    return made.get_template(TEMPLATE.name)


def breakable(text: str) -> Markup:
    """To stand in a cell: a word that is longer than any of ours may be broken, at its punctuation where it has some.

    No other is: a column is as wide as its longest piece, so that it never breaks a word while there is room.
    """
    words = re.split(r"(\s+)", str(_printable(text)))
    return Markup("").join(Markup("<wbr>").join(_pieces(word)) for word in words)


def _pieces(word: str) -> list[str]:
    if widths.ems(word) <= LONGEST_WORD_EMS:
        return [word]
    parts = re.findall(r"[^/:._=@,|-]*[/:._=@,|-]+|[^/:._=@,|-]+", word)
    return [piece for part in parts for piece in widths.pieces(part, LONGEST_WORD_EMS)]


def _printable(value: object) -> object:
    if isinstance(value, Markup):
        return value  # a plot
    return "".join(c if c.isprintable() else "?" for c in value) if isinstance(value, str) else value
