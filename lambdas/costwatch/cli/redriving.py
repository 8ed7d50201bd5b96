"""redrive: what lies in the dead-letter queues, and, by a person's word, has it handled again or deletes it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from costwatch import topology
from costwatch.adapters.aws_errors import translated
from costwatch.adapters.dead_letters import MOST, DeadLetters, Taken
from costwatch.adapters.ledger_keys import key
from costwatch.cli import show, stack_queues
from costwatch.cli.command_permissions import redrive_policy
from costwatch.cli.options import as_json, with_session
from costwatch.cli.session import Session
from costwatch.cli.show import Row
from costwatch.core import dead_letters, times
from costwatch.core.dead_letters import Letter
from costwatch.core.record import Entry, Transition
from costwatch.errors import AwsError, InputError, RefusedError

ABOUT: Final = "dead-letters"
_SHORTEST_ID: Final = 8
_Known = Mapping[str, tuple[str, str]]
"""Each queue's URL with the function that may be handed what lies there."""


@dataclass(frozen=True, slots=True)
class _Queue:
    """One of them as it was looked at. `depth`: about how many lie there, also those that were not handed out."""

    name: str
    queue: DeadLetters
    letters: tuple[tuple[Taken, Letter], ...]
    depth: int


@click.command(short_help="What no function could handle: look, send again, delete.")
@click.argument("queue", metavar="[QUEUE]", required=False, default="")
@click.option("--resend", is_flag=True, help="Have the functions handle it again, where that is safe.")
@click.option("--delete", is_flag=True, help="Delete it for good.")
@click.option("--message", "ids", metavar="ID", multiple=True, help="This one alone; its first 8 characters do.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", default="", help="Why; everybody can read it in the ledger.")
@click.option("--policy", is_flag=True, help="Print the IAM policy that all of it needs, and nothing else.")
@as_json
@with_session
def redrive(
    session: Session,
    queue: str,
    resend: bool,
    delete: bool,
    ids: tuple[str, ...],
    yes: bool,
    reason: str,
    policy: bool,
    as_json: bool,
) -> int:
    """Look into the stack's dead-letter queues, among them `refused`, where events lie that no function could use.

    Without --resend or --delete nothing changes. With one of them QUEUE is needed, you are asked, and the ledger says
    who did what. Only AWS's own events are sent again: a sweep has long found what they told of, so it is safe, and
    seldom needed. Clicks and commands are asked for anew by whoever meant them, and heartbeats are old: these can be
    deleted. What fails again comes back. Exit code 4: nothing of it may be sent again.
    """
    if policy:
        click.echo(json.dumps(redrive_policy(), indent=2))
        return 0
    if resend and delete:
        raise InputError("--resend and --delete are two different things: give one of them")
    if (resend or delete or ids) and not queue:
        raise InputError("QUEUE is missing: `costwatch redrive` shows which have something in them")
    with show.busy("Looking into the queues"):
        known = stack_queues.find(session)
        looked = [_look(session, name, known) for name in _chosen(known, queue)]
    done: set[str] = set()
    try:
        if not (resend or delete):
            _tell(session, looked, as_json=as_json)
            return 0
        (one,) = looked
        acted = _wanted(one, ids, resend=resend)
        if acted and not yes:
            _ask(one, acted, "Send again" if resend else "Delete")
        failures = _act(session, one, acted, done, known, resend=resend, reason=reason) if acted else {}
    finally:
        for each in looked:
            each.queue.put_back([taken for taken, _ in each.letters if taken.id not in done])
    _tell_done(one, acted, failures, resend=resend, as_json=as_json)
    return 1 if failures else 0


def _chosen(known: _Known, queue: str) -> list[str]:
    if queue in {each.name for each in topology.QUEUES if each.answers_dead_letters}:
        raise InputError(f"QUEUE is {queue!r}: {stack_queues.READ_BY_ITSELF}")
    if queue and queue not in known:
        raise InputError(f"QUEUE is {queue!r}, expected one of {', '.join(sorted(known))}")
    return [queue] if queue else sorted(known)


def _look(session: Session, name: str, known: _Known) -> _Queue:
    deployed = session.deployment
    url, _ = known[name]
    queue = DeadLetters(session.client("sqs", deployed.home_region), url)
    functions = {each: function for each, (_, function) in known.items()}
    depth = queue.depth()
    taken = queue.take()
    letters = tuple((each, dead_letters.read(name, each.body, each.error, functions)) for each in taken)
    return _Queue(name, queue, letters, max(depth, len(letters)))


def _wanted(one: _Queue, ids: Sequence[str], *, resend: bool) -> list[tuple[Taken, Letter]]:
    """What to act on. Raises InputError for an id that names none or several, RefusedError for what may not be."""
    chosen = list(one.letters)
    if ids:
        chosen = [_named(one, each) for each in dict.fromkeys(ids)]
    if not resend:
        return chosen
    may = [each for each in chosen if not each[1].kept]
    kept = [each for each in chosen if each[1].kept]
    if kept and (ids or not may):
        raise RefusedError(f"{kept[0][0].id[:_SHORTEST_ID]} is not sent again: {kept[0][1].kept}")
    return may


def _named(one: _Queue, text: str) -> tuple[Taken, Letter]:
    found = [each for each in one.letters if len(text) >= _SHORTEST_ID and each[0].id.startswith(text)]
    if len(found) != 1:
        shown = ", ".join(each.id[:_SHORTEST_ID] for each, _ in one.letters) or "none"
        raise InputError(f"--message is {text!r}, expected the beginning of one of {shown}")
    return found[0]


def _act(
    session: Session,
    one: _Queue,
    acted: Sequence[tuple[Taken, Letter]],
    done: set[str],
    known: _Known,
    *,
    resend: bool,
    reason: str,
) -> dict[str, str]:
    """Record it, then do it, one by one; what failed, by id. A message goes only after Lambda has taken its event.

    `done` is told the id of each message that is gone.
    """
    _record(session, one, acted, resend=resend, reason=reason)
    failures: dict[str, str] = {}
    for taken, letter in acted:
        try:
            if resend:
                _invoke(session, letter, known)
            one.queue.delete(taken)
        except AwsError as error:
            failures[taken.id] = str(error)
        else:
            done.add(taken.id)
    return failures


def _invoke(session: Session, letter: Letter, known: _Known) -> None:
    """Hand the event to Lambda as EventBridge does: what fails again is tried again, and comes back in the end."""
    _, function = known[letter.function]
    with translated("lambda:Invoke"):
        session.client("lambda", session.deployment.home_region).invoke(
            FunctionName=function, InvocationType="Event", Payload=json.dumps(letter.event).encode()
        )


def _record(session: Session, one: _Queue, acted: Sequence[tuple[Taken, Letter]], *, resend: bool, reason: str) -> None:
    ledger, now, by = session.ledger(), session.now(), session.caller.arn
    what = "sent again" if resend else "deleted"
    why = f": {reason}" if reason else ""
    messages = show.count(len(acted), "message")
    entry = Entry(
        at=now,
        transition=Transition.LETTERS_RESENT if resend else Transition.LETTERS_DELETED,
        reason=f"{by} asked to have {messages} of {one.name} {what}{why}",
        actor=by,
        evidence=tuple((taken.id, f"{letter.what}: {letter.reason}"[:200]) for taken, letter in acted),
    )
    about = f"{session.caller.account}/{ABOUT}/{one.name}"
    row = key(f"{ABOUT}#{ledger.origin}#{session.caller.account}", f"{times.to_text(now)}#{one.name}")
    ledger.table.put(ledger.line(row, about, entry))


def _ask(one: _Queue, acted: Sequence[tuple[Taken, Letter]], what: str) -> None:
    """Raises click.Abort for a no, InputError where nobody can answer."""
    if not _somebody_is_there():
        raise InputError("nobody can answer here: give --yes to do it without being asked")
    _show(one, acted)
    click.confirm(f"{what} {show.count(len(acted), 'message')} of {one.name}?", abort=True, err=True)


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


def _tell(session: Session, looked: Sequence[_Queue], *, as_json: bool) -> None:
    if as_json:
        queues = [
            {"queue": each.name, "depth": each.depth, "messages": [_document(*one) for one in each.letters]}
            for each in looked
        ]
        show.document({"at": times.to_key(session.now()), "queues": queues})
        return
    out = show.console()
    full = [each for each in looked if each.depth]
    for each in full:
        _show(each, each.letters)
        out.print()
    if not full:
        show.say(out, f"Nothing lies in {', '.join(each.name for each in looked)}.")
        return
    show.say(out, "Send it again: costwatch redrive QUEUE --resend. Delete it: costwatch redrive QUEUE --delete.")


def _show(one: _Queue, letters: Sequence[tuple[Taken, Letter]]) -> None:
    out = show.console()
    more = f", {MOST} of them shown" if one.depth > len(one.letters) == MOST else ""
    show.say(out, f"{one.name}: {show.count(one.depth, 'message')}{more}", style="bold")
    if len(one.letters) < min(one.depth, MOST):
        show.say(out, "Not all are handed out: somebody else may be looking. Try again in two minutes.", indent=2)
    if letters:
        rows = [
            Row((taken.id[:_SHORTEST_ID], show.moment(taken.sent_at), letter.function), _sentence(letter))
            for taken, letter in letters
        ]
        show.listing(out, ("message", "since", "of"), rows)


def _sentence(letter: Letter) -> str:
    fate = f"not sent again: {letter.kept}" if letter.kept else "may be sent again"
    return "; ".join(text for text in (letter.what, letter.reason, fate) if text)


def _tell_done(
    one: _Queue, acted: Sequence[tuple[Taken, Letter]], failures: dict[str, str], *, resend: bool, as_json: bool
) -> None:
    word = "sent again" if resend else "deleted"
    done = [taken.id for taken, _ in acted if taken.id not in failures]
    left = one.depth - len(done)
    if as_json:
        show.document({"queue": one.name, "done": word, "messages": done, "failures": failures, "left": left})
        return
    out = show.console()
    show.say(out, f"{one.name}: {show.count(len(done), 'message')} {word}, {left} left.")
    for each, problem in failures.items():
        show.say(out, f"{each[:_SHORTEST_ID]} failed, and lies there as before: {problem}")


def _document(taken: Taken, letter: Letter) -> dict[str, Any]:
    """People's clicks, commands and beats are named and not shown."""
    return {
        "id": taken.id,
        "sent_at": times.to_key(taken.sent_at),
        "function": letter.function,
        "what": letter.what,
        "reason": letter.reason,
        "may_be_sent_again": not letter.kept,
        "kept": letter.kept or None,
        "event": letter.event,
    }
