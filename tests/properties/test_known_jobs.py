"""A sweep that knows jobs from before sees exactly what one without a memory sees, but for tags up to an hour old."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from datetime import datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costwatch.adapters import job_codec
from costwatch.adapters.sagemaker import SageMaker
from costwatch.core.known_jobs import TAGS_EVERY, KnownJob
from costwatch.core.model import Member
from tests.support.builders import HOUR, MINUTE, NOW
from tests.support.sagemaker_client import StoredJob, StoredSageMaker

SWEEP = 5 * MINUTE
_HEADS = {"tuning": "TuningJobArn", "automl": "AutoMLJobArn"}

NAMES = st.sampled_from(["a", "b", "c", "d"])
KINDS = st.sampled_from(["training", "processing", "tuning", "automl"])
TYPES = st.sampled_from(["ml.p4d.24xlarge", "ml.g5.xlarge"])
TAGS = st.dictionaries(st.sampled_from(["owner", "costwatch:max-runtime"]), st.sampled_from(["x", "2h"]), max_size=2)


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, ...] | tuple[Any, ...]:
    what = draw(st.sampled_from(["create", "create", "start", "end", "stopping", "phase", "tag", "delete"]))
    return what, draw(KINDS), draw(NAMES), draw(TYPES), draw(TAGS), draw(st.sampled_from(["", "tuning", "automl"]))


def apply(world: StoredSageMaker, change: tuple[Any, ...], now: datetime) -> None:
    what, kind, name, instance_type, tags, head = change
    job = world.jobs.get((kind, name))
    if what == "create" and (job is None or job.status != "InProgress"):
        started = None if kind in ("training", "processing") and instance_type == "ml.g5.xlarge" else now
        made = StoredJob(kind, name, now, started, instance_type, dict(tags))
        if head and kind in ("training", "processing") and (kind, head) != ("processing", "tuning"):
            made.parents = {_HEADS[head]: f"arn:aws:sagemaker:us-east-1:111122223333:{head}/{name}"}
        world.jobs[kind, name] = made
    elif job is None:
        return
    elif what == "start" and job.started is None:
        job.started = now
    elif what in ("end", "stopping"):
        job.status = "Completed" if what == "end" else "Stopping"
    elif what == "phase":
        job.phase = "Uploading" if job.phase == "Training" else "Training"
    elif what == "tag":
        job.tags = dict(tags)
    elif what == "delete" and job.status != "InProgress":
        del world.jobs[kind, name]


def without_tags(members: list[Member]) -> list[Member]:
    return sorted((replace(m, tags=None) for m in members), key=lambda m: (m.service.value, m.id))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(changes(), max_size=5), min_size=1, max_size=20))
def test_what_is_known_changes_nothing_that_is_seen_but_the_age_of_tags(script: list[list[Any]]) -> None:
    world = StoredSageMaker()
    client: Any = world
    sagemaker = SageMaker(client, region="us-east-1")
    known: dict[Any, KnownJob] = {}
    past: deque[tuple[datetime, dict[tuple[str, str], dict[str, str]]]] = deque()
    now = NOW
    for step in script:
        now += SWEEP
        for change in step:
            apply(world, change, now)
        past.append((now, {key: dict(job.tags) for key, job in world.jobs.items()}))
        while past[0][0] < now - TAGS_EVERY - SWEEP:
            past.popleft()
        seen, plain = sagemaker.jobs(known, now), sagemaker.jobs({}, now)
        assert without_tags(seen.members) == without_tags(plain.members)
        for member in seen.members:
            recent = [tags.get((member.service.value, member.id)) for _, tags in past]
            assert member.tags == {} or member.tags in recent
        # As the ledger would keep them.
        known |= {job.key: job_codec.from_item(job_codec.to_item(job)) for job in seen.learned}
        for key in seen.over:
            del known[key]


def test_a_thousand_known_jobs_cost_pages_and_their_turns_of_tags() -> None:
    world = StoredSageMaker()
    for n in range(1000):
        world.jobs["training", f"job-{n}"] = StoredJob(
            "training", f"job-{n}", NOW - HOUR, NOW - HOUR, "ml.g5.xlarge", {}
        )
    client: Any = world
    sagemaker = SageMaker(client, region="us-east-1")
    known = {job.key: job for job in sagemaker.jobs({}, NOW).learned}
    assert world.calls["describe_training_job"] == 1000
    read = Counter[str]()
    for n in range(12):
        world.calls.clear()
        seen = sagemaker.jobs(known, NOW + (n + 1) * SWEEP)
        known |= {job.key: job for job in seen.learned}
        read["tags"] += world.calls.pop("list_tags", 0)
        assert world.calls == {f"list_{each}": 1 for each in (
            "training_jobs", "processing_jobs", "hyper_parameter_tuning_jobs", "auto_ml_jobs")}  # fmt: skip
    assert read["tags"] == 1000, "each once an hour"
