"""Asks each service for a resource of the template: one check per CloudFormation type, none for a type left out.

A check gets the physical id and the properties with intrinsics filled in, and raises where the resource is missing or
differs. What moto does not keep (the table's recovery, expiry and encryption; a function's arm64, dead-letter queue and
log group) is asserted on the template in tests/infra.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.e2e.deployed import Deployed

Properties = Mapping[str, Any]
Check = Callable[[Deployed, str, Properties], None]


def table(stack: Deployed, name: str, wanted: Properties) -> None:
    found = stack.aws.client("dynamodb").describe_table(TableName=name)["Table"]
    assert found["TableStatus"] == "ACTIVE"
    assert found["BillingModeSummary"]["BillingMode"] == wanted["BillingMode"]
    assert found["KeySchema"] == wanted["KeySchema"]
    assert _by(found["AttributeDefinitions"], "AttributeName") == _by(wanted["AttributeDefinitions"], "AttributeName")
    for index, wanted_index in zip(found["GlobalSecondaryIndexes"], wanted["GlobalSecondaryIndexes"], strict=True):
        assert {key: index[key] for key in wanted_index} == wanted_index


def topic(stack: Deployed, arn: str, wanted: Properties) -> None:
    attributes = stack.aws.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    assert attributes["DisplayName"] == wanted["DisplayName"]


def topic_policy(stack: Deployed, _: str, wanted: Properties) -> None:
    for arn in wanted["Topics"]:
        attributes = stack.aws.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
        assert json.loads(attributes["Policy"]) == wanted["PolicyDocument"]


def subscription(stack: Deployed, arn: str, wanted: Properties) -> None:
    found = stack.aws.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert {key: found[key] for key in wanted} == wanted


def queue(stack: Deployed, url: str, wanted: Properties) -> None:
    attributes = _queue_attributes(stack, url)
    for key in ("MessageRetentionPeriod", "VisibilityTimeout"):
        assert key not in wanted or attributes[key] == str(wanted[key]), key
    if "RedrivePolicy" in wanted:
        assert json.loads(attributes["RedrivePolicy"]) == wanted["RedrivePolicy"]
    assert attributes["SqsManagedSseEnabled"] == str(wanted["SqsManagedSseEnabled"]).lower()


def queue_policy(stack: Deployed, _: str, wanted: Properties) -> None:
    for url in wanted["Queues"]:
        assert json.loads(_queue_attributes(stack, url)["Policy"]) == wanted["PolicyDocument"]


def log_group(stack: Deployed, name: str, wanted: Properties) -> None:
    (found,) = stack.aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert (found["logGroupName"], found["retentionInDays"]) == (name, wanted["RetentionInDays"])


def role(stack: Deployed, name: str, wanted: Properties) -> None:
    found = stack.aws.client("iam").get_role(RoleName=name)["Role"]
    assert found["AssumeRolePolicyDocument"] == wanted["AssumeRolePolicyDocument"]
    assert found["Description"] == wanted["Description"]


def inline_policy(stack: Deployed, name: str, wanted: Properties) -> None:
    for role_name in wanted["Roles"]:
        found = stack.aws.client("iam").get_role_policy(RoleName=role_name, PolicyName=wanted["PolicyName"])
        assert found["PolicyDocument"] == wanted["PolicyDocument"]


def managed_policy(stack: Deployed, arn: str, wanted: Properties) -> None:
    iam = stack.aws.client("iam")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
    assert found["Document"] == wanted["PolicyDocument"]
    for role_name in wanted["Roles"]:
        attached = iam.list_attached_role_policies(RoleName=role_name)["AttachedPolicies"]
        assert arn in [each["PolicyArn"] for each in attached]


def function(stack: Deployed, name: str, wanted: Properties) -> None:
    found = stack.aws.client("lambda").get_function(FunctionName=name)["Configuration"]
    for key in ("Description", "Environment", "Handler", "MemorySize", "Role", "Runtime", "Timeout"):
        assert found[key] == wanted[key], key
    code = stack.aws.client("s3").get_object(Bucket=wanted["Code"]["S3Bucket"], Key=wanted["Code"]["S3Key"])
    digest = hashlib.sha256(code["Body"].read()).digest()
    assert found["CodeSha256"] == base64.b64encode(digest).decode()


def asynchronous_retries(stack: Deployed, _: str, wanted: Properties) -> None:
    found = stack.aws.client("lambda").get_function_event_invoke_config(FunctionName=wanted["FunctionName"])
    assert found["MaximumRetryAttempts"] == wanted["MaximumRetryAttempts"]


def permission(stack: Deployed, _: str, wanted: Properties) -> None:
    policy = json.loads(stack.aws.client("lambda").get_policy(FunctionName=wanted["FunctionName"])["Policy"])
    granted = [
        (s["Action"], s["Principal"], s["Condition"]["ArnLike"]["AWS:SourceArn"])
        for s in policy["Statement"]
        if s["Effect"] == "Allow"
    ]
    assert (wanted["Action"], {"Service": wanted["Principal"]}, wanted["SourceArn"]) in granted


def rule(stack: Deployed, name: str, wanted: Properties) -> None:
    events = stack.aws.client("events")
    on = {"EventBusName": wanted["EventBusName"]} if "EventBusName" in wanted else {}
    found = events.describe_rule(Name=name.rpartition("/")[2], **on)
    assert found.get("ScheduleExpression") == wanted.get("ScheduleExpression")
    assert json.loads(found.get("EventPattern", "null")) == wanted.get("EventPattern")
    assert (found["State"], found["Description"]) == (wanted["State"], wanted["Description"])
    assert events.list_targets_by_rule(Rule=found["Name"], **on)["Targets"] == wanted["Targets"]


def state_machine(stack: Deployed, arn: str, wanted: Properties) -> None:
    found = stack.aws.client("stepfunctions").describe_state_machine(stateMachineArn=arn)
    assert found["status"] == "ACTIVE"
    assert found["roleArn"] == wanted["RoleArn"]
    assert json.loads(found["definition"]) == json.loads(wanted["DefinitionString"])


def alarm(stack: Deployed, name: str, wanted: Properties) -> None:
    (found,) = stack.aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert {key: found[key] for key in wanted} == wanted


def dashboard(stack: Deployed, name: str, wanted: Properties) -> None:
    found = stack.aws.client("cloudwatch").get_dashboard(DashboardName=name)
    assert json.loads(found["DashboardBody"]) == json.loads(wanted["DashboardBody"])


def parameter(stack: Deployed, name: str, wanted: Properties) -> None:
    found = stack.aws.client("ssm").get_parameter(Name=wanted["Name"])["Parameter"]
    assert (found["Name"], found["Type"]) == (name, wanted["Type"])
    assert json.loads(found["Value"]) == json.loads(wanted["Value"])


def bus(stack: Deployed, name: str, wanted: Properties) -> None:
    found = stack.aws.client("events").describe_event_bus(Name=name)
    assert found["Name"] == wanted["Name"]


def event_source(stack: Deployed, mapping: str, wanted: Properties) -> None:
    found = stack.aws.client("lambda").get_event_source_mapping(UUID=mapping)
    assert found["EventSourceArn"] == wanted["EventSourceArn"]
    assert found["FunctionArn"].endswith(f":function:{wanted['FunctionName']}")
    # moto keeps a batch window of zero, and no scaling: those are asserted on the template.
    assert found["BatchSize"] == wanted["BatchSize"]


def http_api(stack: Deployed, api_id: str, wanted: Properties) -> None:
    found = stack.aws.client("apigatewayv2").get_api(ApiId=api_id)
    assert {key: found[key] for key in wanted} == wanted


def integration(stack: Deployed, integration_id: str, wanted: Properties) -> None:
    client = stack.aws.client("apigatewayv2")
    found = client.get_integration(ApiId=wanted["ApiId"], IntegrationId=integration_id)
    assert _without_api(found, wanted) == _without_api(wanted)


def route(stack: Deployed, route_id: str, wanted: Properties) -> None:
    found = stack.aws.client("apigatewayv2").get_route(ApiId=wanted["ApiId"], RouteId=route_id)
    assert _without_api(found, wanted) == _without_api(wanted)


def stage(stack: Deployed, name: str, wanted: Properties) -> None:
    found = stack.aws.client("apigatewayv2").get_stage(ApiId=wanted["ApiId"], StageName=name)
    assert _without_api(found, wanted) == _without_api(wanted)


def _without_api(properties: Properties, wanted: Properties | None = None) -> dict[str, Any]:
    return {key: properties[key] for key in wanted or properties if key != "ApiId"}


CHECKS: Final[Mapping[str, Check]] = {
    "AWS::ApiGatewayV2::Api": http_api,
    "AWS::ApiGatewayV2::Integration": integration,
    "AWS::ApiGatewayV2::Route": route,
    "AWS::ApiGatewayV2::Stage": stage,
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::CloudWatch::Dashboard": dashboard,
    "AWS::DynamoDB::Table": table,
    "AWS::Events::EventBus": bus,
    "AWS::Events::Rule": rule,
    "AWS::IAM::ManagedPolicy": managed_policy,
    "AWS::IAM::Policy": inline_policy,
    "AWS::IAM::Role": role,
    "AWS::Lambda::EventInvokeConfig": asynchronous_retries,
    "AWS::Lambda::EventSourceMapping": event_source,
    "AWS::Lambda::Function": function,
    "AWS::Lambda::Permission": permission,
    "AWS::Logs::LogGroup": log_group,
    "AWS::SNS::Subscription": subscription,
    "AWS::SNS::Topic": topic,
    "AWS::SNS::TopicPolicy": topic_policy,
    "AWS::SQS::Queue": queue,
    "AWS::SQS::QueuePolicy": queue_policy,
    "AWS::StepFunctions::StateMachine": state_machine,
    "AWS::SSM::Parameter": parameter,
}
EXCUSED: Final = frozenset({"AWS::CDK::Metadata"})  # about the library, nothing in the account


def _queue_attributes(stack: Deployed, url: str) -> dict[str, str]:
    answer = stack.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    attributes: dict[str, str] = answer["Attributes"]
    return attributes


def _by(listed: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return sorted(listed, key=lambda each: str(each[key]))
