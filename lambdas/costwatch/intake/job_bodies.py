"""Request bodies of SageMaker's Create calls as what they will cost: training, tuning and processing jobs.

Standard library alone: a function may read them too. Whatever is not as the API documents it is an InputError of one
sentence, which begins with the path inside the body: `ResourceConfig.InstanceGroups[1].InstanceCount: expected ...`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn

from costwatch.core import durations
from costwatch.core.estimator import (
    DEFAULT_MAX_RUNTIME,
    LONGEST,
    LONGEST_TUNING,
    LONGEST_WARM_POOL,
    UNBOUNDED_JOBS,
    InstanceGroup,
    JobSpec,
    Volume,
)
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.quote import Part
from costwatch.errors import InputError
from costwatch.intake.reading import shown

LARGEST_BYTES: Final = 4 * 1024 * 1024
"""No request body and no pipeline definition comes near this."""
_MOST: Final = 100_000
_MOST_GB: Final = 65_536
_SECOND: Final = timedelta(seconds=1)

_Groups = tuple[InstanceGroup, ...]


class KnownLater(Exception):
    """A value that only a running pipeline knows. `path`: where it stands; `source`: what it refers to."""

    def __init__(self, path: str, source: str) -> None:
        super().__init__(f"{path} is known only when the pipeline runs ({source})")


def _as_it_is(value: object, path: str) -> object:
    del path
    return value


@dataclass(frozen=True, slots=True)
class Node:
    """An object inside a body, with its path. `resolve` makes a value of what may be a reference to one."""

    value: Mapping[str, Any]
    path: str = ""
    resolve: Callable[[object, str], object] = _as_it_is

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Null is as good as missing, here and in what follows."""
        return self.value.get(name) is not None

    def fail(self, name: str, expected: str) -> NoReturn:
        if not self.has(name):
            raise InputError(f"{self.at(name)} is missing; expected {expected}")
        raise InputError(f"{self.at(name)}: expected {expected}, got {shown(self._read(name))}")

    def node(self, name: str) -> Node | None:
        found = self._read(name)
        if found is None:
            return None
        if not isinstance(found, Mapping):
            self.fail(name, "an object")
        return Node(found, self.at(name), self.resolve)

    def needed(self, name: str, expected: str) -> Node:
        """`expected`: what should stand there."""
        return self.node(name) or self.fail(name, expected)

    def nodes(self, name: str) -> list[Node]:
        """Empty where there is none."""
        found = self._read(name)
        if found is None:
            return []
        if not isinstance(found, list):
            self.fail(name, "a list")
        made = []
        for number, raw in enumerate(found):
            path = f"{self.at(name)}[{number}]"
            each = self.resolve(raw, path)
            if not isinstance(each, Mapping):
                raise InputError(f"{path}: expected an object, got {shown(each)}")
            made.append(Node(each, path, self.resolve))
        return made

    def text(self, name: str) -> str:
        """Empty where there is none."""
        found = self._read(name)
        if found is None:
            return ""
        if not isinstance(found, str):
            self.fail(name, "text")
        return found

    def whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number; JSON's true is none, nor is text with digits in it."""
        found = self._read(name)
        if found is None:
            return None
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            self.fail(name, f"a whole number, {least} to {most:,}")
        return found

    def seconds(self, name: str, least: int, longest: timedelta) -> timedelta | None:
        found = self.whole(name, least, longest // _SECOND)
        return timedelta(seconds=found) if found is not None else None

    def flag(self, name: str) -> bool:
        found = self._read(name)
        if found is None:
            return False
        if not isinstance(found, bool):
            self.fail(name, "true or false")
        return found

    def _read(self, name: str) -> object:
        return self.resolve(self.value.get(name), self.at(name))


def parsed(raw: bytes, name: str) -> Mapping[str, Any]:
    """The JSON object in `raw`, which `name` names. Raises InputError for anything else."""
    if len(raw) > LARGEST_BYTES:
        raise InputError(f"{name}: it is larger than {LARGEST_BYTES // 1024 // 1024} MiB; expected a request body")
    try:
        document = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: it is no text in UTF-8; expected JSON") from error
    except RecursionError as error:
        raise InputError(f"{name}: it is nested too deeply; expected a request body") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{name}: line {error.lineno}, column {error.colno}: no JSON: {error.msg}") from error
    except ValueError as error:
        raise InputError(f"{name}: no JSON: it has a number that is none or is too long") from error
    if not isinstance(document, dict):
        raise InputError(f"{name}: expected a JSON object, got {shown(document)}")
    return document


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def job_of(body: Mapping[str, Any], region: str) -> Part:
    """The job that a CreateTrainingJob, CreateHyperParameterTuningJob or CreateProcessingJob with `body` would start.

    Raises InputError.
    """
    node = Node(body)
    if node.has("HyperParameterTuningJobConfig") or node.has("HyperParameterTuningJobName"):
        return tuning(node, node.text("HyperParameterTuningJobName") or "tuning job", region)
    if node.has("ProcessingResources") or node.has("ProcessingJobName"):
        return processing(node, node.text("ProcessingJobName") or "processing job", region)
    if any(node.has(name) for name in ("ResourceConfig", "TrainingJobName", "ServerlessJobConfig")):
        return training(node, node.text("TrainingJobName") or "training job", region)
    if node.has("Steps") or node.has("PipelineDefinition"):
        raise InputError("Steps: this is a pipeline definition and no job: give it with --pipeline")
    raise InputError(
        "ResourceConfig is missing; expected the body of a CreateTrainingJob, CreateHyperParameterTuningJob or "
        "CreateProcessingJob request"
    )


def training(node: Node, name: str, region: str) -> Part:
    """A CreateTrainingJob body."""
    image = _image(node, "AlgorithmSpecification", "TrainingImage")
    if not node.has("ResourceConfig") and node.has("ServerlessJobConfig"):
        return Part(name, "Training", unpriced="a serverless job is not billed by the instance", image=image)
    expected = "an object with InstanceType and InstanceCount"
    limit, notes = _limit(node, Service.TRAINING)
    choices = tuple(_training_choices(node, node.needed("ResourceConfig", expected), limit, region))
    if len(choices) > 1:
        notes.append(f"{len(choices)} acceptable instance types, and the dearest is taken")
    if any(rule.has("InstanceType") for rule in node.nodes("DebugRuleConfigurations")):
        notes.append("debugger rules with instances of their own are not counted")
    return Part(name, "Training", choices, tuple(notes), image=image)


def tuning(node: Node, name: str, region: str) -> Part:
    """A CreateHyperParameterTuningJob body."""
    config = node.needed("HyperParameterTuningJobConfig", "an object with ResourceLimits")
    limits = config.needed("ResourceLimits", "an object with MaxParallelTrainingJobs")
    parallel = limits.whole("MaxParallelTrainingJobs", 1, _MOST)
    if parallel is None:
        limits.fail("MaxParallelTrainingJobs", "a whole number of training jobs")
    jobs = limits.whole("MaxNumberOfTrainingJobs", 1, _MOST)
    total = limits.seconds("MaxRuntimeInSeconds", 120, LONGEST_TUNING)
    single = node.node("TrainingJobDefinition")
    definitions = [single] if single is not None else node.nodes("TrainingJobDefinitions")
    if not definitions:
        node.fail("TrainingJobDefinition", "an object with ResourceConfig")
    image = _image(definitions[0], "AlgorithmSpecification", "TrainingImage")
    if jobs is None and total is None:
        why = f"neither MaxNumberOfTrainingJobs nor MaxRuntimeInSeconds in {limits.path} bounds what it starts"
        return Part(name, "Tuning", unpriced=why, image=image)
    choices: list[JobSpec] = []
    notes: list[str] = []
    for definition in definitions:
        limit, more = _limit(definition, Service.TUNING)
        notes += more
        for spec in _definition_choices(definition, limit, region):
            choices.append(_of_tuning(spec, jobs or UNBOUNDED_JOBS, parallel, total))
    if jobs is None and total is not None:
        notes.append(f"no MaxNumberOfTrainingJobs: as many as fit into its {durations.show(total)}")
    if len(choices) > 1:
        notes.append(f"{len(choices)} job definitions or instance configurations: the dearest stands for all jobs")
    return Part(name, "Tuning", tuple(choices), tuple(dict.fromkeys(notes)), image=image)


def processing(node: Node, name: str, region: str, kind: str = "Processing") -> Part:
    """A CreateProcessingJob body."""
    resources = node.needed("ProcessingResources", "an object with ClusterConfig")
    cluster = resources.needed("ClusterConfig", "an object with InstanceType and InstanceCount")
    limit, notes = _limit(node, Service.PROCESSING)
    choices = tuple(
        JobSpec(Service.PROCESSING, region, groups, limit, volume=_volume(cluster))
        for groups, _prepaid in _capacity(cluster, count=1)
    )
    if len(choices) > 1:
        notes.append(f"{len(choices)} acceptable instance types, and the dearest is taken")
    return Part(name, kind, choices, tuple(notes), image=_image(node, "AppSpecification", "ImageUri"))


def _training_choices(node: Node, resources: Node, limit: timedelta, region: str) -> Iterator[JobSpec]:
    managed_spot = node.flag("EnableManagedSpotTraining")
    kept = resources.seconds("KeepAlivePeriodInSeconds", 0, LONGEST_WARM_POOL) or timedelta(0)
    for groups, prepaid in _capacity(resources):
        purchase = PurchaseOption.SPOT if managed_spot else PurchaseOption.ON_DEMAND
        yield JobSpec(
            service=Service.TRAINING,
            region=region,
            groups=groups,
            max_runtime=limit,
            purchase=PurchaseOption.CAPACITY_BLOCK if prepaid else purchase,
            volume=_volume(resources),
            warm_pool=kept,
        )


def _definition_choices(definition: Node, limit: timedelta, region: str) -> Iterator[JobSpec]:
    """Of one job definition of a tuning job, as training jobs."""
    own = definition.node("HyperParameterTuningResourceConfig")
    if own is None:
        expected = "an object with InstanceType and InstanceCount"
        yield from _training_choices(definition, definition.needed("ResourceConfig", expected), limit, region)
        return
    for config in own.nodes("InstanceConfigs") or [own]:
        yield from _training_choices(definition, config, limit, region)


def _of_tuning(spec: JobSpec, jobs: int, parallel: int, total: timedelta | None) -> JobSpec:
    return JobSpec(
        service=Service.TUNING,
        region=spec.region,
        groups=spec.groups,
        max_runtime=spec.max_runtime,
        purchase=spec.purchase,
        volume=spec.volume,
        warm_pool=spec.warm_pool,
        jobs=jobs,
        parallel=parallel,
        total_runtime=total,
    )


def _capacity(config: Node, count: int | None = None) -> Iterator[tuple[_Groups, bool]]:
    """The groups that may run, one of these, and whether they are prepaid. `count`: where a body need not say it."""
    plan = bool(config.text("TrainingPlanArn"))
    preferences, groups = config.nodes("InstancePreferences"), config.nodes("InstanceGroups")
    named = [each for each in ("InstanceType", "InstanceGroups", "InstancePreferences") if config.value.get(each)]
    if len(named) > 1:
        raise InputError(f"{config.path}: it names {' and '.join(named)}; expected one of them")
    if preferences:
        shared = config.whole("InstanceCount", 1, _MOST)
        for each in preferences:
            yield (
                (_group(each, shared if shared is not None else count),),
                plan or bool(each.value.get("TrainingPlanArns")),
            )
    elif groups:
        yield tuple(_group(each) for each in groups), plan
    else:
        yield (_group(config, count),), plan


def _group(config: Node, count: int | None = None) -> InstanceGroup:
    name = config.text("InstanceType") or config.fail("InstanceType", "an instance type such as ml.p4d.24xlarge")
    if not name.startswith("ml."):
        config.fail("InstanceType", "an instance type that begins with ml.")
    number = config.whole("InstanceCount", 1, _MOST)
    if number is None:
        number = count if count is not None else config.fail("InstanceCount", f"a whole number, 1 to {_MOST:,}")
    return InstanceGroup(name, number)


def _volume(config: Node) -> Volume | None:
    gb = config.whole("VolumeSizeInGB", 0, _MOST_GB)
    return Volume(gb) if gb else None


def _limit(node: Node, service: Service) -> tuple[timedelta, list[str]]:
    """The most that it may take, and what has to be said of it."""
    condition = node.node("StoppingCondition")
    found = condition.seconds("MaxRuntimeInSeconds", 1, LONGEST[service]) if condition is not None else None
    if found is not None:
        return found, []
    return DEFAULT_MAX_RUNTIME, ["no MaxRuntimeInSeconds is set: SageMaker's default of 1 day is taken"]


def _image(node: Node, parent: str, name: str) -> str:
    """Only for the family: a reference that nobody can resolve yet is no image."""
    try:
        found = node.node(parent)
        return found.text(name) if found is not None else ""
    except KnownLater:
        return ""
