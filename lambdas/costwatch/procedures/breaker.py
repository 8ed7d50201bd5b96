"""What the RES breaker works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from costwatch.adapters.ledger_judgements import Judgements
from costwatch.adapters.ledger_retraining import RetrainQuestions
from costwatch.core.judgement_steps import JudgementStep
from costwatch.procedures.ports import EvaluationsPort, RegistryPort, Watchdog, as_number
from costwatch.procedures.retraining import Adviser


@dataclass(frozen=True, slots=True)
class Breaker:
    """Everything that judges candidates and writes the registry, for one invocation. `registry`, `evaluations`: of a
    region.
    """

    w: Watchdog
    judgements: Judgements
    registry: Callable[[str], RegistryPort]
    evaluations: Callable[[str], EvaluationsPort]

    @property
    def adviser(self) -> Adviser:
        """For what a card says about the next training."""
        w = self.w
        return Adviser(w.policy, w.account, self.judgements, RetrainQuestions(w.ledger), w.clock, w.log)

    def save(self, step: JudgementStep | None) -> bool:
        """Save a step and log its lines; False when somebody else was first or there was nothing to save."""
        if step is None or not self.judgements.save(step):
            return False
        cost = step.after.verdict.cost
        for entry in step.entries:
            self.w.log(
                "judgement",
                {
                    "judgement": step.after.id,
                    "transition": entry.transition.value,
                    "reason": entry.reason,
                    "mode": entry.mode,
                    "verdict": step.after.verdict.value.value,
                    "cost_usd": as_number(cost.usd) if cost is not None else None,
                    "policy_digest": self.w.policy.digest,
                },
            )
        return True
