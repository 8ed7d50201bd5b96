"""Line 5 of the safety contract: protection is respected, whenever it was set."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR
from tests.support.town import TAGS, destroyed, later, records, town, warn_and_let_the_notice_pass


@pytest.mark.parametrize(
    "given",
    [
        {"tags": {**TAGS, "Environment": "prod"}},
        {"tags": {**TAGS, "costwatch:never": ""}},
        {"tags": {**TAGS, "costwatch:exempt": "until 2026-12-24T00:00:00Z"}},
        {"tags": {**TAGS, "costwatch:exempt": "the bastion"}},
        {"tags": TAGS, "protected": True},
        {"tags": TAGS, "asg": "inference-a"},
        {"tags": TAGS, "asg": "trainers"},
        {"tags": TAGS, "spot": "persistent", "request_tags": {**TAGS, "costwatch:never": ""}},
        {"tags": TAGS, "lifecycle": "capacity_block"},
    ],
    ids=["protect tag", "never", "exempt until", "exempt reason", "termination protection", "protect asg", "group",
         "never on the request", "prepaid"],
)  # fmt: skip
def test_5_what_is_protected_is_never_stopped(given: dict[str, Any]) -> None:
    of = town(protect=[{"tags": {"Environment": ["prod"]}, "asg": None}, {"tags": {}, "asg": "inference-*"}])
    bastion = of.world.launch(age=900 * HOUR, **given)
    for _ in range(20):
        later(of, hours=6)
    assert bastion.alive
    assert destroyed(of) == []


def test_5_protection_that_was_set_after_the_warning_is_respected() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    trainer.protected = True
    later(of, minutes=32)
    assert trainer.alive
    assert destroyed(of) == []


def test_5_a_job_that_uploads_its_model_is_left() -> None:
    of = town(policies.selector(service="training"))
    job = of.world.train("churn", age=40 * HOUR)
    sweep(of.watchdog())
    job.secondary_status = "Uploading"
    later(of, minutes=32)
    assert job.status == "InProgress"
    assert destroyed(of) == []


def test_5_children_of_a_tuning_job_are_never_stopped_by_a_selector_of_training_jobs() -> None:
    of = town(policies.selector(service="training"))
    child = of.world.child_of(of.world.tune("search", age=60 * HOUR), age=40 * HOUR)
    warn_and_let_the_notice_pass(of)
    assert (child.status, records(of), destroyed(of)) == ("InProgress", {}, [])


def test_5_stop_protection_holds_where_a_selector_stops() -> None:
    of = town(policies.selector(action="stop"))
    bench = of.world.launch(age=40 * HOUR, tags=TAGS)
    bench.stop_protected = True
    warn_and_let_the_notice_pass(of)
    assert bench.alive
    hold = records(of)[bench.id].hold
    assert hold is not None
    assert hold.code.value == "stop-protection"
