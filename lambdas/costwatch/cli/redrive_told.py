"""What `redrive` says: what lies in each queue, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from costwatch.adapters.dead_letters import MOST, Taken
from costwatch.cli import show
from costwatch.cli.session import Session
from costwatch.cli.show import Row
from costwatch.core import times
from costwatch.core.dead_letters import Letter

SHORTEST_ID: Final = 8


@dataclass(frozen=True, slots=True)
class Looked:
    """A queue as it was looked at. `depth`: about how many lie there, also those that were not handed out.

    `problem`: why it could not be looked at; empty: it was.
    """

    name: str
    letters: tuple[tuple[Taken, Letter], ...] = ()
    depth: int = 0
    problem: str = ""


def look(session: Session, looked: Sequence[Looked], *, as_json: bool) -> None:
    if as_json:
        queues = [
            {
                "queue": each.name,
                "depth": None if each.problem else each.depth,
                "messages": [_document(*one) for one in each.letters],
                "problem": each.problem or None,
            }
            for each in looked
        ]
        show.document({"at": times.to_key(session.now()), "queues": queues})
        return
    out = show.console()
    full = [each for each in looked if each.depth]
    for each in full:
        show_queue(each, each.letters)
        out.print()
    empty = [each.name for each in looked if not each.depth and not each.problem]
    for each in looked:
        if each.problem:
            show.say(out, f"{each.name} could not be looked at: {each.problem}")
    if not full:
        if empty:
            show.say(out, f"Nothing lies in {', '.join(empty)}.")
        return
    show.say(out, "Send it again: costwatch redrive QUEUE --resend. Delete it: costwatch redrive QUEUE --delete.")


def show_queue(one: Looked, letters: Sequence[tuple[Taken, Letter]]) -> None:
    out = show.console()
    more = f", {MOST} of them shown" if one.depth > len(one.letters) == MOST else ""
    show.say(out, f"{one.name}: {show.count(one.depth, 'message')}{more}", style="bold")
    if len(one.letters) < min(one.depth, MOST):
        show.say(out, "Not all are handed out: somebody else may be looking. Try again in two minutes.", indent=2)
    if letters:
        rows = [
            Row((taken.id[:SHORTEST_ID], show.moment(taken.sent_at), letter.function), _sentence(letter))
            for taken, letter in letters
        ]
        show.listing(out, ("message", "since", "of"), rows)


def _sentence(letter: Letter) -> str:
    fate = f"not sent again: {letter.kept}" if letter.kept else "may be sent again"
    return f"{letter.told}; {fate}"


def done(
    one: Looked, acted: Sequence[tuple[Taken, Letter]], failures: dict[str, str], *, resend: bool, as_json: bool
) -> None:
    word = "sent again" if resend else "deleted"
    gone = [taken.id for taken, _ in acted if taken.id not in failures]
    left = one.depth - len(gone)
    if as_json:
        show.document({"queue": one.name, "done": word, "messages": gone, "failures": failures, "left": left})
        return
    out = show.console()
    show.say(out, f"{one.name}: {show.count(len(gone), 'message')} {word}, {left} left.")
    for each, problem in failures.items():
        show.say(out, f"{each[:SHORTEST_ID]} failed, and lies there as before: {problem}")


def _document(taken: Taken, letter: Letter) -> dict[str, Any]:
    """Of people's clicks and commands who and for what; what else they and beats hold is not shown."""
    return {
        "id": taken.id,
        "sent_at": times.to_key(taken.sent_at),
        "function": letter.function,
        "what": letter.what,
        "asked_by": letter.wish.by or None,
        "asked_for": letter.wish.asked or None,
        "reason": letter.reason,
        "may_be_sent_again": not letter.kept,
        "kept": letter.kept or None,
        "event": letter.event,
    }
