"""What CloudFormation is told. Much of this moto drops on the way, so it is asserted here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from costwatch import names, topology
from costwatch.cli.session import Session, Tools
from tests.support.command_line import FakeSsm
from tests.support.synth import BOUNDARY, EMAIL, Synthesized, as_list, filled_in, statements

ROOT = Path(__file__).parents[2]
KNOWN_TYPES = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::Events::Rule",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::SSM::Parameter",
}


def test_the_stack_holds_known_resource_types_only_and_no_custom_resource(assembly: Synthesized) -> None:
    assert {r["Type"] for r in assembly.template["Resources"].values()} <= KNOWN_TYPES


def test_every_function_of_the_topology_is_deployed_as_it_says(assembly: Synthesized) -> None:
    deployed = {r["Properties"]["Handler"]: r["Properties"] for r in assembly.of_type("AWS::Lambda::Function").values()}
    assert set(deployed) == {f.handler for f in assembly.functions}
    for function in assembly.functions:
        properties = deployed[function.handler]
        assert properties["Runtime"] == "python3.13"
        assert properties["Architectures"] == ["arm64"]
        assert properties["Timeout"] == function.timeout.total_seconds()
        assert properties["MemorySize"] == function.memory_mb
        assert "ReservedConcurrentExecutions" not in properties


def test_all_functions_share_one_asset(observe: Synthesized) -> None:
    functions = observe.of_type("AWS::Lambda::Function").values()
    assert len({f["Properties"]["Code"]["S3Key"] for f in functions}) == 1
    files = json.loads((observe.directory / "Costwatch.assets.json").read_text("utf-8"))["files"]
    assert sum(1 for f in files.values() if f["source"]["packaging"] == "zip") == 1


def test_every_function_has_its_own_role_and_log_group_and_a_dead_letter_queue_where_events_invoke_it(
    assembly: Synthesized,
) -> None:
    functions = [f["Properties"] for f in assembly.of_type("AWS::Lambda::Function").values()]
    for key in ("Role", "LoggingConfig"):
        assert len({json.dumps(f[key]) for f in functions}) == len(functions), key
    invoked = {f.handler for f in assembly.functions if f.asynchronous}
    assert {f["Handler"] for f in functions if "DeadLetterConfig" in f} == invoked
    functions = [f for f in functions if f["Handler"] in invoked]
    assert len({json.dumps(f["DeadLetterConfig"]) for f in functions}) == len(functions)
    queues = set(assembly.of_type("AWS::SQS::Queue"))
    for function in functions:
        queue, attribute = function["DeadLetterConfig"]["TargetArn"]["Fn::GetAtt"]
        assert queue in queues
        assert attribute == "Arn"


def test_asynchronous_retries_are_those_of_the_topology(assembly: Synthesized) -> None:
    handlers = {k: f["Properties"]["Handler"] for k, f in assembly.of_type("AWS::Lambda::Function").items()}
    configured = {
        handlers[c["Properties"]["FunctionName"]["Ref"]]: c["Properties"]["MaximumRetryAttempts"]
        for c in assembly.of_type("AWS::Lambda::EventInvokeConfig").values()
    }
    assert configured == {f.handler: f.retry_attempts for f in assembly.functions if f.asynchronous}


def test_every_queue_of_the_topology_is_read_in_batches_by_its_function_and_gives_up_into_dead_letters(
    assembly: Synthesized,
) -> None:
    handlers = {k: f["Properties"]["Handler"] for k, f in assembly.of_type("AWS::Lambda::Function").items()}
    functions = {f.name: f for f in topology.FUNCTIONS}
    mappings = [m["Properties"] for m in assembly.of_type("AWS::Lambda::EventSourceMapping").values()]
    dead = [m for m in mappings if m["EventSourceArn"]["Fn::GetAtt"][0] in assembly.dead_letter_queues]
    mappings = [m for m in mappings if m not in dead]
    assert len(mappings) == len(topology.QUEUES)
    for queue, mapping in zip(topology.QUEUES, mappings, strict=True):
        function = functions[queue.function]
        assert handlers[mapping["FunctionName"]["Ref"]] == function.handler
        assert mapping["BatchSize"] == queue.batch_size
        assert mapping["MaximumBatchingWindowInSeconds"] == queue.batch_window.total_seconds()
        assert mapping["ScalingConfig"] == {"MaximumConcurrency": queue.most_at_once}
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        own = assembly.template["Resources"][mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        assert own["SqsManagedSseEnabled"] is True
        # AWS refuses less than the function's timeout, and advises six times it: a batch must not come twice at once.
        assert own["VisibilityTimeout"] >= 6 * function.timeout.total_seconds()
        assert own["RedrivePolicy"]["maxReceiveCount"] == queue.tries
        given_up = own["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        assert given_up in assembly.dead_letter_queues
        # Where somebody waits for an answer the function reads that as well.
        readers = [handlers[m["FunctionName"]["Ref"]] for m in dead if m["EventSourceArn"]["Fn::GetAtt"][0] == given_up]
        assert readers == ([function.handler] if queue.answers_dead_letters else [])
        waits = assembly.template["Resources"][given_up]["Properties"].get("VisibilityTimeout", 0)
        assert not readers or waits >= 6 * function.timeout.total_seconds()


def test_the_policy_of_the_pipelines_guide_names_the_gates_queue(assembly: Synthesized) -> None:
    guide = (ROOT / "docs" / "guides" / "sagemaker-pipelines.md").read_text("utf-8")
    (name,) = re.findall(r":(Costwatch-[A-Za-z]+)\*", guide)
    named = [each for each in assembly.of_type("AWS::SQS::Queue") if f"Costwatch-{each}".startswith(name)]
    assert len(named) == 1


def test_trainers_find_the_bus_by_its_name(assembly: Synthesized) -> None:
    assert [b["Properties"]["Name"] for b in assembly.of_type("AWS::Events::EventBus").values()] == ["costwatch"]


def test_the_ledger_is_on_demand_recoverable_encrypted_and_kept_when_the_stack_goes(assembly: Synthesized) -> None:
    (table,) = assembly.of_type("AWS::DynamoDB::Table").values()
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    properties = table["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert properties["TimeToLiveSpecification"] == {"AttributeName": names.TABLE_TTL_ATTRIBUTE, "Enabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}


def test_the_ledger_has_the_keys_and_the_index_that_names_gives_them(assembly: Synthesized) -> None:
    properties = assembly.only("AWS::DynamoDB::Table")
    assert properties["KeySchema"] == [
        {"AttributeName": names.TABLE_PARTITION_KEY, "KeyType": "HASH"},
        {"AttributeName": names.TABLE_SORT_KEY, "KeyType": "RANGE"},
    ]
    (index,) = properties["GlobalSecondaryIndexes"]
    assert index["IndexName"] == names.INDEX_BY_DAY
    assert index["Projection"] == {"ProjectionType": "ALL"}
    assert index["KeySchema"] == [
        {"AttributeName": names.INDEX_BY_DAY_PARTITION_KEY, "KeyType": "HASH"},
        {"AttributeName": names.INDEX_BY_DAY_SORT_KEY, "KeyType": "RANGE"},
    ]
    assert {a["AttributeType"] for a in properties["AttributeDefinitions"]} == {"S"}


def test_every_log_group_forgets_after_90_days(assembly: Synthesized) -> None:
    groups = assembly.of_type("AWS::Logs::LogGroup").values()
    # One for each function, and one for who called the API where there is one.
    assert [g["Properties"]["RetentionInDays"] for g in groups] == [90] * (len(assembly.functions) + assembly.slack)


def test_dead_letters_wait_14_days_encrypted_and_over_tls_only(assembly: Synthesized) -> None:
    queues = assembly.of_type("AWS::SQS::Queue")
    asynchronous = [f for f in assembly.functions if f.asynchronous]
    # and the queue of refused events
    assert len(assembly.dead_letter_queues) == len(asynchronous) + len(topology.QUEUES) + 1
    for name in assembly.dead_letter_queues:
        waits = {"MessageRetentionPeriod": 14 * 86_400, "SqsManagedSseEnabled": True}
        found = {k: v for k, v in queues[name]["Properties"].items() if k != "VisibilityTimeout"}  # of one that is read
        assert found == waits
    guarded = {q["Ref"] for p in assembly.of_type("AWS::SQS::QueuePolicy").values() for q in p["Properties"]["Queues"]}
    assert guarded == set(queues)
    assert len(queues) == len(assembly.dead_letter_queues) + len(topology.QUEUES)
    for policy in assembly.of_type("AWS::SQS::QueuePolicy").values():
        assert _refuses_plain_text(policy["Properties"]["PolicyDocument"]["Statement"])


def test_the_topic_takes_messages_over_tls_and_from_the_accounts_own_alarms(assembly: Synthesized) -> None:
    granted = assembly.only("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    assert _refuses_plain_text(granted)
    (alarms,) = [s for s in granted if s["Effect"] == "Allow"]
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_each_address_of_the_configuration_is_subscribed(enforce: Synthesized) -> None:
    subscription = enforce.only("AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", EMAIL)


def test_the_command_line_finds_the_deployment_in_one_parameter(enforce: Synthesized) -> None:
    parameter = enforce.only("AWS::SSM::Parameter")
    assert (parameter["Type"], parameter["Name"]) == ("String", names.DEPLOYMENT_PARAMETER)
    record = json.loads(filled_in(parameter["Value"]))
    assert set(record) == {
        "stack",
        "table",
        "function",
        "prices_function",
        "gate_function",
        "res_function",
        "retrain_function",
        "gate_queue_url",
        "gated_training_arn",
        "refused_queue_url",
        "alerts_topic_arn",
        "slack_request_url",
        "policy_digest",
        "config_commit",
        "version",
        "regions",
    }
    assert record["stack"] == filled_in({"Ref": "AWS::StackName"}), "whoever wraps the template calls it as they like"
    assert len(record["policy_digest"]) == 64
    assert record["regions"] == ["us-east-1", "eu-central-1"]


def test_the_command_line_reads_the_keys_that_the_stack_writes(enforce: Synthesized) -> None:
    record = json.loads(filled_in(enforce.only("AWS::SSM::Parameter")["Value"]))
    tools = Tools(environ={"AWS_REGION": "us-east-1"}, clients={"ssm": FakeSsm(record)})
    deployed = Session(tools=tools).deployment
    assert (deployed.slack_url, deployed.alerts_topic_arn) == (record["slack_request_url"], record["alerts_topic_arn"])
    assert deployed.slack_url.endswith("/slack")


def test_the_permissions_boundary_is_on_every_role(assemblies: dict[str, Synthesized]) -> None:
    roles = assemblies["boundary"].of_type("AWS::IAM::Role")
    assert len(roles) == len(assemblies["boundary"].functions)
    for role in roles.values():
        assert filled_in(role["Properties"]["PermissionsBoundary"]).endswith(f":policy/{BOUNDARY}")


def test_without_a_boundary_in_the_context_no_role_carries_one(enforce: Synthesized) -> None:
    assert not [r for r in enforce.of_type("AWS::IAM::Role").values() if "PermissionsBoundary" in r["Properties"]]


def test_only_lambda_takes_the_roles_and_no_managed_policy_of_aws_is_on_them(assembly: Synthesized) -> None:
    for role in assembly.of_type("AWS::IAM::Role").values():
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert "ManagedPolicyArns" not in role["Properties"]


def test_only_rules_of_the_stack_may_invoke_and_the_door_only_its_own_api_by_its_one_route(
    assembly: Synthesized,
) -> None:
    rules = set(assembly.of_type("AWS::Events::Rule"))
    handlers = {k: f["Properties"]["Handler"] for k, f in assembly.of_type("AWS::Lambda::Function").items()}
    for permission in assembly.of_type("AWS::Lambda::Permission").values():
        properties = permission["Properties"]
        if handlers[properties["FunctionName"]["Fn::GetAtt"][0]] == topology.DOOR.handler:
            (api,) = assembly.of_type("AWS::ApiGatewayV2::Api")
            assert properties["Principal"] == "apigateway.amazonaws.com"
            source = properties["SourceArn"]["Fn::Join"][1]
            assert {"Ref": api} in source
            assert source[-1] == "/*/POST/slack"
        else:
            assert properties["Principal"] == "events.amazonaws.com"
            assert properties["SourceArn"]["Fn::GetAtt"][0] in rules


def test_what_a_role_holds_inline_stays_within_iams_limit(assembly: Synthesized) -> None:
    for policy in assembly.of_type("AWS::IAM::Policy").values():
        text = json.dumps(filled_in(policy["Properties"]["PolicyDocument"]), separators=(",", ":"))
        assert len(text) <= 10_240


def test_reads_are_allowed_in_the_configured_regions_only(enforce: Synthesized) -> None:
    reads = [
        s for _, s in statements(enforce) if any(a.startswith(("ec2:", "sagemaker:")) for a in as_list(s["Action"]))
    ]
    anywhere = [s for s in reads if s.get("Sid") in ("VerifyInstances", "VerifyTrainingJobs")]
    for statement in anywhere:
        assert all(a.split(":")[1].startswith(("Describe", "ListTags")) for a in as_list(statement["Action"]))
    for statement in reads:
        if statement["Effect"] == "Allow" and statement not in anywhere:
            assert statement["Condition"]["StringEquals"]["aws:RequestedRegion"] == ["us-east-1", "eu-central-1"]


def test_the_api_has_one_route_to_the_door_and_is_throttled_and_logged(enforce: Synthesized) -> None:
    functions = enforce.of_type("AWS::Lambda::Function")
    (door,) = [k for k, f in functions.items() if f["Properties"]["Handler"] == topology.DOOR.handler]
    (api,) = enforce.of_type("AWS::ApiGatewayV2::Api")
    (integration,) = enforce.of_type("AWS::ApiGatewayV2::Integration")
    assert enforce.only("AWS::ApiGatewayV2::Api")["ProtocolType"] == "HTTP"
    to_door = enforce.only("AWS::ApiGatewayV2::Integration")
    assert (to_door["IntegrationType"], to_door["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    assert to_door["IntegrationUri"] == {"Fn::GetAtt": [door, "Arn"]}
    route = enforce.only("AWS::ApiGatewayV2::Route")
    assert route["RouteKey"] == "POST /slack"
    assert route["Target"] == {"Fn::Join": ["", ["integrations/", {"Ref": integration}]]}
    stage = enforce.only("AWS::ApiGatewayV2::Stage")
    assert (stage["StageName"], stage["AutoDeploy"], stage["ApiId"]) == ("$default", True, {"Ref": api})
    assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": 40, "ThrottlingRateLimit": 20}
    logged = json.loads(stage["AccessLogSettings"]["Format"])
    # Neither headers nor bodies: a signature would be in them.
    assert set(logged) == {"requestId", "time", "ip", "route", "status", "milliseconds", "error"}


def test_a_person_finds_the_url_for_the_slack_app_in_the_output_and_in_the_deployment(enforce: Synthesized) -> None:
    (api,) = enforce.of_type("AWS::ApiGatewayV2::Api")
    url = {"Fn::Join": ["", [{"Fn::GetAtt": [api, "ApiEndpoint"]}, "/slack"]]}
    assert enforce.template["Outputs"]["SlackRequestUrl"]["Value"] == url
    assert enforce.only("AWS::SSM::Parameter")["Value"]["Fn::Join"][1].count({"Fn::GetAtt": [api, "ApiEndpoint"]}) == 1


def test_without_slack_there_is_neither_door_nor_api(observe: Synthesized) -> None:
    assert not observe.slack
    assert not [name for name, r in observe.template["Resources"].items() if r["Type"].startswith("AWS::ApiGateway")]
    assert "SlackRequestUrl" not in observe.template.get("Outputs", {})


@pytest.mark.parametrize(("channel", "granted"), [("", False), ("#ml-platform", True)])
def test_the_slack_token_is_readable_only_where_slack_is_configured(
    assemblies: dict[str, Synthesized], channel: str, granted: bool
) -> None:
    assembly = assemblies["enforce" if channel else "observe"]
    actions = {a for _, s in statements(assembly) for a in as_list(s["Action"])}
    assert ("ssm:GetParameter" in actions) is granted


def _refuses_plain_text(policy: list[dict[str, object]]) -> bool:
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    return any(
        s["Effect"] == "Deny" and s["Condition"] == plain and s["Principal"] in ("*", {"AWS": "*"}) for s in policy
    )
