"""What lies in a dead-letter queue, and whether it may be handled again. Pure.

AWS's own events are hints: whatever one says is read again from the world, so it may come late and twice. What people
ask for, by a click or a command, is meant for the moment in which they ask: a stop that is days old must not come back.
A heartbeat counts when it arrives: sent again it would say that the trainer is alive now. A tick of the schedule says
no more than the next one, and a night of them at once would be a hundred sweeps. None of these is sent again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from costwatch import names

_AWS: Final = "aws."
_KEPT: Final = {
    names.SOURCE_CLIENT: "a heartbeat counts when it arrives: sent again it would be a sign of life of now",
    names.SOURCE_SLACK: "a person clicked, for that moment: ask them to click again",
    names.SOURCE_CLI: "a person's command is meant for its moment: give it again",
    names.SOURCE_SCHEDULE: "the schedule ticks anyway: its next tick does all that this one would do",
}
_NO_EVENT: Final = "it is no event of AWS's own"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wanted, as an event says that nobody verified. `by`: Slack's user id or an ARN. Empty: not said."""

    by: str = ""
    asked: str = ""

    def __str__(self) -> str:
        """`U012AB3CD asked for approve apr-07bf4bc47392f80f`; empty where nothing is said."""
        if not self.asked:
            return f"of {self.by}" if self.by else ""
        return f"{self.by or 'somebody'} asked for {self.asked}"


_NONE: Final = Wish()


@dataclass(frozen=True, slots=True)
class Letter:
    """One message. `function`: who could not handle it. `kept`: why it may not be sent again; empty: it may be."""

    function: str
    what: str
    reason: str
    event: Mapping[str, Any] | None
    """AWS's own event; None: it is none, and what else lies there may be somebody's."""
    kept: str
    wish: Wish = _NONE

    @property
    def told(self) -> str:
        """What it is, who asked for what by it, and why it lies there."""
        return "; ".join(filter(None, (self.what, str(self.wish), self.reason)))


def read(
    queue: str,
    body: str,
    error: str,
    functions: Mapping[str, str],
    wish_of: Callable[[Mapping[str, Any]], Wish],
) -> Letter:
    """`error`: what the function said, by the message's attribute. `functions`: those that may be asked, by name.
    `wish_of`: reads what a person wanted.

    In the queue of refused events each says who refused it, and why. Whatever lies there is read: people put messages
    into queues, too.
    """
    parsed = _parsed(body)
    function, reason, event = queue, error, parsed
    if queue == names.REFUSED and isinstance(parsed, Mapping):
        function, reason = str(parsed.get("function", "")), str(parsed.get("reason", ""))
        event = parsed.get("event")
    if not isinstance(event, Mapping):
        return Letter(function, "no event", reason, None, "it was cut, or is no event")
    source, kind = str(event.get("source", "")), str(event.get("detail-type", ""))
    what = ", ".join(text for text in (source, kind) if text) or "no event"
    if not source.startswith(_AWS):
        return Letter(function, what, reason, None, _KEPT.get(source, _NO_EVENT), wish_of(event))
    kept = _KEPT.get(source, "")
    if not kept and not functions.get(function):
        kept = f"no deployed function is called {function or 'by no name'}"
    return Letter(function, what, reason, event, kept)


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
