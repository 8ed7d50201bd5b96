"""A town in which somebody is asked about money: stories of runs that no gate stands in front of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from costwatch.adapters.ledger_approvals import Approvals
from costwatch.core.approvals import Approval, Clicker, Requester, Way
from costwatch.core.estimator import InstanceGroup, JobSpec
from costwatch.core.gate import Request
from costwatch.core.policy import Service
from costwatch.core.quote import Part
from costwatch.core.record import RunRecord
from costwatch.core.token_answer import TokenAnswer
from costwatch.procedures import approvals, hints
from costwatch.procedures.approvals import Gate, Reply
from costwatch.procedures.report import SweepReport
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, REGION
from tests.support.fakes import FakeInstance, FakeJob, Town
from tests.support.town import destroyed, records, transitions

P4D = Decimal("21.957642")
"""USD an hour: $100 last 4 h 33 min 15.2 s."""
ML_P4D = Decimal("25.251286")
USED_UP = timedelta(hours=4, minutes=34)
"""When a p4d has spent $100, up to the next whole minute."""
MARIA = Clicker("U0MARIA00", "Maria Lopez")
EXECUTION = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/churn/execution/abc"
PIPELINE_TAG = "sagemaker:pipeline-execution-arn"
APPROVAL_TAG = "costwatch:approval"
JOBS = {"Purpose": "training", "owner": "maria@example.com", "team": "risk"}


class Steps:
    """Callback steps that take every answer, and that nobody looks for."""

    def succeed(self, token: str, outputs: Mapping[str, str], *, execution_arn: str = "") -> TokenAnswer:
        del token, outputs, execution_arn
        return TokenAnswer.ACCEPTED

    def fail(self, token: str, reason: str, *, execution_arn: str = "") -> TokenAnswer:
        del token, reason, execution_arn
        return TokenAnswer.ACCEPTED


class Tasks:
    """Nothing waits in a state machine here."""

    def succeed(self, token: str, output: Mapping[str, str]) -> TokenAnswer:
        raise NotImplementedError

    def fail(self, token: str, error: str, cause: str) -> TokenAnswer:
        raise NotImplementedError


@dataclass
class MoneyTown:
    """`mode`: of the approval gate; `selector`: of the selectors of instances and of jobs. Above $100 Maria decides."""

    mode: str = "enforce"
    selector: str = "enforce"
    above_usd: str = "100"
    approval: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tiers = [{"above_usd": self.above_usd, "approvers": ["U0MARIA00"]}]
        self.town = Town(
            policies.policy(
                **{
                    "selectors": [
                        policies.selector(mode=self.selector),
                        policies.selector("jobs", mode=self.selector, service="training"),
                    ],
                    "approval": policies.approval(**{"mode": self.mode, "tiers": tiers, **self.approval}),
                    **self.changes,
                }
            )
        )
        self.start = self.town.clock()

    @property
    def gate(self) -> Gate:
        w = self.town.watchdog()
        steps: Any = Steps()
        return Gate(w, Approvals(w.ledger), lambda _region: steps, Tasks())

    @property
    def now(self) -> datetime:
        return self.town.clock()

    def launch(self, **launch: Any) -> FakeInstance:
        return self.town.world.launch(**{"tags": JOBS, **launch})

    def train(self, name: str = "churn", *, tags: Mapping[str, str] | None = None, **job: Any) -> FakeJob:
        return self.town.world.train(name, **{"tags": {**JOBS, **(tags or {})}, **job})

    def sweep(self) -> SweepReport:
        """As the function does it: the sweep, and then the questions."""
        gate = self.gate
        report = sweep(gate.w)
        approvals.tend(gate, ACCOUNT, report)
        assert report.failures == []
        return report

    def at(self, age: timedelta) -> SweepReport:
        """A sweep so long after the story began."""
        self.town.clock.now = self.start + age
        return self.sweep()

    def through(self, until: timedelta, every: timedelta = timedelta(minutes=30)) -> None:
        """Sweeps on the way, up to `until` after the story began."""
        while self.now + every < self.start + until:
            self.at(self.now + every - self.start)
        self.at(until)

    def hint(self, thing: FakeInstance | FakeJob) -> SweepReport:
        service = Service.EC2 if isinstance(thing, FakeInstance) else Service(thing.kind)
        name = thing.id if isinstance(thing, FakeInstance) else thing.name
        return hints.follow(self.town.watchdog(), ACCOUNT, thing.region, service, name)

    def record(self, thing: FakeInstance | FakeJob) -> RunRecord:
        return records(self.town)[thing.id if isinstance(thing, FakeInstance) else thing.name]

    def questions(self) -> list[Approval]:
        return self.gate.approvals.waiting(ACCOUNT)

    def question(self) -> Approval:
        (found,) = self.questions()
        return found

    def says(self, *, yes: bool, cap: timedelta | None = None) -> Approval:
        """Maria answers the one open question."""
        return approvals.answer(self.gate, ACCOUNT, self.question().id, MARIA, yes=yes, cap=cap)

    def timeline(self, thing: FakeInstance | FakeJob) -> list[str]:
        if isinstance(thing, FakeInstance):
            return transitions(self.town, thing.id)
        return transitions(self.town, thing.name, thing.kind)

    def stopped(self) -> bool:
        return bool(destroyed(self.town))

    def cards(self) -> list[str]:
        return [card.text for _, _, card in self.town.world.posts]

    # --- what was asked before it started --------------------------------------------------------------

    def granted_beside(self, way: Way) -> Reply:
        """The same, while other questions are open."""
        return self.granted(way, key="another")

    def granted(
        self,
        way: Way = Way.PIPELINE,
        *,
        hours: int = 24,
        cap: timedelta | None = None,
        key: str = "tok1234567",
        after: timedelta = timedelta(0),
    ) -> Reply:
        """A gate asked about one ml.p4d job called churn, and Maria said yes `after` a while."""
        part = Part("churn", "Training", (ml_p4d(hours),))
        request = Request(
            way=way,
            key=(key,),
            name="churn",
            account=ACCOUNT,
            region=REGION,
            parts=(part,),
            requester=Requester("Ada", "U0ADA0000", verified=True, slack_user="U0ADA0000"),
            team="risk",
            token=key if way is Way.PIPELINE else "",
            source=EXECUTION if way is Way.PIPELINE else "",
        )
        asked = approvals.ask(self.gate, request)
        assert asked.waits
        self.town.clock.forward(seconds=after.total_seconds())
        approvals.answer(self.gate, ACCOUNT, asked.id, MARIA, yes=True, cap=cap)
        return replace(asked, waits=False)


def ml_p4d(hours: int = 24, count: int = 1) -> JobSpec:
    groups = (InstanceGroup("ml.p4d.24xlarge", count),)
    return JobSpec(Service.TRAINING, REGION, groups, max_runtime=hours * HOUR)
