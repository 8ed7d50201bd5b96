"""The dashboard of the template: its metrics are the four, and each query finds what the handlers really printed."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from costwatch import names
from costwatch.wiring import Wiring
from tests.support import log_queries, policies
from tests.support.builders import NOW
from tests.support.embedded import Account, embedded_account
from tests.support.gate_town import GateTown
from tests.support.pipelines import definition, start
from tests.support.res_account import ResAccount
from tests.support.synth import Synthesized, filled_in

TAGS = {"Purpose": "training", "owner": "maria@example.com", "team": "risk"}
MOST_FREE_METRICS = 50


def widgets(assembly: Synthesized) -> list[dict[str, Any]]:
    body = assembly.only("AWS::CloudWatch::Dashboard")["DashboardBody"]
    found: list[dict[str, Any]] = json.loads(filled_in(body))["widgets"]
    return found


def queries(assembly: Synthesized) -> dict[str, str]:
    """By title."""
    return {w["properties"]["title"]: w["properties"]["query"] for w in widgets(assembly) if w["type"] == "log"}


def test_it_shows_the_four_metrics_with_the_limit_and_costs_nothing_as_one_of_three(assembly: Synthesized) -> None:
    graphs = [widget["properties"] for widget in widgets(assembly) if widget["type"] == "metric"]
    shown = [tuple(metric[:4]) for graph in graphs for metric in graph["metrics"]]
    own = (names.METRIC_BURN, names.METRIC_ATTENTION, names.METRIC_OLDEST_CLAIM, names.METRIC_PRICE_BOOK_AGE)
    assert shown == [("Costwatch", metric, "service", "costwatch") for metric in own]
    assert len(shown) <= MOST_FREE_METRICS
    assert graphs[0]["annotations"]["horizontal"][0]["value"] == 400


def test_it_shows_the_state_of_every_alarm(assembly: Synthesized) -> None:
    (status,) = [widget["properties"] for widget in widgets(assembly) if widget["type"] == "alarm"]
    assert len(status["alarms"]) == len(assembly.of_type("AWS::CloudWatch::Alarm"))


def test_each_query_reads_the_logs_of_every_function_and_verdicts_are_asked_for_where_there_are_any(
    assembly: Synthesized,
) -> None:
    for query in queries(assembly).values():
        assert len(re.findall(r"SOURCE '", query)) == len(assembly.functions)
    assert any("verdicts" in title for title in queries(assembly)) is assembly.models


# --- the queries over what was printed --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with embedded_account(tmp_path_factory.mktemp("policies")) as account:
        yield account


@pytest.fixture
def account(running: Account) -> Account:
    running.reset(NOW)
    running.aws.faults.clear()
    return running


class Logs:
    """What the functions print: lines with metrics to standard output, powertools' to the stream it was born with."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys, self._stream = capsys, StringIO()
        self._handler = logging.StreamHandler(self._stream)
        self._loggers: list[logging.Logger] = []

    def of(self, wired: Wiring) -> Wiring:
        """Listen to a function too."""
        self._handler.setFormatter(wired.logger.registered_formatter)
        logger = logging.getLogger(wired.service)
        logger.addHandler(self._handler)
        self._loggers.append(logger)
        return wired

    def close(self) -> None:
        for logger in self._loggers:
            logger.removeHandler(self._handler)

    @property
    def lines(self) -> list[str]:
        printed = [line for line in self._capsys.readouterr().out.splitlines() if '"location"' not in line]
        return printed + self._stream.getvalue().splitlines()


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> Iterator[Logs]:
    listening = Logs(capsys)
    yield listening
    listening.close()


def asked(assembly: Synthesized, title: str, lines: list[str]) -> list[dict[str, Any]]:
    (query,) = [query for found, query in queries(assembly).items() if found.startswith(title)]
    return log_queries.run(query, lines)


def test_spending_stops_would_haves_and_own_cost_are_found_in_the_lines_of_sweeps(
    account: Account, logs: Logs, assemblies: dict[str, Synthesized]
) -> None:
    ours = assemblies["models"]
    account.document = policies.document(
        selectors=[policies.selector(), policies.selector("watched", tags={"Purpose": ["batch"]}, mode="observe")]
    )
    wired = logs.of(account.wiring())
    account.fleet.instance(tags=TAGS, launched_at=NOW - timedelta(hours=40))
    account.fleet.instance(tags={**TAGS, "Purpose": "batch"}, launched_at=NOW - timedelta(hours=40))
    account.fleet.instance(tags={**TAGS, "costwatch:never": ""}, launched_at=NOW - timedelta(hours=40))
    for minutes in (5, 35, 5, 5):
        account.clock.forward(minutes=minutes)
        account.sweep(wired)
    lines = logs.lines
    spent = asked(ours, "Spent by team", lines)
    assert [(row["team"], row["runs"]) for row in spent] == [("risk", 1)]
    assert spent[0]["usd"] == pytest.approx(40.67 * 21.957642, rel=0.01)
    burn = {(row["transition"], row["mode"]): row["usd_an_hour"] for row in asked(ours, "Burn stopped", lines)}
    assert burn["verified gone", "enforce"] == pytest.approx(21.957642)
    assert burn["would stop", "observe"] == pytest.approx(21.957642)
    stops = asked(ours, "Stops", lines)
    assert {row["transition"] for row in stops} == {"stopping", "held"}
    assert all(row["reason"] and row["run"] and row["timestamp"] for row in stops)
    (attention,) = asked(ours, "What needed attention", lines)
    assert (attention["function"], attention["held"]) == ("deadman", 1)
    (own,) = asked(ours, "Own cost", lines)
    assert own["sweeps"] == 4
    assert own["usd"] == pytest.approx(4.94)


def test_verdicts_and_what_the_candidates_cost_are_found_in_the_lines_of_the_breaker(
    account: Account, logs: Logs, assemblies: dict[str, Synthesized], tmp_path: Path
) -> None:
    breaker = ResAccount(account.aws, account.clock, tmp_path, table="costwatch-of-the-breaker")
    logs.of(breaker.wired)
    breaker.aws.models.decide(breaker.candidate("churn-38", 0.912), "Approved")
    breaker.sweep()
    breaker.candidate("churn-41", 0.911)
    breaker.sweep()
    verdicts = {row["verdict"]: row for row in asked(assemblies["models"], "RES verdicts", logs.lines)}
    assert verdicts["reject"]["candidates"] == 1
    assert verdicts["reject"]["usd"] == pytest.approx(252.51, abs=0.01)


def test_approvals_and_the_time_to_decision_are_found_in_the_lines_of_the_gate(
    running: Account, logs: Logs, assemblies: dict[str, Synthesized], tmp_path: Path
) -> None:
    running.aws.reset()
    running.clock.now = NOW
    town = GateTown(running.aws, running.clock, tmp_path)
    logs.of(town.wired)
    logs.of(town.sweep_wired)
    for minutes, yes in ((30, True), (90, True), (20, False)):
        start(town.aws, definition(town.queue_url))
        town.poll()
        running.clock.forward(minutes=minutes)
        town.answer(yes=yes, reason="as agreed")
    decided = {row["transition"]: row for row in asked(assemblies["models"], "Approvals", logs.lines)}
    assert decided["approved"] == {"transition": "approved", "questions": 2, "minutes": 60, "longest": 90}
    assert decided["denied"] == {"transition": "denied", "questions": 1, "minutes": 20, "longest": 20}


def test_a_query_that_the_evaluator_does_not_know_is_refused() -> None:
    for unknown in ("parse @message 'x'", 'filter a like "b"', "stats pct(a, 95) as p"):
        with pytest.raises(ValueError, match="knows"):
            log_queries.run(unknown, ['{"a": 1}'])
