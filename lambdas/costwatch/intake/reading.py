"""Reading raw events part by part: what is missing or of another kind is a MalformedEvent that names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from costwatch.errors import MalformedEvent

_LONG: Final = 10**18


def body_of(event: object) -> Mapping[str, Any]:
    if not isinstance(event, Mapping):
        raise MalformedEvent(f"the event is a {type(event).__name__}; expected an EventBridge event (an object)")
    return event


def mapping(body: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    value = body.get(path.rpartition(".")[2])
    if not isinstance(value, Mapping):
        raise MalformedEvent(f"{path} is missing or no object")
    return value


def text_of(body: Mapping[str, Any], path: str) -> str:
    value = body.get(path.rpartition(".")[2])
    if not isinstance(value, str) or not value:
        raise MalformedEvent(f"{path} is missing or no text")
    return value


def texts_of(body: Mapping[str, Any], path: str, *, empty: bool = False) -> tuple[str, ...]:
    """`empty`: whether the list may be."""
    value = body.get(path.rpartition(".")[2])
    if not isinstance(value, list) or not (value or empty) or not all(isinstance(each, str) and each for each in value):
        raise MalformedEvent(f"{path} is missing or no list of texts")
    return tuple(value)


def unknown(body: Mapping[str, Any]) -> MalformedEvent:
    source, detail_type = shown(body.get("source")), shown(body.get("detail-type"))
    return MalformedEvent(f"source {source} with detail-type {detail_type} is no event this function takes")


def shown(value: object) -> str:
    """Text in quotes, an ordinary number as it is; else its kind alone: it may be nested more deeply than prints."""
    if isinstance(value, bool | int | float) and abs(value) < _LONG:
        return str(value)
    if isinstance(value, str) or value is None:
        return repr(str(value)[:80])
    return f"of kind {type(value).__name__}"
