"""What was begun and has no end yet, as the ledger has it now: the very claims whose age the sweeps measure."""

from __future__ import annotations

from collections.abc import Iterator

from costwatch.adapters.ledger_approvals import Approvals
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.cli import runs
from costwatch.cli.session import Session
from costwatch.core import claims
from costwatch.core.claims import Claim


def under_way(session: Session) -> list[Claim]:
    """The oldest first; what cannot be read is noted by the session."""
    return sorted(_found(session), key=lambda each: (each.since, each.kind, each.id))


def _found(session: Session) -> Iterator[Claim]:
    ledger, account = session.ledger(), session.caller.account
    yield from filter(None, map(claims.of_run, runs.open_records(session, ledger)))
    yield from filter(None, map(claims.of_question, Approvals(ledger).waiting(account, session.skip)))
    yield from filter(None, map(claims.of_candidate, Judgements(ledger).open(account, session.skip)))
