"""`cdk bootstrap` and `cdk deploy` of the real stack; everything it declares exists, and what it deployed works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from moto.awslambda.models import LambdaFunction

from costwatch import names, topology
from costwatch.adapters.ledger import DEPLOYED
from costwatch.adapters.price_store import unpacked
from costwatch.core import times
from costwatch.core.price_book import PriceKind
from costwatch.core.record import Status, Transition
from demo.embedded import SnsMessage
from demo.iam_questions import questions
from demo.resource_context import describe
from demo.state_events import package_event
from tests.e2e.cdk import ROOT
from tests.e2e.conftest import EMAIL, JOB_ROLE
from tests.e2e.console import as_json, costwatch
from tests.e2e.deployed import Deployed, Invocation
from tests.e2e.ledger_rows import ledger_items, timeline
from tests.e2e.resource_checks import CHECKS, EXCUSED
from tests.e2e.roles import statements
from tests.support import machines, pipelines
from tests.support.iam import evaluate

TRAINER = {"Purpose": "transient-ml-training", "owner": "maria@example.com"}


@pytest.fixture(scope="module", autouse=True)
def no_traceback_in_the_server(deployed: Deployed) -> Any:
    yield
    assert deployed.aws.errors == []


def test_every_resource_of_the_template_exists_as_it_was_declared(deployed: Deployed) -> None:
    differing = {}
    for logical_id, resource in deployed.template["Resources"].items():
        if resource["Type"] in EXCUSED:
            continue
        try:
            check = CHECKS[resource["Type"]]
            check(deployed, deployed.physical[logical_id], deployed.resolve(resource["Properties"]))
        except Exception as error:  # noqa: BLE001 -- whatever it was, the report names the resource and goes on
            differing[f"{logical_id} ({resource['Type']})"] = repr(error)
    assert differing == {}


def test_the_stack_is_complete_and_the_server_reported_no_failure(deployed: Deployed) -> None:
    (stack,) = deployed.aws.client("cloudformation").describe_stacks(StackName=names.STACK)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert deployed.aws.errors == []
    assert set(deployed.physical) == set(deployed.template["Resources"])


# --- the story ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """What was seen on the way, in order."""

    trainer: str
    untagged: str
    protected: str
    job: str
    first_sweep: Invocation
    alive_after_notice: dict[str, bool]
    heard: tuple[SnsMessage, ...]
    second_sweep: Invocation
    alive_after_stop: dict[str, bool]
    hints: list[Invocation]
    last_sweep: Invocation


@pytest.fixture(scope="module")
def story(deployed: Deployed) -> Story:
    """An overdue trainer is warned, stopped and verified, among others that must live."""
    aws, clock = deployed.aws, deployed.clock
    aws.fleet.confirm_subscriptions(deployed.only("AWS::SNS::Topic"), EMAIL)
    launched = clock() - timedelta(hours=13)
    trainer = aws.fleet.instance(tags=TRAINER, launched_at=launched)
    untagged = aws.fleet.instance(launched_at=launched)
    protected = aws.fleet.instance(tags=TRAINER | {names.TAG_NEVER: "true"}, launched_at=launched)
    job = aws.fleet.training_job("forgotten", started_at=launched)
    bystanders = (trainer, untagged, protected)

    first = deployed.tick()
    alive_after_notice = {each: _is_alive(deployed, each) for each in bystanders}
    heard = tuple(aws.sns_messages)
    clock.forward(minutes=16)
    second = deployed.tick()
    alive_after_stop = {each: _is_alive(deployed, each) for each in bystanders}
    hints = deployed.emit(_instance_event(deployed, trainer, "terminated"))
    for _ in range(2):
        clock.forward(minutes=5)
        last = deployed.tick()
    return Story(
        trainer=trainer,
        untagged=untagged,
        protected=protected,
        job=job,
        first_sweep=first,
        alive_after_notice=alive_after_notice,
        heard=heard,
        second_sweep=second,
        alive_after_stop=alive_after_stop,
        hints=hints,
        last_sweep=last,
    )


def test_the_schedule_reaches_the_sweep_and_the_overdue_trainer_is_warned_before_anything_stops(
    deployed: Deployed, story: Story
) -> None:
    assert story.first_sweep.function_arn == deployed.function("deadman")
    assert story.first_sweep.answer["failures"] == []
    assert story.first_sweep.answer["stopped"] == 0
    assert all(story.alive_after_notice.values())
    assert [message.heard_by for message in story.heard] == [(EMAIL,)] * len(story.heard)
    assert any(story.trainer in message.message for message in story.heard)


def test_after_its_notice_the_trainer_is_gone_and_the_bystanders_live(story: Story) -> None:
    assert story.second_sweep.answer["failures"] == []
    assert story.second_sweep.answer["stopped"] == 1
    assert story.alive_after_stop == {story.trainer: False, story.untagged: True, story.protected: True}


def test_an_instance_event_reaches_the_hints_function_by_the_deployed_rule(deployed: Deployed, story: Story) -> None:
    assert [invocation.function_arn for invocation in story.hints] == [deployed.function("hints")]
    assert story.hints[0].answer == {"came_back": 0}


def test_the_ledger_tells_the_whole_way_from_first_seen_to_verified_gone(deployed: Deployed, story: Story) -> None:
    rows = timeline(deployed, f"instance/{story.trainer}")
    transitions = [row["transition"] for row in rows if row["transition"] != Transition.DELIVERED.value]
    assert transitions == [
        Transition.FIRST_SEEN.value,
        Transition.WOULD_HOLD.value,
        Transition.WARNED.value,
        Transition.NOTICE_ACCEPTED.value,
        Transition.DUE.value,
        Transition.STOPPING.value,
        Transition.STOP_REQUESTED.value,
        Transition.VERIFIED_GONE.value,
    ]
    assert all(row["origin"] == DEPLOYED for row in rows)


def test_the_training_job_in_observe_is_recorded_as_one_that_would_be_stopped_and_goes_on(
    deployed: Deployed, story: Story
) -> None:
    transitions = [row["transition"] for row in timeline(deployed, "training/forgotten")]
    assert Transition.WOULD_STOP.value in transitions
    job = deployed.aws.client("sagemaker").describe_training_job(TrainingJobName="forgotten")
    assert job["TrainingJobStatus"] == "InProgress"


def test_a_training_event_reaches_the_hints_function_and_closes_what_ended_by_itself(
    deployed: Deployed, story: Story
) -> None:
    deployed.aws.fleet.finish_job("forgotten", deployed.clock())
    detail = {"TrainingJobName": "forgotten", "TrainingJobArn": story.job, "TrainingJobStatus": "Completed"}
    event = deployed.event(names.SOURCE_SAGEMAKER, names.DETAIL_TRAINING_STATE, detail, story.job)
    reached = {each.function_arn for each in deployed.emit(event)}
    assert reached == {deployed.function("hints"), deployed.function("res")}
    assert timeline(deployed, "training/forgotten")[-1]["transition"] == Transition.ENDED_BY_ITSELF.value


def test_events_that_no_rule_names_reach_nobody(deployed: Deployed) -> None:
    assert deployed.emit(_instance_event(deployed, "i-0123456789abcdef0", "pending")) == []


def test_a_malformed_event_waits_in_the_refused_queue_with_its_reason(deployed: Deployed) -> None:
    event = _instance_event(deployed, "i-0123456789abcdef0", "terminated")
    del event["detail"]["instance-id"]
    (invocation,) = deployed.emit(event)
    url = deployed.parameter["refused_queue_url"]
    (message,) = deployed.aws.client("sqs").receive_message(QueueUrl=url)["Messages"]
    refused = json.loads(message["Body"])
    assert refused["event"] == event
    assert refused["function"] == topology.HINTS.name
    assert refused["reason"] == invocation.answer["refused"] == "detail.instance-id is missing or no text"
    deployed.aws.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_the_missed_sweep_alarm_watches_the_very_metric_that_a_sweep_printed(deployed: Deployed, story: Story) -> None:
    alarms = deployed.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    counted = [
        (alarm, each["MetricStat"])
        for alarm in alarms
        for each in alarm.get("Metrics", [])
        if alarm["Threshold"] == 1 and "MetricStat" in each
    ]
    ((alarm, metric),) = [each for each in counted if each[1]["Metric"]["MetricName"] == names.METRIC_BURN]
    assert (alarm["TreatMissingData"], metric["Stat"]) == ("breaching", "SampleCount")
    for sweep in (story.first_sweep, story.last_sweep):
        assert _as_watched(metric["Metric"]) in _printed_metrics(sweep)


def test_every_alarm_on_the_functions_own_metrics_has_the_dimensions_they_print(
    deployed: Deployed, story: Story
) -> None:
    alarms = deployed.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    own = [each for each in alarms if each.get("Namespace") == names.METRIC_NAMESPACE]
    printed = _printed_metrics(story.first_sweep)
    assert len(own) >= 4
    for alarm in own:
        namespace, metric, dimensions = _as_watched(alarm)
        assert (namespace, metric, dimensions) in printed


def test_the_daily_schedule_has_the_price_book_written_and_the_next_sweep_tells_its_age(
    deployed: Deployed, story: Story
) -> None:
    refreshed = deployed.tick("prices")
    assert refreshed.function_arn == deployed.function("prices")
    assert refreshed.answer["failures"] == []
    assert refreshed.answer["prices"] > 20
    (row,) = [item for item in ledger_items(deployed) if (item["pk"], item["sk"]) == ("prices", "book")]
    rate = unpacked(bytes(row["body"])).price(PriceKind.TRAINING, "us-east-1", "ml.p4d.24xlarge")
    assert rate is not None
    assert str(rate[0]) == "25.251286"
    deployed.clock.forward(minutes=5)
    printed = [json.loads(line) for line in deployed.tick().printed if names.METRIC_PRICE_BOOK_AGE in line]
    assert [0 <= line[names.METRIC_PRICE_BOOK_AGE] < 1 for line in printed] == [True]


def test_a_person_has_the_deployed_function_read_the_prices(
    deployed: Deployed, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", _run_by(deployed))
    before = len(deployed.invocations)
    document = as_json(costwatch(deployed, "prices", "refresh", "--types", "m5.xlarge", "--json"))
    assert document["failures"] == []
    assert [each.function_arn for each in deployed.invocations[before:]] == [deployed.function("prices")]
    shown = as_json(costwatch(deployed, "prices", "show", "m5.xlarge", "--deployed", "--json"))
    assert {"0.192"} <= {price["usd_per_hour"] for price in shown["prices"]}


def test_the_command_line_finds_the_deployment_and_reads_its_ledger(deployed: Deployed, story: Story) -> None:
    entries = as_json(costwatch(deployed, "ledger", "--json"))["entries"]
    told = {(entry["run"].rpartition("/")[2], entry["transition"]) for entry in entries}
    assert (story.trainer, Transition.VERIFIED_GONE.value) in told
    runs = as_json(costwatch(deployed, "status", "--json"))["runs"]
    held = [run for run in runs if run["run"].endswith(story.protected)]
    assert [run["status"] for run in held] == [Status.HELD.value]


def test_an_enforce_sweep_asked_from_the_command_line_is_run_by_the_deployed_function(
    deployed: Deployed, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", _run_by(deployed))
    before = len(deployed.invocations)
    done = costwatch(deployed, "sweep", "--once", "--mode", "enforce", "--json")
    assert as_json(done)["policy_digest"] == deployed.parameter["policy_digest"]
    assert [each.function_arn for each in deployed.invocations[before:]] == [deployed.function("deadman")]


def test_an_enforce_sweep_by_another_policy_than_the_deployed_one_is_refused_before_the_function_is_asked(
    deployed: Deployed, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", _run_by(deployed))
    before = len(deployed.invocations)
    done = costwatch(deployed, "sweep", "--once", "--mode", "enforce", config=ROOT / "costwatch.yaml")
    assert done.returncode == 4
    assert "is not the deployed one" in " ".join(done.stderr.split())
    assert len(deployed.invocations) == before


def test_a_trainers_own_beats_reach_the_ledger_through_the_deployed_bus_queue_and_function(deployed: Deployed) -> None:
    trainer = deployed.aws.fleet.instance(tags=TRAINER, launched_at=deployed.clock())
    deployed.deliver_heartbeats()  # what was there before is not this story's
    said = _trained(deployed, trainer)
    (batch,) = deployed.deliver_heartbeats()
    assert said == f"ok: i-am {trainer}"
    assert batch.answer == {"batchItemFailures": []}
    (row,) = [item for item in ledger_items(deployed) if item["sk"] == f"ec2#{trainer}"]
    (said,) = row["sessions"]
    assert (said["beats"], said["step"], said["total"], said["fingerprint"]["seed"]) == (2, 812, 900, "7")


def test_the_sweeps_canary_takes_the_way_of_the_beats_and_proves_it(deployed: Deployed) -> None:
    deployed.deliver_heartbeats()
    sent_at = deployed.clock()
    deployed.tick()
    deployed.deliver_heartbeats()
    (path,) = [item for item in ledger_items(deployed) if (item["pk"], item["sk"]) == ("beats", "path")]
    assert times.from_text(path["last_sent_at"]) >= sent_at
    assert times.from_text(path["unbroken_since"]) <= times.from_text(path["last_sent_at"])


def test_a_beat_that_nobody_can_read_waits_in_the_refused_queue(deployed: Deployed) -> None:
    entry = {"Source": names.SOURCE_CLIENT, "DetailType": names.DETAIL_HEARTBEAT, "Detail": '{"v": 1}'}
    deployed.aws.client("events").put_events(Entries=[{**entry, "EventBusName": names.HEARTBEAT_BUS}])
    deployed.deliver_heartbeats()
    url = deployed.parameter["refused_queue_url"]
    (message,) = deployed.aws.client("sqs").receive_message(QueueUrl=url)["Messages"]
    refused = json.loads(message["Body"])
    assert (refused["function"], refused["reason"]) == ("heartbeats", "detail.member is missing or no object")
    deployed.aws.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


# --- the gate ------------------------------------------------------------------------------------------


def test_a_pipelines_callback_step_goes_through_the_deployed_queue_and_function(deployed: Deployed) -> None:
    execution = pipelines.start(deployed.aws, pipelines.definition(deployed.parameter["gate_queue_url"]), "gated")
    (batch,) = deployed.deliver("gate")
    assert batch.answer == {"batchItemFailures": []}
    job = pipelines.job_of(deployed.aws, execution)  # the gate is in observe: it would have held
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] == 86400
    told = pipelines.steps(deployed.aws, execution)["Ask"]["Metadata"]["Callback"]["OutputParameters"]
    assert {"Name": "decision", "Value": "would hold"} in told


def test_gated_training_runs_a_job_through_the_deployed_machine_and_function(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", _run_by(deployed))
    body = {**pipelines.TRAINING, "TrainingJobName": "gated-training", "RoleArn": JOB_ROLE}
    execution = machines.start(deployed.aws, deployed.parameter["gated_training_arn"], {"job": body})

    def running() -> bool:
        listed = deployed.aws.client("sagemaker").list_training_jobs(NameContains="gated-training")
        return bool(listed["TrainingJobSummaries"])

    machines.until(running)
    deployed.aws.client("stepfunctions").stop_execution(executionArn=execution)  # the next look is a minute away


# --- models --------------------------------------------------------------------------------------------


def test_a_candidate_within_noise_is_rejected_by_the_deployed_function_and_shows_its_figures(
    deployed: Deployed,
) -> None:
    aws, now = deployed.aws, deployed.clock()
    aws.fleet.training_job("churn-2", started_at=now - timedelta(hours=5), tags={"model": "churn"})
    aws.fleet.finish_job("churn-2", now)
    etag = aws.models.put("s3://churn/test.csv", b"the same rows each time")
    measured_on = {"costwatch:evaluation-data": "s3://churn/test.csv", "costwatch:evaluation-etag": etag}
    arn = ""
    for auc, job, approval in ((0.912, "", "Approved"), (0.9121, "churn-2", "PendingManualApproval")):
        report = f"s3://churn/evaluation/{auc}.json"
        aws.models.put(report, {"binary_classification_metrics": {"auc": {"value": auc, "standard_error": 0.0004}}})
        arn = aws.models.register("churn", job=job, statistics_uri=report, approval=approval, metadata=measured_on)
    (invocation,) = deployed.emit(package_event(aws, arn, at=now))
    assert invocation.function_arn == deployed.function("res")
    found = aws.client("sagemaker").describe_model_package(ModelPackageName=arn)
    assert found["ModelApprovalStatus"] == "Rejected"
    assert found["ApprovalDescription"].startswith("Cost-Efficiency Rejection: ")
    assert found["CustomerMetadataProperties"]["costwatch:cause"] == "within noise"
    assert measured_on.items() <= found["CustomerMetadataProperties"].items(), "what was there is kept"
    again = deployed.tick("res")
    assert again.answer["written"] == 0


def test_the_command_line_asks_the_deployed_function_whether_to_train(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", _run_by(deployed))
    done = costwatch(deployed, "should-retrain", "--model", "churn", "--cost-usd", "1000000")
    assert (done.returncode, "churn" in done.stdout) == (6, True), done.stdout + done.stderr


def test_every_call_the_functions_made_is_allowed_by_the_roles_that_were_deployed(
    deployed: Deployed, story: Story
) -> None:
    refused = set()
    judged = 0
    for invocation in deployed.invocations:
        role = statements(deployed, invocation.function_arn)
        for call in invocation.calls:
            asked = questions(
                call["service"],
                call["operation"],
                call["params"],
                account=deployed.aws.account_id,
                region=call["region"],
                describe=describe,
            )
            for question in asked:
                judged += 1
                decision = evaluate(role, question.action, question.resource, dict(question.context))
                if question.unmapped or not decision.allowed:
                    refused.add((question.action, question.resource, str(decision)))
    assert refused == set()
    assert judged > 50


_TRAINING = """
import costwatch_client, os, sys, time
costwatch_client.start(seed=7)
costwatch_client.heartbeat(step=812, total=900)
until = time.monotonic() + 30
while costwatch_client._client._well is None and time.monotonic() < until:
    time.sleep(0.02)
time.sleep(1)
print("ok: i-am", os.environ["COSTWATCH_RUN_MEMBER"].rpartition("/")[2])
"""


def _trained(deployed: Deployed, instance_id: str) -> str:
    """A training script with the client in it, in a process of its own; returns what it printed."""
    arn = f"arn:aws:ec2:{deployed.aws.region}:{deployed.aws.account_id}:instance/{instance_id}"
    environment = {
        **deployed.aws.environment(),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "client"),
        "COSTWATCH_RUN_MEMBER": arn,
    }
    done = subprocess.run(
        [sys.executable, "-c", _TRAINING], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- helpers -----------------------------------------------------------------------------------------


def _is_alive(deployed: Deployed, instance_id: str) -> bool:
    answer = deployed.aws.client("ec2").describe_instances(InstanceIds=[instance_id])
    return bool(answer["Reservations"][0]["Instances"][0]["State"]["Name"] == "running")


def _instance_event(deployed: Deployed, instance_id: str, state: str) -> dict[str, Any]:
    arn = f"arn:aws:ec2:{deployed.aws.region}:{deployed.aws.account_id}:instance/{instance_id}"
    detail = {"instance-id": instance_id, "state": state}
    return deployed.event(names.SOURCE_EC2, names.DETAIL_EC2_STATE, detail, arn)


def _run_by(deployed: Deployed) -> Callable[..., tuple[str, bool, str]]:
    """In place of moto's Docker: answer, whether it failed, and the log."""

    def invoke(function: Any, event: Any) -> tuple[str, bool, str]:
        done = deployed.invoke(function.function_arn, event)
        return json.dumps(done.answer), False, "\n".join(done.printed)

    return invoke


Watched = tuple[str, str, frozenset[tuple[str, str]]]


def _as_watched(alarm: Mapping[str, Any]) -> Watched:
    return alarm["Namespace"], alarm["MetricName"], frozenset((d["Name"], d["Value"]) for d in alarm["Dimensions"])


def _printed_metrics(invocation: Invocation) -> set[Watched]:
    """(namespace, name, dimensions) as CloudWatch makes them from embedded-metric lines."""
    return {
        (group["Namespace"], metric["Name"], frozenset((key, line[key]) for key in dimensions))
        for line in invocation.metrics
        for group in line["_aws"]["CloudWatchMetrics"]
        for metric in group["Metrics"]
        for dimensions in group["Dimensions"]
    }
