"""A SageMaker pipeline's definition as what its steps will cost.

A definition is `{"Version", "Parameters", "Steps"}`. Values may be references: `{"Get": "Parameters.N"}` is what was
given or its DefaultValue, `{"Std:Join": {"On", "Values"}}` is text; all others are known only to a running pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from costwatch.core.quote import Part
from costwatch.errors import InputError
from costwatch.intake.job_bodies import KnownLater, Node, parsed, processing, training, tuning
from costwatch.intake.reading import shown

_JOBS: Final[Mapping[str, Callable[[Node, str, str], Part]]] = {
    "Training": training,
    "Tuning": tuning,
    "Processing": processing,
    # Both are processing jobs of SageMaker's own images.
    "QualityCheck": lambda node, name, region: processing(node, name, region, "QualityCheck"),
    "ClarifyCheck": lambda node, name, region: processing(node, name, region, "ClarifyCheck"),
}
_NOTHING: Final[Mapping[str, str]] = {
    "Callback": "what it waits for is not counted",
    "EndpointConfig": "",
    "Fail": "",
    "Lambda": "",
    "Model": "",
    "RegisterModel": "",
}
"""Steps that run no instances, and what has to be said of them."""
_DEEPEST: Final = 50
_PARAMETER: Final = "Parameters."


def steps_of(body: Mapping[str, Any], region: str, given: Mapping[str, str]) -> tuple[Part, ...]:
    """Every step, in the order of the definition; those of both branches of a condition stand behind it.

    `body`: a definition, or a CreatePipeline request with one. `given`: parameters that are set, as text. Raises
    InputError that names the path.
    """
    if isinstance(body.get("PipelineDefinition"), str):
        body = parsed(body["PipelineDefinition"].encode(), "PipelineDefinition")
    root = Node(body)
    if not root.has("Steps"):
        raise InputError("Steps is missing; expected a pipeline definition with Version, Parameters and Steps")
    values = _parameters(root, given)
    resolved = Node(body, resolve=_References(values).resolve)
    try:
        parts = tuple(part for step in resolved.nodes("Steps") for part in _step(step, region, depth=0))
    except KnownLater as error:
        raise InputError(f"{error}; expected what every execution has") from error
    except RecursionError as error:
        raise InputError("Steps: references are nested too deeply") from error
    if not parts:
        raise InputError("Steps is empty; expected one step or more")
    names = [part.name for part in parts]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise InputError(f"Steps: two steps are called {shown(twice)}; expected a name of its own for each")
    return parts


def arguments_of(definition: str, step_name: str, given: Mapping[str, str]) -> Mapping[str, Any]:
    """What a callback step's message had in it: its arguments, with the execution's parameters filled in.

    Raises InputError where the definition has no such step, KnownLater for what only the running pipeline knew.
    """
    root = Node(parsed(definition.encode(), "PipelineDefinition"))
    resolve = _References(_parameters(root, given)).resolve
    for step in _flat(root.nodes("Steps"), depth=0):
        if step.text("Name") == step_name:
            found: Mapping[str, Any] = _filled_in(step.value.get("Arguments") or {}, "Arguments", resolve)
            return found
    raise InputError(f"Steps: the pipeline has no step {shown(step_name)}")


def _flat(steps: Iterable[Node], *, depth: int) -> Iterator[Node]:
    for step in steps:
        yield step
        arguments = step.node("Arguments") if depth < _DEEPEST and step.text("Type") == "Condition" else None
        if arguments is not None:
            for branch in ("IfSteps", "ElseSteps"):
                yield from _flat(arguments.nodes(branch), depth=depth + 1)


def _filled_in(value: Any, path: str, resolve: Callable[[object, str], object]) -> Any:
    found = resolve(value, path)
    if found is not value:
        return found
    if isinstance(value, Mapping):
        return {key: _filled_in(each, f"{path}.{key}", resolve) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled_in(each, f"{path}[{number}]", resolve) for number, each in enumerate(value)]
    return value


def _step(step: Node, region: str, *, depth: int) -> Iterator[Part]:
    if depth > _DEEPEST:
        raise InputError(f"{step.path}: conditions are nested too deeply")
    name = step.text("Name") or step.fail("Name", "text")
    kind = step.text("Type") or step.fail("Type", "a step's type such as Training")
    if kind == "Condition":
        yield from _condition(step, name, region, depth=depth)
    elif kind in _JOBS:
        yield _job(step, name, kind, region)
    elif kind in _NOTHING:
        yield Part(name, kind, notes=tuple(note for note in (_NOTHING[kind],) if note))
    else:
        yield Part(name, kind, unpriced=f"steps of type {shown(kind)} have no estimate")


def _condition(step: Node, name: str, region: str, *, depth: int) -> Iterator[Part]:
    arguments = step.needed("Arguments", "an object with Conditions, IfSteps and ElseSteps")
    branches = [arguments.nodes(branch) for branch in ("IfSteps", "ElseSteps")]
    notes = {1: "its branch is counted, and may not run", 2: "only one of its branches will run, and both are counted"}
    said = notes.get(sum(bool(branch) for branch in branches))
    yield Part(name, "Condition", notes=(said,) if said else ())
    for branch in branches:
        for inner in branch:
            yield from _step(inner, region, depth=depth + 1)


def _job(step: Node, name: str, kind: str, region: str) -> Part:
    arguments = step.needed("Arguments", "the body of the request that it makes")
    try:
        part = _JOBS[kind](arguments, name, region)
    except KnownLater as later:
        return Part(name, kind, unpriced=str(later))
    again = any(policy.has("MaxAttempts") for policy in step.nodes("RetryPolicies"))
    if not again:
        return part
    notes = (*part.notes, "its retry policy may start it again, and one run is counted")
    return Part(part.name, part.kind, part.choices, notes, part.unpriced, part.image)


def _parameters(root: Node, given: Mapping[str, str]) -> dict[str, object]:
    """What each has: given, or by default. Without either it is not in it."""
    kinds: dict[str, str] = {}
    values: dict[str, object] = {}
    for parameter in root.nodes("Parameters"):
        name = parameter.text("Name") or parameter.fail("Name", "text")
        kinds[name] = parameter.text("Type")
        if parameter.has("DefaultValue"):
            values[name] = parameter.value["DefaultValue"]
    for name, text in given.items():
        if name not in kinds:
            there = ", ".join(kinds) or "none at all"
            raise InputError(f"--parameter: the pipeline has no parameter {shown(name)}; expected one of: {there}")
        values[name] = _converted(name, kinds[name], text)
    return {**dict.fromkeys(kinds), **values}


def _converted(name: str, kind: str, text: str) -> object:
    """Text from a command line as what the parameter holds."""
    if kind not in ("Integer", "Float", "Boolean"):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    fits = (
        isinstance(value, bool) if kind == "Boolean" else isinstance(value, int | float) and not isinstance(value, bool)
    )
    if not fits or (kind == "Integer" and not isinstance(value, int)):
        raise InputError(f"--parameter: {name} is of type {kind}, and {shown(text)} is none")
    return value


class _References:
    """Values of references, by the parameters of one execution."""

    def __init__(self, parameters: Mapping[str, object]) -> None:
        self._parameters = parameters

    def resolve(self, value: object, path: str) -> object:
        if not isinstance(value, Mapping) or len(value) != 1:
            return value
        if isinstance(source := value.get("Get"), str):
            return self._got(source, path)
        joined = value.get("Std:Join")
        if isinstance(joined, Mapping) and isinstance(values := joined.get("Values"), list):
            return str(joined.get("On") or "").join(self._as_text(each, path) for each in values)
        function = next(iter(value))
        if isinstance(function, str) and function.startswith("Std:"):
            raise KnownLater(path, function)
        return value

    def _got(self, source: str, path: str) -> object:
        name = source.removeprefix(_PARAMETER)
        if not source.startswith(_PARAMETER):
            raise KnownLater(path, source)
        if name not in self._parameters:
            raise InputError(f"{path}: it refers to {source}, which the pipeline does not have")
        if self._parameters[name] is None:
            raise InputError(f"{path}: {source} has no DefaultValue; expected one, or --parameter {name}=VALUE")
        return self._parameters[name]

    def _as_text(self, value: object, path: str) -> str:
        found = self.resolve(value, path)
        if isinstance(found, bool) or not isinstance(found, str | int | float):
            raise InputError(f"{path}: expected text to join, got {shown(found)}")
        return str(found)
