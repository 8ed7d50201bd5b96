"""People who decide about retrained models: candidates that were judged, cards of them, and who writes the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from costwatch import intake, names
from costwatch.adapters.deployed_function import REFUSES
from costwatch.adapters.ledger_clicks import Clicks
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.core import judgement_steps
from costwatch.core.judgements import Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res import Verdict
from costwatch.core.res_policy import ResPolicy
from costwatch.errors import CostwatchError, RefusedError
from costwatch.intake import Click
from costwatch.procedures import res_write
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.clicked_runs import Desk
from costwatch.procedures.res_decide import decide
from costwatch.procedures.res_report import ResReport
from tests.support import policies
from tests.support.builders import ACCOUNT
from tests.support.clicking import GROUP, OMAR, PLATFORM, House
from tests.support.fake_registry import FakeEvaluations, FakeModels, FakeRegistry
from tests.support.fakes import FakeSlack
from tests.support.judged import judgement, rules, verdict

TEAM = "#risk-ml"


@dataclass
class RealRes:
    """The function that writes the registry, as deployed: a refusal of its own is one here. `fails`: what invoking it
    raises instead; `before`: what happens just before.
    """

    house: JudgedHouse
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    fails: Exception | None = None
    before: Callable[[], object] | None = None

    def ask(self, detail_type: str, detail: Mapping[str, Any], *, answer: str) -> dict[str, Any]:
        self.asked.append(detail)
        if self.before is not None:
            self.before()
        if self.fails is not None:
            raise self.fails
        try:
            body = self.handle({"source": names.SOURCE_CLI, "detail-type": detail_type, "detail": dict(detail)})
        except CostwatchError as error:
            raise RefusedError(f"{REFUSES}{error}") from error
        assert answer in body
        return body

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What the deployed function does with the event. Raises what it raises."""
        message = intake.res(event)
        assert isinstance(message, intake.DecisionRequested)
        return decide(self.house.breaker, message, ResReport(at=self.house.town.clock()))


@dataclass
class JudgedHouse(House):
    """Omar and the group may decide about models, unless `res_approvers` says otherwise."""

    res_approvers: tuple[str, ...] = (GROUP, OMAR)
    auto_approve: bool = True
    res_mode: Mode = Mode.ENFORCE

    def __post_init__(self) -> None:
        found = self.policy or policies.policy(
            slack={
                "platform_channel": PLATFORM,
                "team_channels": {"risk": TEAM},
                "warn_owner_by": "team_channel",
                "app_id": "A0123456789",
            }
        )
        res = ResPolicy(self.res_mode, auto_approve=self.auto_approve, approvers=self.res_approvers, models=(rules(),))
        self.policy = replace(found, res=res)
        super().__post_init__()
        self.models = FakeModels(self.town.world)
        self.res = RealRes(self)

    @property
    def breaker(self) -> Breaker:
        w = self.town.watchdog()
        return Breaker(
            w,
            Judgements(w.ledger),
            lambda region: FakeRegistry(self.models, region),
            lambda region: FakeEvaluations(self.models, region),
        )

    @property
    def judgements(self) -> Judgements:
        return Judgements(self.town.ledger)

    def judgement(self, judgement_id: str = "us-east-1/churn/41") -> Judgement:
        found = self.judgements.get(ACCOUNT, judgement_id)
        assert found is not None
        return found

    def judge(self, said: Verdict | None = None, **changes: Any) -> Judgement:
        """A candidate that was judged, as people hear of it; and its version in the registry, where one serves."""
        version = changes.pop("package_version", 41)
        while len(self.models.packages) < version:
            package = self.models.register()
        found = judgement(
            package_arn=package.arn,
            package_version=version,
            verdict=said or verdict(),
            mode=self.res_mode,
            approvers=self.res_approvers,
            created_at=self.town.clock(),
            judged_at=self.town.clock(),
            **changes,
        )
        for package in list(self.models.packages.values()):
            if package.version == found.serving_version:
                self.models.decide(package.arn, ApprovalStatus.APPROVED)
        step = judgement_steps.judged(None, found, self.town.clock(), auto_approve=self.auto_approve)
        assert self.judgements.save(step)
        if step.after.state is State.WRITING:
            res_write.write(self.breaker, step.after, ResReport(at=self.town.clock()))
        self.flush()
        return self.judgement(found.id)

    def desk(self, click: Click) -> Desk:
        gate = self.gate
        return Desk(gate, Clicks(gate.w.ledger), FakeSlack(self.town.world), self.deadman, click, self.res)
