"""Reads SageMaker's own history of one region: whole jobs by Search, 100 a page, else lists and one description each.

Search knows no processing and no AutoML jobs. Lists are asked for what was created after a moment, newest first, and
never for `LastModifiedTimeAfter`: with that they have been seen to page on without an end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock
from typing import Any, Final

from costwatch.adapters.aws_errors import translated
from costwatch.adapters.sagemaker import tags_or_none
from costwatch.adapters.sagemaker_members import is_child, utc
from costwatch.core.policy import Service
from costwatch.errors import AwsError, PermanentAwsError
from costwatch.preview.describing import WORDS, past_job, tags_of
from costwatch.preview.history import LeftOut, PastJob, RegionHistory
from costwatch.scan.inventory import Gap
from costwatch.scan.trouble import gap_of

AT_ONCE: Final = 8
"""Descriptions in flight in one region; clients must have as many connections."""
_REGIONS_AT_ONCE: Final = 4
_PAGE: Final = 100
_IN_A_ROW: Final = 3
"""After so many jobs of a kind that could not be described, one after the other, the rest is not asked for."""
_GONE: Final = frozenset({"ResourceNotFound", "ResourceNotFoundException", "ValidationException"})
_SEARCHED: Final = frozenset({Service.TRAINING, Service.TUNING})
_METHODS: Final = {
    Service.TRAINING: ("list_training_jobs", "describe_training_job"),
    Service.TUNING: ("list_hyper_parameter_tuning_jobs", "describe_hyper_parameter_tuning_job"),
    Service.PROCESSING: ("list_processing_jobs", "describe_processing_job"),
    Service.AUTOML: ("list_auto_ml_jobs", "describe_auto_ml_job_v2"),
}
Progress = Callable[[int], None]
"""Told how many more jobs were read; may be called from several threads."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read: created at `since` (UTC) or later, at most `most` jobs of a kind and region, newest first."""

    since: datetime
    most: int


@dataclass
class _Found:
    jobs: list[PastJob] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    undescribed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    answered: bool = False


def read(clients: Mapping[str, Any], wanted: Wanted, progress: Progress) -> list[RegionHistory]:
    """The history of every region, in their order. Trouble becomes gaps; no AwsError is raised."""
    stop = Event()
    readers = [Reader(client, region, wanted, progress, stop) for region, client in clients.items()]
    with ThreadPoolExecutor(max_workers=_REGIONS_AT_ONCE, thread_name_prefix="preview") as pool:
        try:
            return [each.result() for each in [pool.submit(copy_context().run, one.read) for one in readers]]
        finally:
            stop.set()


class Reader:
    """One region. `stop` set: whoever waited has given up, so nothing further is asked."""

    def __init__(self, client: Any, region: str, wanted: Wanted, progress: Progress, stop: Event) -> None:
        self._client = client
        self._region = region
        self._wanted = wanted
        self._progress = progress
        self._stop = stop

    def read(self) -> RegionHistory:
        """Every kind of job. One that fails is a gap and holds up no other."""
        found = _Found()
        for service in WORDS:
            try:
                self._kind(service, found)
                found.answered = True
            except AwsError as error:
                found.gaps.append(gap_of(error, self._region, error.operation or "sagemaker"))
                if error.retry and not found.answered:
                    break  # the region hangs, and would at each of the other lists
        self._missing_parents(found)
        return RegionHistory(
            self._region,
            found.answered,
            tuple(found.jobs),
            tuple(found.gaps),
            tuple(found.left_out),
            tuple(found.undescribed),
            tuple(found.notes),
        )

    def _kind(self, service: Service, found: _Found) -> None:
        if service in _SEARCHED:
            try:
                self._by_search(service, found)
            except PermanentAwsError as error:
                gap = gap_of(error, self._region, "sagemaker:Search")
                why = f"{self._region}: sagemaker:Search {gap.kind} for {service} jobs"
                found.notes.append(f"{why}, so each was described by itself ({gap.reason})")
            else:
                return
        self._by_lists(service, found)

    # --- whole jobs, a page at a time ------------------------------------------------------------------------

    def _by_search(self, service: Service, found: _Found) -> None:
        """Raises AwsError; what it read before an error is not kept, since another way reads it again."""
        word, total = WORDS[service], None
        raws: list[Mapping[str, Any]] = []
        with translated("sagemaker:Search"):
            pages = self._client.get_paginator("search").paginate(
                Resource=word,
                SearchExpression={
                    "Filters": [
                        {
                            "Name": "CreationTime",
                            "Operator": "GreaterThanOrEqualTo",
                            "Value": self._wanted.since.strftime("%Y-%m-%dT%H:%M:%S"),
                        }
                    ]
                },
                SortBy="CreationTime",
                SortOrder="Descending",
                PaginationConfig={"PageSize": _PAGE},
            )
            for page in pages:
                hits = page.get("TotalHits") or {}
                exact = hits.get("Relation", "EqualTo") == "EqualTo"
                total = hits.get("Value") if exact else None
                raws += [record[word] for record in page["Results"] if word in record]
                self._progress(len(page["Results"]))
                if len(raws) > self._wanted.most or self._stop.is_set():
                    break
        taken = self._cut(service, raws, total, found)
        for raw in taken:
            self._keep(service, raw, tags_of(raw), found)

    # --- lists, and a description for each ------------------------------------------------------------------------

    def _by_lists(self, service: Service, found: _Found) -> None:
        word, (method, _describe) = WORDS[service], _METHODS[service]
        names: list[Mapping[str, Any]] = []
        with translated(f"sagemaker:List{word}s"):
            pages = self._client.get_paginator(method).paginate(
                CreationTimeAfter=self._wanted.since,
                SortBy="CreationTime",
                SortOrder="Descending",
                PaginationConfig={"PageSize": _PAGE},
            )
            for page in pages:
                # The service's own filter may let through what is a little older.
                names += [raw for raw in page[f"{word}Summaries"]
                          if (utc(raw["CreationTime"]) or self._wanted.since) >= self._wanted.since]  # fmt: skip
                if len(names) > self._wanted.most or self._stop.is_set():
                    break
        self._describe_all(service, self._cut(service, names, None, found), found)

    def _describe_all(self, service: Service, listed: Iterable[Mapping[str, Any]], found: _Found) -> None:
        word, lock, failed = WORDS[service], Lock(), 0

        def one(raw: Mapping[str, Any]) -> None:
            nonlocal failed
            name = str(raw[f"{word}Name"])
            with lock:
                given_up = failed >= _IN_A_ROW or self._stop.is_set()
            if given_up:
                with lock:
                    found.undescribed.append((f"{service} job {name}", "not asked for any more"))
                return
            try:
                whole = self._describe(service, name)
                tags = None if whole is None else self._tags(service, whole, str(raw[f"{word}Arn"]))
            except AwsError as error:
                with lock:
                    failed += 1
                    found.undescribed.append((f"{service} job {name}", str(error)))
                return
            with lock:
                failed = 0
                if whole is not None:
                    self._keep(service, whole, tags, found)
            self._progress(1)

        wanted = list(listed)
        if not wanted:
            return
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix=f"preview-{self._region}") as pool:
            for each in [pool.submit(copy_context().run, one, raw) for raw in wanted]:
                each.result()

    def _describe(self, service: Service, name: str) -> Mapping[str, Any] | None:
        """None: it is not there any more."""
        word, (_list, method) = WORDS[service], _METHODS[service]
        try:
            with translated(f"sagemaker:Describe{word}"):
                raw: Mapping[str, Any] = getattr(self._client, method)(**{f"{word}Name": name})
        except PermanentAwsError as error:
            if error.code in _GONE:
                return None
            raise
        return raw

    def _tags(self, service: Service, raw: Mapping[str, Any], arn: str) -> dict[str, str] | None:
        """A child's are never asked for: its parent's count."""
        if is_child(past_job(service, raw, {}, self._region).member):
            return {}
        return tags_or_none(self._client, arn)

    # --- both --------------------------------------------------------------------------------------------------------

    def _cut(
        self, service: Service, raws: list[Mapping[str, Any]], total: int | None, found: _Found
    ) -> list[Mapping[str, Any]]:
        most = self._wanted.most
        if len(raws) > most:
            found.left_out.append(LeftOut(self._region, service, most, total if total and total > most else None))
        return raws[:most]

    def _keep(self, service: Service, raw: Mapping[str, Any], tags: Mapping[str, str] | None, found: _Found) -> None:
        try:
            found.jobs.append(past_job(service, raw, tags, self._region))
        except (KeyError, TypeError, ValueError) as error:
            name = f"{service} job {raw.get(f'{WORDS[service]}Name', 'without a name')}"
            found.undescribed.append((name, f"its description is not what was expected: {error!r}"))

    def _missing_parents(self, found: _Found) -> None:
        """Jobs that only their children name: created before `since`, or left out."""
        there = {(job.member.service, job.member.id) for job in found.jobs}
        for service, name in dict.fromkeys(_parents(found.jobs)):
            if (service, name) in there or self._stop.is_set():
                continue
            try:
                raw = self._describe(service, name)
                if raw is not None:
                    tags = tags_or_none(self._client, raw[f"{WORDS[service]}Arn"])
                    self._keep(service, raw, tags, found)
            except AwsError as error:
                found.undescribed.append((f"{service} job {name}", str(error)))


def _parents(jobs: Iterable[PastJob]) -> Iterator[tuple[Service, str]]:
    for job in jobs:
        parent = job.member.parent
        if parent is not None and parent.kind.has_children:
            yield parent.kind.service, parent.id
