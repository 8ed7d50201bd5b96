"""What a question says of the machines that a job takes."""

from __future__ import annotations

from datetime import timedelta

from costwatch.core import gate
from costwatch.core.accelerators import count
from costwatch.core.estimator import InstanceGroup, JobSpec
from costwatch.core.policy import Service


def tuning(jobs: int, parallel: int) -> JobSpec:
    return JobSpec(
        service=Service.TUNING,
        region="us-east-1",
        groups=(InstanceGroup("ml.g5.12xlarge", 2),),
        max_runtime=timedelta(hours=24),
        jobs=jobs,
        parallel=parallel,
    )


def test_a_tuning_job_takes_the_machines_of_all_the_jobs_that_run_at_once() -> None:
    assert gate.capacity([tuning(jobs=100, parallel=4)]) == "8 x ml.g5.12xlarge"
    assert gate.gpus([tuning(jobs=100, parallel=4)]) == 8 * (count("ml.g5.12xlarge") or 0) == 32


def test_no_more_run_at_once_than_there_are() -> None:
    assert gate.capacity([tuning(jobs=3, parallel=4)]) == "6 x ml.g5.12xlarge"
    assert gate.gpus([tuning(jobs=3, parallel=4)]) == 24


def test_a_machine_whose_accelerators_nobody_knows_adds_none() -> None:
    spec = JobSpec(
        service=Service.EC2,
        region="us-east-1",
        groups=(InstanceGroup("m5.xlarge", 2),),
        max_runtime=timedelta(hours=1),
    )
    assert gate.gpus([spec]) == 0
