"""Answer whether to train a model now, from what the ledger knows of its trainings and of what was asked before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from costwatch.adapters.ledger_judgements import Judgements
from costwatch.adapters.ledger_retraining import RetrainQuestions
from costwatch.core import retrain_questions
from costwatch.core.judgements import Judgement
from costwatch.core.model import RunKind
from costwatch.core.packages import ApprovalStatus
from costwatch.core.policy import Policy
from costwatch.core.res_policy import ModelRules
from costwatch.core.retrain_questions import Asked, Question
from costwatch.core.retraining import Advice, PastTraining, RetrainRules, ServedError, Verdict, should_retrain
from costwatch.core.retraining_facts import checked_served, checked_training
from costwatch.core.run_cost import RunCost
from costwatch.errors import CostwatchError, InputError, TransientAwsError, UnreadableRow
from costwatch.procedures.report import DATA_ERRORS

Log = Callable[[str, Mapping[str, object]], None]
_Fact = TypeVar("_Fact")

LOOKS_BACK: Final = timedelta(days=400)
TRAINS: Final = frozenset({RunKind.TRAINING, RunKind.TUNING, RunKind.AUTOML, RunKind.TAGGED})
"""What a run is that trains a model: jobs that do nothing else, and machines that somebody named a run."""
_TRIES: Final = 5
_INSTANT: Final = timedelta(milliseconds=1)
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Adviser:
    """What a question works with, for one invocation."""

    policy: Policy
    account: str
    judgements: Judgements
    questions: RetrainQuestions
    clock: Callable[[], datetime]
    log: Log

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
    judged = adviser.judgements.of_model(adviser.account, asked.model, adviser.skip)
    costs = adviser.judgements.costs_of_model(adviser.account, asked.model, since, adviser.skip)
    history = trainings(judged, costs, now, adviser.log)
    kept = adviser.questions.of_model(adviser.account, asked.model, since, adviser.skip)
    before = retrain_questions.since_training(kept, last_trained(judged, costs, now))
    told = served_errors(kept, now, adviser.log)
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
    stand now; empty: it would not, or nobody can tell. Nobody asked, so nothing is kept.

    Raises nothing that is raised on purpose: a verdict is not held back for the want of advice.
    """
    try:
        advice = _outlook(adviser, found, rules)
    except (CostwatchError, *DATA_ERRORS) as error:
        adviser.log("no outlook", {"model": rules.name, "reason": f"{type(error).__name__}: {error}"})
        return ""
    return "skip another like it" if advice.verdict is Verdict.SKIP else ""


def _outlook(adviser: Adviser, found: Judgement, rules: ModelRules) -> Advice:
    others = adviser.judgements.of_model(adviser.account, rules.name, adviser.skip)
    judged = [*(each for each in others if each.id != found.id), found]
    now = adviser.clock()
    since = now - LOOKS_BACK
    costs = adviser.judgements.costs_of_model(adviser.account, rules.name, since, adviser.skip)
    kept = adviser.questions.of_model(adviser.account, rules.name, since, adviser.skip)
    return should_retrain(
        trainings(judged, costs, now, adviser.log),
        served_errors(kept, now, adviser.log),
        now=now,
        rules=RetrainRules.of(rules),
        skipped_in_a_row=0,
        cost_usd=found.verdict.cost.usd if found.verdict.cost is not None else None,
    )


def trainings(
    judged: Sequence[Judgement], costs: Sequence[RunCost], now: datetime, log: Log = lambda *_: None
) -> list[PastTraining]:
    """Every training that was paid for: candidates with what they gained, and runs that left none. A job that prepares
    data or evaluates may bear the model's tag too: it is none. Candidates of one run are one training.

    What it cost and nobody knows is left out: it would otherwise count as free. What cannot be is left out and logged:
    one such row must not keep a model from being answered.
    """
    found: list[PastTraining] = []
    for candidates in _by_run(each for each in judged if _possible(_training(each), checked_training, now, log)):
        paid = [_training(each).cost_usd for each in candidates if _usd(each) is not None]
        if paid:
            best = max(candidates, key=lambda each: (_serves(each), each.gain is not None, each.gain or 0))
            found.append(replace(_training(best), cost_usd=max(paid)))
    charged = {run for each in judged for run in each.runs}
    for run in costs:
        name = str(run.run_id)
        if run.run_id.kind not in TRAINS or name in charged or run.actual_usd is None:
            continue
        left_none = PastTraining(run.started_at or run.ended_at, run.actual_usd, None, promoted=False)
        if _possible(left_none, checked_training, now, log):
            found.append(left_none)
        if run.run_id.kind.is_job:
            charged.add(name)  # machines may train again under one name; a job runs once
    return sorted(found, key=lambda each: each.at)


def _by_run(judged: Iterable[Judgement]) -> list[list[Judgement]]:
    """Candidates, those together that name a run in common."""
    of_run: dict[str, list[Judgement]] = {}
    groups: dict[int, list[Judgement]] = {}
    for each in judged:
        joined = {id(of_run[run]): of_run[run] for run in each.runs if run in of_run}
        group = [*(other for others in joined.values() for other in others), each]
        groups = {key: others for key, others in groups.items() if key not in joined} if joined else groups
        groups[id(group)] = group
        of_run.update((run, group) for member in group for run in member.runs)
    return list(groups.values())


def _training(judgement: Judgement) -> PastTraining:
    """Of one candidate; a cost that nobody knows as zero."""
    noise = judgement.verdict.gain.noise if judgement.verdict.gain is not None else None
    margin = noise.standard_error if noise is not None else None
    return PastTraining(judgement.created_at, _usd(judgement) or _ZERO, judgement.gain, _serves(judgement), margin)


def _usd(judgement: Judgement) -> Decimal | None:
    return judgement.verdict.cost.usd if judgement.verdict.cost is not None else None


def _serves(judgement: Judgement) -> bool:
    """Or did until another one took over. What a person took back does not: the one before it serves again."""
    taken_back = judgement.decided is not None and judgement.decided.target is not ApprovalStatus.APPROVED
    return judgement.approved_at is not None and not taken_back


def last_trained(judged: Iterable[Judgement], costs: Iterable[RunCost], now: datetime) -> datetime | None:
    """When a training last began that left something, at whatever cost: a candidate, or a run that did its work.

    None: never. One that failed is none: the model would go without for as many skips again.
    """
    candidates = [each.created_at for each in judged]
    runs = [run.started_at or run.ended_at for run in costs if run.run_id.kind in TRAINS and run.past_run.finished]
    return max((at for at in (*candidates, *runs) if at <= now), default=None)


def served_errors(questions: Sequence[Question], now: datetime, log: Log) -> list[ServedError]:
    """What the model showed, as whoever asked told it. What cannot be is left out and logged."""
    told = retrain_questions.served_errors(questions)
    return [each for each in told if _possible(each, checked_served, now, log)]


def _possible(fact: _Fact, check: Callable[[_Fact, datetime], None], now: datetime, log: Log) -> bool:
    """Whether should_retrain takes it: it raises at what is negative, or later than now by another host's clock."""
    try:
        check(fact, now)
    except InputError as error:
        log("left out of advice", {"reason": str(error)})
        return False
    return True
