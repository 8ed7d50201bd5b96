"""Where more runs than a sweep lists whole: what it leaves out, and what is counted once an hour instead."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from costwatch.core.candidates import everything
from costwatch.core.record import Status
from costwatch.errors import TransientAwsError
from costwatch.procedures import listing
from costwatch.procedures.report import SweepReport
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, REGION
from tests.support.fakes import FakeInstance, Town

WEB = {"Purpose": "web"}
OVERDUE = 20 * HOUR


def town(*, listed_whole: int = 0, **changes: Any) -> Town:
    return Town(policies.policy(**{"mode": "enforce", **changes}), listed_whole=listed_whole)


def rows(of: Town) -> dict[str, Status]:
    return {r.run_id.name: r.status for r in of.ledger.open_records(ACCOUNT, REGION).values()}


def listings(of: Town) -> Counter[str]:
    """DescribeInstances by what tells one filter from another."""
    asked = (ids for operation, region, ids in of.world.calls if operation == "DescribeInstances" and region)
    return Counter(ids[-1] if ids[0] == everything()[0][0] else "other" for ids in asked)


def later(of: Town, **duration: float) -> SweepReport:
    of.clock.forward(**duration)
    of.world.calls.clear()
    return sweep(of.watchdog())


def units(of: Town, count: int, **launched: Any) -> list[FakeInstance]:
    return [of.world.launch(**launched) for _ in range(count)]


# --- what is listed -----------------------------------------------------------------------------------------------


def test_as_many_as_are_listed_whole_all_have_a_row_and_with_one_more_only_who_may_be_warned_has() -> None:
    of = town(listed_whole=3)
    old, *young = [*units(of, 1, age=OVERDUE), *units(of, 2, age=HOUR)]
    report = sweep(of.watchdog())
    assert set(rows(of)) == {i.id for i in (old, *young)}
    assert (report.watched, report.not_counted) == (3, [])

    of = town(listed_whole=3)
    old, *young = [*units(of, 1, age=OVERDUE), *units(of, 3, age=HOUR)]
    report = sweep(of.watchdog())
    assert set(rows(of)) == {old.id}
    assert report.watched == 1


def test_a_few_trainers_among_many_others_are_listed_whole() -> None:
    of = town(listed_whole=3)
    units(of, 20, tags=WEB)
    trainers = units(of, 3, age=HOUR)
    assert sweep(of.watchdog()).watched == 3
    assert set(rows(of)) == {i.id for i in trainers}


def test_a_run_that_has_a_row_is_followed_however_young_it_becomes() -> None:
    of = town()
    trainer, *_ = [*units(of, 1, age=11 * HOUR), *units(of, 3, age=HOUR)]
    sweep(of.watchdog())
    of.world.restart(trainer)
    later(of, minutes=5)
    assert rows(of) == {trainer.id: Status.RUNNING}
    of.world.end(trainer)
    later(of, minutes=5)
    assert rows(of) == {}


def test_a_start_that_an_answer_leaves_out_holds_a_run_that_no_sweep_had_listed_before() -> None:
    """A sweep that lists everything knows the start from before; this one has not seen the run, and takes no guess."""
    for listed_whole, before, then in ((0, None, Status.HELD), (249, Status.RUNNING, Status.RUNNING)):
        of = town(listed_whole=listed_whole)
        trainer = of.world.launch(age=10 * HOUR)
        units(of, 3, age=HOUR)
        sweep(of.watchdog())
        assert rows(of).get(trainer.id) is before
        of.clock.forward(hours=1, minutes=5)
        trainer.unsaid_launch_time, trainer.launch_time = trainer.launch_time, None
        sweep(of.watchdog())
        assert rows(of)[trainer.id] is then


def test_more_rows_than_are_asked_for_by_id_are_looked_for_in_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_BY_ID", 2)
    of = town(listed_whole=249)
    units(of, 3, age=HOUR)
    sweep(of.watchdog())
    of.listed_whole = 0
    later(of, minutes=5)
    assert set(rows(of).values()) == {Status.RUNNING}
    assert listings(of)["instance-id"] == 0
    monkeypatch.setattr(listing, "MOST_BY_ID", 3)
    later(of, minutes=5)
    assert listings(of)["instance-id"] == 1


def test_nothing_is_concluded_where_one_of_the_listings_fails() -> None:
    of = town()
    gone, _ = units(of, 2, age=OVERDUE)
    sweep(of.watchdog())
    of.world.end(gone)
    of.clock.forward(minutes=5)
    of.world.fault = lambda operation, region, ids: (
        TransientAwsError("RequestLimitExceeded")
        if operation == "DescribeInstances" and ids[-1:] == ("tag-key",)
        else None
    )
    report = sweep(of.watchdog())
    assert [failure.where for failure in report.failures] == [f"{REGION} ec2"]
    assert set(rows(of).values()) == {Status.WARNED}


# --- what is counted ----------------------------------------------------------------------------------------------


def test_everything_is_counted_once_an_hour_and_what_nobody_watches_is_told_of() -> None:
    of = town(selectors=[policies.selector(), policies.selector("off", "off", tags={"Purpose": ["off"]})])
    units(of, 4, age=HOUR)
    units(of, 2, age=HOUR, tags={"Purpose": "training", "costwatch:run": "churn"})
    units(of, 1, age=HOUR, tags={"Purpose": "off"})
    units(of, 3, age=HOUR, tags=WEB, instance_type="m5.large")
    (nobody,) = units(of, 1, age=HOUR, tags=WEB)
    report = sweep(of.watchdog())
    assert [seen.run.id.name for seen in report.unwatched] == [nobody.id]
    assert report.not_counted == []
    census = of.ledger.census(ACCOUNT, REGION)
    assert census is not None
    assert (census.at, census.instances, census.runs_of) == (of.clock.now, 11, {"trainers": 5, "off": 0})
    (card,) = (card for _, _, card in of.world.posts)
    assert card.text.startswith("1 run on accelerators")

    report = later(of, minutes=59)
    assert (report.unwatched, report.not_counted) == ([], [REGION])
    assert listings(of)["instance-state-name"] == 1, "no more than the look whether all of it fits on a page"
    report = later(of, minutes=1)
    assert len(report.unwatched) == 1


def test_in_a_group_whose_nodes_nobody_picks_its_accelerators_are_unwatched_and_who_is_protected_is_not() -> None:
    protect = [{"tags": {"Environment": ["prod"]}, "asg": None}]
    of = town(protect=protect)
    units(of, 2, tags=WEB, asg="nodes")
    units(of, 1, tags=WEB, asg="mixed")
    units(of, 1, asg="mixed")
    units(of, 1, tags={**WEB, "Environment": "prod"})
    report = sweep(of.watchdog())
    assert [(seen.run.id.name, len(seen.run.members)) for seen in report.unwatched] == [("nodes", 2)]


def test_who_is_told_not_to_count_says_what_it_does_not_know() -> None:
    of = town()
    units(of, 2, tags=WEB)
    wary = of.watchdog()
    object.__setattr__(wary, "counts", False)
    report = sweep(wary)
    assert (report.unwatched, report.not_counted) == ([], [REGION])
    assert of.ledger.census(ACCOUNT, REGION) is None


def test_a_count_that_fails_is_reported_and_holds_up_nothing() -> None:
    of = town()
    units(of, 2, age=OVERDUE)
    seen: Counter[str] = Counter()

    def fault(operation: str, _region: str, ids: tuple[str, ...]) -> TransientAwsError | None:
        if operation == "DescribeInstances" and ids == ("instance-state-name",):
            seen["everything"] += 1
        return TransientAwsError("RequestLimitExceeded") if seen["everything"] == 2 and len(ids) == 1 else None

    of.world.fault = fault
    report = sweep(of.watchdog())
    assert [failure.where for failure in report.failures] == [f"{REGION} census"]
    assert set(rows(of).values()) == {Status.WARNED}


def test_a_census_that_cannot_be_read_is_taken_anew() -> None:
    of = town()
    units(of, 2)
    sweep(of.watchdog())
    (row,) = (item for (pk, _), item in of.table.items.items() if pk.startswith("census#"))
    row.pop("instances")
    assert of.ledger.census(ACCOUNT, REGION) is None
    later(of, minutes=5)
    assert of.ledger.census(ACCOUNT, REGION) is not None


# --- the share ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("young", "stopped"), [(9, 1), (19, 2), (29, 3)])
def test_a_share_is_of_all_runs_that_were_counted_and_not_of_those_seen(young: int, stopped: int) -> None:
    of = town(blast_cap={"runs": 100, "share": "0.1", "per_day": 100})
    units(of, 5, age=OVERDUE)
    units(of, young - 4, age=timedelta(0))
    sweep(of.watchdog())
    report = later(of, minutes=31)
    assert report.stopped == stopped, f"a tenth of {young + 1}"


def test_before_anything_was_counted_a_share_is_of_those_seen() -> None:
    of = town(blast_cap={"runs": 100, "share": "0.5", "per_day": 100})
    units(of, 4, age=OVERDUE)
    units(of, 96, age=timedelta(0))
    sweep(of.watchdog())
    for key in [key for key in of.table.items if key[0].startswith("census#")]:
        del of.table.items[key]
    assert later(of, minutes=31).stopped == 2


# --- what is dear ---------------------------------------------------------------------------------------------------


def asking(mode: str) -> Town:
    return town(approval=policies.approval(mode=mode))


def test_what_is_dear_gets_its_row_by_the_hourly_count_and_is_asked_about_however_young_it_is() -> None:
    of = asking("enforce")
    (dear,) = units(of, 1, age=HOUR)
    (unknown,) = units(of, 1, age=HOUR, instance_type="p9.48xlarge")
    group = of.world.launch_group(size=2, age=HOUR, instance_type="g5.48xlarge")
    units(of, 3, age=HOUR, instance_type="g5.xlarge")
    units(of, 2, age=HOUR, tags=WEB)
    sweep(of.watchdog())
    assert set(rows(of)) == {dear.id, unknown.id, group.name}
    asked = [card.text for _, _, card in of.world.posts if card.text.startswith("Approval needed")]
    assert len(asked) == 2
    later(of, minutes=5)
    assert set(rows(of)) == {dear.id, unknown.id, group.name}, "it is listed from now on"


@pytest.mark.parametrize("mode", ["off", "observe"])
def test_where_nobody_is_asked_the_count_looks_at_nobody_more_closely(mode: str) -> None:
    of, without = asking(mode), town()
    for each in (of, without):
        units(each, 3, age=HOUR)
        sweep(each.watchdog())
    assert rows(of) == {}
    assert of.world.calls == without.world.calls


def test_where_nothing_is_dear_the_count_asks_for_nothing_more() -> None:
    of, without = asking("enforce"), town()
    for each in (of, without):
        units(each, 5, age=HOUR, instance_type="g5.xlarge")
        sweep(each.watchdog())
    assert rows(of) == {}
    assert of.world.calls == without.world.calls
