"""The stack: composes the constructs; each capability is in its own file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from aws_cdk import Aws, CfnOutput, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from costwatch import __version__, names, topology
from infra import read_permissions
from infra.alarms import Alarms
from infra.alerts import Alerts
from infra.dashboard import Dashboard
from infra.dead_letters import DeadLetterQueue
from infra.functions import WatchdogFunction
from infra.gated_training import GatedTraining
from infra.http_api import SlackApi
from infra.inputs import Inputs
from infra.ledger import Ledger
from infra.queues import BatchedQueue
from infra.registry_permissions import write_policies
from infra.schedule import Rules
from infra.stop_policies import stop_policies


class CostwatchStack(Stack):
    """Everything Costwatch deploys, in its home region. `asset` is the staged directory of the functions' code.

    `keep_ledger`: whether the ledger stays when the stack goes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        inputs: Inputs,
        asset: Path,
        keep_ledger: bool = True,
        **stack: Any,
    ) -> None:
        super().__init__(scope, construct_id, description="Costwatch: a cost watchdog for ML training", **stack)
        # CDK makes every function wait for its role in so many words; the linter finds the words superfluous.
        self.template_options.metadata = {"cfn-lint": {"config": {"ignore_checks": ["W3005"]}}}
        self._inputs = inputs
        self._ledger = Ledger(self, "Ledger", keep=keep_ledger)
        self._alerts = Alerts(self, "Alerts", emails=inputs.alert_emails)
        self._refused = DeadLetterQueue(self, "RefusedEvents")
        code = lambda_.Code.from_asset(str(asset))
        by_name = {spec.name: spec for spec in topology.functions(slack=inputs.has_slack, models=inputs.has_models)}
        self._batched = {
            queue.name: BatchedQueue(self, _title(queue.name), queue=queue, function=by_name[queue.function])
            for queue in topology.QUEUES
        }
        functions: dict[str, WatchdogFunction] = {}
        for name, spec in by_name.items():
            functions[name] = self._function(spec, code, functions)
        for queue in topology.QUEUES:
            self._batched[queue.name].feed(functions[queue.function])
        sweep_every = timedelta(seconds=inputs.policy["sweep_every_seconds"])
        Rules(
            self,
            "Rules",
            rules=topology.rules(sweep_every, slack=inputs.has_slack, models=inputs.has_models),
            functions=functions,
            queues=self._batched,
        )
        alarms = Alarms(
            self,
            "Alarms",
            topic=self._alerts.topic,
            sweep_every=sweep_every,
            burn_limit_usd_per_hour=inputs.burn_limit_usd_per_hour,
            functions=[each.function for each in functions.values()],
            services=[each.spec.service for each in functions.values()],
            queues={name: each.dead_letters for name, each in functions.items() if each.dead_letters is not None}
            | {name: each.dead_letters for name, each in self._batched.items()}
            | {"refused": self._refused},
        )
        Dashboard(
            self,
            "Dashboard",
            alarms=alarms.all,
            burn_limit_usd_per_hour=inputs.burn_limit_usd_per_hour,
            log_groups=[each.log_group.log_group_name for each in functions.values()],
            models=inputs.has_models,
        )
        self._record(
            functions,
            self._gated_training(functions[topology.GATE.name]),
            self._slack_api(functions[topology.DOOR.name]) if inputs.has_slack else "",
        )

    def _function(
        self, spec: topology.Function, code: lambda_.Code, before: Mapping[str, WatchdogFunction]
    ) -> WatchdogFunction:
        """`before`: the functions that were made before it; the one that may stop runs is the first, and the one that
        writes the model registry comes before those who ask it to.
        """
        inputs = self._inputs
        deadman, res = before.get(topology.DEADMAN.name), before.get(topology.RES.name)
        requests = self._batched[topology.REQUESTS.name]
        settings = spec.settings.of(
            ledger_table=self._ledger.table.table_name,
            alerts_topic_arn=self._alerts.topic.topic_arn,
            refused_queue_url=self._refused.queue_url,
            heartbeat_bus=names.HEARTBEAT_BUS,
            deadman_function=deadman.function.function_name if deadman is not None else "",
            res_function=res.function.function_name if res is not None else "",
            gate_queue_url=requests.queue.queue_url,
            gate_dead_letters_arn=requests.dead_letters.queue_arn,
            slack_token_parameter=inputs.slack_token_parameter,
            slack_signing_secret_parameter=inputs.slack_signing_secret_parameter,
            slack_app_id=inputs.policy["slack"].get("app_id", ""),
            slack_workspace=inputs.policy["slack"].get("workspace", ""),
        )
        created = WatchdogFunction(self, spec.name.title(), function=spec, code=code, environment=settings.to_env())
        created.may(
            read_permissions.statements_of(
                spec,
                read_permissions.Targets(
                    partition=Aws.PARTITION,
                    account=self.account,
                    home_region=self.region,
                    regions=inputs.policy["regions"],
                    ledger_table=self._ledger.table.table_arn,
                    alerts_topic=self._alerts.topic.topic_arn,
                    refused_queue=self._refused.queue_arn,
                    log_group=created.log_group.log_group_arn,
                    deadman_function=deadman.function.function_arn if deadman is not None else "",
                    res_function=res.function.function_arn if res is not None else "",
                    slack_token_parameter=inputs.slack_token_parameter,
                    slack_signing_secret_parameter=inputs.slack_signing_secret_parameter,
                ),
            ),
            why_wildcards="EC2 and SageMaker lists and the price list have no resource level, and which instances and "
            "jobs there will be is not known at deploy; these statements only read, in the configured regions, and "
            "public prices in the region that has them.",
        )
        if spec.stops_runs:
            created.may_stop(stop_policies(inputs.policy, account=self.account, partition=Aws.PARTITION))
        if spec is topology.RES:
            created.may_write(write_policies(inputs.policy, account=self.account, partition=Aws.PARTITION))
        return created

    def _slack_api(self, door: WatchdogFunction) -> str:
        """The URL that the Slack app is given."""
        url = SlackApi(self, "SlackApi", door=door).request_url
        CfnOutput(self, "SlackRequestUrl", value=url, description="The Slack app's Interactivity request URL")
        return url

    def _gated_training(self, gate: WatchdogFunction) -> GatedTraining | None:
        """Where no roles are configured there is none: it could hand nothing to a job."""
        approval = self._inputs.policy.get("approval", {})
        if not approval.get("roles"):
            return None
        return GatedTraining(
            self,
            "GatedTraining",
            gate=gate,
            answer_within=timedelta(seconds=approval["answer_within_seconds"]),
            roles=approval["roles"],
            region=self.region,
        )

    def _record(
        self, functions: Mapping[str, WatchdogFunction], gated: GatedTraining | None, slack_request_url: str
    ) -> None:
        """What the command line reads to find this deployment, and to refuse a policy that is not the deployed one."""
        document = self._inputs.policy_document
        ssm.StringParameter(
            self,
            "Deployment",
            parameter_name=names.DEPLOYMENT_PARAMETER,
            description="Where Costwatch is deployed; read by its command line",
            string_value=self.to_json_string(
                {
                    "stack": Aws.STACK_NAME,
                    "table": self._ledger.table.table_name,
                    "function": functions[topology.DEADMAN.name].function.function_name,
                    "prices_function": functions[topology.PRICES.name].function.function_name,
                    "gate_function": functions[topology.GATE.name].function.function_name,
                    "res_function": _name_of(functions.get(topology.RES.name)),
                    "retrain_function": _function_arn(functions.get(topology.RETRAIN.name)),
                    "gate_queue_url": self._batched[topology.REQUESTS.name].queue.queue_url,
                    "gated_training_arn": gated.machine.state_machine_arn if gated is not None else "",
                    "refused_queue_url": self._refused.queue_url,
                    "alerts_topic_arn": self._alerts.topic.topic_arn,
                    "slack_request_url": slack_request_url,
                    "policy_digest": document["digest"],
                    "config_commit": document["config_commit"],
                    "version": __version__,
                    "regions": list(self._inputs.policy["regions"]),
                }
            ),
        )


def _name_of(function: WatchdogFunction | None) -> str:
    """Empty where it is not deployed."""
    return function.function.function_name if function is not None else ""


def _function_arn(function: WatchdogFunction | None) -> str:
    """The same by its ARN, which pipelines and state machines take."""
    return function.function.function_arn if function is not None else ""


def _title(name: str) -> str:
    """`gate-requests` as a construct is called: `GateRequests`."""
    return "".join(part.title() for part in name.split("-"))
