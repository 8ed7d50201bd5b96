"""Answer whether to train a model now, from what the ledger knows of its trainings and of what was asked before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from costwatch.adapters.ledger_judgements import Judgements
from costwatch.adapters.ledger_retraining import RetrainQuestions
from costwatch.core import retrain_questions
from costwatch.core.judgements import Judgement
from costwatch.core.policy import Policy
from costwatch.core.res_policy import ModelRules
from costwatch.core.retrain_questions import Asked, Question
from costwatch.core.retraining import PastTraining, RetrainRules, Verdict, should_retrain
from costwatch.core.run_cost import RunCost
from costwatch.errors import CostwatchError, InputError, TransientAwsError, UnreadableRow

LOOKS_BACK: Final = timedelta(days=400)
_TRIES: Final = 5
_INSTANT: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Adviser:
    """What a question works with, for one invocation."""

    policy: Policy
    account: str
    judgements: Judgements
    questions: RetrainQuestions
    clock: Callable[[], datetime]
    log: Callable[[str, Mapping[str, object]], None]

    def skip(self, row: UnreadableRow) -> None:
        """A row that cannot be read costs no answer."""
        self.log("row not read", {"reason": str(row)})


def answer(adviser: Adviser, asked: Asked) -> Question:
    """Answer, and keep the question. The same id is answered as it was before.

    Raises InputError for a model that is not configured, AwsError where the ledger cannot be read or written.
    """
    rules = adviser.policy.res.model(asked.model)
    if rules is None:
        known = ", ".join(each.name for each in adviser.policy.res.models) or "none"
        raise InputError(f"model is {asked.model[:80]!r}; expected one of those under res.models: {known}")
    for attempt in range(_TRIES):
        before = adviser.questions.by_id(adviser.account, asked.model, asked.id) if asked.id else None
        if before is not None:
            return before
        question = _answered(adviser, asked, rules, adviser.clock() + attempt * _INSTANT)
        if adviser.questions.keep(question):
            adviser.log(
                "retraining advice", {"model": asked.model, "trains": question.trains, "reason": question.reason}
            )
            return question
    raise TransientAwsError(f"others ask about {asked.model} at the same moment: ask again")


def _answered(adviser: Adviser, asked: Asked, rules: ModelRules, now: datetime) -> Question:
    since = now - LOOKS_BACK

    history = trainings(
        adviser.judgements.of_model(adviser.account, asked.model, adviser.skip),
        adviser.judgements.costs_of_model(adviser.account, asked.model, since, adviser.skip),
        now,
    )
    kept = adviser.questions.of_model(adviser.account, asked.model, since, adviser.skip)
    trained_at = max((each.at for each in history), default=None)
    before = retrain_questions.since_training(kept, trained_at)
    told = retrain_questions.served_errors(kept)
    advice = should_retrain(
        history,
        [*told, *retrain_questions.told_now(asked, now)],
        now=now,
        rules=RetrainRules.of(rules),
        skipped_in_a_row=retrain_questions.skips_in_a_row(before),
        cost_usd=asked.cost_usd,
    )
    every = rules.retrain.every
    return retrain_questions.answered(
        adviser.account, asked, advice, before, mode=adviser.policy.res.mode, every=every, now=now
    )


def outlook(adviser: Adviser, found: Judgement, rules: ModelRules) -> str:
    """For the card of a candidate that did not earn its compute: whether the next training would be skipped, as things
    stand now; empty: it would not, or that cannot be told, which costs no verdict. Nobody asked, so nothing is kept.
    """
    try:
        return "skip another like it" if _expected(adviser, found, rules) is Verdict.SKIP else ""
    except CostwatchError as error:
        adviser.log("no outlook", {"judgement": found.id, "reason": str(error)})
        return ""


def _expected(adviser: Adviser, found: Judgement, rules: ModelRules) -> Verdict:
    others = adviser.judgements.of_model(adviser.account, rules.name, adviser.skip)
    judged = [*(each for each in others if each.id != found.id), found]
    now = adviser.clock()
    since = now - LOOKS_BACK
    advice = should_retrain(
        trainings(judged, adviser.judgements.costs_of_model(adviser.account, rules.name, since, adviser.skip), now),
        retrain_questions.served_errors(adviser.questions.of_model(adviser.account, rules.name, since, adviser.skip)),
        now=now,
        rules=RetrainRules.of(rules),
        skipped_in_a_row=0,
        cost_usd=found.verdict.cost.usd if found.verdict.cost is not None else None,
    )
    return advice.verdict


def trainings(judged: Sequence[Judgement], costs: Sequence[RunCost], now: datetime) -> list[PastTraining]:
    """Everything that was paid for: candidates with what they gained, and runs that left none.

    What it cost and nobody knows is left out: it would otherwise count as free.
    """
    found: list[PastTraining] = []
    seen: set[str] = set()
    for each in judged:
        seen.update(each.runs)
        cost = each.verdict.cost.usd if each.verdict.cost is not None else None
        if cost is None or each.created_at > now:
            continue
        noise = each.verdict.gain.noise if each.verdict.gain is not None else None
        margin = noise.standard_error if noise is not None else None
        found.append(PastTraining(each.created_at, cost, each.gain, each.approved_at is not None, margin))
    for run in costs:
        at = run.started_at or run.ended_at
        if str(run.run_id) not in seen and run.actual_usd is not None and at <= now:
            found.append(PastTraining(at, run.actual_usd, None, promoted=False))
    return sorted(found, key=lambda each: each.at)
