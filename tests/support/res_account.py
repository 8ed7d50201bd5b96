"""The breaker's function as deployed, in an embedded AWS: its handler, the registry, and what others hear of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from costwatch import names
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.core.judgements import Judgement
from costwatch.core.packages import ApprovalStatus
from costwatch.handlers import res as handler
from costwatch.settings import ResSettings
from costwatch.topology import RES
from costwatch.wiring import Wiring
from demo.embedded import EmbeddedAws
from demo.ledger_table import create_ledger_table
from demo.state_events import StateEvents
from tests.support import policies
from tests.support.embedded import Context
from tests.support.fakes import TestClock
from tests.support.recorded_calls import acting_as
from tests.support.registry_town import TAGS, res

REGION: Final = "us-east-1"
DATA: Final = "s3://data/validation/part-0.csv"
_TABLE: Final = "costwatch-ledger"
_METRIC: Final = "validation:auc"


class ResAccount:
    """An account whose models are judged. `changes` are those of `res:` in its policy; e-mail takes the cards."""

    def __init__(
        self,
        aws: EmbeddedAws,
        clock: TestClock,
        directory: Path,
        mode: str = "enforce",
        *,
        table: str = _TABLE,
        **changes: Any,
    ):
        self.aws, self.clock, self._table = aws, clock, table
        self._policy_file = directory / "policy.json"
        create_ledger_table(aws.client("dynamodb"), table)
        self._refused_url = aws.client("sqs").create_queue(QueueName="costwatch-refused")["QueueUrl"]
        self._topic_arn = aws.client("sns").create_topic(Name="alerts")["TopicArn"]
        aws.client("sns").subscribe(TopicArn=self._topic_arn, Protocol="email", Endpoint="ml@example.com")
        aws.fleet.confirm_subscriptions(self._topic_arn)
        self._listen()
        self.state_events = StateEvents(aws, clock)
        aws.models.put(DATA, b"1,2,3", at=clock() - timedelta(days=30))
        self.deploy(mode, **changes)

    def deploy(self, mode: str = "enforce", **changes: Any) -> None:
        slack = {"platform_channel": "", "team_channels": {}, "warn_owner_by": "dm"}
        self.document = policies.document(res=res(mode, **changes), slack=slack, selectors=[])
        self._policy_file.write_text(json.dumps(self.document), "utf-8")
        self._settings = ResSettings(self._table, self._topic_arn, self._refused_url, names.HEARTBEAT_BUS)
        self.wired = Wiring(self._settings, self._policy_file, RES.service, clock=self.clock)
        self.wired.__dict__["session"] = self.aws.session()

    def _listen(self) -> None:
        """A rule of somebody else's, as they would write it."""
        self._heard_url = self.aws.client("sqs").create_queue(QueueName="heard")["QueueUrl"]
        events, pattern = self.aws.client("events"), {"detail-type": [names.DETAIL_RES_VERDICT]}
        events.put_rule(Name="verdicts", EventPattern=json.dumps(pattern), State="ENABLED")
        arn = f"arn:aws:sqs:{REGION}:{self.aws.account_id}:heard"
        events.put_targets(Rule="verdicts", Targets=[{"Id": "queue", "Arn": arn}])

    # --- what AWS does with the function ------------------------------------------------------------------------

    def invoke(self, event: object) -> dict[str, Any]:
        context: Any = Context(f"arn:aws:lambda:{REGION}:{self.aws.account_id}:function:costwatch-{RES.name}")
        with acting_as(RES.name, policy=self.document, settings=self._settings):
            return handler.handle(event, context, self.wired)

    def events_arrive(self, kind: str = "") -> None:
        """Every change since the last call, as SageMaker tells of it; of one kind where named."""
        taken = (names.DETAIL_PACKAGE_STATE, names.DETAIL_TRAINING_STATE)
        for event in self.state_events.take():
            over = event["detail"].get("TrainingJobStatus", "Completed") != "InProgress"
            if event["detail-type"] in taken and over and kind in event["detail-type"]:
                self.invoke(event)

    def sweep(self) -> dict[str, Any]:
        return self.invoke({"source": names.SOURCE_SCHEDULE, "detail-type": names.DETAIL_SCHEDULED, "detail": {}})

    def decides(self, arn: str, target: ApprovalStatus) -> dict[str, Any]:
        detail = {"judgement": self.row(arn).id, "target": target.value, "by": "U0MARIA00", "name": "Maria Lopez"}
        event = {"source": names.SOURCE_CLI, "detail-type": names.DETAIL_DECISION_REQUESTED, "detail": detail}
        return self.invoke(event)

    # --- seeding --------------------------------------------------------------------------------------------------

    def trained(self, job: str, auc: float, *, hours: float = 10, status: str = "Completed", **more: Any) -> str:
        """A job that began so many hours ago and ends now."""
        self.aws.fleet.training_job(job, started_at=self.clock() - timedelta(hours=hours), tags=TAGS, **more)
        self.aws.models.measured(job, {_METRIC: auc})
        self.aws.models.read_from(job, {"validation": DATA})
        self.aws.fleet.finish_job(job, self.clock(), status)
        return job

    def candidate(self, job: str, auc: float, *, hours: float = 10, **package: Any) -> str:
        """Its ARN."""
        return self.aws.models.register("churn", job=self.trained(job, auc, hours=hours), **package)

    # --- what can be seen afterwards --------------------------------------------------------------------------------

    def package(self, arn: str) -> Mapping[str, Any]:
        found = self.aws.client("sagemaker").describe_model_package(ModelPackageName=arn)
        return {name: value for name, value in found.items() if name != "ResponseMetadata"}

    def row(self, arn: str) -> Judgement:
        group, version = arn.rpartition("model-package/")[2].split("/")
        found = Judgements(self.wired.ledger).get(self.aws.account_id, f"{REGION}/{group}/{version}")
        assert found is not None
        return found

    def heard(self) -> list[dict[str, Any]]:
        """What others' rules were told, oldest first."""
        sqs = self.aws.client("sqs")
        found = sqs.receive_message(QueueUrl=self._heard_url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(each["Body"]) for each in found]

    @property
    def mails(self) -> list[str]:
        return [str(each.subject) for each in self.aws.sns_messages]
