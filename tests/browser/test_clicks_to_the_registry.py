"""From Promote and Reject in the browser to the model registry and back onto the card: the door, the bus, the function
behind it, the function that writes the registry, and the ledger are the real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Locator, Page, expect

from costwatch import topology
from costwatch.adapters.dynamodb import DynamoTable
from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.core import judgement_steps
from costwatch.core.judgements import Judgement, State
from demo.stage import TABLE, Stage
from tests.browser.conftest import PageAt
from tests.support.judged import judgement

START = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
RAVI, LEE, SAM = (f"{name}@example.com" for name in ("ravi", "lee", "sam"))
CONFIGURATION = """\
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml-platform", app_id: A0COSTWATCH, workspace: T0EMBEDDED}
dead_man:
  mode: warn
  selectors:
    - name: trainers
      ec2: {tag: {Purpose: training}}
res:
  mode: enforce
  auto_approve: AUTO
  approvers: ["@risk-leads"]
  models:
    churn: {metric: auc, direction: maximize, worth: {usd: 4000, per: 0.01, over: 30d}}
"""


@dataclass
class Town:
    """The deployed stack, a candidate in the registry, and people in Slack."""

    stage: Stage
    page_at: PageAt

    def ask(self) -> Judgement:
        """A candidate that is better but too dear, and is asked about."""
        sagemaker = self.stage.aws.client("sagemaker")
        sagemaker.create_model_package_group(ModelPackageGroupName="churn")
        arn = sagemaker.create_model_package(
            ModelPackageGroupName="churn", ModelApprovalStatus="PendingManualApproval"
        )["ModelPackageArn"]
        now = self.stage.clock()
        found = judgement(
            package_arn=arn, account=self.stage.aws.account_id, package_version=1, created_at=now, judged_at=now,
            serving_version=None,
        )  # fmt: skip
        step = judgement_steps.judged(None, found, now, auto_approve=True)
        assert self.kept.save(step)
        assert self.stage.fire("sweep").result["failures"] == []
        return self.judgement()

    @property
    def kept(self) -> Judgements:
        return Judgements(Ledger(DynamoTable(self.stage.aws.client("dynamodb"), TABLE), stamp=Stamp("d", "c")))

    def judgement(self) -> Judgement:
        found = self.kept.get(self.stage.aws.account_id, "us-east-1/churn/1")
        assert found is not None
        return found

    def approval(self) -> str:
        """What the registry says of it."""
        described = self.stage.aws.client("sagemaker").describe_model_package(
            ModelPackageName=self.judgement().package_arn
        )
        return str(described["ModelApprovalStatus"])

    def reading(self, user: str, *, width: int = 1280) -> Page:
        return self.page_at(width, "light").open(self.stage.slack.page_url_of(user))

    def clicked(self) -> list[str]:
        """What became of every click so far."""
        return [str(each.result["result"]) for each in self.stage.invocations if each.function == topology.CLICKS.name]


@pytest.fixture(params=["true"])
def town(page_at: PageAt, request: pytest.FixtureRequest) -> Iterator[Town]:
    with Stage(start=START, people=[RAVI, LEE, SAM], recorded=False) as stage:
        stage.slack.people.titles.update({RAVI: "approver", LEE: "approver", SAM: "stranger"})
        stage.slack.people.add_group("@risk-leads", [RAVI, LEE])
        stage.deploy(CONFIGURATION.replace("AUTO", request.param))
        with stage.taking_clicks():
            yield Town(stage, page_at)
        assert stage.aws.errors == []
        assert [each for each in stage.invocations if each.error] == []


def press(page: Page, name: str, *, confirm: str = "") -> None:
    page.get_by_role("button", name=name, exact=True).click()
    if confirm:
        page.get_by_role("dialog").get_by_role("button", name=confirm, exact=True).click()


def no_controls(card: Locator) -> None:
    expect(card).to_have_count(1)
    expect(card.locator("button, input, select")).to_have_count(0)


def card(page: Page, text: str) -> Locator:
    return page.locator("article", has_text=text)


def test_a_promotion_in_the_browser_is_in_the_registry_and_stands_on_the_card(town: Town) -> None:
    town.ask()
    page = town.reading(RAVI)
    page.get_by_label("Reason").fill("the campaign needs it & <!channel>")
    press(page, "Promote anyway", confirm="Promote")
    shown = card(page, "Promoted by a person: churn v1")
    expect(shown.locator(".body").first).to_contain_text("Promoted by Ravi")
    expect(shown.locator(".body").first).to_contain_text("Reason: the campaign needs it & <!channel>")
    no_controls(shown)
    expect(shown.locator(".thread")).to_contain_text("It is Approved in the model registry.")
    assert town.approval() == "Approved"
    assert town.judgement().state is State.WRITTEN


@pytest.mark.parametrize("town", ["false"], indirect=True)
def test_where_costwatch_may_not_approve_the_card_says_how(town: Town) -> None:
    town.ask()
    page = town.reading(RAVI, width=390)
    press(page, "Promote anyway", confirm="Promote")
    shown = card(page, "Promoted by a person: churn v1")
    expect(shown.locator(".body").first).to_contain_text("aws sagemaker update-model-package --region us-east-1")
    no_controls(shown)
    assert town.approval() == "PendingManualApproval"
    assert town.judgement().state is State.OVERRIDDEN


def test_of_two_approvers_the_second_hears_who_was_first(town: Town) -> None:
    town.ask()
    ravi, lee = town.reading(RAVI), town.reading(LEE)
    with town.stage.clicks_held():
        press(ravi, "Reject")
        press(lee, "Promote anyway", confirm="Promote")
        for _ in range(200):
            if len(town.stage.slack.deliveries) == 2:
                break
            lee.wait_for_timeout(50)
    expect(lee.locator(".only")).to_contain_text("Nobody is asked about churn v1 any more. Rejected by Ravi")
    no_controls(card(lee, "Rejected by a person: churn v1"))
    assert town.approval() == "Rejected"


def test_a_stranger_hears_privately_who_may_and_nothing_changes(town: Town) -> None:
    town.ask()
    stranger, approver = town.reading(SAM), town.reading(RAVI)
    press(stranger, "Reject")
    expect(stranger.locator(".only")).to_contain_text("only approvers may promote or reject a model")
    expect(approver.get_by_role("button", name="Reject")).to_be_enabled()
    expect(approver.locator(".only")).to_have_count(0)
    assert (town.approval(), town.clicked()) == ("PendingManualApproval", ["refused"])
