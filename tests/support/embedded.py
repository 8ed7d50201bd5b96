"""The deployed functions over the embedded AWS and Slack: real handlers, wiring and adapters, a clock that tests move.

What a deploy would have made (table, topic, queue, token parameter) is made by API calls of the same shape, and a rule
on the default bus delivers Costwatch's own events into a queue, where `events()` finds them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from unittest import mock

import boto3
from boto3.dynamodb.types import TypeDeserializer

from costwatch import names
from costwatch.adapters.ledger import Ledger
from costwatch.core.model import RunId
from costwatch.core.record import RunRecord
from costwatch.handlers import deadman, heartbeats, hints, prices
from costwatch.settings import DeadmanSettings, HeartbeatsSettings, HintsSettings, PricesSettings
from costwatch.topology import DEADMAN, HEARTBEATS, HINTS, PRICES
from costwatch.wiring import PricesWiring, TableWiring, Wiring
from demo.embedded import EmbeddedAws, Fleet, autoscaling_like_aws
from demo.embedded.autoscaling_like_aws import Group
from demo.ledger_table import create_ledger_table
from demo.recorder import acting_as
from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint
from tests.support import policies
from tests.support.fakes import TestClock
from tests.support.snapshots import moto_backend, snapshot

REGION: Final = "us-east-1"
OWNER: Final = "maria@example.com"
_TABLE: Final = "costwatch-ledger"
_HEARD: Final = "pipelines"
_BEATS: Final = "costwatch-beats"


@dataclass(frozen=True)
class Context:
    """What handlers read of Lambda's context."""

    invoked_function_arn: str
    aws_request_id: str = "8f507cfc-0000-4697-b07a-ac58fc914c95"

    def get_remaining_time_in_millis(self) -> int:
        return 290_000


class Account:
    """One account with Costwatch deployed into it. `document` is the policy.json of the next `wiring()`."""

    def __init__(self, aws: EmbeddedAws, slack: SlackEndpoint, clock: TestClock, directory: Path) -> None:
        self.aws = aws
        self.slack = slack
        self.clock = clock
        self.document: dict[str, Any] = policies.document()
        self._directory = directory
        self._session = boto3.session.Session()
        self._decode: Callable[[Any], Any] = TypeDeserializer().deserialize

    def reset(self, at: datetime) -> None:
        """An empty account at that time, with what the deploy made."""
        self.aws.reset()
        self.slack.reset()
        self.clock.now = at
        create_ledger_table(self._home("dynamodb"), _TABLE)
        self._home("sns").create_topic(Name=_name_of(self._topic_arn))
        for queue in (_name_of(self._queue_url, "/"), _HEARD, _BEATS):
            self._home("sqs").create_queue(QueueName=queue)
        self._home("ssm").put_parameter(
            Name=names.DEFAULT_SLACK_TOKEN_PARAMETER, Type="SecureString", Value=DEFAULT_TOKEN
        )
        self._home("events").create_event_bus(Name=names.HEARTBEAT_BUS)
        self._deliver(_HEARD, {"source": [names.SOURCE_COSTWATCH]}, "default")
        self._deliver(_BEATS, {"source": [names.SOURCE_CLIENT]}, names.HEARTBEAT_BUS)

    def _deliver(self, queue: str, pattern: Mapping[str, Any], bus: str) -> None:
        """A rule that puts what matches into a queue."""
        self._home("events").put_rule(Name=queue, EventPattern=json.dumps(pattern), EventBusName=bus)
        target = f"arn:aws:sqs:{REGION}:{self.aws.account_id}:{queue}"
        self._home("events").put_targets(Rule=queue, EventBusName=bus, Targets=[{"Id": "1", "Arn": target}])

    def snapshot(self) -> Callable[[], None]:
        """Remember the home region as it is now; call the answer, as often as you like, to have it back."""
        return snapshot(self.aws, self.slack, self.clock)

    # --- the functions -------------------------------------------------------------------------------

    @property
    def fleet(self) -> Fleet:
        """Seeds instances and jobs."""
        return self.aws.fleet

    def wiring(self, *, hints: bool = False) -> Wiring:
        """What a cold start builds, from `document` and this process's environment (see `embedded_account`)."""
        policy_file = self._policy_file()
        kind, service = (HintsSettings, HINTS.service) if hints else (DeadmanSettings, DEADMAN.service)
        settings = kind(
            ledger_table=_TABLE,
            alerts_topic_arn=self._topic_arn,
            refused_queue_url=self._queue_url,
            heartbeat_bus=names.HEARTBEAT_BUS,
            slack_token_parameter=names.DEFAULT_SLACK_TOKEN_PARAMETER,
            slack_api_url=self.slack.base_url,
        )
        wired = Wiring(settings=settings, policy_file=policy_file, service=service, clock=self.clock)
        # Each session reads botocore's models anew, a second for EC2's: all wirings here share one.
        wired.__dict__["session"] = self._session
        return wired

    def cold_wiring(self, *, hints: bool = False) -> Wiring:
        """As `wiring`, with every client made and none used: what a forked child may go on with."""
        wired = self.wiring(hints=hints)
        watchdog = wired.watchdog(self._context(DEADMAN.name))
        for region in wired.policy.regions:
            watchdog.ec2(region)
            watchdog.autoscaling(region)
            watchdog.sagemaker(region)
        _ = wired.refused
        wired.__dict__.pop("kept_book")  # the watchdog above read it, which no cold start has done yet
        return wired

    def cold_heartbeats_wiring(self) -> TableWiring:
        """What a cold start of the function of heartbeats builds, with both clients made and none used."""
        settings = HeartbeatsSettings(ledger_table=_TABLE, refused_queue_url=self._queue_url)
        wired = TableWiring(settings, self._policy_file(), HEARTBEATS.service, clock=self.clock)
        wired.__dict__["session"] = self._session
        _ = wired.pulses, wired.refused
        return wired

    def prices_wiring(self) -> PricesWiring:
        """What a cold start of the function that refreshes prices builds."""
        settings = PricesSettings(ledger_table=_TABLE, refused_queue_url=self._queue_url)
        wired = PricesWiring(settings, self._policy_file(), PRICES.service, clock=self.clock)
        wired.__dict__["session"] = self._session
        return wired

    def refresh_prices(self, wired: PricesWiring | None = None, event: object = None) -> dict[str, Any]:
        """The daily schedule's event, or another, through the real handler."""
        wired = wired or self.prices_wiring()
        tick = {"source": names.SOURCE_SCHEDULE, "detail-type": names.DETAIL_SCHEDULED, "detail": {}}
        with acting_as("prices", policy=self.document, settings=wired.settings):
            return prices.handle(tick if event is None else event, self._context(PRICES.name), wired)

    def _policy_file(self) -> Path:
        file = self._directory / f"{self.document['digest']}.json"
        file.write_text(json.dumps(self.document), encoding="utf-8")
        return file

    def subscribe(self, address: str, *, confirmed: bool = True) -> None:
        """Somebody listens to the alerts topic by e-mail."""
        self._home("sns").subscribe(TopicArn=self._topic_arn, Protocol="email", Endpoint=address)
        if confirmed:
            self.fleet.confirm_subscriptions(self._topic_arn, address)

    def sweep(self, wired: Wiring) -> dict[str, Any]:
        """The schedule's event, through the real handler."""
        event = {"source": names.SOURCE_SCHEDULE, "detail-type": names.DETAIL_SCHEDULED, "detail": {}}
        with acting_as("deadman", policy=self.document, settings=wired.settings):
            return deadman.handle(event, self._context(DEADMAN.name), wired)

    def stop_asked(self, wired: Wiring, run: str, *, by: str) -> dict[str, Any]:
        """What a person's command line sends about `KIND/NAME`, through the real handler."""
        run_id = f"{self.aws.account_id}/{REGION}/{run}"
        kind, _, name = run.partition("/")
        members = sorted(self.instances()) if kind == "asg" else [name]
        detail = {"run": run_id, "members": members, "requested_by": by, "reason": "wrong data"}
        event = {"source": names.SOURCE_CLI, "detail-type": names.DETAIL_STOP_REQUESTED, "detail": detail}
        with acting_as("deadman", policy=self.document, settings=wired.settings):
            return deadman.handle(event, self._context(DEADMAN.name), wired)

    def restore_asked(self, wired: Wiring, group: str, *, by: str) -> dict[str, Any]:
        """What `costwatch restore` sends, through the real handler."""
        run = f"{self.aws.account_id}/{REGION}/asg/{group}"
        detail = {"run": run, "requested_by": by, "reason": "next run"}
        event = {"source": names.SOURCE_CLI, "detail-type": names.DETAIL_RESTORE_REQUESTED, "detail": detail}
        with acting_as("deadman", policy=self.document, settings=wired.settings):
            return deadman.handle(event, self._context(DEADMAN.name), wired)

    def instance_changed(self, wired: Wiring, instance_id: str, state: str = "terminated") -> dict[str, Any]:
        """EC2's own event about an instance, through the real hints handler."""
        event = {
            "source": names.SOURCE_EC2,
            "detail-type": names.DETAIL_EC2_STATE,
            "account": self.aws.account_id,
            "region": REGION,
            "detail": {"instance-id": instance_id, "state": state},
        }
        with acting_as("hints", policy=self.document, settings=wired.settings):
            return hints.handle(event, self._context(HINTS.name), wired)

    def send_beat(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """What the training client sends, by the bus of the heartbeats into their queue, which takes it now."""
        entry = {
            "EventBusName": names.HEARTBEAT_BUS,
            "Source": names.SOURCE_CLIENT,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
        }
        assert self._home("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
        self._beats()[-1].sent_timestamp = int(self.clock().timestamp() * 1000)  # moto's is this machine's time

    def waiting_beats(self) -> list[dict[str, Any]]:
        """The messages in the queue of the heartbeats, as Lambda's poller gives them to the function."""
        return [
            {"messageId": m.id, "body": m.body, "attributes": {"SentTimestamp": str(m.sent_timestamp)}}
            for m in self._beats()
        ]

    def delete_beats(self, ids: set[str]) -> None:
        """What the poller does with the messages that the function does not ask for again."""
        self._beats()[:] = [message for message in self._beats() if message.id not in ids]

    def _beats(self) -> list[Any]:
        waiting: list[Any] = self._moto("sqs").queues[_BEATS]._messages
        return waiting

    def take_beats(self, wired: TableWiring, records: list[dict[str, Any]]) -> dict[str, Any]:
        """One batch from the queue of the heartbeats, through the real handler."""
        with acting_as("heartbeats", policy=self.document, settings=wired.settings):
            return heartbeats.handle({"Records": records}, self._context(HEARTBEATS.name), wired)

    def _context(self, function: str) -> Any:
        return Context(f"arn:aws:lambda:{REGION}:{self.aws.account_id}:function:costwatch-{function}")

    # --- what came of it, read again from outside -------------------------------------------------------

    def instances(self, region: str = REGION) -> dict[str, str]:
        """State of every instance, ended ones too."""
        pages = self.aws.client("ec2", region).get_paginator("describe_instances").paginate()
        found = [each for page in pages for group in page["Reservations"] for each in group["Instances"]]
        return {each["InstanceId"]: each["State"]["Name"] for each in found}

    def spot_requests(self, region: str = REGION) -> dict[str, str]:
        """State of every spot request."""
        answer = self.aws.client("ec2", region).describe_spot_instance_requests()
        return {each["SpotInstanceRequestId"]: each["State"] for each in answer["SpotInstanceRequests"]}

    @property
    def groups(self) -> dict[str, Group]:
        """The home region's Auto Scaling groups, as the embedded AWS holds them."""
        return autoscaling_like_aws.groups(self.aws.account_id, REGION)

    def jobs(self, region: str = REGION) -> dict[str, str]:
        """Status of every training and tuning job, with that of its warm pool where it has one."""
        client = self.aws.client("sagemaker", region)
        found: dict[str, str] = {}
        for page in client.get_paginator("list_training_jobs").paginate():
            for each in page["TrainingJobSummaries"]:
                pool = each.get("WarmPoolStatus", {}).get("Status", "")
                found[each["TrainingJobName"]] = f"{each['TrainingJobStatus']} {pool}".strip()
        for page in client.get_paginator("list_hyper_parameter_tuning_jobs").paginate():
            for each in page["HyperParameterTuningJobSummaries"]:
                found[each["HyperParameterTuningJobName"]] = each["HyperParameterTuningJobStatus"]
        return found

    def ledger_items(self) -> list[dict[str, Any]]:
        """Every row of the ledger, by key."""
        # From moto's own objects: a scan takes as long as half a sweep, and crash tests look thousands of times.
        rows = self._moto("dynamodb").tables[_TABLE].all_items()
        items = [{name: self._decode(value) for name, value in row.to_json()["Attributes"].items()} for row in rows]
        return sorted(items, key=lambda item: (item["pk"], item["sk"]))

    def fingerprint(self) -> str:
        """All there is outside of the functions: what happens next depends on nothing else."""
        ec2, sagemaker = self._moto("ec2"), self._moto("sagemaker")
        requests = sorted((r.id, r.state, r.instance_id) for r in ec2.spot_instance_requests.values())
        jobs = sorted(
            (j.training_job_name, j.training_job_status, j.last_modified_time, str(j.costwatch_extras))
            for j in sagemaker.training_jobs.values()
        )
        tuners = sorted(
            (j.hyper_parameter_tuning_job_name, j.hyper_parameter_tuning_job_status, j.last_modified_time)
            for j in sagemaker.hyper_parameter_tuning_jobs.values()
        )
        groups = repr(sorted(self.groups.items()))
        instances = sorted((i.id, i.state, i._reason) for i in ec2.all_instances())
        said = [(m.channel, m.text, m.at) for m in self.slack.messages]
        mailed = [(m.subject, m.message, m.at) for m in self.aws.sns_messages]
        rows = json.dumps(self.ledger_items(), default=str)
        # Who holds a lease is a random name; a takeover asks only for the lease's time.
        rows = re.sub(r'"owner": "[^"]*#[0-9a-f]{8}"', "", rows)
        return repr((self.clock.now, groups, instances, requests, jobs, tuners, self.events(), said, mailed, rows))

    def records(self, wired: Wiring, region: str = REGION) -> dict[RunId, RunRecord]:
        """The open records, as the ledger's own adapter reads them."""
        ledger: Ledger = wired.ledger
        return ledger.open_records(self.aws.account_id, region)

    def events(self) -> list[dict[str, Any]]:
        """The details of Costwatch's own events so far, in order. They stay: asking again gives them again."""
        return [json.loads(each)["detail"] for each in self._waiting(_HEARD)]

    def refused(self) -> list[str]:
        """The bodies of refused events."""
        return self._waiting(_name_of(self._queue_url, "/"))

    def _waiting(self, queue: str) -> list[str]:
        # From moto's own object: to receive a message would hide it from the next look.
        return [str(message.body) for message in self._moto("sqs").queues[queue]._messages]

    def ended_at(self, region: str = REGION) -> dict[str, datetime]:
        """When each instance and job that ended was told to; a tuning job's training jobs were told by it."""
        found: dict[str, datetime] = {}
        pages = self.aws.client("ec2", region).get_paginator("describe_instances").paginate()
        for each in (each for page in pages for group in page["Reservations"] for each in group["Instances"]):
            if reason := each.get("StateTransitionReason"):
                stamp = reason.replace("GMT", "+0000")
                found[each["InstanceId"]] = datetime.strptime(stamp, "User initiated (%Y-%m-%d %H:%M:%S %z)")
        sagemaker = self.aws.client("sagemaker", region)
        for page in sagemaker.get_paginator("list_training_jobs").paginate():
            for each in page["TrainingJobSummaries"]:
                name, ended = each["TrainingJobName"], each.get("TrainingEndTime")
                if ended and "TuningJobArn" not in sagemaker.describe_training_job(TrainingJobName=name):
                    found[name] = ended - self.aws.world.stop_grace
        for page in sagemaker.get_paginator("list_hyper_parameter_tuning_jobs").paginate():
            for each in page["HyperParameterTuningJobSummaries"]:
                if ended := each.get("HyperParameterTuningEndTime"):
                    found[each["HyperParameterTuningJobName"]] = ended - self.aws.world.stop_grace
        return found

    # --- names ---------------------------------------------------------------------------------------

    def _moto(self, service: str) -> Any:
        return moto_backend(self.aws, service)

    def _home(self, service: str) -> Any:
        return self.aws.client(service, REGION)

    @property
    def _topic_arn(self) -> str:
        return f"arn:aws:sns:{REGION}:{self.aws.account_id}:costwatch-alerts"

    @property
    def _queue_url(self) -> str:
        return f"{self.aws.endpoint_url}/{self.aws.account_id}/costwatch-refused"


@contextmanager
def embedded_account(directory: Path) -> Iterator[Account]:
    """A running AWS and Slack; until the end this process's environment leads there and nowhere else."""
    clock = TestClock()
    with (
        EmbeddedAws(clock=clock, region=REGION) as aws,
        SlackEndpoint(users=[OWNER], clock=clock) as slack,
        _environment(aws.environment()),
    ):
        yield Account(aws, slack, clock, directory)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    with mock.patch.dict(os.environ, values):
        os.environ.pop("AWS_PROFILE", None)
        yield


def _name_of(identifier: str, separator: str = ":") -> str:
    return identifier.rpartition(separator)[2]
