"""The alerts topic: takes notices when Slack does not, but only if somebody is subscribed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costwatch.adapters.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient

_SUBJECT_LENGTH = 100
_MESSAGE_BYTES = 200_000


class Topic:
    """SNS in the home region. Raises AwsError."""

    def __init__(self, client: SNSClient, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def has_listener(self) -> bool:
        """Whether a confirmed subscription exists: SNS answers 200 for a topic nobody listens to."""
        return bool(self.listeners())

    def listeners(self) -> frozenset[str]:
        """Where confirmed subscriptions lead: addresses, ARNs, URLs."""
        with translated("sns:ListSubscriptionsByTopic"):
            pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self._topic_arn)
            return frozenset(
                subscription.get("Endpoint", "")
                for page in pages
                for subscription in page["Subscriptions"]
                if subscription["SubscriptionArn"].startswith("arn:")
            )

    def publish(self, subject: str, text: str) -> None:
        """Subject: ASCII without line breaks, at most 100 characters, as SNS demands."""
        plain = " ".join(subject.encode("ascii", "replace").decode().split())[:_SUBJECT_LENGTH]
        with translated("sns:Publish"):
            self._client.publish(TopicArn=self._topic_arn, Subject=plain, Message=text[:_MESSAGE_BYTES])
