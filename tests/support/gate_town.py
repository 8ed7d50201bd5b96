"""The gate's function as deployed, in an embedded AWS: its queue, its handler, and people who answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from costwatch import names
from costwatch.core.approvals import Approval, Clicker
from costwatch.handlers import deadman, gate
from costwatch.procedures import approvals
from costwatch.procedures.report import SweepReport
from costwatch.settings import AnySettings, DeadmanSettings, GateSettings, ResSettings
from costwatch.topology import DEADMAN, GATE, REQUESTS
from costwatch.wiring import Wiring
from demo.embedded import EmbeddedAws
from demo.ledger_table import create_ledger_table
from tests.support import policies
from tests.support.embedded import Context
from tests.support.fakes import TestClock
from tests.support.recorded_calls import acting_as

REGION: Final = "us-east-1"
MARIA: Final = Clicker("U0MARIA00", "Maria Lopez")
_TABLE: Final = "costwatch-ledger"
_REFUSED: Final = "costwatch-refused"


class GateTown:
    """An account with a gate. `changes` are those of `approval:` in its policy; nothing listens in Slack."""

    slack: Mapping[str, Any] = {"platform_channel": "", "team_channels": {}, "warn_owner_by": "dm"}
    selectors: Sequence[Mapping[str, Any]] = ()
    res: Mapping[str, Any] | None = None
    """What retrained models are held against; None: none is judged."""

    def __init__(self, aws: EmbeddedAws, clock: TestClock, directory: Path, **changes: Any) -> None:
        tiers = [{"above_usd": "100", "approvers": [MARIA.principal]}]
        self._approval = {"mode": "enforce", "tiers": tiers, **changes}
        self.aws, self.clock = aws, clock
        self._policy_file = directory / "policy.json"
        create_ledger_table(aws.client("dynamodb"), _TABLE)
        aws.client("events").create_event_bus(Name=names.HEARTBEAT_BUS)
        sqs = aws.client("sqs")
        self.refused_url = sqs.create_queue(QueueName=_REFUSED)["QueueUrl"]
        self.queue_url = str(sqs.create_queue(QueueName=f"costwatch-{REQUESTS.name}")["QueueUrl"])
        self.queue_arn = self._arn("sqs", f"costwatch-{REQUESTS.name}")
        self.dead_letters_arn = self._arn("sqs", f"costwatch-{REQUESTS.name}-dead-letters")
        self.topic_arn = aws.client("sns").create_topic(Name="alerts")["TopicArn"]
        self.deploy()

    def deploy(self, **changes: Any) -> None:
        """Another policy, with `changes` of its `approval:`, over the same ledger and queues."""
        self._approval.update(changes)
        self.document = policies.document(
            approval=policies.approval(**self._approval),
            slack=dict(self.slack),
            selectors=[dict(each) for each in self.selectors],
            **({"res": dict(self.res)} if self.res is not None else {}),
        )
        self._policy_file.write_text(json.dumps(self.document), "utf-8")
        self.wired = self._wiring(
            GateSettings(**self._told(), gate_dead_letters_arn=self.dead_letters_arn), GATE.service
        )
        self.sweep_wired = self._wiring(DeadmanSettings(**self._told(), gate_queue_url=self.queue_url), DEADMAN.service)

    def _told(self) -> dict[str, str]:
        return {
            "ledger_table": _TABLE,
            "alerts_topic_arn": self.topic_arn,
            "refused_queue_url": self.refused_url,
            "heartbeat_bus": names.HEARTBEAT_BUS,
        }

    def _wiring(self, settings: GateSettings | DeadmanSettings | ResSettings, service: str) -> Wiring:
        wired = Wiring(settings, self._policy_file, service, clock=self.clock)
        wired.__dict__["session"] = self.aws.session()
        return wired

    def _arn(self, service: str, name: str) -> str:
        return f"arn:aws:{service}:{REGION}:{self.aws.account_id}:{name}"

    def context(self, function: str) -> Any:
        return Context(self._arn("lambda", f"function:costwatch-{function}"))

    def _acting(self, role: str, settings: AnySettings) -> Any:
        return acting_as(role, policy=self.document, settings=settings)

    # --- what AWS does with the function ----------------------------------------------------------------

    def invoke(self, event: object) -> dict[str, Any]:
        with self._acting("gate", self.wired.settings):
            return gate.handle(event, self.context(GATE.name), self.wired)

    def records(self, *bodies: object, dead: bool = False) -> dict[str, Any]:
        """A batch as Lambda's poller makes it."""
        source = self.dead_letters_arn if dead else self.queue_arn
        return {
            "Records": [
                {
                    "messageId": f"m-{number}",
                    "body": body if isinstance(body, str) else json.dumps(body),
                    "eventSourceARN": source,
                }
                for number, body in enumerate(bodies)
            ]
        }

    def waiting(self) -> list[dict[str, Any]]:
        """The bodies in the gate's queue, taken out of it."""
        sqs, found = self.aws.client("sqs"), []
        while raws := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for raw in raws:
                found.append(json.loads(raw["Body"]))
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=raw["ReceiptHandle"])
        return found

    def poll(self) -> dict[str, Any]:
        """Whatever waits in the queue goes through the handler, in one batch."""
        return self.invoke(self.records(*self.waiting()))

    def refused(self) -> list[dict[str, Any]]:
        raws = self.aws.client("sqs").receive_message(QueueUrl=self.refused_url, MaxNumberOfMessages=10)
        return [json.loads(raw["Body"]) for raw in raws.get("Messages", [])]

    # --- people and time --------------------------------------------------------------------------------

    def questions(self) -> list[Approval]:
        """Those that wait for an answer or for its effect."""
        return self._gate().approvals.waiting(self.aws.account_id)

    def answer(
        self, *, yes: bool, reason: str = "", cap: timedelta | None = None, question: Approval | None = None
    ) -> Approval:
        """Maria answers `question`, or the only one there is."""
        if question is None:
            (question,) = self.questions()
        with self._acting("deadman", self.sweep_wired.settings):
            return approvals.answer(
                self._gate(), self.aws.account_id, question.id, MARIA, yes=yes, reason=reason, cap=cap
            )

    def tend(self) -> SweepReport:
        report = SweepReport(at=self.clock())
        with self._acting("deadman", self.sweep_wired.settings):
            approvals.tend(self._gate(), self.aws.account_id, report)
        return report

    def sweep(self) -> dict[str, Any]:
        event = {"source": names.SOURCE_SCHEDULE, "detail-type": names.DETAIL_SCHEDULED, "detail": {}}
        with self._acting("deadman", self.sweep_wired.settings):
            return deadman.handle(event, self.context(DEADMAN.name), self.sweep_wired)

    def _gate(self) -> approvals.Gate:
        return self.sweep_wired.gate(self.context(DEADMAN.name))

    def timeline(self, approval_id: str) -> list[Mapping[str, Any]]:
        return self._gate().approvals.timeline(self.aws.account_id, approval_id)


Make = Callable[..., GateTown]
