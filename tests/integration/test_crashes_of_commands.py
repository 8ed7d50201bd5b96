"""A crash at any call of a command that writes: the person asks again, and it comes to the same end.

What `stop`, `restore` and an enforce `sweep` ask for the function does, which is crashed in test_crashes.py. An
extension is the one grant that adds up: whoever sees no answer and extends again has both, which docs/limits.md says. A
yes or a no is final: whoever sees no answer and gives it again is told who gave it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from costwatch import __version__, names
from costwatch.adapters.ledger_approvals import Approvals
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.config.loader import load
from costwatch.core import approvals
from costwatch.core.approvals import Way
from demo.recorder import OPERATOR, acting_as
from tests.integration.test_approvals import House
from tests.support.builders import ACCOUNT
from tests.support.command_line import CONFIG
from tests.support.crash import CRASHED, run_dying_everywhere, run_forked
from tests.support.embedded import OWNER, REGION, Account, embedded_account
from tests.support.fakes import START

_TAGS = {"Purpose": "training", "owner": OWNER}


@dataclass(frozen=True)
class Told:
    """A command and the calls to the outside it is known to make. `first`: a command that leads up to it.

    `adds_up`, `is_final`: what another try comes to once the command's own write was made.
    """

    arguments: tuple[str, ...]
    calls: int
    first: tuple[str, ...] = ()
    adds_up: bool = False
    is_final: bool = False


COMMANDS = (
    Told(("extend", "RUN", "1h"), 5, adds_up=True),
    Told(("exempt", "RUN", "--for", "7d", "--reason", "paper"), 5),
    Told(("release", "HELD"), 5),
    Told(("pause", "--for", "2h"), 4),
    Told(("resume",), 4, first=("pause",)),
    Told(("sweep", "--once"), 22),
    Told(("approve", "ASKED", "--cap", "17h", "--reason", "enough"), 5, is_final=True),
    Told(("deny", "ASKED", "--reason", "use 8 GPUs"), 5, is_final=True),
)
WRITES_NOTHING_ITSELF = frozenset(
    {
        # They only read.
        "approvals", "check-config", "completion", "doctor", "explain", "export", "init", "ledger", "preview", "report",
        "res", "scan", "spend", "status", "verdicts",
        "estimate", "guardrail-policy", "slack-manifest",  # they need no AWS
        "package",  # it writes no row
        "redrive",  # test_cli_redrive.py has its crashes: a queue that hides what is looked at is no snapshot
        "heartbeat",  # a check beat, which means nothing
        "gate", "prices", "promote", "reject", "restore", "settle", "should-retrain", "stop",  # they ask a function
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with embedded_account(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "costwatch.yaml"
    path.write_text(CONFIG.replace("runs: 2", "runs: 1"), "utf-8")
    return path


@pytest.fixture(scope="module")
def begin(account: Account, config: Path) -> Callable[[], None]:
    """Back to: one run within its time, one that a cap holds, a question that waits for whoever is at the command line,
    and a deployment that a command line finds.
    """
    account.document = load(config).policy_document
    account.reset(START)
    wired = account.wiring()
    for hours in (14, 13):
        account.fleet.instance(tags=_TAGS, launched_at=START - timedelta(hours=hours))
    account.fleet.instance(tags={**_TAGS, "Name": "young"}, launched_at=START - timedelta(hours=1))
    account.sweep(wired)
    account.clock.forward(minutes=35)
    account.sweep(wired)
    assert Approvals(wired.ledger).save(approvals.ask(question(account)))
    body = {
        "table": wired.settings.ledger_table,
        "function": "costwatch-deadman",
        "policy_digest": account.document["digest"],
        "config_commit": "c0ffee",
        "version": __version__,
        "regions": [REGION],
    }
    account.aws.client("ssm").put_parameter(Name=names.DEPLOYMENT_PARAMETER, Type="String", Value=json.dumps(body))
    return account.snapshot()


def question(account: Account) -> approvals.Approval:
    """Whether a dear job may start; the operator may answer, who did not ask."""
    house = House()
    asked = house.gate.approvals.get(ACCOUNT, house.ask(way=Way.COMMAND).id)
    assert asked is not None
    operator = account.aws.client("sts").get_caller_identity()["Arn"]
    return replace(asked, asked=replace(asked.asked, account=account.aws.account_id), approvers=(operator,))


def command(account: Account, config: Path, arguments: tuple[str, ...], *, exits: int = 0) -> Callable[[], int]:
    """One command, to be run in a process of its own."""
    rows = account.ledger_items()
    held = next(row["hold"]["id"] for row in rows if row.get("hold"))
    asked = next(row["sk"] for row in rows if row["pk"].startswith("approval#") and "approvers" in row)
    words = [{"RUN": "young", "HELD": held, "ASKED": asked}.get(word, word) for word in arguments]
    tools = Tools(environ={"AWS_REGION": REGION}, clock=account.clock)

    def invoke() -> int:
        with acting_as(OPERATOR):
            result = CliRunner().invoke(main, [*words, "--config", str(config)], obj=tools, prog_name="costwatch")
        assert result.exit_code == exits, result.output
        return 0

    return invoke


def end(account: Account) -> tuple[Any, ...]:
    """What the ledger holds, without versions."""
    rows = account.ledger_items()
    records = [
        (r["sk"], r["status"], r["extensions"], r.get("exemption"), r["released_key"])
        for r in rows
        if r["pk"].startswith("open#")
    ]
    pauses = [(r["until"], r["since"]) for r in rows if r["sk"] == "pause" or r["pk"] == "pause" or "since" in r]
    told = sorted((r["run_id"], r["transition"]) for r in rows if r["pk"].startswith("run#"))
    answers = [
        (row["pk"], row["sk"], row.get("state"), row.get("answer"), row.get("transition"))
        for row in rows
        if row["pk"].partition("#")[0] in ("approval", "waiting", "purse", "unused")
    ]
    return records, pauses, told, answers


@pytest.mark.parametrize("told", COMMANDS, ids=lambda told: told.arguments[0])
def test_a_crash_at_any_call_of_a_command_changes_nothing_about_the_end(
    account: Account, config: Path, begin: Callable[[], None], told: Told
) -> None:
    begin()
    if told.first:
        assert run_forked(command(account, config, told.first)).exit_code == 0
    here = account.snapshot()
    run = command(account, config, told.arguments)
    whole = run_forked(run)
    assert (whole.exit_code, whole.error) == (0, "")
    assert len(whole.calls) == told.calls, whole.calls
    reference = end(account)
    here()
    crashes, worlds = 0, set[str]()
    for ran in run_dying_everywhere(run):
        assert ran.calls == whole.calls[: len(ran.calls)]
        if not ran.moment:
            assert (ran.exit_code, end(account)) == (0, reference), "a look at a crash left traces"
            continue
        assert ran.exit_code == CRASHED
        crashes += 1
        if told.adds_up and ran.calls[-1] == "dynamodb:TransactWriteItems":
            assert end(account) == reference, "written whole, and only the answer is missing"
            continue
        if (world := account.fingerprint()) in worlds:
            continue  # of two crashes that left the very same world the second needs no sequel
        worlds.add(world)
        back = account.snapshot()
        written = told.is_final and end(account) == reference
        again = run_forked(command(account, config, told.arguments, exits=4) if written else run)
        assert (again.exit_code, again.error) == (0, "")
        assert without_repeats(end(account)) == without_repeats(reference), ran
        back()
    assert crashes == told.calls + 1
    assert account.aws.errors == []


def test_every_command_that_writes_is_crashed_here() -> None:
    crashed = {told.arguments[0] for told in COMMANDS}
    assert crashed | WRITES_NOTHING_ITSELF == set(main.commands)
    assert not crashed & WRITES_NOTHING_ITSELF


def without_repeats(found: tuple[Any, ...]) -> tuple[Any, ...]:
    """A person who asks twice is recorded twice."""
    records, pauses, told, answers = found
    return records, pauses, sorted(set(told)), answers
