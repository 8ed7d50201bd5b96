"""A person's decision stands above the breaker's, whether it comes before, after, or in the very moment of a write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from costwatch.core.judgement_steps import WRITE_LEASE
from costwatch.core.judgements import Hand, State
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.core.res import Cause, Value
from costwatch.core.res_standing import standing_plain
from costwatch.errors import PermanentAwsError, RefusedError, TransientAwsError
from tests.support.builders import ACCOUNT
from tests.support.fake_registry import MARIA_ROLE
from tests.support.registry_town import package_event
from tests.support.res_town import ResTown, res_town
from tests.support.town import failing

APPROVED, REJECTED, PENDING = ApprovalStatus.APPROVED, ApprovalStatus.REJECTED, ApprovalStatus.PENDING


def with_serving(**changes: Any) -> ResTown:
    town = res_town(**changes)
    town.told_of(town.serving("churn-38", "0.912"))
    town.clock.forward(days=1)
    return town


def worse(town: ResTown) -> ModelPackage:
    return town.candidate("churn-41", "0.911")


def too_dear(town: ResTown) -> ModelPackage:
    """Asked about."""
    candidate = town.candidate("churn-41", "0.9121")
    town.told_of(candidate)
    assert town.row(candidate).state is State.ASKED
    return candidate


# --- in the registry, before anything is written ---------------------------------------------------------------------


def test_whoever_approves_between_the_judgement_and_the_write_is_not_written_over() -> None:
    town = with_serving()
    candidate = worse(town)
    registry = town.registry()

    def approve_at_the_last_look(operation: str, _region: str, ids: tuple[str, ...]) -> None:
        found = town.found(candidate)
        if operation == "DescribeModelPackage" and ids == (candidate.arn,) and found is not None:
            town.world.fault = None
            town.models.decide(candidate.arn, APPROVED)

    town.world.fault = approve_at_the_last_look
    town.told_of(candidate)
    row = town.row(candidate)
    assert town.writes == []
    assert (row.state, row.target) == (State.OVERRIDDEN, None)
    assert row.decided is not None
    assert (row.decided.target, row.decided.hand, row.decided.by) == (APPROVED, Hand.FIRST, MARIA_ROLE)
    found = registry.package(candidate.arn)
    assert found is not None
    assert found.approval is APPROVED


def test_what_was_asked_about_and_decided_in_the_registry_is_theirs_and_its_card_says_so() -> None:
    town = with_serving()
    candidate = too_dear(town)
    town.clock.forward(hours=1)
    town.told_of(town.models.decide(candidate.arn, APPROVED))
    row = town.row(candidate)
    assert row.state is State.OVERRIDDEN
    assert row.approved_at == town.clock()
    (event,) = [each for each in town.told_others(candidate) if each["state"] == "overridden"]
    assert (event["verdict"], event["cause"], event["decided_by"]) == ("overridden", "by a person", "maria")
    assert len(town.world.slack_threads) == 1


def test_a_decision_whose_event_was_lost_is_found_by_the_sweep() -> None:
    town = with_serving()
    candidate = too_dear(town)
    town.models.decide(candidate.arn, REJECTED)
    town.later(minutes=5)
    assert town.row(candidate).state is State.OVERRIDDEN


# --- in the registry, afterwards -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [False, True])
def test_whoever_approves_after_our_write_is_left_alone_and_serves_from_then_on(lost: bool) -> None:
    town = with_serving()
    candidate = worse(town)
    town.told_of(candidate)
    assert town.row(candidate).state is State.WRITTEN
    town.clock.forward(hours=2)
    approved = town.models.decide(candidate.arn, APPROVED)
    if not lost:
        town.told_of(approved)
    town.later(minutes=5)
    row = town.row(candidate)
    assert row.decided is not None
    assert (row.state, row.decided.hand) == (State.OVERRIDDEN, Hand.AFTER)
    assert row.approved_at == approved.modified_at
    assert town.now(candidate).approval is APPROVED
    town.later(hours=3)
    assert len(town.writes) == 1


def test_what_somebody_approved_and_took_back_is_known_to_be_taken_back_and_to_serve_again_later() -> None:
    town = with_serving()
    approved = town.serving("churn-40", "0.95")
    town.told_of(approved)
    for status, hand in ((REJECTED, Hand.FIRST), (APPROVED, Hand.FIRST)):
        town.clock.forward(days=1)
        town.told_of(town.models.decide(approved.arn, status))
        row = town.row(approved)
        assert row.decided is not None
        assert (row.decided.target, row.decided.hand, row.decided.at) == (status, hand, town.clock())
    assert town.row(approved).approved_at == town.clock()
    assert town.writes == []


def test_what_somebody_set_back_to_pending_after_our_write_is_not_rejected_again() -> None:
    town = with_serving()
    candidate = worse(town)
    town.told_of(candidate)
    town.told_of(town.models.decide(candidate.arn, PENDING))
    town.later(hours=1)
    assert town.row(candidate).state is State.OVERRIDDEN
    assert (town.now(candidate).approval, len(town.writes)) == (PENDING, 1)


# --- in the moment of a write ----------------------------------------------------------------------------------------


def written_over(town: ResTown, target: ApprovalStatus = APPROVED) -> tuple[ModelPackage, ModelPackage]:
    """A person decides right after the last look at the package. The candidate, and it as the person left it."""
    candidate = worse(town)
    town.models.before_write.append((candidate.arn, target))
    town.told_of(candidate)
    assert town.now(candidate).approval is REJECTED
    return candidate, replace(candidate, approval=target)


def tell_of(town: ResTown, package: ModelPackage, **changes: object) -> None:
    """The event of the person's change, as it left SageMaker."""
    event = package_event(package)
    detail = {**event["detail"], "LastModifiedTime": town.clock().isoformat(), **changes}
    town.invoke({**event, "detail": detail})


def test_a_persons_approval_that_our_write_went_over_is_put_back_where_the_role_may() -> None:
    town = with_serving(auto_approve=True)
    candidate, theirs = written_over(town)
    tell_of(town, theirs)
    row = town.row(candidate)
    assert row.decided is not None
    assert (row.state, row.decided.hand, row.decided.target) == (State.OVERRIDDEN, Hand.RESTORED, APPROVED)
    assert town.now(candidate).approval is APPROVED
    assert row.approved_at == town.clock()
    assert town.lines(candidate)[-2:] == ["a person's decision written over", "a person's decision restored"]
    town.later(hours=2)
    assert [ids[1] for ids in town.writes] == ["Rejected", "Approved"]


def test_where_the_role_may_not_people_are_told_the_command_and_the_alarm_counts_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    town = with_serving()
    candidate, theirs = written_over(town)
    capsys.readouterr()
    tell_of(town, theirs)
    row = town.row(candidate)
    assert row.decided is not None
    assert (row.state, row.decided.hand) == (State.OVERRIDDEN, Hand.NOT_RESTORED)
    assert town.now(candidate).approval is REJECTED
    assert '"hands_not_restored": 1' in capsys.readouterr().out
    said = str(town.world.slack_threads) + str(town.world.slack_messages)
    assert f"--model-package-arn {candidate.arn} --model-approval-status Approved" in said
    town.clock.forward(minutes=20)
    town.told_of(town.models.decide(candidate.arn, APPROVED))  # somebody runs it
    after = town.row(candidate)
    assert after.decided is not None
    assert (after.decided.hand, after.approved_at) == (Hand.AFTER, town.clock())


def test_both_rejected_it_and_nothing_is_to_be_put_back() -> None:
    town = with_serving(auto_approve=True)
    candidate, theirs = written_over(town, REJECTED)
    tell_of(town, theirs)
    assert town.row(candidate).state is State.WRITTEN
    assert len(town.writes) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"CustomerMetadataProperties": {"costwatch:verdict": "reject"}},
        {"ApprovalDescription": "Cost-Efficiency Rejection: no gain"},
        {"LastModifiedTime": "2026-11-20T09:00:00Z"},
        {"ModelApprovalStatus": "PendingManualApproval"},
    ],
    ids=["it bears our metadata", "it bears our description", "it is old", "it decides nothing"],
)
def test_an_event_that_is_no_persons_decision_of_that_moment_changes_nothing(changes: dict[str, object]) -> None:
    town = with_serving(auto_approve=True)
    candidate, theirs = written_over(town)
    tell_of(town, theirs, **changes)
    assert town.row(candidate).state is State.WRITTEN
    assert len(town.writes) == 1


def test_a_restoring_that_failed_is_tried_again_by_the_sweep_and_said_when_it_is_done() -> None:
    town = with_serving(auto_approve=True)
    candidate, theirs = written_over(town)
    town.world.fault = failing("UpdateModelPackage", TransientAwsError("throttled", code="ThrottlingException"))
    tell_of(town, theirs)
    assert town.row(candidate).state is State.WRITING
    town.world.fault = None
    town.later(minutes=5)
    row = town.row(candidate)
    assert row.decided is not None
    assert (row.state, row.decided.hand) == (State.OVERRIDDEN, Hand.RESTORED)
    assert town.now(candidate).approval is APPROVED


def test_a_persons_event_that_arrives_while_we_write_is_not_lost() -> None:
    town = with_serving(auto_approve=True)
    candidate = worse(town)
    first = True

    def meanwhile(operation: str, _region: str, _ids: tuple[str, ...]) -> None:
        nonlocal first
        if operation == "UpdateModelPackage" and first:
            first = False
            # The person approves, and their event is handled, before our write arrives and goes over it.
            theirs = town.models.decide(candidate.arn, APPROVED)
            tell_of(town, theirs)
            town.models.packages[candidate.arn] = theirs

    town.world.fault = meanwhile
    town.told_of(candidate)
    row = town.row(candidate)
    assert row.decided is not None
    assert (row.state, row.decided.hand) == (State.OVERRIDDEN, Hand.RESTORED)
    assert town.now(candidate).approval is APPROVED


def test_our_own_event_that_arrives_while_we_write_is_no_persons() -> None:
    town = with_serving(auto_approve=True)
    candidate = worse(town)
    first = True

    def meanwhile(operation: str, _region: str, ids: tuple[str, ...]) -> None:
        nonlocal first
        written = town.now(candidate).approval is REJECTED
        if operation == "DescribeModelPackage" and ids == (candidate.arn,) and written and first:
            first = False  # the write arrived, and nobody has settled it yet
            tell_of(town, town.now(candidate))

    town.world.fault = meanwhile
    town.told_of(candidate)
    row = town.row(candidate)
    assert (row.state, row.decided, len(town.cards)) == (State.WRITTEN, None, 1)


def test_what_somebody_set_back_before_theirs_could_be_put_back_stays_so() -> None:
    town = with_serving(auto_approve=True)
    candidate, theirs = written_over(town)
    town.world.fault = failing("UpdateModelPackage", TransientAwsError("throttled", code="ThrottlingException"))
    tell_of(town, theirs)
    town.world.fault = None
    town.models.decide(candidate.arn, PENDING)
    town.later(minutes=5)
    row = town.row(candidate)
    assert row.decided is not None
    assert (row.state, row.decided.hand, row.decided.target) == (State.OVERRIDDEN, Hand.AFTER, PENDING)
    assert town.now(candidate).approval is PENDING


def test_what_somebody_wrote_anew_before_theirs_could_be_put_back_stays_so() -> None:
    town = with_serving(auto_approve=True)
    candidate, theirs = written_over(town)
    town.world.fault = failing("UpdateModelPackage", TransientAwsError("throttled", code="ThrottlingException"))
    tell_of(town, theirs)
    town.world.fault = None
    anew = town.models.decide(candidate.arn, REJECTED, description="drifted on the holdout")
    town.models.packages[candidate.arn] = replace(anew, metadata={"reviewed": "yes"})
    town.later(minutes=5)
    assert (town.row(candidate).state, town.now(candidate).approval) == (State.OVERRIDDEN, REJECTED)


def test_theirs_is_left_to_people_where_approving_was_switched_off_before_it_was_put_back() -> None:
    town = with_serving(auto_approve=True)
    candidate, theirs = written_over(town)
    town.world.fault = failing("UpdateModelPackage", TransientAwsError("throttled", code="ThrottlingException"))
    tell_of(town, theirs)
    town.world.fault = None
    town.deploy(auto_approve=False)
    town.later(minutes=5)
    row = town.row(candidate)
    assert row.decided is not None
    assert (row.state, row.decided.hand) == (State.OVERRIDDEN, Hand.NOT_RESTORED)
    assert town.now(candidate).approval is REJECTED


def test_a_claim_that_the_configuration_takes_back_is_judged_anew_and_written_no_more() -> None:
    town = with_serving()
    candidate = worse(town)
    town.world.fault = failing("UpdateModelPackage", TransientAwsError("throttled", code="ThrottlingException"))
    town.told_of(candidate)
    town.world.fault = None
    town.deploy("observe")
    town.later(minutes=5)
    assert (town.row(candidate).state, town.now(candidate).approval) == (State.JUDGED, PENDING)


# --- by a button or a command ----------------------------------------------------------------------------------------


def test_a_reject_by_a_person_is_written_with_their_name() -> None:
    town = with_serving()
    candidate = too_dear(town)
    answer = town.decides(candidate, REJECTED)
    assert (answer["state"], answer["registry"], answer["written"], answer["command"]) == (
        "written",
        "Rejected",
        True,
        "",
    )
    now = town.now(candidate)
    assert "rejected by Maria Lopez: the board wants it" in now.approval_description
    assert now.metadata["costwatch:decided-by"] == "Maria Lopez"
    row = town.row(candidate)
    assert row.decided is not None
    assert (row.state, row.decided.by) == (State.WRITTEN, "U0MARIA00")


def test_a_promote_is_written_where_approving_is_switched_on() -> None:
    town = with_serving(auto_approve=True)
    candidate = too_dear(town)
    assert town.decides(candidate, APPROVED)["written"] is True
    assert town.now(candidate).approval is APPROVED
    assert town.row(candidate).approved_at == town.clock()
    told = str(town.breaker().judgements.lines(ACCOUNT, town.row(candidate).id))
    assert "set to Approved: promoted by Maria Lopez: the board wants it" in told
    assert "set to Approved: a gain" not in told


def test_a_promote_is_recorded_and_left_to_the_person_where_it_is_not() -> None:
    town = with_serving()
    candidate = too_dear(town)
    answer = town.decides(candidate, APPROVED)
    assert (answer["state"], answer["registry"], answer["written"]) == ("overridden", "PendingManualApproval", False)
    assert "--model-approval-status Approved" in answer["command"]
    town.later(hours=3)
    assert town.writes == []  # it is not rejected any more
    town.told_of(town.models.decide(candidate.arn, APPROVED))
    assert town.row(candidate).approved_at == town.clock()


def unwritten_promote() -> tuple[ResTown, ModelPackage]:
    """Maria's Promote, which the registry did not take."""
    town = with_serving(auto_approve=True)
    candidate = too_dear(town)
    town.world.fault = failing("UpdateModelPackage", PermanentAwsError("no", code="AccessDeniedException"))
    town.decides(candidate, APPROVED)
    assert town.row(candidate).state is State.WRITING
    town.world.fault = None
    return town, candidate


def test_a_promote_that_was_not_written_is_written_by_the_next_sweep() -> None:
    town, candidate = unwritten_promote()
    town.later(minutes=10)
    assert (town.row(candidate).state, town.now(candidate).approval) == (State.WRITTEN, APPROVED)


def test_a_promote_that_was_not_written_never_becomes_a_rejection() -> None:
    town, candidate = unwritten_promote()
    town.deploy("enforce", auto_approve=False, when_too_dear="reject")
    town.later(minutes=10)
    row = town.row(candidate)
    assert row.decided is not None
    assert (row.state, row.decided.target, row.decided.by) == (State.OVERRIDDEN, APPROVED, "U0MARIA00")
    assert (town.now(candidate).approval, town.now(candidate).approval_description) == (PENDING, "")
    said = str(town.world.slack_threads) + str(town.world.slack_messages)
    assert f"--model-package-arn {candidate.arn} --model-approval-status Approved" in said
    town.later(hours=30)
    assert town.now(candidate).approval is PENDING


def test_a_promote_that_was_not_written_is_left_to_people_once_something_else_serves() -> None:
    town, candidate = unwritten_promote()
    town.models.decide(town.candidate("churn-42", "0.95").arn, APPROVED)
    town.later(minutes=10)
    assert (town.row(candidate).state, town.now(candidate).approval) == (State.OVERRIDDEN, PENDING)
    assert "something else is approved by now" in str(town.breaker().judgements.lines(ACCOUNT, town.row(candidate).id))


def test_the_same_decision_twice_is_answered_as_before_and_another_persons_is_refused() -> None:
    town = with_serving()
    candidate = too_dear(town)
    first = town.decides(candidate, REJECTED)
    assert town.decides(candidate, REJECTED) == first
    with pytest.raises(RefusedError, match="Maria Lopez set churn v2 to Rejected before you"):
        town.decides(candidate, APPROVED, by="U0OMAR000")
    assert len(town.writes) == 1


def test_a_decision_about_what_somebody_decided_in_the_registry_meanwhile_is_refused_and_theirs_recorded() -> None:
    town = with_serving(auto_approve=True)
    candidate = too_dear(town)
    town.models.decide(candidate.arn, REJECTED)
    with pytest.raises(RefusedError, match="is Rejected in the registry already"):
        town.decides(candidate, APPROVED)
    assert town.row(candidate).state is State.OVERRIDDEN
    assert town.writes == []


def test_promoting_what_we_rejected_is_recorded_and_nothing_that_is_not_pending_is_written() -> None:
    town = with_serving(auto_approve=True)
    candidate = worse(town)
    town.told_of(candidate)
    answer = town.decides(candidate, APPROVED)
    assert (answer["state"], answer["written"], len(town.writes)) == ("overridden", False, 1)
    row = town.row(candidate)
    assert row.decided is not None
    assert (row.decided.by, row.decided.target, row.decided.hand) == ("U0MARIA00", APPROVED, Hand.ASKED)
    assert "--model-approval-status Approved" in answer["command"]


def test_a_promote_of_what_was_held_against_another_model_than_serves_now_is_refused() -> None:
    town = with_serving(auto_approve=True)
    older = town.candidate("churn-40", "")  # never judged
    candidate = too_dear(town)
    town.told_of(town.models.decide(older.arn, APPROVED))
    town.later(days=1)
    with pytest.raises(RefusedError, match="churn v2 is approved now, and churn v3 was never held against it"):
        town.decides(candidate, APPROVED)
    assert (town.now(candidate).approval, town.writes) == (PENDING, [])
    assert town.decides(candidate, REJECTED)["written"] is True


def test_a_promote_is_refused_where_nothing_serves_any_more_that_it_was_held_against() -> None:
    town = with_serving(auto_approve=True)
    candidate = too_dear(town)
    (serving,) = [each for each in town.models.packages.values() if each.approval is APPROVED]
    town.models.decide(serving.arn, REJECTED)
    with pytest.raises(RefusedError, match="no version is approved any more, and churn v2 was held against v1"):
        town.decides(candidate, APPROVED)
    assert town.writes == []


def test_a_promote_of_what_was_held_against_a_model_that_was_rolled_back_is_refused() -> None:
    town = with_serving(auto_approve=True)
    newer = town.serving("churn-40", "0.9119")
    town.told_of(newer)
    town.clock.forward(days=1)
    candidate = too_dear(town)
    town.told_of(town.models.decide(newer.arn, REJECTED))
    with pytest.raises(RefusedError, match="churn v1 is approved now, and churn v3 was never held"):
        town.decides(candidate, APPROVED)
    assert town.writes == []


def test_rejecting_what_we_approved_is_recorded_and_told_with_its_command() -> None:
    town = with_serving(auto_approve=True)
    candidate = town.candidate("churn-41", "0.95", hours=1)
    town.told_of(candidate)
    assert town.now(candidate).approval is APPROVED
    answer = town.decides(candidate, REJECTED)
    assert (answer["state"], answer["registry"], answer["written"]) == ("overridden", "Approved", False)
    assert "--model-approval-status Rejected" in answer["command"]
    said = standing_plain(town.row(candidate))
    assert "It is Rejected in the model registry" not in said
    assert answer["command"] in said


@pytest.mark.parametrize("mode", ["observe", "warn"])
def test_outside_of_enforce_a_decision_is_refused_with_the_command_that_does_it(mode: str) -> None:
    town = res_town(mode)
    town.told_of(town.serving("churn-38", "0.912"))
    candidate = town.candidate("churn-41", "0.9121")
    town.told_of(candidate)
    with pytest.raises(RefusedError, match="--model-approval-status Rejected"):
        town.decides(candidate, REJECTED)
    assert town.writes == []


def test_a_decision_about_a_version_of_a_group_that_was_made_anew_since_is_refused() -> None:
    town = with_serving()
    candidate = too_dear(town)
    town.models.packages.clear()
    town.clock.forward(days=1)
    town.serving("churn-1", "0.9")
    worse(town)
    with pytest.raises(RefusedError, match="churn v2 is not in the registry any more"):
        town.decides(candidate, REJECTED)
    assert town.writes == []


MALLORY = f"arn:aws:iam::{ACCOUNT}:user/mallory"


def test_who_is_an_approver_no_more_may_not_decide_by_a_command() -> None:
    town = with_serving(approvers=[MALLORY])
    candidate = too_dear(town)
    town.deploy("enforce", approvers=["U0MARIA00"])
    for target in (APPROVED, REJECTED):
        with pytest.raises(RefusedError, match=f"{MALLORY} is none now; approvers are U0MARIA00"):
            town.decides(candidate, target, MALLORY, by_click=False)
    assert (town.row(candidate).state, town.writes) == (State.ASKED, [])


def test_who_became_an_approver_since_may_decide_by_a_command() -> None:
    town = with_serving()
    candidate = too_dear(town)
    town.deploy("enforce", approvers=[MALLORY])
    assert town.decides(candidate, REJECTED, MALLORY, by_click=False)["written"] is True


def test_a_click_was_checked_by_whoever_took_it() -> None:
    """Who is in a group of Slack's only the function that takes clicks can know."""
    town = with_serving(approvers=["@risk-leads"])
    candidate = too_dear(town)
    assert town.decides(candidate, REJECTED)["written"] is True


def test_a_decision_about_a_candidate_that_nobody_knows_is_refused() -> None:
    town = with_serving()
    with pytest.raises(RefusedError, match="no candidate is known under us-east-1/churn/2"):
        town.decides(worse(town), REJECTED)


# --- what the registry does not take ---------------------------------------------------------------------------------


def test_a_write_that_is_refused_alarms_is_said_once_and_tried_again_by_each_sweep(
    capsys: pytest.CaptureFixture[str],
) -> None:
    town = with_serving()
    candidate = worse(town)
    town.world.fault = failing("UpdateModelPackage", PermanentAwsError("not authorized", code="AccessDeniedException"))
    town.told_of(candidate)
    assert '"not_written": 1' in capsys.readouterr().out
    for _ in range(3):
        town.later(minutes=5)
    assert town.row(candidate).state is State.WRITING
    assert town.lines(candidate).count("registry not written") == 1
    assert len(town.cards) == 1
    town.world.fault = None
    town.later(minutes=5)
    assert (town.row(candidate).state, town.now(candidate).approval) == (State.WRITTEN, REJECTED)


def test_no_text_of_aws_stands_on_a_card_and_the_ledger_keeps_it() -> None:
    town = with_serving()
    candidate = worse(town)
    text = "sagemaker:UpdateModelPackage: AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/costwatch"
    error = PermanentAwsError(text, code="AccessDeniedException", operation="sagemaker:UpdateModelPackage")
    town.world.fault = failing("UpdateModelPackage", error)
    town.told_of(candidate)
    shown = str(town.world.posts) + str(town.world.slack_messages) + standing_plain(town.row(candidate))
    assert "sagemaker:UpdateModelPackage was refused (AccessDeniedException)" in shown
    assert "assumed-role" not in shown
    lines = town.breaker().judgements.timeline(ACCOUNT, town.row(candidate).id)
    assert [line["reason"] for line in lines if line["transition"] == "registry not written"] == [text]


@pytest.mark.parametrize("decided", [False, True])
def test_a_write_that_is_refused_for_days_adds_no_line_at_each_sweep(decided: bool) -> None:
    town = with_serving()
    candidate = too_dear(town) if decided else worse(town)
    town.world.fault = failing("UpdateModelPackage", PermanentAwsError("no", code="AccessDeniedException"))
    if decided:
        town.decides(candidate, REJECTED)
    else:
        town.told_of(candidate)
    before = town.lines(candidate)
    for _ in range(5):
        town.later(minutes=5)
    assert town.row(candidate).state is State.WRITING
    assert town.lines(candidate) == before


def refused_write(**changes: Any) -> tuple[ResTown, ModelPackage]:
    """A claim that the registry did not take, held against v1."""
    town = with_serving(**changes)
    candidate = worse(town)
    town.world.fault = failing("UpdateModelPackage", PermanentAwsError("no", code="AccessDeniedException"))
    town.told_of(candidate)
    assert town.row(candidate).state is State.WRITING
    return town, candidate


def test_a_claim_that_was_not_written_is_judged_again_by_the_rules_of_now() -> None:
    town, candidate = refused_write()
    town.deploy("enforce", model={"direction": "minimize"})  # the metric is a loss: it is better
    town.world.fault = None
    town.later(days=3)
    row = town.row(candidate)
    assert (row.state, row.verdict.value, town.now(candidate).approval) == (State.JUDGED, Value.PROMOTE, PENDING)


def test_a_claim_that_was_not_written_is_judged_again_against_what_serves_now() -> None:
    town = with_serving()
    leaky = town.serving("churn-40", "0.97")
    town.told_of(leaky)
    town.clock.forward(days=1)
    candidate = town.candidate("churn-41", "0.95", hours=1)
    town.world.fault = failing("UpdateModelPackage", PermanentAwsError("no", code="AccessDeniedException"))
    town.told_of(candidate)
    town.told_of(town.models.decide(leaky.arn, REJECTED))  # rolled back
    town.world.fault = None
    town.later(days=3)
    row = town.row(candidate)
    assert (row.serving_version, row.verdict.value, town.now(candidate).approval) == (1, Value.PROMOTE, PENDING)


def test_what_is_approved_between_the_judgement_and_the_write_is_held_against_before_anything_is_written() -> None:
    town = with_serving(auto_approve=True)
    best, good = town.candidate("churn-41", "0.95", hours=1), town.candidate("churn-42", "0.94", hours=1)
    saved = False

    def approve_the_best(operation: str, _region: str, _ids: tuple[str, ...]) -> None:
        nonlocal saved
        if operation == "ListModelPackages" and not saved and town.found(good) is not None:
            saved = True
            town.models.decide(best.arn, APPROVED)

    town.world.fault = approve_the_best
    town.told_of(good)
    row = town.row(good)
    assert (row.serving_version, row.verdict.cause) == (best.version, Cause.NO_GAIN)
    assert town.now(good).approval is REJECTED
    assert town.lines(good) == [
        "judged",
        "registry to be written",
        "registry not written",
        "judged",
        "registry to be written",
        "registry written",
    ]


def test_a_write_that_failed_and_yet_arrived_is_written() -> None:
    town = with_serving()
    candidate = worse(town)
    registry = town.registry()
    late = TransientAwsError("timed out", code="RequestTimeout")

    def answers_too_late(operation: str, _region: str, _ids: tuple[str, ...]) -> TransientAwsError | None:
        if operation != "UpdateModelPackage":
            return None
        town.world.fault = None
        registry.decide(candidate.arn, REJECTED, "Cost-Efficiency Rejection: no gain", {"costwatch:verdict": "reject"})
        return late

    town.world.fault = answers_too_late
    town.told_of(candidate)
    assert town.row(candidate).state is State.WRITTEN


def test_what_is_deleted_from_the_registry_is_done_with() -> None:
    town = with_serving()
    candidate = too_dear(town)
    del town.models.packages[candidate.arn]
    town.later(minutes=5)
    assert town.row(candidate).state is State.OVERRIDDEN
    assert town.breaker().judgements.open(candidate.account) == []


def test_two_deliveries_at_once_write_once() -> None:
    town = with_serving()
    candidate = worse(town)
    inside = False

    def at_once(operation: str, _region: str, _ids: tuple[str, ...]) -> None:
        nonlocal inside
        if not inside and operation == "ListModelPackages":
            inside = True
            town.told_of(candidate)

    town.world.fault = at_once
    town.told_of(candidate)
    assert (town.row(candidate).state, len(town.writes), len(town.cards)) == (State.WRITTEN, 1, 1)


def test_what_is_being_written_by_another_invocation_is_left_to_it_until_its_lease_is_over() -> None:
    town = with_serving()
    candidate = worse(town)
    town.world.fault = failing("UpdateModelPackage", PermanentAwsError("no", code="AccessDeniedException"), times=1)
    town.told_of(candidate)
    row = town.row(candidate)
    assert row.lease_until == town.clock()  # given back at once
    town.sweep()
    assert town.row(candidate).state is State.WRITTEN
    assert WRITE_LEASE.total_seconds() == 360


# --- an event that comes days late, as one that lay among the dead letters and is sent again -------------------------


@pytest.mark.parametrize("since", [REJECTED, PENDING])
def test_an_old_event_sent_again_changes_nothing_that_a_person_decided_since(since: ApprovalStatus) -> None:
    town = with_serving(auto_approve=True)
    candidate = worse(town)
    town.told_of(candidate)
    approved = town.models.decide(candidate.arn, APPROVED)
    moment = town.clock().isoformat()
    town.later(minutes=5)  # its event was lost: the sweep sees it
    town.models.decide(candidate.arn, since)
    town.later(days=3)
    writes = list(town.writes)
    tell_of(town, replace(approved, approval=APPROVED), LastModifiedTime=moment)
    row = town.row(candidate)
    assert row.decided is not None
    assert (town.now(candidate).approval, row.decided.target, row.state) == (since, since, State.OVERRIDDEN)
    assert town.writes == writes


def test_an_old_event_of_a_candidate_that_was_written_since_is_written_no_second_time() -> None:
    town = with_serving()
    candidate = worse(town)
    event = package_event(candidate)
    town.later(minutes=5)
    assert town.row(candidate).state is State.WRITTEN
    before, writes = town.row(candidate), list(town.writes)
    town.clock.forward(days=3)
    town.invoke(event)
    assert (town.row(candidate), town.writes) == (before, writes)
