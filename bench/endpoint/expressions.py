"""DynamoDB's condition and key expressions, as far as a ledger needs them: and, or, not, comparisons, functions."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from bench.endpoint.errors import Refused

Item = Mapping[str, Mapping[str, Any]]
"""Attributes as they travel: `{"pk": {"S": "..."}}`."""

_Operand = tuple[str, Any] | None
_TOKENS: Final = re.compile(r"\s*([()=,]|<>|<=|>=|<|>|[#:]?\w+)")
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Given:
    """What an expression is judged on: the item (empty where there is none), names and values."""

    item: Item
    names: Mapping[str, str]
    values: Item

    def operand(self, token: str) -> _Operand:
        """Type and value; None for an attribute that the item does not have."""
        found = self.values[token] if token.startswith(":") else self.item.get(self.name(token))
        if found is None:
            return None
        ((kind, value),) = found.items()
        return kind, Decimal(value) if kind == "N" else value

    def name(self, token: str) -> str:
        return self.names[token] if token.startswith("#") else token


Judge = Callable[[Given], bool]


def holds(expression: str, given: Given) -> bool:
    """Raises Refused for an expression beyond what is read here."""
    try:
        return parsed(expression)(given)
    except KeyError as missing:
        raise Refused("ValidationException", f"{missing} is used in the expression and not defined") from missing


@lru_cache(maxsize=256)
def parsed(expression: str) -> Judge:
    """Raises Refused."""
    tokens = _TOKENS.findall(expression)
    if "".join(tokens) != re.sub(r"\s", "", expression):
        raise Refused("ValidationException", f"Invalid expression: {expression}")
    reader = _Reader(tokens)
    judge = reader.any_of()
    if reader.left:
        raise Refused("ValidationException", f"Invalid expression: {expression}: {reader.left[0]}")
    return judge


class _Reader:
    """Recursive descent: OR binds least, then AND, then NOT."""

    def __init__(self, tokens: list[str]) -> None:
        self.left = tokens

    def any_of(self) -> Judge:
        parts = [self._all_of()]
        while self._took("OR"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda given: any(part(given) for part in parts)

    def _all_of(self) -> Judge:
        parts = [self._one()]
        while self._took("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda given: all(part(given) for part in parts)

    def _one(self) -> Judge:
        if self._took("NOT"):
            judge = self._one()
            return lambda given: not judge(given)
        if self._took("("):
            judge = self.any_of()
            self._expect(")")
            return judge
        first = self._next()
        if self._took("("):
            return self._function(first)
        return self._comparison(first)

    def _function(self, name: str) -> Judge:
        operand = self._next()
        second = self._next() if self._took(",") else ""
        self._expect(")")
        match name, bool(second):
            case "attribute_exists", False:
                return lambda given: given.name(operand) in given.item
            case "attribute_not_exists", False:
                return lambda given: given.name(operand) not in given.item
            case "begins_with", True:
                return lambda given: _begins(given.operand(operand), given.operand(second))
        raise Refused("ValidationException", f"Invalid expression: the function {name} is not known here")

    def _comparison(self, first: str) -> Judge:
        sign = self._next()
        if sign not in _COMPARE:
            raise Refused("ValidationException", f"Invalid expression: {sign} is no comparison known here")
        second, compare = self._next(), _COMPARE[sign]
        return lambda given: _compared(given.operand(first), given.operand(second), compare)

    def _next(self) -> str:
        if not self.left:
            raise Refused("ValidationException", "Invalid expression: it ends too early")
        return self.left.pop(0)

    def _took(self, token: str) -> bool:
        if self.left and self.left[0].upper() == token:
            self.left.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._took(token):
            raise Refused("ValidationException", f"Invalid expression: {token} is missing")


def _begins(whole: _Operand, start: _Operand) -> bool:
    return whole is not None and start is not None and bool(whole[1].startswith(start[1]))


def _compared(first: _Operand, second: _Operand, compare: Callable[[Any, Any], bool]) -> bool:
    """Values of different types are unequal, and neither is less."""
    if first is None or second is None or first[0] != second[0]:
        return compare is operator.ne
    return compare(first[1], second[1])
