"""SageMaker's model registry in one region: versions of models, who decided about them, and what trained them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from costwatch.adapters import registry_answers as answers
from costwatch.adapters.aws_errors import translated
from costwatch.core.known_jobs import JobKey
from costwatch.core.packages import (
    LONGEST_DESCRIPTION,
    LONGEST_METADATA,
    ApprovalStatus,
    ListedPackage,
    ModelPackage,
    TrainedJob,
)
from costwatch.errors import PermanentAwsError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient

_PAGE: Final = 100
_MOST_METADATA: Final = 50
_USABLE: Final = "Completed"
"""ModelPackageStatus of a version that can be deployed."""
_REFUSED: Final = re.compile(r"[^\w .:/=+\-@]")
"""What SageMaker allows in keys and values is letters, digits, spaces and `_.:/=+-@`."""


class Registry:
    """One account and region. Raises TransientAwsError or PermanentAwsError."""

    def __init__(self, client: SageMakerClient, *, region: str) -> None:
        self._client: Any = client
        self.region = region

    # --- versions -------------------------------------------------------------------------------------------

    def package(self, arn: str) -> ModelPackage | None:
        """As it is now; None where there is none, and for a package that is not a version in a group."""
        raw = self._described(arn)
        return answers.package(raw) if raw is not None else None

    def pending(self, group: str) -> Iterator[ListedPackage]:
        """Every version that nobody has decided about, the newest first, asked for page by page as it is taken.

        Empty where there is no such group.
        """
        for raw in self._listed(group, ApprovalStatus.PENDING):
            if (found := answers.listed(raw)) is not None:
                yield found

    def newest_approved(self, group: str) -> ModelPackage | None:
        """The Approved version with the highest number, of those that can be deployed; None: there is none.

        By number and not by time: SageMaker keeps no time of an approval, and the time of the last change moves with
        every change of a version's metadata. Pipelines that deploy ask for the newest version that is Approved as well.
        """
        listed = sorted(self._listed(group, ApprovalStatus.APPROVED), key=answers.version, reverse=True)
        for raw in listed:
            if raw.get("ModelPackageStatus", _USABLE) != _USABLE:
                continue
            found = self.package(str(raw["ModelPackageArn"]))
            if found is not None and found.approval is ApprovalStatus.APPROVED:
                return found
        return None

    def decide(self, arn: str, status: ApprovalStatus, description: str, metadata: Mapping[str, str]) -> None:
        """Set the status, why, and the figures. There is no compare-and-set: re-read the package right before.

        What is too long is cut and what SageMaker refuses becomes a space. Entries that are there stay; at 50 in all
        the last of the new ones are left out. Whether SageMaker merges the entries or replaces them is not documented:
        those that are there are sent again.
        """
        there: Mapping[str, str] = (self._described(arn) or {}).get("CustomerMetadataProperties") or {}
        whole: dict[str, Any] = {
            "ModelPackageArn": arn,
            "ModelApprovalStatus": status.value,
            "ApprovalDescription": _one_line(description, LONGEST_DESCRIPTION),
        }
        if merged := _merged(there, metadata):
            whole["CustomerMetadataProperties"] = merged
        with translated("sagemaker:UpdateModelPackage"):
            self._client.update_model_package(**whole)

    # --- what trained them ------------------------------------------------------------------------------------

    def steps(self, execution_arn: str) -> list[JobKey]:
        """Every job that a pipeline execution's steps ran and that costs are booked for, in order, each once.

        Quality and bias checks are processing jobs. A step that was answered from the cache names the job of the
        earlier execution: that is what made this candidate. Batch transforms are not priced and left out. Empty where
        there is no such execution.
        """
        pages = self._pages("list_pipeline_execution_steps", "ListPipelineExecutionSteps",
                            PipelineExecutionArn=execution_arn, SortOrder="Ascending")  # fmt: skip
        found = (answers.job_of(raw) for page in pages for raw in page["PipelineExecutionSteps"])
        return list(dict.fromkeys(key for key in found if key is not None))

    def trained(self, job_name: str) -> TrainedJob | None:
        """What a training job left behind, so far; None where there is no such job."""
        raw = self._or_none(
            "sagemaker:DescribeTrainingJob", lambda: self._client.describe_training_job(TrainingJobName=job_name)
        )
        return answers.trained(raw) if raw is not None else None

    # --- calls ------------------------------------------------------------------------------------------------

    def _described(self, arn: str) -> Mapping[str, Any] | None:
        raw: Mapping[str, Any] | None = self._or_none(
            "sagemaker:DescribeModelPackage", lambda: self._client.describe_model_package(ModelPackageName=arn)
        )
        return raw

    def _listed(self, group: str, status: ApprovalStatus) -> Iterator[Mapping[str, Any]]:
        pages = self._pages("list_model_packages", "ListModelPackages", ModelPackageGroupName=group,
                            ModelApprovalStatus=status.value, SortBy="CreationTime",
                            SortOrder="Descending")  # fmt: skip
        for page in pages:
            yield from page["ModelPackageSummaryList"]

    def _pages(self, method: str, operation: str, **asked: str) -> Iterator[Mapping[str, Any]]:
        """No page where SageMaker does not know what was asked for."""
        paginator = self._client.get_paginator(method)
        pages = iter(paginator.paginate(**asked, PaginationConfig={"PageSize": _PAGE}))
        while (page := self._or_none(f"sagemaker:{operation}", lambda: next(pages, None))) is not None:
            yield page

    @staticmethod
    def _or_none(operation: str, call: Callable[[], Any]) -> Any:
        try:
            with translated(operation):
                return call()
        except PermanentAwsError as error:
            if _says_not_there(error):
                return None
            raise


def _says_not_there(error: PermanentAwsError) -> bool:
    """SageMaker says ResourceNotFound, or that a value is invalid because what it names does not exist."""
    if error.code in ("ResourceNotFound", "ResourceNotFoundException"):
        return True
    text = str(error).lower()
    return error.code == "ValidationException" and ("does not exist" in text or "not found" in text)


def _merged(there: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    found = dict(there)
    for key, value in new.items():
        text = _one_line(_REFUSED.sub(" ", value.replace("%", " percent")), LONGEST_METADATA)
        if text and (key in found or len(found) < _MOST_METADATA):
            found[key] = text
    return found


def _one_line(text: str, longest: int) -> str:
    return " ".join(text.split())[:longest].rstrip()
