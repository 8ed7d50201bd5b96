"""A lookup or a message that Slack chokes on costs itself and no other warning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from costwatch.adapters.slack import RATE_LIMITED, Slack
from costwatch.core.cards import Card
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError
from costwatch.procedures.report import SweepReport
from costwatch.procedures.sweep import sweep
from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint
from tests.support import policies
from tests.support.fakes import FakeInstance, FakeSlack, Town

POISON = "poison@example.com"


@dataclass
class ChokingSlack(FakeSlack):
    """`lookup` and `posting` answer with an error for what they choke on."""

    lookup: Callable[[str], AwsError | None] = lambda _: None
    posting: Callable[[Card], AwsError | None] = lambda _: None
    lookups: list[str] = field(default_factory=list)

    def user_id(self, owner: str) -> str | None:
        self.lookups.append(owner)
        if error := self.lookup(owner):
            raise error
        return super().user_id(owner)

    def post(self, channel: str, card: Card) -> str:
        if error := self.posting(card):
            raise error
        return super().post(channel, card)


def sweep_with(town: Town, slack: ChokingSlack) -> SweepReport:
    return sweep(replace(town.watchdog(), slack=slack))


def overdue(town: Town, owner: str, team: str = "") -> FakeInstance:
    return town.world.launch(age=timedelta(hours=13), tags={"Purpose": "training", "owner": owner, "team": team})


def transient(_: object = None) -> AwsError:
    return TransientAwsError("slack: internal_error")


def test_a_lookup_that_breaks_off_costs_the_mention_and_neither_its_card_nor_the_others() -> None:
    town = Town(policies.policy())
    poisoned, fine = overdue(town, POISON, "risk"), overdue(town, "maria@example.com")
    slack = ChokingSlack(town.world, lookup=lambda owner: transient() if owner == POISON else None)
    report = sweep_with(town, slack)
    assert (report.delivered, report.undelivered) == (2, 0)
    assert [channel for _, channel, _ in town.world.posts] == [
        "#risk-ml",
        "U0MARIA01",
    ]
    town.clock.forward(minutes=35)
    assert sweep_with(town, slack).stopped == 2
    assert (poisoned.alive, fine.alive) == (False, False)


def test_a_lookup_that_is_refused_costs_the_mention_only() -> None:
    town = Town(policies.policy())
    overdue(town, POISON)
    slack = ChokingSlack(town.world, lookup=lambda _: PermanentAwsError("slack: missing_scope"))
    assert sweep_with(town, slack).delivered == 1


def test_an_owner_whose_lookup_failed_is_not_looked_up_again_for_every_card() -> None:
    town = Town(policies.policy())
    for _ in range(5):
        overdue(town, POISON)
    slack = ChokingSlack(town.world, lookup=transient)
    assert sweep_with(town, slack).delivered == 5
    assert slack.lookups == [POISON]


def test_a_post_that_breaks_off_ends_the_asking_in_this_flush_and_goes_last_in_the_next() -> None:
    town = Town(policies.policy())
    poisoned = overdue(town, POISON)
    others = [overdue(town, "maria@example.com") for _ in range(3)]
    slack = ChokingSlack(town.world, posting=lambda card: transient() if poisoned.id in str(card.blocks) else None)
    first = sweep_with(town, slack)
    assert (first.delivered, first.undelivered) == (0, 4)
    town.clock.forward(minutes=5)
    second = sweep_with(town, slack)
    assert (second.delivered, second.undelivered) == (3, 1)
    town.clock.forward(minutes=35)
    assert sweep_with(town, slack).stopped == 3
    assert poisoned.alive, "nobody is stopped unwarned"
    assert not any(other.alive for other in others)


def limited(_: object = None) -> AwsError:
    return TransientAwsError("slack:users_lookupByEmail: ratelimited", code=RATE_LIMITED)


def test_after_one_rate_limited_lookup_nobody_else_is_looked_up_in_this_flush_and_every_card_goes_out() -> None:
    town = Town(policies.policy())
    for number in range(12):
        overdue(town, f"person-{number}@example.com", "risk")
    slack = ChokingSlack(town.world, lookup=limited)
    report = sweep_with(town, slack)
    assert len(slack.lookups) == 1
    assert (report.delivered, {channel for _, channel, _ in town.world.posts}) == (12, {"#risk-ml"})


@pytest.mark.parametrize(("seconds", "asked"), [(4.9, 12), (5, 1)])
def test_after_a_lookup_that_failed_slowly_nobody_else_is_looked_up_in_this_flush(seconds: float, asked: int) -> None:
    town = Town(policies.policy())
    for number in range(12):
        overdue(town, f"person-{number}@example.com", "risk")

    def hanging(_: str) -> AwsError:
        town.clock.forward(seconds=seconds)
        return transient()

    slack = ChokingSlack(town.world, lookup=hanging)
    assert (sweep_with(town, slack).delivered, len(slack.lookups)) == (12, asked)


def test_the_next_flush_looks_people_up_again() -> None:
    town = Town(policies.policy())
    overdue(town, "maria@example.com")
    sweep_with(town, ChokingSlack(town.world, lookup=limited))
    overdue(town, "maria@example.com")
    slack = ChokingSlack(town.world)
    town.clock.forward(minutes=5)
    sweep_with(town, slack)
    assert slack.lookups == ["maria@example.com"]


def test_after_a_rate_limited_post_the_rest_waits_for_the_next_sweep() -> None:
    town = Town(policies.policy())
    for _ in range(4):
        overdue(town, "maria@example.com")
    asked: list[Card] = []

    def posting(card: Card) -> AwsError | None:
        asked.append(card)
        return limited() if len(asked) == 2 else None

    slack = ChokingSlack(town.world, posting=posting)
    first = sweep_with(town, slack)
    assert (first.delivered, first.undelivered, len(asked)) == (1, 3, 2)
    town.clock.forward(minutes=5)
    second = sweep_with(town, slack)
    assert (second.delivered, second.undelivered) == (3, 0)


def test_a_sweep_under_a_slack_that_asks_for_twelve_seconds_sleeps_not_at_all() -> None:
    town = Town(policies.policy())
    for number in range(12):
        overdue(town, f"person-{number}@example.com")
    naps: list[float] = []
    with SlackEndpoint() as endpoint:
        endpoint.rate_limit(times=1000, retry_after_seconds=12)
        slack = Slack(lambda: DEFAULT_TOKEN, api_url=endpoint.base_url, sleep=naps.append)
        report = sweep(replace(town.watchdog(), slack=slack))
        assert (naps, report.undelivered, 1000 - endpoint.limits_left) == ([], 12, 2)
