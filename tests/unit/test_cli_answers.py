"""What the command line answers: exit codes, one line for an error, tables for people, documents for machines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from click.testing import CliRunner

from costwatch import cli
from costwatch.adapters.aws_errors import from_client_error
from costwatch.adapters.memory_table import MemoryTable
from costwatch.adapters.table import Item
from costwatch.cli import show
from costwatch.cli.failures import exit_code
from costwatch.cli.main import main
from costwatch.cli.read_only import ALLOWED, refuse_unlisted
from costwatch.cli.session import Session, Tools
from costwatch.cli.sweeping import observing
from costwatch.core.policy import Mode
from costwatch.core.sweeps import SweepDone
from costwatch.errors import NotDeployedError, RefusedError, TransientAwsError
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.command_line import CONFIG, MARIA, Terminal, client_error, town_of
from tests.support.fakes import Town

PURPOSE = {"Purpose": "training"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "costwatch.yaml"


@pytest.fixture
def town(config: Path) -> Town:
    return town_of(config)


@pytest.fixture
def maria(config: Path, town: Town) -> Terminal:
    return Terminal(config, town)


def one_line(text: str) -> bool:
    return text.startswith("costwatch: ") and text.count("\n") == 1 and "Traceback" not in text


# --- which run is meant ----------------------------------------------------------------------------


def test_a_run_is_found_by_id_by_the_name_in_it_by_member_and_by_the_name_it_shows(town: Town, maria: Terminal) -> None:
    alone = town.world.launch(age=timedelta(hours=1), tags={**PURPOSE, "Name": "churn"})
    member = town.world.launch(age=timedelta(hours=1), tags={**PURPOSE, "costwatch:run": "team/llm"})
    sweep(town.watchdog())
    whole = f"111122223333/us-east-1/instance/{alone.id}"
    for text in (whole, alone.id, "churn"):
        assert maria.json("explain", text)["run"] == whole
    for text in ("111122223333/us-east-1/run/team/llm", "team/llm", member.id):
        assert maria.json("explain", text)["run"] == "111122223333/us-east-1/run/team/llm"


def test_a_part_of_a_run_tag_names_no_run_open_or_over(town: Town, maria: Terminal) -> None:
    member = town.world.launch(age=timedelta(hours=1), tags={**PURPOSE, "costwatch:run": "team/llm"})
    sweep(town.watchdog())
    for command in (("explain", "llm"), ("extend", "llm", "1h"), ("exempt", "llm", "--for", "1d", "--reason", "x")):
        result = maria.costwatch(*command)
        assert (result.exit_code, "team/llm" in result.stderr) == (2, True), result.output
    town.world.end(member)
    town.clock.forward(minutes=5)
    sweep(town.watchdog())
    assert maria.costwatch("explain", "llm").exit_code == 2
    assert maria.json("explain", "team/llm")["record"] is None


@pytest.mark.parametrize("text", ["", "  "])
@pytest.mark.parametrize("command", [("explain",), ("stop", "--yes"), ("extend", "1h"), ("release",),
                                     ("exempt", "--for", "1d", "--reason", "x")])  # fmt: skip
def test_a_run_without_a_name_is_bad_input(town: Town, maria: Terminal, command: tuple[str, ...], text: str) -> None:
    trainer = town.world.launch(age=timedelta(hours=1), tags={**PURPOSE, "costwatch:run": "exp/"})
    sweep(town.watchdog())
    result = maria.costwatch(command[0], text, *command[1:])
    assert result.exit_code == 2
    assert result.stderr == "costwatch: name a run: by its id, its name in it, a member's id or the name it shows\n"
    assert trainer.alive


def test_what_the_ledger_lists_can_be_typed_where_a_run_tag_holds_slashes(town: Town, maria: Terminal) -> None:
    town.world.launch(age=timedelta(hours=1), tags={**PURPOSE, "costwatch:run": "team/llm"})
    sweep(town.watchdog())
    assert "first seen  team/llm" in maria.costwatch("ledger").stdout


def test_a_young_run_of_a_large_fleet_is_not_known_yet_and_the_answer_says_how_it_will_be(
    town: Town, maria: Terminal
) -> None:
    town.listed_whole = 0
    young, _ = (town.world.launch(age=timedelta(hours=1), tags=dict(PURPOSE)) for _ in range(2))
    sweep(town.watchdog())
    result = maria.costwatch("extend", young.id, "1h")
    assert result.exit_code == 2
    assert "tag its instance (costwatch:max-runtime" in result.stderr
    young.tags["costwatch:max-runtime"] = "12h"
    sweep(town.watchdog())
    assert maria.json("extend", young.id, "1h")["run"].endswith(young.id)


@pytest.mark.parametrize("command", [("explain",), ("extend", "1h"), ("release",)])
def test_a_run_nobody_knows_is_answered_with_candidates(town: Town, maria: Terminal, command: tuple[str, ...]) -> None:
    trainer = town.world.launch(age=timedelta(hours=1), tags={**PURPOSE, "Name": "churn"})
    sweep(town.watchdog())
    result = maria.costwatch(command[0], "churm", *command[1:])
    assert result.exit_code == 2
    assert one_line(result.stderr)
    assert f"{trainer.id} (churn)" in result.stderr


def test_a_run_nobody_knows_is_answered_with_what_is_nearly_called_so_and_nothing_else(
    town: Town, maria: Terminal
) -> None:
    for name in ("churn-bert", "llm", "embeddings"):
        town.world.launch(age=timedelta(hours=1), tags={**PURPOSE, "Name": name})
    sweep(town.watchdog())
    told = maria.costwatch("explain", "chrun-bert").stderr
    assert "(churn-bert)" in told
    assert "llm" not in told
    assert all(name in maria.costwatch("explain", "zzz").stderr for name in ("churn-bert", "llm", "embeddings"))


def test_a_name_of_many_runs_is_answered_with_all_their_ids(town: Town, maria: Terminal) -> None:
    twins = [town.world.launch(age=timedelta(hours=1), tags={**PURPOSE, "Name": "churn"}) for _ in range(9)]
    sweep(town.watchdog())
    for command in (("explain", "churn"), ("extend", "churn", "1h")):
        result = maria.costwatch(*command)
        assert result.exit_code == 2
        assert one_line(result.stderr)
        assert all(f"instance/{twin.id}" in result.stderr for twin in twins)


def test_a_run_that_is_over_is_explained_by_its_id(town: Town, maria: Terminal) -> None:
    trainer = town.world.launch(age=timedelta(hours=1))
    sweep(town.watchdog())
    town.world.end(trainer)
    town.clock.forward(minutes=5)
    sweep(town.watchdog())
    for text in (trainer.id, f"111122223333/us-east-1/instance/{trainer.id}"):
        told = maria.json("explain", text)
        assert told["record"] is None
        assert [e["transition"] for e in told["timeline"]] == [
            "first seen", "would have held", "ended by itself",
        ]  # fmt: skip
    assert "It is over." in maria.costwatch("explain", trainer.id).stdout


# --- explain, ledger, status -----------------------------------------------------------------------


def test_explain_shows_clock_warning_and_its_delivery_rule_commit_prices_and_who(town: Town, maria: Terminal) -> None:
    trainer = town.world.launch(
        age=timedelta(hours=11, minutes=30), first_age=timedelta(days=3), tags={**PURPOSE, "owner": "maria@example.com"}
    )
    sweep(town.watchdog())
    maria.json("extend", trainer.id, "4h")
    text = maria.costwatch("explain", trainer.id, env={"COLUMNS": "400"}).stdout
    for wanted in (
        "(LaunchTime of",
        "exists since 2026-11-19T09:00:00Z",
        "warning: accepted by Slack to maria@example.com",
        "notice accepted for delivery by Slack",
        "max_runtime 12h of selector trainers",
        f"configuration commit {town.policy.config_commit}, policy {town.policy.digest[:12]}",
        "list price",
        f"by {MARIA}",
        "2026-11-22 13:30:00 UTC",
    ):
        assert wanted in text, wanted
    told = maria.json("explain", trainer.id)
    assert told["record"]["clock_evidence"].startswith("running since 2026-11-21T21:30:00Z (LaunchTime")
    assert told["record"]["notice"]["via"] == "Slack to maria@example.com"
    assert [e["actor"] for e in told["timeline"] if e["transition"] == "extended"] == [MARIA]
    assert told["timeline"][0]["config_commit"] == town.policy.config_commit


def test_explain_says_which_message_is_not_delivered_yet(town: Town, maria: Terminal) -> None:
    trainer = town.world.launch(age=timedelta(hours=13))
    town.world.slack_is_up = False
    sweep(town.watchdog())
    assert "Not delivered yet: warning to the owner" in maria.costwatch("explain", trainer.id).stdout
    assert "1 message not delivered yet" in maria.costwatch("status").stdout
    assert [m["kind"] for m in maria.json("status")["undelivered"]] == ["warning"]


def test_status_totals_say_what_has_no_price_and_never_count_it_as_0(town: Town, maria: Terminal) -> None:
    town.world.launch(age=timedelta(hours=2))
    town.world.launch(age=timedelta(hours=2), instance_type="x9.imaginary")
    sweep(town.watchdog())
    totals = maria.json("status")["totals"]
    assert (totals["runs"], totals["without_price"]) == (2, 1)
    text = maria.costwatch("status").stdout
    assert "and 1 without a known price an hour" in text
    assert "unknown" in text


def test_what_was_stopped_burns_and_spends_nothing_more(town: Town, maria: Terminal) -> None:
    town.world.launch(age=timedelta(hours=12))
    sweep(town.watchdog())
    town.clock.forward(minutes=31)
    sweep(town.watchdog())
    before = maria.json("status")
    town.clock.forward(hours=1)
    after = maria.json("status")
    assert after["runs"][0]["status"] == "stopping"
    assert after["totals"]["hourly_rate_usd"] == "0.00"
    assert after["totals"]["spent_usd"] == before["totals"]["spent_usd"]


def test_status_says_when_the_last_sweep_came_to_its_end_and_what_failed_in_it(town: Town, maria: Terminal) -> None:
    assert "No sweep has come to its end yet." in maria.costwatch("status").stdout
    assert maria.json("status")["last_sweep"] is None
    town.ledger.keep_sweep(SweepDone(town.clock(), town.clock(), Mode.OBSERVE, "d1", "c0ffee", "0.2.0"))
    town.clock.forward(minutes=3)
    assert "Last sweep: 2026-11-22 09:00:00 UTC, 3m ago; nothing failed in it." in maria.costwatch("status").stdout
    failed = SweepDone(town.clock(), town.clock(), Mode.OBSERVE, "d1", "c0ffee", "0.2.0", 2, "us-east-1 ec2")
    town.ledger.keep_sweep(failed)
    text = " ".join(maria.costwatch("status").stdout.split())
    assert "Last sweep: 2026-11-22 09:03:00 UTC, 0m ago; 2 parts of it failed (us-east-1 ec2, ...)." in text
    assert maria.json("status")["last_sweep"] == {
        "began_at": "2026-11-22T09:03:00Z",
        "completed_at": "2026-11-22T09:03:00Z",
        "failures": 2,
        "mode": "observe",
        "policy_digest": "d1",
        "config_commit": "c0ffee",
        "version": "0.2.0",
    }


def test_status_goes_on_where_the_row_of_the_last_sweep_cannot_be_read(town: Town, maria: Terminal) -> None:
    town.ledger.keep_sweep(SweepDone(town.clock(), town.clock(), Mode.OBSERVE, "d1", "c0ffee", "0.2.0"))
    town.table.items["control", "sweep"]["completed_at"] = "yesterday"
    result = maria.costwatch("status", "--json")
    document = json.loads(result.stdout)
    assert document["last_sweep"] is None
    assert ["control" in row for row in document["unreadable"]] == [True]


def test_status_of_an_empty_ledger_costs_nothing(maria: Terminal) -> None:
    assert "0 open runs, 0 held: $0.00 an hour, $0.00 so far." in maria.costwatch("status").stdout


def test_the_ledger_is_read_from_a_duration_ago_or_from_a_time_on(town: Town, maria: Terminal) -> None:
    town.world.launch(age=timedelta(hours=1))
    sweep(town.watchdog())
    town.clock.forward(hours=2)
    assert maria.json("ledger", "--since", "1h")["entries"] == []
    for since in ("2h", "2026-11-22T09:00:00Z"):
        entries = maria.json("ledger", "--since", since)["entries"]
        assert [entry["transition"] for entry in entries] == ["first seen", "would have held"]
    assert maria.json("ledger", "--since", "2026-11-22T09:00:01Z")["entries"] == []
    for wrong in ("yesterday", "12", "2026-11-22T12:00:00Z"):
        result = maria.costwatch("ledger", "--since", wrong)
        assert result.exit_code == 2
        assert result.stderr.startswith("costwatch: ")


def test_the_ledger_lists_what_happened_for_people(town: Town, maria: Terminal) -> None:
    trainer = town.world.launch(age=timedelta(hours=1))
    sweep(town.watchdog())
    assert re.search(rf"11-22 09:00  first seen  {trainer.id}\n    its time is up at", maria.costwatch("ledger").stdout)


# --- on a terminal ---------------------------------------------------------------------------------

NARROW = {"COLUMNS": "60", "TTY_COMPATIBLE": "1", "TERM": "xterm"}


@pytest.mark.parametrize("command", [("status",), ("ledger",), ("explain", "churn"), ("sweep", "--mode", "enforce")])
def test_tables_fit_60_columns_and_ids_can_be_copied_whole(
    town: Town, maria: Terminal, command: tuple[str, ...]
) -> None:
    trainers = [
        town.world.launch(age=timedelta(hours=n), tags={**PURPOSE, "Name": "churn" if n == 30 else f"bert-{n}"})
        for n in (1, 12, 30)
    ]
    sweep(town.watchdog())
    result = maria.costwatch(*command, env=NARROW)
    assert result.exit_code == 0, result.output
    text = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)
    assert max(len(line) for line in text.splitlines()) <= 60, text
    assert trainers[2].id in text


def plain(text: str) -> str:
    """Without colours, and without what moves the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)


@pytest.mark.parametrize("terminal", ["xterm", "dumb"])
def test_what_is_not_a_table_folds_at_60_columns_too(town: Town, config: Path, maria: Terminal, terminal: str) -> None:
    types = ", ".join(f'"p{n}d.24xlarge"' for n in range(9))
    config.write_text(
        CONFIG.replace("training}}", f"[one, two-and-a-half, three], Team: risk}}, types: [{types}]}}").replace(
            'slack: {platform_channel: "#ml-platform"}\n', ""
        ),
        encoding="utf-8",
    )
    env = {**NARROW, "TERM": terminal}
    checked = maria.costwatch("check-config", str(config), env=env)
    config.write_text(CONFIG.replace("runs: 2", "runs: two"), encoding="utf-8")
    refused = maria.costwatch("check-config", str(config), env=env)
    assert (checked.exit_code, refused.exit_code) == (0, 2)
    others = [
        maria.costwatch(*arguments, env=env, config=False)
        for arguments in (("pause",), ("resume",), ("explain", "zzz"), ("extend", "zzz", "1h"),
                          ("status", "--watch", "1"))
    ]  # fmt: skip
    paths = str(config).split("/")
    for result in (checked, refused, *others):
        for line in plain(result.output).splitlines():
            assert len(line) <= 60 or any(part in line for part in paths[3:]), line
    assert "picks EC2 instances tagged Purpose=one|two-and-a-half|three" not in checked.stdout.splitlines()
    assert "p8d.24xlarge" in checked.stdout


@pytest.mark.parametrize("command", [*main.commands, ""])
def test_the_help_of_every_command_fits_60_columns(command: str) -> None:
    result = CliRunner().invoke(main, [*([command] if command else []), "--help"], terminal_width=60)
    assert result.exit_code == 0
    assert max(len(line) for line in result.stdout.splitlines()) <= 60, result.stdout


def test_a_dumb_terminal_is_drawn_as_wide_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("os.get_terminal_size", lambda *_: os.terminal_size((60, 20)))
    assert show.console().width == 60


def test_no_colour_is_used_where_nobody_wants_it(town: Town, maria: Terminal) -> None:
    town.world.launch(age=timedelta(hours=13))
    sweep(town.watchdog())
    coloured = maria.costwatch("status", env={**NARROW, "NO_COLOR": ""}).stdout
    assert "\x1b[33m" in coloured
    assert "\x1b[33m" not in maria.costwatch("status", env=NARROW).stdout
    assert "\x1b" not in maria.costwatch("status").stdout


@pytest.mark.parametrize("command", [("status",), ("sweep", "--mode", "enforce"), ("explain", "i-00000000000000001")])
def test_a_tag_cannot_steer_the_terminal_or_pass_for_markup(
    town: Town, maria: Terminal, command: tuple[str, ...]
) -> None:
    town.world.launch(age=timedelta(hours=13), tags={**PURPOSE, "Name": "[red]\x1b]0;owned\x07\x1b[2Jx"})
    sweep(town.watchdog())
    result = maria.costwatch(*command)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert "[red]?]0;owned??[2Jx" in result.stdout


def test_ages_are_short_and_minutes_are_whole() -> None:
    ages = [timedelta(0), timedelta(seconds=59), timedelta(minutes=65), timedelta(hours=23, minutes=59), timedelta(1)]
    assert [show.age(age) for age in ages] == ["0m", "0m", "1h5m", "23h59m", "1d0h"]


# --- sweep in enforce --------------------------------------------------------------------------------


def test_an_enforce_sweep_only_asks_the_deployed_function_with_digest_and_identity(town: Town, maria: Terminal) -> None:
    trainer = town.world.launch(age=timedelta(hours=13))
    sweep(town.watchdog())
    town.clock.forward(minutes=31)
    calls = len(town.world.calls)
    document = maria.json("sweep", "--once", "--mode", "enforce")
    assert document["stopped"] == 1
    assert not trainer.alive
    assert len(town.world.calls) > calls
    [event] = maria.function.events
    assert event == {
        "source": "costwatch.cli",
        "detail-type": "Sweep Requested",
        "detail": {"mode": "enforce", "policy_digest": town.policy.digest, "requested_by": MARIA},
    }


def test_an_enforce_sweep_with_another_configuration_is_refused_before_anybody_is_asked(
    config: Path, maria: Terminal
) -> None:
    config.write_text(CONFIG.replace("runs: 2", "runs: 3"), encoding="utf-8")
    result = maria.costwatch("sweep", "--once", "--mode", "enforce")
    assert result.exit_code == 4
    assert one_line(result.stderr)
    assert "is not the deployed one" in result.stderr
    assert "deploy it first" in result.stderr
    assert maria.function.events == []


def test_a_refusal_of_the_deployed_function_is_denied_here(town: Town, maria: Terminal) -> None:
    town.policy = policies.policy()  # deployed a moment ago; the parameter was read before
    result = maria.costwatch("sweep", "--mode", "enforce")
    assert result.exit_code == 4
    assert "the deployed function refuses: the deployed policy is another" in result.stderr


def answers(answer: Any) -> Any:
    def function(event: Mapping[str, Any]) -> Any:
        del event
        if isinstance(answer, Exception):
            raise answer
        return answer

    return function


@pytest.mark.parametrize(
    "answer", [TransientAwsError("dynamodb is down"), {"refused": "detail.mode is missing"}, "what?", None]
)
def test_a_function_that_fails_is_an_unexpected_failure_with_its_own_words(maria: Terminal, answer: Any) -> None:
    maria.function.function = answers(answer)
    result = maria.costwatch("sweep", "--mode", "enforce")
    assert result.exit_code == 1
    assert one_line(result.stderr)
    assert "the deployed function" in result.stderr


def test_a_sweep_that_could_not_look_everywhere_answers_1(town: Town, maria: Terminal) -> None:
    def down(operation: str, region: str, ids: tuple[str, ...]) -> TransientAwsError | None:
        del region, ids
        return TransientAwsError("ec2 is down") if operation == "DescribeInstances" else None

    town.world.fault = down
    result = maria.costwatch("sweep", "--mode", "enforce")
    assert result.exit_code == 1
    assert "Not handled: us-east-1 ec2: ec2 is down (the next sweep tries again)" in result.stdout


def test_an_observing_policy_has_nothing_in_enforce_and_what_is_off_stays_off() -> None:
    policy = policies.policy(
        mode="warn", selectors=[policies.selector("a"), policies.selector("b", "warn"), policies.selector("c", "off")]
    )
    observed = observing(policy)
    assert observed.mode is Mode.OBSERVE
    assert [s.mode for s in observed.selectors] == [Mode.OBSERVE, Mode.OBSERVE, Mode.OFF]
    assert observed.digest == policy.digest
    assert observed.approval.mode is Mode.OFF
    off = policies.policy(mode="off")
    assert observing(off) is off


@pytest.mark.parametrize(("mode", "observed"), [("enforce", "observe"), ("warn", "observe"), ("off", "off")])
def test_an_observing_policy_has_its_gate_in_observe_unless_that_is_off(mode: str, observed: str) -> None:
    gate = observing(policies.policy(approval=policies.approval(mode=mode))).approval
    assert gate.mode.value == observed


# --- what goes wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (botocore.exceptions.NoCredentialsError(), 2, "no AWS credentials were found"),
        (client_error("ExpiredToken", "GetCallerIdentity"), 2, "have expired"),
        (client_error("InvalidClientTokenId", "GetCallerIdentity"), 2, "does not know these credentials"),
        (client_error("AccessDenied", "GetCallerIdentity"), 4, "do not allow it"),
        (client_error("Throttling", "GetCallerIdentity"), 1, "try again"),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="https://sts"), 1, "is the region right"),
    ],
)
def test_what_aws_refuses_is_one_line_with_its_exit_code(
    maria: Terminal, error: Exception, code: int, says: str
) -> None:
    maria.sts.error = error
    result = maria.costwatch("status")
    assert result.exit_code == code
    assert one_line(result.stderr)
    assert says in result.stderr


def test_an_unexpected_failure_answers_1_and_says_where(maria: Terminal) -> None:
    maria.sts.error = KeyError("surprise")
    result = maria.costwatch("status")
    assert result.exit_code == 1
    assert result.stderr.startswith("costwatch: unexpected KeyError: 'surprise'\n  at ")
    assert "please report it" in result.stderr
    assert len(result.stderr.splitlines()) <= 5


@pytest.mark.parametrize("command", [("status",), ("ledger",), ("pause",), ("extend", "x", "1h"), ("sweep",)])
def test_where_nothing_is_deployed_every_command_says_what_to_do(maria: Terminal, command: tuple[str, ...]) -> None:
    maria.ssm.body = None
    result = maria.costwatch(*command)
    assert result.exit_code == 2
    assert one_line(result.stderr)
    assert "no Costwatch is deployed in account 111122223333, us-east-1: deploy it" in result.stderr


def test_the_environment_may_name_the_ledger_where_no_parameter_does(town: Town, maria: Terminal) -> None:
    town.world.launch(age=timedelta(hours=1))
    sweep(town.watchdog())
    maria.environ["COSTWATCH_LEDGER_TABLE"] = "demo"
    for error in (None, client_error("AccessDeniedException", "GetParameter")):
        maria.ssm.body, maria.ssm.error = None, error
        assert maria.json("status")["totals"]["runs"] == 1


class NoSuchThing(MemoryTable):
    def query_day(self, day: str, *, since: str = "") -> list[Item]:
        raise from_client_error(client_error("ResourceNotFoundException", "Query"), "dynamodb:Query")


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"COSTWATCH_LEDGER_TABLE": "nope"}, "COSTWATCH_LEDGER_TABLE names 'nope', and us-east-1 has no such table"),
        ({"COSTWATCH_FUNCTION": "nope"}, "the deployment names something that is not there: deploy again"),
        ({}, "the deployment names something that is not there: deploy again"),
    ],
)
def test_what_is_not_there_is_blamed_on_who_named_it(maria: Terminal, environ: dict[str, str], told: str) -> None:
    maria.environ.update(environ)
    maria.table = NoSuchThing()
    result = maria.costwatch("ledger")
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("0.2.0", False), ("0.2", False), ("0.2.1", False), ("0.10", False), ("1", False),
        ("0.1.9", True), ("0.1", True), ("", True), ("0.2.0rc1", True), ("latest", True), (None, True),
    ],
)  # fmt: skip
def test_what_the_deployed_version_does_not_know_is_refused_with_what_to_do(
    maria: Terminal, version: str | None, old: bool
) -> None:
    maria.ssm.body = {**(maria.ssm.body or {}), "version": version}
    tools = Tools(environ=maria.environ, clients={"sts": maria.sts, "ssm": maria.ssm})
    deployed = Session(config=maria.config, tools=tools).deployment
    if not old:
        deployed.require_version("0.2.0", "costwatch stop")
        return
    with pytest.raises(NotDeployedError) as refused:
        deployed.require_version("0.2.0", "costwatch stop")
    assert exit_code(refused.value) == 2
    assert str(refused.value).startswith("the deployed Costwatch ")
    assert str(refused.value).endswith(" is older than 0.2.0, which costwatch stop needs: deploy again")


@pytest.mark.parametrize("body", [{"table": "t"}, ["t"], {"table": "t", "function": "f", "regions": 3}])
def test_a_parameter_of_another_version_is_said_to_be_one(maria: Terminal, body: Any) -> None:
    maria.ssm.body = body
    result = maria.costwatch("status")
    assert result.exit_code == 2
    assert one_line(result.stderr)
    assert "deploy again" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("stop",), ("extend", "x"), ("extend", "x", "12"), ("sweep", "--mode", "warn"), ("status", "--jsn"),
        ("exempt", "x", "--reason"),
    ],
)  # fmt: skip
def test_bad_arguments_answer_2_in_one_line_and_a_hint(maria: Terminal, arguments: tuple[str, ...]) -> None:
    result = maria.costwatch(*arguments)
    assert result.exit_code == 2
    assert all(line.startswith("costwatch: ") for line in result.stderr.splitlines())
    assert len(result.stderr.splitlines()) <= 2


@pytest.mark.parametrize(
    "command",
    ["check-config", "sweep", "status", "ledger", "explain", "extend", "exempt", "preview", "release", "pause",
     "resume"],
)  # fmt: skip
def test_every_command_explains_itself(maria: Terminal, command: str) -> None:
    result = maria.costwatch(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


# --- check-config ------------------------------------------------------------------------------------


def test_check_config_shows_what_a_valid_file_means(config: Path, maria: Terminal, town: Town) -> None:
    result = maria.costwatch("check-config", str(config))
    assert result.exit_code == 0, result.output
    for wanted in ("is valid", town.policy.digest, "trainers", "enforce", "12h", "72h", "Purpose=training", "100%"):
        assert wanted in result.stdout, wanted
    answer = json.loads(maria.costwatch("check-config", str(config), "--json").stdout)
    assert (answer["valid"], answer["policy_digest"]) == (True, town.policy.digest)
    assert [s["name"] for s in answer["selectors"]] == ["trainers"]


def test_check_config_names_every_problem_with_file_line_and_key(config: Path, maria: Terminal) -> None:
    config.write_text(CONFIG.replace("runs: 2", "runs: two") + "      colour: red\n", encoding="utf-8")
    result = maria.costwatch("check-config", str(config))
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"costwatch: {config}:6: dead_man.blast_cap.runs: ")
    assert any(line.startswith(f"costwatch: {config}:10: dead_man.selectors[0].colour: ") for line in lines)
    answer = maria.costwatch("check-config", str(config), "--json")
    assert answer.exit_code == 2
    assert len(json.loads(answer.stdout)["problems"]) == len(lines)


@pytest.mark.parametrize(
    ("approval", "shown"),
    [
        ("", "observe: above $100.00 by nobody"),
        ("approval: {mode: off}\n", "off"),
        (
            "approval: {mode: enforce, tiers: [{above_usd: 50, approvers: ['@ml', U012AB3CD]}, "
            "{above_usd: 400, approvers: ['@risk']}]}\n",
            "enforce: above $50.00 by @ml, U012AB3CD; above $400.00 by @risk; no answer in 24 h is a no",
        ),
    ],
)
def test_check_config_shows_who_is_asked(config: Path, maria: Terminal, approval: str, shown: str) -> None:
    config.write_text(CONFIG.replace("slack: {", "slack: {app_id: A012AB3CD, ") + approval, encoding="utf-8")
    told = " ".join(maria.costwatch("check-config", str(config)).stdout.split())
    assert f"Approval {shown} Digest" in told
    document = json.loads(maria.costwatch("check-config", str(config), "--json").stdout)
    assert document["approval"]["mode"] == shown.partition(":")[0]


def test_check_config_shows_what_models_are_held_against(config: Path, maria: Terminal) -> None:
    config.write_text(
        CONFIG
        + """
res:
  mode: warn
  approvers: ["@risk"]
  models:
    churn:
      group: churn-models
      metric: auc
      direction: maximize
      worth: {usd: 4000, per: 0.01, over: 30d}
      in_service: 90d
      min_gain: 0.001
      guardrails:
        - {metric: recall, slice: country=DE, direction: maximize, tolerance: 0}
        - {metric: f1, direction: maximize, tolerance: 0.01, floor: 0.7}
        - {metric: latency_ms, direction: minimize, floor: 120}
    rank: {metric: ndcg, direction: maximize, min_gain_per_1000_usd: 0.02}
""",
        encoding="utf-8",
    )
    told = " ".join(maria.costwatch("check-config", str(config), env={"COLUMNS": "320"}).stdout.split())
    assert "RES warn: 2 models; better but too dear: asks @risk" in told
    assert "churn auc, maximize score 0.5 2 standard errors model package group churn-models; expected to serve" in told
    assert "$4,000.00 per 0.01 over 30 days else +0.001" in told
    guards = "recall@country=DE (at most 0 worse), f1 (at most 0.01 worse, not below 0.7), latency_ms (not above 120)"
    assert f"guards {guards}" in told
    assert "rank ndcg, maximize +0.02 per $1,000 2 standard errors" in told
    document = json.loads(maria.costwatch("check-config", str(config), "--json").stdout)
    assert [model["name"] for model in document["res"]["models"]] == ["churn", "rank"]


def test_check_config_says_nothing_of_models_where_there_are_none(config: Path, maria: Terminal) -> None:
    assert "RES" not in maria.costwatch("check-config", str(config)).stdout
    assert json.loads(maria.costwatch("check-config", str(config), "--json").stdout)["res"] is None


def test_check_config_warns_beside_the_result(config: Path, maria: Terminal) -> None:
    config.write_text(
        CONFIG.replace('slack: {platform_channel: "#ml-platform", weekly_digest: false}\n', ""), encoding="utf-8"
    )
    answer = json.loads(maria.costwatch("check-config", str(config), "--json").stdout)
    result = maria.costwatch("check-config", str(config))
    assert result.exit_code == 0
    assert answer["warnings"]
    assert [line.removeprefix("warning: ") for line in result.stderr.splitlines()] == answer["warnings"]


# --- nothing destructive -----------------------------------------------------------------------------


def test_no_module_of_the_command_line_names_a_destructive_call() -> None:
    destructive = re.compile(
        r"\b(terminate|stop|cancel|delete|reboot)_?(instances|training_job|spot\w*)\b|\.terminate\(", re.I
    )
    sources = list(Path(cli.__file__).parent.glob("*.py"))
    assert len(sources) > 8
    for source in sources:
        assert not destructive.search(source.read_text(encoding="utf-8")), source


class Model:
    """The little of botocore's operation model that the hook reads."""

    def __init__(self, service: str, name: str) -> None:
        self.service_model = type("Service", (), {"service_name": service})
        self.name = name


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("ec2", "TerminateInstances"), ("ec2", "StopInstances"), ("ec2", "CancelSpotInstanceRequests"),
        ("sagemaker", "StopTrainingJob"), ("autoscaling", "TerminateInstanceInAutoScalingGroup"),
        ("dynamodb", "DeleteTable"), ("lambda", "UpdateFunctionConfiguration"), ("ssm", "PutParameter"),
    ],
)  # fmt: skip
def test_every_client_of_the_command_line_refuses_what_is_not_listed(service: str, operation: str) -> None:
    with pytest.raises(RefusedError, match=f"never calls {service}:{operation}"):
        refuse_unlisted(Model(service, operation))


def test_what_is_listed_and_signing_in_pass() -> None:
    for service, operations in ALLOWED.items():
        for operation in operations:
            refuse_unlisted(Model(service, operation))
    refuse_unlisted(Model("sts", "AssumeRole"))


def test_the_list_holds_nothing_that_stops_anything() -> None:
    every = {name for names in ALLOWED.values() for name in names}
    changing = {name for name in every if not re.match("Get|Describe|Head|List|Query|Search|Simulate", name)}
    ledger, a_bucket_that_somebody_names = {"BatchWriteItem", "PutItem", "TransactWriteItems"}, {"PutObject"}
    dead_letters = {"ChangeMessageVisibilityBatch", "DeleteMessage", "ReceiveMessage"}
    assert changing == {*ledger, *a_bucket_that_somebody_names, *dead_letters, "Invoke"}


def test_a_permanent_error_that_is_nobodys_fault_answers_1(maria: Terminal) -> None:
    maria.sts.error = client_error("ValidationError", "GetCallerIdentity")
    assert maria.costwatch("status").exit_code == 1
