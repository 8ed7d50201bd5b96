"""scan: look at an account before anything is deployed there."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click
from botocore.config import Config

from costwatch import names
from costwatch.adapters.prices import SeedPrices
from costwatch.cli import kept_files, scan_text, show
from costwatch.cli.failures import DENIED, UNEXPECTED
from costwatch.cli.options import NewFile, NewPage, as_argument, as_json
from costwatch.cli.session import Session, Tools
from costwatch.scan import defaults, document, judging, page, permissions, reading
from costwatch.scan.inventory import GapKind, Inventory
from costwatch.scan.report import Report
from costwatch.scan.sagemaker import AT_ONCE

_DEFAULT_REGION: Final = "us-east-1"
_PAGE: Final = "costwatch-scan.html"
_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=3,
    read_timeout=12,
    max_pool_connections=AT_ONCE,
    user_agent_extra=names.PROJECT,
)


def _listed(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in (value or "").split(",") if part.strip()))


@click.command(short_help="Look at your own account: no stack, no configuration, read-only.")
@click.option("--regions", metavar="A,B", callback=_listed, help="Regions to read.  [default: all that are enabled]")
@click.option("--all", "show_all", is_flag=True, help="Show every line, however many.")
@click.option(
    "--html",
    metavar="[FILE]",
    is_flag=False,
    flag_value=_PAGE,
    type=NewPage(),
    help=f"Write one self-contained page to forward.  [FILE: {_PAGE}]",
)
@click.option("--write", metavar="FILE", type=NewFile(), help="Write the fitted costwatch.yaml; an old one is kept.")
@click.option("--policy", is_flag=True, help="Print the IAM policy that a scan needs, and nothing else.")
@as_json
@click.pass_context
def scan(
    ctx: click.Context,
    regions: tuple[str, ...],
    show_all: bool,
    html: Path | None,
    write: Path | None,
    policy: bool,
    as_json: bool,
) -> int:
    """List every accelerator instance and running SageMaker job: what it burns, and what Costwatch would do about it.

    Needs no deployment and no configuration file, and makes only Describe, List and Get calls; `--policy` prints the
    exact permissions. It judges by the defaults (max_runtime 12h, warn_before 1h, hard_cap 72h) and ends with a
    costwatch.yaml fitted to what it found. A region that is denied or silent is a line, not a failure.
    """
    if policy:
        click.echo(json.dumps(permissions.policy_document(), indent=2))
        return 0
    tools = ctx.obj if isinstance(ctx.obj, Tools) else Tools()
    report = look(tools, regions)
    if html is not None:
        kept_files.write_page(html, page.render(report))
        show.note(f"{html} is written: one page without links to elsewhere, to open or forward")
    if write is not None:
        backup = kept_files.write(write, report.configuration)
        if backup is not None:
            show.note(f"what {write} was is kept as {backup}")
        show.note(f"{write} is written; next: costwatch check-config {as_argument(write)}")
    if as_json:
        show.document(document.document(report))
    elif html is None:
        scan_text.show_report(report, everything=show_all)
    return _exit_code(report.inventory)


def look(tools: Tools, wanted: tuple[str, ...]) -> Report:
    """All that a scan finds in the regions `wanted`; none: in all that are enabled. Raises AwsError, InputError."""
    session = Session(region=_home(tools, wanted), tools=tools)

    def client(service: str, region: str) -> Any:
        return session.client(service, region, config=_CONFIG)

    with show.busy("Looking around"):
        account = session.caller.account
        for region in wanted:
            session.check_region(region)
        home = session.home_regions[0]
        regions = reading.choose_regions(client("ec2", home), wanted, home)
    with show.busy(f"Looking at {show.count(len(regions.wanted), 'region')}"):
        inventory = reading.read(regions, client, account=account, at=session.now())

        until = time.monotonic() + reading.PROTECTION_WITHIN.total_seconds()

        def protected(region: str, ids: list[str]) -> Mapping[str, bool | None]:
            left = timedelta(seconds=until - time.monotonic())
            return reading.protected(client("ec2", region), region, ids, within=left)

        policy = defaults.default_policy(regions.wanted or (home,))
        lines = judging.judge(inventory, policy, SeedPrices(), protected)
    return Report.of(inventory, lines, home=home)


def _home(tools: Tools, wanted: tuple[str, ...]) -> str:
    """Where to ask which regions there are. No configuration file has a say in it."""
    if wanted:
        return wanted[0]
    found = tools.environ.get("AWS_REGION") or tools.environ.get("AWS_DEFAULT_REGION")
    return found or Session(tools=tools).profile_region or _DEFAULT_REGION


def _exit_code(inventory: Inventory) -> int:
    """0, also where a region is a line; 4 or 1 when nothing at all could be read."""
    if not inventory.nothing_read:
        return 0
    return DENIED if any(gap.kind is GapKind.DENIED for gap in inventory.gaps) else UNEXPECTED
