"""A doctor's checks of what is deployed: its configuration, claims, messages, prices and listeners."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from costwatch import names
from costwatch.adapters.ledger import Stamp
from costwatch.adapters.price_store import PriceStore
from costwatch.adapters.topic import Topic
from costwatch.cli import claimed, show
from costwatch.cli.doctor_case import Case, of_commit
from costwatch.cli.findings import Finding, ok, todo, unknown
from costwatch.cli.session import Deployment
from costwatch.core.claims import Standing

STALE_AFTER: Final = timedelta(hours=72)
"""As the alarm on prices has it."""
_NAMED: Final = 3


def configuration(case: Case) -> Iterator[Finding]:
    """Whether what lies here is what is deployed."""
    check = "configuration deployed"
    deployed = _deployed(case)
    if case.loaded is None:
        yield unknown(check, "needs a valid configuration to compare")
        return
    if not deployed.policy_digest:
        yield unknown(check, f"{names.ENV_LEDGER_TABLE} names the ledger, so nobody knows what is deployed")
        return
    here = str(case.loaded.policy_document["digest"])
    if here == deployed.policy_digest:
        yield ok(check, f"as it lies here ({of_commit(deployed.config_commit)})")
        return
    there = f"{deployed.policy_digest[:12]} is deployed ({of_commit(deployed.config_commit)})"
    said = f"it differs: {there}, {here[:12]} lies here"
    do = "use the file that is deployed: a deploy goes elsewhere (see deployed)"
    yield todo(check, said, do if case.is_moved else "make deploy, or use the file that is deployed")


def claims(case: Case) -> Iterator[Finding]:
    """Stops, answers and verdicts that were begun and left: the very ones that `settle` calls not settled."""
    check = "unsettled claims"
    under_way = claimed.under_way(case.session)
    left = [each for each in under_way if each.standing(case.now) is Standing.LEFT]
    if left:
        named = ", ".join(f"{each.kind.value} {each.name}" for each in left[:_NAMED])
        said = f"{len(left)} of {len(under_way)}: {named}{', ...' if len(left) > _NAMED else ''}"
        yield todo(
            check, said, "costwatch settle says what is in the way; with --now the functions look at them at once"
        )
    else:
        yield ok(check, f"none, {len(under_way)} under way" if under_way else "none")
    if case.session.unreadable:
        row = case.session.unreadable[0]
        said = f"{show.count(len(case.session.unreadable), 'ledger row')} cannot be read, such as ({row.pk}, {row.sk})"
        yield todo("ledger rows", said, "mend or delete them")


def messages(case: Case) -> Iterator[Finding]:
    """What nobody has taken yet."""
    waiting = case.ledger.outbox(case.now, case.session.skip)
    if waiting:
        said = f"{show.count(len(waiting), 'message')} not delivered yet"
        yield todo("messages", said, "costwatch status lists them; each sweep tries again")
    else:
        yield ok("messages", "none waits for delivery")


def price_book(case: Case) -> Iterator[Finding]:
    """How old its oldest part is, in the watched regions."""
    check = "price book"
    deployed = _deployed(case)
    refresh = "costwatch prices refresh"
    book = PriceStore(case.session.table(), _stamp(deployed)).load()
    age = book.age(case.now, deployed.regions) if book is not None else None
    if age is None:
        yield todo(check, "no prices were read yet; those that ship with the code are used", refresh)
    elif age > STALE_AFTER:
        yield todo(check, f"its oldest part is {show.age(age)} old, more than {show.age(STALE_AFTER)}", refresh)
    else:
        yield ok(check, f"its oldest part is {show.age(age)} old")


def alerts(case: Case) -> Iterator[Finding]:
    """Whether anybody has confirmed that they listen to alarms."""
    deployed = _deployed(case)
    if not deployed.alerts_topic_arn:
        yield unknown("alerts", "the deployment does not say which topic takes alarms")
    elif Topic(case.session.client("sns", deployed.home_region), deployed.alerts_topic_arn).has_listener():
        yield ok("alerts", "somebody has confirmed a subscription")
    else:
        do = "name email.to and deploy, then confirm by the mail that AWS sends; or subscribe to the topic"
        yield todo("alerts", f"nobody has confirmed a subscription to {deployed.alerts_topic_arn}", do)


def _deployed(case: Case) -> Deployment:
    return case.session.deployment


def _stamp(deployed: Deployment) -> Stamp:
    return Stamp(deployed.policy_digest, deployed.config_commit)
