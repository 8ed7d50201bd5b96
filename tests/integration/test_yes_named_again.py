"""What a run names as its yes is looked for again while a question about the run is open: it may be given only then."""

from __future__ import annotations

import pytest

from costwatch.core.approvals import Approval, Requester, Way
from costwatch.core.consent import Word
from costwatch.core.estimator import InstanceGroup, JobSpec
from costwatch.core.gate import Request
from costwatch.core.policy import Service
from costwatch.core.quote import Part
from costwatch.procedures import approvals, unapproved
from costwatch.procedures.sweep import sweep
from tests.support.builders import ACCOUNT, HOUR, MINUTE, REGION, SECOND
from tests.support.fakes import FakeInstance
from tests.support.money_town import APPROVAL_TAG, JOBS, MARIA, MoneyTown, ml_p4d
from tests.support.town import records, transitions


def asked(of: MoneyTown, part: Part) -> str:
    """The id of a question about `part`, by a command that waits."""
    request = Request(
        way=Way.COMMAND,
        key=("k",),
        name=part.name,
        account=ACCOUNT,
        region=REGION,
        parts=(part,),
        requester=Requester("Ada", "U0ADA0000", verified=True, slack_user="U0ADA0000"),
        team="risk",
    )
    return approvals.ask(of.gate, request).id


def instances(count: int) -> Part:
    groups = (InstanceGroup("p4d.24xlarge", count),)
    return Part("big", "EC2 run", (JobSpec(Service.EC2, REGION, groups, max_runtime=12 * HOUR),))


def says_yes(of: MoneyTown, approval_id: str) -> None:
    approvals.answer(of.gate, ACCOUNT, approval_id, MARIA, yes=True)


def member(of: MoneyTown, yes: str) -> FakeInstance:
    return of.launch(tags={**JOBS, "costwatch:run": "big", APPROVAL_TAG: yes})


def word(of: MoneyTown, name: str) -> Word | None:
    consent = records(of.town)[name].consent
    return consent.word if consent is not None else None


def of_runs(of: MoneyTown) -> list[Approval]:
    return [each for each in of.questions() if each.way is Way.RUN]


def left_over(of: MoneyTown) -> Approval:
    """The one open question about a run, which somebody looks at while the run draws."""
    (found,) = of_runs(of)
    return found


def again(of: MoneyTown, approval: Approval) -> Approval:
    found = of.gate.approvals.get(ACCOUNT, approval.id)
    assert found is not None
    return found


def test_a_yes_that_is_given_after_the_start_covers_the_job_that_names_it() -> None:
    of = MoneyTown()
    yes = asked(of, Part("churn", "Training", (ml_p4d(24),)))
    job = of.train(tags={APPROVAL_TAG: yes})
    of.sweep()
    assert word(of, "churn") is Word.ASKED
    says_yes(of, yes)
    of.through(8 * HOUR)
    assert word(of, "churn") is Word.DREW
    assert job.alive


@pytest.mark.parametrize(("answered", "found"), [(True, Word.DREW), (False, Word.EXPIRED)])
def test_it_covers_the_job_also_where_nobody_answered_the_question_about_the_job(answered: bool, found: Word) -> None:
    of = MoneyTown(approval={"answer_within_seconds": 3600, "remind_before_seconds": 600})
    of.train(tags={APPROVAL_TAG: (yes := asked(of, Part("churn", "Training", (ml_p4d(24),))))})
    of.at(5 * MINUTE)
    of.at(HOUR - MINUTE)
    if answered:
        says_yes(of, yes)
    of.through(2 * HOUR)
    assert word(of, "churn") is found


def test_looking_in_vain_is_told_once_and_leaves_the_question_to_its_answer() -> None:
    of = MoneyTown()
    of.train(tags={APPROVAL_TAG: "apr-0123456789abcdef"})
    of.sweep()
    known = records(of.town)["churn"]
    of.at(5 * MINUTE)
    of.at(10 * MINUTE)
    assert records(of.town)["churn"].consent == known.consent
    assert transitions(of.town, "churn", "training").count("drew on no approval") == 1
    of.says(yes=True)
    assert word(of, "churn") is Word.APPROVED


def test_members_that_come_one_by_one_draw_once_all_of_them_are_there() -> None:
    of = MoneyTown()
    yes = asked(of, instances(2))
    says_yes(of, yes)
    of.hint(member(of, yes))
    assert word(of, "big") is Word.ASKED
    of.town.clock.forward(seconds=30)
    of.hint(member(of, yes))
    of.at(2 * MINUTE)
    assert word(of, "big") is Word.DREW


def test_a_question_that_is_left_over_is_withdrawn_and_says_that_its_run_drew_on_another_yes() -> None:
    of = MoneyTown()
    yes = asked(of, instances(1))
    trainer = member(of, yes)
    of.sweep()
    question = left_over(of)
    says_yes(of, yes)
    of.at(5 * MINUTE)
    answer = again(of, question).answer
    assert answer is not None
    assert answer.reason == f"its run drew on the yes of {yes}"
    assert of.questions() == []
    assert trainer.alive


def test_whoever_answers_a_question_that_is_left_over_is_told_that_nothing_follows_and_why() -> None:
    of = MoneyTown()
    yes = asked(of, instances(1))
    member(of, yes)
    of.sweep()
    question = left_over(of)
    says_yes(of, yes)
    sweep(of.town.watchdog())  # and before the questions are tended
    approvals.answer(of.gate, ACCOUNT, question.id, MARIA, yes=False)
    effect = again(of, question).effect
    assert effect is not None
    assert effect.outcome == f"the run drew on the yes of {yes}, so nothing follows"
    assert word(of, "big") is Word.DREW


def test_a_question_about_a_run_that_is_over_says_so() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    question = of.question()
    of.town.world.end(trainer)
    of.at(5 * MINUTE)
    answer = again(of, question).answer
    assert answer is not None
    assert answer.reason == "its run is over"


def test_who_names_a_yes_that_is_none_takes_no_place_of_who_is_asked_about_for_the_first_time() -> None:
    of = MoneyTown()
    for n in range(unapproved.MOST):
        of.train(f"churn-{n:02d}", tags={APPROVAL_TAG: "apr-0123456789abcdef"})
    of.sweep()
    assert len(of.questions()) == unapproved.MOST
    of.town.clock.forward(minutes=1)
    of.train("zeta")
    of.at(5 * MINUTE + SECOND)
    assert word(of, "zeta") is Word.ASKED
