"""SNS as AWS behaves: an address hears nothing before it confirmed, and Publish says 200 all the same."""

from __future__ import annotations

from typing import Any, Final

from moto.core.responses import ActionResult
from moto.sns.models import SNSBackend, Subscription, Topic
from moto.sns.responses import SNSResponse

from demo.embedded.patching import Patch
from demo.embedded.world import SnsMessage, current

# Protocols whose owner has to click a link or answer a request first. Queues and functions of the same account need
# not.
_ASK_FIRST: Final = frozenset({"email", "email-json", "http", "https"})
PENDING_ARN: Final = "PendingConfirmation"

_moto_subscribe = SNSBackend.subscribe
_moto_subscribe_response = SNSResponse.subscribe
_moto_publish = Topic.publish
_moto_deliver = Subscription.publish


def _is_pending(subscription: Any) -> bool:
    return subscription.protocol in _ASK_FIRST and not subscription.confirmed


def _shown_arn(subscription: Any) -> str:
    return PENDING_ARN if _is_pending(subscription) else str(subscription.arn)


def _count(topic: Any) -> None:
    subscriptions = topic.sns_backend._get_topic_subscriptions(topic)
    topic.subscriptions_pending = sum(1 for each in subscriptions if _is_pending(each))
    topic.subscriptions_confimed = len(subscriptions) - topic.subscriptions_pending  # moto's spelling


def _subscribe(backend: Any, topic_arn: str, endpoint: str, protocol: str) -> Any:
    subscription = _moto_subscribe(backend, topic_arn, endpoint, protocol)
    _count(subscription.topic)
    return subscription


def _subscribe_response(response: Any) -> Any:
    answer: Any = _moto_subscribe_response(response)
    subscription = response.backend.subscriptions[answer.result["SubscriptionArn"]]
    wants_arn = str(response._get_param("ReturnSubscriptionArn") or "").lower() == "true"
    if _is_pending(subscription) and not wants_arn:
        return ActionResult({"SubscriptionArn": "pending confirmation"})
    return answer


def _publish(topic: Any, message: str, subject: str | None = None, *args: Any, **kwargs: Any) -> Any:
    world = current()
    heard_by = tuple(
        each.endpoint for each in topic.sns_backend._get_topic_subscriptions(topic) if not _is_pending(each)
    )
    message_id = _moto_publish(topic, message, subject, *args, **kwargs)
    world.sns_messages.append(
        SnsMessage(topic_arn=topic.arn, subject=subject, message=message, at=world.clock(), heard_by=heard_by)
    )
    return message_id


def _deliver(subscription: Any, *args: Any, **kwargs: Any) -> None:
    if not _is_pending(subscription):
        _moto_deliver(subscription, *args, **kwargs)


def confirm(backend: Any, topic_arn: str, endpoint: str | None = None) -> int:
    """What clicking the link does: the topic's pending subscriptions, or that of `endpoint`, become real. How many."""
    topic = backend.get_topic(topic_arn)
    pending = [
        each
        for each in backend._get_topic_subscriptions(topic)
        if _is_pending(each) and endpoint in (None, each.endpoint)
    ]
    for subscription in pending:
        subscription.confirmed = True
    _count(topic)
    return len(pending)


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(Subscription, "subscription_arn", property(_shown_arn)),
        Patch(Subscription, "publish", _deliver),
        Patch(SNSBackend, "subscribe", _subscribe),
        Patch(SNSResponse, "subscribe", _subscribe_response),
        Patch(Topic, "publish", _publish),
    ]
