"""What the stack itself costs: counted in each template, multiplied by AWS's list prices, and kept small."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from costwatch.core.own_cost import Parts, own_cost
from costwatch.core.policy import Policy
from costwatch.procedures.own_cost import own_cost_of, parts_of
from tests.infra import documents
from tests.infra.test_alarms import alarms
from tests.support.alarms import watched_by
from tests.support.synth import ROOT, Synthesized

PAGE = ROOT / "docs" / "own-cost.md"
MOST_USD = 5
NO_SLACK = {"platform_channel": "", "team_channels": {}, "warn_owner_by": "dm"}
WITH = {
    "as it comes": documents.document(slack=NO_SLACK),
    "with Slack": documents.document(),
    "with Slack and models": documents.document(res=documents.RES),
}


def counted(assembly: Synthesized) -> Parts:
    """What AWS will bill of a template."""
    watched = [each for alarm in alarms(assembly).values() for each in watched_by(alarm)]
    sweeps = [
        each["Properties"]["ScheduleExpression"]
        for each in assembly.of_type("AWS::Events::Rule").values()
        if each["Properties"].get("ScheduleExpression") == "rate(5 minutes)"
    ]
    return Parts(
        metrics=len({each for each in watched if each[0] == "Costwatch"}),
        alarm_metrics=len(watched),
        dashboards=len(assembly.of_type("AWS::CloudWatch::Dashboard")),
        polled_queues=len(assembly.of_type("AWS::Lambda::EventSourceMapping")),
        sweepers=len(sweeps),
        sweep_every=timedelta(minutes=5),
    )


def policy(document: dict[str, object]) -> Policy:
    return Policy.from_document(document)


def test_what_a_digest_tells_is_what_the_template_holds(assembly: Synthesized) -> None:
    document = {(False, False): "as it comes", (True, False): "with Slack", (True, True): "with Slack and models"}
    told = parts_of(policy(WITH[document[assembly.slack, assembly.models]]))
    assert counted(assembly) == told


def test_nothing_else_of_the_stack_is_billed_by_the_month(assembly: Synthesized) -> None:
    """A new kind of resource is looked at here before it is deployed: what does it cost while nothing happens?"""
    free_while_idle = {
        "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage", "AWS::DynamoDB::Table", "AWS::Events::EventBus", "AWS::Events::Rule",
        "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::Role", "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Function", "AWS::Lambda::Permission", "AWS::Logs::LogGroup", "AWS::SNS::Subscription",
        "AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::SQS::Queue", "AWS::SQS::QueuePolicy",
        "AWS::StepFunctions::StateMachine", "AWS::CDK::Metadata",
    }  # fmt: skip
    counted_above = {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Lambda::EventSourceMapping"}
    kinds = {resource["Type"] for resource in assembly.template["Resources"].values()}
    assert kinds - free_while_idle - counted_above == {"AWS::SSM::Parameter"}
    for parameter in assembly.of_type("AWS::SSM::Parameter").values():
        assert parameter["Properties"].get("Tier", "Standard") == "Standard", "an advanced one costs $0.05 a month"
    assert len(assembly.of_type("AWS::SSM::Parameter")) == 1


@pytest.mark.parametrize("name", ["as it comes", "with Slack"])
def test_a_small_organisation_pays_less_than_five_dollars_at_list_price(name: str) -> None:
    assert own_cost_of(policy(WITH[name])).usd < MOST_USD


def test_with_models_it_is_less_than_five_dollars_after_what_every_account_has_for_nothing() -> None:
    cost = own_cost_of(policy(WITH["with Slack and models"]))
    assert cost.usd_after_free < MOST_USD
    assert cost.usd < MOST_USD + 1


def test_a_second_sweeper_and_a_shorter_interval_cost_more_and_an_hour_less() -> None:
    parts = parts_of(policy(WITH["as it comes"]))
    usd = [own_cost(replace(parts, sweep_every=timedelta(minutes=each))).usd for each in (1, 5, 60)]
    assert usd == sorted(usd, reverse=True)
    assert own_cost(replace(parts, sweepers=2)).usd > usd[1]


def test_a_dashboard_costs_nothing_while_it_is_one_of_the_first_three_of_its_account() -> None:
    parts = replace(parts_of(policy(WITH["as it comes"])), dashboards=1)
    third, fourth = own_cost(parts, dashboards_before=2), own_cost(parts, dashboards_before=3)
    assert fourth.usd - third.usd == fourth.usd_after_free - third.usd_after_free == 3


def test_a_month_of_polling_and_sweeps_is_worked_out_by_hand() -> None:
    cost = own_cost(Parts(4, 20, 0, 3, 1, timedelta(minutes=5)))
    amounts = {line.what: (line.amount, line.usd) for line in cost.lines}
    assert amounts["CloudWatch metrics"] == (Decimal(4), Decimal("1.20"))
    assert amounts["CloudWatch alarms"] == (Decimal(20), Decimal("2.00"))
    assert amounts["SQS, idle polling"] == (Decimal(3 * 657_000), Decimal("0.7884"))
    assert amounts["Lambda, requests"][0] == 3 * 8_760
    assert amounts["Heartbeats"] == (Decimal(21_600), Decimal("0.0594"))


def test_the_page_shows_the_arithmetic_of_the_counts_as_they_are_now() -> None:
    page = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    shown = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    costs = [own_cost_of(policy(document)) for document in WITH.values()]
    for lines in zip(*(each.lines for each in costs), strict=True):
        assert shown[lines[0].what] == [f"{line.amount:,.0f}: ${line.usd:.2f}" for line in lines], lines[0].what
    assert shown["**At list price**"] == [f"**${each.usd:.2f}**" for each in costs]
    assert shown["**After the free allowances**"] == [f"**${each.usd_after_free:.2f}**" for each in costs]


def test_the_sentence_names_both_sums() -> None:
    cost = own_cost_of(policy(WITH["as it comes"]))
    assert f"${cost.usd:.2f} a month at list price, ${cost.usd_after_free:.2f} after" in cost.sentence
    assert json.dumps(cost.sentence).isascii()
