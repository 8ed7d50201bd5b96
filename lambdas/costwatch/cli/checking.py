"""check-config: is costwatch.yaml right, and what does it mean?"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from costwatch.cli import show
from costwatch.cli.failures import BAD_INPUT
from costwatch.cli.options import as_json
from costwatch.cli.session import DEFAULT_CONFIG
from costwatch.cli.show import Row
from costwatch.config.loader import load
from costwatch.core import durations
from costwatch.core.money import show_usd
from costwatch.core.policy import ApprovalPolicy, Limits, Mode, Policy, Selector
from costwatch.errors import ConfigError


@click.command("check-config", short_help="Check costwatch.yaml, and show what it means.")
@click.argument("file", metavar="[FILE]", type=click.Path(path_type=Path), default=DEFAULT_CONFIG)
@as_json
def check_config(file: Path, as_json: bool) -> int:
    """Check FILE (default: costwatch.yaml) as a deploy would, and show what it makes of every selector.

    Asks nothing of AWS. Every problem is one line with file, line, key and what was expected.
    """
    try:
        loaded = load(file)
    except ConfigError as error:
        if not as_json:
            raise
        show.document({"file": str(file), "valid": False, "problems": str(error).splitlines()})
        return BAD_INPUT
    policy = Policy.from_document(loaded.policy_document)
    if as_json:
        show.document(
            {
                "file": str(file),
                "valid": True,
                "warnings": list(loaded.warnings),
                "policy_digest": policy.digest,
                "config_commit": policy.config_commit,
                "regions": list(policy.regions),
                "mode": policy.mode.value,
                "selectors": loaded.policy_document["policy"]["selectors"],
                "approval": loaded.policy_document["policy"]["approval"],
            }
        )
        return 0
    out = show.console()
    cap = policy.blast_cap
    caps = f"{cap.runs} stops a sweep, {_percent(cap.share)} of a selector's runs, {cap.per_day} a day"
    for warning in loaded.warnings:
        show.say(show.console(stderr=True), f"warning: {warning}")
    show.say(out, f"{file} is valid.", style="bold")
    show.facts(
        out,
        [
            ("Mode", policy.mode.value),
            ("Account", policy.account or "any"),
            ("Regions", ", ".join(policy.regions)),
            ("Sweeps", f"every {durations.show(policy.sweep_every)}"),
            ("Caps", caps),
            ("Protected", "; ".join(rule.describe().removeprefix("protect: ") for rule in policy.protect)),
            ("Approval", _approval(policy.approval)),
            ("Discounts", ", ".join(f"{key} x {by}" for key, by in policy.multipliers.items())),
            ("Digest", policy.digest),
            ("Commit", policy.config_commit),
        ],
    )
    out.print()
    rows = [Row((s.name, s.mode.value, *_durations(s.limits)), _picks(s)) for s in policy.selectors]
    show.listing(out, ("selector", "mode", "runtime", "warn", "notice", "hard cap"), rows)
    return 0


def _durations(limits: Limits) -> tuple[str, ...]:
    """max_runtime, warn_before, min_notice, hard_cap."""
    found = (limits.warn_before, limits.min_notice, limits.hard_cap)
    runtime = durations.short(limits.max_runtime)
    own = f"its own, else {runtime}" if limits.declared else runtime
    return own, *(durations.short(each) for each in found)


def _approval(approval: ApprovalPolicy) -> str:
    if approval.mode is Mode.OFF:
        return approval.mode.value
    tiers = [f"above {show_usd(tier.above_usd)} by {', '.join(tier.approvers) or 'nobody'}" for tier in approval.tiers]
    waits = f"; no answer in {durations.show(approval.answer_within)} is a no" if approval.mode is Mode.ENFORCE else ""
    return f"{approval.mode.value}: {'; '.join(tiers)}{waits}"


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f}%"


def _picks(selector: Selector) -> str:
    tags: list[str] = [f"{key}={'|'.join(values)}" for key, values in selector.tags.items()]
    parts: list[Any] = [
        f"tagged {', '.join(tags)}" if tags else "",
        f"of type {', '.join(selector.types)}" if selector.types else "",
        f"bought {selector.purchase.value}" if selector.purchase else "",
    ]
    return " ".join([f"picks {selector.service.plural}", *(part for part in parts if part)])
