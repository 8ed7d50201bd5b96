"""What is written into the model registry is within its limits, whatever people and models are called."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwatch.core import registry_words as words
from costwatch.core.judgements import Decided, Hand
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.core.res import Value
from tests.contract.test_ledger_judgements import FULL
from tests.support.builders import NOW

REJECTED, APPROVED = ApprovalStatus.REJECTED, ApprovalStatus.APPROVED
ALLOWED = re.compile(r"[\w\s.:/=+\-@]{1,256}")
JUDGED = replace(FULL, decided=None)


def test_a_rejection_says_so_first_and_then_why_and_by_which_figures() -> None:
    said = words.description(JUDGED, REJECTED)
    assert said.startswith("Cost-Efficiency Rejection: better but too dear: a real gain, too small for its cost. auc ")
    assert "cost $3,200.12" in said


def test_an_approval_is_no_rejection() -> None:
    earned = replace(JUDGED, verdict=replace(JUDGED.verdict, value=Value.PROMOTE, reason="a real gain, worth its cost"))
    assert words.description(earned, APPROVED).startswith("Costwatch: promote: a real gain, worth its cost. ")


@given(st.text(max_size=2000), st.text(max_size=300), st.text(max_size=2000))
def test_descriptions_and_metadata_fit_whatever_people_say(reason: str, name: str, why: str) -> None:
    by = Decided("U0MARIA00", NOW, REJECTED, why, name)
    judgement = replace(FULL, decided=by, verdict=replace(FULL.verdict, reason=reason))
    said = words.description(judgement, REJECTED)
    assert 0 < len(said) <= 1024
    assert "\n" not in said
    for value in words.metadata(judgement, REJECTED, {}).values():
        assert ALLOWED.fullmatch(value)


@pytest.mark.parametrize(("there", "most"), [(0, 50), (45, 5), (49, 1), (50, 0)])
def test_what_is_there_is_kept_and_the_verdict_comes_first_where_there_is_little_room(there: int, most: int) -> None:
    before = {f"team-{number}": "x" for number in range(there)}
    added = words.metadata(FULL, REJECTED, before)
    assert len({**before, **added}) <= 50
    assert len(added) == min(most, 10)
    assert not most or next(iter(added)) == words.META_VERDICT


def test_our_own_entries_of_before_take_no_room() -> None:
    before = {f"team-{number}": "x" for number in range(48)} | {words.META_VERDICT: "reject", "costwatch:score": "1"}
    added = words.metadata(FULL, REJECTED, before)
    assert set(added) == {words.META_VERDICT, "costwatch:score"}
    assert len({**before, **added}) == 50


def test_a_person_is_named_and_when_they_decided() -> None:
    decided = replace(FULL, decided=Decided("U0", NOW + timedelta(hours=2), APPROVED, "", "Maria Lopez", Hand.ASKED))
    added = words.metadata(decided, APPROVED, {})
    assert (added["costwatch:decided-by"], added["costwatch:status"]) == ("Maria Lopez", "Approved")
    assert added[words.META_DECIDED_AT] == "2026-11-22T11:00:00Z"


@pytest.mark.parametrize(
    ("metadata", "description", "ours"),
    [
        ({"costwatch:verdict": "reject"}, "", True),
        ({}, "Cost-Efficiency Rejection: no gain", True),
        ({}, "Costwatch: promote", True),
        ({"costwatch:run": "weekly", "costwatch:baseline": "0.9"}, "the board wants it", False),
    ],
)
def test_our_hand_is_known_by_its_marks(metadata: dict[str, str], description: str, ours: bool) -> None:
    package = ModelPackage(
        FULL.package_arn, FULL.account, FULL.region, FULL.group, 41, "Completed", REJECTED, NOW,
        metadata=metadata, approval_description=description,
    )  # fmt: skip
    assert words.written_by_us(package) is ours


def test_the_command_names_region_version_and_status() -> None:
    assert words.command(FULL, APPROVED) == (
        f"aws sagemaker update-model-package --region us-east-1 --model-package-arn {FULL.package_arn} "
        "--model-approval-status Approved"
    )
