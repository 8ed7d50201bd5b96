"""What has happened in the company: its configuration, its runs and models, and an hour and a half of sweeps.

Runs that are warned, held, stopped and asked about, a group whose numbers a stop lowered, what observe would have
stopped, a model with a version that is better but too dear, dead letters, and prices.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

from costwatch import names
from costwatch.cli.gating import PENDING
from demo.stage import Stage
from tests.support import assembly
from tests.support.company import Company

NOW: Final = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
_ENABLED: Final = ("us-east-1", "eu-west-1", "eu-central-1")
MARIA: Final = "maria@example.com"
"""A data scientist; on the command line she is the IAM user maria, as ravi is the approver's."""
_TRAINER: Final = {"Purpose": "transient-ml-training", "team": "risk", "owner": MARIA}
_CONFIG: Final = """\
version: 1
regions: [us-east-1]
timezone: UTC
slack:
  platform_channel: "#ml-platform"
  team_channels: {risk: "#risk-ml"}
  weekly_digest: false
email: {to: [ml-platform@example.com]}
approval:
  mode: enforce
  tiers: [{above_usd: 400, approvers: ["@risk-leads", "arn:aws:iam::123456789012:user/ravi"]}]
res:
  mode: enforce
  auto_approve: true
  approvers: ["@risk-leads", "arn:aws:iam::123456789012:user/ravi"]
  models:
    churn: {metric: auc, direction: maximize, worth: {usd: 4000, per: 0.01, over: 30d}}
dead_man:
  mode: observe
  sweep_every: 15m
  blast_cap: {runs: 1, share: 100%, per_day: 20}
  protect: [{tag: {Environment: prod}}]
  selectors:
    - name: nodes
      ec2: {tag: {Purpose: distributed-training}}
      mode: enforce
      at_min_size: lower
    - name: workbenches
      ec2: {tag: {Purpose: workbench}}
    - name: experiments
      sagemaker: {jobs: [training], tag: {Purpose: experiment}}
    - name: trainers
      ec2: {tag: {Purpose: transient-ml-training}}
      mode: enforce
    - name: jobs
      sagemaker: {jobs: [training], tag: {Purpose: transient-ml-training}}
      mode: enforce
"""


def job_body(name: str, *, hours: int) -> dict[str, Any]:
    """The body of a CreateTrainingJob request: one p4d, at $25.25 an hour."""
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": "churn:1", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://churn/out"},
        "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 100},
        "RoleArn": "arn:aws:iam::123456789012:role/trainer",
        "StoppingCondition": {"MaxRuntimeInSeconds": hours * 3600},
        "Tags": [{"Key": "team", "Value": "risk"}, {"Key": "owner", "Value": MARIA}],
    }


@contextmanager
def company(directory: Path) -> Iterator[Company]:
    """It has been going on for an hour and a half."""
    with _few_regions(), Stage(start=NOW - timedelta(minutes=90), people=[MARIA]) as stage:
        found = Company(stage, directory)
        _seed(found)
        yield found


@contextmanager
def gate_only_warns(of: Company) -> Iterator[None]:
    """Meanwhile the gate holds nobody, and two jobs have asked it."""
    _deploy(of, _CONFIG.replace("approval:\n  mode: enforce", "approval:\n  mode: warn"))
    for name in ("train", "create-training-job"):
        assert of.costwatch("gate", "--job", f"{name}.json").exit_code == 0
    try:
        yield
    finally:
        _deploy(of, _CONFIG)


def _deploy(of: Company, text: str) -> None:
    (of.desk / "costwatch.yaml").write_text(text, "utf-8")
    of.stage.deploy(text)
    _slack_finds_it(of)


@contextmanager
def _few_regions() -> Iterator[None]:
    """An account in which most regions are not enabled: a scan asks each that is."""
    others = [each for each in RegionsAndZonesBackend.regions if each.name not in _ENABLED]
    before = [each.opt_in_status for each in others]
    for each in others:
        each.opt_in_status = "not-opted-in"
    try:
        yield
    finally:
        for each, status in zip(others, before, strict=True):
            each.opt_in_status = status


def _seed(of: Company) -> None:
    fleet, now = of.aws.fleet, of.stage.clock()
    nodes = {"Purpose": "distributed-training", "owner": MARIA}
    fleet.group("my-group", size=2, tags=nodes, launched_at=now - timedelta(hours=20), spot=False)
    bench, experiment = ({"Purpose": purpose, "owner": MARIA} for purpose in ("workbench", "experiment"))
    notebook = fleet.instance(type="p4d.24xlarge", name="notebook", tags=bench, launched_at=now - timedelta(hours=30))
    fleet.instance(type="g5.12xlarge", name="idle", tags=bench, launched_at=NOW - timedelta(hours=12, minutes=16))
    fleet.training_job("segment-7", started_at=NOW - timedelta(hours=12, minutes=31), tags=experiment)
    fleet.training_job("churn-41", started_at=NOW - timedelta(hours=11, minutes=10), tags=_TRAINER)
    _deploy(of, _CONFIG)
    of.stage.fire("prices")
    _models(of)
    of.forward(minutes=16)
    for name in ("forgotten", "left-behind"):
        since = of.stage.clock() - timedelta(hours=14)
        fleet.instance(type="g5.12xlarge", name=name, tags=_TRAINER, launched_at=since)
    of.forward(minutes=45)
    fleet.end_instance(notebook, of.stage.clock())
    of.forward(minutes=20)
    fleet.finish_job("segment-7", of.stage.clock())
    of.forward(minutes=9)
    _dead_letters(of)
    _on_the_desk(of.desk)
    of.aws.client("s3").create_bucket(Bucket="my-company-code")
    assert of.costwatch("gate", "--job", "job.json").exit_code == PENDING


def _models(of: Company) -> None:
    """Version 1 of churn serves; 2 is better, and was trained on eight machines."""
    models, fleet, now = of.aws.models, of.aws.fleet, of.stage.clock()
    same = "s3://churn/test.csv"
    etag = models.put(same, b"the same rows", at=now - timedelta(days=10))
    measured_on = {"costwatch:evaluation-data": same, "costwatch:evaluation-etag": etag}
    of_it = (1, 1, 0.912, "Approved"), (2, 8, 0.914, "PendingManualApproval")
    for version, count, auc, serves in of_it:
        job, uri = f"churn-weekly-{version}", f"s3://churn/evaluation/{version}.json"
        began = now - timedelta(days=8 - 3 * version)
        fleet.training_job(job, count=count, started_at=began, tags={"model": "churn", "team": "risk"})
        fleet.finish_job(job, began + timedelta(hours=16))
        models.measured(job, {"auc": auc}, at=began + timedelta(hours=16))
        models.read_from(job, {"validation": same})
        models.put(uri, {"binary_classification_metrics": {"auc": {"value": auc, "standard_error": 0.0004}}})
        models.register("churn", approval=serves, job=job, statistics_uri=uri, metadata=measured_on)


def _on_the_desk(desk: Path) -> None:
    """The files that commands are given."""
    train = {key: value for key, value in job_body("", hours=6).items() if key != "TrainingJobName"}
    pipeline = {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "Epochs", "Type": "Integer", "DefaultValue": 1}],
        "Steps": [{"Name": "Train", "Type": "Training", "Arguments": train}],
    }
    files = {
        "churn": pipeline,
        "train": job_body("train-large", hours=24),
        "job": job_body("job-large", hours=30),
        "create-training-job": job_body("churn-large", hours=24),
    }
    for name, body in files.items():
        (desk / f"{name}.json").write_text(json.dumps(body), "utf-8")
    (desk / "prod.yaml").write_text(_CONFIG, "utf-8")
    assembly.write(desk / "cdk.out", desk / "costwatch.yaml")


def _slack_finds_it(of: Company) -> None:
    """The channels are there, and the parameter has the address that buttons call, which on the stage is no public
    one."""
    of.stage.slack.channels.add("ml-platform")
    of.stage.slack.channels.add("risk-ml")
    ssm = of.aws.client("ssm")
    told = json.loads(ssm.get_parameter(Name=names.DEPLOYMENT_PARAMETER)["Parameter"]["Value"])
    told["slack_request_url"] = "https://abc123.execute-api.us-east-1.amazonaws.com/slack"
    ssm.put_parameter(Name=names.DEPLOYMENT_PARAMETER, Value=json.dumps(told), Overwrite=True)


def _dead_letters(of: Company) -> None:
    """The stack's queues, by the names that the CDK gives them, with what two functions gave up on."""
    queues = {
        "HintsDeadLetters1A2B3C4D": of.stage.dead_letter_urls["hints"],
        "RefusedEvents1A2B3C4D": of.stage.refused_queue_url,
    }
    resources: dict[str, Any] = {
        called: {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": url.rpartition("/")[2]}}
        for called, url in queues.items()
    }
    # Of a function only its name counts here, and moto makes none without its zip.
    name = {"LogGroupName": "costwatch-hints"}
    resources["HintsFunction1A2B3C4D"] = {"Type": "AWS::Logs::LogGroup", "Properties": name}
    body = json.dumps({"Resources": resources})
    of.aws.client("cloudformation").create_stack(StackName=names.STACK, TemplateBody=body)
    state = {"source": names.SOURCE_EC2, "detail-type": names.DETAIL_EC2_STATE, "detail": {"instance-id": "i-1"}}
    for url in queues.values():
        of.aws.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(state))
