"""A model registry, what trained its models and what was measured of them, as recorded fakes of both ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from costwatch.core import evaluation_report
from costwatch.core.gains import Content, Reading
from costwatch.core.known_jobs import JobKey
from costwatch.core.packages import ApprovalStatus, ModelPackage, TrainedJob
from costwatch.errors import InputError, PermanentAwsError
from tests.support.builders import ACCOUNT, REGION
from tests.support.fakes import FakeWorld

COSTWATCH_ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/costwatch-res/costwatch-res"
MARIA_ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/data-scientists/maria"


@dataclass
class FakeModels:
    """Everything that there is. Calls and faults are the world's: `DescribeModelPackage` and so on, by region.

    `before_write`: what happens between the last look at a package and the write, such as a person's approval.
    """

    world: FakeWorld
    packages: dict[str, ModelPackage] = field(default_factory=dict)
    trained: dict[tuple[str, str], TrainedJob] = field(default_factory=dict)
    executions: dict[str, list[JobKey]] = field(default_factory=dict)
    objects: dict[str, object] = field(default_factory=dict)
    """JSON documents by S3 URI."""
    contents: dict[str, Content] = field(default_factory=dict)
    before_write: list[tuple[str, ApprovalStatus]] = field(default_factory=list)

    def register(
        self,
        group: str = "churn",
        *,
        job: str = "",
        artifact: str = "",
        approval: ApprovalStatus = ApprovalStatus.PENDING,
        metadata: Mapping[str, str] | None = None,
        statistics_uri: str = "",
        generated_by: str = "",
        region: str = REGION,
        created_at: datetime | None = None,
    ) -> ModelPackage:
        """The next version of a group, made of a training job's artifact or of any S3 path."""
        version = 1 + max(
            (p.version for p in self.packages.values() if (p.region, p.group) == (region, group)), default=0
        )
        made_of = artifact or (artifact_of(job) if job else "")
        package = ModelPackage(
            arn=f"arn:aws:sagemaker:{region}:{ACCOUNT}:model-package/{group.lower()}/{version}",
            account=ACCOUNT,
            region=region,
            group=group,
            version=version,
            status="Completed",
            approval=approval,
            created_at=created_at or self.world.clock(),
            artifacts=(made_of,) if made_of else (),
            metadata=dict(metadata or {}),
            generated_by=generated_by,
            statistics_uri=statistics_uri,
        )
        self.packages[package.arn] = package
        return package

    def put(self, uri: str, etag: str, at: datetime | None = None) -> None:
        """Data that was written at that time, now unless given."""
        self.contents[uri] = Content(etag, at or self.world.clock())

    def train(
        self,
        name: str,
        metrics: Mapping[str, str] | None = None,
        channels: Mapping[str, str] | None = None,
        *,
        region: str = REGION,
        began_at: datetime | None = None,
    ) -> TrainedJob:
        """What a training job left behind: `artifact_of` its name, its final metrics and input channels.

        `began_at`: as the world's job of that name did, unless given.
        """
        known = self.world.jobs.get(name)
        began = began_at or (known.started_at if known is not None else self.world.clock())
        job = TrainedJob(name, artifact_of(name), dict(metrics or {}), dict(channels or {}), began)
        self.trained[region, name] = job
        return job

    def decide(self, arn: str, status: ApprovalStatus, *, by: str = MARIA_ROLE, description: str = "") -> ModelPackage:
        """A person decides in the registry."""
        package = replace(
            self.packages[arn],
            approval=status,
            approval_description=description or self.packages[arn].approval_description,
            modified_at=self.world.clock(),
            modified_by=by,
        )
        self.packages[arn] = package
        return package


def artifact_of(job: str) -> str:
    return f"s3://training/{job}/output/model.tar.gz"


@dataclass
class FakeRegistry:
    """See adapters.registry.Registry."""

    models: FakeModels
    region: str = REGION

    def package(self, arn: str) -> ModelPackage | None:
        self.models.world.called("DescribeModelPackage", self.region, [arn])
        found = self.models.packages.get(arn)
        return found if found is not None and found.region == self.region else None

    def pending(self, group: str) -> list[ModelPackage]:
        return self._listed(group, ApprovalStatus.PENDING)

    def newest_approved(self, group: str) -> ModelPackage | None:
        found = [each for each in self._listed(group, ApprovalStatus.APPROVED) if each.status == "Completed"]
        return found[-1] if found else None

    def decide(self, arn: str, status: ApprovalStatus, description: str, metadata: Mapping[str, str]) -> None:
        while self.models.before_write:
            self.models.decide(*self.models.before_write.pop(0))
        self.models.world.called("UpdateModelPackage", self.region, [arn, status.value])
        if arn not in self.models.packages:
            raise PermanentAwsError(f"ModelPackage {arn} does not exist.", code="ValidationException")
        there = self.models.decide(arn, status, by=COSTWATCH_ROLE, description=description)
        self.models.packages[arn] = replace(there, metadata={**there.metadata, **metadata})

    def steps(self, execution_arn: str) -> list[JobKey]:
        self.models.world.called("ListPipelineExecutionSteps", self.region, [execution_arn])
        return list(self.models.executions.get(execution_arn, []))

    def trained(self, job_name: str) -> TrainedJob | None:
        self.models.world.called("DescribeTrainingJob", self.region, [job_name])
        return self.models.trained.get((self.region, job_name))

    def _listed(self, group: str, status: ApprovalStatus) -> list[ModelPackage]:
        self.models.world.called("ListModelPackages", self.region, [group, status.value])
        found = [
            p for p in self.models.packages.values() if (p.region, p.group, p.approval) == (self.region, group, status)
        ]
        return sorted(found, key=lambda each: each.version)


@dataclass
class FakeEvaluations:
    """See adapters.evaluations.Evaluations."""

    models: FakeModels
    region: str = REGION

    def statistics(self, uri: str) -> dict[str, Reading]:
        return evaluation_report.readings(self._object(uri), uri)

    def differences(self, uri: str) -> tuple[Decimal, ...]:
        found = self._object(uri)
        if not isinstance(found, list):
            raise InputError(f"{uri} is {evaluation_report.kind_of(found)}, expected a list")
        return tuple(Decimal(str(each)) for each in found)

    def content(self, uri: str) -> Content | None:
        self.models.world.called("HeadObject", self.region, [uri])
        return self.models.contents.get(uri)

    def _object(self, uri: str) -> object:
        self.models.world.called("GetObject", self.region, [uri])
        if uri not in self.models.objects:
            raise InputError(f"{uri} does not exist")
        return self.models.objects[uri]
