"""How good a candidate is, and on which data that was measured: from its caller, its package, or its training job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from costwatch.core import gains
from costwatch.core.gains import Evaluation, EvaluationData, Reading
from costwatch.core.packages import (
    META_BASELINE,
    META_CANDIDATE,
    META_DATA,
    META_DIFFERENCES,
    META_ETAG,
    META_SAMPLE_SIZE,
    META_STANDARD_ERROR,
    ModelPackage,
    TrainedJob,
)
from costwatch.core.res import Extra
from costwatch.core.res_policy import ModelRules
from costwatch.errors import InputError, PermanentAwsError
from costwatch.procedures.breaker import Breaker

CHANNELS: Final = ("validation", "test", "evaluation")
"""Where none is configured: the first of these that the job has is what its final metrics were measured on."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`problem`: why something that should tell could not be read; empty: nothing was wrong."""

    evaluation: Evaluation
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Both numbers, from the caller that measured them on the same data."""

    candidate: Evaluation
    baseline: Evaluation


def measured(
    b: Breaker, package: ModelPackage, rules: ModelRules, job: TrainedJob | None, known: Evaluation | None = None
) -> Measured:
    """What is known of the package by itself: the first source that has the metric. Raises TransientAwsError.

    `known`: as it was read before; what the same readings were measured on then is not read again.
    """
    problem = ""
    found: list[tuple[Evaluation, TrainedJob | None]] = []
    if package.statistics_uri:
        try:
            readings = b.evaluations(package.region).statistics(package.statistics_uri)
        except (InputError, PermanentAwsError) as error:
            problem = f"its metrics cannot be read: {error}"
        else:
            found.append((Evaluation(readings, source="the package's ModelMetrics"), None))
    if job is not None and job.final_metrics:
        try:
            readings = {name: Reading(gains.finite(value, name)) for name, value in _of_job(job, rules).items()}
        except InputError as error:
            problem = problem or f"training job {job.name}: {error}"
        else:
            found.append((Evaluation(readings, source=f"training job {job.name}"), job))
    if not found:
        return Measured(Evaluation(), problem)
    best, by = next((each for each in found if rules.metric in each[0].readings), found[0])
    try:
        data = _data(b, package, rules, by, known.data if known is not None and _is_same(best, known, rules) else None)
    except (InputError, PermanentAwsError) as error:
        return Measured(best, problem or f"what it was measured on cannot be read: {error}")
    return Measured(replace(best, data=data), problem)


def told(package: ModelPackage, rules: ModelRules, own: Evaluation, serving: Evaluation | None) -> Told | None:
    """Both numbers from its metadata; None: it does not name both. Raises InputError for what is no number.

    Guardrails need more than these: what else is known of both counts beside them only where it was measured on the
    same data.
    """
    texts = [package.metadata.get(name, "").strip() for name in (META_CANDIDATE, META_BASELINE)]
    if not all(texts):
        return None
    ours, theirs = (gains.finite(text, name) for text, name in zip(texts, (META_CANDIDATE, META_BASELINE), strict=True))
    same = serving is not None and own.data is not None and own.data == serving.data
    beside: Mapping[str, Reading] = serving.readings if serving is not None and same else {}
    source = "the package's metadata"
    return Told(
        Evaluation({**own.readings, rules.metric: Reading(ours)}, own.data, source),
        Evaluation({**beside, rules.metric: Reading(theirs)}, own.data, source),
    )


def chance(b: Breaker, package: ModelPackage) -> Extra:
    """What tells how much may be chance. Raises InputError for what is no number, TransientAwsError."""
    given = {name: text.strip() for name, text in package.metadata.items() if text.strip()}
    if META_STANDARD_ERROR in given:
        return Extra(standard_error=gains.finite(given[META_STANDARD_ERROR], META_STANDARD_ERROR))
    if META_DIFFERENCES in given:
        try:
            return Extra(differences=b.evaluations(package.region).differences(given[META_DIFFERENCES]))
        except PermanentAwsError as error:
            raise InputError(f"{META_DIFFERENCES} cannot be read: {error}") from error
    if META_SAMPLE_SIZE in given:
        size: Decimal = gains.finite(given[META_SAMPLE_SIZE], META_SAMPLE_SIZE)
        if size != size.to_integral_value():
            raise InputError(f"{META_SAMPLE_SIZE} is {size}, expected a whole number")
        return Extra(sample_size=int(size))
    return Extra()


def _of_job(job: TrainedJob, rules: ModelRules) -> dict[str, str]:
    """The metrics that are asked about: another one that has no number is no reason not to judge."""
    wanted = {rules.metric, *(rail.reading for rail in rules.guardrails)}
    return {name: value for name, value in job.final_metrics.items() if name in wanted}


def _is_same(found: Evaluation, known: Evaluation, rules: ModelRules) -> bool:
    return found.source == known.source and found.readings.get(rules.metric) == known.readings.get(rules.metric)


def _data(
    b: Breaker, package: ModelPackage, rules: ModelRules, job: TrainedJob | None, known: EvaluationData | None
) -> EvaluationData | None:
    """As its metadata names it, else the channel of `job`, where that measured it itself: whatever wrote the package's
    ModelMetrics may have read anything.

    None: nobody says, it is there no more, or it was written again since it may have been read, so that the ETag of now
    is another's. `known`: as it was before.
    """
    uri = package.metadata.get(META_DATA, "").strip()
    etag = package.metadata.get(META_ETAG, "").strip() if uri else ""
    if not uri and job is not None:
        wanted = (rules.evaluation_channel,) if rules.evaluation_channel else CHANNELS
        uri = next((job.channels[name] for name in wanted if job.channels.get(name)), "")
    if not uri:
        return None
    if etag:
        return EvaluationData(uri, etag.strip('"'))
    if known is not None and known.uri == uri:
        return known
    content = b.evaluations(package.region).content(uri)
    read_at = job.began_at if job is not None else package.created_at
    if content is None or read_at is None or content.changed_at > read_at:
        return None
    return EvaluationData(uri, content.etag)
