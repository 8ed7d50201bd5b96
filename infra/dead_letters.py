"""Where what could not be handled waits for a person: a queue per asynchronous function, one for refused events."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.nag import acknowledge

RETENTION = Duration.days(14)  # the longest SQS keeps a message


class DeadLetterQueue(sqs.Queue):
    """Encrypted, over TLS only. Its depth raises an alarm. `hidden`: how long a function has that reads it."""

    def __init__(self, scope: Construct, construct_id: str, *, hidden: Duration | None = None) -> None:
        super().__init__(
            scope,
            construct_id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
            visibility_timeout=hidden,
        )
        acknowledge(self, {"AwsSolutions-SQS3": "This is a dead-letter queue; its depth raises an alarm."})
