"""The stack as CloudFormation lists it: where `costwatch doctor` and `redrive` learn which queues there are.

Functions and queues alone: the doctor says of rules and event sources that it could not look.
"""

from __future__ import annotations

import json
from typing import Any, Final

from costwatch import names, topology
from demo.stage import Stage

_HASH: Final = "00000000"  # the CDK puts eight such digits behind each name
_ROLE: Final = f"FunctionsRole{_HASH}"
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}},
    ],
}


def list_as_stack(stage: Stage) -> None:
    """Write the stage's functions and their dead-letter queues down as a stack."""
    resources: dict[str, Any] = {_ROLE: {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _TRUST}}}
    for name, url in stage.dead_letter_urls.items():
        title = "".join(part.title() for part in name.split("-"))
        resources[f"{title}DeadLetters{_HASH}"] = _queue(url)
        resources[f"{title}Function{_HASH}"] = {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": f"{names.PROJECT}-{name}",
                "Handler": next(each.handler for each in topology.FUNCTIONS if each.name == name),
                "Runtime": "python3.13",
                "Role": {"Fn::GetAtt": [_ROLE, "Arn"]},
                "Code": {"ZipFile": "# the sandbox runs it"},
            },
        }
    resources[f"RefusedEvents{_HASH}"] = _queue(stage.refused_queue_url)
    stage.aws.client("cloudformation").create_stack(
        StackName=names.STACK, TemplateBody=json.dumps({"Resources": resources})
    )


def _queue(url: str) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": url.rpartition("/")[2]}}
