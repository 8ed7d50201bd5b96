"""Follow an event: look at the run its resource belongs to, now instead of at the next sweep."""

from __future__ import annotations

from costwatch.core.policy import Mode, Service
from costwatch.core.record import Status
from costwatch.procedures import outbox
from costwatch.procedures.booking import book_job
from costwatch.procedures.first_seen import record_costly, record_start
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport
from costwatch.procedures.verify import reconcile


def follow(w: Watchdog, account: str, region: str, service: Service, member_id: str) -> SweepReport:
    """Verify or close the open records that know `member_id`, or that wait for a relaunch to show.

    A job that no sweep has seen yet gets its record with its forecast, and where it is over its cost is booked; so does
    an instance whose run may cost more than needs no yes. Other unknown resources are left to the sweep. Raises
    AwsError, so that Lambda tries again.
    """
    report = SweepReport(at=w.now())
    seen = False
    if w.policy.mode is Mode.OFF or account != w.account:
        return report
    open_records = w.ledger.open_records(account, region, report.skip)
    for run_id, record in open_records.items():
        stopping = record.status is Status.STOPPING and record.stop is not None
        known = set(record.member_ids) | set(record.stop.members if record.stop else ())
        if run_id.kind.service.is_sagemaker is not service.is_sagemaker or not (member_id in known or stopping):
            continue
        reconcile(w, record, report)
        seen = seen or member_id in known
    if service.is_sagemaker and not seen:
        job = w.sagemaker(region).job(member_id, service)
        if job is not None and job.gone:
            book_job(w, region, job)
        elif job is not None:
            record_start(w, region, job, report)
    elif not seen:
        record_costly(w, region, member_id, open_records, report)
    outbox.flush(w, report, warnings=False)
    return report
