"""check-config: is costwatch.yaml right, and what does it mean?"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from costwatch.cli import kept_files, show
from costwatch.cli.failures import BAD_INPUT
from costwatch.cli.options import as_json
from costwatch.cli.session import DEFAULT_CONFIG
from costwatch.cli.show import Row
from costwatch.config import migrations
from costwatch.config.loader import load
from costwatch.config.source import UnreadableSource
from costwatch.core import durations
from costwatch.core.money import show_usd
from costwatch.core.policy import ApprovalPolicy, Limits, Mode, Policy, Selector
from costwatch.core.res_policy import Direction, Guardrail, ModelRules, ResPolicy, WhenTooDear
from costwatch.core.res_words import show_gain, show_period
from costwatch.errors import ConfigError


@click.command("check-config", short_help="Check costwatch.yaml, and show what it means.")
@click.argument("file", metavar="[FILE]", type=click.Path(path_type=Path), default=DEFAULT_CONFIG)
@click.option("--fix", is_flag=True, help="First mend what has one meaning only; the old file is kept.")
@as_json
def check_config(file: Path, fix: bool, as_json: bool) -> int:
    """Check FILE (default: costwatch.yaml) as a deploy would, and show what it makes of every selector.

    Asks nothing of AWS. Every problem is one line with file, line, key and what was expected.

    With --fix a file of an older version becomes one of this (1 is the only one so far); a missing `version`, keys in
    another spelling (max-runtime) and an account id without quotes are mended. Values are never made up.
    """
    if fix:
        _fix(file)
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
                "res": loaded.policy_document["policy"].get("res"),
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
            ("RES", _res(policy.res)),
            ("Discounts", ", ".join(f"{key} x {by}" for key, by in policy.multipliers.items())),
            ("Digest", policy.digest),
            ("Commit", policy.config_commit),
        ],
    )
    out.print()
    rows = [Row((s.name, s.mode.value, *_durations(s.limits)), _picks(s)) for s in policy.selectors]
    show.listing(out, ("selector", "mode", "runtime", "warn", "notice", "hard cap"), rows)
    if policy.res.models:
        out.print()
        models = [
            Row((m.name, f"{m.metric}, {m.direction.value}", _measure(m), _noise(m)), _more(m))
            for m in policy.res.models
        ]
        show.listing(out, ("model", "metric", "passes at", "gain is real from"), models)
    return 0


def _fix(file: Path) -> None:
    """Mend the file, and say how. What cannot be read is left to the check. Raises InputError, ConfigError."""
    if file.exists() and not file.is_file() and not file.is_dir():
        kept_files.require_place(file)  # what a pipe holds can be read once, and be mended nowhere
    try:
        text = file.read_bytes().decode("utf-8-sig")
        found = migrations.fixed(text)
    except (OSError, UnicodeDecodeError, UnreadableSource):
        return  # the check says what is wrong
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
    if not found.said:
        show.note(f"nothing to mend in {file}")
        return
    backup = kept_files.write(file, found.text)
    for said in found.said:
        show.note(f"mended {file}, {said}")
    show.note(f"what {file} was is kept as {backup}")


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


def _res(res: ResPolicy) -> str:
    if not res.models:
        return ""
    if res.mode is Mode.OFF:
        return res.mode.value
    asks = res.when_too_dear is WhenTooDear.ASK
    too_dear = f"asks {', '.join(res.approvers) or 'nobody'}" if asks else "rejects"
    approves = "; what earned it is approved" if res.auto_approve else ""
    return f"{res.mode.value}: {show.count(len(res.models), 'model')}; better but too dear: {too_dear}{approves}"


def _measure(rules: ModelRules) -> str:
    """What decides about a gain: `score 0.5; $4,000.00 per 0.01 over 30 days`."""
    if rules.worth is not None:
        per = show_gain(rules.worth.per, rules.gain).lstrip("+")
        return f"score {rules.min_score:f}\n{show_usd(rules.worth.usd)} per {per} over {show_period(rules.worth.over)}"
    if rules.min_gain_per_1000_usd is not None:
        return f"{show_gain(rules.min_gain_per_1000_usd, rules.gain)} per $1,000"
    return "nothing: stays unjudged"


def _noise(rules: ModelRules) -> str:
    errors = f"{rules.standard_errors:f} standard errors"
    return f"{errors}\nelse {show_gain(rules.min_gain, rules.gain)}" if rules.min_gain is not None else errors


def _more(rules: ModelRules) -> str:
    """What a row has no room for."""
    parts = [
        f"model package group {rules.group}" if rules.group != rules.name else "",
        f"expected to serve {show_period(rules.in_service)}" if rules.in_service is not None else "",
        f"guards {', '.join(_guarded(rail) for rail in rules.guardrails)}" if rules.guardrails else "",
    ]
    return "; ".join(part for part in parts if part)


def _guarded(rail: Guardrail) -> str:
    """`recall (at most 0.01 worse, not below 0.7)`."""
    end = "below" if rail.direction is Direction.MAXIMIZE else "above"
    parts = (
        f"at most {rail.tolerance:f} worse" if rail.tolerance is not None else "",
        f"not {end} {rail.floor:f}" if rail.floor is not None else "",
    )
    return f"{rail.reading} ({', '.join(filter(None, parts))})"


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
