"""Promote and Reject from the bus through the deployed functions, each under its own role, to the model registry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from costwatch.adapters.ledger_judgements import Judgements
from costwatch.core import judgement_steps
from costwatch.core.judgements import Judgement, State
from demo.embedded import EmbeddedAws
from demo.slack_endpoint import SlackEndpoint
from tests.support.builders import NOW
from tests.support.click_town import OMAR, PEOPLE, STRANGER, ClickTown
from tests.support.fakes import TestClock
from tests.support.judged import judgement
from tests.support.recorded_calls import CLICKS, asked
from tests.support.registry_town import res

CLOCK = TestClock()


class VerdictTown(ClickTown):
    """An account where a candidate is better but too dear; Omar decides."""

    def __init__(self, *given: Any, auto_approve: bool) -> None:
        self.res = res(auto_approve=auto_approve, approvers=[OMAR])
        super().__init__(*given)
        self._sagemaker = self.aws.client("sagemaker")
        self._sagemaker.create_model_package_group(ModelPackageGroupName="churn")
        self.arn: str = self._sagemaker.create_model_package(
            ModelPackageGroupName="churn", ModelApprovalStatus="PendingManualApproval"
        )["ModelPackageArn"]
        found = judgement(
            package_arn=self.arn, account=self.aws.account_id, package_version=1, created_at=NOW, judged_at=NOW,
            approvers=(OMAR,), serving_version=None,
        )  # fmt: skip
        assert self.kept.save(judgement_steps.judged(None, found, NOW, auto_approve=auto_approve))
        self.sweep()

    @property
    def kept(self) -> Judgements:
        return Judgements(self.clicks_wired.ledger)

    def row(self) -> Judgement:
        found = self.kept.get(self.aws.account_id, "us-east-1/churn/1")
        assert found is not None
        return found

    def package(self) -> dict[str, Any]:
        return dict(self._sagemaker.describe_model_package(ModelPackageName=self.arn))


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=CLOCK) as running:
        yield running


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackEndpoint]:
    with SlackEndpoint(users=PEOPLE, clock=CLOCK) as running:
        yield running


@pytest.fixture(params=[True])
def town(
    server: EmbeddedAws, slack: SlackEndpoint, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[VerdictTown]:
    server.reset()
    slack.reset()
    CLOCK.now = NOW
    yield VerdictTown(server, slack, CLOCK, tmp_path, auto_approve=request.param)
    server.faults.clear()
    assert server.errors == []


def used_by_clicks() -> Counter[str]:
    """How often the function behind the door asked for which permission, so far."""
    used: Counter[str] = Counter()
    for one, times in asked().items():
        if one.acting is not None and one.acting.role == CLICKS:
            used[one.question.action] += times
    return used


def test_a_promotion_is_written_by_the_function_that_may_and_the_card_says_who(town: VerdictTown) -> None:
    assert town.click("promote", reason="the campaign needs it") == {"result": "taken"}
    package = town.package()
    assert package["ModelApprovalStatus"] == "Approved"
    assert "promoted by" in package["ApprovalDescription"]
    assert town.row().state is State.WRITTEN
    (post,) = town.row().posts
    card = next(m for m in town.posted.messages if (m.channel_id, m.ts) == (post.channel, post.ts))
    assert card.text.startswith("Promoted by a person: churn v1")
    assert not [block for block in card.blocks if block["type"] in ("actions", "input")]
    assert town.refused() == []


def test_a_rejection_carries_its_reason_into_the_registry(town: VerdictTown) -> None:
    town.click("reject", reason="not this week")
    package = town.package()
    assert package["ModelApprovalStatus"] == "Rejected"
    assert package["ApprovalDescription"].startswith("Cost-Efficiency Rejection: ")
    assert "not this week" in package["ApprovalDescription"]


@pytest.mark.parametrize("town", [False], indirect=True)
def test_where_the_role_may_not_approve_the_registry_stays_as_it_is(town: VerdictTown) -> None:
    assert town.click("promote") == {"result": "taken"}
    assert town.package()["ModelApprovalStatus"] == "PendingManualApproval"
    assert town.row().state is State.OVERRIDDEN


def test_slacks_retry_of_a_press_is_the_same_press(town: VerdictTown) -> None:
    body = town.pressed("reject")
    assert [town.take(town.event(body, retry=retry)) for retry in ("", "1")] == [{"result": "taken"}] * 2
    lines = [line.entry.transition.value for line in town.kept.lines(town.aws.account_id, "us-east-1/churn/1")]
    assert lines.count("promotion decided") == 1
    assert town.posted.ephemerals == []


def test_a_stranger_changes_nothing_and_hears_it_alone(town: VerdictTown) -> None:
    assert town.click("promote", by=STRANGER) == {"result": "refused"}
    assert town.package()["ModelApprovalStatus"] == "PendingManualApproval"
    (told,) = town.posted.ephemerals
    assert "only approvers may promote or reject a model" in told.text


def test_what_slack_did_not_sign_decides_nothing(town: VerdictTown) -> None:
    town.take(town.event(town.pressed("promote"), secret="another"))
    assert town.row().state is State.ASKED
    assert len(town.refused()) == 1


def test_the_function_behind_the_door_asks_for_no_permission_on_the_registry(town: VerdictTown) -> None:
    before = used_by_clicks()
    town.click("reject")
    used = used_by_clicks() - before
    assert "lambda:InvokeFunction" in used
    assert not {action for action in used if action.startswith("sagemaker:")}
