"""What runs in SageMaker in one region: six lists, then one description each, several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Final, TypeVar

from costwatch.adapters.aws_errors import translated
from costwatch.adapters.sagemaker_members import utc
from costwatch.core.model import Member
from costwatch.errors import AwsError
from costwatch.scan.describing import Describer, Listed
from costwatch.scan.inventory import Findings, Gap, Resource, Unread
from costwatch.scan.trouble import gap_of

AT_ONCE: Final = 8
"""Descriptions in flight in one region; clients must have as many connections."""
_UNANSWERED = 3
_PAGE = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _List:
    """How one kind is listed: boto3's method, the operation, where names stand, which states hold instances."""

    kind: str
    method: str
    operation: str
    key: str
    prefix: str
    states: frozenset[str]
    by_status: bool = False
    """Whether the service itself can leave out what is over."""


_IN_PROGRESS = frozenset({"InProgress"})
_LISTS: Final = (
    _List("training", "list_training_jobs", "ListTrainingJobs", "TrainingJobSummaries", "TrainingJob",
          _IN_PROGRESS, by_status=True),
    _List("processing", "list_processing_jobs", "ListProcessingJobs", "ProcessingJobSummaries", "ProcessingJob",
          _IN_PROGRESS, by_status=True),
    _List("tuning", "list_hyper_parameter_tuning_jobs", "ListHyperParameterTuningJobs",
          "HyperParameterTuningJobSummaries", "HyperParameterTuningJob", _IN_PROGRESS, by_status=True),
    _List("automl", "list_auto_ml_jobs", "ListAutoMLJobs", "AutoMLJobSummaries", "AutoMLJob",
          _IN_PROGRESS, by_status=True),
    _List("notebook", "list_notebook_instances", "ListNotebookInstances", "NotebookInstances", "NotebookInstance",
          frozenset({"InService", "Updating", "PendingMaintenance", "InMaintenance"})),
    _List("endpoint", "list_endpoints", "ListEndpoints", "Endpoints", "Endpoint",
          frozenset({"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed",
                     "OutOfService"})),
)  # fmt: skip


class Reader:
    """One region. `stop` set: whoever waited has given up, so nothing further is asked."""

    def __init__(self, client: Any, *, region: str, stop: Event) -> None:
        self._client = client
        self._region = region
        self._stop = stop
        self._describer = Describer(client, region=region)
        self._lock = Lock()
        self._unanswered = 0

    def read(self) -> Findings:
        """Everything that runs here. Trouble becomes gaps and unread entries; it never raises an AwsError."""
        listed: list[Listed] = []
        gaps: list[Gap] = []
        answered = False
        for which in _LISTS:
            if self._stop.is_set():
                break
            try:
                listed += self._list(which)
                answered = True
            except AwsError as error:
                hangs = error.retry and not answered  # and would hang at each of the other lists
                gaps.append(gap_of(error, self._region, "sagemaker" if hangs else f"sagemaker:{which.operation}"))
                if hangs:
                    break
        members: list[Member] = []
        resources: list[Resource] = []
        unread: list[Unread] = []
        for found in self._several(self._describe, listed):
            match found:
                case Member():
                    members.append(found)
                case Resource():
                    resources.append(found)
                case Unread():
                    unread.append(found)
        counted = {
            each.name: int(each.raw.get("TrainingJobStatusCounters", {}).get("InProgress", 0))
            for each in listed
            if each.kind == "tuning"
        }
        return Findings(
            self._region, "sagemaker", answered, tuple(members), tuple(resources), tuple(unread), tuple(gaps), counted
        )

    def _list(self, which: _List) -> list[Listed]:
        arguments: dict[str, Any] = {"StatusEquals": "InProgress"} if which.by_status else {}
        found: list[Listed] = []
        with translated(f"sagemaker:{which.operation}"):
            pages = self._client.get_paginator(which.method).paginate(**arguments, PaginationConfig={"PageSize": _PAGE})
            for page in pages:
                for raw in page[which.key]:
                    state = raw[f"{which.prefix}Status"]
                    if state in which.states:
                        name, arn = raw[f"{which.prefix}Name"], raw[f"{which.prefix}Arn"]
                        found.append(Listed(which.kind, name, arn, state, utc(raw.get("CreationTime")), raw))
        return found

    def _describe(self, listed: Listed) -> Member | Resource | Unread | None:
        """None: it ended between the list and now."""
        if self._stop.is_set() or self._given_up:
            return _unread(listed, "not asked any more: SageMaker stopped answering in this region")
        try:
            found = self._describer.one(listed)
        except AwsError as error:
            with self._lock:
                self._unanswered += error.retry
            return _unread(listed, str(error))
        except (KeyError, TypeError, ValueError) as error:
            return _unread(listed, f"its description is not what was expected: {error!r}")
        with self._lock:
            self._unanswered = 0
        return found

    @property
    def _given_up(self) -> bool:
        with self._lock:
            return self._unanswered >= _UNANSWERED

    def _several(self, work: Callable[[Listed], T], items: Iterable[Listed]) -> list[T]:
        """In the order of `items`."""
        wanted = list(items)
        if not wanted:
            return []
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix=f"scan-{self._region}") as pool:
            futures: list[Future[T]] = [pool.submit(copy_context().run, work, item) for item in wanted]
            return [future.result() for future in futures]


def _unread(listed: Listed, reason: str) -> Unread:
    return Unread(listed.kind, listed.name, listed.created, "CreationTime", reason)
