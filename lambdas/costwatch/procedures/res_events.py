"""Follow an event: look at the candidate it is about, now instead of at the next sweep."""

from __future__ import annotations

from costwatch.adapters.ledger_judgements import Artifact
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.model import RunId, RunKind
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.core.policy import Service
from costwatch.intake import PackageChanged, TrainingEnded
from costwatch.procedures import outbox
from costwatch.procedures.booking import book_job
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.res_consider import consider
from costwatch.procedures.res_report import ResReport


def package_changed(b: Breaker, event: PackageChanged) -> ResReport:
    """Judge a package, or see what a person did with it. Raises AwsError, so that Lambda tries again."""
    report = ResReport(at=b.w.now())
    if _is_ours(b, event.account, event.region) and b.w.policy.res.of_group(event.group) is not None:
        package = b.registry(event.region).package(event.arn)
        decides = event.approval in (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED) and not event.ours
        if package is not None:
            consider(b, package, report, _hand(event, package) if decides else None)
        outbox.flush(b.w, report, warnings=False)
    return report


def training_ended(b: Breaker, event: TrainingEnded) -> ResReport:
    """Book what the job cost, remember what it left, and judge what waited for it: each by itself, and the sweep looks
    at one that fails again. Raises AwsError.
    """
    w, report = b.w, ResReport(at=b.w.now())
    if not _is_ours(b, event.account, event.region):
        return report
    job = w.sagemaker(event.region).job(event.job, Service.TRAINING)
    if job is not None and job.gone:
        book_job(w, event.region, job)
    if event.artifact:
        b.judgements.keep_artifact(w.account, event.artifact, Artifact(event.region, event.job), w.now())
    run = str(RunId(w.account, event.region, RunKind.TRAINING, event.job))
    for waiting in b.judgements.open(w.account, report.skip):
        if waiting.state is State.WAITING and _waits_for(waiting, run, event.artifact):
            with report.isolating(waiting.id):
                package = b.registry(waiting.region).package(waiting.package_arn)
                if package is not None:
                    consider(b, package, report)
    outbox.flush(w, report, warnings=False)
    return report


def _hand(event: PackageChanged, package: ModelPackage) -> Decided | None:
    """Of a decision that the event tells of: whose it was only the registry says, as long as it shows it."""
    if event.approval is None:
        return None
    by = package.modified_by if package.approval is event.approval else ""
    return Decided(by, event.at, event.approval, name=by.rpartition("/")[2], hand=Hand.FIRST)


def _is_ours(b: Breaker, account: str, region: str) -> bool:
    policy = b.w.policy
    return policy.res.mode is not Mode.OFF and account == b.w.account and region in policy.regions


def _waits_for(judgement: Judgement, run: str, artifact: str) -> bool:
    """What does not know what trained it may learn it now."""
    return run in judgement.runs or not judgement.runs or (bool(artifact) and judgement.artifact == artifact)
