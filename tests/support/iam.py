"""Identity policies, judged as IAM judges them: allowed, explicitly denied or implicitly denied.

moto ignores conditions, so what a role may do is proved here; `template_roles` collects the statements of a
synthesized template. Whatever this module does not know (an operator, an element, a policy variable) raises
UnsupportedPolicyError: nothing passes because it was not understood.

Semantics follow the IAM user guide, "Condition operators", "Single-valued vs. multivalued context keys"
and "IAM JSON policy elements: Resource". Resource policies (queues, topics, keys) are not judged here:
within one account they only ever add permissions or deny unencrypted transport.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from typing import Any

Context = Mapping[str, str | Sequence[str]]
"""Condition keys of a request. A string is a single-valued key, a list a multivalued one."""

POLICY_VERSION = "2012-10-17"


class UnsupportedPolicyError(Exception):
    """The policy or template uses something this evaluator cannot judge."""


class Verdict(StrEnum):
    ALLOWED = "allowed"
    EXPLICITLY_DENIED = "explicitly denied"
    IMPLICITLY_DENIED = "implicitly denied"


@dataclass(frozen=True, slots=True)
class Decision:
    """`sid` names the deciding statement; empty for an implicit denial."""

    verdict: Verdict
    sid: str = ""

    @property
    def allowed(self) -> bool:
        return self.verdict is Verdict.ALLOWED

    def __str__(self) -> str:
        return f"{self.verdict} by {self.sid}" if self.sid else str(self.verdict)


# --- statements ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator over one key, for example `StringNotEqualsIfExists` over `aws:ResourceTag/team`."""

    operator: str
    key: str
    values: tuple[str, ...]

    def holds(self, context: Mapping[str, tuple[str, ...]]) -> bool:
        """`context` has folded keys and no empty values (see `_folded`)."""
        set_operator, name, if_exists = _split_operator(self.operator)
        present = context.get(self.key.casefold())
        if name == "Null":
            wanted = {_as_bool(value) for value in self.values}
            return (present is None) in wanted
        matches, negated = _operator(name)
        if set_operator == "ForAllValues":
            # True for an absent key too: that is why an Allow must never rest on it alone.
            return all(self._one(value, matches, negated) for value in present or ())
        if set_operator == "ForAnyValue":
            return any(self._one(value, matches, negated) for value in present or ())
        if present is None:
            return negated or if_exists
        if len(present) > 1:
            raise UnsupportedPolicyError(
                f"{self.operator} over {self.key}, which has {len(present)} values: IAM wants a set operator"
            )
        return self._one(present[0], matches, negated)

    def _one(self, value: str, matches: Callable[[str, str], bool], negated: bool) -> bool:
        return any(matches(value, wanted) for wanted in self.values) is not negated


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with concrete ARNs. Exactly one of actions/not_actions and of resources/not_resources is set."""

    effect: str
    sid: str
    source: str
    """Logical id of the policy it comes from."""
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()

    @property
    def label(self) -> str:
        return self.sid or f"{self.source} (no Sid)"

    def names_action(self, action: str) -> bool:
        if self.actions:
            return any(_action_matches(pattern, action) for pattern in self.actions)
        return not any(_action_matches(pattern, action) for pattern in self.not_actions)

    def names_resource(self, resource: str) -> bool:
        if self.resources:
            return any(_resource_matches(pattern, resource) for pattern in self.resources)
        return not any(_resource_matches(pattern, resource) for pattern in self.not_resources)

    def conditions_hold(self, context: Mapping[str, tuple[str, ...]]) -> bool:
        return all(condition.holds(context) for condition in self.conditions)


_STATEMENT_KEYS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}


def statements_of(document: Mapping[str, Any], source: str = "") -> tuple[Statement, ...]:
    """The statements of a policy document without intrinsics. Raises UnsupportedPolicyError."""
    if document.get("Version") != POLICY_VERSION:
        raise UnsupportedPolicyError(f"{source}: policy version {document.get('Version')!r}")
    if unknown := document.keys() - {"Version", "Statement", "Id"}:
        raise UnsupportedPolicyError(f"{source}: policy elements {sorted(unknown)}")
    raw = document["Statement"]
    return tuple(_statement(one, source) for one in ([raw] if isinstance(raw, Mapping) else raw))


def _statement(raw: Mapping[str, Any], source: str) -> Statement:
    if unknown := raw.keys() - _STATEMENT_KEYS:
        raise UnsupportedPolicyError(f"{source}: statement elements {sorted(unknown)}")
    for one, other in (("Action", "NotAction"), ("Resource", "NotResource")):
        if (one in raw) is (other in raw):
            raise UnsupportedPolicyError(f"{source}: a statement needs exactly one of {one} and {other}")
    if raw.get("Effect") not in ("Allow", "Deny"):
        raise UnsupportedPolicyError(f"{source}: effect {raw.get('Effect')!r}")
    conditions = tuple(
        Condition(operator=operator, key=key, values=_strings(values, source))
        for operator, keys in raw.get("Condition", {}).items()
        for key, values in keys.items()
    )
    for condition in conditions:
        _check(condition, source)
    statement = Statement(
        effect=raw["Effect"],
        sid=raw.get("Sid", ""),
        source=source,
        actions=_strings(raw.get("Action", ()), source),
        not_actions=_strings(raw.get("NotAction", ()), source),
        resources=_strings(raw.get("Resource", ()), source),
        not_resources=_strings(raw.get("NotResource", ()), source),
        conditions=conditions,
    )
    if not (statement.actions or statement.not_actions) or not (statement.resources or statement.not_resources):
        raise UnsupportedPolicyError(f"{source}: an empty list of actions or resources")
    for pattern in statement.actions + statement.not_actions:
        if pattern != "*" and not re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9*?]+", pattern):
            raise UnsupportedPolicyError(f"{source}: action {pattern!r}")
    for pattern in statement.resources + statement.not_resources:
        if pattern != "*" and (not pattern.startswith("arn:") or pattern.count(":") < 5 or "${" in pattern):
            raise UnsupportedPolicyError(f"{source}: resource {pattern!r} is not * or a whole ARN without variables")
    return statement


def _strings(values: Any, source: str) -> tuple[str, ...]:
    listed = [values] if isinstance(values, str | bool | int) else list(values)
    if not all(isinstance(value, str | bool | int) for value in listed):
        raise UnsupportedPolicyError(f"{source}: {values!r} where text was expected")
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in listed)


# --- matching -----------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def _glob(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    pieces = {"*": ".*", "?": "."}
    text = "".join(pieces.get(character) or re.escape(character) for character in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _action_matches(pattern: str, action: str) -> bool:
    return _glob(pattern, ignore_case=True).fullmatch(action) is not None


@lru_cache(maxsize=8192)
def _resource_pattern(pattern: str) -> re.Pattern[str]:
    # A * that ends a segment may reach over the following colons; any other wildcard stays in its segment.
    pieces = []
    for index, character in enumerate(pattern):
        ends_segment = index + 1 == len(pattern) or pattern[index + 1] == ":"
        match character:
            case "*":
                pieces.append(".*" if ends_segment else "[^:]*")
            case "?":
                pieces.append("[^:]")
            case _:
                pieces.append(re.escape(character))
    return re.compile("".join(pieces), re.DOTALL)


def _resource_matches(pattern: str, resource: str) -> bool:
    return pattern == "*" or _resource_pattern(pattern).fullmatch(resource) is not None


def _arn_matches(value: str, pattern: str) -> bool:
    # Each of the six components is compared by itself; a wildcard never reaches over a colon of the first five.
    values, patterns = value.split(":", 5), pattern.split(":", 5)
    return len(values) == 6 and all(
        _glob(one).fullmatch(other) is not None for one, other in zip(patterns, values, strict=True)
    )


_ESCAPE = re.compile(r"(\$\{[*?$]\})")
"""`${*}`, `${?}` and `${$}` stand for the character itself; every other `${...}` is a policy variable."""


def _like(value: str, pattern: str) -> bool:
    parts = _ESCAPE.split(pattern)
    text = "".join(re.escape(part[2]) if _ESCAPE.fullmatch(part) else _glob(part).pattern for part in parts)
    return re.fullmatch(text, value, re.DOTALL) is not None


def _unescaped(pattern: str) -> str:
    return _ESCAPE.sub(lambda match: match[1][2], pattern)


def _as_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise UnsupportedPolicyError(f"{text!r} where true or false was expected")
    return text.lower() == "true"


def _as_number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise UnsupportedPolicyError(f"{text!r} where a number was expected") from None


def _as_date(text: str) -> datetime:
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text), tz=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UnsupportedPolicyError(f"{text!r} where a date was expected") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (lambda value, wanted: value == _unescaped(wanted), False),
    "StringNotEquals": (lambda value, wanted: value == _unescaped(wanted), True),
    "StringEqualsIgnoreCase": (lambda value, wanted: value.casefold() == _unescaped(wanted).casefold(), False),
    "StringNotEqualsIgnoreCase": (lambda value, wanted: value.casefold() == _unescaped(wanted).casefold(), True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn_matches, False),  # IAM: ArnEquals and ArnLike behave identically
    "ArnLike": (_arn_matches, False),
    "ArnNotEquals": (_arn_matches, True),
    "ArnNotLike": (_arn_matches, True),
    "Bool": (lambda value, wanted: _as_bool(value) is _as_bool(wanted), False),
    "NumericEquals": (lambda value, wanted: _as_number(value) == _as_number(wanted), False),
    "NumericNotEquals": (lambda value, wanted: _as_number(value) == _as_number(wanted), True),
    "NumericLessThan": (lambda value, wanted: _as_number(value) < _as_number(wanted), False),
    "NumericLessThanEquals": (lambda value, wanted: _as_number(value) <= _as_number(wanted), False),
    "NumericGreaterThan": (lambda value, wanted: _as_number(value) > _as_number(wanted), False),
    "NumericGreaterThanEquals": (lambda value, wanted: _as_number(value) >= _as_number(wanted), False),
    "DateEquals": (lambda value, wanted: _as_date(value) == _as_date(wanted), False),
    "DateNotEquals": (lambda value, wanted: _as_date(value) == _as_date(wanted), True),
    "DateLessThan": (lambda value, wanted: _as_date(value) < _as_date(wanted), False),
    "DateLessThanEquals": (lambda value, wanted: _as_date(value) <= _as_date(wanted), False),
    "DateGreaterThan": (lambda value, wanted: _as_date(value) > _as_date(wanted), False),
    "DateGreaterThanEquals": (lambda value, wanted: _as_date(value) >= _as_date(wanted), False),
}


def _operator(name: str) -> tuple[Callable[[str, str], bool], bool]:
    if name not in _OPERATORS:
        raise UnsupportedPolicyError(f"condition operator {name}")
    return _OPERATORS[name]


def _split_operator(operator: str) -> tuple[str, str, bool]:
    set_operator, _, rest = operator.rpartition(":")
    if set_operator not in ("", "ForAllValues", "ForAnyValue"):
        raise UnsupportedPolicyError(f"condition operator {operator}")
    name = rest.removesuffix("IfExists")
    if_exists = name != rest
    if if_exists and (set_operator or name == "Null"):
        raise UnsupportedPolicyError(f"condition operator {operator}: IfExists has no documented meaning there")
    if set_operator and name == "Null":
        raise UnsupportedPolicyError(f"condition operator {operator}")
    return set_operator, name, if_exists


def _check(condition: Condition, source: str) -> None:
    """Refuse at once what could otherwise hide behind a condition that is never reached."""
    _, name, _ = _split_operator(condition.operator)
    if not condition.values:
        raise UnsupportedPolicyError(f"{source}: {condition.operator} over {condition.key} without a value")
    for value in condition.values:
        if "${" in _ESCAPE.sub("", value):
            raise UnsupportedPolicyError(f"{source}: policy variable in {value!r}")
        if name == "Null":
            _as_bool(value)
            continue
        _operator(name)
        if name.startswith("Arn") and value.count(":") < 5:
            raise UnsupportedPolicyError(f"{source}: {value!r} where an ARN was expected")
        parse = {"B": _as_bool, "N": _as_number, "D": _as_date}.get(name[0])
        if parse is not None:
            parse(value)


# --- evaluation ---------------------------------------------------------------------------------------


def evaluate(
    statements: Iterable[Statement],
    action: str,
    resource: str,
    context: Context | None = None,
    *,
    boundary: Iterable[Statement] | None = None,
) -> Decision:
    """Judge one request. `resource` is an ARN, or `*` for actions without resource-level permissions.

    With a permissions boundary a request is allowed only where both allow it, and a Deny in either denies.
    """
    folded = _folded(context or {})
    decision = _evaluate(tuple(statements), action, resource, folded)
    if boundary is None or decision.verdict is Verdict.EXPLICITLY_DENIED:
        return decision
    limit = _evaluate(tuple(boundary), action, resource, folded)
    if limit.verdict is Verdict.EXPLICITLY_DENIED:
        return limit
    return decision if limit.allowed else Decision(Verdict.IMPLICITLY_DENIED)


def _evaluate(
    statements: tuple[Statement, ...], action: str, resource: str, context: Mapping[str, tuple[str, ...]]
) -> Decision:
    applying = [
        statement
        for statement in statements
        if statement.names_action(action) and statement.names_resource(resource) and statement.conditions_hold(context)
    ]
    for effect, verdict in (("Deny", Verdict.EXPLICITLY_DENIED), ("Allow", Verdict.ALLOWED)):
        for statement in applying:
            if statement.effect == effect:
                return Decision(verdict, statement.label)
    return Decision(Verdict.IMPLICITLY_DENIED)


def _folded(context: Context) -> dict[str, tuple[str, ...]]:
    """Condition keys, tag keys within them included, are compared without regard to case."""
    folded: dict[str, tuple[str, ...]] = {}
    for key, value in context.items():
        values = (value,) if isinstance(value, str) else tuple(value)
        if key.casefold() in folded:
            raise UnsupportedPolicyError(f"context keys that differ in case only: {key}")
        if values:  # a key with an empty set of values counts as absent
            folded[key.casefold()] = values
    return folded
