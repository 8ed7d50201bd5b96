"""Cards for people: from facts to Slack blocks and a push text, in the words of the moment of sending.

We *stop* and *ask*. The push text carries job, time and dollars. Times are Slack date tokens, shown in the
reader's zone, with UTC as fallback. What a button will do later is given as the command that does it now.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from costwatch.core import durations, times
from costwatch.core.messages import Message, MessageKind
from costwatch.core.money import show_usd, spent_usd

# Slack's documented limits.
_HEADER, _SECTION, _FIELD, _TEXT = 150, 3000, 2000, 4000
_NAME, _QUOTE, _PUSH = 80, 1500, 600  # other people's text is cut first, so that our own sentence after it stays whole

_DANGLING = re.compile(r"(&[a-z]{0,3}|<[^>]*)$")

Blocks = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Card:
    """`text`: what a phone pushes, safe for Slack. `blocks`: Slack's Block Kit."""

    text: str
    blocks: Blocks

    @property
    def subject(self) -> str:
        """For e-mail: the push text without Slack's marks."""
        return _unescape(self.text)

    @property
    def plain(self) -> str:
        """For e-mail: the blocks as text, without Slack's marks."""
        lines: list[str] = []
        for block in self.blocks:
            parts = [block["text"]] if "text" in block else [*block.get("fields", []), *block.get("elements", [])]
            lines.extend(part["text"] if part["type"] == "plain_text" else _unmark(part["text"]) for part in parts)
        return "\n\n".join(lines)


@dataclass(frozen=True, slots=True)
class CardContext:
    """`stops_at`: for warnings, the time before which nothing is stopped (UTC). `extend_steps`: offered."""

    now: datetime
    stops_at: datetime | None
    extend_steps: tuple[timedelta, ...]
    mention: str = ""
    """Slack user id of the owner, when the card goes to a channel."""


def render(message: Message, context: CardContext) -> Card:
    """The card of a message at `context.now`."""
    return _RENDERERS[message.kind](message.facts, context)


def date_token(moment: datetime, pattern: str = "{date_short_pretty} {time}") -> str:
    """Slack's date token: the reader's own zone; elsewhere UTC."""
    utc = moment.strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(moment.timestamp())}^{pattern}|{utc}>"


def _warning(facts: Mapping[str, str], context: CardContext) -> Card:
    now, rate = context.now, _rate(facts)
    stops_at = context.stops_at or _time(facts, "deadline") or now
    in_time = durations.show(stops_at - now)
    start = _time(facts, "start")
    run_time = durations.show(stops_at - start) if start else "an unknown time"
    warn_only = facts["mode"] == "warn"
    verb = "would stop" if warn_only else "stops"
    head = f"{_name(facts)} {verb} in {in_time}"
    spent = _spent(facts, now)
    why = f"It will have run {run_time}; its limit: {_safe(facts['rule'])}. Nothing is wrong with it."
    if facts.get("changed"):
        why += f" This is another notice: {_safe(facts['changed'])} since the last one."
    if facts["run"].split("/")[2] == "training":
        how = "SIGTERM, 120 seconds to save, then it is stopped."
    elif facts.get("action") == "stop":
        how = "it is stopped; its EBS disks stay, what only its instance disks hold is lost."
    else:
        how = "it is terminated; what only its instance disks hold is lost."
    nobody = f"*If nobody answers:* at {date_token(stops_at)}: {how}"
    if warn_only:
        nobody = f"This selector only warns: at {date_token(stops_at)} nothing happens to it."
    commands = [
        f"`costwatch extend {_run(facts)} {durations.short(step)}` {_plus(rate, step)}" for step in context.extend_steps
    ]
    commands.append(f"`costwatch exempt {_run(facts)} --for 7d --reason ...`")
    hard_cap = _time(facts, "hard_cap_at")
    if hard_cap is not None:
        commands.append(f"Nothing moves it past {date_token(hard_cap)}, the hard cap; only an exemption does.")
    blocks = [
        _header(head),
        _section(f"{_mention(context)}{why}"),
        _fields(
            ("Running", _running(facts, now)),
            ("Spent", f"{_usd(spent)}, and {_hourly(rate)} ({_safe(facts['price_note'])})"),
        ),
        _section(nobody),
        _section("*Needs longer?*\n" + "\n".join(commands)),
        _context(facts),
    ]
    push = f"{_name(facts)} {verb} in {in_time} ({stops_at:%H:%M} UTC); spent {_usd(spent)}, {_hourly(rate)}"
    return Card(_push(push), blocks)


def _stopped(facts: Mapping[str, str], context: CardContext) -> Card:
    stopped_at = _time(facts, "stopped_at") or context.now
    spent, rate = _spent(facts, stopped_at), _rate(facts)
    head = f"{_name(facts)} was stopped"
    blocks = [
        _header(head),
        _section(
            f"{_mention(context)}Its time was up and nobody extended it. {_sentence(facts['seen'])} "
            "The next sweeps check that nothing comes back."
        ),
        _fields(
            ("Stopped", date_token(stopped_at)),
            ("Spent", f"{_usd(spent)} ({_safe(facts['price_note'])})"),
            ("Burn", f"{_hourly(rate)}, {_safe(facts['capacity'])}"),
            ("Ran", _running(facts, stopped_at)),
        ),
        _section(f"Why: `costwatch explain {_run(facts)}`"),
        _context(facts),
    ]
    return Card(_push(f"{head} at {stopped_at:%H:%M} UTC; spent {_usd(spent)}"), blocks)


def _would_stop(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"{_name(facts)} would have been stopped now"
    spent = _spent(facts, context.now)
    blocks = [
        _header(head),
        _section(f"{_mention(context)}{_sentence(facts['reason'])} Its selector only warns, so it goes on."),
        _fields(("Running", _running(facts, context.now)), ("Spent", f"{_usd(spent)}, and {_hourly(_rate(facts))}")),
        _context(facts),
    ]
    return Card(_push(f"{head} ({_clock(context)}); spent {_usd(spent)}, {_hourly(_rate(facts))}"), blocks)


def _held(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"Held: {_name(facts)} is past its time and goes on"
    spent, rate = _spent(facts, context.now), _rate(facts)
    then = "It is looked at again in every sweep."
    if facts["code"] == "cap":
        then = f"Let it be stopped: `costwatch release {facts['hold']}`. Or leave it: nothing happens without that."
    blocks = [
        _header(head),
        _section(f"{_sentence(facts['reason'])} {then}"),
        _fields(
            ("Running", _running(facts, context.now)),
            ("Spent", f"{_usd(spent)}, and {_hourly(rate)}"),
            ("Hold", facts["hold"]),
            ("What", _safe(facts["capacity"])),
        ),
        _context(facts),
    ]
    return Card(_push(f"{head} ({_clock(context)}): {_usd(spent)} so far, {_hourly(rate)}; {facts['hold']}"), blocks)


def _failed(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"Could not stop {_name(facts)}"
    rate = _rate(facts)
    blocks = [
        _header(head),
        _section(f"{_sentence(facts['reason'])} The next sweep tries again."),
        _fields(("Burn", _hourly(rate)), ("Running", _running(facts, context.now))),
        _section(f"Timeline: `costwatch explain {_run(facts)}`"),
        _context(facts),
    ]
    return Card(_push(f"{head} ({_clock(context)}): it goes on at {_hourly(rate)}"), blocks)


def _came_back(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"{_name(facts)} came back after it was stopped"
    rate = _rate(facts)
    blocks = [
        _header(head),
        _section(
            f"{_sentence(facts['reason'])} What came back is watched as a new run, with a clock and a warning of "
            "its own. Stop what relaunches it."
        ),
        _fields(("Burn", f"{_hourly(rate)}, {_safe(facts['capacity'])}"), ("Seen", date_token(context.now))),
        _section(f"Timeline: `costwatch explain {_run(facts)}`"),
        _context(facts),
    ]
    return Card(_push(f"{head} ({_clock(context)}): {_hourly(rate)} again"), blocks)


def _verified(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"{_name(facts)}: {_cut(facts['reason'], _QUOTE)}"
    return Card(_push(f"{head} ({_clock(context)})"), [_section(_safe(head)), _context(facts)])


def _malformed(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"A tag of {_name(facts)} cannot be read"
    hard_cap = _time(facts, "hard_cap_at")
    left = f"Until it is mended only the hard cap limits it: {date_token(hard_cap)}." if hard_cap else ""
    text = f"{_mention(context)}Tag `{_code(facts['tag'])}`: {_sentence(facts['problem'])} {left}"
    push = f"{head} ({_clock(context)}): {facts['tag']}; {_hourly(_rate(facts))}"
    return Card(_push(push), [_header(head), _section(text), _context(facts)])


def _unwatched(facts: Mapping[str, str], context: CardContext) -> Card:
    del context
    head = f"{facts['count']} accelerators that no selector picks: {facts['burn']}"
    blocks = [
        _header(head),
        _section(_safe(facts["lines"])),
        _section("They are never touched. Add a selector, or protect them to say that it is meant so."),
    ]
    return Card(_push(head), blocks)


def _summary(facts: Mapping[str, str], context: CardContext) -> Card:
    del context
    head = facts["head"]
    return Card(_push(head), [_header(head), _section(_safe(facts["lines"]) or "Nothing to report.")])


_RENDERERS: dict[MessageKind, Callable[[Mapping[str, str], CardContext], Card]] = {
    MessageKind.WARNING: _warning,
    MessageKind.STOPPED: _stopped,
    MessageKind.WOULD_STOP: _would_stop,
    MessageKind.HELD: _held,
    MessageKind.FAILED: _failed,
    MessageKind.CAME_BACK: _came_back,
    MessageKind.VERIFIED: _verified,
    MessageKind.MALFORMED_TAG: _malformed,
    MessageKind.UNWATCHED: _unwatched,
    MessageKind.SUMMARY: _summary,
}


def _header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": _cut(text, _HEADER)}}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, _SECTION)}}


def _fields(*pairs: tuple[str, str]) -> dict[str, Any]:
    texts = (f"*{label}*\n{value}" for label, value in pairs)
    return {"type": "section", "fields": [{"type": "mrkdwn", "text": _cut(text, _FIELD)} for text in texts]}


def _context(facts: Mapping[str, str]) -> dict[str, Any]:
    parts = [facts["run"], f"selector {facts['selector']}", facts["clock"]]
    parts.extend(f"{label} {facts[label]}" for label in ("owner", "team") if facts[label])
    text = _cut(_safe(" · ".join(parts)), _FIELD)
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def _running(facts: Mapping[str, str], now: datetime) -> str:
    start = _time(facts, "start")
    if start is None:
        return "not started"
    return f"{durations.show(now - start)}, since {date_token(start)}"


def _mention(context: CardContext) -> str:
    return f"<@{context.mention}> " if context.mention else ""


def _time(facts: Mapping[str, str], name: str) -> datetime | None:
    return times.from_text(facts[name]) if facts.get(name) else None


def _rate(facts: Mapping[str, str]) -> Decimal | None:
    return Decimal(facts["hourly_rate_usd"]) if facts.get("hourly_rate_usd") else None


def _spent(facts: Mapping[str, str], now: datetime) -> Decimal | None:
    rate, start = _rate(facts), _time(facts, "start")
    return spent_usd(rate, now - start) if start is not None else None


def _clock(context: CardContext) -> str:
    return f"{context.now:%H:%M} UTC"


def _name(facts: Mapping[str, str]) -> str:
    return _cut(facts["name"], _NAME)


def _run(facts: Mapping[str, str]) -> str:
    """The run as a shell word inside inline code: a run tag may hold anything, and people paste commands.

    An instance or a job goes by its last part, which the command line understands; a tagged run by its whole id.
    """
    kind, _, name = facts["run"].split("/", 2)[2].partition("/")
    word = name if kind in ("instance", "training") else facts["run"]
    # A backtick would end Slack's code, and an apostrophe in its place would end the shell's quotes.
    return _safe(shlex.quote(" ".join(word.replace("`", "?").split())))


def _push(text: str) -> str:
    return _cut(_safe(_cut(text, _PUSH)), _TEXT)


def _usd(amount: Decimal | None) -> str:
    return show_usd(amount) if amount is not None else "unknown (no price)"


def _hourly(rate: Decimal | None) -> str:
    return f"{_usd(rate)} every hour" if rate is not None else "an unknown rate (no price)"


def _plus(rate: Decimal | None, step: timedelta) -> str:
    return f"(+{show_usd(spent_usd(rate, step))})" if rate is not None else "(price unknown)"


def _sentence(text: str) -> str:
    safe = _cut(_safe(text), _QUOTE)
    # An id or a name is quoted as it is: `i-0abc terminated`, not `I-0abc`.
    capital = safe[:1].upper() + safe[1:] if safe.partition(" ")[0].isalpha() else safe
    return capital if capital.endswith(".") else capital + "."


def _safe(text: str) -> str:
    """Slack's three control characters: names and tags are other people's text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    return _safe(text).replace("`", "'")


def _unmark(text: str) -> str:
    out: list[str] = []
    rest = text
    while "<" in rest:
        before, _, rest = rest.partition("<")
        inside, _, rest = rest.partition(">")
        out.append(before + (inside.rpartition("|")[2] if "|" in inside else inside.lstrip("@!")))
    plain = "".join(out) + rest
    return _unescape(plain.replace("*", "").replace("`", ""))


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _cut(text: str, limit: int) -> str:
    """At most `limit` characters; never ends inside an escaped character or a date token."""
    return text if len(text) <= limit else _DANGLING.sub("", text[: limit - 1]) + "…"
