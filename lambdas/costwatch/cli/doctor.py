"""doctor: is everything as it must be, before a deploy and after?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Final

import click
from botocore.config import Config

from costwatch import names
from costwatch.cli import (
    doctor_account,
    doctor_deployed,
    doctor_permissions,
    doctor_slack,
    doctor_stack,
    doctor_sweeps,
    show,
)
from costwatch.cli.doctor_case import FALLBACK_REGION, Case
from costwatch.cli.failures import begun, lines_of
from costwatch.cli.findings import Finding, Standing, exit_code, unknown, waits
from costwatch.cli.options import as_json
from costwatch.cli.session import Session, Tools
from costwatch.config import fields
from costwatch.errors import ConfigError, CostwatchError

# Who has no network is told so within seconds.
_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 2},
    connect_timeout=3,
    read_timeout=10,
    user_agent_extra=names.PROJECT,
)
_MOST_CHARACTERS: Final = 400
Check = Callable[[Case], Iterator[Finding]]

_WITHOUT_AWS: Final[tuple[tuple[str, Check], ...]] = (("configuration", doctor_account.configuration),)
_OF_THE_ACCOUNT: Final[tuple[tuple[str, Check], ...]] = (
    ("regions", doctor_account.regions),
    ("permissions", doctor_account.permissions),
    ("deployed", doctor_account.deployed),
    ("cost allocation tags", doctor_account.cost_allocation_tags),
)
_OF_SLACK: Final[tuple[tuple[str, Check], ...]] = (
    ("slack token", doctor_slack.token),
    ("slack signing secret", doctor_slack.signing_secret),
)
_OF_THE_DEPLOYED: Final[tuple[tuple[str, Check], ...]] = (
    ("configuration deployed", doctor_deployed.configuration),
    ("last sweep", doctor_sweeps.last_sweep),
    ("configuration running", doctor_sweeps.configuration_running),
    ("way of heartbeats", doctor_sweeps.heartbeats),
    ("unsettled claims", doctor_deployed.claims),
    ("messages", doctor_deployed.messages),
    ("price book", doctor_deployed.price_book),
    ("rules", doctor_stack.rules),
    ("functions", doctor_stack.functions),
    ("event sources", doctor_stack.event_sources),
    ("dead-letter queues", doctor_stack.dead_letters),
    ("alerts", doctor_deployed.alerts),
)
CHECKS: Final = tuple(name for name, _ in (*_WITHOUT_AWS, *_OF_THE_ACCOUNT, *_OF_SLACK, *_OF_THE_DEPLOYED))


@click.command(short_help="Is everything as it must be? A line each, and what to do.")
@click.option("--config", type=click.Path(path_type=Path), help="The configuration.  [default: costwatch.yaml]")
@click.option("--region", metavar="REGION", help="Home region of the stack; else AWS's own settings say it.")
@click.option("--policy", is_flag=True, help="Print the IAM policy that a doctor needs, and nothing else.")
@as_json
@click.pass_context
def doctor(ctx: click.Context, config: Path | None, region: str | None, policy: bool, as_json: bool) -> int:
    """Look at everything that Costwatch needs, before a deploy and after, and change nothing.

    Configuration, credentials, regions, permissions (by simulation where you may simulate, else by the calls), Slack's
    token, scopes and channels, what is deployed, its last sweep, prices, queues and claims, cost allocation tags.

    Each check is a line: `ok`; `--`, not yet or not wanted; `!!` with what to do; `??`, it could not be looked at.
    Exit codes: 0, nothing is to be done; 1, something is (!!); 3, only that something could not be looked at (??).
    No secret is printed.
    """
    begun()
    if policy:
        click.echo(json.dumps(doctor_permissions.policy_document(), indent=2))
        return 0
    if region is not None:
        _require_region(region)
    if config is not None and not config.exists():
        raise click.BadParameter(f"{config}: no such file", param_hint="--config")
    tools = ctx.obj if isinstance(ctx.obj, Tools) else None
    case = Case(_session(config, region, tools))
    findings: list[Finding] = []
    out = show.console()
    for finding in examine(case):
        findings.append(finding)
        if not as_json:  # a check may take seconds: each is said when it is known
            tell = show.command if finding.is_command else show.say
            tell(out, finding.line, style=finding.style)
    if as_json:
        counts = {each.value: sum(f.standing is each for f in findings) for each in Standing}
        show.document({"checks": [finding.document() for finding in findings], "counts": counts})
    else:
        out.print()
        show.say(out, summary(findings), style="bold")
    return exit_code(findings)


def _require_region(region: str) -> None:
    """Raises click's BadParameter for what no check could look at."""
    try:
        fields.region(region)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--region") from error


def _session(config: Path | None, region: str | None, tools: Tools | None) -> Session:
    """One that asks AWS also where the configuration is broken, or names no region."""
    session = Session(config=config, region=region, else_region=FALLBACK_REGION, tools=tools, client_config=_CONFIG)
    try:
        _ = session.home_regions
    except ConfigError:
        named = region or session.named_by_aws or FALLBACK_REGION
        return Session(config=config, region=named, tools=tools, client_config=_CONFIG)
    return session


def examine(case: Case) -> Iterator[Finding]:
    """Every check in turn. One that fails is a finding, and the others go on."""
    yield from _looked(case, _WITHOUT_AWS)
    [credentials] = doctor_account.credentials(case)
    yield credentials
    if case.caller is None:
        later = (*_OF_THE_ACCOUNT, *_OF_SLACK, *_OF_THE_DEPLOYED)
        yield from (unknown(name, "not looked at: AWS cannot be asked (see credentials)") for name, _ in later)
        return
    yield from _looked(case, _OF_THE_ACCOUNT)
    yield from _looked(case, _OF_SLACK)
    if case.deployed is not None:
        yield from _looked(case, _OF_THE_DEPLOYED)
        return
    if case.not_deployed:
        yield from (waits(name, "nothing is deployed yet") for name, _ in _OF_THE_DEPLOYED)
        return
    yield from (unknown(name, "not looked at (see deployed)") for name, _ in _OF_THE_DEPLOYED)


def _looked(case: Case, checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
    for name, check in checks:
        try:
            yield from check(case)
        except CostwatchError as error:
            yield unknown(name, f"could not be looked at: {shorten(' '.join(lines_of(error)), _MOST_CHARACTERS)}")


def summary(findings: Sequence[Finding]) -> str:
    """`12 ok, 1 to do, 2 could not be looked at, 3 waiting.`"""
    number = {each: sum(finding.standing is each for finding in findings) for each in Standing}
    said = [
        f"{number[Standing.OK]} ok",
        f"{number[Standing.TODO]} to do",
        f"{number[Standing.UNKNOWN]} could not be looked at",
        f"{number[Standing.WAITS]} not yet or not wanted",
    ]
    return ", ".join(each for each in said if not each.startswith("0 ") or each == "0 to do") + "."
