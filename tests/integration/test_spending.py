"""What a run whose members come and go has spent, as every place that says it: card, event, ledger, command line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from costwatch.core import times
from costwatch.core.record import Transition
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, REGION
from tests.support.command_line import Terminal, town_of
from tests.support.fakes import FakeInstance, Town

TAGS = {"Purpose": "training", "owner": "maria@example.com", "costwatch:run": "llm"}
RUN = f"{ACCOUNT}/{REGION}/run/llm"
RATE = Decimal("21.957642")


def usd(hours: float) -> str:
    """Of one p4d.24xlarge."""
    return f"{RATE * Decimal(str(hours)):.2f}"


def grown(of: Town) -> list[FakeInstance]:
    """One member for eleven hours, and seven that joined half an hour before now."""
    members = [of.world.launch(age=11 * HOUR, tags=TAGS)]
    sweep(of.watchdog())
    of.clock.forward(minutes=30)
    members += [of.world.launch(age=30 * MINUTE, tags=TAGS) for _ in range(7)]
    sweep(of.watchdog())
    return members


def test_card_event_ledger_and_commands_say_the_same_sum_over_the_members(config: Path) -> None:
    of = town_of(config)
    maria = Terminal(config, of)
    members = grown(of)
    warned_at = 11.5 + 7 * 0.5
    *_, warned = (card for _, _, card in of.world.posts if "stops in" in card.text)
    assert f"spent ${usd(warned_at)}" in warned.text
    assert maria.json("explain", RUN)["record"]["spent_usd"] == usd(warned_at)
    assert maria.json("status")["totals"]["spent_usd"] == usd(warned_at)
    for _ in range(14):
        of.clock.forward(minutes=5)
        sweep(of.watchdog())
    event = of.world.events[-1]
    stopped_at = times.from_text(event["stopped_at"])
    hours = sum((stopped_at - each.launch_time).total_seconds() for each in members if each.launch_time) / 3600
    assert event["spent_usd"] == usd(hours)
    stopped = next(card for _, _, card in of.world.posts if "was stopped" in card.text)
    assert f"spent ${event['spent_usd']}" in stopped.text
    told = maria.json("explain", RUN)
    spent = {entry["transition"]: entry["evidence"].get("spent_usd") for entry in told["timeline"]}
    assert spent["stop requested"] == spent["verified gone"] == event["spent_usd"]
    assert f"${event['spent_usd']}" in maria.costwatch("explain", RUN, "--markdown").stdout


def test_a_member_that_left_is_still_in_the_sum(config: Path) -> None:
    of = town_of(config)
    gone, *_others = grown(of)
    of.world.end(gone)
    of.clock.forward(minutes=15)
    sweep(of.watchdog())
    told = Terminal(config, of).json("explain", RUN)["record"]
    assert told["spent_usd"] == usd(11.75 + 7 * 0.75)
    assert Decimal(told["hourly_rate_usd"]) == 7 * RATE


def test_a_would_have_is_closed_with_what_its_members_really_cost_since_then(config: Path) -> None:
    of = town_of(config)
    of.policy = policies.policy(selectors=[policies.selector(mode="observe")])
    first = of.world.launch(age=13 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    sweep(of.watchdog())
    of.clock.forward(hours=1)
    others = [of.world.launch(age=HOUR / 2, tags=TAGS) for _ in range(7)]
    sweep(of.watchdog())
    of.clock.forward(minutes=30)
    for each in (first, *others):
        of.world.end(each)
    of.clock.forward(minutes=5)
    sweep(of.watchdog())
    rows = [row.entry for row in of.ledger.since(of.clock() - HOUR, of.clock())]
    end = next(entry for entry in rows if entry.transition is Transition.ENDED_BY_ITSELF)
    assert end.reason.startswith(f"ran 1 h 30 min more: ${usd(1.5 + 7 * 1)}")
    assert dict(end.evidence)["spent_usd"] == usd(13 + 32 / 60 + 1.5 + 7 * 1)
