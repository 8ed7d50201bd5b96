"""A doctor's checks of the stack's parts: rules, functions, what reads queues, dead-letter queues."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from costwatch import topology
from costwatch.adapters.aws_errors import translated
from costwatch.adapters.dead_letters import DeadLetters
from costwatch.cli import show, stack_queues, stack_resources
from costwatch.cli.doctor_case import Case
from costwatch.cli.failures import lines_of
from costwatch.cli.findings import Finding, ok, todo, unknown
from costwatch.cli.stack_resources import FUNCTION, MAPPING, RULE, Resource
from costwatch.errors import AwsError

_GONE: Final = "ResourceNotFoundException"
_PUT_BACK: Final = "put it back by hand, as cdk.out has it: a deploy of an unchanged template does not"
_READS: Final = frozenset({"Creating", "Enabled", "Enabling", "Updating"})
_HASH: Final = re.compile(r"[0-9A-F]{8}\Z")
_MOST_NAMED: Final = 3
_Trouble = tuple[str, str]
"""What is wrong with one part, and what to do about it."""


@dataclass
class _Seen:
    """What a look at all parts of one kind found. `blind`: what could not be looked at, and why."""

    parts: int = 0
    bad: list[_Trouble] = field(default_factory=list)
    blind: list[_Trouble] = field(default_factory=list)

    def findings(self, check: str, kind: str, well: str) -> Iterator[Finding]:
        """What is wrong is said also where others could not be looked at."""
        if self.bad:
            said = "; ".join(what for what, _ in self.bad)
            yield todo(check, said, _together([do for _, do in self.bad]))
        if self.blind:
            named = ", ".join(what for what, _ in self.blind[:_MOST_NAMED])
            more = f" and {len(self.blind) - _MOST_NAMED} more" if len(self.blind) > _MOST_NAMED else ""
            yield unknown(check, f"could not be looked at: {named}{more}: {self.blind[0][1]}")
        elif not self.parts:
            yield unknown(check, f"the stack lists no {kind}")
        elif not self.bad:
            yield ok(check, f"{show.count(self.parts, kind)}, {well}")


def rules(case: Case) -> Iterator[Finding]:
    """Whether EventBridge calls: a schedule or a pattern that somebody disabled is silent."""
    client = case.session.client("events", case.home_region)
    known = {_squeezed(f"rules-{rule.name}"): rule for rule in topology.rules(case.sweep_every)}

    def look(part: Resource) -> _Trouble | None:
        rule = known.get(_plain(part.logical_id).lower())
        name = rule.name if rule is not None else _plain(part.logical_id)
        bus, _, physical = part.physical_id.rpartition("|")  # CloudFormation's way to name a rule of another bus
        bus = bus or (rule.bus if rule is not None else "")
        on_bus = {"EventBusName": bus} if bus else {}
        with translated("events:DescribeRule"):
            state = client.describe_rule(Name=physical, **on_bus)["State"]
        if state != "DISABLED":
            return None
        where = f" --event-bus-name {bus}" if bus else ""
        do = f"aws events enable-rule --name {physical}{where} --region {case.home_region}"
        return f"{name} is disabled", do

    yield from _looked_at(case.parts(RULE), look).findings("rules", "rule", "all enabled")


def functions(case: Case) -> Iterator[Finding]:
    """Whether Lambda can run each function, and all of them have the same code."""
    client = case.session.client("lambda", case.home_region)
    codes: dict[str, str] = {}

    def look(part: Resource) -> _Trouble | None:
        name = _function_name(part)
        with translated("lambda:GetFunctionConfiguration"):
            found = client.get_function_configuration(FunctionName=part.physical_id)
        with translated("lambda:GetFunctionConcurrency"):
            most = client.get_function_concurrency(FunctionName=part.physical_id).get("ReservedConcurrentExecutions")
        codes[name] = found["CodeSha256"]
        if most == 0:
            do = f"aws lambda delete-function-concurrency --function-name {part.physical_id}"
            return f"{name} is throttled whole (reserved concurrency 0)", f"{do} --region {case.home_region}"
        return _unwell(name, found)

    seen = _looked_at(case.parts(FUNCTION), look)
    usual = Counter(codes.values()).most_common(1)
    odd = sorted(name for name, code in codes.items() if code != usual[0][0])
    if odd:
        do = "give all the same zip (aws lambda update-function-code): a deploy of an unchanged template does not"
        seen.bad.append((f"other code than the rest: {', '.join(odd)}", do))
    yield from seen.findings("functions", "function", "all active, none throttled")


def _unwell(name: str, found: Any) -> _Trouble | None:
    """Lambda makes an Inactive function active by itself when it is called."""
    for state, reason, what in (
        (found.get("State"), found.get("StateReason"), "it"),
        (found.get("LastUpdateStatus"), found.get("LastUpdateStatusReason"), "its last update"),
    ):
        if state == "Failed":
            return f"{name}: {what} failed ({reason or 'Lambda does not say why'})", "mend what it says, make deploy"
        if state in ("Pending", "InProgress"):
            return f"{name}: {what} is {'being made' if state == 'Pending' else 'under way'}", "look again in a minute"
    return None


def event_sources(case: Case) -> Iterator[Finding]:
    """Whether Lambda reads the queues: heartbeats, and the gate's requests."""
    client = case.session.client("lambda", case.home_region)

    def look(part: Resource) -> _Trouble | None:
        with translated("lambda:GetEventSourceMapping"):
            found = client.get_event_source_mapping(UUID=part.physical_id)
        if found["State"] in _READS:
            return None
        queue = str(found["EventSourceArn"]).rpartition(":")[2]
        do = f"aws lambda update-event-source-mapping --uuid {part.physical_id} --enabled --region {case.home_region}"
        return f"nobody reads the queue {queue} ({found['State']})", do

    yield from _looked_at(case.parts(MAPPING), look).findings("event sources", "queue", "all read")


def dead_letters(case: Case) -> Iterator[Finding]:
    """What could not be handled, in all queues of the stack, also what somebody looks at just now."""
    check = "dead-letter queues"
    physical = stack_resources.physical(case.resources)
    known, read = stack_queues.parts(physical), stack_queues.read_by_functions(physical)
    client = case.session.client("sqs", case.home_region)
    waiting: dict[str, int] = {}
    for name, url in sorted({**{name: url for name, (url, _) in known.items()}, **read}.items()):
        number = DeadLetters(client, url).depth()
        if number:
            waiting[name] = number
    if not waiting:
        yield ok(check, f"{show.count(len(known) + len(read), 'queue')}, all empty")
        return
    said = ", ".join(f"{number} in {name}" for name, number in waiting.items())
    dos = ["costwatch redrive shows it, handles it again or deletes it"] if set(waiting) - set(read) else []
    dos += [f"{name}: {stack_queues.READ_BY_ITSELF}" for name in waiting if name in read]
    yield todo(check, said, "; ".join(dos))


def _looked_at(parts: Sequence[Resource], look: Callable[[Resource], _Trouble | None]) -> _Seen:
    """Every part in turn. After one that AWS does not answer about nobody waits for the others."""
    seen = _Seen(len(parts))
    for number, part in enumerate(parts):
        try:
            trouble = look(part)
        except AwsError as error:
            if error.code == _GONE:
                seen.bad.append((f"{_plain(part.logical_id)} is gone", _PUT_BACK))
                continue
            why = " ".join(lines_of(error))
            unseen = parts[number:] if error.retry else [part]
            seen.blind += [(_plain(each.logical_id), why) for each in unseen]
            if error.retry:
                break
        else:
            if trouble is not None:
                seen.bad.append(trouble)
    return seen


def _together(dos: Sequence[str]) -> str:
    """One thing to do, or one line to copy where all of them are commands."""
    once = list(dict.fromkeys(dos))
    return (" && " if all(do.startswith("aws ") for do in once) else "; ").join(once)


def _function_name(part: Resource) -> str:
    plain = _plain(part.logical_id)
    return next((each.name for each in topology.FUNCTIONS if plain == f"{each.name.title()}Function"), plain)


def _plain(logical_id: str) -> str:
    """Without what the CDK puts behind each name."""
    return _HASH.sub("", logical_id)


def _squeezed(name: str) -> str:
    return name.replace("-", "").lower()
