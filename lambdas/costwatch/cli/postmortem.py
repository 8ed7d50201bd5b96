"""`explain --markdown`: the story of a run to paste into a document or an issue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Final

from costwatch.adapters.ledger import DEPLOYED, TimelineRow
from costwatch.cli import documents, show
from costwatch.cli.episodes import Episode, Warned, episodes, warnings
from costwatch.cli.markdown import code, facts, heading, table, text
from costwatch.core import durations, times
from costwatch.core.messages import Message
from costwatch.core.model import RunId, RunKind
from costwatch.core.policy import Mode
from costwatch.core.record import Entry, RunRecord, Status, Transition

_NOT_KEPT: Final = "not kept once a run is over"
_GRANTS: Final = (Transition.EXTENDED, Transition.EXEMPTED)
_STOP: Final = (
    Transition.STOP_ASKED,
    Transition.DUE,
    Transition.STOPPING,
    Transition.STOP_REQUESTED,
    Transition.FAILED,
    Transition.CAME_BACK,
    Transition.VERIFIED_GONE,
    Transition.VERIFIED_STOPPED,
)


@dataclass(frozen=True, slots=True)
class Story:
    """What the ledger holds about one run. `record` None: it is over. `zone`: of the people who read it."""

    run_id: RunId
    origin: str
    record: RunRecord | None
    rows: Sequence[TimelineRow]
    unsent: Sequence[Message]
    now: datetime
    zone: tzinfo


def post_mortem(story: Story) -> str:
    """A Markdown document that ends with a line break."""
    parts = episodes(story.rows, story.record)
    name = story.record.name if story.record is not None else (parts[-1].last("name") if parts else "")
    name = name or story.run_id.name
    named = text(name) if name == story.run_id.name else f"{text(name)} ({code(story.run_id.name)})"
    times_in = "UTC" if _is_utc(story) else f"UTC and {_zone_name(story)}"
    blocks = [
        heading(1, f"Post-mortem: {named}"),
        f"From the ledger of Costwatch as of {show.clock(story.now)}. Times are {times_in}; dollars are list price.",
    ]
    for number, part in enumerate(parts, start=1):
        if len(parts) > 1:
            blocks.append(heading(2, f"Start {number} of {len(parts)}"))
        blocks += _episode(story, part, level=2 if len(parts) == 1 else 3)
    if story.unsent:
        told = "\n".join(f"- {m.kind.value} to the {m.audience.value}" for m in story.unsent)
        blocks += [heading(2, "Not delivered yet"), told]
    return "\n\n".join(blocks) + "\n"


def _episode(story: Story, part: Episode, *, level: int) -> list[str]:
    sections = (
        ("Facts", facts(_facts(story, part))),
        ("Warnings", _warnings(story, part)),
        ("Holds", _holds(story, part)),
        ("Stop", _entries(story, part.of(*_STOP))),
        ("What would have been", _would_have(story, part)),
        ("Timeline", _timeline(story, part)),
    )
    return [block for title, body in sections if body for block in (heading(level, title), body)]


def _facts(story: Story, part: Episode) -> list[tuple[str, str]]:
    record, end, started = part.record, part.end, part.last("started")
    return [
        ("Run", code(str(story.run_id))),
        ("Ledger", "" if story.origin == DEPLOYED else f"observe sweeps of {code(story.origin)}, not the deployed one"),
        ("Owner", text(record.owner if record is not None else part.last("owner")) or _nobody(part)),
        ("Team", text(record.team if record is not None else part.last("team"))),
        ("Selector", _selector(part)),
        ("Members", _members(story, part)),
        ("Instance types", text(record.capacity_text) if record is not None else _types(part)),
        ("Started", _at(story, times.from_text(started)) if started else "not started, or not provable"),
        ("Clock evidence", text(record.clock_evidence if record is not None else part.last("clock"))),
        ("First seen", _at(story, part.entries[0].at) if part.rows else ""),
        ("Deadline", _deadline(story, part)),
        ("Granted", "<br>".join(f"{text(e.reason)}, on {_at(story, e.at)}" for e in part.of(*_GRANTS)) or "nothing"),
        ("Ended", _ended(story, part, end)),
        *_cost(story, part),
        ("Decided by", "<br>".join(_stamps(part))),
    ]


def _nobody(part: Episode) -> str:
    """Where no owner is known: nobody was named, or the entries are of before they kept who."""
    return "none named" if part.record is not None or part.last("hourly_rate_usd") else _NOT_KEPT


def _selector(part: Episode) -> str:
    name = part.record.selector if part.record is not None else part.last("selector")
    mode = part.record.mode.value if part.record is not None else _last_mode(part)
    return f"{text(name) or 'none'}, mode {mode}" if mode else text(name)


def _last_mode(part: Episode) -> str:
    return next((entry.mode for entry in reversed(part.entries) if entry.mode), "")


def _members(story: Story, part: Episode) -> str:
    if part.record is not None:
        return ", ".join(code(member) for member in part.record.member_ids)
    if story.run_id.kind in (RunKind.INSTANCE, RunKind.TRAINING, RunKind.PROCESSING):
        return code(story.run_id.name)
    return ", ".join(code(member) for member in part.last("members").split(", ") if member) or _NOT_KEPT


def _types(part: Episode) -> str:
    return text(part.last("capacity")) or _NOT_KEPT


def _deadline(story: Story, part: Episode) -> str:
    known = part.last("deadline")
    at = part.record.deadline if part.record is not None else times.from_text(known) if known else None
    if at is None:
        return "none"
    rule = f", by the rule: {text(part.rule)}" if part.rule else ""
    return f"{_at(story, at)}{rule}"


def _ended(story: Story, part: Episode, end: Entry | None) -> str:
    if end is not None:
        how = end.transition.value
        told = end.reason if end.reason.startswith(how) else f"{how}: {end.reason}"
        return f"{text(told)}, on {_at(story, end.at)}"
    if part.record is None:
        return "the ledger does not say"
    standing = text(documents.standing(part.record, story.now))
    return f"not ended: {part.record.status.value}{f' ({standing})' if standing else ''}"


def _cost(story: Story, part: Episode) -> list[tuple[str, str]]:
    record = part.record
    if record is not None:
        return [
            ("Spent", show.usd(documents.spent_usd(record, story.now))),
            ("Hourly rate", show.usd(documents.hourly_rate_usd(record))),
            ("Price", text(record.price_note)),
        ]
    # What had been spent when the stop was accepted; the look that verified it came later.
    stopped = [entry for entry in part.of(Transition.STOP_REQUESTED) if "spent_usd" in dict(entry.evidence)]
    spent = dict(stopped[-1].evidence)["spent_usd"] if stopped else part.last("spent_usd")
    return [
        ("Spent", _dollars(spent) if spent else "not recorded"),
        ("Hourly rate", _dollars(part.last("hourly_rate_usd")) if part.last("hourly_rate_usd") else _NOT_KEPT),
        ("Price", text(part.last("price"))),
    ]


def _stamps(part: Episode) -> list[str]:
    """Policy and commit, each once, in the order in which they decided."""
    stamps = dict.fromkeys(row.stamp for row in part.rows)
    return [f"configuration commit {code(s.config_commit)}, policy {code(s.policy_digest)}" for s in stamps]


def _warnings(story: Story, part: Episode) -> str:
    rows = [(*_when(story, w.asked), text(w.asked.reason), _delivery(story, w)) for w in warnings(part.entries)]
    return table((*_headings(story, "Asked"), "Why", "Delivery"), rows) if rows else ""


def _delivery(story: Story, warned: Warned) -> str:
    answer = warned.accepted or warned.dropped
    if answer is not None:
        return f"{text(answer.reason)}, on {_at(story, answer.at)}"
    if warned.asked.mode in (Mode.OFF.value, Mode.OBSERVE.value):
        return "simulated: in observe nobody is told"
    return "not accepted for delivery"


def _holds(story: Story, part: Episode) -> str:
    released = {dict(entry.evidence).get("hold", ""): entry for entry in part.of(Transition.RELEASED)}
    rows = []
    for entry in part.of(Transition.HELD):
        hold = dict(entry.evidence).get("hold", "")
        freed = released.get(hold)
        by = f"by {code(freed.actor)}, on {_at(story, freed.at)}" if freed is not None else ""
        rows.append((*_when(story, entry), code(hold), text(entry.reason), by))
    return table((*_headings(story, "Since"), "Hold", "Reason", "Released"), rows) if rows else ""


def _would_have(story: Story, part: Episode) -> str:
    would = part.of(Transition.WOULD_STOP)
    if not would:
        return ""
    rows = [
        (*_when(story, entry), text(entry.reason), _dollars(dict(entry.evidence).get("spent_usd", "")))
        for entry in would
    ]
    last, record, end = would[-1], part.record, part.end
    if end is not None and end.at >= last.at:
        rows.append((*_when(story, end), f"what really happened: {text(end.reason)}", ""))
    elif record is not None and record.status is Status.WOULD_STOP and record.would_stop_at is not None:
        then, now = record.spent_by_would_stop_usd, record.spent_usd(story.now)
        more = show.usd(now - then) if now is not None and then is not None else "an unknown amount"
        later = durations.show(story.now - record.would_stop_at)
        so_far = Entry(story.now, Transition.WOULD_STOP, "")
        rows.append((*_when(story, so_far), f"what really happened so far: it runs on, {later} more: {more}", ""))
    return table((*_headings(story, "At"), "What", "Spent"), rows)


def _dollars(evidence: str) -> str:
    """USD as an entry keeps it: digits, or `unknown`."""
    return "unknown" if evidence in ("", "unknown") else show.usd(Decimal(evidence))


def _entries(story: Story, entries: Sequence[Entry]) -> str:
    rows = [(*_when(story, e), e.transition.value, text(e.reason), code(e.actor)) for e in entries]
    return table((*_headings(story, "At"), "Transition", "What was seen", "By"), rows) if rows else ""


def _timeline(story: Story, part: Episode) -> str:
    rows = [
        (*_when(story, e), e.transition.value, text(e.reason), code(e.actor), e.mode, text(e.rule))
        for e in part.entries
    ]
    return table((*_headings(story, "At"), "Transition", "Reason", "By", "Mode", "Rule"), rows) if rows else ""


# --- time --------------------------------------------------------------------------------------------


def _headings(story: Story, label: str) -> tuple[str, ...]:
    return (f"{label} (UTC)",) if _is_utc(story) else (f"{label} (UTC)", _zone_name(story))


def _when(story: Story, entry: Entry) -> tuple[str, ...]:
    local = entry.at.astimezone(story.zone)
    utc = entry.at.strftime("%Y-%m-%d %H:%M:%S")
    return (utc,) if _is_utc(story) else (utc, local.strftime("%Y-%m-%d %H:%M:%S %Z"))


def _at(story: Story, moment: datetime) -> str:
    """A sentence's time, in the reader's zone too."""
    if _is_utc(story):
        return show.clock(moment)
    return f"{show.clock(moment)} ({moment.astimezone(story.zone).strftime('%Y-%m-%d %H:%M %Z')})"


def _is_utc(story: Story) -> bool:
    return _zone_name(story) in ("UTC", "Etc/UTC")


def _zone_name(story: Story) -> str:
    return str(story.zone)
