"""Door and clicks as the real command line deploys them where Slack is configured: API, bus, roles, a whole click."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from costwatch import names, topology
from demo.iam_questions import questions
from demo.resource_context import describe
from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint
from tests.e2e.deployed import Deployed, Invocation
from tests.e2e.deploying import deploying
from tests.e2e.resource_checks import CHECKS, EXCUSED
from tests.support.iam import evaluate, statements_of
from tests.support.slack_posts import APP, SECRET, WORKSPACE, form, payload, slack_event

CONFIG = f"""\
version: 1
regions: [us-east-1]
slack:
  platform_channel: "#ml-platform"
  signing_secret_parameter: /ours/slack-secret
  app_id: {APP}
  workspace: {WORKSPACE}
dead_man:
  mode: observe
  selectors:
    - name: trainers
      ec2: {{tag: {{Purpose: transient-ml-training}}}}
"""
QUEUE = "clicks"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    directory = tmp_path_factory.mktemp("deploy")
    config = directory / "costwatch.yaml"
    config.write_text(CONFIG, "utf-8")
    with deploying(config, directory) as deployed:
        aws, events = deployed.aws, deployed.aws.client("events")
        aws.client("ssm").put_parameter(Name="/ours/slack-secret", Value=SECRET, Type="SecureString")
        aws.client("sqs").create_queue(QueueName=QUEUE)
        events.put_rule(Name=QUEUE, EventPattern=json.dumps({"source": [names.SOURCE_SLACK]}))
        arn = f"arn:aws:sqs:{aws.region}:{aws.account_id}:{QUEUE}"
        events.put_targets(Rule=QUEUE, Targets=[{"Id": "1", "Arn": arn}])
        yield deployed
        assert aws.errors == []


@pytest.fixture(scope="module")
def slack(stack: Deployed) -> Iterator[SlackEndpoint]:
    """Where the deployed function finds Slack, instead of slack.com."""
    functions, name = stack.aws.client("lambda"), stack.function(topology.CLICKS.name)
    stack.aws.client("ssm").put_parameter(
        Name=names.DEFAULT_SLACK_TOKEN_PARAMETER, Value=DEFAULT_TOKEN, Type="SecureString"
    )
    with SlackEndpoint(users={"maria@example.com": "U0123456789"}) as running:
        told = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        variables = {**told, names.ENV_SLACK_API_URL: running.base_url}
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        yield running


@pytest.fixture(scope="module")
def clicked(stack: Deployed) -> Invocation:
    return stack.invoke(stack.function("door"), slack_event(stack.clock()))


def waiting(stack: Deployed) -> list[dict[str, Any]]:
    sqs = stack.aws.client("sqs")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in found:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in found]


def test_every_resource_exists_as_it_was_declared(stack: Deployed) -> None:
    differing = {}
    for logical_id, resource in stack.template["Resources"].items():
        if resource["Type"] in EXCUSED:
            continue
        try:
            CHECKS[resource["Type"]](stack, stack.physical[logical_id], stack.resolve(resource["Properties"]))
        except Exception as error:  # noqa: BLE001 -- whatever it was, the report names the resource and goes on
            differing[f"{logical_id} ({resource['Type']})"] = repr(error)
    assert differing == {}
    assert set(stack.physical) == set(stack.template["Resources"])


def test_a_click_reaches_the_bus_through_the_deployed_function(stack: Deployed, clicked: Invocation) -> None:
    assert clicked.answer == {"statusCode": 200, "body": ""}
    (event,) = waiting(stack)
    assert (event["source"], event["detail-type"]) == (names.SOURCE_SLACK, names.DETAIL_SLACK_INTERACTION)
    assert event["detail"]["body"] == form().decode()


def test_the_deployed_function_knows_whose_clicks_it_takes(stack: Deployed) -> None:
    foreign = slack_event(stack.clock(), form(payload(team={"id": "T9999999999"})))
    assert stack.invoke(stack.function("door"), foreign).answer["statusCode"] == 403
    assert waiting(stack) == []


def test_from_the_bus_it_reaches_the_function_that_answers_whoever_clicked(
    stack: Deployed, slack: SlackEndpoint
) -> None:
    stack.invoke(stack.function("door"), slack_event(stack.clock()))
    (event,) = waiting(stack)
    (taken,) = stack.emit(event)
    assert taken.function_arn == stack.function(topology.CLICKS.name)
    assert taken.answer == {"result": "refused"}
    (told,) = slack.ephemerals
    assert told.text == "Nobody knows this question any more."
    assert_allowed(stack, taken)
    assert ("ssm", "GetParameter") in {(call["service"], call["operation"]) for call in taken.calls}


def test_what_others_put_on_the_bus_is_refused_there(stack: Deployed, slack: SlackEndpoint) -> None:
    before = len(slack.calls)
    forged = slack_event(stack.clock(), secret="guessed")
    signed = {key: forged["headers"][f"x-slack-{name}"] for key, name in
              (("timestamp", "request-timestamp"), ("signature", "signature"))}  # fmt: skip
    detail = {"body": form().decode(), "retry": "", **signed}
    event = stack.event(names.SOURCE_SLACK, names.DETAIL_SLACK_INTERACTION, detail, "")
    (refused,) = stack.emit(event)
    assert refused.answer["refused"].startswith("not Slack's: ")
    assert len(slack.calls) == before


def test_every_call_it_made_is_allowed_to_its_role_and_it_made_two(stack: Deployed, clicked: Invocation) -> None:
    assert [(call["service"], call["operation"]) for call in clicked.calls] == [
        ("ssm", "GetParameter"),
        ("events", "PutEvents"),
    ]
    assert_allowed(stack, clicked)


def assert_allowed(stack: Deployed, invocation: Invocation) -> None:
    """By the policies of the function's role, as they were deployed."""
    function = stack.aws.client("lambda").get_function_configuration(FunctionName=invocation.function_arn)
    role = function["Role"].rpartition("/")[2]
    iam = stack.aws.client("iam")
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    granted = statements_of(iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"])
    for call in invocation.calls:
        for asked in questions(
            call["service"], call["operation"], call["params"],
            account=stack.aws.account_id, region=call["region"], describe=describe,
        ):  # fmt: skip
            assert not asked.unmapped
            assert evaluate(granted, asked.action, asked.resource, dict(asked.context)).allowed, asked


def test_the_api_leads_to_the_door_and_both_places_that_tell_its_url_agree(stack: Deployed) -> None:
    client = stack.aws.client("apigatewayv2")
    (api,) = client.get_apis()["Items"]
    (route,) = client.get_routes(ApiId=api["ApiId"])["Items"]
    (integration,) = client.get_integrations(ApiId=api["ApiId"])["Items"]
    assert route["RouteKey"] == f"POST {names.SLACK_PATH}"
    assert route["Target"] == f"integrations/{integration['IntegrationId']}"
    assert integration["IntegrationUri"] == stack.function(topology.DOOR.name)
    url = f"https://{api['ApiId']}.execute-api.us-east-1.amazonaws.com/slack"
    parameter = stack.aws.client("ssm").get_parameter(Name=names.DEPLOYMENT_PARAMETER)["Parameter"]
    assert json.loads(parameter["Value"])["slack_request_url"] == url
    (found,) = stack.aws.client("cloudformation").describe_stacks(StackName=names.STACK)["Stacks"]
    assert {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}["SlackRequestUrl"] == url
