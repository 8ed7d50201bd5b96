"""Judgements in the ledger, on both tables: read back to the digit as written, and nobody writes over another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from costwatch import names
from costwatch.adapters.ledger import Ledger
from costwatch.adapters.ledger_judgements import KEEP_JUDGEMENTS, Artifact, Judgements
from costwatch.adapters.table import Put, Table
from costwatch.core import judgement_steps as steps
from costwatch.core import times
from costwatch.core.approvals import Post
from costwatch.core.gains import Evaluation, EvaluationData, Gain, Noise, Reading
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.messages import MessageKind
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res import Cause, Cost, Score, Value, Verdict
from costwatch.core.res_policy import Direction, GainKind, Worth
from costwatch.core.run_cost import RunCost
from costwatch.errors import UnreadableRow
from tests.contract.test_ledger_costs import COST
from tests.support.builders import ACCOUNT, HOUR, NOW, REGION
from tests.support.ledger_steps import LONGEST_TAG

THIRD = Decimal(1) / Decimal(3)
LONG = Decimal("0.12345678901234567890123456789012345678901234567890")
"""More digits than DynamoDB keeps of a number."""
VERDICT = Verdict(
    Value.TOO_DEAR,
    Cause.TOO_DEAR,
    "a real gain, too small for its cost",
    metric="auc",
    gain=Gain(
        LONG, GainKind.ABSOLUTE, LONG, Decimal("0.912"), Direction.MAXIMIZE, Noise(THIRD, "2 paired differences")
    ),
    score=Score(THIRD, Decimal("0.5"), True, Decimal("1E+3")),
    cost=Cost(Decimal("3200.123456789123"), THIRD, None, "training job churn-41"),
    in_service=30 * 24 * HOUR,
    passes_at_metric=LONG,
    passes_at_usd=THIRD,
    ask=True,
)
FULL = Judgement(
    package_arn=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/churn/41",
    account=ACCOUNT,
    region=REGION,
    model="churn",
    group="Churn",
    package_version=41,
    created_at=NOW - HOUR,
    judged_at=NOW,
    mode=Mode.ENFORCE,
    state=State.WRITING,
    verdict=VERDICT,
    row_version=1,
    run=f"{ACCOUNT}/{REGION}/training/churn-41",
    runs=(f"{ACCOUNT}/{REGION}/training/churn-41",),
    artifact="s3://training/churn-41/output/model.tar.gz",
    evaluation=Evaluation(
        {"auc": Reading(LONG, THIRD, 500), "recall@country=DE": Reading(Decimal("1E-9"))},
        EvaluationData("s3://data/validation/", "e1"),
        "training job churn-41",
    ),
    approvers=("U0MARIA00", "@risk-leads"),
    target=ApprovalStatus.REJECTED,
    lease_until=NOW + timedelta(minutes=6),
    decided=Decided("U0MARIA00", NOW, ApprovalStatus.REJECTED, "no", "Maria", Hand.ASKED),
    approved_at=NOW,
    posts=(Post("C1", "1.2"),),
    told="better but too dear: a real gain, too small for its cost",
    serving_version=38,
    capacity="4 x ml.p4d.24xlarge",
    runtime=timedelta(hours=31, minutes=41),
    worth=Worth(Decimal(4000), Decimal("0.01"), 30 * 24 * HOUR),
    team="risk",
    advice="skip Sunday's run",
)
BARE = Judgement(
    package_arn=FULL.package_arn,
    account=ACCOUNT,
    region=REGION,
    model="churn",
    group="Churn",
    package_version=41,
    created_at=NOW - HOUR,
    judged_at=NOW,
    mode=Mode.OBSERVE,
    state=State.JUDGED,
    verdict=Verdict(Value.UNJUDGED, Cause.NO_COST, "what its training cost is not known"),
    row_version=1,
)


def saved(ledger: Ledger, judgement: Judgement = BARE, before: Judgement | None = None) -> Judgements:
    judgements = Judgements(ledger)
    assert judgements.save(steps.JudgementStep(before, judgement, NOW))
    return judgements


def version(number: int) -> Judgement:
    return replace(BARE, package_version=number, created_at=NOW - (50 - number) * HOUR)


@pytest.mark.parametrize("judgement", [FULL, BARE], ids=["with everything", "with nothing"])
def test_a_judgement_is_read_back_to_the_digit(ledger: Ledger, judgement: Judgement) -> None:
    judgements = saved(ledger, judgement)
    assert judgements.get(ACCOUNT, "us-east-1/Churn/41") == judgement
    assert judgements.of_model(ACCOUNT, "churn") == [judgement]


def test_the_candidates_of_a_model_are_listed_oldest_first_and_those_of_another_are_not(ledger: Ledger) -> None:
    for number in (41, 9, 40):
        judgements = saved(ledger, version(number))
    saved(ledger, replace(version(12), model="fraud", group="fraud"))
    assert [each.package_version for each in judgements.of_model(ACCOUNT, "churn")] == [9, 40, 41]
    assert judgements.of_model("999999999999", "churn") == []
    assert judgements.get(ACCOUNT, "us-east-1/Churn/99") is None


def test_what_is_done_with_is_open_no_more(ledger: Ledger) -> None:
    judgements = saved(ledger, version(40))
    saved(ledger, version(41))
    assert [each.package_version for each in judgements.open(ACCOUNT)] == [40, 41]
    saved(ledger, replace(version(40), state=State.WRITTEN, row_version=2), version(40))
    assert [each.package_version for each in judgements.open(ACCOUNT)] == [41]
    saved(ledger, replace(version(41), state=State.OVERRIDDEN, row_version=2), version(41))
    assert judgements.open(ACCOUNT) == []


def test_of_two_who_judge_at_once_one_is_too_late_and_writes_nothing(ledger: Ledger) -> None:
    judgements = saved(ledger)
    assert not judgements.save(steps.JudgementStep(None, BARE, NOW))
    other = replace(BARE, told="another", row_version=2)
    assert judgements.save(steps.JudgementStep(BARE, other, NOW))
    assert not judgements.save(steps.JudgementStep(BARE, replace(BARE, told="late", row_version=2), NOW))
    assert judgements.get(ACCOUNT, BARE.id) == other


def test_lines_and_messages_are_written_with_the_step_or_not_at_all(ledger: Ledger) -> None:
    step = steps.judged(None, replace(BARE, mode=Mode.WARN), NOW, auto_approve=False)
    judgements = Judgements(ledger)
    assert judgements.save(step)
    assert not judgements.save(step)
    assert [line["transition"] for line in judgements.timeline(ACCOUNT, BARE.id)] == ["judged"]
    assert {each.kind for each in ledger.outbox(NOW)} == {MessageKind.RES_VERDICT, MessageKind.RES_EVENT}
    (line,) = ledger.since(NOW - HOUR, NOW + HOUR)
    assert line.run_id == f"{ACCOUNT}/judgement/us-east-1/Churn/41"


def test_a_row_that_cannot_be_read_is_named_and_the_others_are_read(ledger: Ledger, table: Table) -> None:
    judgements = saved(ledger, version(40))
    saved(ledger, version(41))
    row = f"{times.to_text(version(40).created_at)}#us-east-1#40"
    item = table.get(judgements._row(version(40)))
    assert item is not None
    table.put(Put({**item, "state": "undecided"}))
    found: list[UnreadableRow] = []
    assert [each.package_version for each in judgements.of_model(ACCOUNT, "churn", found.append)] == [41]
    assert [each.package_version for each in judgements.open(ACCOUNT, found.append)] == [41]
    assert {each.sk for each in found} == {row}
    with pytest.raises(UnreadableRow, match="undecided"):
        judgements.get(ACCOUNT, "us-east-1/Churn/40")


def test_a_row_lives_as_long_as_its_model_may_serve_and_what_is_open_has_no_end(ledger: Ledger, table: Table) -> None:
    judgements = saved(ledger)
    until = int((NOW + KEEP_JUDGEMENTS).timestamp())
    row, pointer = judgements._row(BARE), judgements._pointer(ACCOUNT, BARE.id)
    for each in (row, pointer):
        item = table.get(each)
        assert item is not None
        assert item[names.TABLE_TTL_ATTRIBUTE] == until
    open_row = table.get(judgements._open_pointer(ACCOUNT, BARE.id))
    assert open_row is not None
    assert names.TABLE_TTL_ATTRIBUTE not in open_row


def test_names_as_long_as_aws_allows_are_kept(ledger: Ledger) -> None:
    judgement = replace(BARE, model=LONGEST_TAG, group="G" * 63)
    judgements = saved(ledger, judgement)
    assert judgements.get(ACCOUNT, judgement.id) == judgement
    uri = f"s3://bucket/{'k' * 1024}"
    judgements.keep_artifact(ACCOUNT, uri, Artifact(REGION, "churn-41"), NOW)
    assert judgements.artifact(ACCOUNT, uri) == Artifact(REGION, "churn-41")
    assert judgements.artifact(ACCOUNT, uri + "x") is None


# --- costs ------------------------------------------------------------------------------------------------------


def cost(ended: int, model: str = "churn", **changes: Any) -> RunCost:
    return replace(COST, ended_at=NOW + ended * HOUR, owners=replace(COST.owners, model=model), **changes)


def test_what_a_run_cost_is_found_by_its_id_once_for_each_time_that_it_ran(ledger: Ledger) -> None:
    first, second = cost(0), cost(5, started_at=NOW + HOUR)
    other = cost(0, run_id=replace(COST.run_id, name="other"))
    for each in (second, other, first):
        assert ledger.book_cost(each)
    judgements = Judgements(ledger)
    assert judgements.cost_of(COST.run_id) == [first, second]
    assert judgements.cost_of(replace(COST.run_id, name="nobody")) == []


def test_what_becomes_known_better_is_found_by_its_id_and_its_model_as_well(ledger: Ledger) -> None:
    ledger.book_cost(cost(0))
    better = cost(0, actual_usd=Decimal("7.000000000"))
    ledger.book_again(better)
    judgements = Judgements(ledger)
    assert judgements.cost_of(COST.run_id) == [better]
    assert judgements.costs_of_model(ACCOUNT, "churn", NOW) == [better]


def test_the_costs_of_a_model_are_those_that_ended_since_then_inclusive(ledger: Ledger) -> None:
    runs = [cost(ended, run_id=replace(COST.run_id, name=f"churn-{ended}")) for ended in (0, 1, 2)]
    untagged = cost(2, model="", run_id=replace(COST.run_id, name="untagged"))
    for each in (*runs, untagged):
        ledger.book_cost(each)
    judgements = Judgements(ledger)
    assert judgements.costs_of_model(ACCOUNT, "churn", NOW + HOUR) == runs[1:]
    assert judgements.costs_of_model(ACCOUNT, "churn", NOW + HOUR + timedelta(seconds=1)) == runs[2:]
    assert judgements.costs_of_model(ACCOUNT, "", NOW) == []
