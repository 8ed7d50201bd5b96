"""A version in the model registry, as SageMaker describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

META_RUN: Final = "costwatch:run"
"""The run that trained it, where no training job did: the tag value of `costwatch:run`, or a whole run id."""
META_BASELINE: Final = "costwatch:baseline"
META_CANDIDATE: Final = "costwatch:candidate"
"""Both numbers from the caller: the metric of what serves and of this one, measured on the same data."""
META_STANDARD_ERROR: Final = "costwatch:standard-error"
META_SAMPLE_SIZE: Final = "costwatch:sample-size"
META_DIFFERENCES: Final = "costwatch:differences"
"""S3 URI of a JSON list: candidate minus baseline for each example."""
META_DATA: Final = "costwatch:evaluation-data"
META_ETAG: Final = "costwatch:evaluation-etag"
"""What it was measured on: an S3 URI, and the object's ETag; without one the object's own is read, as long as it was
not written again."""

LONGEST_METADATA: Final = 256
LONGEST_DESCRIPTION: Final = 1024


class ApprovalStatus(StrEnum):
    PENDING = "PendingManualApproval"
    APPROVED = "Approved"
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """`arn` names account, region, group and version. All times are aware UTC.

    `artifacts`: the S3 paths of its containers' model data. `generated_by`: the pipeline execution that registered it;
    empty: none is named. `statistics_uri`: the JSON of its model quality; empty: none. `status`: ModelPackageStatus.
    """

    arn: str
    account: str
    region: str
    group: str
    version: int
    status: str
    approval: ApprovalStatus
    created_at: datetime
    modified_at: datetime | None = None
    modified_by: str = ""
    """Who changed it last, as far as SageMaker tells; empty: not told."""
    artifacts: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    generated_by: str = ""
    statistics_uri: str = ""
    approval_description: str = ""

    @property
    def pending(self) -> bool:
        """Whether nobody has decided about it yet."""
        return self.approval is ApprovalStatus.PENDING

    @property
    def name(self) -> str:
        """For people: `churn v41`."""
        return f"{self.group} v{self.version}"


@dataclass(frozen=True, slots=True)
class TrainedJob:
    """What a training job left behind. `artifact` empty: nothing, or not yet. `began_at`: since when it may have read
    its channels, aware UTC; None: not known.

    `final_metrics`: FinalMetricDataList by name, as text where SageMaker gives no finite number. `channels`: the S3 URI
    of each input channel.
    """

    name: str
    artifact: str
    final_metrics: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    began_at: datetime | None = None
