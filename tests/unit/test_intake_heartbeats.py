"""Beats at the door: whose beat it is must be right; what else is wrong costs that part only."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwatch import intake
from costwatch.core.heartbeats import Beat, BeatKind
from costwatch.core.policy import Service
from costwatch.errors import MalformedEvent

ACCOUNT = "111122223333"
ARRIVED = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MEMBER = {"service": "ec2", "id": "i-0abc12345", "account": ACCOUNT, "region": "us-east-1"}
DETAIL = {
    "v": 1,
    "member": MEMBER,
    "session": "5f0c2a11",
    "at": "2026-11-22T08:59:58Z",
    "seq": 7,
    "step": 812,
    "total": 900,
    "checkpoint": "s3://bucket/ckpt-800",
    "next_within_seconds": None,
    "metrics": {"loss": 0.25},
    "client": "costwatch-client/0.1.0",
}


def message(detail: Any = DETAIL, *, message_id: str = "m-1", **envelope: Any) -> dict[str, Any]:
    event = {
        "source": "costwatch.client",
        "detail-type": "Run Heartbeat",
        "account": ACCOUNT,
        "region": "us-east-1",
        "detail": detail,
        **envelope,
    }
    return {
        "messageId": message_id,
        "body": json.dumps(event),
        "attributes": {"SentTimestamp": str(int(ARRIVED.timestamp() * 1000))},
    }


def taken(*messages: dict[str, Any]) -> intake.Heartbeats:
    return intake.heartbeats({"Records": list(messages)}, account=ACCOUNT)


def one(**changes: Any) -> Beat:
    (arrived,) = taken(message({**DETAIL, **changes})).arrived
    assert isinstance(arrived.what, Beat)
    return arrived.what


def reason(**changes: Any) -> str:
    (refused,) = taken(message({**DETAIL, **changes})).refused
    return refused.reason


def test_a_beat_says_whose_it_is_and_how_far() -> None:
    assert one() == Beat(
        Service.EC2, "i-0abc12345", ACCOUNT, "us-east-1", ARRIVED, BeatKind.BEAT, "5f0c2a11", 7,
        step=812, total=900, checkpoint="s3://bucket/ckpt-800", metrics={"loss": "0.25"},
    )  # fmt: skip


@pytest.mark.parametrize(("detail_type", "kind"), [("Run Started", BeatKind.STARTED), ("Run Done", BeatKind.DONE)])
def test_a_start_and_an_end_are_beats_of_their_own_kind(detail_type: str, kind: BeatKind) -> None:
    (arrived,) = taken(message(**{"detail-type": detail_type})).arrived
    assert isinstance(arrived.what, Beat)
    assert arrived.what.kind is kind


def test_a_job_beats_under_its_name() -> None:
    found = one(member={**MEMBER, "service": "training", "id": "churn-bert-7"})
    assert (found.service, found.member_id) == (Service.TRAINING, "churn-bert-7")


def test_arrival_counts_and_not_the_senders_clock() -> None:
    ahead = one(at="2026-11-22T09:05:01Z")
    assert ahead.received_at == ARRIVED
    assert ahead.problem == "its clock is 5 min ahead; arrival counts"
    assert one(at="2026-11-22T09:05:00Z").problem == ""


def test_the_sweeps_canary_is_known_from_a_trainers_beat() -> None:
    (arrived,) = taken(message({"v": 1, "sent_at": "2026-11-22T08:59:00Z"}, **{"detail-type": "Canary Beat"})).arrived
    assert arrived.what == intake.Canary(ARRIVED - timedelta(minutes=1))


def canary(sent_at: str) -> intake.Heartbeats:
    return taken(message({"v": 1, "sent_at": sent_at}, **{"detail-type": "Canary Beat"}))


def test_a_canary_from_the_future_is_refused_since_it_would_prove_the_way_when_it_is_broken() -> None:
    assert len(canary("2026-11-22T09:05:00Z").arrived) == 1
    (refused,) = canary("2026-11-22T09:05:01Z").refused
    assert refused.reason == "detail.sent_at is 5 min after the canary arrived"
    assert canary("9998-01-01T00:00:00Z").arrived == ()


@pytest.mark.parametrize("name", ["next_within_seconds", "metrics", "step", "total", "seq", "fingerprint", "v", "at"])
def test_no_number_is_large_enough_to_cost_another_message_of_the_batch(name: str) -> None:
    huge: Any = {"tokens": 10**400} if name in ("metrics", "fingerprint") else 10**400
    found = taken(message({**DETAIL, name: huge}), message(message_id="m-2"))
    assert found.arrived[-1].id == "m-2"
    assert len(found.arrived) + len(found.refused) == 2


def test_metrics_that_would_fill_a_row_are_left_out_and_the_beat_counts() -> None:
    fits = {f"{n:0200}": 1 for n in range(20)}
    assert len(one(metrics=fits).metrics) == 20
    large = one(metrics={f"{n:0200}\u20ac": 10**10 for n in range(20)})
    assert (dict(large.metrics), large.problem) == ({}, "metrics: more than 4096 bytes")


def test_half_a_character_costs_its_own_message_only() -> None:
    found = taken(message({**DETAIL, "checkpoint": "\ud800"}), message(message_id="m-2"))
    assert [arrived.id for arrived in found.arrived] == ["m-2"]
    assert found.refused[0].reason == "the message's body is no Unicode"


def test_whatever_reading_one_message_runs_into_the_others_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_text: str) -> object:
        monkeypatch.undo()
        raise ArithmeticError("never thought of")

    batch = message(), message(message_id="m-2")
    monkeypatch.setattr(json, "loads", broken)
    found = taken(*batch)
    assert [arrived.id for arrived in found.arrived] == ["m-2"]
    assert [refused.reason for refused in found.refused] == [
        "it could not be read: ArithmeticError('never thought of')"
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"next_within_seconds": 10**400}, "next_within_seconds is"),
        ({"metrics": {"tokens": 10**400}}, "metrics: at most 20 numbers"),
        ({"step": -1}, "step is -1; expected a whole number from 0"),
        ({"step": 2**53 + 1}, "step is 9007199254740993;"),
        ({"step": True}, "step is True;"),
        ({"step": 1.5}, "step is 1.5;"),
        ({"step": "812"}, "step is '812'"),
        ({"step": 901}, "step 901 is beyond total 900"),
        ({"total": 0}, "total is 0; expected a whole number from 1"),
        ({"checkpoint": "x" * 257}, "checkpoint is 'xxx"),
        ({"next_within_seconds": 0}, "next_within_seconds is 0; expected seconds"),
        ({"next_within_seconds": 604_801}, "next_within_seconds is 604801; no phase is longer than 168 h"),
        ({"metrics": {"loss": "low"}}, "metrics: at most 20 numbers"),
        ({"metrics": {str(n): n for n in range(21)}}, "metrics: at most 20 numbers"),
        ({"metrics": [1]}, "metrics is of kind list"),
        ({"at": "yesterday"}, "at: 'yesterday' is not an RFC 3339 time"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_named_and_the_beat_counts(changes: dict[str, Any], expected: str) -> None:
    found = one(**changes)
    assert found.problem.startswith(expected)
    assert found.received_at == ARRIVED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"v": 2}, "detail.v is 2; this version reads 1"),
        ({"member": None}, "detail.member is missing or no object"),
        ({"member": {**MEMBER, "service": "batch"}}, "detail.member.service is 'batch'; expected ec2, training, proc"),
        ({"member": {**MEMBER, "id": "i-0ABC"}}, "detail.member.id is 'i-0ABC', which is no id of ec2"),
        ({"member": {**MEMBER, "service": "training", "id": "a b"}}, "detail.member.id is 'a b', which is no id"),
        ({"member": {**MEMBER, "region": "moon"}}, "detail.member.region is 'moon'; expected a region"),
        ({"member": {**MEMBER, "account": "999988887777"}}, "detail.member.account is '999988887777'; the beat came"),
        ({"seq": 0}, "detail.seq is 0; expected a whole number from 1"),
        ({"seq": None}, "detail.seq is 'None'; expected"),
    ],
)
def test_a_beat_that_is_nobodys_is_refused_with_its_reason(changes: dict[str, Any], expected: str) -> None:
    assert reason(**changes).startswith(expected)


def test_a_beat_sent_from_another_account_is_refused_whatever_it_says_of_itself() -> None:
    (refused,) = taken(message(account="999988887777")).refused
    assert refused.reason == f"account is '999988887777'; only beats sent from {ACCOUNT} are taken"


def test_whoever_only_tried_the_way_is_neither_a_beat_nor_refused() -> None:
    batch = taken(message({**DETAIL, "member": None, "seq": 0}, **{"detail-type": "Heartbeat Check"}))
    assert batch == intake.Heartbeats((), ())


def test_the_longest_announced_phase_is_a_week_and_a_longer_one_is_taken_for_that() -> None:
    assert one(next_within_seconds=604_800).problem == ""
    assert one(next_within_seconds=31_536_000).next_within == timedelta(days=7)


def test_a_fingerprint_of_texts_and_numbers_is_kept_as_text() -> None:
    found = one(fingerprint={"git": "c0ffee", "data": None, "seed": 7, "host_count": 8})
    assert found.fingerprint == {"git": "c0ffee", "seed": "7", "host_count": "8"}


def test_one_bad_message_costs_no_other() -> None:
    batch = taken(
        {**message(message_id="bad"), "body": "{"},
        message(message_id="good"),
        message(message_id="unknown", **{"detail-type": "Run Paused"}),
        message(message_id="foreign", source="somebody"),
    )
    assert [each.id for each in batch.arrived] == ["good"]
    assert [each.reason.split(" with")[0] for each in batch.refused] == [
        "the message's body is no JSON", "source 'costwatch.client'", "source 'somebody'",
    ]  # fmt: skip


@pytest.mark.parametrize("event", [None, {}, {"Records": "none"}])
def test_what_is_no_batch_is_malformed(event: object) -> None:
    with pytest.raises(MalformedEvent):
        intake.heartbeats(event, account=ACCOUNT)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*DETAIL, "fingerprint"]), ANYTHING, max_size=4))
def test_whatever_a_detail_holds_is_a_beat_or_refused_with_a_sentence(changes: dict[str, Any]) -> None:
    batch = taken(message({**DETAIL, **changes}))
    assert len(batch.arrived) + len(batch.refused) == 1
    assert all(each.reason for each in batch.refused)
