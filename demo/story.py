"""The whole performance: prologue, scenes, the end state read again and compared, and what is yours to do next."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from decimal import Decimal
from pathlib import Path

from rich.console import Console

from costwatch.adapters.dynamodb import DynamoTable
from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.adapters.price_store import PriceStore
from costwatch.adapters.prices import SeedPrices
from costwatch.core.money import show_usd
from costwatch.core.price_book import TrustedPrices
from costwatch.topology import PRICES
from demo import history, models, recorder
from demo.cast import APPROVERS, MARIA, PEOPLE, PLATFORM, RAVI, SAM, START, Cast, seed
from demo.checks import Check, Checker
from demo.end_state import EndState, total_usd
from demo.play import Play, ago
from demo.sabotage import SABOTAGES
from demo.scenes import SCENES, begin, open_card
from demo.scenes.extended import CONFIGURATION
from demo.stage import TABLE, Stage
from demo.telling import Teller


def perform(*, auto: bool, as_json: bool, sabotage: str | None, page_file: str | None = None) -> int:
    """Play everything; 0 when the end state is as expected, else 1.

    At a terminal, unless `auto` or `as_json`, the Slack page is left open until Ctrl-C. `page_file` receives that page.
    """
    recorder.install_if_asked()
    began = time.monotonic()
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] # a terminal without UTF-8 gets ? for ·
    console = Console(highlight=False, markup=False, emoji=False, quiet=as_json)
    teller = Teller(console, paced=not auto and not as_json and console.is_terminal)
    broken = SABOTAGES[sabotage][1]() if sabotage else nullcontext()
    with broken, Stage(start=START, people=PEOPLE, recorded=sabotage is None) as stage:
        stage.slack.people.titles.update({MARIA: "owner", RAVI: "approver", SAM: "stranger to risk"})
        stage.slack.people.add_group(APPROVERS, [RAVI])
        loaded = stage.deploy(CONFIGURATION.read_text(encoding="utf-8"))
        document = loaded.policy_document
        table = DynamoTable(stage.aws.client("dynamodb"), TABLE)
        stamp = Stamp(document["digest"], document["config_commit"])
        stage.fire(PRICES.name)
        prices = TrustedPrices(PriceStore(table, stamp).load(), SeedPrices(), START)
        cast = seed(stage.aws, prices)
        history.remember(stage.aws, Ledger(table, stamp=stamp), prices)
        models.first(stage.aws, START)
        stage.state_events.take()  # what was there before is no change
        play = Play(stage, cast, teller)
        begin(play)
        _prologue(teller, cast, loaded.policy_document["digest"], sabotage)
        teller.say(f"Slack, as people see it, while it happens: {stage.slack.page_url}")
        for number, scene in enumerate(SCENES, start=1):
            teller.scene(number, scene.TITLE, scene.CONTRACT)
            scene.play(play)
        _spent(play)
        end = play.reader.read()
        checks = _checks(end, stage)
        _totals(teller, end)
        stays = not auto and not as_json and (sys.stdin.isatty() or sys.stdout.isatty())
        if not stays:  # nobody is there to press anything, or Ctrl-C
            checks += open_card.answer(play)
        failed = [check for check in checks if not check.ok]
        if page_file:
            Path(page_file).write_text(stage.slack.page(live=False), encoding="utf-8")
        if as_json:
            body = {"ok": not failed, "sabotage": sabotage, **end.document(), "totals": _sums(end)}
            print(json.dumps(body | {"checks": [check.document() for check in checks]}, indent=2, default=str))
        else:
            _compared(teller, checks, every_line=auto, seconds=time.monotonic() - began)
            if stays:
                ravi = stage.slack.page_url_of(RAVI)
                teller.say(
                    f"Slack stays open until Ctrl-C. As Ravi you may say yes or no to {open_card.PIPELINE}: {ravi}"
                )
            last_words(teller, all_well=not failed and not sabotage)
            if stays:
                with stage.taking_clicks(lambda done: play.clicked(done, [open_card.PIPELINE])):
                    until_interrupted()
    return 1 if failed else 0


def until_interrupted() -> None:
    """Wait for Ctrl-C, also where a shell started this with it ignored."""
    with suppress(KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Event().wait()


def _checks(end: EndState, stage: Stage) -> list[Check]:
    checks: list[Check] = []
    for number, scene in enumerate(SCENES, start=1):
        checker = Checker(number)
        scene.expect(end, checker)
        checks += checker.checks
    overall = Checker(0)
    overall.left_alone(end, "postgres")
    overall.see("ledger: no run that nobody picks", [], end.transitions("postgres"))
    overall.see("ledger: no message is unsent", 0, end.outbox)
    came_back = [row.name for row in end.timeline if row.transition in ("came back", "failed")]
    overall.see("ledger: nothing came back, no stop failed", [], came_back)
    overall.see(
        "metrics: every scheduled sweep completed", stage.sweeps, stage.metric_count("deadman", "BurnUsdPerHour")
    )
    overall.see("embedded AWS: tracebacks in the server's log", 0, len(stage.aws.errors))
    for text in stage.aws.errors:
        print(text, file=sys.stderr)
    return checks + overall.checks


def _prologue(teller: Teller, cast: Cast, digest: str, sabotage: str | None) -> None:
    teller.headline("Costwatch: a dead-man's switch for ML training, shown on a fleet that nobody pays for")
    teller.say(
        "Simulated: AWS (moto on this machine, taught to behave like AWS where it matters), Slack, and the clock. "
        "Real: the functions, their rules and schedule, the ledger, the decisions, every call they make. Prices are "
        f"from the book that the prices function has just read. Times are UTC. Policy {digest[:12]} from "
        "demo/costwatch.yaml."
    )
    if sabotage:
        teller.say(f"SABOTAGE {sabotage}: {SABOTAGES[sabotage][0]}. The comparison at the end must notice.")
    columns = [("name", False), ("what", False), ("bought as", False), ("runs for", True), ("$/h", True)]
    rows = [(a.name, a.capacity, a.how, ago(a.started_at, START), show_usd(a.rate_usd)) for a in cast]
    teller.table(columns, rows)
    burn = sum((actor.rate_usd for actor in cast), Decimal(0))
    teller.say(f"{len(rows)} runs, {show_usd(burn)} an hour. It is {START:%H:%M} on {START:%A, %d %B %Y}.")
    teller.pause(2)


def _spent(play: Play) -> None:
    play.tell.section("What it cost")
    play.command("maria", "spend", "--by", "owner", "--since", "12h", config=CONFIGURATION)


def _sums(end: EndState) -> dict[str, str]:
    held = [Decimal(each["hourly_rate_usd"]) for each in end.open_records.values() if each["status"] == "held"]
    return {
        "runs_stopped": str(len(end.stop_events)),
        "burn_stopped_usd_per_hour": f"{total_usd(end.stop_events, 'hourly_rate_usd'):.2f}",
        "spent_on_stopped_usd": f"{total_usd(end.stop_events, 'spent_usd'):.2f}",
        "burn_held_usd_per_hour": f"{sum(held, Decimal(0)):.2f}",
    }


def _totals(teller: Teller, end: EndState) -> None:
    sums = {name: Decimal(value) for name, value in _sums(end).items()}
    teller.section("What it came to")
    teller.say(
        f"Burn stopped: {show_usd(sums['burn_stopped_usd_per_hour'])} an hour ({sums['runs_stopped']} runs; spent on "
        f"them until then: {show_usd(sums['spent_on_stopped_usd'])}). Held, for people to decide: "
        f"{show_usd(sums['burn_held_usd_per_hour'])} an hour. Slack took {len(end.slack)} messages, "
        f"{sum(1 for each in end.slack if each.to == PLATFORM)} of them in {PLATFORM}. List prices; what would have "
        "been saved nobody can know."
    )


def _compared(teller: Teller, checks: Sequence[Check], *, every_line: bool, seconds: float) -> None:
    teller.section("EC2, SageMaker, ledger, Slack and queues, read again and compared")
    for check in checks:
        where = f"scene {check.scene}" if check.scene else "overall"
        if not check.ok:
            teller.lines([f"DIFFERS  {where}: {check.what}"], indent=0)
            teller.lines([f"expected  {check.expected}", f"actual    {check.actual}"], indent=9)
        elif every_line:
            teller.lines([f"ok       {where}: {check.what}"], indent=0)
    good = sum(1 for check in checks if check.ok)
    verdict = "all as expected" if good == len(checks) else f"{len(checks) - good} DIFFER"
    teller.say(f"{good} of {len(checks)} checks ok: {verdict}. {seconds:.0f} s.")


def last_words(teller: Teller, *, all_well: bool) -> None:
    """What to do next; nothing of the kind after a demo that did not keep its promises, or was not meant to."""
    if not all_well:
        return
    teller.section("Now yours")
    teller.lines(
        [
            "make test                          every test, a real cdk deploy into an embedded AWS included",
            ".venv/bin/costwatch check-config   look at costwatch.yaml, edit it, check it; it starts in observe",
            "make deploy                        into your own account: in observe it may stop nothing at all",
        ],
        indent=2,
    )
    teller.say("And first of all, since it only reads and needs no deploy: what runs in your own account right now?")
    teller.lines(["Now yours: .venv/bin/costwatch scan"], indent=0)
