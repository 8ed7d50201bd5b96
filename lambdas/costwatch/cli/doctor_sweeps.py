"""A doctor's checks of the sweeps: whether they come to their end, what code runs, and the way of the heartbeats."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from textwrap import shorten
from typing import Final

from costwatch.adapters.ledger import Stamp
from costwatch.adapters.pulses import Pulses
from costwatch.cli import show
from costwatch.cli.doctor_case import Case, of_commit
from costwatch.cli.findings import Finding, ok, todo, unknown, waits
from costwatch.cli.session import Deployment
from costwatch.core.beat_path import Path, path_allows, path_since

_USUAL_SWEEP: Final = timedelta(minutes=5)
_MOST_CHARACTERS: Final = 200


def last_sweep(case: Case) -> Iterator[Finding]:
    """By the row that a sweep writes when all else is done. Its canary goes out first, and proves no more than that."""
    check = "last sweep"
    every, logs = _every(case), f"read the log of the function {_deployed(case).function or 'deadman'}"
    allowed = path_allows(every)
    done, path = case.ledger.last_sweep(), _path(case)
    began = path.last_sent_at if path is not None else None
    if done is None:
        begun = f"; the last one began at {show.clock(began)}" if began is not None else ""
        yield todo(
            check, f"none has come to its end yet{begun}", f"if the deploy is more than {show.age(allowed)} ago, {logs}"
        )
    elif done.completed_at - case.now > allowed:
        ahead = show.age(done.completed_at - case.now)
        said = f"completed at {show.clock(done.completed_at)}, {ahead} from now: it says nothing about the sweeps since"
        yield todo(check, said, "set the clock of this machine; if it is right, costwatch settle --now, and look again")
    elif case.now - done.completed_at > allowed:
        ago = show.age(case.now - done.completed_at)
        said = f"completed at {show.clock(done.completed_at)}, {ago} ago; expected every {show.age(every)}"
        if began is not None and began > done.completed_at:
            said += f"; one began at {show.clock(began)} and did not come to its end"
        yield todo(check, said, logs)
    else:
        said = f"completed at {show.clock(done.completed_at)}, {shorten(done.outcome, _MOST_CHARACTERS)}"
        yield todo(check, said, f"{logs}: it says why") if done.failures else ok(check, said)
    pause = case.ledger.pause()
    if pause is not None and pause.active(case.now):
        said = f"nothing is warned or stopped until {show.clock(pause.until)}, by {pause.by}"
        yield waits("pause", said, "costwatch resume")


def configuration_running(case: Case) -> Iterator[Finding]:
    """Whether the functions have the code and the policy that the stack says were deployed."""
    check = "configuration running"
    deployed, done = _deployed(case), case.ledger.last_sweep()
    if done is None:
        yield waits(check, "known from the first sweep that comes to its end")
        return
    if not deployed.policy_digest:
        yield unknown(check, "nobody knows what is deployed, to compare with what the last sweep ran by")
        return
    ran = f"{done.policy_digest[:12]} ({of_commit(done.config_commit)}) with code {done.version}"
    if (done.policy_digest, done.version) == (deployed.policy_digest, deployed.version):
        yield ok(check, f"the last sweep ran by what is deployed, with code {done.version}")
        return
    there = f"{deployed.policy_digest[:12]} ({of_commit(deployed.config_commit)}) with code {deployed.version}"
    yield todo(
        check,
        f"the last sweep ran by {ran}, and {there} is deployed",
        f"look again after the next sweep, within {show.age(_every(case))}; if it is the same then, the functions did "
        "not get their code: deploy again",
    )


def heartbeats(case: Case) -> Iterator[Finding]:
    """By the canary that each sweep sends: one that arrived proves bus, queue, function and ledger."""
    check = "way of heartbeats"
    path = _path(case)
    if path is None:
        yield waits(check, "no sweep's canary has arrived yet")
    elif path_since(path, _every(case), case.now) is None:
        off = case.now - path.last_sent_at
        when = f"{show.age(off)} ago" if off >= timedelta(0) else f"{show.age(-off)} from now"
        newest = f"the newest canary that arrived is of {show.clock(path.last_sent_at)}, {when}"
        said = f"{newest}; until one does, no run counts as silent"
        yield todo(check, said, "where sweeps go on, read the log of the function heartbeats and its dead-letter queue")
    else:
        yield ok(check, f"the canary of {show.clock(path.last_sent_at)} arrived")


def _path(case: Case) -> Path | None:
    deployed = _deployed(case)
    return Pulses(case.session.table(), stamp=Stamp(deployed.policy_digest, deployed.config_commit)).path()


def _every(case: Case) -> timedelta:
    return case.loaded.config.dead_man.sweep_every if case.loaded is not None else _USUAL_SWEEP


def _deployed(case: Case) -> Deployment:
    return case.session.deployment
