"""A job that starts draws on the yes that it names: once, for what was approved, and the tag alone proves nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import pytest

from costwatch.adapters.table import Delete, Item, Key, Put, Write
from costwatch.core.approvals import Way
from costwatch.core.consent import Word
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, SECOND
from tests.support.fakes import FakeJob
from tests.support.memory_table import MemoryTable
from tests.support.money_town import APPROVAL_TAG, EXECUTION, PIPELINE_TAG, MoneyTown

OF_PIPELINE = {PIPELINE_TAG: EXECUTION}


class Shared(MemoryTable):
    """A table that many threads use at once: each call is whole, as DynamoDB's are. `before`: outside of any call."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()
        self.before: Callable[[Sequence[Write]], None] = lambda _writes: None

    def get(self, key: Key) -> Item | None:
        with self.lock:
            return super().get(key)

    def query(self, pk: str, *, prefix: str = "") -> list[Item]:
        with self.lock:
            return super().query(pk, prefix=prefix)

    def query_day(self, day: str, *, since: str = "") -> list[Item]:
        with self.lock:
            return super().query_day(day, since=since)

    def transact(self, writes: Sequence[Write]) -> None:
        self.before(writes)
        with self.lock:
            super().transact(writes)

    def batch(self, writes: Sequence[Put | Delete]) -> None:
        with self.lock:
            super().batch(writes)


def at_once(calls: Sequence[Callable[[], object]]) -> None:
    """Each in a thread of its own; raises what the first of them raised."""
    failures: list[BaseException] = []

    def called(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - a thread's error is raised by whoever waits for it
            failures.append(error)

    threads = [threading.Thread(target=called, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    for failure in failures:
        raise failure


def word(of: MoneyTown, job: FakeJob) -> Word | None:
    consent = of.record(job).consent
    return consent.word if consent is not None else None


def jobs_left(of: MoneyTown, approval_id: str) -> int:
    purse = of.gate.approvals.purse(ACCOUNT, approval_id)
    assert purse is not None
    return purse.jobs_left


def test_the_job_of_an_approved_pipeline_is_not_asked_about_again() -> None:
    of = MoneyTown()
    granted = of.granted()
    job = of.train("pipelines-abcdefghijkl-Train-0123456789", tags=OF_PIPELINE)
    of.sweep()
    of.through(8 * HOUR)
    assert of.questions() == []
    assert word(of, job) is Word.DREW
    assert jobs_left(of, granted.id) == 0
    assert not of.stopped()
    assert of.timeline(job).count("drew on an approval") == 1


def test_a_job_that_carries_the_id_of_its_yes_draws_on_it() -> None:
    of = MoneyTown()
    granted = of.granted(Way.COMMAND)
    job = of.train("churn-2026-11-22-09-00-00-123", tags={APPROVAL_TAG: granted.id})
    of.sweep()
    assert of.questions() == []
    assert word(of, job) is Word.DREW


def test_a_cap_that_was_granted_before_it_started_is_its_limit() -> None:
    of = MoneyTown()
    granted = of.granted(Way.COMMAND, cap=6 * HOUR)
    job = of.train(tags={APPROVAL_TAG: granted.id}, declared=6 * HOUR)
    of.sweep()
    of.through(6 * HOUR)
    assert job.alive
    of.at(6 * HOUR + SECOND)
    assert not job.alive


@pytest.mark.parametrize(
    "changes",
    [
        {"instance_count": 2},
        {"instance_type": "ml.p5.48xlarge"},
        {"declared": timedelta(hours=25)},
        {"tags": {"team": "fraud"}},
        {"name": "fraud-detector"},
    ],
    ids=["more machines", "dearer ones", "longer", "of another team", "another job"],
)
def test_the_tag_alone_proves_nothing_and_what_is_not_what_was_approved_is_asked_about(changes: dict) -> None:  # type: ignore[type-arg]
    of = MoneyTown()
    granted = of.granted(Way.COMMAND)
    tags = {APPROVAL_TAG: granted.id, **changes.pop("tags", {})}
    job = of.train(changes.pop("name", "churn"), tags=tags, **changes)
    of.sweep()
    assert word(of, job) is Word.ASKED
    assert jobs_left(of, granted.id) == 1
    assert "drew on no approval" in of.timeline(job)


@pytest.mark.parametrize("tag", ["apr-0123456789abcdef", "yes, really", "", "apr-0123456789abcdef\n"])
def test_a_tag_that_names_no_yes_is_none(tag: str) -> None:
    of = MoneyTown()
    job = of.train(tags={APPROVAL_TAG: tag})
    of.sweep()
    assert word(of, job) is Word.ASKED


def test_another_execution_does_not_draw_on_it() -> None:
    of = MoneyTown()
    granted = of.granted()
    job = of.train("pipelines-abcdefghijkl-Train-0123456789", tags={PIPELINE_TAG: EXECUTION + "d"})
    of.sweep()
    assert word(of, job) is Word.ASKED
    assert jobs_left(of, granted.id) == 1


def test_a_job_that_names_the_yes_of_a_pipeline_that_did_not_start_it_is_asked_about() -> None:
    of = MoneyTown()
    granted = of.granted()
    job = of.train("churn", tags={APPROVAL_TAG: granted.id})
    of.sweep()
    assert word(of, job) is Word.ASKED
    assert jobs_left(of, granted.id) == 1


def test_an_empty_purse_asks_again() -> None:
    of = MoneyTown()
    granted = of.granted(Way.COMMAND)
    first = of.train("churn", tags={APPROVAL_TAG: granted.id})
    of.sweep()
    second = of.train("churn-v2", tags={APPROVAL_TAG: granted.id})
    of.at(5 * MINUTE)
    assert (word(of, first), word(of, second)) == (Word.DREW, Word.ASKED)


def test_a_yes_that_has_expired_asks_again() -> None:
    of = MoneyTown()
    granted = of.granted(Way.COMMAND)
    of.town.clock.now = of.start + timedelta(days=7)
    job = of.train(tags={APPROVAL_TAG: granted.id})
    of.sweep()
    assert word(of, job) is Word.ASKED


def test_what_drew_is_looked_for_once_and_draws_no_more() -> None:
    of = MoneyTown()
    granted = of.granted(Way.COMMAND)
    job = of.train(tags={APPROVAL_TAG: granted.id})
    of.sweep()
    of.through(2 * HOUR)
    assert of.timeline(job).count("drew on an approval") == 1
    assert jobs_left(of, granted.id) == 0


def test_a_cheap_job_draws_too_lest_the_yes_is_used_by_another() -> None:
    of = MoneyTown()
    granted = of.granted(Way.COMMAND)
    job = of.train(tags={APPROVAL_TAG: granted.id}, declared=HOUR)
    of.sweep()
    assert word(of, job) is Word.DREW


def test_ten_parallel_copies_of_one_approved_job_draw_once_and_the_others_are_asked_about() -> None:
    of = MoneyTown()
    granted = of.granted(Way.COMMAND)
    jobs = [of.train(f"churn-v{n}", tags={APPROVAL_TAG: granted.id}) for n in range(10)]
    of.sweep()
    assert sorted(str(word(of, job)) for job in jobs) == ["asked"] * 9 + ["drew"]
    assert jobs_left(of, granted.id) == 0


def test_of_ten_copies_that_start_at_one_moment_one_draws() -> None:
    of = MoneyTown()
    of.town.table = table = Shared()
    granted = of.granted(Way.COMMAND)
    jobs = [of.train(f"churn-v{n}", tags={APPROVAL_TAG: granted.id}) for n in range(10)]
    all_have_read = threading.Barrier(10)
    mine = threading.local()

    def before(writes: Sequence[Write]) -> None:
        if "jobs_left" in str(writes) and not getattr(mine, "waited", False):
            mine.waited = True
            all_have_read.wait(timeout=20)

    table.before = before
    at_once([partial(of.hint, job) for job in jobs])
    assert sorted(str(word(of, job)) for job in jobs) == ["asked"] * 9 + ["drew"]
    purse = of.gate.approvals.purse(ACCOUNT, granted.id)
    assert purse is not None
    assert (purse.jobs_left, len(purse.drawn_by)) == (0, 1)


def test_ten_sweeps_at_once_over_ten_copies_let_one_draw() -> None:
    of = MoneyTown()
    of.town.table = Shared()
    granted = of.granted(Way.COMMAND)
    jobs = [of.train(f"churn-v{n}", tags={APPROVAL_TAG: granted.id}) for n in range(10)]
    at_once([lambda: sweep(of.town.watchdog())] * 10)
    of.at(5 * MINUTE)
    assert sorted(str(word(of, job)) for job in jobs) == ["asked"] * 9 + ["drew"]
    assert jobs_left(of, granted.id) == 0


def test_a_crash_between_the_draw_and_the_record_draws_no_second_time() -> None:
    of = MoneyTown()
    granted = of.granted(Way.COMMAND)
    job = of.train(tags={APPROVAL_TAG: granted.id})

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
    assert jobs_left(of, granted.id) == 0
    of.at(5 * MINUTE)
    assert word(of, job) is Word.DREW
    assert of.questions() == []


# --- a yes that nobody uses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short", "told"), [(SECOND, 0), (timedelta(0), 1)])
def test_a_yes_for_a_job_that_never_starts_expires_and_is_told_once(short: timedelta, told: int) -> None:
    of = MoneyTown()
    granted = of.granted(Way.COMMAND)
    of.at(timedelta(days=7) - short)
    of.at(timedelta(days=7) - short)
    assert len([text for text in of.cards() if "drew on the yes to" in text]) == told
    lines = [str(row["transition"]) for row in of.gate.approvals.timeline(ACCOUNT, granted.id)]
    assert lines.count("approval unused") == told


def test_where_nobody_watches_jobs_it_is_not_said_that_one_never_started_only_that_no_watched_one_drew() -> None:
    of = MoneyTown(changes={"selectors": [policies.selector(mode="enforce")]})
    granted = of.granted(Way.COMMAND)
    of.train(tags={APPROVAL_TAG: granted.id})
    of.sweep()
    of.at(timedelta(days=7))
    (said,) = [text for text in of.cards() if "the yes" in text]
    assert said.startswith("No job that Costwatch watches drew on the yes to churn; it was asked about for $")
    line = of.gate.approvals.timeline(ACCOUNT, granted.id)[-1]
    assert line["reason"] == "the yes has expired, and no job that Costwatch watches drew on it"


def test_a_yes_that_was_used_is_not_told_of() -> None:
    of = MoneyTown()
    granted = of.granted(Way.COMMAND)
    of.train(tags={APPROVAL_TAG: granted.id})
    of.sweep()
    of.at(timedelta(days=8))
    assert [text for text in of.cards() if "drew on the yes to" in text] == []


def test_a_yes_to_what_runs_already_is_used_by_it_and_by_nobody_else() -> None:
    of = MoneyTown()
    of.train()
    of.sweep()
    asked = of.question()
    of.says(yes=True)
    copy = of.train("churn-v2", tags={APPROVAL_TAG: asked.id})
    of.at(5 * MINUTE)
    assert word(of, copy) is Word.ASKED
    of.at(timedelta(days=8))
    assert [text for text in of.cards() if "drew on the yes to" in text] == []
