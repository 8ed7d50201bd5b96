"""What no single field of costwatch.yaml can tell: rules across fields, and warnings about valid files.

The rules read the raw document and skip what is not valid in itself, so that one wrong value never hides
a problem elsewhere: everything is told at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from costwatch import names
from costwatch.config import approval_checks, fields, kinds, regions, res_checks, shadows
from costwatch.config.problems import Path, Problem, read
from costwatch.core import durations
from costwatch.core.heartbeats import SHORTEST_INTERVAL
from costwatch.core.policy import Action, AtMinSize, Mode, PurchaseOption, Service

if TYPE_CHECKING:
    from costwatch.config.model import Config, Selector

DEFAULT_LIMITS: Mapping[str, timedelta] = {
    "max_runtime": timedelta(hours=12),
    "warn_before": timedelta(hours=1),
    "min_notice": timedelta(minutes=30),
    "hard_cap": timedelta(hours=72),
    "finish_grace": timedelta(hours=2),
}
SHORTEST_NOTICE = timedelta(minutes=1)
SHORT_NOTICE_TO_STOP = timedelta(minutes=15)
SLOWEST_SWEEP = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_MOST_BUTTONS = 4
_IAM_SYNTAX = ("*", "?", "${")
_WITH_CHILDREN = frozenset(kind.value for kind in fields.JOB_KINDS if kind.has_children)
_KINDS = ", ".join(kind.value for kind in fields.JOB_KINDS)


def keys_without_value(value: object, path: Path = ()) -> Iterator[Problem]:
    """Every key or list item that YAML read as null: a `key:` with nothing behind it, or only a comment."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from keys_without_value(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from keys_without_value(item, (*path, index))
    elif value is None and path:
        channel = path[-1] == "platform_channel" or "team_channels" in path
        hint = '; a channel needs quotes, "#like-this", or YAML takes it for a comment' if channel else ""
        yield Problem(path, f"has no value; write one or remove the line{hint}")


def across_fields(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Rules that need more than one field, over a raw document whose parts may be invalid."""
    yield from _twice(("regions",), document.get("regions"))
    yield from _partitions(_list(document.get("regions")))
    yield from _twice(("email", "to"), _mapping(document.get("email")).get("to"))
    yield from _tag_keys(_mapping(document.get("tags")))
    dead_man = _mapping(document.get("dead_man"))
    yield from _sweep(dead_man)
    yield from _blast_cap(_mapping(dead_man.get("blast_cap")))
    yield from _protect(_list(dead_man.get("protect")))
    yield from _extend(_mapping(dead_man.get("extend")))
    yield from _limits(("dead_man",), dead_man, {})
    yield from _selectors(dead_man)
    yield from _run_tag(_mapping(document.get("tags")), dead_man)
    yield from approval_checks.across_fields(_mapping(document.get("approval")), _mapping(document.get("slack")))
    yield from res_checks.across_fields(_mapping(document.get("res")))


def warnings(config: Config) -> Iterator[Problem]:
    """What a valid configuration probably does not mean."""
    dead_man = config.dead_man
    if not dead_man.selectors:
        yield Problem(("dead_man", "selectors"), "no selectors: nothing is watched yet")
    if config.slack.team_channels and not config.slack.platform_channel:
        yield Problem(("slack", "team_channels"), "not used: Slack is off while platform_channel is not set")
    speaking = False
    for index, selector in enumerate(dead_man.selectors):
        path: Path = ("dead_man", "selectors", index)
        mode = selector.mode or dead_man.mode
        if dead_man.mode is Mode.OFF and mode is not Mode.OFF:
            yield Problem((*path, "mode"), f"{mode.value} has no effect: dead_man.mode is off")
            continue
        speaking = speaking or mode in (Mode.WARN, Mode.ENFORCE)
        yield from _selector_warnings(config, index, mode)
    if speaking and not config.slack.platform_channel and not config.email.to:
        message = "nobody can take a notice (no slack.platform_channel, no email.to): what is due will be held"
        yield Problem(("dead_man",), message)
    yield from approval_checks.warnings(config)
    yield from res_checks.warnings(config)


def _selector_warnings(config: Config, index: int, mode: Mode) -> Iterator[Problem]:
    dead_man, selector = config.dead_man, config.dead_man.selectors[index]
    path: Path = ("dead_man", "selectors", index)
    min_notice = selector.min_notice or dead_man.min_notice
    if mode is Mode.ENFORCE and min_notice < SHORT_NOTICE_TO_STOP:
        yield Problem(
            (*path, "min_notice"),
            f"{durations.short(min_notice)} is little time for a person to answer before a stop; "
            f"{durations.short(SHORT_NOTICE_TO_STOP)} or more is advised",
        )
    warn_before = selector.warn_before or dead_man.warn_before
    max_runtime = min(kinds.max_runtime(selector, kind, dead_man) for kind in kinds.of(selector))
    if warn_before >= max_runtime:
        message = f"runs are warned about from their first minute: warn_before ({durations.short(warn_before)}) is not"
        yield Problem((*path, "warn_before"), f"{message} shorter than max_runtime ({durations.short(max_runtime)})")
    if selector.ec2 and selector.action is Action.STOP and selector.ec2.purchase in (None, PurchaseOption.SPOT):
        picked = "it picks spot instances" if selector.ec2.purchase else "it picks spot instances too"
        message = f"{picked}, and EC2 can only terminate those of one-time requests: a run with one will be held"
        yield Problem((*path, "action"), message)
    if selector.action is Action.STOP and (selector.at_min_size or dead_man.at_min_size) is AtMinSize.LOWER:
        message = "lower has no effect with `action: stop`: an Auto Scaling group can only be terminated, so it is held"
        yield Problem((*path, "at_min_size"), message)
    if selector.ec2 and not (selector.ec2.tag or selector.ec2.types):
        yield Problem((*path, "ec2"), "picks every EC2 instance in all regions; name a tag or types to narrow it")
    yield from _never_reached(dead_man.selectors[:index], selector, path)


def _never_reached(above: Sequence[Selector], selector: Selector, path: Path) -> Iterator[Problem]:
    """The whole entry, or kinds of jobs in it, that selectors above it leave nothing of."""
    picked: dict[Service, str] = {}
    for kind in kinds.of(selector):
        earlier = next((other for other in above if shadows.picks_all_of(other, selector, kind)), None)
        if earlier is not None:
            picked[kind] = earlier.name
    by = " and ".join(repr(name) for name in dict.fromkeys(picked.values()))
    if len(picked) == len(kinds.of(selector)):
        verb = "picks" if len(set(picked.values())) == 1 else "pick"
        yield Problem((*path, "name"), f"never reached: {by} above it already {verb} everything it could")
        return
    for kind, name in picked.items():
        message = f"never reached for {kind.value}: {name!r} above it already picks all of those that it could"
        yield Problem((*path, "sagemaker"), message)


def _tag_keys(tags: Mapping[str, Any]) -> Iterator[Problem]:
    defaults = {
        "owner": "owner",
        "team": "team",
        "project": "project",
        "model": "model",
        "run": names.TAG_RUN,
        "max_runtime": names.TAG_MAX_RUNTIME,
        "deadline": names.TAG_DEADLINE,
        "exempt": names.TAG_EXEMPT,
        "heartbeat": names.TAG_HEARTBEAT,
        "approval": names.TAG_APPROVAL,
    }
    meanings: dict[str, str] = {names.TAG_NEVER: "never"}
    # Keys the file sets come last, so that the line that is told is one the reader can change.
    for meaning in sorted(defaults, key=lambda name: name in tags):
        key = tags.get(meaning, defaults[meaning])
        if not isinstance(key, str):
            continue
        if key in meanings:
            yield Problem(("tags", meaning), f"{key!r} already means {meanings[key]}; one tag cannot mean two things")
        meanings.setdefault(key, meaning)


def _partitions(written: list[Any]) -> Iterator[Problem]:
    """Credentials of one partition are none in another, so no function could sweep both."""
    home = regions.partition(written[0]) if written and isinstance(written[0], str) else ""
    for index, region in enumerate(written):
        other = regions.partition(region) if isinstance(region, str) else ""
        if home and other and other != home:
            message = f"{region!r} is of partition {other} and {written[0]!r} of {home}: deploy once in each"
            yield Problem(("regions", index), message)


def _run_tag(tags: Mapping[str, Any], dead_man: Mapping[str, Any]) -> Iterator[Problem]:
    """Whatever shares the run tag's value is one run: a tag that picks a fleet would make it a single one."""
    key = tags.get("run", names.TAG_RUN)
    for index, selector in enumerate(_list(dead_man.get("selectors"))):
        for service in ("ec2", "sagemaker"):
            picked_by = _mapping(_mapping(_mapping(selector).get(service)).get("tag"))
            if isinstance(key, str) and key in picked_by:
                message = (
                    f"{key!r} is the run tag: all that this selector picks would be one run, stopped together; pick by "
                    "another tag, or let tags.run name one that tells runs apart"
                )
                yield Problem(("dead_man", "selectors", index, service, "tag", key), message)


def _sweep(dead_man: Mapping[str, Any]) -> Iterator[Problem]:
    every = read(fields.duration, dead_man.get("sweep_every"))
    if every is not None and (every % _MINUTE or not _MINUTE <= every <= SLOWEST_SWEEP):
        yield Problem(
            ("dead_man", "sweep_every"), f"{dead_man['sweep_every']!r} is not a whole number of minutes from 1m to 60m"
        )


def _blast_cap(cap: Mapping[str, Any]) -> Iterator[Problem]:
    runs, per_day = read(fields.count, cap.get("runs", 5)), read(fields.count, cap.get("per_day", 20))
    if runs is not None and per_day is not None and per_day < runs:
        key = "per_day" if "per_day" in cap else "runs"
        message = f"per_day ({per_day}) is smaller than runs ({runs}): a single sweep could not use its own cap"
        yield Problem(("dead_man", "blast_cap", key), message)


def _protect(rules: list[Any]) -> Iterator[Problem]:
    for index, rule in enumerate(rules):
        path: Path = ("dead_man", "protect", index)
        if not isinstance(rule, dict):
            continue
        if ("tag" in rule) == ("asg" in rule):
            yield Problem(path, "needs exactly one of tag and asg")
        if rule.get("tag") == {}:
            yield Problem((*path, "tag"), "names no tag, so it would protect nothing; expected at least one")
        for key, value in _mapping(_mapping(rule).get("tag")).items():
            for written in value if isinstance(value, list) else [value]:
                if isinstance(written, str) and ("*" in written or "?" in written):
                    message = f"{written!r} is compared exactly, so it would protect nothing; expected the whole value"
                    yield Problem((*path, "tag", key), message)


def _extend(extend: Mapping[str, Any]) -> Iterator[Problem]:
    path: Path = ("dead_man", "extend", "buttons")
    buttons = _list(extend.get("buttons", ["4h", "12h"]))
    if not 1 <= len(buttons) <= _MOST_BUTTONS and isinstance(extend.get("buttons", []), list):
        yield Problem(path, f"has {len(buttons)} buttons, expected 1 to {_MOST_BUTTONS}")
    total = read(fields.duration, extend.get("owner_total", "24h"))
    seen: set[timedelta] = set()
    for index, button in enumerate(buttons):
        step = read(fields.duration, button)
        if step is None:
            continue
        if total is not None and step > total:
            message = f"{button!r} is longer than owner_total ({durations.short(total)}): no owner could press it"
            where = (*path, index) if "buttons" in extend else ("dead_man", "extend", "owner_total")
            yield Problem(where, message)
        if step in seen:
            yield Problem((*path, index), f"{button!r} is offered twice")
        seen.add(step)


def _limits(path: Path, own: Mapping[str, Any], inherited: Mapping[str, Any]) -> Iterator[Problem]:
    """Limits that contradict each other. Told only where this mapping sets one of the two."""

    def limit(key: str) -> timedelta | None:
        if key in own:
            return read(fields.duration, own[key])
        return read(fields.duration, inherited[key]) if key in inherited else DEFAULT_LIMITS[key]

    def told(key: str, value: timedelta) -> str:
        origin = "" if key in own else ", from dead_man" if key in inherited else ", the default"
        return f"{key} ({durations.short(value)}{origin})"

    def ordered(shorter: str, longer: str, why: str) -> Iterator[Problem]:
        short, long = limit(shorter), limit(longer)
        where = next((key for key in (shorter, longer) if key in own), None)
        if where and short is not None and long is not None and short > long:
            yield Problem((*path, where), f"{told(shorter, short)} is longer than {told(longer, long)}: {why}")

    yield from ordered("min_notice", "warn_before", "nobody may be stopped before the notice is over")
    yield from ordered("max_runtime", "hard_cap", "nothing runs past the hard cap")
    notice = read(fields.duration, own.get("min_notice"))
    if notice is not None and notice < SHORTEST_NOTICE:
        yield Problem((*path, "min_notice"), f"{own['min_notice']!r} is shorter than 1m, the shortest notice there is")


def _selectors(dead_man: Mapping[str, Any]) -> Iterator[Problem]:
    named: dict[str, int] = {}
    for index, selector in enumerate(_list(dead_man.get("selectors"))):
        path: Path = ("dead_man", "selectors", index)
        if not isinstance(selector, dict):
            continue
        name = selector.get("name")
        if isinstance(name, str):
            if name in named:
                yield Problem((*path, "name"), f"{name!r} is already the name of selectors[{named[name]}]")
            named.setdefault(name, index)
        if ("ec2" in selector) == ("sagemaker" in selector):
            yield Problem(path, "needs exactly one of ec2 and sagemaker")
        if selector.get("sagemaker") == [] or _mapping(selector.get("sagemaker")).get("jobs") == []:
            yield Problem((*path, "sagemaker"), f"names no kind of job; expected one of {_KINDS}")
        yield from _jobs(path, selector)
        if "sagemaker" in selector and "action" in selector:
            yield Problem((*path, "action"), "is for EC2 instances; a SageMaker job can only be stopped: leave it out")
        for key in ("at_min_size", "az_rebalance"):
            if "sagemaker" in selector and key in selector:
                yield Problem((*path, key), "is for Auto Scaling groups of EC2 instances: leave it out")
        for service in ("ec2", "sagemaker"):
            if _mapping(selector.get(service)).get("types") == []:
                message = "an empty list matches nothing; expected at least one type, or no such line for all"
                yield Problem((*path, service, "types"), message)
        yield from _limits(path, selector, dead_man)
        yield from _heartbeat(path, selector)
        if _stops(selector, dead_man):
            for service in ("ec2", "sagemaker"):
                if service in selector:
                    yield from _enforcing((*path, service), selector[service])


def _heartbeat(path: Path, selector: Mapping[str, Any]) -> Iterator[Problem]:
    interval = read(fields.duration, selector.get("heartbeat"))
    if interval is not None and interval < SHORTEST_INTERVAL:
        message = f"{selector['heartbeat']!r} is shorter than {durations.short(SHORTEST_INTERVAL)}"
        yield Problem((*path, "heartbeat"), f"{message}: the training client beats no more often than that")


def _stops(selector: Mapping[str, Any], dead_man: Mapping[str, Any]) -> bool:
    """Whether anything that the entry picks is stopped: jobs with children only where the entry itself says so."""
    if "mode" in selector:
        return bool(selector["mode"] == Mode.ENFORCE)
    jobs = {job for job in _job_words(selector) if isinstance(job, str)}
    only_warned = bool(jobs) and all(job in _WITH_CHILDREN for job in jobs)
    return dead_man.get("mode") == Mode.ENFORCE and not only_warned


def _job_words(selector: Mapping[str, Any]) -> list[Any]:
    written = selector.get("sagemaker")
    return _list(written if isinstance(written, list) else _mapping(written).get("jobs"))


def _jobs(path: Path, selector: Mapping[str, Any]) -> Iterator[Problem]:
    """What a selector of SageMaker jobs may and may not say."""
    written = selector.get("sagemaker")
    jobs = _job_words(selector)
    where: Path = (*path, "sagemaker") if isinstance(written, list) else (*path, "sagemaker", "jobs")
    yield from _twice(where, jobs)
    if "automl" in jobs and _list(_mapping(written).get("types")):
        message = "an AutoML job chooses its instance types itself: leave types out, or automl in a selector of its own"
        yield Problem((*path, "sagemaker", "types"), message)
    if selector.get("max_runtime") == fields.Declared.DECLARED and "ec2" in selector:
        message = f"'declared' is for SageMaker jobs, an instance declares nothing; expected {durations.EXPECTED}"
        yield Problem((*path, "max_runtime"), message)


def _enforcing(path: Path, selection: object) -> Iterator[Problem]:
    """The stop role's condition is made of the selector's tags, where IAM would read wildcards and variables."""
    tags = _mapping(_mapping(selection).get("tag"))
    if not tags:
        yield Problem(path, "in mode enforce a selector must name a tag: the permission to stop is bound to it")
    folded: dict[str, str] = {}
    for key, value in tags.items():
        for written in (key, *(value if isinstance(value, list) else [value])):
            found = next((token for token in _IAM_SYNTAX if isinstance(written, str) and token in written), None)
            if found:
                message = (
                    f"{written!r} holds {found!r}, which IAM would interpret; in mode enforce tags are compared exactly"
                )
                yield Problem((*path, "tag", key), message)
        if folded.setdefault(key.lower(), key) != key:
            message = f"differs from {folded[key.lower()]!r} only in case, which IAM cannot tell apart in tag keys"
            yield Problem((*path, "tag", key), message)


def _twice(path: Path, items: object) -> Iterator[Problem]:
    seen: set[Hashable] = set()
    for index, item in enumerate(_list(items)):
        if isinstance(item, str) and item in seen:
            yield Problem((*path, index), f"{item!r} is listed twice")
        elif isinstance(item, str):
            seen.add(item)
    if items == [] and path == ("regions",):
        yield Problem(path, "names no region; expected at least one, the first is the home region")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
