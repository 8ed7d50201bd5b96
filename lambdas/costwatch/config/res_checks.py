"""What no single field of `res:` in costwatch.yaml can tell: groups, guardrails, and who could answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from costwatch.config import fields
from costwatch.config.problems import Path, Problem, read
from costwatch.core import durations
from costwatch.core.modes import Mode
from costwatch.core.res_policy import WhenTooDear

if TYPE_CHECKING:
    from costwatch.config.model import Config
    from costwatch.config.res_model import ResModel

_MOST_MODELS: Final = 100
_MOST_GUARDRAILS: Final = 20
_SHORTEST, _LONGEST = timedelta(hours=1), timedelta(days=1100)
_MOST_SKIPS: Final = 52


def across_fields(res: Mapping[str, Any]) -> Iterator[Problem]:
    """Rules over the raw section, whose parts may be invalid."""
    models = res.get("models")
    if not isinstance(models, dict):
        return
    if len(models) > _MOST_MODELS:
        yield Problem(("res", "models"), f"has {len(models)} models, expected at most {_MOST_MODELS}")
    groups: dict[object, object] = {}
    for name, body in models.items():
        if not isinstance(body, dict):
            continue
        path: Path = ("res", "models", name)
        group = body.get("group", name)
        if isinstance(group, str) and group in groups:
            at: Path = (*path, "group") if "group" in body else path
            yield Problem(at, f"the model package group {group!r} is also that of {groups[group]!r}")
        groups.setdefault(group if isinstance(group, str) else name, name)
        yield from _times(path, body)
        yield from _guardrails(path, body.get("guardrails"))


def _times(path: Path, body: Mapping[str, Any]) -> Iterator[Problem]:
    worth, asked = body.get("worth"), body.get("should_retrain")
    written: dict[Path, object] = {(*path, "in_service"): body.get("in_service")}
    if isinstance(worth, dict):
        written[*path, "worth", "over"] = worth.get("over")
    if isinstance(asked, dict):
        written[*path, "should_retrain", "every"] = asked.get("every")
        skips = asked.get("most_skips")
        if (read(fields.count, skips) or 0) > _MOST_SKIPS:
            at: Path = (*path, "should_retrain", "most_skips")
            yield Problem(at, f"{skips} is outside 1 to {_MOST_SKIPS}: a model must be trained some day")
    for at, value in written.items():
        found = read(fields.duration, value)
        if found is not None and not _SHORTEST <= found <= _LONGEST:
            yield Problem(at, f"{value!r} is outside {durations.short(_SHORTEST)} to {durations.short(_LONGEST)}")


def _guardrails(path: Path, rails: object) -> Iterator[Problem]:
    if not isinstance(rails, list):
        return
    if len(rails) > _MOST_GUARDRAILS:
        yield Problem((*path, "guardrails"), f"has {len(rails)} entries, expected at most {_MOST_GUARDRAILS}")
    for index, rail in enumerate(rails):
        if isinstance(rail, dict) and "tolerance" not in rail and "floor" not in rail:
            message = "bounds nothing; expected a tolerance, a floor, or both"
            yield Problem((*path, "guardrails", index), message)


def _contrary(path: Path, model: ResModel) -> Iterator[Problem]:
    """Guardrails that ask for the opposite of the model's own metric, or of one another."""
    asked = {(model.metric, ""): (model.direction, "the model's own metric")}
    for index, rail in enumerate(model.guardrails):
        direction, whose = asked.setdefault((rail.metric, rail.slice), (rail.direction, f"guardrails[{index}]"))
        if direction is not rail.direction:
            message = (
                f"is to be {rail.direction.value}d, and {whose} is to be {direction.value}d: it is the same metric"
            )
            yield Problem((*path, "guardrails", index, "direction"), message)


def warnings(config: Config) -> Iterator[Problem]:
    """What a valid configuration probably does not mean."""
    res = config.res
    if not res.models:
        if res.mode in (Mode.WARN, Mode.ENFORCE):
            yield Problem(("res", "models"), "no models: nothing is judged yet")
        return
    for name, model in res.models.items():
        path: Path = ("res", "models", name)
        if model.worth is None and model.min_gain_per_1000_usd is None:
            message = "has neither a worth nor min_gain_per_1000_usd: every candidate stays unjudged"
            yield Problem(path, message)
        if model.worth is not None and model.min_gain_per_1000_usd is not None:
            message = "is not used: its worth decides, by min_score"
            yield Problem((*path, "min_gain_per_1000_usd"), message)
        yield from _contrary(path, model)
    if res.mode is not Mode.ENFORCE or res.when_better_but_too_dear is not WhenTooDear.ASK:
        return
    if not res.approvers:
        message = "names no approvers: what is better but too dear waits in the registry, and no card can decide it"
        yield Problem(("res", "approvers"), message)
        return
    slack = {"app_id": config.slack.app_id, "platform_channel": config.slack.platform_channel}
    missing = " and ".join(f"slack.{key}" for key, value in slack.items() if not value)
    if missing and not any(each.startswith("arn:") for each in res.approvers):
        message = f"nobody of them could decide: buttons in Slack need {missing}, the command line an approver's ARN"
        yield Problem(("res", "approvers"), message)
