"""What heartbeats say of a run, read from the ledger's table; and the canary that proves their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from costwatch.adapters.pulses import MemberKey
from costwatch.core import beat_path, durations, liveness, times
from costwatch.core.heartbeats import Pulse
from costwatch.core.model import Run, RunId
from costwatch.core.record import RunRecord, left_since, same_episode
from costwatch.errors import TransientAwsError, UnreadableRow
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport


def heard_afresh(w: Watchdog, run: Run, record: RunRecord | None) -> Run:
    """The run with what its members' pulses say just now, read for it alone. Raises AwsError."""
    left = [(service, name) for service, name, _ in left_since(run, record)]
    pulses = w.pulses.of_members(run, left)
    return heard_run(run, record, pulses, _path_since(w) if pulses else None)


def heard_run(
    run: Run, record: RunRecord | None, pulses: Mapping[MemberKey, Pulse], path_since: datetime | None
) -> Run:
    """The run with what its members' pulses say together, and what those had said that `record` knows and that left."""
    before = record.heard if record is not None and same_episode(run, record) else None
    heard = liveness.heard_of(left_since(run, record), pulses, before)
    return replace(run, vitals=liveness.vitals_of(run.members, pulses, path_since, heard), heard=heard)


def heard_runs(
    runs: Sequence[Run],
    records: Mapping[RunId, RunRecord],
    pulses: Mapping[MemberKey, Pulse],
    path_since: datetime | None,
) -> list[Run]:
    if not pulses:
        return list(runs)
    return [heard_run(run, records.get(run.id), pulses, path_since) for run in runs]


def said_done_at(w: Watchdog, record: RunRecord) -> datetime | None:
    """When the run's own heartbeats said that its work is done; None: they did not, or cannot be read."""
    service = record.run_id.kind.service
    if service.is_sagemaker:
        return None  # whether a job completed, SageMaker says itself
    members = [(service, m.id, m.running_since) for m in record.members if m.running_since is not None]
    keys = [(service, name) for service, name, _ in members]
    try:
        return liveness.done_at(members, w.pulses.of_members(Run(record.run_id, ()), keys))
    except UnreadableRow:
        return None


def prove_path(w: Watchdog, report: SweepReport) -> datetime | None:
    """Send a canary, and say since when those before it have come through. None: silence counts for nobody now.

    A late one is a failure where silence is asked for: then nobody would notice that it counts no more.
    """
    now = w.now()
    if w.bus is not None:
        with report.isolating("canary beat"):
            w.bus.canary(now)
    path = None
    with report.isolating("the row of canaries"):
        path = w.pulses.path()
    since = beat_path.path_since(path, w.policy.sweep_every, now)
    asked = any(selector.heartbeat is not None for selector in w.policy.selectors)
    if path is not None and since is None and asked and w.bus is not None:
        with report.isolating("heartbeats"):
            raise TransientAwsError(
                f"no canary beat has arrived since the one of {times.to_key(path.last_sent_at)}, "
                f"{durations.show(now - path.last_sent_at)} ago: silence counts for nobody"
            )
    return since


def _path_since(w: Watchdog) -> datetime | None:
    try:
        path = w.pulses.path()
    except UnreadableRow:
        return None  # as the sweep has reported: silence counts for nobody
    return beat_path.path_since(path, w.policy.sweep_every, w.now())
