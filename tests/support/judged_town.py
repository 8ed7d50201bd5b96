"""People who decide about retrained models: candidates that were judged, cards of them, and who writes the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from costwatch import names
from costwatch.adapters.ledger_clicks import Clicks
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.core import judgement_steps
from costwatch.core.judgements import Decided, Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res import Verdict
from costwatch.core.res_policy import ResPolicy
from costwatch.errors import RefusedError
from costwatch.intake import Click
from costwatch.procedures.clicked_runs import Desk
from tests.support import policies
from tests.support.builders import ACCOUNT
from tests.support.clicking import GROUP, OMAR, PLATFORM, House
from tests.support.fakes import FakeSlack
from tests.support.judged import judgement, rules, verdict

TEAM = "#risk-ml"


@dataclass
class FakeRes:
    """The function that writes the registry. `fails`: what it raises instead; `before`: what happens just before."""

    house: JudgedHouse
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    fails: Exception | None = None
    before: Callable[[], object] | None = None

    def ask(self, detail_type: str, detail: Mapping[str, Any], *, answer: str) -> dict[str, Any]:
        assert (detail_type, answer) == (names.DETAIL_DECISION_REQUESTED, "state")
        self.asked.append(detail)
        if self.before is not None:
            self.before()
        if self.fails is not None:
            raise self.fails
        before = self.house.judgement(detail["judgement"])
        if before.state is not State.ASKED:
            raise RefusedError("the deployed function refuses: it was decided before")
        now = self.house.town.clock()
        target = ApprovalStatus.APPROVED if detail["decision"] == "promote" else ApprovalStatus.REJECTED
        by = Decided(detail["requested_by"], now, target, detail["reason"], detail["name"])
        may = self.house.auto_approve or target is ApprovalStatus.REJECTED
        step = judgement_steps.decided(before, by, now, writes=may)
        assert self.house.judgements.save(step)
        if may:
            assert self.house.judgements.save(judgement_steps.written(step.after, now))
        return {"judgement": before.id, "state": self.house.judgement(before.id).state.value}


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
        self.res = FakeRes(self)

    @property
    def judgements(self) -> Judgements:
        return Judgements(self.town.ledger)

    def judgement(self, judgement_id: str = "us-east-1/churn/41") -> Judgement:
        found = self.judgements.get(ACCOUNT, judgement_id)
        assert found is not None
        return found

    def judge(self, said: Verdict | None = None, **changes: Any) -> Judgement:
        """A candidate that was judged, as people hear of it."""
        found = judgement(
            verdict=said or verdict(),
            mode=self.res_mode,
            approvers=self.res_approvers,
            created_at=self.town.clock(),
            judged_at=self.town.clock(),
            **changes,
        )
        step = judgement_steps.judged(None, found, self.town.clock(), auto_approve=self.auto_approve)
        assert self.judgements.save(step)
        if step.after.state is State.WRITING:
            assert self.judgements.save(judgement_steps.written(step.after, self.town.clock()))
        self.flush()
        return self.judgement(found.id)

    def desk(self, click: Click) -> Desk:
        gate = self.gate
        return Desk(gate, Clicks(gate.w.ledger), FakeSlack(self.town.world), self.deadman, click, self.res)
