"""What is known of a job from an earlier look, and when its tags are to be read again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from costwatch.adapters import job_codec
from costwatch.core.known_jobs import TAGS_EVERY, KnownJob
from costwatch.core.model import Parent, RunKind
from costwatch.core.policy import PurchaseOption, Service
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, family, job

CREATED = NOW - 2 * HOUR


def known(**changes: Any) -> KnownJob:
    made = job(age=HOUR, **changes)
    return KnownJob(replace(made, clock=replace(made.clock, exists_since=CREATED)), NOW)


def test_a_job_with_the_same_creation_time_is_the_same_job() -> None:
    assert known().is_of(CREATED)


def test_a_job_that_was_created_at_another_time_is_another_job_under_the_same_name() -> None:
    assert not known().is_of(CREATED + SECOND)
    assert not known().is_of(None)


def test_a_job_that_has_not_started_is_not_known_enough() -> None:
    before = known()
    waiting = replace(before.member, clock=replace(before.member.clock, running_since=None))
    assert not KnownJob(waiting, NOW).is_of(CREATED)


def test_a_job_whose_tags_could_not_be_read_is_not_known_enough() -> None:
    assert not known(tags=None).is_of(CREATED)


def test_each_jobs_tags_have_one_turn_an_hour() -> None:
    for name in ("churn", "llm", "embeddings"):
        at, read = NOW, known().tags_read_at
        turns = []
        for _ in range(24 * 60):
            at += MINUTE
            if KnownJob(known(name=name).member, read).tags_are_due(at):
                turns.append(at)
                read = at
        assert len(turns) == 24
        assert {later - earlier for earlier, later in pairwise(turns)} == {TAGS_EVERY}


def test_the_turns_of_a_thousand_jobs_spread_over_the_hour() -> None:
    due = [0] * 12
    for n in range(1000):
        read = NOW
        for sweep in range(12):
            at = NOW + 5 * (sweep + 1) * MINUTE
            if KnownJob(known(name=f"job-{n}").member, read).tags_are_due(at):
                due[sweep] += 1
                read = at
    assert sum(due) == 1000
    assert max(due) < 130


def test_a_turn_that_no_sweep_came_to_is_made_up_for_once() -> None:
    found = known()
    assert found.tags_are_due(NOW + timedelta(hours=5))
    assert not replace(found, tags_read_at=NOW + timedelta(hours=5)).tags_are_due(NOW + timedelta(hours=5))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"service": Service.PROCESSING, "declared_limit": HOUR, "tags": {}},
        {"purchase": PurchaseOption.SPOT, "capacity": (("ml.p4d.24xlarge", 2), ("ml.c5.xlarge", 4))},
        {"parent": Parent(RunKind.AUTOML, "auto", "AutoML job auto", via="auto-tuner")},
        {"parent": Parent(RunKind.TUNING, "search", "tuning job search"), "tags": {}},
    ],
)
def test_a_known_job_reads_back_as_it_was_written(changes: dict[str, Any]) -> None:
    made = known(**changes).to_keep()
    evidence = "ProcessingStartTime" if made.member.service is Service.PROCESSING else "TrainingStartTime"
    made = replace(made, member=replace(made.member, clock=replace(made.member.clock, running_evidence=evidence)))
    assert job_codec.from_item(job_codec.to_item(made)) == made


def test_a_known_tuning_job_reads_back_as_it_was_written() -> None:
    (head,) = family(declared_limit=3 * HOUR).judged
    made = KnownJob(head, NOW).to_keep()
    assert job_codec.from_item(job_codec.to_item(made)) == made
