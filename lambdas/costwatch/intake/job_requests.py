"""What somebody asks the gate about, as they wrote it: arguments of a callback step, of a task, of the command line.

Either the whole body of the request that starts the job, as `job`:

    job                    a CreateTrainingJob, CreateHyperParameterTuningJob or CreateProcessingJob body, as an object
                           or as JSON text
    expected_runtime       how long it usually takes, such as 6h; without it past runs say so, or the maximum

or the figures that move money:

    service                training (default), processing or ec2
    instance_type          ml.p4d.24xlarge
    instance_count         1 (default)
    max_runtime_seconds    86400, or 24h; a training or processing job without it gets SageMaker's own day
    expected_runtime       6h
    purchase               on_demand (default), spot or capacity_block; use_spot=true says spot as well
    volume_gb              attached to each instance, none by default

and with either `name`, `owner`, `team`, `project`, `model`, `requester` (who asks: it is what they say, and proves
nothing) and `region`. A number may be text, as pipelines hand parameters on. Anything else is refused in one sentence
that names the argument: a figure with a typing error in its name would cost nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from costwatch.core import durations
from costwatch.core.estimator import DEFAULT_MAX_RUNTIME, LONGEST, InstanceGroup, JobSpec, Volume, check
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.quote import Part
from costwatch.errors import InputError
from costwatch.intake.job_bodies import job_of, parsed
from costwatch.intake.reading import shown

NAMED: Final = ("name", "owner", "team", "project", "model", "requester")
WITH_JOB: Final = frozenset({"job", "expected_runtime", "region", *NAMED})
FIGURES: Final = frozenset(
    {"service", "instance_type", "instance_count", "max_runtime_seconds", "expected_runtime", "purchase", "use_spot",
     "volume_gb", "region", *NAMED}
)  # fmt: skip
_SERVICES: Final = {each.value: each for each in (Service.TRAINING, Service.PROCESSING, Service.EC2)}
_KINDS: Final = {Service.TRAINING: "Training", Service.PROCESSING: "Processing", Service.EC2: "Instances"}
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+){1,2}-[1-9]")
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9.-]{2,63}")
_LONGEST_TEXT: Final = 256
_MOST: Final = 100_000
_MOST_GB: Final = 65_536
_DIGITS: Final = re.compile(r"[0-9]{1,9}")

_Kind = TypeVar("_Kind", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One job that somebody wants to start. Names are empty where nobody gave them.

    `requester`: as it was written; nobody has verified it. `tags`: of the job's body.
    """

    part: Part
    region: str
    name: str
    owner: str = ""
    team: str = ""
    project: str = ""
    model: str = ""
    requester: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def job_request(arguments: object, home_region: str) -> JobRequest:
    """Raises InputError."""
    if not isinstance(arguments, Mapping):
        raise InputError(f"arguments: expected an object with job, or with instance_type, got {shown(arguments)}")
    given = _Given({name: value for name, value in arguments.items() if value is not None})
    region = given.region(home_region)
    named = {name: given.text(name) for name in NAMED}
    if given.has("job"):
        given.only(WITH_JOB, "beside job")
        body = _body(given.value("job"))
        part = _with_expected(_job(body, region), given.duration("expected_runtime"))
        tags = _tags(body)
    else:
        given.only(FIGURES, "without job")
        part, tags = _figures(given, region, named["name"]), {}
    for spec in part.choices:
        check(spec)
    named["name"] = named["name"] or part.name[:_LONGEST_TEXT]
    return JobRequest(part, region, tags=tags, **named)


def declared_runtime(arguments: object) -> timedelta | None:
    """The maximum runtime that a request declares, whatever else is wrong with it. None: nothing that could be one."""
    try:
        if not isinstance(arguments, Mapping):
            return None
        if arguments.get("job") is None:
            return _Given(arguments).seconds("max_runtime_seconds", LONGEST[Service.TRAINING])
        condition = _body(arguments["job"]).get("StoppingCondition")
        given = _Given(condition if isinstance(condition, Mapping) else {})
        return given.seconds("MaxRuntimeInSeconds", LONGEST[Service.TRAINING])
    except (InputError, ValueError, RecursionError):
        return None


def _body(value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        return parsed(value.encode("utf-8", "replace"), "job")
    if isinstance(value, Mapping):
        return value
    raise InputError(f"job: expected a request body as an object or as JSON text, got {shown(value)}")


def _job(body: Mapping[str, Any], region: str) -> Part:
    if "Steps" in body or "PipelineDefinition" in body:
        raise InputError("job: this is a pipeline definition; expected the body of one job's request")
    try:
        return job_of(body, region)
    except InputError as error:
        raise InputError(f"job: {error}") from error


def _with_expected(part: Part, expected: timedelta | None) -> Part:
    if expected is None:
        return part
    choices = tuple(replace(spec, expected_runtime=expected) for spec in part.choices)
    return replace(part, choices=choices)


def _tags(body: Mapping[str, Any]) -> dict[str, str]:
    found = body.get("Tags")
    listed = found if isinstance(found, list) else []
    pairs = [(tag.get("Key"), tag.get("Value")) for tag in listed if isinstance(tag, Mapping)]
    return {k: v for k, v in pairs if isinstance(k, str) and isinstance(v, str) and len(v) <= _LONGEST_TEXT}


def _figures(given: _Given, region: str, name: str) -> Part:
    service = given.one_of("service", _SERVICES) or Service.TRAINING
    instance_type = given.text("instance_type")
    if not instance_type:
        given.fail("instance_type", "an instance type such as ml.p4d.24xlarge, or the whole request body as job")
    if not _TYPE.fullmatch(instance_type):
        given.fail("instance_type", "an instance type such as ml.p4d.24xlarge")
    notes = []
    limit = given.seconds("max_runtime_seconds", LONGEST[service])
    if limit is None and service is Service.EC2:
        given.fail("max_runtime_seconds", "seconds, or a duration such as 24h: nothing else ends an instance")
    if limit is None:
        notes.append("no max_runtime_seconds is given: SageMaker's default of 1 day is taken")
    gb = given.whole("volume_gb", 0, _MOST_GB)
    spec = JobSpec(
        service=service,
        region=region,
        groups=(InstanceGroup(instance_type, given.whole("instance_count", 1, _MOST) or 1),),
        max_runtime=limit or DEFAULT_MAX_RUNTIME,
        purchase=given.purchase(),
        expected_runtime=given.duration("expected_runtime"),
        volume=Volume(gb, "gp3" if service is Service.EC2 else "gp2") if gb else None,
    )
    return Part(name or f"{service.value} job", _KINDS[service], (spec,), tuple(notes))


class _Given:
    """Arguments by name; null is as good as missing."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def has(self, name: str) -> bool:
        return name in self._values

    def value(self, name: str) -> object:
        return self._values[name]

    def only(self, names: frozenset[str], when: str) -> None:
        others = sorted(str(name)[:60] for name in self._values if name not in names)
        if others:
            raise InputError(f"{others[0]}: no such argument {when}; expected one of {', '.join(sorted(names))}")

    def fail(self, name: str, expected: str) -> NoReturn:
        if not self.has(name):
            raise InputError(f"{name} is missing; expected {expected}")
        raise InputError(f"{name}: expected {expected}, got {shown(self._values[name])}")

    def text(self, name: str) -> str:
        """Stripped; empty where there is none."""
        found = self._values.get(name, "")
        if not isinstance(found, str) or len(found) > _LONGEST_TEXT or not (found.isprintable() or not found):
            self.fail(name, f"one line of at most {_LONGEST_TEXT} characters")
        return found.strip()

    def region(self, home_region: str) -> str:
        found = self.text("region") or home_region
        if not _REGION.fullmatch(found):
            self.fail("region", "a region such as us-east-1")
        return found

    def whole(self, name: str, least: int, most: int) -> int | None:
        """JSON's true is no number; text with digits is one."""
        found = self._values.get(name)
        if found is None or found == "":
            return None
        if isinstance(found, str) and _DIGITS.fullmatch(found.strip()):
            found = int(found)
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            self.fail(name, f"a whole number, {least} to {most:,}")
        return found

    def seconds(self, name: str, longest: timedelta) -> timedelta | None:
        """A whole number of seconds, or a duration with its unit."""
        found = self._values.get(name)
        if isinstance(found, str) and found.strip() and not _DIGITS.fullmatch(found.strip()):
            duration = self.duration(name)
            if duration is not None and duration > longest:
                self.fail(name, f"at most {durations.short(longest)}, which is the service's limit")
            return duration
        number = self.whole(name, 1, int(longest.total_seconds()))
        return timedelta(seconds=number) if number is not None else None

    def duration(self, name: str) -> timedelta | None:
        found = self._values.get(name)
        if found is None or found == "":
            return None
        if not isinstance(found, str):
            self.fail(name, durations.EXPECTED)
        try:
            return durations.parse(found)
        except ValueError as error:
            raise InputError(f"{name}: {error}") from error

    def one_of(self, name: str, kinds: Mapping[str, _Kind]) -> _Kind | None:
        found = self.text(name)
        if not found:
            return None
        if found not in kinds:
            self.fail(name, f"one of {', '.join(kinds)}")
        return kinds[found]

    def purchase(self) -> PurchaseOption:
        named = self.one_of("purchase", {each.value: each for each in PurchaseOption})
        spot = self._flag("use_spot")
        if spot and named not in (None, PurchaseOption.SPOT):
            raise InputError(f"use_spot: it is true and purchase is {named}; expected one of them")
        return PurchaseOption.SPOT if spot else named or PurchaseOption.ON_DEMAND

    def _flag(self, name: str) -> bool:
        found = self._values.get(name, False)
        if isinstance(found, str) and found.strip().lower() in ("true", "false", ""):
            found = json.loads(found.strip().lower() or "false")
        if not isinstance(found, bool):
            self.fail(name, "true or false")
        return found
