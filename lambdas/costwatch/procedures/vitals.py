"""What heartbeats say of a run, read from the ledger's table; and the canary that proves their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from costwatch.adapters.pulses import MemberKey
from costwatch.core import durations, heartbeats, times
from costwatch.core.heartbeats import Pulse, Vitals
from costwatch.core.model import Run, RunId
from costwatch.core.record import RunRecord, left_since, same_episode
from costwatch.errors import TransientAwsError
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport


def vitals_of(w: Watchdog, run: Run, record: RunRecord | None) -> Vitals | None:
    """Read for this run alone, just now. Raises AwsError."""
    left = [(service, name) for service, name, _ in left_since(run, record)]
    return known_vitals(run, record, w.pulses.of_members(run, left), _path_since(w))


def known_vitals(
    run: Run, record: RunRecord | None, pulses: Mapping[MemberKey, Pulse], path_since: datetime | None
) -> Vitals | None:
    """From pulses that have been read; with what members had said that `record` knows and that have left."""
    if not pulses:
        return None
    left = left_since(run, record)
    same = record is not None and same_episode(run, record)
    heard = record.heard if record is not None and same else None
    return heartbeats.vitals_of(run.members, pulses, path_since, left=left, heard=heard)


def with_vitals(
    runs: Sequence[Run],
    records: Mapping[RunId, RunRecord],
    pulses: Mapping[MemberKey, Pulse],
    path_since: datetime | None,
) -> list[Run]:
    """The runs, each with what its members' pulses say together."""
    if not pulses:
        return list(runs)
    return [replace(run, vitals=known_vitals(run, records.get(run.id), pulses, path_since)) for run in runs]


def prove_path(w: Watchdog, report: SweepReport) -> datetime | None:
    """Send a canary, and say since when those before it have come through. None: silence counts for nobody now.

    A late one is a failure where silence is asked for: then nobody would notice that it counts no more.
    """
    now = w.now()
    if w.bus is not None:
        with report.isolating("canary beat"):
            w.bus.canary(now)
    path = w.pulses.path()
    since = heartbeats.path_since(path, w.policy.sweep_every, now)
    asked = any(selector.heartbeat is not None for selector in w.policy.selectors)
    if path is not None and since is None and asked and w.bus is not None:
        with report.isolating("heartbeats"):
            raise TransientAwsError(
                f"no canary beat has arrived since the one of {times.to_key(path.last_sent_at)}, "
                f"{durations.show(now - path.last_sent_at)} ago: silence counts for nobody"
            )
    return since


def _path_since(w: Watchdog) -> datetime | None:
    return heartbeats.path_since(w.pulses.path(), w.policy.sweep_every, w.now())
