"""A town with models: training jobs that cost something, what they left behind, and versions in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from costwatch.core.packages import ApprovalStatus, ModelPackage
from tests.support import policies
from tests.support.builders import ACCOUNT, REGION
from tests.support.fake_registry import FakeEvaluations, FakeModels, FakeRegistry, artifact_of
from tests.support.fakes import FakeJob, Town

VALIDATION: Final = "s3://data/churn/validation/"
"""What every candidate of the ordinary model is measured on."""
ETAG: Final = "9b2cf535f27731c974343645a3985328"
TAGS: Final = {"Purpose": "training", "owner": "maria@example.com", "team": "risk", "model": "churn"}
MODEL: Final[Mapping[str, Any]] = {
    "name": "churn",
    "group": "churn",
    "metric": "validation:auc",
    "direction": "maximize",
    "gain": "absolute",
    "worth": {"usd": "4000", "per": "0.01", "over_seconds": 30 * 86_400},
    "min_score": "0.5",
    "standard_errors": "2",
    "guardrails": [],
    "evaluation_channel": "",
    "retrain": {"every_seconds": 7 * 86_400, "most_skips": 8, "budget_share": None},
}
"""0.01 of AUC is worth $4,000 a month."""


def res(mode: str = "enforce", model: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The `res` section of a policy document with the ordinary model; `model` replaces keys of it."""
    return {
        "mode": mode,
        "when_too_dear": "ask",
        "auto_approve": False,
        "approvers": ["U0MARIA00"],
        "models": [{**MODEL, **(model or {})}],
        **changes,
    }


class RegistryTown(Town):
    """A town whose policy judges the ordinary model. `Town.train` is `self.world.train`; here is what it leaves."""

    models: FakeModels

    def __post_init__(self) -> None:
        super().__post_init__()
        self.models = FakeModels(self.world)
        self.models.put(VALIDATION, ETAG, self.clock() - timedelta(days=365))

    def registry(self, region: str = REGION) -> FakeRegistry:
        return FakeRegistry(self.models, region)

    def evaluations(self, region: str = REGION) -> FakeEvaluations:
        return FakeEvaluations(self.models, region)

    def trained(
        self,
        name: str,
        auc: str = "",
        *,
        hours: float = 10,
        tags: Mapping[str, str] | None = None,
        status: str = "Completed",
        channels: Mapping[str, str] | None = None,
        **job: Any,
    ) -> FakeJob:
        """A p4d training job that began `hours` ago and ends now; $25.251286 an hour. `auc`: its validation:auc."""
        found = self.world.train(name, age=timedelta(hours=hours), tags=tags or TAGS, **job)
        self.world.ended(found, status, by="world")
        read = {"validation": VALIDATION} if channels is None else channels
        self.models.train(name, {"validation:auc": auc} if auc else {}, read, region=found.region)
        return found

    def candidate(self, name: str, auc: str = "", *, hours: float = 10, **package: Any) -> ModelPackage:
        """A job as `trained` makes it, and the version that was registered of its artifact."""
        self.trained(name, auc, hours=hours)
        return self.models.register(job=name, **package)

    def serving(self, name: str, auc: str, *, hours: float = 10) -> ModelPackage:
        """A candidate that somebody approved."""
        return self.models.decide(self.candidate(name, auc, hours=hours).arn, ApprovalStatus.APPROVED)


def town(mode: str = "enforce", *, model: Mapping[str, Any] | None = None, **changes: Any) -> RegistryTown:
    """`changes`: keys of the `res` section."""
    return RegistryTown(policies.policy(res=res(mode, model, **changes)))


def package_event(package: ModelPackage) -> dict[str, Any]:
    """*Model Package State Change*, as AWS documents it: neither CustomerMetadataProperties nor who changed it."""
    containers = [{"Image": "image", "ModelDataUrl": each} for each in package.artifacts]
    detail: dict[str, Any] = {
        "ModelPackageGroupName": package.group,
        "ModelPackageVersion": package.version,
        "ModelPackageArn": package.arn,
        "CreationTime": package.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "InferenceSpecification": {"Containers": containers},
        "ModelPackageStatus": package.status,
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "CertifyForMarketplace": False,
        "ModelApprovalStatus": package.approval.value,
    }
    return _event(package.region, "SageMaker Model Package State Change", package.arn, detail)


def training_event(job: FakeJob) -> dict[str, Any]:
    """*Training Job State Change* of a job that is over; times as in AWS's sample: texts of epoch milliseconds."""
    arn = f"arn:aws:sagemaker:{job.region}:{ACCOUNT}:training-job/{job.name}"
    detail: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": arn,
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.status,
        "CreationTime": str(int(job.created_at.timestamp() * 1000)),
        "Tags": {},
    }
    if job.status == "Completed":
        detail["ModelArtifacts"] = {"S3ModelArtifacts": artifact_of(job.name)}
    return _event(job.region, "SageMaker Training Job State Change", arn, detail)


def _event(region: str, detail_type: str, arn: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "844e2571-85d4-695f-b930-0153b71dcb42",
        "detail-type": detail_type,
        "source": "aws.sagemaker",
        "account": ACCOUNT,
        "time": "2026-11-22T09:00:00Z",
        "region": region,
        "resources": [arn],
        "detail": detail,
    }
