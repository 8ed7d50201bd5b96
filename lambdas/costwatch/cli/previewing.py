"""preview: what Costwatch would have meant over the last weeks, from SageMaker's own history."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import click
from botocore.config import Config

from costwatch import names
from costwatch.adapters.memory_table import MemoryTable
from costwatch.cli import preview_text, show
from costwatch.cli.failures import DENIED, UNEXPECTED, begun
from costwatch.cli.options import DurationOrMoment, as_json
from costwatch.cli.price_source import prices_for
from costwatch.cli.session import DEFAULT_CONFIG, Session, Tools
from costwatch.cli.sweeping import observer, require_account
from costwatch.core.policy import Policy
from costwatch.preview import defaults, document, permissions, reading
from costwatch.preview.report import Preview
from costwatch.preview.report import preview as summed_up
from costwatch.procedures.sweep import sweep as sweep_once

LONGEST: Final = timedelta(days=365)
_MOST_JOBS: Final = 2000
_CONFIG: Final = Config(
    # Thousands of descriptions will be throttled: adaptive slows down to what the account is given.
    retries={"mode": "adaptive", "total_max_attempts": 6},
    connect_timeout=3,
    read_timeout=15,
    max_pool_connections=reading.AT_ONCE,
    user_agent_extra=names.PROJECT,
)


@click.command(short_help="What would Costwatch have done? From your own job history, read-only.")
@click.option(
    "--since",
    type=DurationOrMoment(LONGEST),
    default="30d",
    show_default=True,
    metavar="30d|TIME",
    help="How far to look back.",
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="REGION",
    help="Repeat it for several.  [default: those of the configuration, else AWS's own setting]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The configuration to judge by.  [default: costwatch.yaml where it is there, else the defaults]",
)
@click.option(
    "--max-jobs",
    type=click.IntRange(min=1),
    default=_MOST_JOBS,
    show_default=True,
    metavar="N",
    help="Most jobs of a kind and region, the newest.",
)
@click.option("--policy", is_flag=True, help="Print the IAM policy that a preview needs, and nothing else.")
@as_json
@click.pass_context
def preview(
    ctx: click.Context,
    since: timedelta | datetime,
    regions: tuple[str, ...],
    config: Path | None,
    max_jobs: int,
    policy: bool,
    as_json: bool,
) -> int:
    """What would have been stopped, asked about and spent, from SageMaker's job history and today's fleet.

    Needs no deployment and changes nothing: it makes only Search, Describe and List calls. Past jobs are judged by
    your costwatch.yaml as if its guard were in enforce (a selector's own mode stays), or by the defaults where there
    is none; today's instances and jobs by one sweep in observe that remembers nothing. A region or kind of job that
    cannot be read is a line, not a failure.
    """
    begun()
    if policy:
        click.echo(json.dumps(permissions.policy_document(), indent=2))
        return 0
    tools = ctx.obj if isinstance(ctx.obj, Tools) else Tools()
    session = Session(config=config, region=regions[0] if regions else None, tools=tools)
    now = session.now()
    found = look(session, _beginning(since, now), now, tuple(dict.fromkeys(regions)), config, max_jobs)
    if as_json:
        show.document(document.document(found))
    else:
        preview_text.show_preview(found)
    if not found.nothing_read:
        return 0
    return DENIED if found.denied else UNEXPECTED


def _beginning(since: timedelta | datetime, now: datetime) -> datetime:
    """Raises click's BadParameter for a time that is not in the year before `now`."""
    begins = now - since if isinstance(since, timedelta) else since
    hint = "'--since'"
    if begins >= now:
        raise click.BadParameter(f"{begins.isoformat()} is not in the past", param_hint=hint)
    if now - begins > LONGEST:
        raise click.BadParameter(f"{begins.isoformat()} is more than {LONGEST.days}d ago", param_hint=hint)
    return begins


def look(
    session: Session, since: datetime, now: datetime, regions: tuple[str, ...], config: Path | None, max_jobs: int
) -> Preview:
    """What the history from `since` says, of at most so many jobs of a kind and region. Raises AwsError, InputError."""
    for region in regions:
        session.check_region(region)
    policy, judged_by = _policy(session, regions, config)
    require_account(session, policy)
    prices = prices_for(session, now)
    clients = {region: session.client("sagemaker", region, config=_CONFIG) for region in policy.regions}
    with show.counting("Reading SageMaker's history") as progress:
        histories = reading.read(clients, reading.Wanted(since, max_jobs), progress)
    with show.busy(f"Looking at {', '.join(policy.regions)}"):
        report = sweep_once(observer(session, policy, MemoryTable(), prices, counts=False))
    return summed_up(
        histories,
        report,
        policy,
        prices,
        account=session.caller.account,
        since=since,
        now=now,
        judged_by=judged_by,
    )


def _policy(session: Session, regions: tuple[str, ...], config: Path | None) -> tuple[Policy, str]:
    """What to judge by, and whose limits these are. Raises ConfigError for a configuration that is there and broken."""
    if config is None and not DEFAULT_CONFIG.exists():
        wanted = regions or session.home_regions[:1]
        session.check_region(wanted[0])
        return defaults.default_policy(wanted), "the defaults (max_runtime 12h; tuning and AutoML 72h, warn)"
    loaded = session.loaded
    policy = defaults.enforced_policy(loaded.config, commit=session.policy.config_commit)
    return replace(policy, regions=regions) if regions else policy, str(loaded.path)
