"""Members, runs and records with one line each; every argument that a test does not name is ordinary."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from costwatch.core.deadman import Decision, judge
from costwatch.core.model import Clock, Member, Parent, Run, RunId, RunKind, SpotRequest
from costwatch.core.money import Burn
from costwatch.core.policy import Action, Mode, Policy, PurchaseOption, Service
from costwatch.core.record import MemberSeen, Notice, Pause, RunRecord, Status

ACCOUNT = "111122223333"
REGION = "us-east-1"
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
TAGGED = {"Purpose": "training"}


def member(
    name: str = "i-0a",
    *,
    age: timedelta | None = HOUR,
    tags: Mapping[str, str] | None = TAGGED,
    instance_type: str = "p4d.24xlarge",
    now: datetime = NOW,
    **changes: Any,
) -> Member:
    """A running on-demand p4d that the ordinary selector picks, up since `age`; None: nothing shows since when."""
    since = now - age if age is not None else None
    return Member(
        id=name,
        **{
            "service": Service.EC2,
            "state": "running",
            "capacity": ((instance_type, 1),),
            "zone": "us-east-1a",
            "tags": tags,
            "clock": Clock(since, "LaunchTime", since, "attach time of the primary network interface"),
            "purchase": PurchaseOption.ON_DEMAND,
            **changes,
        },
    )


def job(name: str = "churn", *, age: timedelta | None = HOUR, now: datetime = NOW, **changes: Any) -> Member:
    """A training job in progress; `age` None: created and not started."""
    started = now - age if age is not None else None
    clock = Clock(started, "TrainingStartTime", started or now, "CreationTime")
    given = {"service": Service.TRAINING, "state": "InProgress", "phase": "Training", "zone": "", "clock": clock}
    return member(name, age=age, now=now, **{"instance_type": "ml.p4d.24xlarge", **given, **changes})


def family(
    kind: RunKind = RunKind.TUNING,
    *,
    age: timedelta = HOUR,
    children: int = 2,
    child_age: timedelta = HOUR,
    phases: tuple[str, ...] = (),
    child_tags: Mapping[str, str] | None = None,
    now: datetime = NOW,
    **changes: Any,
) -> Run:
    """A tuning or AutoML job called search with training jobs of its own, one ml.p4d each. `changes`: of the job."""
    created = Clock(now - age, "CreationTime", now - age, "CreationTime")
    given = {"service": kind.service, "capacity": (), "phase": "", "clock": created, "types": ("ml.p4d.24xlarge",)}
    head = job("search", now=now, **{**given, **changes})
    parent = Parent(kind, "search", f"{kind.value} job search")
    made = [
        job(
            f"search-{n}", age=child_age, now=now, parent=parent, tags=child_tags or {},
            phase=phases[n] if n < len(phases) else "Training",
        )
        for n in range(children)
    ]  # fmt: skip
    return Run(RunId(ACCOUNT, REGION, kind, "search"), (head, *made), fresh=True)


def spot_request(name: str = "sir-1", **changes: Any) -> SpotRequest:
    given = {"type": "persistent", "state": "active", "status": "fulfilled", "instance_id": "i-0a", "tags": TAGGED}
    return SpotRequest(id=name, **{**given, **changes})


def run(
    *members: Member, kind: RunKind | None = None, name: str = "", parent: Parent | None = None, fresh: bool = True
) -> Run:
    """Of the members given, else of one ordinary instance."""
    found = members or (member(),)
    made = kind or (RunKind.TRAINING if found[0].service is Service.TRAINING else RunKind.INSTANCE)
    run_id = RunId(ACCOUNT, REGION, made, name or found[0].id)
    return Run(run_id, found, parent or next((m.parent for m in found if m.parent), None), fresh=fresh)


def record(of: Run, **changes: Any) -> RunRecord:
    """What the ledger holds about `of`: first seen, nothing said yet."""
    given = {
        "run_id": of.id,
        "origin": "deployed",
        "version": 1,
        "status": Status.RUNNING,
        "mode": Mode.ENFORCE,
        "selector": "trainers",
        "start": of.start,
        "deadline": None,
        "first_seen_at": of.start or NOW,
        "name": of.name,
        "owner": "maria@example.com",
        "team": "risk",
        "members": tuple(MemberSeen(m.id, m.clock.running_since) for m in of.members),
        "capacity": tuple(sorted(of.capacity.items())),
        "clock_evidence": "LaunchTime",
        "hourly_rate_usd": Decimal("21.957642"),
        "price_note": "1 x p4d.24xlarge, list price (as of 2026-11-14)",
    }
    return RunRecord(**{**given, **changes})


def notice(deadline: datetime, *, accepted_at: datetime | None, mode: Mode = Mode.ENFORCE, **changes: Any) -> Notice:
    """Asked for and accepted at one moment; `accepted_at` None needs `requested_at`."""
    given = {
        "id": "notice#1",
        "mode": mode,
        "deadline": deadline,
        "requested_at": accepted_at,
        "via": "Slack",
        "owner": "maria@example.com",
        "members": (MemberSeen("i-0a", None),),
        "action": Action.TERMINATE,
    }
    return Notice(accepted_at=accepted_at, **{**given, **changes})


def warned(of: Run, policy: Policy, *, ago: timedelta, now: datetime = NOW, **changes: Any) -> RunRecord:
    """A record whose notice, for the deadline that holds now, was accepted `ago`."""
    found = judge(of, None, policy, None, now)
    assert found.deadline is not None
    given = notice(
        found.deadline.at,
        accepted_at=now - ago,
        mode=found.mode,
        members=tuple(MemberSeen(m.id, m.clock.running_since) for m in of.members),
    )
    return record(of, status=Status.WARNED, mode=found.mode, deadline=found.deadline.at, notice=given, **changes)


def pause(until: datetime, **changes: Any) -> Pause:
    given = {"version": 1, "by": "arn:aws:iam::111122223333:user/ada", "reason": "maintenance", "since": until - HOUR}
    return Pause(until=until, **{**given, **changes})


def burn(rate: str | None = "21.957642") -> Burn:
    amount = Decimal(rate) if rate is not None else None
    return Burn(amount, amount, (), None, "1 x p4d.24xlarge, list price")


def decide(
    of: Run, known: RunRecord | None, policy: Policy, now: datetime = NOW, paused: Pause | None = None
) -> Decision:
    return judge(of, known, policy, paused, now)
