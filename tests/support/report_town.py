"""A ledger with four weeks behind it, for reports: spend of several teams, would-haves of every truth, decisions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from costwatch.adapters.ledger_judgements import Judgements
from costwatch.adapters.ledger_retraining import RetrainQuestions
from costwatch.core import judgement_steps
from costwatch.core.judgements import State
from costwatch.core.modes import Mode
from costwatch.core.res import Verdict
from costwatch.core.retrain_questions import Asked, Question
from costwatch.core.retraining import Verdict as Advice
from tests.support.builders import ACCOUNT, HOUR
from tests.support.fakes import FakeInstance, FakeJob
from tests.support.judged import judgement, verdict
from tests.support.money_town import MoneyTown


class ReportTown(MoneyTown):
    """In observe; whoever runs over 12 hours would be stopped. Above $1,000 Maria decides before it starts."""

    def __init__(self) -> None:
        super().__init__(selector="observe", above_usd="1000")

    def ran(
        self, name: str, *, hours: int, team: str = "risk", status: str = "Completed", instance: bool = False
    ) -> None:
        """A run from its start to its end, seen by a sweep an hour."""
        of = self.town
        tags = {"Purpose": "training", "owner": f"{team}@example.com", **({"team": team} if team else {})}
        if instance:
            thing: FakeInstance | FakeJob = of.world.launch(tags={**tags, "Name": name})
        else:
            thing = of.world.train(name, tags=tags)
        self.sweep()
        for _ in range(hours):
            self.later(hours=1)
        if isinstance(thing, FakeJob):
            thing.billable = hours * HOUR
        of.world.end(thing, status=status)
        self.later(minutes=5)

    def later(self, **duration: float) -> None:
        self.town.clock.forward(**duration)
        self.sweep()

    def days(self, number: int) -> None:
        self.later(days=number)

    def judge(self, version: int, said: Verdict, **changes: Any) -> None:
        now = self.now
        found = judgement(package_version=version, verdict=said, created_at=now, judged_at=now, mode=Mode.OBSERVE,
                          team="risk", **changes)  # fmt: skip
        assert Judgements(self.town.ledger).save(judgement_steps.judged(None, found, now, auto_approve=True))

    def ask_to_train(self, *, trains: bool) -> None:
        question = Question(
            account=ACCOUNT,
            asked=Asked("churn", "the weekly schedule"),
            at=self.now,
            mode=Mode.ENFORCE,
            advice=Advice.TRAIN if trains else Advice.SKIP,
            trains=trains,
            rule="worth" if trains else "not_worth",
            reason="The model is 2 periods old: 0.4% to gain, worth $1,600.00 against a cost of $3,200.00 (score 0.33, "
            "needed 0.50).",
            most_skips=3,
            skipped_in_a_row=0 if trains else 1,
            expected_worth_usd=Decimal(1600),
            expected_cost_usd=Decimal(3200),
            score=Decimal("0.3333"),
        )
        assert RetrainQuestions(self.town.ledger).keep(question)


def four_weeks() -> ReportTown:
    """Something of everything that a report shows."""
    of = ReportTown()
    of.ran("churn-1", hours=6)
    of.ran("ranker-1", hours=9, team="search")
    of.days(2)
    of.ran("ranker-2", hours=20, team="search")
    of.ran("segment", hours=15, team="vision", status="Failed")
    of.days(4)
    of.ran("churn-2", hours=7)
    of.ran("embedder", hours=31, team="vision", instance=True)
    of.judge(40, verdict("0.920", "0.912", "1200"), state=State.JUDGED)
    of.ask_to_train(trains=True)
    of.days(5)
    of.granted(hours=48, after=2 * HOUR)
    of.ran("churn-3", hours=8)
    of.ran("notebook", hours=14, team="", instance=True)
    of.days(3)
    of.ran("ranker-3", hours=3, team="search")
    of.ran("ranker-4", hours=11, team="search")
    of.judge(41, verdict(), state=State.JUDGED)
    of.ask_to_train(trains=False)
    of.days(6)
    of.ran("churn-4", hours=9)
    of.ran("segment-2", hours=4, team="vision")
    of.town.world.launch(age=20 * HOUR, tags={"Purpose": "training", "team": "vision", "Name": "forgotten"})
    of.sweep()
    of.later(minutes=31)
    of.later(hours=3)
    return of
