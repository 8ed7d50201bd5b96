"""Cards for people: from facts to Slack blocks and a push text, in the words of the moment of sending.

We *stop* and *ask*. The push text carries job, time and dollars. Times are Slack date tokens, shown in the
reader's zone, with UTC as fallback. Where nobody can click, a command stands for each button.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from costwatch.core import card_buttons, durations, graduated, times
from costwatch.core.blocks import (
    Block,
    cleaned,
    cut,
    date_token,
    fields,
    header,
    quoted_section,
    safe,
    section,
    section_of_lines,
    small_print,
    unescaped,
    unmarked,
)
from costwatch.core.messages import Message, MessageKind
from costwatch.core.model import RunKind
from costwatch.core.money import show_usd, spent_usd
from costwatch.core.selection import HoldCode

_TEXT = 4000  # what Slack advises for the text of a message
# Other people's text is cut first, so that our own sentence after it stays whole.
_NAME, _NOTE, _LINE, _QUOTE, _PUSH = 80, 400, 400, 1500, 600
_DELETED = "the volumes that are set to be deleted with it (normally its root volume)"
_OF_LINES = frozenset({"lines", "problem", "reason", "seen", "enforce", "today"})  # facts; all others are one line


@dataclass(frozen=True, slots=True)
class Card:
    """`text`: what a phone pushes, safe for Slack. `blocks`: Slack's Block Kit."""

    text: str
    blocks: list[Block]

    @property
    def subject(self) -> str:
        """For e-mail: the push text without Slack's marks."""
        return unescaped(self.text)

    @property
    def plain(self) -> str:
        """For e-mail: the blocks as text, without Slack's marks, and without what only Slack can click."""
        lines: list[str] = []
        for block in self.blocks:
            if block["type"] in ("actions", "input") or "accessory" in block:
                continue
            parts = [block["text"]] if "text" in block else [*block.get("fields", []), *block.get("elements", [])]
            lines.extend(part["text"] if part["type"] == "plain_text" else unmarked(part["text"]) for part in parts)
        return "\n\n".join(lines)


@dataclass(frozen=True, slots=True)
class CardContext:
    """`stops_at`: for warnings, the time before which nothing is stopped (UTC). `extend_steps`: offered."""

    now: datetime
    stops_at: datetime | None
    extend_steps: tuple[timedelta, ...]
    mention: str = ""
    """Slack user id of the owner, when the card goes to a channel."""
    clickable: bool = False
    """Whether clicks reach us: else commands stand in the place of buttons."""
    has_approvers: bool = False
    """Whether anybody may press what only approvers may."""


def render(message: Message, context: CardContext) -> Card:
    """The card of a message at `context.now`."""
    facts = {name: cleaned(value, lines=name in _OF_LINES) for name, value in message.facts.items()}
    if facts.get("run") != message.facts.get("run"):
        context = replace(context, clickable=False)  # a button must carry the id as it is, and this is another one
    return _RENDERERS[message.kind](facts, context)


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
    why = f"It will have run {run_time}; its limit: {_note(facts['rule'])}. Nothing is wrong with it."
    if facts.get("money"):
        only = "a yes" if facts.get("approval") else "an exemption"
        why = f"What it costs ends it: {_note(facts['rule'])}. Only {only} moves that, an extension does not."
    if facts.get("silent"):
        why = f"It is {_note(facts['rule'])}. If it is well, let it beat: that alone ends this warning."
    if facts.get("changed"):
        why += f" This is another notice: {_note(facts['changed'])} since the last one."
    outdated = _time(facts, "outdated")
    if outdated is not None and not facts.get("changed"):
        why += f" This is another notice: the last one named {date_token(outdated)}, and that is too long ago."
    kind = RunKind(facts["run"].split("/")[2])
    if kind.has_children:
        how = "it starts no more jobs; those it has get SIGTERM and 120 seconds to save, and are then stopped."
    elif kind is RunKind.PROCESSING:
        how = "it is stopped; what it has not uploaded is lost."
    elif kind.is_job:
        how = "it gets SIGTERM, 120 seconds to save, and is then stopped."
    elif facts.get("action") == "stop":
        how = "it is stopped; its EBS disks stay, what only its instance disks hold is lost."
    else:
        how = f"it is terminated; {_DELETED} and what only its instance disks hold are lost."
    nobody = f"*If nobody answers:* {date_token(stops_at)} {how}"
    if warn_only:
        nobody = f"This selector only warns: {date_token(stops_at)} nothing happens to it."
    blocks = [
        header(head),
        section(f"{_mention(context)}{why}"),
        fields(
            ("Running", _running(facts, now)),
            ("Spent", f"{_usd(spent)}, and {_hourly(rate)} ({_note(facts['price_note'])})"),
            *_forecast(facts),
            *_alive(facts, now),
        ),
        section(nobody),
        *_ways_on(facts, context),
        _context(facts),
    ]
    push = f"{_name(facts)} {verb} in {in_time} ({stops_at:%H:%M} UTC); spent {_usd(spent)}, {_hourly(rate)}"
    return Card(_push(push), blocks)


def _ways_on(facts: Mapping[str, str], context: CardContext) -> list[Block]:
    """How it gets more time: buttons, or the commands where there can be none."""
    rate, hard_cap = _rate(facts), _time(facts, "hard_cap_at")
    limits = (
        [f"Nothing moves it past {date_token(hard_cap)}, the hard cap; only an exemption does."] if hard_cap else []
    )
    steps = context.extend_steps
    exempt = f"`costwatch exempt {_run(facts)} --for 7d --reason ...`"
    commands = [f"`costwatch extend {_run(facts)} {durations.short(step)}` {_plus(rate, step)}" for step in steps]
    commands.append(exempt)
    if facts.get("money"):  # an extension would not move it
        steps, commands = (), [exempt]
        yes = f"An approver says yes: `costwatch approve {facts['approval']}`"
        limits = [yes, *limits] if facts.get("approval") else limits
    row: list[Block] = []
    if context.clickable:
        row = card_buttons.of_warning(
            facts["run"],
            facts["name"],
            rate,
            steps,
            stop=facts["mode"] == "enforce",
            ask=context.has_approvers,
        )
    if row:
        as_command = [f"As a command: {exempt}"] if facts.get("money") and not facts.get("approval") else []
        return [*row, *(section(limit) for limit in (*as_command, *limits))]
    return [section_of_lines("*Needs longer?*", [*commands, *limits])]


def _disks_of_stopped(facts: Mapping[str, str]) -> str:
    """What became of an instance's disks, with a blank before it; nothing for a job, and where it is not known."""
    if RunKind(facts["run"].split("/")[2]).service.is_sagemaker:
        return ""
    if facts.get("action") == "terminate":
        return f" With it go {_DELETED} and what only its instance disks held."
    return " Its EBS disks stay." if facts.get("action") == "stop" else ""


def _why_it_was_stopped(facts: Mapping[str, str]) -> str:
    if facts.get("asked"):
        return _sentence(facts["asked"])
    if facts.get("money"):
        return f"What it costs ended it: {_note(facts['money'])}."
    silent_since, finish_until = _time(facts, "silent_since"), _time(facts, "let_finish_until")
    if silent_since is not None:
        return f"It fell silent: its last heartbeat came {date_token(silent_since)}."
    if finish_until is not None:
        return f"It was let finish until {date_token(finish_until)}, this once, and was not done by then."
    extended_until = _time(facts, "extended_until")
    if extended_until is None:
        return "Its time was up and nobody extended it."
    if extended_until != _time(facts, "deadline"):
        return "Its time was up, whatever it was extended by."
    return f"Its time was up: it was extended until {date_token(extended_until)}, and nobody extended it further."


def _stopped(facts: Mapping[str, str], context: CardContext) -> Card:
    stopped_at = _time(facts, "stopped_at") or context.now
    spent, rate = _spent(facts, stopped_at), _rate(facts)
    head = f"{_name(facts)} was stopped"
    why, seen = _why_it_was_stopped(facts), _sentence(facts["seen"], of_names=True)
    blocks = [
        header(head),
        section(
            f"{_mention(context)}{why} {seen}{_disks_of_stopped(facts)} The next sweeps check that nothing comes back."
        ),
        fields(
            ("Stopped", date_token(stopped_at)),
            ("Spent", f"{_usd(spent)} ({_note(facts['price_note'])})"),
            ("Burn", f"{_hourly(rate)}, {_note(facts['capacity'])}"),
            ("Ran", _running(facts, stopped_at)),
            *_forecast(facts),
        ),
        section(f"Why: `costwatch explain {_run(facts)}`"),
        *(card_buttons.of_stop(facts["run"]) if context.clickable and context.has_approvers else []),
        _context(facts),
    ]
    return Card(_push(f"{head} at {stopped_at:%H:%M} UTC; spent {_usd(spent)}"), blocks)


def _would_stop(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"{_name(facts)} would have been stopped now"
    spent = _spent(facts, context.now)
    blocks = [
        header(head),
        section(f"{_mention(context)}{_sentence(facts['reason'])} Its selector only warns, so it goes on."),
        fields(
            ("Running", _running(facts, context.now)),
            ("Spent", f"{_usd(spent)}, and {_hourly(_rate(facts))}"),
            *_forecast(facts),
        ),
        _context(facts),
    ]
    return Card(_push(f"{head} ({_clock(context)}); spent {_usd(spent)}, {_hourly(_rate(facts))}"), blocks)


def _held(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"Held: {_name(facts)} {'is silent' if facts.get('silent') else 'is past its time'} and goes on"
    spent, rate = _spent(facts, context.now), _rate(facts)
    then = "It is looked at again in every sweep."
    row: list[Block] = []
    if facts["code"] in {code.value for code in HoldCode if code.waits_for_release}:
        row = card_buttons.of_hold(facts["run"], facts["hold"]) if context.clickable and context.has_approvers else []
        then = f"Let it be stopped: `costwatch release {facts['hold']}`. Or leave it: nothing happens without that."
    blocks = [
        header(head),
        section(f"{_sentence(facts['reason'])} {then}"),
        fields(
            ("Running", _running(facts, context.now)),
            ("Spent", f"{_usd(spent)}, and {_hourly(rate)}"),
            ("Hold", facts["hold"]),
            ("What", _note(facts["capacity"])),
            *_forecast(facts),
        ),
        *row,
        _context(facts),
    ]
    return Card(_push(f"{head} ({_clock(context)}): {_usd(spent)} so far, {_hourly(rate)}; {facts['hold']}"), blocks)


def _failed(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"Could not stop {_name(facts)}"
    rate = _rate(facts)
    blocks = [
        header(head),
        section(f"{_sentence(facts['reason'])} The next sweep tries again."),
        fields(("Burn", _hourly(rate)), ("Running", _running(facts, context.now)), *_forecast(facts)),
        section(f"Timeline: `costwatch explain {_run(facts)}`"),
        _context(facts),
    ]
    return Card(_push(f"{head} ({_clock(context)}): it goes on at {_hourly(rate)}"), blocks)


def _came_back(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"{_name(facts)} came back after it was stopped"
    rate = _rate(facts)
    blocks = [
        header(head),
        section(
            f"{_sentence(facts['reason'])} What came back is watched as a new run, with a clock and a warning of "
            "its own. Stop what relaunches it."
        ),
        fields(
            ("Burn", f"{_hourly(rate)}, {_note(facts['capacity'])}"),
            ("Seen", date_token(context.now)),
            *_cost(facts),
        ),
        section(f"Timeline: `costwatch explain {_run(facts)}`"),
        _context(facts),
    ]
    return Card(_push(f"{head} ({_clock(context)}): {_hourly(rate)} again"), blocks)


def _verified(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"{_name(facts)}: {cut(facts['reason'], _QUOTE)}"
    blocks = [quoted_section(head), *([fields(*_cost(facts))] if facts.get("cost") else []), _context(facts)]
    return Card(_push(f"{head} ({_clock(context)})"), blocks)


def _malformed(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"A tag of {_name(facts)} cannot be read"
    hard_cap = _time(facts, "hard_cap_at")
    left = f"Until it is mended only the hard cap limits it: {date_token(hard_cap)}." if hard_cap else ""
    text = f"{_mention(context)}Tag `{_note(facts['tag'])}`: {_sentence(facts['problem'])} {left}"
    push = f"{head} ({_clock(context)}): {facts['tag']}; {_hourly(_rate(facts))}"
    return Card(_push(push), [header(head), section(text), _context(facts)])


def _let_finish(facts: Mapping[str, str], context: CardContext) -> Card:
    expected_at, until = _time(facts, "expected_at") or context.now, _time(facts, "until") or context.now
    limit = _time(facts, "limit") or context.now
    head = f"{_name(facts)} is nearly done and is let finish"
    then = f"it is at {_note(facts['progress'])} and expects to be done {date_token(expected_at)}"
    blocks = [
        header(head),
        section(
            f"{_mention(context)}Its time is up {date_token(limit)}; {then}. It may run until {date_token(until)}, "
            "this once; then it is warned about like any other."
        ),
        fields(
            ("Running", _running(facts, context.now)),
            ("Spent", _usd(_spent(facts, context.now))),
            *_forecast(facts),
        ),
        _context(facts),
    ]
    return Card(_push(f"{head}, until {until:%H:%M} UTC at most; {_hourly(_rate(facts))}"), blocks)


def _stalled(facts: Mapping[str, str], context: CardContext) -> Card:
    now, since = context.now, _time(facts, "stalled_since") or context.now
    head = f"{_name(facts)} beats and does not advance"
    saved = _time(facts, "checkpoint_at")
    checkpoint = f"Its last checkpoint is {durations.show(now - saved)} old." if saved else "It reported no checkpoint."
    blocks = [
        header(head),
        section(
            f"{_mention(context)}It has been at {_note(facts['progress'])} since {date_token(since)}. {checkpoint} "
            "It is not stopped for that: look whether it is stuck."
        ),
        fields(
            ("Running", _running(facts, now)),
            ("Spent", f"{_usd(_spent(facts, now))}, and {_hourly(_rate(facts))}"),
            *_forecast(facts),
        ),
        section(f"Stop it yourself: `costwatch stop {_run(facts)}`"),
        _context(facts),
    ]
    push = f"{head} ({_clock(context)}): {_usd(_spent(facts, now))} so far, {_hourly(_rate(facts))}"
    return Card(_push(push), blocks)


def _nearly_used_up(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"{_name(facts)} has spent {facts['spent']}, and nobody has said yes"
    then = "Nothing is stopped for that: its selector or the gate only warns."
    if facts.get("stops"):
        then = "When that is used up its time is up: it is warned like any other run, and then stopped."
    lifts = f"A yes lifts it: `costwatch approve {facts['approval']}`." if facts.get("approval") else ""
    if not lifts and facts.get("stops"):
        lifts = f"Only an exemption lifts it now: `costwatch exempt {_run(facts)} --for 7d --reason ...`."
    rate = _rate(facts)
    blocks = [
        header(head),
        section(
            f"{_mention(context)}{facts['most']} is what a run may spend here without a yes. {then} {lifts}".rstrip()
        ),
        fields(
            ("Running", _running(facts, context.now)),
            ("Spent", f"{_usd(_spent(facts, context.now))}, and {_hourly(rate)}"),
            *_forecast(facts),
        ),
        _context(facts),
    ]
    return Card(_push(f"{head} ({_clock(context)}); {_hourly(rate)}"), blocks)


def _exemption_asked(facts: Mapping[str, str], context: CardContext) -> Card:
    head = f"An exemption is asked for: {_name(facts)}"
    spent, rate = _spent(facts, context.now), _rate(facts)
    blocks = [
        header(head),
        section(
            f"{_note(facts['by'])} asks. While it lasts nothing stops it, the hard cap included, and every hour costs. "
            "Nothing changes until somebody grants it."
        ),
        fields(
            ("Running", _running(facts, context.now)),
            ("Spent", f"{_usd(spent)}, and {_hourly(rate)} ({_note(facts['price_note'])})"),
            *_forecast(facts),
        ),
        *(card_buttons.of_exemption(facts["run"]) if context.clickable and context.has_approvers else []),
        section(f"As a command: `costwatch exempt {_run(facts)} --for 7d --reason ...`"),
        _context(facts),
    ]
    return Card(_push(f"{head} ({_clock(context)}): {_usd(spent)} so far, {_hourly(rate)}"), blocks)


def _approver_group(facts: Mapping[str, str], context: CardContext) -> Card:
    del context
    head = f"Nobody decides as {cut(facts['group'], _NAME)}"
    blocks = [
        header(head),
        section(
            f"{_sentence(facts['problem'], of_names=True)} It stands among the approvers of costwatch.yaml, and until "
            "Slack names its members it is nobody: only approvers who are named themselves, or are in another group, "
            "may decide."
        ),
    ]
    return Card(_push(f"{head}: {facts['problem']}"), blocks)


def _mass_silence(facts: Mapping[str, str], context: CardContext) -> Card:
    before = facts.get("before", "")
    runs = "run" if facts["count"] == "1" else "runs"
    together = f"like {before} before" if facts.get("few") else "at once"
    head = f"{facts['count']} {runs} fell silent {together}: {facts['burn']}"
    blocks = [
        header(head),
        section(
            "That is taken for a fault of the way their heartbeats take, not of the runs: none of them is warned about "
            "or stopped for its silence until somebody says `costwatch release HOLD`, or it beats again. Their time "
            "limits hold as ever."
        ),
        quoted_section(facts["lines"]),
    ]
    if before:
        blocks.append(section("*Before that, and perhaps by the same fault* (`costwatch explain RUN` shows each):"))
        blocks.append(quoted_section(facts["before_lines"]))
    return Card(_push(f"{head} ({_clock(context)})"), blocks)


def _unwatched(facts: Mapping[str, str], context: CardContext) -> Card:
    del context
    runs = "run" if facts["count"] == "1" else "runs"
    head = f"{facts['count']} {runs} on accelerators that no selector picks: {facts['burn']}"
    blocks = [
        header(head),
        quoted_section(facts["lines"]),
        section("They are never touched. Add a selector, or protect them to say that it is meant so."),
    ]
    return Card(_push(head), blocks)


def _summary(facts: Mapping[str, str], context: CardContext) -> Card:
    del context
    head = facts["head"]
    return Card(_push(head), [header(head), quoted_section(facts["lines"] or "Nothing to report.")])


def _week(facts: Mapping[str, str], context: CardContext) -> Card:
    """`enforce`: what enforce would have done. `today`: the daily summary, which it takes the place of."""
    del context
    head = facts["head"]
    blocks = [header(head), *([quoted_section(facts["lines"])] if facts["lines"] else [])]
    if facts.get("enforce"):
        blocks.append(section("*What enforce would have done in the last 30 days*"))
        blocks += [_graduated(*each) for each in graduated.from_fact(facts["enforce"])]
        lines = f"Lines are those of the file that is deployed ({cut(facts.get('commit', 'unknown commit'), _NAME)})"
        blocks.append(small_print(f"Each of them: costwatch status --would-have · {lines}"))
    return Card(_push(head), [*blocks, *([quoted_section(facts["today"])] if facts.get("today") else [])])


def _graduated(head: str, sentences: list[str], lines: list[str]) -> Block:
    """One selector or guard, with the line of the configuration as it is and as it should be."""
    told = [f"*{safe(cut(cleaned(head), _NAME))}*", *(safe(cut(cleaned(each), _NOTE)) for each in sentences)]
    shown = "\n".join(safe(cut(cleaned(line, lines=True), _LINE)) for line in lines)
    return section("\n".join([*told, f"```\n{shown}\n```"] if shown else told))


_RENDERERS: dict[MessageKind, Callable[[Mapping[str, str], CardContext], Card]] = {
    MessageKind.WARNING: _warning,
    MessageKind.STOPPED: _stopped,
    MessageKind.WOULD_STOP: _would_stop,
    MessageKind.HELD: _held,
    MessageKind.FAILED: _failed,
    MessageKind.CAME_BACK: _came_back,
    MessageKind.VERIFIED: _verified,
    MessageKind.MALFORMED_TAG: _malformed,
    MessageKind.LET_FINISH: _let_finish,
    MessageKind.STALLED: _stalled,
    MessageKind.NEARLY_USED_UP: _nearly_used_up,
    MessageKind.MASS_SILENCE: _mass_silence,
    MessageKind.UNWATCHED: _unwatched,
    MessageKind.EXEMPTION_ASKED: _exemption_asked,
    MessageKind.APPROVER_GROUP: _approver_group,
    MessageKind.SUMMARY: _summary,
    MessageKind.WEEK: _week,
}


def _context(facts: Mapping[str, str]) -> Block:
    parts = [facts["run"], f"selector {facts['selector']}", facts["clock"]]
    parts.extend(f"{label} {facts[label]}" for label in ("owner", "team") if facts[label])
    return small_print(" · ".join(parts))


def _running(facts: Mapping[str, str], now: datetime) -> str:
    start = _time(facts, "start")
    if start is None:
        return "not started"
    return f"{durations.show(now - start)}, since {date_token(start)}"


def _forecast(facts: Mapping[str, str]) -> list[tuple[str, str]]:
    """What it was expected to cost when it was first seen; nothing for a run from before forecasts were made."""
    return [("Forecast", _note(facts["forecast"]))] if facts.get("forecast") else []


def _cost(facts: Mapping[str, str]) -> list[tuple[str, str]]:
    """What it cost in the end, beside its forecast."""
    return [("Cost", _note(facts["cost"]))] if facts.get("cost") else []


def _alive(facts: Mapping[str, str], now: datetime) -> list[tuple[str, str]]:
    """What its heartbeats say, and when it saved last; nothing for a run that sends none."""
    beat, saved = _time(facts, "last_beat_at"), _time(facts, "checkpoint_at")
    if beat is None:
        return []
    steps = f", {_note(facts['progress'])}" if facts.get("progress") else ""
    found = [("Alive", f"{'silent' if facts.get('silent') else 'yes'}: heartbeat {_ago(now - beat)}{steps}")]
    return [*found, ("Checkpoint", _ago(now - saved))] if saved is not None else found


def _ago(age: timedelta) -> str:
    return f"{durations.show(age)} ago"


def _mention(context: CardContext) -> str:
    return f"<@{context.mention}> " if context.mention else ""


def _time(facts: Mapping[str, str], name: str) -> datetime | None:
    return times.from_text(facts[name]) if facts.get(name) else None


def _rate(facts: Mapping[str, str]) -> Decimal | None:
    return Decimal(facts["hourly_rate_usd"]) if facts.get("hourly_rate_usd") else None


def _spent(facts: Mapping[str, str], now: datetime) -> Decimal | None:
    """As the run's record says it at `now`."""
    rate, start, since = _rate(facts), _time(facts, "start"), _time(facts, "rate_since")
    if start is None or since is None:
        return spent_usd(rate, now - start) if start is not None else None
    more = spent_usd(rate, now - since)
    before = Decimal(facts["spent_before_usd"]) if facts.get("spent_before_usd") else None
    return before + more if before is not None and more is not None else None


def _clock(context: CardContext) -> str:
    return f"{context.now:%H:%M} UTC"


def _name(facts: Mapping[str, str]) -> str:
    return cut(facts["name"], _NAME)


def _run(facts: Mapping[str, str]) -> str:
    """The run as a shell word inside inline code: a run tag may hold anything, and people paste commands.

    An instance or a job goes by its last part, which the command line understands; a tagged run by its whole id.
    """
    kind, _, name = facts["run"].split("/", 2)[2].partition("/")
    word = name if RunKind(kind) is RunKind.INSTANCE or RunKind(kind).is_job else facts["run"]
    # A backtick would end Slack's code, and an apostrophe in its place would end the shell's quotes.
    return safe(shlex.quote(" ".join(word.replace("`", "?").split())))


def _note(text: str) -> str:
    """A short text of other people, inside marks."""
    return cut(safe(text), _NOTE)


def _push(text: str) -> str:
    return cut(safe(cut(text, _PUSH)), _TEXT)


def _usd(amount: Decimal | None) -> str:
    return show_usd(amount) if amount is not None else "unknown (no price)"


def _hourly(rate: Decimal | None) -> str:
    return f"{_usd(rate)} every hour" if rate is not None else "an unknown rate (no price)"


def _plus(rate: Decimal | None, step: timedelta) -> str:
    return f"(+{show_usd(spent_usd(rate, step))})" if rate is not None else "(price unknown)"


def _sentence(text: str, *, of_names: bool = False) -> str:
    """`of_names`: it begins with a name, which may look like a word."""
    quoted = cut(safe(text), _QUOTE)
    # An id or a name is quoted as it is: `i-0abc terminated`, not `I-0abc`.
    word = quoted.partition(" ")[0].isalpha() and not of_names
    capital = quoted[:1].upper() + quoted[1:] if word else quoted
    return capital if capital.endswith(".") else capital + "."
