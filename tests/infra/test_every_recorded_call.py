"""Every AWS call that any test or the demo made in a role's name was allowed to that role.

tests/conftest.py starts the recorder before the first client is made and moves this module to the end.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from costwatch.preview.permissions import CALLS as PREVIEW_CALLS
from costwatch.scan.permissions import CALLS
from costwatch.topology import RES
from infra.registry_permissions import WRITE
from tests.infra.allowed_in_observe import ALLOWED_IN_OBSERVE, DESTRUCTIVE
from tests.support.recorded_calls import (
    CLICKS,
    DEADMAN,
    DOOR,
    HEARTBEATS,
    HINTS,
    OPERATOR,
    PREVIEWER,
    PRICES,
    SCANNER,
    Asked,
    asked,
    refused,
)

# Lambda's own runtime writes the logs; nothing in Python calls for it.
_WRITTEN_BY_LAMBDA = frozenset({"logs:CreateLogStream", "logs:PutLogEvents"})
# Lambda's own poller reads the queue of the heartbeats under the function's role.
_POLLED_BY_LAMBDA = {action for action in ALLOWED_IN_OBSERVE if action.startswith("sqs:")} - {"sqs:SendMessage"}

_ONLY_OF_CLICKS = {"lambda:InvokeFunction"}
_ASKED_FOR_BY_CLICKS = _ONLY_OF_CLICKS | {
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "events:PutEvents",
    "sagemaker:ListPipelineExecutionSteps",
    "sagemaker:SendPipelineExecutionStepFailure",
    "sagemaker:SendPipelineExecutionStepSuccess",
    "sns:ListSubscriptionsByTopic",
    "sns:Publish",
    "sqs:SendMessage",
    "ssm:GetParameter",
    "states:SendTaskFailure",
    "states:SendTaskSuccess",
}
_READ_BY_RES = {"s3:GetObject", "s3:ListBucket", "sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"}
_READ_BY_PRICES = {"ec2:DescribeSpotPriceHistory", "pricing:GetProducts"}


@pytest.fixture(scope="module")
def recorded(all_others_finished: None) -> Counter[Asked]:
    return asked()


def test_every_recorded_call_was_allowed_to_the_role_that_made_it(
    recorded: Counter[Asked], capsys: pytest.CaptureFixture[str]
) -> None:
    complaints = refused(recorded)
    with capsys.disabled():
        print(f"\n{sum(recorded.values()):,} permissions asked for by recorded calls, {len(recorded):,} distinct")  # noqa: T201
    assert not complaints, "\n".join(complaints)


def test_the_recorded_calls_cover_what_the_roles_are_there_for(
    recorded: Counter[Asked], request: pytest.FixtureRequest
) -> None:
    kinds = {item.path.parent.name for item in request.session.items}
    if not {"unit", "integration", "e2e"} <= kinds:
        pytest.skip("only a part of the tests was chosen: what the others would have recorded is missing")
    actions: defaultdict[str, set[str]] = defaultdict(set)
    for one in recorded:
        if one.acting is not None and one.question.exists:
            actions[one.acting.role].add(one.question.action)
    # A permission that no test ever uses is one the role should not have.
    asked_for = (ALLOWED_IN_OBSERVE | DESTRUCTIVE) - _WRITTEN_BY_LAMBDA - _POLLED_BY_LAMBDA
    assert actions[DEADMAN] == asked_for - _READ_BY_PRICES - _ONLY_OF_CLICKS - _READ_BY_RES
    assert _READ_BY_RES | {"sagemaker:DescribeTrainingJob", WRITE} <= actions[RES.name]
    assert actions[RES.name] <= ALLOWED_IN_OBSERVE | {WRITE}
    assert actions[PRICES] == _READ_BY_PRICES | {
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "sqs:SendMessage",
    }
    assert actions[HEARTBEATS] == {"dynamodb:GetItem", "dynamodb:PutItem", "sqs:SendMessage"}
    assert actions[DOOR] == {"events:PutEvents", "ssm:GetParameter"}
    assert actions[CLICKS] == _ASKED_FOR_BY_CLICKS
    assert {"dynamodb:GetItem", "ec2:DescribeInstances"} <= actions[HINTS] <= ALLOWED_IN_OBSERVE
    assert {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"} <= actions[OPERATOR]
    assert "lambda:InvokeFunction" in actions[OPERATOR], "an enforce sweep asked for by the console script"
    assert not actions[OPERATOR] & DESTRUCTIVE
    # The policies that `scan --policy` and `preview --policy` print are what these ask for, no less and no more.
    assert actions[SCANNER] == {f"{service}:{name}" for service, found in CALLS.items() for name in found}
    assert actions[PREVIEWER] == {f"{service}:{name}" for service, found in PREVIEW_CALLS.items() for name in found}
    assert sum(recorded.values()) >= 300
