"""sweep: look from here without changing anything, or ask the deployed function to sweep and stop."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import click

from costwatch import names
from costwatch.adapters.autoscaling import AutoScaling
from costwatch.adapters.ec2 import Ec2
from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.adapters.memory_table import MemoryTable
from costwatch.adapters.pulses import Pulses
from costwatch.adapters.sagemaker import SageMaker
from costwatch.adapters.table import Table
from costwatch.cli import deployed_function, show, sweep_table
from costwatch.cli.options import as_json, with_session
from costwatch.cli.price_source import prices_for
from costwatch.cli.session import Session
from costwatch.core.policy import Mode, Policy
from costwatch.core.prices import PriceTable
from costwatch.errors import NotDeployedError, RefusedError
from costwatch.procedures.digest import capacity_text
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.sweep import sweep as sweep_once

_PLENTY_SECONDS = 3600.0


@click.command(short_help="Look at every run once and say what is due.")
@click.option("--once", is_flag=True, help="Sweep once; more than that is the deployed schedule's work.")
@click.option(
    "--mode",
    type=click.Choice([Mode.OBSERVE.value, Mode.ENFORCE.value]),
    default=Mode.OBSERVE.value,
    show_default=True,
    help="observe: from here, with the local configuration. enforce: by the deployed function alone.",
)
@click.option("--no-ledger", is_flag=True, help="Observe without a deployment, and remember nothing.")
@click.option("--unwatched", is_flag=True, help="Count everything, and list accelerators that nobody watches.")
@as_json
@with_session
def sweep(session: Session, once: bool, mode: str, no_ledger: bool, unwatched: bool, as_json: bool) -> int:
    """Look at every run once and say what is due.

    In observe nothing is stopped and nobody is warned: every selector of the local configuration is judged as if it
    were in observe, and the ledger keeps it apart from what the deployed sweep does. In enforce the deployed
    function is asked to sweep, provided that your configuration is the deployed one.

    Where more instances run than fit on one page of EC2's, only those are looked at whose time is nearly up, which set
    a limit of their own, or which the ledger knows; --unwatched counts all of them, as the deployed sweep does hourly.
    """
    del once  # there is no other way; the flag says so
    if mode == Mode.ENFORCE.value:
        with show.busy("The deployed function sweeps"):
            document = _invoke(session)
    else:
        with show.busy(f"Looking at {', '.join(session.policy.regions)}"):
            require_account(session, session.policy)
            table = _table(session, keep=not no_ledger)
            prices = prices_for(session, session.now(), deployed=not no_ledger)
            document = _observed(observer(session, session.policy, table, prices, counts=unwatched))
    document = {"mode": mode, "policy_digest": session.policy.digest, **document}
    if as_json:
        show.document(document)
    else:
        sweep_table.show_sweep(document, mode)
    return 1 if document["failures"] else 0


def _observed(watchdog: Watchdog) -> dict[str, Any]:
    """What a sweep saw. All else that it has in memory ends with it."""
    report = sweep_once(watchdog)
    unwatched_runs = [
        f"{s.run.id}: {capacity_text(s)}, {show.usd(s.burn.hourly_rate_usd)} an hour" for s in report.unwatched
    ]
    return {**report.document(), "unwatched_runs": unwatched_runs, "origin": watchdog.ledger.origin}


def observing(policy: Policy) -> Policy:
    """The policy with everything in observe. What is off stays off: off means that nobody looks."""
    if policy.mode is Mode.OFF:
        return policy
    selectors = tuple(s if s.mode is Mode.OFF else replace(s, mode=Mode.OBSERVE) for s in policy.selectors)
    gate = policy.approval
    approval = gate if gate.mode is Mode.OFF else replace(gate, mode=Mode.OBSERVE)
    return replace(policy, mode=Mode.OBSERVE, selectors=selectors, approval=approval)


def require_account(session: Session, policy: Policy) -> None:
    """Raises RefusedError for a configuration of another account."""
    caller = session.caller
    if policy.account is not None and policy.account != caller.account:
        raise RefusedError(
            f"the configuration is for account {policy.account} and these credentials are for {caller.account}"
        )


def observer(session: Session, policy: Policy, table: Table, prices: PriceTable, *, counts: bool) -> Watchdog:
    """A watchdog that tells nobody, publishes nothing and whose ledger rows block no deployed sweep.

    `counts`: whether it counts everything that runs.
    """
    caller = session.caller
    stamp = Stamp(policy.digest, policy.config_commit)
    return Watchdog(
        policy=observing(policy),
        account=caller.account,
        ledger=Ledger(table, stamp=stamp, origin=f"laptop:{caller.arn}"),
        prices=prices,
        ec2=_cached(lambda region: Ec2(session.client("ec2", region), region=region)),
        autoscaling=_cached(lambda region: AutoScaling(session.client("autoscaling", region), region=region)),
        sagemaker=_cached(lambda region: SageMaker(session.client("sagemaker", region), region=region)),
        slack=None,
        topic=None,
        bus=None,
        pulses=Pulses(table, stamp=stamp),
        clock=session.tools.clock,
        log=lambda _message, _fields: None,
        worker=f"laptop#{uuid.uuid4().hex[:8]}",
        seconds_left=lambda: _PLENTY_SECONDS,
        counts=counts,
    )


def _table(session: Session, *, keep: bool) -> Table:
    if not keep:
        return MemoryTable()
    try:
        return session.table()
    except NotDeployedError as error:
        raise NotDeployedError(f"{error}; --no-ledger looks without a deployment") from error


def _cached(make: Callable[[str], Any]) -> Callable[[str], Any]:
    return lru_cache(maxsize=None)(make)


def _invoke(session: Session) -> dict[str, Any]:
    """Ask the deployed function for a sweep in the selectors' own modes; its answer is its report."""
    deployed, policy = session.deployment, session.policy
    if deployed.policy_digest and deployed.policy_digest != policy.digest:
        raise RefusedError(
            f"your configuration ({policy.digest[:12]}) is not the deployed one ({deployed.policy_digest[:12]}, commit "
            f"{deployed.config_commit[:12]}): deploy it first, or use the deployed one with --config"
        )
    detail = {"mode": Mode.ENFORCE.value, "policy_digest": policy.digest, "requested_by": session.caller.arn}
    return deployed_function.ask(session, names.DETAIL_SWEEP_REQUESTED, detail, answer="runs")
