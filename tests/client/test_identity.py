"""Who beats: found by itself on SageMaker and EC2, or named; and which process of many speaks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

import costwatch_client
from costwatch_client import _Missing
from tests.client.fakes import (
    ACCOUNT,
    INSTANCE,
    INSTANCE_ARN,
    NOWHERE,
    AwsAnswer,
    FakeEvents,
    Metadata,
    Training,
    metadata_service,
)

TRAINING_ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/churn-bert-7"
PROCESSING_ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:processing-job/features-3"


def find(environ: dict[str, str], root: Path = NOWHERE, sts: Any = None) -> tuple[str, str, str, str]:
    """Service, id, account and region."""

    def make(service: str, region: str) -> Any:
        assert sts is not None, f"asked {service} in {region}"
        return sts

    member = costwatch_client._find_member(environ, make, root)
    return member.service, member.id, member.account, member.region


def missing(environ: dict[str, str], root: Path = NOWHERE) -> str:
    with pytest.raises(_Missing) as refused:
        find(environ, root)
    return str(refused.value)


def write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    ("arn", "found"),
    [
        (INSTANCE_ARN, ("ec2", INSTANCE, ACCOUNT, "us-east-1")),
        (TRAINING_ARN, ("training", "churn-bert-7", ACCOUNT, "us-east-1")),
        (
            f"arn:aws-us-gov:sagemaker:us-gov-west-1:{ACCOUNT}:processing-job/p",
            ("processing", "p", ACCOUNT, "us-gov-west-1"),
        ),
    ],
)
def test_whoever_is_named_by_arn_beats(arn: str, found: tuple[str, ...]) -> None:
    assert find({"COSTWATCH_RUN_MEMBER": arn, "TRAINING_JOB_ARN": PROCESSING_ARN}) == found


@pytest.mark.parametrize(
    "arn",
    [
        INSTANCE,
        f"arn:aws:ec2:us-east-1:{ACCOUNT}:volume/vol-1",
        f"arn:aws:ec2:us-east-1:{ACCOUNT}:training-job/x",
        f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:instance/i-1",
        "arn:aws:ec2:us-east-1::instance/i-1",
    ],
)
def test_a_name_that_is_no_arn_of_a_machine_or_job_is_said(arn: str) -> None:
    assert missing({"COSTWATCH_RUN_MEMBER": arn}).startswith("COSTWATCH_RUN_MEMBER is no ARN of")


def test_a_training_job_is_known_by_its_arn_and_its_name_keeps_its_case() -> None:
    environ = {"TRAINING_JOB_ARN": TRAINING_ARN, "TRAINING_JOB_NAME": "Churn-BERT-7"}
    assert find(environ) == ("training", "Churn-BERT-7", ACCOUNT, "us-east-1")


def test_a_tuning_jobs_child_is_the_training_job_that_it_is_and_not_its_parent() -> None:
    child = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/tune-001-0a1b2c3d"
    environ = {
        "TRAINING_JOB_ARN": child,
        "TRAINING_JOB_NAME": "tune-001-0a1b2c3d",
        "SM_TRAINING_ENV": json.dumps({"job_name": "tune"}),
    }
    assert find(environ) == ("training", "tune-001-0a1b2c3d", ACCOUNT, "us-east-1")


@pytest.mark.parametrize(
    "environ", [{"TRAINING_JOB_NAME": "churn-bert-7"}, {"SM_TRAINING_ENV": json.dumps({"job_name": "churn-bert-7"})}]
)
def test_a_job_that_knows_its_name_alone_runs_in_its_credentials_account(environ: dict[str, str]) -> None:
    environ = {**environ, "AWS_REGION": "eu-west-1"}
    assert find(environ, sts=FakeEvents(account="444455556666")) == (
        "training",
        "churn-bert-7",
        "444455556666",
        "eu-west-1",
    )
    assert "the region of training job churn-bert-7 is unknown" in missing({**environ, "AWS_REGION": ""})


def test_a_processing_job_is_known_by_its_environment() -> None:
    assert find({"PROCESSING_JOB_ARN": PROCESSING_ARN}) == ("processing", "features-3", ACCOUNT, "us-east-1")


def test_a_processing_job_is_known_by_its_configuration(tmp_path: Path) -> None:
    document = {"ProcessingJobArn": PROCESSING_ARN, "ProcessingJobName": "Features-3", "Environment": {}}
    write(tmp_path / "config" / "processingjobconfig.json", document)
    assert find({}, tmp_path) == ("processing", "Features-3", ACCOUNT, "us-east-1")


@pytest.mark.parametrize(
    "mark", ["input/config/resourceconfig.json", "config/resourceconfig.json", "metadata/resource-metadata.json"]
)
def test_on_sagemaker_instance_metadata_is_never_asked(mark: str, tmp_path: Path) -> None:
    write(tmp_path / mark, "{}")
    with metadata_service() as service:
        said = missing({"AWS_EC2_METADATA_SERVICE_ENDPOINT": service.address}, tmp_path)
    assert "neither a training nor a processing job" in said
    assert service.requests == []


@pytest.mark.parametrize("content", ["", "[1]", "not json", "[" * 100_000, '{"ProcessingJobArn": 5}'])
def test_a_configuration_that_cannot_be_read_names_nobody(content: str, tmp_path: Path) -> None:
    write(tmp_path / "config" / "processingjobconfig.json", content)
    assert "forbids to ask" in missing({"AWS_EC2_METADATA_DISABLED": "true"}, tmp_path)


def on_ec2(service: Metadata) -> dict[str, str]:
    # A proxy is for what lies outside; metadata does not.
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": service.address + "/", "http_proxy": "http://192.0.2.1:1"}


def test_an_instance_is_known_by_its_identity_document_and_a_token() -> None:
    with metadata_service() as service:
        assert find(on_ec2(service)) == ("ec2", INSTANCE, ACCOUNT, "eu-west-1")
    assert service.requests == [
        ("PUT", "/latest/api/token"),
        ("GET", "/latest/dynamic/instance-identity/document"),
    ]


def test_instance_metadata_that_is_switched_off_is_not_asked() -> None:
    with metadata_service() as service:
        assert "AWS_EC2_METADATA_DISABLED" in missing({**on_ec2(service), "AWS_EC2_METADATA_DISABLED": "True"})
    assert service.requests == []


def test_metadata_that_does_not_answer_costs_about_a_second() -> None:
    with metadata_service() as service:
        service.silent = True
        begun = time.monotonic()
        said = missing(on_ec2(service))
        assert time.monotonic() - begun < 3
    assert "neither a SageMaker job nor an EC2 instance" in said
    assert "timed out" in said
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": 403}, "HTTP 403"),
        ({"document": "{}"}, "instanceId"),
        ({"document": "no json"}, "instanceId"),
    ],
)
def test_metadata_that_answers_otherwise_is_said(changes: dict[str, Any], said: str) -> None:
    with metadata_service() as service:
        for name, value in changes.items():
            setattr(service, name, value)
        assert said in missing(on_ec2(service))


@pytest.mark.parametrize("address", ["ftp://127.0.0.1", "nonsense", "http://[broken", "http://127.0.0.1:1"])
def test_a_metadata_address_that_leads_nowhere_is_said(address: str) -> None:
    assert "neither a SageMaker job nor" in missing({"AWS_EC2_METADATA_SERVICE_ENDPOINT": address})


HOSTS = {"SM_CURRENT_HOST": "algo-1", "SM_HOSTS": '["algo-2","algo-1","algo-10"]'}
OTHER_HOST = {**HOSTS, "SM_CURRENT_HOST": "algo-2"}


@pytest.mark.parametrize(
    ("environ", "speaks"),
    [
        ({}, True),
        ({"RANK": "0"}, True),
        ({"RANK": "1"}, False),
        ({"RANK": ""}, True),
        ({"RANK": "none"}, True),
        ({"SLURM_PROCID": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
        ({"OMPI_COMM_WORLD_RANK": "7"}, False),
        ({"PMIX_RANK": "2"}, False),
        ({"PMI_RANK": "2"}, False),
        ({"MV2_COMM_WORLD_RANK": "2"}, False),
        ({"HOROVOD_RANK": "2"}, False),
        # torchrun started by srun on the second node: its own rank says more than Slurm's
        ({"RANK": "0", "SLURM_PROCID": "1"}, True),
        # mpirun inside of a batch script: every worker has the script's SLURM_PROCID
        ({"OMPI_COMM_WORLD_RANK": "4", "SLURM_PROCID": "0"}, False),
        # Lightning's launcher
        ({"LOCAL_RANK": "0"}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "GROUP_RANK": "0"}, True),
        (HOSTS, True),
        (OTHER_HOST, False),
        ({**HOSTS, "LOCAL_RANK": "1"}, False),
        ({**OTHER_HOST, "LOCAL_RANK": "0"}, False),
        # a rank counts over all hosts
        ({**OTHER_HOST, "RANK": "0"}, True),
        ({"SM_RESOURCE_CONFIG": '{"current_host":"algo-2","hosts":["algo-1","algo-2"]}'}, False),
        ({"SM_CURRENT_HOST": "algo-2", "SM_HOSTS": "broken"}, True),
        ({"COSTWATCH_RANK": "0", "RANK": "5"}, True),
        ({"COSTWATCH_RANK": "1", "RANK": "0"}, False),
        ({"COSTWATCH_RANK": "all", "RANK": "5"}, False),
    ],
)
def test_rank_zero_speaks(environ: dict[str, str], speaks: bool) -> None:
    assert costwatch_client._first(environ, *costwatch_client._hosts(environ, NOWHERE))[0] is speaks


class Torch:
    """torch.distributed, as far as the client asks it. It counts how often."""

    def __init__(self, rank: int = 0, *, initialized: bool = True) -> None:
        self.rank = rank
        self.initialized = initialized
        self.asked = 0

    def is_available(self) -> bool:
        self.asked += 1
        return True

    def is_initialized(self) -> bool:
        return self.initialized

    def get_rank(self) -> int:
        return self.rank


TorchOf = Callable[..., Torch]


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> TorchOf:
    """Whoever calls it has imported torch.distributed."""

    def imported(rank: int = 0, *, initialized: bool = True) -> Torch:
        made = Torch(rank, initialized=initialized)
        monkeypatch.setitem(sys.modules, "torch.distributed", cast("ModuleType", made))
        return made

    return imported


@pytest.mark.parametrize(
    ("rank", "environ", "speaks"),
    [
        (0, {}, True),
        (3, {}, False),
        # one task of Slurm that spawns four workers: all have its SLURM_PROCID
        (3, {"SLURM_PROCID": "0"}, False),
        (0, {"SLURM_PROCID": "1"}, True),
        (0, {"LOCAL_RANK": "1"}, True),
        (0, OTHER_HOST, True),
        # what is said to Costwatch itself
        (3, {"COSTWATCH_RANK": "0"}, True),
        (0, {"COSTWATCH_RANK": "3"}, False),
        # a process that is not of the group
        (-1, {}, True),
        (-1, {"RANK": "1"}, False),
    ],
)
def test_of_spawned_processes_torch_distributed_knows_the_first(
    rank: int, environ: dict[str, str], speaks: bool, torch: TorchOf
) -> None:
    torch(rank)
    assert costwatch_client._first(environ, *costwatch_client._hosts(environ, NOWHERE))[0] is speaks
    training = Training(environ={costwatch_client.ENV_MEMBER: INSTANCE_ARN, **environ})
    training.heartbeat(step=1)
    training.client.start(None, None, None)
    training.client.done()
    assert training.turn() is speaks
    assert bool(training.lines) is speaks


def test_what_torch_raises_is_as_good_as_unknown(torch: TorchOf, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> bool:
        raise RuntimeError("no backend")

    for name in ("is_available", "is_initialized", "get_rank"):
        monkeypatch.setattr(torch(3), name, fails)
        assert costwatch_client._torch_rank() is None
    for strange in (object(), None):
        monkeypatch.setitem(sys.modules, "torch.distributed", cast("ModuleType", strange))
        assert costwatch_client._first({"RANK": "1"}, [], "") == (False, "RANK=1")


def test_torch_is_asked_until_it_knows_and_whoever_is_not_first_falls_silent(torch: TorchOf) -> None:
    training, distributed = Training(), torch(3, initialized=False)
    training.heartbeat(step=1)
    assert training.turn(), "before anything tells a rank"
    training.heartbeat(step=2)
    training.client.done()
    distributed.initialized = True
    training.heartbeat(step=3)
    assert not training.after(3600), "what waited is forgotten, too"
    assert training.events.steps == [1]


def test_who_learns_to_be_silent_while_it_sends_does_not_try_again(
    torch: TorchOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(FakeEvents(fails=AwsAnswer("ThrottlingException")))
    training.heartbeat(step=1)
    send = training.client._link.send

    def meanwhile(messages: Any, note: Any) -> Any:
        torch(3)
        training.heartbeat(step=2)
        return send(messages, note)

    monkeypatch.setattr(training.client._link, "send", meanwhile)
    training.turn()
    training.events.fails = None
    assert not training.after(3600)


def test_once_torch_has_told_the_rank_it_is_asked_no_more(torch: TorchOf) -> None:
    training, distributed = Training(), torch(0)
    training.heartbeat(step=1)
    asked = distributed.asked
    distributed.rank = 3
    for step in range(100):
        training.heartbeat(step=step)
    assert distributed.asked == asked
    assert training.turn()


def test_torch_is_never_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    training = Training()
    training.heartbeat(step=1)
    training.turn()
    assert "torch" not in sys.modules


@pytest.mark.parametrize("directory", ["input/config", "config"])
@pytest.mark.parametrize(("host", "speaks"), [("algo-1", True), ("algo-2", False)])
def test_of_a_jobs_hosts_the_first_speaks(directory: str, host: str, speaks: bool, tmp_path: Path) -> None:
    write(tmp_path / directory / "resourceconfig.json", {"current_host": host, "hosts": ["algo-1", "algo-2"]})
    hosts = costwatch_client._hosts({}, tmp_path)
    assert costwatch_client._first({}, *hosts)[0] is speaks
    assert costwatch_client._host_count({}, hosts[0]) == 2
