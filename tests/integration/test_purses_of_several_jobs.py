"""A yes for several jobs is for each of them once: what one takes is no other's, and its cap goes by what it took."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from costwatch.adapters.approval_codec import purse_from_item, purse_to_item
from costwatch.core import named_yes
from costwatch.core.approvals import Requester, Way
from costwatch.core.consent import Consent, Word
from costwatch.core.estimator import InstanceGroup, JobSpec, Volume
from costwatch.core.gate import Request
from costwatch.core.policy import Service
from costwatch.core.purses import Purse, SpecSeen, Taken
from costwatch.core.quote import Part
from costwatch.procedures import approvals
from costwatch.procedures.sweep import sweep
from tests.support.builders import ACCOUNT, HOUR, NOW, REGION, member, record, run
from tests.support.fakes import FakeInstance, FakeJob
from tests.support.money_town import APPROVAL_TAG, EXECUTION, JOBS, MARIA, PIPELINE_TAG, MoneyTown
from tests.support.town import records

DEAR, CHEAP = "ml.p4d.24xlarge", "ml.g5.xlarge"


def job(kind: str, hours: int) -> JobSpec:
    return JobSpec(Service.TRAINING, REGION, (InstanceGroup(kind, 1),), max_runtime=hours * HOUR)


def instances(count: int, hours: int, volume: Volume | None = None) -> JobSpec:
    groups = (InstanceGroup("p4d.24xlarge", count),)
    return JobSpec(Service.EC2, REGION, groups, max_runtime=hours * HOUR, volume=volume)


def step(*choices: JobSpec) -> Part:
    return Part("train", "Training", choices)


def granted(of: MoneyTown, *parts: Part, way: Way = Way.PIPELINE, cap: timedelta | None = None) -> str:
    """The id of a yes for `parts`."""
    of_pipeline = way is Way.PIPELINE
    request = Request(
        way=way,
        key=("tok1234567",),
        name="churn",
        account=ACCOUNT,
        region=REGION,
        parts=parts,
        requester=Requester("Ada", "U0ADA0000", verified=True, slack_user="U0ADA0000"),
        team="risk",
        token="tok1234567" if of_pipeline else "",
        source=EXECUTION if of_pipeline else "",
    )
    asked = approvals.ask(of.gate, request)
    approvals.answer(of.gate, ACCOUNT, asked.id, MARIA, yes=True, cap=cap)
    return asked.id


def started(of: MoneyTown, number: int, kind: str = DEAR, hours: int = 24) -> FakeJob:
    name = f"pipelines-abcdefghijkl-Train-012345678{number}"
    return of.train(name, tags={PIPELINE_TAG: EXECUTION}, instance_type=kind, declared=hours * HOUR)


def launched(of: MoneyTown, yes: str, count: int = 1) -> list[FakeInstance]:
    return [of.launch(tags={**JOBS, "costwatch:run": "big", APPROVAL_TAG: yes}) for _ in range(count)]


def word(of: MoneyTown, thing: FakeJob) -> Word | None:
    consent = of.record(thing).consent
    return consent.word if consent is not None else None


def consent_of_group(of: MoneyTown) -> Consent:
    consent = records(of.town)["big"].consent
    assert consent is not None
    return consent


def purse(of: MoneyTown, yes: str) -> Purse:
    found = of.gate.approvals.purse(ACCOUNT, yes)
    assert found is not None
    return found


def test_a_yes_for_a_cheap_and_a_dear_job_covers_one_dear_job() -> None:
    of = MoneyTown()
    granted(of, step(job(CHEAP, 24)), step(job(DEAR, 24)))
    jobs = [started(of, number) for number in range(2)]
    cheap = started(of, 2, CHEAP)
    of.sweep()
    assert sorted(str(word(of, each)) for each in jobs) == ["asked", "drew"]
    assert word(of, cheap) is Word.DREW


def test_a_job_that_may_turn_out_to_be_two_things_is_one_job() -> None:
    of = MoneyTown()
    yes = granted(of, step(job(CHEAP, 24), job(DEAR, 24)))
    assert purse(of, yes).jobs_left == 1
    jobs = [started(of, 0, DEAR), started(of, 1, CHEAP)]
    of.sweep()
    assert [word(of, each) for each in jobs].count(Word.DREW) == 1


def test_a_job_takes_the_least_that_covers_it_and_leaves_the_rest_to_who_needs_it() -> None:
    of = MoneyTown()
    granted(of, step(job(DEAR, 24), job(CHEAP, 24)), step(job(DEAR, 24)), step(job(DEAR, 4)))
    jobs = [started(of, 0, DEAR, 4), started(of, 1, DEAR, 24), started(of, 2, CHEAP, 24)]
    for each in jobs:
        of.hint(each)
    assert [word(of, each) for each in jobs] == [Word.DREW] * 3


def test_a_short_dear_job_does_not_take_the_runtime_of_a_long_cheap_one() -> None:
    of = MoneyTown()
    granted(of, step(job(CHEAP, 24)), step(job(DEAR, 4)))
    dear = started(of, 0, DEAR, 24)
    of.sweep()
    assert word(of, dear) is Word.ASKED


@pytest.mark.parametrize(("count", "cap"), [(1, 12 * HOUR), (2, None)], ids=["the long one", "the short one"])
def test_a_cap_is_the_limit_of_the_job_that_was_to_take_longer_and_not_of_the_short_one(
    count: int, cap: timedelta | None
) -> None:
    of = MoneyTown()
    parts = (Part("big", "EC2 run", (instances(1, 48),)), Part("big", "EC2 run", (instances(2, 12),)))
    launched(of, granted(of, *parts, way=Way.COMMAND, cap=12 * HOUR), count)
    of.sweep()
    assert (consent_of_group(of).word, consent_of_group(of).cap) == (Word.DREW, cap)


def test_a_crash_between_the_draw_and_the_record_keeps_the_cap_of_what_was_drawn() -> None:
    of = MoneyTown()
    parts = (Part("big", "EC2 run", (instances(1, 48),)), Part("big", "EC2 run", (instances(2, 12),)))
    launched(of, granted(of, *parts, way=Way.COMMAND, cap=12 * HOUR), 2)

    class Crash(BaseException):
        pass

    drawn: list[int] = []

    def before(writes: object) -> None:
        if drawn and "drew" in str(writes):
            raise Crash
        if "jobs_left" in str(writes):
            drawn.append(1)

    of.town.table.before_transact = before
    with pytest.raises(Crash):
        sweep(of.town.watchdog())
    of.town.table.before_transact = None
    of.sweep()
    assert (consent_of_group(of).word, consent_of_group(of).cap) == (Word.DREW, None)


def test_instances_that_were_asked_about_with_a_volume_draw_though_nobody_looks_at_the_volumes_of_what_runs() -> None:
    of = MoneyTown()
    launched(of, granted(of, Part("big", "EC2 run", (instances(1, 12, Volume(500, "gp3")),)), way=Way.COMMAND))
    of.sweep()
    assert consent_of_group(of).word is Word.DREW


# --- as rows -----------------------------------------------------------------------------------------------------

ONE, OTHER = SpecSeen("a" * 64, HOUR, 0), SpecSeen("b" * 64, 2 * HOUR, 1)
DRAWN = Purse("apr-1", ACCOUNT, (ONE, OTHER), None, HOUR, 1, NOW, "", ("run@1",), (Taken("run@1", OTHER),))


def test_what_was_drawn_is_read_as_it_was_written() -> None:
    assert purse_from_item(purse_to_item(DRAWN)) == DRAWN


def test_in_a_row_of_before_each_spec_is_a_job_of_its_own_and_nobody_knows_what_was_drawn() -> None:
    row = purse_to_item(DRAWN)
    del row["taken"]
    row["specs"] = [spec[:2] for spec in row["specs"]]
    found = purse_from_item(row)
    assert (found.specs, found.taken, found.drawn_by) == ((ONE, OTHER), (), ("run@1",))
    assert found.drawn_spec("run@1") is None


def test_of_whom_nobody_knows_what_was_drawn_the_cap_holds_as_soon_as_it_is_one_for_any_of_them() -> None:
    found = named_yes.drew(record(run(member("i-1"))), replace(DRAWN, taken=()), "run@1", NOW).consent
    assert found is not None
    assert found.cap == HOUR
