"""The HTTP API that Slack posts clicks to: one route, one function, throttled."""

from __future__ import annotations

import json
from typing import Final

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from costwatch import names
from infra.functions import LOG_RETENTION, WatchdogFunction
from infra.nag import acknowledge

REQUESTS_PER_SECOND: Final = 20
BURST: Final = 40
"""Far more than people click, and few enough that junk costs cents and leaves the account's functions alone."""
_LOGGED: Final = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "route": "$context.routeKey",
    "status": "$context.status",
    "milliseconds": "$context.responseLatency",
    "error": "$context.integrationErrorMessage",
}


class SlackApi(Construct):
    """`request_url` is what the Slack app is given. Anybody may call it: the function verifies Slack's signature."""

    def __init__(self, scope: Construct, construct_id: str, *, door: WatchdogFunction) -> None:
        super().__init__(scope, construct_id)
        api = apigateway.CfnApi(
            self,
            "Api",
            name=f"{names.PROJECT}-slack",
            description="Costwatch: clicks in Slack",
            protocol_type="HTTP",
        )
        integration = apigateway.CfnIntegration(
            self,
            "Integration",
            api_id=api.ref,
            integration_type="AWS_PROXY",
            integration_uri=door.function.function_arn,
            payload_format_version="2.0",
        )
        route = apigateway.CfnRoute(
            self,
            "Route",
            api_id=api.ref,
            route_key=f"POST {names.SLACK_PATH}",
            authorization_type="NONE",
            target=f"integrations/{integration.ref}",
        )
        acknowledge(
            route, {"AwsSolutions-APIG4": "Slack cannot sign for AWS; the function verifies the signature it makes."}
        )
        access = logs.LogGroup(self, "Access", retention=LOG_RETENTION, removal_policy=RemovalPolicy.DESTROY)
        apigateway.CfnStage(
            self,
            "Stage",
            api_id=api.ref,
            stage_name="$default",
            auto_deploy=True,
            access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=access.log_group_arn, format=json.dumps(_LOGGED)
            ),
            default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=REQUESTS_PER_SECOND, throttling_burst_limit=BURST
            ),
        )
        caller = Stack.of(self).format_arn(
            service="execute-api", resource=api.ref, resource_name=f"*/POST{names.SLACK_PATH}"
        )
        door.function.add_permission(
            "SlackApi", principal=iam.ServicePrincipal("apigateway.amazonaws.com"), source_arn=caller
        )
        self.request_url = f"{api.attr_api_endpoint}{names.SLACK_PATH}"
