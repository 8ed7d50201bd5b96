"""A run on its way to a stop, step by step, as the contract of the ledger saves it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.core import ladder, stopping
from costwatch.core.caps import CapLimit
from costwatch.core.deadman import judge
from costwatch.core.messages import Message
from costwatch.core.model import Run, RunKind
from costwatch.core.record import Entry, RunRecord, Transition
from costwatch.core.step import Step
from tests.support import policies
from tests.support.builders import HOUR, MINUTE, NOW, burn, member, run, warned

POLICY = policies.policy()
STAMP = Stamp("a" * 64, "c0ffee")
LATE = run(member(age=40 * HOUR))
NO_CAPS: tuple[CapLimit, ...] = ()
LONGEST_TAG = "\U0001f9ea" * 256
"""A tag value as AWS allows it: 256 characters, here of 4 bytes each."""
LONG = run(member(age=40 * HOUR, tags={"Purpose": "training"}), kind=RunKind.TAGGED, name=LONGEST_TAG)


def first(of: Run = LATE) -> Step:
    found = ladder.observe(
        of, None, judge(of, None, POLICY, None, NOW), policy=POLICY, origin="deployed", burn=burn(), now=NOW
    )
    assert found is not None
    return found


def held(ledger: Ledger, of: Run = LATE) -> RunRecord:
    found = ledger.record(of.id)
    assert found is not None
    return found


def due(ledger: Ledger, of: Run = LATE) -> RunRecord:
    """A saved record whose notice is over."""
    seen = replace(first(of), messages=())
    assert ledger.save(replace(seen, after=warned(of, POLICY, ago=5 * HOUR, version=0)))
    return held(ledger, of)


def claim_step(waiting: RunRecord, of: Run = LATE, *, owner: str = "a", now: datetime = NOW) -> Step:
    decision = judge(of, waiting, POLICY, None, now)
    return stopping.claim(of, waiting, decision, owner=owner, lease=6 * MINUTE, now=now)


def saved_message(ledger: Ledger) -> Message:
    assert ledger.save(first())
    (message,) = ledger.outbox(NOW)
    return message


def delivery(at: datetime = NOW) -> Entry:
    return Entry(at, Transition.DELIVERED, "warning: accepted by Slack")
