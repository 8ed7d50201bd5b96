"""Durations as people write them: `12h`, `90m`, `2d`, `1h30m`, ISO 8601 `PT12H`, `P2D`."""

from __future__ import annotations

import re
from datetime import timedelta

EXPECTED = "a duration such as 12h, 90m, 2d, 1h30m or PT12H"
LONGEST = timedelta(days=365)

_SHORT = re.compile(
    r"(?:(?P<days>\d{1,6})d)?(?:(?P<hours>\d{1,6})h)?(?:(?P<minutes>\d{1,6})m)?(?:(?P<seconds>\d{1,8})s)?"
)
_ISO = re.compile(
    r"P(?:(?P<days>\d{1,6})D)?(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,8})S)?)?"
)


class OutOfRange(ValueError):
    """A duration, and zero or longer than it may be."""


def parse(text: str, *, longest: timedelta = LONGEST) -> timedelta:
    """Parse a duration. Longer than zero, at most `longest`, of whole days.

    Raises ValueError with a sentence for anything else: a bare number is refused (12 what?).
    """
    stripped = text.strip()
    iso = stripped[:1] in ("P", "p")
    match = (_ISO if iso else _SHORT).fullmatch(stripped.upper() if iso else stripped.lower())
    parts = {unit: int(value) for unit, value in match.groupdict().items() if value} if match else {}
    if not parts:
        hint = " (a bare number has no unit)" if re.fullmatch(r"\d+(\.\d+)?", stripped) else ""
        raise ValueError(f"{_shown(text)} is not {EXPECTED}{hint}")
    duration = timedelta(**parts)
    if not timedelta(0) < duration <= longest:
        raise OutOfRange(f"{_shown(text)} must be longer than zero and at most {longest.days}d")
    return duration


def show(duration: timedelta) -> str:
    """For people: `12 h`, `1 h 30 min`, `45 min`, `20 s`; never negative, seconds only below a minute."""
    seconds = max(0, int(duration.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def short(duration: timedelta) -> str:
    """As one types it: `4h`, `90m`, `1h30m`. Parses back to the same duration (whole seconds)."""
    seconds = int(duration.total_seconds())
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if n) or "0s"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
