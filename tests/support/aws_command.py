"""AWS's command line as far as the documentation uses it: `aws SERVICE OPERATION --option ...`, by botocore's models.

The real one pins a botocore of its own, which is not ours. What is no option of the operation, a required one that is
missing, and a value of another kind raise WrongCommandError, where the real one refuses, too.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.validate import ParamValidator


class WrongCommandError(Exception):
    """A sentence that says what AWS's command line would not take."""


@dataclass(frozen=True)
class Call:
    """What the command asks for. `query` and `output` are the command line's own."""

    service: str
    model: OperationModel
    parameters: dict[str, Any]
    query: str = ""
    output: str = "json"

    def check(self) -> None:
        """Raises WrongCommandError where a parameter is missing or of another kind."""
        shape: Any = self.model.input_shape
        report = ParamValidator().validate(self.parameters, shape)
        if report.has_errors():
            raise WrongCommandError(f"{self.service} {self.model.name}: {report.generate_report()}")

    def on(self, client: Any) -> Any:
        """The answer of `client`, without what only its transport tells."""
        found = getattr(client, xform_name(self.model.name))(**self.parameters)
        return {name: value for name, value in found.items() if name != "ResponseMetadata"}


def call_of(words: Sequence[str], *, files: Path | None = None, whole: bool = True) -> Call:
    """What follows `aws`. `files`: where file:// begins. `whole` false: names service and operation alone is enough."""
    service, name, *rest = words
    model = _operation(service, name)
    given = _options(rest)
    query, output = (given.pop(each, [usual])[0] for each, usual in (("query", ""), ("output", "json")))
    given.pop("region", None)
    parameters: dict[str, Any] = {}
    for option, values in given.items():
        if option == "cli-input-json":
            parameters |= json.loads(_text(_only(option, values), files))
        else:
            parameters |= _parameter(model, option, values, files)
    call = Call(service, model, parameters, query, output)
    if whole:
        call.check()
    return call


def shown_in(sentence: str) -> list[Call]:
    """Each command that a sentence names, up to its end or a semicolon. Raises WrongCommandError."""
    return [call_of(words.split()) for words in re.findall(r"\baws ([a-z0-9-]+ [^;`()]+)", sentence)]


@cache
def _models(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def _operation(service: str, name: str) -> OperationModel:
    try:
        model = _models(service)
    except UnknownServiceError as error:
        raise WrongCommandError(f"aws {service}: no such service") from error
    for operation in model.operation_names:
        if xform_name(operation, "-") == name:
            return model.operation_model(operation)
    raise WrongCommandError(f"aws {service} {name}: no such operation")


def _options(words: Iterable[str]) -> dict[str, list[str]]:
    """By name what stands behind each option."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for word in words:
        if word.startswith("--"):
            current = found[word[2:]] = []
        elif current is None:
            raise WrongCommandError(f"{word!r} belongs to no option")
        else:
            current.append(word)
    return found


def _parameter(model: OperationModel, option: str, values: list[str], files: Path | None) -> dict[str, Any]:
    members = {} if model.input_shape is None else model.input_shape.members
    by_option = {xform_name(name, "-"): name for name in members}
    yes = option not in by_option
    name = by_option.get(option.removeprefix("no-") if yes else option)
    shape = members[name] if name is not None else None
    if name is None or shape is None or (yes and not _is_flag(shape)):
        raise WrongCommandError(f"{model.name}: no option --{option}; there are {', '.join(sorted(by_option))}")
    if _is_flag(shape):
        if values:
            raise WrongCommandError(f"{model.name}: --{option} takes no value, and has {' '.join(values)}")
        return {name: {"Value": not yes} if shape.type_name == "structure" else not yes}
    return {name: _value(shape, option, values, files)}


def _is_flag(shape: Shape) -> bool:
    """A boolean, or EC2's structure around one."""
    members = getattr(shape, "members", {})
    return shape.type_name == "boolean" or (list(members) == ["Value"] and members["Value"].type_name == "boolean")


def _value(shape: Any, option: str, values: list[str], files: Path | None) -> Any:
    if not values:
        raise WrongCommandError(f"--{option} expects a value")
    if values[0][:1] in "[{":
        return json.loads(_only(option, values))
    if shape.type_name == "list":
        return [_value(shape.member, option, [value], files) for value in values]
    text = _text(_only(option, values), files)
    if shape.type_name in ("structure", "map"):
        return {
            name: _scalar(shape, name, value) for name, _, value in (each.partition("=") for each in text.split(","))
        }
    if getattr(shape, "enum", None) and text not in shape.enum:
        raise WrongCommandError(f"--{option} is {text}, expected one of {', '.join(shape.enum)}")
    return int(text) if shape.type_name in ("integer", "long") else text


def _scalar(shape: Any, name: str, value: str) -> Any:
    """A member in the short form, `Key=...,Value=...`."""
    member = shape.members.get(name) if shape.type_name == "structure" else shape.value
    if member is None:
        raise WrongCommandError(f"{name} is none of {', '.join(shape.members)}")
    if member.type_name == "boolean":
        return value == "true"
    return int(value) if member.type_name in ("integer", "long") else value


def _only(option: str, values: list[str]) -> str:
    if len(values) != 1:
        raise WrongCommandError(f"--{option} expects one value, and has {len(values)}: {' '.join(values)}")
    return values[0]


def _text(value: str, files: Path | None) -> str:
    return (files or Path()).joinpath(value.removeprefix("file://")).read_text("utf-8") if "file://" in value else value


def main(*words: str) -> None:
    call = call_of(words)
    found = call.on(boto3.client(call.service))  # type: ignore[call-overload]
    for name in filter(None, call.query.split(".")):
        found = found[name]
    sys.stdout.write(found if call.output == "text" else json.dumps(found, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
