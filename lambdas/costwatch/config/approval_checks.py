"""What no single field of `approval:` in costwatch.yaml can tell: tiers and times, and who could say yes at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from costwatch.config import fields
from costwatch.config.problems import Path, Problem, read
from costwatch.core import durations
from costwatch.core.policy import Mode

if TYPE_CHECKING:
    from costwatch.config.model import Config

TIMES: Final[Mapping[str, timedelta]] = {
    "answer_within": timedelta(hours=24),
    "yes_lasts": timedelta(days=7),
}
_BOUNDS: Final[Mapping[str, tuple[timedelta, timedelta]]] = {
    "answer_within": (timedelta(minutes=5), timedelta(days=14)),
    "yes_lasts": (timedelta(minutes=5), timedelta(days=90)),
}
_MOST_TIERS: Final = 10
_REMIND_BEFORE: Final = timedelta(hours=4)


def remind_before(answer_within: timedelta) -> timedelta:
    """How long before an answer is due people are reminded, where nothing else is configured."""
    return min(_REMIND_BEFORE, answer_within / 4)


def across_fields(approval: Mapping[str, Any], slack: Mapping[str, Any]) -> Iterator[Problem]:
    """Rules over the raw section, whose parts may be invalid. `slack`: the raw section beside it."""
    for key, (least, most) in _BOUNDS.items():
        value = read(fields.duration, approval.get(key))
        if value is not None and not least <= value <= most:
            bounds = f"{durations.short(least)} to {durations.short(most)}"
            yield Problem(("approval", key), f"{approval[key]!r} is outside {bounds}")
    remind = read(fields.duration, approval.get("remind_before"))
    answer = read(fields.duration, approval.get("answer_within", durations.short(TIMES["answer_within"])))
    if remind is not None and answer is not None and remind >= answer:
        message = (
            f"remind_before ({durations.short(remind)}) is not shorter than answer_within ({durations.short(answer)})"
        )
        yield Problem(("approval", "remind_before"), f"{message}: it would remind before it has asked")
    yield from _tiers(approval)
    if approval.get("mode") == Mode.ENFORCE:
        yield from _without_a_way_to_answer(approval.get("tiers"), slack)


def _without_a_way_to_answer(tiers: object, slack: Mapping[str, Any]) -> Iterator[Problem]:
    """Who is listed by their id in Slack answers by buttons alone, and a principal of IAM by the command line."""
    missing = " and ".join(f"slack.{key}" for key in ("app_id", "platform_channel") if not slack.get(key))
    if not missing or not isinstance(tiers, list):
        return
    for index, tier in enumerate(tiers):
        found = tier.get("approvers") if isinstance(tier, dict) else None
        named = [read(fields.approver, each) for each in found] if isinstance(found, list) else []
        if named and all(named) and not any(each.startswith("arn:") for each in named if each):
            message = f"in mode enforce nobody of it could say yes: buttons in Slack need {missing}"
            yield Problem(("approval", "tiers", index), f"{message}, the command line an approver's ARN")


def warnings(config: Config) -> Iterator[Problem]:
    """What a valid configuration probably does not mean."""
    approval = config.approval
    if approval.mode not in (Mode.WARN, Mode.ENFORCE):
        return
    if not config.slack.platform_channel:
        message = "nobody sees a question in Slack (no slack.platform_channel): only the command line can answer"
        yield Problem(("approval", "mode"), message)
    for index, tier in enumerate(approval.tiers):
        if not tier.approvers:
            message = "names no approvers: people are asked, and nobody may say yes"
            yield Problem(("approval", "tiers", index), message)


def _tiers(approval: Mapping[str, Any]) -> Iterator[Problem]:
    tiers = approval.get("tiers")
    if not isinstance(tiers, list):
        if approval.get("mode") == Mode.ENFORCE and "tiers" not in approval:
            message = "in mode enforce tiers must name approvers: as it stands nobody could say yes"
            yield Problem(("approval", "mode"), message)
        return
    path: Path = ("approval", "tiers")
    if not 1 <= len(tiers) <= _MOST_TIERS:
        yield Problem(path, f"has {len(tiers)} tiers, expected 1 to {_MOST_TIERS}")
    before: Decimal | None = None
    for index, tier in enumerate(tiers):
        if not isinstance(tier, dict):
            continue
        above = read(fields.usd, tier.get("above_usd"))
        if above is not None and before is not None and above <= before:
            message = f"{tier['above_usd']!r} is not above the tier before it ({before}); order them from low to high"
            yield Problem((*path, index, "above_usd"), message)
        before = above if above is not None else before
        named = tier.get("approvers", [])
        if approval.get("mode") == Mode.ENFORCE and named == []:
            yield Problem((*path, index), "in mode enforce a tier must name approvers: nobody could say yes")
        if isinstance(named, list):
            for place, name in enumerate(named):
                if isinstance(name, str) and name in named[:place]:
                    yield Problem((*path, index, "approvers", place), f"{name!r} is listed twice")
