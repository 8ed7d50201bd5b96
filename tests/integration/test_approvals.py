"""A question about money from its asking to its one answer and what follows from it, in the in-memory ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from costwatch.adapters.callback_steps import ExecutionSource, Waiting
from costwatch.adapters.ledger_approvals import Approvals
from costwatch.core.approvals import Clicker, Requester, State, Way
from costwatch.core.estimator import InstanceGroup, JobSpec
from costwatch.core.gate import Request
from costwatch.core.policy import ApprovalPolicy, Mode, Service, Tier
from costwatch.core.purses import Draw, draw, spec_seen
from costwatch.core.quote import Part
from costwatch.core.record import Entry, Transition
from costwatch.core.token_answer import TokenAnswer
from costwatch.errors import InputError, RefusedError, TransientAwsError, UnknownRun
from costwatch.procedures import approvals, outbox
from costwatch.procedures.approvals import Gate
from costwatch.procedures.report import SweepReport
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE
from tests.support.fakes import Town

REGION = "us-east-1"
MARIA = Clicker("U0MARIA00", "Maria Lopez")
LEE = Clicker("U0LEE0000", "Lee Chan", frozenset({"@risk-leads"}))
STRANGER = Clicker("U0STRANGE", "Sam Stranger")


@dataclass
class Steps:
    """SageMaker's callback steps, recorded."""

    answers: list[tuple[str, str, Any]] = field(default_factory=list)
    fails: int = 0
    says: TokenAnswer = TokenAnswer.ACCEPTED

    def succeed(self, token: str, outputs: Mapping[str, str], *, execution_arn: str = "") -> TokenAnswer:
        return self._answer("succeed", token, dict(outputs), execution_arn)

    def fail(self, token: str, reason: str, *, execution_arn: str = "") -> TokenAnswer:
        return self._answer("fail", token, reason, execution_arn)

    def started_by(self, execution_arn: str, token: str) -> str:
        raise NotImplementedError(execution_arn)

    def waiting_steps(self, queue_url: str, since: datetime) -> Waiting:
        raise NotImplementedError(queue_url, since)

    def source_of(self, execution_arn: str) -> ExecutionSource:
        raise NotImplementedError(execution_arn)

    def _answer(self, word: str, token: str, what: Any, execution_arn: str) -> TokenAnswer:
        del execution_arn
        if self.fails:
            self.fails -= 1
            raise TransientAwsError("sagemaker: throttled", code="ThrottlingException")
        self.answers.append((word, token, what))
        return self.says


@dataclass
class Tasks:
    """Step Functions' tasks, recorded."""

    answers: list[tuple[str, str, Any]] = field(default_factory=list)

    def succeed(self, token: str, output: Mapping[str, str]) -> TokenAnswer:
        self.answers.append(("succeed", token, dict(output)))
        return TokenAnswer.ACCEPTED

    def fail(self, token: str, error: str, cause: str) -> TokenAnswer:
        self.answers.append((error, token, cause))
        return TokenAnswer.ACCEPTED


@dataclass
class House:
    """A town with a gate."""

    mode: Mode = Mode.ENFORCE
    tiers: tuple[Tier, ...] = (Tier(Decimal(100), ("@risk-leads", MARIA.principal)),)
    requester_may_approve: bool = False
    steps: Steps = field(default_factory=Steps)
    tasks: Tasks = field(default_factory=Tasks)

    def __post_init__(self) -> None:
        approval = ApprovalPolicy(self.mode, tiers=self.tiers, requester_may_approve=self.requester_may_approve)
        self.town = Town(replace(policies.policy(), approval=approval))
        self.gate = self.built()

    def built(self) -> Gate:
        w = self.town.watchdog()
        return Gate(w, Approvals(w.ledger), lambda _region: self.steps, self.tasks)

    def ask(self, **changes: Any) -> approvals.Reply:
        return approvals.ask(self.gate, request(**changes))

    def tend(self) -> SweepReport:
        report = SweepReport(at=self.gate.w.now())
        approvals.tend(self.gate, ACCOUNT, report)
        outbox.flush(self.gate.w, report, warnings=False)  # as the next sweep does, whatever waits
        return report

    def transitions(self, approval_id: str) -> list[str]:
        return [str(row["transition"]) for row in self.gate.approvals.timeline(ACCOUNT, approval_id)]


def spec(hours: int = 24, count: int = 2, **changes: Any) -> JobSpec:
    groups = (InstanceGroup("ml.p4d.24xlarge", count),)
    return JobSpec(**{"service": Service.TRAINING, "region": REGION, "groups": groups,
                      "max_runtime": timedelta(hours=hours), **changes})  # fmt: skip


def request(
    way: Way = Way.PIPELINE,
    hours: int = 24,
    requester: Requester | None = None,
    owner: str = "",
    key: str = "tok1234567",
) -> Request:
    return Request(
        way=way,
        key=(key,),
        name="churn-bert-large",
        account=ACCOUNT,
        region=REGION,
        parts=(Part("churn-bert-large", "Training", (spec(hours),)),),
        requester=requester or Requester("Ada", "U0ADA0000", verified=True, slack_user="U0ADA0000"),
        owner=owner,
        team="risk",
        token=key,
        source=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/churn/execution/abc",
    )


@pytest.fixture
def house() -> House:
    return House()


def test_a_job_below_the_threshold_is_answered_at_once_and_recorded(house: House) -> None:
    reply = house.ask(hours=1)
    assert (reply.decision, reply.goes_on, reply.waits) == ("pass", True, False)
    ((word, token, outputs),) = house.steps.answers
    assert (word, token) == ("succeed", "tok1234567")
    assert outputs["worst_case_usd"] == "50.50"
    assert not house.gate.approvals.waiting(ACCOUNT)


def test_a_job_above_the_threshold_waits_and_is_asked_about_once(house: House) -> None:
    first, again = house.ask(), house.ask()
    assert first.waits
    assert again.waits
    assert house.steps.answers == []
    assert len(house.gate.approvals.waiting(ACCOUNT)) == 1
    assert house.transitions(first.id) == ["approval asked"]


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.WARN])
def test_outside_enforce_it_goes_on_and_the_ledger_says_that_it_would_have_waited(mode: Mode) -> None:
    house = House(mode=mode)
    reply = house.ask()
    assert reply.decision == "would hold"
    assert house.steps.answers[0][0] == "succeed"
    assert "would have waited for a yes" in reply.reason


def test_a_yes_lets_the_pipeline_go_on_with_what_was_granted(house: House) -> None:
    asked = house.ask()
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True, reason="for the audit")
    ((word, _, outputs),) = house.steps.answers
    assert word == "succeed"
    assert outputs["decision"] == "approved"
    assert outputs["max_runtime_seconds"] == "86400"
    assert outputs["answered_by"] == "Maria Lopez"
    assert house.transitions(asked.id) == ["approval asked", "approved", "answered"]
    assert not house.gate.approvals.waiting(ACCOUNT)


def test_a_cap_is_an_output_and_the_limit_of_the_purse(house: House) -> None:
    asked = house.ask()
    approvals.answer(house.gate, ACCOUNT, asked.id, LEE, yes=True, cap=timedelta(hours=17))
    assert house.steps.answers[0][2]["max_runtime_seconds"] == "61200"
    purse = house.gate.approvals.purse(ACCOUNT, asked.id)
    assert purse is not None
    assert purse.granted_runtime == timedelta(hours=17)
    assert round(purse.granted_usd or 0, 2) == Decimal("858.54")


def test_a_no_fails_the_step_with_the_reason(house: House) -> None:
    asked = house.ask()
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=False, reason="use 8 GPUs")
    ((word, _, reason),) = house.steps.answers
    assert word == "fail"
    assert "denied by Maria Lopez" in reason
    assert "use 8 GPUs" in reason
    assert house.gate.approvals.purse(ACCOUNT, asked.id) is None


def test_one_moment_before_its_time_is_over_a_yes_counts(house: House) -> None:
    asked = house.ask()
    house.town.clock.now += 24 * HOUR - timedelta(microseconds=1)
    assert approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True).state is State.APPROVED


def test_at_the_moment_its_time_is_over_a_yes_is_too_late_and_the_sweep_says_no(house: House) -> None:
    asked = house.ask()
    house.town.clock.now += 24 * HOUR
    with pytest.raises(RefusedError, match="no answer came in time"):
        approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    house.tend()
    assert house.steps.answers[0][0] == "fail"
    assert house.transitions(asked.id)[-2:] == ["expired", "answered"]


def test_people_are_reminded_once_and_not_before_their_time(house: House) -> None:
    asked = house.ask()
    house.town.clock.now += 20 * HOUR - timedelta(microseconds=1)
    house.tend()
    assert "reminded" not in house.transitions(asked.id)
    house.town.clock.now += timedelta(microseconds=1)
    house.tend()
    house.tend()
    assert house.transitions(asked.id).count("reminded") == 1


def test_who_is_no_approver_decides_nothing(house: House) -> None:
    asked = house.ask()
    for yes in (True, False):
        with pytest.raises(RefusedError, match="You may not decide this"):
            approvals.answer(house.gate, ACCOUNT, asked.id, STRANGER, yes=yes)
    assert house.steps.answers == []


def test_an_empty_list_of_approvers_is_nobody() -> None:
    house = House(tiers=(Tier(Decimal(100)),))
    asked = house.ask()
    with pytest.raises(RefusedError, match="no approver is configured"):
        approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)


def names(house: House, *approvers: str) -> None:
    """A deploy whose configuration names these approvers in a tier, whichever."""
    policy = house.town.policy
    tiers = (Tier(Decimal(5)), Tier(Decimal(5000), approvers))
    house.town.policy = replace(policy, approval=replace(policy.approval, tiers=tiers))
    house.gate = house.built()


@pytest.mark.parametrize("yes", [True, False])
def test_who_left_the_configuration_since_it_was_asked_decides_nothing(house: House, yes: bool) -> None:
    asked = house.ask()
    names(house, "@risk-leads")
    with pytest.raises(RefusedError, match="no longer names you"):
        approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=yes)
    assert approvals.answer(house.gate, ACCOUNT, asked.id, LEE, yes=yes).answer is not None


def test_who_joined_it_since_decides_nothing_either(house: House) -> None:
    asked = house.ask()
    names(house, "@risk-leads", MARIA.principal, STRANGER.principal)
    with pytest.raises(RefusedError, match="You may not decide this"):
        approvals.answer(house.gate, ACCOUNT, asked.id, STRANGER, yes=True)
    assert approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True).state is State.APPROVED


def test_the_next_sweep_takes_who_left_out_of_the_question_once_and_records_it(house: House) -> None:
    asked = house.ask()
    names(house, "@risk-leads")
    house.tend()
    house.tend()
    (found,) = house.gate.approvals.waiting(ACCOUNT)
    assert found.approvers == ("@risk-leads",)
    assert house.transitions(asked.id) == ["approval asked", "approvers left"]
    assert f"{MARIA.principal} may decide no more" in str(house.gate.approvals.timeline(ACCOUNT, asked.id)[-1])


def test_who_asked_may_not_say_yes_but_may_say_no(house: House) -> None:
    asked = house.ask(requester=Requester("Maria", "arn:aws:sts::1:assumed-role/x/m", True, MARIA.principal))
    with pytest.raises(RefusedError, match="You asked for it"):
        approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    assert approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=False).state is State.DENIED


def test_who_asked_may_say_yes_where_that_is_configured() -> None:
    house = House(requester_may_approve=True)
    asked = house.ask(requester=Requester("Maria", "arn:x", True, MARIA.principal))
    assert approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True).state is State.APPROVED


def test_an_unproven_requester_needs_an_approver_who_is_not_the_tagged_owner(house: House) -> None:
    asked = house.ask(requester=Requester("somebody"), owner="maria@example.com")
    with pytest.raises(RefusedError, match="not proven"):
        approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True, owner_user=MARIA.principal)
    assert approvals.answer(house.gate, ACCOUNT, asked.id, LEE, yes=True, owner_user=MARIA.principal)


def test_a_principal_whose_session_is_an_e_mail_address_is_found_in_slack_and_may_not_say_yes(house: House) -> None:
    house.town.world.slack_users["maria@example.com"] = MARIA.principal
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/Scientist/maria@example.com"
    asked = house.ask(requester=Requester("maria@example.com", session, verified=True))
    with pytest.raises(RefusedError, match="You asked for it"):
        approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("session", ["maria", "Maria", "maria@elsewhere.example"])
def test_whose_address_or_name_is_that_of_the_session_that_asked_may_not_say_yes(
    house: House, session: str, verified: bool
) -> None:
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/Scientist/{session}"
    asked = house.ask(requester=Requester(session, arn, verified=verified), owner="")
    with pytest.raises(RefusedError, match="asked for it, which may be you"):
        approvals.answer(house.gate, ACCOUNT, asked.id, replace(MARIA, email="maria@example.com"), yes=True)
    assert approvals.answer(house.gate, ACCOUNT, asked.id, replace(LEE, email="lee@example.com"), yes=True)


def test_whoever_says_that_they_ask_may_not_say_yes_though_nothing_proves_it(house: House) -> None:
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/Platform/john"
    john = Clicker(arn, "john (Platform)", frozenset({"@risk-leads"}))
    asked = house.ask(requester=Requester("john", arn), owner="")
    with pytest.raises(RefusedError, match="You asked for it"):
        approvals.answer(house.gate, ACCOUNT, asked.id, john, yes=True)


def test_of_a_principal_that_slack_does_not_know_the_tagged_owner_may_not_say_yes(house: House) -> None:
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/Scientist/botocore-session-1"
    asked = house.ask(requester=Requester("botocore-session-1", session, verified=True), owner="maria@example.com")
    with pytest.raises(RefusedError, match="not proven"):
        approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True, owner_user=MARIA.principal)


def test_a_key_of_a_command_that_was_approved_for_other_figures_answers_nothing(house: House) -> None:
    asked = house.ask(way=Way.COMMAND)
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    assert house.ask(way=Way.COMMAND).goes_on
    with pytest.raises(InputError, match="about other figures; ask under another key"):
        house.ask(way=Way.COMMAND, hours=120)
    with pytest.raises(InputError, match="about other figures"):
        house.ask(way=Way.COMMAND, hours=1)


@pytest.mark.parametrize(("late", "decision"), [(timedelta(microseconds=1), "approved"), (timedelta(0), "expired")])
def test_a_yes_to_a_command_is_good_until_it_expires(house: House, late: timedelta, decision: str) -> None:
    asked = house.ask(way=Way.COMMAND)
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    house.town.clock.now += timedelta(days=7) - late
    again = house.ask(way=Way.COMMAND)
    assert (again.decision, again.goes_on) == (decision, decision == "approved")


def test_a_yes_to_a_command_whose_job_has_started_lets_no_other_start(house: House) -> None:
    asked = house.ask(way=Way.COMMAND)
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    purse = house.gate.approvals.purse(ACCOUNT, asked.id)
    assert purse is not None
    drawn = draw(purse, "run", purse.specs[0], house.gate.w.now()).after
    assert house.gate.approvals.draw(purse, drawn, Entry(house.gate.w.now(), Transition.DREW, "drew"))
    again = house.ask(way=Way.COMMAND)
    assert (again.decision, again.goes_on) == ("expired", False)
    assert again.reason == f"what the yes of {asked.id} was for has started; ask again under another key"


def test_the_second_answer_is_told_the_first(house: House) -> None:
    asked = house.ask()
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    with pytest.raises(RefusedError, match="approved by Maria Lopez"):
        approvals.answer(house.gate, ACCOUNT, asked.id, LEE, yes=False)
    assert len(house.steps.answers) == 1


def test_a_question_that_nobody_asked_is_unknown(house: House) -> None:
    with pytest.raises(UnknownRun):
        approvals.answer(house.gate, ACCOUNT, "apr-0000000000000000", MARIA, yes=True)


@pytest.mark.parametrize("cap", [timedelta(0), timedelta(hours=24, seconds=1)])
def test_a_cap_of_nothing_or_of_more_than_was_asked_for_is_refused(house: House, cap: timedelta) -> None:
    asked = house.ask()
    with pytest.raises(RefusedError, match="is no cap"):
        approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True, cap=cap)


def test_an_effect_that_fails_is_done_by_the_next_sweep_and_once(house: House) -> None:
    asked = house.ask()
    house.steps.fails = 1
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    assert house.steps.answers == []
    house.tend()
    house.tend()
    assert [word for word, _, _ in house.steps.answers] == ["succeed"]


def test_a_no_for_want_of_an_answer_that_cannot_be_given_is_a_failure_of_the_sweep_and_given_by_the_next(
    house: House,
) -> None:
    asked = house.ask()
    house.town.clock.now += 24 * HOUR
    house.steps.fails = 1
    assert [failure.where for failure in house.tend().failures] == [f"approval {asked.id}"]
    assert house.tend().failures == []
    assert [word for word, _, _ in house.steps.answers] == ["fail"]


def test_a_token_that_is_dead_already_counts_as_settled(house: House) -> None:
    asked = house.ask()
    house.steps.says = TokenAnswer.SETTLED
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    assert not house.gate.approvals.waiting(ACCOUNT)
    assert "nothing waited any more" in str(house.gate.approvals.timeline(ACCOUNT, asked.id)[-1]["reason"])


def test_a_pipeline_that_stops_withdraws_its_question_and_is_answered(house: House) -> None:
    house.ask()
    reply = approvals.withdraw(house.gate, request(), "the pipeline was stopped")
    assert reply.decision == "withdrawn"
    assert house.steps.answers == [("fail", "tok1234567", "Costwatch: " + reply.reason)]


def test_a_stop_of_a_pipeline_that_was_never_asked_about_is_answered_too(house: House) -> None:
    approvals.withdraw(house.gate, request(), "the pipeline was stopped")
    assert house.steps.answers[0][:2] == ("fail", "tok1234567")


@pytest.mark.parametrize(("yes", "error"), [(True, "succeed"), (False, approvals.DENIED)], ids=["approved", "denied"])
def test_a_task_of_a_state_machine_goes_on_or_fails_by_a_name_that_a_catch_compares(yes: bool, error: str) -> None:
    house = House()
    asked = house.ask(way=Way.TASK)
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=yes)
    assert house.tasks.answers[0][0] == error


def test_a_job_without_a_price_is_asked_about(house: House) -> None:
    unpriced = Part("churn", "Training", (spec(1, groups=(InstanceGroup("ml.p9.48xlarge", 1),)),))
    reply = approvals.ask(house.gate, Request(Way.TASK, ("t",), "churn", ACCOUNT, REGION, (unpriced,), token="t"))
    assert reply.waits
    (found,) = house.gate.approvals.waiting(ACCOUNT)
    assert found.asked.judged_usd is None
    assert "nobody knows what it costs" in str(house.gate.approvals.timeline(ACCOUNT, found.id)[0]["reason"])


def test_exactly_at_the_threshold_nobody_is_asked_and_a_cent_above_somebody_is() -> None:
    worst = Decimal("50.502572")
    assert House(tiers=(Tier(worst, (MARIA.principal,)),)).ask(hours=1).goes_on
    assert House(tiers=(Tier(worst - Decimal("0.01"), (MARIA.principal,)),)).ask(hours=1).waits


def test_ten_parallel_copies_of_one_approved_job_draw_once(house: House) -> None:
    asked = house.ask()
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    results = []
    for number in range(10):
        purse = house.gate.approvals.purse(ACCOUNT, asked.id)
        assert purse is not None
        drawn = draw(purse, f"run-{number}", spec_seen(spec(), team="risk", family=""), house.gate.w.now())
        results.append(drawn.result)
        if drawn.result is Draw.DRAWN:
            assert house.gate.approvals.draw(purse, drawn.after, _line(house))
    assert results.count(Draw.DRAWN) == 1
    assert set(results[1:]) == {Draw.EMPTY}


def test_two_draws_at_one_moment_are_one(house: House) -> None:
    asked = house.ask()
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    purse = house.gate.approvals.purse(ACCOUNT, asked.id)
    assert purse is not None
    seen = spec_seen(spec(), team="risk", family="")
    first, second = (draw(purse, each, seen, house.gate.w.now()) for each in ("run-1", "run-2"))
    assert house.gate.approvals.draw(purse, first.after, _line(house))
    assert not house.gate.approvals.draw(purse, second.after, _line(house))


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({}, Draw.DRAWN),
        ({"hours": 23}, Draw.DRAWN),
        ({"hours": 25}, Draw.OTHER),
        ({"count": 3}, Draw.OTHER),
        ({"region": "eu-west-1"}, Draw.OTHER),
        ({"warm_pool": MINUTE}, Draw.OTHER),
    ],
    ids=["the same", "shorter", "longer", "more machines", "elsewhere", "with a warm pool"],
)
def test_a_yes_is_for_what_moves_money(house: House, changes: dict[str, Any], result: Draw) -> None:
    asked = house.ask()
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    purse = house.gate.approvals.purse(ACCOUNT, asked.id)
    assert purse is not None
    seen = spec_seen(spec(**changes), team="risk", family="")
    assert draw(purse, "run-1", seen, house.gate.w.now()).result is result


def test_another_team_does_not_draw_from_it(house: House) -> None:
    asked = house.ask()
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    purse = house.gate.approvals.purse(ACCOUNT, asked.id)
    assert purse is not None
    assert draw(purse, "r", spec_seen(spec(), team="fraud", family=""), house.gate.w.now()).result is Draw.OTHER


def test_a_yes_expires_and_who_drew_before_goes_on(house: House) -> None:
    asked = house.ask()
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    purse = house.gate.approvals.purse(ACCOUNT, asked.id)
    assert purse is not None
    seen, last = spec_seen(spec(), team="risk", family=""), purse.expires_at
    drawn = draw(purse, "run-1", seen, last - timedelta(microseconds=1))
    assert drawn.result is Draw.DRAWN
    assert draw(purse, "run-2", seen, last).result is Draw.EXPIRED
    assert draw(drawn.after, "run-1", seen, last + HOUR).covered


def _line(house: House) -> Any:

    return Entry(house.gate.w.now(), Transition.DREW, "drew")


# --- what people see ----------------------------------------------------------------------------------------------


def cards(house: House) -> list[str]:
    return [card.plain for card in house.town.world.slack_messages.values()]


def actions(house: House) -> set[str]:
    """What can be clicked in any message as it stands now."""
    return {
        element["action_id"]
        for card in house.town.world.slack_messages.values()
        for block in card.blocks
        for element in block.get("elements", [])
        if "action_id" in element
    }


def test_the_question_goes_to_the_teams_channel_with_all_that_decides(house: House) -> None:
    house.ask()
    house.tend()
    ((_, channel, card),) = house.town.world.posts
    assert channel == "#risk-ml"
    for part in (
        "Approval needed: churn-bert-large",
        "$1,212.06",
        "2 x ml.p4d.24xlarge",
        "is above $100.00",
        "team risk",
    ):
        assert part in card.plain, part
    assert actions(house) == {"approve", "deny"}
    assert card.text.startswith("Approval needed: churn-bert-large: $1,212.06")


@pytest.mark.parametrize("yes", [True, False])
def test_the_answer_stands_in_the_questions_place_without_buttons_and_in_its_thread(house: House, yes: bool) -> None:
    asked = house.ask()
    house.tend()
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=yes, reason="for the audit")
    house.tend()
    assert actions(house) == set()
    word = "Approved" if yes else "Denied"
    assert any(text.startswith(f"{word}: churn-bert-large") for text in cards(house))
    ((below, said),) = house.town.world.slack_threads
    assert below in house.town.world.slack_messages
    assert f"{word} by Maria Lopez" in said.plain
    assert "for the audit" in said.plain


def test_a_question_that_was_answered_before_it_could_be_posted_is_said_by_its_answer_alone(house: House) -> None:
    asked = house.ask()
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=True)
    house.tend()
    assert [card.plain.split(".")[0] for _, _, card in house.town.world.posts] == ["Approved by Maria Lopez"]


def test_a_deleted_message_is_said_anew(house: House) -> None:
    asked = house.ask()
    house.tend()
    house.town.world.slack_messages.clear()
    approvals.answer(house.gate, ACCOUNT, asked.id, MARIA, yes=False)
    house.tend()
    assert len(cards(house)) == 1
    assert "Denied by Maria Lopez" in cards(house)[0]


def test_while_slack_is_down_the_question_goes_by_mail_with_the_command_that_answers_it(house: House) -> None:
    house.town.world.slack_is_up, house.town.world.topic_has_listener = False, True
    asked = house.ask()
    house.tend()
    ((_, subject, text),) = house.town.world.mails
    assert subject.startswith("Approval needed")
    assert f"costwatch approve {asked.id}" in text


def test_a_reminder_stands_in_the_questions_thread(house: House) -> None:
    house.ask()
    house.tend()
    house.town.clock.now += 20 * HOUR
    house.tend()
    ((_, said),) = house.town.world.slack_threads
    assert "for 4 h more" in said.plain


def test_in_warn_people_hear_what_would_have_waited_and_can_click_nothing() -> None:
    house = House(mode=Mode.WARN)
    house.ask()
    house.ask()
    house.tend()
    assert [card.text.split(":")[0] for _, _, card in house.town.world.posts] == [
        "churn-bert-large would have waited for a yes"
    ]
    assert actions(house) == set()


def test_in_observe_nobody_hears_of_it() -> None:
    house = House(mode=Mode.OBSERVE)
    house.ask()
    house.tend()
    assert house.town.world.posts == []


def test_the_names_of_others_speak_as_nobody_on_the_card(house: House) -> None:
    evil = replace(request(), name="<!channel> *`x`* \u202e", team="<@U0EVIL000>", owner="<https://evil|ok>")
    approvals.ask(house.gate, evil)
    house.tend()
    ((_, _, card),) = house.town.world.posts
    marked = [str(block) for block in card.blocks if "mrkdwn" in str(block)]
    assert not any(sign in "".join(marked) for sign in ("<!channel>", "<@U0EVIL000>", "<https://evil"))
