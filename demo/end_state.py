"""The world as its own APIs show it: EC2, SageMaker, the ledger's table, Slack, queues. Nothing a handler returned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from costwatch import names
from costwatch.adapters import ledger_judgements
from costwatch.adapters.ledger_approvals import ABOUT
from costwatch.core import times
from costwatch.core.record import Transition
from demo import models, pipelines
from demo.cast import START, Cast
from demo.slack_messages import SlackMessage
from demo.stage import TABLE, Stage

_QUIET = (Transition.FIRST_SEEN.value, Transition.DELIVERED.value)


@dataclass(frozen=True)
class Row:
    """One line of the ledger's timeline."""

    key: tuple[str, str]
    at: datetime
    name: str
    transition: str
    reason: str
    actor: str
    mode: str
    evidence: Mapping[str, Any]

    @property
    def quiet(self) -> bool:
        """Whether the story passes over it."""
        return self.transition in _QUIET


@dataclass(frozen=True)
class Said:
    """One message that Slack accepted."""

    at: datetime
    to: str
    text: str


@dataclass(frozen=True)
class EndState:
    """Everything the checks look at, read in one go."""

    at: datetime
    instances: tuple[Mapping[str, Any], ...]
    spot_requests: tuple[Mapping[str, Any], ...]
    jobs: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, Mapping[str, int]]
    open_records: Mapping[str, Mapping[str, Any]]
    timeline: tuple[Row, ...]
    slack: tuple[Said, ...]
    outbox: int
    executions: Mapping[str, Mapping[str, Any]]
    """Of pipelines, by name."""
    ephemeral: tuple[Said, ...]
    """What one person alone was shown, because of something they clicked."""
    packages: Mapping[str, str]
    """What the model registry shows of each version of the model that is retrained."""
    stop_events: tuple[Mapping[str, Any], ...]
    verdict_events: tuple[Mapping[str, Any], ...]
    refused: tuple[Mapping[str, Any], ...]
    dead_letters: Mapping[str, int]

    # --- by name ----------------------------------------------------------------------------------------

    def states(self, name: str) -> list[str]:
        """States of every instance of that name, a relaunched one included, oldest first."""
        return [each["state"] for each in self.instances if each["name"] == name]

    def transitions(self, name: str) -> list[str]:
        """What the ledger says happened to a run, in order; sightings and deliveries left out."""
        return [row.transition for row in self.timeline if row.name == name and not row.quiet]

    def row(self, name: str, transition: Transition, *, last: bool = False) -> Row | None:
        """The first or last entry of that kind."""
        found = [row for row in self.timeline if row.name == name and row.transition == transition.value]
        return found[-1 if last else 0] if found else None

    def heard(self, name: str) -> list[str]:
        """The messages about a run in order: `maria@example.com: warning`."""
        return [f"{each.to}: {kind}" for each in self.slack if (kind := kind_of(each.text, name))]

    def answers(self, name: str) -> list[str]:
        """The steps of the question about `name`, in order."""
        return [row.transition.removeprefix("approval ") for row in self.timeline if row.name == name and not row.quiet]

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "at": times.to_key(self.at),
            "ec2": list(self.instances),
            "spot_requests": list(self.spot_requests),
            "jobs": dict(self.jobs),
            "auto_scaling_groups": dict(self.groups),
            "pipelines": dict(self.executions),
            "ledger": {
                "open": dict(self.open_records),
                "timeline": [
                    {
                        "at": times.to_key(row.at),
                        "run": row.name,
                        "transition": row.transition,
                        "reason": row.reason,
                        "by": row.actor,
                        "mode": row.mode,
                    }
                    for row in self.timeline
                    if not row.quiet
                ],
                "unsent_messages": self.outbox,
            },
            "slack": [{"at": times.to_key(each.at), "to": each.to, "text": each.text} for each in self.slack],
            "model_packages": dict(self.packages),
            "run_stopped_events": list(self.stop_events),
            "res_verdict_events": list(self.verdict_events),
            "refused_events": list(self.refused),
            "dead_letters": dict(self.dead_letters),
        }


_KINDS = (
    ("{name} stops in ", "warning"),
    ("{name} was stopped at ", "stopped"),
    ("{name}: verified gone", "verified gone"),
    ("Held: {name} ", "held"),
    ("A tag of {name} ", "malformed tag"),
    ("{name} beats and does not advance", "stalled"),
    ("{name} is nearly done", "let finish"),
    ("{name} came back ", "came back"),
    ("Could not stop {name}", "could not stop"),
    ("Approval needed: {name}", "approval needed"),
    ("Approved: {name}", "approved"),
    ("Denied: {name}", "denied"),
    ("Expired: {name}", "expired"),
    ("{name} still waits for a yes", "reminder"),
    ("Promoted: {name}.", "promoted"),
    ("Not promoted: {name}.", "not promoted"),
    ("Promoted by a person: {name}.", "promoted by a person"),
    ("{name}: Approved by", "answered"),
    ("{name}: Denied by", "answered"),
    ("{name}: Expired", "answered"),
)


def kind_of(text: str, name: str) -> str:
    """What a push text says about the run `name`; empty when it is about another."""
    return next((kind for start, kind in _KINDS if text.startswith(start.format(name=name))), "")


class Reader:
    """Reads the embedded world. `new_rows` and `new_messages` give what came since they were last asked."""

    def __init__(self, stage: Stage, cast: Cast) -> None:
        self._stage = stage
        self._cast = cast
        self._since = ""
        self._seen: set[tuple[str, str]] = set()
        self._messages = 0

    def new_rows(self) -> list[Row]:
        """The timeline's new lines, oldest first."""
        rows = [row for row in self._timeline(self._since) if row.key not in self._seen]
        self._seen.update(row.key for row in rows)
        if rows:
            self._since = times.to_text(rows[-1].at)
        return rows

    def new_messages(self) -> list[Any]:
        """Slack's new messages, as its endpoint keeps them."""
        new = self._stage.slack.messages[self._messages :]
        self._messages += len(new)
        return new

    def timeline(self) -> list[Row]:
        """The whole timeline so far, oldest first."""
        return self._timeline("")

    def _timeline(self, since: str) -> list[Row]:
        days = sorted({f"{moment:%Y-%m-%d}" for moment in (START, self._stage.clock())})
        items = [item for day in days if day >= since[:10] for item in self._items_of(day, since)]
        return sorted((self._row(item) for item in items), key=lambda row: (row.at, row.key[1], row.name))

    def _items_of(self, day: str, since: str) -> list[dict[str, Any]]:
        client = self._stage.aws.client("dynamodb")
        pages = client.get_paginator("query").paginate(
            TableName=TABLE,
            IndexName=names.INDEX_BY_DAY,
            KeyConditionExpression="#day = :day AND #at >= :since",
            ExpressionAttributeNames={
                "#day": names.INDEX_BY_DAY_PARTITION_KEY,
                "#at": names.INDEX_BY_DAY_SORT_KEY,
            },
            ExpressionAttributeValues={":day": {"S": day}, ":since": {"S": since or "0"}},
        )
        return [_plain(item) for page in pages for item in page["Items"]]

    def _row(self, item: Mapping[str, Any]) -> Row:
        return Row(
            key=(item[names.TABLE_PARTITION_KEY], item[names.TABLE_SORT_KEY]),
            at=times.from_text(item["at"]),
            name=_asked_about(item) or self._cast.name_of(item["run_id"]),
            transition=item["transition"],
            reason=item["reason"],
            actor=item["actor"],
            mode=item["mode"],
            evidence=item["evidence"],
        )

    def open_record(self, name: str) -> Mapping[str, Any] | None:
        """The ledger's open row about a run, as it stands now."""
        return self._open_records().get(name)

    def _items(self) -> list[dict[str, Any]]:
        pages = self._stage.aws.client("dynamodb").get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
        return [_plain(item) for page in pages for item in page["Items"]]

    def _open_records(self) -> dict[str, Mapping[str, Any]]:
        items = (item for item in self._items() if item[names.TABLE_PARTITION_KEY].startswith("open#"))
        return {
            self._cast.name_of(item["run_id"]): {
                "status": item["status"],
                "mode": item["mode"],
                "deadline": item["deadline"],
                "hold": item["hold"]["code"] if item.get("hold") else None,
                "hold_id": item["hold"]["id"] if item.get("hold") else None,
                "hourly_rate_usd": str(item["hourly_rate_usd"]),
            }
            for item in items
        }

    def read(self) -> EndState:
        """Everything, afresh."""
        stage = self._stage
        heard = self._drain(stage.stop_events_url)
        unsent = [item for item in self._items() if item[names.TABLE_PARTITION_KEY].startswith("outbox#")]
        return EndState(
            at=stage.clock(),
            instances=tuple(self._instances()),
            spot_requests=tuple(self._spot_requests()),
            jobs=self.read_jobs(),
            groups=self._groups(),
            open_records=self._open_records(),
            timeline=tuple(self._timeline("")),
            slack=tuple(Said(each.at, each.to or self.channel_of(each), each.text) for each in stage.slack.messages),
            outbox=len(unsent),
            executions=pipelines.executions(stage.aws),
            ephemeral=tuple(
                Said(each.at, self._email(each.only_for or ""), each.text) for each in stage.slack.ephemerals
            ),
            packages=models.statuses(stage.aws),
            stop_events=tuple(self._stop_event(each) for each in _of_type(heard, names.DETAIL_RUN_STOPPED)),
            verdict_events=tuple(each["detail"] for each in _of_type(heard, names.DETAIL_RES_VERDICT)),
            refused=tuple(
                {"function": body["function"], "reason": body["reason"]}
                for body in self._drain(stage.refused_queue_url)
            ),
            dead_letters={name: len(self._drain(url)) for name, url in stage.dead_letter_urls.items()},
        )

    def channel_of(self, message: SlackMessage) -> str:
        """By its name; what is posted into a thread goes by the channel's id."""
        name = self._stage.slack.channel_names.get(message.channel_id, "")
        return f"#{name.removeprefix('#')}" if name else message.channel

    def _email(self, user_id: str) -> str:
        return self._stage.slack.people.email_of(user_id) or user_id

    def _instances(self) -> list[dict[str, Any]]:
        pages = self._stage.aws.client("ec2").get_paginator("describe_instances").paginate()
        found = [each for page in pages for group in page["Reservations"] for each in group["Instances"]]
        return [
            {
                "name": next((tag["Value"] for tag in each.get("Tags", []) if tag["Key"] == "Name"), ""),
                "id": each["InstanceId"],
                "type": each["InstanceType"],
                "state": each["State"]["Name"],
                "launched_at": times.to_key(each["LaunchTime"]),
            }
            for each in sorted(found, key=lambda each: each["LaunchTime"])
        ]

    def _spot_requests(self) -> list[dict[str, Any]]:
        answer = self._stage.aws.client("ec2").describe_spot_instance_requests()
        return [
            {"id": each["SpotInstanceRequestId"], "type": each["Type"], "state": each["State"]}
            for each in answer["SpotInstanceRequests"]
        ]

    def read_jobs(self) -> dict[str, dict[str, Any]]:
        """Training and tuning jobs by name, as SageMaker describes them now."""
        client = self._stage.aws.client("sagemaker")
        pages = client.get_paginator("list_training_jobs").paginate()
        listed = [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]
        described = (client.describe_training_job(TrainingJobName=name) for name in listed)
        found = {
            each["TrainingJobName"]: _job(each["TrainingJobStatus"], each.get("TrainingEndTime")) for each in described
        }
        for page in client.get_paginator("list_hyper_parameter_tuning_jobs").paginate():
            for each in page["HyperParameterTuningJobSummaries"]:
                status = each["HyperParameterTuningJobStatus"]
                found[each["HyperParameterTuningJobName"]] = _job(status, each.get("HyperParameterTuningEndTime"))
        return found

    def _groups(self) -> dict[str, dict[str, int]]:
        answer = self._stage.aws.client("autoscaling").describe_auto_scaling_groups()
        return {
            each["AutoScalingGroupName"]: {
                "minimum": each["MinSize"],
                "desired": each["DesiredCapacity"],
                "maximum": each["MaxSize"],
                "instances": len(each["Instances"]),
            }
            for each in answer["AutoScalingGroups"]
        }

    def _stop_event(self, body: Mapping[str, Any]) -> dict[str, Any]:
        detail = body["detail"]
        return {"run": self._cast.name_of(detail["run"]), **{k: detail[k] for k in ("hourly_rate_usd", "spent_usd")}}

    def _drain(self, url: str) -> list[dict[str, Any]]:
        client = self._stage.aws.client("sqs")
        found: list[dict[str, Any]] = []
        while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found.extend(json.loads(each["Body"]) for each in messages)
        return found


def _of_type(events: Sequence[Mapping[str, Any]], detail_type: str) -> list[Mapping[str, Any]]:
    return [each for each in events if each["detail-type"] == detail_type]


def _job(status: str, ended_at: datetime | None) -> dict[str, Any]:
    return {"status": status, "ended_at": times.to_key(ended_at) if ended_at else None}


def _asked_about(item: Mapping[str, Any]) -> str:
    """The job's name, of a line about a question; the model's and its version, of one about a candidate."""
    if f"/{ledger_judgements.ABOUT}/" in item["run_id"]:
        *_, group, version = item["run_id"].split("/")
        return f"{group} v{version}"
    return str(item["evidence"].get("name", "")) if f"/{ABOUT}/" in item["run_id"] else ""


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def total_usd(events: tuple[Mapping[str, Any], ...], field: str) -> Decimal:
    """Sum of a dollar field over the stop events; what has no price adds nothing."""
    return sum((Decimal(each[field]) for each in events if each[field] is not None), Decimal(0))
