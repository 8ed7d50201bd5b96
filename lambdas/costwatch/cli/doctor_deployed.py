"""A doctor's checks of what is deployed: its configuration, claims, messages, prices, queues and listeners."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from costwatch import names
from costwatch.adapters.aws_errors import translated
from costwatch.adapters.ledger import Stamp
from costwatch.adapters.price_store import PriceStore
from costwatch.adapters.topic import Topic
from costwatch.cli import claimed, show
from costwatch.cli.doctor_case import Case
from costwatch.cli.findings import Finding, ok, todo, unknown
from costwatch.cli.session import Deployment
from costwatch.core.claims import Standing
from costwatch.errors import PermanentAwsError

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
        yield ok(check, f"as it lies here (commit {deployed.config_commit})")
        return
    there = f"{deployed.policy_digest[:12]} is deployed (commit {deployed.config_commit})"
    said = f"it differs: {there}, {here[:12]} lies here"
    yield todo(check, said, "make deploy, or use the file that is deployed")


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


def dead_letters(case: Case) -> Iterator[Finding]:
    """What could not be handled, in all queues of the stack."""
    check = "dead-letter queues"
    region = _deployed(case).home_region
    client = case.session.client("cloudformation", region)
    try:
        with translated("cloudformation:ListStackResources"):
            pages = client.get_paginator("list_stack_resources").paginate(StackName=names.STACK)
            resources: list[Any] = [each for page in pages for each in page["StackResourceSummaries"]]
    except PermanentAwsError as error:
        if error.code != "ValidationError":  # CloudFormation's word for a stack that is not there
            raise
        yield unknown(check, f"no stack is called {names.STACK} in {region}")
        return
    queues = {
        str(each["LogicalResourceId"]): str(each["PhysicalResourceId"])
        for each in resources
        if each["ResourceType"] == "AWS::SQS::Queue" and _is_dead(str(each["LogicalResourceId"]))
    }
    sqs = case.session.client("sqs", region)
    waiting: dict[str, int] = {}
    for name, url in sorted(queues.items()):
        with translated("sqs:GetQueueAttributes"):
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        number = int(answer["Attributes"]["ApproximateNumberOfMessages"])
        if number:
            waiting[name] = number
    if waiting:
        said = ", ".join(f"{number} in {name}" for name, number in waiting.items())
        yield todo(check, said, "costwatch redrive shows it, handles it again or deletes it")
    else:
        yield ok(check, f"{show.count(len(queues), 'queue')}, all empty")


def _is_dead(logical_id: str) -> bool:
    return "DeadLetters" in logical_id or "RefusedEvents" in logical_id


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
