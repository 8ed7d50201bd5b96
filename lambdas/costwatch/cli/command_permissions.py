"""What each command needs to be allowed, on what; docs/commands.md shows it, and a doctor asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from costwatch import names


class On(StrEnum):
    """What a permission is about."""

    PARAMETER = "the parameter `/costwatch/deployment`"
    LEDGER = "the ledger's table and its index `by-day`"
    TABLE = "the ledger's table"
    STACK = "the stack"
    QUEUES = "the dead-letter queues and that of refused events"
    DEADMAN = "the function `deadman`"
    GATE = "the function `gate`"
    PRICES = "the function `prices`"
    RES = "the function `res`"
    RETRAIN = "the function `retrain`"
    ANY_FUNCTION = "the function that is to have the event again"


@dataclass(frozen=True, slots=True)
class Need:
    """`commands`: as they are typed, with the option that makes them need it."""

    commands: tuple[str, ...]
    actions: tuple[str, ...]
    on: On


LOOKS: Final = (
    "status", "ledger", "explain", "spend", "report", "export", "approvals", "verdicts", "settle",
)  # fmt: skip
GRANTS: Final = ("extend", "exempt", "release", "pause", "resume", "approve", "deny")
_INVOKE: Final = ("lambda:InvokeFunction",)
FIND: Final = Need((*LOOKS, *GRANTS), ("ssm:GetParameter",), On.PARAMETER)
READ: Final = Need((*LOOKS, *GRANTS), ("dynamodb:GetItem", "dynamodb:Query"), On.LEDGER)
ACTS: Final = (
    Need(GRANTS, ("dynamodb:PutItem",), On.TABLE),
    Need(
        ("sweep",),
        ("dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem",
         "dynamodb:UpdateItem"),
        On.TABLE,
    ),
    Need(("stop", "restore", "settle --now", "sweep --mode enforce"), _INVOKE, On.DEADMAN),
    Need(("gate",), _INVOKE, On.GATE),
    Need(("prices refresh",), _INVOKE, On.PRICES),
    Need(("promote", "reject", "settle --now"), _INVOKE, On.RES),
    Need(("should-retrain",), _INVOKE, On.RETRAIN),
    Need(("redrive",), ("cloudformation:ListStackResources",), On.STACK),
    Need(
        ("redrive",), ("sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"), On.QUEUES
    ),
    Need(("redrive --delete", "redrive --resend"), ("sqs:DeleteMessage",), On.QUEUES),
    Need(("redrive --delete", "redrive --resend"), ("dynamodb:PutItem",), On.TABLE),
    Need(("redrive --resend",), _INVOKE, On.ANY_FUNCTION),
)  # fmt: skip
"""Beside finding and reading, which all of them do."""
NEEDS: Final = (FIND, READ, *ACTS)


def redrive_policy() -> dict[str, Any]:
    """The identity policy for whoever calls redrive, with all it can do; for a stack of the usual name."""
    named = f"{names.STACK}-*"
    resources = {
        On.STACK: f"arn:*:cloudformation:*:*:stack/{names.STACK}/*",
        On.QUEUES: f"arn:*:sqs:*:*:{named}",
        On.TABLE: f"arn:*:dynamodb:*:*:table/{named}",
        On.ANY_FUNCTION: f"arn:*:lambda:*:*:function:{named}",
        On.PARAMETER: f"arn:*:ssm:*:*:parameter{names.DEPLOYMENT_PARAMETER}",
    }
    needs = [FIND, *(need for need in ACTS if need.commands[0].partition(" ")[0] == "redrive")]
    actions: dict[On, set[str]] = {}
    for need in needs:
        actions.setdefault(need.on, set()).update(need.actions)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": f"CostwatchRedrive{on.name.title().replace('_', '')}", "Effect": "Allow",
             "Action": sorted(found), "Resource": resources[on]}
            for on, found in actions.items()
        ],
    }  # fmt: skip
