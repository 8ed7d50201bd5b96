"""SageMaker's model registry as AWS's, where moto's forgets, replaces or accepts too much.

A version without a status waits for an approval. UpdateModelPackage changes what it names and nothing else, and refuses
what is over SageMaker's limits. Whether it merges CustomerMetadataProperties or replaces them is not documented: here
they are replaced, so that a caller who does not send the old ones again loses them. Lists come in pages of ten.

Who changes a version through the API is the role of the world's `actor`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import ModelPackage, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from demo.embedded.patching import Patch
from demo.embedded.world import current

_DEFAULT_PAGE: Final = 10
_TEXT: Final = re.compile(r"[\w .:/=+\-@]*")
_LIMITS: Final = {"key": 128, "value": 256}

_moto_init = ModelPackage.__init__
_moto_describe = SageMakerModelBackend.describe_model_package
_moto_create = SageMakerModelBackend.create_model_package


def _born(package: Any, *args: Any, **kwargs: Any) -> None:
    _moto_init(package, *args, **kwargs)
    if package.model_package_group_name and package.model_approval_status is None:
        package.model_approval_status = "PendingManualApproval"


def _create(backend: Any, **kwargs: Any) -> str:
    _check(kwargs.get("customer_metadata_properties") or {}, "")
    made: str = _moto_create(backend, **kwargs)
    return made


def _describe(backend: Any, model_package_name: str) -> Any:
    if model_package_name not in backend.model_package_name_mapping:
        raise ValidationError(message=f"ModelPackage {model_package_name} does not exist.")
    return _moto_describe(backend, model_package_name)


def _update_response(response: Any) -> ActionResult:
    package = response.sagemaker_backend.describe_model_package(response._get_param("ModelPackageArn"))
    update(
        package,
        status=response._get_param("ModelApprovalStatus"),
        description=response._get_param("ApprovalDescription"),
        metadata=response._get_param("CustomerMetadataProperties"),
        by=current().actor.format(account=response.sagemaker_backend.account_id),
    )
    for key in response._get_param("CustomerMetadataPropertiesToRemove") or []:
        package.customer_metadata_properties.pop(key, None)
    return ActionResult({"ModelPackageArn": package.arn})


def update(
    package: Any,
    *,
    status: str | None = None,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
    by: str,
) -> None:
    """Somebody, by ARN, changes moto's package. Raises moto's ValidationError; None leaves a member as it is."""
    _check(metadata or {}, description or "")
    if status is not None:
        package.set_model_approval_status(status)
    if description is not None:
        package.approval_description = description
    if metadata is not None:
        package.customer_metadata_properties = dict(metadata)
    package.modifications_done()
    package.last_modified_by = {"IamIdentity": {"Arn": by, "PrincipalId": "AROAEXAMPLE"}}


def _check(metadata: dict[str, str], description: str) -> None:
    if len(description) > 1024:
        raise _refused("approvalDescription", "Member must have length less than or equal to 1024")
    if len(metadata) > 50:
        raise _refused("customerMetadataProperties", "Member must have length less than or equal to 50")
    for entry in metadata.items():
        for (what, longest), text in zip(_LIMITS.items(), entry, strict=True):
            if not 1 <= len(text) <= longest or not _TEXT.fullmatch(text):
                raise _refused(f"customerMetadataProperties.{what}", f"Map {what} must satisfy constraint: {text!r}")


def _refused(member: str, why: str) -> ValidationError:
    return ValidationError(message=f"1 validation error detected: Value at '{member}' failed to satisfy: {why}")


def _list_response(response: Any) -> ActionResult:
    backend = response.sagemaker_backend
    group = str(response._get_param("ModelPackageGroupName") or "").rpartition("/")[2]
    if group and group not in backend.model_package_groups:
        arn = f"arn:aws:sagemaker:{backend.region_name}:{backend.account_id}:model-package-group/{group}"
        raise ValidationError(message=f"ModelPackageGroup {arn} does not exist.")
    wanted = response._get_param("ModelApprovalStatus")
    found = [
        package
        for package in list(backend.model_packages.values())
        if (package.model_package_group_name or "") == group and wanted in (None, package.model_approval_status)
    ]
    found.sort(key=lambda each: (each.creation_time, each.model_package_version or 0))
    if response._get_param("SortOrder") == "Descending":
        found.reverse()
    start = int(response._get_param("NextToken") or 0)
    stop = start + int(response._get_param("MaxResults") or _DEFAULT_PAGE)
    summaries = [_summary(each) for each in found[start:stop]]
    return ActionResult({"ModelPackageSummaryList": summaries, "NextToken": str(stop) if stop < len(found) else None})


def _summary(package: Any) -> dict[str, Any]:
    """A list tells neither who changed a version last, nor when, nor what it is made of."""
    told = {
        "ModelPackageGroupName": package.model_package_group_name,
        "ModelPackageVersion": package.model_package_version,
        "ModelPackageArn": package.arn,
        "CreationTime": package.creation_time,
        "ModelPackageStatus": package.model_package_status,
        "ModelApprovalStatus": package.model_approval_status,
    }
    return {key: value for key, value in told.items() if value is not None}


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(ModelPackage, "__init__", _born),
        Patch(SageMakerModelBackend, "create_model_package", _create),
        Patch(SageMakerModelBackend, "describe_model_package", _describe),
        Patch(SageMakerResponse, "list_model_packages", _list_response),
        Patch(SageMakerResponse, "update_model_package", _update_response),
    ]
