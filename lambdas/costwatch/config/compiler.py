"""costwatch.yaml compiled into policy.json, the document that functions decide by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from costwatch.config import approval_checks, kinds
from costwatch.config.fields import Declared
from costwatch.config.model import Alarms, Config, DeadMan, Selector
from costwatch.config.res_model import Res, ResModel
from costwatch.core.policy import FORMAT_VERSION, Action, AtMinSize, Mode, Service, digest_of


def compile_policy(config: Config, *, config_commit: str) -> dict[str, Any]:
    """The policy document, JSON-ready: `core.policy.Policy.from_document` reads it.

    Durations become whole seconds, the share a decimal text, and each selector carries its mode and limits with the
    defaults filled in; `dead_man.mode: off` switches every selector off. `digest` covers what is decided by: neither
    comments, the order of keys, the way a duration is written, nor the commit.
    """
    dead_man = config.dead_man
    body: dict[str, Any] = {
        "account": config.account,
        "regions": list(config.regions),
        "timezone": config.timezone,
        "tags": config.tags.model_dump(),
        "slack": {
            "platform_channel": config.slack.platform_channel,
            "team_channels": dict(config.slack.team_channels),
            "warn_owner_by": config.slack.warn_owner_by.value,
            "app_id": config.slack.app_id,
            "workspace": config.slack.workspace,
            "weekly_digest": config.slack.weekly_digest,
        },
        "mode": dead_man.mode.value,
        "sweep_every_seconds": _seconds(dead_man.sweep_every),
        "blast_cap": {
            "runs": dead_man.blast_cap.runs,
            "share": _decimal_text(dead_man.blast_cap.share),
            "per_day": dead_man.blast_cap.per_day,
        },
        "protect": [{"tags": _lists(rule.tag or {}), "asg": rule.asg} for rule in dead_man.protect],
        "limits": _limits(dead_man, dead_man, dead_man.max_runtime),
        "extend": {
            "steps_seconds": [_seconds(step) for step in dead_man.extend.buttons],
            "owner_total_seconds": _seconds(dead_man.extend.owner_total),
        },
        "selectors": [_selector(each, kind, dead_man) for each in dead_man.selectors for kind in kinds.of(each)],
    }
    approval = config.approval
    body["approval"] = {
        "mode": approval.mode.value,
        "judge_by": approval.judge_by.value,
        "tiers": [
            {"above_usd": _decimal_text(tier.above_usd), "approvers": list(tier.approvers)} for tier in approval.tiers
        ],
        "answer_within_seconds": _seconds(approval.answer_within),
        "remind_before_seconds": _seconds(
            approval.remind_before or approval_checks.remind_before(approval.answer_within)
        ),
        "yes_lasts_seconds": _seconds(approval.yes_lasts),
        "requester_may_approve": approval.requester_may_approve,
        "roles": list(approval.roles),
    }
    if config.res.models or config.res.mode is Mode.OFF:
        body["res"] = _res(config.res)
    if config.alarms != Alarms():
        body["alarms"] = {"burn_usd_per_hour": _decimal_text(config.alarms.burn_usd_per_hour)}
    if config.prices.multipliers:
        body["prices"] = {"multipliers": {key: _decimal_text(by) for key, by in config.prices.multipliers.items()}}
    return {"format": FORMAT_VERSION, "digest": digest_of(body), "config_commit": config_commit, "policy": body}


def _selector(selector: Selector, kind: Service, dead_man: DeadMan) -> dict[str, Any]:
    picks = selector.ec2 or selector.sagemaker
    if picks is None:
        raise ValueError(f"selector {selector.name!r} has neither ec2 nor sagemaker; was the configuration parsed?")
    purchase = selector.ec2.purchase if selector.ec2 else None
    # A SageMaker job can only be stopped.
    action = (selector.action or Action.TERMINATE) if selector.ec2 else Action.STOP
    max_runtime = kinds.max_runtime(selector, kind, dead_man)
    declared = isinstance(selector.max_runtime, Declared)
    at_min_size = (selector.at_min_size or dead_man.at_min_size) if selector.ec2 else AtMinSize.HOLD
    return {
        "name": kinds.name(selector, kind),
        "mode": kinds.mode(selector, kind, dead_man).value,
        "service": kind.value,
        "tags": _lists(picks.tag),
        "types": list(picks.types),
        "purchase": purchase.value if purchase else None,
        "limits": _limits(selector, dead_man, max_runtime, declared=declared),
        "action": action.value,
        "heartbeat_seconds": _seconds(selector.heartbeat) if selector.heartbeat else None,
        "at_min_size": at_min_size.value,
        "az_rebalance": selector.az_rebalance.value,
    }


def _limits(
    own: Selector | DeadMan, defaults: DeadMan, max_runtime: timedelta, *, declared: bool = False
) -> dict[str, Any]:
    return {
        "max_runtime_seconds": _seconds(max_runtime),
        **({"declared": True} if declared else {}),
        "warn_before_seconds": _seconds(own.warn_before or defaults.warn_before),
        "min_notice_seconds": _seconds(own.min_notice or defaults.min_notice),
        "hard_cap_seconds": _seconds(own.hard_cap or defaults.hard_cap),
        "finish_grace_seconds": _seconds(own.finish_grace or defaults.finish_grace),
    }


def _lists(tags: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {key: list(values) for key, values in tags.items()}


def _res(res: Res) -> dict[str, Any]:
    return {
        "mode": res.mode.value,
        "when_too_dear": res.when_better_but_too_dear.value,
        "auto_approve": res.auto_approve,
        "approvers": list(res.approvers),
        "models": [_res_model(name, model) for name, model in res.models.items()],
    }


def _res_model(name: str, model: ResModel) -> dict[str, Any]:
    worth = model.worth
    optional = {
        "worth": {
            "usd": _decimal_text(worth.usd),
            "per": _decimal_text(worth.per),
            "over_seconds": _seconds(worth.over),
        }
        if worth is not None
        else None,
        "in_service_seconds": _seconds(model.in_service) if model.in_service is not None else None,
        "min_gain_per_1000_usd": _optional_text(model.min_gain_per_1000_usd),
        "min_gain": _optional_text(model.min_gain),
    }
    return {
        "name": name,
        "group": model.group or name,
        "metric": model.metric,
        "direction": model.direction.value,
        "gain": model.gain.value,
        "min_score": _decimal_text(model.min_score),
        "standard_errors": _decimal_text(model.standard_errors),
        "guardrails": [
            {
                "metric": rail.metric,
                "slice": rail.slice,
                "direction": rail.direction.value,
                "tolerance": _optional_text(rail.tolerance),
                "floor": _optional_text(rail.floor),
            }
            for rail in model.guardrails
        ],
        "evaluation_channel": model.evaluation_channel,
        "retrain": {
            "every_seconds": _seconds(model.should_retrain.every),
            "most_skips": model.should_retrain.most_skips,
            "budget_share": _optional_text(model.should_retrain.budget),
        },
        **{key: value for key, value in optional.items() if value is not None},
    }


def _optional_text(value: Decimal | None) -> str | None:
    return _decimal_text(value) if value is not None else None


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())


def _decimal_text(value: Decimal) -> str:
    """`0.2` for 20% and for 20.0%: one share, one text, one digest."""
    return format(value.normalize(), "f")
