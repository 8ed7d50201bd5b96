"""`python -m costwatch_client --check`: everything a heartbeat needs is tried, and what was found is printed."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import pytest

import costwatch_client
from tests.client.fakes import INSTANCE_ARN, NOWHERE, AwsAnswer, FakeEvents


def check(events: FakeEvents, **environ: str) -> tuple[bool, list[str]]:
    lines: list[str] = []
    environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")

    def make(service: str, region: str) -> Any:
        del service, region
        return events

    well = costwatch_client._check(environ, make_client=make, root=NOWHERE, write=lines.append)
    return well, lines


def test_all_well_is_said_line_by_line() -> None:
    events = FakeEvents()
    well, lines = check(events, COSTWATCH_RUN_MEMBER=INSTANCE_ARN, RANK="0")
    assert well
    assert lines[:4] == [
        "process      sends (RANK=0)",
        "identity     instance i-0abc12345def67890 in us-east-1, account 111122223333 (from COSTWATCH_RUN_MEMBER)",
        "credentials  arn:aws:sts::111122223333:assumed-role/trainer/i-0abc",
        "bus          event bus costwatch in us-east-1 accepted a check beat",
    ]


def test_the_check_beat_is_no_sign_of_life() -> None:
    events = FakeEvents()
    check(events, COSTWATCH_RUN_MEMBER=INSTANCE_ARN)
    ((kind, detail),) = events.sent
    assert (kind, detail["seq"], detail["step"]) == ("Heartbeat Check", 0, None)


def test_the_statements_to_paste_come_last_as_json() -> None:
    _, lines = check(FakeEvents(), COSTWATCH_RUN_MEMBER=INSTANCE_ARN, COSTWATCH_REGION="eu-west-1")
    needed, seeing = json.loads(lines[-1])
    resource = "arn:aws:events:eu-west-1:111122223333:event-bus/costwatch"
    assert needed == {
        "Sid": "CostwatchHeartbeat",
        "Effect": "Allow",
        "Action": "events:PutEvents",
        "Resource": resource,
        "Condition": {
            "StringEquals": {"events:source": "costwatch.client"},
            "ForAllValues:StringEquals": {
                "events:detail-type": ["Run Heartbeat", "Run Started", "Run Done", "Heartbeat Check"]
            },
        },
    }
    assert (seeing["Action"], seeing["Resource"]) == ("events:DescribeEventBus", resource)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (FakeEvents(fails=AwsAnswer("AccessDeniedException")), "bus          MISSING: AccessDeniedException: the role"),
        (FakeEvents(buses=()), "bus          MISSING: there is no event bus costwatch in us-east-1"),
        (FakeEvents(fails=botocore.exceptions.NoCredentialsError()), "bus          MISSING: no AWS credentials"),
    ],
)
def test_what_is_missing_is_said_and_is_no_success(events: FakeEvents, said: str) -> None:
    well, lines = check(events, COSTWATCH_RUN_MEMBER=INSTANCE_ARN)
    assert not well
    assert any(line.startswith(said) for line in lines), lines


def test_whoever_may_not_look_for_the_bus_is_told_so() -> None:
    events = FakeEvents(look_fails=AwsAnswer("AccessDeniedException"))
    well, lines = check(events, COSTWATCH_RUN_MEMBER=INSTANCE_ARN)
    assert well
    assert lines[3].endswith("though whether it exists could not be seen (events:DescribeEventBus)")


def test_without_an_identity_the_rest_is_tried_all_the_same() -> None:
    events = FakeEvents(account="444455556666")
    well, lines = check(events, AWS_REGION="us-east-1")
    assert not well
    assert lines[1].startswith("identity     MISSING: no SageMaker job, and AWS_EC2_METADATA_DISABLED")
    assert lines[3] == "bus          event bus costwatch in us-east-1 accepted a check beat"
    assert events.sent[0][1]["member"] is None
    assert ":events:us-east-1:444455556666:event-bus/" in lines[-1]


def test_without_a_region_the_statement_has_places_to_fill_in() -> None:
    well, lines = check(FakeEvents())
    assert not well
    assert "bus          MISSING: the region is unknown: set COSTWATCH_REGION to Costwatch's home region" in lines
    assert json.loads(lines[-1])[0]["Resource"] == "arn:aws:events:REGION:ACCOUNT:event-bus/costwatch"


def test_a_silent_rank_is_told_that_it_is() -> None:
    _, lines = check(FakeEvents(), COSTWATCH_RUN_MEMBER=INSTANCE_ARN, RANK="3")
    assert lines[0] == "process      stays silent, only rank 0 sends (RANK=3)"


def test_who_is_told_no_rank_is_not_called_the_only_process() -> None:
    _, lines = check(FakeEvents(), COSTWATCH_RUN_MEMBER=INSTANCE_ARN)
    assert lines[0] == "process      sends (nothing tells it a rank; each process that is told none sends)"
