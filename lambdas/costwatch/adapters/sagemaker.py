"""SageMaker's training, processing, tuning and AutoML jobs in one region: read and stop. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from costwatch.adapters import sagemaker_members as members
from costwatch.adapters.aws_errors import translated
from costwatch.adapters.sagemaker_members import is_child, utc
from costwatch.core import grouping
from costwatch.core.known_jobs import NOTHING_KNOWN, JobKey, JobOver, JobsSeen, KnownJob, ListedChild
from costwatch.core.model import Member, Run, RunKind
from costwatch.core.policy import Service
from costwatch.errors import AwsError, PermanentAwsError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient

_UNANSWERED_IN_A_ROW = 3
_PAGE = 100
_OVER: Final = ("Completed", "Failed", "Stopped")
_NOT_THERE: Final = ("ValidationException", "ResourceNotFound", "ResourceNotFoundException")

Known = Mapping[JobKey, KnownJob]


@dataclass(frozen=True, slots=True)
class _Api:
    """What SageMaker calls one kind of job: `training_job` in methods, `TrainingJob` in names and answers."""

    method: str
    plural: str
    word: str
    label: str
    member: Callable[[Mapping[str, Any], Mapping[str, str] | None], Member]
    suffix: str = ""
    """Of the call that describes jobs of all versions."""

    @property
    def describe(self) -> str:
        return f"Describe{self.word}{self.suffix}"

    @property
    def listing(self) -> str:
        return f"List{self.word}s"


_APIS: Final = {
    Service.TRAINING: _Api("training_job", "training_jobs", "TrainingJob", "training job", members.training),
    Service.PROCESSING: _Api("processing_job", "processing_jobs", "ProcessingJob", "processing job",
                             members.processing),
    Service.TUNING: _Api("hyper_parameter_tuning_job", "hyper_parameter_tuning_jobs", "HyperParameterTuningJob",
                         "tuning job", members.tuning),
    Service.AUTOML: _Api("auto_ml_job", "auto_ml_jobs", "AutoMLJob", "AutoML job", members.automl, suffix="V2"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Listed:
    """One entry of a list. `phase` None: it does not tell that of a training job. Other kinds have none."""

    service: Service
    name: str
    arn: str
    created: datetime | None
    state: str
    phase: str | None

    @property
    def key(self) -> JobKey:
        return self.service, self.name


class SageMaker:
    """One account and region. Raises TransientAwsError or PermanentAwsError."""

    def __init__(self, client: SageMakerClient, *, region: str) -> None:
        self._client: Any = client
        self.region = region

    # --- all that is in progress ---------------------------------------------------------------------------

    def jobs(self, known: Known = NOTHING_KNOWN, now: datetime | None = None) -> JobsSeen:
        """All jobs in progress, and the tuning and AutoML jobs whose children are.

        The lists name no type, start or tags, so each job that is not `known` is described. A job whose tags cannot be
        read comes with `tags` None; one that cannot be described is left out and reported. So is a kind whose list
        fails, unless it is that of the training jobs: without them nothing is known of the others' children.
        """
        at = now or datetime.now(UTC)
        errors: list[AwsError] = []
        found: list[KnownJob] = []
        unanswered = 0
        listed, read = self._listed(errors)
        for entry in listed:
            try:
                job = self._one(entry, known, at, errors)
            except AwsError as error:
                errors.append(error)
                unanswered = unanswered + 1 if error.retry else 0
                if unanswered == _UNANSWERED_IN_A_ROW:
                    raise  # the region hangs: describing on would cost the others their time
                continue
            unanswered = 0
            if job is not None and job.member.alive:
                found.append(job)
        found = _owned(found)
        learned = [job.to_keep() for job in found if job.is_whole and job.to_keep() != known.get(job.key)]
        in_progress = {entry.key for entry in listed}
        over = [key for key in known if key[0] in read and key not in in_progress]
        seen = [job.member for job in found]
        return JobsSeen([*seen, *self._parents_of(seen, errors)], errors, learned, over)

    def _listed(self, errors: list[AwsError]) -> tuple[list[_Listed], set[Service]]:
        """What is in progress, and the kinds whose lists could be read."""
        found = self._list(Service.TRAINING)
        read = {Service.TRAINING}
        for service in (Service.PROCESSING, Service.TUNING, Service.AUTOML):
            try:
                found += self._list(service)
                read.add(service)
            except AwsError as error:
                errors.append(error)
        return found, read

    def _one(self, entry: _Listed, known: Known, now: datetime, errors: list[AwsError]) -> KnownJob | None:
        """From what is known where that is enough. Raises AwsError."""
        before = known.get(entry.key)
        if before is None or not before.is_of(entry.created) or entry.phase is None:
            raw = self._describe(entry.service, entry.name)
            if raw is None:
                return None
            member = _APIS[entry.service].member(raw, {})
            return KnownJob(member, now) if is_child(member) else self._tagged(member, entry.arn, now, errors)
        member = replace(before.member, state=entry.state, phase=entry.phase)
        if is_child(member) or not before.tags_are_due(now):
            return KnownJob(member, before.tags_read_at)
        return self._tagged(member, entry.arn, now, errors)

    def _tagged(self, member: Member, arn: str, now: datetime, errors: list[AwsError]) -> KnownJob:
        tags = tags_or_none(self._client, arn)
        if tags is None:
            label = _APIS[member.service].label
            errors.append(PermanentAwsError(f"tags of {label} {member.id} could not be read"))
        return KnownJob(replace(member, tags=tags), now)

    def _parents_of(self, found: list[Member], errors: list[AwsError]) -> list[Member]:
        """Jobs that children name and that are on no list of what is in progress: they are ending, or over."""
        there = {(m.service, m.id) for m in found}
        parents: list[Member] = []
        for parent in dict.fromkeys(m.parent for m in found if m.parent is not None and is_child(m)):
            if (parent.kind.service, parent.id) in there:
                continue
            there.add((parent.kind.service, parent.id))
            try:
                member = self.job(parent.id, parent.kind.service)
            except AwsError as error:
                errors.append(error)
                member = None
            parents.append(member or members.unreadable(parent))
        return parents

    def over_since(self, moment: datetime) -> tuple[list[JobOver], list[AwsError]]:
        """Jobs of every kind that were created then or later and are over; children of others among them.

        A kind whose list fails is left out and reported.

        The newest come first, and reading ends with the first that is older. `LastModifiedTimeAfter` would say what is
        asked for here, and makes SageMaker page through all that there ever was (aws-cli issue 7596).
        """
        found: list[JobOver] = []
        errors: list[AwsError] = []
        for service in _APIS:
            try:
                found += self._over_since(service, moment)
            except AwsError as error:
                errors.append(error)
        return found, errors

    def _over_since(self, service: Service, moment: datetime) -> Iterator[JobOver]:
        api = _APIS[service]
        with translated(f"sagemaker:{api.listing}"):
            pages = self._client.get_paginator(f"list_{api.plural}").paginate(
                SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"PageSize": _PAGE}
            )
            for page in pages:
                for raw in page[f"{api.word}Summaries"]:
                    created = utc(raw.get("CreationTime"))
                    if created is None or created < moment:
                        return
                    if raw[f"{api.word}Status"] in _OVER:
                        yield JobOver(service, raw[f"{api.word}Name"], created)

    # --- one job, or one with its children ------------------------------------------------------------------

    def job(self, name: str, service: Service = Service.TRAINING) -> Member | None:
        """One job with its tags, without its children; None when SageMaker does not know it."""
        raw = self._describe(service, name)
        if raw is None:
            return None
        api = _APIS[service]
        member = api.member(raw, {})
        # Unreadable tags hold the run, they do not hide it.
        return member if is_child(member) else replace(member, tags=tags_or_none(self._client, raw[f"{api.word}Arn"]))

    def family(self, name: str, service: Service, known: Known = NOTHING_KNOWN) -> tuple[Member | None, list[Member]]:
        """A tuning or AutoML job, and its children that are not over, each described just now."""
        found: list[Member] = []
        for entry in self._children(name, service, known):
            raw = self._describe(entry.service, entry.name)
            if raw is not None:
                child = _APIS[entry.service].member(raw, {})
                if not child.gone and child.parent is not None and child.parent.id == name:
                    found.append(child)
        return self.job(name, service), found

    def children_listed(self, tuner: str) -> list[ListedChild]:
        """Every training job that a tuning job has started, over or not, a hundred a call."""
        return [
            ListedChild(raw["TrainingJobName"], utc(raw.get("TrainingStartTime")), utc(raw.get("TrainingEndTime")))
            for raw in self._summaries_of_tuner(tuner)
        ]

    def _children(self, name: str, service: Service, known: Known) -> list[_Listed]:
        """What may be a child: for an AutoML job all that is not known to belong elsewhere."""
        if service is Service.TUNING:
            return [entry for status in ("InProgress", "Stopping") for entry in self._list_of_tuner(name, status)]
        return [
            entry
            for kind in (Service.TRAINING, Service.PROCESSING)
            for status in ("InProgress", "Stopping")
            for entry in self._list(kind, status)
            if _may_be_of(name, known.get(entry.key), entry)
        ]

    def afresh(self, run: Run, known: Known = NOTHING_KNOWN) -> Run:
        """The run as it is now; a job that has ended is no longer a member."""
        if run.id.kind.has_children:
            head, children = self.family(run.id.name, run.id.kind.service, known)
            living = [child for child in children if child.alive]
            alive = [head, *living] if head is not None and (head.alive or living) else []
        else:
            found = (self.job(member.id, member.service) for member in run.members)
            alive = [member for member in found if member is not None and member.alive]
        ordered = tuple(sorted(alive, key=lambda member: member.id))
        return replace(run, members=ordered, parent=grouping.controller(run.id, ordered), fresh=True)

    # --- acts -----------------------------------------------------------------------------------------------

    def stop(self, name: str, service: Service = Service.TRAINING) -> None:
        """SIGTERM and 120 seconds for each instance. A job that has ended answers with a ValidationException."""
        api = _APIS[service]
        with translated(f"sagemaker:Stop{api.word}"):
            getattr(self._client, f"stop_{api.method}")(**{f"{api.word}Name": name})

    def end_warm_pool(self, name: str) -> None:
        """Give back the instances that a training job which is over keeps for the next one."""
        with translated("sagemaker:UpdateTrainingJob"):
            self._client.update_training_job(TrainingJobName=name, ResourceConfig={"KeepAlivePeriodInSeconds": 0})

    # --- calls ----------------------------------------------------------------------------------------------

    def _list(self, service: Service, status: str = "InProgress") -> list[_Listed]:
        api = _APIS[service]
        found: list[_Listed] = []
        with translated(f"sagemaker:{api.listing}"):
            pages = self._client.get_paginator(f"list_{api.plural}").paginate(
                StatusEquals=status, PaginationConfig={"PageSize": _PAGE}
            )
            for page in pages:
                found.extend(_entry(service, api.word, raw) for raw in page[f"{api.word}Summaries"])
        return found

    def _list_of_tuner(self, name: str, status: str) -> list[_Listed]:
        return [_entry(Service.TRAINING, "TrainingJob", raw) for raw in self._summaries_of_tuner(name, status)]

    def _summaries_of_tuner(self, name: str, status: str = "") -> list[Mapping[str, Any]]:
        """Empty `status`: of any."""
        found: list[Mapping[str, Any]] = []
        only = {"StatusEquals": status} if status else {}
        try:
            with translated("sagemaker:ListTrainingJobsForHyperParameterTuningJob"):
                pages = self._client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
                    HyperParameterTuningJobName=name, **only, PaginationConfig={"PageSize": _PAGE}
                )
                for page in pages:
                    found.extend(page["TrainingJobSummaries"])
        except PermanentAwsError as error:
            if error.code not in _NOT_THERE:
                raise
        return found

    def _describe(self, service: Service, name: str) -> Mapping[str, Any] | None:
        api = _APIS[service]
        try:
            with translated(f"sagemaker:{api.describe}"):
                call = getattr(self._client, f"describe_{api.method}{'_v2' if api.suffix else ''}")
                raw: Mapping[str, Any] = call(**{f"{api.word}Name": name})
        except PermanentAwsError as error:
            if error.code in _NOT_THERE:
                return None
            raise
        return raw


def tags_or_none(client: SageMakerClient, arn: str) -> dict[str, str] | None:
    """The tags of anything in SageMaker; None: they could not be read, which is not the same as having none."""
    try:
        with translated("sagemaker:ListTags"):
            pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    except AwsError:
        return None


def _entry(service: Service, word: str, raw: Mapping[str, Any]) -> _Listed:
    # Of these lists only that of training jobs tells the phase; it would mean another thing for an AutoML job.
    phase = raw.get("SecondaryStatus") if service is Service.TRAINING else ""
    created = utc(raw.get("CreationTime"))
    return _Listed(service, raw[f"{word}Name"], raw[f"{word}Arn"], created, raw[f"{word}Status"], phase)


def _owned(found: list[KnownJob]) -> list[KnownJob]:
    """A tuning job that an AutoML job started says so nowhere; the training jobs it starts name both."""
    parents = (job.member.parent for job in found)
    owners = {parent.via: replace(parent, via="") for parent in parents if parent is not None and parent.via}
    return [
        replace(job, member=replace(job.member, parent=owners[job.member.id]))
        if job.member.service is Service.TUNING and job.member.id in owners
        else job
        for job in found
    ]


def _may_be_of(name: str, known: KnownJob | None, entry: _Listed) -> bool:
    if known is None or entry.created != known.member.clock.exists_since:
        return True
    parent = known.member.parent
    return parent is not None and (parent.kind, parent.id) == (RunKind.AUTOML, name)
