"""What counts as begun and not ended, since when, and from when on it is unsettled: at each boundary a pair."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from costwatch.core import claims
from costwatch.core.approvals import EFFECT_LEASE, Answer, Approval, Effect
from costwatch.core.approvals import State as Question
from costwatch.core.claims import LATE, Claim, Kind, Standing
from costwatch.core.judgement_steps import WRITE_LEASE
from costwatch.core.judgements import Decided, Hand, State
from costwatch.core.packages import ApprovalStatus
from costwatch.core.record import Hold, RunRecord, Status, StopAttempt
from costwatch.core.selection import HoldCode
from costwatch.core.stopping import LEASE
from tests.support import builders
from tests.support.judged import judgement
from tests.unit.test_approval_cards import question

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def stopping(status: Status = Status.STOPPING, **changes: Any) -> RunRecord:
    stop = StopAttempt("stop#enforce#x", "deadman#1", 2, NOW + LEASE, ("i-0a",), **changes)
    return replace(builders.record(builders.run(builders.member(now=NOW))), status=status, stop=stop)


def answered(state: Question = Question.APPROVED, effect: Effect | None = None) -> Approval:
    answer = Answer("U0LEE0000", "Lee Chan", NOW) if state is not Question.PENDING else None
    return question(state, answer, effect=effect)


def writing(**changes: Any) -> Claim | None:
    lease = NOW + WRITE_LEASE
    facts = {"state": State.WRITING, "target": ApprovalStatus.REJECTED, "judged_at": NOW, "lease_until": lease}
    return claims.of_candidate(judgement(**{**facts, **changes}))


def found(claim: Claim | None) -> Claim:
    assert claim is not None
    return claim


# --- what is one ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [each for each in Status if each not in (Status.STOPPING, Status.FAILED)])
def test_only_what_is_being_stopped_or_was_refused_is_a_claim_on_a_run(status: Status) -> None:
    assert claims.of_run(stopping(status)) is None
    assert found(claims.of_run(stopping())).kind is Kind.STOP


def test_a_stop_that_failed_is_left_at_once_with_its_reason_also_where_aws_had_taken_it() -> None:
    hold = Hold("hold-1", HoldCode.UNPROVABLE, "UnauthorizedOperation", NOW, "key")
    refused = found(claims.of_run(replace(stopping(Status.FAILED, requested_at=NOW), hold=hold)))
    assert refused.standing(NOW + LEASE) is Standing.LEFT
    assert (refused.accepted_at, refused.why) == (None, "UnauthorizedOperation")


def test_a_question_is_one_from_its_answer_until_what_follows_is_settled() -> None:
    done = Effect(1, NOW + EFFECT_LEASE, settled_at=NOW)
    assert claims.of_question(answered(Question.PENDING)) is None
    assert claims.of_question(answered(effect=done)) is None
    assert found(claims.of_question(answered(effect=replace(done, settled_at=None)))).kind is Kind.ANSWER
    assert found(claims.of_question(answered())).kind is Kind.ANSWER


@pytest.mark.parametrize("state", [each for each in State if each is not State.WRITING])
def test_only_a_candidate_whose_status_is_being_written_is_one(state: State) -> None:
    assert writing(state=state) is None
    assert found(writing()).kind is Kind.VERDICT


# --- since when -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.STOPPING, Status.FAILED])
def test_a_stop_counts_from_its_first_attempt_whatever_came_of_that(status: Status) -> None:
    first = NOW - timedelta(hours=8)
    assert found(claims.of_run(stopping(status, begun_at=first))).since == first
    assert found(claims.of_run(stopping(status, begun_at=first, requested_at=NOW))).since == first


def test_a_stop_of_a_version_before_counts_from_its_last_claim_and_once_aws_took_it_from_then_on() -> None:
    assert found(claims.of_run(stopping())).since == NOW
    accepted = NOW + timedelta(minutes=3)
    assert found(claims.of_run(stopping(requested_at=accepted))).since == accepted


def test_what_a_person_decided_counts_from_their_word_and_a_verdict_from_its_judgement() -> None:
    said = NOW - timedelta(hours=1)
    assert found(claims.of_question(answered())).since == NOW
    assert found(writing()).since == NOW
    assert found(writing(decided=Decided("U0MARIA00", said, ApprovalStatus.REJECTED))).since == said


# --- how it stands ----------------------------------------------------------------------------------------


def test_a_claim_is_left_from_the_end_of_its_lease_and_not_before() -> None:
    for claim in (claims.of_run(stopping()), claims.of_question(answered()), writing()):
        one = found(claim)
        assert one.standing(one.lease_until - SECOND) is Standing.DOING
        assert one.standing(one.lease_until) is Standing.LEFT


def test_what_aws_has_taken_is_verified_until_it_is_two_hours_old_and_then_unsettled() -> None:
    accepted = found(claims.of_run(stopping(requested_at=NOW)))
    assert accepted.standing(NOW + LATE) is Standing.VERIFYING
    assert accepted.standing(NOW + LATE + SECOND) is Standing.LEFT


def test_a_fresh_lease_makes_nothing_young_that_was_answered_two_hours_ago() -> None:
    tried = found(claims.of_question(answered(effect=Effect(9, NOW + LATE + EFFECT_LEASE, outcome="throttled"))))
    assert tried.standing(NOW + LATE) is Standing.DOING
    assert tried.standing(NOW + LATE + SECOND) is Standing.LEFT
    assert (tried.attempt, tried.why) == (9, "throttled")


# --- what is said of it -----------------------------------------------------------------------------------


def test_it_says_what_is_to_come_of_it_whose_word_that_is_and_what_was_in_the_way() -> None:
    maria = Decided("U0MARIA00", NOW, ApprovalStatus.REJECTED, name="Maria Lopez")
    assert found(claims.of_question(answered(Question.DENIED))).what == "denied by Lee Chan"
    assert found(writing()).what == "to be set to Rejected"
    assert found(writing(decided=maria)).what == "to be set to Rejected, as Maria Lopez decided"
    restored = replace(maria, hand=Hand.NOT_RESTORED)
    assert found(writing(decided=restored)).what == "to be set to Rejected again, as Maria Lopez had set it"
    assert found(writing(told="not written: SageMaker did not allow it")).why == "SageMaker did not allow it"
    assert found(writing(told="reject: too dear")).why == ""
