"""A training job's model, judged before it is registered. Reads AWS and the deployed ledger, and writes neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import click

from costwatch.adapters.evaluations import Evaluations
from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.adapters.memory_table import MemoryTable
from costwatch.adapters.registry import Registry
from costwatch.cli import judged_numbers, show
from costwatch.cli.price_source import prices_for
from costwatch.cli.session import Session
from costwatch.cli.sweeping import observer, require_account
from costwatch.core.res import Cause, Verdict
from costwatch.core.res_policy import ModelRules, WhenTooDear
from costwatch.errors import InputError, NotDeployedError
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.res_unregistered import look

_READ: Final = ("baseline", "candidate", "also", "gpu_hours", "all_candidates_usd")
"""What is read, so nobody gives it."""


def judged(
    session: Session, rules: ModelRules, job_name: str, given: Mapping[str, Any], when_too_dear: WhenTooDear
) -> Verdict:
    """Raises UsageError, InputError, RefusedError or AwsError."""
    for name in _READ:
        if name in given:
            raise click.UsageError(f"--{name.replace('_', '-')}: it is read for --training-job; leave it out")
    extra, noise_option = judged_numbers.chance(rules, given)
    with show.busy(f"Reading training job {job_name}"):
        breaker, region = _breaker(session, when_too_dear)
        found = look(
            breaker,
            rules,
            job_name,
            region,
            session.skip,
            usd=given.get("cost_usd"),
            extra=extra if noise_option else None,
        )
    verdict = found.verdict
    if verdict.cause is Cause.NO_METRIC and noise_option:
        raise InputError(f"{noise_option}: {verdict.reason}")
    if verdict.cause is Cause.NO_COST and found.cost_waits:
        return replace(verdict, reason=found.cost_waits)
    return verdict


def _breaker(session: Session, when_too_dear: WhenTooDear) -> tuple[Breaker, str]:
    """What the deployed breaker works with, and the region of the job."""
    require_account(session, session.policy)
    policy = replace(session.policy, res=replace(session.policy.res, when_too_dear=when_too_dear))
    deployed = _is_deployed(session)
    ledger = session.ledger() if deployed else Ledger(MemoryTable(), stamp=Stamp(policy.digest, policy.config_commit))
    prices = prices_for(session, session.now(), deployed=deployed)
    watchdog = replace(observer(session, policy, MemoryTable(), prices, counts=False), policy=policy, ledger=ledger)
    region = session.named_region or (session.deployment.home_region if deployed else session.home_regions[0])
    return (
        Breaker(
            watchdog,
            Judgements(ledger),
            _cached(lambda region: Registry(session.client("sagemaker", region), region=region)),
            _cached(lambda region: Evaluations(session.client("s3", region))),
        ),
        region,
    )


def _is_deployed(session: Session) -> bool:
    try:
        return bool(session.deployment.table)
    except NotDeployedError:
        show.note("no Costwatch is deployed here: the cost is what SageMaker billed, and the past is not known")
        return False


def _cached(make: Callable[[str], Any]) -> Callable[[str], Any]:
    return lru_cache(maxsize=None)(make)
