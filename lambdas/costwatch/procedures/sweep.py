"""One sweep of the dead-man's switch over every region: read, judge, warn, stop, verify, tell.

Events are hints, the sweep is the truth: whatever an event starts, the next sweep starts without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from costwatch.adapters.pulses import MemberKey
from costwatch.core import caps, claims, grouping, ladder, overrides
from costwatch.core.census import Census, is_due
from costwatch.core.deadman import Decision, Verdict, judge
from costwatch.core.exemptions import Exemption
from costwatch.core.heartbeats import Pulse, pulse_key
from costwatch.core.lowering import still_lowered
from costwatch.core.model import Member, Run, RunId
from costwatch.core.money import burn_rate
from costwatch.core.policy import Mode, Service
from costwatch.core.record import Pause, RunRecord, Status, left_since, same_episode
from costwatch.core.silences import is_released
from costwatch.core.step import Step
from costwatch.core.stopping import LEASE
from costwatch.errors import TransientAwsError, UnreadableRow
from costwatch.procedures import census, costs, digest, listing, looking, outbox, unapproved
from costwatch.procedures.booking import book_over
from costwatch.procedures.exempt import with_exemptions
from costwatch.procedures.first_seen import record_dear
from costwatch.procedures.forecasting import forecast_of
from costwatch.procedures.listing import Known
from costwatch.procedures.looking import Looked
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.put_back import put_back_where_spared
from costwatch.procedures.report import Failure, Judged, Seen, SweepReport, listing_of
from costwatch.procedures.saving import save_all
from costwatch.procedures.silence import Silent, judge_silence
from costwatch.procedures.stop import Due, stop_due
from costwatch.procedures.verify import reconcile, wind_up
from costwatch.procedures.vitals import heard_runs, prove_path

SECONDS_TO_READ = 120.0
"""With less time left no further region is read: the rest is kept for stopping and telling."""


@dataclass(frozen=True, slots=True)
class _Region:
    name: str
    records: dict[RunId, RunRecord]
    pause: Pause | None
    pulses: Mapping[MemberKey, Pulse]
    path_since: datetime | None
    exempted: Mapping[str, Exemption]
    unreadable: list[UnreadableRow]
    """Rows whose runs are left as they are: what was granted, said or done to them is not known."""


def sweep(w: Watchdog) -> SweepReport:
    """Look at every run once. A region, service or run that fails is reported; the others go on.

    Raises AwsError only when the ledger itself cannot be read: without it nothing is decided.
    """
    report = SweepReport(at=w.now())
    swept = w.ledger.swept_regions(w.account, w.policy.regions)
    if w.policy.mode is Mode.OFF:
        for name in sorted(swept):
            wind_up(w, name, "switched off", report)
        outbox.flush(w, report, warnings=False)
        return report
    # Warnings wait until their runs are judged: what was true when they were written may not be any more.
    outbox.flush(w, report, warnings=False)
    # A pause that cannot be read ends the sweep: nobody may be stopped while it is unknown whether there is one.
    pause = w.ledger.pause()
    path_since = prove_path(w, report)
    due: list[Due] = []
    silent: list[Silent] = []
    records: list[RunRecord] = []
    uncounted: dict[str, Census | None] = {}
    for name in w.policy.regions:
        unreadable: list[UnreadableRow] = []
        region = _Region(
            name,
            w.ledger.open_records(w.account, name, unreadable.append),
            pause,
            w.pulses.of_region(w.account, name, unreadable.append),
            path_since,
            w.ledger.exemptions(w.account, name, unreadable.append),
            unreadable,
        )
        for row in unreadable:
            report.skip(row)
        records.extend(region.records.values())
        for run_id, record in region.records.items():
            if run_id.kind.service is Service.EC2:
                report.counted_by.update(dict.fromkeys(record.member_ids, run_id))
            report.unsettled(claims.of_run(record))
        for service, read in (
            (Service.EC2, partial(_instances, region, uncounted)),
            (Service.TRAINING, partial(_jobs, region.records)),
        ):
            with report.isolating(listing_of(name, service), _beating(region, service)):
                if w.seconds_left() < SECONDS_TO_READ:
                    raise TransientAwsError(
                        "not read: other regions took the time; what is due elsewhere is stopped first"
                    )
                for found in _service(w, region, service, read, report):
                    silent.append(found) if isinstance(found, Silent) else due.append(found)
    report.note_unseen(records)
    for name in sorted(swept - set(w.policy.regions)):
        wind_up(w, name, f"{name} is out of the configuration", report)
    due.extend(judge_silence(w, silent, report))
    stop_due(w, due, runs_of=_runs_of(w, report, records, uncounted), pause=pause, report=report)
    unapproved.attend_all(w, report)
    _count_everything(w, uncounted, {record.run_id for record in records}, report)
    with report.isolating("digest"):
        digest.unwatched(w, report)
        digest.summary(w, records, report)
    outbox.flush(w, report, warnings=pause is None or not pause.active(w.now()))
    return report


def _count_everything(
    w: Watchdog, uncounted: Mapping[str, Census | None], known: Container[RunId], report: SweepReport
) -> None:
    """Once an hour, after what is due was stopped, where only what can matter was listed.

    What is dear is young where it has no record: it gets one, so that it is listed from then on.
    """
    for name, last in uncounted.items():
        if w.counts and is_due(last, w.now()) and w.seconds_left() >= SECONDS_TO_READ:
            with report.isolating(f"{name} census"):
                census.take(w, name, report, known)
                continue
        report.not_counted.append(name)
    for run_id in report.dear:
        if w.seconds_left() < SECONDS_TO_READ:
            return
        with report.isolating(f"the money of {run_id}"):
            record_dear(w, run_id, report)


def _runs_of(
    w: Watchdog, report: SweepReport, records: list[RunRecord], uncounted: Mapping[str, Census | None]
) -> Counter[str]:
    """Runs by selector, for the share: those judged now, and those whose stop was claimed in this same window.

    Without the latter the share would shrink while its counter still counts them. Where only what can matter was
    listed, as many as were counted last, and at least those seen now: while none were, a share of few is small.
    """
    since = caps.window_start(w.policy, w.now())
    in_region = Counter((each.run_id.region, each.selector) for each in report.judged if each.selector is not None)
    for region, last in uncounted.items():
        for name, count in last.runs_of.items() if last is not None else ():
            in_region[region, name] = max(in_region[region, name], count)
    runs_of: Counter[str] = Counter()
    for (_, name), count in in_region.items():
        runs_of[name] += count
    judged = {each.run_id for each in report.judged}
    for record in records:
        stop = record.stop if record.status is Status.STOPPING and record.run_id not in judged else None
        if stop is not None and stop.lease_until - LEASE >= since:
            runs_of[record.selector] += 1
    return runs_of


def _instances(
    of: _Region, uncounted: dict[str, Census | None], w: Watchdog, region: str, report: SweepReport
) -> list[Member]:
    del report
    found = listing.instances(w, region, Known(of.records, of.pulses))
    if not found.whole:
        uncounted[region] = found.census
    return found.members


def _jobs(records: Mapping[RunId, RunRecord], w: Watchdog, region: str, report: SweepReport) -> list[Member]:
    known = w.ledger.known_jobs(w.account, region)
    found = w.sagemaker(region).jobs(known, w.now())
    report.failures.extend(Failure(listing_of(region, Service.TRAINING), str(e), e.retry) for e in found.errors)
    over = set(found.over)
    with report.isolating(f"{region} costs of jobs that are over"):
        unbooked, over = over, set()  # what cannot be booked now stays known
        over = unbooked - book_over(w, region, records, known, unbooked, report)
    with report.isolating(f"{region} what was learned of jobs"):
        # Without it the next sweep asks once more; nobody is judged otherwise for it.
        w.ledger.learn_jobs(w.account, region, found.learned, sorted(over), w.now())
    return found.members


def _service(
    w: Watchdog,
    region: _Region,
    service: Service,
    read: Callable[[Watchdog, str, SweepReport], list[Member]],
    report: SweepReport,
) -> list[Due | Silent]:
    """All runs of one service in one region. AwsError: its listing failed, so nothing is concluded about it."""
    due: list[Due | Silent] = []
    # Tags, protection and spot requests are read afresh for whoever is to be warned or stopped.
    for part in looking.parts(_look_at_all(w, region, service, read, report)):
        steps: list[Step] = []
        known = looking.read_together(w, region.name, part)
        for looked in part:
            beats = (looked.run.id,) if looked.run.vitals is not None else ()
            with report.isolating(str(looked.run.id), beats):
                found = _look_again(w, region, looked, known, report)
                if isinstance(found, Step):
                    steps.append(found)
                elif found is not None:
                    due.append(found)
        save_all(w, steps, report)
    return due


def _look_at_all(
    w: Watchdog,
    region: _Region,
    service: Service,
    read: Callable[[Watchdog, str, SweepReport], list[Member]],
    report: SweepReport,
) -> list[Looked]:
    """List the runs and settle who needs no second look; returns those to be warned or stopped. AwsError as above."""
    members = read(w, region.name, report)
    runs = grouping.runs(members, account=w.account, region=region.name, run_tag=w.policy.tags.run)
    listed = {run.id for run in runs}
    for run_id, record in region.records.items():
        if run_id.kind.service.is_sagemaker is service.is_sagemaker and run_id not in listed:
            with report.isolating(str(run_id)):
                reconcile(w, record, report, acts=True)
    again: list[Looked] = []
    steps: list[Step] = []
    heard = heard_runs(runs, region.records, region.pulses, region.path_since)
    judged = with_exemptions(heard, region.exempted, w.now())
    for run in judged:
        if any(_is_about(w, row, run, region.records.get(run.id)) for row in region.unreadable):
            report.unjudged.add(run.id)
            continue
        beats = (run.id,) if run.vitals is not None else ()
        with report.isolating(str(run.id), beats):
            looked = _look(w, run, region.records.get(run.id), region.pause, report)
            if looked is None:
                continue
            if looked.decision.verdict in (Verdict.WARN, Verdict.STOP):
                again.append(looked)
            elif isinstance(taken := _take(w, looked, report), Step):
                steps.append(taken)
    save_all(w, steps, report)
    return again


def _beating(region: _Region, service: Service) -> Iterator[RunId]:
    """Open runs of a service that have sent heartbeats."""
    for run_id, record in region.records.items():
        if run_id.kind.service.is_sagemaker is service.is_sagemaker and any(
            pulse_key(each, name) in region.pulses for name in record.member_ids for each in Service
        ):
            yield run_id


def _is_about(w: Watchdog, row: UnreadableRow, run: Run, record: RunRecord | None) -> bool:
    """Also what a member had said that has left since: once its run is judged without it, nobody reads it again."""
    left = [(service, name) for service, name, _ in left_since(run, record)]
    return w.ledger.is_row_of(row, run.id) or w.pulses.is_row_of(row, run, left) or w.ledger.is_exemption_of(row, run)


def _look(w: Watchdog, run: Run, record: RunRecord | None, pause: Pause | None, report: SweepReport) -> Looked | None:
    """Judge one run as it was listed. None: its stop is being verified."""
    now = w.now()
    if record is not None and record.status is Status.STOPPING and record.stop is not None:
        in_flight = record.stop.requested_at is not None or now < record.stop.lease_until
        if in_flight:
            reconcile(w, record, report, acts=True)
            return None
    previous = None
    if record is not None and not same_episode(run, record):
        previous, record = record, ladder.restarted(record, now)
    return Looked(run, record, judge(run, record, w.policy, pause, now, _exempt_seen(w, run, record, now)), previous)


def _look_again(
    w: Watchdog, region: _Region, looked: Looked, read: Mapping[RunId, Run], report: SweepReport
) -> Due | Silent | Step | None:
    """Judge once more what is to be warned or stopped, as it is now."""
    run = looking.looked_again(w, looked, read, region.pulses, region.path_since)
    if not run.members:
        return None  # it ended, restarted or was regrouped just now: the next sweep sees which
    now, record = w.now(), looked.record
    decision = judge(run, record, w.policy, region.pause, now, _exempt_seen(w, run, record, now))
    return _take(w, Looked(run, record, decision, looked.previous), report)


def _take(w: Watchdog, looked: Looked, report: SweepReport) -> Due | Silent | Step | None:
    """The next step, but for the stop itself; what is silent waits until all runs are judged."""
    run, record, decision = looked.run, looked.record, looked.decision
    burn = burn_rate(run, w.prices)
    seen = Seen(run, decision, burn)
    if not put_back_where_spared(w, looked.previous or record, decision, report) and record and looked.previous:
        # All that the stop had judged are gone: who joined them must not be ended for what it has left behind.
        record = still_lowered(record, looked.previous)
    if decision.verdict is Verdict.IGNORE:
        _ignored(w, record, decision, seen, report)
        return None
    report.judged.append(Judged.of(seen, released=is_released(looked.previous or record, decision)))
    report.note_price(run.id, record, burn)
    if decision.verdict is Verdict.HOLD:
        report.note_hold(run.id, record, decision)
    ordered = record is not None and record.order_of(decision.key) is not None
    if decision.silent and decision.verdict in (Verdict.WARN, Verdict.STOP) and not ordered:
        unapproved.note(w, seen, record, report)
        return Silent(seen, record, looked.previous)
    if decision.verdict is Verdict.STOP and record is not None:
        unapproved.note(w, seen, record, report)
        return Due(run, record, decision)
    step = ladder.observe(
        run,
        record,
        decision,
        policy=w.policy,
        origin=w.ledger.origin,
        burn=burn,
        now=w.now(),
        previous=looked.previous,
        forecast=forecast_of(w, run, record, decision, report),
        moved=report.moved(run),
    )
    unapproved.note(w, seen, step.after if step is not None else record, report)
    return costs.restarted(step, looked.previous, run)


def _exempt_seen(w: Watchdog, run: Run, record: RunRecord | None, now: datetime) -> dict[str, datetime]:
    """When the exempt values were first seen: over restarts, so each one ends, until they were away for a week.

    Also for those that the record knows: only so is it known when they were last there.
    """
    known = dict(record.exempt_tags) if record is not None else {}
    values = [tag.value for tag in overrides.read(run, w.policy.tags).exempt]
    return {value: w.ledger.first_seen(f"exempt#{run.id}#{value}", now, known.get(value)) for value in values}


def _ignored(w: Watchdog, record: RunRecord | None, decision: Decision, seen: Seen, report: SweepReport) -> None:
    if record is not None:
        # Kept, not closed: a tag that is gone for a moment must not cost an exemption or let a cap hold escape.
        w.save(ladder.unwatched(record, decision.reason, w.now()))
    if digest.is_unwatched(seen, w.policy):
        report.unwatched.append(seen)
