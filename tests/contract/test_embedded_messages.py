"""SNS and EventBridge of the embedded AWS: who hears what."""

from __future__ import annotations

import json
from datetime import timedelta

from demo.embedded import EmbeddedAws
from tests.support.builders import NOW
from tests.support.looking_at_aws import CLOCK


def test_nobody_hears_a_topic_before_the_subscription_is_confirmed(aws: EmbeddedAws) -> None:
    sns = aws.client("sns")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    assert answer["SubscriptionArn"] == "pending confirmation"
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (listed["SubscriptionArn"], listed["Endpoint"]) == ("PendingConfirmation", "ops@example.com")
    sns.publish(TopicArn=topic, Subject="first", Message="lost")
    assert aws.fleet.confirm_subscriptions(topic) == 1
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"].startswith(topic)
    CLOCK.now += timedelta(minutes=1)
    sns.publish(TopicArn=topic, Subject="second", Message="heard")
    assert [(each.subject, each.message, each.heard_by, each.at) for each in aws.sns_messages] == [
        ("first", "lost", (), NOW),
        ("second", "heard", ("ops@example.com",), NOW + timedelta(minutes=1)),
    ]


def test_a_queue_needs_no_confirmation(aws: EmbeddedAws) -> None:
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    assert answer["SubscriptionArn"].startswith(topic)
    sns.publish(TopicArn=topic, Message="heard")
    assert "heard" in sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"]


def test_an_event_in_a_queue_names_the_account_it_was_sent_from(aws: EmbeddedAws) -> None:
    events, sqs = aws.client("events"), aws.client("sqs")
    url = sqs.create_queue(QueueName="beats")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.create_event_bus(Name="costwatch")
    events.put_rule(Name="beats", EventPattern=json.dumps({"source": ["trainer"]}), EventBusName="costwatch")
    events.put_targets(Rule="beats", EventBusName="costwatch", Targets=[{"Id": "1", "Arn": arn}])
    entry = {"EventBusName": "costwatch", "Source": "trainer", "DetailType": "Beat", "Detail": json.dumps({"a": [1]})}
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    event = json.loads(message["Body"])
    assert (event["account"], event["source"], event["detail"]) == (aws.account_id, "trainer", {"a": [1]})
