"""redrive: what lies in the dead-letter queues, and, by a person's word, has it handled again or deletes it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import click

from costwatch import topology
from costwatch.adapters.aws_errors import translated
from costwatch.adapters.dead_letters import DeadLetters, Taken
from costwatch.adapters.ledger_keys import key
from costwatch.cli import redrive_told, show, stack_queues
from costwatch.cli.command_permissions import redrive_policy
from costwatch.cli.options import as_json, with_session
from costwatch.cli.redrive_told import SHORTEST_ID, Looked
from costwatch.cli.session import Session
from costwatch.core import dead_letters, times
from costwatch.core.dead_letters import Letter
from costwatch.core.record import Entry, Transition
from costwatch.errors import AwsError, InputError, RefusedError
from costwatch.intake.wishes import wish

ABOUT: Final = "dead-letters"
_MOST_OF_A_PART: Final = 200
_Known = Mapping[str, tuple[str, str]]
"""Each queue's URL with the function that may be handed what lies there."""


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
    seldom needed. Clicks and commands are asked for anew by whoever meant them, whom a look names; heartbeats are old,
    and the schedule ticks anyway: these can be deleted. What fails again comes back. Exit codes: 4, nothing of it may
    be sent again; 1, something failed, or a queue could not be looked at.
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
        chosen = _chosen(known, queue)
        looked = [] if resend or delete else [_looked(session, name, known, alone=bool(queue)) for name in chosen]
    if not (resend or delete):
        redrive_told.look(session, looked, as_json=as_json)
        return 1 if any(each.problem for each in looked) else 0
    mine, done = _queue(session, queue, known), set[str]()
    with show.busy(f"Taking what lies in {queue}"):
        depth, taken = mine.depth(), mine.take()
    try:
        one = _read(queue, taken, depth, known)
        acted = _wanted(one, ids, resend=resend)
        if acted and not yes:
            _ask(one, acted, "Send again" if resend else "Delete")
        failures = _act(session, one, mine, acted, done, known, resend=resend, reason=reason) if acted else {}
    finally:
        mine.put_back([each for each in taken if each.id not in done])
    redrive_told.done(one, acted, failures, resend=resend, as_json=as_json)
    return 1 if failures else 0


def _chosen(known: _Known, queue: str) -> list[str]:
    if queue in {each.name for each in topology.QUEUES if each.answers_dead_letters}:
        raise InputError(f"QUEUE is {queue!r}: {stack_queues.READ_BY_ITSELF}")
    if queue and queue not in known:
        raise InputError(f"QUEUE is {queue!r}, expected one of {', '.join(sorted(known))}")
    return [queue] if queue else sorted(known)


def _looked(session: Session, name: str, known: _Known, *, alone: bool) -> Looked:
    """What is taken is put back before the next one is looked at, and one that cannot be read hides no other.

    Raises AwsError where it is `alone`: nothing is beside it.
    """
    try:
        queue = _queue(session, name, known)
        depth, taken = queue.depth(), queue.take()
        try:
            return _read(name, taken, depth, known)
        finally:
            queue.put_back(taken)
    except AwsError as error:
        if alone:
            raise
        return Looked(name, problem=str(error))


def _queue(session: Session, name: str, known: _Known) -> DeadLetters:
    url, _ = known[name]
    return DeadLetters(session.client("sqs", session.deployment.home_region), url)


def _read(name: str, taken: Sequence[Taken], depth: int, known: _Known) -> Looked:
    functions = {each: function for each, (_, function) in known.items()}
    letters = tuple((each, dead_letters.read(name, each.body, each.error, functions, wish)) for each in taken)
    return Looked(name, letters, max(depth, len(letters)))


def _wanted(one: Looked, ids: Sequence[str], *, resend: bool) -> list[tuple[Taken, Letter]]:
    """What to act on. Raises InputError for an id that names none or several, RefusedError for what may not be."""
    chosen = list(one.letters)
    if ids:
        chosen = [_named(one, each) for each in dict.fromkeys(ids)]
    if not resend:
        return chosen
    may = [each for each in chosen if not each[1].kept]
    kept = [each for each in chosen if each[1].kept]
    if kept and (ids or not may):
        raise RefusedError(f"{kept[0][0].id[:SHORTEST_ID]} is not sent again: {kept[0][1].kept}")
    return may


def _named(one: Looked, text: str) -> tuple[Taken, Letter]:
    found = [each for each in one.letters if len(text) >= SHORTEST_ID and each[0].id.startswith(text)]
    if len(found) != 1:
        shown = ", ".join(each.id[:SHORTEST_ID] for each, _ in one.letters) or "none"
        raise InputError(f"--message is {text!r}, expected the beginning of one of {shown}")
    return found[0]


def _act(
    session: Session,
    one: Looked,
    mine: DeadLetters,
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
            mine.delete(taken)
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


def _record(session: Session, one: Looked, acted: Sequence[tuple[Taken, Letter]], *, resend: bool, reason: str) -> None:
    ledger, now, by = session.ledger(), session.now(), session.caller.arn
    what = "sent again" if resend else "deleted"
    why = f": {reason}" if reason else ""
    messages = show.count(len(acted), "message")
    entry = Entry(
        at=now,
        transition=Transition.LETTERS_RESENT if resend else Transition.LETTERS_DELETED,
        reason=f"{by} asked to have {messages} of {one.name} {what}{why}",
        actor=by,
        evidence=tuple((taken.id, _evidence(taken, letter)) for taken, letter in acted),
    )
    about = f"{session.caller.account}/{ABOUT}/{one.name}"
    row = key(f"{ABOUT}#{ledger.origin}#{session.caller.account}", f"{times.to_text(now)}#{one.name}")
    ledger.table.put(ledger.line(row, about, entry))


def _evidence(taken: Taken, letter: Letter) -> str:
    """What remains of a message: when it came, what it was, who asked for what, and the beginning of why it failed."""
    told = f"{times.to_key(taken.sent_at)}, {letter.what[:_MOST_OF_A_PART]}"
    return "; ".join(filter(None, (told, str(letter.wish), letter.reason[:_MOST_OF_A_PART])))


def _ask(one: Looked, acted: Sequence[tuple[Taken, Letter]], what: str) -> None:
    """Raises click.Abort for a no, InputError where nobody can answer."""
    if not _somebody_is_there():
        raise InputError("nobody can answer here: give --yes to do it without being asked")
    redrive_told.show_queue(one, acted)
    click.confirm(f"{what} {show.count(len(acted), 'message')} of {one.name}?", abort=True, err=True)


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()
