"""From a press in the browser to the ledger and back onto the card: the signature, the door, the bus, the function
behind it, and whoever they act for are the real ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from costwatch import names, topology
from costwatch.adapters.dynamodb import DynamoTable
from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.adapters.ledger_approvals import Approvals
from costwatch.core.approvals import Approval, State
from costwatch.core.record import RunRecord
from demo.stage import TABLE, Stage
from tests.browser.conftest import PageAt

START = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MARIA, RAVI, LEE, SAM = (f"{name}@example.com" for name in ("maria", "ravi", "lee", "sam"))
RISK = "#risk-ml"
CONFIGURATION = f"""\
version: 1
regions: [us-east-1]
slack:
  platform_channel: "#ml-platform"
  team_channels: {{risk: "{RISK}"}}
  warn_owner_by: team_channel
  app_id: A0COSTWATCH
  workspace: T0EMBEDDED
dead_man:
  mode: enforce
  selectors:
    - name: trainers
      ec2: {{tag: {{Purpose: training}}}}
approval:
  mode: enforce
  tiers: [{{above_usd: 400, approvers: ["@risk-leads"]}}]
"""


@dataclass
class Town:
    """The deployed stack, people in Slack, and what the ledger says."""

    stage: Stage
    page_at: PageAt

    # --- what there is -------------------------------------------------------------------------------

    def gate(self) -> Any:
        """What `costwatch gate` is told: it asks, or asks how its question stands."""
        job = {
            "TrainingJobName": "churn-bert-large",
            "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 2, "VolumeSizeInGB": 100},
            "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        }
        detail = {
            "request": {"job": job, "expected_runtime": "14h", "owner": MARIA, "team": "risk"},
            "requested_by": f"arn:aws:sts::{self.stage.aws.account_id}:assumed-role/ci/run-7",
        }
        event = {"source": names.SOURCE_CLI, "detail-type": names.DETAIL_GATE_REQUESTED, "detail": detail}
        answer = self.stage.invoke(
            FunctionName=f"{names.PROJECT}-{topology.GATE.name}",
            InvocationType="RequestResponse",
            Payload=json.dumps(event).encode(),
        )
        assert "FunctionError" not in answer
        return json.loads(answer["Payload"].read())

    def ask(self) -> Approval:
        """A question that stands in Slack."""
        answer = self.gate()
        assert answer["decision"] == "pending"
        self.sweep()
        return self.question(answer["id"])

    def sweep(self) -> None:
        assert self.stage.fire("sweep").result["failures"] == []

    def trainer(self, name: str, *, age: timedelta) -> str:
        """Maria's; its run id."""
        tags = {"Purpose": "training", "owner": MARIA, "team": "risk"}
        at = self.stage.clock() - age
        instance = self.stage.aws.fleet.instance(type="p4d.24xlarge", name=name, tags=tags, launched_at=at)
        self.sweep()
        return f"{self.stage.aws.account_id}/us-east-1/instance/{instance}"

    # --- what the ledger says ------------------------------------------------------------------------

    @property
    def ledger(self) -> Ledger:
        return Ledger(DynamoTable(self.stage.aws.client("dynamodb"), TABLE), stamp=Stamp("d", "c"))

    def question(self, approval_id: str) -> Approval:
        found = Approvals(self.ledger).get(self.stage.aws.account_id, approval_id)
        assert found is not None
        return found

    def record(self, run: str) -> RunRecord:
        records = self.ledger.open_records(self.stage.aws.account_id, "us-east-1")
        return next(each for each in records.values() if str(each.run_id) == run)

    # --- who reads -----------------------------------------------------------------------------------

    def reading(self, user: str, *, width: int = 1280) -> Page:
        return self.page_at(width, "light").open(self.stage.slack.page_url_of(user))

    def clicked(self) -> list[str]:
        """What became of every click so far."""
        return [str(each.result["result"]) for each in self.stage.invocations if each.function == topology.CLICKS.name]


@pytest.fixture
def town(page_at: PageAt) -> Iterator[Town]:
    with Stage(start=START, people=[MARIA, RAVI, LEE, SAM], recorded=False) as stage:
        stage.slack.people.titles.update({MARIA: "owner", RAVI: "approver", LEE: "approver", SAM: "stranger"})
        stage.slack.people.add_group("@risk-leads", [RAVI, LEE])
        stage.deploy(CONFIGURATION)
        with stage.taking_clicks():
            yield Town(stage, page_at)
        assert stage.aws.errors == []
        assert [each for each in stage.invocations if each.error] == []


def card(page: Page, text: str) -> Locator:
    return page.locator("article", has_text=text)


def press(page: Page, name: str, *, confirm: bool = False) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    if confirm:
        page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


def wait_until(page: Page, holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen within ten seconds")


def no_controls(card: Locator) -> None:
    expect(card).to_have_count(1)
    expect(card.locator("button, input, select")).to_have_count(0)


def test_a_yes_in_the_browser_is_the_decision_in_the_ledger_and_stands_on_the_card(town: Town) -> None:
    asked = town.ask()
    page = town.reading(RAVI)
    press(page, "Approve", confirm=True)
    shown = card(page, "Approved: churn-bert-large")
    expect(shown).to_contain_text("Approved by Ravi.")
    no_controls(shown)
    expect(shown.locator(".thread")).to_contain_text("What they saw: expected $707.04, at most $1,212.06")
    after = town.question(asked.id)
    assert after.state is State.APPROVED
    assert after.answer is not None
    assert (after.answer.by, after.answer.cap) == (town.stage.slack.users[RAVI], None)
    assert (town.gate()["goes_on"], town.gate()["outputs"]["answered_by"]) == (True, "Ravi")


def test_a_no_carries_its_reason_into_the_ledger_and_the_thread(town: Town) -> None:
    asked = town.ask()
    page = town.reading(RAVI)
    page.get_by_label("Reason").fill("too dear & <!channel>")
    press(page, "Deny")
    shown = card(page, "Denied: churn-bert-large")
    no_controls(shown)
    expect(shown.locator(".thread")).to_contain_text("Reason: too dear & <!channel>")
    answer = town.question(asked.id).answer
    assert answer is not None
    assert answer.reason == "too dear & <!channel>"


def test_a_cap_is_granted_with_the_yes(town: Town) -> None:
    asked = town.ask()
    page = town.reading(RAVI)
    page.locator("article select").select_option("14 h, $707.04")
    press(page, "Approve", confirm=True)
    expect(card(page, "Approved: churn-bert-large")).to_contain_text("capped at 14 h ($707.04 at most)")
    after = town.question(asked.id)
    assert after.answer is not None
    assert after.answer.cap == 14 * HOUR
    assert after.granted_runtime == 14 * HOUR
    assert town.clicked() == ["ignored", "taken"], "to choose decides nothing"


def test_a_double_click_is_one_answer_and_nobody_is_scolded(town: Town) -> None:
    asked = town.ask()
    page = town.reading(RAVI)
    page.get_by_role("button", name="Deny").dblclick()
    no_controls(card(page, "Denied: churn-bert-large"))
    wait_until(page, lambda: len(town.clicked()) == 2)
    assert town.clicked() == ["taken", "taken"]
    assert len(town.stage.slack.thread_of(town.stage.slack.to(RISK)[0])) == 1
    assert town.stage.slack.ephemerals == []
    assert town.question(asked.id).state is State.DENIED


def test_of_two_approvers_the_second_hears_who_was_first(town: Town) -> None:
    asked = town.ask()
    ravi, lee = town.reading(RAVI), town.reading(LEE)
    with town.stage.clicks_held():
        press(ravi, "Deny")
        press(lee, "Approve", confirm=True)
        wait_until(lee, lambda: len(town.stage.slack.deliveries) == 2)
    expect(lee.locator(".only")).to_contain_text("It was denied by Ravi at ")
    no_controls(card(lee, "Denied: churn-bert-large"))
    assert town.question(asked.id).state is State.DENIED


def test_a_stranger_hears_privately_who_may_and_nothing_changes(town: Town) -> None:
    asked = town.ask()
    stranger, approver = town.reading(SAM), town.reading(RAVI)
    press(stranger, "Approve", confirm=True)
    expect(stranger.locator(".only")).to_contain_text("You may not decide this; @risk-leads may.")
    expect(stranger.locator(".only")).to_contain_text("Only visible to you")
    expect(approver.get_by_role("button", name="Approve")).to_be_enabled()
    expect(approver.locator(".only")).to_have_count(0)
    assert town.question(asked.id).state is State.PENDING


def test_the_owner_of_what_nobody_proves_to_have_asked_for_may_not_approve_it(town: Town) -> None:
    town.stage.slack.people.add_group("@risk-leads", [MARIA, RAVI])
    asked = town.ask()
    page = town.reading(MARIA)
    press(page, "Approve", confirm=True)
    expect(page.locator(".only .body")).to_have_text(
        "Who asked is not proven and you are its owner, so another approver has to say yes."
    )
    assert town.question(asked.id).state is State.PENDING


@pytest.mark.parametrize(("early", "expected"), [(timedelta(seconds=1), State.APPROVED), (timedelta(0), State.PENDING)])
def test_an_answer_counts_until_its_time_is_over(town: Town, early: timedelta, expected: State) -> None:
    asked = town.ask()
    page = town.reading(RAVI)
    town.stage.clock.now = asked.answer_by - early
    press(page, "Approve", confirm=True)
    if expected is State.APPROVED:
        no_controls(card(page, "Approved: churn-bert-large"))
    else:
        expect(page.locator(".only .body")).to_have_text("Too late: no answer came in time, and that means no.")
    assert town.question(asked.id).state is expected


def test_no_answer_in_time_is_a_no_and_the_open_page_loses_its_buttons(town: Town) -> None:
    asked = town.ask()
    page = town.reading(RAVI)
    expect(page.get_by_role("button", name="Approve")).to_be_enabled()
    town.stage.clock.now = asked.answer_by
    town.sweep()
    shown = card(page, "Expired: churn-bert-large")
    no_controls(shown)
    assert town.question(asked.id).state is State.EXPIRED


def test_the_owner_extends_and_the_card_says_until_when(town: Town) -> None:
    run = town.trainer("churn-ablation", age=timedelta(hours=11, minutes=30))
    before = town.record(run).deadline
    page = town.reading(MARIA, width=390)
    press(page, "Extend 4 h (+$87.83)")
    shown = card(page, "churn-ablation stops in 30 min")
    expect(shown).to_contain_text("(4 h, +$87.83). 20 h of its owner's 24 h are left.")
    no_controls(shown)
    after = town.record(run)
    assert before is not None
    assert after.deadline == before + 4 * HOUR


def test_a_stranger_extends_nothing(town: Town) -> None:
    run = town.trainer("churn-ablation", age=timedelta(hours=11, minutes=30))
    before = town.record(run).deadline
    page = town.reading(SAM)
    press(page, "Extend 12 h (+$263.49)")
    expect(page.locator(".only .body")).to_have_text(
        "You may not do that: only its owner and approvers may extend it; approvers are @risk-leads."
    )
    assert town.record(run).deadline == before


def test_stop_now_asks_first_and_the_function_that_may_stop_does_it(town: Town) -> None:
    run = town.trainer("churn-ablation", age=timedelta(hours=11, minutes=30))
    page = town.reading(MARIA)
    press(page, "Stop now", confirm=True)
    shown = card(page, "churn-ablation stops in 30 min")
    expect(shown).to_contain_text("by Maria")
    no_controls(shown)
    instance = run.rpartition("/")[2]
    found = town.stage.aws.client("ec2").describe_instances(InstanceIds=[instance])
    state = found["Reservations"][0]["Instances"][0]["State"]["Name"]
    assert state in ("shutting-down", "terminated")
