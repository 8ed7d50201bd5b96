"""The steps of one pipeline execution, as SageMaker runs them: which may start, what their references stand for.

Callback steps wait for an answer and training steps for their job; every other step has succeeded as it starts. Of a
condition no branch runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

_OUTPUT: Final = re.compile(r"Steps\.([A-Za-z0-9_-]+)\.OutputParameters\['([^']+)'\]")
_OF_A_STEP: Final = re.compile(r"Steps\.([A-Za-z0-9_-]+)\.")
WAITING: Final = ("Executing", "Stopping")


@dataclass
class Step:
    """`status` empty: it has not started. `answer`: the request token and word of the answer it was given."""

    name: str
    kind: str
    arguments: Mapping[str, Any]
    needs: frozenset[str]
    queue_url: str = ""
    promised: Mapping[str, str] = field(default_factory=dict)
    """The output parameters that its definition has, each with its type."""
    status: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    reason: str = ""
    token: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    answer: tuple[str, str] | None = None
    job: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)
    """Its arguments, references filled in, as it started."""

    @property
    def waits(self) -> bool:
        return self.status in WAITING

    def end(self, status: str, at: datetime, reason: str = "") -> None:
        self.status, self.ended, self.reason = status, at, reason


def steps_of(definition: str) -> list[Step]:
    """In the order of the definition. Raises ValueError for what is no definition."""
    found = []
    for raw in json.loads(definition).get("Steps", []):
        arguments = raw.get("Arguments", {})
        needs = frozenset([*raw.get("DependsOn", []), *_OF_A_STEP.findall(json.dumps(arguments))])
        promised = {each["OutputName"]: each["OutputType"] for each in raw.get("OutputParameters", [])}
        found.append(Step(raw["Name"], raw["Type"], arguments, needs, raw.get("SqsQueueUrl", ""), promised))
    return found


def parameters_of(definition: str, given: list[Mapping[str, str]] | None) -> dict[str, Any]:
    """Defaults, and what the start of the execution gave over them, as the definition's types have it."""
    declared = json.loads(definition).get("Parameters", [])
    values = {each["Name"]: each.get("DefaultValue") for each in declared}
    kinds = {each["Name"]: each.get("Type", "String") for each in declared}
    for each in given or []:
        number = kinds.get(each["Name"]) in ("Integer", "Float")
        values[each["Name"]] = json.loads(each["Value"]) if number else each["Value"]
    return values


def ready(steps: list[Step]) -> Iterator[Step]:
    """Those that have not started and need nothing that has not succeeded."""
    done = {step.name for step in steps if step.status == "Succeeded"}
    yield from (step for step in steps if not step.status and step.needs <= done)


def filled_in(value: Any, parameters: Mapping[str, Any], steps: list[Step], execution_arn: str) -> Any:
    """`value` with references replaced. What refers to anything else stays as it is written."""
    if isinstance(value, list):
        return [filled_in(each, parameters, steps, execution_arn) for each in value]
    if not isinstance(value, Mapping):
        return value
    if set(value) == {"Get"}:
        return _referred(str(value["Get"]), parameters, steps, execution_arn)
    if set(value) == {"Std:Join"}:
        parts = filled_in(value["Std:Join"]["Values"], parameters, steps, execution_arn)
        return str(value["Std:Join"].get("On", "")).join(str(part) for part in parts)
    return {key: filled_in(each, parameters, steps, execution_arn) for key, each in value.items()}


def _referred(source: str, parameters: Mapping[str, Any], steps: list[Step], execution_arn: str) -> Any:
    output = _OUTPUT.fullmatch(source)
    if output:
        return next(_typed(step, output[2]) for step in steps if step.name == output[1])
    if source == "Execution.PipelineExecutionArn":
        return execution_arn
    return parameters.get(source.removeprefix("Parameters."), source)


def _typed(step: Step, name: str) -> Any:
    """An answer's outputs are text; what is declared a number is handed on as one. KeyError: it was not promised."""
    kind, value = step.promised[name], step.outputs[name]
    return json.loads(value) if kind in ("Integer", "Float", "Boolean") else value
