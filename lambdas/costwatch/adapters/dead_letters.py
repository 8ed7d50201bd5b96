"""A dead-letter queue of the stack: what lies in it, taken out of sight for a while, put back, or deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from costwatch.adapters.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

HIDDEN: Final = timedelta(minutes=2)
"""How long nobody else sees what was taken: long enough for a person's yes. Two who send the same do no harm."""
MOST: Final = 100
"""So many are looked at; the rest after these."""
_BATCH: Final = 10
_WAIT_SECONDS: Final = 1  # so that every server of the queue is asked
_OF_LAMBDA: Final = "ErrorMessage"
"""What a function said of an event that it failed on."""
_OF_EVENTBRIDGE: Final = "ERROR_CODE", "ERROR_MESSAGE"
"""Why EventBridge could not hand an event to its target at all."""
_RULE: Final = "RULE_ARN"
"""Which of its rules wanted to."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as SQS gave it. `error`: what Lambda or EventBridge wrote beside an event; empty: nothing."""

    id: str
    sent_at: datetime
    body: str
    error: str
    receipt: str


class DeadLetters:
    """SQS in the home region. Raises AwsError. All times are aware UTC."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._url = queue_url

    def depth(self) -> int:
        """About how many lie there, those that somebody looks at included."""
        with translated("sqs:GetQueueAttributes"):
            answer = self._client.get_queue_attributes(
                QueueUrl=self._url,
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
            )
        return sum(int(number) for number in answer["Attributes"].values())

    def take(self) -> list[Taken]:
        """At most 100 messages, oldest first. Whoever takes them puts them back or deletes them.

        Where it ends before its time nothing stays taken.
        """
        found: dict[str, Taken] = {}
        try:
            self._take_into(found)
        except BaseException:
            self.put_back(list(found.values()))
            raise
        return sorted(found.values(), key=lambda each: (each.sent_at, each.id))

    def _take_into(self, found: dict[str, Taken]) -> None:
        while len(found) < MOST:
            with translated("sqs:ReceiveMessage"):
                answer = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=_BATCH,
                    VisibilityTimeout=int(HIDDEN.total_seconds()),
                    WaitTimeSeconds=_WAIT_SECONDS,
                    AttributeNames=["SentTimestamp"],
                    MessageAttributeNames=[_OF_LAMBDA, *_OF_EVENTBRIDGE, _RULE],
                )
            some = [_taken(message) for message in answer.get("Messages", [])]
            if all(each.id in found for each in some):  # nothing, or what is visible again by now
                break
            found.update((each.id, each) for each in some)

    def put_back(self, taken: Sequence[Taken]) -> None:
        """Everybody sees them again, at once."""
        for first in range(0, len(taken), _BATCH):
            some = taken[first : first + _BATCH]
            with translated("sqs:ChangeMessageVisibility"):
                self._client.change_message_visibility_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(n), "ReceiptHandle": each.receipt, "VisibilityTimeout": 0}
                        for n, each in enumerate(some)
                    ],
                )

    def delete(self, taken: Taken) -> None:
        with translated("sqs:DeleteMessage"):
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=taken.receipt)


def _taken(message: Any) -> Taken:
    sent = int(message.get("Attributes", {}).get("SentTimestamp", 0))
    return Taken(
        id=str(message["MessageId"]),
        sent_at=datetime.fromtimestamp(sent / 1000, UTC),
        body=str(message["Body"]),
        error=_error(message.get("MessageAttributes", {})),
        receipt=str(message["ReceiptHandle"]),
    )


def _error(attributes: Mapping[str, Any]) -> str:
    values = {name: str(each.get("StringValue", "")) for name, each in attributes.items()}
    if values.get(_OF_LAMBDA):
        return values[_OF_LAMBDA]
    why = ": ".join(filter(None, (values.get(name, "") for name in _OF_EVENTBRIDGE)))
    rule = values.get(_RULE, "").rpartition("/")[2]
    return f"{why} (rule {rule})" if why and rule else why
