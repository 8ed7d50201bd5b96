"""The town's registry answers as the adapter does over the embedded AWS: one story, told by both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from costwatch.adapters.evaluations import Evaluations
from costwatch.adapters.registry import Registry
from costwatch.core.gains import Reading
from costwatch.core.packages import ApprovalStatus
from costwatch.errors import InputError, PermanentAwsError, TransientAwsError
from costwatch.procedures.ports import EvaluationsPort, RegistryPort
from demo.embedded import EmbeddedAws
from tests.support import registry_town
from tests.support.builders import HOUR, NOW, REGION
from tests.support.fake_registry import artifact_of

URI = "s3://evaluations/41.json"


@dataclass
class World:
    """Both ports, and what people and jobs do there."""

    registry: RegistryPort
    evaluations: EvaluationsPort
    register: Callable[..., str]
    approve: Callable[[str], object]
    put: Callable[[str, object], object]
    train: Callable[[str, Mapping[str, str]], object]
    artifact: Callable[[str], str]


def embedded(aws: EmbeddedAws) -> World:
    def train(name: str, metrics: Mapping[str, str]) -> None:
        aws.fleet.training_job(name, started_at=NOW - HOUR)
        aws.models.measured(name, {key: float(value) for key, value in metrics.items()})
        aws.fleet.finish_job(name, NOW)

    return World(
        Registry(aws.client("sagemaker"), region=REGION),
        Evaluations(aws.client("s3")),
        aws.models.register,
        lambda arn: aws.models.decide(arn, "Approved"),
        aws.models.put,
        train,
        aws.models.artifact,
    )


def faked() -> World:
    town = registry_town.town()

    def put(uri: str, document: object) -> None:
        town.models.objects[uri] = document

    return World(
        town.registry(),
        town.evaluations(),
        lambda group, **package: town.models.register(group, **package).arn,
        lambda arn: town.models.decide(arn, ApprovalStatus.APPROVED),
        put,
        town.models.train,
        artifact_of,
    )


@pytest.fixture(params=["embedded", "fake"])
def world(request: pytest.FixtureRequest, aws: EmbeddedAws) -> World:
    return embedded(aws) if request.param == "embedded" else faked()


def test_versions_are_numbered_listed_and_approved(world: World) -> None:
    first, second, third = (world.register("churn") for _ in range(3))
    world.register("fraud")
    world.approve(second)
    newest = world.registry.newest_approved("churn")
    assert newest is not None
    assert (newest.arn, newest.version) == (second, 2)
    assert [each.arn for each in world.registry.pending("churn")] == [first, third]
    assert (world.registry.pending("none"), world.registry.newest_approved("fraud")) == ([], None)


def test_a_decision_keeps_the_metadata_that_is_there(world: World) -> None:
    arn = world.register("churn", metadata={"git": "c0ffee"})
    world.registry.decide(
        arn, ApprovalStatus.REJECTED, "Cost-Efficiency Rejection: no gain", {"costwatch:score": "0.1"}
    )
    found = world.registry.package(arn)
    assert found is not None
    assert (found.approval, found.approval_description) == (
        ApprovalStatus.REJECTED,
        "Cost-Efficiency Rejection: no gain",
    )
    assert found.metadata == {"git": "c0ffee", "costwatch:score": "0.1"}
    assert (found.modified_at, found.modified_by.rpartition("/")[2]) == (NOW, "costwatch-res")


def test_a_version_that_is_not_there_is_none_and_cannot_be_written(world: World) -> None:
    arn = world.register("churn").removesuffix("/1") + "/9"
    assert world.registry.package(arn) is None
    with pytest.raises(PermanentAwsError, match="does not exist"):
        world.registry.decide(arn, ApprovalStatus.REJECTED, "", {})


def test_a_job_is_found_by_its_name_and_its_artifact_is_the_versions(world: World) -> None:
    world.train("churn-41", {"auc": "0.914"})
    found, package = world.registry.trained("churn-41"), world.registry.package(world.register("churn", job="churn-41"))
    assert found is not None
    assert package is not None
    assert found.final_metrics == {"auc": "0.914"}
    assert (found.artifact,) == package.artifacts == (world.artifact("churn-41"),)
    assert world.registry.trained("nobody") is None


def test_an_evaluation_is_read_or_said_not_to_be_there(world: World) -> None:
    with pytest.raises(InputError, match=f"^{URI} does not exist$"):
        world.evaluations.statistics(URI)
    world.put(URI, {"regression_metrics": {"mse": {"value": 4}}})
    assert world.evaluations.statistics(URI) == {"mse": Reading(Decimal(4))}
    world.put(URI, [1, 2])
    assert world.evaluations.differences(URI) == (Decimal(1), Decimal(2))
    assert world.evaluations.content("s3://evaluations/other.json") is None


def test_the_towns_candidates_cost_something_and_one_serves() -> None:
    town = registry_town.town()
    serving = town.serving("churn-40", "0.912")
    candidate = town.candidate("churn-41", "0.914", hours=20)
    found = town.registry().trained("churn-41")
    assert found is not None
    assert (town.registry().newest_approved("churn"), town.registry().pending("churn")) == (serving, [candidate])
    assert (found.final_metrics, found.channels) == (
        {"validation:auc": "0.914"},
        {"validation": registry_town.VALIDATION},
    )
    content = town.evaluations().content(registry_town.VALIDATION)
    assert content is not None
    assert content.etag == registry_town.ETAG
    job = town.world.jobs["churn-41"]
    assert (job.started_at, job.ended_at, job.alive) == (NOW - 20 * HOUR, NOW, False)
    assert town.policy.res.model("churn") is not None


def test_a_person_may_be_faster_than_a_write_in_the_town() -> None:
    town = registry_town.town()
    arn = town.candidate("churn-41").arn
    town.models.before_write.append((arn, ApprovalStatus.APPROVED))
    town.registry().decide(arn, ApprovalStatus.REJECTED, "no gain", {})
    assert (town.models.packages[arn].approval, town.models.before_write) == (ApprovalStatus.REJECTED, [])


def test_a_fault_of_the_town_strikes_the_registry() -> None:
    town = registry_town.town()
    throttled = TransientAwsError("ThrottlingException", code="ThrottlingException")
    town.world.fault = lambda operation, *_: throttled if operation == "ListModelPackages" else None
    with pytest.raises(TransientAwsError):
        town.registry().pending("churn")
    assert town.world.calls[-1] == ("ListModelPackages", REGION, ("churn", "PendingManualApproval"))


def test_the_towns_events_have_the_shape_of_awss() -> None:
    town = registry_town.town()
    job = town.trained("churn-41")
    package = town.models.register(job="churn-41")
    registered: Any = registry_town.package_event(package)["detail"]
    trained: Any = registry_town.training_event(job)["detail"]
    (container,) = registered["InferenceSpecification"]["Containers"]
    assert container["ModelDataUrl"] == trained["ModelArtifacts"]["S3ModelArtifacts"]
    assert (registered["ModelPackageArn"], registered["ModelApprovalStatus"]) == (package.arn, "PendingManualApproval")
