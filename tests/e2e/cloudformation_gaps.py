"""CloudFormation types that moto leaves out, made by calling the service's own API on the same server.

Only creation: the tests deploy into an empty account. moto finds the direct subclasses of its CloudFormationModel by
itself; `installed` tells them which AWS to call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel

from demo.embedded import EmbeddedAws

_servers: Final[list[EmbeddedAws]] = []


@contextmanager
def installed(aws: EmbeddedAws) -> Iterator[None]:
    """The types below are created in `aws` until the block ends; outside of it moto knows what it knows by itself."""
    _servers.append(aws)
    _look_anew()
    try:
        yield
    finally:
        _servers.remove(aws)
        _look_anew()


def _look_anew() -> None:
    """moto remembers which types there are."""
    for known in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        known.cache_clear()


class _Created:
    """What all of them share. The physical id is what CloudFormation's `Ref` gives, or a name where nobody asks."""

    TYPE: ClassVar[str]

    def __init__(self, physical_resource_id: str) -> None:
        self.physical_resource_id = physical_resource_id

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.TYPE if _servers else f"Gap::{cls.TYPE}"

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return False

    def is_created(self) -> bool:
        return True

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Mapping[str, Any], account_id: str, region_name: str, **_: Any
    ) -> Any:
        """moto's entry: intrinsics are filled in already."""
        return cls(cls.create(_servers[-1], resource_name, dict(cloudformation_json["Properties"]), region_name))

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        """Call the service; returns the physical id."""
        raise NotImplementedError


class Alarm(_Created, CloudFormationModel):
    TYPE = "AWS::CloudWatch::Alarm"
    _arns: ClassVar[dict[str, str]] = {}

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        # The API's parameters carry the property names; botocore refuses one that it does not know.
        client = aws.client("cloudwatch", region)
        client.put_metric_alarm(AlarmName=name, **properties)
        (made,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        cls._arns[name] = made["AlarmArn"]
        return name

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        del attribute_name
        return self._arns[self.physical_resource_id]


class QueuePolicy(_Created, CloudFormationModel):
    TYPE = "AWS::SQS::QueuePolicy"

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        for url in properties["Queues"]:
            aws.client("sqs", region).set_queue_attributes(
                QueueUrl=url, Attributes={"Policy": json.dumps(properties["PolicyDocument"])}
            )
        return name


class TopicPolicy(_Created, CloudFormationModel):
    TYPE = "AWS::SNS::TopicPolicy"

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        for arn in properties["Topics"]:
            aws.client("sns", region).set_topic_attributes(
                TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(properties["PolicyDocument"])
            )
        return name


class TopicSubscription(_Created, CloudFormationModel):
    TYPE = "AWS::SNS::Subscription"

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        answer = aws.client("sns", region).subscribe(**properties, ReturnSubscriptionArn=True)
        return str(answer["SubscriptionArn"])


class EventInvokeConfig(_Created, CloudFormationModel):
    TYPE = "AWS::Lambda::EventInvokeConfig"

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        aws.client("lambda", region).put_function_event_invoke_config(**properties)
        return name


class EventSourceMapping(_Created, CloudFormationModel):
    """moto would run the function inside of `send_message`, in Docker: kept and not started. The tests poll."""

    TYPE = "AWS::Lambda::EventSourceMapping"

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        del name
        answer = aws.client("lambda", region).create_event_source_mapping(**properties, Enabled=False)
        return str(answer["UUID"])


class HttpApi(_Created, CloudFormationModel):
    TYPE = "AWS::ApiGatewayV2::Api"

    def __init__(self, api_id: str, region: str) -> None:
        super().__init__(api_id)
        self._region = region

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Mapping[str, Any], account_id: str, region_name: str, **_: Any
    ) -> Any:
        properties = dict(cloudformation_json["Properties"])
        return cls(cls.create(_servers[-1], resource_name, properties, region_name), region_name)

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        del name
        return str(aws.client("apigatewayv2", region).create_api(**properties)["ApiId"])

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "ApiEndpoint"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        del attribute_name
        return f"https://{self.physical_resource_id}.execute-api.{self._region}.amazonaws.com"


class HttpApiIntegration(_Created, CloudFormationModel):
    TYPE = "AWS::ApiGatewayV2::Integration"

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        del name
        return str(aws.client("apigatewayv2", region).create_integration(**properties)["IntegrationId"])


class HttpApiRoute(_Created, CloudFormationModel):
    TYPE = "AWS::ApiGatewayV2::Route"

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        del name
        return str(aws.client("apigatewayv2", region).create_route(**properties)["RouteId"])


class HttpApiStage(_Created, CloudFormationModel):
    TYPE = "AWS::ApiGatewayV2::Stage"

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        del name
        return str(aws.client("apigatewayv2", region).create_stage(**properties)["StageName"])


class BucketPolicy(_Created, CloudFormationModel):
    """Of the bootstrap's bucket, none of ours. Left out on purpose: moto judges it without its condition, so the
    statement that denies plain text would deny everything."""

    TYPE = "AWS::S3::BucketPolicy"

    @classmethod
    def create(cls, aws: EmbeddedAws, name: str, properties: dict[str, Any], region: str) -> str:
        return str(properties["Bucket"])
