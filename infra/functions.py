"""The Lambda functions of the topology: one shared asset, a role, a log group and a dead-letter queue each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from costwatch import names, topology
from infra.dead_letters import DeadLetterQueue
from infra.nag import acknowledge, acknowledge_resource_wildcards

Statement = dict[str, Any]

LOG_RETENTION = logs.RetentionDays.THREE_MONTHS


class WatchdogFunction(Construct):
    """One function of the topology. Its role starts empty and is given statements by the stack."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: topology.Function,
        code: lambda_.Code,
        environment: dict[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.spec = function
        # What events invoke can fail unseen; what reads a queue leaves that queue what it fails on.
        self.dead_letters = DeadLetterQueue(self, "DeadLetters") if function.asynchronous else None
        # Logs go with the stack: what was decided is in the ledger, which stays.
        self.log_group = logs.LogGroup(self, "Logs", retention=LOG_RETENTION, removal_policy=RemovalPolicy.DESTROY)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"Costwatch function {function.name}",
        )
        self.function = lambda_.Function(
            self,
            "Function",
            description=f"Costwatch: {function.name}",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            code=code,
            handler=function.handler,
            role=self.role,
            timeout=_duration(function.timeout.total_seconds()),
            memory_size=function.memory_mb,
            environment=environment
            | {
                "POWERTOOLS_SERVICE_NAME": function.service,
                "POWERTOOLS_METRICS_NAMESPACE": names.METRIC_NAMESPACE,
            },
            log_group=self.log_group,
            dead_letter_queue=self.dead_letters,
            retry_attempts=function.retry_attempts if function.asynchronous else None,
        )
        acknowledge(
            self.function,
            {"AwsSolutions-L1": "3.13 is the newest runtime the project's tests run the functions under."},
        )

    def may(self, statements: Sequence[Statement], *, why_wildcards: str) -> None:
        """Add `statements` to the role's inline policy. `why_wildcards`: why some resources are not named in full."""
        for statement in statements:
            self.role.add_to_policy(iam.PolicyStatement.from_json(statement))
        acknowledge_resource_wildcards(self.role, statements, why_wildcards)

    def may_stop(self, policies: Sequence[Sequence[Statement]]) -> None:
        """What the selectors in enforce may stop."""
        self._attach(
            policies,
            name="Stop",
            # Never reworded: a change would replace the policy, which CloudFormation cannot do under a fixed name.
            description="What the selectors in enforce may stop",
            why_wildcards="Which instances and jobs there will be is not known at deploy: the condition on the tag "
            "bounds them.",
        )

    def may_write(self, policies: Sequence[Sequence[Statement]]) -> None:
        """What the RES breaker may set in the model registry."""
        self._attach(
            policies,
            name="Registry",
            description="What the RES breaker in enforce may write",
            why_wildcards="Which versions there will be is not known at deploy: the names of their groups, the region "
            "and the status that may be set bound them.",
        )

    def _attach(
        self, policies: Sequence[Sequence[Statement]], *, name: str, description: str, why_wildcards: str
    ) -> None:
        """Attach each list of statements as a managed policy of its own: IAM limits the length of one."""
        first: iam.ManagedPolicy | None = None
        for number, statements in enumerate(policies, start=1):
            policy = iam.ManagedPolicy(
                self,
                f"{name}{number}",
                description=description,
                statements=[iam.PolicyStatement.from_json(statement) for statement in statements],
                roles=[self.role],
            )
            if first is None:
                first = policy
            else:
                policy.node.add_dependency(first)  # all denials are in force before the later permissions are
            self.function.node.add_dependency(policy)  # code that acts never runs before it is allowed to
            acknowledge_resource_wildcards(policy, statements, why_wildcards)


def _duration(seconds: float) -> Duration:
    return Duration.seconds(int(seconds))
